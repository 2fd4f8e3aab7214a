//! The table of users of one core: slots, and the branches among them.

use crate::clock::Moment;
use crate::core::request::Pending;
use crate::transport::NONE;
use stats::FailureKind;

/// What a user is doing, between its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing: the slot is free, or the user runs this very moment.
    Nothing,
    /// Waiting for the end of a request.
    Request,
    /// Sleeping.
    Sleep,
    /// About to be told that its request was refused.
    Refused { kind: FailureKind, latency_ns: u64 },
    /// About to begin its next pass.
    Pass,
    /// Its branches run.
    Branches,
    /// It wants a request when the run has made as many as it may, and goes no further.
    Held,
}

/// Which part of its life a user is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserStage {
    /// `setup` or `teardown`.
    Hook,
    OnStart,
    Scenario,
    OnStop,
    /// A branch of a user, which has a slot of its own.
    Branch,
}

/// One user, or one branch of a user, between its steps.
pub(crate) struct User {
    /// The use of this slot.
    pub(crate) generation: u32,
    pub(crate) doing: Doing,
    /// When it goes on; an entry of the timers that comes up before is an old one.
    pub(crate) wakes: Moment,
    /// What the core remembers of its latest request.
    pub(super) request: Option<Pending>,
    /// Requests refused one after another, those of branches counted with their root.
    pub(crate) refusals: u8,
    /// Who owns the connections: the user itself, or the user that a branch is of.
    pub(crate) root: u32,
    /// The user or branch that this is a branch of, or [`NONE`].
    pub(super) parent: u32,
    /// Its branches that have not ended.
    pub(super) branches: u32,
    pub(super) stage: UserStage,
    pub(super) load: usize,
    pub(super) number: u64,
    /// Passes begun.
    pub(super) pass: u32,
    pub(super) scenario: u32,
    /// The present pass has waited for something.
    pub(super) waited: bool,
    /// How many passes it may make.
    pub(super) passes: u32,
    /// With pacing: when the next pass may begin.
    pub(super) paced: Moment,
    /// It belongs to a closed load.
    pub(super) is_closed: bool,
    pub(super) present: bool,
}

impl User {
    /// The request that it waits for.
    #[inline]
    pub(crate) fn pending(&self) -> &Pending {
        let request = self.request.as_ref();
        request.expect("who waits for a reply has made a request")
    }
}

/// The users of a core by slot.
#[derive(Default)]
pub(crate) struct Users {
    pub(super) table: Vec<User>,
    free: Vec<u32>,
    pub(super) present: u32,
}

impl Users {
    /// Makes room for so many, and no more.
    pub(crate) fn reserve(&mut self, users: usize) {
        self.table.reserve_exact(users);
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> &User {
        &self.table[slot as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut User {
        &mut self.table[slot as usize]
    }

    /// Whether the user that a slot had in `generation` still has it.
    pub(crate) fn is_current(&self, slot: u32, generation: u32) -> bool {
        let user = self.get(slot);
        user.present && user.generation == generation
    }

    pub(crate) fn present(&self) -> u32 {
        self.present
    }

    /// The users of closed loads: slot, load and number.
    pub(crate) fn closed(&self) -> Vec<(u32, (usize, u64))> {
        let users = (0..).zip(&self.table);
        let closed = users.filter(|(_, user)| user.present && user.is_closed);
        closed
            .map(|(slot, user)| (slot, (user.load, user.number)))
            .collect()
    }

    pub(crate) fn take(&mut self, load: usize, number: u64, stage: UserStage, passes: u32) -> u32 {
        self.present += 1;
        let slot = self.free.pop().unwrap_or(self.table.len() as u32);
        let generation = self
            .table
            .get(slot as usize)
            .map_or(0, |old| old.generation + 1);
        let user = User {
            generation,
            doing: Doing::Nothing,
            wakes: Moment(0),
            request: None,
            refusals: 0,
            root: slot,
            parent: NONE,
            branches: 0,
            stage,
            load,
            number,
            pass: 0,
            scenario: 0,
            waited: false,
            passes,
            paced: Moment(0),
            is_closed: false,
            present: true,
        };
        match self.table.get_mut(slot as usize) {
            Some(old) => *old = user,
            None => self.table.push(user),
        }
        slot
    }

    pub(crate) fn release(&mut self, slot: u32) {
        let user = self.get_mut(slot);
        user.present = false;
        user.doing = Doing::Nothing;
        self.free.push(slot);
        self.present -= 1;
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.table.len() as u32
    }
}
