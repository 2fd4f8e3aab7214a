//! The stored runs of this machine, for programs that need no server: lists, reports, exports and
//! comparisons of a data folder. `backup.rs` adds its backup.

use crate::compare::{self, RegressionLimit};
use crate::export::{self, ExportOptions, Format};
use crate::store::{Filter, RunRecord, RunView, Sqlite, State, Store};
use crate::{Error, query};
use serde_json::{Value, json};
use stats::{Of, RunReport};
use std::io::Write;
use std::path::Path;

/// The runs of a data folder, by their ids. A server may use the folder at the same time.
pub struct Archive(Sqlite);

/// A run of an [`Archive`], as lists have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRun {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Start of the load by the clock of its node, microseconds since 1970.
    pub started_us: u64,
    /// `live`, `done` or `lost`.
    pub state: &'static str,
    /// The comment of its users; hostile text.
    pub comment: String,
}

impl StoredRun {
    /// Whether its nodes are sending.
    pub fn is_live(&self) -> bool {
        self.state == State::Live.as_str()
    }
}

impl From<RunRecord> for StoredRun {
    fn from(run: RunRecord) -> Self {
        StoredRun {
            id: run.id,
            name: run.name,
            started_us: run.started_us,
            state: run.state.as_str(),
            comment: run.comment,
        }
    }
}

impl Archive {
    /// Opens the runs below `data_dir`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(data_dir: &Path) -> Result<Archive, Error> {
        Sqlite::open(data_dir).map(Archive)
    }

    /// At most `limit` runs, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn runs(&self, limit: u32) -> Result<Vec<StoredRun>, Error> {
        let filter = Filter {
            limit,
            ..Filter::default()
        };
        let runs = self.0.runs(&filter)?;
        Ok(runs.into_iter().map(StoredRun::from).collect())
    }

    /// A run with its figures and thresholds as lists of the JSON API have it; without figures when
    /// its data is gone or damaged, and none when there is no such run.
    ///
    /// # Errors
    /// When the list of runs cannot be read.
    pub fn card(&self, id: &str) -> Result<Option<Value>, Error> {
        let Some(run) = self.0.run(id)? else {
            return Ok(None);
        };
        let view = self.view(id).ok();
        let mut card = query::card(&run, view.as_deref().filter(|_| !run.is_current()))
            .or_else(|_| query::card(&run, None))?;
        let thresholds = view.and_then(|view| query::thresholds(&*view).ok());
        card["thresholds"] = json!(thresholds.unwrap_or_default());
        Ok(Some(card))
    }

    /// The report of a run, without its series.
    ///
    /// # Errors
    /// When there is no such run, its data is gone, or the store cannot be read.
    pub fn report(&self, id: &str) -> Result<RunReport, Error> {
        export::report(&self.record(id)?, &*self.view(id)?)
    }

    /// Writes a run in a format, with profile and script where the format has them.
    ///
    /// # Errors
    /// As [`Archive::report`]; [`Error::Write`] when `out` fails.
    pub fn export(
        &self,
        id: &str,
        format: Format,
        with_warmup: bool,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        let options = ExportOptions {
            warmup: with_warmup,
            script: true,
        };
        export::write(format, options, &self.record(id)?, &*self.view(id)?, out)
    }

    /// Compares runs with the first of them: an object of their cards (`runs`), of the figures with
    /// what is beyond noise (`metrics`), and of how the runs stand to the limits (`regressions`), as
    /// docs/result.md describes them.
    ///
    /// # Errors
    /// As [`Archive::report`].
    pub fn compare(&self, ids: &[&str], limits: &[RegressionLimit]) -> Result<Value, Error> {
        let mut cards = Vec::new();
        let mut blocks = Vec::new();
        for id in ids {
            let (run, view) = (self.record(id)?, self.view(id)?);
            blocks.push(compare::blocks(&*view, Of::Ok)?);
            cards.push(query::card(&run, Some(&*view))?);
        }
        let metrics = compare::compare(&blocks);
        let regressions = compare::regressions(limits, &metrics);
        Ok(json!({ "runs": cards, "metrics": metrics, "regressions": regressions }))
    }

    /// Deletes a run; false when there is no such run.
    ///
    /// # Errors
    /// When the store cannot be changed.
    pub fn remove(&self, id: &str) -> Result<bool, Error> {
        self.0.remove(id)
    }

    fn record(&self, id: &str) -> Result<RunRecord, Error> {
        let run = self.0.run(id)?;
        run.ok_or_else(|| Error::Refused(format!("{id}: there is no such run")))
    }

    fn view(&self, id: &str) -> Result<Box<dyn RunView>, Error> {
        let view = self.0.view(id)?;
        view.ok_or_else(|| Error::Refused(format!("{id}: its data is not there any more")))
    }
}
