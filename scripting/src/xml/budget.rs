//! What is left of the limits of one evaluation.

use std::cell::Cell;

/// Most nodes looked at, functions called and comparisons made by one expression.
const STEPS_MAX: u64 = 10_000_000;
/// Most bytes of text that one expression puts together.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Counts down; both limits end an evaluation with an error that names them.
pub(super) struct Budget {
    steps: Cell<u64>,
    text_bytes: Cell<u64>,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget {
            steps: Cell::new(STEPS_MAX),
            text_bytes: Cell::new(TEXT_BYTES_MAX),
        }
    }

    /// Takes steps.
    ///
    /// # Errors
    ///
    /// There are not so many left.
    pub(super) fn spend(&self, steps: usize) -> Result<(), String> {
        let left = self.steps.get().checked_sub(steps as u64);
        self.steps.set(left.ok_or_else(|| {
            format!("the expression takes more than {STEPS_MAX} steps on this document")
        })?);
        Ok(())
    }

    /// Takes bytes of text.
    ///
    /// # Errors
    ///
    /// There are not so many left.
    pub(super) fn copy(&self, bytes: usize) -> Result<(), String> {
        let left = self.text_bytes.get().checked_sub(bytes as u64);
        self.text_bytes.set(left.ok_or_else(|| {
            format!("the expression puts together more than {TEXT_BYTES_MAX} bytes of text")
        })?);
        Ok(())
    }
}
