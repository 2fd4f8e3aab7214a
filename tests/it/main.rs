//! The integration tests of the root package, one program.
#![expect(clippy::unwrap_used, reason = "in a test a failed unwrap is a failure")]

mod binary;
mod command_line;
mod profiles;
mod signals;
mod tidy;
