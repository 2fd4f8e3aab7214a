//! The names of a run and their ids; names beyond the limit are counted as `(other)`.

use super::run_file;
use crate::Error;
use rusqlite::Connection;
use stats::Recorder;
use std::collections::HashMap;
use wire::{Kind, SecondRow};

/// Maximum length of a stored name, in bytes.
pub(crate) const NAME_MAX: usize = 1_024;

/// Names of one run, with ids from 1.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: HashMap<(i32, String), u32>,
    /// Names added since the last [`Names::keep`] or [`Names::undo`].
    added: Vec<(i32, String)>,
    /// How many of all names are tags, which are limited apart from the others.
    tags: usize,
}

fn is_tag(kind: i32) -> bool {
    kind == i32::from(Kind::Tag)
}

impl Names {
    pub(crate) fn load(db: &Connection) -> Result<Self, Error> {
        let names = run_file::names(db)?;
        Ok(Names {
            tags: names.iter().filter(|(_, kind, _)| is_tag(*kind)).count(),
            ids: names.into_iter().map(|(id, k, n)| ((k, n), id)).collect(),
            added: Vec::new(),
        })
    }

    /// The ids of a row's names; new names are written to the file.
    pub(crate) fn of(&mut self, db: &Connection, row: &SecondRow) -> Result<Vec<u32>, Error> {
        let names = row.names.iter();
        names.map(|n| self.intern(db, n.kind, &n.name)).collect()
    }

    fn intern(&mut self, db: &Connection, kind: i32, name: &str) -> Result<u32, Error> {
        let name = run_file::cut(name, NAME_MAX);
        let mut key = (kind, name.to_owned());
        if let Some(id) = self.ids.get(&key) {
            return Ok(*id);
        }
        let known = match is_tag(kind) {
            true => self.tags,
            false => self.ids.len() - self.tags,
        };
        if known >= Recorder::NAMES_MAX {
            key.1 = Recorder::OTHER.to_owned();
            if let Some(id) = self.ids.get(&key) {
                return Ok(*id);
            }
        }
        // at most NAMES_MAX twice and one `(other)` per kind
        let id = self.ids.len() as u32 + 1;
        run_file::put_name(db, id, kind, &key.1)?;
        self.ids.insert(key.clone(), id);
        self.tags += usize::from(is_tag(kind));
        self.added.push(key);
        Ok(id)
    }

    /// The added names were committed to the file.
    pub(crate) fn keep(&mut self) {
        self.added.clear();
    }

    /// The added names were not committed to the file.
    pub(crate) fn undo(&mut self) {
        for key in self.added.drain(..) {
            self.ids.remove(&key);
            self.tags -= usize::from(is_tag(key.0));
        }
    }
}

/// The id of a name that was interned before.
pub(crate) fn find(ids: &HashMap<(i32, &str), u32>, kind: i32, name: &str) -> u32 {
    let name = run_file::cut(name, NAME_MAX);
    let id = ids
        .get(&(kind, name))
        .or_else(|| ids.get(&(kind, Recorder::OTHER)));
    id.copied().unwrap_or(0)
}
