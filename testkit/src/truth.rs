//! What a load generator must report about a server with known behaviour.
//!
//! Each [`Truth`] is a server, a load and the expected figures, each with a tolerance. The tests
//! run the short forms, a separate command runs the full table; both only start the server, run the
//! load, and pass the measured figures to [`Truth::verdicts`].

mod formula;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::origin::{Behaviour, Report};
use crate::sample;

pub use formula::{Freezing, exponential_quantile, exponential_quantile_error, mm1_mean};
pub use table::{
    ci, full, l1, l2, l2_ci, l3, l4, l5, l6, l7, l8_cut, l8_drained, l9, l11_even, l11_poisson,
    l13, l18,
};

/// Gaps that the Kolmogorov-Smirnov test looks at. Jitter of `d` on the way moves the distribution
/// of gaps with mean `m` by up to `d / m`: 50 us, the waking time of a virtual machine, are 0.05
/// at 1000/s. The critical distance of a thousand gaps, 0.062, lies above that; an evenly spaced
/// process is 0.63 away, one that is uniform within its slots about 0.3.
pub const KS_GAPS: usize = 1000;

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly.
    Even,
    /// As a Poisson process.
    Poisson,
}

/// The load of a truth; each iteration makes one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Arrivals that do not wait for the server.
    Open {
        /// Arrivals a second.
        rate_per_s: f64,
        /// Length of the load.
        length: Duration,
        /// Their spacing.
        arrivals: Arrivals,
        /// Cap on users.
        users_max: Option<u32>,
    },
    /// Users that each wait for their answer and ask again at once.
    Closed {
        /// How many.
        users: u32,
        /// Length of the load.
        length: Duration,
    },
}

/// A figure of the result. Times are in milliseconds and of successful requests, unless told
/// otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// Quantile of latency, as a share: 0.99 is p99.
    Latency(f64),
    /// Shortest latency.
    LatencyMin,
    /// Longest latency.
    LatencyMax,
    /// Mean latency.
    LatencyMean,
    /// Quantile of latency less the same quantile of what the server itself took for them
    /// (`origin::Report::own_ms`).
    OverServer(f64),
    /// Quantile of the latency of failed requests.
    FailedLatency(f64),
    /// Requests sent.
    Sent,
    /// Requests that succeeded.
    Ok,
    /// Requests that failed or were not finished, as a share of those sent, in percent.
    FailedPercent,
    /// Requests that ended within the load, per second of it.
    Rate,
    /// Requests that failed with the kind `timeout`.
    TimedOut,
    /// Requests whose end the run did not see.
    Unfinished,
    /// Dropped arrivals as a share of the planned, in percent.
    DroppedPercent,
    /// Requests at the server at once, on average (`origin::Report::mean_in_flight`).
    InFlightMean,
    /// Coefficient of variation of the gaps between arrivals at the server.
    GapVariation,
    /// The same of the first second only.
    GapVariationFirst,
    /// Kolmogorov-Smirnov distance of the first [`KS_GAPS`] gaps from those of a Poisson process
    /// with the planned rate.
    GapDistance,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percentile = |q: f64| format!("p{}", (q * 1e6).round() / 1e4);
        match self {
            Figure::Latency(q) => write!(f, "latency {} (ms)", percentile(*q)),
            Figure::LatencyMin => f.write_str("latency min (ms)"),
            Figure::LatencyMax => f.write_str("latency max (ms)"),
            Figure::LatencyMean => f.write_str("latency mean (ms)"),
            Figure::OverServer(q) => write!(f, "over the server's own {} (ms)", percentile(*q)),
            Figure::FailedLatency(q) => write!(f, "failed after, {} (ms)", percentile(*q)),
            Figure::Sent => f.write_str("sent"),
            Figure::Ok => f.write_str("ok"),
            Figure::FailedPercent => f.write_str("failed (%)"),
            Figure::Rate => f.write_str("ended within the load (per second)"),
            Figure::TimedOut => f.write_str("timed out"),
            Figure::Unfinished => f.write_str("unfinished"),
            Figure::DroppedPercent => f.write_str("dropped (%)"),
            Figure::InFlightMean => f.write_str("in flight, mean"),
            Figure::GapVariation => f.write_str("gaps, variation"),
            Figure::GapVariationFirst => f.write_str("gaps, variation, first second"),
            Figure::GapDistance => f.write_str("gaps, distance from Poisson"),
        }
    }
}

/// A figure with the value it must have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Of what.
    pub figure: Figure,
    /// The known answer.
    pub value: f64,
    /// Least that is accepted.
    pub low: f64,
    /// Most that is accepted.
    pub high: f64,
}

impl Expected {
    /// The value, give or take.
    pub fn about(figure: Figure, value: f64, tolerance: f64) -> Expected {
        Expected {
            figure,
            value,
            low: value - tolerance,
            high: value + tolerance,
        }
    }

