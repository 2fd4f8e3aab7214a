//! Properties: the outcome does not depend on how the stream is cut, nothing panics, and the work
//! is linear.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::super::head::work;
use super::super::response::{BodyRule, ResponseHeadCache};
use super::read_pieces;

fn fixed(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(0x6d69_7374),
        failure_persistence: None,
        ..Config::default()
    }
}

/// Fragments that responses are made of, good and bad, so that random rows of them get deep.
const FRAGMENTS: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 100 Continue\r\n",
    "HTTP/1.1 204 N\n",
    "Content-Length: 5\r\n",
    "Content-Length: 3, 3\r\n",
    "Content-Length: x\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Connection: close\r\n",
    "X: y\r\n z\r\n",
    "\r\n",
    "\n",
    "\r",
    "5\r\nhello\r\n",
    "3;a\r\nabc\r\n",
    "0\r\n",
    "0\r\n\r\n",
    "A: b\r\n",
    "hello",
    "\0",
    " ",
    "1",
    "f",
];

fn response() -> impl Strategy<Value = Vec<u8>> {
    let tail = prop::collection::vec(prop::sample::select(FRAGMENTS), 0..12);
    (prop::sample::select(&FRAGMENTS[..4]), tail)
        .prop_map(|(first, tail)| [first, &tail.concat()].concat().into_bytes())
}

/// A response that is well, its body, and whether chunks frame it.
fn good_response() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5);
    (chunks, 0..3_u8, 0..3_usize).prop_map(|(chunks, framing, informational)| {
        let body = chunks.concat();
        let mut out = b"HTTP/1.1 103 E\r\nA: b\r\n\r\n".repeat(informational);
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\nServer: x\r\n");
        match framing {
            0 => out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes()),
            1 => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
            _ => out.extend_from_slice(b"\r\n"),
        }
        if framing == 1 {
            for chunk in &chunks {
                out.extend(format!("{:X};e\r\n", chunk.len()).bytes());
                out.extend_from_slice(chunk);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\nT: v\r\n\r\n");
        } else {
            out.extend_from_slice(&body);
        }
        (out, body)
    })
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.push(bytes.len());
    at.sort_unstable();
    let mut from = 0;
    at.into_iter()
        .map(|to| &bytes[std::mem::replace(&mut from, to)..to])
        .collect()
}

proptest! {
    #![proptest_config(fixed(2000))]

    #[test]
    fn any_row_of_fragments_reads_the_same_in_any_cut(
        bytes in response(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        is_head: bool,
    ) {
        let rule = if is_head { BodyRule::Head } else { BodyRule::Normal };
        let mut head_cache = ResponseHeadCache::default();
        let whole = read_pieces(&mut ResponseHeadCache::default(), &[&bytes], rule);
        for _ in 0..2 {
            prop_assert_eq!(&read_pieces(&mut head_cache, &cut(&bytes, &cuts), rule), &whole);
            prop_assert_eq!(&read_pieces(&mut head_cache, &[&bytes], rule), &whole);
        }
    }

    #[test]
    fn a_good_response_gives_its_body_in_any_cut(
        (bytes, body) in good_response(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut head_cache = ResponseHeadCache::default();
        let outcome = read_pieces(&mut head_cache, &cut(&bytes, &cuts), BodyRule::Normal);
        prop_assert_eq!(outcome.verdict, Ok(200));
        prop_assert_eq!(outcome.heard.body, body);
        prop_assert_eq!(outcome.left_over, 0);
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let with_head = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes[..]].concat();
        for bytes in [&bytes, &with_head] {
            let whole = read_pieces(&mut ResponseHeadCache::default(), &[bytes], BodyRule::Normal);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(read_pieces(&mut ResponseHeadCache::default(), &single, BodyRule::Normal), whole);
        }
    }
}

/// Parser calls and bytes searched while reading these pieces.
fn work_of(pieces: &[&[u8]]) -> (usize, usize) {
    work::DONE.with(|done| done.set((0, 0)));
    let outcome = read_pieces(&mut ResponseHeadCache::default(), pieces, BodyRule::Normal);
    assert_eq!(outcome.verdict, Ok(200));
    work::DONE.with(std::cell::Cell::get)
}

#[test]
fn a_head_byte_by_byte_is_linear_work() {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n",
        format!("X: {}\r\n", "x".repeat(500)).repeat(100)
    );
    assert!(head.len() > 50_000);
    let single: Vec<&[u8]> = head.as_bytes().chunks(1).collect();
    let (parsed, scanned) = work_of(&single);
    // Once on the first byte, once on the whole; each byte is searched with the two before it.
    assert!(parsed <= 2, "{parsed} parser calls");
    assert!(
        scanned <= 3 * head.len(),
        "{scanned} bytes searched for {}",
        head.len()
    );
    let (parsed, scanned) = work_of(&[head.as_bytes()]);
    assert_eq!(
        (parsed, scanned),
        (1, 0),
        "in one piece it is parsed at once"
    );
}
