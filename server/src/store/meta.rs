//! `meta.sqlite`: the list of runs and projects, and their annotations.

mod annotations;

pub use annotations::CommentVersion;

use super::migrate::migrate;
use super::run_query;
use super::{Edit, Expiry, FIGURES_MARK, Filter, Project, RunRecord, State};
use crate::Error;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const STEPS: [&str; 4] = [
    "
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    target TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    verdict TEXT NOT NULL DEFAULT '',
    duration_s REAL NOT NULL DEFAULT 0,
    figures TEXT NOT NULL DEFAULT '',
    comment TEXT NOT NULL DEFAULT '',
    pinned INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX run_started ON run (started_us);
CREATE INDEX run_project ON run (project, started_us);
CREATE TABLE tag (
    run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (run, tag)
) STRICT, WITHOUT ROWID;
CREATE TABLE project (
    name TEXT PRIMARY KEY,
    baseline TEXT REFERENCES run (id) ON DELETE SET NULL,
    keep_days INTEGER,
    keep_runs INTEGER
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE deleted (
    run TEXT PRIMARY KEY,
    day INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
",
    // times of this machine's clock, in microseconds: of the first batch, of the end, of reopening
    "
ALTER TABLE run ADD COLUMN arrived_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN ended_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN reopened_us INTEGER NOT NULL DEFAULT 0;
UPDATE run SET arrived_us = min(max(started_us, 0), unixepoch() * 1000000);
UPDATE run SET ended_us = min(arrived_us + CAST(duration_s * 1000000 AS INTEGER),
    unixepoch() * 1000000) WHERE state <> 'live';
DROP INDEX run_started;
DROP INDEX run_project;
CREATE INDEX run_arrived ON run (arrived_us);
CREATE INDEX run_project ON run (project, arrived_us);
",
    // what people say of a run, and what its comment was before
    "
CREATE TABLE annotation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    at_s REAL NOT NULL,
    until_s REAL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    edited_us INTEGER
) STRICT;
CREATE INDEX annotation_run ON annotation (run, at_s);
CREATE TABLE comment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX comment_run ON comment (run, id);
",
];

/// Days since 1970.
const TODAY: &str = "unixepoch() / 86400";
/// For this many days a deleted run is not recreated by batches its nodes still send.
const DELETED_DAYS: u32 = 30;

const COLUMNS: &str = "id, project, name, started_us, target, model, state, verdict, duration_s, \
    figures, comment, pinned, \
    (SELECT json_group_array(tag) FROM tag WHERE run = run.id), \
    EXISTS (SELECT 1 FROM project WHERE baseline = run.id), arrived_us";

/// When a run began and ended, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunTimes {
    pub(crate) state: State,
    /// The start of the load by the clock of its node.
    pub(crate) started_us: u64,
    /// The first batch, by this machine's clock, as the others.
    pub(crate) arrived_us: u64,
    /// The end; 0 while it is live.
    pub(crate) ended_us: u64,
    /// When somebody last allowed more batches after the end; 0 for never.
    pub(crate) reopened_us: u64,
}

/// The time by this machine's clock, in microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// The open file; one statement at a time.
pub(crate) struct Meta(Mutex<Connection>);

