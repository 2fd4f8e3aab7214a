//! The files that scripts send: opened once, kept open, and read by position.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Files that one core keeps open; a script that sends more gets an error.
const FILES_MAX: usize = 256;

/// A file and the length it had when it was opened.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) file: Rc<File>,
    pub(crate) bytes: u64,
}

/// The open files of one core.
#[derive(Debug)]
pub(crate) struct Files {
    /// Where relative paths begin: the script's folder.
    folder: PathBuf,
    open: RefCell<HashMap<String, Opened>>,
}

impl Files {
    pub(crate) fn new(script: &Path) -> Files {
        Files {
            folder: script.parent().unwrap_or(Path::new("")).to_owned(),
            open: RefCell::default(),
        }
    }

    /// The file of a path; opened when it is met for the first time.
    ///
    /// # Errors
    ///
    /// A message for the script.
    pub(crate) fn open(&self, path: &str) -> Result<Opened, String> {
        let mut open = self.open.borrow_mut();
        if let Some(known) = open.get(path) {
            return Ok(known.clone());
        }
        if open.len() >= FILES_MAX {
            return Err(format!("more than {FILES_MAX} different files to send"));
        }
        let failed = |error: std::io::Error| format!("the file {path:?}: {error}");
        let file = File::open(self.folder.join(path)).map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        if !facts.is_file() {
            return Err(format!("the file {path:?}: it is no regular file"));
        }
        let opened = Opened {
            file: Rc::new(file),
            bytes: facts.len(),
        };
        open.insert(path.to_owned(), opened.clone());
        Ok(opened)
    }
}
