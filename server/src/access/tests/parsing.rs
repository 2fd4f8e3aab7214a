//! What comes from outside: cookies, tokens, hosts, origins, paths.

use crate::access::TokenKind;
use crate::access::origin::{Hosts, is_own};
use crate::access::routes::captured;
use crate::access::secret::{CHARACTERS, Claims, Hash, Secret, link_hash};
use crate::access::sign_in::next;
use crate::access::time_format::minute;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn cookie(line: &[u8]) -> Claims {
    Claims::read(std::iter::once(line), std::iter::empty())
}

fn token(line: &[u8]) -> Claims {
    Claims::read(std::iter::empty(), std::iter::once(line))
}

fn secret() -> Secret {
    Secret::random().expect("the kernel has random numbers")
}

#[test]
fn a_secret_is_read_as_it_was_handed_out() {
    let secret = secret();
    let (text, hash) = (secret.text(), Some(secret.hash()));
    assert_eq!(text.len(), CHARACTERS);
    assert_eq!(link_hash(&text), hash);
    let line = format!("theme=dark; mistress_session={text};mistress_link_7= {text} ");
    let claims = cookie(line.as_bytes());
    assert_eq!(
        (claims.session, claims.links.first().copied()),
        (hash, hash)
    );
    for kind in TokenKind::ALL {
        let line = format!("bearer {}", secret.token_text(kind));
        assert_eq!(token(line.as_bytes()).token, Some((kind, secret.hash())));
    }
}

