//! Connections that outlive a user, between hosts.

use testkit::namespaces::Network;

use super::network::{mistress, profile, target};
use super::table::Table;
use crate::Failure;

/// Users a second, each with one request.
const USERS_PER_S: u32 = 2_000;
/// How long they come.
const SECONDS: u32 = 60;
/// Connections that are enough for all of them: two would do for answers within a millisecond.
const CONNECTIONS_MAX: f64 = 200.0;

/// Measures the rows of the shared pool.
pub fn measure(table: &mut Table, network: &Network) -> Result<(), Failure> {
    if !table.wants("shared") {
        return Ok(());
    }
    let (near, far) = (network.host(0), network.host(1));
    let server = target(far, &format!("{}:0", far.address()))?;
    let pool = "[connections]\npool = \"shared\"";
    let result = mistress(near, &profile(&server.url, USERS_PER_S, SECONDS, pool))?;
    let count = |pointer: &str| result.pointer(pointer).and_then(|n| n.as_u64());
    table.same(
        "shared: ok",
        u64::from(USERS_PER_S * SECONDS),
        count("/totals/ok").unwrap_or(0),
    );
    table.same("shared: failed", 0, count("/totals/failed").unwrap_or(1));
    let opened = count("/events/connection_opened");
    table.at_most(
        "shared: connections",
        CONNECTIONS_MAX,
        opened.map_or(f64::NAN, |opened| opened as f64),
        "in all",
    );
    Ok(())
}
