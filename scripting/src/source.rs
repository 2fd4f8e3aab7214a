//! What a script is made of: its text, its folder, its variables.

use std::path::{Path, PathBuf};

use crate::Error;

/// A script before it is loaded.
#[derive(Clone)]
pub struct Source<'a> {
    /// Its file. Modules are looked for in its folder.
    pub path: &'a Path,
    /// Its text, if that is elsewhere; the file need not exist then and only gives its name.
    pub text: Option<&'a str>,
    /// What it reads as `env.NAME`: names and values.
    pub variables: Vec<(&'a str, &'a str)>,
}

/// A script's text, and where it belongs.
pub(crate) struct Opened {
    pub(crate) text: Vec<u8>,
    /// The folder of its modules, without symbolic links.
    pub(crate) root: PathBuf,
    /// The file's name, for messages.
    pub(crate) file: String,
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Source<'a> {
    /// The script in a file, without variables.
    fn from(path: &'a P) -> Source<'a> {
        Source {
            path: path.as_ref(),
            text: None,
            variables: Vec::new(),
        }
    }
}

impl Source<'_> {
    pub(crate) fn open(&self) -> Result<Opened, Error> {
        let unreadable = |source| Error::Read {
            path: self.path.to_owned(),
            source,
        };
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let (text, root) = match self.text {
            Some(text) => (
                text.as_bytes().to_vec(),
                folder.canonicalize().map_err(unreadable)?,
            ),
            None => {
                let text = std::fs::read(self.path).map_err(unreadable)?;
                let real = self.path.canonicalize().map_err(unreadable)?;
                (text, real.parent().unwrap_or(Path::new("/")).to_owned())
            }
        };
        let file = self.path.file_name().unwrap_or_default();
        let file = file.to_string_lossy().into_owned();
        Ok(Opened { text, root, file })
    }
}
