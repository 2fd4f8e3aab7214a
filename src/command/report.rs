//! `mistress report` and `mistress compare`: runs of the local store as text.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::store;
use crate::cli::{CompareArguments, ReportArguments};
use crate::render::{comparison, format, text};
use anyhow::anyhow;
use server::store::{Filter, RunRecord, RunView, Sqlite, Store};
use server::{compare, export, query};
use stats::Of;
use std::path::Path;

/// Runs that are looked through for a name or the beginning of an id.
const LOOKED_AT: u32 = 10_000;

/// Shows one run, or writes it in another format.
///
/// # Errors
/// There is no such run, or the store cannot be read.
pub fn execute(arguments: &ReportArguments) -> Result<Exit, Failure> {
    let store = open(arguments.data.as_deref())?;
    let (run, view) = find(&store, &arguments.run)?;
    if let Some(format) = arguments.format {
        let text = export::render(format, &run, &*view).map_err(Failure::failed)?;
        Stream::Out.print(&text);
        return Ok(Exit::Done);
    }
    let report = export::report(&run, &*view).map_err(Failure::failed)?;
    let style = Stream::Out.style(false);
    Stream::Out.print(&text::render(&report, Stream::Out.width(), style));
    Stream::Out.print(&kept_as(&run));
    Ok(Exit::Done)
}

/// Under which id a run is kept, and what people say about it.
fn kept_as(run: &RunRecord) -> String {
    let mut text = format!("run id       {}  {}\n", run.id, run.state.as_str());
    if !run.comment.is_empty() {
        text += &format!("comment      {}\n", format::escape(&run.comment));
    }
    text
}

/// Shows what differs between runs, and whether that is beyond noise.
///
/// # Errors
/// As [`execute`].
pub fn compare(arguments: &CompareArguments) -> Result<Exit, Failure> {
    let store = open(arguments.data.as_deref())?;
    let mut cards = Vec::new();
    let mut blocks = Vec::new();
    for asked in &arguments.runs {
        let (run, view) = find(&store, asked)?;
        blocks.push(compare::blocks(&*view, Of::Ok).map_err(Failure::failed)?);
        cards.push(query::card(&run, Some(&*view)).map_err(Failure::failed)?);
    }
    let metrics = compare::compare(&blocks);
    let style = Stream::Out.style(false);
    Stream::Out.print(&comparison::render(&cards, &metrics, style));
    Ok(Exit::Done)
}

fn open(data: Option<&Path>) -> Result<Sqlite, Failure> {
    let data = store::data_dir(data)?;
    if !data.join("meta.sqlite").exists() {
        let place = data.display();
        return Err(Failure::usage(anyhow!(
            "{place}: no run was kept there yet"
        )));
    }
    Sqlite::open(&data).map_err(Failure::failed)
}

/// A run by its id or the beginning of it, by its name (the newest of that name), or `latest`.
fn find(store: &Sqlite, asked: &str) -> Result<(RunRecord, Box<dyn RunView>), Failure> {
    let filter = Filter {
        limit: LOOKED_AT,
        ..Filter::default()
    };
    let runs = store.runs(&filter).map_err(Failure::failed)?;
    let run = choose(runs, asked).map_err(|e| Failure::usage(anyhow!("{asked}: {e}")))?;
    let view = store.view(&run.id).map_err(Failure::failed)?;
    let gone = || Failure::failed(anyhow!("{}: its data is not there any more", run.id));
    let view = view.ok_or_else(gone)?;
    Ok((run, view))
}

fn choose(runs: Vec<RunRecord>, asked: &str) -> Result<RunRecord, String> {
    let fits = |run: &RunRecord| asked == "latest" || run.name == asked;
    if let Some(newest) = runs.iter().find(|run| run.id == asked || fits(run)) {
        return Ok(newest.clone());
    }
    let begins = |run: &&RunRecord| !asked.is_empty() && run.id.starts_with(asked);
    let mut found = runs.iter().filter(begins);
    match (found.next(), found.count()) {
        (Some(run), 0) => Ok(run.clone()),
        (Some(_), more) => Err(format!("{} runs have ids that begin so", more + 1)),
        (None, _) => Err("no run has this id or name (or `latest`)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_by_id_its_beginning_name_or_as_the_latest() {
        let run = |id: &str, name: &str| RunRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            ..RunRecord::default()
        };
        let runs = || {
            vec![
                run("0198-c", "shop"),
                run("0198-b", "api"),
                run("0197-a", "shop"),
            ]
        };
        let rows = [
            ("latest", Some("0198-c")),
            ("shop", Some("0198-c")),
            ("api", Some("0198-b")),
            ("0197", Some("0197-a")),
            ("0198-b", Some("0198-b")),
            ("0198", None),
            ("none", None),
            ("", None),
        ];
        for (asked, expected) in rows {
            let found = choose(runs(), asked).ok().map(|run| run.id);
            assert_eq!(found.as_deref(), expected, "{asked:?}");
        }
    }
}
