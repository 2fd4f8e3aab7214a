//! How long a thread was kept waiting for its processor.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// The scheduler's account of one thread. The second number of its `schedstat` is the time it
/// could have run and was not let, in nanoseconds (`Documentation/scheduler/sched-stats.rst`).
pub(crate) struct RunQueue {
    /// None where the kernel keeps no account.
    file: Option<File>,
    before_ns: u64,
}

impl RunQueue {
    pub(crate) fn of_this_thread() -> RunQueue {
        let task = rustix::thread::gettid().as_raw_nonzero();
        let path = format!("/proc/self/task/{task}/schedstat");
        RunQueue {
            file: File::open(path).ok(),
            before_ns: 0,
        }
    }

    /// The time waited since the last call; the first is worth nothing.
    pub(crate) fn waited_ns(&mut self) -> Option<u64> {
        let mut text = [0; 64];
        let read = self.file.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..read]).ok()?;
        let waited: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        let since = waited.saturating_sub(self.before_ns);
        self.before_ns = waited;
        Some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_thread_alone_on_its_processor_waits_less_than_it_runs() {
        let mut queue = RunQueue::of_this_thread();
        let Some(_) = queue.waited_ns() else {
            // A kernel without this account has nothing to be tested.
            assert!(!std::path::Path::new("/proc/self/schedstat").exists());
            return;
        };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {}
        let waited = queue.waited_ns().expect("asked before");
        assert!(
            u128::from(waited) <= begun.elapsed().as_nanos(),
            "{waited} ns"
        );
    }
}
