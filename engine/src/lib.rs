//! The load engine: pinned executors, pacing, the socket ring, HTTP, the connection pool.
//!
//! The crate refuses to know how results are shown or stored: it is handed recorders and gives
//! them what it measured. The only user of glommio and io-uring.

#![warn(unreachable_pub)]

mod addresses;
mod clock;
mod control;
mod core;
mod error;
mod error_key;
mod event;
mod feeder;
mod http;
mod launch;
mod limits;
mod local_ports;
mod messages;
mod pacing;
mod probe;
mod ring;
mod ring_refusal;
mod target;
mod telemetry;
mod timers;
mod tls;
mod transport;
mod watchdog;

pub use addresses::{is_on_this_machine, resolve};
pub use control::Control;
pub use core::SingleUser;
pub use error::Error;
pub use event::{Event, Exchange, FirstFigures, Stall, Traced};
pub use launch::{LostCore, Outcome, Ready, RunSpec, Running, prepare};
pub use limits::Limits;
pub use local_ports::LocalPorts;
pub use pacing::Segment;
pub use probe::{allowed_cpus, preflight, try_ring};
pub use target::{Target, TargetOptions};
