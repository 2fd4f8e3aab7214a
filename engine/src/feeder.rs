//! Data sources: files whose rows are handed out to users.
//!
//! Files are opened and checked once per process and shared by all cores, as are the walks through
//! them; which rows are this process's follows from the plan and its segment.

mod cursor;
mod dialect;
mod file;
#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod tests;
mod walk;
#[cfg(test)]
mod walk_tests;

pub(crate) use cursor::{Asker, Feeder};

use crate::pacing::Segment;
use config::{AtEnd, Model, Order, Plan};
use file::{Opened, RowReader, Store};
use scripting::Row;
use std::io;
use std::path::Path;
use walk::{Part, Walk, per_user};

/// What is known of the plan's data sources; made once, read by all cores.
pub(crate) struct Sources {
    list: Vec<Source>,
    /// What users should know of the files.
    notices: Vec<String>,
}

/// One file.
struct Source {
    data: config::Data,
    store: Store,
    /// Rows of the file, at least 1.
    rows: u64,
    /// By load, the last for hooks; one for all where rows are unique.
    walks: Vec<Walk>,
    /// By load: rows that are for one user before those of the next, and whether only its first
    /// pass has one.
    per_user: Vec<(u64, bool)>,
}

impl Sources {
    /// Opens and reads all files of the plan, and finds the rows in them.
    ///
    /// # Errors
    ///
    /// One line per file that cannot be used, with the place in it and what is wrong.
    pub(crate) fn open(plan: &Plan, segment: Segment) -> Result<Sources, crate::Error> {
        let mut sources = Sources {
            list: Vec::new(),
            notices: Vec::new(),
        };
        let mut problems = Vec::new();
        for data in &plan.data {
            let file = data.file.display();
            match file::open(data) {
                Ok(Opened { rows: 0, .. }) => problems.push(format!("{file}: it has no rows")),
                Ok(opened) => {
                    let notices = opened.notices.iter();
                    sources
                        .notices
                        .extend(notices.map(|notice| format!("{file}: {notice}")));
                    sources.list.push(Source::new(data, opened, plan, segment));
                }
                Err(problem) => problems.push(format!("{file}{problem}")),
            }
        }
        if problems.is_empty() {
            Ok(sources)
        } else {
            Err(crate::Error::Data { problems })
        }
    }

    /// The file of a source, and all its rows in their order.
    pub(crate) fn rows(
        &self,
        data: &str,
    ) -> Option<(&Path, impl Iterator<Item = io::Result<Row>> + '_)> {
        let source = self.list.iter().find(|source| source.data.name == data)?;
        let mut reader = RowReader::new();
        let rows = (0..source.rows).map(move |row| source.read(&mut reader, row));
        Some((&source.data.file, rows))
    }

    /// What was taken for granted in the files, a line each with the file's path.
    pub(crate) fn notices(&self) -> &[String] {
        &self.notices
    }
}

impl Source {
    fn new(data: &config::Data, opened: Opened, plan: &Plan, segment: Segment) -> Source {
        let is_finite = data.at_end != AtEnd::Wrap;
        // A row that is a user's certificate is drawn once, however many passes it has.
        let is_for_users = plan.tls.client_data.as_ref() == Some(&data.name);
        let walk = |loads: &[&config::Load]| {
            let mut part = Part::of(loads, segment);
            if is_for_users {
                part.per_user = 1;
            }
            Walk::new(opened.rows, is_finite, part)
        };
        let all: Vec<&config::Load> = plan.loads.iter().collect();
        let walks = match data.order {
            Order::Random => Vec::new(),
            Order::Unique => vec![walk(&all)],
            _ => {
                let each = all.iter().map(|load| walk(&[*load]));
                each.chain([walk(&[])]).collect()
            }
        };
        let of_load = |load: &config::Load| {
            let is_closed = matches!(load.model, Model::Closed { .. });
            let per_user = if is_for_users { 1 } else { per_user(load) };
            (per_user, is_closed)
        };
        Source {
            data: data.clone(),
            store: opened.store,
            rows: opened.rows,
            walks,
            per_user: plan.loads.iter().map(of_load).collect(),
        }
    }

    /// The walk of users of `load`; none where rows are drawn at random.
    fn walk(&self, load: usize) -> Option<&Walk> {
        self.walks.get(load).or(self.walks.last())
    }

    /// Row number `row` of the file, below [`Source::rows`].
    fn read(&self, reader: &mut RowReader, row: u64) -> io::Result<Row> {
        match &self.store {
            Store::Held(rows) => Ok(rows[row as usize].clone()),
            Store::Indexed(index) => reader.read(index, row),
        }
    }

    /// The ordinal that is meant for a user in its present pass, if any is.
    fn wanted(&self, asker: Asker) -> Option<u64> {
        let (per_user, is_closed) = *self.per_user.get(asker.load)?;
        let has_one = !is_closed || asker.pass == 0;
        let first = asker.number.checked_mul(per_user)?;
        has_one.then(|| first + u64::from(asker.pass))
    }
}