impl Meta {
    pub(crate) fn open(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join("meta.sqlite");
        let opened = opened(&path).map_err(|error| error.of_file(&path));
        Ok(Meta(Mutex::new(opened?)))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // a panicking statement was rolled back
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a new or discovered run; keeps its annotations, and its state if known.
    pub(crate) fn put_run(&self, run: &RunRecord) -> Result<(), Error> {
        let mut db = self.db();
        let change = db.transaction()?;
        change.execute(
            "INSERT INTO run (id, project, name, started_us, target, model, state, arrived_us) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO UPDATE SET \
             project = ?2, name = ?3, started_us = ?4, target = ?5, model = ?6",
            params![
                run.id,
                run.project,
                run.name,
                run.started_us as i64,
                run.target,
                run.model,
                run.state.as_str(),
                now_us() as i64
            ],
        )?;
        change.execute(
            "INSERT INTO project (name) VALUES (?1) ON CONFLICT DO NOTHING",
            [&run.project],
        )?;
        change.commit()?;
        Ok(())
    }

    /// Marks a run as live again.
    pub(crate) fn reopen_run(&self, id: &str) -> Result<(), Error> {
        let sql = "UPDATE run SET state = 'live', verdict = '', duration_s = 0, figures = '', \
                   ended_us = 0 WHERE id = ?1 AND state <> 'live'";
        self.db().execute(sql, [id])?;
        Ok(())
    }

    /// Records how a run ended; figures may follow later.
    pub(crate) fn close_run(
        &self,
        id: &str,
        state: State,
        verdict: &str,
        duration_s: f64,
        figures: &str,
    ) -> Result<(), Error> {
        let sql = "UPDATE run SET state = ?2, verdict = ?3, duration_s = ?4, figures = ?5, \
                   ended_us = iif(ended_us = 0, ?6, ended_us) WHERE id = ?1";
        let (state, now_us) = (state.as_str(), now_us() as i64);
        let values = params![id, state, verdict, duration_s, figures, now_us];
        self.db().execute(sql, values)?;
        Ok(())
    }

    /// When a run began and ended.
    pub(crate) fn times(&self, id: &str) -> Result<Option<RunTimes>, Error> {
        let sql = "SELECT state, started_us, arrived_us, ended_us, reopened_us FROM run \
                   WHERE id = ?1";
        let times = |row: &Row<'_>| {
            let time = |at| row.get::<_, i64>(at).map(|time| time.max(0) as u64);
            Ok(RunTimes {
                state: State::of(&row.get::<_, String>(0)?),
                started_us: time(1)?,
                arrived_us: time(2)?,
                ended_us: time(3)?,
                reopened_us: time(4)?,
            })
        };
        Ok(self.db().query_row(sql, [id], times).optional()?)
    }

