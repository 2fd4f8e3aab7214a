//! Three clients on one server that freezes 1 s of each 10 s: what each says of it.

use std::process::Command;
use std::time::Duration;

use testkit::origin::{Behaviour, Origin};
use testkit::truth::{Figure, l2};

use super::rows;
use crate::Failure;
use crate::project::find_program;
use crate::run;

const LENGTH: Duration = Duration::from_secs(60);
const SLACK: Duration = Duration::from_secs(60);
/// Users of wrk, and of hey, which asks 20 times a second with each of them.
const USERS: u32 = 50;
const QUANTILES: [f64; 5] = [0.5, 0.75, 0.9, 0.95, 0.99];
/// Off the truth by no more than L2 allows: twice the base service time, a gap, and 3 ms.
const TOLERANCE_MS: f64 = 14.0;

/// What a client said, in milliseconds; NaN where it says nothing.
struct Told {
    client: &'static str,
    quantiles: [f64; 5],
    max: f64,
    requests: f64,
}

/// Runs all of them and prints who tells the truth; false when mistress does not.
pub fn run() -> Result<bool, Failure> {
    crate::setup::install(&[("wrk", "wrk"), ("hey", "hey")])?;
    let truth = l2();
    let known = |figure: Figure| {
        let found = truth
            .expected
            .iter()
            .find(|expected| expected.figure == figure);
        found.map_or(f64::NAN, |expected| expected.value)
    };
    println!(
        "a server of 5 ms that is frozen 1 s of each 10 s; asked for: 1000/s for {LENGTH:?}\n"
    );
    println!(
        "{:24} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "latency in ms", "p50", "p75", "p90", "p95", "p99", "max", "requests"
    );
    // L2's formula gives p90 as its quantile: f = 0.1, so p90 is where the frozen part begins.
    let expected = Told {
        client: "the truth",
        quantiles: [
            known(Figure::Latency(0.5)),
            known(Figure::Latency(0.75)),
            f64::NAN,
            known(Figure::Latency(0.95)),
            known(Figure::Latency(0.99)),
        ],
        max: known(Figure::LatencyMax),
        requests: known(Figure::Sent),
    };
    print(&expected, None);
    let mut honest = false;
    for (place, ask) in [mistress, wrk, hey].into_iter().enumerate() {
        let server = Behaviour {
            cpu: Some(0),
            ..truth.server.clone()
        };
        let origin = Origin::start(server);
        let told = ask(&origin.url())?;
        drop(origin);
        let holds = print(&told, Some(&expected));
        honest |= place == 0 && holds;
    }
    println!(
        "\n`true` is within {TOLERANCE_MS} ms of the truth at p50, p75, p95, p99 and the maximum, with at least \
         99 % of the requests.\nwrk is closed: its {USERS} users wait out each freeze, and what they \
         did not ask is in no percentile."
    );
    Ok(honest)
}

/// A line of the table; whether it is true to `expected`.
fn print(told: &Told, expected: Option<&Told>) -> bool {
    let holds = expected.is_some_and(|expected| {
        let pairs = told.quantiles.iter().zip(&expected.quantiles);
        let near = |a: f64, b: f64| b.is_nan() || (a - b).abs() <= TOLERANCE_MS;
        pairs.into_iter().all(|(a, b)| near(*a, *b))
            && near(told.max, expected.max)
            && told.requests >= 0.99 * expected.requests
    });
    let word = match expected {
        None => "",
        Some(_) if holds => "true",
        Some(_) => "NOT TRUE",
    };
    let number = |value: &f64| {
        if value.is_nan() {
            "-".to_owned()
        } else {
            format!("{value:.1}")
        }
    };
    let cells: Vec<String> = told
        .quantiles
        .iter()
        .map(|q| format!("{:>9}", number(q)))
        .collect();
    println!(
        "{:24} {} {:>9} {:>9.0}  {word}",
        told.client,
        cells.join(" "),
        number(&told.max),
        told.requests
    );
    holds
}

fn mistress(url: &str) -> Result<Told, Failure> {
    let (result, _) = rows::mistress(&l2().profile("p.lua", "main", url, 1), LENGTH)?;
    let of = |figure| rows::result_figure(&result, figure);
    Ok(Told {
        client: "mistress, open 1000/s",
        quantiles: QUANTILES.map(|q| of(Figure::Latency(q))),
        max: of(Figure::LatencyMax),
        requests: of(Figure::Ok),
    })
}

fn wrk(url: &str) -> Result<Told, Failure> {
    let mut command = Command::new(find_program("wrk").ok_or("wrk: not installed")?);
    command.args([
        "-t",
        "1",
        "-c",
        &USERS.to_string(),
        "-d",
        &format!("{}s", LENGTH.as_secs()),
    ]);
    // A thread of it dies of a reply that takes longer than its time limit of 2 s.
    command.args(["--latency", "--timeout", "10s", &format!("{url}/")]);
    let text = run::capture(command, LENGTH + SLACK)?.stdout;
    let quantile = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.and_then(|rest| time_ms(rest.trim()))
            .unwrap_or(f64::NAN)
    };
    let latency = text.lines().find(|line| {
        line.trim().starts_with("Latency ")
            && line.contains('%')
            && line.split_whitespace().count() == 5
    });
    let max = latency.and_then(|line| time_ms(line.split_whitespace().nth(3)?));
    let requests = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    Ok(Told {
        client: "wrk, 50 users (closed)",
        quantiles: [
            quantile("50%"),
            quantile("75%"),
            quantile("90%"),
            f64::NAN,
            quantile("99%"),
        ],
        max: max.unwrap_or(f64::NAN),
        requests: requests.ok_or("wrk: no result")?,
    })
}

fn hey(url: &str) -> Result<Told, Failure> {
    let mut command = Command::new(find_program("hey").ok_or("hey: not installed")?);
    command.args([
        "-z",
        &format!("{}s", LENGTH.as_secs()),
        "-c",
        &USERS.to_string(),
        "-q",
        "20",
    ]);
    command.arg(format!("{url}/"));
    let text = run::capture(command, LENGTH + SLACK)?.stdout;
    let seconds = |line: &str| line.split_whitespace().next()?.parse::<f64>().ok();
    let quantile = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.and_then(seconds).map_or(f64::NAN, |s| s * 1e3)
    };
    let requests = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("[200]").and_then(seconds));
    Ok(Told {
        client: "hey, 50 users x 20/s",
        quantiles: [
            quantile("50% in"),
            quantile("75% in"),
            quantile("90% in"),
            quantile("95% in"),
            quantile("99% in"),
        ],
        max: quantile("Slowest:"),
        requests: requests.ok_or("hey: no result")?,
    })
}

/// wrk's lengths of time in milliseconds: `5.00ms`, `1.01s`.
fn time_ms(text: &str) -> Option<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 60e3)];
    let found = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = found?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_wrk_have_units() {
        for (text, ms) in [
            ("350.00us", 0.35),
            ("5.10ms", 5.1),
            ("1.01s", 1010.0),
            ("1.50m", 90_000.0),
        ] {
            let found = time_ms(text).unwrap_or(f64::NAN);
            assert!((found - ms).abs() < 1e-6, "{text}: {found}");
        }
        assert_eq!(time_ms("x"), None);
    }
}
