//! What users leave behind when many of them go: garbage of the script's state, collected in the
//! pauses of the core.

/// Rounds of the collector until all that is dead now is gone: the one under way and a whole one.
const ROUNDS: u8 = 2;

/// Whether there is something to collect.
#[derive(Default)]
pub(crate) struct GcPacer {
    /// The most users since the last collection began.
    users_max: u32,
    /// Rounds to go.
    rounds: u8,
}

impl GcPacer {
    /// Once a second: when half of the users have gone, what they held is worth collecting.
    pub(crate) fn look(&mut self, users: u32) {
        if users < self.users_max / 2 {
            self.rounds = ROUNDS;
            self.users_max = users;
        } else {
            self.users_max = self.users_max.max(users);
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.rounds > 0
    }

    /// A piece was collected; `ended` says that a round ended with it.
    pub(crate) fn step(&mut self, ended: bool) {
        self.rounds -= u8::from(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_by_half_is_followed_by_two_rounds() {
        let mut gc_pacer = GcPacer::default();
        for users in [0, 10, 100, 60] {
            gc_pacer.look(users);
            assert!(!gc_pacer.is_due(), "{users}");
        }
        gc_pacer.look(49);
        let rounds = [false, true, false, true].map(|ended| {
            let there = gc_pacer.is_due();
            gc_pacer.step(ended);
            there
        });
        assert_eq!((rounds, gc_pacer.is_due()), ([true; 4], false));
    }
}
