//! The users of one core: they come, run their scripts step by step, and go.

mod branches;
mod leaving;
mod steps;

use super::Driver;
use super::connections::NONE;
use super::exchange::Kept;
use super::host::Actor;
use super::origins::OriginId;
use super::queue::Queue;
use super::schedule::Start;
use crate::clock::Moment;
use crate::pacing::{Purpose, stream};
use crate::timers::Owner;
use config::ReconnectPolicy;
use scripting::{Entry, Reply, ScriptError, Step};
use stats::{FailureKind, Recorder};
use std::time::Duration;

/// How soon a refused request is told to its script, when the one before was refused as well.
const REFUSAL_PAUSE: Duration = Duration::from_millis(100);
/// How soon a pass follows one that waited for nothing.
const EMPTY_PASS_PAUSE: Duration = Duration::from_millis(1);
/// The load number of users that belong to no load: those of setup and teardown.
const NO_LOAD: usize = 0xfff;

/// What a user is doing, between its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Nothing: the slot is free, or the user runs this very moment.
    Nothing,
    /// Waiting for a reply.
    Request,
    /// Sleeping.
    Sleep,
    /// About to be told that its request was refused.
    Refused { kind: FailureKind, latency_ns: u64 },
    /// About to begin its next pass.
    Pass,
    /// Its request waits for an address.
    Lookup,
    /// Its request waits for a connection of its user.
    Queued,
    /// Its request waits for a connection of the core's pool.
    Waiting { origin: OriginId, ticket: u64 },
    /// Its branches run.
    Branches,
    /// It wants a request when the run has made as many as it may, and goes no further.
    Held,
}

/// The end of a request, as its script is told of it.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) failure: Option<FailureKind>,
    pub(super) latency_ns: u64,
    /// The script asked for the body.
    pub(super) asked: bool,
    pub(super) kept: Option<Box<Kept>>,
}

/// Which part of its life a user is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `setup` or `teardown`.
    Hook,
    OnStart,
    Scenario,
    OnStop,
    /// A branch of a user, which has a slot of its own.
    Branch,
}

/// How `setup` or `teardown` ended.
pub(super) type HookEnd = Result<(), ScriptError>;

/// One user, or one branch of a user, between its steps.
pub(super) struct User {
    /// The use of this slot.
    pub(super) generation: u32,
    pub(super) doing: Doing,
    /// When it goes on; an entry of the timers that comes up before is an old one.
    pub(super) wakes: Moment,
    /// The first of its connections, or [`NONE`].
    pub(super) connection: u32,
    /// Its requests that wait for a connection; those of branches are with their root.
    pub(super) queue: Queue,
    /// Requests refused one after another, those of branches counted with their root.
    pub(super) refusals: u8,
    /// Who owns the connections: the user itself, or the user that a branch is of.
    pub(super) root: u32,
    /// The user or branch that this is a branch of, or [`NONE`].
    parent: u32,
    /// Its branches that have not ended.
    branches: u32,
    /// Origins that it has had TLS with, by their number; those beyond 64 share bits.
    pub(super) greeted: u64,
    stage: Stage,
    load: usize,
    number: u64,
    /// Passes begun.
    pass: u32,
    scenario: u32,
    /// The present pass has waited for something.
    waited: bool,
    /// How many passes it may make.
    passes: u32,
    /// With pacing: when the next pass may begin.
    paced: Moment,
    /// It belongs to a closed load.
    is_closed: bool,
    present: bool,
}

/// The users of a core by slot.
#[derive(Default)]
pub(super) struct Users {
    table: Vec<User>,
    free: Vec<u32>,
    present: u32,
}

impl Users {
    pub(super) fn get(&self, slot: u32) -> &User {
        &self.table[slot as usize]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut User {
        &mut self.table[slot as usize]
    }

    /// Whether the user that a slot had in `generation` still has it.
    pub(super) fn is_current(&self, slot: u32, generation: u32) -> bool {
        let user = self.get(slot);
        user.present && user.generation == generation
    }

    pub(super) fn present(&self) -> u32 {
        self.present
    }

    /// The users of closed loads: slot, load and number.
    pub(super) fn closed(&self) -> Vec<(u32, (usize, u64))> {
        let users = (0..).zip(&self.table);
        let closed = users.filter(|(_, user)| user.present && user.is_closed);
        closed
            .map(|(slot, user)| (slot, (user.load, user.number)))
            .collect()
    }

    fn take(&mut self, load: usize, number: u64, stage: Stage, passes: u32) -> u32 {
        self.present += 1;
        let slot = self.free.pop().unwrap_or(self.table.len() as u32);
        let generation = self
            .table
            .get(slot as usize)
            .map_or(0, |old| old.generation + 1);
        let user = User {
            generation,
            doing: Doing::Nothing,
            wakes: Moment(0),
            connection: NONE,
            queue: None,
            refusals: 0,
            root: slot,
            parent: NONE,
            branches: 0,
            greeted: 0,
            stage,
            load,
            number,
            pass: 0,
            scenario: 0,
            waited: false,
            passes,
            paced: Moment(0),
            is_closed: false,
            present: true,
        };
        match self.table.get_mut(slot as usize) {
            Some(place) => *place = user,
            None => self.table.push(user),
        }
        slot
    }

    fn release(&mut self, slot: u32) {
        let user = self.get_mut(slot);
        user.present = false;
        user.doing = Doing::Nothing;
        self.free.push(slot);
        self.present -= 1;
    }

    fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.table.len() as u32
    }
}

