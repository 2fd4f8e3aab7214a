//! `jwt.*`: JSON Web Tokens in their compact form (RFC 7515, 7518, 7519), with HS256, RS256 and
//! ES256.

use std::rc::Rc;

use base64::Engine as _;
use mlua::{Lua, Table, Value};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, EcdsaKeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair, UnparsedPublicKey,
};
use ring::{hmac, signature};
use serde_json::{Map, Value as Json};

use super::encodings::BASE64_URL;
use super::{Tools, keys, one_of, options, text};
use crate::cache::Cache;
use crate::json;
use crate::location::{kind, quoted};

/// Largest token that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Algorithm {
    Hs256,
    Rs256,
    Es256,
}

const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("HS256", Algorithm::Hs256),
    ("RS256", Algorithm::Rs256),
    ("ES256", Algorithm::Es256),
];

impl Algorithm {
    fn read(options: Option<&Table>) -> Result<Algorithm, String> {
        let given = match options {
            Some(options) => options.raw_get("alg").unwrap_or(Value::Nil),
            None => Value::Nil,
        };
        Ok(one_of("alg", &given, &ALGORITHMS)?.unwrap_or(Algorithm::Hs256))
    }

    fn name(self) -> &'static str {
        let known = ALGORITHMS.iter().find(|(_, one)| *one == self);
        known.map_or("", |(name, _)| name)
    }
}

/// The keys of one state, parsed once.
#[derive(Default)]
struct Keys {
    rsa: Cache<RsaKeyPair>,
    p256: Cache<EcdsaKeyPair>,
    rsa_public: Cache<Vec<u8>>,
    p256_public: Cache<Vec<u8>>,
}

impl Keys {
    fn sign(&self, algorithm: Algorithm, key: &[u8], input: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |_| "the key cannot sign".to_owned();
        match algorithm {
            Algorithm::Hs256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, key);
                Ok(hmac::sign(&key, input).as_ref().to_vec())
            }
            Algorithm::Rs256 => {
                let key = self.rsa.of(key, || keys::rsa(key))?;
                let mut made = vec![0; key.public().modulus_len()];
                let random = SystemRandom::new();
                key.sign(&RSA_PKCS1_SHA256, &random, input, &mut made)
                    .map_err(failed)?;
                Ok(made)
            }
            Algorithm::Es256 => {
                let key = self.p256.of(key, || keys::p256(key))?;
                let made = key.sign(&SystemRandom::new(), input).map_err(failed)?;
                Ok(made.as_ref().to_vec())
            }
        }
    }

    /// Whether this is the signature of `input`.
    fn verifies(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        input: &[u8],
        signature: &[u8],
    ) -> Result<bool, String> {
        let with = |how: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(how, key).verify(input, signature)
        };
        let verified = match algorithm {
            Algorithm::Hs256 => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), input, signature)
            }
            Algorithm::Rs256 => {
                let key = self.rsa_public.of(key, || keys::rsa_public(key))?;
                with(&RSA_PKCS1_2048_8192_SHA256, &key)
            }
            Algorithm::Es256 => {
                let key = self.p256_public.of(key, || keys::p256_public(key))?;
                with(&ECDSA_P256_SHA256_FIXED, &key)
            }
        };
        Ok(verified.is_ok())
    }
}

