//! Programs behind the claims about speed: clients to compare with, run by `cargo xtask bench`.
//!
//! Nothing here is part of the product. `src/bin/bare.rs` is the practical limit of one core (no
//! script, no statistics); `lua/` and `scenarios/` have the same work for wrk and for Mistress.
