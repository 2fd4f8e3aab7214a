//! Reports as text: pure functions from data to `String`, one output format per file.
//!
//! Nothing here prints, reads a clock or asks the terminal; callers hand in the width, and write
//! the result where an error of the writer can be dealt with.

pub mod csv;
pub mod custom;
pub mod facts;
pub mod flow;
pub mod format;
pub mod json;
pub mod junit;
pub mod kept;
pub mod line;
pub mod live;
pub mod outline;
pub mod table;
pub mod text;
pub mod thresholds;

#[cfg(test)]
mod tests;
