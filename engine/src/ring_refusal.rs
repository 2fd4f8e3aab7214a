//! Why the kernel gives no ring, and what to change: the system's settings, a container's filter,
//! the kernel itself.

use crate::Error;
use std::fs;
use std::io;

/// The capability that `kernel.io_uring_disabled=1` leaves io_uring to (CAP_SYS_ADMIN), as a bit.
const SYS_ADMIN: u64 = 1 << 21;
const ALLOW: &str = "give the container a seccomp profile that allows it: `mistress doctor \
    --seccomp >seccomp.json`, then docker or podman run --security-opt seccomp=seccomp.json \
    (Kubernetes: docs/containers.md)";

/// What decides whether this process may use io_uring.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    /// The sysctl `kernel.io_uring_disabled`, which kernels before 6.6 lack.
    disabled: Option<u64>,
    /// A seccomp filter is at work, as in most containers.
    has_filter: bool,
    /// Has CAP_SYS_ADMIN.
    is_admin: bool,
}

impl Rules {
    fn of_this_process() -> Rules {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim)
        };
        let capabilities = field("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        Rules {
            disabled: read("/proc/sys/kernel/io_uring_disabled")
                .trim()
                .parse()
                .ok(),
            has_filter: field("Seccomp:") == Some("2"),
            is_admin: capabilities.is_some_and(|set| set & SYS_ADMIN != 0),
        }
    }

    /// The cause of an error, and what to change.
    fn explain(self, errno: Option<i32>) -> (String, String) {
        let (cause, fix) = match errno {
            Some(libc::EPERM | libc::EACCES) => return self.forbidden(),
            Some(libc::ENOSYS) if self.has_filter => (
                "this kernel has none, or the container's seccomp filter hides it",
                ALLOW,
            ),
            Some(libc::ENOSYS) => (
                "this kernel has none",
                "use Linux 6.1 or later, built with CONFIG_IO_URING (gVisor and WSL 1 have none)",
            ),
            Some(libc::EINVAL) => (
                "this kernel is too old",
                "use Linux 6.1 or later; `uname -r` tells which runs",
            ),
            Some(libc::ENOMEM) => (
                "locked memory (ulimit -l, of all programs of this user together) or the memory of the \
                 container is used up",
                "raise either: docker run --ulimit memlock=8388608 (bytes), docker run --memory",
            ),
            Some(libc::EMFILE | libc::ENFILE) => (
                "there are too few open files",
                crate::Limits::OPEN_FILES_FIX,
            ),
            _ => (
                "the cause is unknown",
                "`mistress doctor` looks at everything that it needs",
            ),
        };
        (cause.to_owned(), fix.to_owned())
    }

    fn forbidden(self) -> (String, String) {
        const SYSCTL: &str = "sysctl -w kernel.io_uring_disabled=0 on the host";
        let (cause, fix) = match self.disabled {
            Some(2) => (
                "kernel.io_uring_disabled is 2, which forbids it to everybody",
                SYSCTL.to_owned(),
            ),
            Some(1) if !self.is_admin => (
                "kernel.io_uring_disabled is 1, which leaves it to CAP_SYS_ADMIN and the group of \
                 kernel.io_uring_group",
                format!("{SYSCTL}, or join that group"),
            ),
            _ if self.has_filter => (
                "the container's seccomp filter forbids it, as Docker's default does",
                ALLOW.to_owned(),
            ),
            _ => (
                "a security module of the kernel (SELinux, AppArmor) forbids it",
                "allow it in that module's policy".to_owned(),
            ),
        };
        let is_sysctl = fix.starts_with(SYSCTL);
        let more = if is_sysctl && self.has_filter {
            format!("; the container may need more: {ALLOW}")
        } else {
            String::new()
        };
        (cause.to_owned(), fix + &more)
    }
}

/// Explains why a ring cannot be made.
pub(crate) fn ring_error(source: io::Error) -> Error {
    let (cause, fix) = Rules::of_this_process().explain(source.raw_os_error());
    Error::Ring { cause, fix, source }
}

/// Explains why Glommio's executor cannot be made.
pub(crate) fn executor_error<T>(error: &glommio::GlommioError<T>) -> Error {
    Error::Ring {
        cause: "the executor of a core could not be made".to_owned(),
        fix: "`mistress doctor` looks at everything that it needs".to_owned(),
        source: io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_own_fix() {
        let free = Rules::default();
        let contained = Rules {
            disabled: Some(0),
            has_filter: true,
            is_admin: false,
        };
        let by_sysctl = |n| Rules {
            disabled: Some(n),
            ..free
        };
        let admin = Rules {
            is_admin: true,
            ..by_sysctl(1)
        };
        let both = Rules {
            has_filter: true,
            ..by_sysctl(2)
        };
        let rows = [
            (
                contained,
                libc::EPERM,
                "seccomp filter forbids",
                "doctor --seccomp",
            ),
            (
                contained,
                libc::ENOSYS,
                "kernel has none, or",
                "doctor --seccomp",
            ),
            (
                by_sysctl(2),
                libc::EPERM,
                "disabled is 2",
                "io_uring_disabled=0",
            ),
            (
                by_sysctl(1),
                libc::EPERM,
                "disabled is 1",
                "join that group",
            ),
            (
                both,
                libc::EPERM,
                "disabled is 2",
                "need more: give the container",
            ),
            (admin, libc::EPERM, "security module", "policy"),
            (free, libc::EACCES, "security module", "policy"),
            (free, libc::ENOSYS, "kernel has none", "CONFIG_IO_URING"),
            (free, libc::EINVAL, "too old", "Linux 6.1"),
            (free, libc::ENOMEM, "is used up", "--memory"),
            (free, libc::EMFILE, "too few open files", "--ulimit nofile"),
            (free, libc::EIO, "unknown", "mistress doctor"),
        ];
        for (rules, errno, cause, fix) in rows {
            let (found, advice) = rules.explain(Some(errno));
            assert!(found.contains(cause), "{errno} {rules:?}: {found}");
            assert!(advice.contains(fix), "{errno} {rules:?}: {advice}");
        }
    }
}
