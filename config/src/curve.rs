//! Piecewise linear functions of time: rates of arrivals and numbers of users.

use std::time::Duration;

const NANOS_PER_S: f64 = 1e9;

/// A piecewise linear function of time, phase after phase, starting at zero.
///
/// A phase holds its start but not its end; from [`Curve::duration`] on the value is 0. Values are
/// finite and not negative, phases are at least 1 ns long, and there is at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    segments: Vec<Segment>,
    /// Integral up to the end of each segment, in value x seconds.
    cumulative: Vec<f64>,
}

/// One phase of a [`Curve`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Its start, from the start of the curve.
    pub start: Duration,
    /// Its length; above zero.
    pub length: Duration,
    /// Value at its start.
    pub from: f64,
    /// Value approached at its end.
    pub to: f64,
}

impl Segment {
    /// Its end, from the start of the curve.
    pub fn end(&self) -> Duration {
        self.start + self.length
    }

    fn at(&self, t: Duration) -> f64 {
        let share = (t - self.start).as_secs_f64() / self.length.as_secs_f64();
        self.from + (self.to - self.from) * share
    }

    /// Integral over the first `elapsed` of the segment.
    fn gained(&self, elapsed: Duration) -> f64 {
        let s = elapsed.as_secs_f64();
        let slope = (self.to - self.from) / self.length.as_secs_f64();
        self.from * s + 0.5 * slope * s * s
    }

    /// Nanoseconds from the segment's start until its integral reaches `gain`, clamped to the
    /// segment. Callers only ask for segments whose integral is above zero.
    fn reached_ns(&self, gain: f64) -> u64 {
        let last_ns = self.length.as_nanos() as u64 - 1;
        let gain = gain.max(0.0);
        let ns = if self.from == self.to {
            time_at_constant(gain, self.from)
        } else if self.from < self.to {
            time_on_rise(gain, self.from, self.to, self.length) * NANOS_PER_S
        } else {
            // Seen from its end, a fall is a rise, and there the terms do not cancel.
            let left = (self.gained(self.length) - gain).max(0.0);
            let to_end_s = time_on_rise(left, self.to, self.from, self.length);
            self.length.as_nanos() as f64 - to_end_s * NANOS_PER_S
        };
        // The cast maps negative numbers and NaN to 0.
        (ns.round() as u64).min(last_ns)
    }

    /// The part of the segment in which the value is above `level`.
    fn above(&self, level: f64) -> Option<(Duration, Duration)> {
        let crossing = |share: f64| {
            let ns = (self.length.as_nanos() as f64 * share).round() as u64;
            self.start + Duration::from_nanos(ns).min(self.length)
        };
        let share = (level - self.from) / (self.to - self.from);
        let (start, end) = match (self.from > level, self.to > level) {
            (true, true) => (self.start, self.end()),
            (false, false) => return None,
            (false, true) => (crossing(share), self.end()),
            (true, false) if self.to == level => (self.start, self.end()),
            (true, false) => (self.start, crossing(share)),
        };
        (start < end).then_some((start, end))
    }
}

/// Nanoseconds until the integral reaches `gain` at `rate` per second.
///
/// Whole seconds are split off and the rest uses an exact remainder, so that k at 1000/s is k
/// milliseconds to the nanosecond after any number of days.
fn time_at_constant(gain: f64, rate: f64) -> f64 {
    let rest = gain % rate;
    ((gain - rest) / rate).round() * NANOS_PER_S + (rest * NANOS_PER_S / rate).round()
}

/// Seconds until the integral reaches `gain` on a rise from `low` to `high` within `length`.
fn time_on_rise(gain: f64, low: f64, high: f64, length: Duration) -> f64 {
    if gain <= 0.0 {
        return 0.0;
    }
    // gain = low s + slope s^2 / 2, solved for s in the form that does not cancel.
    let slope = (high - low) / length.as_secs_f64();
    2.0 * gain / (low + (low * low + 2.0 * slope * gain).sqrt())
}

/// Rounds `sum` to a whole number when only rounding errors keep it from being one: 100/min over a
/// minute is 100 arrivals, not 100.00000000000001, which would make 101.
fn settled(sum: f64) -> f64 {
    let whole = sum.round();
    if (sum - whole).abs() <= 1e-9 + sum * 8.0 * f64::EPSILON {
        whole
    } else {
        sum
    }
}

