//! What one row of the series is made of, by name: for whoever keeps or sends more than the row.

use crate::custom::CustomCounts;
use crate::kinds::Counter;
use crate::window::{CheckCounts, NameCounts, add_counts};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// All that the cores counted in one row, merged by name. Comes from
/// [`crate::Aggregator::take_detail`].
#[derive(Debug, Clone, Default)]
pub struct Detail {
    /// By the aggregator's number of the name.
    pub(crate) names: BTreeMap<u32, NameCounts>,
    pub(crate) checks: BTreeMap<u32, CheckCounts>,
    pub(crate) customs: BTreeMap<u32, CustomCounts>,
    pub(crate) counters: [u64; Counter::COUNT],
    pub(crate) lags: Vec<CoreLag>,
}

/// The lag of the requests that ended on one core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CoreLag {
    pub(crate) core: u32,
    pub(crate) p99_us: u64,
    pub(crate) max_us: u64,
}

impl Detail {
    pub(crate) fn add_name(&mut self, id: u32, counts: NameCounts) {
        match self.names.entry(id) {
            Entry::Vacant(place) => drop(place.insert(counts)),
            Entry::Occupied(mut mine) => mine.get_mut().add(&counts),
        }
    }

    pub(crate) fn add_check(&mut self, id: u32, counts: CheckCounts) {
        match self.checks.entry(id) {
            Entry::Vacant(place) => drop(place.insert(counts)),
            Entry::Occupied(mut mine) => {
                let mine = mine.get_mut();
                mine.passed += counts.passed;
                mine.failed += counts.failed;
            }
        }
    }

    pub(crate) fn add_custom(&mut self, id: u32, counts: CustomCounts) {
        match self.customs.entry(id) {
            Entry::Vacant(place) => drop(place.insert(counts)),
            Entry::Occupied(mut mine) => mine.get_mut().figures.add(&counts.figures),
        }
    }

    /// Takes in what a later window of the same row counted.
    pub(crate) fn absorb(&mut self, later: Detail) {
        for (id, counts) in later.names {
            self.add_name(id, counts);
        }
        for (id, counts) in later.checks {
            self.add_check(id, counts);
        }
        for (id, counts) in later.customs {
            self.add_custom(id, counts);
        }
        add_counts(&mut self.counters, &later.counters);
    }
}
