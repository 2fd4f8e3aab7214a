//! Servers with known behaviour, faults, seeded generators and known answers, for tests only.
//!
//! This crate knows nothing of the rest of the project: what it says about a server must not depend
//! on the code under test. It knows load profiles only as text, and no result types. If something
//! cannot be set up, it panics and says why, as tests want.

pub mod apache;
pub mod certificates;
pub mod client;
pub mod faults;
pub mod fuzz;
pub mod namespaces;
pub mod need;
pub mod nginx;
pub mod openapi;
pub mod origin;
pub mod proxies;
pub mod quota;
pub mod random;
pub mod responses;
pub mod sample;
pub mod scripted;
mod service;
pub mod shop;
pub mod truth;
