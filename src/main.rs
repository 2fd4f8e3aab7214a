//! Mistress: the command line. The only code that prints, reads arguments and environment, or
//! exits.

mod cgroup;
mod cli;
mod command;
mod render;
mod reporter;

use clap::Parser;
use std::process::ExitCode;

/// LuaJIT takes all its memory through this; glibc's allocator costs 7 % more time per request
/// (`cargo xtask bench versus`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::execute(cli::Arguments::parse()).into()
}
