//! The server's side: requests out of a stream, in any cut.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::super::encode::Head;
use super::super::fault::Fault;
use super::super::request::{
    RequestBody, RequestHead, RequestHeadCache, RequestReader, RequestSink,
};
use super::encode_head;

/// One request as a server hears it.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    line: String,
    raw: Vec<u8>,
    body: Vec<u8>,
    framing: RequestBody,
    keep_alive: bool,
    expects_continue: bool,
}

#[derive(Default)]
struct Heard(Vec<Request>);

impl RequestSink for Heard {
    fn head(&mut self, head: &RequestHead<'_>) {
        self.0.push(Request {
            line: String::from_utf8([head.method, head.path].join(&b' ')).unwrap(),
            raw: head.raw.to_vec(),
            body: Vec::new(),
            framing: head.body,
            keep_alive: head.keep_alive,
            expects_continue: head.expects_continue,
        });
    }

    fn body(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        self.0.last_mut().unwrap().body.extend_from_slice(bytes);
    }
}

/// Requests heard, how many of them complete, and how the stream ended.
type Outcome = (Vec<Request>, usize, Result<(), Fault>);

fn read_pieces(head_cache: &mut RequestHeadCache, pieces: &[&[u8]]) -> Outcome {
    let mut reader = RequestReader::new();
    let (mut heard, mut complete) = (Heard::default(), 0);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let fed = match reader.feed(head_cache, rest, &mut heard) {
                Ok(fed) => fed,
                Err(fault) => {
                    assert_eq!(reader.eof(), Err(fault));
                    return (heard.0, complete, Err(fault));
                }
            };
            rest = &rest[fed.consumed..];
            if fed.done {
                complete += 1;
                assert_eq!(heard.0.last().unwrap().keep_alive, reader.keep_alive());
            } else {
                assert!(rest.is_empty(), "not done, so all belongs to it");
            }
        }
    }
    (heard.0, complete, reader.eof())
}

fn read(bytes: &[u8]) -> Outcome {
    let mut head_cache = RequestHeadCache::default();
    let whole = read_pieces(&mut head_cache, &[bytes]);
    assert_eq!(
        read_pieces(&mut head_cache, &[bytes]),
        whole,
        "with heads in the memo"
    );
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(
        read_pieces(&mut RequestHeadCache::default(), &single),
        whole,
        "byte by byte"
    );
    for cut in (0..bytes.len()).filter(|cut| bytes.len() < 2000 || bytes.len() - cut < 300) {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(read_pieces(&mut head_cache, &[a, b]), whole, "cut at {cut}");
        assert_eq!(
            read_pieces(&mut RequestHeadCache::default(), &[a, b]),
            whole,
            "cut at {cut}"
        );
    }
    whole
}

#[track_caller]
fn check_one(bytes: &str, line: &str, body: &str, keep_alive: bool) {
    let (requests, complete, end) = read(bytes.as_bytes());
    assert_eq!((requests.len(), complete, end), (1, 1, Ok(())));
    let request = &requests[0];
    assert_eq!(
        (request.line.as_str(), request.keep_alive),
        (line, keep_alive)
    );
    assert_eq!(request.body, body.as_bytes());
}

#[test]
fn one_request() {
    check_one("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET /", "", true);
    check_one("GET /a?b=c HTTP/1.1\nHost: h\n\n", "GET /a?b=c", "", true);
    check_one("\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET /", "", true);
    check_one(
        "DELETE /x HTTP/1.1\r\nConnection: close\r\n\r\n",
        "DELETE /x",
        "",
        false,
    );
    check_one("GET / HTTP/1.0\r\n\r\n", "GET /", "", false);
    check_one(
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /",
        "",
        true,
    );
    check_one(
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "POST /",
        "hello",
        true,
    );
    check_one(
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST /",
        "",
        true,
    );
    let chunked = "PUT /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\nA: b\r\n\r\n";
    check_one(chunked, "PUT /p", "abcd", true);
    let both =
        "PUT /p HTTP/1.1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check_one(both, "PUT /p", "", false);
}

