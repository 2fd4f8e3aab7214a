//! Redirects: where they lead and what becomes of the request.

use super::super::redirect::{Base, is_redirect, method_change, resolve};
use super::super::url::{Scheme, UrlError};

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
        ("", "/b/c/d;p?q"),
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
        ("  /x  ", "/x"),
    ];
    for (location, expected) in rows {
        path(location, expected);
    }
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
    assert_eq!(refused(b"http:/x"), UrlError::NoHost);
    assert_eq!(refused(b"http:///x"), UrlError::NoHost);
    assert_eq!(refused(b"http://u:p@h/"), UrlError::Credentials);
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
