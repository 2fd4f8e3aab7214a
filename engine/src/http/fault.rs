//! Why a message could not be read: one closed enum, so that failures are counted, not described.

/// What is wrong with a message. A connection that produced one is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The peer closed before it sent any byte of a response.
    ClosedNoResponse,
    /// The peer closed inside a body framed by length or by chunks.
    IncompleteBody,
    /// The head is longer than [`super::head::HEAD_BYTES_MAX`] or has more fields than
    /// [`super::head::HEADERS_MAX`].
    HeadTooLarge,
    /// The head is not HTTP/1, or leaves doubt where the body ends, or ended in its middle, or names a transfer coding
    /// that cannot be read.
    BadHead,
    /// The chunked framing is broken.
    BadChunk,
    /// Content-Length is not a number below 2^64, or several of them differ.
    BadLength,
    /// More than [`super::response::INFORMATIONAL_MAX`] heads with a 1xx status.
    TooManyInformational,
    /// Status 101 without having asked for it.
    UnexpectedUpgrade,
}
