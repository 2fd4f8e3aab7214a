//! The store of runs: `meta.sqlite` and one file per run. docs/store.md describes the format.
//!
//! A batch is acknowledged once it is in the file of its run. One thread writes; readers see a
//! consistent snapshot of a run, including the rows in memory.

mod chunk;
mod chunk_writer;
mod delta_codec;
mod digest;
mod figures;
mod histogram_codec;
mod levels;
mod memtable;
mod merge;
mod meta;
mod migrate;
mod names;
mod packing;
mod problem;
mod reserve;
mod rows;
pub(crate) mod run_file;
mod run_query;
mod run_reader;
mod second_merge;
mod sqlite;
mod streams;
mod writer;

pub use figures::StoreFigures;
pub use levels::{COARSEST_S, level_for};
pub use meta::CommentVersion;
pub use problem::FileProblem;
pub use rows::{Checks, Core, Cores, Customs, NameCounts, Totals};
pub use run_file::{Node, is_id};
pub use run_query::SortKey;
pub(crate) use sqlite::LockedFolder;
pub use sqlite::Sqlite;
pub(crate) use sqlite::locked;

pub use digest::{Digest, Figures};
pub(crate) use digest::{QUANTILES, RestOf, rest_of};
pub(crate) use levels::MINUTE_S;
pub(crate) use merge::{add_histogram, read};
pub(crate) use rows::{CHECKS, CORES, COUNTERS, CUSTOMS, SLOTS, phase_key};
pub(crate) use run_file::{cut, make_folder, make_private};

use crate::Error;
use stats::report::Annotation;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use wire::{Batch, EventRow};

/// Maximum size of an uncompressed batch, in bytes.
pub const BATCH_MAX: usize = 32 << 20;

/// What the server needs from a store of runs.
pub trait Store: Send + Sync + 'static {
    /// Accepts a batch; `done` is called once it is stored, or with the error. Never blocks.
    ///
    /// # Errors
    /// Returns the delivery when too many are pending.
    fn deliver(&self, delivery: Box<Delivery>) -> Result<(), Box<Delivery>>;

    /// Whether it can be read, and its writer works.
    ///
    /// # Errors
    /// When the store fails.
    fn is_ready(&self) -> Result<bool, Error>;

    /// What it counted of its own work.
    fn figures(&self) -> StoreFigures;

    /// The folder of its files.
    fn folder(&self) -> &Path;

    /// Gives up the space that is kept for a full disk; batches are refused until there is room
    /// again.
    fn make_room(&self);

    /// A run by its id.
    ///
    /// # Errors
    /// When the store fails.
    fn run(&self, id: &str) -> Result<Option<RunRecord>, Error>;

    /// Matching runs, newest first.
    ///
    /// # Errors
    /// When the store fails.
    fn runs(&self, filter: &Filter) -> Result<Vec<RunRecord>, Error>;

    /// All projects by name.
    ///
    /// # Errors
    /// When the store fails.
    fn projects(&self) -> Result<Vec<Project>, Error>;

    /// What is wrong with the file of a run; nothing as long as it is being written.
    fn problem(&self, id: &str) -> Option<FileProblem>;

    /// A snapshot of the data of a run.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if its file is not one that this program can read; when the store
    /// fails.
    fn view(&self, id: &str) -> Result<Option<Box<dyn RunView>>, Error>;

    /// Edits the annotations of a run; false when there is no such run.
    ///
    /// # Errors
    /// When the store fails.
    fn edit(&self, id: &str, edit: &Edit) -> Result<bool, Error>;

    /// Adds an annotation; its number, or none when there is no such run.
    ///
    /// # Errors
    /// When the store fails; [`Error::TooMany`] when the run has as many as it may.
    fn add_annotation(&self, run: &str, new: &Annotation) -> Result<Option<i64>, Error>;

    /// Changes times, kind and text of an annotation; false when the run has none of its number.
    ///
    /// # Errors
    /// When the store fails.
    fn put_annotation(&self, run: &str, changed: &Annotation) -> Result<bool, Error>;

    /// Removes an annotation; false when the run has none of this number.
    ///
    /// # Errors
    /// When the store fails.
    fn remove_annotation(&self, run: &str, id: i64) -> Result<bool, Error>;

    /// The space that runs take.
    fn usage(&self) -> Usage;

    /// The versions of a run's comment, newest first.
    ///
    /// # Errors
    /// When the store fails.
    fn comments(&self, run: &str) -> Result<Vec<CommentVersion>, Error>;

    /// Deletes a run; false when there is no such run.
    ///
    /// # Errors
    /// When the store fails.
    fn remove(&self, id: &str) -> Result<bool, Error>;

    /// Whether a run was deleted recently and not started again; its nodes are told so.
    ///
    /// # Errors
    /// When the store fails.
    fn is_deleted(&self, id: &str) -> Result<bool, Error>;

    /// Makes a run the baseline of its project, or removes it; false when that is not possible.
    ///
    /// # Errors
    /// When the store fails.
    fn set_baseline(&self, project: &str, run: Option<&str>) -> Result<bool, Error>;

    /// Sets how long and how many runs of a project are kept; false when there is no such project.
    ///
    /// # Errors
    /// When the store fails.
    fn set_retention(
        &self,
        project: &str,
        days: Option<u32>,
        runs: Option<u32>,
    ) -> Result<bool, Error>;
}

