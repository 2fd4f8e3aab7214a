//! The configured behaviour of an origin.

use std::time::Duration;

/// How long one request keeps a slot busy.
#[derive(Clone, Debug, PartialEq)]
pub enum Service {
    /// The same for each.
    Fixed(Duration),
    /// Exponentially distributed, drawn in the order of arrival from this seed.
    Exponential {
        /// The mean of the distribution.
        mean: Duration,
        /// Same seed, same sequence of service times.
        seed: u64,
    },
}

/// Times in which nothing starts and nothing completes.
///
/// Freeze number j covers `[first + j * every, first + j * every + length)` after the epoch,
/// which is the arrival of the first request. A request that arrives during a freeze begins at
/// its end (with limited slots: not before its turn). A request whose service ends during a freeze
/// completes at its end, as a sleeping process does that was not allowed to run; its slot
/// is taken until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// From the epoch to the beginning of the first freeze.
    pub first: Duration,
    /// Of each.
    pub length: Duration,
    /// From one beginning to the next; `None`: there is only one.
    pub every: Option<Duration>,
}

impl Freeze {
    /// A freeze of `length` in each period of `every`, in the middle of the period, so that a run
    /// of whole periods holds whole freezes with the time to drain after each.
    ///
    /// # Panics
    /// When `length >= every`.
    pub fn each(length: Duration, every: Duration) -> Freeze {
        assert!(
            length < every,
            "a freeze of {length:?} does not fit into {every:?}"
        );
        Freeze {
            first: (every - length) / 2,
            length,
            every: Some(every),
        }
    }

    /// One freeze: a stall.
    pub fn once(first: Duration, length: Duration) -> Freeze {
        Freeze {
            first,
            length,
            every: None,
        }
    }

    /// The end of the freeze that covers this moment, if one does. Nanoseconds since the epoch.
    pub fn end_ns(&self, at_ns: u64) -> Option<u64> {
        let length = nanos(self.length);
        let since = at_ns.checked_sub(nanos(self.first))?;
        let phase = match self.every {
            Some(every) => since % nanos(every),
            None => since,
        };
        (phase < length).then(|| at_ns + (length - phase))
    }
}

/// What an origin does to each request. Begin with [`Behaviour::fixed`] or
/// [`Behaviour::exponential`] and change what differs.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The time each request needs.
    pub service: Service,
    /// Requests served at once, the others wait in order of arrival; `None`: any number.
    pub slots: Option<usize>,
    /// When nothing moves; `None`: never.
    pub freeze: Option<Freeze>,
    /// Of this many requests, in order of arrival, the last is served. The others are refused: a
    /// 429 at once, without a slot. 1 serves all.
    pub one_of: u64,
    /// The body of each reply.
    pub body: Vec<u8>,
    /// Whether each reply says its own service time as `x-service-ns: N`.
    pub report_service: bool,
    /// Connections open at once; beyond that they wait in the backlog.
    pub connections_max: usize,
    /// Requests of which arrival and completion are kept; room for all is taken at the start.
    /// Later ones are served and counted, and not kept.
    pub records_max: usize,
    /// The cpu its thread is pinned to; `None`: any.
    pub cpu: Option<usize>,
    /// Never sleeps, so that its own waking up moves no arrival.
    pub awake: bool,
}

impl Behaviour {
    /// Serves any number at once, each for this long, with the body `ok`.
    pub fn fixed(service: Duration) -> Behaviour {
        Behaviour::new(Service::Fixed(service))
    }

    /// Serves any number at once, each for an exponentially distributed time.
    pub fn exponential(mean: Duration, seed: u64) -> Behaviour {
        Behaviour::new(Service::Exponential { mean, seed })
    }

    fn new(service: Service) -> Behaviour {
        Behaviour {
            service,
            slots: None,
            freeze: None,
            one_of: 1,
            body: b"ok".to_vec(),
            report_service: false,
            connections_max: 8192,
            records_max: 250_000,
            cpu: None,
            awake: false,
        }
    }

    /// Serves only this many at once (at least 1), the others in order of arrival.
    pub fn slots(self, slots: usize) -> Behaviour {
        assert!(slots > 0, "an origin without a slot serves nobody");
        Behaviour {
            slots: Some(slots),
            ..self
        }
    }

    /// Freezes now and then.
    pub fn freeze(self, freeze: Freeze) -> Behaviour {
        Behaviour {
            freeze: Some(freeze),
            ..self
        }
    }

    /// Serves one of this many requests (at least 1) and refuses the others at once.
    pub fn one_of(self, one_of: u64) -> Behaviour {
        assert!(one_of > 0, "one of none is no request");
        Behaviour { one_of, ..self }
    }

    /// Sends this body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Behaviour {
        Behaviour {
            body: body.into(),
            ..self
        }
    }

    /// Says its service time in each reply.
    pub fn report_service(self) -> Behaviour {
        Behaviour {
            report_service: true,
            ..self
        }
    }

    /// Keeps the times of this many requests.
    pub fn records_max(self, records_max: usize) -> Behaviour {
        Behaviour {
            records_max,
            ..self
        }
    }

    /// Asks for events without pause instead of sleeping until they come: waking up takes a
    /// virtual machine some 50 us, which would move the arrivals that it is to tell. Takes a whole
    /// processor.
    pub fn awake(self) -> Behaviour {
        Behaviour {
            awake: true,
            ..self
        }
    }

    /// Runs on this cpu only.
    pub fn cpu(self, cpu: usize) -> Behaviour {
        Behaviour {
            cpu: Some(cpu),
            ..self
        }
    }
}

/// Nanoseconds of a length of time; 584 years fit.
pub(super) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
