//! Which local port a connection is made from.
//!
//! The kernel searches for a free port by trying one after the other, and when most rest in
//! TIME-WAIT a connect takes seconds. So a core keeps a book of its own ports, one page per path
//! (from a local address to an address of a server), and names the port itself: the one that has
//! not been used for the longest time. When none is left it knows so without asking.

use crate::clock::Moment;
use crate::local_ports::LocalPorts;
use config::random;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Ports of one connection that the kernel may refuse before it fails: with four of five ports in
/// the hands of other programs, one connection in a million.
pub(super) const TRIES_MAX: u8 = 64;
/// When a port that the kernel refused is tried again: somebody else's connection or TIME-WAIT.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// The clocks of the kernel that end a TIME-WAIT tick in steps.
const MARGIN: Duration = Duration::from_millis(100);

/// A path's index in the book.
pub(super) type PathId = u32;

/// The port of a connection and the page it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) path: PathId,
    pub(super) number: u16,
    /// It rests until then by our own book, and whether the kernel agrees is tried.
    pub(super) guess: Option<Moment>,
}

/// What becomes of a port that is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing is left of its connection.
    Free,
    /// The connection was closed by this side first: TIME-WAIT.
    Resting,
    /// The kernel did not let us use it.
    Refused,
}

/// The book of one core.
pub(super) struct Ports {
    /// The core's own, in the order in which a path uses them first.
    own: Vec<u16>,
    /// How many of them, from the first on, the kernel itself prefers for connects. The others are
    /// those it prefers for servers that ask for any port: a path uses them only when it has to,
    /// since TIME-WAIT on all ports leaves such servers none.
    preferred: usize,
    pages: Vec<Page>,
    /// By the index of the local address and that of the server's.
    by_ends: HashMap<(u32, usize), PathId>,
    system: LocalPorts,
}

/// The ports of one path. A port is in one of the queues, or in use, or not yet used.
struct Page {
    /// How many of the core's ports were used at least once.
    begun: usize,
    /// Free again, the longest unused first.
    free: VecDeque<u16>,
    /// In TIME-WAIT, with its end, the first to end first.
    resting: VecDeque<(Moment, u16)>,
    /// In TIME-WAIT as the kernel has said, with its end by our own book, the first to end first.
    confirmed: VecDeque<(Moment, u16)>,
    /// Not to be tried before a moment, in its order.
    refused: VecDeque<(Moment, u16)>,
    /// How long TIME-WAIT keeps a port on this path.
    rest: Duration,
}

impl Page {
    /// A port that was used before and can be used again, the longest unused one first.
    fn take_used(&mut self, now: Moment) -> Option<u16> {
        for queue in [&mut self.confirmed, &mut self.resting, &mut self.refused] {
            if queue.front().is_some_and(|(end, _)| *end <= now) {
                return queue.pop_front().map(|(_, number)| number);
            }
        }
        self.free.pop_front()
    }
}

impl Ports {
    /// The book of core `core` of `cores`; `chance` decides where it begins, so that two
    /// processes on a machine seldom meet.
    pub(super) fn of(system: LocalPorts, core: u32, cores: u32, chance: u64) -> Ports {
        let stride = cores.max(1) as usize;
        // As in __inet_hash_connect of Linux: even distances from the first port.
        let is_preferred = |port: &u16| (port - system.range.0).is_multiple_of(2);
        let (preferred, others): (Vec<u16>, Vec<u16>) = system.iter().partition(is_preferred);
        let part = |all: Vec<u16>| -> Vec<u16> {
            let own = all.into_iter().skip(core as usize).step_by(stride);
            shuffled(own.collect(), chance)
        };
        let mut own = part(preferred);
        let preferred = own.len();
        own.extend(part(others));
        Ports {
            own,
            preferred,
            pages: Vec::new(),
            by_ends: HashMap::new(),
            system,
        }
    }

