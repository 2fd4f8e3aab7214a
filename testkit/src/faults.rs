//! A server with scripted faults, addresses that do not answer, and the tables of both.
//!
//! The tables name expectations by the text of a failure kind or counter, so that this crate need
//! not know the types of those it tests.

mod address;
mod bodies;
mod connection;
mod framing;
mod keep_alive;
mod row;
mod script;
mod server;
mod server_state;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub use address::{Address, AddressRow, BlackHole, Refused, UNRESOLVABLE, addresses, unreachable};
pub use bodies::bodies;
pub use framing::framing;
pub use keep_alive::keep_alive;
pub use row::{Outcome, Row};
pub use script::{Script, Step, ok};
pub use server::FaultOrigin;
pub use server_state::{End, FaultReport};
pub use tls::{TlsRow, tls};
pub use wire::{TlsSide, Versions};
