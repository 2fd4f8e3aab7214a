//! Where runs are kept: `meta.sqlite` and one file per run. The format is in docs/store.md.
//!
//! A batch is acknowledged once the file of its run has it. One thread writes; whoever reads sees
//! a run as it was at one moment, the rows in memory among it.

mod build;
mod chunk;
mod digest;
mod fold;
mod hot;
mod levels;
mod merge;
mod meta;
mod migrate;
mod names;
mod rows;
mod run_file;
mod shape;
mod split;
mod sqlite;
mod streams;
mod view;
mod writer;

pub use levels::{COARSEST_S, LEVELS, level_for};
pub use rows::{Checks, Core, Cores, Custom, Customs, NameCounts, Totals};
pub use run_file::{Node, is_id};
pub use sqlite::Sqlite;

pub use digest::{Digest, Figures};
pub(crate) use digest::{QUANTILES, RestOf, rest_of};
pub(crate) use merge::{add_histogram, read};
pub(crate) use rows::{CHECKS, CORES, COUNTERS, CUSTOMS, SLOTS, phase_key};
pub(crate) use run_file::make_folder;

use crate::Error;
use stats::wire::{Batch, EventRow};
use std::collections::{BTreeMap, HashMap};

/// The most bytes of a batch when uncompressed.
pub const BATCH_MAX: usize = 32 << 20;

/// What the server needs of a place to keep runs.
pub trait Store: Send + Sync + 'static {
    /// Takes a batch; `done` hears when it is kept, or why not. Never waits.
    ///
    /// # Errors
    /// Gives the delivery back when too many are under way.
    fn deliver(&self, delivery: Box<Delivery>) -> Result<(), Box<Delivery>>;

    /// A run by its id.
    ///
    /// # Errors
    /// When the store fails; so with all that follow.
    fn run(&self, id: &str) -> Result<Option<RunRecord>, Error>;

    /// Runs that fit, newest first.
    ///
    /// # Errors
    /// When the store fails.
    fn runs(&self, filter: &Filter) -> Result<Vec<RunRecord>, Error>;

    /// All projects by name.
    ///
    /// # Errors
    /// When the store fails.
    fn projects(&self) -> Result<Vec<Project>, Error>;

    /// The data of a run as it is now.
    ///
    /// # Errors
    /// When the store fails.
    fn view(&self, id: &str) -> Result<Option<Box<dyn RunView>>, Error>;

    /// Changes what people say about a run; false when there is no such run.
    ///
    /// # Errors
    /// When the store fails.
    fn edit(&self, id: &str, edit: &Edit) -> Result<bool, Error>;

    /// Deletes a run; false when there is no such run.
    ///
    /// # Errors
    /// When the store fails.
    fn remove(&self, id: &str) -> Result<bool, Error>;

    /// Whether a run was deleted of late and not started again: its nodes are told so.
    ///
    /// # Errors
    /// When the store fails.
    fn is_deleted(&self, id: &str) -> Result<bool, Error>;

    /// Makes a run the baseline of its project, or none; false when that is not possible.
    ///
    /// # Errors
    /// When the store fails.
    fn set_baseline(&self, project: &str, run: Option<&str>) -> Result<bool, Error>;

    /// How long runs of a project are kept, and how many; false when there is no such project.
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

/// The data of one run at one moment.
pub trait RunView: Send {
    /// The second after the last of which there are rows.
    fn length_s(&self) -> u64;

    /// The nodes, by number.
    ///
    /// # Errors
    /// When the store fails.
    fn nodes(&self) -> Result<Vec<Node>, Error>;

    /// What happened, by time, with the node.
    ///
    /// # Errors
    /// When the store fails.
    fn events(&self) -> Result<Vec<(u32, EventRow)>, Error>;

    /// Kind (of [`stats::wire::Kind`]) and text of all names by number.
    fn names(&self) -> &HashMap<u32, (i32, String)>;

    /// Visits rows that together are exactly the seconds `[from, to)`, in no certain order. None
    /// is coarser than `level`; only phases of names other than latency may begin up to 9 s
    /// before `from`, and end as late after `to`, where a minute of the run keeps them by tens.
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

    /// Another view of the same moment, for another thread; none while rows may be in memory and
    /// in the file.
    ///
    /// # Errors
    /// When the store fails.
    fn fork(&self) -> Result<Option<Box<dyn RunView>>, Error>;

    /// What plots show of all requests, for columns `width_s` wide that begin within `[from, to)`:
    /// by their first seconds, those that are at hand; an empty one is of a column with no
    /// requests, and others must be made of histograms.
    ///
    /// # Errors
    /// When the store fails.
    fn digests(&self, from: u64, to: u64, width_s: u64) -> Result<BTreeMap<u64, Digest>, Error>;
}

/// Which rows are asked for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Those under these keys.
    Keys(Vec<u32>),
    /// Those in these slots of every name.
    Slots(Vec<u32>),
}

