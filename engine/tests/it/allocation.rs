//! No allocation per request in Rust code on the way request, reply, record.

use crate::runs::{launch, target};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The thread whose allocations are counted; 0 for none.
static WATCHED: AtomicI32 = AtomicI32::new(0);
/// Allocations of Rust code on that thread.
static RUST: AtomicU64 = AtomicU64::new(0);
/// Allocations of LuaJIT on that thread: it makes a table for each reply.
static LUA: AtomicU64 = AtomicU64::new(0);
/// mlua asks for all of LuaJIT's memory with this alignment, which nothing on the path measured
/// here does: requests, replies and histograms are made of words and bytes.
const LUA_ALIGNMENT: usize = 16;

/// What does not grow with requests: the executor looks at its own rings 200 times a second, and one
/// window is handed over. One allocation in ten requests would exceed this.
const OTHER_MAX: u64 = 1_000;

struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator that counts is an implementation of an unsafe trait"
)]
// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let watched = WATCHED.load(Ordering::Relaxed);
        if watched != 0 && rustix::thread::gettid().as_raw_nonzero().get() == watched {
            let counter = if layout.align() == LUA_ALIGNMENT {
                &LUA
            } else {
                &RUST
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The kernel's number of the thread called `name`.
fn thread_called(name: &str) -> i32 {
    for entry in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = entry.unwrap().path();
        let found = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if found.trim() == name {
            return path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        }
    }
    panic!("no thread is called {name}");
}

#[test]
fn the_path_of_a_request_allocates_nothing_after_warm_up() {
    let target = target();
    let scenario = "while user:running() do\n\
        if user:get('/').status ~= 200 then error('not ok') end\nend";
    let load = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
        phases = [{ users = 32, for = \"4s\" }]\n";
    let mut started = launch(&target, scenario, load);
    // Two windows have gone round by then, and every connection has been used.
    let warm = started.running.start() + Duration::from_millis(2_500);
    let mut aggregator = stats::Aggregator::new(1, stats::Model::Closed);
    while Instant::now() < warm {
        std::thread::sleep(Duration::from_millis(20));
        while let Some(window) = started.source.pop() {
            aggregator.add(&window);
            started.source.give_back(window);
        }
    }
    WATCHED.store(thread_called("core-0"), Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(1_000));
    WATCHED.store(0, Ordering::Relaxed);
    let (rust, lua) = (RUST.load(Ordering::Relaxed), LUA.load(Ordering::Relaxed));
    let summary = started.finish();
    assert_eq!(summary.totals.counts.failed, 0);
    println!("{rust} allocations in Rust code while LuaJIT made {lua}");
    // LuaJIT takes two pieces of memory per reply (a table and its fields).
    let requests = lua / 2;
    assert!(
        requests > 50 * OTHER_MAX / 10,
        "too few requests to tell: {requests}"
    );
    assert!(
        rust <= OTHER_MAX,
        "{rust} allocations in Rust code for {requests} requests"
    );
}
