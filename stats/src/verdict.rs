//! The verdict about the generator itself: was it, and not the target, the limit?
//!
//! Every core's every window is judged by itself, so that one blocked core among many is seen.
//! Two kinds of evidence must not be confused. Lag is harm done: requests went out late, and that
//! time is part of the latency shown. A busy core is only a risk: a closed run at full speed keeps
//! its cores busy all the time and is right. So lag is judged against the latency it is part of,
//! and a busy core only together with lag.

mod remarks;

use crate::core_window::CoreWindow;
use crate::histogram::Histogram;
use crate::kinds::{FailureKind, Model, closed_enum};
use crate::second::{Counts, share};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A turn at least this long means that the core was blocked: users' timers and replies waited.
/// Four times a scheduler hiccup of a shared machine, half of the shortest block that a person
/// would call one.
const TURN_BLOCKED_MS: u64 = 100;
/// A window whose lag reaches this at the 99th percentile, and makes up [`LAG_MAIN_SHARE`] of its
/// latency there, was shaped by the generator. Above the single hiccups (some tens of ms) of a
/// correct generator on a shared machine.
const LAG_BLOCKED_MS: u64 = 50;
/// A smaller lag at the 99th percentile that counts when it comes back in window after window.
const LAG_REPEATED_MS: u64 = 10;
/// [`LAG_REPEATED_MS`] counts when it is found in more than this share of a run's windows ...
const REPEATED_SHARE: f64 = 0.1;
/// ... and in at least this many, or in all of a run that has fewer.
const REPEATED_WINDOWS_MIN: u64 = 3;
/// A median lag over the run that counts when it makes up [`LAG_MAIN_SHARE`] of the median latency.
const LAG_TYPICAL_US: u64 = 1_000;
/// A lag at the 99th percentile of the run that counts when it makes up [`LAG_TAIL_SHARE`] of the
/// latency there. In runs of [`LAG_TAIL_LONG_RUN`] windows or more it has to be found in
/// [`REPEATED_WINDOWS_MIN`] of them, too. What is less is a note.
const LAG_TAIL_US: u64 = 2_000;
/// From this many core windows on a single hiccup is not taken for the tail of the run.
const LAG_TAIL_LONG_RUN: u64 = 20;
/// The share of a percentile that is no longer a detail: a reader would plan by the difference.
const LAG_TAIL_SHARE: f64 = 0.1;
/// The share of the latency from which lag is the main part of it.
const LAG_MAIN_SHARE: f64 = 0.5;
/// A core whose thread uses the processor at least this share of the time has no room left.
const BUSY_FULL_SHARE: f64 = 0.95;
/// With arrivals to keep to, a full core is the limit when its lag at the 99th percentile reaches
/// this ...
const LAG_BUSY_US: u64 = 2_000;
/// ... and is this share of its latency there.
const LAG_BUSY_SHARE: f64 = 0.25;
/// A core that waits for its processor at least this share of a window measures the other
/// programs there, too: replies lie unread while they run. An idle machine has about 1 %, a
/// neighbour that computes without a pause takes 16 % from a core that uses a tenth of its
/// processor, and 50 % from a full one.
const WAITED_SHARE: f64 = 0.1;
/// The same for time that the hypervisor gave to other machines.
const STOLEN_SHARE: f64 = 0.05;
/// A CPU quota that stops the generator in at least this share of the quota's periods in a second
/// (most often 100 ms each) delays what was due in them.
const THROTTLED_SHARE: f64 = 0.05;
/// All three count when they are found in at least this share of the windows, and in
/// [`REPEATED_WINDOWS_MIN`] or all of a run that has fewer.
const TAKEN_WINDOWS_SHARE: f64 = 0.05;
/// A run gets the note that its cores were full when they were in this share of the time.
const BUSY_NOTE_SHARE: f64 = 0.5;

/// What to think of the run as a measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictState {
    /// Nothing speaks against it.
    Clean,
    /// The generator shaped part of what was measured.
    Suspect,
    /// The figures contradict each other.
    Invalid,
    /// Not known before the end of the run: null in JSON.
    #[default]
    #[serde(untagged)]
    Open,
}

