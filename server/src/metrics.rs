//! What the server counts of itself, in Prometheus' text format.

use crate::App;
use crate::export::metrics::{Label, Text};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of a request's time, in seconds.
const BOUNDS_S: [f64; 9] = [0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, &'static str, u16), Requests>>,
    /// Batches that were refused.
    pub(crate) batches_refused: AtomicU64,
    /// Bytes of batches that were stored, as sent.
    pub(crate) batch_bytes: AtomicU64,
    /// Sign-ins with a wrong password.
    pub(crate) sign_ins_failed: AtomicU64,
}

/// Requests of a route that ended with the same status.
#[derive(Debug, Default)]
struct Requests {
    count: u64,
    seconds: f64,
    /// Requests that took no longer than each of [`BOUNDS_S`].
    within: [u64; BOUNDS_S.len()],
}

impl Metrics {
    /// Counts a request; routes and methods are those of the table of routes.
    pub(crate) fn request(
        &self,
        method: &'static str,
        path: &'static str,
        status: u16,
        took: Duration,
    ) {
        let seconds = took.as_secs_f64();
        let mut all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = all.entry((path, method, status)).or_default();
        requests.count += 1;
        requests.seconds += seconds;
        for (bound, within) in BOUNDS_S.iter().zip(&mut requests.within) {
            *within += u64::from(seconds <= *bound);
        }
    }

    fn write_requests(&self, text: &mut Text) {
        let all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "mistress_server_request_seconds";
        text.head(
            name,
            "histogram",
            "Time to the head of an answer, by route.",
        );
        for ((path, method, status), requests) in &*all {
            let status = status.to_string();
            let labels: [Label<'_>; 3] = [("method", method), ("route", path), ("status", &status)];
            let bounds = BOUNDS_S.iter().map(f64::to_string).zip(requests.within);
            let all = std::iter::once(("+Inf".to_owned(), requests.count));
            for (bound, within) in bounds.chain(all) {
                let labels = [&labels[..], &[("le", &*bound)]].concat();
                text.sample(&format!("{name}_bucket"), &labels, within as f64);
            }
            text.sample(&format!("{name}_sum"), &labels, requests.seconds);
            text.sample(&format!("{name}_count"), &labels, requests.count as f64);
        }
    }
}

/// All metrics of the server; reads /proc and the disk, so not on an async thread.
pub(crate) fn text(app: &App) -> String {
    let mut text = Text::default();
    let version = env!("CARGO_PKG_VERSION");
    text.head(
        "mistress_server_build_info",
        "gauge",
        "The version of the server.",
    );
    text.sample("mistress_server_build_info", &[("version", version)], 1.0);
    app.metrics.write_requests(&mut text);
    counters(&mut text, app);
    gauges(&mut text, app);
    disk(&mut text, app.store.folder());
    process(&mut text);
    text.finish()
}

fn counters(text: &mut Text, app: &App) {
    let open = app.connections.figures();
    let store = app.store.figures();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let counters = [
        (
            "connections_accepted",
            open.accepted,
            "Connections accepted.",
        ),
        (
            "connections_refused",
            open.refused,
            "Connections refused: too many.",
        ),
        (
            "connections_evicted",
            open.evicted,
            "Waiting connections closed for new ones.",
        ),
        (
            "connections_timed_out",
            open.timed_out,
            "Connections closed: the client was too slow.",
        ),
        ("batches_stored", store.stored, "Batches stored."),
        (
            "batches_duplicate",
            store.duplicate,
            "Batches that were stored before.",
        ),
        (
            "batches_refused",
            count(&app.metrics.batches_refused),
            "Batches refused.",
        ),
        (
            "batch_bytes",
            count(&app.metrics.batch_bytes),
            "Bytes of stored batches, as sent.",
        ),
        ("store_writes", store.writes, "Commits of batches."),
        (
            "sign_ins_failed",
            count(&app.metrics.sign_ins_failed),
            "Sign-ins with a wrong password.",
        ),
    ];
    for (name, value, help) in counters {
        text.one(
            &format!("mistress_server_{name}_total"),
            "counter",
            help,
            value as f64,
        );
    }
    let name = "mistress_server_store_write_seconds_total";
    text.one(
        name,
        "counter",
        "Time that commits of batches took.",
        store.write_seconds,
    );
}

fn gauges(text: &mut Text, app: &App) {
    let (running, waiting) = app.exports.figures();
    let gauges = [
        (
            "connections_open",
            app.connections.figures().open,
            "Open connections.",
        ),
        (
            "store_queue",
            app.store.figures().queued,
            "Batches that wait to be stored.",
        ),
        (
            "live_streams",
            app.live.listeners(),
            "Streams of live updates.",
        ),
        ("exports_running", running, "Exports being made."),
        (
            "exports_waiting",
            waiting,
            "Exports that wait for their turn.",
        ),
    ];
    for (name, value, help) in gauges {
        text.one(
            &format!("mistress_server_{name}"),
            "gauge",
            help,
            value as f64,
        );
    }
}

fn disk(text: &mut Text, folder: &Path) {
    let used = ["", "runs"].iter().map(|part| files(&folder.join(part)));
    let help = "Bytes of the store's files.";
    text.one(
        "mistress_server_store_bytes",
        "gauge",
        help,
        used.sum::<u64>() as f64,
    );
    if let Ok(disk) = rustix::fs::statvfs(folder) {
        let free = disk.f_bavail as f64 * disk.f_frsize as f64;
        text.one(
            "mistress_server_disk_free_bytes",
            "gauge",
            "Bytes free on the store's disk.",
            free,
        );
    }
}

/// The bytes of the files right in a folder; of none that cannot be read.
fn files(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok());
    files
        .filter(|file| file.is_file())
        .map(|file| file.len())
        .sum()
}

/// By the names that programs have for these; nothing where the system has no such number.
fn process(text: &mut Text) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    if let Some(kib) = kib {
        let help = "Memory of the process.";
        text.one("process_resident_memory_bytes", "gauge", help, kib * 1024.0);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let help = "Descriptors of the process.";
        text.one("process_open_fds", "gauge", help, open.count() as f64);
    }
}
