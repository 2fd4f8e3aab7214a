//! Standard output and error: colours, width, and writes that survive a closed pipe.

use super::exit::Failure;
use crate::render::flow::Style;
use crate::render::format;
use crate::render::live::Size;
use anyhow::anyhow;
use config::Redactor;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

/// Width of a report that does not go to a terminal, in columns.
const WIDTH: usize = 100;
/// Assumed size of a terminal that does not report it.
const SIZE_UNKNOWN: Size = Size {
    width: 80,
    height: 24,
};

/// Hides the secrets of the run, once they are known.
static REDACTOR: OnceLock<Redactor> = OnceLock::new();

/// From now on nothing that is printed has secrets in it.
pub fn hide_secrets(redactor: Redactor) {
    if !redactor.is_empty() {
        // a process reads one profile
        let _ = REDACTOR.set(redactor);
    }
}

/// One of the two standard streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    /// An unbuffered writer. Once the reader is gone (`cargo run | head`) every write fails and
    /// nothing else happens.
    pub fn writer(self) -> Box<dyn Write + Send> {
        match self {
            Stream::Out => Box::new(io::stdout()),
            Stream::Err => Box::new(io::stderr()),
        }
    }

    /// Writes the whole text. A closed pipe is not an error.
    pub fn print(self, text: &str) {
        let text = match REDACTOR.get() {
            Some(redactor) => redactor.text(text),
            None => text.into(),
        };
        let mut writer = self.writer();
        let _ = writer
            .write_all(text.as_bytes())
            .and_then(|()| writer.flush());
    }

    /// Writes a result. A closed pipe is not an error.
    ///
    /// # Errors
    /// It cannot be written, as on a full disk.
    pub fn deliver(self, text: &str) -> Result<(), Failure> {
        self.deliver_by(|out| Ok(out.write_all(text.as_bytes())))
    }

    /// As [`Stream::deliver`], of what `write` writes bit by bit.
    ///
    /// # Errors
    /// That of `write`, or its output cannot be written, as on a full disk.
    pub fn deliver_by(
        self,
        write: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, Failure>,
    ) -> Result<(), Failure> {
        let mut writer = io::BufWriter::new(self.writer());
        match write(&mut writer)?.and_then(|()| writer.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(
                anyhow!("standard output: not written: {error}"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether a live view can be drawn here.
    pub fn is_live(self) -> bool {
        let variable = |name| std::env::var_os(name).unwrap_or_default();
        let is_dumb = variable("TERM") == "dumb";
        // set by CI systems, some of which have terminals that nobody looks at
        let is_ci = !["", "0", "false"].iter().any(|no| variable("CI") == *no);
        self.is_terminal() && !is_dumb && !is_ci
    }

    /// Whether to use colours here.
    pub fn style(self, no_color: bool) -> Style {
        // https://no-color.org: set and not empty
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if self.is_live() && !no_color && !unwanted {
            Style::Colour
        } else {
            Style::Plain
        }
    }

    /// The current size of the terminal.
    pub fn size(self) -> Size {
        let size = match self {
            Stream::Out => rustix::termios::tcgetwinsize(io::stdout()),
            Stream::Err => rustix::termios::tcgetwinsize(io::stderr()),
        };
        match size {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
                width: size.ws_col.into(),
                height: size.ws_row.into(),
            },
            _ => SIZE_UNKNOWN,
        }
    }

    /// The width of a report, in columns.
    pub fn width(self) -> usize {
        if self.is_terminal() {
            self.size().width
        } else {
            WIDTH
        }
    }

    fn is_terminal(self) -> bool {
        match self {
            Stream::Out => io::stdout().is_terminal(),
            Stream::Err => io::stderr().is_terminal(),
        }
    }
}

/// Prints an error on stderr, with each line made safe for a terminal.
pub fn print_error(failure: &Failure) {
    let lines = format::escape_lines(&failure.to_string());
    let (first, rest) = lines
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first, rest));
    let mut text = if lines.len() == 1 {
        format!("error: {first}\n")
    } else {
        format!("error:\n{first}\n")
    };
    for line in rest {
        text.push_str(line);
        text.push('\n');
    }
    Stream::Err.print(&text);
}
