//! A body that goes out in pieces: what to send next, and what to read from disk for it.

use super::encode::encode;
use super::message::Message;
use std::fs::File;
use std::ops::Range;
use std::rc::Rc;

/// Bytes of one piece: memory that an upload takes besides its source.
pub(crate) const PIECE_BYTES: usize = 128 * 1024;
/// Eight hexadecimal digits and CRLF: leading zeros are allowed (RFC 9112 section 7.1).
const CHUNK_HEAD_BYTES: usize = 10;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A part of a body.
#[derive(Debug)]
pub(crate) enum BodyPart {
    Bytes(Vec<u8>),
    /// The whole of a file that had so many bytes when it was opened.
    File {
        file: Rc<File>,
        bytes: u64,
    },
}

impl BodyPart {
    fn bytes(&self) -> u64 {
        match self {
            BodyPart::Bytes(bytes) => bytes.len() as u64,
            BodyPart::File { bytes, .. } => *bytes,
        }
    }
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Fill this range of the bytes with what the file has from `offset`, then send them.
    Read {
        file: Rc<File>,
        offset: u64,
        bytes: Vec<u8>,
        range: Range<usize>,
    },
    /// Wait: the body is sent when the peer has asked for it, or after a while.
    Wait,
    /// All is sent.
    Done,
}

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    /// The head is sent, and nobody has asked for the body.
    Waiting,
    Body,
    Done,
}

/// A head and its body on their way.
#[derive(Debug)]
pub(crate) struct Upload {
    message: Message,
    parts: Rc<[BodyPart]>,
    chunked: bool,
    expects_continue: bool,
    stage: Stage,
    /// The part that goes on, and how much of it went.
    part: usize,
    at: u64,
}

impl Upload {
    pub(crate) fn new(
        message: Message,
        parts: Rc<[BodyPart]>,
        chunked: bool,
        expects_continue: bool,
    ) -> Upload {
        Upload {
            message,
            parts,
            chunked,
            expects_continue,
            stage: Stage::Head,
            part: 0,
            at: 0,
        }
    }

    /// The length of a body.
    pub(crate) fn length(parts: &[BodyPart]) -> u64 {
        parts.iter().map(BodyPart::bytes).sum()
    }

    /// The request without its body.
    pub(crate) fn message(&self) -> &Message {
        &self.message
    }

    /// The body, for another request with the same.
    pub(crate) fn parts(&self) -> Rc<[BodyPart]> {
        Rc::clone(&self.parts)
    }

    /// Begins again, on another connection.
    pub(crate) fn rewind(&mut self) {
        (self.stage, self.part, self.at) = (Stage::Head, 0, 0);
    }

    /// Nothing is left to be sent.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The body waits to be asked for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waiting
    }

    /// The body need not wait any more.
    pub(crate) fn go_ahead(&mut self) {
        if self.stage == Stage::Waiting {
            self.stage = Stage::Body;
        }
    }

    /// The next piece, in memory that may be reused.
    pub(crate) fn next(&mut self, mut spare: Vec<u8>) -> Piece {
        spare.clear();
        match self.stage {
            Stage::Done => return Piece::Done,
            Stage::Waiting => return Piece::Wait,
            Stage::Body => {}
            Stage::Head => {
                encode(&self.message, &mut spare);
                if self.expects_continue {
                    self.stage = Stage::Waiting;
                    return Piece::Send(spare);
                }
                self.stage = Stage::Body;
            }
        }
        self.body(spare)
    }

    fn body(&mut self, mut out: Vec<u8>) -> Piece {
        let begun = out.len();
        while out.len() - begun < PIECE_BYTES {
            let Some(part) = self.parts.get(self.part) else {
                break;
            };
            let left = part.bytes() - self.at;
            if left == 0 {
                (self.part, self.at) = (self.part + 1, 0);
                continue;
            }
            let room = (PIECE_BYTES - (out.len() - begun)) as u64;
            let take = left.min(room) as usize;
            if self.chunked {
                out.extend_from_slice(format!("{take:08x}\r\n").as_bytes());
                debug_assert_eq!(CHUNK_HEAD_BYTES, format!("{take:08x}\r\n").len());
            }
            let from = self.at;
            self.at += take as u64;
            match part {
                BodyPart::Bytes(bytes) => {
                    let from = from as usize;
                    out.extend_from_slice(&bytes[from..from + take]);
                    if self.chunked {
                        out.extend_from_slice(b"\r\n");
                    }
                }
                BodyPart::File { file, .. } => {
                    let range = out.len()..out.len() + take;
                    let file = Rc::clone(file);
                    out.resize(range.end, 0);
                    if self.chunked {
                        out.extend_from_slice(b"\r\n");
                    }
                    return Piece::Read {
                        file,
                        offset: from,
                        bytes: out,
                        range,
                    };
                }
            }
        }
        self.end(out)
    }

    /// What is sent when no more is to be read for it.
    fn end(&mut self, mut out: Vec<u8>) -> Piece {
        if self.part >= self.parts.len() {
            self.stage = Stage::Done;
            if self.chunked {
                out.extend_from_slice(LAST_CHUNK);
            }
            if out.is_empty() {
                return Piece::Done;
            }
        }
        Piece::Send(out)
    }
}
