//! What an origin saw and did.

use std::time::Duration;

use crate::sample;

/// One request as the origin saw it. Times in nanoseconds since the epoch, which is the arrival
/// of the first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// When its last byte had been read.
    pub arrived_ns: u64,
    /// The service time of its own, without waiting and freezes.
    pub service_ns: u64,
    /// When its reply was due.
    pub due_ns: u64,
    /// When its reply was handed to the kernel; `None`: not yet, or the peer had gone.
    pub answered_ns: Option<u64>,
    /// The connection it came on, numbered from 0 as they were accepted.
    pub connection: u32,
}

/// Counts since the start of an origin or its last `begin`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Connections accepted.
    pub connections_opened: u64,
    /// Connections closed by either side.
    pub connections_closed: u64,
    /// The most that were open at one moment.
    pub connections_max: u64,
    /// Requests whose head was complete, without the bad ones.
    pub received: u64,
    /// Replies handed to the kernel in full.
    pub answered: u64,
    /// Complete requests whose peer closed or reset before the reply was sent in full.
    pub abandoned: u64,
    /// Requests whose head was complete and whose peer was gone before the end of the body.
    /// `received = answered + abandoned + truncated + those still here`.
    pub truncated: u64,
    /// Requests answered 400 and closed: no request line, a bad length, a chunked body.
    pub bad: u64,
    /// Times a byte of a next request came before the reply to the last.
    pub pipelined: u64,
    /// Bytes read from all connections.
    pub bytes_in: u64,
    /// Bytes written to all connections.
    pub bytes_out: u64,
    /// The most requests that were complete and unanswered at one moment.
    pub in_flight_max: u64,
    /// The longest time by which a reply was sent later than due: the origin's own error.
    pub late_max_ns: u64,
    /// The first `records_max` requests that were complete, in order of arrival.
    pub served: Vec<Served>,
    /// Complete requests beyond `records_max`.
    pub unrecorded: u64,
}

impl Report {
    /// Requests complete and not yet answered, as an average over `[from, to)` since the epoch.
    /// Those the peer gave up are taken to have stayed until they were due.
    pub fn mean_in_flight(&self, from: Duration, to: Duration) -> f64 {
        let spans: Vec<(f64, f64)> = self
            .served
            .iter()
            .map(|s| {
                (
                    s.arrived_ns as f64,
                    s.answered_ns.unwrap_or(s.due_ns) as f64,
                )
            })
            .collect();
        sample::mean_in_flight(&spans, from.as_nanos() as f64, to.as_nanos() as f64)
    }

    /// The gaps between arrivals that follow each other, in milliseconds.
    pub fn gaps_ms(&self) -> Vec<f64> {
        // Beyond `records_max` nothing is kept, so no gap spans an unrecorded request.
        self.served
            .windows(2)
            .map(|pair| (pair[1].arrived_ns - pair[0].arrived_ns) as f64 / 1e6)
            .collect()
    }

    /// From arrival to reply as the origin saw it, in milliseconds, of those answered.
    pub fn own_ms(&self) -> Vec<f64> {
        self.served
            .iter()
            .filter_map(|s| Some((s.answered_ns? - s.arrived_ns) as f64 / 1e6))
            .collect()
    }
}
