//! The recorder of one core: counts into its window, hands it over, never waits.

use crate::custom::{CustomCounts, CustomKind};
use crate::histogram::Spare;
use crate::kinds::{Counter, NameKind, Phase};
use crate::link::{WindowRings, WindowSource};
use crate::load_time::LoadTime;
use crate::names::{self, NameFilter, Names};
use crate::sample::Sample;
use crate::tags::{Tag, TagSets, TagsId};
use crate::window::{Body, CheckCounts, NameCounts, Window};
use std::time::Duration;

/// A last window of less than this is a sliver.
const SLIVER_NS: u64 = 100_000_000;

/// A request or transaction name of one recorder, with the tags of the request; means nothing to
/// another recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameId {
    index: u32,
    tags: TagsId,
}

impl NameId {
    /// The name of a request that has these tags.
    #[must_use]
    #[inline]
    pub fn with_tags(self, tags: TagsId) -> NameId {
        NameId { tags, ..self }
    }

    /// The tags of the request.
    pub fn tags(self) -> TagsId {
        self.tags
    }
}

/// A check name of one recorder; means nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CheckId(u32);

/// A metric of a script's own, of one recorder; means nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CustomId(u32);

/// Counts everything that happens on one core. Made by [`Recorder::link`].
///
/// Takes no locks. Allocates for a new name, for the first value of a phase of a name, and, when
/// the supply that comes with each window is used up, for the first value in a new region of a
/// histogram; never otherwise. Ids of another recorder are a bug: they panic or count elsewhere.
#[derive(Debug)]
pub struct Recorder {
    window: Box<Body>,
    names: Names<NameKind>,
    tags: TagSets,
    checks: Names<()>,
    customs: Names<CustomKind>,
    exchange: WindowRings,
    /// The time of load is over: windows to come hold nothing of it.
    is_load_over: bool,
}

impl Recorder {
    /// How many different names a run keeps apart, requests and transactions together; tags, checks
    /// and metrics of the scripts' own each have the same bound of their own.
    pub const NAMES_MAX: usize = names::NAMES_MAX;
    /// What names beyond [`Recorder::NAMES_MAX`] are counted under.
    pub const OTHER: &str = names::OTHER;

    /// Makes the recorder of core `core` and the end from which its windows are taken.
    ///
    /// `windows_in_flight` (at least 1) windows can be under way or unread while the core fills
    /// another; with windows of 1 s, that many seconds the reporter may sleep before windows grow.
    pub fn link(core: u32, windows_in_flight: usize) -> (Recorder, WindowSource) {
        let (rings, source) = WindowRings::with_source(core, windows_in_flight);
        (Recorder::new(Box::new(Body::new(core)), rings), source)
    }

    fn new(window: Box<Body>, exchange: WindowRings) -> Self {
        Recorder {
            window,
            names: Names::new(),
            tags: TagSets::new(),
            checks: Names::new(),
            customs: Names::new(),
            exchange,
            is_load_over: false,
        }
    }

    /// From now on new names of every kind are recorded as `filter` makes them; it is asked once
    /// for each.
    pub fn filter_names(&mut self, filter: impl Fn(&str) -> String + Send + Sync + 'static) {
        let filter = NameFilter::new(filter);
        self.names.set_filter(filter.clone());
        self.checks.set_filter(filter.clone());
        self.customs.set_filter(filter);
    }

    /// The id of a request name; beyond [`Recorder::NAMES_MAX`] names that of `(other)`.
    pub fn request_name(&mut self, name: &str) -> NameId {
        self.name(NameKind::Request, name)
    }

    /// The id of a transaction name; beyond [`Recorder::NAMES_MAX`] names that of `(other)`.
    pub fn transaction_name(&mut self, name: &str) -> NameId {
        self.name(NameKind::Transaction, name)
    }

    fn name(&mut self, kind: NameKind, name: &str) -> NameId {
        let index = self.names.intern(kind, name);
        self.align();
        NameId {
            index,
            tags: TagsId::default(),
        }
    }

    /// The id of the tags `own`, in the order of their keys, and of those of `around` that have
    /// other keys. Beyond [`Self::NAMES_MAX`] different tags, and 20 000 different sets of them,
    /// further ones are `(other)`.
    pub fn tags(&mut self, around: TagsId, own: &[Tag]) -> TagsId {
        if own.is_empty() {
            return around;
        }
        let tags = self.tags.merged(around, own);
        if let Some(id) = self.tags.find(&tags) {
            return id;
        }
        let id = if self.tags.is_full() {
            self.tags.other(self.names.other(NameKind::Tag))
        } else {
            let names = tags.iter().map(|(key, value)| {
                let name = format!("{key}:{value}");
                self.names.intern(NameKind::Tag, &name)
            });
            let names = names.collect();
            self.tags.add(tags.into_owned(), names)
        };
        self.align();
        id
    }

    /// The tags behind an id, in the order of their keys; none of `(other)`.
    pub fn tags_of(&self, id: TagsId) -> &[Tag] {
        self.tags.tags(id)
    }

