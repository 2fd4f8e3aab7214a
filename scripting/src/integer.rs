//! Whole numbers above 2^53 for Lua, whose numbers are doubles: 64-bit ids keep their digits.
//!
//! They come from JSON, data files and `integer("…")`. Equal digits are the same Lua value, so `==`
//! and table keys work; `..`, tostring, arithmetic and `<` between them are exact. A result that a
//! Lua number can hold exactly becomes a number again; so does a result beyond 64 bits, rounded.

use mlua::{Lua, Table, Value};
use serde_json::Number;

/// Up to this bound (2^53) a Lua number holds every whole number exactly.
pub(crate) const EXACT_MAX: u64 = 1 << 53;

/// Registry key of the integers in use, by their digits.
const KNOWN: &str = "mistress.integers";
/// Registry key of their common metatable.
const KIND: &str = "mistress.integer";
/// Marks that metatable.
const MARK: &str = "mistress.integer";

/// A whole number beyond ±2^53, from -2^63 to 2^64 - 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Integer(i128);

impl Integer {
    /// As a JSON number, which always exists.
    pub(crate) fn json(self) -> Option<Number> {
        Number::from_i128(self.0)
    }
}

impl std::fmt::Display for Integer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The integer that a value is.
pub(crate) fn of(value: &Value) -> Option<Integer> {
    let Value::Table(table) = value else {
        return None;
    };
    table.metatable()?.raw_get::<Option<bool>>(MARK).ok()??;
    let digits: String = table.raw_get(1).ok()?;
    digits.parse().ok().map(Integer)
}

/// Prepares a state.
pub(crate) fn prepare(lua: &Lua) -> mlua::Result<()> {
    let (known, weak) = (lua.create_table()?, lua.create_table()?);
    weak.raw_set("__mode", "v")?;
    known.set_metatable(Some(weak))?;
    lua.set_named_registry_value(KNOWN, known)?;
    lua.set_named_registry_value(KIND, metatable(lua)?)
}

/// A number of JSON as Lua's: an [`Integer`] where a Lua number would round it.
pub(crate) fn from_json(lua: &Lua, number: &Number) -> mlua::Result<Value> {
    match number.as_i128() {
        Some(whole) => value(lua, whole),
        None => Ok(Value::Number(number.as_f64().unwrap_or(f64::NAN))),
    }
}

/// The result of `integer(…)` for decimal digits or for a whole number, which may already be an
/// integer.
pub(crate) fn read(lua: &Lua, given: &Value) -> mlua::Result<Result<Value, String>> {
    let wrong = || Err("expected decimal digits of at most 64 bits".to_owned());
    let whole = match given {
        Value::String(text) => text.to_string_lossy().parse::<i128>().ok(),
        Value::Integer(whole) => Some(i128::from(*whole)),
        _ if of(given).is_some() => return Ok(Ok(given.clone())),
        _ => None,
    };
    let rounded = |whole: i128| {
        !matches!(given, Value::String(_)) && whole.unsigned_abs() > u128::from(EXACT_MAX)
    };
    match whole {
        Some(whole) if rounded(whole) => Ok(Err(format!(
            "{whole} is above 2^53, where Lua rounds numbers: write the digits in quotes"
        ))),
        Some(whole) if Number::from_i128(whole).is_some() => value(lua, whole).map(Ok),
        _ => Ok(wrong()),
    }
}

fn value(lua: &Lua, whole: i128) -> mlua::Result<Value> {
    let is_exact = whole.unsigned_abs() <= u128::from(EXACT_MAX);
    if is_exact || Number::from_i128(whole).is_none() {
        return Ok(Value::Number(whole as f64));
    }
    let known: Table = lua.named_registry_value(KNOWN)?;
    let digits = whole.to_string();
    let found: Value = known.raw_get(&*digits)?;
    if !found.is_nil() {
        return Ok(found);
    }
    let made = lua.create_table_with_capacity(1, 0)?;
    made.raw_set(1, &*digits)?;
    made.set_metatable(lua.named_registry_value(KIND)?)?;
    known.raw_set(digits, &made)?;
    Ok(Value::Table(made))
}

/// One side of an arithmetic operation.
#[derive(Clone, Copy)]
enum Operand {
    Whole(i128),
    Fraction(f64),
}

