//! Formats what a user did.

use crate::render::flow::{Paint, Style};
use crate::render::format;
use engine::{Event, Exchange};

/// Bytes shown of a body.
const BODY_SHOWN: usize = 1_024;

/// Formats an event as indented lines.
pub fn event(event: &Event, style: Style) -> String {
    match event {
        Event::Log { text, .. } => indented(&format!("log: {text}"), |line| {
            style.apply(Paint::Strong, line)
        }),
        Event::ScriptError { scenario, text, .. } => {
            let text = format!("script error in {scenario}: {text}");
            indented(&text, |line| style.apply(Paint::Bad, line))
        }
        Event::Stalled { stall, since, .. } => {
            let text = format!("stuck for {} s {stall}", since.as_secs());
            indented(&text, |line| style.apply(Paint::Warn, line))
        }
        Event::Notice { text } => indented(&format!("notice: {text}"), |line| {
            style.apply(Paint::Warn, line)
        }),
        // not told when the run is traced
        Event::First(_) => String::new(),
        Event::Exchange(exchange) => self::exchange(exchange, style),
    }
}

fn exchange(exchange: &Exchange, style: Style) -> String {
    let name = style.apply(Paint::Strong, &format::escape(&exchange.name));
    let time = format::time_us(exchange.latency.as_micros() as u64);
    let end = match (exchange.failure, exchange.status) {
        (None, status) => style.apply(Paint::Good, &format!("{status} ok")),
        (Some(kind), 0) => style.apply(Paint::Bad, &format!("FAILED {kind}")),
        (Some(kind), status) => style.apply(Paint::Bad, &format!("{status} FAILED {kind}")),
    };
    let tags = exchange.tags.iter();
    let tags: String = tags
        .map(|(key, value)| format::escape(&format!("  {key}:{value}")))
        .collect();
    let mut text = format!("  {name}{tags}  {end}  {time}\n");
    let faint = |line: &str| style.apply(Paint::Faint, line);
    let (head, body) = split(&exchange.request);
    text += &prefixed("    > ", head, faint);
    text += &prefixed("    >   ", &shown(body), str::to_owned);
    text += &prefixed("    < ", &readable(&exchange.head), faint);
    text += &prefixed("    <   ", &shown(&exchange.body), str::to_owned);
    if !exchange.wire.is_empty() {
        text += "    the raw reply:\n";
        text += &prefixed("    < ", &raw(&exchange.wire), str::to_owned);
    }
    text
}

/// Splits a request into head and body.
fn split(request: &[u8]) -> (&str, &[u8]) {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.map_or(request.len(), |end| end + 4);
    // the engine encoded the head, so it is text
    (
        std::str::from_utf8(&request[..end]).unwrap_or("(not text)"),
        &request[end..],
    )
}

/// The start of a body, and how much is omitted.
fn shown(body: &[u8]) -> String {
    let start = &body[..body.len().min(BODY_SHOWN)];
    // a character cut in two is omitted
    let start = match std::str::from_utf8(start) {
        Err(error) if error.error_len().is_none() && start.len() < body.len() => {
            &start[..error.valid_up_to()]
        }
        _ => start,
    };
    let mut text = readable(start);
    let rest = body.len() - start.len();
    if rest > 0 {
        text += &format!("\n… {} more bytes", format::count(rest as u64));
    }
    text
}

/// Raw bytes, one line per line feed, and how many are omitted.
fn raw(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(BODY_SHOWN)];
    let lines = shown.split_inclusive(|byte| *byte == b'\n');
    let mut text: Vec<String> = lines.map(|line| line.escape_ascii().to_string()).collect();
    if shown.len() < bytes.len() {
        text.push("…".to_owned());
    }
    text.join("\n")
}

/// Bytes as text; invalid ones as `\xff`.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn indented(text: &str, paint: impl Fn(&str) -> String) -> String {
    prefixed("  ", text, paint)
}

