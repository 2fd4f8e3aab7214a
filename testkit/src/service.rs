//! A server program started by a test: its folder, its end, and waiting until it answers.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long one may take until it answers.
const START_MAX: Duration = Duration::from_secs(20);
/// How long one may take to end before it is killed.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Free ports tried: another process may take one between our look and the server's bind.
const TRIES: usize = 5;

/// A running server program; ended, and its folder removed, when it is dropped.
pub(crate) struct Service {
    child: Child,
    folder: PathBuf,
}

impl Service {
    /// Starts a command in the background, its output to `output.log` in the folder.
    pub(crate) fn start(mut command: Command, folder: PathBuf) -> Result<Service, String> {
        let log = fs::File::create(folder.join("output.log")).map_err(|e| e.to_string())?;
        let errors = log.try_clone().map_err(|e| e.to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|e| format!("{:?}: {e}", command.get_program()))?;
        Ok(Service { child, folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its output so far, including `error.log`.
    pub(crate) fn output(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("output.log") + &read("error.log")
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// What it wrote, when it ends or is not ready in time.
    pub(crate) fn wait_until(&mut self, is_ready: impl Fn(&Service) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        while !is_ready(self) {
            let ended = self.child.try_wait().map_err(|e| e.to_string())?;
            if ended.is_some() || Instant::now() > deadline {
                return Err(self.output());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        end(&mut self.child);
        // It lies in the system's temporary folder: what stays is swept there.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Asks it to end, waits, and kills what does not.
fn end(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Instant::now() + STOP_MAX;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A new folder that other accounts may read.
pub(crate) fn scratch(name: &str) -> Result<PathBuf, String> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let folder =
        std::env::temp_dir().join(format!("testkit-{name}-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("no scratch folder: {e}"))?;
    Ok(folder)
}

/// Ports of an address that are free now, all different.
pub(crate) fn free_addrs(ip: IpAddr, count: usize) -> Result<Vec<SocketAddr>, String> {
    let listen = |_| TcpListener::bind((ip, 0));
    let held: Vec<TcpListener> = (0..count)
        .map(listen)
        .collect::<Result<_, _>>()
        .map_err(|e| format!("no free port: {e}"))?;
    held.iter()
        .map(|listener| listener.local_addr().map_err(|e| e.to_string()))
        .collect()
}

/// Repeats a start for as long as it fails for a port that another process took.
///
/// # Panics
/// When it fails for anything else, or too often.
pub(crate) fn retried<T>(name: &str, mut start: impl FnMut() -> Result<T, String>) -> T {
    let mut said = String::new();
    for _ in 0..TRIES {
        match start() {
            Ok(started) => return started,
            Err(e) => said = e,
        }
        if !said.contains("in use") {
            break;
        }
    }
    panic!("{name} does not start: {said}");
}
