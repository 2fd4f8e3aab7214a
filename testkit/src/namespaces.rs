//! Hosts of a network of their own: network namespaces joined by veth, for tests as root.
//!
//! Each host has an interface `eth0` of MTU 1500, loopback, and the addresses 10.99.K.N and
//! fd99::K:N, where N is its number from 1 on and K counts its addresses from 0 on. The kernel
//! gives every namespace the defaults of a fresh system, whatever this machine's own are, so
//! `tcp_tw_reuse` works on loopback only and ports are those from 32768 to 60999.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::need;

/// Names of namespaces begin so, then come the number of the process and one of its own.
const PREFIX: &str = "testkit";
/// Hosts of one network, and addresses of one host, at most: both are a part of an address.
const HOSTS_MAX: usize = 200;

/// Some hosts on one wire. It, and what still runs in it, is cut off when this is dropped.
pub struct Network {
    hosts: Vec<Host>,
    /// Joins more than two hosts; removed with the network.
    _switch: Option<Namespace>,
}

/// One host of a [`Network`].
pub struct Host {
    /// From 1 on.
    number: u8,
    namespace: Namespace,
    /// Addresses of each family so far.
    addresses: Cell<u8>,
}

/// A network namespace of the machine, by name; removed when it is dropped.
struct Namespace {
    name: String,
}

/// Two hosts joined by one veth: `host(0)` to load from, `host(1)` to serve.
///
/// `None`, said loudly, without root or iproute2.
///
/// # Panics
/// When one of these is missing and `CI` is set, or when the kernel refuses what root may do.
pub fn pair() -> Option<Network> {
    network(2)
}

/// So many hosts, at least two, each of which reaches every other.
///
/// # Panics
/// As [`pair`].
pub fn network(hosts: usize) -> Option<Network> {
    assert!((2..=HOSTS_MAX).contains(&hosts), "hosts: 2 to {HOSTS_MAX}");
    let is_able = rustix::process::geteuid().is_root() && need::program("ip").is_some();
    let what = "network namespaces (root; Debian: apt-get install iproute2)";
    if !need::need(what, is_able) {
        return None;
    }
    sweep();
    let made: Vec<Host> = (1..=hosts).map(|number| Host::new(number as u8)).collect();
    let switch = if let [one, other] = made.as_slice() {
        let (one, other) = (one.name(), other.name());
        let peer = format!("peer name eth0 netns {other}");
        ip(&format!(
            "link add eth0 netns {one} mtu 1500 type veth {peer}"
        ));
        None
    } else {
        Some(switch(&made))
    };
    for host in &made {
        host.come_up();
    }
    Some(Network {
        hosts: made,
        _switch: switch,
    })
}

impl Network {
    /// One of the hosts, from 0 on.
    pub fn host(&self, index: usize) -> &Host {
        &self.hosts[index]
    }
}

impl Host {
    fn new(number: u8) -> Host {
        Host {
            number,
            namespace: Namespace::new(),
            addresses: Cell::new(0),
        }
    }

