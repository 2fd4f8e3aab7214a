//! One window: everything one core counted in one interval, moved as a whole between threads.

use crate::custom::CustomCounts;
use crate::histogram::{Histogram, Spare};
use crate::kinds::{Counter, FailureKind, NameKind, Phase};
use crate::load_time::{EndedInLoad, LoadTime};
use crate::sample::Sample;
use std::ops::Range;
use std::sync::Arc;

/// How many different statuses of a name are counted without growing the list.
const STATUSES_EXPECTED: usize = 8;

/// What one core counted in one interval; 8 bytes to move.
///
/// Comes out of [`crate::WindowSource::pop`] and [`crate::Recorder::finish`], is read by
/// [`crate::Aggregator::add`] and goes home by [`crate::WindowSource::give_back`].
#[derive(Debug)]
pub struct Window(pub(crate) Box<Body>);

impl Window {
    /// The core that filled it.
    pub fn core(&self) -> u32 {
        self.0.core
    }

    /// The seconds it covers, counted from the start of the run; more than one when the core could
    /// not hand it over in time.
    pub fn seconds(&self) -> Range<u64> {
        self.0.first..self.0.next
    }
}

#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) core: u32,
    /// The first second covered.
    pub(crate) first: u64,
    /// The second after the last one covered.
    pub(crate) next: u64,
    /// The load was over when this window ended: the next one may be a sliver.
    pub(crate) ending: bool,
    /// A piece of a second after the load: part of the window before, no window of its own.
    pub(crate) sliver: bool,
    /// What was due on a lost core and never happened.
    pub(crate) lost: bool,
    pub(crate) names: Vec<NameCounts>,
    pub(crate) checks: Vec<CheckCounts>,
    pub(crate) customs: Vec<CustomCounts>,
    pub(crate) counts: CoreCounts,
    /// Which part of it belongs to the time of load.
    pub(crate) load: LoadTime,
    /// Turn times of the core in microseconds.
    pub(crate) turns: Histogram,
    /// Whether a name was counted under `(other)` since the start of the run.
    pub(crate) names_folded: bool,
    pub(crate) spare: Spare,
}

impl Body {
    pub(crate) fn new(core: u32) -> Self {
        let mut spare = Spare::default();
        spare.refill();
        Body {
            core,
            first: 0,
            next: 1,
            ending: false,
            sliver: false,
            lost: false,
            names: Vec::new(),
            checks: Vec::new(),
            customs: Vec::new(),
            counts: CoreCounts::default(),
            load: LoadTime::All,
            turns: Histogram::new(),
            names_folded: false,
            spare,
        }
    }

    /// Iterations that finished and that failed within the time of load.
    pub(crate) fn iterations_in_load(&self) -> (u64, u64) {
        match self.load {
            LoadTime::All => self.counts.iterations(),
            LoadTime::Until(_) => self.counts.iterations_in_load,
            LoadTime::Over => (0, 0),
        }
    }

    /// Forgets all counts, keeps names and memory; on the reporter's side of the ring.
    pub(crate) fn clear(&mut self) {
        for name in &mut self.names {
            name.clear();
        }
        for check in &mut self.checks {
            check.passed = 0;
            check.failed = 0;
        }
        for custom in &mut self.customs {
            custom.clear();
        }
        self.ending = false;
        self.counts = CoreCounts::default();
        self.load = LoadTime::All;
        self.turns.clear();
        self.spare.refill();
    }
}

/// What is counted once per core and window, whatever the name. Times in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct CoreCounts {
    pub(crate) planned: u64,
    pub(crate) started: u64,
    pub(crate) dropped: u64,
    pub(crate) iterations_finished: u64,
    pub(crate) iterations_failed: u64,
    pub(crate) iterations_unfinished: u64,
    /// Finished and failed when the load ended, set only in the window in which it did.
    pub(crate) iterations_in_load: (u64, u64),
    pub(crate) users: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) counters: [u64; Counter::COUNT],
    pub(crate) busy_ns: u64,
    pub(crate) idle_ns: u64,
    /// How long the core's thread could have run and was not let.
    pub(crate) waited_ns: u64,
    pub(crate) turn_max_ns: u64,
    /// How often this window could not be handed over when its time had come.
    pub(crate) overflows: u64,
}

impl CoreCounts {
    /// Iterations that finished and that failed.
    pub(crate) fn iterations(&self) -> (u64, u64) {
        (self.iterations_finished, self.iterations_failed)
    }
}

/// A number that goes up and down, with its range within the window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gauge {
    pub(crate) now: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
}

impl Gauge {
    pub(crate) fn set(&mut self, now: u32) {
        self.now = now;
        self.min = self.min.min(now);
        self.max = self.max.max(now);
    }

    /// A gauge for the next window, which begins where this one ends.
    pub(crate) fn carried(self) -> Self {
        Gauge {
            now: self.now,
            min: self.now,
            max: self.now,
        }
    }
}

/// Passed and failed of one check.
#[derive(Debug, Clone)]
pub(crate) struct CheckCounts {
    pub(crate) name: Arc<str>,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// What is counted of one name of a request, a transaction or a tag.
#[derive(Debug, Clone)]
pub(crate) struct NameCounts {
    pub(crate) kind: NameKind,
    pub(crate) name: Arc<str>,
    pub(crate) sent: u64,
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) unfinished: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) statuses: Statuses,
    pub(crate) failures: [u64; FailureKind::COUNT],
    /// Indexed by [`Phase`]; made when the first value comes.
    pub(crate) phases: [Option<Box<Histogram>>; Phase::COUNT],
    /// How long the unfinished ones had been due; made when the first comes.
    pub(crate) ages: Option<Box<Histogram>>,
    /// What ended within the time of load: of a window set only when the load ended in it, see
    /// [`NameCounts::ended_in`].
    pub(crate) in_load: EndedInLoad,
}

