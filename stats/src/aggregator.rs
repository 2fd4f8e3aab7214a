//! Merges the windows of all cores into a run's totals and its series of seconds.

mod so_far;

use crate::core_window::CoreWindow;
use crate::custom::{Custom, CustomCounts, CustomKind};
use crate::detail::Detail;
use crate::histogram::Histogram;
use crate::kinds::{Counter, FailureKind, Model, NameKind, Phase};
use crate::load_time::LoadTime;
use crate::names::Names;
use crate::pending::Pending;
use crate::second::{Counts, Second, share};
use crate::summary::{
    Check, Counted, Generator, GeneratorCore, NameSummary, Percentiles, Phases, Summary,
    Throughput, Totals,
};
use crate::threshold::{Closing, Judges, Threshold};
use crate::verdict::{Evidence, RunFigures};
use crate::window::{Body, CheckCounts, Gauge, NameCounts, Window, add_counts};
pub use so_far::NameSoFar;

/// Merges windows; percentiles are only ever taken from merged histograms, never averaged.
///
/// Names are merged by kind and text, so cores may know them in different orders.
#[derive(Debug)]
pub struct Aggregator {
    model: Model,
    names: Names<NameKind>,
    by_name: Vec<NameCounts>,
    check_names: Names<()>,
    checks: Vec<CheckCounts>,
    custom_names: Names<CustomKind>,
    customs: Vec<CustomCounts>,
    cores: Vec<CoreTotals>,
    counts: Counts,
    counters: [u64; Counter::COUNT],
    pending: Pending,
    series: Vec<Second>,
    evidence: Evidence,
    judges: Judges,
    /// The seconds before this one are in the series only.
    warmup_s: u64,
    /// How long the run was, as far as it is known.
    length_s: f64,
    /// The length of a run that has ended.
    ended_s: Option<f64>,
    /// When the last core had carried its load, as far as cores have; from the start of the run.
    load_end_ns: Option<u64>,
    names_folded: bool,
}

/// What is known of one core.
#[derive(Debug, Default)]
struct CoreTotals {
    /// The core's name numbers to ours; grows as the core learns names.
    names: Vec<u32>,
    checks: Vec<u32>,
    customs: Vec<u32>,
    turns: Histogram,
    busy_ns: u64,
    idle_ns: u64,
    turn_max_ns: u64,
    overflows: u64,
    /// Arrivals it met, those of the warm-up included.
    planned: u64,
    /// The second after the last one it delivered.
    delivered_to: u64,
    /// Users it had at the end of its last window.
    users: Gauge,
}

impl Aggregator {
    /// For `cores` recorders, numbered from 0, of a run with this model of load.
    pub fn new(cores: usize, model: Model) -> Self {
        Aggregator {
            model,
            names: Names::new(),
            by_name: Vec::new(),
            check_names: Names::new(),
            checks: Vec::new(),
            custom_names: Names::new(),
            customs: Vec::new(),
            cores: (0..cores).map(|_| CoreTotals::default()).collect(),
            counts: Counts::default(),
            counters: [0; Counter::COUNT],
            pending: Pending::new(cores),
            series: Vec::new(),
            evidence: Evidence::new(model),
            judges: Judges::default(),
            warmup_s: 0,
            length_s: 0.0,
            ended_s: None,
            load_end_ns: None,
            names_folded: false,
        }
    }

    /// The same with thresholds. The plan asks for load until `planned_s`: what happens after it
    /// is no matter of rates and arrivals.
    #[must_use]
    pub fn with_thresholds(mut self, thresholds: Vec<Threshold>, planned_s: u64) -> Self {
        self.judges = Judges::new(thresholds, planned_s);
        self
    }

    /// The same with a warm-up: what happens before the second `warmup_s` is in the series, but in
    /// no total, threshold or verdict. Requests that are under way at its end count as sent after
    /// it.
    #[must_use]
    pub fn with_warmup(mut self, warmup_s: u64) -> Self {
        self.warmup_s = warmup_s;
        self.judges.set_warmup(warmup_s);
        self
    }

    /// The same with every row kept by name until the next one is closed
    /// ([`Aggregator::take_detail`]). Without this nothing of it is paid for.
    #[must_use]
    pub fn with_detail(mut self) -> Self {
        self.pending.detailed = true;
        self
    }