    fn come_up(&self) {
        let name = self.name();
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} link set eth0 up"));
        self.sources(1);
    }

    /// The name of its namespace, as `ip netns` has it.
    pub fn name(&self) -> &str {
        &self.namespace.name
    }

    /// Its first IPv4 address.
    pub fn address(&self) -> IpAddr {
        self.sources(1)[0]
    }

    /// Its first IPv6 address.
    pub fn address6(&self) -> IpAddr {
        self.sources6(1)[0]
    }

    /// Its first IPv4 addresses, so many; those that it lacks are added, and their IPv6 partners.
    pub fn sources(&self, count: u8) -> Vec<IpAddr> {
        self.have(count);
        let v4 = |index| Ipv4Addr::new(10, 99, index, self.number).into();
        (0..count).map(v4).collect()
    }

    /// The same of IPv6.
    pub fn sources6(&self, count: u8) -> Vec<IpAddr> {
        self.have(count);
        let number = u16::from(self.number);
        let v6 = |index| Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, u16::from(index), number).into();
        (0..count).map(v6).collect()
    }

    fn have(&self, count: u8) {
        assert!(usize::from(count) <= HOSTS_MAX, "addresses: {HOSTS_MAX}");
        let (name, number) = (self.name(), self.number);
        for index in self.addresses.get()..count {
            ip(&format!(
                "-n {name} addr add 10.99.{index}.{number}/16 dev eth0"
            ));
            let v6 = format!("fd99::{index:x}:{number:x}/64");
            // Without the test for duplicates, which takes a second.
            ip(&format!("-n {name} addr add {v6} dev eth0 nodad"));
        }
        self.addresses.set(self.addresses.get().max(count));
    }

    /// Sets a variable of its network, such as `net.ipv4.tcp_tw_reuse`.
    ///
    /// # Panics
    /// When there is none of that name, or the kernel refuses the value.
    pub fn set(&self, variable: &str, value: &str) {
        let path = Path::new("/proc/sys").join(variable.replace('.', "/"));
        // The folder shows the variables of the namespace of whoever looks.
        let written = self.within(|| fs::write(&path, value));
        written.unwrap_or_else(|e| panic!("{variable} = {value}: {e}"));
    }

    /// A command that runs in here. It has no process of its own in between: signals reach it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(need::program("ip").expect("the network was made with it"));
        command.args(["netns", "exec", self.name()]).arg(program);
        command
    }

    /// Calls `work` on a thread in here: sockets that it opens belong to this host, and so do
    /// those of the threads and processes that it starts, also after its end. Servers of this
    /// crate are started so.
    ///
    /// # Panics
    /// As `work` does.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/run/netns").join(self.name());
        let file = File::open(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        let enter = || move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network));
        let ended = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter().unwrap_or_else(|e| panic!("{path:?}: {e}"));
                work()
            });
            thread.join()
        });
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Namespace {
    fn new() -> Namespace {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{number}", std::process::id());
        ip(&format!("netns add {name}"));
        Namespace { name }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What stays is swept by the next that makes a network.
        let _ = try_ip(&format!("netns del {}", self.name));
    }
}

/// Joins hosts by a bridge in a namespace of its own.
fn switch(hosts: &[Host]) -> Namespace {
    let switch = Namespace::new();
    let middle = &switch.name;
    ip(&format!("-n {middle} link add br0 type bridge"));
    ip(&format!("-n {middle} link set br0 up"));
    for host in hosts {
        let (name, port) = (host.name(), format!("port{}", host.number));
        let peer = format!("peer name {port} netns {middle}");
        ip(&format!(
            "link add eth0 netns {name} mtu 1500 type veth {peer}"
        ));
        ip(&format!("-n {middle} link set {port} master br0 up"));
    }
    switch
}

/// Removes what processes left behind that were killed.
fn sweep() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('-');
        let is_ours = parts.next() == Some(PREFIX);
        let owner = parts.next().filter(|_| is_ours);
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = try_ip(&format!("netns del {name}"));
        }
    }
}

/// Runs `ip` with these words.
fn ip(words: &str) {
    if let Err(said) = try_ip(words) {
        panic!("ip {words}: {said}");
    }
}

fn try_ip(words: &str) -> Result<(), String> {
    let program = need::program("ip").ok_or("not installed")?;
    let output = Command::new(program)
        .args(words.split_whitespace())
        .output();
    let output = output.map_err(|e| e.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::origin::{Behaviour, Origin};
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn hosts_reach_each_other_over_both_families_and_nobody_else() {
        for count in [2, 3] {
            let Some(network) = network(count) else {
                return;
            };
            let (near, far) = (network.host(0), network.host(count - 1));
            for ip in [far.address(), far.address6()] {
                let origin = far.within(|| Origin::start_at(ip, Behaviour::fixed(Duration::ZERO)));
                let addr = origin.addr();
                let status = near.within(|| Client::connect(addr)?.get("/").map(|r| r.status));
                assert_eq!(status.unwrap(), 200, "{ip}");
                assert!(TcpStream::connect_timeout(&addr, Duration::from_millis(50)).is_err());
                assert_eq!(origin.report().answered, 1);
            }
        }
    }

    #[test]
    fn a_host_has_addresses_variables_and_commands_of_its_own() {
        let Some(network) = pair() else {
            return;
        };
        let host = network.host(0);
        assert_eq!(host.sources(3)[2].to_string(), "10.99.2.1");
        assert_eq!(host.sources6(3)[2].to_string(), "fd99::2:1");
        host.set("net.ipv4.ip_local_port_range", "20000 20099");
        let output = host
            .command("cat")
            .arg("/proc/sys/net/ipv4/ip_local_port_range")
            .output();
        assert_eq!(
            String::from_utf8(output.unwrap().stdout).unwrap(),
            "20000\t20099\n"
        );
        let far = network
            .host(1)
            .within(|| fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range"));
        assert_eq!(far.unwrap(), "32768\t60999\n");
        let name = host.name().to_owned();
        drop(network);
        assert!(!Path::new("/run/netns").join(name).exists());
    }
}
