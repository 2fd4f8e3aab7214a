//! Requests as bytes, and what is refused.

use super::super::content::ACCEPTED;
use super::super::encode::{EncodeError, Forward, Head, STANDARD, USER_AGENT};
use super::encode_head;

type Fields<'a> = &'a [(&'a str, &'a str)];

fn head<'a>(method: &'a str, headers: Fields<'a>) -> Head<'a, &'a str, &'a str> {
    Head {
        method,
        path: "/a?b",
        forward: None,
        authority: "h:81",
        defaults: &STANDARD,
        without: &[],
        headers,
        extra: &[],
        cookie: b"",
        body_bytes: None,
        chunked: false,
        expects_continue: false,
        keep_alive: true,
    }
}

fn encoded(head: &Head<'_, &str, &str>) -> String {
    let mut out = b"before ".to_vec();
    encode_head(&mut out, head).unwrap();
    String::from_utf8(out)
        .unwrap()
        .strip_prefix("before ")
        .unwrap()
        .to_owned()
}

#[track_caller]
fn check(head: &Head<'_, &str, &str>, lines: &[&str]) {
    let expected = lines
        .join("\r\n")
        .replace("UA", &format!("User-Agent: {USER_AGENT}"))
        .replace("AE", &format!("Accept-Encoding: {ACCEPTED}"));
    assert_eq!(encoded(head), format!("{expected}\r\n\r\n"));
}

#[test]
fn defaults() {
    check(
        &head("GET", &[]),
        &["GET /a?b HTTP/1.1", "Host: h:81", "UA", "Accept: */*", "AE"],
    );
    let closing = Head {
        keep_alive: false,
        ..head("GET", &[])
    };
    check(
        &closing,
        &[
            "GET /a?b HTTP/1.1",
            "Host: h:81",
            "UA",
            "Accept: */*",
            "AE",
            "Connection: close",
        ],
    );
    assert!(USER_AGENT.starts_with("mistress/"));
}

#[test]
fn own_fields_replace_defaults_in_any_case() {
    let own: Fields<'_> = &[
        ("x", "y"),
        ("HOST", "z"),
        ("user-agent", ""),
        ("aCCept", "text/html"),
        ("x", "2"),
    ];
    let lines = [
        "GET /a?b HTTP/1.1",
        "HOST: z",
        "AE",
        "x: y",
        "user-agent: ",
        "aCCept: text/html",
        "x: 2",
    ];
    check(&head("GET", own), &lines);
    let own: Fields<'_> = &[("connection", "keep-alive")];
    let closing = Head {
        keep_alive: false,
        ..head("GET", own)
    };
    let lines = [
        "GET /a?b HTTP/1.1",
        "Host: h:81",
        "UA",
        "Accept: */*",
        "AE",
        "connection: keep-alive",
    ];
    check(&closing, &lines);
}

#[test]
fn own_fields_replace_extra_ones() {
    let extra: Fields<'_> = &[("Content-Type", "application/json"), ("Referer", "r")];
    let own: Fields<'_> = &[("content-type", "text/plain")];
    let request = Head {
        extra,
        body_bytes: Some(3),
        ..head("PUT", own)
    };
    let lines = [
        "PUT /a?b HTTP/1.1",
        "Host: h:81",
        "UA",
        "Accept: */*",
        "AE",
        "Referer: r",
        "content-type: text/plain",
        "Content-Length: 3",
    ];
    check(&request, &lines);
}

#[test]
fn defaults_give_way_and_can_be_left_out() {
    let defaults = [
        ("X-All".into(), "1".into()),
        ("cookie".into(), "d=1".into()),
        ("authorization".into(), "Bearer d".into()),
    ];
    let without = ["x-all".to_owned()];
    let request = Head {
        defaults: &defaults,
        ..head("GET", &[])
    };
    let first = ["GET /a?b HTTP/1.1", "Host: h:81"];
    let lines = [
        &first[..],
        &["X-All: 1", "cookie: d=1", "authorization: Bearer d"],
    ];
    check(&request, &lines.concat());
    let request = Head {
        defaults: &defaults,
        without: &without,
        extra: &[("Authorization", "Bearer e")],
        cookie: b"a=1",
        ..head("GET", &[])
    };
    let lines = [&first[..], &["Authorization: Bearer e", "Cookie: a=1"]];
    check(&request, &lines.concat());
    let own: Fields<'_> = &[("Cookie", "own=1")];
    let request = Head {
        defaults: &defaults[1..2],
        cookie: b"a=1",
        ..head("GET", own)
    };
    check(&request, &[&first[..], &["Cookie: own=1"]].concat());
}

#[test]
fn chunked_and_expecting_bodies_say_so() {
    let request = Head {
        defaults: &[],
        chunked: true,
        expects_continue: true,
        body_bytes: Some(5),
        ..head("POST", &[])
    };
    let lines = [
        "POST /a?b HTTP/1.1",
        "Host: h:81",
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
    ];
    check(&request, &lines);
}

