//! Reading request heads: only what the origin needs to know of them.

/// Longest head that is read.
pub(super) const HEAD_MAX: usize = 64 * 1024;

/// The request header that is sent back with the reply.
const ID: &str = "x-id";

/// A complete head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// Bytes of the head with its empty line.
    pub(super) length: usize,
    /// Bytes of body that follow.
    pub(super) body: u64,
    /// Whether the peer wants the connection closed after the reply.
    pub(super) close: bool,
    /// Whether the reply must not have a body.
    pub(super) bodiless: bool,
    /// The value of `x-id`.
    pub(super) id: Option<&'a [u8]>,
}

/// What a buffer begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A head.
    Head(Head<'a>),
    /// The beginning of one.
    Partial,
    /// Nothing we can serve.
    Bad,
}

/// Looks for a head at the beginning of `bytes`, of which the first `seen` held no end of one.
pub(super) fn parse(bytes: &[u8], seen: usize) -> Parsed<'_> {
    let from = seen.saturating_sub(3);
    let Some(end) = bytes[from..]
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map(|i| from + i)
    else {
        return if bytes.len() > HEAD_MAX {
            Parsed::Bad
        } else {
            Parsed::Partial
        };
    };
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else {
        return Parsed::Bad;
    };
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(_), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Parsed::Bad;
    };
    if !version.starts_with("HTTP/1.") {
        return Parsed::Bad;
    }
    let mut head = Head {
        length: end + 4,
        body: 0,
        close: version == "HTTP/1.0",
        bodiless: method == "HEAD",
        id: None,
    };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            return Parsed::Bad;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            let Ok(length) = value.parse() else {
                return Parsed::Bad;
            };
            head.body = length;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Parsed::Bad;
        } else if name.eq_ignore_ascii_case("connection") {
            head.close |= value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case(ID) {
            head.id = Some(value.as_bytes());
        }
    }
    Parsed::Head(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Parsed<'_>) {
        assert_eq!(parse(text.as_bytes(), 0), expected, "{text:?}");
    }

    fn head(length: usize) -> Head<'static> {
        Head {
            length,
            body: 0,
            close: false,
            bodiless: false,
            id: None,
        }
    }

    #[test]
    fn heads() {
        check("GET / HTTP/1.1\r\n\r\n", Parsed::Head(head(18)));
        check("GET / HTTP/1.1\r\n\r\nmore", Parsed::Head(head(18)));
        check(
            "HEAD / HTTP/1.1\r\n\r\n",
            Parsed::Head(Head {
                bodiless: true,
                ..head(19)
            }),
        );
        check(
            "GET / HTTP/1.0\r\n\r\n",
            Parsed::Head(Head {
                close: true,
                ..head(18)
            }),
        );
        let text = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nX-Id: u7\r\n\
                    Connection: close\r\n\r\n";
        let expected = Head {
            body: 12,
            close: true,
            id: Some(b"u7"),
            ..head(text.len())
        };
        check(text, Parsed::Head(expected));
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end], 0), Parsed::Partial, "{end}");
            assert!(
                matches!(parse(text.as_bytes(), end), Parsed::Head(_)),
                "{end}"
            );
        }
    }

    #[test]
    fn what_cannot_be_served() {
        check("nonsense\r\n\r\n", Parsed::Bad);
        check("GET / HTTP/2\r\n\r\n", Parsed::Bad);
        check("GET / HTTP/1.1\r\nno colon\r\n\r\n", Parsed::Bad);
        check("GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", Parsed::Bad);
        check(
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            Parsed::Bad,
        );
        check(&"x".repeat(HEAD_MAX + 1), Parsed::Bad);
    }
}
