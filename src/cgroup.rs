//! CPU quotas and memory limits of control groups, versions 1 and 2: those of this process, and how
//! often it was throttled. Both versions can be mounted at once; every ancestor group counts.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

/// Version 1 says so much when memory is not limited: the largest number of whole pages.
const NO_LIMIT: u64 = 1 << 62;

/// The groups whose limits apply to this process: its own and all visible ancestors.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// Those that can have a CPU quota.
    cpu: Vec<Group>,
    /// Those that can limit memory.
    memory: Vec<Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Counters of a quota since the group was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Periods {
    /// Periods of the quota in which the group wanted to run.
    pub all: u64,
    /// Periods in which it was throttled.
    pub throttled: u64,
}

/// Measures how often quotas throttle this process.
pub struct ThrottleMeter {
    groups: Groups,
    before: Vec<Periods>,
}

impl Groups {
    /// The groups of this process.
    pub fn of_this_process() -> Groups {
        Groups::under(Path::new("/"))
    }

    /// The groups described by the files below `root`: `/` or a recorded tree.
    fn under(root: &Path) -> Groups {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let (own, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        let of = |controller| Groups::of(controller, root, &own, &mounts);
        Groups {
            cpu: of("cpu"),
            memory: of("memory"),
        }
    }

    /// The groups that rule what `controller` controls.
    fn of(controller: &str, root: &Path, own: &str, mounts: &str) -> Vec<Group> {
        let mut groups = Vec::new();
        for (version, path) in own.lines().filter_map(|line| own_group(line, controller)) {
            let mount = mounts
                .lines()
                .filter_map(|line| mount(line, controller))
                .find(|m| m.version == version);
            let Some(mount) = mount else { continue };
            // In a container the path can be outside the mount: then only the mount is known.
            let inside = Path::new(path).strip_prefix(&mount.root).ok();
            let inside = inside.filter(|inside| !path.contains("..") && inside.is_relative());
            let top = root.join(mount.point.trim_start_matches('/'));
            let folder = top.join(inside.unwrap_or(Path::new("")));
            let around = folder
                .ancestors()
                .take_while(|folder| folder.starts_with(&top));
            groups.extend(around.map(|folder| Group {
                folder: folder.to_owned(),
                version,
            }));
        }
        groups
    }

    /// The tightest quota, in cores; `None` when there is none.
    pub fn quota(&self) -> Option<f64> {
        let quotas = self.cpu.iter().filter_map(Group::quota);
        quotas.min_by(f64::total_cmp)
    }

    /// The tightest limit of memory, in bytes; `None` when there is none.
    pub fn memory(&self) -> Option<u64> {
        self.memory.iter().filter_map(Group::memory).min()
    }
}

impl Group {
    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }

    fn quota(&self) -> Option<f64> {
        let (quota, period): (f64, f64) = match self.version {
            Version::V1 => {
                let number = |file| self.read(file)?.trim().parse().ok();
                (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
            }
            Version::V2 => {
                let text = self.read("cpu.max")?;
                let mut numbers = text.split_whitespace().map(str::parse);
                (numbers.next()?.ok()?, numbers.next()?.ok()?)
            }
        };
        // no quota is -1 in version 1 and a word in version 2
        (quota > 0.0 && period > 0.0).then(|| quota / period)
    }

    fn memory(&self) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        // no limit is a word in version 2, and more than any machine has in version 1
        let limit: u64 = self.read(file)?.trim().parse().ok()?;
        (limit < NO_LIMIT).then_some(limit)
    }

    fn periods(&self) -> Periods {
        let stat = self.read("cpu.stat").unwrap_or_default();
        let field = |name: &str| {
            let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
            let value = lines.find(|(key, _)| *key == name);
            value.and_then(|(_, n)| n.trim().parse().ok()).unwrap_or(0)
        };
        Periods {
            all: field("nr_periods"),
            throttled: field("nr_throttled"),
        }
    }
}

impl ThrottleMeter {
    /// Starts measuring now.
    pub fn new(groups: Groups) -> ThrottleMeter {
        let before = groups.cpu.iter().map(Group::periods).collect();
        ThrottleMeter { groups, before }
    }

    /// The periods since the last call, of the group that was throttled most; `None` when no period
    /// ended.
    pub fn sample(&mut self) -> Option<Periods> {
        let now: Vec<Periods> = self.groups.cpu.iter().map(Group::periods).collect();
        let since = |(now, before): (&Periods, &Periods)| Periods {
            all: now.all.saturating_sub(before.all),
            throttled: now.throttled.saturating_sub(before.throttled),
        };
        let most = now.iter().zip(&self.before).map(since);
        let most = most.filter(|periods| periods.all > 0);
        let most = most.max_by(|a, b| {
            let part = |p: &Periods| p.throttled as f64 / p.all as f64;
            part(a).total_cmp(&part(b))
        });
        self.before = now;
        most
    }
}

/// Parses a line of `/proc/self/cgroup`, if the group rules what `controller` controls.
fn own_group<'a>(line: &'a str, controller: &str) -> Option<(Version, &'a str)> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    match (number, controllers) {
        ("0", "") => Some((Version::V2, path)),
        _ if controllers.split(',').any(|one| one == controller) => Some((Version::V1, path)),
        _ => None,
    }
}

/// A mounted hierarchy.
struct Mount {
    version: Version,
    /// The group at the root of the mount.
    root: String,
    point: String,
}

/// Parses a line of `/proc/self/mountinfo`, see proc(5), if it mounts a hierarchy with `controller`.
fn mount(line: &str, controller: &str) -> Option<Mount> {
    let (fields, kind) = line.split_once(" - ")?;
    let mut fields = fields.split(' ').skip(3);
    let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup2" => Version::V2,
        "cgroup" if kind.nth(1)?.split(',').any(|option| option == controller) => Version::V1,
        _ => return None,
    };
    Some(Mount {
        version,
        root,
        point,
    })
}

/// Unescapes a path: the kernel writes a space as `\040`.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\134", "\\")
}
