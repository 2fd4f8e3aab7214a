//! What a running script asks of its core.

use super::destination;
use super::links;
use super::state::{CoreState, Transaction};
use crate::event::Event;
use config::random;
use scripting::{CookieJar, CookieSpec, Host, MetricKind, Row, Tag};
use stats::custom::CustomKind;
use stats::{Counter, FailureKind};

/// How many templates one core keeps; each costs its encoded request for the rest of the run.
const TEMPLATES_MAX: usize = 10_000;

/// The index of `id` in a list, new or known.
fn index_of<T: PartialEq>(list: &mut Vec<T>, id: T) -> u32 {
    let index = list
        .iter()
        .position(|known| *known == id)
        .unwrap_or_else(|| {
            list.push(id);
            list.len() - 1
        });
    index as u32
}

impl Host for CoreState {
    fn template(&self, method: &str, url: &str) -> Result<u32, String> {
        if self.templates.borrow().len() >= TEMPLATES_MAX {
            return Err(format!("more than {TEMPLATES_MAX} templates"));
        }
        let template = destination::template(self, method, url)?;
        let mut templates = self.templates.borrow_mut();
        templates.push(template);
        Ok(templates.len() as u32 - 1)
    }

    fn random(&self, slot: u32) -> u64 {
        let user = &mut self.script_users.borrow_mut()[slot as usize];
        let drawn = user.drawn;
        user.drawn += 1;
        random::bits(self.seed, user.stream, drawn)
    }

    fn timings(&self, _slot: u32, f: &mut dyn FnMut(&'static str, f64)) {
        if let Some(timings) = self.timings.get() {
            for (phase, ns) in timings.parts() {
                f(phase.as_str(), ns as f64 / 1e6);
            }
        }
    }

    fn reject(&self, slot: u32, reason: &str) -> bool {
        let mut held = self.held.borrow_mut();
        let Some(held) = &mut *held else {
            return false;
        };
        held.sample.failure.get_or_insert(FailureKind::Rejected);
        self.fail_transactions(slot);
        let name = self.telemetry.recorder.borrow().text(held.name).to_owned();
        let text = format!("request {name:?} was rejected: {reason}");
        self.telemetry
            .send_once(text.clone(), || Event::Notice { text });
        true
    }

    fn run_id(&self) -> &str {
        &self.run.id
    }

    fn run_name(&self) -> &str {
        &self.run.name
    }

    fn iteration(&self, slot: u32) -> u32 {
        self.script_users.borrow()[slot as usize].pass
    }

    fn user_index(&self, slot: u32) -> u64 {
        let user = &self.script_users.borrow()[slot as usize];
        user.number * self.run.loads + u64::from(user.load)
    }

    fn abort(&self, slot: u32, reason: &str) -> bool {
        let load = u64::from(self.script_users.borrow()[slot as usize].load);
        let is_in_load = load < self.run.loads;
        if is_in_load {
            self.run.control.abort(reason);
        }
        is_in_load
    }

    fn absolute_url(&self, url: &str) -> Result<(), String> {
        destination::resolve(self, url).map(drop)
    }

    fn check_name(&self, name: &str) -> u32 {
        let id = self.telemetry.recorder.borrow_mut().check_name(name);
        index_of(&mut self.checks.borrow_mut(), id)
    }

    fn check(&self, _slot: u32, check: u32, passed: bool) {
        let id = self.checks.borrow()[check as usize];
        self.telemetry.record(|recorder| recorder.check(id, passed));
    }

    fn metric_name(&self, kind: MetricKind, name: &str) -> u32 {
        let kind = match kind {
            MetricKind::Counter => CustomKind::Counter,
            MetricKind::Gauge => CustomKind::Gauge,
            MetricKind::Rate => CustomKind::Rate,
            MetricKind::Trend => CustomKind::Trend,
        };
        let id = self.telemetry.recorder.borrow_mut().custom_name(kind, name);
        index_of(&mut self.metrics.borrow_mut(), id)
    }

    fn metric(&self, metric: u32, value: f64) {
        let id = self.metrics.borrow()[metric as usize];
        self.telemetry.record(|recorder| recorder.custom(id, value));
    }

    fn transaction_name(&self, name: &str) -> u32 {
        let id = self.telemetry.recorder.borrow_mut().transaction_name(name);
        index_of(&mut self.transactions.borrow_mut(), id)
    }

    fn transaction_begin(&self, slot: u32, transaction: u32) {
        let name = self.transactions.borrow()[transaction as usize];
        let user = &mut self.script_users.borrow_mut()[slot as usize];
        let begun = user.due;
        user.transactions.push(Transaction {
            name,
            begun,
            failed: false,
        });
    }

    fn transaction_end(&self, slot: u32, ok: bool) {
        let (ended, due) = {
            let user = &mut self.script_users.borrow_mut()[slot as usize];
            (user.transactions.pop(), user.due)
        };
        if let Some(transaction) = ended {
            let latency_ns = due.since(transaction.begun);
            let ok = ok && !transaction.failed;
            self.telemetry
                .record(|recorder| recorder.transaction(transaction.name, latency_ns, ok));
        }
    }

    fn transaction_left(&self, slot: u32) {
        self.script_users.borrow_mut()[slot as usize]
            .transactions
            .pop();
    }

    fn tags_begin(&self, slot: u32, tags: &[Tag]) -> usize {
        let user = &mut self.script_users.borrow_mut()[slot as usize];
        let mut recorder = self.telemetry.recorder.borrow_mut();
        user.tags_around.push(user.tags);
        user.tags = recorder.tags(user.tags, tags);
        recorder.tags_of(user.tags).len()
    }

    fn tags_end(&self, slot: u32) {
        let user = &mut self.script_users.borrow_mut()[slot as usize];
        user.tags = user.tags_around.pop().unwrap_or_default();
    }

    fn row(&self, slot: u32, data: &str) -> Result<Option<Row>, String> {
        if self.client_data.as_deref() == Some(data) {
            // Each user has one row of it: that of its certificate.
            let row = self.script_users.borrow()[self.root(slot) as usize].certificate_row;
            return self.feeder.borrow_mut().read(data, row).map(Some);
        }
        let (asker, chance) = (self.asker(slot), self.random(slot));
        self.feeder.borrow_mut().row(data, asker, chance)
    }

    fn log(&self, slot: Option<u32>, text: &str) {
        let user = slot.map(|slot| self.script_users.borrow()[slot as usize].number);
        self.telemetry.send(Event::Log {
            user,
            text: text.to_owned(),
        });
    }

    fn body(&self, _slot: u32, f: &mut dyn FnMut(Option<&[u8]>)) {
        let latest = self.latest.borrow();
        let Some(kept) = latest.as_ref() else {
            return f(None);
        };
        let was_undecodable = kept.is_undecodable();
        f(kept.plain());
        if kept.is_undecodable() && !was_undecodable {
            self.telemetry
                .record(|recorder| recorder.count(Counter::DecodeErrorLate, 1));
        }
    }

    fn body_failure(&self, _slot: u32) -> Option<&'static str> {
        let latest = self.latest.borrow();
        let kept = latest.as_ref().filter(|kept| kept.is_undecodable());
        kept.map(|_| FailureKind::DecodeError.as_str())
    }

