//! Connections that outlive a user, between hosts.

use testkit::namespaces::Network;

use super::runs::{mistress, profile, target};
use super::table::Table;
use crate::Failure;

/// Users per second, each with one request, and for how long.
const OPEN: (u64, u64) = (2_000, 60);
/// Connections that are enough for all of them: two would do for answers within a millisecond.
const CONNECTIONS_MAX: f64 = 200.0;

/// Measures the rows of the shared pool.
pub fn measure(table: &mut Table, network: &Network) -> Result<(), Failure> {
    if !table.wants("shared") {
        return Ok(());
    }
    let (near, far) = (network.host(0), network.host(1));
    let server = target(Some(far), far.address())?;
    let pool = "[connections]\npool = \"shared\"";
    let ran = mistress(Some(near), &profile(&server.url, OPEN, pool))?;
    table.same("shared: ok", OPEN.0 * OPEN.1, ran.count("/totals/ok"));
    table.same("shared: failed", 0, ran.count("/totals/failed"));
    let opened = ran.result.pointer("/events/connection_opened");
    let opened = opened.and_then(serde_json::Value::as_f64);
    table.at_most(
        "shared: connections",
        CONNECTIONS_MAX,
        opened.unwrap_or(f64::NAN),
        "in all",
    );
    Ok(())
}
