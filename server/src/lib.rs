//! The stats server: receives batches from load nodes, stores every run, and serves them as pages
//! and JSON.
//!
//! It knows nothing of how load is generated: it sees batches in wire format (`wire`) and
//! nothing of the engine. It prints nothing and reads no arguments or environment variables.

mod access;
mod api;
mod api_error;
mod app;
mod archive;
mod backup;
mod body;
mod compare;
mod connections;
mod error;
mod export;
mod health;
mod http_client;
mod ingest;
mod live;
mod log_limit;
mod metrics;
mod node_check;
mod observe;
mod openapi;
mod pages;
mod query;
mod rendezvous;
mod store;
mod webhooks;

pub use access::{Accounts, OidcOptions};
pub(crate) use api_error::ApiError;
pub(crate) use app::App;
pub use app::{Options, Running, start};
pub use archive::{Archive, StoredRun};
pub use backup::BackupSummary;
pub use compare::RegressionLimit;
pub use connections::TlsFiles;
pub use error::Error;
pub use export::Format;
pub use http_client::client_agent;
pub use webhooks::Network;

// The tests of tests/it are part of the crate: some hold tables and layers that no user of the
// crate may see against what the server does.
#[cfg(test)]
extern crate self as mistress_server;
#[cfg(test)]
#[path = "../tests/it/main.rs"]
mod it;
#[cfg(test)]
use it::{client, crash, nodes};