impl VerdictState {
    /// The state of a word; open for any other.
    pub fn named(word: &str) -> Self {
        let all = [Self::Clean, Self::Suspect, Self::Invalid];
        let found = all.into_iter().find(|one| one.as_str() == word);
        found.unwrap_or_default()
    }

    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            VerdictState::Open => "open",
            VerdictState::Clean => "clean",
            VerdictState::Suspect => "suspect",
            VerdictState::Invalid => "invalid",
        }
    }
}

/// The judgement and what it rests on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Clean when there are no reasons.
    pub state: VerdictState,
    /// What speaks against the run.
    pub reasons: Vec<Reason>,
    /// What a reader should know though it speaks against nothing.
    pub notes: Vec<Reason>,
}

closed_enum! {
    /// What a reason is about.
    ReasonKind {
        /// A sum that must hold does not.
        Conservation => "conservation",
        /// Arrivals found the cap on users reached.
        ArrivalsDropped => "arrivals_dropped",
        /// A core was lost, and with it the rest of its arrivals.
        CoreLost => "core_lost",
        /// Nodes were lost, and with them the rest of their part of the load.
        NodesLost => "nodes_lost",
        /// A core was blocked by a single turn.
        CoreBlocked => "core_blocked",
        /// Requests of a window went out late.
        LagBlocked => "lag_blocked",
        /// Requests went out late in window after window.
        LagRepeated => "lag_repeated",
        /// Half of all requests went out late.
        LagTypical => "lag_typical",
        /// Lag is a good part of the latency of the slowest requests.
        LagTail => "lag_tail",
        /// A core was full and late at the same time.
        CoreBusy => "core_busy",
        /// Other programs had the cores' processors.
        CoreShared => "core_shared",
        /// A CPU quota stopped the generator.
        CpuQuota => "cpu_quota",
        /// The hypervisor gave the cores' processors to other machines.
        TimeStolen => "time_stolen",
        /// Windows were handed over late, so rows of the series are coarse.
        RingOverflow => "ring_overflow",
        /// File descriptors ran out.
        Descriptors => "descriptors",
        /// Local ports ran out.
        PortsExhausted => "ports_exhausted",
        /// A note: closed users kept the cores full.
        CoresFull => "cores_full",
        /// A note: the target runs on the generator's machine.
        TargetShared => "target_shared",
        /// An error ended the run, and part of its figures are missing.
        RunFailed => "run_failed",
    }
}

/// One thing found, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What it is about.
    pub kind: ReasonKind,
    /// One sentence with its figures.
    pub text: String,
    /// The seconds of the run it was found in; empty when it is about the run as a whole.
    pub windows: Vec<(u64, u64)>,
    /// The cores it was found on; empty when it is about all.
    pub cores: Vec<u32>,
    /// The node it was found on; only in runs of several nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
}

/// Seconds as ranges, first and last of each.
fn spans(seconds: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for second in seconds {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *second => *last = *second,
            _ => spans.push((*second, *second)),
        }
    }
    spans
}

/// Where one rule found something.
#[derive(Debug, Default)]
struct Finding {
    /// Core windows it was found in.
    windows: u64,
    seconds: BTreeSet<u64>,
    cores: BTreeSet<u32>,
    /// The largest figure, in the unit of the rule.
    worst: u64,
}

impl Finding {
    fn at(&mut self, window: &CoreWindow, figure: u64) {
        self.seconds.extend(window.first..window.next);
        self.on(window.core, figure);
    }

    fn on(&mut self, core: u32, figure: u64) {
        self.windows += 1;
        self.cores.insert(core);
        self.worst = self.worst.max(figure);
    }

    fn reason(&self, kind: ReasonKind, text: String) -> Reason {
        let cores = self.cores.iter().copied().collect();
        Reason {
            kind,
            text,
            windows: spans(&self.seconds),
            cores,
            node: None,
        }
    }
}

/// What the rules found so far.
#[derive(Debug)]
pub(crate) struct Evidence {
    model: Model,
    /// Core windows in which a request ended.
    windows_with_requests: u64,
    /// Core windows in which time was counted.
    windows_timed: u64,
    dropped: Finding,
    /// Arrivals of lost cores, which count as dropped.
    lost: Finding,
    lost_arrivals: u64,
    blocked: Finding,
    lag_blocked: Finding,
    lag_repeated: Finding,
    lag_tail: Finding,
    busy_late: Finding,
    busy: Finding,
    /// Time of all core windows, and of those with a full core, in nanoseconds.
    time_ns: u64,
    full_ns: u64,
    /// Whole seconds in which the CPU quota was looked at.
    seconds_quota: u64,
    /// In thousandths of the periods of a second.
    throttled: Finding,
    /// In thousandths of the time.
    waited: Finding,
    /// In thousandths of the time.
    stolen: Finding,
    overflow: Finding,
    descriptors: Finding,
    ports: Finding,
}

