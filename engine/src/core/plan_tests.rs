//! The same profile and seed give the same plan to the byte, however it is spread over cores and
//! segments: arrivals, scenarios, data rows, random draws.

use crate::core::schedule::{Schedule, Start};
use crate::feeder::{Asker, Feeder, Sources};
use crate::pacing::{Purpose, Segment, Share, stream};
use config::{Order, Plan, random};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Passes of a closed user that are looked at.
const PASSES: u32 = 3;
const SCENARIOS: [&str; 3] = ["browse", "buy", "poll"];

/// One phase of an open load.
fn open_phase() -> impl Strategy<Value = String> {
    let rate = || 0.0..300.0f64;
    let time = || 100..2_500u64;
    prop_oneof![
        (rate(), time()).prop_map(|(r, t)| format!("{{ rate = \"{r:.3}/s\", for = \"{t}ms\" }}")),
        (rate(), rate(), time()).prop_map(|(a, b, t)| {
            format!("{{ rate = [\"{a:.3}/s\", \"{b:.3}/s\"], for = \"{t}ms\" }}")
        }),
        time().prop_map(|t| format!("{{ pause = \"{t}ms\" }}")),
        (rate(), rate(), time()).prop_map(|(a, b, t)| {
            let to = a.max(b) + 1.0;
            format!("{{ spike = [\"{a:.3}/s\", \"{to:.3}/s\"], for = \"{t}ms\" }}")
        }),
    ]
}

fn scenarios() -> impl Strategy<Value = String> {
    (1..9u32, 1..9u32, 1..9u32)
        .prop_map(|(a, b, c)| format!("{{ browse = {a}, buy = {b}, poll = {c} }}"))
}

fn load() -> impl Strategy<Value = String> {
    let spacing = prop::sample::select(vec!["even", "poisson", "jittered"]);
    let open = (spacing, scenarios(), 0..3_000u64, 1..4u32);
    let open = (open, prop::collection::vec(open_phase(), 1..4)).prop_map(
        |((spacing, scenarios, start, passes), phases)| {
            let phases = phases.join(", ");
            format!(
                "model = \"open\"\narrivals = \"{spacing}\"\nscenarios = {scenarios}\n\
                 start = \"{start}ms\"\niterations = {passes}\n\
                 phases = [{{ rate = \"10/s\", for = \"300ms\" }}, {phases}]\n"
            )
        },
    );
    let closed = (scenarios(), 1..2_500u32, 0..2_500u32, 500..4_000u64).prop_map(
        |(scenarios, from, to, time)| {
            format!(
                "model = \"closed\"\nscenarios = {scenarios}\n\
                 phases = [{{ users = [{from}, {to}], for = \"{time}ms\" }}]\n"
            )
        },
    );
    prop_oneof![open, closed]
}

fn profile() -> impl Strategy<Value = String> {
    let order = prop::sample::select(vec!["sequential", "shuffled", "random", "unique"]);
    let loads = prop::collection::vec(load(), 1..4);
    (loads, any::<u32>(), order).prop_map(|(loads, seed, order)| {
        let loads: String = loads
            .iter()
            .map(|load| format!("[[load]]\n{load}"))
            .collect();
        format!(
            "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\nseed = {seed}\n{loads}\
             [data.rows]\nfile = \"rows.csv\"\norder = \"{order}\"\n"
        )
    })
}

/// One core's part of the plan: a line per user in the order of time.
fn lines(plan: &Plan, sources: &Arc<Sources>, share: Share) -> Vec<String> {
    let names = SCENARIOS.map(str::to_owned);
    let mut schedule = Schedule::new(plan, share, &names).expect("the scenarios are there");
    let mut feeder = Feeder::new(Arc::clone(sources), plan.seed);
    let all = schedule.all();
    let line = |start| line(plan, &schedule, &mut feeder, start);
    all.into_iter().map(line).collect()
}

fn line(plan: &Plan, schedule: &Schedule, feeder: &mut Feeder, start: Start) -> String {
    let Start {
        load,
        number,
        due,
        until,
        passes,
    } = start;
    let mut line = format!("{:>20} {load} {number}", due.as_nanos());
    if let Some(until) = until {
        let _ = write!(line, " until {}", until.as_nanos());
    }
    for pass in 0..passes.min(PASSES) {
        let _ = write!(
            line,
            " {}",
            SCENARIOS[schedule.scenario(load, number, pass) as usize]
        );
    }
    let key = stream(Purpose::User, load, number);
    for drawn in 0..2 {
        let chance = random::bits(plan.seed, key, drawn);
        let _ = write!(line, " {chance:016x}");
    }
    // Unique rows are one walk for all loads: two users that want the same one can't both have it.
    if plan.data[0].order == Order::Unique && plan.loads.len() > 1 {
        return line;
    }
    // One row per pass of an arrival, and for a closed user the first.
    let rows = if until.is_some() { 1 } else { passes };
    for pass in 0..rows {
        let chance = random::bits(plan.seed, key, u64::from(pass));
        let asker = Asker { load, number, pass };
        let row = feeder.row("rows", asker, chance);
        let row = row.expect("a row can be read").expect("there are more");
        let _ = write!(line, " {}", row.0[0].1);
    }
    line
}

/// The plan as it comes out of `segments` processes of `cores` cores each.
fn whole(plan: &Plan, weights: &[f64], cores: u32) -> String {
    let mut all: Vec<String> = (1..=weights.len())
        .flat_map(|index| {
            let segment = Segment::of(index, weights).expect("a segment of the run");
            let sources = Arc::new(Sources::open(plan, segment).expect("the rows are read"));
            (0..cores).flat_map(move |core| lines(plan, &sources, Share::new(segment, core, cores)))
        })
        .collect();
    all.sort_unstable();
    all.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(12), ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_plan(
        text in profile(),
        cores in 2..6u32,
        weights in prop::collection::vec(0.1..9.0f64, 2..5),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        // More rows than there are places of users, so that each has one of its own.
        let rows = "id\n".to_owned() + &(0..60_000).map(|n| format!("{n}\n")).collect::<String>();
        std::fs::write(dir.path().join("rows.csv"), rows).expect("the rows are written");
        let path = dir.path().join("p.toml");
        let plan = config::parse(&text, Path::new(&path)).expect("a good profile");
        let one = whole(&plan, &[1.0], 1);
        prop_assert!(one.lines().count() > 0);
        prop_assert_eq!(&one, &whole(&plan, &[1.0], 2), "two cores");
        prop_assert_eq!(&one, &whole(&plan, &[1.0], cores), "{} cores", cores);
        prop_assert_eq!(&one, &whole(&plan, &weights, cores), "{:?}", weights);
    }
}
