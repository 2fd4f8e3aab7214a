//! `mistress completions` and `mistress man`: what a shell and `man` know of the command line.

use super::console::Stream;
use super::exit::{Exit, Failure};
use crate::cli::{Arguments, CompletionsArguments, ManArguments};
use clap::CommandFactory;
use std::path::Path;

/// Prints the completion script of a shell.
///
/// # Errors
/// None of its own.
pub fn completions(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "mistress",
        &mut script,
    );
    Stream::Out.print(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

/// Prints the manual page, or writes those of all subcommands into a folder.
///
/// # Errors
/// A page cannot be written.
pub fn man(arguments: &ManArguments) -> Result<Exit, Failure> {
    match &arguments.dir {
        Some(dir) => write_pages(dir)?,
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(page_command()).render(&mut page);
            rendered.map_err(Failure::failed)?;
            Stream::Out.print(&String::from_utf8_lossy(&page));
        }
    }
    Ok(Exit::Done)
}

/// The command line without the subcommand `help`, which has no page.
fn page_command() -> clap::Command {
    Arguments::command().disable_help_subcommand(true)
}

fn write_pages(dir: &Path) -> Result<(), Failure> {
    let written =
        std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(page_command(), dir));
    written.map_err(|e| Failure::failed(anyhow::anyhow!("{}: {e}", dir.display())))
}
