//! What a load node tells a stats server: protobuf messages, written by hand. `wire.proto` beside
//! this file says the same for other programs; a test holds that it does.
//!
//! `POST /ingest/v1/batch` carries one [`Batch`], compressed with zstd, and is answered by an
//! [`Ack`] once the batch is stored. A sender numbers its batches from 1; `(node, epoch,
//! sequence)` make a replay harmless. Fields may be added under new tags without a new version;
//! [`VERSION`] is raised when an old reader would misunderstand.

pub mod rendezvous;

#[cfg(test)]
mod tests;

/// The version of these messages.
pub const VERSION: u32 = 1;
/// Where batches are posted to.
pub const PATH: &str = "/ingest/v1/batch";
/// Where a sender asks (GET) whether it is welcome: an [`Ack`] with the server's version.
pub const HELLO_PATH: &str = "/ingest/v1/hello";
/// The kind of the event that tells of a threshold when it is first missed; its text is that of the
/// threshold.
pub const MISSED_EVENT: &str = "missed";
/// The media type of a batch and of its acknowledgement.
pub const MEDIA_TYPE: &str = "application/x-protobuf";

/// What one node sends at once: normally one second.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Batch {
    /// [`VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The run, a UUID as text; the same for all its nodes.
    #[prost(string, tag = "2")]
    pub run_id: String,
    /// The number of the node within the run, from 0.
    #[prost(uint32, tag = "3")]
    pub node: u32,
    /// The node's host name; hostile text.
    #[prost(string, tag = "4")]
    pub node_name: String,
    /// Random per start of a sender, below 2^63.
    #[prost(fixed64, tag = "5")]
    pub epoch: u64,
    /// From 1, without gaps but where batches were merged: then the last one's number.
    #[prost(uint64, tag = "6")]
    pub sequence: u64,
    /// With the first batch of an epoch.
    #[prost(message, optional, boxed, tag = "7")]
    pub start: Option<Box<RunStart>>,
    /// Seconds in order; none begins before the end of another of the same node.
    #[prost(message, repeated, tag = "8")]
    pub seconds: Vec<SecondRow>,
    /// What happened meanwhile.
    #[prost(message, repeated, tag = "9")]
    pub events: Vec<EventRow>,
    /// With the last batch.
    #[prost(message, optional, boxed, tag = "10")]
    pub end: Option<Box<RunEnd>>,
}

/// The answer to a batch, after it was stored.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ack {
    /// The server's [`VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The highest sequence stored of this run, node and epoch; 0 for none.
    #[prost(uint64, tag = "2")]
    pub accepted_through: u64,
    /// Why the batch was refused; empty when it was not. Sending it again will not help when the
    /// status is 4xx.
    #[prost(string, tag = "3")]
    pub error: String,
}

/// What is known of a run when it begins.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RunStart {
    /// What the run belongs to; the profile's name unless it says another.
    #[prost(string, tag = "1")]
    pub project: String,
    /// The run's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Start of the load, microseconds since 1970.
    #[prost(uint64, tag = "3")]
    pub started_us: u64,
    /// The target as reports name it.
    #[prost(string, tag = "4")]
    pub target: String,
    /// `open`, `closed` or `mixed`.
    #[prost(string, tag = "5")]
    pub model: String,
    /// The seed of its random choices.
    #[prost(uint64, tag = "6")]
    pub seed: u64,
    /// Processors of the cores of this node, by core number.
    #[prost(uint32, repeated, tag = "7")]
    pub cores: Vec<u32>,
    /// The part of the run that this node carries, such as `2/3`; empty: all of it.
    #[prost(string, tag = "8")]
    pub segment: String,
    /// How long the plan asks for load, in seconds.
    #[prost(double, tag = "9")]
    pub planned_s: f64,
    /// How long the warm-up is, in seconds.
    #[prost(uint64, tag = "10")]
    pub warmup_s: u64,
    /// The profile as it ran.
    #[prost(string, tag = "11")]
    pub profile: String,
    /// The script, and other files the run read.
    #[prost(message, repeated, tag = "12")]
    pub files: Vec<FileText>,
    /// Where phases of the load begin.
    #[prost(message, repeated, tag = "13")]
    pub markers: Vec<Marker>,
    /// Thresholds in words, in the order of the profile.
    #[prost(string, repeated, tag = "14")]
    pub thresholds: Vec<String>,
    /// The version of the program.
    #[prost(string, tag = "15")]
    pub program: String,
}

/// A text that the run was made from.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FileText {
    /// Its name, without folders.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its content.
    #[prost(string, tag = "2")]
    pub text: String,
}

/// A moment of the plan.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Marker {
    /// Seconds from the start of the load.
    #[prost(double, tag = "1")]
    pub time_s: f64,
    /// What begins there.
    #[prost(string, tag = "2")]
    pub label: String,
}

