//! The summary at the end of a run, for people.

mod nodes;
mod verdict;

use crate::render::columns::Columns;
use crate::render::custom;
use crate::render::flow::{Paint, Piece, Style};
use crate::render::format::{
    bytes, count, escape, length, number, per_second, percent, percent_of, time_us,
};
use crate::render::outline::model_label;
use crate::render::table::Table;
use stats::report::{Ending, RunFacts};
use stats::summary::{GeneratorCore, NameSummary, Percentiles};
use stats::{NameKind, Phase, RunReport, Summary};
use std::time::Duration;

const WIDTH_MIN: usize = 60;
const WIDTH_MAX: usize = 160;
/// Cores listed one by one; more of them are summed up.
const CORES_LISTED: usize = 8;
/// Changes of the load that are listed.
const CHANGES_TOLD: usize = 20;

/// The report of a run, `width` columns wide where its figures allow, ending in a line feed;
/// `columns` are those of its tables of names.
pub fn render(report: &RunReport, width: usize, style: Style, columns: &Columns) -> String {
    let mut text = Text {
        lines: Vec::new(),
        width: width.clamp(WIDTH_MIN, WIDTH_MAX),
        style,
        run: &report.run,
        summary: &report.summary,
        columns,
    };
    text.head();
    text.totals();
    text.latency();
    text.names(NameKind::Request, "request");
    text.names(NameKind::Transaction, "transaction");
    text.names(NameKind::Tag, "tag");
    text.replies();
    text.checks();
    text.metrics();
    text.thresholds();
    text.cores();
    text.verdict();
    text.notices(&report.notices);
    text.lines.join("\n") + "\n"
}

/// The text as it grows.
struct Text<'a> {
    lines: Vec<String>,
    width: usize,
    style: Style,
    run: &'a RunFacts,
    summary: &'a Summary,
    columns: &'a Columns,
}

