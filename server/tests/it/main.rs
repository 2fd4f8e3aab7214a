//! The server as its users meet it: over HTTP, on a free port, in a scratch folder.

mod access;
mod client;
mod crash;
mod edges;
mod exports;
mod faults;
mod idle;
mod ingest;
mod late;
mod nodes;
mod openapi;
mod outcomes;
mod serve;
mod tags;
mod warmup;
mod webhooks;