    /// What the row that was closed last is made of; once, and only
    /// [`with detail`](Aggregator::with_detail).
    pub fn take_detail(&mut self) -> Option<Detail> {
        self.pending.detail.take()
    }

    /// The text of a threshold that was missed and wants the run to end; each is told once.
    pub fn take_abort(&mut self) -> Option<String> {
        self.judges.take_abort()
    }

    /// Index and text of the thresholds missed so far. One without `over` is judged over the whole
    /// run, so unless it has `abort` it is missed at the end at the earliest, and not listed here.
    pub fn missed_thresholds(&self) -> impl Iterator<Item = (usize, &str)> {
        self.judges.missed()
    }

    /// How long the run was in all, drain included. Told before the last seconds are taken, the
    /// piece of a second at its end is known as one.
    pub fn set_length(&mut self, length_s: f64) {
        self.length_s = length_s;
        self.ended_s = Some(length_s);
    }

    /// Adds one window. Those of one core must come in the order the core filled them.
    pub fn add(&mut self, window: &Window) {
        let body = &*window.0;
        self.learn_names(body);
        if let LoadTime::Until(at_ns) = body.load {
            self.load_end_ns = self.load_end_ns.max(Some(at_ns));
        }
        let core = &mut self.cores[body.core as usize];
        core.planned += body.counts.planned;
        core.delivered_to = body.next;
        core.users = body.counts.users;
        let mut core_window = CoreWindow::of(body);
        if body.first < self.warmup_s {
            self.carry_over(body);
        } else {
            self.add_names(body);
            self.add_core(body);
            self.judges.add(body);
            self.counts.add(&core_window.counts);
            core_window.limited = self.evidence.judge(&core_window);
        }
        if self.pending.detailed {
            core_window.detail = Some(Box::new(self.detail(body)));
        }
        self.pending.push(core_window);
    }

    /// A core stopped before its load was over, and its last window is lost: `planned` arrivals were
    /// to be its own by the end of the load, `planned_measured` of them after the warm-up. Comes
    /// after the last window of every other core.
    ///
    /// Those that it had not met count as planned and dropped. Requests that were under way in its
    /// last window, and its users, count as unfinished: what it did afterwards nobody knows.
    pub fn lose(&mut self, core: u32, planned: u64, planned_measured: u64) {
        let Some(lost) = self.cores.get(core as usize) else {
            return;
        };
        let missing = planned.saturating_sub(lost.planned).min(planned_measured);
        let mut body = Body::new(core);
        body.first = lost.delivered_to.max(self.warmup_s);
        body.next = body.first + 1;
        body.sliver = body.first > 0;
        body.lost = true;
        body.counts.planned = missing;
        body.counts.dropped = missing;
        body.counts.iterations_unfinished = u64::from(lost.users.now);
        for id in &lost.names {
            let known = &self.by_name[*id as usize];
            let mut name = NameCounts::new(known.kind, known.name.clone());
            let ended = known.ok + known.failed + known.unfinished;
            name.unfinished = known.sent.wrapping_sub(ended);
            body.names.push(name);
        }
        self.add(&Window(Box::new(body)));
    }

    /// All of a window, under the numbers and names of the run.
    fn detail(&self, body: &Body) -> Detail {
        let core = &self.cores[body.core as usize];
        let mut detail = Detail {
            counters: body.counts.counters,
            ..Detail::default()
        };
        let names = body.names.iter().zip(&core.names);
        for (counts, id) in names.filter(|(counts, _)| !counts.is_empty()) {
            let mut counts = counts.clone();
            counts.name.clone_from(&self.by_name[*id as usize].name);
            detail.add_name(*id, counts);
        }
        let checks = body.checks.iter().zip(&core.checks);
        for (counts, id) in checks.filter(|(c, _)| c.passed + c.failed > 0) {
            let mut counts = counts.clone();
            counts.name.clone_from(&self.checks[*id as usize].name);
            detail.add_check(*id, counts);
        }
        let customs = body.customs.iter().zip(&core.customs);
        for (counts, id) in customs.filter(|(counts, _)| counts.figures.count > 0) {
            let mut counts = counts.clone();
            counts.name.clone_from(&self.customs[*id as usize].name);
            detail.add_custom(*id, counts);
        }
        detail
    }

    /// In second `second` of the run the hypervisor gave this share of the processor of `core` to
    /// others.
    pub fn stolen(&mut self, core: u32, second: u64, part: f64) {
        if second >= self.warmup_s {
            self.evidence.stolen(core, second, part);
        }
    }

