//! Changes of the load while it runs.

use super::Core;

impl Core {
    /// Makes the changes that were asked for since the last time; whether there were any. From
    /// the drain on nothing changes any more.
    pub(crate) fn follow_changes(&mut self) -> bool {
        if self.control.changes() == self.changes_made || self.state.draining.get() {
            return false;
        }
        let start = self.state.start.get();
        for (at, change) in self.control.changes_after(self.changes_made) {
            self.changes_made += 1;
            let closed = self.users.closed();
            let users: Vec<(usize, u64)> = closed.iter().map(|(_, user)| *user).collect();
            let untils = self.schedule.change(at, change, &users);
            let mut script_users = self.state.script_users.borrow_mut();
            for ((slot, _), until) in closed.iter().zip(untils) {
                script_users[*slot as usize].until = start.after(until);
            }
            for (slot, root) in self.users.branches() {
                script_users[slot as usize].until = script_users[root as usize].until;
            }
        }
        true
    }
}
