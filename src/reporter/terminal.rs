//! The two terminal observers: a live view drawn in place, and plain lines.

use crate::render::flow::Style;
use crate::render::line::Interval;
use crate::render::live::by_name::{ByName, NameRow};
use crate::render::live::{self, Size, Stage, View};
use crate::render::outline::Outline;
use crate::render::{format, line};
use crate::reporter::Observer;
use engine::FirstFigures;
use stats::second::Counts;
use stats::{Aggregator, Counter, Histogram, NameKind, Second};
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

/// Names of a kind that are shown at most: more than fit on a tall terminal.
const NAMES_SHOWN: usize = 60;
/// A run that is planned to be longer has a line every [`LONG_EVERY_S`] seconds, not every second.
const SHORT_MAX: Duration = Duration::from_secs(60);
const LONG_EVERY_S: u64 = 10;

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
    /// The size of the terminal when they were painted.
    painted_for: Size,
    first: Option<FirstFigures>,
    second: Option<Second>,
    so_far: Counts,
    by_name: ByName,
    /// How many had ended of each name in the second before.
    ended: HashMap<(NameKind, String), u64>,
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
            painted_for: Size {
                width: 0,
                height: 0,
            },
            first: None,
            second: None,
            so_far: Counts::default(),
            by_name: ByName::default(),
            ended: HashMap::new(),
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
            by_name: &self.by_name,
            keys: self.terminal.keys,
        };
        let size = (self.terminal.size)();
        let frame = live::frame(&view, size, self.terminal.style);
        if frame != self.painted || size != self.painted_for {
            self.write(&live::repaint(self.rows_above(size), &frame))?;
            self.painted = frame;
            self.painted_for = size;
        }
        Ok(())
    }

    /// How many rows the painted lines take on a terminal of this size.
    fn rows_above(&self, size: Size) -> usize {
        match size.width < self.painted_for.width {
            true => live::rows_of(&self.painted, size.width),
            false => self.painted.len(),
        }
    }

    /// The rows of a kind, with what ended in the last `seconds`.
    fn rows(&self, so_far: &Aggregator, kind: NameKind, seconds: u64) -> Vec<NameRow> {
        let known = self.ended.keys().filter(|(one, _)| *one == kind);
        // if all names were shown, one that was not is new
        let has_all = known.count() < NAMES_SHOWN;
        let names = so_far.names_so_far(kind, NAMES_SHOWN).into_iter();
        let row = names.map(|name| {
            let before = self.ended.get(&(kind, name.name.clone())).copied();
            let before = before.or(has_all.then_some(0));
            let ended = name.ok + name.failed;
            NameRow {
                name: name.name,
                rate: before.map(|before| ended.saturating_sub(before) as f64 / seconds as f64),
                ok: name.ok,
                failed: name.failed,
                latency: name.latency,
            }
        });
        row.collect()
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

    fn second(&mut self, second: &Second, so_far: &Aggregator) -> io::Result<()> {
        self.second = Some(second.clone());
        self.so_far = so_far.counts().clone();
        let rows = |kind| self.rows(so_far, kind, second.seconds.max(1));
        let kinds = [NameKind::Request, NameKind::Transaction, NameKind::Tag];
        let by_kind = kinds.map(|kind| (kind, rows(kind)));
        let ended = by_kind.iter().flat_map(|(kind, rows)| {
            let rows = rows.iter();
            rows.map(|row| ((*kind, row.name.clone()), row.ok + row.failed))
        });
        self.ended = ended.collect();
        let [requests, transactions, tags] = by_kind.map(|(_, rows)| rows);
        self.by_name = ByName {
            requests,
            transactions,
            tags,
            checks: so_far.checks_so_far(),
            thresholds: so_far.thresholds_so_far(),
            script_errors: so_far.counted_so_far(Counter::ScriptError),
        };
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
        let above = live::repaint(self.rows_above((self.terminal.size)()), &lines);
        let view = std::mem::take(&mut self.painted);
        self.write(&(above + &live::repaint(0, &view)))?;
        self.painted = view;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        // the summary follows in place of the view
        if !self.painted.is_empty() {
            let wipe = live::repaint(self.rows_above((self.terminal.size)()), &[]);
            self.painted.clear();
            self.write(&wipe)?;
        }
        Ok(())
    }
}

/// Prints one line per second; in a long run after the first second and every ten seconds.
pub struct LinePrinter {
    output: Box<dyn Write + Send>,
    stage: Stage,
    /// How long the plan asks for load.
    planned: Duration,
    /// What the next line is about, in a long run.
    interval: Interval,
    /// Latencies up to the last line, in a long run.
    latency: Histogram,
}

impl LinePrinter {
    /// Writes one line at a time, of a run that is `planned` to take so long.
    pub fn new(output: Box<dyn Write + Send>, planned: Duration) -> Self {
        LinePrinter {
            output,
            stage: Stage::Starting,
            planned,
            interval: Interval::default(),
            latency: Histogram::new(),
        }
    }

    /// The line that is due at the end of a second of a long run, if one is.
    fn long(&mut self, second: &Second, so_far: &Aggregator) -> Option<Interval> {
        let (from, end) = (self.interval.end_s, second.time_s + second.seconds);
        let is_first = from == 0;
        let due = is_first || from / LONG_EVERY_S < end / LONG_EVERY_S;
        self.interval.add(second);
        if !due {
            return None;
        }
        let end_s = self.interval.end_s;
        let next = Interval {
            end_s,
            ..Interval::default()
        };
        let mut interval = std::mem::replace(&mut self.interval, next);
        let latency = so_far.latency_so_far();
        let mut new = latency.clone();
        new.subtract(&self.latency);
        self.latency = latency;
        let figure = |share| (new.count() > 0).then(|| new.value_at(share));
        interval.wanted_s = if is_first { 1 } else { LONG_EVERY_S };
        interval.p50_us = figure(0.5);
        interval.p99_us = figure(0.99);
        let left = self
            .planned
            .as_secs()
            .checked_sub(end_s)
            .filter(|left| *left > 0);
        interval.left = left.map(Duration::from_secs);
        Some(interval)
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

    fn second(&mut self, second: &Second, so_far: &Aggregator) -> io::Result<()> {
        let interval = match self.planned > SHORT_MAX {
            true => self.long(second, so_far),
            false => Some(Interval::of(second)),
        };
        match interval {
            Some(interval) => self.print(&line::render(&interval)),
            None => Ok(()),
        }
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
