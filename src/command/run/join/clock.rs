//! The clock of a node, and how far it is from the rendezvous' clock: the exchange of messages with
//! the shortest round trip tells it best, as in NTP.

use super::Joined;
use std::env;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that is set wrong by so many milliseconds; for tests alone.
const TEST_OFFSET: &str = "MISTRESS_TEST_CLOCK_MS";

/// A clock of this machine: the system's time at its making, and from then on monotonic.
#[derive(Clone, Copy, Debug)]
pub struct NodeClock {
    anchor: Instant,
    anchor_us: i64,
}

/// One message and its answer: sent and received by the node's clock, in between received and sent by
/// the rendezvous'. In microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    pub sent_us: i64,
    pub received_there_us: i64,
    pub sent_there_us: i64,
    pub received_us: i64,
}

/// How far the node's clock is ahead of the rendezvous', in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockOffset {
    pub offset_us: i64,
    /// Half the round trip: it is right to within this.
    pub uncertainty_us: u64,
    /// Of the exchange that told it.
    pub round_trip_us: u64,
}

impl NodeClock {
    /// The system's clock, now.
    pub fn of_system() -> NodeClock {
        let anchor = Instant::now();
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let wrong_ms = env::var(TEST_OFFSET)
            .ok()
            .and_then(|text| text.parse().ok());
        let wrong_ms: i64 = wrong_ms.unwrap_or(0);
        NodeClock {
            anchor,
            anchor_us: micros(since.unwrap_or_default()) + wrong_ms * 1_000,
        }
    }

    /// Microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        self.anchor_us + micros(self.anchor.elapsed())
    }

    /// The moment of a time of the rendezvous' clock; the past counts as the making of this clock.
    pub fn instant(&self, there_us: i64, offset: ClockOffset) -> Instant {
        let ahead_us = there_us + offset.offset_us - self.anchor_us;
        self.anchor + Duration::from_micros(u64::try_from(ahead_us).unwrap_or(0))
    }

    /// The rendezvous' clock, as this one knows it.
    pub(super) fn rendezvous_clock(&self, offset: ClockOffset) -> RunClock {
        let there_us = u64::try_from(self.anchor_us - offset.offset_us).unwrap_or(0);
        RunClock {
            moment: self.anchor,
            time: UNIX_EPOCH + Duration::from_micros(there_us),
        }
    }
}

/// The clock by which a run says when it was: that of the rendezvous, if there is one.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    moment: Instant,
    time: SystemTime,
}

impl RunClock {
    /// That of the system, or of the rendezvous of a node.
    pub fn of(joined: Option<&Joined>) -> RunClock {
        joined.map_or_else(
            || RunClock {
                moment: Instant::now(),
                time: SystemTime::now(),
            },
            Joined::run_clock,
        )
    }

    /// A moment and its time.
    pub fn pair(self) -> (Instant, SystemTime) {
        (self.moment, self.time)
    }

    /// The time of a moment that is not before the making of this clock.
    pub fn time_of(self, moment: Instant) -> SystemTime {
        self.time + moment.saturating_duration_since(self.moment)
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// What the exchange with the shortest round trip tells.
pub fn best(exchanges: &[Exchange]) -> ClockOffset {
    let of = |one: &Exchange| {
        let there = one.sent_there_us - one.received_there_us;
        let round_trip = u64::try_from(one.received_us - one.sent_us - there).unwrap_or(0);
        let out = one.sent_us - one.received_there_us;
        let back = one.received_us - one.sent_there_us;
        ClockOffset {
            offset_us: (out + back) / 2,
            uncertainty_us: round_trip.div_ceil(2),
            round_trip_us: round_trip,
        }
    };
    let all = exchanges.iter().map(of);
    all.min_by_key(|one| one.round_trip_us).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_round_trip_tells_the_offset() {
        // the node is 3 s ahead; 100 us each way, and once 5 ms on the way back
        let exchange = |out: i64, back: i64| Exchange {
            sent_us: 13_000_000,
            received_there_us: 10_000_000 + out,
            sent_there_us: 10_000_050 + out,
            received_us: 13_000_050 + out + back,
        };
        let found = best(&[exchange(100, 5_000), exchange(100, 100), exchange(900, 100)]);
        let expected = ClockOffset {
            offset_us: 3_000_000,
            uncertainty_us: 100,
            round_trip_us: 200,
        };
        assert_eq!(found, expected);
        let off = best(&[exchange(100, 5_000)]);
        let error = (off.offset_us - 3_000_000).unsigned_abs();
        assert!(error <= off.uncertainty_us, "{off:?}");
        assert_eq!(best(&[]), ClockOffset::default());
    }

    #[test]
    fn a_moment_there_is_one_here() {
        let clock = NodeClock::of_system();
        let offset = ClockOffset {
            offset_us: -1_500_000,
            ..ClockOffset::default()
        };
        let there_us = clock.anchor_us + 1_500_000 + 250_000;
        let here = clock.instant(there_us, offset);
        assert_eq!(here - clock.anchor, Duration::from_millis(250));
        assert_eq!(clock.instant(0, offset), clock.anchor);
    }
}
