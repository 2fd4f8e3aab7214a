//! Redirects: where they lead and what becomes of the request.

use super::super::redirect::{Base, is_redirect, method_change, resolve};
use super::super::url::UrlError;
use config::Scheme;

const BASE: Base<'_> = Base {
    scheme: Scheme::Http,
    path: "/b/c/d;p?q",
};

#[track_caller]
fn path(location: &str, expected: &str) {
    let target = resolve(BASE, location.as_bytes()).expect("it can be gone to");
    assert_eq!(target.server, None, "{location}");
    assert_eq!(target.path, expected, "{location}");
}

#[test]
fn references_of_rfc_3986_section_5_4() {
    let rows = [
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("?y", "/b/c/d;p?y"),
        ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"),
        ("g#s", "/b/c/g"),
        ("g?y#s", "/b/c/g?y"),
        (";x", "/b/c/;x"),
        ("g;x", "/b/c/g;x"),
        ("g;x?y#s", "/b/c/g;x?y"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../", "/"),
        ("../../g", "/g"),
        ("../../../g", "/g"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("g.", "/b/c/g."),
        ("..g", "/b/c/..g"),
        ("./../g", "/b/g"),
        ("./g/.", "/b/c/g/"),
        ("g/./h", "/b/c/g/h"),
        ("g/../h", "/b/c/h"),
        ("g;x=1/./y", "/b/c/g;x=1/y"),
        ("g;x=1/../y", "/b/c/y"),
        ("g?y/../x", "/b/c/g?y/../x"),
        ("g#s/../x", "/b/c/g"),
        ("/a b?c d", "/a%20b?c%20d"),
        ("/\u{fc}", "/%C3%BC"),
        // The URL standard goes on where the RFC ends.
        ("/a/%2e%2e/b", "/b"),
        ("/a/%2E%2e/%2e/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/..%2fb", "/a/..%2fb"),
        ("/a?%2e%2e/b", "/a?%2e%2e/b"),
        ("\\x\\y", "/x/y"),
        ("/a\tb", "/ab"),
        ("http:/x", "/x"),
        ("http:g", "/b/c/g"),
        ("/a%", "/a%25"),
        ("/a|b", "/a%7Cb"),
        ("  /x  ", "/x"),
    ];
    for (location, expected) in rows {
        path(location, expected);
    }
}

#[test]
fn what_the_request_had_in_its_path_is_resolved_too() {
    let base = Base {
        scheme: Scheme::Https,
        path: "/a/../b/c",
    };
    let target = resolve(base, b"d").expect("it can be gone to");
    assert_eq!((target.server, &*target.path), (None, "/b/d"));
}

#[test]
fn other_servers() {
    let rows = [
        ("http://h", Scheme::Http, "h", 80, "/"),
        (
            "HTTPS://H.test:8443/x/../y?z#f",
            Scheme::Https,
            "h.test",
            8443,
            "/y?z",
        ),
        ("//h:1/x", Scheme::Http, "h", 1, "/x"),
        ("http://[::1]:8080/", Scheme::Http, "::1", 8080, "/"),
        ("https://h?x", Scheme::Https, "h", 443, "/?x"),
        ("http:///x", Scheme::Http, "x", 80, "/"),
        ("https:/x", Scheme::Https, "x", 443, "/"),
        ("http://u:p@h/", Scheme::Http, "h", 80, "/"),
        ("//u@h:8080/x", Scheme::Http, "h", 8080, "/x"),
        ("http://a@b@h/", Scheme::Http, "h", 80, "/"),
        (
            "http://b\u{fc}cher.test/x",
            Scheme::Http,
            "xn--bcher-kva.test",
            80,
            "/x",
        ),
        (
            "http://B%C3%9CCHER.test",
            Scheme::Http,
            "xn--bcher-kva.test",
            80,
            "/",
        ),
        ("http://0x7f.1:81/", Scheme::Http, "127.0.0.1", 81, "/"),
        ("http://[0:0::1]/", Scheme::Http, "::1", 80, "/"),
        ("http://h:80/%2e%2e/x", Scheme::Http, "h", 80, "/x"),
    ];
    for (location, scheme, host, port, expected) in rows {
        let target = resolve(BASE, location.as_bytes()).expect("it can be gone to");
        let server = target.server.expect("it is named");
        assert_eq!(
            (server.scheme, &*server.host, server.port),
            (scheme, host, port),
            "{location}"
        );
        assert_eq!(target.path, expected, "{location}");
    }
}

#[test]
fn what_cannot_be_gone_to() {
    let refused = |location: &[u8]| resolve(BASE, location).expect_err("it is refused");
    assert_eq!(refused(b"mailto:x"), UrlError::Scheme("mailto".to_owned()));
    assert_eq!(
        refused(b"javascript:x()"),
        UrlError::Scheme("javascript".to_owned())
    );
    assert_eq!(refused(b"ftp://h/x"), UrlError::Scheme("ftp".to_owned()));
    assert_eq!(refused(b"http://"), UrlError::NoHost);
    assert_eq!(refused(b"http://h:0/"), UrlError::Port("0".to_owned()));
    assert!(matches!(refused(b"http://h:65536/"), UrlError::Port(_)));
    assert!(matches!(refused(b"http://a b/"), UrlError::Host(_)));
    assert!(matches!(refused(b"http://[::1/"), UrlError::Host(_)));
    assert!(matches!(refused(b"http://1.2.3.400/"), UrlError::Host(_)));
    assert!(matches!(refused(b"/a\0b"), UrlError::ForbiddenByte { .. }));
}

#[test]
fn methods_of_rfc_9110_section_15_4() {
    let rows = [
        (301, "GET", None),
        (301, "POST", Some("GET")),
        (301, "PUT", None),
        (302, "POST", Some("GET")),
        (302, "HEAD", None),
        (302, "DELETE", None),
        (303, "POST", Some("GET")),
        (303, "PUT", Some("GET")),
        (303, "DELETE", Some("GET")),
        (303, "HEAD", None),
        (303, "GET", None),
        (307, "POST", None),
        (308, "POST", None),
    ];
    for (status, method, expected) in rows {
        assert_eq!(method_change(status, method), expected, "{status} {method}");
    }
    for status in [200, 201, 300, 304, 305, 306, 309, 399, 400] {
        assert!(!is_redirect(status), "{status}");
    }
    assert!([301, 302, 303, 307, 308].into_iter().all(is_redirect));
}
