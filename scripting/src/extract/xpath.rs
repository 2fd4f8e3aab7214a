//! XPath on bodies.

use mlua::{IntoLua, Lua, LuaString, MultiValue, Value};

use super::{ExtractCaches, Found as Answer};
use crate::option_values::pairs;
use crate::xml::{Document, Expression, Found, evaluate};

/// An expression, and namespaces by prefix.
type Query = (LuaString, Value);

/// The result of the expression, or why there is none.
fn found(
    caches: &ExtractCaches,
    body: &[u8],
    (text, namespaces): &Query,
    all: bool,
) -> Result<Result<Found, String>, String> {
    let mut spaces = Vec::new();
    if !namespaces.is_nil() {
        for (prefix, uri) in pairs("the namespaces", namespaces)? {
            let text = |bytes| crate::text::utf8("the namespaces", bytes);
            spaces.push((text(prefix)?, text(uri)?));
        }
    }
    let text = text
        .to_str()
        .map_err(|_| "the expression must be UTF-8".to_owned())?;
    let mut key = text.as_bytes().to_vec();
    for (prefix, uri) in &spaces {
        key.extend_from_slice(format!("\0{prefix}\0{uri}").as_bytes());
    }
    let expression = caches
        .expressions
        .of(&key, || Expression::read(&text, &spaces))?;
    let document = match caches.xml.of(body, Document::read) {
        Ok(document) => document,
        Err(why) => return Ok(Err(why)),
    };
    evaluate(&document, &expression, all).map(Ok)
}

/// The first node's text, or the value that the expression has; nil and a reason if the body is not
/// XML.
pub(super) fn first(
    lua: &Lua,
    caches: &ExtractCaches,
    body: &[u8],
    question: Query,
) -> mlua::Result<Answer> {
    let value = match found(caches, body, &question, false) {
        Err(fault) => return Ok(Err(fault)),
        Ok(Err(why)) => return super::found(lua, (Value::Nil, why)),
        Ok(Ok(Found::Nodes(texts))) => texts.into_iter().next().into_lua(lua)?,
        Ok(Ok(value)) => scalar(lua, value)?,
    };
    Ok(Ok(MultiValue::from_iter([value])))
}

/// A list of the texts of all nodes; any other value is the only item.
pub(super) fn all(
    lua: &Lua,
    caches: &ExtractCaches,
    body: &[u8],
    question: Query,
) -> mlua::Result<Answer> {
    let list = lua.create_table()?;
    match found(caches, body, &question, true) {
        Err(fault) => return Ok(Err(fault)),
        Ok(Err(why)) => return super::found(lua, (Value::Nil, why)),
        Ok(Ok(Found::Nodes(texts))) => {
            for text in texts {
                list.raw_push(text)?;
            }
        }
        Ok(Ok(value)) => list.raw_push(scalar(lua, value)?)?,
    }
    Ok(Ok(MultiValue::from_iter([Value::Table(list)])))
}

fn scalar(lua: &Lua, value: Found) -> mlua::Result<Value> {
    match value {
        Found::Nodes(_) => Ok(Value::Nil),
        Found::Text(text) => text.into_lua(lua),
        Found::Number(number) => Ok(Value::Number(number)),
        Found::Truth(truth) => Ok(Value::Boolean(truth)),
    }
}