    /// The id of a check name; beyond [`Recorder::NAMES_MAX`] checks that of `(other)`.
    pub fn check_name(&mut self, name: &str) -> CheckId {
        let id = self.checks.intern((), name);
        self.align();
        CheckId(id)
    }

    /// The id of a metric of a script's own; beyond [`Self::NAMES_MAX`] of them that of `(other)`
    /// of its kind.
    pub fn custom_name(&mut self, kind: CustomKind, name: &str) -> CustomId {
        let id = self.customs.intern(kind, name);
        self.align();
        CustomId(id)
    }

    /// Gives the current window a place for every name, so that ids can be used as indices.
    fn align(&mut self) {
        let Body {
            names,
            checks,
            customs,
            names_folded,
            ..
        } = &mut *self.window;
        for (kind, name) in &self.names.list()[names.len()..] {
            names.push(NameCounts::new(*kind, name.clone()));
        }
        for ((), name) in &self.checks.list()[checks.len()..] {
            checks.push(CheckCounts {
                name: name.clone(),
                passed: 0,
                failed: 0,
            });
        }
        for (kind, name) in &self.customs.list()[customs.len()..] {
            customs.push(CustomCounts::new(*kind, name.clone()));
        }
        let folded = [self.names.folded(), self.checks.folded()];
        *names_folded = folded.contains(&true) || self.customs.folded();
    }

    /// Counts something of a request under its name and its tags.
    #[inline]
    fn count_request(&mut self, id: NameId, mut count: impl FnMut(&mut NameCounts, &mut Spare)) {
        let Body { names, spare, .. } = &mut *self.window;
        count(&mut names[id.index as usize], spare);
        if !id.tags.is_none() {
            count_tags(self.tags.names(id.tags), names, spare, count);
        }
    }

    /// A request was issued. It must end in [`Recorder::request`] or
    /// [`Recorder::request_unfinished`], once.
    #[inline]
    pub fn sent(&mut self, id: NameId) {
        self.count_request(id, |name, _| name.sent += 1);
    }

    /// A request ended, ok or failed.
    #[inline]
    pub fn request(&mut self, id: NameId, sample: &Sample) {
        self.count_request(id, |name, spare| name.add_sample(sample, spare));
    }

    /// A request was still under way when the run ended, `age_ns` after it was due.
    pub fn request_unfinished(&mut self, id: NameId, age_ns: u64) {
        self.count_request(id, |name, spare| {
            name.unfinished += 1;
            let ages = name.ages.get_or_insert_default();
            ages.record_spared(age_ns / 1_000, spare);
        });
    }

    /// What the plan asks for is over on this core, `at_ns` after the start of the run: what ends
    /// from here on belongs to the drain and to no rate. Only the first call counts.
    pub fn load_ended(&mut self, at_ns: u64) {
        if std::mem::replace(&mut self.is_load_over, true) {
            return;
        }
        let Body {
            names,
            customs,
            counts,
            load,
            ..
        } = &mut *self.window;
        *load = LoadTime::Until(at_ns);
        counts.iterations_in_load = counts.iterations();
        names
            .iter_mut()
            .for_each(|name| name.in_load = name.ended());
        customs.iter_mut().for_each(|one| one.in_load = one.added());
    }

    /// A transaction ended, after `latency_ns` since it began. Counts as sent, too.
    pub fn transaction(&mut self, id: NameId, latency_ns: u64, ok: bool) {
        let Body { names, spare, .. } = &mut *self.window;
        let name = &mut names[id.index as usize];
        name.sent += 1;
        name.record(Phase::Latency, latency_ns, spare);
        if ok {
            name.ok += 1;
        } else {
            name.failed += 1;
            name.record(Phase::LatencyFailed, latency_ns, spare);
        }
    }

    /// A connection for a request of this name was made in `connect_ns`.
    pub fn connected(&mut self, id: NameId, connect_ns: u64) {
        self.part(id, Phase::Connect, connect_ns);
    }

    /// A part of a request of this name, of those that not every request has, took `took_ns`.
    pub fn part(&mut self, id: NameId, phase: Phase, took_ns: u64) {
        self.count_request(id, |name, spare| name.record(phase, took_ns, spare));
    }

    /// The TLS handshake of a connection for a request of this name took `tls_ns`.
    pub fn secured(&mut self, id: NameId, tls_ns: u64, resumed: bool) {
        let counter = if resumed {
            Counter::TlsResumed
        } else {
            Counter::TlsFull
        };
        self.count(counter, 1);
        self.part(id, Phase::Tls, tls_ns);
    }

    /// A check was made.
    pub fn check(&mut self, id: CheckId, passed: bool) {
        let check = &mut self.window.checks[id.0 as usize];
        if passed {
            check.passed += 1;
        } else {
            check.failed += 1;
        }
    }

    /// A value of a metric of a script's own: finite, of trends not negative, of rates 0 or 1.
    pub fn custom(&mut self, id: CustomId, value: f64) {
        let Body { customs, spare, .. } = &mut *self.window;
        customs[id.0 as usize].record(value, spare);
    }

