//! The rows of the table: server, load and known answer.

use std::time::Duration;

use super::{
    Arrivals, Expected, Figure, Freezing, KS_GAPS, Load, Truth, exponential_quantile,
    exponential_quantile_error, mm1_mean,
};
use crate::origin::{Behaviour, Freeze};
use crate::sample::{Significance, ks_critical};

/// The share by which a histogram of 3 digits may be off.
const DIGITS: f64 = 0.001;
/// Seed of the servers' service times.
const SEED: u64 = 20_240_117;

/// The short forms: about half a minute together.
pub fn ci() -> Vec<Truth> {
    vec![
        l1(secs(10)),
        l2_ci(),
        l4(secs(10)),
        l11_even(secs(10)),
        l11_poisson(secs(10)),
        l13(),
        l18(secs(4)),
    ]
}

/// Every row in full: about 20 minutes.
pub fn full() -> Vec<Truth> {
    let minute = secs(60);
    vec![
        l1(minute),
        l2(),
        l2_ci(),
        l3(),
        l4(minute),
        l5(),
        l6(),
        l7(50.0),
        l7(80.0),
        l8_drained(),
        l8_cut(),
        l9(),
        l11_even(minute),
        l11_poisson(minute),
        l13(),
        l18(secs(20)),
    ]
}

/// 20 ms each, 200/s.
pub fn l1(length: Duration) -> Truth {
    let sent = 200.0 * length.as_secs_f64();
    truth(
        "L1",
        "a fixed 20 ms",
        Behaviour::fixed(millis(20)),
        even(200.0, length),
        vec![
            Expected::within(Figure::LatencyMin, 20.0, 20.0, 20.5),
            Expected::within(Figure::Latency(0.5), 20.0, 20.0, 20.5),
            Expected::within(Figure::Latency(0.99), 20.0, 20.0, 22.0),
            Expected::about(Figure::Sent, sent, 1.0),
            // Little: 200/s * 20 ms. The server's own lateness, below 0.5 ms, adds 0.1.
            Expected::within(Figure::InFlightMean, 4.0, 3.95, 4.15),
        ],
    )
}

/// Frozen 1 s of each 10 s.
pub fn l2() -> Truth {
    let server = Behaviour::fixed(millis(5)).freeze(Freeze::each(secs(1), secs(10)));
    let f = freezing(5.0, 1000.0, 10_000.0, f64::INFINITY);
    frozen("L2", server, f, secs(60), &[0.5, 0.75, 0.95, 0.99, 0.999])
}

/// Frozen 100 ms of each 1 s.
pub fn l2_ci() -> Truth {
    let server = Behaviour::fixed(millis(1)).freeze(Freeze::each(millis(100), secs(1)));
    let f = freezing(1.0, 100.0, 1000.0, f64::INFINITY);
    frozen("L2ci", server, f, secs(10), &[0.75, 0.95, 0.99])
}

/// As L2, with 10 slots, which drain at 10 / 5 ms.
pub fn l3() -> Truth {
    let server = Behaviour::fixed(millis(5))
        .freeze(Freeze::each(secs(1), secs(10)))
        .slots(10);
    let f = freezing(5.0, 1000.0, 10_000.0, 2000.0);
    frozen("L3", server, f, secs(60), &[0.5, 0.9, 0.95, 0.99])
}

/// The server of L2 under 10 users that wait: a freeze delays only 10 requests.
pub fn l4(length: Duration) -> Truth {
    let server = Behaviour::fixed(millis(5)).freeze(Freeze::each(secs(1), secs(10)));
    let load = Load::Closed { users: 10, length };
    // Each user makes a request in 5 ms for 9 s of each 10. It cannot be faster; it is slower by
    // what the way there and back takes, for which half a millisecond is left.
    let most = 10.0 * 0.9 * length.as_secs_f64() / 0.005;
    let freezes = (length.as_secs_f64() / 10.0).ceil();
    truth(
        "L4",
        "a closed load hides the freeze",
        server,
        load,
        vec![
            Expected::within(Figure::Ok, most, most * 0.9, most + 10.0 * (freezes + 1.0)),
            Expected::within(Figure::Latency(0.5), 5.0, 5.0, 5.5),
            Expected::within(Figure::Latency(0.99), 5.0, 5.0, 8.0),
            Expected::within(Figure::Latency(0.999), 5.0, 5.0, 14.0),
            Expected::within(Figure::LatencyMax, 1005.0, 1000.0, 1019.0),
        ],
    )
}

