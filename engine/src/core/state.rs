//! What a core's script and the core itself share: names, templates, and what users may ask.

use super::files::Files;
use super::request_defaults::DefaultFields;
use super::session::UserSession;
use super::template::Template;
use crate::clock::{Clock, Moment};
use crate::control::Control;
use crate::event::Exchange;
use crate::feeder::{Asker, Feeder};
use crate::http::encode::Field;
use crate::telemetry::Telemetry;
use crate::transport::{KeptReply, NONE, OriginId, Origins, Timings};
use config::Plan;
use stats::{CheckId, CustomId, NameId, Sample, TagsId};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The part of a core that is reachable from inside a running script. One thread, so cells; no
/// borrow is held while a script runs.
pub(crate) struct CoreState {
    pub(crate) run: RunIdentity,
    pub(crate) clock: Clock,
    /// When the present turn began.
    pub(crate) now: Cell<Moment>,
    /// Start of the load.
    pub(crate) start: Cell<Moment>,
    pub(crate) seed: u64,
    /// No new iterations.
    pub(crate) draining: Cell<bool>,
    /// Servers are asked to keep connections.
    pub(crate) keep_alive: bool,
    pub(crate) telemetry: Rc<Telemetry>,
    /// By user slot.
    pub(crate) script_users: RefCell<Vec<ScriptUser>>,
    pub(crate) templates: RefCell<Vec<Template>>,
    /// By the number the script knows them under.
    pub(crate) checks: RefCell<Vec<CheckId>>,
    pub(crate) transactions: RefCell<Vec<NameId>>,
    pub(crate) metrics: RefCell<Vec<CustomId>>,
    /// The servers there are, which the transport shares.
    pub(crate) origins: Rc<RefCell<Origins>>,
    /// What is kept of the reply whose user runs at the moment.
    pub(crate) latest: RefCell<Option<Box<KeptReply>>>,
    /// The parts of the time of that reply, if scripts ask for them.
    pub(crate) timings: Cell<Option<Timings>>,
    /// The end of that reply's request, until its script has seen the reply.
    pub(crate) held: RefCell<Option<HeldSample>>,
    /// The rows of data sources.
    pub(crate) feeder: RefCell<Feeder>,
    /// The data whose rows name the client certificates of users.
    pub(crate) client_data: Option<String>,
    /// What scripts send of files.
    pub(crate) files: Files,
    /// The fields that every request has.
    pub(crate) default_fields: DefaultFields,
}

/// What a script may ask about its run.
pub(crate) struct RunIdentity {
    pub(crate) id: String,
    pub(crate) name: String,
    /// How many loads there are.
    pub(crate) loads: u64,
    /// Its switch.
    pub(crate) control: Control,
}

impl RunIdentity {
    pub(super) fn of(plan: &Plan, id: String, control: Control) -> RunIdentity {
        RunIdentity {
            id,
            name: plan.name.clone(),
            loads: plan.loads.len() as u64,
            control,
        }
    }
}

/// The end of a request that its script may still reject.
pub(crate) struct HeldSample {
    pub(crate) name: NameId,
    pub(crate) sample: Sample,
    /// It is told as an event if the script rejects it.
    pub(crate) exchange: Option<Box<Exchange>>,
}

/// What a script may ask about its user or branch.
#[derive(Default)]
pub(crate) struct ScriptUser {
    /// The user's number in its load.
    pub(crate) number: u64,
    pub(crate) load: u32,
    /// Its pass, from 0; that of a branch is its user's.
    pub(crate) pass: u32,
    /// After this moment the user begins no further iteration.
    pub(crate) until: Moment,
    /// When the script is due to act: the end of the reply or the sleep before.
    pub(crate) due: Moment,
    /// Its stream of random numbers.
    pub(crate) stream: u64,
    /// How many random numbers were drawn.
    pub(crate) drawn: u64,
    /// The user or branch that a branch is of, or [`NONE`].
    pub(crate) parent: u32,
    /// The row of the data file that names its client certificate, where users have their own.
    pub(crate) certificate_row: u64,
    /// The template of its latest request, unless `went` says otherwise.
    pub(crate) template: u32,
    /// Server and path of its latest request, when that had options or was redirected.
    pub(crate) went: Option<Box<(OriginId, String)>>,
    /// Its cookies and challenges; those of a branch are its user's.
    pub(crate) session: Option<Box<UserSession>>,
    pub(crate) transactions: Vec<Transaction>,
    /// The tags of the stretch it is in.
    pub(crate) tags: TagsId,
    /// Those of the stretches around that one.
    pub(crate) tags_around: Vec<TagsId>,
}