    /// `n` arrivals of the plan came due; each must be started or dropped.
    pub fn arrivals_planned(&mut self, n: u64) {
        self.window.counts.planned += n;
    }

    /// A planned arrival became a user.
    pub fn arrival_started(&mut self) {
        self.window.counts.started += 1;
    }

    /// A planned arrival found the cap on users reached.
    pub fn arrival_dropped(&mut self) {
        self.window.counts.dropped += 1;
    }

    /// A user went through its scenario to the end.
    pub fn iteration_finished(&mut self) {
        self.window.counts.iterations_finished += 1;
    }

    /// A scenario ended with an error.
    pub fn iteration_failed(&mut self) {
        self.window.counts.iterations_failed += 1;
    }

    /// A scenario was still under way when the run ended.
    pub fn iteration_unfinished(&mut self) {
        self.window.counts.iterations_unfinished += 1;
    }

    /// How many users this core has now.
    pub fn users(&mut self, now: u32) {
        self.window.counts.users.set(now);
    }

    /// How many connections this core has now.
    pub fn connections(&mut self, now: u32) {
        self.window.counts.connections.set(now);
    }

    /// `n` more of something.
    #[inline]
    pub fn count(&mut self, counter: Counter, n: u64) {
        self.window.counts.counters[counter.index()] += n;
    }

    /// One turn of the core took `busy_ns` from the end of a wait to the beginning of the next.
    #[inline]
    pub fn turn(&mut self, busy_ns: u64) {
        let Body {
            counts,
            turns,
            spare,
            ..
        } = &mut *self.window;
        counts.turn_max_ns = counts.turn_max_ns.max(busy_ns);
        turns.record_spared(busy_ns / 1_000, spare);
    }

    /// Of the last `wall_ns` the core's thread used the processor for `busy_ns`, user and system.
    /// Both are of the same interval; what clocks that are read one after the other say beyond it
    /// is left out.
    pub fn processor(&mut self, busy_ns: u64, wall_ns: u64) {
        let busy_ns = busy_ns.min(wall_ns);
        self.window.counts.busy_ns += busy_ns;
        self.window.counts.idle_ns += wall_ns.saturating_sub(busy_ns);
    }

    /// For `waited_ns` of the time told to [`Recorder::processor`] the core's thread could have run,
    /// but others had its processor. At most the time in which it did not run.
    pub fn waited(&mut self, waited_ns: u64) {
        let counts = &mut self.window.counts;
        counts.waited_ns = (counts.waited_ns + waited_ns).min(counts.idle_ns);
    }

    /// How many requests of the current window have ended.
    pub fn requests_ended(&self) -> u64 {
        let names = self.window.names.iter();
        let requests = names.filter(|name| name.kind == NameKind::Request);
        requests.map(|name| name.ok + name.failed).sum()
    }

    /// The text behind an id.
    pub fn text(&self, id: NameId) -> &str {
        &self.names.list()[id.index as usize].1
    }

    /// The second `next` of the run begins: hands the filled window over and goes on with an
    /// emptied one. A second at or before the current one is ignored.
    ///
    /// Never waits: when no emptied window is back, or the ring is full, the same window goes on
    /// and covers one more second, and the overflow is counted.
    pub fn roll(&mut self, next: u64) {
        if next <= self.window.first {
            return;
        }
        self.window.next = next;
        self.window.ending = false;
        self.hand_over(next);
    }

    /// As [`Recorder::roll`], when the load is over: a rest of less than a second may follow.
    pub fn roll_ending(&mut self, next: u64) {
        if next <= self.window.first {
            return;
        }
        self.window.next = next;
        self.window.ending = true;
        self.hand_over(next);
    }

    fn hand_over(&mut self, next: u64) {
        match self.exchange.swap(&mut self.window) {
            Ok(()) => {
                self.window.first = next;
                self.window.next = next + 1;
                if self.is_load_over {
                    self.window.load = LoadTime::Over;
                }
                self.align();
            }
            Err(()) => {
                self.window.counts.overflows += 1;
                self.window.next = next + 1;
            }
        }
    }

    /// The last window, by value; the others have gone through the ring.
    pub fn finish(self) -> Window {
        Window(self.window)
    }

    /// The last window of a load that ended `load_end` after its start. When the window began after
    /// that, or holds less than a tenth of a second, it becomes part of the window before it: rates
    /// and shares of such a sliver say nothing.
    pub fn finish_after(mut self, load_end: Duration) -> Window {
        let window = &mut *self.window;
        let length_ns = window.counts.busy_ns + window.counts.idle_ns;
        let is_after = Duration::from_secs(window.first) >= load_end;
        window.sliver = window.first > 0 && (is_after || length_ns < SLIVER_NS);
        Window(self.window)
    }
}

/// Counts something of a request under its tags.
#[cold]
#[inline(never)]
fn count_tags(
    tags: &[u32],
    names: &mut [NameCounts],
    spare: &mut Spare,
    mut count: impl FnMut(&mut NameCounts, &mut Spare),
) {
    for index in tags {
        count(&mut names[*index as usize], spare);
    }
}