/// 10 s at 1 ms, then nothing for 10 s.
pub fn l5() -> Truth {
    let server = Behaviour::fixed(millis(1)).freeze(Freeze::once(secs(10), secs(10)));
    // Twice the service, a gap and 3 ms, as for every freeze.
    let tolerance = 2.0 * 1.0 + 10.0 + 3.0;
    let about = |figure, value: f64| Expected::about(figure, value, tolerance + value * DIGITS);
    Truth {
        timeout: secs(30),
        ..truth(
            "L5",
            "a stall to the end",
            server,
            even(100.0, secs(20)),
            vec![
                // Half of the requests are quick: this is the slowest of a thousand.
                Expected::within(Figure::Latency(0.5), 1.0, 1.0, 1.0 + tolerance),
                about(Figure::Latency(0.75), 5001.0),
                about(Figure::Latency(0.9), 8001.0),
                about(Figure::Latency(0.99), 9801.0),
                about(Figure::LatencyMax, 10_001.0),
                about(Figure::LatencyMean, 2503.0),
            ],
        )
    }
}

/// Exponential service, any number at once: latency is the service time.
pub fn l6() -> Truth {
    let n = 100_000.0;
    // Awake, since what it takes to wake up is in none of its times.
    let server = Behaviour::exponential(millis(10), SEED).awake();
    // Four standard errors, and what the way there and back takes.
    let quantile = |q: f64, way: f64| {
        let tolerance = 4.0 * exponential_quantile_error(10.0, q, n) + way;
        Expected::about(Figure::Latency(q), exponential_quantile(10.0, q), tolerance)
    };
    let over = |q, most| Expected::within(Figure::OverServer(q), 0.0, -0.1, most);
    truth(
        "L6",
        "exponential service",
        server,
        poisson(1000.0, secs(100)),
        vec![
            quantile(0.5, 0.1),
            quantile(0.9, 0.1),
            quantile(0.99, 0.05),
            quantile(0.999, 0.0),
            over(0.5, 0.1),
            over(0.99, 1.0),
        ],
    )
}

/// One worker, exponential service, Poisson arrivals: M/M/1, at 50/s or 80/s.
pub fn l7(rate_per_s: f64) -> Truth {
    let mean = mm1_mean(10.0, rate_per_s);
    // Times in a queue depend on each other, the more the busier it is.
    let (mean_share, p99_share) = if rate_per_s > 60.0 {
        (0.2, 0.35)
    } else {
        (0.06, 0.15)
    };
    let p99 = exponential_quantile(mean, 0.99);
    let server = Behaviour::exponential(millis(10), SEED).slots(1);
    let load = poisson(rate_per_s, Duration::from_secs_f64(20_000.0 / rate_per_s));
    let title = format!("one worker at {rate_per_s}/s");
    truth(
        "L7",
        title,
        server,
        load,
        vec![
            Expected::about(Figure::LatencyMean, mean, mean * mean_share),
            Expected::about(Figure::Latency(0.99), p99, p99 * p99_share),
        ],
    )
}

/// Twice the load one worker can do, and time to drain: request k is answered at 10 (k + 1) ms.
pub fn l8_drained() -> Truth {
    let about = |figure, value: f64| Expected::about(figure, value, 30.0 + value * 2.0 * DIGITS);
    Truth {
        timeout: secs(120),
        drain: secs(60),
        ..overload(
            "overload, drained",
            vec![
                Expected::about(Figure::Sent, 6000.0, 1.0),
                Expected::about(Figure::Ok, 6000.0, 1.0),
                Expected::about(Figure::Unfinished, 0.0, 0.0),
                // One worker, 10 ms each: its pace, whatever the drain brings later.
                Expected::about(Figure::Rate, 100.0, 0.4),
                about(Figure::Latency(0.5), 15_010.0),
                about(Figure::Latency(0.99), 29_710.0),
            ],
        )
    }
}

/// The same without a drain: what is unanswered is unfinished, and not left out.
pub fn l8_cut() -> Truth {
    Truth {
        timeout: secs(120),
        drain: Duration::ZERO,
        ..overload(
            "overload, cut",
            vec![
                Expected::about(Figure::Sent, 6000.0, 1.0),
                Expected::about(Figure::Ok, 3000.0, 10.0),
                Expected::about(Figure::Unfinished, 3000.0, 10.0),
                Expected::about(Figure::Rate, 100.0, 0.4),
                Expected::about(Figure::FailedPercent, 50.0, 0.2),
            ],
        )
    }
}

/// 50 users at 100 ms do 500/s; asked for are 1000/s.
pub fn l9() -> Truth {
    let length = secs(10);
    let users_max = Some(50);
    let load = Load::Open {
        rate_per_s: 1000.0,
        length,
        arrivals: Arrivals::Even,
        users_max,
    };
    Truth {
        verdict: Some("suspect"),
        ..truth(
            "L9",
            "too few users",
            Behaviour::fixed(millis(100)),
            load,
            vec![
                Expected::about(Figure::Sent, 5000.0, 100.0),
                Expected::about(Figure::DroppedPercent, 50.0, 1.0),
            ],
        )
    }
}

/// Even pacing as seen by the server.
pub fn l11_even(length: Duration) -> Truth {
    let server = Behaviour::fixed(Duration::ZERO).awake();
    truth(
        "L11",
        "evenly paced",
        server,
        even(1000.0, length),
        vec![
            Expected::about(Figure::Sent, 1000.0 * length.as_secs_f64(), 1.0),
            Expected::within(Figure::GapVariation, 0.0, 0.0, 0.3),
            Expected::within(Figure::GapVariationFirst, 0.0, 0.0, 0.3),
        ],
    )
}

