//! The head of a response: parsed once, boiled down to the few facts that framing needs.
//!
//! It is read strictly first. A head that fails so is read again as browsers and curl do: a later
//! minor version counts as HTTP/1.1, a blank before a colon is dropped (RFC 9112 section 5.1), a
//! line that is no field is ignored. Nothing of that goes for what could be meant to say where the
//! body ends.

use super::fault::Fault;
use super::grammar::{is_field_text, is_token};
use super::head::{self, Coding, Fields};
use super::head_flags::HeadFlags;

/// All that matters of a head; depends on nothing but its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// The peer will keep the connection and the head leaves no doubt where the body ends.
    pub(super) reusable: bool,
    pub(super) head_flags: HeadFlags,
}

impl Default for Meaning {
    fn default() -> Self {
        Self {
            status: 0,
            framing: Framing::UntilClose,
            reusable: false,
            head_flags: HeadFlags::NONE,
        }
    }
}

/// What ends the body, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// Whether `bytes` are the beginning of an HTTP/1.x status line, as far as they go. An empty line
/// before it is refused: it is the end of another message, and this connection is in doubt.
pub(super) fn begins_like_response(bytes: &[u8]) -> bool {
    const VERSION: &[u8] = b"HTTP/1.";
    let shared = bytes.len().min(VERSION.len());
    bytes[..shared] == VERSION[..shared] && matches!(bytes.get(shared), None | Some(b'0'..=b'9'))
}

/// Parses the head at the beginning of `bytes`: its length and meaning, or `None` if it goes on.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(usize, Meaning)>, Fault> {
    head::work::parsed();
    if !begins_like_response(bytes) {
        return Err(Fault::BadHead);
    }
    let mut slots = head::slots();
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        // A user agent reads folded lines (RFC 9112 section 5.2).
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut slots);
    match parsed {
        Ok(httparse::Status::Complete(length)) => Ok(Some((length, meaning_of(&response, bytes)?))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Fault::HeadTooLarge),
        Err(_) => parse_odd(bytes),
    }
}

/// Reads a head that is not what the standard has.
#[cold]
fn parse_odd(bytes: &[u8]) -> Result<Option<(usize, Meaning)>, Fault> {
    const MINOR: usize = b"HTTP/1.".len();
    let mut bytes = bytes.to_vec();
    if matches!(bytes.get(MINOR), Some(b'2'..=b'9')) {
        // RFC 9110 section 2.5: the same major version is understood.
        bytes[MINOR] = b'1';
    }
    let mut slots = head::slots();
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, &bytes, &mut slots)
        .map_err(head::fault_of)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    if hides_framing(&bytes[..length]) {
        return Err(Fault::BadHead);
    }
    let mut meaning = meaning_of(&response, &bytes)?;
    meaning.head_flags = meaning.head_flags.with(HeadFlags::ODD);
    Ok(Some((length, meaning)))
}

/// Whether a line that is no proper field could be meant as one that says where the body ends.
fn hides_framing(head: &[u8]) -> bool {
    let mut may_fold = false;
    head.split(|byte| *byte == b'\n').skip(1).any(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_fold = may_fold && matches!(line, [b' ' | b'\t', ..]);
        let is_proper = is_fold || is_field(line);
        may_fold = is_proper;
        !is_proper && resembles_framing(line)
    })
}

/// Whether a line is a field by the letter of RFC 9112 section 5.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    !name.is_empty()
        && name.iter().copied().all(is_token)
        && value.iter().copied().all(is_field_text)
}

/// By its letters alone, since anything may stand between them.
fn resembles_framing(line: &[u8]) -> bool {
    let letters: Vec<u8> = line
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .map(u8::to_ascii_lowercase)
        .collect();
    [&b"contentlength"[..], b"transferencoding"]
        .iter()
        .any(|name| memchr::memmem::find(&letters, name).is_some())
}

/// What a whole head means; `bytes` is what it was parsed from.
fn meaning_of(response: &httparse::Response<'_, '_>, bytes: &[u8]) -> Result<Meaning, Fault> {
    let status = response
        .code
        .filter(|code| *code >= 100)
        .ok_or(Fault::BadHead)?;
    let fields = Fields::read(response.headers, bytes)?;
    let mut meaning = meaning(status, response.version == Some(1), &fields);
    for header in response.headers.iter() {
        meaning.head_flags = meaning
            .head_flags
            .with(HeadFlags::of_field(header.name, status));
    }
    Ok(meaning)
}

/// The rules of RFC 9112 section 6.3 and section 9.3.
fn meaning(status: u16, version_11: bool, fields: &Fields) -> Meaning {
    let framing = match (fields.coding, fields.length) {
        (Coding::Chunked, _) => Framing::Chunked,
        (Coding::Other, _) | (Coding::Absent, None) => Framing::UntilClose,
        (Coding::Absent, Some(length)) => Framing::Length(length),
    };
    let kept = !fields.close && (version_11 || fields.keep_alive);
    // HTTP/1.0 knows no transfer codings, and 204 no body: whoever sends them may go on with one.
    let doubtful = fields.ambiguous
        || (!version_11 && fields.coding != Coding::Absent)
        || (status == 204 && fields.coding != Coding::Absent)
        || (status == 204 && fields.length.is_some_and(|length| length > 0));
    Meaning {
        status,
        framing,
        reusable: kept && !doubtful,
        head_flags: HeadFlags::NONE,
    }
}
