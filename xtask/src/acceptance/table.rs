//! The table of an area, printed as it grows.

use std::fmt::Display;

/// Rows that were measured, and those that were asked for.
pub struct Table {
    /// Beginnings of names; empty: all.
    wanted: Vec<String>,
    rows: usize,
    /// Names of those that do not hold.
    wrong: Vec<String>,
}

impl Table {
    /// A table of the rows whose names begin with one of these; of all when there is none.
    pub fn only(wanted: &[&str]) -> Table {
        println!("{:<34} {:<30} {:<34}", "row", "expected", "measured");
        Table {
            wanted: wanted.iter().map(|&name| name.to_owned()).collect(),
            rows: 0,
            wrong: Vec::new(),
        }
    }

    /// Whether a group of rows whose names begin with `name` is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        let fits = |wanted: &String| wanted.starts_with(name) || name.starts_with(wanted.as_str());
        self.wanted.is_empty() || self.wanted.iter().any(fits)
    }

    /// Adds a row that holds or does not.
    pub fn row(&mut self, name: &str, expected: impl Display, measured: impl Display, holds: bool) {
        let word = if holds { "ok" } else { "MISSED" };
        let (expected, measured) = (expected.to_string(), measured.to_string());
        println!("{name:<34} {expected:<30} {measured:<34} {word}");
        self.rows += 1;
        if !holds {
            self.wrong.push(name.to_owned());
        }
    }

    /// Adds a row that holds when both are the same.
    pub fn same<T: Display + PartialEq>(&mut self, name: &str, expected: T, measured: T) {
        let holds = expected == measured;
        self.row(name, expected, measured, holds);
    }

    /// Adds a row that holds up to a limit, `digits` behind the point.
    pub fn at_most(&mut self, name: &str, limit: f64, measured: f64, unit: &str) {
        let expected = format!("at most {limit:.3} {unit}");
        // NaN, what was not measured, does not hold.
        self.row(
            name,
            expected,
            format!("{measured:.3} {unit}"),
            measured <= limit,
        );
    }

    /// Prints the sum; whether all rows hold.
    pub fn close(self) -> bool {
        let sum = if self.wrong.is_empty() {
            "all of them hold".to_owned()
        } else {
            format!("MISSED: {}", self.wrong.join(", "))
        };
        println!("\n{} rows: {sum}", self.rows);
        self.rows > 0 && self.wrong.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_and_all_of_it_must_hold() {
        let mut table = Table::only(&["reset"]);
        assert!(table.wants("reset") && !table.wants("graceful"));
        table.same("reset ok", 120_000, 120_000);
        assert!(table.close());
        let mut table = Table::only(&[]);
        assert!(table.wants("anything"));
        table.at_most("lag", 0.3, f64::NAN, "ms");
        assert!(!table.close());
        assert!(
            !Table::only(&[]).close(),
            "nothing measured is nothing held"
        );
    }
}
