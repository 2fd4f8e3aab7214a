//! One plain line per second, for logs and pipes.

use crate::render::format::{count, per_second, percent, time_known};
use engine::FirstFigures;
use stats::Second;

/// The first figures on one line, before those of the first second.
pub fn first(figures: FirstFigures) -> String {
    let seconds = figures.elapsed.as_secs_f64();
    format!(
        "started: {} req/s and {} users in the first {seconds:.1} s",
        per_second(figures.ended, seconds),
        count(figures.users),
    )
}

/// A second on one line, without the line feed. Words are always the same, so that it can be cut
/// apart; what is not zero only rarely comes last, when it is not.
pub fn render(second: &Second) -> String {
    let counts = &second.counts;
    let seconds = second.seconds as f64;
    let latency = &second.latency;
    let mut line = format!(
        "{:>5}s  {:>9} req/s  {:>6} users  p50 {:>7}  p90 {:>7}  p99 {:>7}  max {:>7}  failed {}",
        second.time_s + second.seconds,
        per_second(counts.ok + counts.failed, seconds),
        count(second.users.max),
        time_known(latency.known(latency.p50_us)),
        time_known(latency.known(latency.p90_us)),
        time_known(latency.known(latency.p99_us)),
        time_known(latency.known(latency.max_us)),
        count(counts.failed),
    );
    let busy = second
        .cores
        .iter()
        .map(|c| f64::from(c.busy_share))
        .fold(0.0, f64::max);
    line += &format!(
        "  lag p99 {}  busy {}",
        time_known(second.lag.known(second.lag.p99_us)),
        percent(busy)
    );
    if counts.dropped > 0 {
        line += &format!("  dropped {}", count(counts.dropped));
    }
    if second.generator_limited {
        line += "  GENERATOR LIMITED";
    }
    if second.seconds > 1 {
        line += &format!("  (covers {} s)", second.seconds);
    }
    if !second.gaps.is_empty() {
        line += &format!("  (waiting for {} of the cores)", second.gaps.len());
    }
    line
}
