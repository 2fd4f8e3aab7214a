//! The server's side of framing, for the built-in target: complete requests out of a stream in
//! which they may follow one another without waiting.

use super::chunked::Chunked;
use super::fault::Fault;
use super::head::{self, Added, Coding, Fields, HEAD_BYTES_MAX, Pieces};
use super::head_cache::HeadCache;
use super::response::Fed;

/// What a connection hears of a request.
pub(crate) trait RequestSink {
    /// The head, once for each request.
    fn head(&mut self, head: &RequestHead<'_>);
    /// The next bytes of the body, without its framing. Any number of calls, never empty.
    fn body(&mut self, bytes: &[u8]);
}

/// A request without its body, borrowed from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestHead<'a> {
    /// A token.
    pub(crate) method: &'a [u8],
    /// The target as it stands in the request line: path and query, never empty.
    pub(crate) path: &'a [u8],
    /// All bytes of the head, up to and with the empty line.
    pub(crate) raw: &'a [u8],
    pub(crate) body: RequestBody,
    /// The client may send another request on this connection.
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
}

/// What follows the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RequestBody {
    #[default]
    Absent,
    /// This many bytes, at least 1.
    Length(u64),
    Chunked,
}

/// Heads of requests seen lately, by server thread.
pub(crate) type RequestHeadCache = HeadCache<RequestMeaning>;

/// All that matters of a head besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestMeaning {
    /// The head begins with the method.
    method_bytes: u32,
    /// The path follows the method and one blank.
    path_bytes: u32,
    body: RequestBody,
    keep_alive: bool,
    expects_continue: bool,
}

/// Reads the requests of one connection. Holds memory of its own only while a head is coming in
/// pieces.
#[derive(Debug)]
pub(crate) struct RequestReader {
    pieces: Pieces,
    state: State,
    keep_alive: bool,
}

#[derive(Debug)]
enum State {
    /// Before or inside a head.
    Head,
    /// Bytes of the body still to come, at least 1.
    Length(u64),
    Chunked(Chunked),
    Failed(Fault),
}

impl Default for RequestReader {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestReader {
    /// A reader at the beginning of a connection.
    pub(crate) const fn new() -> Self {
        Self {
            pieces: Pieces::new(),
            state: State::Head,
            keep_alive: true,
        }
    }

    /// Reads the next bytes of the stream up to the end of one request. `done` says that it ended
    /// after `consumed` bytes; call again with the rest for the next one. Not done: all was
    /// consumed.
    ///
    /// # Errors
    /// What is wrong with the request; every later call repeats it.
    #[inline]
    pub(crate) fn feed<S: RequestSink + ?Sized>(
        &mut self,
        head_cache: &mut RequestHeadCache,
        input: &[u8],
        sink: &mut S,
    ) -> Result<Fed, Fault> {
        match self.advance(head_cache, input, sink) {
            Ok(fed) => Ok(fed),
            Err(fault) => {
                *self = Self {
                    state: State::Failed(fault),
                    keep_alive: false,
                    ..Self::new()
                };
                Err(fault)
            }
        }
    }

    /// The stream has ended: fine between two requests.
    ///
    /// # Errors
    /// What was missing; or the fault found before.
    pub(crate) fn eof(&self) -> Result<(), Fault> {
        match &self.state {
            State::Head if self.pieces.is_empty() => Ok(()),
            State::Head => Err(head::fault_unended(
                parse(self.pieces.bytes()),
                Fault::BadHead,
            )),
            State::Length(_) | State::Chunked(_) => Err(Fault::IncompleteBody),
            State::Failed(fault) => Err(*fault),
        }
    }

    /// Whether the client may send another request after the latest one.
    pub(crate) fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    #[inline]
    fn advance<S: RequestSink + ?Sized>(
        &mut self,
        head_cache: &mut RequestHeadCache,
        input: &[u8],
        sink: &mut S,
    ) -> Result<Fed, Fault> {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            let done = match &mut self.state {
                State::Head => {
                    let (taken, done) = self.head(head_cache, rest, sink)?;
                    at += taken;
                    done
                }
                State::Length(left) => {
                    let take =
                        usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    sink.body(&rest[..take]);
                    *left -= take as u64;
                    at += take;
                    *left == 0
                }
                State::Chunked(chunked) => {
                    at += chunked.feed(rest, |bytes| sink.body(bytes))?;
                    chunked.is_done()
                }
                State::Failed(fault) => return Err(*fault),
            };
            if done {
                self.state = State::Head;
                return Ok(Fed {
                    consumed: at,
                    done: true,
                });
            }
        }
        Ok(Fed {
            consumed: at,
            done: false,
        })
    }

