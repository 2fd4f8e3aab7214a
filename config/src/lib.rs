//! Profiles: TOML text to a validated [`Plan`].
//!
//! A profile says what to run, against which target and under which load; [`profile`] is its
//! reference. Reading one yields either a plan without illegal state, so that nobody checks it
//! again, or every problem of the file at once, each with line and column.
//!
//! This crate is pure: besides reading the profile and looking whether the script is there it
//! touches nothing, and it refuses to know sockets, Lua, clocks and the other crates.

mod curve;
mod document;
mod error;
mod origin;
mod plan;
pub mod profile;
pub mod random;
mod steering;
mod transport;
mod units;
mod web;

pub use curve::{Curve, Segment};
pub use error::{Errors, Problem};
pub use origin::{Origin, Scheme, ascii_host};
pub use plan::{Arrivals, AtEnd, Cores, Data, Format, Limits, Load, Model, Order, Plan};
pub use plan::{StatsSink, Target, Weighted};
pub use profile::{RateFunctions, load, load_with, parse};
pub use steering::{Change, FACTOR_MAX, Steered};
pub use transport::{
    Close, Connections, PartLimits, Pick, Pool, Ports, Renew, Resume, Tls, TlsIdentity, TlsVersions,
};
pub use web::Web;
