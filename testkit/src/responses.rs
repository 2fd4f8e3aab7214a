//! Random valid HTTP/1.1 responses, for property tests of a parser.

use crate::random::Random;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `content-length`.
    Length,
    /// `transfer-encoding: chunked`.
    Chunked,
    /// The end of the connection.
    Close,
    /// There is none: 204, 304 or the reply to HEAD.
    None,
}

/// A response with what a correct reader makes of it.
#[derive(Clone, Debug)]
pub struct Response {
    /// As sent. With [`Framing::Close`] the connection ends after them.
    pub bytes: Vec<u8>,
    /// The method it answers: `GET` or `HEAD`.
    pub method: &'static str,
    /// Of the final response.
    pub status: u16,
    /// Name in lower case and value of the final head's own headers (not of trailers), in order.
    pub headers: Vec<(String, String)>,
    /// Decoded from its chunks.
    pub body: Vec<u8>,
    /// How it ends.
    pub framing: Framing,
    /// Interim responses before the final one, 0..=3.
    pub interim: u32,
    /// Where in `bytes` the final head begins.
    pub head_start: usize,
    /// Where in `bytes` the final head, with its empty line, ends.
    pub head_end: usize,
    /// Whether the connection may carry a next request.
    pub reusable: bool,
}

/// Longest body made.
pub const BODY_MAX: usize = 2000;

