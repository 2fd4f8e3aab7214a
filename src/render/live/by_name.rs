//! The part of the live view below the figures: requests, transactions, tags, thresholds and checks,
//! as far as there is room for them.

use crate::render::flow::{Paint, Piece, Style};
use crate::render::format::{self, count, per_second, percent_of, time_us};
use crate::render::table::Table;
use stats::NameKind;
use stats::summary::{Check, Percentiles};
use stats::threshold::ThresholdResult;

/// What a run has come to so far, by name.
#[derive(Debug, Clone, Default)]
pub struct ByName {
    /// The most frequent first.
    pub requests: Vec<NameRow>,
    /// The most frequent first.
    pub transactions: Vec<NameRow>,
    /// The most frequent first.
    pub tags: Vec<NameRow>,
    /// By name.
    pub checks: Vec<Check>,
    /// As they would come out if the run ended now.
    pub thresholds: Vec<ThresholdResult>,
    /// Errors of the script.
    pub script_errors: u64,
}

/// A request, a transaction or a tag.
#[derive(Debug, Clone)]
pub struct NameRow {
    /// Its name; hostile text.
    pub name: String,
    /// Ended in the newest second, per second; none when that is not known.
    pub rate: Option<f64>,
    /// Ended ok.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Latency of those that ended ok.
    pub latency: Percentiles,
}

/// Lines of a section below which it says nothing: a gap, a head and a row.
const SECTION_MIN: usize = 3;
/// How many sections there are.
const SECTIONS: usize = 5;
/// Which sections get room first: requests, thresholds, transactions, tags, checks.
const FIRST: [usize; SECTIONS] = [0, 3, 1, 2, 4];

/// At most `room` lines, none wider than `width`.
pub fn lines(run: &ByName, width: usize, room: usize, style: Style) -> Vec<String> {
    let sections = [
        names(&run.requests, NameKind::Request, width, style),
        names(&run.transactions, NameKind::Transaction, width, style),
        names(&run.tags, NameKind::Tag, width, style),
        thresholds(&run.thresholds, width, style),
        checks(&run.checks, width, style),
    ];
    let needs = sections.each_ref().map(Vec::len);
    let mut lines = Vec::new();
    for (mut section, given) in sections.into_iter().zip(divide(room, needs)) {
        let more = section.len().saturating_sub(given);
        section.truncate(given);
        if more > 0 && given > SECTION_MIN {
            section.pop();
            section.push(style.apply(Paint::Faint, &format!("and {} more", more + 1)));
        }
        lines.extend(section);
    }
    lines
}

/// How many of `room` lines each section gets: all the same at first, then what others leave, in
/// the order of [`FIRST`].
fn divide(room: usize, needs: [usize; SECTIONS]) -> [usize; SECTIONS] {
    let mut given = [0; SECTIONS];
    let mut left = room;
    let sections = needs.iter().filter(|need| **need > 0).count();
    let equal = (room / sections.max(1)).max(SECTION_MIN);
    for step in [equal, room] {
        for section in FIRST {
            let more = (needs[section] - given[section]).min(step).min(left);
            // a rest that shows nothing is of use to another one
            if given[section] + more >= SECTION_MIN.min(needs[section]) {
                given[section] += more;
                left -= more;
            }
        }
    }
    given
}

/// Columns of the table of names on a terminal of this width.
fn columns(width: usize) -> &'static [&'static str] {
    match width {
        100.. => &["rate", "ok", "failed", "mean", "p50", "p95", "p99", "max"],
        70.. => &["rate", "failed", "p50", "p95", "p99"],
        50.. => &["rate", "failed", "p50", "p99"],
        _ => &["rate", "failed", "p99"],
    }
}

