//! The limits of this process that every run meets: one set of numbers for the run and for
//! `mistress doctor`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Locked memory that is wished for where this process may set its own hard limit.
const LOCKED_BYTES_WISHED: u64 = 8 << 20;
const KIB: u64 = 1 << 10;

/// Limits as a run has them: each raised as far as this process may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open files; `None` is no limit.
    pub open_files: Option<u64>,
    /// Locked memory in bytes; `None` is no limit.
    pub locked_bytes: Option<u64>,
}

impl Limits {
    /// Descriptors kept for everything that is no connection of the load: files, rings, the
    /// terminal, a stats server.
    pub const DESCRIPTORS_RESERVED: u64 = 64;
    /// Open files that a run of any size needs: the reserve, and as many connections.
    pub const OPEN_FILES_MIN: u64 = 2 * Limits::DESCRIPTORS_RESERVED;
    /// Locked memory in bytes that Glommio asks for before it makes an executor.
    pub const LOCKED_BYTES_MIN: u64 = 512 << 10;
    /// Locked memory in bytes that a core, or a thread of the built-in target, takes for its rings
    /// where the kernel counts them ([`Limits::rings_are_locked`]).
    pub const LOCKED_BYTES_PER_RING: u64 = 768 << 10;
    /// How to raise the limit of open files.
    pub const OPEN_FILES_FIX: &str = "raise the limit: ulimit -Hn, nofile in \
        /etc/security/limits.conf, LimitNOFILE of the service, docker run --ulimit nofile=65536";
    /// How to raise the limit of locked memory.
    pub const LOCKED_FIX: &str = "raise the limit: ulimit -Hl, memlock in \
        /etc/security/limits.conf, LimitMEMLOCK of the service, docker run --ulimit memlock=BYTES; or \
        use fewer cores (--cores)";

    /// Raises the soft limits to the hard ones, and tells what they are then. A process that may
    /// set hard limits (CAP_SYS_RESOURCE) also raises the one of locked memory, if it is too low.
    pub fn raise() -> Limits {
        let locked = getrlimit(Resource::Memlock).maximum;
        if locked.is_some_and(|hard| hard < Limits::LOCKED_BYTES_MIN) {
            let wished = Some(LOCKED_BYTES_WISHED);
            // Where it is refused, the limit stays, and whoever needs more says so.
            let _ = set(Resource::Memlock, wished, wished);
        }
        Limits {
            open_files: raised(Resource::Nofile),
            locked_bytes: raised(Resource::Memlock),
        }
    }

    /// The connections that a core can have at once. The kernel holds each core's table against
    /// the limit by itself, since a socket in it has no descriptor of the process.
    pub fn connections_max(&self) -> u64 {
        self.open_files
            .map_or(u64::MAX, |n| n.saturating_sub(Limits::DESCRIPTORS_RESERVED))
    }

    /// Whether a run can begin with this limit of open files.
    pub fn has_enough_files(&self) -> bool {
        self.open_files.is_none_or(|n| n >= Limits::OPEN_FILES_MIN)
    }

    /// Whether a run can begin with this limit of locked memory, when `rings` of it count.
    pub fn has_enough_locked(&self, rings: usize) -> bool {
        self.locked_bytes.is_none_or(|n| n >= locked_needed(rings))
    }

    /// The limit of open files and what it means.
    pub fn open_files_text(&self) -> String {
        let Some(limit) = self.open_files else {
            return "there is no limit".to_owned();
        };
        format!(
            "the limit of {limit} lets a core have {} connections at once ({} are reserved for \
             everything else)",
            self.connections_max(),
            Limits::DESCRIPTORS_RESERVED
        )
    }

    /// The limit of locked memory and what it means, when `rings` of a run count.
    pub fn locked_text(&self, rings: usize) -> String {
        let Some(limit) = self.locked_bytes else {
            return "there is no limit".to_owned();
        };
        let whose = match rings {
            0 => String::new(),
            n => format!(" with {n} cores (the built-in target counts as one)"),
        };
        let needed = locked_needed(rings) / KIB;
        format!(
            "the limit is {} KiB, a run{whose} needs {needed} KiB",
            limit / KIB
        )
    }

    /// What keeps a run from beginning when `rings` of it count, one message per limit, with what to
    /// change.
    pub fn problems(&self, rings: usize) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.has_enough_files() {
            problems.push(format!(
                "open files: {}, a run needs a limit of {}; {}",
                self.open_files_text(),
                Limits::OPEN_FILES_MIN,
                Limits::OPEN_FILES_FIX
            ));
        }
        if !self.has_enough_locked(rings) {
            let text = self.locked_text(rings);
            problems.push(format!("locked memory: {text}; {}", Limits::LOCKED_FIX));
        }
        problems
    }
}

fn locked_needed(rings: usize) -> u64 {
    (rings as u64 * Limits::LOCKED_BYTES_PER_RING).max(Limits::LOCKED_BYTES_MIN)
}

/// Calls `of` while nothing may be locked, with the soft limit set back after it.
pub(crate) fn without_locked_memory<T>(of: impl FnOnce() -> T) -> Option<T> {
    let now = getrlimit(Resource::Memlock);
    if !set(Resource::Memlock, Some(0), now.maximum) {
        return None;
    }
    let done = of();
    set(Resource::Memlock, now.current, now.maximum);
    Some(done)
}

/// Raises a soft limit to the hard one and tells it; `None` is no limit.
fn raised(resource: Resource) -> Option<u64> {
    let limit = getrlimit(resource);
    if set(resource, limit.maximum, limit.maximum) {
        limit.maximum
    } else {
        limit.current
    }
}

fn set(resource: Resource, current: Option<u64>, maximum: Option<u64>) -> bool {
    setrlimit(resource, Rlimit { current, maximum }).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(open_files: Option<u64>, locked_bytes: Option<u64>) -> Limits {
        Limits {
            open_files,
            locked_bytes,
        }
    }

    #[test]
    fn a_limit_that_is_too_low_is_told_with_its_number_and_what_to_change() {
        let enough = limits(Some(128), Some(512 << 10));
        assert_eq!(enough.problems(0), Vec::<String>::new());
        assert_eq!(limits(None, None).problems(99), Vec::<String>::new());
        let problems = limits(Some(127), Some(64 << 10)).problems(0);
        let parts = [
            [
                "limit of 127",
                "63 connections",
                "64 are reserved",
                "a limit of 128",
                "nofile",
            ],
            [
                "is 64 KiB",
                "needs 512 KiB",
                "ulimit -Hl",
                "--ulimit memlock",
                "locked memory",
            ],
        ];
        assert_eq!(problems.len(), parts.len());
        for (problem, parts) in problems.iter().zip(parts) {
            for part in parts {
                assert!(problem.contains(part), "{part}: {problem}");
            }
        }
    }

    #[test]
    fn each_ring_that_counts_needs_locked_memory() {
        let two = limits(None, Some((2 * 768) << 10));
        assert!(two.has_enough_locked(2) && !two.has_enough_locked(3));
        let problems = two.problems(3);
        let told = "the limit is 1536 KiB, a run with 3 cores (the built-in target counts as one) \
                    needs 2304 KiB";
        assert!(problems[0].contains(told), "{problems:?}");
        assert_eq!(two.problems(0), Vec::<String>::new());
    }

    #[test]
    fn the_reserve_is_not_for_connections() {
        assert_eq!(limits(Some(256), None).connections_max(), 192);
        assert_eq!(limits(Some(10), None).connections_max(), 0);
        assert_eq!(limits(None, None).connections_max(), u64::MAX);
    }
}
