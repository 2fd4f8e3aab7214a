//! Uploads: the same bytes go out whatever they come from.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;

use super::super::message::Message;
use super::super::upload::{BodyPart, PIECE_BYTES, Piece, Upload};

const HEAD: &[u8] = b"PUT / HTTP/1.1\r\n\r\n";

fn message() -> Message {
    Message {
        method: "PUT".into(),
        target: "/".into(),
        ..Message::default()
    }
}

/// A file with these bytes.
fn file(content: &[u8]) -> BodyPart {
    let mut file = tempfile::tempfile().expect("a scratch file");
    file.write_all(content).expect("it takes all");
    BodyPart::File {
        file: Rc::new(file),
        bytes: content.len() as u64,
    }
}

fn read(file: &File, offset: u64, room: &mut [u8]) {
    file.read_exact_at(room, offset).expect("the file has it");
}

/// All that goes out, and the largest piece.
fn sent(upload: &mut Upload) -> (Vec<u8>, usize) {
    let (mut all, mut largest, mut spare) = (Vec::new(), 0, Vec::new());
    loop {
        let bytes = match upload.next(std::mem::take(&mut spare)) {
            Piece::Send(bytes) => bytes,
            Piece::Read {
                file,
                offset,
                mut bytes,
                range,
            } => {
                read(&file, offset, &mut bytes[range]);
                bytes
            }
            Piece::Wait => {
                upload.go_ahead();
                continue;
            }
            Piece::Done => break,
        };
        assert!(!bytes.is_empty(), "a piece has bytes");
        all.extend_from_slice(&bytes);
        largest = largest.max(bytes.len());
        spare = bytes;
    }
    assert!(upload.is_done());
    (all, largest)
}

/// The body inside a chunked stream that is framed well.
fn unchunked(mut stream: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = stream
            .iter()
            .position(|byte| *byte == b'\r')
            .expect("a line");
        let size = std::str::from_utf8(&stream[..line]).expect("digits");
        let size = usize::from_str_radix(size, 16).expect("hexadecimal");
        assert_eq!(&stream[line..line + 2], b"\r\n");
        let chunk = &stream[line + 2..];
        body.extend_from_slice(&chunk[..size]);
        assert_eq!(&chunk[size..size + 2], b"\r\n");
        stream = &chunk[size + 2..];
        if size == 0 {
            assert!(stream.is_empty());
            return body;
        }
    }
}

#[test]
fn all_parts_go_out_in_their_order() {
    let large: Vec<u8> = (0..3 * PIECE_BYTES + 7).map(|n| (n % 251) as u8).collect();
    let bodies: [Vec<BodyPart>; 6] = [
        vec![],
        vec![BodyPart::Bytes(Vec::new()), file(b"")],
        vec![BodyPart::Bytes(b"abc".to_vec())],
        vec![file(b"abc")],
        vec![BodyPart::Bytes(large.clone())],
        vec![
            BodyPart::Bytes(b"head".to_vec()),
            file(&large),
            BodyPart::Bytes(b"middle".to_vec()),
            file(b"x"),
            file(&large[..PIECE_BYTES]),
            BodyPart::Bytes(b"end".to_vec()),
        ],
    ];
    let plain = |part: &BodyPart| match part {
        BodyPart::Bytes(bytes) => bytes.clone(),
        BodyPart::File { file, bytes } => {
            let mut all = vec![0; *bytes as usize];
            read(file, 0, &mut all);
            all
        }
    };
    for parts in bodies {
        let expected: Vec<u8> = parts.iter().flat_map(plain).collect();
        assert_eq!(Upload::length(&parts), expected.len() as u64);
        let parts: Rc<[BodyPart]> = parts.into();
        for expects_continue in [false, true] {
            let head = HEAD.to_vec();
            let again = || Rc::clone(&parts);
            let mut upload = Upload::new(message(), again(), false, expects_continue);
            for _ in 0..2 {
                let (all, largest) = sent(&mut upload);
                assert!(all == [&head[..], &expected].concat());
                assert!(largest <= PIECE_BYTES + 100, "{largest}");
                upload.rewind();
            }
            let mut upload = Upload::new(message(), again(), true, expects_continue);
            let (all, largest) = sent(&mut upload);
            assert!(unchunked(&all[head.len()..]) == expected);
            assert!(largest <= PIECE_BYTES + 200, "{largest}");
        }
    }
}

#[test]
fn an_expecting_body_waits() {
    let parts: Rc<[BodyPart]> = vec![BodyPart::Bytes(b"abc".to_vec())].into();
    let mut upload = Upload::new(message(), parts, false, true);
    assert!(matches!(upload.next(Vec::new()), Piece::Send(bytes) if bytes == HEAD));
    assert!(upload.is_waiting());
    assert!(matches!(upload.next(Vec::new()), Piece::Wait));
    upload.go_ahead();
    assert!(matches!(upload.next(Vec::new()), Piece::Send(bytes) if bytes == b"abc"));
    assert!(matches!(upload.next(Vec::new()), Piece::Done));
}
