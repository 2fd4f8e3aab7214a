//! What a running process uses, as the kernel tells it in /proc.

use crate::Failure;

/// CPU time of a running process so far, user and system, in seconds.
///
/// From the scheduler's own sums, in nanoseconds, of its threads that are alive: for a process
/// whose threads stay.
pub fn cpu_s(pid: u32) -> Result<f64, Failure> {
    let mut total_ns = 0.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let ran = text.split(' ').next().unwrap_or_default();
        total_ns += ran
            .parse::<f64>()
            .map_err(|_| format!("schedstat: {text:?}"))?;
    }
    Ok(total_ns / 1e9)
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// All resident pages, those shared with others too.
    pub rss: u64,
    /// Resident pages, shared ones divided by the number of their users.
    pub pss: u64,
}

/// Memory that a running process holds now.
pub fn memory(pid: u32) -> Result<Memory, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(Memory {
        rss: field_bytes(&status, "VmRSS:")?,
        pss: field_bytes(&rollup, "Pss:")?,
    })
}

/// Reads a line like `VmRSS:     1234 kB`.
fn field_bytes(text: &str, name: &str) -> Result<u64, Failure> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = number
        .and_then(|number| number.parse().ok())
        .ok_or("no such field in /proc")?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_grows_with_what_is_written_to() {
        let before = memory(std::process::id()).unwrap();
        let block = vec![1_u8; 64 << 20];
        let after = memory(std::process::id()).unwrap();
        assert!(
            after.rss >= before.rss + (60 << 20),
            "{before:?} {after:?} {}",
            block.len()
        );
        assert!(after.pss <= after.rss);
    }

    #[test]
    fn own_cpu_time_grows_with_work() {
        let before = cpu_s(std::process::id()).unwrap();
        let start = std::time::Instant::now();
        let mut turns = 0_u64;
        while cpu_s(std::process::id()).unwrap() == before && start.elapsed().as_secs() < 20 {
            turns = std::hint::black_box(turns + 1);
        }
        assert!(
            cpu_s(std::process::id()).unwrap() > before,
            "after {turns} turns"
        );
    }

    #[test]
    fn fields_are_kibibytes() {
        assert_eq!(
            field_bytes("Name:\tx\nVmRSS:\t    12 kB\n", "VmRSS:").unwrap(),
            12 * 1024
        );
        assert!(field_bytes("Name:\tx\n", "VmRSS:").is_err());
    }
}
