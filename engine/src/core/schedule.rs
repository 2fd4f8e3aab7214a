//! Everything the plan asks of this core, in the order of time.

use crate::clock::Moment;
use crate::pacing::{ActiveSpan, Arrivals, Share, active_spans, choose};
use config::{Change, ControlledLoad, Curve, Model, Plan};
use std::collections::HashSet;
use std::iter::Peekable;
use std::time::Duration;

/// How long the one user of [`SingleUser`] may begin passes.
const ONE_USER_STAYS: Duration = Duration::from_secs(86_400);

/// Run one user of a plan, and nobody else: its random choices, its scenarios, its rows.
#[derive(Clone, Copy, Debug)]
pub struct SingleUser {
    /// Which load of the plan, from 0.
    pub load: usize,
    /// Which user of the load.
    pub number: u64,
    /// How many passes it makes, at least 1.
    pub passes: u32,
}

/// A user to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) load: usize,
    pub(crate) number: u64,
    /// When it is due, from the start of the run.
    pub(crate) due: Duration,
    /// Closed loads: until when it begins iterations.
    pub(crate) until: Option<Duration>,
    /// How many passes it may make.
    pub(crate) passes: u32,
}

/// How many arrivals the plan has for a core before `until`, and how many of them from `from` on,
/// both from the start of the run: what a core that ended early was to start. Users of closed
/// loads are arrivals, too, and count when they come.
pub(crate) fn arrivals_due(
    plan: &Plan,
    share: Share,
    changes: &[(Duration, Change)],
    from: Duration,
    until: Duration,
) -> (u64, u64) {
    let loads = plan.loads.iter().enumerate().map(|(index, load)| {
        let mut load = Load::new(load, index, Vec::new(), plan.seed, share);
        load.end = plan.limits.time.unwrap_or(Duration::MAX);
        load
    });
    let mut schedule = Schedule {
        loads: loads.collect(),
        start: Moment(0),
        seed: plan.seed,
    };
    let (mut all, mut late) = (0, 0);
    let mut present: Vec<(usize, u64)> = Vec::new();
    let changes = changes.iter().map(|(at, change)| (*at, Some(*change)));
    for (at, change) in changes.chain([(until, None)]) {
        while let Some(start) = schedule.pop_due(Moment(0).after(at.min(until))) {
            all += u64::from(start.due < until);
            late += u64::from(start.due < until && start.due >= from);
            if start.until.is_some() {
                present.push((start.load, start.number));
            }
        }
        if let Some(change) = change.filter(|_| at < until) {
            schedule.change(at, change, &present);
        }
    }
    (all, late)
}

/// The loads of the plan, each with what is still to come of it on this core.
pub(crate) struct Schedule {
    loads: Vec<Load>,
    start: Moment,
    seed: u64,
}

/// One load block.
pub(crate) struct Load {
    source: Source,
    /// Its curve, with the changes made so far.
    steered: ControlledLoad,
    share: Share,
    /// When its curve begins, from the start of the run.
    offset: Duration,
    /// The limit of time, from the start of the run: nobody comes from then on.
    end: Duration,
    /// Passes of each user.
    passes: u32,
    weights: Vec<f64>,
    /// Places in the script's list of scenarios.
    scenarios: Vec<u32>,
    /// This core's part of the cap on users.
    pub(crate) users_max: Option<u32>,
    /// Users of this load at the moment.
    pub(crate) users: u32,
    pub(crate) pacing: Option<Duration>,
}

enum Source {
    Open(Box<Arrivals>),
    Closed(Peekable<std::vec::IntoIter<ActiveSpan>>),
}

impl Schedule {
    /// This core's share of the plan.
    ///
    /// # Errors
    ///
    /// The plan names scenarios that are not in `scenarios`.
    pub(crate) fn new(
        plan: &Plan,
        share: Share,
        scenarios: &[String],
    ) -> Result<Schedule, crate::Error> {
        let mut problems = Vec::new();
        let mut loads = Vec::new();
        for (index, load) in plan.loads.iter().enumerate() {
            let mut known = Vec::new();
            for wanted in &load.scenarios {
                match scenarios.iter().position(|name| *name == wanted.name) {
                    Some(index) => known.push(index as u32),
                    None => problems.push(unknown(plan, &wanted.name, scenarios)),
                }
            }
            let mut load = Load::new(load, index, known, plan.seed, share);
            load.end = plan.limits.time.unwrap_or(Duration::MAX);
            loads.push(load);
        }
        if problems.is_empty() {
            Ok(Schedule {
                loads,
                start: Moment::NEVER,
                seed: plan.seed,
            })
        } else {
            Err(crate::Error::Scenarios { problems })
        }
    }

