//! What a core's script and its driver share: recorder, templates, and what users may ask.

use super::connections::NONE;
use super::exchange::Kept;
use super::files::Files;
use super::links;
use super::origins::OriginId;
use super::origins::Origins;
use super::session::Session;
use super::template::{self, Template};
use super::terms::Defaults;
use crate::clock::{Clock, Moment};
use crate::event::Event;
use crate::feeder::{Asker, Feeder};
use crate::http::encode::Field;
use config::random;
use scripting::{CookieSpec, Host, MetricKind, Row};
use stats::custom::CustomKind;
use stats::{CheckId, Counter, CustomId, FailureKind, NameId, Recorder};
use std::cell::{Cell, RefCell};
use std::sync::mpsc::SyncSender;

/// How many templates one core keeps; each costs its encoded request for the rest of the run.
pub(super) const TEMPLATES_MAX: usize = 10_000;

/// The part of a core that is reachable from inside a running script. One thread, so cells; no
/// borrow is held while a script runs.
pub(super) struct Shared {
    pub(super) clock: Clock,
    /// When the present turn began.
    pub(super) now: Cell<Moment>,
    /// Start of the load.
    pub(super) start: Cell<Moment>,
    pub(super) seed: u64,
    /// False during setup and teardown: their traffic is no part of the result.
    pub(super) recording: Cell<bool>,
    /// No new iterations.
    pub(super) draining: Cell<bool>,
    /// Servers are asked to keep connections.
    pub(super) keep_alive: bool,
    /// Every exchange is told as an event.
    pub(super) traced: bool,
    /// What has come of replies, where it is.
    pub(super) wire: super::told::Wire,
    pub(super) recorder: RefCell<Recorder>,
    /// By user slot.
    pub(super) actors: RefCell<Vec<Actor>>,
    pub(super) templates: RefCell<Vec<Template>>,
    /// By the number the script knows them under.
    pub(super) checks: RefCell<Vec<CheckId>>,
    pub(super) transactions: RefCell<Vec<NameId>>,
    pub(super) metrics: RefCell<Vec<CustomId>>,
    pub(super) origins: RefCell<Origins>,
    /// What is kept of the reply whose user runs at the moment.
    pub(super) latest: RefCell<Option<Box<Kept>>>,
    /// The rows of data sources.
    pub(super) feeder: RefCell<Feeder>,
    /// What scripts send of files.
    pub(super) files: Files,
    /// The fields that every request has.
    pub(super) defaults: Defaults,
    pub(super) events: SyncSender<Event>,
}

/// What a script may ask about its user or branch.
#[derive(Default)]
pub(super) struct Actor {
    /// The user's number in its load.
    pub(super) number: u64,
    pub(super) load: u32,
    /// Its pass, from 0; that of a branch is its user's.
    pub(super) pass: u32,
    /// After this moment the user begins no further iteration.
    pub(super) until: Moment,
    /// When the script is due to act: the end of the reply or the sleep before.
    pub(super) due: Moment,
    /// Its stream of random numbers.
    pub(super) stream: u64,
    /// How many random numbers were drawn.
    pub(super) drawn: u64,
    /// The user or branch that a branch is of, or [`NONE`].
    pub(super) parent: u32,
    /// The template of its latest request, unless `went` says otherwise.
    pub(super) template: u32,
    /// Server and path of its latest request, when that had options or was redirected.
    pub(super) went: Option<Box<(OriginId, String)>>,
    /// Its cookies and challenges; those of a branch are its user's.
    pub(super) session: Option<Box<Session>>,
    pub(super) transactions: Vec<Transaction>,
}

impl Actor {
    /// A new user takes the place; the memory of the old one's transactions is kept.
    pub(super) fn renew(&mut self, new: Actor) {
        let mut transactions = std::mem::take(&mut self.transactions);
        transactions.clear();
        *self = Actor {
            transactions,
            ..new
        };
    }
}

/// An open transaction.
pub(super) struct Transaction {
    name: NameId,
    begun: Moment,
    /// A request in it failed.
    pub(super) failed: bool,
}

impl Shared {
    /// Records something, unless this is setup or teardown.
    pub(super) fn record(&self, write: impl FnOnce(&mut Recorder)) {
        if self.recording.get() {
            write(&mut self.recorder.borrow_mut());
        }
    }

    /// Sends an event, or counts its loss.
    pub(super) fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.recorder.borrow_mut().count(Counter::LogsDropped, 1);
        }
    }

    /// Seconds since the start of the load; 0 before.
    fn elapsed_ns(&self) -> u64 {
        self.clock.now().since(self.start.get())
    }

    /// Whether the load asks the user to stop.
    pub(super) fn stopping(&self, slot: u32) -> bool {
        self.draining.get() || self.now.get() >= self.actors.borrow()[slot as usize].until
    }

    /// The fields that every request to a server has; the target is the first of the origins.
    pub(super) fn defaults(&self, origin: OriginId) -> &[Field] {
        match origin {
            0 => &self.defaults.target,
            _ => &self.defaults.others,
        }
    }

    /// The user's latest request is one to this place.
    pub(super) fn went_to(&self, slot: u32, origin: OriginId, path: &str) {
        let actor = &mut self.actors.borrow_mut()[slot as usize];
        actor.went = Some(Box::new((origin, path.to_owned())));
    }

    /// Marks the open transactions of a user whose request failed, and those around a branch.
    pub(super) fn fail_transactions(&self, slot: u32) {
        let mut actors = self.actors.borrow_mut();
        let mut place = slot;
        while place != NONE {
            let actor = &mut actors[place as usize];
            for transaction in &mut actor.transactions {
                transaction.failed = true;
            }
            place = actor.parent;
        }
    }
}