impl Driver {
    /// Starts a user that is due, unless the load's cap on users is reached.
    pub(super) fn start_user(&mut self, start: Start) {
        if self.budget.is_spent() {
            return;
        }
        let open = start.until.is_none();
        let load = self.schedule.load_mut(start.load);
        if open && load.users_max.is_some_and(|most| load.users >= most) {
            self.shared.record(|recorder| recorder.arrivals_planned(1));
            return self.shared.record(Recorder::arrival_dropped);
        }
        let has_hook = self.script.hooks().on_start;
        // Taken first, so that no arrival is planned that the limit has no iteration for.
        if !has_hook && !self.budget.take_iteration() {
            return;
        }
        load.users += 1;
        if open {
            self.shared.record(|recorder| recorder.arrivals_planned(1));
            self.shared.record(Recorder::arrival_started);
        }
        let begun = self.shared.start.get();
        let until = start
            .until
            .map_or(Moment::NEVER, |until| begun.after(until));
        let slot = self
            .users
            .take(start.load, start.number, Stage::OnStart, start.passes);
        self.users.get_mut(slot).is_closed = !open;
        if !self.admit(
            slot,
            start.load,
            start.number,
            until,
            begun.after(start.due),
        ) {
            return;
        }
        self.count_users();
        let step = if has_hook {
            self.run(slot, Stage::OnStart, Entry::OnStart)
        } else {
            self.run_pass(slot)
        };
        self.follow(slot, step);
    }

    /// Starts the user that runs `setup` or `teardown`.
    pub(super) fn start_hook(&mut self, entry: Entry) {
        let slot = self.users.take(NO_LOAD, 0, Stage::Hook, 1);
        self.hook_end = None;
        if !self.admit(slot, NO_LOAD, 0, Moment::NEVER, self.now) {
            let message = "the script's state took no user".to_owned();
            self.hook_end = Some(Err(ScriptError {
                message,
                traceback: String::new(),
            }));
            return;
        }
        let step = self.run(slot, Stage::Hook, entry);
        self.follow(slot, step);
    }

    /// Makes the user known to the script; false when that failed and the user is gone.
    fn admit(&mut self, slot: u32, load: usize, number: u64, until: Moment, due: Moment) -> bool {
        let mut actors = self.shared.actors.borrow_mut();
        if actors.len() <= slot as usize {
            actors.resize_with(slot as usize + 1, Actor::default);
        }
        actors[slot as usize].renew(Actor {
            number,
            load: load as u32,
            pass: 0,
            until,
            due,
            stream: stream(Purpose::User, load, number),
            drawn: 0,
            parent: NONE,
            template: NONE,
            went: None,
            session: None,
            transactions: Vec::new(),
        });
        drop(actors);
        let Err(error) = self.script.attach(slot, number) else {
            return true;
        };
        let error = ScriptError {
            message: error.to_string(),
            traceback: String::new(),
        };
        self.tell_error(slot, "(no scenario yet)".to_owned(), &error);
        self.shared.record(Recorder::iteration_failed);
        self.dismiss(slot);
        false
    }

    fn run(&mut self, slot: u32, stage: Stage, entry: Entry) -> Step {
        let user = self.users.get_mut(slot);
        user.stage = stage;
        user.doing = Doing::Nothing;
        user.waited = false;
        let scenario = match entry {
            Entry::Scenario(place) => place,
            _ => crate::control::HOOK,
        };
        user.scenario = scenario;
        self.pulse.enter(scenario, user.number);
        self.script.run(slot, entry, self.shared.stopping(slot))
    }

    /// Begins the user's next pass, or its end where the limit of iterations is reached.
    fn begin_pass(&mut self, slot: u32) -> Option<Step> {
        if self.budget.take_iteration() {
            Some(self.run_pass(slot))
        } else {
            self.leave(slot)
        }
    }

