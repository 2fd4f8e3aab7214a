//! The known answers against a pure simulation of server and load: no clock, no socket.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::origin::{Model, Served};
use crate::random::Random;
use crate::sample::{mean, quantile, sorted};

/// What a perfect generator on a perfect machine reports. Times in milliseconds.
#[derive(Default)]
struct Outcome {
    latencies: Vec<f64>,
    /// From arrival to reply at the server.
    spans: Vec<(f64, f64)>,
    sent: f64,
    dropped: f64,
    timed_out: f64,
    /// Of refused requests.
    refused: Vec<f64>,
    unfinished: f64,
}

fn millis(length: Duration) -> f64 {
    length.as_nanos() as f64 / 1e6
}

fn simulate(truth: &Truth, seed: u64) -> Outcome {
    let mut out = Outcome::default();
    let mut model = Model::new(&truth.server);
    let end_ms = millis(truth.load.length() + truth.drain);
    let serve = |out: &mut Outcome, model: &mut Model, at_ms: f64| {
        let planned = model.arrive((at_ms * 1e6).round() as u64);
        let due_ms = planned.due_ns as f64 / 1e6;
        let latency = due_ms - at_ms;
        out.sent += 1.0;
        out.spans.push((at_ms, due_ms));
        if planned.is_refused {
            out.refused.push(latency);
        } else if latency > millis(truth.timeout) {
            out.timed_out += 1.0;
        } else if due_ms > end_ms {
            out.unfinished += 1.0;
        } else {
            out.latencies.push(latency);
        }
        due_ms
    };
    match truth.load {
        Load::Open {
            rate_per_s,
            length,
            arrivals,
            users_max,
        } => {
            let mut random = Random::new(seed);
            let mut busy = BinaryHeap::new();
            for at_ms in planned(rate_per_s, length, arrivals, &mut random) {
                while busy
                    .peek()
                    .is_some_and(|Reverse(t)| *t as f64 / 1e6 <= at_ms)
                {
                    busy.pop();
                }
                if users_max.is_some_and(|max| busy.len() >= max as usize) {
                    out.dropped += 1.0;
                    continue;
                }
                let due_ms = serve(&mut out, &mut model, at_ms);
                busy.push(Reverse((due_ms * 1e6) as u64));
            }
        }
        Load::Closed { users, length } => {
            let mut next: BinaryHeap<_> = (0..users).map(|_| Reverse(0u64)).collect();
            while let Some(Reverse(at_ns)) = next.pop() {
                let at_ms = at_ns as f64 / 1e6;
                if at_ms >= millis(length) {
                    continue;
                }
                let due_ms = serve(&mut out, &mut model, at_ms);
                next.push(Reverse((due_ms * 1e6).round() as u64));
            }
        }
    }
    out.latencies = sorted(out.latencies);
    out
}

fn planned(rate: f64, length: Duration, arrivals: Arrivals, random: &mut Random) -> Vec<f64> {
    let length_ms = millis(length);
    let mut at_ms = 0.0;
    let mut all = Vec::new();
    match arrivals {
        Arrivals::Even => {
            let count = (rate * length.as_secs_f64()).round() as u64;
            all.extend((0..count).map(|k| k as f64 * 1000.0 / rate));
        }
        Arrivals::Poisson => loop {
            at_ms += random.exponential(1000.0 / rate);
            if at_ms >= length_ms {
                break;
            }
            all.push(at_ms);
        },
    }
    all
}

impl Outcome {
    /// As the server would report it. Its epoch is the first arrival.
    fn report(&self) -> Report {
        let ns = |ms: f64| ((ms - self.spans[0].0) * 1e6).round() as u64;
        let served = self.spans.iter().map(|(arrived, due)| Served {
            arrived_ns: ns(*arrived),
            service_ns: 0,
            due_ns: ns(*due),
            answered_ns: Some(ns(*due)),
            connection: 0,
        });
        Report {
            served: served.collect(),
            ..Report::default()
        }
    }

    fn figure(&self, figure: Figure, truth: &Truth) -> f64 {
        let l = &self.latencies;
        match figure {
            Figure::Latency(q) => quantile(l, q),
            Figure::LatencyMin => l[0],
            Figure::LatencyMax => l[l.len() - 1],
            Figure::LatencyMean => mean(l),
            // A perfect generator adds nothing, and gives up at the limit exactly.
            Figure::OverServer(_) => 0.0,
            Figure::FailedLatency(q) if !self.refused.is_empty() => {
                quantile(&sorted(self.refused.clone()), q)
            }
            Figure::FailedLatency(_) => millis(truth.timeout),
            Figure::FailedPercent => {
                let failed = self.timed_out + self.refused.len() as f64 + self.unfinished;
                100.0 * failed / self.sent
            }
            Figure::Rate => {
                let length_ms = millis(truth.load.length());
                let ended = self.spans.iter().filter(|(_, due)| *due <= length_ms);
                ended.count() as f64 * 1e3 / length_ms
            }
            Figure::Sent => self.sent,
            Figure::Ok => l.len() as f64,
            Figure::TimedOut => self.timed_out,
            Figure::Unfinished => self.unfinished,
            Figure::DroppedPercent => 100.0 * self.dropped / (self.dropped + self.sent),
            Figure::InFlightMean
            | Figure::GapVariation
            | Figure::GapVariationFirst
            | Figure::GapDistance => truth.at_server(figure, &self.report()).unwrap(),
        }
    }
}

