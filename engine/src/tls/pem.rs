//! What a PEM file holds, for those who look for something else in it.

use std::path::Path;

/// How a key is written without its password.
pub(super) const DECRYPT: &str = "write it without one: openssl pkey -in KEY -out NEW";
/// Bytes of a file that are looked at.
const BYTES_MAX: usize = 1 << 20;

/// Why there is no `wanted` in a file: what it holds instead, and what to do. None when that
/// cannot be told.
pub(super) fn instead(wanted: &str, file: &Path) -> Option<String> {
    let bytes = std::fs::read(file).ok()?;
    Some(reason(wanted, &bytes[..bytes.len().min(BYTES_MAX)]))
}

fn reason(wanted: &str, bytes: &[u8]) -> String {
    // A sequence of a long form: what DER begins with.
    if let [0x30, 0x80..=0x84, ..] = bytes {
        return format!(
            "{wanted} in PEM is wanted, and this looks like DER; openssl x509 (or pkey) -inform der \
             -in FILE -out NEW makes PEM of it"
        );
    }
    let text = String::from_utf8_lossy(bytes);
    let mut labels: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("-----BEGIN ")?
                .strip_suffix("-----")
        })
        .collect();
    labels.dedup();
    let is_encrypted =
        labels.contains(&"ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED");
    if is_encrypted && wanted.contains("key") {
        return format!("the private key has a password; {DECRYPT}");
    }
    match labels[..] {
        [] => format!("{wanted} in PEM is wanted, and there is no PEM in it"),
        _ => format!("{wanted} is wanted, and it holds {}", labels.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_instead() {
        let key = "a private key";
        let begin = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let rows = [
            (
                key,
                begin("ENCRYPTED PRIVATE KEY"),
                "has a password; write it without one",
            ),
            (
                key,
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n".to_owned(),
                "has a password",
            ),
            (key, begin("CERTIFICATE"), "it holds CERTIFICATE"),
            (key, begin("PUBLIC KEY"), "it holds PUBLIC KEY"),
            (
                "a certificate",
                begin("PRIVATE KEY"),
                "it holds PRIVATE KEY",
            ),
            (
                "a certificate",
                begin("CERTIFICATE REQUEST"),
                "it holds CERTIFICATE REQUEST",
            ),
            ("a certificate", "\u{30}\u{0}".to_owned(), "no PEM in it"),
            ("a certificate", String::new(), "no PEM in it"),
        ];
        for (wanted, text, expected) in rows {
            let found = reason(wanted, text.as_bytes());
            assert!(found.contains(expected), "{text}: {found}");
        }
        let found = reason(key, &[0x30, 0x82, 4, 1, 2]);
        assert!(found.contains("looks like DER"), "{found}");
    }
}
