//! Bounded sets of names: beyond the bound a new name is counted under `(other)`.

use std::collections::HashMap;
use std::fmt;
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
    filter: Option<NameFilter>,
}

/// Changes names before they are recorded.
#[derive(Clone)]
pub(crate) struct NameFilter(Arc<dyn Fn(&str) -> String + Send + Sync>);

impl NameFilter {
    pub(crate) fn new(filter: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        NameFilter(Arc::new(filter))
    }
}

impl fmt::Debug for NameFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameFilter")
    }
}

impl<G: Copy + Eq + Hash> Names<G> {
    pub(crate) fn new() -> Self {
        Names {
            ids: HashMap::new(),
            list: Vec::new(),
            folded: false,
            filter: None,
        }
    }

    /// New names are recorded as `filter` makes them.
    pub(crate) fn set_filter(&mut self, filter: NameFilter) {
        self.filter = Some(filter);
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
        let recorded = match &self.filter {
            Some(NameFilter(filter)) => filter(&name).into(),
            None => Arc::clone(&name),
        };
        ids.insert(name, id);
        self.list.push((group, recorded));
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
