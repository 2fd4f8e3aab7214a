//! The subcommands, one file each, and what they share: exit codes and preparation.

mod backup;
mod check;
mod compare;
mod console;
mod control;
mod doctor;
mod exit;
mod init;
mod input;
mod load;
mod log;
mod memory;
mod one_liner;
mod password;
mod prepare;
mod push;
mod redact;
mod report;
mod run;
mod runs;
mod script_files;
mod serve;
mod shell;
mod store;
mod stored;
mod target;
mod threshold_names;

pub use exit::Exit;
pub use log::LogFormat;

use crate::cli::{Arguments, Command};

/// Runs the subcommand and returns the exit code; errors go to stderr.
pub fn execute(arguments: Arguments) -> Exit {
    let done = match arguments.command {
        Command::Run(arguments) if arguments.print_profile => {
            input::print_profile(&arguments.input)
        }
        Command::Run(arguments) => run::execute(&arguments),
        Command::Check(arguments) => check::execute(&arguments),
        Command::Init(arguments) => init::execute(&arguments),
        Command::Control(arguments) => control::execute(&arguments),
        Command::Serve(arguments) => serve::execute(&arguments),
        Command::Report(arguments) => report::execute(&arguments),
        Command::Compare(arguments) => compare::execute(&arguments),
        Command::Runs(arguments) => runs::execute(&arguments),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Push(arguments) => push::execute(&arguments),
        Command::Target(arguments) => target::execute(&arguments),
        Command::Doctor(arguments) => doctor::execute(&arguments),
        Command::Completions(arguments) => shell::completions(&arguments),
        Command::Man(arguments) => shell::man(&arguments),
    };
    done.unwrap_or_else(|failure| {
        console::print_error(&failure);
        failure.exit
    })
}