    /// The value and bounds of their own.
    pub fn within(figure: Figure, value: f64, low: f64, high: f64) -> Expected {
        Expected {
            figure,
            value,
            low,
            high,
        }
    }

    /// Whether a measured value is accepted; NaN is not.
    pub fn holds(&self, measured: f64) -> bool {
        (self.low..=self.high).contains(&measured)
    }
}

/// A server, a load, and what must come out.
#[derive(Clone, Debug)]
pub struct Truth {
    /// `L1`, `L2`, ..
    pub id: &'static str,
    /// In a few words.
    pub title: String,
    /// The server.
    pub server: Behaviour,
    /// The load.
    pub load: Load,
    /// The limit for each request.
    pub timeout: Duration,
    /// How long after the load's end replies are awaited.
    pub drain: Duration,
    /// What must come out.
    pub expected: Vec<Expected>,
    /// The verdict the generator must give about itself (`clean`, `suspect`), where the truth is
    /// about that; `None` where a busy machine may make it doubt itself.
    pub verdict: Option<&'static str>,
}

/// A figure as expected and as measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The known answer.
    pub expected: Expected,
    /// What came out; NaN when the result does not have it.
    pub measured: f64,
}

impl Verdict {
    /// Whether it is accepted.
    pub fn holds(&self) -> bool {
        self.expected.holds(self.measured)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Expected {
            figure,
            value,
            low,
            high,
        } = self.expected;
        let mark = if self.holds() { "ok" } else { "WRONG" };
        let (figure, measured) = (figure.to_string(), self.measured);
        write!(
            f,
            "{figure:34} {value:>10.3} in {low:.3}..{high:.3}  measured {measured:>10.3}  {mark}"
        )
    }
}

impl Truth {
    /// Holds each expected figure against the measured one, which `measure` looks up; it returns
    /// NaN for a figure the result does not have.
    pub fn verdicts(&self, mut measure: impl FnMut(Figure) -> f64) -> Vec<Verdict> {
        let verdict = |e: &Expected| Verdict {
            expected: *e,
            measured: measure(e.figure),
        };
        self.expected.iter().map(verdict).collect()
    }

    /// The figures that the server knows and the generator does not: those of gaps and
    /// `InFlightMean`; `None` for others.
    pub fn at_server(&self, figure: Figure, report: &Report) -> Option<f64> {
        let gaps = report.gaps_ms();
        match figure {
            Figure::InFlightMean => Some(report.mean_in_flight(Duration::ZERO, self.load.length())),
            Figure::GapVariation => Some(sample::coefficient_of_variation(&gaps)),
            Figure::GapVariationFirst => {
                let within = |s: &&crate::origin::Served| s.arrived_ns < 1_000_000_000;
                let count = report.served.iter().take_while(within).count();
                Some(sample::coefficient_of_variation(
                    &gaps[..count.saturating_sub(1)],
                ))
            }
            Figure::GapDistance => {
                let Load::Open { rate_per_s, .. } = self.load else {
                    return None;
                };
                let first = &gaps[..gaps.len().min(KS_GAPS)];
                Some(sample::ks_exponential(first, 1000.0 / rate_per_s))
            }
            _ => None,
        }
    }

    /// The profile of the load, for the scenario of this name in `script`.
    pub fn profile(&self, script: &str, scenario: &str, target: &str, seed: u64) -> String {
        let (timeout_ms, drain_ms) = (self.timeout.as_millis(), self.drain.as_millis());
        format!(
            "[run]\nname = \"{id}\"\nscript = \"{script}\"\ntarget = \"{target}\"\nseed = {seed}\n\
             timeout = \"{timeout_ms}ms\"\ndrain = \"{drain_ms}ms\"\nstats = false\nfail_on = []\n\n{load}",
            id = self.id,
            load = self.load.profile(scenario)
        )
    }
}

impl Load {
    /// The `[[load]]` table of a profile.
    pub fn profile(&self, scenario: &str) -> String {
        let head = format!("[[load]]\nscenarios = {{ {scenario} = 1 }}\n");
        match *self {
            Load::Open {
                rate_per_s,
                length,
                arrivals,
                users_max,
            } => {
                let spacing = match arrivals {
                    Arrivals::Even => "even",
                    Arrivals::Poisson => "poisson",
                };
                let cap = users_max
                    .map(|n| format!("users_max = {n}\n"))
                    .unwrap_or_default();
                format!(
                    "{head}model = \"open\"\narrivals = \"{spacing}\"\n{cap}\
                     phases = [{{ rate = \"{rate_per_s}/s\", for = \"{}ms\" }}]\n",
                    length.as_millis()
                )
            }
            Load::Closed { users, length } => format!(
                "{head}model = \"closed\"\nphases = [{{ users = {users}, for = \"{}ms\" }}]\n",
                length.as_millis()
            ),
        }
    }

    /// Length of the load, without its drain.
    pub fn length(&self) -> Duration {
        match self {
            Load::Open { length, .. } | Load::Closed { length, .. } => *length,
        }
    }
}
