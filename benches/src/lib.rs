//! What is claimed about speed, runnable: clients to compare with, run by `cargo xtask bench`.
//!
//! Nothing here is part of the product. `src/bin/bare.rs` is the practical limit of one core
//! (no script, no statistics); `lua/` and `scenarios/` hold the same work for wrk and for us.