#[test]
fn a_perfect_generator_passes_every_row() {
    for truth in full().into_iter().chain(ci()) {
        let out = simulate(&truth, 7);
        for verdict in truth.verdicts(|figure| out.figure(figure, &truth)) {
            assert!(verdict.holds(), "{} {}: {verdict}", truth.id, truth.title);
        }
    }
}

/// The published values, as printed: to the millisecond, from the model and not from the formula.
#[test]
fn the_model_has_the_published_values() {
    let check = |truth: Truth, expected: &[(Figure, f64)]| {
        let out = simulate(&truth, 7);
        for (figure, value) in expected {
            let got = out.figure(*figure, &truth);
            assert!(
                (got - value).abs() <= 1.0,
                "{} {figure}: {got}, not {value}",
                truth.id
            );
        }
    };
    let p = Figure::Latency;
    let (max, mean) = (Figure::LatencyMax, Figure::LatencyMean);
    check(
        l2(),
        &[
            (p(0.5), 5.0),
            (p(0.75), 5.0),
            (p(0.95), 510.0),
            (p(0.99), 910.0),
            (p(0.999), 1000.0),
            (max, 1005.0),
            (mean, 56.0),
        ],
    );
    check(
        l2_ci(Duration::from_secs(10)),
        &[
            (p(0.75), 1.0),
            (p(0.95), 52.0),
            (p(0.99), 92.0),
            (max, 101.0),
        ],
    );
    check(
        l3(),
        &[
            (p(0.5), 5.0),
            (p(0.9), 505.0),
            (p(0.95), 755.0),
            (p(0.99), 955.0),
        ],
    );
    check(l3(), &[(mean, 105.0)]);
    check(
        l4(Duration::from_secs(60)),
        &[(p(0.99), 5.0), (p(0.999), 5.0), (max, 1005.0)],
    );
    check(
        l5(),
        &[
            (p(0.5), 1.0),
            (p(0.75), 5001.0),
            (p(0.9), 8001.0),
            (p(0.99), 9801.0),
            (max, 10_001.0),
            (mean, 2503.0),
        ],
    );
}

#[test]
fn the_table_notices_coordinated_omission() {
    // What a generator that waits for its answers would report of L2: the closed load.
    let truth = l2();
    let closed = Truth {
        load: Load::Closed {
            users: 5,
            length: truth.load.length(),
        },
        ..truth.clone()
    };
    let out = simulate(&closed, 7);
    let wrong: Vec<Verdict> = truth
        .verdicts(|figure| out.figure(figure, &truth))
        .into_iter()
        .filter(|v| !v.holds())
        .collect();
    let of = |figure| wrong.iter().any(|v| v.expected.figure == figure);
    assert!(of(Figure::Latency(0.95)) && of(Figure::Latency(0.99)) && of(Figure::LatencyMean));
}

#[test]
fn formulas() {
    let f = Freezing {
        s0_ms: 5.0,
        freeze_ms: 1000.0,
        every_ms: 10_000.0,
        rate_per_s: 1000.0,
        drain_per_s: 2000.0,
    };
    assert_eq!(f.share(), 0.2);
    assert_eq!(f.quantile_ms(0.5), 5.0);
    assert!((f.quantile_ms(0.95) - 755.0).abs() < 1e-9);
    assert_eq!(
        (f.max_ms(), f.mean_ms(), f.tolerance_ms()),
        (1005.0, 105.0, 14.0)
    );
    assert!((exponential_quantile(10.0, 0.5) - 6.931).abs() < 1e-3);
    assert!((exponential_quantile(10.0, 0.999) - 69.08).abs() < 1e-2);
    // The published tolerances of L6 are four of these: 1.3 and 4.
    assert!((4.0 * exponential_quantile_error(10.0, 0.99, 1e5) - 1.26).abs() < 0.01);
    assert!((4.0 * exponential_quantile_error(10.0, 0.999, 1e5) - 4.0).abs() < 0.01);
    assert_eq!((mm1_mean(10.0, 50.0), mm1_mean(10.0, 80.0)), (20.0, 50.0));
}

#[test]
fn texts() {
    let truth = l9();
    let profile = truth.profile("l.lua", "main", "http://127.0.0.1:1", 3);
    assert_eq!(
        profile,
        "[run]\nname = \"L9\"\nscript = \"l.lua\"\ntarget = \"http://127.0.0.1:1\"\nseed = 3\n\
         timeout = \"10000ms\"\ndrain = \"10000ms\"\nstats = false\nfail_on = []\n\n[[load]]\n\
         scenarios = { main = 1 }\nmodel = \"open\"\narrivals = \"even\"\nusers_max = 50\n\
         phases = [{ rate = \"1000/s\", for = \"10000ms\" }]\n"
    );
    let expected = Expected::about(Figure::Latency(0.999), 1000.0, 14.0);
    let verdict = Verdict {
        expected,
        measured: f64::NAN,
    };
    assert!(!verdict.holds());
    assert!(
        verdict.to_string().starts_with("latency p99.9 (ms)"),
        "{verdict}"
    );
    assert!(verdict.to_string().ends_with("WRONG"), "{verdict}");
}
