//! The local ports that connections can be made from, and how long each rests between two.

use config::Ports;
use std::fs;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What the kernel has where nobody changed it, and what is taken when it cannot be read.
const STANDARD: (u16, u16) = (32_768, 60_999);
/// When a port in TIME-WAIT may be used again at the earliest, where it may.
const REUSE_AFTER: Duration = Duration::from_secs(1);

/// Local ports, and what the system says about using them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPorts {
    /// The first and the last.
    pub range: (u16, u16),
    /// Those among them that are not used, ascending (`net.ipv4.ip_local_reserved_ports`).
    pub reserved: Vec<u16>,
    /// The range is the system's own or within it.
    pub is_systems: bool,
    /// The sysctl `net.ipv4.tcp_tw_reuse`: 0 never, 1 always, 2 on loopback.
    pub tw_reuse: u64,
    /// Whether TCP says timestamps (`net.ipv4.tcp_timestamps`), without which no port in TIME-WAIT
    /// is used again.
    pub has_timestamps: bool,
    /// When a port in TIME-WAIT may be used again, where it may.
    pub reuse_after: Duration,
}

impl LocalPorts {
    /// How long Linux keeps a port in TIME-WAIT toward one address and port of a server.
    pub const TIME_WAIT: Duration = Duration::from_secs(60);

    /// What this machine, or the network namespace of this thread, has for these wishes.
    pub fn of_system(wishes: Ports) -> LocalPorts {
        let read = |name: &str| {
            fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default()
        };
        let number = |name: &str| read(name).trim().parse::<u64>().ok();
        let system = parse_range(&read("ip_local_port_range")).unwrap_or(STANDARD);
        let range = match wishes {
            Ports::System => system,
            Ports::Range(first, last) => (first, last),
        };
        let reserved = parse_list(&read("ip_local_reserved_ports"));
        let is_ours = |port: &u16| (range.0..=range.1).contains(port);
        let delay = number("tcp_tw_reuse_delay").map(Duration::from_millis);
        LocalPorts {
            range,
            reserved: reserved.into_iter().filter(is_ours).collect(),
            is_systems: system.0 <= range.0 && range.1 <= system.1,
            tw_reuse: number("tcp_tw_reuse").unwrap_or(0),
            has_timestamps: number("tcp_timestamps") != Some(0),
            reuse_after: delay.unwrap_or(REUSE_AFTER),
        }
    }

    /// The ports, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        let (first, last) = self.range;
        (first..=last).filter(|port| self.reserved.binary_search(port).is_err())
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        let (first, last) = self.range;
        u64::from(last - first) + 1 - self.reserved.len() as u64
    }

    /// How long a port rests after a connection to `server` that this side closed first.
    pub fn rest(&self, server: IpAddr) -> Duration {
        let may = match self.tw_reuse {
            1 => true,
            2 => server.to_canonical().is_loopback(),
            _ => false,
        };
        if may && self.has_timestamps {
            self.reuse_after.min(LocalPorts::TIME_WAIT)
        } else {
            LocalPorts::TIME_WAIT
        }
    }
}

/// `32768  60999`
fn parse_range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (first <= last).then_some((first, last))
}

/// `8080,9148-9150`, ascending and without doubles.
fn parse_list(text: &str) -> Vec<u16> {
    let range = |part: &str| -> Option<RangeInclusive<u16>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    let mut ports: Vec<u16> = text.split(',').filter_map(range).flatten().collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME_WAIT: Duration = LocalPorts::TIME_WAIT;

    fn ports(tw_reuse: u64, has_timestamps: bool) -> LocalPorts {
        LocalPorts {
            range: (1024, 1033),
            reserved: vec![1024, 1030],
            is_systems: false,
            tw_reuse,
            has_timestamps,
            reuse_after: REUSE_AFTER,
        }
    }

    #[test]
    fn the_kernels_files() {
        assert_eq!(parse_range("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(parse_range("60999 32768"), None);
        assert_eq!(parse_range(""), None);
        assert_eq!(parse_list("\n"), Vec::<u16>::new());
        assert_eq!(
            parse_list("9148-9150,8080,9149\n"),
            [8080, 9148, 9149, 9150]
        );
    }

    #[test]
    fn reserved_ports_are_left_out() {
        let ports = ports(0, true);
        let expected = [1025, 1026, 1027, 1028, 1029, 1031, 1032, 1033];
        assert_eq!(ports.iter().collect::<Vec<_>>(), expected);
        assert_eq!(ports.count(), 8);
    }

    #[test]
    fn a_port_rests_as_long_as_the_kernel_has_it() {
        let (near, far) = ("127.0.0.1", "10.0.0.1");
        let second = Duration::from_secs(1);
        for (reuse, stamps, server, expected) in [
            (0, true, near, TIME_WAIT),
            (1, true, far, second),
            (1, false, far, TIME_WAIT),
            (2, true, far, TIME_WAIT),
            (2, true, near, second),
            (2, true, "::1", second),
            (2, true, "::ffff:127.0.0.1", second),
            (2, true, "fd99::1", TIME_WAIT),
            (2, false, near, TIME_WAIT),
        ] {
            let rest = ports(reuse, stamps).rest(server.parse().unwrap());
            assert_eq!(rest, expected, "{reuse} {stamps} {server}");
        }
    }

    #[test]
    fn this_machine_has_ports() {
        let system = LocalPorts::of_system(Ports::System);
        assert!(system.is_systems && system.count() > 0);
        let (first, last) = system.range;
        assert!(LocalPorts::of_system(Ports::Range(first, last)).is_systems);
        assert!(!LocalPorts::of_system(Ports::Range(1024, 65_535)).is_systems);
    }
}
