//! What a script wants to wait for: a request made from a template, one with options, a sleep.

use super::{Core, Doing, ScriptError, Step};
use crate::core::request;
use crate::core::session::Where;
use crate::core::template;
use crate::transport::stream::Payload;
use std::time::Duration;

impl Core {
    #[inline]
    pub(super) fn send_template(&mut self, slot: u32, id: u32) -> Option<Step> {
        self.users.get_mut(slot).waited = true;
        let due = {
            let actor = &mut self.state.script_users.borrow_mut()[slot as usize];
            actor.template = id;
            if actor.went.is_some() {
                actor.went = None;
            }
            actor.due
        };
        let templates = self.state.templates.borrow();
        let template = &templates[id as usize];
        let mut exchange = template.exchange(id, due, &self.defaults);
        let origin = template.origin;
        if self.state.has_session(slot) && self.defaults.cookies && !self.state.defaults.has_cookie
        {
            let at = Where {
                origin,
                path: &template.path,
                known: Some(&template.place),
            };
            let cookies = self.state.cookie_field(slot, at);
            if !cookies.is_empty() {
                exchange.payload = Payload::Owned(template::with_cookies(template.bytes, &cookies));
            }
        }
        drop(templates);
        self.issue(slot, origin, exchange);
        None
    }

    pub(super) fn send_once(
        &mut self,
        slot: u32,
        spec: Box<scripting::RequestSpec>,
    ) -> Option<Step> {
        self.users.get_mut(slot).waited = true;
        let due = self.state.script_users.borrow()[slot as usize].due;
        match request::build(&self.state, slot, spec, &self.defaults, due) {
            Ok((origin, exchange)) => {
                self.issue(slot, origin, exchange);
                None
            }
            Err(message) => {
                let error = ScriptError {
                    message,
                    traceback: String::new(),
                };
                Some(Step::Failed(Box::new(error)))
            }
        }
    }

    pub(super) fn sleep(&mut self, slot: u32, min: Duration, max: Duration) -> Option<Step> {
        let span = (max - min).as_nanos() as f64;
        let drawn = if span > 0.0 {
            self.draw(slot) * span
        } else {
            0.0
        };
        let due = self.state.script_users.borrow()[slot as usize].due;
        let wake = due.after(min + Duration::from_nanos(drawn as u64));
        self.users.get_mut(slot).waited = true;
        self.wait_until(slot, wake, Doing::Sleep);
        if self.budget.is_out_of_requests() && self.state.recording.get() {
            self.hold(slot);
        }
        None
    }

    /// The next number in [0, 1) of the user's own stream.
    pub(crate) fn draw(&mut self, slot: u32) -> f64 {
        let actor = &mut self.state.script_users.borrow_mut()[slot as usize];
        let drawn = actor.drawn;
        actor.drawn += 1;
        config::random::unit(self.state.seed, actor.stream, drawn)
    }
}
