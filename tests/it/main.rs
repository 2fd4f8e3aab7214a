//! The integration tests of the root package, one program.

mod binary;
mod command_line;
mod profiles;
mod signals;
mod tidy;
