//! What this machine offers a plan: processors, rings and their sizes, connections.

use crate::ring::{Ring, Sizes, WAIT_MAX};
use crate::ring_refusal::ring_error;
use crate::{Error, Limits, limits};
use config::{Plan, Pool};

/// Sockets per core when the plan does not bound its users.
const SOCKETS_DEFAULT: u64 = 65_536;
/// Sockets of a plan's users count this many times: a connection that closes and its successor.
const SOCKETS_PER_USER: u64 = 2;
const SOCKETS_MIN: u64 = 256;
/// The kernel's own bound on registered descriptors of a ring.
const SOCKETS_MAX: u64 = 1 << 20;
const ENTRIES: u32 = 4096;
const BUFFERS: u16 = 1024;
/// One cache line above a page: at a stride of whole pages all beginnings would share a few lines
/// of the processor's cache.
const BUFFER_BYTES: u32 = 4096 + 64;

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
        .min(Limits::raise().connections_max())
        .min(SOCKETS_MAX) as u32;
    Sizes {
        entries: ENTRIES,
        sockets,
        buffers: BUFFERS,
        buffer_bytes: BUFFER_BYTES,
        tick: WAIT_MAX,
    }
}

impl Limits {
    /// What to tell before a run whose users may want more connections at once than the limit of
    /// open files lets a core have. It is no error: users that sleep, or share connections, need
    /// fewer.
    pub fn open_files_notice(&self, plan: &Plan, cores: usize) -> Option<String> {
        let users = users_per_core(plan, cores)?;
        notice(users, plan.connections.pool, self)
    }

    /// Whether the kernel counts rings as locked memory of this user: versions from 5.12 on did
    /// not, later ones do again, and those with CAP_IPC_LOCK are exempt. Makes a ring with a limit
    /// of 0, so it is to be asked while no other thread makes one.
    pub fn rings_are_locked() -> bool {
        let is_refused = |made: Result<(), Error>| {
            matches!(made, Err(Error::Ring { source, .. })
                if source.raw_os_error() == Some(libc::ENOMEM))
        };
        limits::without_locked_memory(try_ring).is_some_and(is_refused)
    }
}

fn notice(users: u64, pool: Pool, limits: &Limits) -> Option<String> {
    if users <= limits.connections_max().max(1) {
        return None;
    }
    let advice = match pool {
        Pool::User => ", or let users share connections (`pool = \"shared\"` in [connections])",
        Pool::Shared => ", or let requests wait (`per_origin` in [connections])",
    };
    Some(format!(
        "open files: a core may have {users} users, but {}; requests beyond them fail as \
         `descriptors`; {}{advice}",
        limits.open_files_text(),
        Limits::OPEN_FILES_FIX
    ))
}

/// The users that a core may have at once, if that is bounded, without users of the other cores.
fn users_per_core(plan: &Plan, cores: usize) -> Option<u64> {
    plan.users_max()
        .map(|users| users.div_ceil(cores.max(1) as u64))
}

/// Makes sure that a run can begin here, before anything starts: rings can be made, and the limits
/// of this process, raised as far as they go, let it have what it needs. `rings` is the number of
/// cores and of threads of the built-in target.
///
/// # Errors
///
/// What is missing, why, and what to change.
pub fn preflight(rings: usize) -> Result<(), Error> {
    let limits = Limits::raise();
    let made = try_ring();
    let is_limit = matches!(&made, Err(Error::Ring { source, .. })
        if matches!(source.raw_os_error(), Some(libc::ENOMEM | libc::EMFILE)));
    let counted = if Limits::rings_are_locked() { rings } else { 0 };
    let problems = limits.problems(counted);
    if problems.is_empty() || (made.is_err() && !is_limit) {
        return made;
    }
    Err(Error::Limits { problems })
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
        let reserve = "the limit of 1000 lets a core have 936 connections at once (64 are reserved";
        let thousand = Some(1_000);
        let rows = [
            (936, Pool::User, thousand, None),
            (937, Pool::User, thousand, Some("may have 937 users")),
            (937, Pool::User, thousand, Some(reserve)),
            (937, Pool::User, thousand, Some("pool = \"shared\"")),
            (5_000, Pool::Shared, thousand, Some("per_origin")),
            (5_000, Pool::Shared, None, None),
        ];
        for (users, pool, open_files, expected) in rows {
            let limits = Limits {
                open_files,
                locked_bytes: None,
            };
            let told = notice(users, pool, &limits);
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