fn names(rows: &[NameRow], kind: NameKind, width: usize, style: Style) -> Vec<String> {
    let columns = columns(width);
    let mut table = Table::new(&[&[kind.as_str()], columns].concat());
    for row in rows {
        let time = |us: u64| match row.latency.count {
            0 => "-".to_owned(),
            _ => time_us(us),
        };
        let figure = |column: &&str| match *column {
            "rate" => row.rate.map_or("-".to_owned(), |rate| {
                format!("{}/s", per_second(rate.round() as u64, 1.0))
            }),
            "ok" => count(row.ok),
            "failed" => count(row.failed),
            "mean" => time(row.latency.mean_us.round() as u64),
            "p50" => time(row.latency.p50_us),
            "p95" => time(row.latency.p95_us),
            "p99" => time(row.latency.p99_us),
            _ => time(row.latency.max_us),
        };
        let mut cells = vec![format::escape(&row.name)];
        cells.extend(columns.iter().map(figure));
        table.rows.push(cells);
    }
    let paints = rows.iter().map(|row| match row.failed {
        0 => Paint::None,
        _ => Paint::Bad,
    });
    section(&table, paints, width, style)
}

fn checks(checks: &[Check], width: usize, style: Style) -> Vec<String> {
    let mut checks: Vec<&Check> = checks.iter().collect();
    checks.sort_by_key(|check| std::cmp::Reverse(check.failed));
    let mut table = Table::new(&["check", "passed", "failed", "of all"]);
    for check in &checks {
        table.rows.push(vec![
            format::escape(&check.name),
            count(check.passed),
            count(check.failed),
            percent_of(check.failed, check.passed + check.failed),
        ]);
    }
    let paints = checks.iter().map(|check| match check.failed {
        0 => Paint::None,
        _ => Paint::Bad,
    });
    section(&table, paints, width, style)
}

/// A gap, the head and the rows; nothing without rows.
fn section(
    table: &Table,
    paints: impl Iterator<Item = Paint>,
    width: usize,
    style: Style,
) -> Vec<String> {
    if table.rows.is_empty() {
        return Vec::new();
    }
    let lines = table.flat_lines(width);
    let paints = std::iter::once(Paint::Faint).chain(paints);
    let lines = lines
        .iter()
        .zip(paints)
        .map(|(line, paint)| style.apply(paint, line));
    std::iter::once(String::new()).chain(lines).collect()
}

/// Missed ones first.
fn thresholds(results: &[ThresholdResult], width: usize, style: Style) -> Vec<String> {
    let mut shown: Vec<&ThresholdResult> = results.iter().filter(|one| one.is_shown()).collect();
    shown.sort_by_key(|one| one.met || one.value.is_none());
    let rows = shown.iter().map(|one| {
        let (word, paint) = match (one.met, one.value) {
            (_, None) => ("open  ", Paint::Faint),
            (true, _) => ("met   ", Paint::Good),
            (false, _) => ("MISSED", Paint::Bad),
        };
        let text = match one.value {
            None => format!("{word}  {}", one.text),
            Some(_) => format!("{word}  {}: {}", one.text, one.finding()),
        };
        Piece::new(format::escape(&text)).paint(paint)
    });
    let rows: Vec<Piece> = rows.collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    for (index, row) in rows.into_iter().enumerate() {
        let label = if index == 0 { "thresholds" } else { "" };
        lines.extend(style.flow(label, &[row], width));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_and_the_rest_goes_to_the_first() {
        assert_eq!(divide(40, [5, 4, 0, 3, 4]), [5, 4, 0, 3, 4]);
        assert_eq!(divide(16, [20, 4, 0, 3, 4]), [5, 4, 0, 3, 4]);
        assert_eq!(divide(16, [20, 0, 0, 0, 10]), [8, 0, 0, 0, 8]);
        assert_eq!(divide(16, [20, 0, 0, 0, 4]), [12, 0, 0, 0, 4]);
        assert_eq!(divide(11, [20, 0, 0, 4, 4]), [5, 0, 0, 3, 3]);
        assert_eq!(divide(8, [20, 4, 0, 4, 4]), [5, 0, 0, 3, 0]);
        assert_eq!(divide(4, [20, 4, 0, 3, 4]), [4, 0, 0, 0, 0]);
        assert_eq!(divide(6, [20, 0, 0, 2, 0]), [4, 0, 0, 2, 0]);
        assert_eq!(divide(2, [20, 4, 0, 3, 4]), [0; SECTIONS]);
        assert_eq!(divide(19, [20, 4, 6, 3, 4]), [7, 3, 3, 3, 3]);
        assert_eq!(divide(0, [0; SECTIONS]), [0; SECTIONS]);
    }
}