    /// The path from the local address with this index to the server's with this one.
    pub(super) fn path(&mut self, source: u32, address: usize, server: IpAddr) -> PathId {
        let rest = self.system.rest(server) + MARGIN;
        let pages = &mut self.pages;
        *self.by_ends.entry((source, address)).or_insert_with(|| {
            pages.push(Page {
                begun: 0,
                free: VecDeque::new(),
                resting: VecDeque::new(),
                confirmed: VecDeque::new(),
                refused: VecDeque::new(),
                rest,
            });
            pages.len() as PathId - 1
        })
    }

    /// The port that has been unused for the longest time; none when all are in use or rest.
    pub(super) fn take(&mut self, path: PathId, now: Moment) -> Option<Port> {
        let page = &mut self.pages[path as usize];
        let used = if page.begun < self.preferred {
            None
        } else {
            page.take_used(now)
        };
        let number = used.or_else(|| {
            let fresh = self.own.get(page.begun).copied();
            page.begun += usize::from(fresh.is_some());
            fresh
        });
        number.map(|number| Port {
            path,
            number,
            guess: None,
        })
    }

    /// When none can be had: the port whose rest is over first. It may be free all the same, where
    /// the server had closed before us or the kernel keeps fewer ports in TIME-WAIT.
    pub(super) fn guess(&mut self, path: PathId) -> Option<Port> {
        let (end, number) = self.pages[path as usize].resting.pop_front()?;
        Some(Port {
            path,
            number,
            guess: Some(end),
        })
    }

    pub(super) fn give_back(&mut self, port: Port, left: Left, now: Moment) {
        let page = &mut self.pages[port.path as usize];
        match left {
            Left::Free => page.free.push_back(port.number),
            Left::Resting => page.resting.push_back((now.after(page.rest), port.number)),
            Left::Refused => match port.guess {
                // Guesses are made in the order of their ends.
                Some(end) => page.confirmed.push_back((end, port.number)),
                None => page
                    .refused
                    .push_back((now.after(REFUSED_FOR), port.number)),
            },
        }
    }

    /// Whether the kernel takes the port from a range of one, which lets others share it; else it
    /// has to be bound.
    pub(super) fn are_systems(&self) -> bool {
        self.system.is_systems
    }
}

