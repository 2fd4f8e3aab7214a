//! The client certificates of users that have their own: each has that of one row of a data file.

use super::NO_LOAD;
use crate::core::Core;
use scripting::Host;
use std::rc::Rc;

impl Core {
    /// Gives a new user its certificate, where users have their own; false when there is none left
    /// and the user is gone. Hooks of the run have that of the first row.
    pub(super) fn give_certificate(&mut self, slot: u32, load: usize) -> bool {
        let state = Rc::clone(&self.state);
        let Some(data) = &state.client_data else {
            return true;
        };
        let drawn = if load == NO_LOAD {
            Ok(Some(0))
        } else {
            let (asker, chance) = (state.asker(slot), state.random(slot));
            state.feeder.borrow_mut().draw(data, asker, chance)
        };
        match drawn {
            Ok(Some(row)) => {
                state.script_users.borrow_mut()[slot as usize].certificate_row = row;
                self.transport.identify(slot, row);
                true
            }
            Ok(None) => {
                // Whoever would come to an open load, would leave; users of closed ones stay.
                if !self.users.get(slot).is_closed {
                    self.budget.found_no_row(load, None);
                }
                self.dismiss(slot);
                false
            }
            Err(message) => {
                self.refuse(slot, message);
                false
            }
        }
    }
}