#[test]
fn heads_are_shown_in_full() {
    let text = b"POST /p HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nab";
    let (requests, ..) = read(text);
    assert_eq!(requests[0].raw, text[..text.len() - 2]);
    assert!(requests[0].expects_continue);
    assert_eq!(requests[0].framing, RequestBody::Length(2));
}

#[test]
fn requests_that_do_not_wait() {
    let get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    let post = "POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz";
    let chunked = "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    let (requests, complete, end) =
        read([get, post, get, chunked, "\r\n", get].concat().as_bytes());
    let lines: Vec<&str> = requests
        .iter()
        .map(|request| request.line.as_str())
        .collect();
    assert_eq!(lines, ["GET /a", "POST /b", "GET /a", "POST /c", "GET /a"]);
    assert_eq!(
        (requests[1].body.as_slice(), requests[3].body.as_slice()),
        (&b"xyz"[..], &b"ab"[..])
    );
    assert_eq!((complete, end), (5, Ok(())));
}

#[test]
fn bad_requests() {
    let fields = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(n));
    let long = |n: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(n));
    let rows = [
        ("GET / HTTP/1.1\r\nHo".to_owned(), Fault::BadHead),
        ("GET / HTTP/3.0\r\n\r\n".to_owned(), Fault::BadHead),
        ("GET  / HTTP/1.1\r\n\r\n".to_owned(), Fault::BadHead),
        ("G(T / HTTP/1.1\r\n\r\n".to_owned(), Fault::BadHead),
        (
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n".to_owned(),
            Fault::BadHead,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(),
            Fault::BadHead,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\nab".to_owned(),
            Fault::BadLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab".to_owned(),
            Fault::IncompleteBody,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n".to_owned(),
            Fault::IncompleteBody,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx".to_owned(),
            Fault::BadChunk,
        ),
        (fields(129), Fault::HeadTooLarge),
        (long(70_000), Fault::HeadTooLarge),
    ];
    for (bytes, fault) in rows {
        let (_, complete, end) = read(bytes.as_bytes());
        assert_eq!((complete, end), (0, Err(fault)), "{:.60}", bytes);
    }
    assert_eq!(read(fields(128).as_bytes()).2, Ok(()));
    assert_eq!(read(long(65_000).as_bytes()).2, Ok(()));
}

/// Part of a request: path, headers and body.
type Parts = (String, Vec<(String, String)>, Option<Vec<u8>>);

fn parts() -> impl Strategy<Value = Parts> {
    let headers = prop::collection::vec(("X-[a-z]{1,8}", "[a-zA-Z0-9]{0,20}"), 0..5);
    let body = prop::option::of(prop::collection::vec(any::<u8>(), 0..60));
    ("/[a-z0-9?=&]{0,20}", headers, body)
}

proptest! {
    #![proptest_config(Config { cases: 500, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() })]

    #[test]
    fn what_we_encode_is_what_a_server_reads(
        all in prop::collection::vec(parts(), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut bytes = Vec::new();
        for (path, headers, body) in &all {
            let body_bytes = body.as_ref().map(|body| body.len() as u64);
            let head = Head { method: "POST", path, forward: None, authority: "h", defaults: &[], without: &[], headers, extra: &[], cookie: b"", body_bytes, chunked: false, expects_continue: false, keep_alive: true };
            encode_head(&mut bytes, &head).unwrap();
            bytes.extend_from_slice(body.as_deref().unwrap_or_default());
        }
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.sort_unstable();
        at.push(bytes.len());
        let mut from = 0;
        let pieces: Vec<&[u8]> = at.into_iter().map(|to| &bytes[std::mem::replace(&mut from, to)..to]).collect();
        let (requests, complete, end) = read_pieces(&mut RequestHeadCache::default(), &pieces);
        prop_assert_eq!((complete, end), (all.len(), Ok(())));
        for (request, (path, _, body)) in requests.iter().zip(&all) {
            prop_assert_eq!(&request.line, &format!("POST {path}"));
            prop_assert_eq!(&request.body, body.as_deref().unwrap_or_default());
        }
    }
}
