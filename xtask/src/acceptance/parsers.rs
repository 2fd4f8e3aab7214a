//! What a byte of a hostile reply costs its reader: at 8 MB at most 1.5 times what it costs at
//! 100 KB.

use super::costs;
use super::table::Table;
use crate::Failure;

/// The size of large replies, in bytes.
const LARGE_BYTES: &str = "8388608";
/// The test that measures, and compares by itself.
const TEST: &str = "hostile_shapes";
const RATIO_MAX: f64 = 1.5;

/// The rows of `cargo xtask acceptance parsers`.
///
/// # Errors
/// The test cannot be built, or measured nothing.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    costs::measure(TEST, "MISTRESS_SHAPE_BYTES", LARGE_BYTES, |line| {
        let found = row(line);
        if let Some((name, ratio)) = &found
            && table.wants(name)
        {
            table.at_most(name, RATIO_MAX, *ratio, "times the small one");
        }
        found.is_some()
    })
}

/// Reader with shape, and the ratio, of a line such as
/// `json  digits  1.44 ns/byte, small 2.55, ratio 0.57`.
fn row(line: &str) -> Option<(String, f64)> {
    let (before, after) = line.split_once(", ratio ")?;
    let (name, _) = before.split_once(" ns/byte")?;
    let words: Vec<&str> = name.split_whitespace().collect();
    let (_, name) = words.split_last()?;
    let ratio = after.split_whitespace().next()?.parse().ok()?;
    Some((name.join(" "), ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_the_lines_of_the_test() {
        let line = "json path  a long key   0.94 ns/byte, small      1.10, ratio 0.85  refused";
        assert_eq!(row(line), Some(("json path a long key".to_owned(), 0.85)));
        assert_eq!(row("test result: ok"), None);
    }
}