    /// How many users of closed loads there can be at once, before anything is changed.
    pub(crate) fn closed_users(&self) -> usize {
        let closed = self.loads.iter().map(|load| match &load.source {
            Source::Open(_) => 0,
            Source::Closed(spans) => {
                let numbers = spans.clone().map(|span| span.number);
                numbers.collect::<HashSet<u64>>().len()
            }
        });
        closed.sum()
    }

    /// Fixes the moment from which everything is due.
    pub(crate) fn begin(&mut self, start: Moment) {
        self.start = start;
    }

    /// When the next user is due, or [`Moment::NEVER`].
    pub(crate) fn next_due(&mut self) -> Moment {
        let start = self.start;
        if start == Moment::NEVER {
            return Moment::NEVER;
        }
        let due = self.loads.iter_mut().filter_map(Load::peek);
        due.min().map_or(Moment::NEVER, |due| start.after(due))
    }

    /// Takes one user that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Moment) -> Option<Start> {
        let start = self.start;
        for (index, load) in self.loads.iter_mut().enumerate() {
            if load.peek().is_some_and(|due| start.after(due) <= now) {
                return load.pop(index);
            }
        }
        None
    }

    /// Takes all users to come, in the order of time.
    #[cfg(test)]
    pub(crate) fn all(&mut self) -> Vec<Start> {
        let mut all = Vec::new();
        loop {
            let due = self.loads.iter_mut().map(Load::peek).enumerate();
            let first = due.filter_map(|(index, due)| Some((due?, index))).min();
            let Some((_, index)) = first else { return all };
            all.extend(self.loads[index].pop(index));
        }
    }

    /// When the last of the loads ends, from the start of the run.
    pub(crate) fn end(&self) -> Duration {
        let ends = self
            .loads
            .iter()
            .map(|load| load.steered.end().min(load.end));
        ends.max().unwrap_or_default()
    }

    /// Changes all loads from `at` on. `present` are the users of each load (closed ones) by
    /// number; the answer is until when they may begin passes now, in the same order.
    pub(crate) fn change(
        &mut self,
        at: Duration,
        change: Change,
        present: &[(usize, u64)],
    ) -> Vec<Duration> {
        for (index, load) in self.loads.iter_mut().enumerate() {
            load.steered.change(at, change);
            let own = present.iter().filter(|(load, _)| *load == index);
            let here: HashSet<u64> = own.map(|(_, number)| *number).collect();
            load.source.follow(
                &load.steered,
                at.saturating_sub(load.offset),
                load.share,
                &here,
            );
        }
        let until = |&(load, number): &(usize, u64)| {
            let load = &self.loads[load];
            let curve = load.steered.curve();
            let now = at.saturating_sub(load.offset);
            load.offset + present_until(curve, number, now).unwrap_or(now)
        };
        present.iter().map(until).collect()
    }

    /// Leaves one user, who is due at once; the others never come.
    pub(crate) fn keep_single_user(&mut self, only: SingleUser) {
        for (index, load) in self.loads.iter_mut().enumerate() {
            let stay = ActiveSpan {
                from: Duration::ZERO,
                until: ONE_USER_STAYS,
                number: only.number,
            };
            let active_spans = if index == only.load {
                vec![stay]
            } else {
                Vec::new()
            };
            load.source = Source::Closed(active_spans.into_iter().peekable());
            load.offset = Duration::ZERO;
            load.passes = only.passes;
        }
    }

    /// The loads that `has_ended` names end at `at`, unless they ended before.
    pub(crate) fn end_loads(&mut self, at: Duration, has_ended: impl Fn(usize) -> bool) {
        for (index, load) in self.loads.iter_mut().enumerate() {
            if has_ended(index) {
                load.end = load.end.min(at);
            }
        }
    }

    /// The place in the plan of a scenario of a load, by its place in the script.
    pub(crate) fn index_in_plan(&self, load: usize, scenario: u32) -> Option<usize> {
        let scenarios = &self.loads[load].scenarios;
        scenarios.iter().position(|known| *known == scenario)
    }

    /// Whether nobody will come any more.
    pub(crate) fn is_over(&mut self) -> bool {
        self.loads.iter_mut().all(|load| load.peek().is_none())
    }

    /// Nothing more will come.
    pub(crate) fn cancel(&mut self) {
        self.start = Moment::NEVER;
        for load in &mut self.loads {
            load.source = Source::Closed(Vec::new().into_iter().peekable());
        }
    }

    pub(crate) fn load_mut(&mut self, load: usize) -> &mut Load {
        &mut self.loads[load]
    }

    /// Which scenario falls to pass `pass` of user `number`.
    pub(crate) fn scenario(&self, load: usize, number: u64, pass: u32) -> u32 {
        let block = &self.loads[load];
        if let [only] = block.scenarios[..] {
            return only;
        }
        let key = number << 24 | u64::from(pass & 0x00ff_ffff);
        block.scenarios[choose(self.seed, load, key, &block.weights)]
    }
}

