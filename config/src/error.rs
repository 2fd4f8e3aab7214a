//! The problems of a profile: each with its position, all reported together.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::redactor::Redactor;

/// Most problems kept per file; the rest are only counted.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// One thing wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it concerns instead of a part of the file, such as an argument.
    pub label: Option<String>,
    /// Line, from 1; 0 when the problem concerns the file as a whole (it cannot be read, for
    /// example), or has a label.
    pub line: usize,
    /// Column in characters, from 1; 0 when `line` is 0.
    pub column: usize,
    /// What was found, what is allowed, then the key; lowercase, without the position.
    pub message: String,
}

/// All problems of one profile, in the order of the file; never empty.
///
/// Displayed with one line per problem, `file:line:column: message` or `label: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    file: PathBuf,
    problems: Vec<Problem>,
    /// Problems beyond [`PROBLEMS_MAX`].
    hidden: usize,
}

impl Errors {
    /// Sorts `problems` by position and keeps the first [`PROBLEMS_MAX`].
    pub(crate) fn new(file: &Path, mut problems: Vec<Problem>) -> Self {
        debug_assert!(!problems.is_empty(), "an error needs a problem");
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        let hidden = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        Self {
            file: file.to_owned(),
            problems,
            hidden,
        }
    }

    /// A single problem that concerns the whole file.
    pub(crate) fn for_file(file: &Path, message: String) -> Self {
        Self::new(
            file,
            vec![Problem {
                label: None,
                line: 0,
                column: 0,
                message,
            }],
        )
    }

    /// Hides the values of secret variables in the messages.
    pub(crate) fn redacted(mut self, redactor: &Redactor) -> Self {
        for problem in &mut self.problems {
            redactor.hide(&mut problem.message);
            problem
                .label
                .iter_mut()
                .for_each(|label| redactor.hide(label));
        }
        self
    }

    /// The problems, sorted by position; at most 100.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The path of the profile.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match (&problem.label, problem.line) {
                (Some(label), _) => write!(f, "{label}: {}", problem.message)?,
                (None, 0) => write!(f, "{file}: {}", problem.message)?,
                (None, line) => write!(f, "{file}:{line}:{}: {}", problem.column, problem.message)?,
            }
        }
        if self.hidden > 0 {
            write!(f, "\n{file}: {} more problems are not shown", self.hidden)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