impl Operand {
    fn new(value: &Value) -> mlua::Result<Operand> {
        match value {
            Value::Integer(whole) => Ok(Operand::Whole(i128::from(*whole))),
            Value::Number(number) => Ok(Operand::Fraction(*number)),
            other => match of(other) {
                Some(integer) => Ok(Operand::Whole(integer.0)),
                None => Err(mlua::Error::runtime(format!(
                    "attempt to perform arithmetic on a {} and an integer",
                    other.type_name()
                ))),
            },
        }
    }

    fn number(self) -> f64 {
        match self {
            Operand::Whole(whole) => whole as f64,
            Operand::Fraction(number) => number,
        }
    }
}

fn arithmetic(
    lua: &Lua,
    metatable: &Table,
    name: &str,
    exact: fn(i128, i128) -> Option<i128>,
    rounded: fn(f64, f64) -> f64,
) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, (one, other): (Value, Value)| {
        let (one, other) = (Operand::new(&one)?, Operand::new(&other)?);
        if let (Operand::Whole(one), Operand::Whole(other)) = (one, other)
            && let Some(result) = exact(one, other)
        {
            return value(lua, result);
        }
        Ok(Value::Number(rounded(one.number(), other.number())))
    })?;
    metatable.raw_set(name, function)
}

fn comparison(
    lua: &Lua,
    metatable: &Table,
    name: &str,
    holds: fn(&i128, &i128) -> bool,
) -> mlua::Result<()> {
    let function = lua.create_function(move |_, (one, other): (Value, Value)| {
        match of(&one).zip(of(&other)) {
            Some((one, other)) => Ok(holds(&one.0, &other.0)),
            None => Err(mlua::Error::runtime(
                "attempt to compare a table with an integer",
            )),
        }
    })?;
    metatable.raw_set(name, function)
}

/// As Lua has it: the remainder has the sign of the divisor.
fn modulo(one: i128, other: i128) -> Option<i128> {
    let rest = one.checked_rem(other)?;
    let is_other_side = rest != 0 && (rest < 0) != (other < 0);
    Some(if is_other_side { rest + other } else { rest })
}

/// The bytes of one side of `..`.
fn text(value: &Value) -> mlua::Result<Vec<u8>> {
    match (of(value), value) {
        (Some(integer), _) => Ok(integer.to_string().into_bytes()),
        (None, Value::String(text)) => Ok(text.as_bytes().to_vec()),
        (None, Value::Integer(_) | Value::Number(_)) => Ok(value.to_string()?.into_bytes()),
        (None, other) => Err(mlua::Error::runtime(format!(
            "attempt to concatenate a {} and an integer",
            other.type_name()
        ))),
    }
}

fn metatable(lua: &Lua) -> mlua::Result<Table> {
    let metatable = lua.create_table()?;
    metatable.raw_set(MARK, true)?;
    metatable.raw_set("__metatable", "integer")?;
    let to_text = |lua: &Lua, this: Value| lua.create_string(text(&this)?);
    metatable.raw_set("__tostring", lua.create_function(to_text)?)?;
    let concat = |lua: &Lua, (one, other): (Value, Value)| {
        lua.create_string([text(&one)?, text(&other)?].concat())
    };
    metatable.raw_set("__concat", lua.create_function(concat)?)?;
    let refuse = |_: &Lua, ()| -> mlua::Result<()> {
        Err(mlua::Error::runtime("attempt to change an integer"))
    };
    metatable.raw_set("__newindex", lua.create_function(refuse)?)?;
    comparison(lua, &metatable, "__eq", i128::eq)?;
    comparison(lua, &metatable, "__lt", i128::lt)?;
    comparison(lua, &metatable, "__le", i128::le)?;
    let minus = |lua: &Lua, this: Value| match Operand::new(&this)? {
        Operand::Whole(whole) => value(lua, -whole),
        Operand::Fraction(number) => Ok(Value::Number(-number)),
    };
    metatable.raw_set("__unm", lua.create_function(minus)?)?;
    arithmetic(lua, &metatable, "__add", i128::checked_add, |a, b| a + b)?;
    arithmetic(lua, &metatable, "__sub", i128::checked_sub, |a, b| a - b)?;
    arithmetic(lua, &metatable, "__mul", i128::checked_mul, |a, b| a * b)?;
    arithmetic(lua, &metatable, "__div", |_, _| None, |a, b| a / b)?;
    arithmetic(lua, &metatable, "__mod", modulo, |a, b| {
        a - (a / b).floor() * b
    })?;
    Ok(metatable)
}
