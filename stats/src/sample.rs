//! What is recorded of one request.

use crate::kinds::FailureKind;

/// How one request ended. Times in nanoseconds, rounded down to microseconds when recorded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// Done minus intended.
    pub latency_ns: u64,
    /// Done minus sent; 0 when no byte was sent, and then not recorded.
    pub service_ns: u64,
    /// Sent minus intended.
    pub lag_ns: u64,
    /// From sent to the first byte of the reply; 0 when none came, and then not recorded.
    pub first_byte_ns: u64,
    /// From the first to the last byte of the reply; 0 when they came together, and then not
    /// recorded.
    pub receive_ns: u64,
    /// The status of the reply; 0 when there was none, and then not counted.
    pub status: u16,
    /// Why it failed; `None` when it was ok.
    pub failure: Option<FailureKind>,
    /// Bytes received, head and body.
    pub bytes_in: u64,
    /// Bytes sent, head and body.
    pub bytes_out: u64,
}
