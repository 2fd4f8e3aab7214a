//! URLs and references as scripts write them.

use super::super::url::{Server, UrlError, default_name, resolve};
use config::Scheme;

#[track_caller]
fn check_path(url: &str, base_path: &str, path: &str) {
    let resolved = resolve(url, base_path).unwrap();
    assert_eq!((resolved.server, resolved.path.as_str()), (None, path));
}

#[track_caller]
fn check_server(url: &str, authority: &str, path: &str) {
    let resolved = resolve(url, "/base").unwrap();
    let server = resolved.server.unwrap();
    assert_eq!(
        (authority_of(&server).as_str(), resolved.path.as_str()),
        (authority, path)
    );
}

#[test]
fn references_lie_below_the_base_path() {
    let rows = [
        ("/", "/", "/x/"),
        ("/a/b?c=d&e", "/a/b?c=d&e", "/x/a/b?c=d&e"),
        ("img/x.png", "/img/x.png", "/x/img/x.png"),
        ("", "/", "/x/"),
        ("?q=1", "/?q=1", "/x/?q=1"),
        ("#top", "/", "/x/"),
        ("/a#b#c?d", "/a", "/x/a"),
        ("/a?b#c", "/a?b", "/x/a?b"),
        ("/a?", "/a?", "/x/a?"),
        ("/../a/./b", "/../a/./b", "/x/../a/./b"),
        ("/a:b", "/a:b", "/x/a:b"),
        ("a:b/c", "/a:b/c", "/x/a:b/c"),
        ("/x?u=http://h/y", "/x?u=http://h/y", "/x/x?u=http://h/y"),
    ];
    for (url, alone, based) in rows {
        check_path(url, "", alone);
        check_path(url, "/x", based);
    }
}

#[test]
fn absolute_urls_name_their_server() {
    check_server("http://example.com", "example.com", "/");
    check_server("http://example.com/", "example.com", "/");
    check_server("HTTP://Example.COM:80/A", "example.com", "/A");
    check_server("http://example.com:8080?q", "example.com:8080", "/?q");
    check_server("http://example.com#f", "example.com", "/");
    check_server("http://example.com:/a", "example.com", "/a");
    check_server("http://127.0.0.1:9/a?b=c@d", "127.0.0.1:9", "/a?b=c@d");
    check_server("http://[::1]:8080/a", "[::1]:8080", "/a");
    check_server("http://[0:0::1]/a", "[::1]", "/a");
    check_server("//cdn/a.js", "cdn", "/a.js");
    check_server("https://example.com:443/a", "example.com", "/a");
    check_server(
        "http://B\u{dc}CHER.test:81/\u{e9}",
        "xn--bcher-kva.test:81",
        "/%C3%A9",
    );
    check_server(
        "http://b%C3%BCcher.test/../%2e%2e/x",
        "xn--bcher-kva.test",
        "/../%2e%2e/x",
    );
    check_server("http://\u{65e5}\u{672c}.test", "xn--wgv71a.test", "/");
    check_server("http://xn--bcher-kva.test/", "xn--bcher-kva.test", "/");
    let server = resolve("https://a_b.c/", "").unwrap().server.unwrap();
    assert_eq!(
        (server.scheme, server.host.as_str(), server.port),
        (Scheme::Https, "a_b.c", 443)
    );
}

#[test]
fn what_may_not_stand_in_a_request_line_is_encoded() {
    check_path("/a b", "", "/a%20b");
    check_path("/caf\u{e9}?\u{20ac}", "", "/caf%C3%A9?%E2%82%AC");
    check_path("/a\tb\u{7f}\u{1}", "", "/a%09b%7F%01");
    check_path("/\"<>\\^`{|}", "", "/%22%3C%3E%5C%5E%60%7B%7C%7D");
    check_path(
        "/a[]=1&b[x]=~-._!$'()*+,;:@",
        "",
        "/a[]=1&b[x]=~-._!$'()*+,;:@",
    );
    check_path("/%41%c3%", "", "/%41%c3%25");
    check_path("/100%&%zz%2", "", "/100%25&%25zz%252");
    check_path("/a", "/b c", "/b%20c/a");
}

#[test]
fn line_ends_and_nul_are_refused() {
    for byte in [b'\r', b'\n', 0] {
        for (url, at) in [("/a?", 3), ("http://h/", 9), ("/#", 2)] {
            let url = format!("{url}{}b", char::from(byte));
            assert_eq!(resolve(&url, ""), Err(UrlError::ForbiddenByte { at, byte }));
        }
    }
}

#[test]
fn urls_that_cannot_be_meant() {
    let rows = [
        ("ftp://h/", "url: scheme \"ftp\"; http and https are known"),
        ("http://", "url: no host"),
        ("http:///a", "url: no host"),
        ("http:/a", "url: no host"),
        ("http://:80/", "url: no host"),
        (
            "http://u:p@h/",
            "url: credentials before the host; give them as basic_auth",
        ),
        ("http://h:0/", "url: port \"0\"; 1 to 65535 is allowed"),
        (
            "http://h:65536/",
            "url: port \"65536\"; 1 to 65535 is allowed",
        ),
        ("http://h:+80/", "url: port \"+80\"; 1 to 65535 is allowed"),
        (
            "http://h:80:80/",
            "url: port \"80:80\"; 1 to 65535 is allowed",
        ),
    ];
    for (url, message) in rows {
        assert_eq!(resolve(url, "").unwrap_err().to_string(), message, "{url}");
    }
    for url in [
        "http://a b/",
        "http://%00/",
        "http://a%20b/",
        "http://\u{ad}/",
        "http://xn--\u{e9}/",
        "http://[::1",
        "http://[x]/",
        "http://[::1]x/",
        "http://a\\b/",
    ] {
        assert!(matches!(resolve(url, ""), Err(UrlError::Host(_))), "{url}");
    }
}

#[test]
fn names_leave_the_query_out() {
    assert_eq!(default_name("GET", "/a/b?c=d"), "GET /a/b");
    assert_eq!(default_name("POST", "/"), "POST /");
    assert_eq!(default_name("GET", "/a#b"), "GET /a");
}

/// For the Host field: the port left out when it is the scheme's own, IPv6 in brackets.
fn authority_of(server: &Server) -> String {
    let host = if server.host.contains(':') {
        format!("[{}]", server.host)
    } else {
        server.host.clone()
    };
    if server.port == server.scheme.default_port() {
        host
    } else {
        format!("{host}:{}", server.port)
    }
}