/// Figures of the whole run that rules look at.
pub(crate) struct RunFigures<'a> {
    pub(crate) counts: &'a Counts,
    pub(crate) latency: Option<&'a Histogram>,
    pub(crate) lag: Option<&'a Histogram>,
}

impl Evidence {
    pub(crate) fn new(model: Model) -> Self {
        Evidence {
            model,
            windows_with_requests: 0,
            windows_timed: 0,
            dropped: Finding::default(),
            lost: Finding::default(),
            lost_arrivals: 0,
            blocked: Finding::default(),
            lag_blocked: Finding::default(),
            lag_repeated: Finding::default(),
            lag_tail: Finding::default(),
            busy_late: Finding::default(),
            busy: Finding::default(),
            time_ns: 0,
            full_ns: 0,
            seconds_quota: 0,
            throttled: Finding::default(),
            waited: Finding::default(),
            stolen: Finding::default(),
            overflow: Finding::default(),
            descriptors: Finding::default(),
            ports: Finding::default(),
        }
    }

    /// Applies the rules to one core's window; true when the generator shaped it.
    pub(crate) fn judge(&mut self, window: &CoreWindow) -> bool {
        let dropped = match window.lost {
            true => &mut self.lost,
            false => &mut self.dropped,
        };
        self.lost_arrivals += if window.lost {
            window.counts.dropped
        } else {
            0
        };
        let counted = [
            (dropped, window.counts.dropped),
            (&mut self.overflow, window.overflows),
            (
                &mut self.descriptors,
                window.counts.failures_of(FailureKind::Descriptors),
            ),
            (
                &mut self.ports,
                window.counts.failures_of(FailureKind::PortsExhausted),
            ),
        ];
        for (found, n) in counted {
            if n > 0 {
                found.at(window, n);
            }
        }
        let blocked = window.turn_max_ns >= TURN_BLOCKED_MS * 1_000_000;
        if blocked {
            self.blocked.at(window, window.turn_max_ns / 1_000_000);
        }
        // a piece of a second has no share that means anything
        let shared = !window.sliver && self.judge_time(window);
        let late = self.judge_lag(window);
        blocked || shared || late
    }

    /// In second `second` the hypervisor took this share of the processor of `core`.
    pub(crate) fn stolen(&mut self, core: u32, second: u64, part: f64) {
        if part >= STOLEN_SHARE {
            self.stolen.seconds.insert(second);
            self.stolen.on(core, (part * 1e3) as u64);
        }
    }

    /// In second `second` the CPU quota stopped this process in `throttled` of `periods` periods.
    pub(crate) fn throttled(&mut self, second: u64, throttled: u64, periods: u64) {
        self.seconds_quota += 1;
        let part = share(throttled.min(periods), periods);
        if part >= THROTTLED_SHARE {
            self.throttled.windows += 1;
            self.throttled.seconds.insert(second);
            self.throttled.worst = self.throttled.worst.max((part * 1e3) as u64);
        }
    }

    /// How a core's thread spent the time of a window; true when others had its processor.
    fn judge_time(&mut self, window: &CoreWindow) -> bool {
        let time_ns = window.busy_ns + window.idle_ns;
        self.windows_timed += u64::from(time_ns > 0);
        self.time_ns += time_ns;
        if is_full(window) {
            self.full_ns += time_ns;
            self.busy.at(window, 0);
        }
        let part = share(window.waited_ns, time_ns);
        let shared = part >= WAITED_SHARE;
        if shared {
            self.waited.at(window, (part * 1e3) as u64);
        }
        shared
    }

