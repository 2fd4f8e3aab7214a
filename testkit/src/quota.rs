//! A control group with a CPU quota, for programs that tests put into it. Needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Microseconds of a period of the quota.
const PERIOD_US: u64 = 20_000;

/// A group that may use so many milliseconds of each 20. It goes when it is dropped, after the
/// programs in it have ended.
pub struct QuotaGroup(PathBuf);

impl QuotaGroup {
    /// Makes one, by the version of control groups that rules processors here; none where that is
    /// not possible.
    pub fn new(quota_ms: u64) -> Option<QuotaGroup> {
        let name = format!("mistress-{}-{quota_ms}", std::process::id());
        let quota_us = (quota_ms * 1_000).to_string();
        let tops = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"].map(Path::new);
        let first = tops
            .into_iter()
            .find(|top| top.join("cpu.cfs_quota_us").exists());
        let folder = first.unwrap_or(Path::new("/sys/fs/cgroup")).join(name);
        fs::create_dir(&folder).ok()?;
        let group = QuotaGroup(folder);
        let write = |file: &str, text: &str| fs::write(group.0.join(file), text).is_ok();
        let is_set = match first {
            Some(_) => {
                write("cpu.cfs_period_us", &PERIOD_US.to_string())
                    && write("cpu.cfs_quota_us", &quota_us)
            }
            None => write("cpu.max", &format!("{quota_us} {PERIOD_US}")),
        };
        is_set.then_some(group)
    }

    /// Periods so far in which programs of the group wanted to run, and those of them in which the
    /// quota stopped them. Zeros where the kernel does not tell.
    pub fn periods(&self) -> (u64, u64) {
        let text = fs::read_to_string(self.0.join("cpu.stat")).unwrap_or_default();
        let number = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key));
            value.and_then(|value| value.trim().parse().ok())
        };
        let read = |key: &str| number(key).unwrap_or(0);
        (read("nr_periods "), read("nr_throttled "))
    }

    /// The same command, within the group.
    pub fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.0.join("cgroup.procs"))
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(key, value),
                None => inside.env_remove(key),
            };
        }
        inside
    }
}

impl Drop for QuotaGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
