//! Measures how long the threads of a process waited for a cpu while it ran, as the kernel reports
//! it. It tells a generator that is late from a machine that did not let it run.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the kernel is asked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Watches the threads of a process until it is dropped or asked.
pub struct WaitMeter {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Waits>>,
}

/// How long threads could have run and were not let.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// The most that one thread waited between two looks.
    pub longest: Duration,
    /// Of the thread that waited most, over the whole time.
    pub total: Duration,
}

impl WaitMeter {
    /// Watches the threads whose names begin with `threads`.
    pub fn of(process: u32, threads: &'static str) -> WaitMeter {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut waits = Waits::default();
            let mut before = HashMap::new();
            while !told.load(Ordering::Acquire) {
                look(process, threads, &mut before, &mut waits);
                std::thread::sleep(LOOK_EVERY);
            }
            waits
        });
        WaitMeter {
            over,
            thread: Some(thread),
        }
    }

    /// What was seen.
    pub fn end(mut self) -> Waits {
        self.over.store(true, Ordering::Release);
        let thread = self.thread.take().expect("ended once");
        thread.join().expect("looking does not fail")
    }
}

impl Drop for WaitMeter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

/// Compares the run-queue waits of each thread with what they were (`Documentation/scheduler/
/// sched-stats.rst`: the second number of `schedstat`, in nanoseconds).
fn look(process: u32, threads: &str, before: &mut HashMap<String, u64>, waits: &mut Waits) {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return;
    };
    for task in tasks.flatten() {
        let Some(waited) = waited_ns(&task.path(), threads) else {
            continue;
        };
        let id = task.file_name().to_string_lossy().into_owned();
        let since = waited - before.insert(id, waited).unwrap_or(waited).min(waited);
        waits.longest = waits.longest.max(Duration::from_nanos(since));
        waits.total = waits.total.max(Duration::from_nanos(waited));
    }
}

fn waited_ns(task: &Path, threads: &str) -> Option<u64> {
    let name = std::fs::read_to_string(task.join("comm")).ok()?;
    if !name.starts_with(threads) {
        return None;
    }
    let stat = std::fs::read_to_string(task.join("schedstat")).ok()?;
    stat.split_whitespace().nth(1)?.parse().ok()
}

/// Ticks, usually of 10 ms, for which the hypervisor ran other machines on the processors of this
/// one since its start (proc(5), `/proc/stat`: the eighth number).
pub fn stolen_ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").expect("proc is mounted");
    let all = text
        .lines()
        .next()
        .expect("the first line is all processors");
    let stolen = all.split_whitespace().nth(8);
    stolen.map_or(0, |ticks| ticks.parse().expect("a number of ticks"))
}
