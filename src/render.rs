//! Reports as text: pure functions from data to `String`, one output format per file.
//!
//! Nothing here prints, reads a clock or asks the terminal; callers hand in the width, and write
//! the result where an error of the writer can be dealt with.

pub mod columns;
pub mod comparison;
pub mod custom;
pub mod flow;
pub mod format;

pub mod line;
pub mod live;
pub mod outline;
pub mod runs;
pub mod table;
pub mod text;

#[cfg(test)]
mod tests;
