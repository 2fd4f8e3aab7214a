//! `base64.*`, `base64url.*`, `hex.*` and `json.*` (RFC 4648, RFC 8259).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mlua::{Lua, LuaString, Value};

use super::{Tools, one_of, text};
use crate::bindings::or_message;
use crate::json;

/// Written with padding, read with or without.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, config(true));
/// Written without padding, read with or without.
pub(super) const BASE64_URL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, config(false));

const fn config(padding: bool) -> GeneralPurposeConfig {
    GeneralPurposeConfig::new()
        .with_encode_padding(padding)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
}

/// How the bytes of a digest are written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Hex,
    Base64,
    Base64Url,
    Raw,
}

impl Form {
    /// Hexadecimal digits unless the script says otherwise.
    pub(super) fn read(value: &Value) -> Result<Form, String> {
        let known = [
            ("hex", Form::Hex),
            ("base64", Form::Base64),
            ("base64url", Form::Base64Url),
            ("raw", Form::Raw),
        ];
        Ok(one_of("the form", value, &known)?.unwrap_or(Form::Hex))
    }

    pub(super) fn write(self, lua: &Lua, bytes: &[u8]) -> mlua::Result<LuaString> {
        match self {
            Form::Hex => lua.create_string(hex(bytes)),
            Form::Base64 => lua.create_string(BASE64.encode(bytes)),
            Form::Base64Url => lua.create_string(BASE64_URL.encode(bytes)),
            Form::Raw => lua.create_string(bytes),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

/// The bytes of hexadecimal digits in either case.
fn from_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |at: usize| {
        char::from(text[at]).to_digit(16).ok_or_else(|| {
            let found = crate::location::quoted(&text[at..=at], 1);
            format!("not hexadecimal: {found} at byte {}", at + 1)
        })
    };
    if !text.len().is_multiple_of(2) {
        return Err(format!(
            "not hexadecimal: {} digits, an odd number",
            text.len()
        ));
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| Ok((digit(at)? << 4 | digit(at + 1)?) as u8))
        .collect()
}

/// `NAME.encode(text)` and `NAME.decode(text)`.
fn pair(
    tools: &Tools<'_>,
    name: &str,
    encode: impl Fn(&[u8]) -> String + 'static,
    decode: impl Fn(&[u8]) -> Result<Vec<u8>, String> + 'static,
) -> mlua::Result<()> {
    tools.add(&format!("{name}.encode"), move |lua, _, given: Value| {
        let given = text("the text", &given)?;
        Ok(lua.create_string(encode(&given.as_bytes()))?)
    })?;
    tools.add(&format!("{name}.decode"), move |lua, _, given: Value| {
        let given = text("the text", &given)?;
        let decoded = decode(&given.as_bytes());
        let decoded = decoded.map(|bytes| lua.create_string(bytes));
        Ok(or_message(match decoded {
            Ok(made) => Ok(made?),
            Err(reason) => Err(reason),
        }))
    })
}

pub(super) fn register(tools: &Tools<'_>) -> mlua::Result<()> {
    for (name, engine) in [("base64", BASE64), ("base64url", BASE64_URL)] {
        let reading = engine.clone();
        let decode = move |text: &[u8]| {
            let decoded = reading.decode(text);
            decoded.map_err(|error| format!("not {name}: {error}"))
        };
        pair(tools, name, move |bytes| engine.encode(bytes), decode)?;
    }
    pair(tools, "hex", hex, from_hex)?;
    tools.add("json.encode", |lua, _, value: Value| {
        let bytes = json::bytes(lua, &value, "the value")?;
        Ok(lua.create_string(bytes)?)
    })?;
    tools.add("json.decode", |lua, _, given: Value| {
        let read = json::read(&text("the text", &given)?.as_bytes());
        match read {
            Ok(json) => Ok((json::value(lua, &json)?, None)),
            Err(reason) => Ok((Value::Nil, Some(reason))),
        }
    })
}
