//! The end of a load: users who wait for nothing more, and users who are given up.

use super::table::{Doing, UserStage};
use crate::core::Core;
use stats::Recorder;

impl Core {
    /// Users that only wait for their next pass need not wait for it: there will be none.
    pub(in crate::core) fn release_waiting(&mut self) {
        for slot in self.users.slots() {
            let user = self.users.get_mut(slot);
            if user.present && user.doing == Doing::Pass {
                user.wakes = self.now;
                self.ready.push_back((slot, user.generation));
            }
        }
    }

    /// A user or branch wants a request that the run's limit has no place for. Its user ends here,
    /// once no other of its branches is under way.
    #[cold]
    pub(in crate::core) fn hold(&mut self, slot: u32) {
        self.users.get_mut(slot).doing = Doing::Held;
        self.end_if_held(self.users.get(slot).root);
    }

    /// Holds the users that sleep: there is no request for them to wake up to.
    pub(in crate::core) fn hold_sleepers(&mut self) {
        for slot in self.users.slots() {
            let user = self.users.get(slot);
            if user.present && user.doing == Doing::Sleep {
                self.hold(slot);
            }
        }
    }

    /// Ends a user of which everything is held. Its iteration counts as unfinished.
    #[cold]
    pub(super) fn end_if_held(&mut self, root: u32) {
        let own = |slot: &u32| {
            let user = self.users.get(*slot);
            user.present && user.root == root
        };
        let slots: Vec<u32> = self.users.slots().filter(own).collect();
        let is_over = |slot: &u32| {
            let user = self.users.get(*slot);
            // One that still starts branches has more to come than there are slots.
            let started = slots
                .iter()
                .filter(|at| self.users.get(**at).parent == *slot);
            match user.doing {
                Doing::Held => true,
                Doing::Branches => user.branches as usize == started.count(),
                _ => false,
            }
        };
        if !slots.iter().all(is_over) {
            return;
        }
        for slot in slots.into_iter().filter(|slot| *slot != root) {
            self.dismiss_branch(slot);
        }
        if matches!(
            self.users.get(root).stage,
            UserStage::Scenario | UserStage::OnStart
        ) {
            self.state.telemetry.record(Recorder::iteration_unfinished);
        }
        self.dismiss(root);
    }

    /// Ends all users where they stand: what they have not finished is counted as unfinished.
    pub(in crate::core) fn abandon_users(&mut self) {
        for slot in self.users.slots() {
            let user = self.users.get(slot);
            if user.present && user.doing == Doing::Request {
                let pending = user.pending();
                let (name, age_ns) = (pending.name, self.now.since(pending.intended));
                let telemetry = &self.state.telemetry;
                telemetry.record(|recorder| recorder.request_unfinished(name, age_ns));
            }
        }
        self.transport.abandon();
        for slot in self.users.slots() {
            let user = self.users.get(slot);
            if !user.present {
                continue;
            }
            if self.users.is_branch(slot) {
                self.dismiss_branch(slot);
                continue;
            }
            let between = user.doing == Doing::Pass;
            if !between && matches!(user.stage, UserStage::Scenario | UserStage::OnStart) {
                self.state.telemetry.record(Recorder::iteration_unfinished);
            }
            self.dismiss(slot);
        }
    }
}
