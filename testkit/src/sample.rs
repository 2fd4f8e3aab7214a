//! Statistics of exact samples: the yardstick that histograms and pacing are held against.

/// The samples in ascending order. Panics on NaN.
pub fn sorted(mut samples: Vec<f64>) -> Vec<f64> {
    samples.sort_by(|a, b| a.partial_cmp(b).expect("samples are numbers"));
    samples
}

/// The smallest sample such that at least the share `q` of all is not above it (nearest rank).
///
/// # Panics
/// On an empty slice, and when `q` is not in 0..=1.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    assert!(!sorted.is_empty(), "no samples");
    assert!((0.0..=1.0).contains(&q), "a quantile is in 0..=1, not {q}");
    // q * n as it would be without rounding: 0.999 * 1000 must be 999 and not 999.0000000000001.
    let rank = (q * sorted.len() as f64 - 1e-9).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Sum through count. Panics on an empty slice.
pub fn mean(samples: &[f64]) -> f64 {
    assert!(!samples.is_empty(), "no samples");
    samples.iter().sum::<f64>() / samples.len() as f64
}

/// The standard deviation through the mean: 0 for a metronome, 1 for a Poisson process.
pub fn coefficient_of_variation(samples: &[f64]) -> f64 {
    let mean = mean(samples);
    let squares = samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>();
    (squares / samples.len() as f64).sqrt() / mean
}

/// Kolmogorov and Smirnov's D: the largest distance between the distribution of the samples and
/// the exponential one with this mean, which must be known beforehand, not taken from them.
pub fn ks_exponential(samples: &[f64], mean: f64) -> f64 {
    let sorted = sorted(samples.to_vec());
    assert!(!sorted.is_empty(), "no samples");
    let n = sorted.len() as f64;
    sorted.iter().enumerate().fold(0.0, |d: f64, (i, x)| {
        let expected = 1.0 - (-x.max(0.0) / mean).exp();
        d.max((i as f64 + 1.0) / n - expected)
            .max(expected - i as f64 / n)
    })
}

/// How often a true hypothesis may be rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Significance {
    /// Once in 20.
    P05,
    /// Once in 100.
    P01,
    /// Once in 1000.
    P001,
}

/// Above this [`ks_exponential`] of `n` samples rejects.
///
/// Kolmogorov's limit K(x) = 1 - 2 sum (-1)^(k-1) exp(-2 k^2 x^2), whose upper points are 1.358,
/// 1.628 and 1.949 (Smirnov, Ann. Math. Stat. 19, 1948), with Stephens' correction for finite n
/// (JASA 69, 1974): D (sqrt n + 0.12 + 0.11 / sqrt n). Good to 1 % for n >= 5.
pub fn ks_critical(n: usize, significance: Significance) -> f64 {
    let point = match significance {
        Significance::P05 => 1.358,
        Significance::P01 => 1.628,
        Significance::P001 => 1.949,
    };
    let root = (n as f64).sqrt();
    point / (root + 0.12 + 0.11 / root)
}

/// The number of `(start, end)` spans that cover a moment, as an average over `[from, to)`:
/// the left side of Little's law L = rate x time in system.
pub fn mean_in_flight(spans: &[(f64, f64)], from: f64, to: f64) -> f64 {
    assert!(from < to, "an empty interval: {from}..{to}");
    let inside = |(start, end): &(f64, f64)| (end.min(to) - start.max(from)).max(0.0);
    spans.iter().map(inside).sum::<f64>() / (to - from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn nearest_rank() {
        let s: Vec<f64> = (1..=1000).map(f64::from).collect();
        for (q, expected) in [
            (0.0, 1.0),
            (0.001, 1.0),
            (0.5, 500.0),
            (0.95, 950.0),
            (0.999, 999.0),
            (1.0, 1000.0),
        ] {
            assert_eq!(quantile(&s, q), expected, "{q}");
        }
        assert_eq!(quantile(&[7.0], 0.5), 7.0);
        assert_eq!(sorted(vec![3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn variation() {
        assert_eq!(coefficient_of_variation(&[2.0; 10]), 0.0);
        assert!((coefficient_of_variation(&[1.0, 3.0]) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn ks_of_few_by_hand() {
        // One sample at the median: the steps are 0.5 away on both sides.
        let median = std::f64::consts::LN_2;
        assert!((ks_exponential(&[median], 1.0) - 0.5).abs() < 1e-12);
        assert!((ks_critical(10_000, Significance::P05) - 0.01356).abs() < 1e-4);
    }

    #[test]
    fn ks_rejects_as_often_as_it_says() {
        let mut random = Random::new(3);
        let trials = 2000;
        let mut rejected = [0u32; 2];
        for _ in 0..trials {
            let samples: Vec<f64> = (0..200).map(|_| random.exponential(4.0)).collect();
            let d = ks_exponential(&samples, 4.0);
            rejected[0] += u32::from(d > ks_critical(200, Significance::P05));
            rejected[1] += u32::from(d > ks_critical(200, Significance::P01));
        }
        // Binomial: 100 with deviation 9.7, 20 with 4.4; four deviations.
        assert!((61..=139).contains(&rejected[0]), "{rejected:?}");
        assert!((3..=38).contains(&rejected[1]), "{rejected:?}");
    }

    #[test]
    fn ks_rejects_a_metronome_and_a_wrong_mean() {
        let critical = ks_critical(1000, Significance::P001);
        assert!(ks_exponential(&[1.0; 1000], 1.0) > critical);
        let mut random = Random::new(4);
        let samples: Vec<f64> = (0..1000).map(|_| random.exponential(1.3)).collect();
        assert!(ks_exponential(&samples, 1.0) > critical);
        assert!(ks_exponential(&samples, 1.3) < critical);
    }

    #[test]
    fn little() {
        // 200 a second for 10 s, each 20 ms: 4 in flight.
        let spans: Vec<(f64, f64)> = (0..2000)
            .map(|k| (f64::from(k) * 5.0, f64::from(k) * 5.0 + 20.0))
            .collect();
        assert!((mean_in_flight(&spans, 1000.0, 9000.0) - 4.0).abs() < 1e-9);
        assert_eq!(mean_in_flight(&[(0.0, 4.0)], 1.0, 3.0), 1.0);
        assert_eq!(mean_in_flight(&[(0.0, 1.0)], 2.0, 3.0), 0.0);
    }
}