/// Poisson pacing as seen by the server.
pub fn l11_poisson(length: Duration) -> Truth {
    let server = Behaviour::fixed(Duration::ZERO).awake();
    let n = 1000.0 * length.as_secs_f64();
    truth(
        "L11",
        "Poisson paced",
        server,
        poisson(1000.0, length),
        vec![
            // The number is Poisson distributed: four standard deviations.
            Expected::about(Figure::Sent, n, 4.0 * n.sqrt()),
            Expected::about(Figure::GapVariation, 1.0, 0.05),
            // A thousand gaps: the standard error is 1 / sqrt(1000); four of them.
            Expected::about(Figure::GapVariationFirst, 1.0, 0.13),
            Expected::within(
                Figure::GapDistance,
                0.0,
                0.0,
                ks_critical(KS_GAPS, Significance::P001),
            ),
        ],
    )
}

/// Every request times out.
pub fn l13() -> Truth {
    Truth {
        timeout: millis(100),
        ..truth(
            "L13",
            "timeouts",
            Behaviour::fixed(millis(500)),
            even(100.0, secs(5)),
            vec![
                Expected::about(Figure::Sent, 500.0, 1.0),
                Expected::about(Figure::TimedOut, 500.0, 1.0),
                Expected::about(Figure::Ok, 0.0, 0.0),
                Expected::within(Figure::FailedLatency(0.0), 100.0, 100.0, 105.0),
                Expected::within(Figure::FailedLatency(0.99), 100.0, 100.0, 105.0),
            ],
        )
    }
}

/// Three of four are refused at once: the quick refusals are no part of the latency.
pub fn l18(length: Duration) -> Truth {
    let n = 100.0 * length.as_secs_f64();
    truth(
        "L18",
        "fast refusals",
        Behaviour::fixed(millis(200)).one_of(4),
        even(100.0, length),
        vec![
            Expected::about(Figure::Sent, n, 1.0),
            Expected::about(Figure::Ok, n / 4.0, 1.0),
            Expected::about(Figure::FailedPercent, 75.0, 0.2),
            Expected::within(Figure::LatencyMin, 200.0, 200.0, 202.0),
            // The same tolerance as for L1's median: half a millisecond, and the digits.
            Expected::within(Figure::Latency(0.5), 200.0, 200.0, 200.5 + 200.0 * DIGITS),
            Expected::within(Figure::FailedLatency(0.5), 0.0, 0.0, 2.0),
        ],
    )
}

fn frozen(
    id: &'static str,
    server: Behaviour,
    f: Freezing,
    length: Duration,
    quantiles: &[f64],
) -> Truth {
    let tolerance = f.tolerance_ms();
    let mut expected: Vec<Expected> = quantiles
        .iter()
        .map(|q| {
            let value = f.quantile_ms(*q);
            // No reply is ever earlier than its service time.
            let low = (value - tolerance).max(f.s0_ms);
            Expected::within(Figure::Latency(*q), value, low, value + tolerance)
        })
        .collect();
    expected.push(Expected::about(Figure::LatencyMax, f.max_ms(), tolerance));
    expected.push(Expected::about(Figure::LatencyMean, f.mean_ms(), tolerance));
    expected.push(Expected::about(
        Figure::Sent,
        f.rate_per_s * length.as_secs_f64(),
        1.0,
    ));
    let title = format!("frozen {} of each {} ms", f.freeze_ms, f.every_ms);
    truth(id, title, server, even(f.rate_per_s, length), expected)
}

fn freezing(s0_ms: f64, freeze_ms: f64, every_ms: f64, drain_per_s: f64) -> Freezing {
    Freezing {
        s0_ms,
        freeze_ms,
        every_ms,
        rate_per_s: 1000.0,
        drain_per_s,
    }
}

fn overload(title: &str, expected: Vec<Expected>) -> Truth {
    let server = Behaviour::fixed(millis(10)).slots(1);
    truth("L8", title, server, even(200.0, secs(30)), expected)
}

fn truth(
    id: &'static str,
    title: impl Into<String>,
    server: Behaviour,
    load: Load,
    expected: Vec<Expected>,
) -> Truth {
    let title = title.into();
    let (timeout, drain) = (secs(10), secs(10));
    Truth {
        id,
        title,
        server,
        load,
        timeout,
        drain,
        expected,
        verdict: None,
    }
}

fn even(rate_per_s: f64, length: Duration) -> Load {
    Load::Open {
        rate_per_s,
        length,
        arrivals: Arrivals::Even,
        users_max: None,
    }
}

fn poisson(rate_per_s: f64, length: Duration) -> Load {
    Load::Open {
        rate_per_s,
        length,
        arrivals: Arrivals::Poisson,
        users_max: None,
    }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
