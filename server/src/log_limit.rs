//! Bounds the lines that others can cause in the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of a kind in each stretch of time; more are counted.
const LINES_MAX: u32 = 10;
/// The stretch.
const STRETCH: Duration = Duration::from_secs(10);

/// Lets a few lines of a kind pass in each stretch of time.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Stretch>);

#[derive(Debug, Default)]
struct Stretch {
    began: Option<Instant>,
    passed: u32,
    /// Lines left out since the last that passed.
    left_out: u64,
}

impl LogLimit {
    /// Calls `log` with the number of lines left out since the last call, if any were, or leaves
    /// this one out.
    pub(crate) fn pass(&self, log: impl FnOnce(Option<u64>)) {
        if let Some(left_out) = self.left_out(Instant::now()) {
            log(Some(left_out).filter(|lines| *lines > 0));
        }
    }

    fn left_out(&self, now: Instant) -> Option<u64> {
        let mut stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = stretch
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= STRETCH);
        if is_new {
            stretch.began = Some(now);
            stretch.passed = 0;
        }
        if stretch.passed == LINES_MAX {
            stretch.left_out += 1;
            return None;
        }
        stretch.passed += 1;
        Some(std::mem::take(&mut stretch.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_left_out_are_told_with_the_next() {
        let (limit, now) = (LogLimit::default(), Instant::now());
        let told: Vec<_> = (0..25).map(|_| limit.left_out(now)).collect();
        assert_eq!(told.iter().flatten().count(), 10);
        assert_eq!(limit.left_out(now + STRETCH), Some(15));
        assert_eq!(limit.left_out(now + STRETCH), Some(0));
    }
}