/// A snapshot of the data of one run.
pub trait RunView: Send {
    /// The second after the last one with rows.
    fn length_s(&self) -> u64;

    /// The nodes, by number.
    ///
    /// # Errors
    /// When the store fails.
    fn nodes(&self) -> Result<Vec<Node>, Error>;

    /// The events in order of time, each with its node.
    ///
    /// # Errors
    /// When the store fails.
    fn events(&self) -> Result<Vec<(u32, EventRow)>, Error>;

    /// Kind (of [`wire::Kind`]) and text of all names, by id.
    fn names(&self) -> &HashMap<u32, (i32, String)>;

    /// The minutes of the run that hold rows, by number; there are none in the others.
    fn minutes(&self) -> &BTreeSet<u64>;

    /// Visits rows that together cover exactly the seconds `[from, to)`, in unspecified order. None
    /// is coarser than `level`; but phases of names other than latency may begin up to 9 s before
    /// `from` and end up to 9 s after `to`, where a minute of the run stores them by tens of
    /// seconds.
    ///
    /// # Errors
    /// When the store fails, or `visit` does.
    fn read(
        &self,
        from: u64,
        to: u64,
        level: u64,
        wanted: &Wanted,
        visit: &mut dyn FnMut(StoredRow<'_>) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// The same snapshot for another thread; `None` if rows could be both in memory and in the
    /// file.
    ///
    /// # Errors
    /// When the store fails.
    fn fork(&self) -> Result<Option<Box<dyn RunView>>, Error>;

    /// Precomputed figures of all requests for plots, for columns of `width_s` that begin within
    /// `[from, to)`, by their first second. An empty digest is a column without requests; missing
    /// columns must be computed from histograms.
    ///
    /// # Errors
    /// When the store fails.
    fn digests(&self, from: u64, to: u64, width_s: u64) -> Result<BTreeMap<u64, Digest>, Error>;
}

/// The rows to read.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Those under these keys.
    Keys(Vec<u32>),
    /// Those in these slots, for every name.
    Slots(Vec<u32>),
}

/// One stored row.
#[derive(Debug, Clone, Copy)]
pub struct StoredRow<'a> {
    /// The second in which it begins.
    pub time_s: u64,
    /// How many seconds it covers, according to its level.
    pub span_s: u64,
    /// Its key.
    pub key: u32,
    /// A message of [`rows`], or a histogram.
    pub content: Content<'a>,
}

