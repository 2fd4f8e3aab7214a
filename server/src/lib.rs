//! The stats server: receives batches from load nodes, stores every run, and serves them as pages
//! and JSON.
//!
//! It knows nothing of how load is generated: it sees batches in wire format (`wire`) and
//! nothing of the engine. It prints nothing and reads no arguments or environment variables.

pub mod access;
mod api;
mod api_error;
mod app;
pub mod backup;
mod body;
pub mod compare;
mod connections;
mod error;
pub mod export;
mod health;
mod http_client;
mod ingest;
mod live;
mod log_limit;
mod metrics;
mod node_check;
mod observe;
pub mod openapi;
mod pages;
pub mod query;
pub mod store;
mod webhooks;

pub(crate) use api_error::ApiError;
pub(crate) use app::App;
pub use app::{Options, Running, start};
pub use connections::{ConnectionLimits, TlsFiles};
pub use error::Error;
pub use webhooks::{Network, WebhookOptions};
