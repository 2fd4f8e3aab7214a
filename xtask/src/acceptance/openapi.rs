//! The stats server's API against its document, with many requests made of it, and random runs.

use super::table::Table;
use crate::Failure;
use crate::project::cargo;
use crate::run::{self, Limit};

/// A row, the test of the server's crate, the variable that asks for its long form, and its value.
const ROWS: [(&str, &str, &str, &str); 2] = [
    (
        "openapi: the API is as documented",
        "the_server_does_what_the_document_says",
        "MISTRESS_OPENAPI_EXAMPLES",
        "200",
    ),
    (
        "random runs: sums are of the rows",
        "every_question_about_a_random_run",
        "MISTRESS_RANDOM_RUNS",
        "300",
    ),
];

/// The rows of `cargo xtask acceptance openapi`.
///
/// # Errors
/// A test cannot be started.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    for (row, test, variable, value) in ROWS {
        if !table.wants(row) {
            continue;
        }
        let mut command = cargo(&["test", "--package", "mistress-server", "--lib", test]);
        command.env(variable, value).env("CI", "1");
        let end = run::lines(command, Limit::None, |_, line| eprintln!("{line}"))?;
        let said = if end.is_success() { "passed" } else { "failed" };
        table.same(row, "passed", said);
    }
    Ok(())
}
