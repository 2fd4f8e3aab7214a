//! Formatting and linting of the whole workspace, Rust and JavaScript, warnings denied.

use crate::Failure;
use crate::project::{cargo, root};
use crate::run::{self, Limit};
use crate::setup;
use std::process::Command;

/// The linter and formatter of the pages' JavaScript; biome.json says what it reads.
const BIOME: &str = "tests/browser/node_modules/.bin/biome";

/// Runs each linter; returns how many of them complained.
pub fn lint() -> Result<u32, Failure> {
    let rust: [&[&str]; 2] = [
        &["fmt", "--all", "--check"],
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    ];
    let mut failed = 0;
    for linter in rust {
        println!("== cargo {}", linter.join(" "));
        failed += u32::from(!is_clean(cargo(linter))?);
    }
    setup::install_browser_packages()?;
    println!("== biome ci");
    let mut biome = Command::new(root().join(BIOME));
    biome.current_dir(root());
    biome.args(["ci", "--error-on-warnings", "--colors=off"]);
    failed += u32::from(!is_clean(biome)?);
    println!("lint: {}", if failed == 0 { "clean" } else { "failed" });
    Ok(failed)
}

fn is_clean(linter: Command) -> Result<bool, Failure> {
    let end = run::lines(linter, Limit::None, |_, line| println!("{line}"))?;
    Ok(end.is_success())
}
