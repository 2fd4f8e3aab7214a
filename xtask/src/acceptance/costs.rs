//! Rows that a test of the scripting crate measures and prints.

use crate::Failure;
use crate::project::cargo;
use crate::run::{self, From, Limit};

/// Runs the `test` in release with the variable of the environment that asks for its long form.
/// `row` takes each line of its stdout and says whether that was a row.
///
/// # Errors
/// The test cannot be built, or measured nothing.
pub fn measure(
    test: &str,
    variable: &str,
    value: &str,
    mut row: impl FnMut(&str) -> bool,
) -> Result<(), Failure> {
    let package = ["--package", "mistress-scripting", "--test", "it"];
    let arguments = [
        &["test", "--release"],
        &package[..],
        &[test, "--", "--nocapture"],
    ]
    .concat();
    let mut command = cargo(&arguments);
    command.env(variable, value);
    let mut rows = 0;
    run::lines(command, Limit::None, |from, line| {
        if from == From::Stdout && row(line) {
            rows += 1;
        } else {
            eprintln!("{line}");
        }
    })?;
    if rows == 0 {
        return Err(format!("{test} measured nothing").into());
    }
    Ok(())
}