    fn judge_lag(&mut self, window: &CoreWindow) -> bool {
        if window.latency.count() == 0 {
            return false;
        }
        self.windows_with_requests += u64::from(!window.sliver);
        let busy = is_full(window);
        let lag = window.lag.value_at(0.99);
        let part = share(lag, window.latency.value_at(0.99));
        if lag >= LAG_REPEATED_MS * 1_000 && part >= LAG_MAIN_SHARE {
            self.lag_repeated.at(window, lag);
        }
        if lag >= LAG_TAIL_US && part >= LAG_TAIL_SHARE {
            self.lag_tail.at(window, lag);
        }
        let blocked = lag >= LAG_BLOCKED_MS * 1_000 && part >= LAG_MAIN_SHARE;
        if blocked {
            self.lag_blocked.at(window, lag);
        }
        let kept_to_times = self.model != Model::Closed;
        let busy_late = busy && kept_to_times && lag >= LAG_BUSY_US && part >= LAG_BUSY_SHARE;
        if busy_late {
            self.busy_late.at(window, lag);
        }
        blocked || busy_late
    }

    /// The verdict over what was judged and the figures of the whole run.
    pub(crate) fn verdict(&self, run: &RunFigures<'_>) -> Verdict {
        let mut reasons = Vec::new();
        let mut state = VerdictState::Clean;
        if let Err(text) = run.counts.conserved() {
            state = VerdictState::Invalid;
            reasons.push(Finding::default().reason(ReasonKind::Conservation, text));
        }
        self.counted_reasons(run, &mut reasons);
        self.lag_reasons(run, &mut reasons);
        self.taken_reasons(&mut reasons);
        if !reasons.is_empty() {
            state = state.max(VerdictState::Suspect);
        }
        Verdict {
            state,
            reasons,
            notes: self.notes(run),
        }
    }

    fn counted_reasons(&self, run: &RunFigures<'_>, reasons: &mut Vec<Reason>) {
        let counts = run.counts;
        let mut push = |found: &Finding, kind, text: String| {
            if found.windows > 0 {
                reasons.push(found.reason(kind, text));
            }
        };
        let of_planned = |n| {
            let share = percent(n, counts.planned);
            format!("{n} of {} arrivals dropped ({share})", counts.planned)
        };
        let text = of_planned(counts.dropped.saturating_sub(self.lost_arrivals));
        push(&self.dropped, ReasonKind::ArrivalsDropped, text);
        let text = format!("{}: their core was lost", of_planned(self.lost_arrivals));
        push(&self.lost, ReasonKind::CoreLost, text);
        let n = counts.failures_of(FailureKind::Descriptors);
        let text = format!("{n} requests failed for want of a file descriptor");
        push(&self.descriptors, ReasonKind::Descriptors, text);
        let n = counts.failures_of(FailureKind::PortsExhausted);
        let text = format!("{n} requests failed for want of a local port (ports_exhausted)");
        push(&self.ports, ReasonKind::PortsExhausted, text);
        let text = format!("{} windows were handed over late", self.overflow.windows);
        push(&self.overflow, ReasonKind::RingOverflow, text);
    }

    /// Lag in the slowest requests: whether it is a reason or only worth a note.
    fn tail(&self, run: &RunFigures<'_>) -> Option<(bool, Reason)> {
        let (latency, lag) = (run.latency?.value_at(0.99), run.lag?.value_at(0.99));
        let part = share(lag, latency);
        if lag == 0 || part < LAG_TAIL_SHARE {
            return None;
        }
        let is_long = self.windows_with_requests >= LAG_TAIL_LONG_RUN;
        let often = !is_long || self.lag_tail.windows >= REPEATED_WINDOWS_MIN;
        let text = format!(
            "one in a hundred requests went out {} late or more, {:.0} % of the latency there (p99)",
            time_text(lag),
            part.min(1.0) * 100.0
        );
        let reason = self.lag_tail.reason(ReasonKind::LagTail, text);
        Some((lag >= LAG_TAIL_US && often, reason))
    }

    /// The reason that lag in the tail is, where no other kind of lag was found that explains it.
    fn tail_reason(&self, run: &RunFigures<'_>) -> Option<Reason> {
        let (is_reason, reason) = self.tail(run)?;
        is_reason.then_some(reason)
    }

