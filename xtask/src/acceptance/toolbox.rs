//! What the functions of the toolbox cost a script: those of 100 bytes at most 5 µs, the others at
//! most 1.2 times what their crate costs when called from Rust.

use super::costs;
use super::table::Table;
use crate::Failure;

/// The test that measures.
const TEST: &str = "toolbox_costs";
const US_MAX: f64 = 5.0;
const TIMES_MAX: f64 = 1.2;

/// The rows of `cargo xtask acceptance toolbox`.
///
/// # Errors
/// The test cannot be built, or measured nothing.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    costs::measure(TEST, "MISTRESS_TOOLBOX_COSTS", "1", |line| {
        let found = row(line);
        if let Some((name, cost, unit)) = found
            && table.wants(name)
        {
            let (limit, unit) = match unit {
                "us" => (US_MAX, "us"),
                _ => (TIMES_MAX, "times the crate alone"),
            };
            table.at_most(name, limit, cost, unit);
        }
        found.is_some()
    })
}

/// Name, cost and unit of a line such as `cost hash.md5(text) | 1.250 us`.
fn row(line: &str) -> Option<(&str, f64, &str)> {
    let (name, cost) = line.strip_prefix("cost ")?.split_once(" | ")?;
    let (cost, unit) = cost.split_once(' ')?;
    Some((name, cost.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_the_lines_of_the_test() {
        let read = row("cost hash.md5(text) | 1.250 us");
        assert_eq!(read, Some(("hash.md5(text)", 1.25, "us")));
        assert_eq!(
            row("cost aws.sign | 0.900 times"),
            Some(("aws.sign", 0.9, "times"))
        );
        assert_eq!(row("test result: ok"), None);
    }
}
