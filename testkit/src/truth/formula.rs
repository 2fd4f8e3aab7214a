//! The formulas behind the expected figures.

/// A server that freezes under an even open load. Times in milliseconds, rates per second.
///
/// In each period T it is frozen for S; the R * S requests that arrive meanwhile leave afterwards
/// at the drain rate mu, while new ones keep coming at R. The queue is empty S / (1 - rho) after
/// the freeze began, rho = R / mu, so the share f = S / (T (1 - rho)) of all requests waits, for
/// times spread evenly over 0..S.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Freezing {
    /// Service time.
    pub s0_ms: f64,
    /// Length of a freeze.
    pub freeze_ms: f64,
    /// From one freeze to the next.
    pub every_ms: f64,
    /// Arrivals.
    pub rate_per_s: f64,
    /// Requests a second the server can do; infinite with unlimited slots.
    pub drain_per_s: f64,
}

impl Freezing {
    /// The share of requests that wait. The formulas hold while it is below 1.
    pub fn share(&self) -> f64 {
        let rho = self.rate_per_s / self.drain_per_s;
        let share = self.freeze_ms / (self.every_ms * (1.0 - rho));
        assert!(
            (0.0..1.0).contains(&share),
            "the queue never drains: {self:?}"
        );
        share
    }

    /// The latency that the share `q` of requests does not exceed.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        let f = self.share();
        if q < 1.0 - f {
            self.s0_ms
        } else {
            self.freeze_ms * (1.0 - (1.0 - q) / f) + self.s0_ms
        }
    }

    /// The longest latency: of a request that arrives as the freeze begins.
    pub fn max_ms(&self) -> f64 {
        self.freeze_ms + self.s0_ms
    }

    /// The mean latency.
    pub fn mean_ms(&self) -> f64 {
        self.s0_ms + self.share() * self.freeze_ms / 2.0
    }

    /// What a correct generator may be off by: requests in service as the freeze begins (2 s0),
    /// one arrival (1 / R), and 3 ms for both machines' own delays.
    pub fn tolerance_ms(&self) -> f64 {
        2.0 * self.s0_ms + 1000.0 / self.rate_per_s + 3.0
    }
}

/// Quantile of the exponential distribution, in the unit of its mean.
pub fn exponential_quantile(mean: f64, q: f64) -> f64 {
    -mean * (1.0 - q).ln()
}

/// Standard error of that quantile as estimated from `n` samples: sqrt(q (1 - q) / n) through the
/// density there, which is (1 - q) / mean.
pub fn exponential_quantile_error(mean: f64, q: f64, n: f64) -> f64 {
    mean * (q / ((1.0 - q) * n)).sqrt()
}

/// Mean time in an M/M/1 system, 1 / (mu - lambda); the time is exponentially distributed
/// (Kleinrock, Queueing Systems I, section 3.2 and 5.7). Service mean and result in milliseconds.
pub fn mm1_mean(service_ms: f64, rate_per_s: f64) -> f64 {
    1000.0 / (1000.0 / service_ms - rate_per_s)
}
