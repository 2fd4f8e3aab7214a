//! Tests of the HTTP code: no sockets, no clocks; bytes against expected outcomes.

mod chunks;
mod content;
mod content_shapes;
mod cookie_edges;
mod cookie_rows;
mod cookies;
mod curl;
mod digests;
mod encoding;
mod faults;
mod fuzz;
mod odd_heads;
mod redirects;
mod requests;
mod responses;
mod splits;
mod uploads;
mod urls;

use super::encode::{EncodeError, Head, compose, encode};
use super::fault::Fault;
use super::head_flags::HeadFlags;
use super::response::{BodyRule, ResponseHeadCache, ResponseReader, Sink};

/// All that a sink heard.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    heads: Vec<(u16, Vec<u8>)>,
    body: Vec<u8>,
    /// The head was not what the standard has.
    odd: bool,
}

impl Sink for Heard {
    fn head(&mut self, status: u16, head_flags: HeadFlags, raw: &[u8]) {
        self.odd = head_flags.has(HeadFlags::ODD);
        self.heads.push((status, raw.to_vec()));
    }

    fn body(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        assert_eq!(self.heads.len(), 1, "the head comes before the body");
        self.body.extend_from_slice(bytes);
    }
}

/// Appends a head to `out`, up to and with its empty line.
fn encode_head<N, V>(out: &mut Vec<u8>, head: &Head<'_, N, V>) -> Result<(), EncodeError>
where
    N: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    encode(&compose(head)?, out);
    Ok(())
}

/// How reading a response ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The status, or what was wrong.
    verdict: Result<u16, Fault>,
    heard: Heard,
    keep_alive: bool,
    /// Bytes after a response that was complete.
    left_over: usize,
}

/// Reads one response that comes in these pieces, then the end of the stream.
fn read_pieces(head_cache: &mut ResponseHeadCache, pieces: &[&[u8]], rule: BodyRule) -> Outcome {
    let mut reader = ResponseReader::new();
    reader.start(rule);
    let mut heard = Heard::default();
    let (mut verdict, mut left_over, mut fed_any) = (None, 0, false);
    for piece in pieces {
        if verdict.is_some() {
            left_over += piece.len();
            continue;
        }
        fed_any |= !piece.is_empty();
        match reader.feed(head_cache, piece, &mut heard) {
            Ok(fed) if fed.done => {
                left_over += piece.len() - fed.consumed;
                verdict = Some(Ok(reader.status()));
            }
            Ok(fed) => assert_eq!(fed.consumed, piece.len(), "not done, so all belongs to it"),
            Err(fault) => {
                assert_eq!(
                    reader.feed(head_cache, b"x", &mut heard),
                    Err(fault),
                    "faults stay"
                );
                // Where the pieces end is no part of the outcome of a fault.
                verdict = Some(Err(fault));
            }
        }
        assert_eq!(reader.got_any_byte(), fed_any);
    }
    let at_eof = reader.eof().map(|completed| completed.status);
    let verdict = verdict.unwrap_or(at_eof);
    assert_eq!(verdict, at_eof, "the end of the stream changes no verdict");
    if verdict.is_err() {
        left_over = 0;
    }
    Outcome {
        verdict,
        heard,
        keep_alive: reader.keep_alive(),
        left_over,
    }
}

/// Reads a response whole, byte by byte and in all cuts into two, with a memo that knows its head
/// and with one that does not, and demands the same outcome each time.
fn read_all_ways(bytes: &[u8], rule: BodyRule) -> Outcome {
    let mut head_cache = ResponseHeadCache::default();
    let whole = read_pieces(&mut head_cache, &[bytes], rule);
    assert_eq!(
        read_pieces(&mut head_cache, &[bytes], rule),
        whole,
        "with its head in the memo"
    );
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(
        read_pieces(&mut ResponseHeadCache::default(), &single, rule),
        whole,
        "byte by byte"
    );
    assert_eq!(
        read_pieces(&mut head_cache, &single, rule),
        whole,
        "byte by byte, known head"
    );
    // Long ones are cut everywhere near their ends, and in steps between: all cuts would be
    // quadratic.
    let step = if bytes.len() <= 4000 {
        1
    } else {
        bytes.len() / 500
    };
    let near_end = |cut: usize| cut < 300 || bytes.len() - cut < 300;
    for cut in (0..bytes.len()).filter(|cut| cut % step == 0 || near_end(*cut)) {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(
            read_pieces(&mut ResponseHeadCache::default(), &[a, b], rule),
            whole,
            "cut at {cut}"
        );
        if cut % 7 == 0 {
            assert_eq!(
                read_pieces(&mut head_cache, &[a, b], rule),
                whole,
                "cut at {cut}, known head"
            );
        }
    }
    whole
}

/// [`read_all_ways`] for the response to a GET.
fn read(bytes: &[u8]) -> Outcome {
    read_all_ways(bytes, BodyRule::Normal)
}
