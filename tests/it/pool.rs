//! Connections that outlive a user (`pool = "shared"`), as a user of the program has them.

use crate::binary::{Scratch, can_run, conserved, count};
use crate::harness::{ONE_REQUEST, event, measuring, run_table, server_cpu, settled};
use serde_json::Value;
use std::time::Duration;
use testkit::origin::{Behaviour, Origin};

const SHARED: &str = "[connections]\npool = \"shared\"\n";

/// Open, even arrivals.
fn arrivals(per_s: u32, millis: u32) -> String {
    format!(
        "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
         phases = [{{ rate = \"{per_s}/s\", for = \"{millis}ms\" }}]\n"
    )
}

/// Two thousand users in a second, each with one request: all succeed, over a tenth of the
/// connections that they would have of their own. An answer takes less than a millisecond, so two
/// would do; what is allowed besides are those that come while the machine is away for 100 ms.
pub fn few_connections_do(done: crate::binary::Done, result: &Value) {
    settled(done, result);
    assert_eq!(count(result, "/totals/ok"), 2_000, "{}", result["failures"]);
    let opened = event(result, "connection_opened");
    assert!((1..=200).contains(&opened), "{opened} connections");
    assert_eq!(event(result, "connection_reused"), 2_000 - opened);
}

#[test]
fn two_thousand_users_a_second_need_few_connections() {
    let Some(_alone) = measuring() else { return };
    let origin = Origin::start(Behaviour {
        cpu: server_cpu(),
        ..Behaviour::fixed(Duration::ZERO)
    });
    let profile = run_table(&origin.url()) + SHARED + &arrivals(2_000, 1_000);
    let scratch = Scratch::of(&profile, ONE_REQUEST);
    let done = scratch.run(&["--quiet", "--cores", "1"]);
    let result = scratch.result();
    few_connections_do(done, &result);
    let report = origin.stop();
    assert_eq!(report.received, 2_000);
    assert_eq!(
        report.connections_opened,
        event(&result, "connection_opened")
    );
}

/// The end of the drain cuts off requests that are under way and requests that wait: none is
/// lost, and a connection whose reply nobody awaits any more is not left open.
#[test]
fn what_the_end_of_a_run_cuts_off_is_unfinished() {
    let Some(_alone) = measuring() else { return };
    let origin = Origin::start(Behaviour::fixed(Duration::from_millis(1_000)));
    let table = run_table(&origin.url()) + "drain = \"0s\"\n";
    let profile = format!("{table}{SHARED}per_origin = 5\n{}", arrivals(100, 500));
    let scratch = Scratch::of(&profile, ONE_REQUEST);
    scratch.run(&["--quiet", "--cores", "1"]).expect(1);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/sent"), 50);
    assert_eq!(count(&result, "/totals/unfinished"), 50);
    assert_eq!(event(&result, "connection_opened"), 5);
    assert_eq!(event(&result, "connection_closed"), 5);
    assert_eq!(origin.stop().connections_opened, 5);
}

#[test]
fn a_renewal_with_a_shared_pool_is_refused_by_check() {
    if !can_run() {
        return;
    }
    let profile = format!(
        "{}{SHARED}renew = \"request\"\n{}",
        run_table("http://127.0.0.1:9"),
        arrivals(1, 1_000)
    );
    let scratch = Scratch::of(&profile, ONE_REQUEST);
    let done = crate::binary::run(&["check", &scratch.profile()]);
    done.expect(2).complains(&["renew", "pool = \"shared\""]);
}
