//! The time levels of a run's rows, and how a window is assembled from them.

use std::collections::BTreeSet;

/// Seconds per chunk of the two finest levels; data moves from memory to chunks by the minute.
pub(crate) const MINUTE_S: u64 = 60;
/// Seconds per row, finest first. The first three levels are written with each minute, the others
/// are rolled up.
pub const LEVELS: [u64; 5] = [1, 10, 60, 600, 6_000];
/// The levels rolled up from ten blocks of the previous one.
pub(crate) const ROLLED: [u64; 2] = [600, 6_000];
/// The coarsest level.
pub const COARSEST_S: u64 = 6_000;

/// A part of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// One row of a level of at least a minute: (level, block number).
    Block(u64, u64),
    /// Seconds within one minute.
    Seconds {
        /// Which minute.
        minute: u64,
        /// The first second of the run.
        from: u64,
        /// The second after the last.
        to: u64,
    },
}

/// The largest pieces that cover `[from, to)` exactly, none coarser than `level` seconds. Blocks of
/// rolled-up levels are used if they are in `rolled`.
pub(crate) fn pieces(from: u64, to: u64, level: u64, rolled: &BTreeSet<(u64, u64)>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = from;
    while at < to {
        let fits = |l: u64| l <= level && at.is_multiple_of(l) && at + l <= to;
        let is_rolled = |l: u64| rolled.contains(&(l, at / l));
        let found = ROLLED.iter().rev().find(|l| fits(**l) && is_rolled(**l));
        let block = found.copied().or(fits(MINUTE_S).then_some(MINUTE_S));
        if let Some(level) = block {
            pieces.push(Piece::Block(level, at / level));
            at += level;
        } else {
            let minute = at / MINUTE_S;
            let end = ((minute + 1) * MINUTE_S).min(to);
            pieces.push(Piece::Seconds {
                minute,
                from: at,
                to: end,
            });
            at = end;
        }
    }
    pieces
}

/// The coarsest level whose rows fit columns of `step_s`.
pub fn level_for(step_s: u64) -> u64 {
    let fitting = LEVELS.iter().rev().find(|l| step_s.is_multiple_of(**l));
    fitting.copied().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_covered_once_by_its_pieces() {
        let rolled: BTreeSet<_> = [(600, 1), (600, 2), (6_000, 1)].into();
        let windows = [
            (0, 1),
            (59, 61),
            (61, 13_000),
            (600, 1_800),
            (5_990, 12_010),
            (7, 7),
        ];
        for (from, to) in windows {
            for level in [1, 60, 600, 6_000] {
                let mut at = from;
                for piece in pieces(from, to, level, &rolled) {
                    let (start, end) = match piece {
                        Piece::Block(l, b) => (b * l, (b + 1) * l),
                        Piece::Seconds { from, to, .. } => (from, to),
                    };
                    assert_eq!(start, at, "{from}..{to} at {level}");
                    at = end;
                }
                assert_eq!(at, to.max(from), "{from}..{to} at {level}");
            }
        }
        let whole = pieces(600, 1_800, 6_000, &rolled);
        assert_eq!(whole, [Piece::Block(600, 1), Piece::Block(600, 2)]);
    }
}
