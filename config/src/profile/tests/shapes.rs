//! Shapes of phases: the curves they become, and what is said of wrong ones.

use std::time::Duration;

use super::*;
use crate::{Arrivals, Curve, Model};

/// The curve of a load with these phases.
fn curve(model: &str, phases: &str) -> Curve {
    let load = format!("[[load]]\nmodel = \"{model}\"\nscenarios = \"a\"\nphases = [{phases}]\n");
    plan(&format!("{RUN}{load}")).loads[0].model.curve().clone()
}

fn pieces(phases: &[(f64, f64, f64)]) -> Curve {
    let pieces: Vec<_> = phases
        .iter()
        .map(|&(s, from, to)| (Duration::from_secs_f64(s), from, to))
        .collect();
    Curve::new(&pieces).unwrap()
}

#[test]
fn shapes_become_pieces_of_the_curve() {
    let rows = [
        (
            "open",
            "{ steps = [\"10/s\", \"30/s\"], each = \"2s\" }, { pause = \"1s\" }",
            pieces(&[(2.0, 10.0, 10.0), (2.0, 30.0, 30.0), (1.0, 0.0, 0.0)]),
        ),
        (
            "open",
            "{ spike = [\"10/s\", \"1k/s\"], for = \"9s\" }",
            pieces(&[(3.0, 10.0, 10.0), (3.0, 1000.0, 1000.0), (3.0, 10.0, 10.0)]),
        ),
        (
            "closed",
            "{ steps = [1, 0, 3], each = \"1s\" }, { spike = [2, 8], for = \"3s\" }",
            pieces(&[
                (1.0, 1.0, 1.0),
                (1.0, 0.0, 0.0),
                (1.0, 3.0, 3.0),
                (1.0, 2.0, 2.0),
                (1.0, 8.0, 8.0),
                (1.0, 2.0, 2.0),
            ]),
        ),
    ];
    for (model, phases, expected) in rows {
        assert_eq!(curve(model, phases), expected, "{phases}");
    }
}

#[test]
fn a_sine_stays_by_its_curve_and_has_its_mean() {
    let sine =
        "{ sine = { mean = \"100/s\", amplitude = \"60/s\", period = \"10s\" }, for = \"25s\" }";
    let curve = curve("open", sine);
    assert_eq!(curve.duration(), Duration::from_secs(25));
    for ms in 0..25_000 {
        let t = f64::from(ms) / 1e3;
        let wanted = 100.0 + 60.0 * (std::f64::consts::TAU * t / 10.0).sin();
        let found = curve.at(Duration::from_millis(u64::from(ms as u32)));
        // A chord of 1/48 of a period is off by 1 - cos(pi / 48) of the amplitude at most.
        let off = 60.0 * (1.0 - (std::f64::consts::PI / 48.0).cos());
        assert!(
            (found - wanted).abs() <= off + 1e-6,
            "{t} s: {found}, wanted {wanted}"
        );
    }
    // Two whole periods and a half, of which the half is above the mean by 2/pi of the amplitude.
    let wanted = 2500.0 + 60.0 * 10.0 / std::f64::consts::PI;
    assert!(
        (curve.total() - wanted).abs() < 1.0,
        "{} of {wanted}",
        curve.total()
    );
}

#[test]
fn offsets_passes_and_jitter_are_part_of_the_load() {
    let load = "start = \"5s\"\niterations = 3\narrivals = \"jittered\"\n";
    let plan = plan(&format!("{RUN}{LOAD}{load}"));
    assert_eq!(plan.duration(), Duration::from_secs(6));
    let Model::Open {
        arrivals,
        iterations,
        ..
    } = plan.loads[0].model
    else {
        panic!("an open load");
    };
    assert_eq!((arrivals, iterations), (Arrivals::Jittered, 3));
}

#[test]
fn wrong_shapes_are_reported_with_what_is_allowed() {
    let open = |phase: &str, expected: &[&str]| {
        let load = format!("[[load]]\nmodel = \"open\"\nscenarios = \"a\"\nphases = [\n{phase}]\n");
        check(&format!("{RUN}{load}"), expected);
    };
    open(
        "{ pause = \"1s\" }",
        &["7:10: found phases that generate no load"],
    );
    open(
        "{ pause = 1 }",
        &["8:11: found the number 1 without a unit"],
    );
    open(
        "{ steps = [], each = \"1s\" }",
        &["8:11: found an array, expected an array of 1 to 1000 levels"],
    );
    open(
        "{ steps = [\"1/s\"] }",
        &["8:1: missing `load.phases.each`"],
    );
    open(
        "{ steps = [1], each = \"1s\", for = \"1s\" }",
        &[
            "8:12: found the number 1 without a unit",
            "8:29: unknown key `for`",
        ],
    );
    open(
        "{ spike = [\"1/s\"], for = \"1s\" }",
        &["8:11: found an array, expected the base and the peak"],
    );
    open(
        "{ sine = { mean = \"1/s\", amplitude = \"2/s\", period = \"1s\" }, for = \"1s\" }",
        &["8:10: found an amplitude above the mean"],
    );
    open(
        "{ sine = { mean = \"1/s\", amplitude = \"1/s\", period = \"1s\" }, for = \"1d\" }",
        &["8:10: found more than 1000 periods"],
    );
    open(
        "{ sine = { mean = \"1/s\", amplitude = \"1/s\", period = \"1ms\" }, for = \"1s\" }",
        &["8:54: found \"1ms\", expected a duration from \"100ms\""],
    );
    let closed = "[[load]]\nmodel = \"closed\"\nscenarios = \"a\"\nphases = [\n\
                  { sine = { mean = \"1/s\", amplitude = \"1/s\", period = \"1s\" }, for = \"1s\" }]\n";
    check(
        &format!("{RUN}{closed}iterations = 2\nstart = \"31d\"\n"),
        &[
            "8:3: `sine` is only allowed in open loads",
            "9:1: `iterations` is only allowed in open loads",
            "10:9: found \"31d\", expected a duration of at most \"30d\"",
        ],
    );
}