impl Load {
    fn new(
        load: &config::Load,
        index: usize,
        scenarios: Vec<u32>,
        seed: u64,
        share: Share,
    ) -> Load {
        let (source, users_max, pacing, passes) = match &load.model {
            Model::Open {
                arrivals,
                rate,
                users_max,
                iterations,
            } => {
                let arrivals = Arrivals::new(rate.clone(), *arrivals, seed, index, share);
                (
                    Source::Open(Box::new(arrivals)),
                    *users_max,
                    None,
                    *iterations,
                )
            }
            Model::Closed { users, pacing } => (
                Source::Closed(active_spans(users, share).into_iter().peekable()),
                None,
                *pacing,
                u32::MAX,
            ),
        };
        Load {
            source,
            steered: ControlledLoad::new(load),
            share,
            offset: load.start,
            end: Duration::MAX,
            passes,
            weights: load.scenarios.iter().map(|choice| choice.weight).collect(),
            scenarios,
            users_max: users_max.map(|most| share.part(most.into()) as u32),
            users: 0,
            pacing,
        }
    }
}

impl Load {
    /// When the next user is due, from the start of the run.
    fn peek(&mut self) -> Option<Duration> {
        let due = self.offset + self.source.peek()?;
        (due < self.end).then_some(due)
    }

    fn pop(&mut self, index: usize) -> Option<Start> {
        let (number, due, until) = self.source.pop()?;
        Some(Start {
            load: index,
            number,
            due: self.offset + due,
            until: until.map(|until| self.offset + until),
            passes: self.passes,
        })
    }
}

/// Until when user `number` of a closed load stays that is present at `now`; none: it is not.
fn present_until(users: &Curve, number: u64, now: Duration) -> Option<Duration> {
    let spans = users.crossings(number as f64).into_iter();
    let mut spans = spans.map(|(from, until)| from..until.unwrap_or(users.duration()));
    spans.find(|span| span.contains(&now)).map(|span| span.end)
}

impl Source {
    /// The curve has changed at `now`. Users who are `here` need not come.
    fn follow(
        &mut self,
        steered: &ControlledLoad,
        now: Duration,
        share: Share,
        here: &HashSet<u64>,
    ) {
        match self {
            Source::Open(arrivals) => arrivals.set_rate(steered.curve().clone()),
            Source::Closed(to_come) => {
                let mut all = active_spans(steered.curve(), share);
                all.retain(|stay| {
                    stay.until > now && (stay.from > now || !here.contains(&stay.number))
                });
                for stay in &mut all {
                    stay.from = stay.from.max(now);
                }
                *to_come = all.into_iter().peekable();
            }
        }
    }

    fn peek(&mut self) -> Option<Duration> {
        match self {
            Source::Open(arrivals) => arrivals.peek().map(|arrival| arrival.due),
            Source::Closed(active_spans) => active_spans.peek().map(|stay| stay.from),
        }
    }

    /// The next user's number, when it comes, and until when it stays; from the curve's start.
    fn pop(&mut self) -> Option<(u64, Duration, Option<Duration>)> {
        match self {
            Source::Open(arrivals) => arrivals.next().map(|one| (one.number, one.due, None)),
            Source::Closed(active_spans) => active_spans
                .next()
                .map(|stay| (stay.number, stay.from, Some(stay.until))),
        }
    }
}

fn unknown(plan: &Plan, name: &str, scenarios: &[String]) -> String {
    format!(
        "{}: no scenario {name:?} in {}; it has: {} (load.scenarios)",
        plan.profile_path.display(),
        plan.script.display(),
        scenarios.join(", ")
    )
}