impl ScriptUser {
    /// A new user takes the slot; the memory of the old one's transactions is kept.
    pub(crate) fn renew(&mut self, new: ScriptUser) {
        let mut transactions = std::mem::take(&mut self.transactions);
        transactions.clear();
        let mut tags_around = std::mem::take(&mut self.tags_around);
        tags_around.clear();
        *self = ScriptUser {
            transactions,
            tags_around,
            ..new
        };
    }

    /// The user starts a pass, and is in no stretch.
    pub(crate) fn begin_pass(&mut self, pass: u32) {
        self.pass = pass;
        self.tags = TagsId::default();
        self.tags_around.clear();
    }
}

/// An open transaction.
pub(crate) struct Transaction {
    pub(crate) name: NameId,
    pub(crate) begun: Moment,
    /// A request in it failed.
    pub(crate) failed: bool,
}

impl CoreState {
    pub(super) fn new(
        run: RunIdentity,
        plan: &Plan,
        clock: Clock,
        feeder: Feeder,
        telemetry: Rc<Telemetry>,
        origins: Rc<RefCell<Origins>>,
    ) -> CoreState {
        CoreState {
            run,
            clock,
            now: Cell::new(Moment(0)),
            start: Cell::new(Moment::NEVER),
            seed: plan.seed,
            draining: Cell::new(false),
            keep_alive: plan.connections.keep_alive,
            telemetry,
            script_users: RefCell::default(),
            templates: RefCell::default(),
            checks: RefCell::default(),
            metrics: RefCell::default(),
            transactions: RefCell::default(),
            origins,
            latest: RefCell::default(),
            timings: Cell::default(),
            held: RefCell::default(),
            feeder: RefCell::new(feeder),
            client_data: plan.tls.client_data.clone(),
            files: Files::new(&plan.script),
            default_fields: DefaultFields::of(plan),
        }
    }

    /// The user of a slot, as one that asks for rows.
    pub(crate) fn asker(&self, slot: u32) -> Asker {
        let user = &self.script_users.borrow()[slot as usize];
        Asker {
            load: user.load as usize,
            number: user.number,
            pass: user.pass,
        }
    }

    /// Nanoseconds since the start of the load; 0 before.
    pub(crate) fn elapsed_ns(&self) -> u64 {
        self.clock.now().since(self.start.get())
    }

    /// Whether the load asks the user to stop.
    pub(crate) fn stopping(&self, slot: u32) -> bool {
        self.draining.get() || self.now.get() >= self.script_users.borrow()[slot as usize].until
    }

    /// The fields that every request to a server has; the target is the first of the origins.
    pub(crate) fn default_fields(&self, origin: OriginId) -> &[Field] {
        match origin {
            0 => &self.default_fields.target,
            _ => &self.default_fields.others,
        }
    }

    /// The user's latest request is one to this place.
    pub(crate) fn went_to(&self, slot: u32, origin: OriginId, path: &str) {
        let user = &mut self.script_users.borrow_mut()[slot as usize];
        user.went = Some(Box::new((origin, path.to_owned())));
    }

    /// Marks the open transactions of a user whose request failed, and those around a branch.
    pub(crate) fn fail_transactions(&self, slot: u32) {
        let mut script_users = self.script_users.borrow_mut();
        let mut at = slot;
        while at != NONE {
            let user = &mut script_users[at as usize];
            for transaction in &mut user.transactions {
                transaction.failed = true;
            }
            at = user.parent;
        }
    }
}
