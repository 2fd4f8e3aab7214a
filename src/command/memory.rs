//! How much memory a run takes: one estimate for `run` and `doctor`.

use crate::render::format::{bytes, count};
use config::Plan;

/// The process without cores.
const BASE_BYTES: u64 = 32 << 20;
/// A core without users: its rings, its receive buffers, its script and its histograms.
const CORE_BYTES: u64 = 24 << 20;
/// A user with its connection (`cargo xtask bench memory` holds it).
const USER_BYTES: u64 = 10 << 10;

/// How many users at once fit into `limit` bytes.
pub fn users_max(limit: u64, cores: usize) -> u64 {
    limit.saturating_sub(without_users(cores)) / USER_BYTES
}

/// What to tell before a run that may need more memory than its control group has.
pub fn notice(plan: &Plan, cores: usize, limit: Option<u64>) -> Option<String> {
    let (limit, users) = (limit?, plan.users_max().unwrap_or(0));
    text(users, cores, limit)
}

fn text(users: u64, cores: usize, limit: u64) -> Option<String> {
    let needed = without_users(cores).saturating_add(users.saturating_mul(USER_BYTES));
    if needed <= limit {
        return None;
    }
    Some(format!(
        "memory: {} users on {cores} {} need about {}, but a control group limits it to {}; what \
         exceeds it is killed: raise it (memory.max; docker run --memory; resources.limits.memory)",
        count(users),
        if cores == 1 { "core" } else { "cores" },
        bytes(needed as f64),
        bytes(limit as f64)
    ))
}

fn without_users(cores: usize) -> u64 {
    BASE_BYTES + cores as u64 * CORE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_and_the_number_of_users_agree() {
        let limit = 256 << 20;
        let users = users_max(limit, 2);
        assert_eq!(users, (256 - 32 - 48) * 1024 / 10);
        assert_eq!(text(users, 2, limit), None);
        let told = text(users + 1, 2, limit).unwrap_or_default();
        assert!(
            told.starts_with("memory: 18,023 users on 2 cores need"),
            "{told}"
        );
        assert!(told.contains("limits it to 256 MiB"), "{told}");
        assert_eq!(users_max(1 << 20, 2), 0);
    }
}
