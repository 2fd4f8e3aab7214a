//! Hides the values of secret variables in texts, however they are written there.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What a secret is replaced by.
const HIDDEN: &str = "***";
/// Shortest secret: a shorter one would hide parts of words that have nothing to do with it.
pub(crate) const SECRET_BYTES_MIN: usize = 4;
/// Shortest part of a base64 text that is taken for a secret.
const BASE64_BYTES_MIN: usize = 6;
/// Shortest line of a secret of several lines that is hidden on its own.
const LINE_BYTES_MIN: usize = 8;

/// Replaces secret values by `***`: as they are, and as JSON, URLs, forms and base64 (so also basic
/// authentication) write them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redactor {
    /// All ways of writing all secrets, longest first.
    forms: Vec<String>,
}

impl Redactor {
    /// Hides these values.
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Redactor {
        let mut forms: Vec<String> = secrets
            .filter(|secret| secret.len() >= SECRET_BYTES_MIN)
            .flat_map(forms)
            .collect();
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Redactor { forms }
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// The text without secrets.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hidden = Cow::Borrowed(text);
        for form in &self.forms {
            if hidden.contains(form.as_str()) {
                hidden = Cow::Owned(hidden.replace(form.as_str(), HIDDEN));
            }
        }
        hidden
    }

    /// Hides the secrets in a text.
    pub fn hide(&self, text: &mut String) {
        if let Cow::Owned(hidden) = self.text(text) {
            *text = hidden;
        }
    }

    /// Hides the secrets in bytes.
    pub fn hide_bytes(&self, bytes: &mut Vec<u8>) {
        for form in self.forms.iter().map(String::as_bytes) {
            let mut from = 0;
            while let Some(at) = find(&bytes[from..], form) {
                bytes.splice(from + at..from + at + form.len(), HIDDEN.bytes());
                from += at + HIDDEN.len();
            }
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} forms)", self.forms.len())
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The ways of writing a secret.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), json(secret), percent(secret)];
    forms.push(percent(secret).replace("%20", "+"));
    let lines = secret.lines().filter(|line| line.len() >= LINE_BYTES_MIN);
    forms.extend(lines.map(str::to_owned));
    for before in 0..3 {
        forms.extend(base64_of(secret, before, &STANDARD_NO_PAD));
        forms.extend(base64_of(secret, before, &URL_SAFE_NO_PAD));
    }
    forms
}

/// The characters of a base64 text that only depend on the secret, when `before` bytes (modulo 3)
/// stand before it.
fn base64_of(secret: &str, before: usize, engine: &impl Engine) -> Option<String> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret.as_bytes());
    let encoded = engine.encode(&bytes);
    let first = (before * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    let part = encoded.get(first..end)?;
    (part.len() >= BASE64_BYTES_MIN).then(|| part.to_owned())
}

/// Percent-encoded, as in queries and forms.
fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// As within the quotes of a JSON string.
fn json(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c < ' ' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn secrets_are_hidden_in_every_form() {
        let secret = "pa/ss \"word\"\n+second line";
        let redactor = Redactor::new([secret, "tiny-secret"].into_iter());
        let mut texts = vec![
            format!("as it is: {secret}!"),
            format!("{{\"a\":\"{}\"}}", json(secret)),
            format!("/path?p={}&x=1", percent(secret)),
            format!("p={}", percent(secret).replace("%20", "+")),
            "a line alone: +second line".to_owned(),
        ];
        for name in ["a", "ab", "abc", "abcd"] {
            let pair = format!("{name}:{secret}");
            texts.push(format!("authorization: Basic {}", STANDARD.encode(&pair)));
            texts.push(URL_SAFE_NO_PAD.encode(pair + " and more"));
        }
        for text in texts {
            let hidden = redactor.text(&text);
            assert!(hidden.contains("***"), "{text}: {hidden}");
            assert!(!hidden.contains("second"), "{text}: {hidden}");
            let mut bytes = text.clone().into_bytes();
            redactor.hide_bytes(&mut bytes);
            assert_eq!(bytes, hidden.as_bytes());
        }
        assert_eq!(redactor.text("tiny"), "tiny");
        assert_eq!(redactor.text("tiny-secret,tiny-secret"), "***,***");
    }

    #[test]
    fn what_is_too_short_hides_nothing() {
        let redactor = Redactor::new(["", "abc"].into_iter());
        assert!(redactor.is_empty());
        assert_eq!(redactor.text("abc"), "abc");
    }
}
