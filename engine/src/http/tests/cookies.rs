//! Cookies by the letter: each row names the section it comes from. "bis" is the revision of
//! RFC 6265 that browsers follow (draft-ietf-httpbis-rfc6265bis).

use super::super::cookies::{CookieScope, Draft, Jar, Outcome, value};
use super::cookie_edges::EDGES;
use super::cookie_rows::{H, ROWS};

/// 2060-01-01 00:00:00: the crate refuses by the clock of the system what has expired when it
/// comes, so the time of the tests is to be ahead of it.
const NOW_S: i64 = 2_840_140_800;

/// Host, path and security of a URL.
fn scope(url: &str) -> CookieScope {
    let (scheme, rest) = url.split_once("://").expect("an absolute URL");
    let (host, path) = rest.split_at(rest.find('/').expect("a path"));
    CookieScope::new(host, path, scheme == "https").expect("a URL")
}

fn sent(jar: &Jar, url: &str, now_s: i64) -> String {
    let mut out = Vec::new();
    let any = jar.write(&scope(url), now_s, &mut out);
    assert_eq!(any, !out.is_empty());
    String::from_utf8(out).expect("the rows are text")
}

#[test]
fn every_row_of_the_standard() {
    assert!(ROWS.len() >= 60);
    let mut failed = Vec::new();
    for (section, fields, later_s, url, expected) in ROWS.iter().chain(EDGES) {
        let mut jar = Jar::default();
        for (from, field) in *fields {
            jar.set(field.as_bytes(), &scope(from), NOW_S);
        }
        let found = sent(&jar, url, NOW_S + later_s);
        if found != *expected {
            failed.push(format!(
                "{section}: {fields:?} then {url}: {found:?}, not {expected:?}"
            ));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn what_became_of_a_field_is_told() {
    let mut jar = Jar::default();
    let rows = [
        ("a=1", Outcome::Stored),
        ("a=1; Max-Age=0", Outcome::Removed),
        ("b=1; Max-Age=0", Outcome::Removed),
        ("a", Outcome::Ignored),
        ("a=1; Domain=b.test", Outcome::Ignored),
    ];
    for (field, expected) in rows {
        assert_eq!(
            jar.set(field.as_bytes(), &scope(H), NOW_S),
            expected,
            "{field}"
        );
    }
    assert!(jar.is_empty());
}

#[test]
fn scripts_read_set_and_clear() {
    let mut jar = Jar::default();
    jar.set(b"a=1; Path=/p; SameSite=Lax", &scope(H), NOW_S);
    jar.set(b"a=2; Max-Age=10", &scope(H), NOW_S);
    let latest = |jar: &Jar, later_s| jar.latest(b"a", NOW_S + later_s).map(value);
    assert_eq!(
        latest(&jar, 0).as_deref(),
        Some(&b"2"[..]),
        "the latest made"
    );
    assert_eq!(
        latest(&jar, 10).as_deref(),
        Some(&b"1"[..]),
        "the other expired"
    );
    let own = Draft::new(b"b", b"\xff3", &scope(H), true, None);
    assert_eq!(jar.put(own, &scope(H), NOW_S), Outcome::Stored);
    let mut out = Vec::new();
    assert!(jar.write(&scope("http://x.a.test/p"), NOW_S, &mut out));
    assert_eq!(out, b"b=\xff3", "bytes that are no text");
    let own = Draft::new(b"c", b"4", &scope("https://a.test/q"), false, Some(NOW_S));
    let at = scope("https://a.test/q");
    assert_eq!(jar.put(own, &at, NOW_S), Outcome::Removed, "at its end");
    let own = Draft::new(b"c", b"4", &at, false, Some(NOW_S + 1));
    assert_eq!(jar.put(own, &at, NOW_S), Outcome::Stored);
    let values: Vec<Vec<u8>> = jar.matching(&at, NOW_S).into_iter().map(value).collect();
    assert_eq!(values, [b"4".to_vec(), b"2".to_vec(), b"\xff3".to_vec()]);
    assert_eq!(jar.all(NOW_S + 10).count(), 2);
    let lax = jar.all(NOW_S).filter(|cookie| {
        let site = cookie.same_site();
        site.is_some_and(|site| site.is_lax())
    });
    assert_eq!(lax.count(), 1);
    jar.clear();
    assert_eq!(sent(&jar, H, NOW_S), "");
}

#[test]
fn hosts_without_urls_have_no_cookies() {
    for host in ["1.2.3.4.5", "a b", ""] {
        assert!(CookieScope::new(host, "/", false).is_none(), "{host:?}");
    }
    assert!(CookieScope::new("::1", "*", true).is_some());
}

#[test]
fn a_jar_is_bounded() {
    let mut jar = Jar::default();
    for n in 0..1000 {
        jar.set(format!("n{n}=1").as_bytes(), &scope(H), NOW_S);
        let host = format!("http://h{n}.test/");
        jar.set(b"x=1", &scope(&host), NOW_S);
    }
    assert!(jar.all(NOW_S).count() <= 300);
    assert!(sent(&jar, H, NOW_S).ends_with("n999=1"), "the latest stays");
    let long = format!("a={}", "x".repeat(5000));
    assert_eq!(jar.set(long.as_bytes(), &scope(H), NOW_S), Outcome::Ignored);
    let long = format!("a=1; Path=/{}", "x".repeat(1024));
    let mut jar = Jar::default();
    assert_eq!(jar.set(long.as_bytes(), &scope(H), NOW_S), Outcome::Stored);
    assert_eq!(
        sent(&jar, H, NOW_S),
        "a=1",
        "a long attribute counts for nothing"
    );
}
