//! Servers with a known behaviour, faults, seeded generators and known answers, for tests only.
//!
//! Knows nothing of the rest of the project: what it says about a server must not depend on the
//! code that is being tested. It does not know load profiles beyond their text, nor any result
//! type. Anything that cannot be set up ends in a panic that says why, as tests want it.

pub mod apache;
pub mod certificates;
pub mod client;
pub mod faults;
pub mod fuzz;
pub mod namespaces;
pub mod need;
pub mod nginx;
pub mod origin;
pub mod quota;
pub mod random;
pub mod responses;
pub mod sample;
pub mod scripted;
mod service;
pub mod shop;
pub mod truth;
