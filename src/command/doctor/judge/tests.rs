//! Findings for made-up machines.

use super::*;
use crate::command::doctor::parse::Ticks;
use engine::{Limits, LocalPorts};
use std::time::Duration;

/// A machine without problems.
fn sound() -> Facts {
    let idle = Ticks {
        total: 50,
        idle: 50,
        steal: 0,
    };
    Facts {
        release: "6.1.0-18-amd64".into(),
        ring_refusal: None,
        rings_are_locked: false,
        limits: Limits {
            open_files: Some(1_048_576),
            locked_bytes: Some(64 << 20),
        },
        ports: LocalPorts {
            range: (1_024, 65_535),
            reserved: Vec::new(),
            is_systems: true,
            tw_reuse: 1,
            has_timestamps: true,
            reuse_after: Duration::from_secs(1),
        },
        somaxconn: Some(4_096),
        allowed: vec![0, 1],
        online: 2,
        ticks: [(0, idle), (1, idle)].into(),
        quota: None,
        memory: None,
        governors: [(0, "performance".to_owned())].into(),
        clock: Some("tsc".into()),
    }
}

/// Changes one fact of a sound machine: `subject` gets `grade` with `part` in its text, and all
/// other findings stay the same.
fn check(change: impl Fn(&mut Facts), subject: &str, grade: Grade, part: &str) {
    let mut facts = sound();
    change(&mut facts);
    for (found, before) in judge(&facts).iter().zip(judge(&sound())) {
        if found.subject != subject {
            assert_eq!(*found, before);
            continue;
        }
        assert_eq!(found.grade, grade, "{found:?}");
        let text = format!(
            "{} → {}",
            found.found,
            found.advice.clone().unwrap_or_default()
        );
        assert!(text.contains(part), "{text:?} is without {part:?}");
    }
}

#[test]
fn a_sound_machine_is_fit() {
    let findings = judge(&sound());
    assert_eq!(findings.len(), 12);
    assert!(
        findings
            .iter()
            .all(|f| f.grade == Grade::Ok && f.advice.is_none()),
        "{findings:?}"
    );
}

#[test]
fn kernel_and_ring() {
    check(
        |f| f.release = "5.15.0-1-amd64".into(),
        "kernel",
        Grade::Fail,
        "use Linux 6.1",
    );
    check(
        |f| f.release = "odd".into(),
        "kernel",
        Grade::Warn,
        "use Linux 6.1",
    );
    check(
        |f| f.release = "10.0.1".into(),
        "kernel",
        Grade::Ok,
        "Linux 10.0.1",
    );
    let refused = |f: &mut Facts| f.ring_refusal = Some(("forbidden".into(), "allow it".into()));
    check(refused, "io_uring", Grade::Fail, "forbidden → allow it");
}

#[test]
fn limits() {
    let locked = |bytes| move |f: &mut Facts| f.limits.locked_bytes = bytes;
    check(locked(None), "memlock", Grade::Ok, "there is no limit");
    check(locked(Some(512 << 10)), "memlock", Grade::Ok, "512 KiB");
    check(
        locked(Some(64 << 10)),
        "memlock",
        Grade::Fail,
        "the limit is 64 KiB, a run needs 512 KiB → raise the limit: ulimit -Hl",
    );
    let counted = |bytes| {
        move |f: &mut Facts| {
            f.rings_are_locked = true;
            f.limits.locked_bytes = Some(bytes);
        }
    };
    check(counted(8 << 20), "memlock", Grade::Ok, "with 2 cores");
    check(counted(1 << 20), "memlock", Grade::Warn, "needs 1536 KiB");
    check(counted(600 << 10), "memlock", Grade::Fail, "ulimit -Hl");
    let files = |limit| move |f: &mut Facts| f.limits.open_files = limit;
    check(files(Some(100)), "open files", Grade::Fail, "LimitNOFILE");
    check(
        files(Some(4_096)),
        "open files",
        Grade::Warn,
        "the limit of 4096 lets a core have 4032 connections at once (64 are reserved",
    );
    check(files(None), "open files", Grade::Ok, "no limit");
    let memory = |limit| move |f: &mut Facts| f.memory = Some(limit);
    check(
        memory(4 << 30),
        "memory",
        Grade::Ok,
        "limits it to 4.00 GiB",
    );
    check(memory(128 << 20), "memory", Grade::Warn, "memory.max");
}