    /// In second `second` of the run a CPU quota stopped this process in `throttled` of `periods`
    /// periods of the quota.
    pub fn throttled(&mut self, second: u64, throttled: u64, periods: u64) {
        if second >= self.warmup_s {
            self.evidence.throttled(second, throttled, periods);
        }
    }

    fn learn_names(&mut self, body: &Body) {
        let index = body.core as usize;
        if index >= self.cores.len() {
            self.cores.resize_with(index + 1, CoreTotals::default);
        }
        let core = &mut self.cores[index];
        for name in &body.names[core.names.len().min(body.names.len())..] {
            core.names.push(self.names.intern(name.kind, &name.name));
        }
        for check in &body.checks[core.checks.len().min(body.checks.len())..] {
            core.checks.push(self.check_names.intern((), &check.name));
        }
        for custom in &body.customs[core.customs.len().min(body.customs.len())..] {
            let id = self.custom_names.intern(custom.kind, &custom.name);
            core.customs.push(id);
        }
        for (kind, name) in &self.custom_names.list()[self.customs.len()..] {
            self.customs.push(CustomCounts::new(*kind, name.clone()));
        }
        for (kind, name) in &self.names.list()[self.by_name.len()..] {
            self.by_name.push(NameCounts::new(*kind, name.clone()));
        }
        for ((), name) in &self.check_names.list()[self.checks.len()..] {
            self.checks.push(CheckCounts {
                name: name.clone(),
                passed: 0,
                failed: 0,
            });
        }
        self.names_folded |= self.custom_names.folded();
        self.names_folded |= body.names_folded || self.names.folded() || self.check_names.folded();
    }

    fn add_names(&mut self, body: &Body) {
        let core = &self.cores[body.core as usize];
        for (counts, id) in body
            .names
            .iter()
            .zip(&core.names)
            .filter(|(n, _)| !n.is_empty())
        {
            let name = &mut self.by_name[*id as usize];
            name.add(counts);
            name.in_load.add(counts.ended_in(body.load));
        }
        for (counts, id) in body.checks.iter().zip(&core.checks) {
            let check = &mut self.checks[*id as usize];
            check.passed += counts.passed;
            check.failed += counts.failed;
        }
        for (counts, id) in body.customs.iter().zip(&core.customs) {
            let custom = &mut self.customs[*id as usize];
            custom.figures.add(&counts.figures);
            custom.in_load.add(counts.added_in(body.load));
        }
    }

    /// Of a window of the warm-up only the requests count that it leaves under way: fewer than
    /// none when it ends more than it sends.
    fn carry_over(&mut self, body: &Body) {
        let core = &self.cores[body.core as usize];
        for (counts, id) in body.names.iter().zip(&core.names) {
            let ended = counts.ok + counts.failed + counts.unfinished;
            let left = counts.sent.wrapping_sub(ended);
            let name = &mut self.by_name[*id as usize];
            name.sent = name.sent.wrapping_add(left);
            if counts.kind == NameKind::Request {
                self.counts.sent = self.counts.sent.wrapping_add(left);
            }
        }
    }

    fn add_core(&mut self, body: &Body) {
        let counts = &body.counts;
        add_counts(&mut self.counters, &counts.counters);
        let core = &mut self.cores[body.core as usize];
        core.turns.add(&body.turns);
        core.busy_ns += counts.busy_ns;
        core.idle_ns += counts.idle_ns;
        core.turn_max_ns = core.turn_max_ns.max(counts.turn_max_ns);
        core.overflows += counts.overflows;
    }

    /// The next second for which every core has delivered, merged over cores.
    pub fn take_ready(&mut self) -> Option<Second> {
        let second = self.pending.take_ready();
        self.keep(second)
    }

    /// As [`Aggregator::take_ready`], but a second that begins before `until` (in seconds from the
    /// start of the run) is closed even when cores are missing in it. They are listed as gaps, and
    /// what they deliver later becomes part of a later row, so that the rows always add up.
    pub fn take_late(&mut self, until: u64) -> Option<Second> {
        let second = self.pending.take_late(until);
        self.keep(second)
    }

    /// The next second when no core will deliver any more.
    pub fn take_rest(&mut self) -> Option<Second> {
        let second = self.pending.take_rest();
        self.keep(second)
    }