impl NameCounts {
    pub(crate) fn new(kind: NameKind, name: Arc<str>) -> Self {
        NameCounts {
            kind,
            name,
            sent: 0,
            ok: 0,
            failed: 0,
            unfinished: 0,
            bytes_in: 0,
            bytes_out: 0,
            statuses: Statuses(Vec::with_capacity(STATUSES_EXPECTED)),
            failures: [0; FailureKind::COUNT],
            phases: [const { None }; Phase::COUNT],
            ages: None,
            in_load: EndedInLoad::default(),
        }
    }

    /// What was counted so far, as ended.
    pub(crate) fn ended(&self) -> EndedInLoad {
        EndedInLoad {
            ok: self.ok,
            failed: self.failed,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
        }
    }

    /// What of a window's counts ended within the time of load.
    pub(crate) fn ended_in(&self, load: LoadTime) -> EndedInLoad {
        match load {
            LoadTime::All => self.ended(),
            LoadTime::Until(_) => self.in_load,
            LoadTime::Over => EndedInLoad::default(),
        }
    }

    /// Latency of those that ended ok: of all without the failed ones.
    pub(crate) fn latency_ok(&self) -> Histogram {
        let mut ok = self.phase(Phase::Latency).cloned().unwrap_or_default();
        if let Some(failed) = self.phase(Phase::LatencyFailed) {
            ok.subtract(failed);
        }
        ok
    }

    /// A request ended, ok or failed.
    #[inline]
    pub(crate) fn add_sample(&mut self, sample: &Sample, spare: &mut Spare) {
        self.bytes_in += sample.bytes_in;
        self.bytes_out += sample.bytes_out;
        match sample.failure {
            None => self.ok += 1,
            Some(kind) => {
                self.failed += 1;
                self.failures[kind.index()] += 1;
                self.record(Phase::LatencyFailed, sample.latency_ns, spare);
            }
        }
        if sample.status != 0 {
            self.statuses.count(sample.status, 1);
        }
        self.record(Phase::Latency, sample.latency_ns, spare);
        self.record(Phase::Lag, sample.lag_ns, spare);
        if sample.service_ns != 0 {
            self.record(Phase::ServiceTime, sample.service_ns, spare);
        }
        if sample.first_byte_ns != 0 {
            self.record(Phase::FirstByte, sample.first_byte_ns, spare);
        }
        if sample.receive_ns != 0 {
            self.record(Phase::Receive, sample.receive_ns, spare);
        }
    }

    #[inline]
    pub(crate) fn record(&mut self, phase: Phase, value_ns: u64, spare: &mut Spare) {
        let histogram = self.phases[phase.index()].get_or_insert_default();
        histogram.record_spared(value_ns / 1_000, spare);
    }

    pub(crate) fn phase(&self, phase: Phase) -> Option<&Histogram> {
        self.phases[phase.index()].as_deref()
    }

    /// One phase as [`Histogram::to_base64`] writes it.
    pub(crate) fn encoded(&self, phase: Phase) -> String {
        self.phase(phase).unwrap_or(&Histogram::new()).to_base64()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let connected = self.phase(Phase::Connect).is_some_and(|h| h.count() > 0);
        self.sent + self.ok + self.failed + self.unfinished == 0 && !connected
    }

    /// Adds all counts of `other` but those of the time of load.
    pub(crate) fn add(&mut self, other: &NameCounts) {
        self.sent += other.sent;
        self.ok += other.ok;
        self.failed += other.failed;
        self.unfinished += other.unfinished;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        for (status, n) in &other.statuses.0 {
            self.statuses.count(*status, *n);
        }
        add_counts(&mut self.failures, &other.failures);
        for (mine, theirs) in self.phases.iter_mut().zip(&other.phases) {
            if let Some(theirs) = theirs.as_deref().filter(|h| h.count() > 0) {
                mine.get_or_insert_default().add(theirs);
            }
        }
        if let Some(ages) = other.ages.as_deref().filter(|h| h.count() > 0) {
            self.ages.get_or_insert_default().add(ages);
        }
    }

    fn clear(&mut self) {
        self.sent = 0;
        self.ok = 0;
        self.failed = 0;
        self.unfinished = 0;
        self.bytes_in = 0;
        self.bytes_out = 0;
        self.statuses.0.clear();
        self.failures = [0; FailureKind::COUNT];
        for histogram in self.phases.iter_mut().chain([&mut self.ages]).flatten() {
            histogram.clear();
        }
        self.in_load = EndedInLoad::default();
    }
}

/// Adds counter arrays of one enum, member by member.
pub(crate) fn add_counts<const N: usize>(to: &mut [u64; N], from: &[u64; N]) {
    for (mine, theirs) in to.iter_mut().zip(from) {
        *mine += theirs;
    }
}

/// Counts by status, in the order they first came: a target answers with few different ones, and
/// the commonest is nearly always the first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statuses(pub(crate) Vec<(u16, u64)>);

impl Statuses {
    #[inline]
    pub(crate) fn count(&mut self, status: u16, n: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += n,
            None => self.0.push((status, n)),
        }
    }
}
