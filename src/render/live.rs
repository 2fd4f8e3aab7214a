//! The live view: lines that are painted again in place on a terminal, as many as it has room for.

pub mod by_name;

use crate::render::flow::{LABEL, Paint, Piece, Style};
use crate::render::format::{self, clock, count, per_second, percent, time_known};
use crate::render::line;
use crate::render::outline::{Outline, model_label};
use by_name::ByName;
use engine::FirstFigures;
use stats::second::{CoreSecond, Counts};
use stats::{FailureKind, Second};
use std::time::Duration;

/// Columns below which the view is not made narrower.
const WIDTH_MIN: usize = 30;
/// Wider lines are harder to read, not easier.
const WIDTH_MAX: usize = 120;
/// The same of tables.
const TABLE_WIDTH_MAX: usize = 160;
/// Cores shown with a bar each; more of them get one character each.
const BARS_MAX: usize = 8;
const BAR: usize = 8;
/// Rows of a terminal below which the view leaves out what the plan says anyway.
const TALL: usize = 16;
/// The last row of a terminal is left free, or it would scroll.
const ROWS_SPARE: usize = 1;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before the first arrival: cores warm up, `setup` runs.
    Starting,
    /// The load is on.
    Running,
    /// No new arrivals; what is under way is finished.
    Draining,
    /// Everything is being given up.
    Stopping,
}

impl Stage {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Starting => "starting",
            Stage::Running => "running",
            Stage::Draining => "draining",
            Stage::Stopping => "stopping",
        }
    }
}

/// What the view shows.
#[derive(Debug)]
pub struct View<'a> {
    /// The plan in words.
    pub outline: &'a Outline,
    /// How far the run is.
    pub stage: Stage,
    /// Time since the start of the load.
    pub elapsed: Duration,
    /// The first figures, until there is a complete second.
    pub first: Option<FirstFigures>,
    /// The newest complete second.
    pub second: Option<&'a Second>,
    /// What was counted so far.
    pub so_far: &'a Counts,
    /// The same by name.
    pub by_name: &'a ByName,
    /// Keys that steer the run; empty when there are none.
    pub keys: &'a str,
}

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// The lines of the view, none wider and not more than the terminal has.
pub fn frame(view: &View<'_>, size: Size, style: Style) -> Vec<String> {
    let width = size.width.clamp(WIDTH_MIN, WIDTH_MAX);
    let mut lines = head(view, width, size.height, style);
    match view.second {
        Some(second) => figures(view, second, width, style, &mut lines),
        None => {
            let text = match (view.stage, view.first) {
                (Stage::Starting, _) => "the cores warm up".to_owned(),
                (_, Some(first)) => format::cut(&line::first(first), width),
                _ => "the first second is under way".to_owned(),
            };
            lines.push(style.apply(Paint::Faint, &text));
        }
    }
    let rows = size.height.saturating_sub(ROWS_SPARE).max(1);
    let has_keys = view.stage == Stage::Running && !view.keys.is_empty();
    let room = rows.saturating_sub(lines.len() + usize::from(has_keys));
    let table_width = size.width.clamp(WIDTH_MIN, TABLE_WIDTH_MAX);
    lines.extend(by_name::lines(view.by_name, table_width, room, style));
    if has_keys {
        let keys = format::cut(view.keys, width);
        lines.push(style.apply(Paint::Faint, &keys));
    }
    lines.truncate(rows);
    lines
}

/// How many rows of a terminal of this width the lines take, which were made for another width:
/// terminals break lines that became too long.
pub fn rows_of(lines: &[String], width: usize) -> usize {
    let rows = |line: &String| format::columns(line).div_ceil(width.max(1)).max(1);
    lines.iter().map(rows).sum()
}

/// What to write so that `lines` take the place of the `painted` lines above the cursor: one
/// string, without clearing the screen first, so that nothing flickers.
pub fn repaint(painted: usize, lines: &[String]) -> String {
    let mut text = String::new();
    if lines.is_empty() {
        // line by line: what is cleared from the first row on, some terminals keep in their history
        let up = format!("\x1b[{painted}A\r");
        return match painted {
            0 => text,
            _ => format!("{up}{}{up}", "\x1b[K\n".repeat(painted)),
        };
    }
    if painted > 0 {
        text.push_str(&format!("\x1b[{painted}A\r"));
    }
    for line in lines {
        // cleared first: at the end of a full line, its last character would be
        text.push_str("\x1b[K");
        text.push_str(line);
        text.push('\n');
    }
    // what is left of a longer view before
    text.push_str("\x1b[J");
    text
}

fn head(view: &View<'_>, width: usize, height: usize, style: Style) -> Vec<String> {
    let outline = view.outline;
    let title = Piece::new(format!("{} → {}", outline.name, outline.target)).paint(Paint::Strong);
    let label = Piece::new(model_label(outline.model)).paint(Paint::Strong);
    let stage = view.stage;
    let stage_piece = Piece::new(stage.as_str())
        .paint_if(stage == Stage::Running, Paint::Good)
        .paint_if(
            matches!(stage, Stage::Draining | Stage::Stopping),
            Paint::Warn,
        );
    let mut lines = vec![
        style.ends(&title, &label, width),
        style.ends(&Piece::new(progress(view, width)), &stage_piece, width),
    ];
    if stage == Stage::Running {
        for load in outline.loads.iter().take(3) {
            let phase = load
                .phase_at(view.elapsed)
                .unwrap_or_else(|| "over".to_string());
            let kind = Piece::new(load.kind.as_str()).paint(Paint::Faint);
            let mut pieces = vec![Piece::new(phase)];
            pieces.extend((height >= TALL).then_some(kind));
            lines.extend(style.flow("phase", &pieces, width));
        }
    }
    lines
}