/// Makes one: 0 to 3 interim responses, 0 to 12 further headers, any framing, 0 to [`BODY_MAX`]
/// bytes of body, chunk extensions and trailers now and then.
pub fn response(random: &mut Random) -> Response {
    let method = if random.chance(0.15) { "HEAD" } else { "GET" };
    let status = *random.pick(&[200, 200, 200, 201, 204, 206, 301, 304, 404, 500, 503]);
    let bodiless = method == "HEAD" || status == 204 || status == 304;
    let framing = if bodiless {
        Framing::None
    } else {
        *random.pick(&[
            Framing::Length,
            Framing::Length,
            Framing::Chunked,
            Framing::Close,
        ])
    };
    let body = if bodiless { Vec::new() } else { body(random) };
    let mut bytes = Vec::new();
    let interim = if random.chance(0.2) {
        random.between(1, 3) as u32
    } else {
        0
    };
    for _ in 0..interim {
        let line = random.pick(&["100 Continue", "102 Processing", "103 Early Hints"]);
        bytes.extend_from_slice(format!("HTTP/1.1 {line}\r\n").as_bytes());
        if random.chance(0.5) {
            bytes.extend_from_slice(b"link: </a.css>; rel=preload\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
    }
    let head_start = bytes.len();
    let close = framing == Framing::Close || random.chance(0.1);
    let headers = headers(random, framing, body.len(), close, status);
    bytes.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason(random)).as_bytes());
    for (name, value) in &headers {
        let name = any_case(random, name);
        let space = random.pick(&["", " ", "  ", "\t"]);
        bytes.extend_from_slice(format!("{name}:{space}{value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    let head_end = bytes.len();
    match framing {
        Framing::Chunked => bytes.extend_from_slice(&chunked(random, &body)),
        _ => bytes.extend_from_slice(&body),
    }
    Response {
        bytes,
        method,
        status,
        headers,
        body,
        framing,
        interim,
        head_start,
        head_end,
        reusable: !close,
    }
}

/// The body in chunks of random lengths, with extensions, capital digits, leading zeros and
/// trailers now and then, and its end.
pub fn chunked(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let here = random.between(1, rest.len() as u64) as usize;
        let size = match random.below(4) {
            0 => format!("{here:X}"),
            1 => format!("00{here:x}"),
            _ => format!("{here:x}"),
        };
        let extension = *random.pick(&["", "", "", ";a=b", ";name=\"quoted\"", " ;x"]);
        out.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
        out.extend_from_slice(&rest[..here]);
        out.extend_from_slice(b"\r\n");
        rest = &rest[here..];
    }
    out.extend_from_slice(random.pick::<&[u8]>(&[b"0\r\n", b"000\r\n", b"0;last\r\n"]));
    if random.chance(0.25) {
        for n in 0..random.between(1, 3) {
            out.extend_from_slice(format!("x-trailer-{n}: {}\r\n", text(random, 20)).as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Bytes of any value, also such that look like HTTP.
fn body(random: &mut Random) -> Vec<u8> {
    let length = match random.below(4) {
        0 => 0,
        1 => random.below(20),
        _ => random.below(BODY_MAX as u64 + 1),
    };
    let trap = b"\r\n\r\nHTTP/1.1 500 No\r\n0\r\n\r\n";
    if length as usize >= trap.len() && random.chance(0.3) {
        return trap.iter().copied().cycle().take(length as usize).collect();
    }
    (0..length).map(|_| random.bits() as u8).collect()
}

fn headers(
    random: &mut Random,
    framing: Framing,
    length: usize,
    close: bool,
    status: u16,
) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = (0..random.below(13))
        .map(|n| (format!("x-{n}-{}", token(random, 12)), text(random, 60)))
        .collect();
    let own = match framing {
        Framing::Length => Some(("content-length", length.to_string())),
        Framing::Chunked => Some(("transfer-encoding", "chunked".to_owned())),
        // The length a GET would have had: to be ignored. A 204 must not have one.
        Framing::None if status != 204 && random.chance(0.5) => {
            Some(("content-length", random.below(100_000).to_string()))
        }
        Framing::None | Framing::Close => None,
    };
    let close = close.then(|| ("connection", "close".to_owned()));
    for (name, value) in own.into_iter().chain(close) {
        let at = random.below(all.len() as u64 + 1) as usize;
        all.insert(at, (name.to_owned(), value));
    }
    all
}

fn reason(random: &mut Random) -> String {
    if random.chance(0.1) {
        String::new()
    } else {
        text(random, 20)
    }
}

/// Letters of a header name, 1 to `max`.
fn token(random: &mut Random, max: u64) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..random.between(1, max))
        .map(|_| char::from(*random.pick(letters)))
        .collect()
}

/// Printable text without white space at its ends, at most `max` long.
fn text(random: &mut Random, max: u64) -> String {
    let raw: String = (0..random.below(max + 1))
        .map(|_| char::from(random.between(0x20, 0x7e) as u8))
        .collect();
    raw.trim().to_owned()
}

fn any_case(random: &mut Random, name: &str) -> String {
    match random.below(3) {
        0 => name.to_ascii_uppercase(),
        1 => name[..1].to_ascii_uppercase() + &name[1..],
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_come_and_what_is_said_is_there() {
        let mut random = Random::new(8);
        let mut seen = [0; 4];
        for _ in 0..2000 {
            let r = response(&mut random);
            seen[r.framing as usize] += 1;
            let head = &r.bytes[r.head_start..r.head_end];
            let head = std::str::from_utf8(head).unwrap();
            assert!(
                head.starts_with(&format!("HTTP/1.1 {} ", r.status)),
                "{head}"
            );
            assert!(head.ends_with("\r\n\r\n"));
            assert_eq!(head.matches("\r\n").count(), r.headers.len() + 2);
            let interim = &r.bytes[..r.head_start];
            let found = interim.windows(9).filter(|w| w == b"HTTP/1.1 ").count();
            assert_eq!(found, r.interim as usize);
            match r.framing {
                Framing::None => assert_eq!(r.bytes.len(), r.head_end),
                Framing::Chunked => assert!(r.bytes.ends_with(b"\r\n\r\n")),
                Framing::Length | Framing::Close => assert_eq!(r.bytes[r.head_end..], r.body),
            }
            assert!(r.framing != Framing::Close || !r.reusable);
        }
        assert!(seen.iter().all(|n| *n > 100), "{seen:?}");
    }

    #[test]
    fn same_seed_same_responses() {
        let made = |seed| {
            let mut random = Random::new(seed);
            (0..50)
                .flat_map(|_| response(&mut random).bytes)
                .collect::<Vec<u8>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }
}
