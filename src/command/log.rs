//! The log of `mistress serve`: what the server tells of itself, to standard error.

use super::exit::Failure;
use anyhow::anyhow;
use clap::ValueEnum;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How a log is written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of text each.
    Text,
    /// A JSON object per line.
    Json,
}

/// What is logged unless somebody asks for more or less.
const LEVEL: &str = "info";
/// The variable that programs with such a log read.
const VARIABLE: &str = "RUST_LOG";

/// Begins to log. Texts that others chose are quoted, with control characters escaped.
///
/// # Errors
/// The level is unknown.
pub fn start(format: LogFormat, level: Option<&str>) -> Result<(), Failure> {
    let (place, wanted) = match (level, std::env::var(VARIABLE)) {
        (Some(level), _) => ("--log-level", level.to_owned()),
        (None, Ok(level)) if !level.is_empty() => (VARIABLE, level),
        _ => ("", LEVEL.to_owned()),
    };
    let filter: Targets = wanted.parse().map_err(|_| {
        Failure::usage(anyhow!(
            "{place}: found {wanted:?}, allowed are error, warn, info, debug, trace and off"
        ))
    })?;
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init();
    started.map_err(|error| Failure::failed(anyhow!("the log: {error}")))
}
