//! Branches of a user: each has a slot of its own, so that its requests, sleeps and time limits
//! are served as those of users, and shares number, load and connections of its user.

use super::table::{Doing, UserStage, Users};
use crate::clock::Moment;
use crate::core::Core;
use crate::core::state::ScriptUser;
use crate::pacing::branch_stream;
use crate::transport::NONE;
use scripting::{Host, Step};

impl Users {
    /// A slot for a branch of `parent`. It is no user of its own in any count.
    pub(super) fn take_branch(&mut self, parent: u32) -> u32 {
        let of = self.get(parent);
        let (root, load, number, scenario) = (of.root, of.load, of.number, of.scenario);
        let slot = self.take(load, number, UserStage::Branch, 0);
        self.present -= 1;
        let branch = self.get_mut(slot);
        (branch.root, branch.parent, branch.scenario) = (root, parent, scenario);
        slot
    }

    pub(super) fn release_branch(&mut self, slot: u32) {
        self.present += 1;
        self.release(slot);
    }

    /// The branches: slot, and slot of the user.
    pub(crate) fn branches(&self) -> impl Iterator<Item = (u32, u32)> {
        let users = (0..).zip(&self.table);
        let branches = users.filter(|(_, user)| user.present && user.parent != NONE);
        branches.map(|(slot, user)| (slot, user.root))
    }

    pub(super) fn is_branch(&self, slot: u32) -> bool {
        self.get(slot).parent != NONE
    }
}

impl Core {
    /// Starts the branches of a user, which waits until all of them have ended: they may already
    /// have when this returns, and then it goes on.
    pub(super) fn fork(&mut self, parent: u32, count: u32) -> Option<Step> {
        let user = self.users.get_mut(parent);
        user.doing = Doing::Branches;
        // One more for this function, so that branches that end at once don't resume it from below.
        user.branches = count + 1;
        let drawn = self.state.random(parent);
        let due = self.state.script_users.borrow()[parent as usize].due;
        for index in 0..count {
            let slot = self.users.take_branch(parent);
            self.enrol(slot, parent, branch_stream(drawn, index), due);
            let user = self.users.get(slot);
            self.heartbeat.enter(user.scenario, user.number);
            let stopping = self.state.stopping(slot);
            let step = self.script.fork(slot, parent, index, stopping);
            self.follow(slot, step);
        }
        self.one_less(parent)
    }

    /// Gives a branch what the script may ask about it.
    pub(super) fn enrol(&mut self, slot: u32, parent: u32, stream: u64, due: Moment) {
        let mut script_users = self.state.script_users.borrow_mut();
        if script_users.len() <= slot as usize {
            script_users.resize_with(slot as usize + 1, ScriptUser::default);
        }
        let of = &script_users[parent as usize];
        let user = ScriptUser {
            number: of.number,
            load: of.load,
            pass: of.pass,
            until: of.until,
            due,
            stream,
            drawn: 0,
            parent,
            certificate_row: 0,
            template: NONE,
            went: None,
            tags: of.tags,
            ..ScriptUser::default()
        };
        script_users[slot as usize].renew(user);
    }

    /// A branch ended. An error that its user hears of is none of the engine's; what comes here as
    /// `Failed` is told by the caller.
    pub(super) fn branch_ended(&mut self, slot: u32) {
        let branch = self.users.get(slot);
        let (parent, waited) = (branch.parent, branch.waited);
        self.users.get_mut(parent).waited |= waited;
        let mut script_users = self.state.script_users.borrow_mut();
        let ended = script_users[slot as usize].due;
        let due = &mut script_users[parent as usize].due;
        *due = ended.max(*due);
        drop(script_users);
        self.dismiss_branch(slot);
        if let Some(step) = self.one_less(parent) {
            self.follow(parent, step);
        }
    }

    /// A branch ceases to exist; its connections stay with its user.
    pub(super) fn dismiss_branch(&mut self, slot: u32) {
        self.script.detach(slot);
        self.users.release_branch(slot);
    }

    /// One branch less under way; the user goes on after the last.
    pub(super) fn one_less(&mut self, parent: u32) -> Option<Step> {
        let user = self.users.get_mut(parent);
        user.branches -= 1;
        if user.branches > 0 {
            if self.budget.is_out_of_requests() {
                self.end_if_held(self.users.get(parent).root);
            }
            return None;
        }
        user.doing = Doing::Nothing;
        self.heartbeat.enter(user.scenario, user.number);
        Some(self.script.join(parent, self.state.stopping(parent)))
    }

    pub(super) fn branch_name(&self, scenario: u32) -> String {
        let name = self.script.scenarios().get(scenario as usize);
        name.map_or_else(|| "a branch of a hook".to_owned(), Clone::clone)
    }
}
