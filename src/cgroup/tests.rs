//! Recorded trees of both versions, and this machine's own groups.

use super::*;

const V1_MOUNTS: &str = "\
33 25 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
34 33 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
41 33 0:36 / /sys/fs/cgroup/cpuset rw,nosuid shared:17 - cgroup cgroup rw,cpuset
42 33 0:37 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:18 - cgroup cgroup rw,cpu,cpuacct
";
/// Inside a container the own group is the top of the mount.
const V1_CONTAINER_MOUNTS: &str = "\
1201 1190 0:37 /docker/4f5e /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:18 - cgroup cgroup rw,cpu,cpuacct
";
const V2_MOUNTS: &str = "\
24 30 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw
29 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
";

/// A tree of files and what it says: the quota, and periods since the start.
fn check(files: &[(&str, &str)], quota: Option<f64>, periods: &[(u64, u64)]) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let groups = Groups::under(root.path());
    assert_eq!(groups.quota(), quota, "{files:?}");
    let found: Vec<(u64, u64)> = groups
        .cpu
        .iter()
        .map(|group| (group.periods().all, group.periods().throttled))
        .collect();
    assert_eq!(found, periods, "{files:?}");
}

#[test]
fn version_1_with_a_quota_further_out() {
    let own = "4:memory:/a/b\n3:cpuset:/\n2:cpu,cpuacct:/a/b\n0::/a.scope\n";
    let stat =
        |n: u64, t: u64| format!("nr_periods {n}\nnr_throttled {t}\nthrottled_time 9876543\n");
    let (inner, outer) = (stat(10, 2), stat(30, 25));
    let cpu = "sys/fs/cgroup/cpu,cpuacct";
    let at = |path: &str| format!("{cpu}/{path}");
    let files = [
        ("proc/self/cgroup", own),
        ("proc/self/mountinfo", V1_MOUNTS),
        (&at("a/b/cpu.cfs_quota_us"), "-1\n"),
        (&at("a/b/cpu.cfs_period_us"), "100000\n"),
        (&at("a/b/cpu.stat"), &inner),
        (&at("a/cpu.cfs_quota_us"), "30000\n"),
        (&at("a/cpu.cfs_period_us"), "20000\n"),
        (&at("a/cpu.stat"), &outer),
        (&at("cpu.cfs_quota_us"), "-1\n"),
        (&at("cpu.cfs_period_us"), "100000\n"),
    ];
    // own, outer, top; then the unified hierarchy without a controller
    let periods = [(10, 2), (30, 25), (0, 0), (0, 0), (0, 0)];
    check(&files, Some(1.5), &periods);
}

#[test]
fn version_1_inside_a_container() {
    let cpu = "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_";
    let (quota, period) = (format!("{cpu}quota_us"), format!("{cpu}period_us"));
    for path in ["/docker/4f5e", "/", "/../other"] {
        let own = format!("5:cpu,cpuacct:{path}\n");
        let files = [
            ("proc/self/cgroup", &own[..]),
            ("proc/self/mountinfo", V1_CONTAINER_MOUNTS),
            (&quota, "50000\n"),
            (&period, "100000\n"),
        ];
        check(&files, Some(0.5), &[(0, 0)]);
    }
}

#[test]
fn version_2_nested_the_tightest_counts() {
    let stat = "usage_usec 5\nuser_usec 3\nnr_periods 7\nnr_throttled 6\nthrottled_usec 81234\n";
    let top = "sys/fs/cgroup";
    let at = |path: &str| format!("{top}/{path}");
    let files = [
        ("proc/self/cgroup", "0::/kube.slice/pod 1/box\n"),
        ("proc/self/mountinfo", V2_MOUNTS),
        (&at("kube.slice/pod 1/box/cpu.max"), "max 100000\n"),
        (&at("kube.slice/pod 1/cpu.max"), "250000 100000\n"),
        (&at("kube.slice/pod 1/cpu.stat"), stat),
        (&at("kube.slice/cpu.max"), "800000 100000\n"),
        (&at("cpu.stat"), "usage_usec 5\n"),
    ];
    check(&files, Some(2.5), &[(0, 0), (7, 6), (0, 0), (0, 0)]);
}

