//! Responses that are well: where they end, what the body is, who may go on.

use super::super::response::{BodyRule, ResponseHeadCache, ResponseReader};
use super::{Heard, Outcome, read, read_all_ways, read_pieces};

/// Checks status, body, and whether the connection is kept; nothing may be left over.
#[track_caller]
fn check(response: &str, status: u16, body: &str, keep_alive: bool) {
    check_outcome(&read(response.as_bytes()), status, body, keep_alive);
}

#[track_caller]
fn check_head_reply(response: &str, keep_alive: bool) {
    check_outcome(
        &read_all_ways(response.as_bytes(), BodyRule::Head),
        200,
        "",
        keep_alive,
    );
}

#[track_caller]
fn check_outcome(outcome: &Outcome, status: u16, body: &str, keep_alive: bool) {
    assert_eq!(outcome.verdict, Ok(status));
    assert_eq!(outcome.heard.body, body.as_bytes());
    assert_eq!(outcome.keep_alive, keep_alive);
    assert_eq!(outcome.left_over, 0);
    assert_eq!(outcome.heard.heads.len(), 1);
    assert_eq!(outcome.heard.heads[0].0, status);
}

#[test]
fn a_length_ends_the_body() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        200,
        "hello",
        true,
    );
    check(
        "HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n",
        404,
        "",
        true,
    );
    check(
        "HTTP/1.1 200\r\nCONTENT-LENGTH:\t2 \r\n\r\nab",
        200,
        "ab",
        true,
    );
    check("HTTP/1.1 200 OK\nContent-Length: 2\n\nab", 200, "ab", true);
    check(
        "HTTP/1.1 200 Gr\u{fc}n\r\nContent-Length: 2\r\nX: \u{e9}\r\n\r\nab",
        200,
        "ab",
        true,
    );
}

#[test]
fn a_length_may_be_repeated() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
        200,
        "abc",
        true,
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        200,
        "abc",
        true,
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3,03,3\r\nContent-Length: 3\r\n\r\nabc",
        200,
        "abc",
        true,
    );
}

#[test]
fn chunks_end_the_body() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&format!("{head}0\r\n\r\n"), 200, "", true);
    check(
        &format!("{head}5\r\nhello\r\n0\r\n\r\n"),
        200,
        "hello",
        true,
    );
    check(
        &format!("{head}00A ; a=\"b\" ; c\r\n0123456789\r\n1\t\r\n!\r\n000\r\n\r\n"),
        200,
        "0123456789!",
        true,
    );
    check(
        &format!("{head}a\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\n"),
        200,
        "0123456789",
        true,
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        200,
        "x",
        true,
    );
}

#[test]
fn the_end_of_the_stream_ends_the_body() {
    check("HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", false);
    check("HTTP/1.1 200 OK\r\n\r\n", 200, "", false);
    check(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
        200,
        "hello",
        false,
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhello",
        200,
        "hello",
        false,
    );
}

#[test]
fn transfer_encoding_beats_content_length_and_ends_the_connection() {
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Transfer-Encoding: chunked\r\nContent-Length: 2, 3",
        "Content-Length: -1\r\nTransfer-Encoding: chunked",
    ] {
        check(
            &format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{chunks}"),
            200,
            "hello",
            false,
        );
    }
    let identity = "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n";
    check(
        &format!("{identity}Content-Length: 2\r\n\r\nab"),
        200,
        "ab",
        false,
    );
    check(&format!("{identity}\r\nab"), 200, "ab", false);
}

