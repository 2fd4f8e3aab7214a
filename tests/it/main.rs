//! The integration tests of the root package, one program.

mod tidy;
