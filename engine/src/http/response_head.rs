//! The head of a response: parsed once, boiled down to the few facts that framing needs.

use super::fault::Fault;
use super::head::{self, Coding, Fields};
use super::notes::Notes;

/// All that matters of a head; depends on nothing but its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// The peer will keep the connection and the head leaves no doubt where the body ends.
    pub(super) reusable: bool,
    pub(super) notes: Notes,
}

impl Default for Meaning {
    fn default() -> Self {
        Self {
            status: 0,
            framing: Framing::UntilClose,
            reusable: false,
            notes: Notes::NONE,
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
    bytes[..shared] == VERSION[..shared] && matches!(bytes.get(shared), None | Some(b'0' | b'1'))
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
        .parse_response_with_uninit_headers(&mut response, bytes, &mut slots)
        .map_err(head::fault_of)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let status = response
        .code
        .filter(|code| *code >= 100)
        .ok_or(Fault::BadHead)?;
    let fields = Fields::read(response.headers)?;
    let mut meaning = meaning(status, response.version == Some(1), &fields);
    for header in response.headers.iter() {
        meaning.notes = meaning.notes.with(Notes::of_field(header.name, status));
    }
    Ok(Some((length, meaning)))
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
        notes: Notes::NONE,
    }
}
