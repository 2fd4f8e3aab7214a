//! Mistress: the command line. The only code that prints, reads arguments and environment, or
//! exits.

mod cgroup;
mod cli;
mod command;
#[cfg(test)]
mod documents;
mod render;
mod reporter;

use clap::Parser;
use std::process::ExitCode;

/// LuaJIT allocates through this; with glibc's allocator a request takes 7 % more time (`cargo
/// xtask bench versus`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::execute(cli::Arguments::parse()).into()
}