#[test]
fn some_responses_have_no_body() {
    check_head_reply("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true);
    check_head_reply(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        true,
    );
    check_head_reply("HTTP/1.1 200 OK\r\n\r\n", true);
    check_head_reply("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", false);
    check_head_reply("HTTP/1.0 200 OK\r\n\r\n", false);
    check("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true);
    check(
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        204,
        "",
        true,
    );
    check(
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        304,
        "",
        true,
    );
    check(
        "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        304,
        "",
        true,
    );
    // 204 with a body announced: nobody knows whether one follows.
    check(
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        204,
        "",
        false,
    );
    check(
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        204,
        "",
        false,
    );
}

#[test]
fn the_memo_keeps_heads_and_not_what_the_request_was() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    let with_body = [&head[..], b"ab"].concat();
    let mut head_cache = ResponseHeadCache::default();
    for _ in 0..3 {
        let reply = read_pieces(&mut head_cache, &[head], BodyRule::Head);
        check_outcome(&reply, 200, "", true);
        let reply = read_pieces(&mut head_cache, &[&with_body], BodyRule::Normal);
        check_outcome(&reply, 200, "ab", true);
    }
}

#[test]
fn the_memo_holds_several_heads_and_forgets_the_oldest() {
    let response = |n: usize| {
        format!(
            "HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n{}",
            400 + n,
            n % 10,
            "x".repeat(n % 10)
        )
    };
    let mut head_cache = ResponseHeadCache::default();
    for n in (0..40).chain((0..40).rev()) {
        let reply = read_pieces(&mut head_cache, &[response(n).as_bytes()], BodyRule::Normal);
        check_outcome(&reply, 400 + n as u16, &"x".repeat(n % 10), true);
    }
}

#[test]
fn who_keeps_the_connection() {
    let rows = [
        ("1.1", "X: y", true),
        ("1.1", "Connection: keep-alive", true),
        ("1.1", "Connection: close", false),
        ("1.1", "connection: Foo, CLOSE", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close", false),
        ("1.1", "Connection: closed", true),
        ("1.0", "X: y", false),
        ("1.0", "Connection: Keep-Alive", true),
        ("1.0", "Connection: keep-alive, close", false),
    ];
    for (version, field, keep_alive) in rows {
        let response = format!("HTTP/{version} 200 OK\r\n{field}\r\nContent-Length: 1\r\n\r\nx");
        check(&response, 200, "x", keep_alive);
    }
    let old_chunked =
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check(old_chunked, 200, "", false);
}

#[test]
fn informational_heads_are_skipped() {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    check(
        &format!("HTTP/1.1 100 Continue\r\n\r\n{last}"),
        200,
        "ab",
        true,
    );
    check(
        &format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{last}"),
        200,
        "ab",
        true,
    );
    // What an informational head says of connections and bodies is not about the response.
    check(
        &format!("HTTP/1.1 102 P\r\nConnection: close\r\nContent-Length: 9\r\n\r\n{last}"),
        200,
        "ab",
        true,
    );
    check(
        &format!("{}{last}", "HTTP/1.1 100 Continue\r\n\r\n".repeat(20)),
        200,
        "ab",
        true,
    );
}

#[test]
fn folded_fields_are_read() {
    check(
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nY:\r\n 2\r\nContent-Length: 2\r\n\r\nab",
        200,
        "ab",
        true,
    );
    check(
        "HTTP/1.1 200 OK\r\nConnection: a,\r\n\tclose\r\nContent-Length: 2\r\n\r\nab",
        200,
        "ab",
        false,
    );
}

#[test]
fn bytes_after_the_response_are_left_over() {
    let one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    for rest in ["x", "HTTP/1.1 200 OK\r\n\r\n", "\r\n"] {
        let outcome = read(&[one, rest.as_bytes()].concat());
        assert_eq!((outcome.verdict, outcome.left_over), (Ok(200), rest.len()));
        assert_eq!(outcome.heard.body, b"ab");
    }
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let outcome = read(&[&chunked[..], b"0\r\n\r\n"].concat());
    assert_eq!((outcome.verdict, outcome.left_over), (Ok(200), 5));
    let head_reply = read_all_ways(one, BodyRule::Head);
    assert_eq!((head_reply.verdict, head_reply.left_over), (Ok(200), 2));
}

#[test]
fn a_reader_starts_afresh() {
    let mut head_cache = ResponseHeadCache::default();
    let mut reader = ResponseReader::new();
    let idle = reader
        .feed(&mut head_cache, b"noise", &mut Heard::default())
        .unwrap();
    assert_eq!(
        (idle.consumed, idle.done),
        (0, true),
        "nothing is expected before a start"
    );
    for response in [
        &b"HTTP/1.1 200 OK\r\nContent-Le"[..],
        b"HTTP/1.1 200 OK\r\n\r\nx",
        b"nonsense",
    ] {
        reader.start(BodyRule::Normal);
        assert!(!reader.got_any_byte());
        assert_eq!(reader.status(), 0);
        let _ = reader.feed(&mut head_cache, response, &mut Heard::default());
        assert!(!reader.keep_alive());
        reader.start(BodyRule::Normal);
        let created = b"HTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n";
        let fed = reader
            .feed(&mut head_cache, created, &mut Heard::default())
            .unwrap();
        assert!(fed.done && reader.keep_alive());
        assert_eq!(reader.status(), 201);
    }
}