    /// Finished runs whose figures come from an earlier version, newest first.
    pub(crate) fn outdated(&self, limit: u32) -> Result<Vec<String>, Error> {
        let sql = "SELECT id FROM run WHERE state <> 'live' AND figures <> '' \
                   AND instr(figures, ?1) = 0 ORDER BY arrived_us DESC LIMIT ?2";
        let db = self.db();
        let mut query = db.prepare_cached(sql)?;
        let ids = query.query_map(params![FIGURES_MARK, limit], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Updates the figures of a finished run that has some.
    pub(crate) fn put_figures(&self, id: &str, figures: &str) -> Result<(), Error> {
        let sql = "UPDATE run SET figures = ?2 WHERE id = ?1 AND state <> 'live' AND figures <> ''";
        self.db().execute(sql, [id, figures])?;
        Ok(())
    }

    pub(crate) fn run(&self, id: &str) -> Result<Option<RunRecord>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?1");
        let db = self.db();
        let found = db.query_row(&sql, [id], record).optional()?;
        let with_annotations = |run: RunRecord| {
            Ok::<_, Error>(RunRecord {
                annotations: annotations::annotations(&db, id)?,
                ..run
            })
        };
        found.map(with_annotations).transpose()
    }

    pub(crate) fn runs(&self, filter: &Filter) -> Result<Vec<RunRecord>, Error> {
        let (tail, values) = run_query::tail(filter);
        let sql = format!("SELECT {COLUMNS} FROM run{tail}");
        let db = self.db();
        let mut query = db.prepare_cached(&sql)?;
        let rows = query.query_map(params_from_iter(values), record)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn projects(&self) -> Result<Vec<Project>, Error> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT name, (SELECT count(*) FROM run WHERE project = project.name), baseline, \
             keep_days, keep_runs FROM project WHERE keep_days IS NOT NULL \
             OR keep_runs IS NOT NULL \
             OR EXISTS (SELECT 1 FROM run WHERE project = project.name) ORDER BY name",
        )?;
        let rows = query.query_map([], |row| {
            Ok(Project {
                name: row.get(0)?,
                runs: row.get(1)?,
                baseline: row.get(2)?,
                keep_days: row.get(3)?,
                keep_runs: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Edits the annotations of a run; false when there is no such run.
    pub(crate) fn edit(&self, id: &str, edit: &Edit) -> Result<bool, Error> {
        let mut db = self.db();
        let change = db.transaction()?;
        if let Some(comment) = &edit.comment {
            annotations::add_comment_version(&change, id, comment, &edit.author)?;
        }
        let pinned = edit.pinned.map(i64::from);
        let changed = change.execute(
            "UPDATE run SET comment = coalesce(?2, comment), pinned = coalesce(?3, pinned), \
             reopened_us = iif(?4, ?5, reopened_us) WHERE id = ?1",
            params![id, edit.comment, pinned, edit.reopen, now_us() as i64],
        )?;
        if let (1, Some(tags)) = (changed, &edit.tags) {
            change.execute("DELETE FROM tag WHERE run = ?1", [id])?;
            for tag in tags {
                let sql = "INSERT INTO tag VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                change.execute(sql, [id, tag])?;
            }
        }
        change.commit()?;
        Ok(changed == 1)
    }

    /// Makes a run of the project its baseline, or clears it; false when the run is not in the
    /// project.
    pub(crate) fn set_baseline(&self, project: &str, run: Option<&str>) -> Result<bool, Error> {
        let sql = "UPDATE project SET baseline = ?2 WHERE name = ?1 AND (?2 IS NULL OR EXISTS \
                   (SELECT 1 FROM run WHERE id = ?2 AND project = ?1))";
        Ok(self.db().execute(sql, params![project, run])? == 1)
    }

    /// Sets how long and how many runs are kept; false when there is no such project.
    pub(crate) fn set_retention(
        &self,
        project: &str,
        days: Option<u32>,
        runs: Option<u32>,
    ) -> Result<bool, Error> {
        let sql = "UPDATE project SET keep_days = ?2, keep_runs = ?3 WHERE name = ?1";
        Ok(self.db().execute(sql, params![project, days, runs])? == 1)
    }

    /// Runs to be deleted by retention: neither pinned, nor a baseline, nor live.
    pub(crate) fn expired(&self, now_us: u64) -> Result<Vec<(String, Expiry)>, Error> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT id, arrived_us < ?1 - keep_days * 86400000000 FROM (SELECT run.id AS id, run.pinned, run.state, run.arrived_us, \
             p.baseline, p.keep_days, p.keep_runs, \
             row_number() OVER (PARTITION BY run.project ORDER BY run.arrived_us DESC) AS newest_rank \
             FROM run JOIN project p ON p.name = run.project) \
             WHERE pinned = 0 AND state <> 'live' AND id IS NOT baseline \
             AND (arrived_us < ?1 - keep_days * 86400000000 OR newest_rank > keep_runs)",
        )?;
        let rows = query.query_map([now_us as i64], |row| {
            let is_old = row.get::<_, Option<bool>>(1)?.unwrap_or(false);
            let reason = if is_old { Expiry::Age } else { Expiry::Number };
            Ok((row.get(0)?, reason))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Runs that may be deleted for their space, those that arrived first in front: neither
    /// pinned, nor a baseline, nor live.
    pub(crate) fn removable(&self) -> Result<Vec<String>, Error> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT id FROM run WHERE pinned = 0 AND state <> 'live' \
             AND NOT EXISTS (SELECT 1 FROM project WHERE baseline = run.id) \
             ORDER BY arrived_us, id",
        )?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes a run, but remembers that it was deleted; false when there is no such run.
    pub(crate) fn remove(&self, id: &str) -> Result<bool, Error> {
        let mut db = self.db();
        let change = db.transaction()?;
        let known = change.execute("DELETE FROM run WHERE id = ?1", [id])? == 1;
        if known {
            let sql = format!("INSERT OR REPLACE INTO deleted VALUES (?1, {TODAY})");
            change.execute(&sql, [id])?;
        }
        let sql = format!("DELETE FROM deleted WHERE day < {TODAY} - {DELETED_DAYS}");
        change.execute(&sql, [])?;
        change.commit()?;
        Ok(known)
    }

    /// Whether a run was deleted recently.
    pub(crate) fn is_deleted(&self, id: &str) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM deleted WHERE run = ?1)";
        Ok(self.db().query_row(sql, [id], |row| row.get(0))?)
    }

    /// Forgets that a run was deleted: it was started again.
    pub(crate) fn undelete(&self, id: &str) -> Result<(), Error> {
        let sql = "DELETE FROM deleted WHERE run = ?1";
        self.db().execute(sql, [id])?;
        Ok(())
    }
}

fn opened(path: &Path) -> Result<Connection, Error> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    migrate(&mut db, &path.display().to_string(), &STEPS)?;
    Ok(db)
}

fn record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let tags: String = row.get(12)?;
    let state: String = row.get(6)?;
    Ok(RunRecord {
        id: row.get(0)?,
        project: row.get(1)?,
        name: row.get(2)?,
        started_us: row.get::<_, i64>(3)? as u64,
        target: row.get(4)?,
        model: row.get(5)?,
        state: State::of(&state),
        verdict: row.get(7)?,
        duration_s: row.get(8)?,
        figures: row.get(9)?,
        comment: row.get(10)?,
        pinned: row.get(11)?,
        tags: serde_json::from_str(&tags).unwrap_or_default(),
        baseline: row.get(13)?,
        arrived_us: row.get::<_, i64>(14)? as u64,
        annotations: Vec::new(),
    })
}
