//! Hostile bytes for every reader of what a peer sends: no panic, no unbounded memory, and the
//! same outcome however the bytes are cut.
//!
//! `cargo xtask fuzz` runs these for minutes; names are listed there.

use testkit::fuzz::{Campaign, pieces};
use testkit::random::Random;

use super::super::content::{DecodeFault, Decoder};
use super::super::cookies::{CookieScope, Jar};
use super::super::digest::{Challenge, Signer};
use super::super::redirect;
use super::super::response::{BodyRule, ResponseHeadCache};
use super::super::url;
use super::content::{gzip, zlib};
use super::read_pieces;

/// Reads a response whole and in pieces; in what way it ended.
fn response(head_cache: &mut ResponseHeadCache, input: &[u8], random: &mut Random) -> String {
    let rule = match random.below(8) {
        0 => BodyRule::Head,
        _ => BodyRule::Normal,
    };
    let whole = read_pieces(&mut ResponseHeadCache::default(), &[input], rule);
    assert_eq!(read_pieces(head_cache, &pieces(input, random), rule), whole);
    assert!(whole.heard.body.len() <= input.len());
    format!(
        "{:?} {} {} {}",
        whole.verdict,
        whole.keep_alive,
        whole.left_over > 0,
        whole.heard.body.len().ilog2_or_zero()
    )
}

/// Sizes by their order of magnitude, so that not each size is a way of its own.
trait Magnitude {
    fn ilog2_or_zero(self) -> u32;
}

impl Magnitude for usize {
    fn ilog2_or_zero(self) -> u32 {
        self.checked_ilog2().unwrap_or(0)
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn response_heads() {
    let mut head_cache = ResponseHeadCache::default();
    let campaign = Campaign {
        name: "response head",
        seeds: texts(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2, 2\r\n\r\nab",
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        ]),
        words: &[
            "HTTP/1.1 ",
            "\r\n",
            "\r\n\r\n",
            "Content-Length: ",
            "Transfer-Encoding: ",
            "Connection: ",
            "chunked",
            "close",
            "keep-alive",
            "gzip, chunked",
            "100 ",
            "304 ",
            "0",
            ": ",
            "\n ",
        ],
    };
    campaign.run(|input, random| response(&mut head_cache, input, random));
}

#[test]
fn chunked_bodies() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut head_cache = ResponseHeadCache::default();
    let campaign = Campaign {
        name: "chunked body",
        seeds: texts(&[
            "5\r\nhello\r\n0\r\n\r\n",
            "a;x=\"y\"\r\n0123456789\r\n3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n",
            "0000000000000001\r\nx\r\n0\r\n\r\n",
            "7fffffffffffffff\r\n",
        ]),
        words: &[
            "\r\n",
            "0\r\n",
            "\r\n\r\n",
            "1\r\nx\r\n",
            ";",
            "=\"",
            "0x",
            "ffffffff",
            "+",
            "-",
            "A: b\r\n",
        ],
    };
    campaign.run(|input, random| response(&mut head_cache, &[HEAD, input].concat(), random));
}

#[test]
fn urls() {
    let campaign = Campaign {
        name: "urls",
        seeds: texts(&[
            "/a/b?c=d#e",
            "http://127.0.0.1:8080/x",
            "https://[::1]:443/",
            "../../x/./y",
            "//host.test/p",
            "unix:/run/x.sock",
        ]),
        words: &[
            "http://", "https://", "://", "[", "]", ":", "@", "..", "/", "?", "#", "%", "xn--",
        ],
    };
    campaign.run(|input, random| {
        let text = String::from_utf8_lossy(input);
        let base = *random.pick(&["", "/", "/base", "/base/"]);
        let resolved = url::resolve(&text, base);
        if let Ok(resolved) = &resolved {
            let is_fit = |byte: u8| byte.is_ascii_graphic();
            assert!(resolved.path.bytes().all(is_fit), "{:?}", resolved.path);
            assert!(resolved.path.starts_with(['/', '*']), "{:?}", resolved.path);
        }
        format!(
            "{:?}",
            resolved.map(|resolved| resolved.path.len().ilog2_or_zero())
        )
    });
}

