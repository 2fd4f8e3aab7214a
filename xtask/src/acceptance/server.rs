//! The stats server at its edges.

mod edges;

use super::table::Table;
use crate::Failure;

/// Measures the rows of the area.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    edges::measure(table)
}
