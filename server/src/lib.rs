//! The stats server: takes batches of load nodes, keeps every run, shows them as pages and JSON.
//!
//! Refuses to know how load is made: it sees batches of the wire (`stats::wire`) and nothing of
//! the engine. It prints nothing and reads no argument or environment variable.

pub mod access;
mod api;
mod app;
pub mod compare;
mod error;
pub mod export;
mod hello;
mod ingest;
mod live;
pub mod pages;
pub mod query;
mod refusal;
pub mod store;

pub use app::{App, Options, Running, start};
pub use error::Error;
pub use refusal::Refusal;
