//! Merges one second of a run while nodes still send it, and encodes its rows afterwards.

use super::names::NAME_MAX;
use super::rows::{
    CHECKS, CORES, COUNTERS, CUSTOMS, Checks, Core, Cores, Custom, Customs, Key, NameCounts, SLOTS,
    Totals, phase_key,
};
use super::run_file;
use prost::Message;
use stats::{Histogram, Phase};
use std::collections::BTreeMap;
use wire::{CheckRow, CustomRow, HistogramRow, Kind, SecondRow};

/// The encoded rows of one closed second, by key; never changed.
#[derive(Debug, Default)]
pub(crate) struct ClosedSecond {
    /// The second.
    pub(crate) time_s: u64,
    /// Keys with the end of their bytes, in order of keys.
    directory: Vec<(Key, u32)>,
    bytes: Vec<u8>,
}

impl ClosedSecond {
    /// All rows, in order of keys.
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

/// A second that is still open.
#[derive(Debug, Default)]
pub(crate) struct SecondMerge {
    totals: Option<Totals>,
    names: BTreeMap<u32, NameMerge>,
    checks: Checks,
    cores: Cores,
    customs: Customs,
}

#[derive(Debug, Default)]
struct NameMerge {
    is_request: bool,
    counts: NameCounts,
    phases: [Option<Box<Histogram>>; Phase::COUNT],
}

impl SecondMerge {
    /// Adds a node's row; `ids` are the ids of the row's names, in its order.
    pub(crate) fn add(&mut self, node: u32, row: &SecondRow, ids: &[u32]) {
        let totals = Totals::of(row);
        match &mut self.totals {
            Some(sum) => sum.add_beside(&totals),
            None => self.totals = Some(totals),
        }
        // ids start at 1; 0 would be the sum of all
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

    /// Encodes the rows, with the sum of all requests as name 0.
    pub(crate) fn close(self, time_s: u64) -> ClosedSecond {
        let mut closed = ClosedSecond {
            time_s,
            ..ClosedSecond::default()
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
        // a second without any activity is a row too
        closed.put(COUNTERS, |bytes| {
            totals.encode_raw(bytes);
            if bytes.is_empty() {
                bytes.extend_from_slice(&[0x10, 0]);
            }
        });
        for (phase, histogram) in Phase::ALL.iter().zip(&phases) {
            put_phase(&mut closed, 0, *phase, histogram.as_ref());
        }
        closed.put_message(CUSTOMS, &self.customs);
        closed.put_message(CHECKS, &self.checks);
        closed.put_message(CORES, &self.cores);
        for (id, name) in &self.names {
            closed.put_message(id * SLOTS + COUNTERS, &name.counts);
            for (phase, histogram) in Phase::ALL.iter().zip(&name.phases) {
                put_phase(&mut closed, *id, *phase, histogram.as_deref());
            }
        }
        closed.bytes.shrink_to_fit();
        closed
    }
}

fn put_phase(closed: &mut ClosedSecond, name: u32, phase: Phase, histogram: Option<&Histogram>) {
    if let Some(histogram) = histogram.filter(|h| h.count() > 0) {
        closed.put(phase_key(name, phase), |bytes| histogram.put_compact(bytes));
    }
}

impl NameMerge {
    fn add(&mut self, row: &HistogramRow) {
        let Some(phase) = Phase::ALL.iter().find(|p| p.as_str() == row.phase) else {
            return;
        };
        let sum = self.phases[phase.index()].get_or_insert_default();
        // it was validated before the batch was accepted
        let added = sum.add_row(row);
        debug_assert!(added.is_ok(), "{added:?}");
    }
}

fn custom(row: &CustomRow) -> Custom {
    let mut values = Vec::new();
    if let Some(Ok(histogram)) = row.values.as_ref().map(Histogram::from_row) {
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
