//! TOML text with source positions: parsing, recovery after syntax errors, and collecting problems.
//!
//! The parser continues after an error, so that the rest of the file can be checked too. What it
//! makes up during recovery must not be blamed on the file: semantic problems are dropped where
//! there already is a syntax error (on the same line, or in the same broken array or inline table).

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Errors, PROBLEMS_MAX, Problem};

/// A value and its position in the text.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;
/// A range of byte offsets in the text.
pub(crate) type Span = Range<usize>;

/// Longest excerpt of the file repeated in a message, in characters.
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
    /// The text is not valid TOML here.
    Syntax,
    /// Something is present that should not be, or has the wrong form.
    Found,
    /// Something is missing or misplaced; a syntax error may be the cause.
    Doubtful,
}

/// Collects the problems of one text.
pub(crate) struct Diagnostics {
    entries: Vec<(Reason, Span, String)>,
    /// Where strings begin whose text came from variables.
    expanded: HashSet<usize>,
}

impl Diagnostics {
    /// Reports what stands at `span` and should not.
    pub(crate) fn found(&mut self, span: Span, message: impl Into<String>) {
        self.entries.push((Reason::Found, span, message.into()));
    }

    /// Like [`Diagnostics::found`], for problems that a syntax error elsewhere may have caused,
    /// such as a key missing from the table at `span`.
    pub(crate) fn doubtful(&mut self, span: Span, message: impl Into<String>) {
        self.entries.push((Reason::Doubtful, span, message.into()));
    }

    /// Notes that the string at `span` has text from variables.
    pub(crate) fn note_expanded(&mut self, span: &Span) {
        self.expanded.insert(span.start);
    }

    /// Whether the string at `span` has text from variables, so that it can stand for a number.
    pub(crate) fn is_expanded(&self, span: &Span) -> bool {
        self.expanded.contains(&span.start)
    }

    /// Reports a syntax error.
    pub(crate) fn syntax(&mut self, span: Span, message: impl Into<String>) {
        self.entries.push((Reason::Syntax, span, message.into()));
    }
}

/// A parsed text: its values and its syntax errors.
pub(crate) struct Document<'t> {
    text: &'t str,
    pub(crate) root: DeTable<'t>,
    pub(crate) diagnostics: Diagnostics,
    /// Arrays and inline tables with a syntax error between their values; problems inside them are
    /// not reported.
    broken: Vec<Span>,
    /// Whether a syntax error may have swallowed keys.
    lossy: bool,
    /// Places that have a name of their own, such as an argument, instead of line and column.
    labels: Vec<(Span, String)>,
}

impl<'t> Document<'t> {
    /// Parses `text`, keeping the values that could be read along with the syntax errors.
    pub(crate) fn parse(text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut spans = ValueSpans::default();
        root.get_ref()
            .values()
            .for_each(|value| spans.visit(value, text));
        let mut document = Self {
            text,
            root: root.into_inner(),
            diagnostics: Diagnostics {
                entries: Vec::new(),
                expanded: HashSet::new(),
            },
            broken: Vec::new(),
            lossy: false,
            labels: Vec::new(),
        };
        let mut errors: Vec<(Span, &str)> = errors
            .iter()
            .map(|e| (e.span().unwrap_or(0..0), e.message()))
            .collect();
        errors.sort_by_key(|(span, _)| span.start);
        // Each error is compared with every value, so the number is bounded even for a large
        // invalid file.
        errors.truncate(PROBLEMS_MAX);
        errors
            .into_iter()
            .for_each(|(span, message)| document.add_syntax_error(span, message, &spans));
        document
    }

    /// Records a syntax error unless it is only a consequence of an earlier one.
    fn add_syntax_error(&mut self, span: Span, message: &str, spans: &ValueSpans) {
        if self.broken.iter().any(|broken| contains(broken, &span)) {
            return;
        }
        let source = self.text.get(span.clone()).unwrap_or_default();
        let bare = spans.bare.iter().find(|bare| **bare == span);
        let described = match message {
            _ if bare.is_some() && span.is_empty() => "found no value after `=`".to_owned(),
            _ if bare.is_some() => {
                let source = quoted(source);
                format!("found a string without quotes, expected {source}")
            }
            "duplicate key" => format!("duplicate key `{}`", source.escape_debug()),
            _ => message.to_owned(),
        };
        let within_scalar = spans.scalars.iter().any(|scalar| contains(scalar, &span));
        let local = bare.is_some() || within_scalar || message == "duplicate key";
        if !local {
            self.lossy = true;
            // The first match is the outermost, because parents are visited before their children.
            let outermost = spans
                .compounds
                .iter()
                .find(|compound| contains(compound, &span));
            self.broken.extend(outermost.cloned());
        }
        self.diagnostics.syntax(span, described);
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// Gives a part of the text a name that its problems have as their place.
    pub(crate) fn label_part(&mut self, part: Span, label: &str) {
        self.labels.push((part, label.to_owned()));
    }

    /// A place beyond the text with this name.
    pub(crate) fn label(&mut self, label: &str) -> Span {
        let last = self.labels.iter().map(|(span, _)| span.end).max();
        let start = last.unwrap_or(0).max(self.text.len()) + 1;
        self.label_part(start..start + 1, label);
        start..start + 1
    }

    /// All problems worth reporting, or `None` when there are none.
    pub(crate) fn errors(self, file: &Path) -> Option<Errors> {
        let lines = Lines::new(self.text);
        let entries = &self.diagnostics.entries;
        let mut bad_lines: Vec<usize> = entries
            .iter()
            .filter(|(reason, ..)| *reason == Reason::Syntax)
            .map(|(_, span, _)| lines.position(span.start).0)
            .collect();
        bad_lines.sort_unstable();
        let counts = |reason: Reason, span: &Span| match reason {
            Reason::Syntax => true,
            Reason::Doubtful if self.lossy => false,
            Reason::Found if self.lossy && span.is_empty() => false,
            Reason::Doubtful | Reason::Found => {
                bad_lines
                    .binary_search(&lines.position(span.start).0)
                    .is_err()
                    && !self.broken.iter().any(|broken| contains(broken, span))
            }
        };
        let problems: Vec<Problem> = entries
            .iter()
            .filter(|(reason, span, _)| counts(*reason, span))
            .map(|(_, span, message)| {
                let label = self
                    .labels
                    .iter()
                    .find(|(part, _)| part.contains(&span.start));
                let (line, column) = match label {
                    Some(_) => (0, 0),
                    None => lines.position(span.start),
                };
                Problem {
                    label: label.map(|(_, label)| label.clone()),
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

/// The source positions of a text's values.
#[derive(Default)]
struct ValueSpans {
    scalars: Vec<Span>,
    /// Strings that the parser accepted although they have no quotes.
    bare: Vec<Span>,
    /// Arrays and inline tables (the position of a table with a header is its header).
    compounds: Vec<Span>,
}

impl ValueSpans {
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

    /// Line and column of a byte offset, both from 1; the column counts characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|&start| start <= at);
        let before = self.text.get(self.starts[line - 1]..at).unwrap_or_default();
        // A byte order mark does not count as a character of the line.
        (
            line,
            before.trim_start_matches('\u{feff}').chars().count() + 1,
        )
    }
}
