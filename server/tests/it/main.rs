//! The server as its users meet it: over HTTP, on a free port, in a scratch folder.

mod access;
mod client;
mod crash;
mod faults;
mod idle;
mod ingest;
mod nodes;
mod outcomes;
mod serve;