#[test]
fn machines_without_a_quota_or_without_groups() {
    check(&[], None, &[]);
    let files = [
        ("proc/self/cgroup", "0::/user.slice\n"),
        ("proc/self/mountinfo", V2_MOUNTS),
        ("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n"),
    ];
    check(&files, None, &[(0, 0), (0, 0)]);
    let broken = [
        ("proc/self/cgroup", "0::/a\n1:cpu\nx\n\n2:cpu:/b\n"),
        (
            "proc/self/mountinfo",
            "x - cgroup2\n\n1 2 3 / /m rw - cgroup\n - \n",
        ),
        ("m/a/cpu.max", "100 0\n"),
    ];
    check(&broken, None, &[]);
}

#[test]
fn the_tightest_limit_of_memory_counts_in_both_versions() {
    let v1 = "1 2 0:3 / /m rw - cgroup cgroup rw,memory\n";
    let unlimited = "9223372036854771712\n";
    type Files<'a> = &'a [(&'a str, &'a str)];
    let rows: [(&str, &str, Files<'_>, Option<u64>); 4] = [
        (
            "0::/a/b\n",
            V2_MOUNTS,
            &[("a/b/memory.max", "max\n"), ("a/memory.max", "4096\n")],
            Some(4096),
        ),
        ("0::/a\n", V2_MOUNTS, &[("a/memory.max", "max\n")], None),
        (
            "4:memory:/a\n",
            v1,
            &[("a/memory.limit_in_bytes", "8192\n")],
            Some(8192),
        ),
        (
            "4:memory:/a\n",
            v1,
            &[("a/memory.limit_in_bytes", unlimited)],
            None,
        ),
    ];
    for (own, mounts, files, expected) in rows {
        let root = tempfile::tempdir().unwrap();
        let top = if mounts == v1 { "m" } else { "sys/fs/cgroup" };
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", own);
        write("proc/self/mountinfo", mounts);
        files
            .iter()
            .for_each(|(path, text)| write(&format!("{top}/{path}"), text));
        assert_eq!(
            Groups::under(root.path()).memory(),
            expected,
            "{own}{files:?}"
        );
    }
}

#[test]
fn the_meter_tells_the_periods_since_the_last_sample() {
    let root = tempfile::tempdir().unwrap();
    let group = |name: &str| {
        let folder = root.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        Group {
            folder,
            version: Version::V2,
        }
    };
    let write = |name: &str, all: u64, throttled: u64| {
        let text = format!("nr_periods {all}\nnr_throttled {throttled}\n");
        fs::write(root.path().join(name).join("cpu.stat"), text).unwrap();
    };
    let groups = Groups {
        cpu: vec![group("inner"), group("outer")],
        memory: Vec::new(),
    };
    write("inner", 100, 100);
    write("outer", 50, 0);
    let mut meter = ThrottleMeter::new(groups);
    assert_eq!(meter.sample(), None);
    write("inner", 110, 101);
    write("outer", 60, 8);
    let most = Periods {
        all: 10,
        throttled: 8,
    };
    assert_eq!(meter.sample(), Some(most));
    assert_eq!(meter.sample(), None);
}

#[test]
fn this_machine_has_groups_that_can_be_read() {
    let groups = Groups::of_this_process();
    assert!(groups.quota().is_none_or(|quota| quota > 0.0));
    let mut all = groups.cpu.iter().chain(&groups.memory);
    assert!(all.all(|group| group.folder.is_dir()), "{groups:?}");
    assert!(groups.memory().is_none_or(|bytes| bytes > 0));
}
