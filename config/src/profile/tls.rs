//! The table `[tls]`.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::FileCheck;
use super::fields::{self, Table, wrong};
use crate::document::{Diagnostics, Value};
use crate::nearest::nearest;
use crate::plan::Data;
use crate::transport::{Password, Pool, Resume, Tls, TlsIdentity, TlsVersions};

const KEYS: [&str; 9] = [
    "ca",
    "cert",
    "key",
    "pkcs12",
    "password",
    "client_data",
    "insecure",
    "resume",
    "versions",
];

const PEM_FILE: &str = "the path of a PEM file";
const PKCS12_FILE: &str = "the path of a PKCS#12 file";

/// Reads `[tls]`; `None` when something was reported.
pub(super) fn read(
    root: &Table<'_, '_>,
    path: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<Tls> {
    let Some(value) = root.get("tls") else {
        return Some(Tls::default());
    };
    let table = &Table::from_value(value, "tls", "a table: [tls]", errors)?;
    table.refuse_unknown(errors, &KEYS);
    let ca = match table.get("ca") {
        Some(value) => read_file(value, "tls.ca", PEM_FILE, path, check, errors).map(Some),
        None => Some(None),
    };
    let identity = read_identity(table, path, check, errors);
    let client_data = match table.get("client_data") {
        Some(value) => {
            let allowed = "the NAME of a [data.NAME]";
            fields::text(value, "tls.client_data", allowed, errors)
                .map(|name| Some(name.to_owned()))
        }
        None => Some(None),
    };
    let password = read_password(table, errors);
    let insecure = match table.get("insecure") {
        Some(value) => fields::boolean(value, "tls.insecure", errors),
        None => Some(false),
    };
    let resume = match table.get("resume") {
        Some(value) => read_resume(value, errors),
        None => Some(Resume::ByUser),
    };
    let versions = match table.get("versions") {
        Some(value) => read_versions(value, errors),
        None => Some(TlsVersions::Both),
    };
    Some(Tls {
        ca: ca?,
        identity: identity?,
        client_data: client_data?,
        password: password?,
        insecure: insecure?,
        resume: resume?,
        versions: versions?,
    })
}

/// The certificate of all users: `cert` and `key`, or `pkcs12`.
fn read_identity(
    table: &Table<'_, '_>,
    path: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<Option<TlsIdentity>> {
    let mut sources = ["cert", "pkcs12", "client_data"]
        .into_iter()
        .filter(|key| table.get(key).is_some());
    let (first, second) = (sources.next(), sources.next());
    if let (Some(first), Some(second)) = (first, second) {
        let span = table.key_span(second).unwrap_or_else(|| table.span.clone());
        errors.found(
            span,
            format!("found both `tls.{first}` and `tls.{second}`, expected one of them"),
        );
        return None;
    }
    let mut file = |key, allowed| match table.get(key) {
        Some(value) => {
            read_file(value, &format!("tls.{key}"), allowed, path, check, errors).map(Some)
        }
        None => Some(None),
    };
    let (cert, key) = (file("cert", PEM_FILE), file("key", PEM_FILE));
    let pkcs12 = file("pkcs12", PKCS12_FILE);
    match (table.get("cert"), table.get("key")) {
        (Some(_), None) => {
            table.require("key", "the private key of `tls.cert`, a PEM file", errors);
            return None;
        }
        (None, Some(_)) => {
            table.require("cert", "the certificate of `tls.key`, a PEM file", errors);
            return None;
        }
        _ => {}
    }
    match (cert?.zip(key?), pkcs12?) {
        (Some((cert, key)), _) => Some(Some(TlsIdentity::Pem { cert, key })),
        (None, pkcs12) => Some(pkcs12.map(TlsIdentity::Pkcs12)),
    }
}

fn read_password(table: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<Password> {
    let Some(value) = table.get("password") else {
        return Some(Password::default());
    };
    if table.get("pkcs12").is_none() && table.get("client_data").is_none() {
        let span = table.key_span("password").unwrap_or_else(|| value.span());
        let message = "`tls.password` is only allowed with `tls.pkcs12` or `tls.client_data`";
        errors.found(span, message);
        return None;
    }
    let allowed = "the password of the PKCS#12 file";
    fields::text(value, "tls.password", allowed, errors).map(Password::new)
}

/// Reports a `client_data` that is no data of the profile, and one of connections that users share.
pub(super) fn check_client_data(
    root: &Table<'_, '_>,
    tls: &Tls,
    data: &[Data],
    pool: Pool,
    errors: &mut Diagnostics,
) {
    let Some(name) = &tls.client_data else {
        return;
    };
    let table = root.get("tls").map(Value::get_ref);
    let Some(DeValue::Table(table)) = table else {
        return;
    };
    let span = table.get("client_data").map_or(0..0, Value::span);
    let names: Vec<&str> = data.iter().map(|data| &*data.name).collect();
    if !names.contains(&&**name) {
        let hint = match (nearest(name, &names), names.is_empty()) {
            (Some(known), _) => format!("; did you mean \"{known}\"?"),
            (None, true) => ": the profile has no [data.NAME]".to_owned(),
            (None, false) => format!(", expected one of {}", names.join(", ")),
        };
        let shown = crate::document::quoted(name);
        errors.doubtful(
            span,
            format!("found the unknown data {shown}{hint} (`tls.client_data`)"),
        );
    } else if pool == Pool::Shared {
        errors.found(
            span,
            "`tls.client_data` is not allowed with `pool = \"shared\"` in [connections]: a \
             connection has the certificate of one user, so others can't use it",
        );
    }
}

fn read_resume(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Resume> {
    let share = fields::number(value, errors).filter(|share| (0.0..=1.0).contains(share));
    match share {
        Some(share) => Some(Resume::Share(share)),
        None => wrong(errors, value, "tls.resume", "a share from 0 to 1"),
    }
}

fn read_versions(value: &Value<'_>, errors: &mut Diagnostics) -> Option<TlsVersions> {
    let items = match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let word = |value: &&Value<'_>| match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        _ => String::new(),
    };
    let mut words: Vec<String> = items.iter().map(word).collect();
    words.sort_unstable();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["1.2", "1.3"] => Some(TlsVersions::Both),
        ["1.2"] => Some(TlsVersions::Tls12),
        ["1.3"] => Some(TlsVersions::Tls13),
        _ => wrong(
            errors,
            value,
            "tls.versions",
            "\"1.2\", \"1.3\" or a list of both",
        ),
    }
}

/// A file, relative to the profile's folder; whether it exists is checked only if the script is
/// checked too.
fn read_file(
    value: &Value<'_>,
    key: &str,
    allowed: &str,
    profile: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<PathBuf> {
    let text = fields::text(value, key, allowed, errors)?;
    if text.is_empty() || text.contains('\0') {
        return wrong(errors, value, key, allowed);
    }
    let file = profile.parent().unwrap_or(Path::new("")).join(text);
    if check == FileCheck::MustExist
        && let Err(error) = std::fs::File::open(&file)
    {
        let shown = crate::document::quoted(&file.to_string_lossy());
        errors.found(
            value.span(),
            format!("found the file {shown}, which cannot be read: {error} (`{key}`)"),
        );
        return None;
    }
    Some(file)
}
