//! What responses and requests have in common in their heads: bounds, the fields that decide
//! framing, and the buffer for a head that comes in pieces.

use std::mem::MaybeUninit;

use httparse::Header;

use super::fault::Fault;
use super::head_cache::HeadCache;

/// A head may have this many bytes, its empty line included.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A head may have this many fields.
pub(crate) const HEADERS_MAX: usize = 128;

/// Room for the fields of one head, left uninitialised: clearing 4 KiB costs more than parsing.
pub(super) type Slots<'b> = [MaybeUninit<Header<'b>>; HEADERS_MAX];

/// Fresh [`Slots`].
pub(super) const fn slots<'b>() -> Slots<'b> {
    [const { MaybeUninit::uninit() }; HEADERS_MAX]
}

/// The fault that a refusal of the parser stands for.
pub(super) fn fault_of(error: httparse::Error) -> Fault {
    match error {
        httparse::Error::TooManyHeaders => Fault::HeadTooLarge,
        _ => Fault::BadHead,
    }
}

/// The fault of a head that has not ended within `bytes`, a whole [`HEAD_BYTES_MAX`] or the last
/// to come: an error found on the way goes before the lack of an end.
pub(super) fn fault_unended<T>(parsed: Result<Option<T>, Fault>, otherwise: Fault) -> Fault {
    parsed.err().unwrap_or(otherwise)
}

/// The transfer codings of a message, as far as they decide where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// None (or `identity`, which old servers write).
    Absent,
    /// Chunked is the last one.
    Chunked,
    /// Others without chunked.
    Other,
}

/// The fields that decide framing and the fate of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) length: Option<u64>,
    pub(super) coding: Coding,
    /// Both Transfer-Encoding and Content-Length: two readers may disagree about the end.
    pub(super) ambiguous: bool,
    /// The Connection field says `close`.
    pub(super) close: bool,
    /// The Connection field says `keep-alive`.
    pub(super) keep_alive: bool,
    /// The Expect field says `100-continue`.
    pub(super) expects_continue: bool,
}

impl Fields {
    /// Reads them from headers that were parsed from `head`.
    ///
    /// # Errors
    /// [`Fault::BadLength`] unless a transfer coding makes Content-Length meaningless;
    /// [`Fault::BadHead`] when chunked is applied before another coding or twice, since the body
    /// inside could not be told from its framing; either when its field is folded, since not every
    /// reader takes the second line for a part of it.
    pub(super) fn read(headers: &[Header<'_>], head: &[u8]) -> Result<Self, Fault> {
        let mut length: Option<Result<u64, Fault>> = None;
        let mut codings = Codings::default();
        let (mut close, mut keep_alive, mut expects_continue) = (false, false, false);
        for header in headers {
            // The length of the name leaves at most one candidate.
            match header.name.len() {
                6 if header.name.eq_ignore_ascii_case("expect") => {
                    expects_continue |= header.value.eq_ignore_ascii_case(b"100-continue");
                }
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    for option in elements(header.value) {
                        close |= option.eq_ignore_ascii_case(b"close");
                        keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    refuse_fold(head, header, Fault::BadLength)?;
                    length = Some(match length {
                        Some(Err(fault)) => Err(fault),
                        Some(Ok(seen)) => content_length(header.value, Some(seen)),
                        None => content_length(header.value, None),
                    });
                }
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    refuse_fold(head, header, Fault::BadHead)?;
                    codings.add(header.value)?;
                }
                _ => {}
            }
        }
        let coding = codings.coding();
        let ambiguous = codings.present && length.is_some();
        let length = match coding {
            Coding::Absent => length.transpose()?,
            Coding::Chunked | Coding::Other => None,
        };
        Ok(Self {
            length,
            coding,
            ambiguous,
            close,
            keep_alive,
            expects_continue,
        })
    }
}

