//! The users of one core: they come, run their scripts step by step, and go.

mod branches;
mod certificates;
mod leaving;
mod replies;
mod steps;
mod table;

use super::Core;
use super::schedule::Start;
use super::state::ScriptUser;
use crate::clock::Moment;
use crate::pacing::{Purpose, stream};
use crate::transport::NONE;
use scripting::{Entry, ScriptError, Step};
use stats::Recorder;
use std::time::Duration;
use table::{Doing, UserStage};

pub(super) use table::Users;

/// How soon a pass follows one that waited for nothing.
const EMPTY_PASS_PAUSE: Duration = Duration::from_millis(1);
/// The load number of users that belong to no load: those of setup and teardown.
const NO_LOAD: usize = 0xfff;

impl Core {
    /// Starts a user that is due, unless the load's cap on users is reached.
    pub(super) fn start_user(&mut self, start: Start) {
        if self.budget.is_spent() {
            return;
        }
        let open = start.until.is_none();
        let load = self.schedule.load_mut(start.load);
        if open && load.users_max.is_some_and(|most| load.users >= most) {
            self.state
                .telemetry
                .record(|recorder| recorder.arrivals_planned(1));
            return self.state.telemetry.record(Recorder::arrival_dropped);
        }
        let has_hook = self.script.hooks().on_start;
        // Taken first, so that no arrival is planned that the limit has no iteration for.
        if !has_hook && !self.budget.take_iteration() {
            return;
        }
        load.users += 1;
        if open {
            self.state
                .telemetry
                .record(|recorder| recorder.arrivals_planned(1));
            self.state.telemetry.record(Recorder::arrival_started);
        }
        let begun = self.state.start.get();
        let until = start
            .until
            .map_or(Moment::NEVER, |until| begun.after(until));
        let slot = self
            .users
            .take(start.load, start.number, UserStage::OnStart, start.passes);
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
            self.run(slot, UserStage::OnStart, Entry::OnStart)
        } else {
            self.run_pass(slot)
        };
        self.follow(slot, step);
    }

    /// Starts the user that runs `setup` or `teardown`.
    pub(super) fn start_hook(&mut self, entry: Entry) {
        let slot = self.users.take(NO_LOAD, 0, UserStage::Hook, 1);
        self.hook_end = None;
        if !self.admit(slot, NO_LOAD, 0, Moment::NEVER, self.now) {
            let message = "the script's state took no user".to_owned();
            self.hook_end = Some(Err(ScriptError {
                message,
                traceback: String::new(),
            }));
            return;
        }
        let step = self.run(slot, UserStage::Hook, entry);
        self.follow(slot, step);
    }

    /// Makes the user known to the script, and gives it its client certificate; false when that
    /// failed and the user is gone.
    pub(super) fn admit(
        &mut self,
        slot: u32,
        load: usize,
        number: u64,
        until: Moment,
        due: Moment,
    ) -> bool {
        let mut script_users = self.state.script_users.borrow_mut();
        if script_users.len() <= slot as usize {
            script_users.resize_with(slot as usize + 1, ScriptUser::default);
        }
        script_users[slot as usize].renew(ScriptUser {
            number,
            load: load as u32,
            pass: 0,
            until,
            due,
            stream: stream(Purpose::User, load, number),
            drawn: 0,
            parent: NONE,
            certificate_row: 0,
            template: NONE,
            went: None,
            ..ScriptUser::default()
        });
        drop(script_users);
        match self.script.attach(slot, number) {
            Ok(()) => self.give_certificate(slot, load),
            Err(error) => {
                self.refuse(slot, error.to_string());
                false
            }
        }
    }

    /// A user that could not begin is gone.
    fn refuse(&mut self, slot: u32, message: String) {
        let error = ScriptError {
            message,
            traceback: String::new(),
        };
        self.tell_error(slot, "(no scenario yet)".to_owned(), &error);
        self.state.telemetry.record(Recorder::iteration_failed);
        self.dismiss(slot);
    }

    pub(super) fn run(&mut self, slot: u32, stage: UserStage, entry: Entry) -> Step {
        let user = self.users.get_mut(slot);
        user.stage = stage;
        user.doing = Doing::Nothing;
        user.waited = false;
        let scenario = match entry {
            Entry::Scenario(index) => index,
            _ => crate::control::HOOK,
        };
        user.scenario = scenario;
        self.heartbeat.enter(scenario, user.number);
        self.script.run(slot, entry, self.state.stopping(slot))
    }

    /// Begins the user's next pass, or its end where the limit of iterations is reached.
    pub(super) fn begin_pass(&mut self, slot: u32) -> Option<Step> {
        if self.budget.take_iteration() {
            Some(self.run_pass(slot))
        } else {
            self.leave(slot)
        }
    }

    pub(super) fn run_pass(&mut self, slot: u32) -> Step {
        let user = self.users.get_mut(slot);
        let (load, number, pass) = (user.load, user.number, user.pass);
        user.pass += 1;
        if pass > 0 {
            self.transport.begin_iteration(slot);
        }
        let due = {
            let user = &mut self.state.script_users.borrow_mut()[slot as usize];
            user.begin_pass(pass);
            user.due
        };
        if let Some(pacing) = self.schedule.load_mut(load).pacing {
            self.users.get_mut(slot).paced = due.after(pacing);
        }
        let scenario = self.schedule.scenario(load, number, pass);
        self.run(slot, UserStage::Scenario, Entry::Scenario(scenario))
    }

    /// Does what the script wants, until it has to wait for something.
    pub(super) fn follow(&mut self, slot: u32, first: Step) {
        let mut next = Some(first);
        while let Some(step) = next.take() {
            self.heartbeat.leave();
            next = match step {
                Step::Template(id) => self.send_template(slot, id),
                Step::Request(spec) => self.send_once(slot, spec),
                Step::Sleep { min, max } => self.sleep(slot, min, max),
                Step::Parallel(count) => self.fork(slot, count),
                Step::Done => self.stage_ended(slot, None),
                Step::Leave => self.leave_without_row(slot),
                Step::Stop => self.leave_by_choice(slot),
                Step::Failed(error) => self.stage_ended(slot, Some(&error)),
            };
        }
    }

    pub(super) fn wait_until(&mut self, slot: u32, wake: Moment, doing: Doing) {
        let user = self.users.get_mut(slot);
        user.doing = doing;
        user.wakes = wake;
        let generation = user.generation;
        self.timers.add(wake, (slot, generation));
        if doing == Doing::Sleep || doing == Doing::Pass {
            self.state.script_users.borrow_mut()[slot as usize].due = wake;
        }
    }

    /// A user whose time has come goes on.
    pub(super) fn wake_user(&mut self, slot: u32, generation: u32) {
        if !self.users.is_current(slot, generation) || self.users.get(slot).wakes > self.now {
            return;
        }
        let user = self.users.get_mut(slot);
        let doing = std::mem::replace(&mut user.doing, Doing::Nothing);
        self.heartbeat.enter(user.scenario, user.number);
        let step = match doing {
            Doing::Nothing | Doing::Request | Doing::Branches | Doing::Held => {
                self.users.get_mut(slot).doing = doing;
                return;
            }
            Doing::Sleep => Some(self.script.wake(slot, self.state.stopping(slot))),
            Doing::Pass if self.may_loop(slot) => self.begin_pass(slot),
            Doing::Pass => self.leave(slot),
            Doing::Refused { kind, latency_ns } => Some(self.tell_refusal(slot, kind, latency_ns)),
        };
        if let Some(step) = step {
            self.follow(slot, step);
        }
    }

    /// A hook or a pass ended.
    pub(super) fn stage_ended(&mut self, slot: u32, error: Option<&ScriptError>) -> Option<Step> {
        let user = self.users.get(slot);
        let stage = user.stage;
        if let Some(error) = error {
            let name = self.scenario_name(user.scenario, stage);
            self.tell_error(slot, name, error);
        }
        match (stage, error) {
            (UserStage::Hook, _) => {
                self.hook_end = Some(error.map_or(Ok(()), |error| Err(error.clone())));
                self.dismiss(slot);
                None
            }
            (UserStage::OnStart, None) if self.users.get(slot).passes == 0 => self.leave(slot),
            (UserStage::OnStart, None) => self.begin_pass(slot),
            (UserStage::OnStart, Some(_)) => {
                self.state.telemetry.record(Recorder::iteration_failed);
                self.dismiss(slot);
                None
            }
            (UserStage::Scenario, None) => {
                self.state.telemetry.record(Recorder::iteration_finished);
                self.pass_ended(slot)
            }
            (UserStage::Scenario, Some(_)) => {
                self.state.telemetry.record(Recorder::iteration_failed);
                self.pass_ended(slot)
            }
            (UserStage::OnStop, _) => {
                self.dismiss(slot);
                None
            }
            (UserStage::Branch, _) => {
                self.branch_ended(slot);
                None
            }
        }
    }

    /// A pass ended: another one now, another one later, or the end of the user.
    pub(super) fn pass_ended(&mut self, slot: u32) -> Option<Step> {
        if !self.may_loop(slot) {
            return self.leave(slot);
        }
        let user = self.users.get(slot);
        let due = self.state.script_users.borrow()[slot as usize].due;
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
    pub(super) fn leave_without_row(&mut self, slot: u32) -> Option<Step> {
        let user = self.users.get_mut(slot);
        user.passes = 0;
        let (load, scenario) = (user.load, user.scenario);
        match user.stage {
            UserStage::OnStart => self.budget.found_no_row(load, None),
            UserStage::Scenario => {
                let scenario = self.schedule.index_in_plan(load, scenario);
                if scenario.is_some() {
                    self.budget.found_no_row(load, scenario);
                }
            }
            UserStage::Hook | UserStage::OnStop | UserStage::Branch => {}
        }
        self.stage_ended(slot, None)
    }

    /// The script said that the user leaves.
    pub(super) fn leave_by_choice(&mut self, slot: u32) -> Option<Step> {
        self.users.get_mut(slot).passes = 0;
        self.stage_ended(slot, None)
    }

    pub(super) fn may_loop(&self, slot: u32) -> bool {
        let user = self.users.get(slot);
        let until = self.state.script_users.borrow()[slot as usize].until;
        // The session of an arrival is finished in the drain; a closed user begins nothing in it.
        let has_time = until == Moment::NEVER || (!self.state.draining.get() && self.now < until);
        user.pass < user.passes && has_time && !self.budget.is_spent()
    }

    /// The user has done its work.
    pub(super) fn leave(&mut self, slot: u32) -> Option<Step> {
        if self.script.hooks().on_stop {
            return Some(self.run(slot, UserStage::OnStop, Entry::OnStop));
        }
        self.dismiss(slot);
        None
    }

    /// The user ceases to exist; its connections close.
    pub(super) fn dismiss(&mut self, slot: u32) {
        self.transport.release(slot);
        let load = self.users.get(slot).load;
        if load != NO_LOAD {
            self.schedule.load_mut(load).users -= 1;
        }
        self.script.detach(slot);
        self.users.release(slot);
        self.count_users();
    }

    pub(super) fn count_users(&mut self) {
        let present = self.users.present();
        self.state
            .telemetry
            .record(|recorder| recorder.users(present));
    }

    pub(super) fn scenario_name(&self, scenario: u32, stage: UserStage) -> String {
        match stage {
            UserStage::Scenario => self.script.scenarios()[scenario as usize].clone(),
            UserStage::Branch => self.branch_name(scenario),
            UserStage::OnStart => "on_start".to_owned(),
            UserStage::OnStop => "on_stop".to_owned(),
            UserStage::Hook => "setup or teardown".to_owned(),
        }
    }
}
