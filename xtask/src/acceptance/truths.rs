//! The known answers of loopback, between hosts.

use std::time::Duration;

use testkit::namespaces::Network;
use testkit::origin::{Behaviour, Origin};
use testkit::truth::{self, Truth};

use super::runs::mistress;
use super::table::Table;
use crate::Failure;
use crate::truth::rows;

/// What is measured by a test: the row, and the name of the test.
const TESTS: [(&str, &str); 2] = [
    ("race: tests", "connections_between_hosts_die_the_same_way"),
    (
        "200 MB up and down: tests",
        "large_bodies_between_hosts_take_no_memory_either",
    ),
];

/// Measures L16 (the answers of L1, L2ci and L11), and what tests show in full.
pub fn measure(table: &mut Table, network: &Network) -> Result<(), Failure> {
    let minute = Duration::from_secs(60);
    let truths = [
        truth::l1(minute),
        truth::l2_ci(Duration::from_secs(10)),
        truth::l11_even(minute),
        truth::l11_poisson(minute),
    ];
    for truth in truths {
        if table.wants(truth.id) {
            hold(table, network, &truth)?;
        }
    }
    for (row, name) in TESTS {
        if table.wants(row) {
            table.same(row, 1, rows::tests_passed("mistress", name)?);
        }
    }
    Ok(())
}

/// One row for each figure of a truth, with its server on the second host.
fn hold(table: &mut Table, network: &Network, truth: &Truth) -> Result<(), Failure> {
    let (near, far) = (network.host(0), network.host(1));
    let behaviour = Behaviour {
        cpu: Some(0),
        ..truth.server.clone()
    };
    let ip = far.address();
    let origin = far.within(|| Origin::start_at(ip, behaviour));
    let profile = truth.profile("p.lua", "main", &origin.url(), 1);
    let result = mistress(Some(near), &profile)?.result;
    let report = origin.stop();
    for verdict in truth.verdicts(|figure| rows::measured(&result, &report, truth, figure)) {
        let expected = verdict.expected;
        table.row(
            &format!("{}: {}", truth.id, expected.figure),
            format!("{:.3} to {:.3}", expected.low, expected.high),
            format!("{:.3}", verdict.measured),
            verdict.holds(),
        );
    }
    Ok(())
}
