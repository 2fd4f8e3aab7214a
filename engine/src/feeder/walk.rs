//! A walk through the rows of a source, shared by the cores of a process: which row comes next.
//!
//! The walk is a sequence of ordinals: ordinal `o` is row `o mod rows` of pass `o / rows`. A cursor
//! goes through them one by one; beside it, users take the ordinal of their own number out of turn,
//! so that who gets which row follows from the plan as long as each user takes one. Two bits per
//! row say how often it was taken, so that no ordinal is taken twice, and the cursor passes none
//! that was not.

use crate::pacing::{SHARDS, Segment, Share};
use config::{Load, Model};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far ahead of the cursor users may take their own ordinals in the pass after the present
/// one: cores are not at the same place when a pass ends.
const AHEAD_MAX: u64 = 1024;
/// How many taken ordinals one user moves the cursor over.
const CAUGHT_UP_MAX: u32 = 4;
/// Rows in one word of counters.
const ROWS_PER_WORD: u64 = 32;

/// See the module.
pub(super) struct Walk {
    rows: u64,
    /// It ends with the last row.
    is_finite: bool,
    part: Part,
    /// The next ordinal, unless it was taken out of turn.
    cursor: Cursor,
    /// How often each row was taken, modulo 4, two bits each; made with the first draw.
    taken: OnceLock<Box<[AtomicU64]>>,
    /// One user takes ordinals from the cursor, and nobody else is there.
    is_alone: AtomicBool,
    /// That user takes them backward.
    is_backward: AtomicBool,
}

/// On a cache line of its own: every core writes to it.
#[repr(align(128))]
struct Cursor(AtomicU64);

/// Which ordinals are this process's: those of its users and arrivals, over and over.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Ordinals that belong to one user or arrival before those of the next.
    pub(super) per_user: u64,
    /// After so many users, 1 to 1024, it begins again with the first.
    period: u64,
    /// Which of the period are this process's.
    own: Vec<bool>,
}

impl Part {
    /// The part of `segment` where `loads` draw rows.
    pub(super) fn of(loads: &[&Load], segment: Segment) -> Part {
        let users = |load: &&Load| match &load.model {
            Model::Closed { users, .. } => users.max(),
            Model::Open {
                arrivals: config::Arrivals::Poisson,
                ..
            } => f64::INFINITY,
            Model::Open { rate, .. } => rate.total(),
        };
        let most = loads.iter().map(users).fold(1.0, f64::max);
        let period = (most.ceil() as u64).min(SHARDS);
        let share = Share::new(segment, 0, 1);
        let mut own: Vec<bool> = (0..period).map(|number| share.owns(number)).collect();
        if !own.contains(&true) {
            // Without users by plan; should some come all the same, they have all rows.
            own.fill(true);
        }
        let per_user = match loads {
            [load] => per_user(load),
            _ => 1,
        };
        Part {
            per_user,
            period,
            own,
        }
    }

    fn owns(&self, ordinal: u64) -> bool {
        self.own[(ordinal / self.per_user % self.period) as usize]
    }

    /// How many of the first `rows` ordinals are this process's.
    fn count(&self, rows: u64) -> u64 {
        let users = rows / self.per_user;
        let own = |users: u64| {
            self.own[..users as usize]
                .iter()
                .filter(|own| **own)
                .count() as u64
        };
        let whole = users / self.period * own(self.period) + own(users % self.period);
        let rest = if self.owns(rows) {
            rows % self.per_user
        } else {
            0
        };
        whole * self.per_user + rest
    }
}

/// Passes of a user of an open load, each of which has an ordinal; 1 for a closed one.
pub(super) fn per_user(load: &Load) -> u64 {
    match load.model {
        Model::Open { iterations, .. } => u64::from(iterations),
        Model::Closed { .. } => 1,
    }
}

impl Walk {
    pub(super) fn new(rows: u64, is_finite: bool, part: Part) -> Walk {
        Walk {
            rows,
            is_finite,
            part,
            cursor: Cursor(AtomicU64::new(0)),
            taken: OnceLock::new(),
            is_alone: AtomicBool::new(false),
            is_backward: AtomicBool::new(false),
        }
    }

    /// Goes on from `ordinal` for one user, who is alone.
    pub(super) fn continue_alone(&self, ordinal: u64) {
        self.is_alone.store(true, Ordering::Relaxed);
        self.cursor.0.store(ordinal, Ordering::Relaxed);
    }

