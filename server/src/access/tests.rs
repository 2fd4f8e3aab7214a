//! Tests of access control without a network.

mod parsing;
mod rules;
mod store;