#[test]
fn cookies() {
    // Ahead of the system's clock, by which the crate refuses what has expired.
    const NOW_S: i64 = 2_840_140_800;
    let campaign = Campaign {
        name: "cookies",
        seeds: texts(&[
            "sid=0123; Path=/; HttpOnly; SameSite=Lax\nsid=; Max-Age=0",
            "a=b; Domain=.site.test; Path=/x; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Secure",
            "__Host-a=1; Secure; Path=/\n__Secure-b=2; Secure\nnoname\n=x",
        ]),
        words: &[
            "; ",
            "=",
            "Path=",
            "Domain=",
            "site.test",
            "Max-Age=",
            "Expires=",
            "Secure",
            "HttpOnly",
            "SameSite=None",
            "GMT",
            "12:00:00",
            "1 Jan 2030",
            "\n",
            "\"",
            "__Host-",
        ],
    };
    campaign.run(|input, random| {
        let mut jar = Jar::default();
        let host = *random.pick(&["site.test", "a.site.test", "127.0.0.1", "::1"]);
        let path = *random.pick(&["/", "/x/y?z"]);
        let scope = CookieScope::new(host, path, random.chance(0.5)).expect("a URL");
        let fields = input.split(|byte| *byte == b'\n');
        let outcomes: Vec<_> = fields.map(|field| jar.set(field, &scope, NOW_S)).collect();
        let mut out = Vec::new();
        let any = jar.write(&scope, NOW_S, &mut out);
        assert_eq!(any, !out.is_empty());
        assert!(!out.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        assert!(jar.all(NOW_S).count() <= outcomes.len());
        jar.write(&scope, i64::MAX, &mut out);
        format!("{outcomes:?} {any}")
            .chars()
            .take(200)
            .collect::<String>()
    });
}

#[test]
fn content_codings() {
    const BYTES_MAX: usize = 1 << 20;
    let hex = |text: &str| -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("0"), 16);
        digits.map(|pair| byte(pair).unwrap_or(0)).collect()
    };
    // The first byte chooses the codings.
    const CODINGS: [&str; 6] = ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, gzip"];
    let zstd = zstd::encode_all(&b"abcabcabc".repeat(50)[..], 3).expect("memory takes all");
    let campaign = Campaign {
        name: "content coding",
        seeds: vec![
            [&[0][..], &gzip(b"hello hello hello hello")].concat(),
            [&[0][..], &gzip(b"first"), &gzip(b"second")].concat(),
            [&[0][..], &gzip(&[0; 100_000])].concat(),
            [&[1][..], &zlib(b"hello hello hello hello")].concat(),
            // an empty block of raw deflate
            vec![1, 3, 0],
            [&[2][..], &hex("b17825c02f192636169e05016768")].concat(),
            [&[3][..], &zstd].concat(),
            [&[5][..], &gzip(&zstd)].concat(),
        ],
        words: &["\x1f", "\x08", "\0\0", "\x78", "(\u{b5}/\u{fd}"],
    };
    campaign.run(|input, random| {
        let (first, rest) = input.split_first().unwrap_or((&0, &[]));
        let codings = CODINGS[usize::from(*first) % CODINGS.len()];
        let decode = |pieces: &[&[u8]]| {
            let decoder = Decoder::new([codings.as_bytes()], BYTES_MAX)?;
            let mut decoder = decoder.expect("each of these is known");
            let mut out = Vec::new();
            for piece in pieces {
                decoder.feed(piece, &mut out)?;
                assert!(out.len() <= BYTES_MAX, "{codings}: {} bytes", out.len());
            }
            decoder.finish().map(|()| out)
        };
        let whole = decode(&[rest]);
        let cut = decode(&pieces(rest, random));
        match (&cut, &whole) {
            // What is broken and too large is refused as the one or the other: how much a decoder
            // gives out before it sees the fault depends on how much it is shown.
            (Err(one), Err(other)) if one != other => {
                assert!([one, other].contains(&&DecodeFault::TooLarge), "{codings}");
            }
            _ => assert_eq!(cut, whole, "{codings}"),
        }
        format!("{codings} {:?}", whole.map(|out| out.len().ilog2_or_zero()))
    });
}

#[test]
fn challenges_and_locations() {
    let campaign = Campaign {
        name: "challenges and locations",
        seeds: texts(&[
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=SHA-256, opaque=\"o\"",
            "Basic realm=x, Digest realm=\"a\\\"b\", nonce=\"\", stale=TRUE, algorithm=MD5-sess",
            "../a/./b?c#d",
            "https://[::1]:8443/x",
            "//site.test",
        ]),
        words: &[
            "Digest ",
            "Basic ",
            "realm=",
            "nonce=",
            "qop=",
            "algorithm=",
            "\"",
            "\\",
            ", ",
            "=",
            "auth",
            "MD5",
            "http://",
            "//",
            "..",
            "?",
            "#",
            "@",
            ":",
            "%0d%0a",
        ],
    };
    campaign.run(|input, _| {
        let signer = Signer {
            user: "ann",
            password: "secret",
            method: "GET",
            uri: "/",
            cnonce: "c",
        };
        let challenge = Challenge::find([input]);
        let on_response = challenge.map(|mut challenge| {
            let answer = challenge.authorize(signer);
            assert!(!answer.contains(['\r', '\n', '\0']), "{answer:?}");
            answer.len().ilog2_or_zero()
        });
        let base = redirect::Base {
            scheme: config::Scheme::Http,
            path: "/a/b?c",
        };
        let target = redirect::resolve(base, input);
        if let Ok(target) = &target {
            assert!(target.path.starts_with('/'), "{:?}", target.path);
            assert!(target.path.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        let kind = |error: &url::UrlError| format!("{error:?}").chars().take(4).collect::<String>();
        (
            on_response,
            target.as_ref().map(|t| t.server.is_some()).map_err(kind),
        )
    });
}
