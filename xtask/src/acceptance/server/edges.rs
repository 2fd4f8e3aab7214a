//! Held connections, slow heads, broken batches and guessed passwords: the long form of a test.

use std::time::{Duration, Instant};

use super::Table;
use crate::Failure;
use crate::project::cargo;
use crate::run::{self, Limit};

/// The longest that it may take, with the building.
const LIMIT: Duration = Duration::from_secs(1_200);

/// Measures the rows of the overload test.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    if !table.wants("overload") {
        return Ok(());
    }
    let test = ["test", "--release", "-p", "mistress-server", "--lib"];
    let overload = ["it::overload::", "--", "--nocapture"];
    let mut command = cargo(&[&test[..], &overload[..]].concat());
    command.env("MISTRESS_OVERLOAD", "long");
    let mut rows = 0;
    let mut said = Vec::new();
    let limit = Limit::At(Instant::now() + LIMIT);
    let end = run::lines(command, limit, |_, line| {
        let parts: Vec<&str> = line.split('|').collect();
        if let ["row", name, expected, measured, holds] = parts[..] {
            table.row(name, expected, measured, holds == "true");
            rows += 1;
        } else {
            said.push(line.to_owned());
        }
    })?;
    if !end.is_success() || rows == 0 {
        return Err(format!("the overload test failed:\n{}", said.join("\n")).into());
    }
    Ok(())
}
