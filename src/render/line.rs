//! Plain lines of at most 80 columns while a run goes on, for logs and pipes.

use crate::render::format::{count, length, per_second, time_known};
use engine::FirstFigures;
use stats::Second;
use std::time::Duration;

/// Columns of a line; what has no room goes on below it.
const WIDTH: usize = 80;
const INDENT: usize = 8;

/// What a line is about: one or several seconds of a run.
#[derive(Debug, Clone, Default)]
pub struct Interval {
    /// Where it ends, in seconds from the start of the run.
    pub end_s: u64,
    /// How many seconds it covers.
    pub seconds: u64,
    /// How many it should cover.
    pub wanted_s: u64,
    /// Requests that ended in it.
    pub ended: u64,
    /// Those that failed.
    pub failed: u64,
    /// Arrivals dropped.
    pub dropped: u64,
    /// The most users at once.
    pub users: u64,
    /// Median latency of those that ended ok, in microseconds; none where none did.
    pub p50_us: Option<u64>,
    /// The 99th percentile.
    pub p99_us: Option<u64>,
    /// Whether the generator, not the target, shaped it.
    pub is_limited: bool,
    /// Cores whose figures are still missing.
    pub missing: usize,
    /// What is left of the plan; none where that is not told.
    pub left: Option<Duration>,
}

impl Interval {
    /// One second.
    pub fn of(second: &Second) -> Self {
        let mut interval = Interval {
            wanted_s: 1,
            ..Interval::default()
        };
        interval.add(second);
        let latency = &second.latency;
        interval.p50_us = latency.known(latency.p50_us);
        interval.p99_us = latency.known(latency.p99_us);
        interval
    }

    /// Adds the counts of the next second; percentiles cannot be added.
    pub fn add(&mut self, second: &Second) {
        let counts = &second.counts;
        self.end_s = second.time_s + second.seconds;
        self.seconds += second.seconds;
        self.ended += counts.ok + counts.failed;
        self.failed += counts.failed;
        self.dropped += counts.dropped;
        self.users = self.users.max(second.users.max);
        self.is_limited |= second.generator_limited;
        self.missing = second.gaps.len();
    }
}

/// The line, without the last line feed. Words are always the same, so that it can be cut apart;
/// what is seldom there comes last.
pub fn render(interval: &Interval) -> String {
    let mut text = format!(
        "{:>5}s {:>7} req/s {:>6} users  p50 {:>6}  p99 {:>6}  failed {}",
        interval.end_s,
        per_second(interval.ended, interval.seconds as f64),
        count(interval.users),
        time_known(interval.p50_us),
        time_known(interval.p99_us),
        count(interval.failed),
    );
    let mut columns = text.chars().count();
    let left = interval.left.map(|left| format!("ETA {}", length(left)));
    let dropped = interval.dropped;
    let more = [
        left,
        (dropped > 0).then(|| format!("dropped {}", count(dropped))),
        interval.is_limited.then(|| "GENERATOR LIMITED".to_owned()),
        (interval.seconds > interval.wanted_s).then(|| format!("(covers {} s)", interval.seconds)),
        (interval.missing > 0).then(|| format!("(waiting for {} of the cores)", interval.missing)),
    ];
    for word in more.into_iter().flatten() {
        let needed = word.chars().count() + 2;
        if columns + needed > WIDTH {
            text.push('\n');
            text += &" ".repeat(INDENT - 2);
            columns = INDENT - 2;
        }
        text += "  ";
        text += &word;
        columns += needed;
    }
    text
}

/// The first figures on one line, before those of the first second.
pub fn first(figures: FirstFigures) -> String {
    let seconds = figures.elapsed.as_secs_f64();
    format!(
        "started: {} req/s and {} users in the first {seconds:.1} s",
        per_second(figures.ended, seconds),
        count(figures.users),
    )
}
