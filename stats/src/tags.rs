//! Tags of requests: each set of them is interned once, with the names that its requests count
//! under beside their own.

use std::borrow::Cow;
use std::collections::HashMap;

/// How many different sets of tags a core keeps apart; requests with a further one count under
/// `(other)`.
const SETS_MAX: usize = 20_000;

/// A key, which has no colon, and its value.
pub type Tag = (String, String);

/// The tags of a request, of one recorder; means nothing to another. The default is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TagsId(u32);

impl TagsId {
    /// Whether there are none.
    #[inline]
    pub fn is_none(self) -> bool {
        self == TagsId::default()
    }
}

/// The sets of tags of one recorder.
#[derive(Debug)]
pub(crate) struct TagSets {
    ids: HashMap<Vec<Tag>, TagsId>,
    /// By id; the first has no tags.
    sets: Vec<TagSet>,
    /// The set of those that are not kept apart.
    other: Option<TagsId>,
}

#[derive(Debug, Default)]
struct TagSet {
    /// In the order of their keys.
    tags: Vec<Tag>,
    /// The indices of their names, none twice.
    names: Vec<u32>,
}

impl TagSets {
    pub(crate) fn new() -> Self {
        TagSets {
            ids: HashMap::new(),
            sets: vec![TagSet::default()],
            other: None,
        }
    }

    /// The tags of a set, in the order of their keys; none of those that are not kept apart.
    pub(crate) fn tags(&self, id: TagsId) -> &[Tag] {
        &self.sets[id.0 as usize].tags
    }

    /// The indices of the names of a set.
    #[inline]
    pub(crate) fn names(&self, id: TagsId) -> &[u32] {
        &self.sets[id.0 as usize].names
    }

    pub(crate) fn find(&self, tags: &[Tag]) -> Option<TagsId> {
        self.ids.get(tags).copied()
    }

    /// `own` and the tags of `around` with other keys, in the order of their keys.
    pub(crate) fn merged<'a>(&self, around: TagsId, own: &'a [Tag]) -> Cow<'a, [Tag]> {
        if around.is_none() {
            return Cow::Borrowed(own);
        }
        let is_other = |tag: &&Tag| own.iter().all(|(key, _)| *key != tag.0);
        let mut merged: Vec<Tag> = self.tags(around).iter().filter(is_other).cloned().collect();
        merged.extend_from_slice(own);
        merged.sort();
        Cow::Owned(merged)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.sets.len() > SETS_MAX
    }

    /// A new set with its names.
    pub(crate) fn add(&mut self, tags: Vec<Tag>, mut names: Vec<u32>) -> TagsId {
        names.sort_unstable();
        names.dedup();
        let id = self.push(tags.clone(), names);
        self.ids.insert(tags, id);
        id
    }

    /// The set of those that are not kept apart; `name` is the index of `(other)`.
    pub(crate) fn other(&mut self, name: u32) -> TagsId {
        let id = match self.other {
            Some(id) => id,
            None => self.push(Vec::new(), vec![name]),
        };
        self.other = Some(id);
        id
    }

    fn push(&mut self, tags: Vec<Tag>, names: Vec<u32>) -> TagsId {
        // at most SETS_MAX and two more, so the number fits
        let id = TagsId(self.sets.len() as u32);
        self.sets.push(TagSet { tags, names });
        id
    }
}
