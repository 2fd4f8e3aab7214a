//! `mistress check`: runs one user, once per scenario or as in a run, and shows everything it does.

mod run_pass;
mod trace;

use super::console::{self, Stream};
use super::exit::{Exit, Failure};
use super::input;
use super::prepare::{Cpus, Loaded};
use super::threshold_names;
use crate::cli::CheckArguments;
use crate::render::flow::{Paint, Style};
use crate::render::format;
use anyhow::anyhow;
use config::{Arrivals, Cores, Curve, Limits, Load, Model, Plan, Weighted};
use engine::SingleUser;
use run_pass::PassOutcome;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::time::Duration;

/// Time limit of the user: long enough for scripts that wait for minutes.
const TIME_MAX: Duration = Duration::from_secs(3_600);
/// Users that are checked have at least this number.
const NUMBER_MIN: u64 = 1_000_000;
/// One arrival, at the start: 1000/s for 1 ms.
const ONE_ARRIVAL: (Duration, f64, f64) = (Duration::from_millis(1), 1_000.0, 1_000.0);

/// Runs each scenario once and prints what it does.
///
/// # Errors
/// Anything that keeps it from starting.
pub fn execute(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let plan = input::plan(&arguments.input)?;
    let passes = match arguments.user {
        Some(number) => vec![one_user(&plan, number, arguments)?],
        None => each_scenario(&plan, arguments.scenario.as_deref())?,
    };
    let allowed = engine::allowed_cpus();
    let cpus = Cpus::choose(&Cores::Count(1), &plan.target, &allowed, None)?;
    engine::preflight(cpus.rings(&plan.target))?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::failed)?;
    let loaded = Loaded::start(&plan, &cpus)?;
    let style = Stream::Out.style(arguments.no_color);
    let source = match arguments.input.source.to_str() {
        Some("-") => &plan.profile_path,
        _ => &arguments.input.source,
    };
    let source = format::escape(&source.display().to_string());
    Stream::Out.print(&format!("{source} → {}\n", format::escape(&loaded.title())));
    for line in threshold_names::unmentioned(&plan)
        .into_iter()
        .chain(loaded.notice())
    {
        let line = format!("notice: {}\n", format::escape(&line));
        Stream::Out.print(&style.apply(Paint::Warn, &line));
    }
    let mut well = true;
    for Pass { head, plan, only } in passes {
        Stream::Out.print(&format!("\n{}\n", style.apply(Paint::Strong, &head)));
        let cpu = cpus.load[0];
        let done = run_pass::run_pass(
            Arc::new(plan),
            &loaded.origin,
            cpu,
            &mut signals,
            only,
            style,
        )?;
        Stream::Out.print(&closing(&done, style));
        well &= done.succeeded();
        if let Some(error) = done.error {
            console::print_error(&Failure::failed(error));
        }
        match done.signal {
            Some(SIGTERM) => return Ok(Exit::Terminated),
            Some(_) => return Ok(Exit::Interrupted),
            None => {}
        }
    }
    Ok(if well { Exit::Done } else { Exit::Failed })
}

/// One pass, with its heading.
struct Pass {
    head: String,
    plan: Plan,
    only: Option<SingleUser>,
}

/// One pass for each scenario of the plan, or for the named one.
fn each_scenario(plan: &Plan, named: Option<&str>) -> Result<Vec<Pass>, Failure> {
    let names = match named {
        Some(name) => vec![name.to_owned()],
        None => scenario_names(plan),
    };
    // none of the run's, so that what is unique to a user of the run is left to it
    let users = plan.loads.iter().map(users_max).max().unwrap_or(0);
    let first = 10_u64.pow(users.max(NUMBER_MIN).ilog10() + u32::from(users >= NUMBER_MIN));
    let pass = |index: usize| {
        Ok(Pass {
            head: format!("scenario {}", format::escape(&names[index])),
            plan: one_arrival(plan, &names, index)?,
            only: Some(SingleUser {
                load: 0,
                number: first + index as u64,
                passes: 1,
                is_apart: true,
            }),
        })
    };
    (0..names.len()).map(pass).collect()
}

/// The pass of one user of a run.
fn one_user(plan: &Plan, number: u64, arguments: &CheckArguments) -> Result<Pass, Failure> {
    let refused = |message: String| Err(Failure::usage(anyhow!(message)));
    let load_number = usize::from(arguments.load);
    let load_index = load_number.checked_sub(1);
    let Some(load) = load_index.and_then(|index| plan.loads.get(index)) else {
        let loads = plan.loads.len();
        return refused(format!(
            "--load: found {load_number}, expected 1 to {loads}"
        ));
    };
    let (kind, passes) = match &load.model {
        Model::Open { iterations, .. } => ("arrival", *iterations),
        Model::Closed { .. } => ("user", 1),
    };
    let users = users_max(load);
    if number >= users {
        return refused(format!(
            "--user: found {number}, but load {load_number} has at most {users}, counted from 0"
        ));
    }
    let mut plan = plan.clone();
    plan.drain = TIME_MAX;
    plan.limits = Limits::default();
    Ok(Pass {
        head: format!("{kind} {number} of load {load_number}, seed {}", plan.seed),
        plan,
        only: Some(SingleUser {
            load: load_number - 1,
            number,
            passes,
            is_apart: false,
        }),
    })
}

