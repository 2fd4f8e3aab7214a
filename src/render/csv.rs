//! The series as CSV (RFC 4180 with bare line feeds): a head, then one row per second.

use stats::{Second, Summary};
use std::fmt::Write as _;

/// The columns before those of single cores.
const COLUMNS: &str = "time_s,seconds,users_min,users_max,connections_min,connections_max,\
    planned,started,dropped,iterations_finished,iterations_failed,iterations_unfinished,\
    sent,ok,failed,unfinished,bytes_in,bytes_out,\
    latency_p50_us,latency_p90_us,latency_p99_us,latency_p999_us,latency_max_us,\
    lag_p99_us,lag_max_us,turn_max_us,generator_limited";

/// All seconds of a run. After the fixed columns comes `busy_core_N`, 0 to 1, for each core; empty
/// when that core delivered nothing for the row.
pub fn render(summary: &Summary) -> String {
    let mut text = COLUMNS.to_string();
    let cores: Vec<u32> = summary.generator.cores.iter().map(|c| c.core).collect();
    for core in &cores {
        // writing to a String does not fail
        let _ = write!(text, ",busy_core_{core}");
    }
    text.push('\n');
    for second in &summary.series {
        row(&mut text, second, &cores);
    }
    text
}

fn row(text: &mut String, second: &Second, cores: &[u32]) {
    let counts = &second.counts;
    let (latency, lag) = (&second.latency, &second.lag);
    let figures = [
        second.time_s,
        second.seconds,
        second.users.min,
        second.users.max,
        second.connections.min,
        second.connections.max,
        counts.planned,
        counts.started,
        counts.dropped,
        counts.iterations.finished,
        counts.iterations.failed,
        counts.iterations.unfinished,
        counts.sent,
        counts.ok,
        counts.failed,
        counts.unfinished,
        counts.bytes_in,
        counts.bytes_out,
        latency.p50_us,
        latency.p90_us,
        latency.p99_us,
        latency.p999_us,
        latency.max_us,
        lag.p99_us,
        lag.max_us,
        second
            .cores
            .iter()
            .map(|c| c.turn_max_us)
            .max()
            .unwrap_or(0),
        u64::from(second.generator_limited),
    ];
    let figures: Vec<String> = figures.iter().map(u64::to_string).collect();
    text.push_str(&figures.join(","));
    for core in cores {
        text.push(',');
        if let Some(core) = second.cores.iter().find(|c| c.core == *core) {
            let _ = write!(text, "{:.3}", core.busy_share);
        }
    }
    text.push('\n');
}
