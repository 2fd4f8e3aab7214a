//! The time of load: which part of a window belongs to it, and what ended in it.

/// Which part of a window belongs to the time of load: from the start to the end of what the plan
/// asks for, without the drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadTime {
    All,
    /// What came before this moment, in nanoseconds from the start of the run.
    Until(u64),
    /// Nothing: the load ended before it began.
    Over,
}

/// Requests that ended within the time of load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndedInLoad {
    /// Those that ended ok.
    pub ok: u64,
    /// Those that failed.
    pub failed: u64,
    /// Bytes received of both.
    pub bytes_in: u64,
    /// Bytes sent of both.
    pub bytes_out: u64,
}

impl EndedInLoad {
    pub(crate) fn add(&mut self, other: EndedInLoad) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}