    fn keep(&mut self, mut second: Option<Second>) -> Option<Second> {
        if let Some(second) = &mut second {
            second.warmup = second.time_s < self.warmup_s;
            let end = second.time_s + second.seconds;
            self.length_s = self.ended_s.unwrap_or(self.length_s.max(end as f64));
            self.judges.close(&Closing {
                end,
                is_piece: self.ended_s.is_some_and(|ended_s| ended_s < end as f64),
                load_end_s: self.load_end_s(),
            });
            self.series.push(second.clone());
        }
        second
    }

    /// What was counted so far, over all windows added.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The run so far; of the whole run when all windows were added and all seconds taken.
    pub fn summary(&self) -> Summary {
        let merged = self.merged_requests();
        let totals = self.totals();
        let figures = RunFigures {
            counts: &self.counts,
            latency: merged.phase(Phase::Latency),
            lag: merged.phase(Phase::Lag),
        };
        Summary {
            model: self.model,
            verdict: self.evidence.verdict(&figures),
            totals,
            throughput: Throughput::of(merged.in_load, self.load_s()),
            phases: Phases::of(|phase| merged.phase(phase)),
            status: merged.statuses.0.iter().copied().collect(),
            failures: Counted::of(FailureKind::ALL, FailureKind::as_str, &merged.failures),
            events: Counted::of(Counter::ALL, Counter::as_str, &self.counters),
            histogram: merged.latency_ok().to_base64(),
            histogram_failed: merged.encoded(Phase::LatencyFailed),
            checks: self.check_summaries(),
            metrics: self.custom_summaries(),
            thresholds: self.judges.outcomes(self.load_s()),
            names: self.name_summaries(),
            names_folded: self.names_folded,
            generator: self.generator(),
            series: self.series.clone(),
        }
    }

    /// When the load ended, in seconds from the start of the run, as far as cores have told.
    fn load_end_s(&self) -> Option<f64> {
        self.load_end_ns.map(|at_ns| at_ns as f64 / 1e9)
    }

    /// How long the load lasted, without its warm-up: so far, while no core has ended it.
    fn load_s(&self) -> f64 {
        let end_s = self.load_end_s().unwrap_or(self.length_s);
        (end_s - self.warmup_s as f64).max(0.0)
    }

    /// All request names in one.
    fn merged_requests(&self) -> NameCounts {
        let mut merged = NameCounts::new(NameKind::Request, "".into());
        for name in self.by_name.iter().filter(|n| n.kind == NameKind::Request) {
            merged.add(name);
            merged.in_load.add(name.in_load);
        }
        merged
    }

    fn totals(&self) -> Totals {
        let measured = || self.series.iter().filter(|second| !second.warmup);
        let users_max = measured().map(|s| s.users.max).max().unwrap_or(0);
        let connections = measured().map(|s| s.connections.max);
        let connections_max = connections.max().unwrap_or(0);
        Totals {
            counts: self.counts.clone(),
            users_max,
            connections: self.counters[Counter::ConnectionOpened.index()],
            connections_max,
        }
    }

    fn check_summaries(&self) -> Vec<Check> {
        let made = self.checks.iter().filter(|c| c.passed + c.failed > 0);
        let mut checks: Vec<Check> = made
            .map(|c| Check {
                name: c.name.to_string(),
                passed: c.passed,
                failed: c.failed,
            })
            .collect();
        checks.sort_by(|a, b| a.name.cmp(&b.name));
        checks
    }

    fn custom_summaries(&self) -> Vec<Custom> {
        let used = self.customs.iter().filter(|one| one.figures.count > 0);
        let mut customs: Vec<Custom> = used.map(|one| Custom::of(one, self.load_s())).collect();
        customs.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        customs
    }

    fn name_summaries(&self) -> Vec<NameSummary> {
        let used = self.by_name.iter().filter(|n| !n.is_empty());
        let mut names: Vec<NameSummary> = used.map(|n| NameSummary::of(n, self.load_s())).collect();
        names.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        names
    }

    fn generator(&self) -> Generator {
        let cores = (0..).zip(&self.cores).map(|(core, figures)| GeneratorCore {
            node: None,
            core,
            busy_share: share(figures.busy_ns, figures.busy_ns + figures.idle_ns),
            turns: Percentiles::of(&figures.turns),
            turn_max_us: figures.turn_max_ns / 1_000,
            overflows: figures.overflows,
        });
        Generator {
            cores: cores.collect(),
        }
    }
}
