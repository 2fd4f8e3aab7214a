//! Judges the facts for a load generator, and says what to change.

use super::facts::Facts;
use super::parse;
use crate::command::{memory, prepare};
use crate::render::format::{bytes, count, percent};
use engine::{Limits, LocalPorts};
use std::net::IpAddr;

/// The first kernel whose io_uring has everything the engine uses.
const KERNEL_MIN: (u32, u32) = (6, 1);
/// Open files that suffice for most plans.
const FILES_GOOD: u64 = 20_000;
/// Users that suffice for most plans.
const USERS_GOOD: u64 = 10_000;
/// Backlog that suffices for the built-in target, in connections.
const BACKLOG_GOOD: u64 = 1_024;
/// Use of a core by other programs that disturbs measurements, as a share.
const BUSY_WARN: f64 = 0.1;
/// Steal time that disturbs measurements, as a share.
const STEAL_WARN: f64 = 0.01;
/// Maximum number of cores listed individually.
const CORES_LISTED: usize = 16;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Nothing to change.
    Ok,
    /// It limits or disturbs.
    Warn,
    /// A run would fail.
    Fail,
}

/// One checked subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The severity.
    pub grade: Grade,
    /// The subject.
    pub subject: &'static str,
    /// What was found.
    pub found: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, found: String) -> Finding {
        Finding {
            grade: Grade::Ok,
            subject,
            found,
            advice: None,
        }
    }

    fn bad(grade: Grade, subject: &'static str, found: String, advice: &str) -> Finding {
        Finding {
            grade,
            subject,
            found,
            advice: Some(advice.to_owned()),
        }
    }
}

/// Judges everything, most basic first.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![
        kernel(facts),
        io_uring(facts),
        locked_memory(facts),
        open_files(facts),
        memory(facts),
        ports(facts),
        backlog(facts),
        cores(facts),
    ];
    findings.push(load(facts));
    findings.push(steal(facts));
    findings.push(governor(facts));
    findings.extend(clock(facts));
    findings
}

fn kernel(facts: &Facts) -> Finding {
    let (major, minor) = KERNEL_MIN;
    let found = format!("Linux {}", facts.release);
    let advice = format!("use Linux {major}.{minor} or later");
    match parse::release(&facts.release) {
        Some(release) if release >= KERNEL_MIN => Finding::ok("kernel", found),
        Some(_) => Finding::bad(Grade::Fail, "kernel", found, &advice),
        None => Finding::bad(Grade::Warn, "kernel", found, &advice),
    }
}

fn io_uring(facts: &Facts) -> Finding {
    match &facts.ring_refusal {
        None => Finding::ok("io_uring", "available".into()),
        Some((found, advice)) => Finding::bad(Grade::Fail, "io_uring", found.clone(), advice),
    }
}

fn locked_memory(facts: &Facts) -> Finding {
    let all = if facts.rings_are_locked {
        facts.allowed.len()
    } else {
        0
    };
    let (subject, found) = ("memlock", facts.limits.locked_text(all));
    let grade = match all {
        _ if facts.limits.has_enough_locked(all) => return Finding::ok(subject, found),
        // fewer cores can still do
        2.. if facts.limits.has_enough_locked(1) => Grade::Warn,
        _ => Grade::Fail,
    };
    Finding::bad(grade, subject, found, Limits::LOCKED_FIX)
}

fn open_files(facts: &Facts) -> Finding {
    let (subject, found) = ("open files", facts.limits.open_files_text());
    let grade = match facts.limits.open_files {
        _ if !facts.limits.has_enough_files() => Grade::Fail,
        Some(limit) if limit < FILES_GOOD => Grade::Warn,
        _ => return Finding::ok(subject, found),
    };
    Finding::bad(grade, subject, found, Limits::OPEN_FILES_FIX)
}

fn memory(facts: &Facts) -> Finding {
    let subject = "memory";
    let Some(limit) = facts.memory else {
        return Finding::ok(subject, "no control group limits it".into());
    };
    let users = memory::users_max(limit, facts.allowed.len());
    let found = format!(
        "a control group limits it to {}: about {} users at once on {} cores",
        bytes(limit as f64),
        count(users),
        facts.allowed.len()
    );
    if users >= USERS_GOOD {
        return Finding::ok(subject, found);
    }
    let advice = "raise it (memory.max; docker run --memory; resources.limits.memory): what exceeds \
                  it is killed";
    Finding::bad(Grade::Warn, subject, found, advice)
}

/// A port serves one connection per address and port of the target, and stays in TIME-WAIT after
/// it: 60 s, or about 1 s when the kernel may reuse it (`tcp_tw_reuse` and timestamps).
fn ports(facts: &Facts) -> Finding {
    let subject = "ports";
    let ports = &facts.ports;
    let (first, last) = ports.range;
    // an address that is never local (RFC 5737)
    let rest = ports.rest(IpAddr::from([192, 0, 2, 1]));
    let rate = ports.count() as f64 / rest.as_secs_f64().max(1e-3);
    let stamps = if ports.has_timestamps { "on" } else { "off" };
    let found = format!(
        "{first}-{last}, tcp_tw_reuse {}, tcp_timestamps {stamps}: {} concurrent connections and about \
         {} new ones/s to one address of a target",
        ports.tw_reuse,
        count(ports.count()),
        count(rate as u64)
    );
    let advice = "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\" net.ipv4.tcp_tw_reuse=1 \
                  net.ipv4.tcp_timestamps=1; or pool = \"shared\", close = \"reset\" or more addresses \
                  in source ([connections] of a profile)";
    if rest < LocalPorts::TIME_WAIT && ports.count() >= FILES_GOOD {
        Finding::ok(subject, found)
    } else {
        Finding::bad(Grade::Warn, subject, found, advice)
    }
}

