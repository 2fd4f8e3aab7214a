//! The chunk reader on its own, where the response reader cannot reach.

use super::super::chunked::Chunked;
use super::super::fault::Fault;

#[test]
fn it_takes_its_own_bytes_only() {
    let mut chunked = Chunked::new();
    let mut body = Vec::new();
    let taken = chunked.feed(b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1", |bytes| {
        body.extend_from_slice(bytes)
    });
    assert_eq!(taken, Ok(13));
    assert!(chunked.is_done());
    assert_eq!(body, b"abc");
    assert_eq!(
        chunked.feed(b"5\r\n", |_| panic!("no data after the end")),
        Ok(0)
    );
}

#[test]
fn data_comes_in_slices_of_the_input() {
    let mut slices = Vec::new();
    let mut chunked = Chunked::new();
    for piece in [&b"a\r\n0123"[..], b"456789\r", b"\n2\r\nab\r\n"] {
        assert_eq!(
            chunked.feed(piece, |bytes| slices.push(bytes.to_vec())),
            Ok(piece.len())
        );
    }
    assert_eq!(slices, [&b"0123"[..], b"456789", b"ab"]);
    assert!(!chunked.is_done());
}

#[test]
fn sizes_up_to_the_greatest() {
    for (size, is_good) in [
        ("0000000000000001", true),
        ("7fffffffffffffff", true),
        ("7FFFFFFFFFFFFFFF", true),
        ("8000000000000000", false),
        ("ffffffffffffffff", false),
        ("00000000000000001", false),
    ] {
        let verdict = Chunked::new().feed(format!("{size}\r\n").as_bytes(), |_| ());
        let expected = if is_good {
            Ok(size.len() + 2)
        } else {
            Err(Fault::BadChunk)
        };
        assert_eq!(verdict, expected, "{size}");
    }
}

#[test]
fn all_bytes_that_may_begin_a_size() {
    for byte in 0..=u8::MAX {
        let verdict = Chunked::new().feed(&[byte], |_| ());
        assert_eq!(verdict.is_ok(), byte.is_ascii_hexdigit(), "{byte:#04x}");
    }
}
