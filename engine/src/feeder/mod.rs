//! Data sources: files whose rows are handed out to users.
//!
//! Files are opened and checked once per process and shared by all cores; which rows are whose
//! follows from shards, so that no two cores, and no two nodes, hand out the same unique row.

mod cursor;
mod file;
#[cfg(test)]
mod tests;

pub(crate) use cursor::Feeder;

use config::Plan;
use file::Store;

/// What is known of the plan's data sources; made once, read by all cores.
pub(crate) struct Sources(Vec<Source>);

/// One file.
struct Source {
    data: config::Data,
    store: Store,
    /// Rows of the file, at least 1.
    rows: u64,
}

impl Sources {
    /// Opens and reads all files of the plan, and finds the rows in them.
    ///
    /// # Errors
    ///
    /// One line per file that cannot be used, with the place in it and what is wrong.
    pub(crate) fn open(plan: &Plan) -> Result<Sources, crate::Error> {
        let mut sources = Vec::new();
        let mut problems = Vec::new();
        for data in &plan.data {
            match file::open(data) {
                Ok((_, 0)) => problems.push(format!("{}: it has no rows", data.file.display())),
                Ok((store, rows)) => sources.push(Source {
                    data: data.clone(),
                    store,
                    rows,
                }),
                Err(problem) => problems.push(format!("{}{problem}", data.file.display())),
            }
        }
        if problems.is_empty() {
            Ok(Sources(sources))
        } else {
            Err(crate::Error::Data { problems })
        }
    }
}
