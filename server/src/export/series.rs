//! A kept run second by second, as the series of its report.

use crate::Error;
use crate::query::totals_of;
use crate::store::{
    COARSEST_S, CORES, COUNTERS, Core, Cores, MINUTE_S, RunView, Totals, Wanted, add_histogram,
    phase_key, read,
};
use stats::second::{CoreSecond, Extent};
use stats::{Histogram, Phase, Second};
use std::collections::{BTreeMap, BTreeSet, btree_set};

/// What there is of one second.
#[derive(Default)]
struct SecondParts {
    totals: Option<Totals>,
    cores: Cores,
    latency: Histogram,
    failed: Histogram,
    lag: Histogram,
}

/// The rows of the series in order, read minute by minute.
pub(super) struct SeriesReader<'a> {
    view: &'a dyn RunView,
    minutes: btree_set::Iter<'a, u64>,
    /// Those of the minute that was read last.
    rows: std::vec::IntoIter<Second>,
    has_nodes: bool,
}

impl<'a> SeriesReader<'a> {
    /// All rows of a run.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn of(view: &'a dyn RunView) -> Result<Self, Error> {
        Ok(SeriesReader {
            view,
            minutes: view.minutes().iter(),
            rows: Vec::new().into_iter(),
            has_nodes: view.nodes()?.len() > 1,
        })
    }

    fn minute(&self, minute: u64) -> Result<Vec<Second>, Error> {
        let [latency, failed, lag] =
            [Phase::Latency, Phase::LatencyFailed, Phase::Lag].map(|phase| phase_key(0, phase));
        let wanted = Wanted::Keys(vec![COUNTERS, CORES, latency, failed, lag]);
        let (from, to) = (minute * MINUTE_S, (minute + 1) * MINUTE_S);
        let mut seconds: BTreeMap<u64, SecondParts> = BTreeMap::new();
        self.view.read(from, to, 1, &wanted, &mut |row| {
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
        let rows = within.map(|(time_s, parts)| row(time_s, parts, self.has_nodes));
        Ok(rows.collect())
    }
}

impl Iterator for SeriesReader<'_> {
    type Item = Result<Second, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(second) = self.rows.next() {
                return Some(Ok(second));
            }
            let minute = *self.minutes.next()?;
            match self.minute(minute) {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The cores that a run has rows of, each by its node, if it has several, and its number there.
///
/// # Errors
/// When the store fails.
pub(super) fn cores(view: &dyn RunView) -> Result<BTreeSet<(Option<u32>, u32)>, Error> {
    let has_nodes = view.nodes()?.len() > 1;
    let mut found = BTreeSet::new();
    let wanted = Wanted::Keys(vec![CORES]);
    view.read(0, u64::MAX, COARSEST_S, &wanted, &mut |row| {
        let cores = read::<Cores>(row.content)?.cores.into_iter();
        found.extend(cores.map(|core| (has_nodes.then_some(core.node), core.core)));
        Ok(())
    })?;
    Ok(found)
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
