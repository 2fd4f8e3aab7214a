//! The server as its users meet it: over HTTP, on a free port, in a scratch folder.

mod access;
mod annotations;
mod backup;
pub(crate) mod client;
mod connections;
pub(crate) mod crash;
mod damaged;
mod edges;
mod exports;
mod faults;
mod grafana;
mod idle;
mod ingest;
mod late;
mod metrics;
pub(crate) mod nodes;
mod oidc;
mod openapi;
mod outcomes;
mod overload;
mod random_runs;
mod serve;
mod space;
mod tags;
mod warmup;
mod webhooks;
