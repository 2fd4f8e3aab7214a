//! The engine as a whole, against its own target on loopback.

mod allocation;
mod runs;