/// Refuses a field that goes on in the line after its first (RFC 9112 section 5.2).
fn refuse_fold(head: &[u8], header: &Header<'_>, fault: Fault) -> Result<(), Fault> {
    let begin = header.name.as_ptr() as usize;
    let begin = begin.wrapping_sub(head.as_ptr() as usize);
    let rest = head.get(begin..).unwrap_or_default();
    let next = memchr::memchr(b'\n', rest).and_then(|end| rest.get(end + 1));
    match next {
        Some(b' ' | b'\t') => Err(fault),
        _ => Ok(()),
    }
}

/// All Transfer-Encoding fields of a head, read as one list.
#[derive(Default)]
struct Codings {
    present: bool,
    chunked: bool,
    other: bool,
}

impl Codings {
    fn add(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.present = true;
        for coding in elements(value) {
            if coding.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            if self.chunked {
                return Err(Fault::BadHead);
            }
            if coding.eq_ignore_ascii_case(b"chunked") {
                self.chunked = true;
            } else {
                self.other = true;
            }
        }
        Ok(())
    }

    fn coding(&self) -> Coding {
        match (self.chunked, self.other) {
            (true, _) => Coding::Chunked,
            (false, true) => Coding::Other,
            (false, false) => Coding::Absent,
        }
    }
}

/// The elements of a comma-separated field value, blanks around them (and line folds) removed,
/// empty ones left out.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// The one number in a Content-Length value, which may repeat it as a list (RFC 9110 section 8.6).
fn content_length(value: &[u8], mut seen: Option<u64>) -> Result<u64, Fault> {
    for element in value.split(|byte| *byte == b',') {
        let number = decimal(element.trim_ascii()).ok_or(Fault::BadLength)?;
        if seen.is_some_and(|seen| seen != number) {
            return Err(Fault::BadLength);
        }
        seen = Some(number);
    }
    seen.ok_or(Fault::BadLength)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A head that did not come in one piece. Holds no memory when empty.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    saved: Vec<u8>,
}

/// What [`Pieces::add`] came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// The head ended after this many bytes of the input.
    Ended(usize),
    /// All of the input was kept; the head goes on.
    Open,
    /// [`HEAD_BYTES_MAX`] bytes and no end.
    Full,
}

impl Pieces {
    pub(super) const fn new() -> Self {
        Self { saved: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.saved.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.saved
    }

    /// Adds input and looks for the end of the head in it. Looks at no byte twice but the last two
    /// of the piece before, so a head that comes byte by byte costs no more than linear time.
    pub(super) fn add<M: Copy>(&mut self, input: &[u8], head_cache: &mut HeadCache<M>) -> Added {
        if self.saved.capacity() == 0 {
            self.saved = head_cache.lend();
        }
        let before = self.saved.len();
        let take = input.len().min(HEAD_BYTES_MAX - before);
        self.saved.extend_from_slice(&input[..take]);
        match end_of_head(&self.saved, before.saturating_sub(2)) {
            Some(end) => {
                self.saved.truncate(end);
                Added::Ended(end - before)
            }
            None if self.saved.len() == HEAD_BYTES_MAX => Added::Full,
            None => Added::Open,
        }
    }

    /// Takes the head out; [`HeadCache::give_back`] the buffer after use.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.saved)
    }
}

/// The index after the first empty line whose preceding line feed is at `from` or later.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    work::scanned(bytes.len() - from);
    memchr::memchr_iter(b'\n', &bytes[from..]).find_map(|offset| {
        let next = from + offset + 1;
        match bytes[next..] {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        }
    })
}

/// Counts of work done, for the tests that bound it; nothing outside of tests.
pub(super) mod work {
    #[cfg(test)]
    std::thread_local! {
        /// Heads handed to the parser, and bytes searched for the end of a head.
        pub(crate) static DONE: std::cell::Cell<(usize, usize)> = const { std::cell::Cell::new((0, 0)) };
    }

    #[inline]
    pub(crate) fn parsed() {
        #[cfg(test)]
        DONE.with(|done| done.set((done.get().0 + 1, done.get().1)));
    }

    #[inline]
    pub(crate) fn scanned(_bytes: usize) {
        #[cfg(test)]
        DONE.with(|done| done.set((done.get().0, done.get().1 + _bytes)));
    }
}
