//! The Lua API as scripts and the engine see it, driven without sockets.

#![allow(
    clippy::unwrap_used,
    reason = "what a test can't go on without is a failed test"
)]

mod branches;
mod checks;
mod control;
mod costs;
mod data;
mod documents;
mod errors;
mod extract;
mod hostile_shapes;
mod loading;
mod messages;
mod metrics;
mod numbers;
mod properties;
mod refresh;
mod replies;
mod requests;
mod sandbox;
mod scale;
mod signatures;
mod summary;
mod tags;
mod toolbox;
mod users;
mod world;
mod xml;
