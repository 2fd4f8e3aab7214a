//! Annotations of runs, and what became of their comments.

use super::{Meta, now_us};
use crate::Error;
use rusqlite::{Connection, Row, params};
use stats::report::Annotation;

/// Maximum number of annotations of a run.
const ANNOTATIONS_MAX: u32 = 500;
/// Maximum number of versions of a run's comment; the oldest are removed first.
const VERSIONS_MAX: u32 = 50;

/// A version of a run's comment.
#[derive(Debug, Clone, PartialEq)]
pub struct CommentVersion {
    /// When it was written, in microseconds since 1970; 0 where that is not known.
    pub at_us: i64,
    /// Who wrote it; empty where that is not known.
    pub author: String,
    /// The comment; empty where it was removed.
    pub text: String,
}

impl Meta {
    /// Adds an annotation; its number, or none when there is no such run.
    pub(crate) fn add_annotation(&self, run: &str, new: &Annotation) -> Result<Option<i64>, Error> {
        let mut db = self.db();
        let change = db.transaction()?;
        let (is_run, count): (bool, u32) = change.query_row(
            "SELECT EXISTS (SELECT 1 FROM run WHERE id = ?1), \
             (SELECT count(*) FROM annotation WHERE run = ?1)",
            [run],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        if !is_run {
            return Ok(None);
        }
        if count >= ANNOTATIONS_MAX {
            let text = format!("a run has at most {ANNOTATIONS_MAX} annotations; remove some");
            return Err(Error::TooMany(text));
        }
        change.execute(
            "INSERT INTO annotation (run, at_s, until_s, kind, text, author, created_us) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                run,
                new.at_s,
                new.until_s,
                new.kind,
                new.text,
                new.author,
                new.created_us
            ],
        )?;
        let id = change.last_insert_rowid();
        change.commit()?;
        Ok(Some(id))
    }

    /// Changes times, kind and text of an annotation; false when the run has none of this number.
    pub(crate) fn put_annotation(&self, run: &str, changed: &Annotation) -> Result<bool, Error> {
        let sql = "UPDATE annotation SET at_s = ?3, until_s = ?4, kind = ?5, text = ?6, \
                   edited_us = ?7 WHERE run = ?1 AND id = ?2";
        let values = params![
            run,
            changed.id,
            changed.at_s,
            changed.until_s,
            changed.kind,
            changed.text,
            changed.edited_us
        ];
        Ok(self.db().execute(sql, values)? == 1)
    }

    /// Removes an annotation; false when the run has none of this number.
    pub(crate) fn remove_annotation(&self, run: &str, id: i64) -> Result<bool, Error> {
        let sql = "DELETE FROM annotation WHERE run = ?1 AND id = ?2";
        Ok(self.db().execute(sql, params![run, id])? == 1)
    }

    /// The versions of a run's comment, newest first.
    pub(crate) fn comments(&self, run: &str) -> Result<Vec<CommentVersion>, Error> {
        let db = self.db();
        let mut query = db.prepare_cached(
            "SELECT at_us, author, text FROM comment WHERE run = ?1 ORDER BY id DESC",
        )?;
        let versions = query.query_map([run], |row| {
            Ok(CommentVersion {
                at_us: row.get(0)?,
                author: row.get(1)?,
                text: row.get(2)?,
            })
        })?;
        Ok(versions.collect::<Result<_, _>>()?)
    }
}

/// The annotations of a run, by time.
pub(super) fn annotations(db: &Connection, run: &str) -> Result<Vec<Annotation>, Error> {
    let mut query = db.prepare_cached(
        "SELECT id, at_s, until_s, kind, text, author, created_us, edited_us FROM annotation \
         WHERE run = ?1 ORDER BY at_s, id",
    )?;
    let annotation = |row: &Row<'_>| {
        Ok(Annotation {
            id: row.get(0)?,
            at_s: row.get(1)?,
            until_s: row.get(2)?,
            kind: row.get(3)?,
            text: row.get(4)?,
            author: row.get(5)?,
            created_us: row.get(6)?,
            edited_us: row.get(7)?,
        })
    };
    let found = query.query_map([run], annotation)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Records that a run's comment becomes another, before it does; a comment that was there before
/// its versions were kept is the first of them.
pub(super) fn add_comment_version(
    change: &Connection,
    run: &str,
    text: &str,
    author: &str,
) -> Result<(), Error> {
    change.execute(
        "INSERT INTO comment (run, at_us, author, text) \
         SELECT id, 0, '', comment FROM run WHERE id = ?1 AND comment <> '' \
         AND NOT EXISTS (SELECT 1 FROM comment WHERE run = ?1)",
        [run],
    )?;
    change.execute(
        "INSERT INTO comment (run, at_us, author, text) \
         SELECT id, ?2, ?3, ?4 FROM run WHERE id = ?1 AND comment <> ?4",
        params![run, now_us() as i64, author, text],
    )?;
    change.execute(
        "DELETE FROM comment WHERE run = ?1 AND id NOT IN \
         (SELECT id FROM comment WHERE run = ?1 ORDER BY id DESC LIMIT ?2)",
        params![run, VERSIONS_MAX],
    )?;
    Ok(())
}