    /// Reads (some of) a head from input that is not empty: how much of it, and whether the
    /// request ends with it.
    #[inline]
    fn head<S: RequestSink + ?Sized>(
        &mut self,
        head_cache: &mut RequestHeadCache,
        input: &[u8],
        sink: &mut S,
    ) -> Result<(usize, bool), Fault> {
        if !self.pieces.is_empty() {
            return self.head_in_pieces(head_cache, input, sink);
        }
        if let Some((length, meaning)) = head_cache.lookup(input) {
            return Ok((length, self.accept(meaning, &input[..length], sink)));
        }
        if let b'\r' | b'\n' = input[0] {
            // A server skips empty lines before a request (RFC 9112 section 2.2).
            return Ok((1, false));
        }
        let capped = &input[..input.len().min(HEAD_BYTES_MAX)];
        match parse(capped)? {
            Some((length, meaning)) => {
                head_cache.remember(&input[..length], meaning);
                Ok((length, self.accept(meaning, &input[..length], sink)))
            }
            None if capped.len() == HEAD_BYTES_MAX => Err(Fault::HeadTooLarge),
            None => {
                // The parser has seen that no end is in here.
                let added = self.pieces.add(input, head_cache);
                debug_assert_eq!(added, Added::Open);
                Ok((input.len(), false))
            }
        }
    }

    fn head_in_pieces<S: RequestSink + ?Sized>(
        &mut self,
        head_cache: &mut RequestHeadCache,
        input: &[u8],
        sink: &mut S,
    ) -> Result<(usize, bool), Fault> {
        match self.pieces.add(input, head_cache) {
            Added::Open => Ok((input.len(), false)),
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
                let done = self.accept(meaning, &head, sink);
                head_cache.give_back(head);
                Ok((taken, done))
            }
        }
    }

    /// Acts on a whole head; returns whether the request ends with it.
    #[inline]
    fn accept<S: RequestSink + ?Sized>(
        &mut self,
        meaning: RequestMeaning,
        raw: &[u8],
        sink: &mut S,
    ) -> bool {
        let method_bytes = meaning.method_bytes as usize;
        let path = method_bytes + 1;
        sink.head(&RequestHead {
            method: &raw[..method_bytes],
            path: &raw[path..path + meaning.path_bytes as usize],
            raw,
            body: meaning.body,
            keep_alive: meaning.keep_alive,
            expects_continue: meaning.expects_continue,
        });
        self.keep_alive = meaning.keep_alive;
        match meaning.body {
            RequestBody::Absent => return true,
            RequestBody::Length(length) => self.state = State::Length(length),
            RequestBody::Chunked => self.state = State::Chunked(Chunked::new()),
        }
        false
    }
}

/// Parses the head at the beginning of `bytes`: its length and meaning, or `None` if it goes on.
fn parse(bytes: &[u8]) -> Result<Option<(usize, RequestMeaning)>, Fault> {
    head::work::parsed();
    let mut slots = head::slots();
    let mut request = httparse::Request::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_request_with_uninit_headers(&mut request, bytes, &mut slots)
        .map_err(head::fault_of)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let fields = Fields::read(request.headers, bytes)?;
    let body = match (fields.coding, fields.length) {
        (Coding::Chunked, _) => RequestBody::Chunked,
        // The end of such a request cannot be told (RFC 9112 section 6.3).
        (Coding::Other, _) => return Err(Fault::BadHead),
        (Coding::Absent, None | Some(0)) => RequestBody::Absent,
        (Coding::Absent, Some(length)) => RequestBody::Length(length),
    };
    let version_11 = request.version == Some(1);
    // Both lengths are below HEAD_BYTES_MAX.
    let bytes_of = |text: Option<&str>| text.map_or(0, |text| text.len() as u32);
    let meaning = RequestMeaning {
        method_bytes: bytes_of(request.method),
        path_bytes: bytes_of(request.path),
        body,
        keep_alive: !fields.close && !fields.ambiguous && (version_11 || fields.keep_alive),
        expects_continue: fields.expects_continue,
    };
    Ok(Some((length, meaning)))
}
