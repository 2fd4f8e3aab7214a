//! `hash.*` and `hmac.*`.

use hmac::Mac;
use md5::{Digest as _, Md5};
use mlua::Value;
use ring::{digest, hmac as ring_hmac};

use super::encodings::Form;
use super::{Tools, text};

pub(super) fn register(tools: &Tools<'_>) -> mlua::Result<()> {
    let known = [
        (
            "sha1",
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            ring_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        ),
        ("sha256", &digest::SHA256, ring_hmac::HMAC_SHA256),
        ("sha384", &digest::SHA384, ring_hmac::HMAC_SHA384),
        ("sha512", &digest::SHA512, ring_hmac::HMAC_SHA512),
    ];
    for (name, plain, keyed) in known {
        hash(tools, name, move |text| {
            digest::digest(plain, text).as_ref().to_vec()
        })?;
        authenticate(tools, name, move |key, text| {
            let key = ring_hmac::Key::new(keyed, key);
            ring_hmac::sign(&key, text).as_ref().to_vec()
        })?;
    }
    hash(tools, "md5", |text| Md5::digest(text).to_vec())?;
    authenticate(tools, "md5", |key, text| {
        // A key of any length is a key: it cannot fail.
        let mac = hmac::Hmac::<Md5>::new_from_slice(key);
        mac.map_or_else(
            |_| Vec::new(),
            |mac| mac.chain_update(text).finalize().into_bytes().to_vec(),
        )
    })
}

/// `hash.NAME(text[, form])`.
fn hash(
    tools: &Tools<'_>,
    name: &str,
    digest: impl Fn(&[u8]) -> Vec<u8> + 'static,
) -> mlua::Result<()> {
    let name = format!("hash.{name}");
    tools.add(&name, move |lua, _, (given, form): (Value, Value)| {
        let given = text("the text", &given)?;
        let form = Form::read(&form)?;
        Ok(form.write(lua, &digest(&given.as_bytes()))?)
    })
}

/// `hmac.NAME(key, text[, form])`.
fn authenticate(
    tools: &Tools<'_>,
    name: &str,
    sign: impl Fn(&[u8], &[u8]) -> Vec<u8> + 'static,
) -> mlua::Result<()> {
    let name = format!("hmac.{name}");
    tools.add(
        &name,
        move |lua, _, (key, given, form): (Value, Value, Value)| {
            let (key, given) = (text("the key", &key)?, text("the text", &given)?);
            let form = Form::read(&form)?;
            Ok(form.write(lua, &sign(&key.as_bytes(), &given.as_bytes()))?)
        },
    )
}
