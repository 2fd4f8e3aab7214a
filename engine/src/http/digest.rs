//! Digest authentication (RFC 7616), qop `auth`: challenges in, the Authorization field out.

use md5::Md5;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Longer challenges are not read.
const FIELD_BYTES_MAX: usize = 8 * 1024;

/// The hash of a challenge; the later one is the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
}

/// What a server asks for, and how often its nonce was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// As the server wrote it; none when it did not.
    algorithm_name: Option<String>,
    /// `-sess`: the session key is made from the first nonces.
    is_session: bool,
    /// False: the way of RFC 2069, without a count.
    has_qop: bool,
    /// The nonce of the request was too old, its password right.
    pub(crate) is_stale: bool,
    /// Requests that used the nonce.
    count: u32,
}

/// What a request is signed with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) method: &'a str,
    /// The target of the request line.
    pub(crate) uri: &'a str,
    /// The client's own nonce.
    pub(crate) cnonce: &'a str,
}

impl Challenge {
    /// The strongest challenge that can be met among the WWW-Authenticate fields of a reply.
    pub(crate) fn find<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Option<Challenge> {
        let fields = fields.into_iter();
        let texts = fields.filter_map(|field| std::str::from_utf8(field).ok());
        texts
            .filter(|text| text.len() <= FIELD_BYTES_MAX)
            // What is echoed must not end the line it is echoed in.
            .filter(|text| !text.contains(|c: char| c.is_ascii_control() && c != '\t'))
            .flat_map(challenges)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("digest"))
            .filter_map(|(_, parameters)| Challenge::new(&parameters))
            .reduce(|best, next| {
                if next.algorithm > best.algorithm {
                    next
                } else {
                    best
                }
            })
    }

    fn new(parameters: &[(String, String)]) -> Option<Challenge> {
        let get = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let name = get("algorithm");
        let (algorithm, is_session) = match name.as_deref().map(str::to_ascii_lowercase).as_deref()
        {
            None | Some("md5") => (Algorithm::Md5, false),
            Some("md5-sess") => (Algorithm::Md5, true),
            Some("sha-256") => (Algorithm::Sha256, false),
            Some("sha-256-sess") => (Algorithm::Sha256, true),
            Some(_) => return None,
        };
        let has_qop = match get("qop") {
            None => false,
            Some(list) => {
                let mut options = list.split(',').map(str::trim);
                // Only `auth-int` is offered: the body would be signed too.
                options
                    .any(|option| option.eq_ignore_ascii_case("auth"))
                    .then_some(true)?
            }
        };
        Some(Challenge {
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm,
            algorithm_name: name,
            is_session,
            has_qop,
            is_stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            count: 0,
        })
    }

    /// The value of the Authorization field for one request; each use counts (section 3.4).
    pub(crate) fn authorize(&mut self, signer: Signer<'_>) -> String {
        self.count += 1;
        let count = format!("{:08x}", self.count);
        let hash = |text: &str| self.hash(text);
        let Signer {
            user,
            password,
            method,
            uri,
            cnonce,
        } = signer;
        let mut key = hash(&format!("{user}:{}:{password}", self.realm));
        if self.is_session {
            key = hash(&format!("{key}:{}:{cnonce}", self.nonce));
        }
        let request = hash(&format!("{method}:{uri}"));
        let response = if self.has_qop {
            hash(&format!(
                "{key}:{}:{count}:{cnonce}:auth:{request}",
                self.nonce
            ))
        } else {
            hash(&format!("{key}:{}:{request}", self.nonce))
        };
        let mut field = format!(
            "Digest username={}, realm={}, nonce={}, uri=\"{uri}\", response=\"{response}\"",
            quoted(user),
            quoted(&self.realm),
            quoted(&self.nonce),
        );
        if let Some(name) = &self.algorithm_name {
            let _ = write!(field, ", algorithm={name}");
        }
        if self.has_qop {
            let _ = write!(field, ", qop=auth, nc={count}, cnonce={}", quoted(cnonce));
        } else if self.is_session {
            let _ = write!(field, ", cnonce={}", quoted(cnonce));
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(field, ", opaque={}", quoted(opaque));
        }
        field
    }

    fn hash(&self, text: &str) -> String {
        match self.algorithm {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// A nonce of the client's own: the same for the same run, user and use.
pub(crate) fn client_nonce(seed: u64, user: u64, use_number: u64) -> String {
    let text = format!("{seed}:{user}:{use_number}");
    hex(&Sha256::digest(text)[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A scheme with its parameters, whose names are in lower case.
type Parsed = (String, Vec<(String, String)>);

/// The challenges of one field (RFC 9110 section 11.6.1). A comma separates parameters as well as
/// challenges; a name without `=` after it is a scheme.
fn challenges(text: &str) -> Vec<Parsed> {
    let mut found: Vec<Parsed> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let end = rest.find([',', ' ', '\t', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return found;
        }
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        match (value, found.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let (value, after) = parameter(value);
                parameters.push((name.to_ascii_lowercase(), value));
                rest = after;
            }
            (Some(_), None) => return found,
            (None, _) => {
                found.push((name.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A token or a quoted string at the beginning of `text`, and what follows.
fn parameter(text: &str) -> (String, &str) {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, char) in inside.char_indices() {
        match char {
            _ if escaped => {
                value.push(char);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &inside[at + 1..]),
            _ => value.push(char),
        }
    }
    (value, "")
}
