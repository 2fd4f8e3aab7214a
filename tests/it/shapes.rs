//! Shapes of load at the server: steps, pauses, spikes, offsets, and users of several passes.

use crate::binary::{Scratch, conserved, count};
use crate::harness::measuring;

const OPEN: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n";
const SCRIPT: &str = "return { main = function(user) user:get('/') end }";

/// Arrivals planned in each second of a run of `load`.
fn planned(load: &str) -> Vec<u64> {
    let scratch = Scratch::new("stats = false", load, SCRIPT);
    scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    let series = result["series"].as_array().expect("a list");
    let mut seconds = vec![0; series.len()];
    for row in series {
        assert_eq!(count(row, "/seconds"), 1, "{row}");
        seconds[count(row, "/time_s") as usize] = count(row, "/planned");
    }
    while seconds.last() == Some(&0) {
        seconds.pop();
    }
    seconds
}

/// Fails unless each second has what was expected, but for one arrival at its edges.
fn check(load: &str, expected: &[u64]) {
    let found = planned(load);
    assert_eq!(found.len(), expected.len(), "{load}: {found:?}");
    assert_eq!(
        found.iter().sum::<u64>(),
        expected.iter().sum::<u64>(),
        "{load}: {found:?}"
    );
    for (second, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(a.abs_diff(*b) <= 1, "{load}: second {second}: {found:?}");
    }
}

#[test]
fn each_shape_plans_what_it_says() {
    let Some(_alone) = measuring() else { return };
    let phases = |phases: &str| format!("{OPEN}phases = [{phases}]\n");
    check(
        &phases("{ steps = [\"10/s\", \"30/s\"], each = \"1s\" }"),
        &[10, 30],
    );
    check(
        &phases(
            "{ rate = \"20/s\", for = \"1s\" }, { pause = \"1s\" }, { rate = \"20/s\", for = \"1s\" }",
        ),
        &[20, 0, 20],
    );
    check(
        &phases("{ spike = [\"10/s\", \"50/s\"], for = \"3s\" }"),
        &[10, 50, 10],
    );
    // A whole period of a sine has its mean as its mean; its first half more, its second less.
    let sine = planned(&phases(
        "{ sine = { mean = \"50/s\", amplitude = \"50/s\", period = \"2s\" }, for = \"2s\" }",
    ));
    let wanted = 50.0 + 2.0 * 50.0 / std::f64::consts::PI;
    assert_eq!(sine.iter().sum::<u64>(), 100, "{sine:?}");
    assert!(
        (sine[0] as f64 - wanted).abs() < 2.0,
        "{sine:?}, wanted {wanted}"
    );
}

#[test]
fn loads_start_at_their_offsets_and_users_make_their_passes() {
    let Some(_alone) = measuring() else { return };
    let late = format!("{OPEN}start = \"1s\"\nphases = [{{ rate = \"20/s\", for = \"1s\" }}]\n");
    check(&late, &[0, 20]);
    let passes = format!("{OPEN}iterations = 3\nphases = [{{ rate = \"20/s\", for = \"1s\" }}]\n");
    let scratch = Scratch::new("stats = false", &passes, SCRIPT);
    scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/started"), 20);
    assert_eq!(count(&result, "/totals/iterations/finished"), 60);
    assert_eq!(count(&result, "/totals/sent"), 60);
}

#[test]
fn jittered_arrivals_stay_in_their_slots() {
    let Some(_alone) = measuring() else { return };
    let load = format!("{OPEN}phases = [{{ rate = \"100/s\", for = \"2s\" }}]\n")
        .replace("\"even\"", "\"jittered\"");
    // Arrival k is due between k and k + 1 hundredths: no second gains or loses one.
    let found = planned(&load);
    assert_eq!(found, [100, 100]);
}