#[test]
fn ports_and_the_connections_they_allow() {
    // 65535 - 1024 + 1, again after a second
    let found = "64,512 concurrent connections and about 64,512 new ones/s";
    check(|_| (), "ports", Grade::Ok, found);
    // the default range, which rests for a minute: 28232 / 60
    let default = |f: &mut Facts| (f.ports.range, f.ports.tw_reuse) = ((32_768, 60_999), 2);
    check(
        default,
        "ports",
        Grade::Warn,
        "28,232 concurrent connections and about 470 new ones/s",
    );
    check(
        |f| f.ports.range = (60_000, 61_000),
        "ports",
        Grade::Warn,
        "1,001 concurrent connections",
    );
    let stampless = |f: &mut Facts| f.ports.has_timestamps = false;
    let found = "tcp_tw_reuse 1, tcp_timestamps off: 64,512 concurrent connections and about 1,075";
    check(stampless, "ports", Grade::Warn, found);
    let reserved = |f: &mut Facts| f.ports.reserved = vec![2_000, 2_001];
    check(
        reserved,
        "ports",
        Grade::Ok,
        "64,510 concurrent connections",
    );
    check(
        |f| f.somaxconn = Some(128),
        "somaxconn",
        Grade::Warn,
        "128 connections",
    );
}

#[test]
fn cores_and_who_uses_them() {
    check(
        |f| f.quota = Some(1.5),
        "cores",
        Grade::Warn,
        "limits them to 1.50 cores",
    );
    check(|f| f.quota = Some(2.0), "cores", Grade::Ok, "2 of 2");
    let ticks = |idle, steal| Ticks {
        total: 50,
        idle,
        steal,
    };
    let busy = move |f: &mut Facts| f.ticks = [(0, ticks(50, 0)), (1, ticks(40, 0))].into();
    check(busy, "load", Grade::Warn, "running: cpu 1: 20 %");
    let calm = move |f: &mut Facts| f.ticks = [(0, ticks(46, 0)), (7, ticks(0, 0))].into();
    check(calm, "load", Grade::Ok, "idle");
    let stolen = move |f: &mut Facts| f.ticks = [(0, ticks(45, 5)), (1, ticks(50, 0))].into();
    check(stolen, "steal", Grade::Warn, "cpu 0: 10 %");
}

#[test]
fn one_core_is_few() {
    let mut facts = sound();
    facts.allowed = vec![1];
    let cores = judge(&facts)
        .into_iter()
        .find(|f| f.subject == "cores")
        .unwrap();
    assert_eq!(
        (cores.grade, cores.found.as_str()),
        (Grade::Warn, "1 of 2 can be used (1)")
    );
}

#[test]
fn governor_and_clock() {
    let slow = |f: &mut Facts| f.governors = [(0, "powersave".to_owned())].into();
    check(slow, "governor", Grade::Warn, "powersave on 1 cores");
    check(
        |f| f.governors.clear(),
        "governor",
        Grade::Ok,
        "no CPU frequency control",
    );
    check(
        |f| f.clock = Some("hpet".into()),
        "clock",
        Grade::Warn,
        "clocksource=tsc",
    );
}

#[test]
fn many_cores_are_summed_up() {
    let busy = Ticks {
        total: 50,
        idle: 0,
        steal: 0,
    };
    let mut facts = sound();
    facts.allowed = (0..20).collect();
    facts.ticks = (0..20).map(|cpu| (cpu, busy)).collect();
    let load = judge(&facts)
        .into_iter()
        .find(|f| f.subject == "load")
        .unwrap();
    assert!(
        load.found.ends_with("cpu 15: 100 % and 4 more"),
        "{}",
        load.found
    );
}
