//! Tables: names on the left, figures aligned on the right.

use crate::render::format;

/// Columns between two columns.
const GAP: usize = 2;
/// The least columns of a cut name.
const NAME_MIN: usize = 8;
/// The longest name shown in full.
const NAME_MAX: usize = 200;

/// Rows of a name and its figures.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Heads of the columns, that of the names first.
    pub head: Vec<String>,
    /// Each as long as the head.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(head: &[&str]) -> Self {
        Table {
            head: head.iter().map(|h| h.to_string()).collect(),
            rows: Vec::new(),
        }
    }

    /// Lines of at most `width` columns, as long as the figures fit: a name that has no room
    /// beside its figures gets a line of its own above them.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let figures: Vec<usize> = (1..self.head.len())
            .map(|column| self.widest(column))
            .collect();
        let taken: usize = figures.iter().map(|w| w + GAP).sum();
        let names = self.widest(0).min(width.saturating_sub(taken));
        let names = names.max(format::width(&self.head[0]));
        let all = std::iter::once(&self.head).chain(&self.rows);
        all.flat_map(|row| row_lines(row, names, &figures))
            .collect()
    }

    /// As [`Table::lines`], but each row is one line: a name that has no room beside its figures is
    /// cut, and so is a line that is too long all the same.
    pub fn flat_lines(&self, width: usize) -> Vec<String> {
        let taken: usize = (1..self.head.len())
            .map(|column| self.widest(column) + GAP)
            .sum();
        let room = width.saturating_sub(taken).max(NAME_MIN);
        let mut flat = self.clone();
        for name in flat.rows.iter_mut().filter_map(|row| row.first_mut()) {
            *name = format::cut(name, room);
        }
        let lines = flat.lines(width.max(taken + NAME_MIN)).into_iter();
        lines.map(|line| format::cut(&line, width)).collect()
    }

    fn widest(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let cells = cells.chain(self.head.get(column));
        cells.map(|cell| format::width(cell)).max().unwrap_or(0)
    }
}

fn row_lines(row: &[String], names: usize, figures: &[usize]) -> Vec<String> {
    let Some((name, cells)) = row.split_first() else {
        return Vec::new();
    };
    let name = format::cut(name, NAME_MAX);
    let mut lines = Vec::new();
    let mut line = if format::width(&name) > names {
        lines.push(name);
        " ".repeat(names)
    } else {
        format!("{name:<names$}")
    };
    for (cell, columns) in cells.iter().zip(figures) {
        line.push_str(&format!("{:gap$}{cell:>columns$}", "", gap = GAP));
    }
    lines.push(line.trim_end().to_string());
    lines
}
