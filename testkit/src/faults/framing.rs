//! The table of framing faults: where a response ends, and what becomes of the connection.

use std::time::Duration;

use super::row::{Outcome, Row};
use super::script::{Script, Step, ok};

/// Replies to one request whose end is hard, impossible or disputed to find.
pub fn framing() -> Vec<Row> {
    let mut rows = truncated();
    rows.extend(heads());
    rows.extend(bytewise());
    rows.extend(chunks());
    rows.extend(lengths());
    rows.extend(bodiless());
    rows.extend(informational());
    rows.extend(surplus());
    rows.extend(slow());
    rows
}

/// Sends this and waits for the client to give the connection up.
fn sent(reply: impl Into<Vec<u8>>) -> [Step; 2] {
    [Step::send(reply), Step::AwaitClose]
}

fn truncated() -> Vec<Row> {
    let by_length = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let close = |text: String| [Step::send(text), Step::Close];
    let reset = |text: &str| [Step::send(text), Step::Pause(SETTLE), Step::Reset];
    let incomplete =
        |name, rest: &str| Row::fails(name, "incomplete_body", close(format!("{chunked}{rest}")));
    vec![
        Row::fails(
            "closed before any byte",
            "closed_no_response",
            [Step::Close],
        ),
        Row::fails("reset before any byte", "reset_first_byte", [Step::Reset]),
        Row::fails(
            "closed in a body with a length",
            "incomplete_body",
            close(by_length.into()),
        ),
        Row::fails(
            "reset in a body with a length",
            "reset_receive",
            reset(by_length),
        ),
        Row::fails(
            "reset in a chunked body",
            "reset_receive",
            reset(&format!("{chunked}5\r\nab")),
        ),
        incomplete("closed where the first chunk should be", ""),
        incomplete("closed in a chunk", "5\r\nab"),
        incomplete("closed in a chunk size", "5"),
        incomplete("closed after a chunk", "5\r\nabcde\r\n"),
        incomplete(
            "closed before the last line of a chunked body",
            "5\r\nabcde\r\n0\r\n",
        ),
        incomplete("closed in the trailers", "5\r\nabcde\r\n0\r\nx-t: 1\r\n"),
        Row::fails(
            "reset in a head",
            "reset_receive",
            reset("HTTP/1.1 200 OK\r\ncont"),
        ),
        Row::new(
            "closed in a head",
            Script::each([
                Step::ReadHead,
                Step::send("HTTP/1.1 200 OK\r\ncont"),
                Step::Close,
            ])
            .then_good(),
        )
        // A peer that began to answer has not "closed without a response", nor is there a body.
        .expects([
            Outcome::FailedOneOf(&["incomplete_body", "bad_head", "closed_no_response"]),
            Outcome::Ok(200),
        ])
        .connections(2),
    ]
}

/// Time for bytes to be read before the reset behind them: on loopback they are in the client's
/// socket at once, and a reset does not take them away again.
const SETTLE: Duration = Duration::from_millis(20);

/// A head of about this many bytes, in lines of 1000.
fn big(bytes: usize) -> String {
    let lines = (0..bytes / 1000).map(|n| format!("x-{n:03}: {}\r\n", "v".repeat(991)));
    let lines: String = lines.collect();
    format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{lines}\r\nok")
}

