//! Content codings: known streams, streams cut at every byte, broken ones and bombs.

use std::io::Write as _;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::Value;

use super::super::content::{DecodeFault, Decoder, decode_whole};

const BYTES_MAX: usize = 64 << 20;
/// `abc` 400 times, by the brotli tool.
const BROTLI_ABC: &str = "b17825c02f192636169e05016768";
/// 100 MiB of zeros, by the brotli tool at level 9.
const BROTLI_BOMB: &str = "cfffff7f002400e2b14072effff9ffff0f8004401c1680eefd3fffffff01900088c302d0bdffe7ffff3f001200715800baf7fffcffff074002200e0b40f7fe9fffffff004800c46101e8deffe7ffff0f000980382c00ddfb1f";

fn decoder(coding: &str) -> Decoder {
    Decoder::new([coding.as_bytes()], BYTES_MAX)
        .expect("few codings")
        .expect("a coding that is known")
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// What comes out when `pieces` come in, one after another.
fn decoded(coding: &str, pieces: &[&[u8]]) -> Result<Vec<u8>, DecodeFault> {
    let mut decoder = decoder(coding);
    let mut out = Vec::new();
    for piece in pieces {
        decoder.feed(piece, &mut out)?;
    }
    decoder.finish().map(|()| out)
}

/// Decodes a stream whole, byte by byte and cut in two at every place.
fn all_ways(coding: &str, bytes: &[u8]) -> Result<Vec<u8>, DecodeFault> {
    let whole = decoded(coding, &[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decoded(coding, &single), whole, "{coding} byte by byte");
    for cut in 0..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(decoded(coding, &[a, b]), whole, "{coding} cut at {cut}");
    }
    whole
}

pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(plain).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

pub(super) fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(plain).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn raw_deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(plain).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn zstandard(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).expect("memory takes all")
}

/// Every coding with a way to make it.
fn streams(plain: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("gzip", gzip(plain)),
        ("X-Gzip", gzip(plain)),
        ("deflate", zlib(plain)),
        ("Deflate", raw_deflate(plain)),
        ("zstd", zstandard(plain)),
        ("gzip, zstd", zstandard(&gzip(plain))),
        ("identity, gzip", gzip(plain)),
    ]
}

#[test]
fn every_coding_gives_the_plain_bytes_wherever_it_is_cut() {
    let texts: [&[u8]; 3] = [b"", b"hello world\n", &b"abc".repeat(400)];
    for plain in texts {
        for (coding, bytes) in streams(plain) {
            assert_eq!(all_ways(coding, &bytes).as_deref(), Ok(plain), "{coding}");
        }
    }
    assert_eq!(all_ways("br", &hex(BROTLI_ABC)), Ok(b"abc".repeat(400)));
    assert_eq!(all_ways("br", &hex("a101")), Ok(Vec::new()));
}

#[test]
fn large_bodies_pass_the_steps_inside() {
    let plain: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    for (coding, bytes) in streams(&plain) {
        let pieces: Vec<&[u8]> = bytes.chunks(1000).collect();
        assert!(
            decoded(coding, &pieces).as_deref() == Ok(&plain[..]),
            "{coding}"
        );
    }
}

#[test]
fn an_empty_body_is_empty_in_every_coding() {
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, br"] {
        assert_eq!(decoded(coding, &[]), Ok(Vec::new()), "{coding}");
    }
}

#[test]
fn truncation_junk_and_wrong_sums_are_found() {
    let plain = b"hello world, hello world, hello world\n";
    let mut all = streams(plain);
    all.push(("br", hex(BROTLI_ABC)));
    for (coding, bytes) in all {
        for end in 1..bytes.len() {
            let found = decoded(coding, &[&bytes[..end]]);
            assert_eq!(found, Err(DecodeFault::Corrupt), "{coding} ends at {end}");
        }
        for junk in [&b"x"[..], b"\0\0\0\0", b"HTTP/1.1 200 OK\r\n"] {
            let found = all_ways(coding, &[&bytes[..], junk].concat());
            assert_eq!(found, Err(DecodeFault::Corrupt), "{coding} and {junk:?}");
        }
    }
    for at in 1..=8 {
        let mut bytes = gzip(plain);
        let index = bytes.len() - at;
        bytes[index] ^= 0x40;
        assert_eq!(
            all_ways("gzip", &bytes),
            Err(DecodeFault::Corrupt),
            "trailer {at}"
        );
    }
    let mut bytes = zlib(plain);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(
        all_ways("deflate", &bytes),
        Err(DecodeFault::Corrupt),
        "adler"
    );
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let found = decoded(coding, &[b"<html>this is no stream at all</html>"]);
        assert_eq!(found, Err(DecodeFault::Corrupt), "{coding}: plain text");
    }
}

