//! Bounded sets of names: beyond the bound a new name is counted under `(other)`.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// How many different names a run keeps apart, requests and transactions together; checks have
/// the same bound of their own.
pub const NAMES_MAX: usize = 2_000;

/// What names beyond [`NAMES_MAX`] are counted under.
pub const OTHER: &str = "(other)";

/// Interned names, numbered in the order they came; `G` is what they are grouped by.
#[derive(Debug)]
pub(crate) struct Names<G> {
    ids: HashMap<G, HashMap<Arc<str>, u32>>,
    list: Vec<(G, Arc<str>)>,
    folded: bool,
}

impl<G: Copy + Eq + Hash> Names<G> {
    pub(crate) fn new() -> Self {
        Names {
            ids: HashMap::new(),
            list: Vec::new(),
            folded: false,
        }
    }

    /// The number of `name` in `group`; a new name beyond the bound gets the number of `(other)`.
    pub(crate) fn intern(&mut self, group: G, name: &str) -> u32 {
        let ids = self.ids.entry(group).or_default();
        if let Some(id) = ids.get(name) {
            return *id;
        }
        let name = if self.list.len() < NAMES_MAX || name == OTHER {
            name
        } else {
            self.folded = true;
            if let Some(id) = ids.get(OTHER) {
                return *id;
            }
            OTHER
        };
        // at most NAMES_MAX names and one `(other)` per group, so the number fits
        let id = self.list.len() as u32;
        let name: Arc<str> = name.into();
        ids.insert(Arc::clone(&name), id);
        self.list.push((group, name));
        id
    }

    /// All names by number.
    pub(crate) fn list(&self) -> &[(G, Arc<str>)] {
        &self.list
    }

    /// Whether a name was counted under `(other)`.
    pub(crate) fn folded(&self) -> bool {
        self.folded
    }
}
