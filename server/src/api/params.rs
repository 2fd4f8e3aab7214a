//! Query parameters.

use crate::store::{Filter, RunView, SortKey};
use crate::{ApiError, query};
use serde::Deserialize;
use stats::{NameKind, Of, Phase};

/// The error for an unknown `of`.
pub(crate) const UNKNOWN_OUTCOME: &str = "of: expected ok, failed or all";

/// Which runs to list.
#[derive(Debug, Deserialize)]
pub(super) struct ListParams {
    pub(super) project: Option<String>,
    pub(super) q: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) verdict: Option<String>,
    pub(super) result: Option<String>,
    pub(super) missed: Option<String>,
    pub(super) since: Option<u64>,
    pub(super) until: Option<u64>,
    pub(super) min_s: Option<f64>,
    pub(super) max_s: Option<f64>,
    pub(super) sort: Option<String>,
    pub(super) order: Option<String>,
    pub(super) limit: Option<u32>,
    pub(super) offset: Option<u32>,
    pub(super) before: Option<u64>,
}

impl ListParams {
    /// The filter; `limit` is the most that one answer holds.
    pub(super) fn filter(self, limit: u32) -> Result<Filter, ApiError> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let order = filled(self.order);
        let sort = match filled(self.sort) {
            None => SortKey::default(),
            Some(word) => SortKey::named(&word).ok_or_else(|| {
                let known = SortKey::WORDS.map(|(known, _)| known).join(", ");
                ApiError::bad_request(format!("sort: found {word:?}, expected one of {known}"))
            })?,
        };
        let result = filled(self.result);
        if result
            .as_deref()
            .is_some_and(|word| !query::RESULTS.contains(&word))
        {
            let known = query::RESULTS.join(", ");
            return Err(ApiError::bad_request(format!(
                "result: expected one of {known}"
            )));
        }
        let ascending = match order.as_deref() {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err(ApiError::bad_request("order: expected asc or desc")),
        };
        Ok(Filter {
            project: filled(self.project),
            projects: None,
            state: None,
            verdict: filled(self.verdict),
            result,
            missed: filled(self.missed),
            tag: filled(self.tag),
            text: filled(self.q),
            before_us: self.before,
            since_us: self.since,
            until_us: self.until,
            min_s: self.min_s,
            max_s: self.max_s,
            sort,
            ascending,
            offset: self.offset.unwrap_or(0),
            limit,
        })
    }
}

/// The part of a run.
#[derive(Debug, Deserialize)]
pub(super) struct RunParams {
    from: Option<f64>,
    to: Option<f64>,
    pub(super) points: Option<u64>,
    pub(super) columns: Option<u64>,
    kind: Option<String>,
    name: Option<String>,
    phase: Option<String>,
    of: Option<String>,
    warmup: Option<String>,
}

/// Whether `warmup=include` is asked for; figures leave the warm-up out otherwise.
pub(crate) fn with_warmup(asked: Option<&str>) -> Result<bool, ApiError> {
    match asked {
        None | Some("" | "exclude") => Ok(false),
        Some("include") => Ok(true),
        Some(_) => Err(ApiError::bad_request("warmup: expected include or exclude")),
    }
}

impl RunParams {
    /// The seconds that figures are of: those asked for, without the warm-up unless it is asked
    /// for too.
    pub(super) fn window(&self, view: &dyn RunView) -> Result<(u64, u64), ApiError> {
        let from = match with_warmup(self.warmup.as_deref())? {
            true => self.from(),
            false => self.from().max(query::warmup_s(view)?),
        };
        Ok((from, self.to().max(from)))
    }

    /// The first second.
    pub(super) fn from(&self) -> u64 {
        // a cast saturates; NaN becomes 0
        self.from.map_or(0, |from| from.floor() as u64)
    }

    /// The second after the last.
    pub(super) fn to(&self) -> u64 {
        let to = self.to.map_or(u64::MAX, |to| to.ceil() as u64);
        to.max(self.from())
    }

    /// The id of the requested name; 0 for all requests.
    pub(super) fn name(&self, view: &dyn RunView) -> Result<u32, ApiError> {
        let kind = self.kind.as_deref().filter(|kind| !kind.is_empty());
        let kind = kind.map_or(Some(NameKind::Request), NameKind::named);
        let kind = kind
            .ok_or_else(|| ApiError::bad_request("kind: expected request, transaction or tag"))?;
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let id = query::name_id(view, kind, name)?;
        id.ok_or_else(|| {
            ApiError::not_found("the run has no request, transaction or tag of that name")
        })
    }

    /// Which requests a latency is asked of; those that ended ok when nothing is said.
    pub(super) fn of(&self) -> Result<Of, ApiError> {
        let Some(asked) = self.of.as_deref().filter(|of| !of.is_empty()) else {
            return Ok(Of::Ok);
        };
        Of::named(asked).ok_or_else(|| ApiError::bad_request(UNKNOWN_OUTCOME))
    }

    /// The phase asked for; latency when none is.
    pub(super) fn phase(&self) -> Result<Phase, ApiError> {
        let asked = self.phase.as_deref().unwrap_or("latency");
        Phase::named(asked).ok_or_else(|| {
            let known: Vec<&str> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
            ApiError::bad_request(format!("phase: expected one of {}", known.join(", ")))
        })
    }
}
