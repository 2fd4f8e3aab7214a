//! The model of a load, open or closed: it decides which keys and levels its phases have.

use super::fields::Table;
use crate::document::Diagnostics;

/// Most users of a load, at once.
pub(super) const USERS_MAX: u64 = 10_000_000;

/// The model of a load, which also decides which keys its phases have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelKind {
    Open,
    Closed,
}

impl ModelKind {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// The key that holds the level of a phase.
    pub(super) fn phase_key(self) -> &'static str {
        match self {
            Self::Open => "rate",
            Self::Closed => "users",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Open => Self::Closed,
            Self::Closed => Self::Open,
        }
    }
}

/// Reports those of `keys` that only loads of the kind `owner` have, when the load is of the other
/// kind.
pub(super) fn refuse_misplaced(
    table: &Table<'_, '_>,
    kind: Option<ModelKind>,
    owner: ModelKind,
    keys: &[&str],
    errors: &mut Diagnostics,
) {
    if kind != Some(owner.other()) {
        return;
    }
    for key in keys {
        if let Some(span) = table.key_span(key) {
            let allowed = owner.label();
            errors.found(span, format!("`{key}` is only allowed in {allowed} loads"));
        }
    }
}
