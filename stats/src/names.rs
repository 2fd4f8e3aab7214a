//! Bounded sets of names: beyond the bound a new name is counted under `(other)`.

use crate::custom::CustomKind;
use crate::kinds::NameKind;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// [`crate::Recorder::NAMES_MAX`].
pub(crate) const NAMES_MAX: usize = 2_000;
/// [`crate::Recorder::OTHER`].
pub(crate) const OTHER: &str = "(other)";

/// What names are grouped by.
pub(crate) trait NameGroup: Copy + Eq + Hash {
    /// The bound that its names count towards, below [`BOUNDS`].
    fn bound(self) -> usize {
        0
    }
}

/// How many bounds one set of names has.
const BOUNDS: usize = 2;

impl NameGroup for () {}

impl NameGroup for CustomKind {}

impl NameGroup for NameKind {
    fn bound(self) -> usize {
        usize::from(self == NameKind::Tag)
    }
}

/// Interned names, numbered in the order they came; `G` is what they are grouped by.
#[derive(Debug)]
pub(crate) struct Names<G> {
    ids: HashMap<G, HashMap<Arc<str>, u32>>,
    list: Vec<(G, Arc<str>)>,
    /// How many names each bound has.
    known: [usize; BOUNDS],
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

impl<G: NameGroup> Names<G> {
    pub(crate) fn new() -> Self {
        Names {
            ids: HashMap::new(),
            list: Vec::new(),
            known: [0; BOUNDS],
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
        if let Some(id) = self.ids.get(&group).and_then(|ids| ids.get(name)) {
            return *id;
        }
        if self.known[group.bound()] < NAMES_MAX || name == OTHER {
            self.add(group, name)
        } else {
            self.other(group)
        }
    }

    /// The number of `(other)` in `group`, under which a name is counted.
    pub(crate) fn other(&mut self, group: G) -> u32 {
        self.folded = true;
        let known = self.ids.get(&group).and_then(|ids| ids.get(OTHER));
        known.copied().unwrap_or_else(|| self.add(group, OTHER))
    }

    fn add(&mut self, group: G, name: &str) -> u32 {
        // at most NAMES_MAX names per bound and one `(other)` per group, so the number fits
        let id = self.list.len() as u32;
        let name: Arc<str> = name.into();
        let recorded = match &self.filter {
            Some(NameFilter(filter)) => filter(&name).into(),
            None => Arc::clone(&name),
        };
        self.known[group.bound()] += 1;
        self.ids.entry(group).or_default().insert(name, id);
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
