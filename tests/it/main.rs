//! The integration tests of the root package, one program.
//!
//! Tests that measure time wait for each other (`harness::measuring`), but not for those that do
//! not measure: figures are good only in release and with `--test-threads=1`.
#![expect(clippy::unwrap_used, reason = "in a test a failed unwrap is a failure")]

mod binary;
mod branches;
mod browser;
mod command_line;
mod conservation;
mod cores;
mod data;
mod determinism;
mod faults;
mod harness;
mod lists;
mod meaning;
mod network;
mod nginx;
mod one_liners;
mod pool;
mod profiles;
mod replies;
mod reporting;
mod schema;
mod scripts_faults;
mod secrets;
mod servers;
mod shapes;
mod signals;
mod starting;
mod steering;
mod stored_results;
mod thresholds;
mod tidy;
mod truth;
mod verdict;
mod wait_meter;
