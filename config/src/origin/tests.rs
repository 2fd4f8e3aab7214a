//! Addresses: what is read, how it is shown, what is refused.

use super::*;

fn check(url: &str, host: &str, port: u16, base_path: &str, shown: &str) {
    let scheme = match shown.starts_with("https:") {
        true => Scheme::Https,
        false => Scheme::Http,
    };
    let origin = Origin::parse(url).unwrap_or_else(|message| panic!("{url}: {message}"));
    let expected = Origin {
        scheme,
        socket: None,
        host: host.to_owned(),
        port,
        base_path: base_path.to_owned(),
    };
    assert_eq!(origin, expected, "{url}");
    assert_eq!(origin.to_string(), shown);
    assert_eq!(Origin::parse(shown), Ok(expected), "shown again: {shown}");
}

#[test]
fn addresses_are_read_and_shown() {
    check("http://localhost", "localhost", 80, "", "http://localhost");
    check("http://localhost/", "localhost", 80, "", "http://localhost");
    check(
        "HTTP://Shop.Example:8080",
        "shop.example",
        8080,
        "",
        "http://shop.example:8080",
    );
    check(
        "http://127.0.0.1:80/api/v1/",
        "127.0.0.1",
        80,
        "/api/v1",
        "http://127.0.0.1/api/v1",
    );
    check("https://h/", "h", 443, "", "https://h");
    check("https://h:80/a", "h", 80, "/a", "https://h:80/a");
    check("http://[::1]:7777", "::1", 7777, "", "http://[::1]:7777");
    check("http://[0:0::1]/x", "::1", 80, "/x", "http://[::1]/x");
    check(
        "http://B\u{dc}CHER.test:81/a",
        "xn--bcher-kva.test",
        81,
        "/a",
        "http://xn--bcher-kva.test:81/a",
    );
    check("http://a_b-c.d./", "a_b-c.d.", 80, "", "http://a_b-c.d.");
    check(
        "http://h:65535/%20~",
        "h",
        65535,
        "/%20~",
        "http://h:65535/%20~",
    );
}

#[test]
fn the_host_header_has_brackets_and_no_default_port() {
    let authority = |url| Origin::parse(url).unwrap().authority();
    assert_eq!(authority("http://[fe80::1]/a"), "[fe80::1]");
    assert_eq!(authority("http://[fe80::1]:81/a"), "[fe80::1]:81");
    assert_eq!(authority("http://h:80"), "h");
    assert_eq!(authority("http://h:443"), "h:443");
    assert_eq!(authority("https://h:443"), "h");
}

#[test]
fn other_addresses_are_refused_with_a_reason() {
    let check = |url: &str, part: &str| {
        let message = Origin::parse(url).expect_err(url);
        assert!(message.contains(part), "{url}: {message}");
        assert!(
            message.contains("expected") || message.contains("allowed"),
            "{url}: {message}"
        );
    };
    check("ftp://h", "scheme \"ftp\"");
    check("localhost:80", "http[s]://host");
    check("", "http[s]://host");
    check("http://", "host \"\"");
    check("http:///path", "host \"\"");
    check("http://u:p@h/", "basic_auth in the script");
    check("http://u@h", "[headers]");
    check("http://\u{ad}/", "host");
    check("http://a\u{a0}b/", "'\\u{a0}'");
    check("http://h/?a=1", "query");
    check("http://h/#a", "fragment");
    check("http://h:", "port");
    check("http://h:0", "port");
    check("http://h:65536", "port");
    check("http://h:+80", "port");
    check("http://h:8o", "port");
    check("http://::1", "brackets");
    check("http://[::1", "brackets");
    check("http://[::1]x", "brackets");
    check("http://[::1%25eth0]", "brackets");
    check("http://256.1.1.1", "host");
    check("http://1.2.3", "host");
    check("http://a..b", "host");
    check("http://a b", "' '");
    let secret = Origin::parse("http://anna:s3cret@h/").expect_err("a password");
    assert!(!secret.contains("s3cret"), "{secret}");
    check("http://h/\u{e4}", "percent-encoded");
    check("http://h/\r\nX: y", "'\\r'");
    check(&format!("http://{}", "a.".repeat(128)), "host");
    check(&format!("http://h/{}", "a".repeat(3000)), "bytes");
}
