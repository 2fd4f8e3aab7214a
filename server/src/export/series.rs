//! A kept run second by second, as the series of its report.

use crate::Error;
use crate::query::totals_of;
use crate::store::{
    CORES, COUNTERS, Core, Cores, RunView, Totals, Wanted, add_histogram, phase_key, read,
};
use stats::second::{CoreSecond, Extent};
use stats::{Histogram, Phase, Second};
use std::collections::BTreeMap;

/// Seconds that are read at once: each takes some histograms meanwhile.
const READ_S: u64 = 600;

/// What there is of one second.
#[derive(Default)]
struct SecondParts {
    totals: Option<Totals>,
    cores: Cores,
    latency: Histogram,
    failed: Histogram,
    lag: Histogram,
}

/// All rows of the series, in order.
///
/// # Errors
/// When the store fails.
pub(super) fn all(view: &dyn RunView) -> Result<Vec<Second>, Error> {
    let length = view.length_s();
    let has_nodes = view.nodes()?.len() > 1;
    let [latency, failed, lag] =
        [Phase::Latency, Phase::LatencyFailed, Phase::Lag].map(|phase| phase_key(0, phase));
    let wanted = Wanted::Keys(vec![COUNTERS, CORES, latency, failed, lag]);
    let mut rows = Vec::new();
    for from in (0..length).step_by(READ_S as usize) {
        let to = (from + READ_S).min(length);
        let mut seconds: BTreeMap<u64, SecondParts> = BTreeMap::new();
        view.read(from, to, 1, &wanted, &mut |row| {
            let parts = seconds.entry(row.time_s).or_default();
            match row.key {
                COUNTERS => {
                    let totals: Totals = read(row.content)?;
                    match &mut parts.totals {
                        Some(sum) => sum.add_beside(&totals),
                        None => parts.totals = Some(totals),
                    }
                    Ok(())
                }
                CORES => {
                    parts.cores.add(&read::<Cores>(row.content)?.cores);
                    Ok(())
                }
                key if key == latency => add_histogram(&mut parts.latency, row.content),
                key if key == failed => add_histogram(&mut parts.failed, row.content),
                _ => add_histogram(&mut parts.lag, row.content),
            }
        })?;
        // what a run that ended reads beyond its window belongs to the next
        let within = seconds.into_iter().filter(|(time_s, _)| *time_s < to);
        rows.extend(within.map(|(time_s, parts)| row(time_s, parts, has_nodes)));
    }
    Ok(rows)
}

fn row(time_s: u64, parts: SecondParts, has_nodes: bool) -> Second {
    let totals = parts.totals.unwrap_or_default();
    let mut cores = parts.cores.cores;
    cores.sort_by_key(|core| (core.node, core.core));
    let mut second = Second {
        time_s,
        seconds: totals.seconds.max(1),
        users: Extent {
            min: totals.users_min,
            max: totals.users_max,
        },
        connections: Extent {
            min: totals.connections_min,
            max: totals.connections_max,
        },
        counts: totals_of(&totals).counts,
        cores: cores
            .iter()
            .map(|core| core_second(core, has_nodes))
            .collect(),
        generator_limited: totals.limited,
        warmup: totals.warmup,
        gaps: totals.gaps,
        late: totals.late,
        ..Second::default()
    };
    second.set_times(parts.latency, &parts.failed, &parts.lag);
    second
}

fn core_second(core: &Core, has_nodes: bool) -> CoreSecond {
    let share = |sum: f32| {
        let mean = f64::from(sum) / f64::from(core.rows.max(1));
        ((mean * 1e4).round() / 1e4) as f32
    };
    CoreSecond {
        node: has_nodes.then_some(core.node),
        core: core.core,
        busy_share: share(core.busy),
        waited_share: share(core.waited),
        turn_max_us: core.turn_max_us,
        generator_limited: core.limited,
    }
}