#[test]
fn of_two_cookies_the_first_counts_and_a_header_outdoes_cookies() {
    let (one, two) = (secret(), secret());
    let line = format!(
        "mistress_session={}; mistress_session={}",
        one.text(),
        two.text()
    );
    assert_eq!(cookie(line.as_bytes()).session, Some(one.hash()));
    let header: &[u8] = b"Basic eDp5";
    let claims = Claims::read(std::iter::once(line.as_bytes()), std::iter::once(header));
    assert!(claims.is_empty() && claims.is_bearer);
    let value = format!("Bearer {}", one.token_text(TokenKind::Read));
    let both = [value.as_bytes(), value.as_bytes()];
    assert_eq!(
        Claims::read(std::iter::empty(), both.into_iter()).token,
        None
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_too_odd_to_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (cookie(&bytes), token(&bytes));
        let _ = link_hash(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn every_secret_has_one_spelling(bytes in prop::array::uniform32(any::<u8>())) {
        use base64::Engine;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let hash = link_hash(&text);
        prop_assert!(hash.is_some());
        // Only the characters that hold the last two bits could be spelled otherwise.
        for at in 0..CHARACTERS {
            for other in ["A", "z", "-", "_", "=", "+", "/", " ", "9"] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                let same = link_hash(&changed).filter(|found| Some(*found) == hash);
                prop_assert_eq!(same.is_some(), changed == text);
            }
        }
    }

    #[test]
    fn what_surrounds_a_secret_makes_it_none(
        before in "[A-Za-z0-9_=+/.\"-]{0,3}", after in "[A-Za-z0-9_=+/.\"-]{0,3}",
    ) {
        let secret = secret();
        let is_bare = before.is_empty() && after.is_empty();
        let text = format!("{before}{}{after}", secret.text());
        prop_assert_eq!(link_hash(&text) == Some(secret.hash()), is_bare);
        let line = format!("mistress_session={text}");
        prop_assert_eq!(cookie(line.as_bytes()).session == Some(secret.hash()), is_bare);
        let line = format!("Bearer mistress_read_{text}");
        prop_assert_eq!(token(line.as_bytes()).token.is_some_and(|(_, hash)| hash == secret.hash()), is_bare);
    }

    #[test]
    fn hashes_are_the_same_only_when_all_bytes_are(
        a in prop::array::uniform32(any::<u8>()), at in 0_usize..32, bit in 0_u8..8,
    ) {
        let mut b = a;
        b[at] ^= 1 << bit;
        prop_assert!(Hash(a) == Hash(a) && Hash(a) != Hash(b));
    }

    #[test]
    fn no_host_is_too_odd_to_read(text in "\\PC{0,40}") {
        let hosts = Hosts::new(IpAddr::V4(Ipv4Addr::LOCALHOST), &[]);
        let _ = (hosts.allows(&text), is_own(&text, Some(&text), Some(&text)));
    }
}

#[test]
fn only_known_hosts_are_served() {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
    let rows = [
        (loopback, "localhost", true),
        (loopback, "LocalHost.:7777", true),
        (loopback, "127.0.0.1:7777", true),
        (loopback, "127.9.9.9", true),
        (loopback, "[::1]:7777", true),
        (loopback, "10.0.0.5:7777", false),
        (loopback, "load.example.com:7777", true),
        (loopback, "evil.load.example.com", false),
        (loopback, "load.example.com.evil.net", false),
        (loopback, "localhost.evil.net", false),
        (loopback, "localhost:7777@evil.net", false),
        (loopback, "localhost:", false),
        (loopback, "localhost:99999", false),
        (loopback, "", false),
        (loopback, "[::1", false),
        (loopback, "[::1]evil.net", false),
        (loopback, "127.0.0.1.evil.net", false),
        (loopback, "2130706433", false),
        (address, "10.0.0.5:7777", true),
        (address, "10.0.0.6:7777", false),
        (any, "10.0.0.5:7777", true),
        (any, "[fe80::1]:7777", true),
        (any, "box:7777", false),
    ];
    for (bind, host, expected) in rows {
        let hosts = Hosts::new(bind, &["Load.example.com:443".to_owned()]);
        assert_eq!(hosts.allows(host), expected, "{host:?} on {bind}");
    }
}

#[test]
fn only_our_own_pages_change_things() {
    let host = "localhost:7777";
    let rows = [
        // programs
        (None, None, true),
        // browsers of today
        (Some("http://localhost:7777"), Some("same-origin"), true),
        (None, Some("none"), true),
        (Some("http://localhost:8000"), Some("same-site"), false),
        (Some("http://localhost:7777"), Some("cross-site"), false),
        (Some("https://evil.net"), Some("cross-site"), false),
        (None, Some("cross-site"), false),
        (None, Some(""), false),
        // older ones
        (Some("http://localhost:7777"), None, true),
        (Some("http://LOCALHOST:7777"), None, true),
        (Some("http://localhost"), None, false),
        (Some("http://localhost:77777"), None, false),
        (Some("null"), None, false),
        (Some(""), None, false),
        (Some("http://evil.net"), None, false),
        (Some("http://localhost:7777.evil.net"), None, false),
        (Some("ftp://localhost:7777"), None, false),
        // one that says what it cannot know
        (Some("http://evil.net"), Some("same-origin"), false),
    ];
    for (origin, site, expected) in rows {
        assert_eq!(is_own(host, origin, site), expected, "{origin:?} {site:?}");
    }
    assert!(is_own(
        "load.example.com",
        Some("https://load.example.com"),
        None
    ));
    assert!(is_own(
        "load.example.com:443",
        Some("https://load.example.com"),
        None
    ));
    assert!(!is_own(
        "load.example.com:8443",
        Some("https://load.example.com"),
        None
    ));
}

#[test]
fn paths_are_read_as_axum_reads_them() {
    let rows = [
        ("/r/{id}", "/r/abc", "id", Some("abc")),
        ("/r/{id}", "/r/a%2Fb%00", "id", Some("a/b\0")),
        ("/r/{id}", "/r/%ff", "id", None),
        (
            "/api/v1/projects/{p}/trend",
            "/api/v1/projects/%2A/trend",
            "p",
            Some("*"),
        ),
        ("/r/{id}", "/r/abc", "p", None),
    ];
    for (pattern, path, name, expected) in rows {
        assert_eq!(captured(pattern, path, name).as_deref(), expected, "{path}");
    }
}

#[test]
fn signing_in_leads_to_a_path_of_this_server() {
    for path in ["/admin", "/r/1?from=0&to=9", "/"] {
        assert_eq!(next(path), path);
    }
    let elsewhere = [
        "",
        "//evil.net",
        "/\\evil.net",
        "https://evil.net",
        "/a\r\nb",
        "/\u{e9}",
        " /a",
    ];
    for path in elsewhere {
        assert_eq!(next(path), "/report/list", "{path:?}");
    }
}

#[test]
fn moments_are_read_by_people() {
    let rows = [
        (0, "1970-01-01 00:00 UTC"),
        (951_782_399_000_000, "2000-02-28 23:59 UTC"),
        (951_782_400_000_000, "2000-02-29 00:00 UTC"),
        (1_795_534_320_000_000, "2026-11-24 15:32 UTC"),
        (-1, "1969-12-31 23:59 UTC"),
    ];
    for (us, expected) in rows {
        assert_eq!(minute(us), expected);
    }
}
