//! The users of one closed load on one core: when each comes and goes.

use super::Share;
use config::Curve;
use std::time::Duration;

/// One user's presence in a closed load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActiveSpan {
    /// When the user begins, from the start of the load.
    pub(crate) from: Duration,
    /// After this moment the user begins no further iteration.
    pub(crate) until: Duration,
    /// Which user of the load.
    pub(crate) number: u64,
}

/// This core's stays in the order of their beginning. User `k` is present while the curve is
/// above `k`; a ramp down and up again gives it several stays.
pub(crate) fn active_spans(users: &Curve, share: Share) -> Vec<ActiveSpan> {
    let end = users.duration();
    let count = users.max().ceil() as u64;
    let mut active_spans: Vec<ActiveSpan> = (0..count)
        .filter(|&number| share.owns(number))
        .flat_map(|number| {
            let present = users.crossings(number as f64).into_iter();
            present.map(move |(from, until)| ActiveSpan {
                from,
                until: until.unwrap_or(end),
                number,
            })
        })
        .collect();
    active_spans.sort_by_key(|stay| (stay.from, stay.number));
    active_spans
}
