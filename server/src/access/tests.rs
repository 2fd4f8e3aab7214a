//! Tests of what decides who may do what, without a network.

mod parsing;
mod rules;
mod store;
