//! Numbers of a run: per-core recorders, windows that move through rings, aggregation, report.
//!
//! Knows no clock, no input or output and nothing of the other crates: whoever records says how
//! long things took and when a window ends.

#![warn(unreachable_pub)]

mod aggregator;
mod core_window;
pub mod custom;
mod detail;
mod encoding;
mod figures;
mod histogram;
mod kinds;
mod link;
mod load_time;
mod names;
mod pending;
mod recorder;
pub mod report;
mod rows;
mod sample;
pub mod second;
mod second_builder;
pub mod summary;
mod tags;
pub mod threshold;
pub mod verdict;
mod window;

pub use aggregator::{Aggregator, NameSoFar};
pub use detail::Detail;
pub use histogram::Histogram;
pub use kinds::{Counter, FailureKind, Model, NameKind, Phase};
pub use link::WindowSource;
pub use load_time::EndedInLoad;
pub use recorder::{CheckId, CustomId, NameId, Recorder};
pub use report::RunReport;
pub use sample::Sample;
pub use second::Second;
pub use summary::Summary;
pub use tags::{Tag, TagsId};
pub use threshold::Of;
pub use verdict::Verdict;
pub use window::Window;