/// The content of a row.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A message of [`rows`], or a compact histogram.
    Bytes(&'a [u8]),
    /// A histogram taken apart.
    Places {
        /// The bytes of its exact figures; none when it holds nothing.
        figures: &'a [u8],
        /// The places that hold something, lowest first, and how many values.
        places: &'a [(u32, u64)],
    },
}

impl<'a> From<&'a [u8]> for Content<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Content::Bytes(bytes)
    }
}

/// A batch to be stored.
pub struct Delivery {
    /// The validated batch.
    pub batch: Batch,
    /// The batch compressed with zstd.
    pub packed: Vec<u8>,
    /// Called with the highest stored sequence of the batch's node and epoch.
    pub done: Box<dyn FnOnce(Result<u64, Error>) + Send>,
}

/// A run as listed, with its annotations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Start of the load by the clock of its node, microseconds since 1970.
    pub started_us: u64,
    /// Its first batch by the server's clock, microseconds since 1970; lists are in this order.
    pub arrived_us: u64,
    /// The system under test.
    pub target: String,
    /// `open`, `closed` or `mixed`.
    pub model: String,
    /// Its state.
    pub state: State,
    /// The worst verdict of its nodes; empty while it is live.
    pub verdict: String,
    /// Its duration; 0 while it is live.
    pub duration_s: f64,
    /// The figures shown in lists, as JSON; empty while it is live and until all its data is in
    /// chunks.
    pub figures: String,
    /// A comment.
    pub comment: String,
    /// Exempt from retention.
    pub pinned: bool,
    /// Its tags by name.
    pub tags: Vec<String>,
    /// Whether it is the baseline of its project.
    pub baseline: bool,
    /// Annotations on its axis, by time; none in lists.
    pub annotations: Vec<Annotation>,
}

impl RunRecord {
    /// Whether it has ended and its figures are complete.
    pub(crate) fn is_settled(&self) -> bool {
        self.state != State::Live && !self.figures.is_empty()
    }

    /// Whether its figures are as this version writes them.
    pub fn is_current(&self) -> bool {
        self.is_settled() && self.figures.contains(FIGURES_MARK)
    }
}

/// Figures contain this text since they tell which thresholds were missed; those without it come
/// from earlier versions.
pub(crate) const FIGURES_MARK: &str = "\"thresholds\":";

/// The state of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Its nodes are sending.
    #[default]
    Live,
    /// All its nodes have ended.
    Done,
    /// No batch arrived for a minute before all nodes had ended.
    Lost,
}

impl State {
    /// Its name in the JSON API.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Live => "live",
            State::Done => "done",
            State::Lost => "lost",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "done" => State::Done,
            "lost" => State::Lost,
            _ => State::Live,
        }
    }
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this project.
    pub project: Option<String>,
    /// Of one of these projects.
    pub projects: Option<Vec<String>>,
    /// In this state.
    pub state: Option<State>,
    /// With this verdict.
    pub verdict: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// With this text in name, project, comment, target or id, ignoring case.
    pub text: Option<String>,
    /// Arrived before this time.
    pub before_us: Option<u64>,
    /// That came out like this: `passed`, `missed`, `stopped` or `failed`.
    pub result: Option<String>,
    /// That missed a threshold with this in its words, ignoring case.
    pub missed: Option<String>,
    /// Started at this time or later, in microseconds since 1970.
    pub since_us: Option<u64>,
    /// Started before this time, in microseconds since 1970.
    pub until_us: Option<u64>,
    /// That took this many seconds or more; runs under way took none so far.
    pub min_s: Option<f64>,
    /// That took less than this many seconds.
    pub max_s: Option<f64>,
    /// What they are sorted by.
    pub sort: SortKey,
    /// Whether the least comes first.
    pub ascending: bool,
    /// Runs at the beginning to leave out.
    pub offset: u32,
    /// Maximum number of runs.
    pub limit: u32,
}

