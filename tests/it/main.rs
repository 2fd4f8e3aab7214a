//! The integration tests of the root package, one program.
//!
//! Tests that measure time wait for each other (`harness::measuring`), but not for those that do
//! not measure: figures are good only in release and with `--test-threads=1`.
#![expect(clippy::unwrap_used, reason = "in a test a failed unwrap is a failure")]

mod binary;
mod branches;
mod browser;
mod coming_from;
mod command_line;
mod conservation;
mod cores;
mod data;
mod determinism;
mod documents;
mod environments;
mod faults;
mod guards;
mod harness;
mod lists;
mod meaning;
mod network;
mod nginx;
mod nodes;
mod one_liners;
mod packages;
mod pool;
mod profile_schema;
mod profiles;
mod proxies;
mod replies;
mod reporting;
mod request_log;
mod requests;
mod schema;
mod scripts_control;
mod scripts_faults;
mod secrets;
mod server_log;
mod servers;
mod shapes;
mod signals;
mod starting;
mod steering;
mod stored_results;
mod stored_runs;
mod tags;
mod terminal;
mod thresholds;
mod tidy;
mod truth;
mod verdict;
mod wait_meter;
mod webhook;