impl Curve {
    /// Builds a curve from phases (length, value at the start, value at the end), one after the
    /// other.
    ///
    /// Returns `None` when there is no phase, when a phase has no length, or when a value is
    /// negative or not finite. The lengths must add up to less than 584 years.
    pub fn new(phases: &[(Duration, f64, f64)]) -> Option<Self> {
        let fits = |value: f64| value.is_finite() && value >= 0.0;
        let mut segments = Vec::with_capacity(phases.len());
        let mut cumulative = Vec::with_capacity(phases.len());
        let (mut start, mut sum) = (Duration::ZERO, 0.0);
        for &(length, from, to) in phases {
            if length.is_zero() || !fits(from) || !fits(to) {
                return None;
            }
            let segment = Segment {
                start,
                length,
                from,
                to,
            };
            start = start.checked_add(length)?;
            u64::try_from(start.as_nanos()).ok()?;
            sum = settled(sum + segment.gained(length));
            segments.push(segment);
            cumulative.push(sum);
        }
        (!segments.is_empty()).then_some(Self {
            segments,
            cumulative,
        })
    }

    /// This curve before `at`; from there on, `tail` from its time `from` on, with its values
    /// mapped by `change`. If this curve ends before `at`, the rest of the tail follows its end.
    /// `None` when nothing is left.
    pub(crate) fn spliced(
        &self,
        at: Duration,
        tail: &Curve,
        from: Duration,
        change: impl Fn(f64) -> f64,
    ) -> Option<Curve> {
        let head = self.segments.iter().filter(|segment| segment.start < at);
        let mut phases: Vec<(Duration, f64, f64)> = head
            .map(|segment| {
                let length = segment.length.min(at - segment.start);
                (length, segment.from, segment.at(segment.start + length))
            })
            .collect();
        let tail = tail.segments.iter().filter(|segment| segment.end() > from);
        phases.extend(tail.map(|segment| {
            let start = segment.start.max(from);
            let (begin, end) = (segment.at(start), segment.to);
            (segment.end() - start, change(begin), change(end))
        }));
        Curve::new(&phases)
    }

    /// The length of all phases.
    pub fn duration(&self) -> Duration {
        self.segments.last().map(Segment::end).unwrap_or_default()
    }

    /// The phases, in order.
    pub fn phases(&self) -> &[Segment] {
        &self.segments
    }

    /// The value at `t`; 0 from the end on.
    pub fn at(&self, t: Duration) -> f64 {
        self.segment_at(t)
            .map_or(0.0, |index| self.segments[index].at(t))
    }

    /// The highest value reached or approached.
    pub fn max(&self) -> f64 {
        self.segments
            .iter()
            .fold(0.0, |max, segment| max.max(segment.from).max(segment.to))
    }

    /// The integral from the start to `t`, in value x seconds: arrivals due by `t` when the value
    /// is a rate per second.
    pub fn cumulative(&self, t: Duration) -> f64 {
        let Some(index) = self.segment_at(t) else {
            return self.total();
        };
        let segment = &self.segments[index];
        let sum = self.before(index) + segment.gained(t - segment.start);
        sum.min(self.cumulative[index])
    }

    /// The integral over all phases. A sum that differs from a whole number only by rounding errors
    /// is rounded to it.
    pub fn total(&self) -> f64 {
        self.cumulative.last().copied().unwrap_or(0.0)
    }

    /// The time at which the integral reaches `n`, to the nearest nanosecond; `None` when `n` is
    /// not below [`Curve::total`].
    ///
    /// The result is always before the end. Where the value is 0 for a while and many times would
    /// fit, the last one is returned: nothing is due during a pause, and what the pause held up is
    /// due at its end. The result does not decrease as `n` grows; below 0 it is the same as for 0.
    pub fn inverse(&self, n: f64) -> Option<Duration> {
        if n.is_nan() || n >= self.total() {
            return None;
        }
        let n = n.max(0.0);
        let index = self.cumulative.partition_point(|&end| end <= n);
        let segment = &self.segments[index];
        let offset_ns = segment.reached_ns(n - self.before(index));
        Some(segment.start + Duration::from_nanos(offset_ns))
    }

    /// The spans of time in which the value is above `level`, in order; an end of `None` means the
    /// end of the curve.
    ///
    /// For a number of users, these are the spans in which user `level` (from 0) is active. Spans
    /// that meet at a phase boundary are merged. Starts and ends are rounded to the nearest
    /// nanosecond.
    pub fn crossings(&self, level: f64) -> Vec<(Duration, Option<Duration>)> {
        let mut spans: Vec<(Duration, Duration)> = Vec::new();
        for (start, end) in self
            .segments
            .iter()
            .filter_map(|segment| segment.above(level))
        {
            match spans.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => spans.push((start, end)),
            }
        }
        let duration = self.duration();
        spans
            .into_iter()
            .map(|(start, end)| (start, (end < duration).then_some(end)))
            .collect()
    }

    /// Index of the phase that contains `t`; `None` from the end on.
    fn segment_at(&self, t: Duration) -> Option<usize> {
        let index = self.segments.partition_point(|segment| segment.end() <= t);
        (index < self.segments.len()).then_some(index)
    }

    /// Integral up to the start of a phase.
    fn before(&self, index: usize) -> f64 {
        index
            .checked_sub(1)
            .map_or(0.0, |previous| self.cumulative[previous])
    }
}

#[cfg(test)]
mod tests;