#[test]
fn bodies_say_their_length() {
    for (method, body_bytes, expected) in [
        ("GET", None, None),
        ("DELETE", None, None),
        ("HEAD", None, None),
        ("POST", None, Some("0")),
        ("PUT", None, Some("0")),
        ("PATCH", None, Some("0")),
        ("POST", Some(0), Some("0")),
        ("GET", Some(0), Some("0")),
        ("DELETE", Some(12), Some("12")),
        ("POST", Some(u64::MAX), Some("18446744073709551615")),
    ] {
        let text = encoded(&Head {
            body_bytes,
            ..head(method, &[])
        });
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        assert_eq!(line, expected, "{method} {body_bytes:?}");
        assert!(text.ends_with("\r\n\r\n"));
    }
}

#[test]
fn a_length_of_the_script_must_be_true() {
    let own: Fields<'_> = &[("Content-length", "3")];
    let text = encoded(&Head {
        body_bytes: Some(3),
        ..head("POST", own)
    });
    assert_eq!(
        text.to_ascii_lowercase().matches("content-length").count(),
        1
    );
    for (own, body_bytes) in [
        (("Content-Length", "4"), Some(3)),
        (("content-length", "3"), None),
        (("Content-Length", "03"), Some(3)),
        (("Transfer-Encoding", "chunked"), Some(3)),
    ] {
        let own = &[own];
        let request = Head {
            body_bytes,
            ..head("POST", own)
        };
        let error = encode_head(&mut Vec::new(), &request).unwrap_err();
        assert!(matches!(error, EncodeError::Framing { .. }), "{error}");
    }
}

#[track_caller]
fn check_refused(request: &Head<'_, &str, &str>, message: &str) {
    let mut out = b"before".to_vec();
    let error = encode_head(&mut out, request).unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
    assert_eq!(out, b"before");
}

#[test]
fn injections_are_refused() {
    for text in ["", "a b", "a\r", "a\nb", "a\0", "a:b", "\u{e9}", "(a)"] {
        check_refused(&head(text, &[]), "method: ");
        let own = &[(text, "v")];
        check_refused(&head("GET", own), "header name: ");
        let extra = &[(text, "v")];
        check_refused(
            &Head {
                extra,
                ..head("GET", &[])
            },
            "header name: ",
        );
    }
    for text in ["a\r\nB: c", "\n", "\0", "a\u{7f}", "\u{b}"] {
        let own = &[("X", text)];
        check_refused(&head("GET", own), "header \"X\": byte 0x");
        let extra = &[("X", text)];
        check_refused(
            &Head {
                extra,
                ..head("GET", &[])
            },
            "header \"X\": byte 0x",
        );
    }
    for path in ["", "a", "*", "/a b", "/\r\n", "/\u{e9}", "http://h/"] {
        check_refused(
            &Head {
                path,
                ..head("GET", &[])
            },
            "path: ",
        );
    }
    for authority in ["", "a b", "a\r\nb", "\u{e9}"] {
        check_refused(
            &Head {
                authority,
                ..head("GET", &[])
            },
            "host: ",
        );
    }
}

#[test]
fn bytes_beyond_ascii_and_odd_methods_pass() {
    assert!(encoded(&head("GET", &[("X", "\u{e9}\ta")])).contains("X: \u{e9}\ta\r\n"));
    assert!(encoded(&head("M-SEARCH", &[])).starts_with("M-SEARCH /a?b HTTP/1.1\r\n"));
    let options = Head {
        path: "*",
        ..head("OPTIONS", &[])
    };
    assert!(encoded(&options).starts_with("OPTIONS * HTTP/1.1\r\n"));
    let mut out = Vec::new();
    let own = [(b"X".to_vec(), b"\xff".to_vec())];
    let request = Head {
        method: "GET",
        path: "/",
        forward: None,
        authority: "h",
        defaults: &[],
        without: &[],
        headers: &own,
        extra: &[],
        cookie: b"",
        body_bytes: None,
        chunked: false,
        expects_continue: false,
        keep_alive: true,
    };
    encode_head(&mut out, &request).unwrap();
    assert!(out.ends_with(b"X: \xff\r\n\r\n"));
}

#[test]
fn a_proxy_is_told_the_server() {
    let forward = Forward {
        server: "http://h:81".to_owned(),
        authorization: Some("Basic YTpi".to_owned()),
    };
    let through = |request| Head {
        forward: Some(&forward),
        ..request
    };
    check(
        &through(head("GET", &[])),
        &[
            "GET http://h:81/a?b HTTP/1.1",
            "Host: h:81",
            "UA",
            "Accept: */*",
            "AE",
            "Proxy-Authorization: Basic YTpi",
        ],
    );
    let own = through(head("GET", &[("proxy-authorization", "own")]));
    let text = encoded(&own);
    assert!(text.contains("\r\nproxy-authorization: own\r\n"), "{text}");
    assert!(!text.contains("YTpi"), "{text}");
    let options = Head {
        path: "*",
        ..through(head("OPTIONS", &[]))
    };
    assert!(encoded(&options).starts_with("OPTIONS http://h:81 HTTP/1.1\r\n"));
}
