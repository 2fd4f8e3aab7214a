//! The segments that the curve of a load is made of, and their bounds.

use std::time::Duration;

/// A segment of a curve: its length, the value at its start, the value at its end.
pub(super) type Piece = (Duration, f64, f64);

/// Most segments of a load, all its phases together.
pub(super) const PIECES_MAX: usize = 100_000;
/// Longest load, all its phases together.
pub(super) const LENGTH_MAX: Duration = Duration::from_secs(30 * 86_400);
