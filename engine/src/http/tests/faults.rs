//! Responses that are not well: each in a named fault, however they are cut.

use super::super::fault::Fault;
use super::super::head::{HEAD_BYTES_MAX, HEADERS_MAX};
use super::super::response::{BodyRule, ResponseHeadCache, ResponseReader};
use super::{Heard, Outcome, read, read_all_ways};

#[track_caller]
fn check(response: &[u8], fault: Fault) -> Outcome {
    let outcome = read(response);
    assert_eq!(
        outcome.verdict,
        Err(fault),
        "{:?}",
        String::from_utf8_lossy(response)
    );
    assert!(!outcome.keep_alive);
    outcome
}

#[test]
fn closed_before_any_byte() {
    check(b"", Fault::ClosedNoResponse);
    assert_eq!(
        read_all_ways(b"", BodyRule::Head).verdict,
        Err(Fault::ClosedNoResponse)
    );
}

#[test]
fn closed_inside_the_head() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for cut in 1..head.len() {
        check(&head[..cut], Fault::BadHead);
    }
    check(b"HTTP/1.1 100 Continue\r\n\r\n", Fault::BadHead);
    check(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", Fault::BadHead);
}

#[test]
fn closed_inside_the_body() {
    let outcome = check(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        Fault::IncompleteBody,
    );
    assert_eq!(outcome.heard.heads[0].0, 200, "also with status 200");
    assert_eq!(outcome.heard.body, b"hell");
    check(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
        Fault::IncompleteBody,
    );
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n";
    let body = chunked.len() - b"5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n".len();
    for cut in body..chunked.len() {
        check(&chunked[..cut], Fault::IncompleteBody);
    }
    assert_eq!(read(chunked).verdict, Ok(200));
}

#[test]
fn heads_that_are_none() {
    for response in [
        "no head at all\n",
        "\x16\x03\x01\x00\x2e",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.10 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 -12 OK\r\n\r\n",
        "HTTP/1.1 2 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 OK\rX\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\rHTTP\r\n\r\n",
    ] {
        check(response.as_bytes(), Fault::BadHead);
    }
}

#[test]
fn other_protocols_are_seen_without_waiting_for_more() {
    for pieces in [&["S"][..], &["H", "TTP/", "2"], &["HTTP/1.", "x"], &["\r"]] {
        let mut head_cache = ResponseHeadCache::default();
        let mut reader = ResponseReader::new();
        reader.start(BodyRule::Normal);
        let mut feed =
            |piece: &str| reader.feed(&mut head_cache, piece.as_bytes(), &mut Heard::default());
        let (last, before) = pieces.split_last().unwrap();
        assert!(before.iter().all(|piece| feed(piece).is_ok()), "{pieces:?}");
        assert_eq!(feed(last), Err(Fault::BadHead), "{pieces:?}");
    }
}

#[test]
fn transfer_codings_that_hide_the_body() {
    for codings in [
        "chunked, gzip",
        "chunked, chunked",
        "chunked\r\nTransfer-Encoding: gzip",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {codings}\r\n\r\n0\r\n\r\n");
        check(response.as_bytes(), Fault::BadHead);
    }
}

#[test]
fn heads_too_large() {
    let head_of = |bytes: usize| {
        let (start, end) = ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", "\r\n\r\n");
        format!(
            "{start}{}{end}",
            "x".repeat(bytes - start.len() - end.len())
        )
    };
    assert_eq!(read(head_of(HEAD_BYTES_MAX).as_bytes()).verdict, Ok(200));
    check(head_of(HEAD_BYTES_MAX + 1).as_bytes(), Fault::HeadTooLarge);
    check(head_of(3 * HEAD_BYTES_MAX).as_bytes(), Fault::HeadTooLarge);
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
    check(endless.as_bytes(), Fault::HeadTooLarge);
    // An error inside the first bytes is told first.
    let bad = format!("HTTP/1.1 200 OK\r\nX\0: {}", "x".repeat(HEAD_BYTES_MAX));
    check(bad.as_bytes(), Fault::BadHead);
}

