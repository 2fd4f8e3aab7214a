//! Proxies as they are written, and servers that are reached without.

use super::*;
use crate::variables::VariableSource;

/// A variable and its value.
type Pair<'a> = (&'a str, &'a str);

fn origin(url: &str) -> Origin {
    Origin::parse(url).expect("a server")
}

fn environment(pairs: &[Pair<'_>]) -> Variables {
    let mut variables = Variables::default();
    for (name, value) in pairs {
        variables.set(name, value, VariableSource::Environment);
    }
    variables
}

/// The proxies by which servers are reached, as text; `-` for none.
fn routes(pairs: &[Pair<'_>], urls: &[&str]) -> Vec<String> {
    let proxies = Proxies::from_environment(&environment(pairs)).expect("good variables");
    let route = |url: &&str| match proxies.proxy_for(&origin(url)) {
        Some(proxy) => format!("{proxy} {}", proxy.named_by),
        None => "-".to_owned(),
    };
    urls.iter().map(route).collect()
}

#[test]
fn urls_of_proxies_are_read() {
    let rows = [
        ("proxy.lan", "http://proxy.lan:80", None),
        ("proxy.lan:3128", "http://proxy.lan:3128", None),
        ("HTTP://Proxy.LAN:3128/", "http://proxy.lan:3128", None),
        ("https://p", "https://p:443", None),
        ("socks5://10.0.0.1", "socks5://10.0.0.1:1080", None),
        ("socks5h://[::1]:9", "socks5h://[::1]:9", None),
        ("http://ann:pw@p:1", "http://p:1", Some(("ann", "pw"))),
        ("http://ann@p:1", "http://p:1", Some(("ann", ""))),
        ("http://:@p:1", "http://p:1", None),
        (
            "http://a%3Fn:p%40%2f%c3%a4:x@p:1",
            "http://p:1",
            Some(("a?n", "p@/ä:x")),
        ),
        ("http://a:b@c@p:1", "http://p:1", Some(("a", "b@c"))),
        ("ann:100%@p:1", "http://p:1", Some(("ann", "100%"))),
    ];
    for (url, shown, pair) in rows {
        let proxy = Proxy::parse(url, "x").unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!(proxy.to_string(), shown, "{url}");
        let found = proxy.credentials.as_ref();
        let found = found.map(|one| (one.user.as_str(), one.password.as_str()));
        assert_eq!(found, pair, "{url}");
        assert!(!format!("{proxy:?}").contains("pw"), "{proxy:?}");
    }
}

#[test]
fn other_texts_are_refused_and_passwords_not_shown() {
    let rows = [
        ("", "found \"\" without a host"),
        ("http://", "found \"http://\" without a host"),
        (
            "socks4://p",
            "found the scheme \"socks4\", expected http, https, socks5 or socks5h; did you mean socks5?",
        ),
        ("ftp://p", "found the scheme \"ftp\", expected"),
        ("http://p:0", "found the port \"0\""),
        ("http://p:99999", "found the port \"99999\""),
        ("http://p q", "found the host \"p q\""),
        ("http://p/path", "found \"http://p/path\" with a path"),
    ];
    for (url, expected) in rows {
        let error = Proxy::parse(url, "x").unwrap_err();
        assert!(error.starts_with(expected), "{url}: {error}");
    }
    let long = format!("http://{}:pass@p", "a".repeat(256));
    let secret = [
        "http://ann:pass/word@p:1",
        "socks://ann:pass@p:1",
        "http://ann:pass@p:port",
        "http://:pass@p",
        "http://ann:pass%00@p",
        "http://ann:pass%ff@p",
        "http://a%3Ab:pass@p",
        "http://ann:pass@",
        long.as_str(),
    ];
    for url in secret {
        let error = Proxy::parse(url, "x").unwrap_err();
        assert!(error.contains("credentials that cannot be read"), "{error}");
        assert!(
            !error.contains("pass/") && !error.contains("ann:"),
            "{error}"
        );
    }
}

#[test]
fn variables_choose_the_proxy_by_the_scheme_of_the_server() {
    let urls = ["http://a.test", "https://a.test"];
    let rows: [(&[Pair<'_>], [&str; 2]); 7] = [
        (&[], ["-", "-"]),
        (
            &[("HTTP_PROXY", "p:1"), ("HTTPS_PROXY", "p:2")],
            ["http://p:1 HTTP_PROXY", "http://p:2 HTTPS_PROXY"],
        ),
        (
            &[("http_proxy", "low"), ("HTTP_PROXY", "up")],
            ["http://low:80 http_proxy", "-"],
        ),
        (
            &[("http_proxy", ""), ("HTTP_PROXY", "up")],
            ["http://up:80 HTTP_PROXY", "-"],
        ),
        (
            &[("ALL_PROXY", "socks5h://s"), ("https_proxy", "p")],
            ["socks5h://s:1080 ALL_PROXY", "http://p:80 https_proxy"],
        ),
        (&[("ALL_PROXY", "p"), ("NO_PROXY", "*")], ["-", "-"]),
        (
            &[("all_proxy", "p"), ("no_proxy", "b"), ("NO_PROXY", "*")],
            ["http://p:80 all_proxy", "http://p:80 all_proxy"],
        ),
    ];
    for (pairs, expected) in rows {
        assert_eq!(routes(pairs, &urls), expected, "{pairs:?}");
    }
    let wrong = environment(&[("HTTPS_PROXY", "socks4://p")]);
    let (name, message) = Proxies::from_environment(&wrong).unwrap_err();
    assert_eq!(name, "HTTPS_PROXY");
    assert!(message.contains("--proxy none"), "{message}");
}

#[test]
fn loopback_never_goes_through_a_proxy_of_the_environment() {
    let pairs = [("ALL_PROXY", "p")];
    let direct = [
        "http://localhost:1",
        "http://a.localhost",
        "http://127.0.0.1",
        "https://127.9.9.9",
        "https://[::1]:2",
        "http://[::ffff:127.0.0.1]",
    ];
    assert_eq!(routes(&pairs, &direct), ["-"; 6]);
    let through = ["http://localhost.test", "http://10.0.0.1"];
    assert_eq!(routes(&pairs, &through), ["http://p:80 ALL_PROXY"; 2]);
    let socket = Origin::from_socket_path("/run/x").expect("a socket");
    let proxies = Proxies::from_environment(&environment(&pairs)).expect("a proxy");
    assert_eq!(proxies.proxy_for(&socket), None);
}

/// An entry of `no_proxy`, servers it stands for, and servers it does not stand for.
type BypassRow<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

#[track_caller]
fn check_bypass(rows: &[BypassRow<'_>]) {
    for (entry, covered, others) in rows {
        let entries = [Bypass::parse(entry).unwrap_or_else(|e| panic!("{e}"))];
        let is_covered = |url: &&str| {
            let origin = origin(url);
            bypass::covers(&entries, &origin.host, origin.port)
        };
        assert!(covered.iter().all(is_covered), "{entry}: {covered:?}");
        assert!(!others.iter().any(is_covered), "{entry}: {others:?}");
    }
}

#[test]
fn names_that_need_no_proxy() {
    check_bypass(&[
        ("*", &["http://a", "http://1.2.3.4"], &[]),
        (
            "shop.example",
            &["http://shop.example", "https://www.Shop.example:8443"],
            &[
                "http://example",
                "http://myshop.example",
                "http://shop.example.org",
            ],
        ),
        ("Shop.Example.", &["http://shop.example"], &[]),
        (
            ".internal",
            &["http://a.internal", "http://a.b.internal"],
            &["http://internal", "http://xinternal"],
        ),
        ("*.internal", &["http://a.internal"], &["http://internal"]),
        (
            "shop.example:8080",
            &["http://shop.example:8080", "http://x.shop.example:8080"],
            &["http://shop.example", "https://shop.example"],
        ),
        (
            ".example:443",
            &["https://a.example"],
            &["http://a.example"],
        ),
        ("bücher.example", &["http://xn--bcher-kva.example"], &[]),
    ]);
}

#[test]
fn addresses_that_need_no_proxy() {
    check_bypass(&[
        ("10.1.2.3", &["http://10.1.2.3:99"], &["http://10.1.2.30"]),
        ("10.1.2.3:80", &["http://10.1.2.3"], &["https://10.1.2.3"]),
        (
            "10.0.0.0/8",
            &["http://10.255.0.1"],
            &["http://11.0.0.1", "http://a10.test"],
        ),
        (
            "192.168.4.0/22",
            &["http://192.168.7.255"],
            &["http://192.168.8.0"],
        ),
        (
            "0.0.0.0/0",
            &["http://8.8.8.8"],
            &["http://[2001:db8::1]", "http://a"],
        ),
        (
            "2001:db8::1",
            &["http://[2001:DB8:0::1]:5"],
            &["http://[2001:db8::2]"],
        ),
        (
            "[2001:db8::1]:80",
            &["http://[2001:db8::1]"],
            &["https://[2001:db8::1]"],
        ),
        (
            "2001:db8::/33",
            &["http://[2001:db8:7fff::1]"],
            &["http://[2001:db8:8000::1]"],
        ),
    ]);
}

#[test]
fn other_entries_are_refused() {
    for entry in [
        "",
        ".",
        "a b",
        "http://a",
        "10.0.0.0/33",
        "10.0.0/8",
        "a:0",
        "a:b",
        "::1/129",
    ] {
        let error = Bypass::parse(entry).unwrap_err();
        assert!(error.contains("expected a host"), "{entry}: {error}");
    }
}

#[test]
fn credentials_in_urls_are_secrets() {
    assert_eq!(secrets_of("http://p:1"), Vec::<String>::new());
    assert_eq!(secrets_of("http://ann:p%40s@p:1"), ["ann:p%40s", "ann:p@s"]);
    let variables = environment(&[("ALL_PROXY", "ann:pass@p"), ("http_proxy", "p")]);
    assert!(secrets_of_environment(&variables).contains(&"ann:pass".to_owned()));
}
