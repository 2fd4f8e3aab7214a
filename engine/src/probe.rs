//! What this machine offers: kernel, io_uring, limits; and errors that say what to change.

use crate::Error;
use crate::ring::{Ring, Sizes, WAIT_MAX};
use config::{Model, Plan};
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

/// How large each core's ring has to be for a plan.
///
/// # Errors
///
/// The plan needs more sockets than the limit of open files allows.
pub(crate) fn sizes(plan: &Plan, cores: usize) -> Result<Sizes, Error> {
    let limit = raise_open_files();
    let usable = limit.saturating_sub(OTHER_DESCRIPTORS);
    let needed = users_max(plan);
    let cores = cores as u64;
    if needed.is_some_and(|users| users > usable) {
        return Err(Error::Descriptors {
            needed: needed.unwrap_or(0),
            limit,
        });
    }
    let wanted = needed.map_or(SOCKETS_DEFAULT, |users| users * SOCKETS_PER_USER / cores);
    let sockets = (wanted + SOCKETS_MIN).min(usable).min(SOCKETS_MAX) as u32;
    Ok(Sizes {
        entries: ENTRIES,
        sockets,
        buffers: BUFFERS,
        buffer_bytes: BUFFER_BYTES,
        tick: WAIT_MAX,
    })
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
