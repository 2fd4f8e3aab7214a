//! The end of a load: users who wait for nothing more, and users who are given up.

use super::{Doing, Driver, NONE, Recorder, Stage};

impl Driver {
    /// Users that only wait for their next pass need not wait for it: there will be none.
    pub(in crate::driver) fn release_waiting(&mut self) {
        for slot in self.users.slots() {
            let user = self.users.get_mut(slot);
            if user.present && user.doing == Doing::Pass {
                user.wakes = self.now;
                self.ready.push_back((slot, user.generation));
            }
        }
    }

    /// Ends all users where they stand: what they have not finished is counted as unfinished.
    pub(in crate::driver) fn abandon_users(&mut self) {
        self.forget_lookups();
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
            if !between && matches!(user.stage, Stage::Scenario | Stage::OnStart) {
                self.shared.record(Recorder::iteration_unfinished);
            }
            let mut connection = user.connection;
            self.forget_queue(slot);
            while connection != NONE {
                let held = self.connections.get_mut(connection);
                let (exchange, next) = (held.exchange.take(), held.next);
                if let Some(exchange) = exchange {
                    self.record_unfinished(&exchange);
                }
                connection = next;
            }
            self.dismiss(slot);
        }
    }
}