    fn upload_file(&self, path: &str) -> Result<(), String> {
        self.files.open(path).map(drop)
    }

    fn cookie_jar(&self, slot: u32) -> Result<CookieJar, String> {
        self.make_jar(slot)
    }

    fn owns_cookie_jar(&self, slot: u32, jar: &CookieJar) -> bool {
        self.owns_jar(slot, jar)
    }

    fn cookie(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        name: &str,
        url: Option<&str>,
        f: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<(), String> {
        self.lend_cookie(slot, jar, name, url, f)
    }

    fn set_cookie(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        cookie: CookieSpec,
    ) -> Result<(), String> {
        self.give_cookie(slot, jar, cookie)
    }

    fn clear_cookies(&self, slot: u32, jar: Option<&CookieJar>) {
        self.take_cookies(slot, jar);
    }

    fn embedded(&self, page: &str, base: Option<&str>, link: &str) -> Option<(String, bool)> {
        links::embedded(self, page, base, link)
    }

    fn reply_url(&self, slot: u32) -> Option<String> {
        let script_users = self.script_users.borrow();
        let user = &script_users[slot as usize];
        let templates = self.templates.borrow();
        let (origin, path) = match &user.went {
            Some(went) => (went.0, &went.1[..]),
            None => {
                let template = templates.get(user.template as usize)?;
                (template.origin, &template.path[..])
            }
        };
        let origins = self.origins.borrow();
        let origin = &origins.get(origin).origin;
        Some(format!(
            "{}://{}{path}",
            origin.scheme.as_str(),
            origin.authority()
        ))
    }

    fn head(&self, _slot: u32, f: &mut dyn FnMut(Option<&[u8]>)) {
        let latest = self.latest.borrow();
        f(latest.as_ref().map(|kept| &kept.head[..]));
    }

    fn elapsed_s(&self) -> f64 {
        self.elapsed_ns() as f64 / 1e9
    }
}
