//! Bounds the lines that others can cause in the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of lines of one kind per period; further ones are only counted.
const LINES_MAX: u32 = 10;
/// The period.
const PERIOD: Duration = Duration::from_secs(10);

/// Lets a few lines of one kind pass per period.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Period>);

#[derive(Debug, Default)]
struct Period {
    began: Option<Instant>,
    passed: u32,
    /// Lines suppressed since the last that passed.
    suppressed: u64,
}

impl LogLimit {
    /// Calls `log` with the number of lines suppressed since the last call, if any were, or
    /// suppresses this one.
    pub(crate) fn pass(&self, log: impl FnOnce(Option<u64>)) {
        if let Some(suppressed) = self.suppressed(Instant::now()) {
            log(Some(suppressed).filter(|lines| *lines > 0));
        }
    }

    fn suppressed(&self, now: Instant) -> Option<u64> {
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = period
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= PERIOD);
        if is_new {
            period.began = Some(now);
            period.passed = 0;
        }
        if period.passed == LINES_MAX {
            period.suppressed += 1;
            return None;
        }
        period.passed += 1;
        Some(std::mem::take(&mut period.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppressed_lines_are_counted_in_the_next() {
        let (limit, now) = (LogLimit::default(), Instant::now());
        let passed: Vec<_> = (0..25).map(|_| limit.suppressed(now)).collect();
        assert_eq!(passed.iter().flatten().count(), 10);
        assert_eq!(limit.suppressed(now + PERIOD), Some(15));
        assert_eq!(limit.suppressed(now + PERIOD), Some(0));
    }
}