#[test]
fn too_many_fields() {
    let head_of = |fields: usize| format!("HTTP/1.1 204 N\r\n{}\r\n", "A: b\r\n".repeat(fields));
    assert_eq!(read(head_of(HEADERS_MAX).as_bytes()).verdict, Ok(204));
    check(head_of(HEADERS_MAX + 1).as_bytes(), Fault::HeadTooLarge);
    // Without its end: the last field may go on in another line, so one more byte decides.
    let unended = format!("{}A", head_of(HEADERS_MAX + 1).trim_end_matches("\r\n\r\n"));
    check(unended.as_bytes(), Fault::BadHead);
    let unended = format!("{unended}\r\nA");
    check(unended.as_bytes(), Fault::HeadTooLarge);
}

#[test]
fn lengths_that_are_none() {
    for length in [
        "",
        "-6",
        "+6",
        "6badness",
        "crap",
        "0x10",
        "1 2",
        "6,7",
        "6,",
        ",6",
        ",",
        "6\r\nContent-Length: 7",
        "6.0",
        "6;",
        "\u{663}",
        "18446744073709551616",
        "36893488147419103232",
        "6\r\n 6",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello!");
        check(response.as_bytes(), Fault::BadLength);
        let outcome = read_all_ways(response.as_bytes(), BodyRule::Head);
        assert_eq!(outcome.verdict, Err(Fault::BadLength));
    }
    // The greatest number that is one.
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nhello!";
    check(long, Fault::IncompleteBody);
}

#[test]
fn chunks_that_are_none() {
    for chunks in [
        "\r\n",
        "\r\nhello",
        " 5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5g\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "12345678123456789\r\nhello",
        "ffffffffffffffff\r\nhello",
        "FFFFFFFFFFFFFFFFFFFF\r\nhello",
        "8000000000000000\r\nhello",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\0\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n",
        "5\r\nhello\r\n;\r\n\r\n",
        "0\r\n\n",
        "0\n\n",
        "0\r\n\rx",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\0\r\n\r\n",
        "0\r\nA b\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        check(response.as_bytes(), Fault::BadChunk);
    }
}

#[test]
fn chunk_lines_without_end() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let row = |chunks: String| read(format!("{head}{chunks}").as_bytes()).verdict;
    // Bounds: 4096 bytes after the digits, 65536 bytes of trailers (`A:` is two of them).
    assert_eq!(row(format!("0;{}\r\n\r\n", "x".repeat(4095))), Ok(200));
    assert_eq!(
        row(format!("0;{}\r\n\r\n", "x".repeat(4096))),
        Err(Fault::BadChunk)
    );
    assert_eq!(
        row(format!("0{}\r\n\r\n", " ".repeat(4097))),
        Err(Fault::BadChunk)
    );
    assert_eq!(
        row(format!("0\r\nA:{}\r\n\r\n", "x".repeat(65534))),
        Ok(200)
    );
    assert_eq!(
        row(format!("0\r\nA:{}\r\n\r\n", "x".repeat(65535))),
        Err(Fault::BadChunk)
    );
    assert_eq!(
        row(format!("0\r\n{}\r\n", "A:b\r\n".repeat(22_000))),
        Err(Fault::BadChunk)
    );
    assert_eq!(
        row(format!(
            "1;{0}\r\nx\r\n1;{0}\r\nx\r\n0\r\n\r\n",
            "x".repeat(4000)
        )),
        Ok(200)
    );
}

#[test]
fn upgrades_nobody_asked_for() {
    let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    let outcome = check(upgrade, Fault::UnexpectedUpgrade);
    assert!(outcome.heard.heads.is_empty());
}

#[test]
fn more_informational_heads_than_allowed() {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let row = |n| read(format!("{}{last}", "HTTP/1.1 103 E\r\nA: b\r\n\r\n".repeat(n)).as_bytes());
    assert_eq!(row(20).verdict, Ok(200));
    assert_eq!(row(21).verdict, Err(Fault::TooManyInformational));
}
