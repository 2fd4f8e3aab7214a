//! `mistress backup` and `mistress restore`.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::store;
use crate::cli::{BackupArguments, RestoreArguments};
use crate::render::format;
use server::{Archive, BackupSummary};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often progress is shown on a terminal.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// Writes a backup.
///
/// # Errors
/// There is nothing to write, the archive cannot be written, or a run is damaged.
pub fn backup(arguments: &BackupArguments) -> Result<Exit, Failure> {
    let data = store::data_dir(arguments.data.as_deref())?;
    let out = named(arguments.out.clone());
    let is_shown = !arguments.quiet && io::stderr().is_terminal();
    let mut shown = Instant::now();
    let mut progress = |done: usize, all: usize| {
        if is_shown && (shown.elapsed() >= SHOWN_EVERY || done == all) {
            shown = Instant::now();
            let end = if done == all { "\n" } else { "" };
            Stream::Err.print(&format!("\r{done} of {all} runs{end}"));
        }
    };
    let summary = Archive::backup(&data, &out, &mut progress).map_err(failure)?;
    if !arguments.quiet {
        let said = said(&summary);
        Stream::Out.print(&format!("wrote {said} to {}\n", out.display()));
    }
    for run in &summary.damaged {
        Stream::Err.print(&format!("not in the backup, since it is damaged: {run}\n"));
    }
    Ok(if summary.damaged.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Restores a backup.
///
/// # Errors
/// The archive is damaged, or the folder is used or holds runs.
pub fn restore(arguments: &RestoreArguments) -> Result<Exit, Failure> {
    let data = store::data_dir(arguments.data.as_deref())?;
    let summary = Archive::restore(&arguments.archive, &data, arguments.replace);
    let said = said(&summary.map_err(failure)?);
    Stream::Out.print(&format!("restored {said} to {}\n", data.display()));
    Ok(Exit::Done)
}

/// The file to write; in a folder it is named by the time.
fn named(out: PathBuf) -> PathBuf {
    if !out.is_dir() {
        return out;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = format::utc(now.unwrap_or_default().as_secs());
    let time: String = time.chars().filter(|c| !"-:".contains(*c)).collect();
    out.join(format!("mistress-{time}.tar.zst"))
}

fn said(summary: &BackupSummary) -> String {
    let BackupSummary {
        runs,
        bytes,
        archive_bytes,
        ..
    } = summary;
    format!(
        "{runs} run{} ({}, packed {})",
        if *runs == 1 { "" } else { "s" },
        format::bytes(*bytes as f64),
        format::bytes(*archive_bytes as f64)
    )
}

fn failure(error: server::Error) -> Failure {
    match error {
        server::Error::Refused(_) => Failure::usage(error),
        error => Failure::failed(error),
    }
}
