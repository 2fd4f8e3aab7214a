//! The client's side of framing: where a response ends, what its body is, and whether the
//! connection may be used again.

use super::chunked::Chunked;
use super::fault::Fault;
use super::head::{self, Added, HEAD_BYTES_MAX, Pieces};
use super::head_cache::HeadCache;
use super::head_flags::HeadFlags;
use super::response_head::{Framing, Meaning, begins_like_response, parse};

/// Heads with a 1xx status that may come before the final one.
pub(crate) const INFORMATIONAL_MAX: u8 = 20;

/// What a connection hears of its response.
pub(crate) trait Sink {
    /// The final head, once: status, what it asks for, and the raw bytes up to and with the empty
    /// line.
    fn head(&mut self, status: u16, head_flags: HeadFlags, raw: &[u8]);
    /// The next bytes of the body, without its framing. Any number of calls, never empty.
    fn body(&mut self, bytes: &[u8]);
}

/// What the request says about the body of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyRule {
    /// The head of the response decides.
    Normal,
    /// The request was HEAD: no body whatever the head says.
    Head,
}

/// What one call of [`ResponseReader::feed`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    /// Bytes of the input that belong to the response. Fewer than given only when done: the rest
    /// was not asked for.
    pub(crate) consumed: usize,
    /// The response is complete.
    pub(crate) done: bool,
}

/// A response that the end of the stream completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completed {
    /// Its status, 200 to 999.
    pub(crate) status: u16,
}

/// Final heads seen lately, by core.
pub(crate) type ResponseHeadCache = HeadCache<Meaning>;

/// Reads responses, one after the other, [`start`](Self::start)ed each. Lives with its connection:
/// 64 bytes at most, and memory of its own only while a head is coming in pieces.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    /// The head so far, when it came in pieces.
    pieces: Pieces,
    state: State,
    /// Of the final head; 0 before.
    status: u16,
    /// Heads with 1xx so far.
    informational: u8,
    rule: BodyRule,
    reusable: bool,
    any_byte: bool,
    /// `100 Continue` came.
    continued: bool,
}

const _: () = assert!(size_of::<ResponseReader>() <= 64);

#[derive(Debug)]
enum State {
    Head,
    /// Bytes of the body still to come, at least 1.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    /// Complete, or not started.
    Done,
    Failed(Fault),
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseReader {
    /// A reader that expects nothing until it is started.
    pub(crate) const fn new() -> Self {
        Self {
            pieces: Pieces::new(),
            state: State::Done,
            status: 0,
            informational: 0,
            rule: BodyRule::Normal,
            reusable: false,
            any_byte: false,
            continued: false,
        }
    }

    /// Expects a new response, forgetting all of the one before.
    pub(crate) fn start(&mut self, rule: BodyRule) {
        *self = Self {
            state: State::Head,
            rule,
            ..Self::new()
        };
    }

    /// Reads the next bytes of the stream, as cut by chance: the outcome does not depend on it.
    /// When done (or not started) it consumes nothing.
    ///
    /// # Errors
    /// What is wrong with the response; every later call repeats it.
    #[inline]
    pub(crate) fn feed<S: Sink + ?Sized>(
        &mut self,
        head_cache: &mut ResponseHeadCache,
        input: &[u8],
        sink: &mut S,
    ) -> Result<Fed, Fault> {
        self.any_byte |= !input.is_empty();
        match self.advance(head_cache, input, sink) {
            Ok(consumed) => Ok(Fed {
                consumed,
                done: matches!(self.state, State::Done),
            }),
            Err(fault) => Err(self.fail(fault)),
        }
    }

    /// The stream has ended: completes a body that only the end of the stream ends. Does no harm
    /// when already done.
    ///
    /// # Errors
    /// What was missing; or the fault found before.
    pub(crate) fn eof(&mut self) -> Result<Completed, Fault> {
        let fault = match self.state {
            State::Done => {
                return Ok(Completed {
                    status: self.status,
                });
            }
            State::UntilClose => {
                self.state = State::Done;
                return Ok(Completed {
                    status: self.status,
                });
            }
            State::Head if !self.any_byte => Fault::ClosedNoResponse,
            State::Head if self.pieces.is_empty() => Fault::BadHead,
            State::Head => head::fault_unended(parse(self.pieces.bytes()), Fault::BadHead),
            State::Length(_) | State::Chunked(_) => Fault::IncompleteBody,
            State::Failed(fault) => fault,
        };
        Err(self.fail(fault))
    }

    /// The status of the final head, 200 to 999; 0 before it came.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether the peer has said that it wants the body.
    pub(crate) fn continued(&self) -> bool {
        self.continued
    }

    /// Whether the connection may carry another request, once the response is done.
    pub(crate) fn keep_alive(&self) -> bool {
        self.reusable && matches!(self.state, State::Done)
    }

    /// Whether any byte has come since the start: a request that got none may be sent again.
    pub(crate) fn got_any_byte(&self) -> bool {
        self.any_byte
    }

    #[cold]
    fn fail(&mut self, fault: Fault) -> Fault {
        self.state = State::Failed(fault);
        self.reusable = false;
        self.pieces = Pieces::new();
        fault
    }

    #[inline]
    fn advance<S: Sink + ?Sized>(
        &mut self,
        head_cache: &mut ResponseHeadCache,
        input: &[u8],
        sink: &mut S,
    ) -> Result<usize, Fault> {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            at += match &mut self.state {
                State::Head => self.head(head_cache, rest, sink)?,
                State::Length(left) => {
                    let take =
                        usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    sink.body(&rest[..take]);
                    *left -= take as u64;
                    if *left == 0 {
                        self.state = State::Done;
                    }
                    take
                }
                State::Chunked(chunked) => {
                    let take = chunked.feed(rest, |bytes| sink.body(bytes))?;
                    if chunked.is_done() {
                        self.state = State::Done;
                    }
                    take
                }
                State::UntilClose => {
                    sink.body(rest);
                    rest.len()
                }
                State::Done => break,
                State::Failed(fault) => return Err(*fault),
            };
        }
        Ok(at)
    }