/// All of them once, in an order that `chance` decides: ports that an earlier process left in
/// TIME-WAIT are met one by one, and never so many in a row that a connection runs out of tries.
fn shuffled(mut ports: Vec<u16>, chance: u64) -> Vec<u16> {
    for last in (1..ports.len()).rev() {
        let drawn = random::bits(chance, 0, last as u64) % (last as u64 + 1);
        ports.swap(last, drawn as usize);
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const SECOND: u64 = 1_000_000_000;

    fn system(first: u16, last: u16) -> LocalPorts {
        LocalPorts {
            range: (first, last),
            reserved: vec![2003],
            is_systems: true,
            tw_reuse: 2,
            has_timestamps: true,
            reuse_after: Duration::from_secs(1),
        }
    }

    fn far() -> IpAddr {
        "10.0.0.1".parse().unwrap()
    }

    fn take_all(ports: &mut Ports, path: PathId, now: Moment) -> Vec<u16> {
        std::iter::from_fn(|| ports.take(path, now).map(|port| port.number)).collect()
    }

    #[test]
    fn cores_divide_the_ports_and_each_path_has_all_of_a_core() {
        let mut seen = Vec::new();
        for core in 0..3 {
            let mut ports = Ports::of(system(2000, 2009), core, 3, 0x1234_5678_9abc_def0);
            let (one, other) = (ports.path(0, 0, far()), ports.path(0, 1, far()));
            assert_eq!(ports.path(0, 0, far()), one);
            let all = take_all(&mut ports, one, Moment(0));
            assert_eq!(take_all(&mut ports, other, Moment(0)), all);
            seen.extend(all);
        }
        seen.sort_unstable();
        let expected: Vec<u16> = (2000..=2009).filter(|port| *port != 2003).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn ports_for_servers_are_left_alone_while_others_can_be_had() {
        let mut ports = Ports::of(system(2010, 2019), 0, 1, 7);
        let path = ports.path(0, 0, "127.0.0.1".parse().unwrap());
        let at = |s: u64| Moment(s * SECOND);
        // Each rests for a second or two: five are enough for one a second.
        for s in 0..60 {
            let port = ports.take(path, at(s)).unwrap();
            assert_eq!(port.number % 2, 0, "at {s} s");
            ports.give_back(port, Left::Resting, at(s));
        }
        let rest: Vec<u16> = take_all(&mut ports, path, at(60));
        assert_eq!(rest.iter().filter(|port| *port % 2 == 1).count(), 5);
    }

    #[test]
    fn the_longest_unused_comes_next_and_none_before_its_rest_is_over() {
        let mut ports = Ports::of(system(2000, 2002), 0, 1, 7);
        let path = ports.path(0, 0, far());
        let at = |s: u64| Moment(s * SECOND);
        let taken: Vec<Port> = (0..3).filter_map(|_| ports.take(path, at(0))).collect();
        assert_eq!(taken.len(), 3);
        assert_eq!(ports.take(path, at(0)), None);
        assert_eq!(ports.guess(path), None, "all are in use");
        ports.give_back(taken[1], Left::Resting, at(1));
        ports.give_back(taken[0], Left::Resting, at(2));
        assert_eq!(ports.take(path, at(60)), None);
        ports.give_back(taken[2], Left::Free, at(60));
        assert_eq!(ports.take(path, at(60)), Some(taken[2]));
        assert_eq!(ports.take(path, at(62)), Some(taken[1]));
        assert_eq!(ports.take(path, at(62)), None);
        assert_eq!(ports.take(path, at(63)), Some(taken[0]));
    }

    #[test]
    fn each_resting_port_is_guessed_at_once_and_a_refused_one_comes_back_later() {
        let mut ports = Ports::of(system(2000, 2000), 0, 1, 7);
        let path = ports.path(0, 0, far());
        let at = |s: u64| Moment(s * SECOND);
        let port = ports.take(path, at(0)).unwrap();
        ports.give_back(port, Left::Refused, at(0));
        assert_eq!((ports.take(path, at(4)), ports.guess(path)), (None, None));
        assert_eq!(ports.take(path, at(5)), Some(port));
        ports.give_back(port, Left::Resting, at(5));
        let guess = ports.guess(path).unwrap();
        assert!(guess.guess.is_some() && guess.number == port.number);
        ports.give_back(guess, Left::Refused, at(5));
        assert_eq!((ports.take(path, at(65)), ports.guess(path)), (None, None));
        assert_eq!(ports.take(path, at(66)), Some(port));
    }

    #[test]
    fn on_loopback_a_port_rests_for_a_second() {
        let mut ports = Ports::of(system(2000, 2000), 0, 1, 7);
        let path = ports.path(0, 0, "127.0.0.1".parse().unwrap());
        let port = ports.take(path, Moment(0)).unwrap();
        ports.give_back(port, Left::Resting, Moment(0));
        assert_eq!(ports.take(path, Moment(SECOND)), None);
        assert_eq!(ports.take(path, Moment(SECOND + SECOND / 10)), Some(port));
    }

    #[test]
    fn any_chance_gives_every_port_once() {
        let all: Vec<u16> = (1000..1012).collect();
        for chance in [0, 1, 6, u64::MAX, 0x0000_000b_0000_0004] {
            let mut order = shuffled(all.clone(), chance);
            order.sort_unstable();
            assert_eq!(order, all, "{chance}");
        }
    }

    #[test]
    fn ports_of_an_earlier_process_are_not_met_in_rows() {
        let all: Vec<u16> = (10_000..24_000).collect();
        for chance in 0..20 {
            let earlier: HashSet<u16> = shuffled(all.clone(), chance)
                .split_off(7_000)
                .into_iter()
                .collect();
            let order = shuffled(all.clone(), chance + 1000);
            let rows = order
                .split(|port| !earlier.contains(port))
                .map(<[u16]>::len);
            let longest = rows.max().unwrap();
            assert!(longest < usize::from(TRIES_MAX) / 2, "{chance}: {longest}");
        }
    }
}