/// A change of a run's annotations; absent fields are kept.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Who changes it.
    pub author: String,
    /// The comment.
    pub comment: Option<String>,
    /// All tags, replacing the present ones.
    pub tags: Option<Vec<String>>,
    /// Whether it is kept forever.
    pub pinned: Option<bool>,
    /// Allows batches for another day after the end, of other nodes too.
    pub reopen: bool,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its number of runs.
    pub runs: u32,
    /// The run that others are compared with.
    pub baseline: Option<String>,
    /// Runs older than this many days are deleted.
    pub keep_days: Option<u32>,
    /// Only this many runs are kept.
    pub keep_runs: Option<u32>,
}

/// Receives notifications about runs.
pub trait RunObserver: Send + Sync + 'static {
    /// The first batch of a run was stored.
    fn start(&self, _run: &str) {}
    /// A second is complete and can be read.
    fn second(&self, _run: &str, _time_s: u64) {}
    /// An event was stored.
    fn event(&self, _run: &str, _event: &EventRow) {}
    /// The run has ended.
    fn end(&self, _run: &str, _state: State) {}
    /// The run was deleted since it is beyond a limit.
    fn expired(&self, _run: &str, _reason: Expiry) {}
}

/// The limit that a run was beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The age of runs of its project.
    Age,
    /// The number of runs of its project.
    Number,
    /// The space of all runs.
    Size,
}

impl Expiry {
    /// In a word, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Expiry::Age => "age",
            Expiry::Number => "number",
            Expiry::Size => "size",
        }
    }
}

/// The space that runs take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Of the files of all runs, in bytes.
    pub bytes: u64,
    /// Most that they may take, in bytes; none without a limit.
    pub keep_bytes: Option<u64>,
}

/// Several observers, told in this order.
pub(crate) struct Observers(pub(crate) Vec<Box<dyn RunObserver>>);

impl RunObserver for Observers {
    fn start(&self, run: &str) {
        self.0.iter().for_each(|one| one.start(run));
    }

    fn second(&self, run: &str, time_s: u64) {
        self.0.iter().for_each(|one| one.second(run, time_s));
    }

    fn event(&self, run: &str, event: &EventRow) {
        self.0.iter().for_each(|one| one.event(run, event));
    }

    fn end(&self, run: &str, state: State) {
        self.0.iter().for_each(|one| one.end(run, state));
    }

    fn expired(&self, run: &str, reason: Expiry) {
        self.0.iter().for_each(|one| one.expired(run, reason));
    }
}

/// Decompresses and decodes a batch.
pub(crate) fn unpack(packed: &[u8]) -> Result<Batch, Error> {
    let broken = |error: String| Error::Format(format!("a batch: {error}"));
    let bytes = decompress(packed).map_err(|e| broken(e.to_string()))?;
    let bytes = bytes.ok_or_else(|| broken("too large".to_owned()))?;
    prost::Message::decode(bytes.as_slice()).map_err(|e| broken(e.to_string()))
}

/// The size a zstd frame claims to unpack to, capped at [`BATCH_MAX`], which is also used if it
/// makes no claim. [`decompress`] returns at most this much.
pub(crate) fn unpacked_len(packed: &[u8]) -> usize {
    let claimed = zstd::zstd_safe::get_frame_content_size(packed)
        .ok()
        .flatten();
    claimed.map_or(BATCH_MAX, |len| len.min(BATCH_MAX as u64) as usize)
}

/// The unpacked bytes of a zstd frame; `None` when they exceed [`BATCH_MAX`].
pub(crate) fn decompress(packed: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    // the frame's own claim is only a hint; the buffer grows as needed
    let claimed = zstd::zstd_safe::get_frame_content_size(packed)
        .ok()
        .flatten();
    if claimed.is_some_and(|len| len > BATCH_MAX as u64) {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(claimed.unwrap_or(0).min(1 << 20) as usize);
    let stream = zstd::stream::read::Decoder::with_buffer(packed)?;
    std::io::Read::read_to_end(
        &mut std::io::Read::take(stream, BATCH_MAX as u64 + 1),
        &mut bytes,
    )?;
    Ok((bytes.len() <= BATCH_MAX).then_some(bytes))
}
