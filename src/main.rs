//! Mistress: the command line. The only code that prints, reads arguments and environment, or
//! exits.

mod cli;
mod command;
mod render;
mod reporter;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    command::execute(cli::Arguments::parse()).into()
}