#[test]
fn members_and_frames_are_joined() {
    let two = [gzip(b"one, "), gzip(b""), gzip(b"two")].concat();
    assert_eq!(all_ways("gzip", &two), Ok(b"one, two".to_vec()));
    let two = [zstandard(b"one, "), zstandard(b"two")].concat();
    assert_eq!(all_ways("zstd", &two), Ok(b"one, two".to_vec()));
}

#[test]
fn bombs_are_stopped() {
    let zeros = vec![0; 65 << 20];
    let rows = [
        ("gzip", gzip(&zeros), DecodeFault::Corrupt),
        ("deflate", zlib(&zeros), DecodeFault::Corrupt),
        ("zstd", zstandard(&zeros), DecodeFault::Corrupt),
        ("br", hex(BROTLI_BOMB), DecodeFault::Corrupt),
        ("gzip, gzip", gzip(&gzip(&zeros)), DecodeFault::Corrupt),
    ];
    for (coding, bytes, fault) in rows {
        let mut decoder = decoder(coding);
        let mut out = Vec::new();
        assert_eq!(decoder.feed(&bytes, &mut out), Err(fault), "{coding}");
        assert!(
            out.len() <= (16 << 20),
            "{coding}: {} bytes were made",
            out.len()
        );
    }
    let mut small = Decoder::new([&b"gzip"[..]], 1000)
        .expect("few")
        .expect("known");
    let found = small.feed(&gzip(&vec![7; 1001]), &mut Vec::new());
    assert_eq!(found, Err(DecodeFault::TooLarge));
    let whole = Decoder::new([&b"gzip"[..]], 1000)
        .expect("few")
        .expect("known");
    assert_eq!(decode_whole(whole, &gzip(&[7; 1000])), Ok(vec![7; 1000]));
}

#[test]
fn what_is_no_coding_is_left_alone() {
    let none = |fields: &[&[u8]]| {
        let made = Decoder::new(fields.iter().copied(), BYTES_MAX);
        matches!(made, Ok(None))
    };
    assert!(none(&[]));
    assert!(none(&[b""]));
    assert!(none(&[b"identity"]));
    assert!(none(&[b"utf-8"]));
    assert!(none(&[b"gzip", b"aws-chunked"]));
    let five = Decoder::new([&b"gzip,gzip,gzip"[..], b"gzip, gzip"], BYTES_MAX);
    assert!(five.is_err());
}

/// Streams that Go's authors wrote down: (description, our verdict differs because).
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "hello.txt + garbage",
        "the garbage itself is missing from both cases, which are the whole stream of hello.txt; \
         streams with junk behind them are among our own rows",
    ),
    (
        "complete HCLenTree, complete HLitTree, empty HDistTree, spanning repeater code",
        "a byte follows the end of the stream; Go's reader leaves it to its caller, a body must end",
    ),
];

fn cases(name: &str) -> Option<Vec<Value>> {
    let folder = std::env::var_os("MISTRESS_CASES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/cases")),
        PathBuf::from,
    );
    let path = folder.join("gzip-deflate").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        // Straight to the descriptor: the test harness would swallow `eprintln!`.
        let message = format!(
            "\nSKIPPED: no {}; Go's cases were NOT run\n\n",
            path.display()
        );
        let _ = std::io::stderr().write_all(message.as_bytes());
        return None;
    };
    Some(serde_json::from_str(&text).expect("the file is JSON"))
}

/// What is wrong with our verdict on a case, if anything.
fn judge(
    name: &str,
    ours: Result<Vec<u8>, DecodeFault>,
    theirs: Option<Vec<u8>>,
) -> Option<String> {
    let same = ours.as_ref().ok() == theirs.as_ref();
    let explained = DIFFERENCES.iter().any(|(known, _)| *known == name);
    (same == explained).then(|| format!("{name}: ours {ours:?}, theirs {theirs:?}"))
}

#[test]
fn gos_gzip_cases() {
    let Some(cases) = cases("go_gunzip_tests.json") else {
        return;
    };
    assert_eq!(cases.len(), 15);
    let mut wrong = Vec::new();
    for case in &cases {
        let bytes = |key: &str| {
            let text = case[key].as_str().expect("a string");
            BASE64_STANDARD.decode(text).expect("base64")
        };
        let theirs = case["error"].is_null().then(|| bytes("raw_b64"));
        let name = case["desc"].as_str().expect("a string");
        wrong.extend(judge(name, all_ways("gzip", &bytes("gzip_b64")), theirs));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn gos_deflate_cases() {
    let Some(cases) = cases("go_flate_streams.json") else {
        return;
    };
    assert_eq!(cases.len(), 28);
    let mut wrong = Vec::new();
    for case in &cases {
        let text = |key: &str| case[key].as_str().expect("a string");
        let want = Some(text("want")).filter(|want| *want != "fail").map(hex);
        let bytes = hex(text("deflate_hex"));
        wrong.extend(judge(text("desc"), all_ways("deflate", &bytes), want));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
