//! Heads that are not what the standard has: what browsers and curl take is taken, and what could
//! be meant to say where the body ends is not.

use super::super::fault::Fault;
use super::super::head_flags::values;
use super::{Outcome, read};

/// The reply with these lines behind its status line, as `VERSION 200 OK`.
fn reply(version: &str, lines: &[u8]) -> Outcome {
    let mut bytes = format!("{version} 200 OK\r\n").into_bytes();
    bytes.extend_from_slice(lines);
    bytes.extend_from_slice(b"Content-Length: 2\r\n\r\nok");
    read(&bytes)
}

#[test]
fn what_others_take_is_taken_and_told() {
    let rows: [(&str, &[u8]); 22] = [
        ("HTTP/1.1", b"a stray line\r\n"),
        ("HTTP/1.1", b"A\r\n"),
        ("HTTP/1.1", b"<html>\r\n"),
        ("HTTP/1.1", b": no name\r\n"),
        ("HTTP/1.1", b"Server : x\r\n"),
        ("HTTP/1.1", b"Server\t \t: x\r\n"),
        ("HTTP/1.1", b" Server: x\r\n"),
        ("HTTP/1.1", b"\tServer: x\r\n"),
        ("HTTP/1.1", b"X(y): 1\r\n"),
        ("HTTP/1.1", b"X y: 1\r\n"),
        ("HTTP/1.1", b"X@y: 1\r\n"),
        ("HTTP/1.1", b"\xc3\xa4: 1\r\n"),
        ("HTTP/1.1", b"X\x01: 1\r\n"),
        ("HTTP/1.1", b"X: a\x01b\r\n"),
        ("HTTP/1.1", b"X: a\x7fb\n"),
        ("HTTP/1.1", b"a stray line\n"),
        ("HTTP/1.1", b"stray\r\n folded stray\r\n"),
        ("HTTP/1.1", b"HTTP/1.1 200 OK\r\n"),
        ("HTTP/1.2", b""),
        ("HTTP/1.9", b"Server: x\r\n"),
        ("HTTP/1.2", b"stray\r\nX : y\r\n"),
        ("HTTP/1.0", b"Connection : keep-alive\r\n"),
    ];
    for (version, lines) in rows {
        let outcome = reply(version, lines);
        let shown = lines.escape_ascii();
        assert_eq!(outcome.verdict, Ok(200), "{version} {shown}");
        assert!(outcome.heard.odd, "{version} {shown}");
        assert_eq!(outcome.heard.body, b"ok", "{version} {shown}");
        assert!(outcome.keep_alive, "{version} {shown}");
    }
    for lines in [&b""[..], b"X: a\r\n b\r\n", b"X:\r\n", b"X:y\r\n"] {
        let outcome = reply("HTTP/1.1", lines);
        assert_eq!(outcome.verdict, Ok(200));
        assert!(!outcome.heard.odd, "{}", lines.escape_ascii());
    }
}

#[test]
fn what_touches_the_end_of_the_body_is_not() {
    let rows: [&[u8]; 19] = [
        b"Content-Length : 5\r\n",
        b"Content-Length\t: 2\r\n",
        b" Content-Length: 2\r\n",
        b"Content-Length 2\r\n",
        b"Content Length: 5\r\n",
        b"Content-Length\x0b: 5\r\n",
        b"\x0bContent-Length: 5\r\n",
        b"\xa0content-length: 5\r\n",
        b"Content-Length: 2\x01\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding chunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding\x00: chunked\r\n",
        b"Transfer-Encoding\xa0: chunked\r\n",
        b"Transfer-Encoding: chunked\x01\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"Transfer-Encoding: gzip,\r\n chunked\r\n",
        b"TRANSFER ENCODING: chunked\r\n",
        b"stray\r\n Transfer-Encoding: chunked\r\n",
    ];
    let folded: [&[u8]; 3] = [
        b"Content-Length:\r\n 2\r\n",
        b"Content-Length: 2\r\n \r\n",
        b"Content-Length: 2\n\t0\r\n",
    ];
    let rows = rows.map(|lines| (lines, Fault::BadHead));
    let folded = folded.map(|lines| (lines, Fault::BadLength));
    for (lines, fault) in rows.into_iter().chain(folded) {
        let outcome = reply("HTTP/1.1", lines);
        let shown = lines.escape_ascii();
        assert_eq!(outcome.verdict, Err(fault), "{shown}");
        assert!(!outcome.keep_alive, "{shown}");
    }
}

#[test]
fn a_blank_before_the_colon_is_none_of_the_name() {
    let outcome = reply("HTTP/1.1", b"Connection : close\r\n");
    assert_eq!((outcome.verdict, outcome.keep_alive), (Ok(200), false));
    let head = b"HTTP/1.1 302 Found\r\nLocation \t: /x\r\n Location: /y\r\n\r\n";
    let found: Vec<&[u8]> = values(head, "location").collect();
    assert_eq!(found, [b"/x"]);
}
