//! The rows of the table, one after the other, and those that are tests.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::origin::{Behaviour, Origin, Report};
use testkit::truth::{Figure, Truth};

use crate::Failure;
use crate::bench::client::Scratch;
use crate::project::{cargo, release_binary};
use crate::run::{self, Limit};

/// What a run may take beyond its load: starting, draining, reporting.
const SLACK: Duration = Duration::from_secs(150);
/// Rows that need more than a server and a load; each is a test of its own.
const TESTS: [(&str, &str, &str); 5] = [
    (
        "L12",
        "mistress",
        "l12_a_busy_script_is_seen_in_latency_lag_and_window",
    ),
    (
        "L13",
        "mistress",
        "l13_late_replies_never_answer_another_request",
    ),
    (
        "L14",
        "mistress-stats",
        "percentiles_of_parts_are_merged_not_averaged",
    ),
    ("L15", "mistress", "conservation::"),
    (
        "L9",
        "mistress",
        "l9_dropped_arrivals_are_counted_and_doubted",
    ),
];

/// Measures the rows, all or those of `ids`; false when one is wrong.
pub fn run(truths: &[Truth], ids: &[&str]) -> Result<bool, Failure> {
    let wanted = |id: &str| ids.is_empty() || ids.contains(&id);
    let mut wrong = Vec::new();
    let mut figures = 0;
    for truth in truths.iter().filter(|truth| wanted(truth.id)) {
        figures += truth.expected.len();
        let failed = measure(truth)?;
        if failed > 0 {
            wrong.push(format!("{} ({failed})", truth.id));
        }
    }
    for (id, package, name) in TESTS.iter().filter(|(id, ..)| wanted(id)) {
        println!("\n{id}  test {name}");
        let args = ["test", "--quiet", "--package", package, name];
        let mut ran = 0;
        let end = run::lines(cargo(&args), Limit::None, |_, line| {
            if let Some(rest) = line.strip_prefix("test result: ") {
                let count = rest
                    .split_whitespace()
                    .nth(1)
                    .and_then(|n| n.parse::<u32>().ok());
                ran += count.unwrap_or(0);
            }
        })?;
        let holds = end.is_success() && ran > 0;
        println!("  {ran} passed  {}", if holds { "ok" } else { "WRONG" });
        if !holds {
            wrong.push((*id).to_owned());
        }
    }
    let sum = if wrong.is_empty() {
        "all of them hold".to_owned()
    } else {
        format!("WRONG: {}", wrong.join(", "))
    };
    println!("\n{figures} figures and the tests: {sum}");
    Ok(wrong.is_empty())
}

/// One row; how many of its figures are wrong.
fn measure(truth: &Truth) -> Result<usize, Failure> {
    println!("\n{}  {}", truth.id, truth.title);
    let origin = Origin::start(Behaviour {
        cpu: Some(0),
        ..truth.server.clone()
    });
    let (result, _) = mistress(
        &truth.profile("p.lua", "main", &origin.url(), 1),
        truth.load.length(),
    )?;
    let report = origin.stop();
    let mut wrong = 0;
    for verdict in truth.verdicts(|figure| measured(&result, &report, truth, figure)) {
        println!("  {verdict}");
        wrong += usize::from(!verdict.holds());
    }
    let state = result["verdict"]["state"].as_str().unwrap_or("missing");
    match truth.verdict {
        Some(expected) if expected != state => {
            wrong += 1;
            println!("  verdict {state}, expected {expected}  WRONG");
        }
        _ => println!("  verdict {state}"),
    }
    if wrong > 0 {
        println!(
            "  the server's own: late at most {:.3} ms",
            report.late_max_ns as f64 / 1e6
        );
        println!("  {}", result["verdict"]);
    }
    Ok(wrong)
}

/// Runs a profile of one request per iteration on one core; its result, and what it printed.
pub fn mistress(profile: &str, length: Duration) -> Result<(Value, String), Failure> {
    let script = "return { main = function(user) user:get('/') end }";
    with_script(profile, script, length)
}

/// Runs a profile for `p.lua` on the last processor.
pub fn with_script(
    profile: &str,
    script: &str,
    length: Duration,
) -> Result<(Value, String), Failure> {
    let scratch = Scratch::new("truth")?;
    std::fs::write(scratch.file("p.toml"), profile)?;
    std::fs::write(scratch.file("p.lua"), script)?;
    let mut command = Command::new(release_binary("mistress"));
    command.env("MISTRESS_STATS", "off");
    command.arg("run").arg(scratch.file("p.toml"));
    command
        .args(["--quiet", "--cores", "1", "--json"])
        .arg(scratch.file("r.json"));
    let captured = run::capture(command, length + SLACK)?;
    let result = serde_json::from_str(&std::fs::read_to_string(scratch.file("r.json"))?)?;
    Ok((result, captured.stdout))
}

fn measured(result: &Value, report: &Report, truth: &Truth, figure: Figure) -> f64 {
    if let Figure::OverServer(q) = figure {
        let own = testkit::sample::sorted(report.own_ms());
        return result_figure(result, Figure::Latency(q)) - testkit::sample::quantile(&own, q);
    }
    truth
        .at_server(figure, report)
        .unwrap_or_else(|| result_figure(result, figure))
}

/// A figure that the generator knows, from its JSON result; NaN for those that only the server
/// does.
pub fn result_figure(result: &Value, figure: Figure) -> f64 {
    let at = |pointer: &str| {
        result
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    };
    let ms = |pointer: String| at(&pointer) / 1e3;
    match figure {
        Figure::Latency(q) => ms(format!("/latency/{}", percentile(q))),
        Figure::LatencyMin => ms("/latency/min_us".to_owned()),
        Figure::LatencyMax => ms("/latency/max_us".to_owned()),
        Figure::LatencyMean => ms("/latency/mean_us".to_owned()),
        Figure::FailedLatency(q) => ms(format!("/latency_failed/{}", percentile(q))),
        Figure::Sent => at("/totals/sent"),
        Figure::Ok => at("/totals/ok"),
        // A kind that did not happen is not there.
        Figure::TimedOut => result
            .pointer("/failures/timeout")
            .map_or(0.0, |n| n.as_f64().unwrap_or(f64::NAN)),
        Figure::FailedPercent => {
            let failed = at("/totals/failed") + at("/totals/unfinished");
            100.0 * failed / at("/totals/sent")
        }
        Figure::Rate => at("/throughput/requests_per_s"),
        Figure::Unfinished => at("/totals/unfinished"),
        Figure::DroppedPercent => 100.0 * at("/totals/dropped") / at("/totals/planned"),
        _ => f64::NAN,
    }
}

/// The key of a quantile in the result.
pub fn percentile(q: f64) -> String {
    match q {
        0.0 => "min_us".to_owned(),
        1.0 => "max_us".to_owned(),
        0.999 => "p999_us".to_owned(),
        q => format!("p{}_us", (q * 100.0).round()),
    }
}