fn backlog(facts: &Facts) -> Finding {
    let subject = "somaxconn";
    let Some(limit) = facts.somaxconn else {
        return Finding::ok(subject, "cannot be read".into());
    };
    let found = format!(
        "servers on this machine, such as `mistress target`, can queue {limit} connections"
    );
    if limit >= BACKLOG_GOOD {
        return Finding::ok(subject, found);
    }
    Finding::bad(
        Grade::Warn,
        subject,
        found,
        "sysctl -w net.core.somaxconn=4096",
    )
}

fn cores(facts: &Facts) -> Finding {
    let subject = "cores";
    let all = facts.allowed.len();
    let listed = if all > CORES_LISTED {
        String::new()
    } else {
        format!(" ({})", prepare::list(&facts.allowed))
    };
    let found = format!("{all} of {} can be used{listed}", facts.online.max(all));
    match facts.quota {
        Some(quota) if quota < all as f64 => Finding::bad(
            Grade::Warn,
            subject,
            format!(
                "{found}, but a CPU quota limits them to {quota:.2} cores; cores = \"auto\" \
                 uses at most {}",
                (quota as usize).max(1)
            ),
            "raise the quota (cpu.max or cpu.cfs_quota_us; docker run --cpus): a throttled core sends late",
        ),
        _ if all == 1 => Finding::bad(
            Grade::Warn,
            subject,
            found,
            "use two or more cores, so that reporting and a local target do not disturb the load",
        ),
        _ => Finding::ok(subject, found),
    }
}

/// Shares of time of the allowed cores, in descending order.
fn shares(facts: &Facts, of: impl Fn(&parse::Ticks) -> u64) -> Vec<(usize, f64)> {
    let watched = facts
        .ticks
        .iter()
        .filter(|(cpu, _)| facts.allowed.contains(cpu));
    let mut shares: Vec<(usize, f64)> = watched
        .map(|(cpu, ticks)| (*cpu, of(ticks) as f64 / ticks.total.max(1) as f64))
        .collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    shares
}

/// `cpu 3: 40 %, cpu 1: 12 %`.
fn listed(shares: &[(usize, f64)]) -> String {
    let shown: Vec<String> = shares
        .iter()
        .take(CORES_LISTED)
        .map(|(cpu, share)| format!("cpu {cpu}: {}", percent(*share)))
        .collect();
    let more = shares.len().saturating_sub(CORES_LISTED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.join(", ") + &more
}

fn load(facts: &Facts) -> Finding {
    let subject = "load";
    let shares = shares(facts, |ticks| {
        ticks.total - ticks.idle.min(ticks.total) - ticks.steal
    });
    let busy: Vec<(usize, f64)> = shares
        .into_iter()
        .filter(|(_, s)| *s >= BUSY_WARN)
        .collect();
    if busy.is_empty() {
        return Finding::ok(subject, "all cores are idle".into());
    }
    let found = format!("other programs are running: {}", listed(&busy));
    let advice = "stop them, or choose other cores (--cores)";
    Finding::bad(Grade::Warn, subject, found, advice)
}

fn steal(facts: &Facts) -> Finding {
    let subject = "steal";
    let shares = shares(facts, |ticks| ticks.steal);
    let stolen: Vec<(usize, f64)> = shares
        .into_iter()
        .filter(|(_, s)| *s >= STEAL_WARN)
        .collect();
    if stolen.is_empty() {
        return Finding::ok(subject, "no steal time".into());
    }
    let found = format!("the hypervisor steals time: {}", listed(&stolen));
    let advice = "use a machine with dedicated cores: lag and latency include this time";
    Finding::bad(Grade::Warn, subject, found, advice)
}

fn governor(facts: &Facts) -> Finding {
    let subject = "governor";
    let slow: Vec<usize> = facts
        .governors
        .iter()
        .filter(|(_, governor)| *governor != "performance")
        .map(|(cpu, _)| *cpu)
        .collect();
    let Some(first) = slow.first() else {
        let found = if facts.governors.is_empty() {
            "no CPU frequency control (virtual machine)"
        } else {
            "performance"
        };
        return Finding::ok(subject, found.into());
    };
    let found = format!("{} on {} cores", facts.governors[first], slow.len());
    let advice = "cpupower frequency-set -g performance: a core that wakes slowly sends late";
    Finding::bad(Grade::Warn, subject, found, advice)
}

/// Reading some clocks costs a system call or more, several times per request.
fn clock(facts: &Facts) -> Option<Finding> {
    let clock = facts.clock.as_deref()?;
    let found = format!("clock source {clock}");
    if matches!(
        clock,
        "hpet" | "acpi_pm" | "jiffies" | "xen" | "refined-jiffies"
    ) {
        let advice = "boot with clocksource=tsc if the TSC is stable: this \
                      one is slow";
        return Some(Finding::bad(Grade::Warn, "clock", found, advice));
    }
    Some(Finding::ok("clock", found))
}

#[cfg(test)]
mod tests;
