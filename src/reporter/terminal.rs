//! The two terminal observers: a live view drawn in place, and one line per second.

use crate::render::flow::Style;
use crate::render::live::{self, Size, Stage, View};
use crate::render::outline::Outline;
use crate::render::{format, line};
use crate::reporter::Observer;
use engine::FirstFigures;
use stats::Second;
use stats::second::Counts;
use std::io::{self, Write};
use std::time::Duration;

/// A terminal: where to write, and its current size.
pub struct Terminal {
    /// Gets each change of the view in one `write_all`.
    pub output: Box<dyn Write + Send>,
    /// Called before every redraw, since terminals change size.
    pub size: Box<dyn Fn() -> Size + Send>,
    /// With colours or without.
    pub style: Style,
    /// Help for the keys that control the run; empty when there are none.
    pub keys: &'static str,
}

/// Draws the live view in place.
pub struct LiveView {
    terminal: Terminal,
    outline: Outline,
    /// Lines of the view that are above the cursor.
    painted: Vec<String>,
    first: Option<FirstFigures>,
    second: Option<Second>,
    so_far: Counts,
    stage: Stage,
    elapsed: Duration,
}

impl LiveView {
    /// Writes nothing before the first call of the reporter.
    pub fn new(terminal: Terminal, outline: Outline) -> Self {
        LiveView {
            terminal,
            outline,
            painted: Vec::new(),
            first: None,
            second: None,
            so_far: Counts::default(),
            stage: Stage::Starting,
            elapsed: Duration::ZERO,
        }
    }

    fn paint(&mut self) -> io::Result<()> {
        let view = View {
            outline: &self.outline,
            stage: self.stage,
            elapsed: self.elapsed,
            first: self.first,
            second: self.second.as_ref(),
            so_far: &self.so_far,
            keys: self.terminal.keys,
        };
        let frame = live::frame(&view, (self.terminal.size)(), self.terminal.style);
        if frame != self.painted {
            self.write(&live::repaint(self.painted.len(), &frame))?;
            self.painted = frame;
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.terminal.output.write_all(text.as_bytes())?;
        self.terminal.output.flush()
    }
}

impl Observer for LiveView {
    fn first(&mut self, figures: FirstFigures) -> io::Result<()> {
        self.first = Some(figures);
        Ok(())
    }

    fn second(&mut self, second: &Second, so_far: &Counts) -> io::Result<()> {
        self.second = Some(second.clone());
        self.so_far = so_far.clone();
        Ok(())
    }

    fn tick(&mut self, stage: Stage, elapsed: Duration) -> io::Result<()> {
        self.stage = stage;
        self.elapsed = elapsed;
        self.paint()
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        // the message replaces the view, which is drawn again below it
        let lines = format::escape_lines(text);
        let above = live::repaint(self.painted.len(), &lines);
        let view = std::mem::take(&mut self.painted);
        self.write(&(above + &live::repaint(0, &view)))?;
        self.painted = view;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        // the summary follows in place of the view
        if !self.painted.is_empty() {
            let wipe = live::repaint(self.painted.len(), &[]);
            self.painted.clear();
            self.write(&wipe)?;
        }
        Ok(())
    }
}

/// Prints one line per second.
pub struct LinePrinter {
    output: Box<dyn Write + Send>,
    stage: Stage,
}

impl LinePrinter {
    /// Writes one line at a time.
    pub fn new(output: Box<dyn Write + Send>) -> Self {
        LinePrinter {
            output,
            stage: Stage::Starting,
        }
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        self.output.write_all(format!("{line}\n").as_bytes())?;
        self.output.flush()
    }
}

impl Observer for LinePrinter {
    fn first(&mut self, figures: FirstFigures) -> io::Result<()> {
        self.print(&line::first(figures))
    }

    fn second(&mut self, second: &Second, _so_far: &Counts) -> io::Result<()> {
        self.print(&line::render(second))
    }

    fn tick(&mut self, stage: Stage, _elapsed: Duration) -> io::Result<()> {
        let changed = std::mem::replace(&mut self.stage, stage) != stage;
        match stage {
            Stage::Draining if changed => self.print("draining: no new arrivals"),
            Stage::Stopping if changed => self.print("stopping"),
            _ => Ok(()),
        }
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        format::escape_lines(text)
            .iter()
            .try_for_each(|line| self.print(line))
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}
