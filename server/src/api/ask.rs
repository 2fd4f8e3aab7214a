//! What may stand behind the question mark.

use crate::store::RunView;
use crate::{Refusal, query};
use serde::Deserialize;
use stats::{Of, Phase};

/// The answer to an `of` that there is not.
pub(crate) const OF_UNKNOWN: &str = "of: expected ok, failed or all";

/// Which runs to list.
#[derive(Debug, Deserialize)]
pub(super) struct Runs {
    pub(super) project: Option<String>,
    pub(super) q: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) verdict: Option<String>,
    pub(super) limit: Option<u32>,
    pub(super) before: Option<u64>,
}

/// Which part of a run.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    from: Option<f64>,
    to: Option<f64>,
    pub(super) points: Option<u64>,
    pub(super) columns: Option<u64>,
    kind: Option<String>,
    name: Option<String>,
    phase: Option<String>,
    of: Option<String>,
}

impl Ask {
    /// The first second.
    pub(super) fn from(&self) -> u64 {
        // a cast saturates; what is no number is 0
        self.from.map_or(0, |from| from.floor() as u64)
    }

    /// The second after the last.
    pub(super) fn to(&self) -> u64 {
        let to = self.to.map_or(u64::MAX, |to| to.ceil() as u64);
        to.max(self.from())
    }

    /// The number of the name asked for; 0 for all requests.
    pub(super) fn name(&self, view: &dyn RunView) -> Result<u32, Refusal> {
        let kind = self.kind.as_deref().unwrap_or("request");
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let id = query::name_id(view, kind, name)?;
        id.ok_or_else(|| Refusal::absent("the run has no such name"))
    }

    /// Which requests a latency is asked of; those that ended ok when nothing is said.
    pub(super) fn of(&self) -> Result<Of, Refusal> {
        let Some(asked) = self.of.as_deref().filter(|of| !of.is_empty()) else {
            return Ok(Of::Ok);
        };
        Of::named(asked).ok_or_else(|| Refusal::bad(OF_UNKNOWN))
    }

    /// The phase asked for; latency when none is.
    pub(super) fn phase(&self) -> Result<Phase, Refusal> {
        let asked = self.phase.as_deref().unwrap_or("latency");
        Phase::named(asked).ok_or_else(|| {
            let known: Vec<&str> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
            Refusal::bad(format!(
                "phase: none is called so; there are {}",
                known.join(", ")
            ))
        })
    }
}
