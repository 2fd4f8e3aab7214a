//! Cookies by the letter: each row names the section it comes from. "bis" is the revision of
//! RFC 6265 that browsers follow (draft-ietf-httpbis-rfc6265bis).

use super::super::cookies::{Cookie, Jar, Outcome, Place, SameSite};

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

/// Section · what comes, from where · seconds later · next request · its Cookie field.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    i64,
    &'static str,
    &'static str,
);

const H: &str = "http://a.test/";
const S: &str = "https://a.test/";

const ROWS: &[Row] = &[
    // Setting: section 5.2.
    ("5.2", &[(H, "a=1")], 0, H, "a=1"),
    ("5.2 step 2", &[(H, "  a  =  1  ; x")], 0, H, "a=1"),
    ("5.2 step 1", &[(H, "a=1;b=2")], 0, H, "a=1"),
    ("5.2 step 2", &[(H, "a=b=c")], 0, H, "a=b=c"),
    ("5.2 step 2", &[(H, "a=\"q\"")], 0, H, "a=\"q\""),
    ("5.2 step 2", &[(H, "a=x y")], 0, H, "a=x y"),
    ("5.2 step 2", &[(H, "a=")], 0, H, "a="),
    ("5.2 step 3: no equals sign", &[(H, "a")], 0, H, ""),
    ("5.2 step 5: no name", &[(H, "=1")], 0, H, ""),
    ("5.2: nothing at all", &[(H, "")], 0, H, ""),
    ("5.2: attributes first", &[(H, "; a=1")], 0, H, ""),
    (
        "5.2: names are case sensitive",
        &[(H, "a=1"), (H, "A=2")],
        0,
        H,
        "a=1; A=2",
    ),
    (
        "5.2: unknown attributes",
        &[(H, "a=1; Priority=High; Partitioned; =x; ;;")],
        0,
        H,
        "a=1",
    ),
    ("bis 5.6 step 1: control byte", &[(H, "a=1\x07")], 0, H, ""),
    (
        "bis 5.6 step 1: tab is none",
        &[(H, "a=1\t2")],
        0,
        H,
        "a=1\t2",
    ),
    // Storing: section 5.3.
    (
        "5.3 step 11: replaced",
        &[(H, "a=1"), (H, "a=2")],
        0,
        H,
        "a=2",
    ),
    (
        "5.3 step 11.3: keeps its place",
        &[(H, "a=1"), (H, "b=1"), (H, "a=2")],
        0,
        H,
        "a=2; b=1",
    ),
    (
        "5.3 step 11: other path",
        &[(H, "a=1"), (H, "a=2; Path=/p")],
        0,
        "http://a.test/p",
        "a=2; a=1",
    ),
    (
        "5.3 step 11: other domain",
        &[
            ("http://x.a.test/", "a=1"),
            ("http://x.a.test/", "a=2; Domain=a.test"),
        ],
        0,
        "http://x.a.test/",
        "a=1; a=2",
    ),
    (
        "5.3 step 7: HttpOnly is sent",
        &[(H, "a=1; HttpOnly")],
        0,
        H,
        "a=1",
    ),
    // Domain: sections 5.2.3, 5.3 steps 4 to 6, 5.1.3.
    (
        "5.3 step 6: host only",
        &[(H, "a=1")],
        0,
        "http://x.a.test/",
        "",
    ),
    (
        "5.3 step 6: not above",
        &[("http://x.a.test/", "a=1")],
        0,
        H,
        "",
    ),
    (
        "5.1.3: below",
        &[(H, "a=1; Domain=a.test")],
        0,
        "http://x.a.test/",
        "a=1",
    ),
    ("5.1.3: itself", &[(H, "a=1; Domain=a.test")], 0, H, "a=1"),
    (
        "5.1.3: two below",
        &[(H, "a=1; Domain=a.test")],
        0,
        "http://y.x.a.test/",
        "a=1",
    ),
    (
        "5.1.3: a suffix is not below",
        &[(H, "a=1; Domain=a.test")],
        0,
        "http://xa.test/",
        "",
    ),
    (
        "5.2.3: dot first",
        &[(H, "a=1; Domain=.a.test")],
        0,
        "http://x.a.test/",
        "a=1",
    ),
    (
        "5.2.3: lower case",
        &[(H, "a=1; DOMAIN=A.Test")],
        0,
        "http://x.a.test/",
        "a=1",
    ),
    (
        "5.2.3: empty is ignored",
        &[(H, "a=1; Domain=")],
        0,
        "http://x.a.test/",
        "",
    ),
    (
        "5.2.3: the last one counts",
        &[(H, "a=1; Domain=b.test; Domain=a.test")],
        0,
        "http://x.a.test/",
        "a=1",
    ),
    (
        "5.3 step 6: set from below",
        &[("http://x.a.test/", "a=1; Domain=a.test")],
        0,
        H,
        "a=1",
    ),
    (
        "5.3 step 6: foreign",
        &[(H, "a=1; Domain=b.test")],
        0,
        "http://b.test/",
        "",
    ),
    (
        "5.3 step 6: set from above",
        &[(H, "a=1; Domain=x.a.test")],
        0,
        "http://x.a.test/",
        "",
    ),
    (
        "5.3 step 6: sibling",
        &[("http://x.a.test/", "a=1; Domain=y.a.test")],
        0,
        "http://y.a.test/",
        "",
    ),
    (
        "5.3 step 5: public suffix",
        &[(H, "a=1; Domain=test")],
        0,
        H,
        "",
    ),
    (
        "5.3 step 5: the host itself",
        &[("http://localhost/", "a=1; Domain=localhost")],
        0,
        "http://localhost/",
        "a=1",
    ),
    (
        "5.3 step 5: becomes host only",
        &[("http://test/", "a=1; Domain=test")],
        0,
        H,
        "",
    ),
    (
        "5.1.3: address",
        &[("http://127.0.0.1/", "a=1")],
        0,
        "http://127.0.0.1/",
        "a=1",
    ),
    (
        "5.1.3: address as domain",
        &[("http://127.0.0.1/", "a=1; Domain=127.0.0.1")],
        0,
        "http://127.0.0.1/",
        "a=1",
    ),
    (
        "5.1.3: nothing is below an address",
        &[("http://127.0.0.1/", "a=1; Domain=0.0.1")],
        0,
        "http://127.0.0.1/",
        "",
    ),
    (
        "5.1.3: v6",
        &[("http://::1/", "a=1")],
        0,
        "http://::1/",
        "a=1",
    ),
    ("5.4: ports share cookies (8.5)", &[(H, "a=1")], 0, H, "a=1"),
    // Path: sections 5.1.4, 5.2.4.
    (
        "5.1.4: default is the folder",
        &[("http://a.test/p/q", "a=1")],
        0,
        "http://a.test/p/r",
        "a=1",
    ),
    (
        "5.1.4: default is not above",
        &[("http://a.test/p/q", "a=1")],
        0,
        H,
        "",
    ),
    (
        "5.1.4: default of the root",
        &[("http://a.test/q", "a=1")],
        0,
        "http://a.test/r/s",
        "a=1",
    ),
    (
        "5.1.4: slash at the end",
        &[("http://a.test/p/", "a=1")],
        0,
        "http://a.test/p",
        "a=1",
    ),
    (
        "5.1.4: the query is no path",
        &[("http://a.test/p/q?x=/y/z", "a=1")],
        0,
        "http://a.test/p/r",
        "a=1",
    ),
    (
        "5.1.4: prefix",
        &[(H, "a=1; Path=/p")],
        0,
        "http://a.test/p/q",
        "a=1",
    ),
    (
        "5.1.4: itself",
        &[(H, "a=1; Path=/p")],
        0,
        "http://a.test/p",
        "a=1",
    ),
    (
        "5.1.4: itself with query",
        &[(H, "a=1; Path=/p")],
        0,
        "http://a.test/p?q",
        "a=1",
    ),
    (
        "5.1.4: no whole segment",
        &[(H, "a=1; Path=/p")],
        0,
        "http://a.test/pq",
        "",
    ),
    (
        "5.1.4: with slash",
        &[(H, "a=1; Path=/p/")],
        0,
        "http://a.test/p/q",
        "a=1",
    ),
    (
        "5.1.4: with slash, without",
        &[(H, "a=1; Path=/p/")],
        0,
        "http://a.test/p",
        "",
    ),
    (
        "5.1.4: case counts",
        &[(H, "a=1; Path=/P")],
        0,
        "http://a.test/p",
        "",
    ),
    (
        "5.2.4: not from a slash",
        &[("http://a.test/p/q", "a=1; Path=x")],
        0,
        "http://a.test/p/r",
        "a=1",
    ),
    (
        "5.2.4: empty",
        &[("http://a.test/p/q", "a=1; Path=")],
        0,
        H,
        "",
    ),
    (
        "5.2.4: set from elsewhere",
        &[(H, "a=1; Path=/other")],
        0,
        "http://a.test/other",
        "a=1",
    ),
    // Expiry: sections 5.1.1, 5.2.1, 5.2.2, 5.3 step 3.
    (
        "5.2.2: before its end",
        &[(H, "a=1; Max-Age=10")],
        9,
        H,
        "a=1",
    ),
    ("5.2.2: at its end", &[(H, "a=1; Max-Age=10")], 10, H, ""),
    ("5.2.2: zero", &[(H, "a=1; Max-Age=0")], 0, H, ""),
    ("5.2.2: negative", &[(H, "a=1; Max-Age=-5")], 0, H, ""),
    (
        "5.2.2: no number",
        &[(H, "a=1; Max-Age=ten")],
        1_000_000,
        H,
        "a=1",
    ),
    (
        "5.2.2: sign",
        &[(H, "a=1; Max-Age=+1")],
        1_000_000,
        H,
        "a=1",
    ),
    (
        "5.2.2: huge",
        &[(H, "a=1; Max-Age=99999999999999999999999")],
        1_000_000,
        H,
        "a=1",
    ),
    (
        "5.3 step 3: no age is the session",
        &[(H, "a=1")],
        1_000_000_000,
        H,
        "a=1",
    ),
    (
        "5.3 step 3: Max-Age before Expires",
        &[(H, "a=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT")],
        5,
        H,
        "a=1",
    ),
    (
        "5.3 step 3: the other order",
        &[(H, "a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT; Max-Age=1")],
        5,
        H,
        "",
    ),
    (
        "5.3 step 11: removed by the past",
        &[(H, "a=1"), (H, "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT")],
        0,
        H,
        "",
    ),
    (
        "5.2.1: in time",
        &[(H, "a=1; Expires=Thu, 01 Jan 2026 00:01:00 GMT")],
        59,
        H,
        "a=1",
    ),
    (
        "5.2.1: past",
        &[(H, "a=1; Expires=Thu, 01 Jan 2026 00:01:00 GMT")],
        60,
        H,
        "",
    ),
    (
        "5.2.1: no date",
        &[(H, "a=1; Expires=whenever")],
        1_000_000,
        H,
        "a=1",
    ),
    (
        "5.1.1: RFC 850",
        &[(H, "a=1; Expires=Thursday, 01-Jan-26 00:01:00 GMT")],
        60,
        H,
        "",
    ),
    (
        "5.1.1: asctime",
        &[(H, "a=1; Expires=Thu Jan  1 00:01:00 2026")],
        60,
        H,
        "",
    ),
    (
        "5.1.1: two digits below 70",
        &[(H, "a=1; Expires=01 Jan 69 00:00:00")],
        60,
        H,
        "a=1",
    ),
    (
        "5.1.1: two digits from 70",
        &[(H, "a=1; Expires=01 Jan 70 00:00:00")],
        0,
        H,
        "",
    ),
    (
        "5.1.1: day 31 of April",
        &[(H, "a=1; Expires=31 Apr 2020 00:00:00")],
        0,
        H,
        "a=1",
    ),
    (
        "5.1.1: hour 24",
        &[(H, "a=1; Expires=01 Jan 2020 24:00:00")],
        0,
        H,
        "a=1",
    ),
    (
        "5.1.1: year 1600",
        &[(H, "a=1; Expires=01 Jan 1600 00:00:00")],
        0,
        H,
        "a=1",
    ),
    // Secure: sections 5.2.5, 5.4, bis 5.7.
    ("5.4: Secure over TLS", &[(S, "a=1; Secure")], 0, S, "a=1"),
    (
        "5.4: Secure not in plain",
        &[(S, "a=1; secure=no")],
        0,
        H,
        "",
    ),
    ("5.4: plain over TLS too", &[(H, "a=1")], 0, S, "a=1"),
    (
        "bis 5.7 step 10: Secure set in plain",
        &[(H, "a=1; Secure")],
        0,
        S,
        "",
    ),
    (
        "bis 5.7 step 16: left alone",
        &[(S, "a=1; Secure"), (H, "a=2")],
        0,
        S,
        "a=1",
    ),
    (
        "bis 5.7 step 16: by a domain",
        &[
            ("https://x.a.test/", "a=1; Secure"),
            ("http://x.a.test/", "a=2; Domain=a.test"),
        ],
        0,
        "https://x.a.test/",
        "a=1",
    ),
    ("bis 4.1.3.1: __Secure-", &[(S, "__Secure-a=1")], 0, S, ""),
    (
        "bis 4.1.3.1: __Secure- and Secure",
        &[(S, "__Secure-a=1; Secure")],
        0,
        S,
        "__Secure-a=1",
    ),
    (
        "bis 4.1.3.2: __Host-",
        &[(S, "__Host-a=1; Secure; Path=/")],
        0,
        S,
        "__Host-a=1",
    ),
    (
        "bis 4.1.3.2: __Host- with a domain",
        &[(S, "__Host-a=1; Secure; Path=/; Domain=a.test")],
        0,
        S,
        "",
    ),
    (
        "bis 4.1.3.2: __Host- below the root",
        &[(S, "__Host-a=1; Secure; Path=/p")],
        0,
        "https://a.test/p",
        "",
    ),
    // SameSite: bis 5.6.7, 5.7 step 18. All requests of a user are of the same site.
    (
        "bis 5.6.7: Strict",
        &[(H, "a=1; SameSite=Strict")],
        0,
        H,
        "a=1",
    ),
    ("bis 5.6.7: Lax", &[(H, "a=1; samesite=lax")], 0, H, "a=1"),
    (
        "bis 5.6.7: unknown",
        &[(H, "a=1; SameSite=Maybe")],
        0,
        H,
        "a=1",
    ),
    (
        "bis 5.7 step 18: None and Secure",
        &[(S, "a=1; SameSite=None; Secure")],
        0,
        S,
        "a=1",
    ),
    (
        "bis 5.7 step 18: None without Secure",
        &[(S, "a=1; SameSite=None")],
        0,
        S,
        "",
    ),
    // Order: section 5.4 step 2.
    (
        "5.4 step 2: longer paths first",
        &[
            (H, "a=1; Path=/"),
            (H, "b=2; Path=/p/q"),
            (H, "c=3; Path=/p"),
        ],
        0,
        "http://a.test/p/q",
        "b=2; c=3; a=1",
    ),
    (
        "5.4 step 2: older ones first",
        &[(H, "b=1"), (H, "a=2"), (H, "c=3")],
        0,
        H,
        "b=1; a=2; c=3",
    ),
];

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