/// `━━━━╌╌╌╌ 00:14 / 00:40`, over what the stage leaves of the line.
fn progress(view: &View<'_>, width: usize) -> String {
    let total = view.outline.duration;
    let elapsed = view.elapsed.min(total);
    let share = if total.is_zero() {
        1.0
    } else {
        elapsed.as_secs_f64() / total.as_secs_f64()
    };
    let time = format!("{} / {}", clock(view.elapsed), clock(total));
    let room = width.saturating_sub(time.len() + "starting".len() + 4);
    let done = (share * room as f64).floor() as usize;
    format!(
        "{}{} {time}",
        "━".repeat(done),
        "╌".repeat(room - done.min(room))
    )
}

fn figures(view: &View<'_>, second: &Second, width: usize, style: Style, lines: &mut Vec<String>) {
    let counts = &second.counts;
    let so_far = view.so_far;
    let mut row = |label: &str, pieces: &[Piece]| lines.extend(style.flow(label, pieces, width));
    row(
        "users",
        &[
            Piece::new(format!("{:<9}", count(second.users.max))).paint(Paint::Strong),
            Piece::new(format!("connections {}", count(second.connections.max))),
        ],
    );
    let rate = per_second(counts.ok + counts.failed, second.seconds as f64);
    row(
        "requests",
        &[
            Piece::new(format!("{:<9}", rate + "/s")).paint(Paint::Strong),
            Piece::new(format!("{} so far", count(so_far.ok + so_far.failed))),
            Piece::new(format!("{} failed", count(so_far.failed)))
                .paint_if(so_far.failed > 0, Paint::Bad),
        ],
    );
    let errors = view.by_name.script_errors;
    if errors > 0 {
        let word = if errors == 1 { "error" } else { "errors" };
        let text = format!("{} {word}", count(errors));
        row("script", &[Piece::new(text).paint(Paint::Bad)]);
    }
    let latency = &second.latency;
    let times = [
        ("p50", latency.p50_us),
        ("p90", latency.p90_us),
        ("p99", latency.p99_us),
        ("max", latency.max_us),
    ];
    row(
        "latency",
        &times.map(|(name, us)| Piece::new(format!("{name} {:<7}", time_known(latency.known(us))))),
    );
    let lag = &second.lag;
    let lag = [("p99", lag.p99_us), ("max", lag.max_us)];
    let mut lag = lag
        .map(|(name, us)| Piece::new(format!("{name} {:<7}", time_known(second.lag.known(us)))))
        .to_vec();
    if second.generator_limited {
        lag.push(Piece::new("the generator was the limit").paint(Paint::Warn));
    }
    row("lag", &lag);
    if so_far.planned > 0 {
        row("arrivals", &arrivals(so_far));
    }
    if so_far.failed > 0 {
        row("failures", &failures(so_far));
    }
    cores(&second.cores, width, style, lines);
}

fn arrivals(so_far: &Counts) -> [Piece; 3] {
    [
        Piece::new(format!("{} planned", count(so_far.planned))),
        Piece::new(format!("{} started", count(so_far.started))),
        Piece::new(format!("{} dropped", count(so_far.dropped)))
            .paint_if(so_far.dropped > 0, Paint::Warn),
    ]
}

/// The commonest kinds first.
fn failures(so_far: &Counts) -> Vec<Piece> {
    let mut kinds: Vec<(u64, FailureKind)> = FailureKind::ALL
        .iter()
        .map(|kind| (so_far.failures_of(*kind), *kind))
        .collect();
    kinds.retain(|(n, _)| *n > 0);
    kinds.sort_by_key(|(n, kind)| (std::cmp::Reverse(*n), *kind));
    let pieces = kinds
        .iter()
        .take(6)
        .map(|(n, kind)| Piece::new(format!("{} {}", kind.as_str(), count(*n))).paint(Paint::Bad));
    pieces.collect()
}

fn cores(cores: &[CoreSecond], width: usize, style: Style, lines: &mut Vec<String>) {
    if cores.len() <= BARS_MAX {
        let bars: Vec<Piece> = cores
            .iter()
            .map(|core| {
                let share = f64::from(core.busy_share);
                let text = format!("{} {} {:>5}", core.core, bar(share), percent(share));
                Piece::new(text).paint_if(core.generator_limited, Paint::Warn)
            })
            .collect();
        lines.extend(style.flow("cores busy", &bars, width));
        return;
    }
    let shares: Vec<f64> = cores
        .iter()
        .map(|core| f64::from(core.busy_share))
        .collect();
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    let max = shares.iter().copied().fold(0.0, f64::max);
    let blocks: Vec<char> = shares.iter().map(|share| block(*share)).collect();
    let room = width.saturating_sub(LABEL).max(1);
    let mut pieces: Vec<Piece> = blocks
        .chunks(room)
        .map(|part| Piece::new(part.iter().collect::<String>()))
        .collect();
    pieces.push(Piece::new(format!(
        "mean {}  max {}",
        percent(mean),
        percent(max)
    )));
    lines.extend(style.flow("cores busy", &pieces, width));
}

fn bar(share: f64) -> String {
    let full = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

/// One of eight heights.
fn block(share: f64) -> char {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    BLOCKS[((share.clamp(0.0, 1.0) * 8.0) as usize).min(7)]
}
