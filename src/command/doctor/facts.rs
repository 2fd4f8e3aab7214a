//! Facts about the machine.

use super::parse::{self, Ticks};
use crate::cgroup::Groups;
use engine::LocalPorts;
use rustix::process::{Resource, getrlimit};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// How long the load of the cores is observed.
const SAMPLE: Duration = Duration::from_millis(500);

/// The facts that are judged; unknown ones are `None`.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Release of the kernel.
    pub release: String,
    /// The sysctl `kernel.io_uring_disabled`, which kernels before 6.6 lack.
    pub io_uring_disabled: Option<u64>,
    /// The error of creating a ring.
    pub ring_error: Option<String>,
    /// Limit of locked memory, in bytes; `None` is no limit.
    pub locked_bytes: Option<u64>,
    /// Whether limits on locked memory do not apply.
    pub is_root: bool,
    /// Open files, soft limit; `None` is no limit.
    pub files_soft: Option<u64>,
    /// Open files, hard limit; `None` is no limit.
    pub files_hard: Option<u64>,
    /// Local ports, and the system's settings for reusing them.
    pub ports: LocalPorts,
    /// The sysctl `net.core.somaxconn`.
    pub somaxconn: Option<u64>,
    /// Cpus that this process may use.
    pub allowed: Vec<usize>,
    /// Number of cpus online.
    pub online: usize,
    /// What each cpu did while it was observed.
    pub ticks: BTreeMap<usize, Ticks>,
    /// The CPU quota of the control group, in cores; `None` is no limit.
    pub quota: Option<f64>,
    /// Frequency governor by cpu.
    pub governors: BTreeMap<usize, String>,
    /// The kernel's clock source.
    pub clock: Option<String>,
}

impl Facts {
    /// Collects the facts of this machine; takes half a second.
    pub fn gather() -> Facts {
        let before = read("/proc/stat")
            .map(|text| parse::ticks(&text))
            .unwrap_or_default();
        std::thread::sleep(SAMPLE);
        let after = read("/proc/stat")
            .map(|text| parse::ticks(&text))
            .unwrap_or_default();
        let since = |(cpu, now): (&usize, &Ticks)| Some((*cpu, now.since(*before.get(cpu)?)));
        let allowed = engine::allowed_cpus();
        let governors = allowed.iter().filter_map(|cpu| {
            let path = format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
            Some((*cpu, read(&path)?.trim().to_owned()))
        });
        let files = getrlimit(Resource::Nofile);
        Facts {
            release: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            io_uring_disabled: number("/proc/sys/kernel/io_uring_disabled"),
            ring_error: engine::try_ring().err().map(|error| error.to_string()),
            locked_bytes: getrlimit(Resource::Memlock).current,
            is_root: rustix::process::geteuid().is_root(),
            files_soft: files.current,
            files_hard: files.maximum,
            ports: LocalPorts::of_system(config::Ports::System),
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            online: after.len(),
            ticks: after.iter().filter_map(since).collect(),
            quota: Groups::of_this_process().quota(),
            governors: governors.collect(),
            clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
                .map(|text| text.trim().to_owned()),
            allowed,
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn number(path: &str) -> Option<u64> {
    parse::number(&read(path)?)
}