/// The lines of a text without trailing empty ones, each made safe for a terminal.
fn prefixed(prefix: &str, text: &str, paint: impl Fn(&str) -> String) -> String {
    let lines = format::escape_lines(text.trim_end_matches(['\r', '\n']));
    lines
        .iter()
        .map(|line| format!("{prefix}{}\n", paint(line)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn check(told: Event, expected: &[&str]) {
        let text = event(&told, Style::Plain);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    fn exchange_of(request: &[u8], head: &[u8], body: &[u8]) -> Exchange {
        Exchange {
            name: "GET /\x1b[2J".into(),
            request: request.to_vec(),
            head: head.to_vec(),
            body: body.to_vec(),
            status: 200,
            latency: Duration::from_micros(1_230),
            ..Exchange::default()
        }
    }

    #[test]
    fn a_request_and_its_reply() {
        let exchange = exchange_of(
            b"POST / HTTP/1.1\r\nHost: h\r\n\r\nsent \xff\x00",
            b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\n",
            b"a\r\n\tb\x1b[31m\n\n",
        );
        check(
            Event::Exchange(Box::new(exchange)),
            &[
                "  GET /\\u{1b}[2J  200 ok  1.23ms",
                "    > POST / HTTP/1.1",
                "    > Host: h",
                "    >   sent \\xff\\u{0}",
                "    < HTTP/1.1 200 OK",
                "    < X: 1",
                "    <   a",
                "    <       b\\u{1b}[31m",
            ],
        );
    }

    #[test]
    fn a_request_without_a_reply() {
        let mut exchange = exchange_of(b"GET / HTTP/1.1\r\n\r\n", b"", b"");
        (exchange.status, exchange.failure) = (0, Some("refused"));
        exchange.name = "home".into();
        exchange.tags = vec![("kind".into(), "page".into())];
        check(
            Event::Exchange(Box::new(exchange)),
            &[
                "  home  kind:page  FAILED refused  1.23ms",
                "    > GET / HTTP/1.1",
            ],
        );
    }

    #[test]
    fn a_reply_that_could_not_be_read() {
        let mut exchange = exchange_of(b"GET / HTTP/1.1\r\n\r\n", b"", b"");
        (exchange.status, exchange.failure) = (0, Some("bad_head"));
        exchange.name = "home".into();
        exchange.wire = b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\x1b[2J\xff".to_vec();
        check(
            Event::Exchange(Box::new(exchange)),
            &[
                "  home  FAILED bad_head  1.23ms",
                "    > GET / HTTP/1.1",
                "    the raw reply:",
                "    < HTTP/1.1 200 OK\\r\\n",
                "    < Content-Length : 5\\r\\n",
                "    < \\x1b[2J\\xff",
            ],
        );
        let long = [b'x'; BODY_SHOWN + 1];
        assert_eq!(raw(&long), "x".repeat(BODY_SHOWN) + "\n…");
    }

    #[test]
    fn a_long_body_is_cut_between_characters() {
        let body = "x".repeat(BODY_SHOWN - 1) + "ü and more";
        let text = shown(body.as_bytes());
        assert_eq!(text, "x".repeat(BODY_SHOWN - 1) + "\n… 11 more bytes");
        let exact = "y".repeat(BODY_SHOWN);
        assert_eq!(shown(exact.as_bytes()), exact);
        // binary data is shown as codes, also at the cut
        assert_eq!(shown(&[0xff, 0xc3]), "\\xff\\xc3");
    }

    #[test]
    fn logs_and_errors() {
        let error = Event::ScriptError {
            scenario: "buy".into(),
            user: 0,
            text: "shop.lua:3: no\nstack".into(),
        };
        check(error, &["  script error in buy: shop.lua:3: no", "  stack"]);
        check(
            Event::Log {
                user: None,
                text: "a\nb".into(),
            },
            &["  log: a", "  b"],
        );
    }
}
