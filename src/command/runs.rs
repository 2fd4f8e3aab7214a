//! `mistress runs`: lists and deletes runs of the local store.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::stored;
use crate::cli::{DeleteArguments, RunsAction, RunsArguments};
use crate::render::{format, runs};
use anyhow::anyhow;
use serde_json::{Value, json};
use server::StoredRun;
use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The version of the JSON of the list: raised when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// Lists runs, or deletes some.
///
/// # Errors
/// There is no such run, it may not be deleted, or the store cannot be used.
pub fn execute(arguments: &RunsArguments) -> Result<Exit, Failure> {
    if let Some(RunsAction::Delete(arguments)) = &arguments.action {
        return delete(arguments);
    }
    let archive = stored::open(arguments.data.as_deref())?;
    let all = stored::all(&archive)?;
    let from_us = arguments.since.map_or(0, since_us);
    let wanted = |run: &&StoredRun| {
        run.started_us >= from_us && arguments.name.as_ref().is_none_or(|name| *name == run.name)
    };
    let found: Vec<&StoredRun> = all.iter().filter(wanted).collect();
    let listed = found.iter().take(arguments.limit as usize);
    let cards = listed.filter_map(|run| archive.card(&run.id).map_err(Failure::failed).transpose());
    let cards = cards.collect::<Result<Vec<Value>, Failure>>()?;
    if arguments.json {
        let document = json!({ "schema": SCHEMA, "found": found.len(), "runs": cards });
        Stream::Out.deliver(&format!("{document}\n"))?;
        return Ok(Exit::Done);
    }
    if cards.is_empty() {
        Stream::Out.print("no such runs\n");
        return Ok(Exit::Done);
    }
    let ids: Vec<&str> = all.iter().map(|run| run.id.as_str()).collect();
    let style = Stream::Out.style(false);
    Stream::Out.print(&runs::render(&cards, &ids, Stream::Out.width(), style));
    if cards.len() < found.len() {
        let (shown, all) = (cards.len(), found.len());
        Stream::Out.print(&format!("{shown} of {all} runs; --limit shows more\n"));
    }
    Ok(Exit::Done)
}

/// The moment so long ago, in microseconds since 1970.
fn since_us(ago: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let from = now.unwrap_or_default().saturating_sub(ago);
    from.as_micros() as u64
}

fn delete(arguments: &DeleteArguments) -> Result<Exit, Failure> {
    let archive = stored::open(arguments.data.as_deref())?;
    let all = stored::all(&archive)?;
    let mut runs: Vec<&StoredRun> = Vec::new();
    for asked in &arguments.runs {
        let run = stored::chosen(&all, asked)?;
        if run.is_live() {
            return Err(Failure::usage(anyhow!(
                "{asked}: the run {} is live; end it first (if its process is gone, a minute of \
                 `mistress serve` marks it as lost)",
                run.id
            )));
        }
        if runs.iter().all(|known| known.id != run.id) {
            runs.push(run);
        }
    }
    if !arguments.yes && !confirmed(&runs)? {
        Stream::Err.print("nothing was deleted\n");
        return Ok(Exit::Done);
    }
    for run in runs {
        archive.remove(&run.id).map_err(Failure::failed)?;
        Stream::Out.print(&format!("deleted {}\n", described(run)));
    }
    Ok(Exit::Done)
}

/// Asks whether to delete these runs.
fn confirmed(runs: &[&StoredRun]) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(anyhow!(
            "standard input is no terminal, so nobody can be asked: add --yes"
        )));
    }
    for run in runs {
        Stream::Err.print(&format!("{}\n", described(run)));
    }
    let what = match runs.len() {
        1 => "this run".to_owned(),
        count => format!("these {count} runs"),
    };
    Stream::Err.print(&format!("delete {what}? [y/N] "));
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(Failure::failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn described(run: &StoredRun) -> String {
    let started = format::utc(run.started_us / 1_000_000);
    format!("{}  {}  {started}", run.id, format::escape(&run.name))
}