/// No user of the load has this number or a higher one. The number of Poisson arrivals is random;
/// of them it is far beyond what comes.
fn users_max(load: &Load) -> u64 {
    let users = match &load.model {
        Model::Open {
            arrivals: Arrivals::Poisson,
            rate,
            ..
        } => 2.0 * rate.total() + 10_000.0,
        Model::Open { rate, .. } => rate.total(),
        Model::Closed { users, .. } => users.max(),
    };
    users.ceil() as u64
}

/// The scenarios of a plan, without duplicates.
fn scenario_names(plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for scenario in plan.loads.iter().flat_map(|load| &load.scenarios) {
        if !names.contains(&scenario.name) {
            names.push(scenario.name.clone());
        }
    }
    names
}

/// Changes the plan to one user that runs scenario `chosen` of `names` once.
fn one_arrival(plan: &Plan, names: &[String], chosen: usize) -> Result<Plan, Failure> {
    let rate = Curve::new(&[ONE_ARRIVAL]).ok_or_else(|| Failure::failed(anyhow!("no curve")))?;
    // The other scenarios stay, so that a missing one is reported before the first request. Next to
    // 1 their weight vanishes in rounding, so they are never chosen.
    let weighted = |name: &String, weight| Weighted {
        name: name.clone(),
        weight,
    };
    let others = names.iter().filter(|name| **name != names[chosen]);
    let others = others.map(|name| weighted(name, f64::MIN_POSITIVE));
    let scenarios = std::iter::once(weighted(&names[chosen], 1.0))
        .chain(others)
        .collect();
    let rate_length = rate.duration();
    let model = Model::Open {
        arrivals: Arrivals::Even,
        rate,
        users_max: Some(1),
        iterations: 1,
    };
    let mut plan = plan.clone();
    let start = Duration::ZERO;
    plan.loads = vec![Load {
        scenarios,
        model,
        phase_ends: vec![rate_length],
        start,
    }];
    plan.drain = TIME_MAX;
    plan.limits = Limits::default();
    Ok(plan)
}

/// The outcome of a scenario and its checks.
fn closing(done: &PassOutcome, style: Style) -> String {
    let mut text = String::new();
    for check in &done.summary.checks {
        let name = format::escape(&check.name);
        let (passed, failed) = (check.passed, check.failed);
        let times = if passed + failed > 1 {
            format!("  ({passed} of {})", passed + failed)
        } else {
            String::new()
        };
        let line = match failed {
            0 => style.apply(Paint::Good, &format!("  check passed  {name}{times}")),
            _ => style.apply(Paint::Bad, &format!("  check FAILED  {name}{times}")),
        };
        text.push_str(&line);
        text.push('\n');
    }
    let counts = &done.summary.totals.counts;
    let requests = format!(
        "{} {}, {} failed",
        counts.sent,
        if counts.sent == 1 {
            "request"
        } else {
            "requests"
        },
        counts.failed
    );
    let (paint, word) = if done.succeeded() {
        (Paint::Good, "ok")
    } else {
        (Paint::Bad, "NOT OK")
    };
    text.push_str(&format!("{}  {requests}\n", style.apply(paint, word)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "[run]\nscript = \"Cargo.toml\"\ntarget = \"builtin\"\n\
        [[load]]\nmodel = \"open\"\nscenarios = { a = 7, b = 3 }\nphases = [{ rate = \"9/s\", for = \"9s\" }]\n\
        [[load]]\nmodel = \"closed\"\nscenarios = { b = 1, c = 1 }\nphases = [{ users = 2, for = \"9s\" }]\n";

    #[test]
    fn one_user_arrives_and_runs_the_scenario_chosen() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("x.toml");
        let plan = config::parse(PROFILE, &file).unwrap();
        let names = scenario_names(&plan);
        assert_eq!(names, ["a", "b", "c"]);
        let one = one_arrival(&plan, &names, 1).unwrap();
        let load = &one.loads[0];
        assert_eq!(load.model.curve().total(), 1.0);
        let order: Vec<&str> = load.scenarios.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(order, ["b", "a", "c"]);
        assert_eq!(load.scenarios.iter().map(|s| s.weight).sum::<f64>(), 1.0);
    }
}