impl Text<'_> {
    fn flow(&mut self, label: &str, pieces: &[Piece]) {
        self.lines
            .extend(self.style.flow(label, pieces, self.width));
    }

    fn gap(&mut self) {
        self.lines.push(String::new());
    }

    fn table(&mut self, table: &Table) {
        let mut lines = table.lines(self.width).into_iter();
        if let Some(head) = lines.next() {
            self.lines.push(self.style.apply(Paint::Faint, &head));
        }
        self.lines.extend(lines);
    }

    fn head(&mut self) {
        let title = format!("{} → {}", escape(&self.run.name), escape(&self.run.target));
        let title = Piece::new(title).paint(Paint::Strong);
        let label = Piece::new(model_label(self.summary.model)).paint(Paint::Strong);
        self.lines.push(self.style.ends(&title, &label, self.width));
        let (run, cores) = (self.run, self.run.cores.len());
        let took = Duration::from_millis((run.duration_s * 1e3).round() as u64);
        let mut pieces = vec![
            Piece::new(escape(&run.start)),
            Piece::new(format!("took {}", length(took))),
            Piece::new(format!(
                "{cores} {}",
                if cores == 1 { "core" } else { "cores" }
            )),
            Piece::new(format!("seed {}", run.seed)),
        ];
        if run.warmup_s > 0 {
            let warmup = length(Duration::from_secs(run.warmup_s));
            pieces.push(Piece::new(format!("without {warmup} of warm-up")));
        }
        if let Some(segment) = &run.segment {
            pieces.push(Piece::new(format!(
                "segment {} of the run",
                escape(segment)
            )));
        }
        self.flow("run", &pieces);
        self.nodes();
        if !run.proxy.is_empty() {
            self.flow("proxy", &[Piece::new(escape(&run.proxy))]);
        }
        if run.insecure {
            let text = "certificates of servers were not verified (tls.insecure)";
            self.flow("", &[Piece::new(text).paint(Paint::Warn)]);
        }
        if let Some(remark) = run.ended.and_then(remark) {
            self.flow("", &[Piece::new(remark).paint(Paint::Warn)]);
        }
        if !run.overrides.is_empty() {
            let pieces = run.overrides.iter().map(|text| Piece::new(escape(text)));
            self.flow("with", &pieces.collect::<Vec<_>>());
        }
        for (index, made) in run.changes.iter().take(CHANGES_TOLD).enumerate() {
            let label = if index == 0 { "changed" } else { "" };
            let text = format!("at {} s: {}", number(made.time_s), escape(&made.change));
            self.flow(label, &[Piece::new(text)]);
        }
        if run.changes.len() > CHANGES_TOLD {
            let more = run.changes.len() - CHANGES_TOLD;
            self.flow("", &[Piece::new(format!("and {more} more"))]);
        }
        for load in &run.loads {
            let texts = [&load.kind, &load.scenarios]
                .into_iter()
                .chain(&load.phases);
            let pieces: Vec<Piece> = texts.map(|text| Piece::new(escape(text))).collect();
            self.flow("load", &pieces);
        }
    }

    fn nodes(&mut self) {
        let (nodes, more) = nodes::lines(&self.run.nodes);
        for (index, (line, is_bad)) in nodes.into_iter().enumerate() {
            let piece = Piece::new(line);
            let piece = if is_bad {
                piece.paint(Paint::Bad)
            } else {
                piece
            };
            self.flow(if index == 0 { "nodes" } else { "" }, &[piece]);
        }
        if more > 0 {
            self.flow("", &[Piece::new(format!("and {more} more"))]);
        }
    }

    fn totals(&mut self) {
        let totals = &self.summary.totals;
        let counts = &totals.counts;
        let ended = counts.iterations;
        let warn = |figure: Figure| figure.paint_if(Paint::Warn);
        let bad = |figure: Figure| figure.paint_if(Paint::Bad);
        let mut rows = vec![
            (
                "iterations",
                vec![
                    Figure::new(ended.finished, "finished"),
                    bad(Figure::new(ended.failed, "failed")),
                    warn(Figure::new(ended.unfinished, "unfinished")),
                ],
            ),
            (
                "requests",
                vec![
                    Figure::new(counts.sent, "sent"),
                    Figure::new(counts.ok, "ok"),
                    bad(Figure::new(counts.failed, "failed")),
                    warn(Figure::new(counts.unfinished, "unfinished")),
                ],
            ),
        ];
        if counts.planned > 0 {
            let arrivals = vec![
                Figure::new(counts.planned, "planned"),
                Figure::new(counts.started, "started"),
                warn(Figure::new(counts.dropped, "dropped")),
            ];
            rows.insert(0, ("arrivals", arrivals));
        }
        self.gap();
        self.figures(&rows);
        let load = &self.summary.throughput;
        let per_second = |n: u64| per_second(n, load.load_s);
        let mut pieces = vec![
            Piece::new(format!("{} requests/s", per_second(load.ok + load.failed)))
                .paint(Paint::Strong),
        ];
        if load.failed > 0 {
            pieces.push(Piece::new(format!("{} ok/s", per_second(load.ok))));
        }
        pieces.extend([
            Piece::new(format!("{}/s in", bytes(load.bytes_in_per_s))),
            Piece::new(format!("{}/s out", bytes(load.bytes_out_per_s))),
        ]);
        self.flow("throughput", &pieces);
        let pieces = [
            Piece::new(format!("{} users at most", count(totals.users_max))),
            Piece::new(format!(
                "{} connections at most",
                count(totals.connections_max)
            )),
            Piece::new(format!("{} made", count(totals.connections))),
        ];
        self.flow("concurrency", &pieces);
    }

    /// Rows of figures with their words, aligned below each other.
    fn figures(&mut self, rows: &[(&str, Vec<Figure>)]) {
        let longest = |column: usize, of: fn(&Figure) -> usize| {
            rows.iter()
                .filter_map(|(_, row)| row.get(column))
                .map(of)
                .max()
                .unwrap_or(0)
        };
        for (label, row) in rows {
            let pieces = row.iter().enumerate().map(|(column, figure)| {
                let digits = longest(column, |f| f.digits.len());
                let word = longest(column, |f| f.word.len());
                let text = format!("{:>digits$} {:<word$}", figure.digits, figure.word);
                Piece::new(text).paint(figure.paint)
            });
            let pieces: Vec<Piece> = pieces.collect();
            self.flow(label, &pieces);
        }
    }

    fn latency(&mut self) {
        let phases = &self.summary.phases;
        let mut table = Table::new(&[
            "", "mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "max",
        ]);
        for phase in Phase::ALL {
            let times = phases.get(*phase);
            let label = match phase {
                Phase::LatencyFailed => "of failed".to_owned(),
                phase => phase.as_str().replace('_', " "),
            };
            let is_main = matches!(phase, Phase::Latency | Phase::ServiceTime | Phase::Lag);
            if is_main || times.count > 0 {
                table.rows.push(time_row(&label, times));
            }
            if *phase == Phase::LatencyFailed && times.count > 0 {
                table.rows.push(time_row("of all", &phases.latency_all));
            }
        }
        self.gap();
        self.table(&table);
    }

    fn names(&mut self, kind: NameKind, label: &str) {
        let names: Vec<&NameSummary> = self
            .summary
            .names
            .iter()
            .filter(|n| n.kind == kind)
            .collect();
        if names.is_empty() {
            return;
        }
        let columns = self.columns.of(&names);
        let mut head = vec![label];
        head.extend(columns.iter().map(|column| column.word));
        let mut table = Table::new(&head);
        for name in names {
            let mut row = vec![escape(&name.name)];
            row.extend(columns.iter().map(|column| column.figure(name)));
            table.rows.push(row);
        }
        self.gap();
        self.table(&table);
    }

    fn replies(&mut self) {
        let summary = self.summary;
        self.gap();
        if !summary.status.is_empty() {
            let pieces: Vec<Piece> = summary
                .status
                .iter()
                .map(|(status, n)| Piece::new(format!("{status}: {}", count(*n))))
                .collect();
            self.flow("statuses", &pieces);
        }
        let counts = &summary.totals.counts;
        let unfinished = ("unfinished".into(), counts.unfinished);
        let unfinished = (counts.unfinished > 0).then_some(&unfinished);
        let failures = summary.failures.0.iter().chain(unfinished);
        let failures = failures.map(|(kind, n)| {
            let text = format!(
                "{}: {} ({})",
                escape(kind),
                count(*n),
                percent_of(*n, counts.sent)
            );
            Piece::new(text).paint(Paint::Bad)
        });
        let failures: Vec<Piece> = failures.collect();
        if failures.is_empty() {
            self.flow("failures", &[Piece::new("none").paint(Paint::Good)]);
        } else {
            self.flow("failures", &failures);
        }
        let events = summary.events.0.iter();
        let events: Vec<Piece> = events
            .map(|(name, n)| Piece::new(format!("{}: {}", escape(name), count(*n))))
            .collect();
        if !events.is_empty() {
            self.flow("events", &events);
        }
    }

    fn checks(&mut self) {
        let checks = &self.summary.checks;
        if checks.is_empty() {
            return;
        }
        let mut table = Table::new(&["check", "passed", "failed", "failed of all"]);
        for check in checks {
            table.rows.push(vec![
                escape(&check.name),
                count(check.passed),
                count(check.failed),
                percent_of(check.failed, check.passed + check.failed),
            ]);
        }
        self.gap();
        self.table(&table);
    }

    fn metrics(&mut self) {
        for table in custom::tables(&self.summary.metrics) {
            self.gap();
            self.table(&table);
        }
    }

    fn thresholds(&mut self) {
        let outcomes = self.summary.thresholds.iter();
        for (index, outcome) in outcomes.filter(|one| one.is_shown()).enumerate() {
            if index == 0 {
                self.gap();
            }
            let label = if index == 0 { "thresholds" } else { "" };
            let (word, paint) = match outcome.met {
                true => ("met   ", Paint::Good),
                false => ("MISSED", Paint::Bad),
            };
            let text = format!("{word}  {}: {}", outcome.text, outcome.finding());
            self.flow(label, &[Piece::new(escape(&text)).paint(paint)]);
        }
    }

    fn cores(&mut self) {
        let cores = &self.summary.generator.cores;
        self.gap();
        if cores.len() <= CORES_LISTED {
            let pieces: Vec<Piece> = cores
                .iter()
                .map(|core| {
                    let (busy, turn) = (percent(core.busy_share), time_us(core.turn_max_us));
                    let name = core_name(core);
                    Piece::new(format!("{name}: {busy}, turns up to {turn}"))
                })
                .collect();
            self.flow("cores busy", &pieces);
            return;
        }
        let mean = cores.iter().map(|c| c.busy_share).sum::<f64>() / cores.len() as f64;
        let mut pieces = vec![Piece::new(format!("mean {}", percent(mean)))];
        if let Some(core) = cores
            .iter()
            .max_by(|a, b| a.busy_share.total_cmp(&b.busy_share))
        {
            let text = format!(
                "most {} (core {})",
                percent(core.busy_share),
                core_name(core)
            );
            pieces.push(Piece::new(text));
        }
        if let Some(core) = cores.iter().max_by_key(|c| c.turn_max_us) {
            let text = format!(
                "turns up to {} (core {})",
                time_us(core.turn_max_us),
                core_name(core)
            );
            pieces.push(Piece::new(text));
        }
        self.flow("cores busy", &pieces);
    }
}

