//! Arguments of `mistress report`.

use crate::render::columns::Columns;
use clap::{ArgAction, Args};
use server::Format;
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct ReportArguments {
    /// Run id, prefix of an id, run name, or `latest`
    pub run: String,
    /// Write the run in this format instead: json, csv, hlog, junit or html
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub format: Option<Format>,
    /// Whether csv and hlog include the warm-up: include or exclude
    #[arg(long, value_name = "WHETHER", default_value = "exclude", value_parser = parse_warmup, action = ArgAction::Set)]
    pub warmup: bool,
    /// Columns of the tables of names, as for `mistress run`
    #[arg(long, value_name = "LIST", conflicts_with = "format")]
    pub columns: Option<Columns>,
    /// Folder of the store, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Parses the name of a format.
fn parse_format(text: &str) -> Result<Format, String> {
    Format::of(text).ok_or_else(|| "expected json, csv, hlog, junit or html".to_owned())
}

fn parse_warmup(text: &str) -> Result<bool, String> {
    match text {
        "include" => Ok(true),
        "exclude" => Ok(false),
        _ => Err("expected include or exclude".to_owned()),
    }
}