    /// As [`Walk::continue_alone`], from the last row backward if the walk ends, and otherwise from
    /// the first one.
    pub(super) fn keep_apart(&self) {
        self.continue_alone(if self.is_finite { self.rows - 1 } else { 0 });
        self.is_backward.store(self.is_finite, Ordering::Relaxed);
    }

    /// The rows that are this process's in one pass.
    pub(super) fn own_rows(&self) -> u64 {
        self.part.count(self.rows)
    }

    /// Takes the ordinal `wanted`, if it is still there to be taken, or the next one; `None` at
    /// the end.
    pub(super) fn next(&self, wanted: Option<u64>) -> Option<u64> {
        if self.is_alone.load(Ordering::Relaxed) {
            // before the first row it wraps around, beyond the end
            let ordinal = match self.is_backward.load(Ordering::Relaxed) {
                true => self.cursor.0.fetch_sub(1, Ordering::Relaxed),
                false => self.cursor.0.fetch_add(1, Ordering::Relaxed),
            };
            return (!self.is_past_end(ordinal)).then_some(ordinal);
        }
        if let Some(wanted) = wanted.filter(|wanted| self.take_wanted(*wanted)) {
            self.catch_up();
            return Some(wanted);
        }
        while !self.is_past_end(self.cursor.0.load(Ordering::Relaxed)) {
            let ordinal = self.cursor.0.fetch_add(1, Ordering::Relaxed);
            if self.is_past_end(ordinal) {
                break;
            }
            // A row that lags behind was passed by the cursor, but is not taken yet: whoever has
            // it in hand will find it gone and look further.
            if self.part.owns(ordinal) && self.take(ordinal, &[0, 3]) {
                return Some(ordinal);
            }
        }
        None
    }

    fn is_past_end(&self, ordinal: u64) -> bool {
        self.is_finite && ordinal >= self.rows
    }

    fn take_wanted(&self, ordinal: u64) -> bool {
        let cursor = self.cursor.0.load(Ordering::Relaxed);
        if ordinal < cursor || self.is_past_end(ordinal) || !self.part.owns(ordinal) {
            return false;
        }
        let passes = ordinal / self.rows - cursor / self.rows;
        let is_near = passes == 0 || passes == 1 && ordinal - cursor < AHEAD_MAX;
        is_near && self.take(ordinal, &[0])
    }

    /// Moves the cursor over ordinals that were taken out of turn, so that it stays near.
    fn catch_up(&self) {
        let mut steps = 0;
        while steps < CAUGHT_UP_MAX {
            let cursor = self.cursor.0.load(Ordering::Relaxed);
            if self.is_past_end(cursor) {
                return;
            }
            if self.part.owns(cursor) {
                if matches!(self.ahead(cursor), 0 | 3) {
                    return;
                }
                steps += 1;
            }
            let next = cursor + 1;
            let moved =
                self.cursor
                    .0
                    .compare_exchange(cursor, next, Ordering::Relaxed, Ordering::Relaxed);
            if moved.is_err() {
                return;
            }
        }
    }

    /// Takes an ordinal if its row was taken before as often as `ahead` says; see [`Walk::ahead`].
    fn take(&self, ordinal: u64, ahead: &[u64]) -> bool {
        let (word, shift) = self.counter(ordinal);
        let expected = ordinal / self.rows;
        let once_more = |bits: u64| {
            let count = bits >> shift & 3;
            let fits = ahead.contains(&(count.wrapping_sub(expected) & 3));
            fits.then(|| bits & !(3 << shift) | ((count + 1) & 3) << shift)
        };
        word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, once_more)
            .is_ok()
    }

    /// How often the row of an ordinal was taken, less the passes before it, modulo 4: 0 when the
    /// ordinal is there to be taken, 1 or 2 when it was taken, 3 when the one before was not.
    fn ahead(&self, ordinal: u64) -> u64 {
        let (word, shift) = self.counter(ordinal);
        let count = word.load(Ordering::Relaxed) >> shift & 3;
        count.wrapping_sub(ordinal / self.rows) & 3
    }

    /// Where the counter of an ordinal's row is.
    fn counter(&self, ordinal: u64) -> (&AtomicU64, u64) {
        let words = self.taken.get_or_init(|| {
            let words = self.rows.div_ceil(ROWS_PER_WORD);
            (0..words).map(|_| AtomicU64::new(0)).collect()
        });
        let row = ordinal % self.rows;
        let word = &words[(row / ROWS_PER_WORD) as usize];
        (word, row % ROWS_PER_WORD * 2)
    }
}