    fn run_pass(&mut self, slot: u32) -> Step {
        let user = self.users.get_mut(slot);
        let (load, number, pass) = (user.load, user.number, user.pass);
        user.pass += 1;
        if pass > 0 && self.habits.renew == ReconnectPolicy::Iteration {
            self.close_idle(slot, 0);
        }
        let due = {
            let actor = &mut self.shared.actors.borrow_mut()[slot as usize];
            actor.pass = pass;
            actor.due
        };
        if let Some(pacing) = self.schedule.load_mut(load).pacing {
            self.users.get_mut(slot).paced = due.after(pacing);
        }
        let scenario = self.schedule.scenario(load, number, pass);
        self.run(slot, Stage::Scenario, Entry::Scenario(scenario))
    }

    /// Does what the script wants, until it has to wait for something.
    fn follow(&mut self, slot: u32, first: Step) {
        let mut next = Some(first);
        while let Some(step) = next.take() {
            self.pulse.leave();
            next = match step {
                Step::Template(id) => self.send_template(slot, id),
                Step::Request(spec) => self.send_once(slot, spec),
                Step::Sleep { min, max } => self.sleep(slot, min, max),
                Step::Parallel(count) => self.fork(slot, count),
                Step::Done => self.stage_ended(slot, None),
                Step::Leave => self.leave_without_row(slot),
                Step::Failed(error) => self.stage_ended(slot, Some(&error)),
            };
        }
    }

    pub(super) fn wait_until(&mut self, slot: u32, wake: Moment, doing: Doing) {
        let user = self.users.get_mut(slot);
        user.doing = doing;
        user.wakes = wake;
        let generation = user.generation;
        self.timers.add(wake, Owner::User { slot, generation });
        if doing == Doing::Sleep || doing == Doing::Pass {
            self.shared.actors.borrow_mut()[slot as usize].due = wake;
        }
    }

    /// A user whose time has come goes on.
    pub(super) fn wake_user(&mut self, slot: u32, generation: u32) {
        if !self.users.is_current(slot, generation) || self.users.get(slot).wakes > self.now {
            return;
        }
        let user = self.users.get_mut(slot);
        let doing = std::mem::replace(&mut user.doing, Doing::Nothing);
        self.pulse.enter(user.scenario, user.number);
        let step = match doing {
            Doing::Nothing | Doing::Request | Doing::Branches | Doing::Held => {
                self.users.get_mut(slot).doing = doing;
                return;
            }
            Doing::Queued => return self.give_up_queued(slot),
            Doing::Waiting { origin, ticket } => {
                return self.give_up_waiting(slot, origin, ticket);
            }
            Doing::Lookup => return self.give_up_lookup(slot, generation),
            Doing::Sleep => Some(self.script.wake(slot, self.shared.stopping(slot))),
            Doing::Pass if self.may_loop(slot) => self.begin_pass(slot),
            Doing::Pass => self.leave(slot),
            Doing::Refused { kind, latency_ns } => {
                self.shared.actors.borrow_mut()[slot as usize].due = self.now;
                let stopping = self.shared.stopping(slot);
                let reply = Reply {
                    stopping,
                    ..refused(kind, latency_ns)
                };
                Some(self.script.reply(slot, &reply))
            }
        };
        if let Some(step) = step {
            self.follow(slot, step);
        }
    }

    /// A request failed before it was written.
    pub(super) fn postpone_refusal(&mut self, slot: u32, kind: FailureKind, latency_ns: u64) {
        let root = self.users.get(slot).root;
        let refusals = &mut self.users.get_mut(root).refusals;
        *refusals = refusals.saturating_add(1);
        let doing = Doing::Refused { kind, latency_ns };
        if *refusals > 1 {
            return self.wait_until(slot, self.now.after(REFUSAL_PAUSE), doing);
        }
        let user = self.users.get_mut(slot);
        user.doing = doing;
        user.wakes = self.now;
        let generation = user.generation;
        self.ready.push_back((slot, generation));
    }

    /// Hands a reply to its script and follows it.
    pub(super) fn hand_over(&mut self, slot: u32, answer: Answer) {
        let user = self.users.get_mut(slot);
        user.doing = Doing::Nothing;
        self.pulse.enter(user.scenario, user.number);
        self.shared.actors.borrow_mut()[slot as usize].due = self.now;
        let mut reply = Reply {
            status: answer.status,
            ok: answer.failure.is_none(),
            failure: answer.failure.map(FailureKind::as_str),
            latency_ms: answer.latency_ns as f64 / 1e6,
            stopping: self.shared.stopping(slot),
            head: None,
            body: None,
        };
        if answer.kept.is_none() {
            let step = self.script.reply(slot, &reply);
            return self.follow(slot, step);
        }
        self.shared.latest.replace(answer.kept);
        let step = {
            let latest = self.shared.latest.borrow();
            if let Some(kept) = &*latest {
                reply.head = self.script.reads_heads().then_some(&kept.head[..]);
                reply.body = (answer.asked && !kept.overflowed).then_some(&kept.body[..]);
            }
            self.script.reply(slot, &reply)
        };
        self.shared.latest.replace(None);
        self.follow(slot, step);
    }

