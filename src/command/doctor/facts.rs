//! Facts about the machine.

use super::parse::{self, Ticks};
use crate::cgroup::Groups;
use engine::{Error, Limits, LocalPorts};
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
    /// Why no ring can be made, and what to change.
    pub ring_refusal: Option<(String, String)>,
    /// Limits of this process, as a run has them.
    pub limits: Limits,
    /// Whether rings count as locked memory.
    pub rings_are_locked: bool,
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
    /// The memory limit of the control group, in bytes; `None` is no limit.
    pub memory: Option<u64>,
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
        let groups = Groups::of_this_process();
        Facts {
            release: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            limits: Limits::raise(),
            rings_are_locked: Limits::rings_are_locked(),
            ring_refusal: engine::try_ring().err().map(refusal),
            ports: LocalPorts::of_system(config::Ports::System),
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            online: after.len(),
            ticks: after.iter().filter_map(since).collect(),
            quota: groups.quota(),
            memory: groups.memory(),
            governors: governors.collect(),
            clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
                .map(|text| text.trim().to_owned()),
            allowed,
        }
    }
}

/// Why no ring can be made, and what to change.
fn refusal(error: Error) -> (String, String) {
    match error {
        Error::Ring { cause, fix, source } => (format!("{source}: {cause}"), fix),
        other => (other.to_string(), String::new()),
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn number(path: &str) -> Option<u64> {
    parse::number(&read(path)?)
}