    fn lag_reasons(&self, run: &RunFigures<'_>, reasons: &mut Vec<Reason>) {
        let before = reasons.len();
        let mut push = |found: &Finding, kind, text: String| {
            reasons.push(found.reason(kind, text));
        };
        if self.blocked.windows > 0 {
            let text = format!("a core was blocked for {} ms", self.blocked.worst);
            push(&self.blocked, ReasonKind::CoreBlocked, text);
        }
        if self.lag_blocked.windows > 0 {
            let text = format!(
                "requests went out {} ms late (p99)",
                self.lag_blocked.worst / 1_000
            );
            push(&self.lag_blocked, ReasonKind::LagBlocked, text);
        }
        let repeated = &self.lag_repeated;
        let often = share(repeated.windows, self.windows_with_requests) > REPEATED_SHARE;
        if often && repeated.windows >= repeated_min(self.windows_with_requests) {
            let text = format!(
                "in {} of {} core windows requests went out {LAG_REPEATED_MS} ms late or more (p99)",
                repeated.windows, self.windows_with_requests
            );
            push(repeated, ReasonKind::LagRepeated, text);
        }
        if self.busy_late.windows > 0 {
            let text = format!(
                "a full core sent requests {} ms late (p99)",
                self.busy_late.worst / 1_000
            );
            push(&self.busy_late, ReasonKind::CoreBusy, text);
        }
        if let (Some(latency), Some(lag)) = (run.latency, run.lag) {
            let (latency, lag) = (latency.value_at(0.5), lag.value_at(0.5));
            if lag >= LAG_TYPICAL_US && share(lag, latency) >= LAG_MAIN_SHARE {
                let text = format!(
                    "half of all requests went out {} ms late or more",
                    lag / 1_000
                );
                push(&Finding::default(), ReasonKind::LagTypical, text);
            }
        }
        if reasons.len() == before {
            reasons.extend(self.tail_reason(run));
        }
    }

    /// Processor time that others had.
    fn taken_reasons(&self, reasons: &mut Vec<Reason>) {
        let (stopped, seconds) = (self.throttled.windows, self.seconds_quota);
        let often = share(stopped, seconds) >= TAKEN_WINDOWS_SHARE;
        let stopped_by_quota = stopped > 0 && often && stopped >= repeated_min(seconds);
        if stopped_by_quota {
            let text = format!(
                "the CPU quota stopped this program in {stopped} of {seconds} seconds, in {} of \
                 the quota's periods at most",
                percent(self.throttled.worst, 1_000)
            );
            reasons.push(self.throttled.reason(ReasonKind::CpuQuota, text));
        }
        let mut push = |found: &Finding, kind, who: &str| {
            let often = share(found.windows, self.windows_timed) >= TAKEN_WINDOWS_SHARE;
            if often && found.windows >= repeated_min(self.windows_timed) {
                let (windows, timed) = (found.windows, self.windows_timed);
                let worst = percent(found.worst, 1_000);
                let text = format!(
                    "in {windows} of {timed} core windows {who} had the processor while the core \
                     could have run, for {worst} of the time at most"
                );
                reasons.push(found.reason(kind, text));
            }
        };
        // a thread that its quota stops waits as one that others keep from the processor
        if !stopped_by_quota {
            push(&self.waited, ReasonKind::CoreShared, "other programs");
        }
        push(
            &self.stolen,
            ReasonKind::TimeStolen,
            "other virtual machines",
        );
    }

    fn notes(&self, run: &RunFigures<'_>) -> Vec<Reason> {
        let mut notes = Vec::new();
        if share(self.full_ns, self.time_ns) >= BUSY_NOTE_SHARE {
            let text = format!(
                "the generator's cores were fully busy in {} of the time; more load needs more cores",
                percent(self.full_ns, self.time_ns)
            );
            notes.push(self.busy.reason(ReasonKind::CoresFull, text));
        }
        if let Some((false, tail)) = self.tail(run) {
            notes.push(tail);
        }
        notes
    }
}

/// In how many of `windows` something must be found to be found again and again.
fn repeated_min(windows: u64) -> u64 {
    REPEATED_WINDOWS_MIN.min(windows).max(1)
}

/// A time in microseconds, in the larger unit from a millisecond on.
fn time_text(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        _ => format!("{:.1} ms", us as f64 / 1e3),
    }
}

fn is_full(window: &CoreWindow) -> bool {
    let part = share(window.busy_ns, window.busy_ns + window.idle_ns);
    !window.sliver && part >= BUSY_FULL_SHARE
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * share(part, whole))
}