/// One second of one node, or several that could not be told apart.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SecondRow {
    /// Where it begins, in whole seconds from the start of the load.
    #[prost(uint64, tag = "1")]
    pub time_s: u64,
    /// How many seconds it covers, at least 1.
    #[prost(uint64, tag = "2")]
    pub seconds: u64,
    /// It is in no total of the run.
    #[prost(bool, tag = "3")]
    pub warmup: bool,
    /// Arrivals the plan asked for.
    #[prost(uint64, tag = "4")]
    pub planned: u64,
    /// Arrivals that became users.
    #[prost(uint64, tag = "5")]
    pub started: u64,
    /// Arrivals that found the cap on users reached.
    #[prost(uint64, tag = "6")]
    pub dropped: u64,
    /// Passes through a scenario that reached its end.
    #[prost(uint64, tag = "7")]
    pub iterations_finished: u64,
    /// Passes that ended with an error of the script.
    #[prost(uint64, tag = "8")]
    pub iterations_failed: u64,
    /// Passes that the run's end cut off.
    #[prost(uint64, tag = "9")]
    pub iterations_unfinished: u64,
    /// Fewest users.
    #[prost(uint64, tag = "10")]
    pub users_min: u64,
    /// Most users.
    #[prost(uint64, tag = "11")]
    pub users_max: u64,
    /// Fewest connections.
    #[prost(uint64, tag = "12")]
    pub connections_min: u64,
    /// Most connections.
    #[prost(uint64, tag = "13")]
    pub connections_max: u64,
    /// Other things counted, by the names of `stats::Counter`; those that happened.
    #[prost(message, repeated, tag = "14")]
    pub counters: Vec<Count>,
    /// One entry per core that delivered.
    #[prost(message, repeated, tag = "15")]
    pub cores: Vec<CoreRow>,
    /// The generator, not the target, shaped this second.
    #[prost(bool, tag = "16")]
    pub generator_limited: bool,
    /// Requests, transactions and tags with something in them.
    #[prost(message, repeated, tag = "17")]
    pub names: Vec<NameRow>,
    /// Checks made.
    #[prost(message, repeated, tag = "18")]
    pub checks: Vec<CheckRow>,
    /// Metrics of the scripts' own.
    #[prost(message, repeated, tag = "19")]
    pub customs: Vec<CustomRow>,
    /// Cores that had delivered nothing when the row was closed; a later row has what they counted.
    #[prost(uint32, repeated, tag = "20")]
    pub gaps: Vec<u32>,
    /// Cores of which this row holds what began before it.
    #[prost(uint32, repeated, tag = "21")]
    pub late: Vec<u32>,
}

/// A number with a name out of a closed set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Count {
    /// The stable name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How often.
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// What one core says of itself.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CoreRow {
    /// Its number within the node, from 0.
    #[prost(uint32, tag = "1")]
    pub core: u32,
    /// The share of time in which its thread used the processor, 0 to 1.
    #[prost(float, tag = "2")]
    pub busy_share: f32,
    /// The share of time in which others had its processor, 0 to 1.
    #[prost(float, tag = "3")]
    pub waited_share: f32,
    /// The longest turn, in microseconds.
    #[prost(uint64, tag = "4")]
    pub turn_max_us: u64,
    /// The largest lag of a request, in microseconds.
    #[prost(uint64, tag = "5")]
    pub lag_max_us: u64,
    /// The lag at the 99th percentile, in microseconds.
    #[prost(uint64, tag = "6")]
    pub lag_p99_us: u64,
    /// This core shaped its measurements.
    #[prost(bool, tag = "7")]
    pub limited: bool,
}

/// What was counted of one request, transaction or tag.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NameRow {
    /// Which of them.
    #[prost(enumeration = "Kind", tag = "1")]
    pub kind: i32,
    /// Its name; hostile text.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Issued; of transactions those that ended.
    #[prost(uint64, tag = "3")]
    pub sent: u64,
    /// Ended well.
    #[prost(uint64, tag = "4")]
    pub ok: u64,
    /// Failed.
    #[prost(uint64, tag = "5")]
    pub failed: u64,
    /// Under way at the end of the run.
    #[prost(uint64, tag = "6")]
    pub unfinished: u64,
    /// Bytes received.
    #[prost(uint64, tag = "7")]
    pub bytes_in: u64,
    /// Bytes sent.
    #[prost(uint64, tag = "8")]
    pub bytes_out: u64,
    /// Replies by status.
    #[prost(message, repeated, tag = "9")]
    pub statuses: Vec<StatusCount>,
    /// Failures by the names of `stats::FailureKind`; those that happened.
    #[prost(message, repeated, tag = "10")]
    pub failures: Vec<Count>,
    /// Times by the names of `stats::Phase`; those with values.
    #[prost(message, repeated, tag = "11")]
    pub histograms: Vec<HistogramRow>,
}

/// What a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Kind {
    /// One request.
    Request = 0,
    /// A named group of requests.
    Transaction = 1,
    /// All requests with a tag.
    Tag = 2,
}

