//! One core's window as its row needs it.

use crate::detail::Detail;
use crate::histogram::Histogram;
use crate::kinds::{NameKind, Phase};
use crate::second::Counts;
use crate::window::{Body, Gauge, add_counts};

/// What is kept of one core's window for its row: all names in one.
#[derive(Debug)]
pub(crate) struct CoreWindow {
    pub(crate) core: u32,
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) counts: Counts,
    /// Of all requests that ended.
    pub(crate) latency: Histogram,
    /// The part of `latency` that failed.
    pub(crate) latency_failed: Histogram,
    pub(crate) lag: Histogram,
    pub(crate) users: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) busy_ns: u64,
    pub(crate) idle_ns: u64,
    pub(crate) waited_ns: u64,
    pub(crate) turn_max_ns: u64,
    pub(crate) overflows: u64,
    /// The load was over at its end: a sliver may follow, which belongs to the same row.
    pub(crate) ending: bool,
    /// A piece of a second: its counts and times of requests matter, its shares of time do not.
    pub(crate) sliver: bool,
    /// What was due on a lost core and never happened.
    pub(crate) lost: bool,
    /// Whether the generator shaped what was measured in it; set by the verdict's rules.
    pub(crate) limited: bool,
    /// All of it by name, where somebody wants that.
    pub(crate) detail: Option<Box<Detail>>,
}

impl CoreWindow {
    pub(crate) fn of(body: &Body) -> Self {
        let mut window = CoreWindow {
            core: body.core,
            first: body.first,
            next: body.next,
            counts: Counts::default(),
            latency: Histogram::new(),
            latency_failed: Histogram::new(),
            lag: Histogram::new(),
            users: body.counts.users,
            connections: body.counts.connections,
            busy_ns: body.counts.busy_ns,
            idle_ns: body.counts.idle_ns,
            waited_ns: body.counts.waited_ns,
            turn_max_ns: body.counts.turn_max_ns,
            overflows: body.counts.overflows,
            ending: body.ending,
            sliver: body.sliver,
            lost: body.lost,
            limited: false,
            detail: None,
        };
        if window.sliver {
            // in the second that it is a rest of
            window.next = window.first.max(1);
            window.first = window.next - 1;
        }
        window.counts.set_core_counts(&body.counts);
        for name in body.names.iter().filter(|n| n.kind == NameKind::Request) {
            let counts = &mut window.counts;
            counts.sent += name.sent;
            counts.ok += name.ok;
            counts.failed += name.failed;
            counts.unfinished += name.unfinished;
            counts.bytes_in += name.bytes_in;
            counts.bytes_out += name.bytes_out;
            add_counts(&mut counts.failures, &name.failures);
            if let Some(latency) = name.phase(Phase::Latency) {
                window.latency.add(latency);
            }
            if let Some(failed) = name.phase(Phase::LatencyFailed) {
                window.latency_failed.add(failed);
            }
            if let Some(lag) = name.phase(Phase::Lag) {
                window.lag.add(lag);
            }
        }
        window
    }
}
