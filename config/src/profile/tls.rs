//! The table `[tls]`.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::FileCheck;
use super::fields::{self, Table, wrong};
use crate::document::{Diagnostics, Value};
use crate::transport::{Resume, Tls, TlsIdentity, TlsVersions};

const KEYS: [&str; 6] = ["ca", "cert", "key", "insecure", "resume", "versions"];

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
    let mut file = |key| match table.get(key) {
        Some(value) => read_file(value, &format!("tls.{key}"), path, check, errors).map(Some),
        None => Some(None),
    };
    let (ca, cert, key) = (file("ca"), file("cert"), file("key"));
    let identity = match (table.get("cert"), table.get("key")) {
        (Some(_), None) => {
            table.require("key", "the private key of `tls.cert`, a PEM file", errors);
            None
        }
        (None, Some(_)) => {
            table.require("cert", "the certificate of `tls.key`, a PEM file", errors);
            None
        }
        _ => Some(()),
    };
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
    identity?;
    Some(Tls {
        ca: ca?,
        identity: cert?.zip(key?).map(|(cert, key)| TlsIdentity { cert, key }),
        insecure: insecure?,
        resume: resume?,
        versions: versions?,
    })
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

/// A PEM file, relative to the profile's folder; whether it exists is checked only if the script is
/// checked too.
fn read_file(
    value: &Value<'_>,
    key: &str,
    profile: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<PathBuf> {
    const ALLOWED: &str = "the path of a PEM file";
    let text = fields::text(value, key, ALLOWED, errors)?;
    if text.is_empty() || text.contains('\0') {
        return wrong(errors, value, key, ALLOWED);
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
