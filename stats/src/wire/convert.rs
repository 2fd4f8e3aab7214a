//! Between what is counted and what is sent.

use super::HistogramRow;
use crate::histogram::Histogram;

impl HistogramRow {
    /// A histogram under the name of its phase.
    pub fn of(phase: &str, histogram: &Histogram) -> Self {
        HistogramRow {
            phase: phase.to_owned(),
            payload: histogram.to_v2(),
            min_us: histogram.min_us(),
            max_us: histogram.max_us(),
            sum_us: histogram.sum_us(),
            clamped: histogram.clamped(),
        }
    }

    /// The histogram, with its exact figures as far as they fit its counts.
    ///
    /// # Errors
    /// When the payload is not one.
    pub fn read(&self) -> Result<Histogram, String> {
        let mut histogram = Histogram::from_v2(&self.payload)?;
        histogram.set_exact(self.min_us, self.max_us, self.sum_us, self.clamped);
        Ok(histogram)
    }
}
