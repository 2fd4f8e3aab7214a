//! Two rows in one: what a sender does rather than drop one of them.

use super::{CheckRow, CoreRow, Count, CustomRow, HistogramRow, NameRow, SecondRow, StatusCount};

impl SecondRow {
    /// Takes in a later row of the same node: counts are summed, histograms merged, ranges
    /// widened. It then covers both and what is between them.
    pub fn absorb(&mut self, later: SecondRow) {
        let end = (later.time_s + later.seconds).max(self.time_s + self.seconds);
        let mine_s = self.seconds;
        self.seconds = end - self.time_s;
        self.warmup &= later.warmup;
        self.planned += later.planned;
        self.started += later.started;
        self.dropped += later.dropped;
        self.iterations_finished += later.iterations_finished;
        self.iterations_failed += later.iterations_failed;
        self.iterations_unfinished += later.iterations_unfinished;
        self.users_min = self.users_min.min(later.users_min);
        self.users_max = self.users_max.max(later.users_max);
        self.connections_min = self.connections_min.min(later.connections_min);
        self.connections_max = self.connections_max.max(later.connections_max);
        self.generator_limited |= later.generator_limited;
        add_cores(&mut self.gaps, &later.gaps);
        add_cores(&mut self.late, &later.late);
        add_counts(&mut self.counters, later.counters);
        for core in later.cores {
            match self.cores.iter_mut().find(|mine| mine.core == core.core) {
                Some(mine) => mine.absorb(&core, mine_s, later.seconds),
                None => self.cores.push(core),
            }
        }
        for name in later.names {
            let same = |mine: &&mut NameRow| mine.kind == name.kind && mine.name == name.name;
            match self.names.iter_mut().find(same) {
                Some(mine) => mine.absorb(name),
                None => self.names.push(name),
            }
        }
        for check in later.checks {
            let same = |mine: &&mut CheckRow| mine.name == check.name;
            match self.checks.iter_mut().find(same) {
                Some(mine) => {
                    mine.passed += check.passed;
                    mine.failed += check.failed;
                }
                None => self.checks.push(check),
            }
        }
        for custom in later.customs {
            let same = |mine: &&mut CustomRow| mine.kind == custom.kind && mine.name == custom.name;
            match self.customs.iter_mut().find(same) {
                Some(mine) => mine.absorb(custom),
                None => self.customs.push(custom),
            }
        }
    }
}

impl CoreRow {
    fn absorb(&mut self, later: &CoreRow, mine_s: u64, later_s: u64) {
        let all = (mine_s + later_s).max(1) as f32;
        let mean = |a: f32, b: f32| (a * mine_s as f32 + b * later_s as f32) / all;
        self.busy_share = mean(self.busy_share, later.busy_share);
        self.waited_share = mean(self.waited_share, later.waited_share);
        self.turn_max_us = self.turn_max_us.max(later.turn_max_us);
        self.lag_max_us = self.lag_max_us.max(later.lag_max_us);
        self.lag_p99_us = self.lag_p99_us.max(later.lag_p99_us);
        self.limited |= later.limited;
    }
}

impl NameRow {
    fn absorb(&mut self, later: NameRow) {
        self.sent += later.sent;
        self.ok += later.ok;
        self.failed += later.failed;
        self.unfinished += later.unfinished;
        self.bytes_in += later.bytes_in;
        self.bytes_out += later.bytes_out;
        for status in later.statuses {
            let same = |mine: &&mut StatusCount| mine.status == status.status;
            match self.statuses.iter_mut().find(same) {
                Some(mine) => mine.count += status.count,
                None => self.statuses.push(status),
            }
        }
        add_counts(&mut self.failures, later.failures);
        for histogram in later.histograms {
            let same = |mine: &&mut HistogramRow| mine.phase == histogram.phase;
            match self.histograms.iter_mut().find(same) {
                Some(mine) => mine.absorb(&histogram),
                None => self.histograms.push(histogram),
            }
        }
    }
}

impl CustomRow {
    fn absorb(&mut self, later: CustomRow) {
        if later.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = later;
            return;
        }
        self.count += later.count;
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.last = later.last;
        match (&mut self.values, later.values) {
            (Some(mine), Some(values)) => mine.absorb(&values),
            (mine @ None, values) => *mine = values,
            (Some(_), None) => {}
        }
    }
}

impl HistogramRow {
    /// Adds the values of another. A payload that is not a histogram counts as empty: rows are
    /// merged by the process that wrote them.
    fn absorb(&mut self, other: &HistogramRow) {
        let mut merged = self.read().unwrap_or_default();
        merged.add(&other.read().unwrap_or_default());
        *self = HistogramRow::of(&self.phase, &merged);
    }
}

fn add_cores(mine: &mut Vec<u32>, later: &[u32]) {
    mine.extend(later);
    mine.sort_unstable();
    mine.dedup();
}

fn add_counts(mine: &mut Vec<Count>, later: Vec<Count>) {
    for count in later {
        match mine.iter_mut().find(|known| known.name == count.name) {
            Some(known) => known.count += count.count,
            None => mine.push(count),
        }
    }
}
