//! One second of a run while nodes still deliver it, and its rows once they have.

use super::names::NAME_MAX;
use super::rows::{
    CHECKS, CORES, COUNTERS, CUSTOMS, Checks, Core, Cores, Custom, Customs, Key, NameCounts, SLOTS,
    Totals, phase_key,
};
use super::run_file;
use prost::Message;
use stats::wire::{CheckRow, CustomRow, HistogramRow, Kind, SecondRow};
use stats::{Histogram, Phase};
use std::collections::BTreeMap;

/// Rows of one second by key; never changed.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    /// The second.
    pub(crate) time_s: u64,
    /// Key and end of its bytes, by key.
    directory: Vec<(Key, u32)>,
    bytes: Vec<u8>,
}

impl Sealed {
    /// All rows by key.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Key, &[u8])> + '_ {
        let starts = std::iter::once(0).chain(self.directory.iter().map(|(_, end)| *end));
        let rows = self.directory.iter().zip(starts);
        rows.map(|((key, end), start)| (*key, &self.bytes[start as usize..*end as usize]))
    }

    fn put(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() > before {
            self.directory.push((key, self.bytes.len() as u32));
        }
    }

    fn put_message(&mut self, key: Key, message: &impl Message) {
        // a Vec takes all bytes
        self.put(key, |bytes| message.encode_raw(bytes));
    }
}

/// A second under way.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    totals: Option<Totals>,
    names: BTreeMap<u32, NameFold>,
    checks: Checks,
    cores: Cores,
    customs: Customs,
}

#[derive(Debug, Default)]
struct NameFold {
    is_request: bool,
    counts: NameCounts,
    phases: [Option<Box<Histogram>>; Phase::COUNT],
}

impl Fold {
    /// Adds what a node says; `ids` are the numbers of the row's names, in its order.
    pub(crate) fn add(&mut self, node: u32, row: &SecondRow, ids: &[u32]) {
        let totals = Totals::of(row);
        match &mut self.totals {
            Some(sum) => sum.add_beside(&totals),
            None => self.totals = Some(totals),
        }
        // every name has a number from 1; 0 would be the sum of all
        for (name, id) in row.names.iter().zip(ids).filter(|(_, id)| **id > 0) {
            let fold = self.names.entry(*id).or_default();
            fold.is_request = name.kind == Kind::Request as i32;
            fold.counts.add_row(name);
            for histogram in &name.histograms {
                fold.add(histogram);
            }
        }
        let checks = row.checks.iter().map(|check| CheckRow {
            name: run_file::cut(&check.name, NAME_MAX).to_owned(),
            ..*check
        });
        self.checks.add(&checks.collect::<Vec<_>>());
        let cores = row.cores.iter().map(|core| Core {
            node,
            core: core.core,
            busy: core.busy_share,
            waited: core.waited_share,
            rows: 1,
            turn_max_us: core.turn_max_us,
            lag_max_us: core.lag_max_us,
            limited: core.limited,
        });
        self.cores.cores.extend(cores);
        self.customs.add(row.customs.iter().map(custom).collect());
    }

    /// The rows, with all requests in one as name 0.
    pub(crate) fn seal(self, time_s: u64) -> Sealed {
        let mut sealed = Sealed {
            time_s,
            ..Sealed::default()
        };
        let mut totals = self.totals.unwrap_or_default();
        let mut phases: [Option<Histogram>; Phase::COUNT] = [const { None }; Phase::COUNT];
        for name in self.names.values().filter(|name| name.is_request) {
            totals.requests.get_or_insert_default().add(&name.counts);
            for (sum, part) in phases.iter_mut().zip(&name.phases) {
                if let Some(part) = part {
                    sum.get_or_insert_default().add(part);
                }
            }
        }
        // a second in which nothing happened is a row too
        sealed.put(COUNTERS, |bytes| {
            totals.encode_raw(bytes);
            if bytes.is_empty() {
                bytes.extend_from_slice(&[0x10, 0]);
            }
        });
        for (phase, histogram) in Phase::ALL.iter().zip(&phases) {
            put_phase(&mut sealed, 0, *phase, histogram.as_ref());
        }
        sealed.put_message(CUSTOMS, &self.customs);
        sealed.put_message(CHECKS, &self.checks);
        sealed.put_message(CORES, &self.cores);
        for (id, name) in &self.names {
            sealed.put_message(id * SLOTS + COUNTERS, &name.counts);
            for (phase, histogram) in Phase::ALL.iter().zip(&name.phases) {
                put_phase(&mut sealed, *id, *phase, histogram.as_deref());
            }
        }
        sealed.bytes.shrink_to_fit();
        sealed
    }
}

fn put_phase(sealed: &mut Sealed, name: u32, phase: Phase, histogram: Option<&Histogram>) {
    if let Some(histogram) = histogram.filter(|h| h.count() > 0) {
        sealed.put(phase_key(name, phase), |bytes| histogram.put_compact(bytes));
    }
}

impl NameFold {
    fn add(&mut self, row: &HistogramRow) {
        let Some(phase) = Phase::ALL.iter().find(|p| p.as_str() == row.phase) else {
            return;
        };
        let sum = self.phases[phase.index()].get_or_insert_default();
        // it was checked before the batch was accepted
        let added = row.add_to(sum);
        debug_assert!(added.is_ok(), "{added:?}");
    }
}

fn custom(row: &CustomRow) -> Custom {
    let mut values = Vec::new();
    if let Some(Ok(histogram)) = row.values.as_ref().map(HistogramRow::read) {
        histogram.put_compact(&mut values);
    }
    Custom {
        kind: row.kind.clone(),
        name: run_file::cut(&row.name, NAME_MAX).to_owned(),
        count: row.count,
        sum: row.sum,
        min: row.min,
        max: row.max,
        last: row.last,
        values,
    }
}
