//! Labelled lines of short pieces that wrap where the width ends, with or without colour.

use crate::render::format;

/// Columns of the label at the beginning of a line.
pub const LABEL: usize = 13;

/// Whether the output may carry colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// With ANSI colours.
    Colour,
}

/// What a piece of text is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    None,
    /// A label or something secondary.
    Faint,
    /// A headline.
    Strong,
    /// Something that is as it should be.
    Good,
    /// Something to look at.
    Warn,
    /// Something that went wrong.
    Bad,
}

/// A piece of a line that is never broken.
#[derive(Debug, Clone)]
pub struct Piece {
    text: String,
    paint: Paint,
}

impl Piece {
    /// Plain text.
    pub fn new(text: impl Into<String>) -> Self {
        Piece {
            text: text.into(),
            paint: Paint::None,
        }
    }

    /// The same in another colour.
    pub fn paint(mut self, paint: Paint) -> Self {
        self.paint = paint;
        self
    }

    /// In another colour when `condition` holds.
    pub fn paint_if(self, condition: bool, paint: Paint) -> Self {
        if condition { self.paint(paint) } else { self }
    }
}

impl Style {
    /// `text` in the colour of `paint`.
    pub fn apply(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::None => return text.to_string(),
            Paint::Faint => "2",
            Paint::Strong => "1",
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "31",
        };
        match self {
            Style::Plain => text.to_string(),
            Style::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    /// Lines of at most `width` columns: the label, then the pieces two spaces apart, going on
    /// below the first piece. A piece wider than a line is cut.
    pub fn flow(self, label: &str, pieces: &[Piece], width: usize) -> Vec<String> {
        let room = width.saturating_sub(LABEL).max(1);
        let mut lines = Vec::new();
        // columns on the line, without and with the spaces that follow the last piece
        let mut written = LABEL;
        let mut line = self.apply(Paint::Faint, &format!("{label:<LABEL$}"));
        let mut used = 0;
        for piece in pieces {
            let text = format::cut(&piece.text, room);
            let columns = format::width(&text);
            if used > 0 && used + 2 + columns > room {
                lines.push(std::mem::replace(&mut line, " ".repeat(LABEL)));
                (written, used) = (LABEL, 0);
            }
            // spaces that align columns are written when another piece follows, or they would
            // trail
            let text = text.trim_end();
            let indent = LABEL + if used > 0 { used + 2 } else { 0 };
            line.push_str(&" ".repeat(indent.saturating_sub(written)));
            line.push_str(&self.apply(piece.paint, text));
            written = indent + format::width(text);
            used = indent - LABEL + columns;
        }
        lines.push(line);
        lines
    }

    /// One line with `left` at its beginning and `right` at its end; `left` is cut to fit.
    pub fn ends(self, left: &Piece, right: &Piece, width: usize) -> String {
        let right_text = format::cut(&right.text, width);
        let room = width.saturating_sub(format::width(&right_text) + 2);
        let left_text = format::cut(&left.text, room);
        let gap = width.saturating_sub(format::width(&left_text) + format::width(&right_text));
        let left = self.apply(left.paint, &left_text);
        format!(
            "{left}{}{}",
            " ".repeat(gap),
            self.apply(right.paint, &right_text)
        )
    }
}
