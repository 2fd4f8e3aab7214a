//! The series as CSV (RFC 4180 with bare line feeds): a head, then one row per second.

use crate::second::Second;
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// The columns before those of single cores.
const COLUMNS: &str = "time_s,seconds,users_min,users_max,connections_min,connections_max,\
    planned,started,dropped,iterations_finished,iterations_failed,iterations_unfinished,\
    sent,ok,failed,unfinished,bytes_in,bytes_out,\
    latency_p50_us,latency_p90_us,latency_p99_us,latency_p999_us,latency_max_us,\
    latency_failed_p50_us,latency_failed_p90_us,latency_failed_p99_us,latency_failed_p999_us,\
    latency_failed_max_us,\
    latency_all_p50_us,latency_all_p90_us,latency_all_p99_us,latency_all_p999_us,\
    latency_all_max_us,\
    lag_p99_us,lag_max_us,turn_max_us,generator_limited";

/// A core: its node, in runs of several, and its number there.
type CoreName = (Option<u32>, u32);

/// All seconds of a run. What was not measured in a second is empty: times without requests, and
/// of cores that delivered nothing for the row. After the fixed columns comes `busy_core_N`, 0 to
/// 1, for each core; `busy_core_NODE_N` in runs of several nodes. With the warm-up comes a column
/// `warmup`, 1 in its rows; without it they are left out.
pub(super) fn write<E: From<io::Error>>(
    out: &mut dyn Write,
    cores: BTreeSet<CoreName>,
    with_warmup: bool,
    seconds: impl Iterator<Item = Result<impl Borrow<Second>, E>>,
) -> Result<(), E> {
    out.write_all(COLUMNS.as_bytes())?;
    for (node, core) in &cores {
        let node = node.map_or(String::new(), |node| format!("{node}_"));
        write!(out, ",busy_core_{node}{core}")?;
    }
    out.write_all(if with_warmup { b",warmup\n" } else { b"\n" })?;
    for second in seconds {
        let second = second?;
        let second = second.borrow();
        let row = row(second, &cores);
        match (with_warmup, second.warmup) {
            (true, warmup) => writeln!(out, "{row},{}", u8::from(warmup))?,
            (false, true) => {}
            (false, false) => writeln!(out, "{row}")?,
        }
    }
    Ok(())
}

fn row(second: &Second, cores: &BTreeSet<CoreName>) -> String {
    let mut cells: Vec<String> = counters(second).iter().map(u64::to_string).collect();
    for latency in [&second.latency, &second.latency_failed, &second.latency_all] {
        let times = [
            latency.p50_us,
            latency.p90_us,
            latency.p99_us,
            latency.p999_us,
            latency.max_us,
        ];
        cells.extend(times.map(|us| cell(latency.known(us))));
    }
    let lag = &second.lag;
    cells.extend([lag.p99_us, lag.max_us].map(|us| cell(lag.known(us))));
    cells.push(cell(second.cores.iter().map(|c| c.turn_max_us).max()));
    cells.push(u64::from(second.generator_limited).to_string());
    for name in cores {
        let core = second.cores.iter().find(|c| (c.node, c.core) == *name);
        cells.push(core.map_or(String::new(), |core| format!("{:.3}", core.busy_share)));
    }
    cells.join(",")
}

/// A figure, or nothing where there is none.
fn cell(figure: Option<u64>) -> String {
    figure.map_or(String::new(), |figure| figure.to_string())
}

fn counters(second: &Second) -> [u64; 18] {
    let counts = &second.counts;
    [
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
    ]
}
