//! The engine as a whole, against its own target on loopback.
#![expect(clippy::unwrap_used, reason = "in a test a failed unwrap is a failure")]

mod allocation;
mod client_certificates;
mod connections;
mod messages;
mod pool;
mod runs;
mod steps;
mod tls;
mod web;
