//! Arguments of `mistress runs`.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// What `mistress runs --help` says after the arguments.
pub const HELP: &str = "\
Lists the runs of the local store, newest first, each with the beginning of its id, which other
commands take as RUN. Rate and latency are those of the summary; `failed` is the share of requests
that failed or never ended.

Examples:
  mistress runs
  mistress runs --name shop --since 2d
  mistress runs --json --limit 1000 | jq '.runs[].latency.p99_us'
  mistress runs delete 0198ab 0198cd

Exit codes:
  0    success
  2    invalid usage, no such run, or a run that may not be deleted
  3    the store cannot be read";

/// What `mistress runs delete --help` says after the arguments.
const DELETE_HELP: &str = "\
Each RUN is named as for `mistress report`. Runs that are live are not deleted: end them first.

Examples:
  mistress runs delete 0198ab
  mistress runs delete latest --yes";

/// Arguments of `runs`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsArguments {
    /// What to do instead of listing them.
    #[command(subcommand)]
    pub action: Option<RunsAction>,
    /// List only runs of this name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// List only runs that started within this time: 90m, 12h, 2d or 4w
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<Duration>,
    /// List at most so many runs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Write the list as JSON (docs/result.md)
    #[arg(long)]
    pub json: bool,
    /// Folder of the store, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What to do with runs.
#[derive(Subcommand, Debug)]
pub enum RunsAction {
    /// Delete runs and all that was stored of them
    #[command(after_long_help = DELETE_HELP)]
    Delete(DeleteArguments),
}

/// Arguments of `runs delete`.
#[derive(Args, Debug)]
pub struct DeleteArguments {
    /// Runs to delete: ids, prefixes of ids, names (the newest run of that name), or `latest`
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Do not ask; required where standard input is no terminal
    #[arg(short, long)]
    pub yes: bool,
    /// Folder of the store, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

fn parse_since(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number with a unit: 90m, 12h, 2d or 4w".to_owned();
    let (unit, seconds) = [("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)]
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))
        .ok_or_else(expected)?;
    let number: u32 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| expected())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        let rows = [
            ("90m", Some(5_400)),
            ("12h", Some(43_200)),
            ("2d", Some(172_800)),
            ("4w", Some(2_419_200)),
            ("2", None),
            ("d", None),
            ("-1d", None),
            ("2 d", None),
            ("", None),
        ];
        for (text, seconds) in rows {
            let found = parse_since(text).ok().map(|time| time.as_secs());
            assert_eq!(found, seconds, "{text:?}");
        }
    }
}