/// The number of `id` in a list, new or known.
fn number<T: PartialEq>(list: &mut Vec<T>, id: T) -> u32 {
    let place = list
        .iter()
        .position(|known| *known == id)
        .unwrap_or_else(|| {
            list.push(id);
            list.len() - 1
        });
    place as u32
}

impl Host for Shared {
    fn template(&self, method: &str, url: &str) -> Result<u32, String> {
        if self.templates.borrow().len() >= TEMPLATES_MAX {
            return Err(format!("more than {TEMPLATES_MAX} templates"));
        }
        let template = template::make(self, method, url)?;
        let mut templates = self.templates.borrow_mut();
        templates.push(template);
        Ok(templates.len() as u32 - 1)
    }

    fn random(&self, slot: u32) -> u64 {
        let actor = &mut self.actors.borrow_mut()[slot as usize];
        let drawn = actor.drawn;
        actor.drawn += 1;
        random::bits(self.seed, actor.stream, drawn)
    }

    fn absolute_url(&self, url: &str) -> Result<(), String> {
        template::destination(self, url).map(drop)
    }

    fn check_name(&self, name: &str) -> u32 {
        let id = self.recorder.borrow_mut().check_name(name);
        number(&mut self.checks.borrow_mut(), id)
    }

    fn check(&self, _slot: u32, check: u32, passed: bool) {
        let id = self.checks.borrow()[check as usize];
        self.record(|recorder| recorder.check(id, passed));
    }

    fn metric_name(&self, kind: MetricKind, name: &str) -> u32 {
        let kind = match kind {
            MetricKind::Counter => CustomKind::Counter,
            MetricKind::Gauge => CustomKind::Gauge,
            MetricKind::Rate => CustomKind::Rate,
            MetricKind::Trend => CustomKind::Trend,
        };
        let id = self.recorder.borrow_mut().custom_name(kind, name);
        number(&mut self.metrics.borrow_mut(), id)
    }

    fn metric(&self, metric: u32, value: f64) {
        let id = self.metrics.borrow()[metric as usize];
        self.record(|recorder| recorder.custom(id, value));
    }

    fn transaction_name(&self, name: &str) -> u32 {
        let id = self.recorder.borrow_mut().transaction_name(name);
        number(&mut self.transactions.borrow_mut(), id)
    }

    fn transaction_begin(&self, slot: u32, transaction: u32) {
        let name = self.transactions.borrow()[transaction as usize];
        let actor = &mut self.actors.borrow_mut()[slot as usize];
        let begun = actor.due;
        actor.transactions.push(Transaction {
            name,
            begun,
            failed: false,
        });
    }

    fn transaction_end(&self, slot: u32, ok: bool) {
        let (ended, due) = {
            let actor = &mut self.actors.borrow_mut()[slot as usize];
            (actor.transactions.pop(), actor.due)
        };
        if let Some(transaction) = ended {
            let latency_ns = due.since(transaction.begun);
            let ok = ok && !transaction.failed;
            self.record(|recorder| recorder.transaction(transaction.name, latency_ns, ok));
        }
    }

    fn transaction_left(&self, slot: u32) {
        self.actors.borrow_mut()[slot as usize].transactions.pop();
    }

    fn row(&self, slot: u32, data: &str) -> Result<Option<Row>, String> {
        let chance = self.random(slot);
        let asker = {
            let actor = &self.actors.borrow()[slot as usize];
            Asker {
                load: actor.load as usize,
                number: actor.number,
                pass: actor.pass,
            }
        };
        self.feeder.borrow_mut().row(data, asker, chance)
    }

    fn log(&self, slot: Option<u32>, text: &str) {
        let user = slot.map(|slot| self.actors.borrow()[slot as usize].number);
        self.tell(Event::Log {
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
            self.record(|recorder| recorder.count(Counter::DecodeErrorLate, 1));
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

    fn cookie(
        &self,
        slot: u32,
        name: &str,
        url: Option<&str>,
        f: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<(), String> {
        self.lend_cookie(slot, name, url, f)
    }

    fn set_cookie(&self, slot: u32, cookie: CookieSpec) -> Result<(), String> {
        self.give_cookie(slot, cookie)
    }

    fn clear_cookies(&self, slot: u32) {
        self.take_cookies(slot);
    }

    fn embedded(&self, page: &str, base: Option<&str>, link: &str) -> Option<(String, bool)> {
        links::embedded(self, page, base, link)
    }

    fn reply_url(&self, slot: u32) -> Option<String> {
        let actors = self.actors.borrow();
        let actor = &actors[slot as usize];
        let templates = self.templates.borrow();
        let (origin, path) = match &actor.went {
            Some(went) => (went.0, &went.1[..]),
            None => {
                let template = templates.get(actor.template as usize)?;
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
