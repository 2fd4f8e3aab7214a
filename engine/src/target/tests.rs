//! The pages of the target.
