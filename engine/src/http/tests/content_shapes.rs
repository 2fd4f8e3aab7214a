//! Bodies of many small parts cost time in proportion to their bytes, in every coding.

use rustix::time::{ClockId, clock_gettime};

use super::super::content::{Decoder, decode_whole};
use super::content::gzip;

/// A byte of the large body may take this many times what one of the small body takes.
const RATIO_MAX: f64 = 1.5;
/// Tries before a ratio counts: the machine may be busy with other things.
const TRIES_MAX: usize = 6;
const SMALL_BYTES: usize = 100 << 10;
const LARGE_BYTES: usize = 1 << 20;
const PLAIN_BYTES_MAX: usize = 16 << 20;

/// A coding, what comes first, what comes over and over, and what ends it.
type Shape = (&'static str, &'static str, Vec<u8>, Vec<u8>, Vec<u8>);

fn shapes() -> Vec<Shape> {
    let bytes = |bytes: &[u8]| bytes.to_vec();
    let long_name = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0][..]].concat();
    // RFC 8878: magic, frame header (single segment, one byte of size), last raw block of none
    let frame = bytes(&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]);
    // the same with a window of 8 MiB
    let window = bytes(&[0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3, 1, 0, 0]);
    let skipped = bytes(&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
    vec![
        ("empty members", "gzip", bytes(&[]), gzip(b""), bytes(&[])),
        ("small members", "gzip", bytes(&[]), gzip(b"ab"), bytes(&[])),
        (
            "a long name",
            "gzip",
            long_name,
            bytes(b"name"),
            [&[0][..], &gzip(b"")[10..]].concat(),
        ),
        (
            "empty stored blocks",
            "deflate",
            bytes(&[0x78, 0x9c]),
            bytes(&[0, 0, 0, 0xff, 0xff]),
            bytes(&[1, 0, 0, 0xff, 0xff, 0, 0, 0, 1]),
        ),
        (
            "empty fixed blocks",
            "deflate",
            bytes(&[0x78, 0x9c]),
            // four of ten bits: not the last, fixed codes, end
            bytes(&[0x02, 0x08, 0x20, 0x80, 0x00]),
            bytes(&[3, 0, 0, 0, 0, 1]),
        ),
        // RFC 7932 section 9.2: a window of 16 bits, empty metadata blocks on whole bytes
        (
            "empty metadata",
            "br",
            bytes(&[0x0c]),
            bytes(&[0x06]),
            bytes(&[0x03]),
        ),
        (
            "empty frames",
            "zstd",
            bytes(&[]),
            frame.clone(),
            bytes(&[]),
        ),
        (
            "frames of large windows",
            "zstd",
            bytes(&[]),
            window,
            bytes(&[]),
        ),
        ("skipped frames", "zstd", bytes(&[]), skipped, frame),
        (
            "empty blocks",
            "zstd",
            bytes(&[0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3]),
            bytes(&[0, 0, 0]),
            bytes(&[1, 0, 0]),
        ),
    ]
}

fn body((_, _, first, more, last): &Shape, bytes: usize) -> Vec<u8> {
    let mut body = first.clone();
    while body.len() < bytes {
        body.extend_from_slice(more);
    }
    body.extend_from_slice(last);
    body
}

/// Processor time that decoding takes, in seconds.
fn time_s(shape: &Shape, body: &[u8]) -> f64 {
    let cpu_s = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let begun = cpu_s();
    let decoder = Decoder::new([shape.1.as_bytes()], PLAIN_BYTES_MAX);
    let decoder = decoder.expect("one coding").expect("a known one");
    let decoded = decode_whole(decoder, body);
    let time = cpu_s() - begun;
    assert!(decoded.is_ok(), "{} of {}: {decoded:?}", shape.0, shape.1);
    time
}

#[test]
fn a_byte_of_many_parts_costs_what_one_of_few_parts_costs() {
    for shape in shapes() {
        let (small, large) = (body(&shape, SMALL_BYTES), body(&shape, LARGE_BYTES));
        let (mut small_ns, mut large_ns) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..TRIES_MAX {
            large_ns = large_ns.min(time_s(&shape, &large) * 1e9 / large.len() as f64);
            let times = LARGE_BYTES / SMALL_BYTES;
            let sum_s: f64 = (0..times).map(|_| time_s(&shape, &small)).sum();
            small_ns = small_ns.min(sum_s * 1e9 / (times * small.len()) as f64);
            if large_ns <= RATIO_MAX * small_ns {
                break;
            }
        }
        let told = format!(
            "{} of {}: {large_ns:.2} and {small_ns:.2} ns a byte",
            shape.0, shape.1
        );
        println!("{told}");
        assert!(large_ns <= RATIO_MAX * small_ns, "{told}");
    }
}
