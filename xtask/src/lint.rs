//! Formatting and clippy over the whole workspace, warnings denied.

use crate::Failure;
use crate::project::cargo;
use crate::run::{self, Limit};

/// Runs each linter; returns how many of them complained.
pub fn lint() -> Result<u32, Failure> {
    let linters: [&[&str]; 2] = [
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
    for linter in linters {
        println!("== cargo {}", linter.join(" "));
        let end = run::lines(cargo(linter), Limit::None, |_, line| println!("{line}"))?;
        failed += u32::from(!end.is_success());
    }
    println!("lint: {}", if failed == 0 { "clean" } else { "failed" });
    Ok(failed)
}