/// How many replies had a status.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct StatusCount {
    /// The status.
    #[prost(uint32, tag = "1")]
    pub status: u32,
    /// How often.
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// A histogram of microseconds: the counts in HDR's V2 encoding (not compressed), and exactly
/// what the counts tell to 3 digits only.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistogramRow {
    /// The stable name of the phase; empty where there is only one.
    #[prost(string, tag = "1")]
    pub phase: String,
    /// The V2 encoding; that of `Histogram::to_v2` in `stats`.
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
    /// The smallest value.
    #[prost(uint64, tag = "3")]
    pub min_us: u64,
    /// The largest value.
    #[prost(uint64, tag = "4")]
    pub max_us: u64,
    /// The sum of all values.
    #[prost(uint64, tag = "5")]
    pub sum_us: u64,
    /// Values above an hour, counted as an hour.
    #[prost(uint64, tag = "6")]
    pub clamped: u64,
}

/// How often a check held and did not.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckRow {
    /// Its name; hostile text.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Times it held.
    #[prost(uint64, tag = "2")]
    pub passed: u64,
    /// Times it did not.
    #[prost(uint64, tag = "3")]
    pub failed: u64,
}

/// A metric of the scripts' own.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CustomRow {
    /// `counter`, `gauge`, `rate` or `trend`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Its name with tags; hostile text.
    #[prost(string, tag = "2")]
    pub name: String,
    /// How many values came.
    #[prost(uint64, tag = "3")]
    pub count: u64,
    /// Their sum.
    #[prost(double, tag = "4")]
    pub sum: f64,
    /// The smallest.
    #[prost(double, tag = "5")]
    pub min: f64,
    /// The largest.
    #[prost(double, tag = "6")]
    pub max: f64,
    /// The last.
    #[prost(double, tag = "7")]
    pub last: f64,
    /// Of trends: the values in thousandths of their unit.
    #[prost(message, optional, tag = "8")]
    pub values: Option<HistogramRow>,
}

/// Something that happened.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EventRow {
    /// Microseconds from the start of the load; negative before it.
    #[prost(sint64, tag = "1")]
    pub time_us: i64,
    /// `stage` (the run entered a stage), `message` (a log, an error, a change of the load) or
    /// [`MISSED_EVENT`].
    #[prost(string, tag = "2")]
    pub kind: String,
    /// What happened; hostile text of several lines.
    #[prost(string, tag = "3")]
    pub text: String,
}

/// How a run ended on this node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RunEnd {
    /// `completed`, `interrupted`, `aborted`, `stopped` or `failed`.
    #[prost(string, tag = "1")]
    pub ended: String,
    /// How long it took, drain included, in seconds.
    #[prost(double, tag = "2")]
    pub duration_s: f64,
    /// The verdict about the generator: `clean`, `suspect` or `invalid`.
    #[prost(string, tag = "3")]
    pub verdict: String,
    /// What speaks against the run.
    #[prost(message, repeated, tag = "4")]
    pub reasons: Vec<ReasonRow>,
    /// What a reader should know though it speaks against nothing.
    #[prost(message, repeated, tag = "5")]
    pub notes: Vec<ReasonRow>,
    /// How the thresholds came out, in the order of the profile.
    #[prost(message, repeated, tag = "6")]
    pub thresholds: Vec<ThresholdRow>,
    /// The JSON result without its series.
    #[prost(string, tag = "7")]
    pub summary_json: String,
}

/// One finding of the verdict.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReasonRow {
    /// The stable name of the finding, such as `cpu` or `late_sends`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// One sentence.
    #[prost(string, tag = "2")]
    pub text: String,
    /// The seconds it was found in, first and last of each span.
    #[prost(message, repeated, tag = "3")]
    pub windows: Vec<Span>,
    /// The cores it was found on.
    #[prost(uint32, repeated, tag = "4")]
    pub cores: Vec<u32>,
}

/// Seconds from the first to the last.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Span {
    /// The first second.
    #[prost(uint64, tag = "1")]
    pub first_s: u64,
    /// The last second, part of the span.
    #[prost(uint64, tag = "2")]
    pub last_s: u64,
}

/// How a threshold came out.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ThresholdRow {
    /// The rule in words.
    #[prost(string, tag = "1")]
    pub text: String,
    /// Whether it held.
    #[prost(bool, tag = "2")]
    pub met: bool,
    /// The figure in the unit of the rule; absent when nothing was measured.
    #[prost(double, optional, tag = "3")]
    pub value: Option<f64>,
    /// The limit in the same unit.
    #[prost(double, tag = "4")]
    pub limit: f64,
    /// The second in which it was first missed, when that was before the end.
    #[prost(uint64, optional, tag = "5")]
    pub first_missed_s: Option<u64>,
    /// What was found, in words and with its unit, as the report says it; empty: an earlier version.
    #[prost(string, tag = "6")]
    pub finding: String,
}