    /// A hook or a pass ended.
    fn stage_ended(&mut self, slot: u32, error: Option<&ScriptError>) -> Option<Step> {
        let user = self.users.get(slot);
        let stage = user.stage;
        if let Some(error) = error {
            let name = self.scenario_name(user.scenario, stage);
            self.tell_error(slot, name, error);
        }
        match (stage, error) {
            (Stage::Hook, _) => {
                self.hook_end = Some(error.map_or(Ok(()), |error| Err(error.clone())));
                self.dismiss(slot);
                None
            }
            (Stage::OnStart, None) if self.users.get(slot).passes == 0 => self.leave(slot),
            (Stage::OnStart, None) => self.begin_pass(slot),
            (Stage::OnStart, Some(_)) => {
                self.shared.record(Recorder::iteration_failed);
                self.dismiss(slot);
                None
            }
            (Stage::Scenario, None) => {
                self.shared.record(Recorder::iteration_finished);
                self.pass_ended(slot)
            }
            (Stage::Scenario, Some(_)) => {
                self.shared.record(Recorder::iteration_failed);
                self.pass_ended(slot)
            }
            (Stage::OnStop, _) => {
                self.dismiss(slot);
                None
            }
            (Stage::Branch, _) => {
                self.branch_ended(slot);
                None
            }
        }
    }

    /// A pass ended: another one now, another one later, or the end of the user.
    fn pass_ended(&mut self, slot: u32) -> Option<Step> {
        if !self.may_loop(slot) {
            return self.leave(slot);
        }
        let user = self.users.get(slot);
        let due = self.shared.actors.borrow()[slot as usize].due;
        if user.paced > due {
            let paced = user.paced;
            self.wait_until(slot, paced, Doing::Pass);
            None
        } else if user.waited {
            self.begin_pass(slot)
        } else {
            let next = self.now.after(EMPTY_PASS_PAUSE);
            self.wait_until(slot, next, Doing::Pass);
            None
        }
    }

    /// The script asked for a row when none was left, and the profile says that users leave then.
    fn leave_without_row(&mut self, slot: u32) -> Option<Step> {
        let user = self.users.get_mut(slot);
        user.passes = 0;
        let (load, scenario) = (user.load, user.scenario);
        match user.stage {
            Stage::OnStart => self.budget.found_no_row(load, None),
            Stage::Scenario => {
                let scenario = self.schedule.place_in_plan(load, scenario);
                if scenario.is_some() {
                    self.budget.found_no_row(load, scenario);
                }
            }
            Stage::Hook | Stage::OnStop | Stage::Branch => {}
        }
        self.stage_ended(slot, None)
    }

    fn may_loop(&self, slot: u32) -> bool {
        let user = self.users.get(slot);
        let until = self.shared.actors.borrow()[slot as usize].until;
        // The session of an arrival is finished in the drain; a closed user begins nothing in it.
        let has_time = until == Moment::NEVER || (!self.shared.draining.get() && self.now < until);
        user.pass < user.passes && has_time && !self.budget.is_spent()
    }

    /// The user has done its work.
    fn leave(&mut self, slot: u32) -> Option<Step> {
        if self.script.hooks().on_stop {
            return Some(self.run(slot, Stage::OnStop, Entry::OnStop));
        }
        self.dismiss(slot);
        None
    }

    /// The user ceases to exist; its connections close.
    fn dismiss(&mut self, slot: u32) {
        while self.users.get(slot).connection != NONE {
            let connection = self.users.get(slot).connection;
            self.hang_up(connection);
        }
        let load = self.users.get(slot).load;
        if load != NO_LOAD {
            self.schedule.load_mut(load).users -= 1;
        }
        self.script.detach(slot);
        self.users.release(slot);
        self.count_users();
    }

    fn count_users(&mut self) {
        let present = self.users.present();
        self.shared.record(|recorder| recorder.users(present));
    }

    fn scenario_name(&self, scenario: u32, stage: Stage) -> String {
        match stage {
            Stage::Scenario => self.script.scenarios()[scenario as usize].clone(),
            Stage::Branch => self.branch_name(scenario),
            Stage::OnStart => "on_start".to_owned(),
            Stage::OnStop => "on_stop".to_owned(),
            Stage::Hook => "setup or teardown".to_owned(),
        }
    }
}

fn refused(kind: FailureKind, latency_ns: u64) -> Reply<'static> {
    Reply {
        status: 0,
        ok: false,
        failure: Some(kind.as_str()),
        latency_ms: latency_ns as f64 / 1e6,
        stopping: false,
        head: None,
        body: None,
    }
}
