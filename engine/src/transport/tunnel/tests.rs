//! Every answer of a proxy, however it is cut.

use super::*;
use testkit::fuzz::{Campaign, pieces};

/// Begins a dialogue; what is sent first is appended.
type Make<'a> = &'a dyn Fn(&mut Vec<u8>) -> Tunnel;

fn ann() -> ProxyCredentials {
    ProxyCredentials {
        user: "ann".to_owned(),
        password: "pass".to_owned(),
    }
}

/// What a dialogue came to: all that was sent, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    sent: Vec<u8>,
    result: Result<bool, TunnelFault>,
}

/// Has the proxy say each of these answers once it has been sent something, in pieces of `cut`
/// bytes.
fn run(make: Make<'_>, answers: &[&[u8]], cut: usize) -> Ended {
    let mut sent = Vec::new();
    let mut tunnel = make(&mut sent);
    for answer in answers {
        for piece in answer.chunks(cut) {
            if let Err(fault) = tunnel.receive(piece, &mut sent) {
                let result = Err(fault);
                return Ended { sent, result };
            }
        }
    }
    let result = Ok(tunnel.is_open());
    Ended { sent, result }
}

/// The same result however the answers are cut.
#[track_caller]
fn ends(make: Make<'_>, answers: &[&[u8]]) -> Ended {
    let whole = run(make, answers, usize::MAX);
    for cut in 1..40 {
        let cut_up = run(make, answers, cut);
        // Of bytes that nobody asked for, or of no HTTP, the first one is enough.
        match (&whole.result, &cut_up.result) {
            (Err(TunnelFault::Malformed(_)), Err(TunnelFault::Malformed(_))) => {}
            _ => assert_eq!(cut_up, whole, "in pieces of {cut}"),
        }
    }
    whole
}

fn connect(out: &mut Vec<u8>) -> Tunnel {
    Tunnel::connect("shop.example:443", None, out)
}

fn socks(out: &mut Vec<u8>) -> Tunnel {
    Tunnel::socks(Destination::Name("shop.example", 80), None, out)
}

fn socks_as_ann(out: &mut Vec<u8>) -> Tunnel {
    let to = Destination::Address("10.0.0.1:8080".parse().expect("an address"));
    Tunnel::socks(to, Some(&ann()), out)
}

