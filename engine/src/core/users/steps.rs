//! What a script wants to wait for: a request made from a template, one with options, a sleep.

use super::table::Doing;
use crate::core::Core;
use crate::core::request::{self, Pending, Prepared};
use crate::core::session::Location;
use crate::transport::Payload;
use scripting::{RequestSpec, ScriptError, Step};
use std::time::Duration;

impl Core {
    #[inline]
    pub(super) fn send_template(&mut self, slot: u32, id: u32) -> Option<Step> {
        self.users.get_mut(slot).waited = true;
        let (due, tags) = {
            let user = &mut self.state.script_users.borrow_mut()[slot as usize];
            user.template = id;
            if user.went.is_some() {
                user.went = None;
            }
            (user.due, user.tags)
        };
        let templates = self.state.templates.borrow();
        let template = &templates[id as usize];
        let name = template.name.with_tags(tags);
        let mut request = template.request(slot, name, due, &self.defaults);
        let pending = Pending::of_template(name, id, due, self.defaults.redirects);
        let has_field = self.state.default_fields.has_cookie;
        if self.state.has_session(slot) && self.defaults.cookies && !has_field {
            let at = Location {
                origin: template.origin,
                path: &template.path,
                known: Some(&template.scope),
            };
            let cookies = self.state.cookie_field(slot, None, at);
            if !cookies.is_empty() {
                request.payload = Payload::WithCookies(template.request, cookies);
            }
        }
        drop(templates);
        self.issue(slot, request, pending);
        None
    }

    pub(super) fn send_once(&mut self, slot: u32, spec: Box<RequestSpec>) -> Option<Step> {
        self.users.get_mut(slot).waited = true;
        match request::build(&self.state, slot, spec, &self.defaults) {
            Ok(Prepared { request, pending }) => {
                self.issue(slot, request, pending);
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
        if self.budget.is_out_of_requests() && self.state.telemetry.recording.get() {
            self.hold(slot);
        }
        None
    }

    /// The next number in [0, 1) of the user's own stream.
    pub(super) fn draw(&mut self, slot: u32) -> f64 {
        let user = &mut self.state.script_users.borrow_mut()[slot as usize];
        let drawn = user.drawn;
        user.drawn += 1;
        config::random::unit(self.state.seed, user.stream, drawn)
    }
}
