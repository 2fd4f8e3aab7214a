//! The observer of `--quiet`: messages, and nothing per second.

use crate::render::live::Stage;
use crate::reporter::{LinePrinter, Observer};
use stats::{Aggregator, Second};
use std::io;
use std::time::Duration;

/// Passes on messages only.
pub struct Quiet(pub LinePrinter);

impl Observer for Quiet {
    fn second(&mut self, _second: &Second, _so_far: &Aggregator) -> io::Result<()> {
        Ok(())
    }

    fn tick(&mut self, _stage: Stage, _elapsed: Duration) -> io::Result<()> {
        Ok(())
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        self.0.message(text)
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.end()
    }
}