    /// Reads (some of) a head from input that is not empty; returns how much of it.
    #[inline]
    fn head<S: Sink + ?Sized>(
        &mut self,
        head_cache: &mut ResponseHeadCache,
        input: &[u8],
        sink: &mut S,
    ) -> Result<usize, Fault> {
        if !self.pieces.is_empty() {
            return self.head_in_pieces(head_cache, input, sink);
        }
        if let Some((length, meaning)) = head_cache.lookup(input) {
            self.accept(meaning, &input[..length], sink)?;
            return Ok(length);
        }
        let capped = &input[..input.len().min(HEAD_BYTES_MAX)];
        match parse(capped)? {
            Some((length, meaning)) => {
                if meaning.status >= 200 {
                    head_cache.remember(&input[..length], meaning);
                }
                self.accept(meaning, &input[..length], sink)?;
                Ok(length)
            }
            None if capped.len() == HEAD_BYTES_MAX => Err(Fault::HeadTooLarge),
            None => {
                // The parser has seen that no end is in here.
                let added = self.pieces.add(input, head_cache);
                debug_assert_eq!(added, Added::Open);
                Ok(input.len())
            }
        }
    }

    fn head_in_pieces<S: Sink + ?Sized>(
        &mut self,
        head_cache: &mut ResponseHeadCache,
        input: &[u8],
        sink: &mut S,
    ) -> Result<usize, Fault> {
        match self.pieces.add(input, head_cache) {
            Added::Open if begins_like_response(self.pieces.bytes()) => Ok(input.len()),
            Added::Open => Err(Fault::BadHead),
            Added::Full => Err(head::fault_unended(
                parse(self.pieces.bytes()),
                Fault::HeadTooLarge,
            )),
            Added::Ended(taken) => {
                let head = self.pieces.take();
                let meaning = match head_cache.lookup(&head) {
                    Some((_, meaning)) => meaning,
                    None => parse(&head)?.ok_or(Fault::BadHead)?.1,
                };
                self.accept(meaning, &head, sink)?;
                head_cache.give_back(head);
                Ok(taken)
            }
        }
    }

    /// Acts on a whole head.
    #[inline]
    fn accept<S: Sink + ?Sized>(
        &mut self,
        meaning: Meaning,
        raw: &[u8],
        sink: &mut S,
    ) -> Result<(), Fault> {
        if meaning.status < 200 {
            return self.skip_informational(meaning.status);
        }
        self.status = meaning.status;
        self.reusable = meaning.reusable;
        sink.head(meaning.status, meaning.head_flags, raw);
        self.state = if self.rule == BodyRule::Head || matches!(meaning.status, 204 | 304) {
            State::Done
        } else {
            match meaning.framing {
                Framing::Length(0) => State::Done,
                Framing::Length(length) => State::Length(length),
                Framing::Chunked => State::Chunked(Chunked::new()),
                Framing::UntilClose => {
                    self.reusable = false;
                    State::UntilClose
                }
            }
        };
        Ok(())
    }

    fn skip_informational(&mut self, status: u16) -> Result<(), Fault> {
        if status == 101 {
            return Err(Fault::UnexpectedUpgrade);
        }
        self.continued |= status == 100;
        self.informational += 1;
        if self.informational > INFORMATIONAL_MAX {
            return Err(Fault::TooManyInformational);
        }
        Ok(())
    }
}
