//! Cookies by the letter: each row names the section it comes from. "bis" is the revision of
//! RFC 6265 that browsers follow (draft-ietf-httpbis-rfc6265bis).

use super::super::cookies::{Cookie, Jar, Outcome, Place, SameSite};
use super::cookie_rows::{H, ROWS};

/// 2026-01-01 00:00:00.
const NOW_S: i64 = 1_767_225_600;

/// Host, path and security of a URL.
fn place(url: &str) -> Place<'_> {
    let (scheme, rest) = url.split_once("://").expect("an absolute URL");
    let (host, path) = rest.split_at(rest.find('/').expect("a path"));
    Place {
        host,
        path,
        is_secure: scheme == "https",
    }
}

fn sent(jar: &Jar, url: &str, now_s: i64) -> String {
    let mut out = Vec::new();
    let any = jar.write(place(url), now_s, &mut out);
    assert_eq!(any, !out.is_empty());
    String::from_utf8(out).expect("the rows are text")
}

#[test]
fn every_row_of_the_standard() {
    assert!(ROWS.len() >= 60);
    let mut failed = Vec::new();
    for (section, fields, later_s, url, expected) in ROWS {
        let mut jar = Jar::default();
        for (from, field) in *fields {
            jar.set(field.as_bytes(), place(from), NOW_S);
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
            jar.set(field.as_bytes(), place(H), NOW_S),
            expected,
            "{field}"
        );
    }
    assert_eq!(jar.all(NOW_S).count(), 0);
}

#[test]
fn scripts_read_set_and_clear() {
    let mut jar = Jar::default();
    jar.set(b"a=1; Path=/p; SameSite=Lax", place(H), NOW_S);
    jar.set(b"a=2; Max-Age=10", place(H), NOW_S);
    let value = |jar: &Jar, later_s| jar.latest(b"a", NOW_S + later_s).map(|c| c.value.to_vec());
    assert_eq!(
        value(&jar, 0).as_deref(),
        Some(&b"2"[..]),
        "the latest made"
    );
    assert_eq!(
        value(&jar, 10).as_deref(),
        Some(&b"1"[..]),
        "the other expired"
    );
    let own = Cookie {
        host_only: false,
        ..Cookie::new(b"b", b"3", "a.test", "/")
    };
    assert_eq!(jar.put(own, NOW_S), Outcome::Stored);
    assert_eq!(sent(&jar, "http://x.a.test/p", NOW_S), "b=3");
    assert_eq!(jar.all(NOW_S + 10).count(), 2);
    let sites: Vec<SameSite> = jar.all(NOW_S).map(|cookie| cookie.same_site).collect();
    assert_eq!(sites, [SameSite::Lax, SameSite::Unset, SameSite::Unset]);
    jar.clear();
    assert_eq!(sent(&jar, H, NOW_S), "");
}

#[test]
fn a_jar_is_bounded() {
    let mut jar = Jar::default();
    for n in 0..1000 {
        jar.set(format!("n{n}=1").as_bytes(), place(H), NOW_S);
        let host = format!("http://h{n}.test/");
        jar.set(b"x=1", place(&host), NOW_S);
    }
    assert!(jar.all(NOW_S).count() <= 300);
    assert!(sent(&jar, H, NOW_S).ends_with("n999=1"), "the latest stays");
    let long = format!("a={}", "x".repeat(5000));
    assert_eq!(jar.set(long.as_bytes(), place(H), NOW_S), Outcome::Ignored);
}