/// One row as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct StoredRow<'a> {
    /// The second it begins in.
    pub time_s: u64,
    /// How many seconds it covers by its level.
    pub span_s: u64,
    /// What it is about.
    pub key: u32,
    /// A message of [`rows`], or a histogram.
    pub content: Content<'a>,
}

/// What a row holds.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A message of [`rows`], or a compact histogram.
    Bytes(&'a [u8]),
    /// A histogram.
    Places(stats::Places<'a>),
}

impl<'a> From<&'a [u8]> for Content<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Content::Bytes(bytes)
    }
}

/// A batch on its way into the store.
pub struct Delivery {
    /// The batch, checked.
    pub batch: Batch,
    /// The same, compressed with zstd.
    pub packed: Vec<u8>,
    /// Told the highest sequence kept of its node and epoch.
    pub done: Box<dyn FnOnce(Result<u64, Error>) + Send>,
}

/// What a run is about and what people say about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: String,
    /// What it belongs to.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Start of the load, microseconds since 1970.
    pub started_us: u64,
    /// What was loaded.
    pub target: String,
    /// `open`, `closed` or `mixed`.
    pub model: String,
    /// Whether it goes on.
    pub state: State,
    /// The worst verdict of its nodes; empty while it goes on.
    pub verdict: String,
    /// How long it took; 0 while it goes on.
    pub duration_s: f64,
    /// What a list shows of it, as JSON; empty while it goes on and until all of it is in chunks.
    pub figures: String,
    /// A comment.
    pub comment: String,
    /// Never deleted by age or number.
    pub pinned: bool,
    /// Its tags by name.
    pub tags: Vec<String>,
    /// Whether its project compares with it.
    pub baseline: bool,
}

impl RunRecord {
    /// Whether it is over and the list has all that it shows of it.
    pub(crate) fn is_settled(&self) -> bool {
        self.state != State::Live && !self.figures.is_empty()
    }

    /// Whether what the list has is what this version would write.
    pub(crate) fn is_current(&self) -> bool {
        self.is_settled() && self.figures.contains(FIGURES_MARK)
    }
}

/// What figures have in them since they say how much ended in the time of load; those without were
/// written by earlier versions and have another latency.
pub(crate) const FIGURES_MARK: &str = "\"throughput\":";

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Its nodes deliver.
    #[default]
    Live,
    /// All its nodes have ended.
    Done,
    /// Nothing came for a minute and not all nodes had ended.
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
    /// With this text in name, project, comment, target or id, in any case.
    pub text: Option<String>,
    /// Begun before this moment.
    pub before_us: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// A change of what people say about a run; absent parts stay.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The comment.
    pub comment: Option<String>,
    /// All tags.
    pub tags: Option<Vec<String>>,
    /// Whether it is kept for ever.
    pub pinned: Option<bool>,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// How many runs it has.
    pub runs: u32,
    /// The run that others are compared with.
    pub baseline: Option<String>,
    /// Runs older than so many days are deleted.
    pub keep_days: Option<u32>,
    /// Only so many runs are kept.
    pub keep_runs: Option<u32>,
}

/// What happens to runs, for those who watch.
pub trait Watch: Send + Sync + 'static {
    /// The rows of a second can be read.
    fn second(&self, run: &str, time_s: u64);
    /// Something happened.
    fn event(&self, run: &str, event: &EventRow);
    /// The run is over.
    fn end(&self, run: &str, state: State);
}

/// A batch out of its compressed form.
pub(crate) fn unpack(packed: &[u8]) -> Result<Batch, Error> {
    let broken = |error: String| Error::Format(format!("a batch: {error}"));
    let bytes = decompress(packed).map_err(|e| broken(e.to_string()))?;
    let bytes = bytes.ok_or_else(|| broken("too large".to_owned()))?;
    prost::Message::decode(bytes.as_slice()).map_err(|e| broken(e.to_string()))
}

/// How many bytes a zstd frame unpacks to by what it says, at most [`BATCH_MAX`]: so many where it
/// does not say. [`decompress`] gives no more than this.
pub(crate) fn unpacked_len(packed: &[u8]) -> usize {
    let said = zstd::zstd_safe::get_frame_content_size(packed)
        .ok()
        .flatten();
    said.map_or(BATCH_MAX, |len| len.min(BATCH_MAX as u64) as usize)
}

/// The bytes of a zstd frame; `None` when they are more than [`BATCH_MAX`].
pub(crate) fn decompress(packed: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    // what the frame says of itself is a hint; the buffer grows with what comes
    let said = zstd::zstd_safe::get_frame_content_size(packed)
        .ok()
        .flatten();
    if said.is_some_and(|len| len > BATCH_MAX as u64) {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(said.unwrap_or(0).min(1 << 20) as usize);
    let stream = zstd::stream::read::Decoder::with_buffer(packed)?;
    std::io::Read::read_to_end(
        &mut std::io::Read::take(stream, BATCH_MAX as u64 + 1),
        &mut bytes,
    )?;
    Ok((bytes.len() <= BATCH_MAX).then_some(bytes))
}