/// A head of this many headers.
fn many(count: usize) -> String {
    let lines: String = (1..count).map(|n| format!("x-{n}: v\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{lines}\r\nok")
}

/// Good replies that come in single bytes.
fn bytewise() -> [Row; 2] {
    let row = |name, text: String| {
        let (bytes, gap) = (text.into_bytes(), Duration::ZERO);
        let first = vec![Step::ReadHead, Step::SendBytewise { bytes, gap }];
        let next = vec![Step::ReadHead, Step::Send(ok("next")), Step::AwaitClose];
        let script = Script::each([first, next].concat());
        Row::new(name, script).expects([Outcome::Ok(200), Outcome::Ok(200)])
    };
    [
        row("a reply byte by byte", many(20)),
        // Quadratic re-parsing of 60 000 prefixes would touch 1.8 GB.
        row("a head of 60 KiB byte by byte", big(60_000)),
    ]
}

fn heads() -> Vec<Row> {
    let bad = |text: &str| {
        Row::fails(
            format!("head {text:?}"),
            "bad_head",
            sent(format!("{text}\r\n\r\n")),
        )
    };
    vec![
        Row::reused("a head of 60 KiB", 200, big(60_000)),
        Row::fails("a head of 70 KiB", "head_too_large", sent(big(70_000))),
        Row::fails(
            "a head without end",
            "head_too_large",
            [
                Step::send(format!("HTTP/1.1 200 OK\r\nx: {}", "v".repeat(16 << 20))),
                Step::AwaitClose,
            ],
        ),
        Row::reused("128 headers", 200, many(128)),
        Row::fails("129 headers", "head_too_large", sent(many(129))),
        bad("garbage"),
        bad("HTP/1.1 200 OK"),
        bad("HTTP/2.0 200 OK"),
        bad("HTTP/1.1 20 OK"),
        bad("HTTP/1.1 two OK"),
        bad("HTTP/1.1 200 OK\r\ncontent length: 5"),
        bad("HTTP/1.1 200 OK\r\ntransfer-encoding chunked"),
        Row::reused(
            "a line without a colon, an odd name",
            200,
            "HTTP/1.1 200 OK\r\nno colon here\r\nna me: v\r\ncontent-length: 0\r\n\r\n",
        ),
        Row::reused(
            "a blank before a colon, a later minor version",
            200,
            "HTTP/1.2 200 OK\r\nx : v\r\ncontent-length: 0\r\n\r\n",
        ),
        bad("HTTP/1.1 200 OK\r\nx: a\0b"),
        Row::reused(
            "no reason phrase",
            200,
            "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
        ),
        Row::fails(
            "status 500",
            "status",
            [
                Step::send("HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
                Step::AwaitClose,
            ],
        ),
    ]
}

fn chunks() -> Vec<Row> {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let bad = |size: &str| {
        let text = format!("{head}{size}\r\nabcde\r\n0\r\n\r\n");
        Row::fails(format!("chunk size {size:?}"), "bad_chunk", sent(text))
    };
    let good = |name: &str, rest: &str| Row::reused(name, 200, format!("{head}{rest}"));
    let mut rows: Vec<Row> = [
        "",
        "+5",
        "-5",
        "0x5",
        "00000000000000005",
        "ffffffffffffffff",
        "FFFFFFFFFFFFFFFF",
        "g",
        "5 5",
        ";a=b",
    ]
    .map(bad)
    .into();
    rows.extend([
        Row::fails(
            "no CRLF after a chunk",
            "bad_chunk",
            sent(format!("{head}5\r\nabcde0\r\n\r\n")),
        ),
        Row::fails(
            "a longer chunk than said",
            "bad_chunk",
            sent(format!("{head}3\r\nabcde\r\n")),
        ),
        good("one chunk", "5\r\nabcde\r\n0\r\n\r\n"),
        good(
            "capital and small digits",
            "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        ),
        good("chunk extensions", "5;a=b;c=\"d\"\r\nabcde\r\n0;e\r\n\r\n"),
        good("trailers", "5\r\nabcde\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n"),
        good("no chunk but the last", "0\r\n\r\n"),
        Row::not_reused(
            "chunked beats content-length",
            200,
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
             5\r\nabcde\r\n0\r\n\r\n",
            Step::AwaitClose,
        ),
    ]);
    rows
}

fn lengths() -> Vec<Row> {
    let body = "b".repeat(42);
    let reply = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n{body}");
    let bad = |lines: &str| Row::fails(format!("{lines:?}"), "bad_length", sent(reply(lines)));
    vec![
        bad("content-length: 42\r\ncontent-length: 43"),
        bad("content-length: 42, 43"),
        bad("content-length: -1"),
        bad("content-length: +42"),
        bad("content-length: abc"),
        bad("content-length: 42x"),
        bad("content-length: 0x2a"),
        bad("content-length: "),
        bad("content-length: 18446744073709551616"),
        bad("content-length: 99999999999999999999999999"),
        Row::reused(
            "content-length twice the same",
            200,
            reply("content-length: 42\r\ncontent-length: 42"),
        ),
        Row::reused(
            "content-length: 42, 42",
            200,
            reply("content-length: 42, 42"),
        ),
        Row::not_reused("the end of the connection", 200, reply("x: y"), Step::Close),
        Row::not_reused(
            "HTTP/1.0",
            200,
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Step::AwaitClose,
        ),
        Row::not_reused(
            "connection: close",
            200,
            reply("content-length: 42\r\nConnection: Close"),
            Step::AwaitClose,
        ),
    ]
}

fn bodiless() -> Vec<Row> {
    let length = "content-length: 1000\r\n\r\n";
    vec![
        Row::reused("204", 204, "HTTP/1.1 204 No Content\r\n\r\n"),
        Row::reused(
            "304 with the length of the body it has not",
            304,
            format!("HTTP/1.1 304 Not Modified\r\n{length}"),
        ),
        Row::reused(
            "HEAD with a length",
            200,
            format!("HTTP/1.1 200 OK\r\n{length}"),
        )
        .for_head(),
        Row::reused(
            "HEAD with chunks announced",
            200,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .for_head(),
        Row::reused(
            "content-length: 0",
            200,
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ),
    ]
}

fn informational() -> Vec<Row> {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
    let after = |count: usize| [early.repeat(count).into_bytes(), ok("ok")].concat();
    vec![
        Row::reused(
            "100 Continue nobody asked for",
            200,
            [b"HTTP/1.1 100 Continue\r\n\r\n".as_slice(), &ok("ok")].concat(),
        ),
        Row::reused("20 interim responses", 200, after(20)),
        Row::fails(
            "21 interim responses",
            "too_many_informational",
            sent(after(21)),
        ),
        Row::fails(
            "interim responses without end",
            "too_many_informational",
            [Step::send(early.repeat(10_000)), Step::AwaitClose],
        ),
        Row::fails(
            "101 nobody asked for",
            "unexpected_upgrade",
            sent("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        ),
    ]
}

fn surplus() -> Vec<Row> {
    let smuggled = "HTTP/1.1 500 Smuggled\r\ncontent-length: 0\r\n\r\n";
    let with = |first: &str, more: &str| format!("HTTP/1.1 200 OK\r\n{first}\r\n\r\n{more}");
    let row = |name, reply: String| {
        Row::not_reused(name, 200, reply, Step::AwaitClose).counter("unsolicited_data", 1)
    };
    vec![
        row(
            "bytes after the body",
            with("content-length: 2", "ok and more"),
        ),
        row(
            "a second response",
            with("content-length: 2", &format!("ok{smuggled}")),
        ),
        row(
            "a second response after chunks",
            with(
                "transfer-encoding: chunked",
                &format!("2\r\nok\r\n0\r\n\r\n{smuggled}"),
            ),
        ),
        row("a body after HEAD", with("content-length: 2", "ok")).for_head(),
        Row::not_reused(
            "a body after 204",
            204,
            format!("HTTP/1.1 204 No Content\r\n\r\n{smuggled}"),
            Step::AwaitClose,
        )
        .counter("unsolicited_data", 1),
    ]
}

fn slow() -> Vec<Row> {
    let limit = Duration::from_millis(200);
    // A minute is "for ever" here: the client must leave first.
    let minute = Step::Pause(Duration::from_secs(60));
    let drip = |text: String| Step::SendBytewise {
        bytes: text.into_bytes(),
        gap: Duration::from_millis(20),
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    vec![
        Row::fails("no answer", "timeout", [minute.clone()]).timeout(limit),
        Row::fails(
            "no end of the head",
            "timeout",
            [Step::send("HTTP/1.1 2"), minute.clone()],
        )
        .timeout(limit),
        Row::fails("no body", "timeout", [Step::send(head), minute]).timeout(limit),
        Row::fails(
            "a byte now and then",
            "timeout",
            [drip(format!("{head}{}", "d".repeat(1000)))],
        )
        .timeout(limit),
    ]
}
