//! A TOML text with places: parsing, recovery after syntax errors, and collecting problems.
//!
//! The parser goes on after an error, so that the rest of the file can be judged too. What it
//! then makes up must not be blamed on the file: problems of meaning are dropped where a syntax
//! error already stands (same line, or the same broken array or inline table).

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Errors, PROBLEMS_MAX, Problem};

/// A value and where it stands in the text.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;
/// Bytes of the text.
pub(crate) type Span = Range<usize>;

/// Longest piece of the file repeated in a message, in characters.
const QUOTED_CHARS_MAX: usize = 60;

/// `text` in quotes, without control characters and not longer than a line.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Why a problem is reported, which decides when it is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The text is no TOML here.
    Syntax,
    /// Something is there that should not be, or not so.
    Found,
    /// Something is not there, or not where it belongs; a syntax error may be why.
    Doubtful,
}

/// Collects the problems of one text.
pub(crate) struct Report {
    entries: Vec<(Reason, Span, String)>,
}

impl Report {
    /// Reports what is at `span` and should not be.
    pub(crate) fn found(&mut self, span: Span, message: impl Into<String>) {
        self.entries.push((Reason::Found, span, message.into()));
    }

    /// As [`Report::found`], for what a syntax error elsewhere may be the reason of, such as a key
    /// missing from the table at `span`.
    pub(crate) fn doubtful(&mut self, span: Span, message: impl Into<String>) {
        self.entries.push((Reason::Doubtful, span, message.into()));
    }

    /// Reports a fault of the text itself.
    pub(crate) fn syntax(&mut self, span: Span, message: impl Into<String>) {
        self.entries.push((Reason::Syntax, span, message.into()));
    }
}

/// What a parsed text holds and where its syntax is broken.
pub(crate) struct Document<'t> {
    text: &'t str,
    pub(crate) root: DeTable<'t>,
    pub(crate) report: Report,
    /// Arrays and inline tables with a syntax error between their values: nothing in them counts.
    broken: Vec<Span>,
    /// Whether keys may have been lost to a syntax error.
    lossy: bool,
}

impl<'t> Document<'t> {
    /// Parses `text` and keeps what could be read together with the syntax errors.
    pub(crate) fn parse(text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut shape = Shape::default();
        root.get_ref()
            .values()
            .for_each(|value| shape.visit(value, text));
        let mut document = Self {
            text,
            root: root.into_inner(),
            report: Report {
                entries: Vec::new(),
            },
            broken: Vec::new(),
            lossy: false,
        };
        let mut errors: Vec<(Span, &str)> = errors
            .iter()
            .map(|e| (e.span().unwrap_or(0..0), e.message()))
            .collect();
        errors.sort_by_key(|(span, _)| span.start);
        // Each is compared with every value, so a large file of garbage must not bring many.
        errors.truncate(PROBLEMS_MAX);
        errors
            .into_iter()
            .for_each(|(span, message)| document.judge(span, message, &shape));
        document
    }

    /// Keeps a syntax error unless it only follows from an earlier one.
    fn judge(&mut self, span: Span, message: &str, shape: &Shape) {
        if self.broken.iter().any(|broken| contains(broken, &span)) {
            return;
        }
        let source = self.text.get(span.clone()).unwrap_or_default();
        let bare = shape.bare.iter().find(|bare| **bare == span);
        let said = match message {
            _ if bare.is_some() && span.is_empty() => "found no value after `=`".to_owned(),
            _ if bare.is_some() => {
                let source = quoted(source);
                format!("found text without quotes, allowed is {source}")
            }
            "duplicate key" => format!("duplicate key `{}`", source.escape_debug()),
            _ => message.to_owned(),
        };
        let within_scalar = shape.scalars.iter().any(|scalar| contains(scalar, &span));
        let local = bare.is_some() || within_scalar || message == "duplicate key";
        if !local {
            self.lossy = true;
            // The first is the outermost, as parents are visited before their children.
            let outermost = shape
                .compounds
                .iter()
                .find(|compound| contains(compound, &span));
            self.broken.extend(outermost.cloned());
        }
        self.report.syntax(span, said);
    }

    /// All problems that count, or `None` when there are none.
    pub(crate) fn errors(self, file: &Path) -> Option<Errors> {
        let lines = Lines::new(self.text);
        let entries = &self.report.entries;
        let mut bad_lines: Vec<usize> = entries
            .iter()
            .filter(|(reason, ..)| *reason == Reason::Syntax)
            .map(|(_, span, _)| lines.place(span.start).0)
            .collect();
        bad_lines.sort_unstable();
        let counts = |reason: Reason, span: &Span| match reason {
            Reason::Syntax => true,
            Reason::Doubtful if self.lossy => false,
            Reason::Found if self.lossy && span.is_empty() => false,
            Reason::Doubtful | Reason::Found => {
                bad_lines.binary_search(&lines.place(span.start).0).is_err()
                    && !self.broken.iter().any(|broken| contains(broken, span))
            }
        };
        let problems: Vec<Problem> = entries
            .iter()
            .filter(|(reason, span, _)| counts(*reason, span))
            .map(|(_, span, message)| {
                let (line, column) = lines.place(span.start);
                Problem {
                    line,
                    column,
                    message: message.clone(),
                }
            })
            .collect();
        (!problems.is_empty()).then(|| Errors::new(file, problems))
    }
}

fn contains(outer: &Span, inner: &Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Where the values of a text stand.
#[derive(Default)]
struct Shape {
    scalars: Vec<Span>,
    /// Texts the parser took although they have no quotes.
    bare: Vec<Span>,
    /// Arrays and inline tables (tables with a header have the header as their place).
    compounds: Vec<Span>,
}

impl Shape {
    fn visit(&mut self, value: &Value<'_>, text: &str) {
        let span = value.span();
        let source = text.get(span.clone()).unwrap_or_default();
        match value.get_ref() {
            DeValue::Array(items) => {
                if source.starts_with('[') && !source.starts_with("[[") {
                    self.compounds.push(span);
                }
                items.iter().for_each(|item| self.visit(item, text));
            }
            DeValue::Table(entries) => {
                if source.starts_with('{') {
                    self.compounds.push(span);
                }
                entries.values().for_each(|entry| self.visit(entry, text));
            }
            DeValue::String(_) if !source.starts_with(['"', '\'']) => self.bare.push(span),
            _ => self.scalars.push(span),
        }
    }
}

/// Line starts of a text.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    /// Line and column, from 1, of a byte; the column in characters.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|&start| start <= at);
        let before = self.text.get(self.starts[line - 1]..at).unwrap_or_default();
        // A byte order mark is no character of the line.
        (
            line,
            before.trim_start_matches('\u{feff}').chars().count() + 1,
        )
    }
}
