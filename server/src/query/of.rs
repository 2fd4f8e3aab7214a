//! Which requests a latency is of. The store keeps that of all that ended and that of the failed;
//! what ended ok is the rest.

use crate::Error;
use crate::store::{Content, add_histogram, phase_key};
use stats::{Histogram, Of, Phase};

/// The key of a phase of a name, and where it is a latency of what ended ok, the key of the failed
/// ones, which are to be taken out. Latencies are of the requests that `of` says.
pub(crate) fn keys(of: Of, name: u32, phase: Phase) -> (u32, Option<u32>) {
    let failed = phase_key(name, Phase::LatencyFailed);
    match (phase, of) {
        (Phase::Latency, Of::Ok) => (phase_key(name, phase), Some(failed)),
        (Phase::Latency, Of::Failed) => (failed, None),
        _ => (phase_key(name, phase), None),
    }
}

/// A sum of histograms, and of those to be taken out of it. The one is taken out of the other
/// when both are whole: so extremes are as exact as they can be.
#[derive(Debug, Default, Clone)]
pub(crate) struct Rest {
    all: Option<Box<Histogram>>,
    part: Option<Box<Histogram>>,
}

impl Rest {
    /// The keys that must be read to fill it.
    pub(crate) fn wanted((key, part): (u32, Option<u32>)) -> Vec<u32> {
        std::iter::once(key).chain(part).collect()
    }

    /// Adds a row of either; `is_part` says which.
    ///
    /// # Errors
    /// When the row is no histogram.
    pub(crate) fn add(&mut self, is_part: bool, content: Content<'_>) -> Result<(), Error> {
        let sum = if is_part {
            &mut self.part
        } else {
            &mut self.all
        };
        add_histogram(sum.get_or_insert_default(), content)
    }

    /// Adds the sums of another.
    pub(crate) fn absorb(&mut self, other: Rest) {
        let pairs = [(&mut self.all, other.all), (&mut self.part, other.part)];
        for (mine, theirs) in pairs {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().add(&theirs);
            }
        }
    }

    /// Takes more out.
    pub(crate) fn without(mut self, part: &Histogram) -> Self {
        self.part.get_or_insert_default().add(part);
        self
    }

    /// What is left; none when there is no value.
    pub(crate) fn finish(self) -> Option<Histogram> {
        let mut all = *self.all?;
        if let Some(part) = self.part {
            all.subtract(&part);
        }
        (all.count() > 0).then_some(all)
    }
}
