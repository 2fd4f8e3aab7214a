//! Arguments of `init` and their help.

use clap::{Args, ValueEnum};

/// What the help ends with.
pub(super) const HELP: &str = "\
Writes NAME.toml and NAME.lua into this folder, never over a file that exists. They run at once
against a server that comes with mistress.

Examples:
  mistress init
  mistress init checkout --example api

Exit codes:
  0    both files were written
  2    one of them exists
  3    one of them cannot be written";

/// Arguments of `init`.
#[derive(Args, Debug)]
pub struct InitArguments {
    /// Name of the two files; by default that of the example
    pub name: Option<String>,
    /// What to start from: a shop with an open load, clients of an API, people with browsers
    #[arg(long, value_name = "EXAMPLE", default_value = "shop")]
    pub example: Example,
}

/// The `--example` argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Example {
    Shop,
    Api,
    Browser,
}

impl Example {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Example::Shop => "shop",
            Example::Api => "api",
            Example::Browser => "browser",
        }
    }
}
