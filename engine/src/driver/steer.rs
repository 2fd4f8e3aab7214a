//! Changes of the load while it runs.

use super::Driver;

impl Driver {
    /// Makes the changes that were asked for since the last time; whether there were any. From
    /// the drain on nothing changes any more.
    pub(super) fn follow_changes(&mut self) -> bool {
        if self.control.changes() == self.changes_made || self.shared.draining.get() {
            return false;
        }
        let start = self.shared.start.get();
        for (at, change) in self.control.changes_after(self.changes_made) {
            self.changes_made += 1;
            let closed = self.users.closed();
            let users: Vec<(usize, u64)> = closed.iter().map(|(_, user)| *user).collect();
            let untils = self.schedule.change(at, change, &users);
            let mut actors = self.shared.actors.borrow_mut();
            for ((slot, _), until) in closed.iter().zip(untils) {
                actors[*slot as usize].until = start.after(until);
            }
            for (slot, root) in self.users.branches() {
                actors[slot as usize].until = actors[root as usize].until;
            }
        }
        true
    }
}