#[track_caller]
fn is_refused(ended: &Ended, part: &str) {
    match &ended.result {
        Err(TunnelFault::Refused(text)) => assert!(text.contains(part), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn is_malformed(ended: &Ended, part: &str) {
    match &ended.result {
        Err(TunnelFault::Malformed(text)) => assert!(text.contains(part), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn wants_credentials(ended: &Ended, part: &str) {
    match &ended.result {
        Err(TunnelFault::Credentials(text)) => assert!(text.contains(part), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn connect_is_a_request_whose_answer_has_no_body() {
    let mut out = Vec::new();
    Tunnel::connect("[::1]:443", Some("Basic YTpi"), &mut out);
    let text = String::from_utf8(out).expect("text");
    assert!(text.starts_with("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"));
    assert!(text.ends_with("\r\nProxy-Authorization: Basic YTpi\r\n\r\n"));
    let answers: [&[u8]; 5] = [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nVia: x\r\n\r\n",
        b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 n\n\n",
        b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ];
    for answer in answers {
        let ended = ends(&connect, &[answer]);
        assert_eq!(ended.result, Ok(true), "{}", answer.escape_ascii());
        assert!(!ended.sent.is_empty());
    }
    assert_eq!(ends(&connect, &[b"HTTP/1.1 200 OK\r\n"]).result, Ok(false));
}

#[test]
fn other_answers_to_connect_make_no_way() {
    let refused = ends(
        &connect,
        &[b"HTTP/1.1 502 Bad \xff\r\nContent-Length: 1\r\n\r\nx"],
    );
    is_refused(&refused, "answered \"HTTP/1.1 502 Bad \\xff\"");
    is_refused(&ends(&connect, &[b"HTTP/1.0 302 Found\r\n\r\n"]), "302");
    wants_credentials(&ends(&connect, &[b"HTTP/1.1 407 Who\r\n\r\n"]), "407 Who");
    wants_credentials(&ends(&connect, &[b"HTTP/1.0 401 No\r\n\r\n"]), "401 No");
    is_malformed(&ends(&connect, &[b"SSH-2.0-OpenSSH\r\n"]), "no HTTP/1");
    is_malformed(
        &ends(&connect, &[b"\x15\x03\x01\x00\x02\x02\x16"]),
        "no HTTP/1",
    );
    is_malformed(
        &ends(&connect, &[b"HTTP/1.1 abc\r\n\r\n"]),
        "cannot be read",
    );
    is_malformed(
        &ends(&connect, &[b"HTTP/1.1 200 OK\r\na b\r\n\r\n"]),
        "cannot be read",
    );
    is_malformed(
        &ends(&connect, &[b"HTTP/1.1 200 OK\r\n\r\nhello"]),
        "behind its answer",
    );
}

#[test]
fn an_endless_head_is_bounded() {
    let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
    answer.resize(HEAD_BYTES_MAX + 100, b'a');
    is_malformed(&run(&connect, &[&answer], 1000), "no end of the head");
    answer.extend_from_slice(b"\r\n\r\n");
    is_malformed(&run(&connect, &[&answer], usize::MAX), "no end of the head");
    let interim = b"HTTP/1.1 100 Go on\r\n\r\n".repeat(HEAD_BYTES_MAX / 20);
    assert!(run(&connect, &[&interim], 1000).result.is_err());
}

#[test]
fn socks_connects_to_names_and_addresses() {
    let reply: &[u8] = &[5, 0, 0, 1, 1, 2, 3, 4, 0, 80];
    let ended = ends(&socks, &[&[5, 0], reply]);
    let name: &[u8] = b"\x05\x01\x00\x03\x0cshop.example\x00\x50";
    assert_eq!(ended.sent, [&[5, 1, 0], name].concat());
    assert_eq!(ended.result, Ok(true));
    for reply in [
        &[&[5, 0, 0, 4], &[0; 18][..]].concat()[..],
        b"\x05\x00\x00\x03\x02ab\x00\x01",
        b"\x05\x00\x00\x03\x00\x00\x01",
    ] {
        assert_eq!(ends(&socks, &[&[5, 0], reply]).result, Ok(true));
        let cut = &reply[..reply.len() - 1];
        assert_eq!(ends(&socks, &[&[5, 0], cut]).result, Ok(false));
    }
    let mut out = Vec::new();
    let to = Destination::Address("[::1]:443".parse().expect("an address"));
    let tunnel = Tunnel::socks(to, None, &mut out);
    let v6 = [&[5, 1, 0, 4][..], &[0; 15], &[1, 1, 187]].concat();
    assert_eq!(tunnel.request, v6);
}

#[test]
fn socks_signs_in_where_it_is_asked_to() {
    let reply: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let asked: &[u8] = &[5, 1, 0, 1, 10, 0, 0, 1, 0x1f, 0x90];
    let ended = ends(&socks_as_ann, &[&[5, 2], &[1, 0], reply]);
    let sent = [&[5, 2, 0, 2], &b"\x01\x03ann\x04pass"[..], asked].concat();
    assert_eq!(ended.sent, sent);
    assert_eq!(ended.result, Ok(true));
    let ended = ends(&socks_as_ann, &[&[5, 0], reply]);
    assert_eq!(ended.sent, [&[5, 2, 0, 2], asked].concat());
    assert_eq!(ended.result, Ok(true));
    // Some proxies have the version of SOCKS there.
    assert_eq!(
        ends(&socks_as_ann, &[&[5, 2], &[5, 0], reply]).result,
        Ok(true)
    );
}

#[test]
fn socks_that_makes_no_way() {
    wants_credentials(&ends(&socks, &[&[5, 255]]), "without name and password");
    is_refused(&ends(&socks_as_ann, &[&[5, 255]]), "takes neither");
    wants_credentials(&ends(&socks_as_ann, &[&[5, 2], &[1, 1]]), "does not take");
    is_malformed(&ends(&socks, &[&[5, 2]]), "0x02, which was not offered");
    is_malformed(&ends(&socks, &[&[4, 0]]), "no SOCKS 5");
    is_malformed(&ends(&socks, &[b"HTTP/1.1 400 Bad\r\n"]), "no SOCKS 5");
    is_malformed(&ends(&socks, &[&[5, 0], &[4, 0]]), "no SOCKS 5");
    is_malformed(&ends(&socks, &[&[5, 0], &[5, 0, 0, 9]]), "unknown type 9");
    let surplus: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'x'];
    is_malformed(&ends(&socks, &[&[5, 0], surplus]), "behind its answer");
    let rows = [
        (1, "general"),
        (2, "rules"),
        (5, "refused"),
        (8, "type"),
        (99, "unknown"),
    ];
    for (code, text) in rows {
        is_refused(&ends(&socks, &[&[5, 0], &[5, code]]), text);
    }
}

#[test]
fn bytes_of_any_kind_end_in_a_result() {
    // Every beginning of a dialogue, followed by every byte.
    let begins: [&[u8]; 6] = [
        b"",
        &[5],
        &[5, 0],
        &[5, 0, 5],
        &[5, 0, 5, 0],
        &[5, 0, 5, 0, 0],
    ];
    for begin in begins {
        for byte in 0..=255 {
            let bytes = [begin, &[byte], &[0; 300]].concat();
            let _ = ends(&socks, &[&bytes]);
            let _ = ends(&connect, &[&bytes]);
        }
    }
}

/// In what way a dialogue ends, and how much was sent.
fn way(make: Make<'_>, answers: &[&[u8]]) -> (&'static str, usize) {
    let ended = run(make, answers, usize::MAX);
    let way = match ended.result {
        Ok(true) => "open",
        Ok(false) => "waiting",
        Err(TunnelFault::Credentials(_)) => "credentials",
        Err(TunnelFault::Refused(_)) => "refused",
        Err(TunnelFault::Malformed(_)) => "malformed",
    };
    (way, ended.sent.len())
}

#[test]
fn answers_of_any_kind() {
    let texts: [&[u8]; 8] = [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 1\r\n\r\nx",
        &[5, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80],
        &[5, 2, 1, 0, 5, 0, 0, 3, 2, b'a', b'b', 0, 80],
        &[5, 2, 1, 0, 5, 5, 0, 4, 0, 0],
        &[5, 255],
    ];
    let campaign = Campaign {
        name: "answer of a proxy",
        seeds: texts.map(<[u8]>::to_vec).to_vec(),
        words: &[
            "HTTP/1.1 ",
            "\r\n\r\n",
            "\n",
            "200 ",
            "407 ",
            "100 ",
            "\x05",
            "\x00",
            "\x01",
            "\x02",
            "\x03",
            "\x04",
        ],
    };
    campaign.run(|input, random| {
        let cut = pieces(input, random);
        let makers: [Make<'_>; 3] = [&connect, &socks, &socks_as_ann];
        makers.map(|make| {
            let whole = way(make, &[input]);
            assert_eq!(way(make, &cut).0, whole.0);
            whole
        })
    });
}
