//! What this machine offers: kernel, io_uring, limits; and errors that say what to change.

use crate::Error;
use crate::ring::{Ring, Sizes, WAIT_MAX};
use config::{Model, Plan, Pool};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Sockets per core when the plan does not bound its users.
const SOCKETS_DEFAULT: u64 = 65_536;
/// Sockets of a plan's users count this many times: a connection that closes and its successor.
const SOCKETS_PER_USER: u64 = 2;
/// Descriptors for everything that is no socket of the load.
const OTHER_DESCRIPTORS: u64 = 64;
const SOCKETS_MIN: u64 = 256;
/// The kernel's own bound on registered descriptors of a ring.
const SOCKETS_MAX: u64 = 1 << 20;
const ENTRIES: u32 = 4096;
const BUFFERS: u16 = 1024;
/// One cache line above a page: at a stride of whole pages all beginnings would share a few lines
/// of the processor's cache.
const BUFFER_BYTES: u32 = 4096 + 64;

/// Raises the soft limit of open files to the hard one and tells it.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => hard,
        Err(_) => limit.current.unwrap_or(hard),
    }
}

/// The processors that this process may use, in ascending order; at least one.
pub fn allowed_cpus() -> Vec<usize> {
    let ids = core_affinity::get_core_ids().unwrap_or_default();
    let mut cpus: Vec<usize> = ids.into_iter().map(|id| id.id).collect();
    cpus.sort_unstable();
    if cpus.is_empty() {
        cpus.push(0);
    }
    cpus
}

/// How large each core's ring has to be for a plan. It has as many sockets as the limit of open
/// files lets it: a plan may need fewer than its users could have, and what it cannot have at run
/// time is a failure of the kind `descriptors`.
pub(crate) fn sizes(plan: &Plan, cores: usize) -> Sizes {
    let wanted =
        users_per_core(plan, cores).map_or(SOCKETS_DEFAULT, |users| users * SOCKETS_PER_USER);
    let sockets = (wanted + SOCKETS_MIN)
        .min(sockets_max(raise_open_files()))
        .min(SOCKETS_MAX) as u32;
    Sizes {
        entries: ENTRIES,
        sockets,
        buffers: BUFFERS,
        buffer_bytes: BUFFER_BYTES,
        tick: WAIT_MAX,
    }
}

/// What to tell before a run whose users may want more connections at once than the limit of open
/// files lets a core have. It is no error: users that sleep, or share connections, need fewer.
pub fn open_files_notice(plan: &Plan, cores: usize) -> Option<String> {
    let limit = raise_open_files();
    notice(users_per_core(plan, cores)?, plan.connections.pool, limit)
}

fn notice(users: u64, pool: Pool, limit: u64) -> Option<String> {
    let most = sockets_max(limit).max(1);
    if users <= most {
        return None;
    }
    let advice = match pool {
        Pool::User => ", or let users share connections (`pool = \"shared\"` in [connections])",
        Pool::Shared => ", or let requests wait (`per_origin` in [connections])",
    };
    Some(format!(
        "open files: a core may have {users} users, but the limit of {limit} lets it have {most} \
         connections at once; requests beyond them fail as `descriptors`; raise the limit \
         (ulimit -Hn, or LimitNOFILE of the service){advice}"
    ))
}

/// The sockets of one core. The kernel holds each core's table against the limit by itself, since
/// a socket in it has no descriptor of the process.
fn sockets_max(limit: u64) -> u64 {
    limit.saturating_sub(OTHER_DESCRIPTORS)
}

/// The users that a core may have at once, if that is bounded, without users of the other cores.
fn users_per_core(plan: &Plan, cores: usize) -> Option<u64> {
    users_max(plan).map(|users| users.div_ceil(cores.max(1) as u64))
}

/// The users that the plan may have at once, if that is bounded.
fn users_max(plan: &Plan) -> Option<u64> {
    plan.loads
        .iter()
        .try_fold(0, |sum, load| match &load.model {
            Model::Open { users_max, .. } => Some(sum + u64::from((*users_max)?)),
            Model::Closed { users, .. } => Some(sum + users.max().ceil() as u64),
        })
}

/// Says what helps when a ring cannot be made.
pub(crate) fn ring_error(source: io::Error) -> Error {
    let hint = match source.raw_os_error() {
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES) => {
            "io_uring is switched off here; set kernel.io_uring_disabled=0 (sysctl), or allow the \
             io_uring system calls in the container's seccomp profile"
        }
        Some(libc::EINVAL) => "this needs Linux 6.1 or later; `uname -r` tells which runs",
        Some(libc::ENOMEM) => "raise the limit of locked memory to at least 8 MiB (ulimit -l)",
        Some(libc::EMFILE) => "raise the limit of open files (ulimit -n)",
        _ => "`mistress doctor` looks for the cause",
    };
    Error::Ring {
        hint: hint.to_owned(),
        source,
    }
}

/// Says what helps when Glommio's executor cannot be made.
pub(crate) fn executor_error<T>(error: &glommio::GlommioError<T>) -> Error {
    let text = error.to_string();
    let source = io::Error::other(text);
    let hint = "the executor needs at least 512 KiB of locked memory (ulimit -l) and io_uring; \
                `mistress doctor` looks for the cause";
    Error::Ring {
        hint: hint.to_owned(),
        source,
    }
}

/// Tries to make a ring as a run would.
///
/// # Errors
///
/// What the kernel said and what helps.
pub fn try_ring() -> Result<(), Error> {
    let sizes = Sizes {
        entries: 64,
        sockets: 64,
        buffers: 64,
        buffer_bytes: BUFFER_BYTES,
        tick: WAIT_MAX,
    };
    Ring::new(sizes).map(drop).map_err(ring_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_users_than_open_files_are_told_with_the_numbers() {
        let rows = [
            (936, Pool::User, 1_000, None),
            (937, Pool::User, 1_000, Some("may have 937 users")),
            (
                937,
                Pool::User,
                1_000,
                Some("limit of 1000 lets it have 936"),
            ),
            (937, Pool::User, 1_000, Some("pool = \"shared\"")),
            (5_000, Pool::Shared, 1_000, Some("per_origin")),
            (5_000, Pool::Shared, u64::MAX, None),
        ];
        for (users, pool, limit, expected) in rows {
            let told = notice(users, pool, limit);
            match expected {
                None => assert_eq!(told, None, "{users}"),
                Some(part) => {
                    let told = told.unwrap_or_default();
                    assert!(told.contains(part), "{part}: {told}");
                }
            }
        }
    }
}