/// What to tell the reader of the end; nothing when there is nothing special.
fn remark(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Completed => None,
        Ending::Aborted => Some("ended by a missed threshold: no new arrivals, then drained"),
        Ending::Interrupted => Some("interrupted: no new arrivals, then drained"),
        Ending::Stopped => Some("stopped at once: a partial run"),
        Ending::Failed => Some("ended by an error: a partial run"),
    }
}

/// A count and what it counts.
struct Figure {
    digits: String,
    word: &'static str,
    paint: Paint,
}

impl Figure {
    fn new(n: u64, word: &'static str) -> Self {
        Figure {
            digits: count(n),
            word,
            paint: Paint::None,
        }
    }

    /// In this colour when the count is not 0.
    fn paint_if(mut self, paint: Paint) -> Self {
        if self.digits != "0" {
            self.paint = paint;
        }
        self
    }
}

/// A core's number; after that of its node, in runs of several.
fn core_name(core: &GeneratorCore) -> String {
    let node = core.node.map_or(String::new(), |node| format!("{node}/"));
    format!("{node}{}", core.core)
}

fn time_row(name: &str, times: &Percentiles) -> Vec<String> {
    let shown = [
        times.mean_us.round() as u64,
        times.p50_us,
        times.p75_us,
        times.p90_us,
        times.p95_us,
        times.p99_us,
        times.p999_us,
        times.max_us,
    ];
    let mut row = vec![name.to_string()];
    row.extend(shown.map(|us| shown_time(times, us)));
    row
}

fn shown_time(times: &Percentiles, us: u64) -> String {
    if times.count == 0 {
        "-".to_string()
    } else {
        time_us(us)
    }
}