/// The header: `{"alg": …, "typ": "JWT"}` and what the script adds; a string is taken as it is.
fn header(lua: &Lua, options: Option<&Table>, algorithm: Algorithm) -> Result<Vec<u8>, String> {
    let given = match options {
        Some(options) => options.raw_get("header").unwrap_or(Value::Nil),
        None => Value::Nil,
    };
    let name = algorithm.name();
    let mut fields = match &given {
        Value::String(text) => return Ok(text.as_bytes().to_vec()),
        Value::Nil => return Ok(format!(r#"{{"alg":"{name}","typ":"JWT"}}"#).into_bytes()),
        Value::Table(_) => match json::encode(lua, &given, "header")? {
            Json::Object(fields) => fields,
            _ => Map::new(),
        },
        other => {
            let found = kind(other);
            return Err(format!("header must be a table or a string, not {found}"));
        }
    };
    if fields.contains_key("alg") {
        return Err("header: alg is an option of its own: { alg = \"RS256\" }".to_owned());
    }
    fields.insert("alg".to_owned(), Json::from(name));
    fields.entry("typ").or_insert_with(|| Json::from("JWT"));
    fields.sort_keys();
    serde_json::to_vec(&fields).map_err(|error| format!("header: {error}"))
}

fn sign(lua: &Lua, keys: &Keys, args: (Value, Value, Value)) -> Result<String, String> {
    let (claims, key, given) = args;
    let claims = match &claims {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Table(_) => json::bytes(lua, &claims, "the claims")?,
        other => {
            let found = kind(other);
            return Err(format!(
                "the claims must be a table or a string, not {found}"
            ));
        }
    };
    let key = text("the key", &key)?.as_bytes();
    let given = options(&given, &["alg", "header"])?;
    let algorithm = Algorithm::read(given)?;
    let header = header(lua, given, algorithm)?;
    let mut token = String::with_capacity((header.len() + claims.len()) * 4 / 3 + 360);
    BASE64_URL.encode_string(&header, &mut token);
    token.push('.');
    BASE64_URL.encode_string(&claims, &mut token);
    let signature = keys.sign(algorithm, &key, token.as_bytes())?;
    token.push('.');
    BASE64_URL.encode_string(&signature, &mut token);
    Ok(token)
}

/// A token taken apart.
struct Token {
    header: Json,
    claims: Json,
    /// How much of the text is signed.
    signed_bytes: usize,
    signature: Vec<u8>,
}

impl Token {
    fn read(text: &[u8]) -> Result<Token, String> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(format!("the token is longer than {TOKEN_BYTES_MAX} bytes"));
        }
        let parts: Vec<&[u8]> = text.split(|byte| *byte == b'.').collect();
        let [header, claims, signature] = parts[..] else {
            let found = parts.len();
            return Err(format!(
                "a token has 3 parts with dots between, not {found}"
            ));
        };
        let bytes = |what: &str, part: &[u8]| {
            let read = BASE64_URL.decode(part);
            read.map_err(|error| format!("the {what} is not base64url: {error}"))
        };
        let object = |what: &str, part: &[u8]| {
            let read = json::read(&bytes(what, part)?);
            read.map_err(|error| format!("the {what} is {error}"))
        };
        Ok(Token {
            header: object("header", header)?,
            claims: object("part with the claims", claims)?,
            signed_bytes: header.len() + 1 + claims.len(),
            signature: bytes("signature", signature)?,
        })
    }
}

/// Claims and header, or nil and why there are none.
type Read = (Value, Value);

fn read(lua: &Lua, token: Result<Token, String>) -> mlua::Result<Read> {
    match token {
        Ok(token) => Ok((
            json::value(lua, &token.claims)?,
            json::value(lua, &token.header)?,
        )),
        Err(reason) => Ok((Value::Nil, Value::String(lua.create_string(reason)?))),
    }
}

fn verify(
    keys: &Keys,
    (given, key, wanted): &(Value, Value, Value),
) -> Result<Result<Token, String>, String> {
    let given = text("the token", given)?.as_bytes();
    let key = text("the key", key)?.as_bytes();
    let algorithm = Algorithm::read(options(wanted, &["alg"])?)?;
    let token = match Token::read(&given) {
        Ok(token) => token,
        Err(reason) => return Ok(Err(reason)),
    };
    let found = token.header["alg"].as_str().unwrap_or_default();
    if found != algorithm.name() {
        return Ok(Err(format!(
            "alg is {}, not \"{}\"",
            quoted(found.as_bytes(), 20),
            algorithm.name()
        )));
    }
    let signed = &given[..token.signed_bytes];
    Ok(
        if keys.verifies(algorithm, &key, signed, &token.signature)? {
            Ok(token)
        } else {
            Err("the signature does not fit".to_owned())
        },
    )
}

pub(super) fn register(tools: &Tools<'_>) -> mlua::Result<()> {
    let keys = Rc::new(Keys::default());
    let signing = Rc::clone(&keys);
    tools.add("jwt.sign", move |lua, _, args: (Value, Value, Value)| {
        Ok(sign(lua, &signing, args)?)
    })?;
    tools.add("jwt.verify", move |lua, _, args: (Value, Value, Value)| {
        Ok(read(lua, verify(&keys, &args)?)?)
    })?;
    tools.add("jwt.decode", |lua, _, given: Value| {
        let given = text("the token", &given)?;
        Ok(read(lua, Token::read(&given.as_bytes()))?)
    })
}
