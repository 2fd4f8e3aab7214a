//! What goes wrong within the server, or under a run: panics, and runs deleted while they go on.

use crate::nodes::{Outcome, get, post, second, serve, start, whole_run};
use mistress_server::Error;
use mistress_server::store::{Delivery, RunObserver, Sqlite, State, Store};
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use wire::{Batch, EventRow};

/// Panics in the thread that writes when told so, once.
#[derive(Default)]
struct Panics {
    at_event: AtomicBool,
    at_second: AtomicBool,
}

impl Panics {
    fn perhaps(&self, flag: &AtomicBool) {
        assert!(!flag.swap(false, Ordering::Relaxed), "a bug, for a test");
    }
}

impl RunObserver for Panics {
    fn second(&self, _: &str, _: u64) {
        self.perhaps(&self.at_second);
    }
    fn event(&self, _: &str, _: &EventRow) {
        self.perhaps(&self.at_event);
    }
    fn end(&self, _: &str, _: State) {}
}

fn deliver(store: &Sqlite, batch: &Batch) -> Result<Result<u64, Error>, String> {
    let packed = zstd::bulk::compress(&batch.encode_to_vec(), 1).map_err(|e| e.to_string())?;
    let (done, hears) = channel();
    let delivery = Delivery {
        batch: batch.clone(),
        packed,
        done: Box::new(move |result| {
            let _ = done.send(result);
        }),
    };
    let taken = store.deliver(Box::new(delivery));
    taken.map_err(|_| "the store is full or its thread is gone")?;
    let wait = Duration::from_secs(30);
    hears
        .recv_timeout(wait)
        .map_err(|error| format!("no answer: {error}"))
}

fn rows(store: &Sqlite, run: &str) -> Result<Vec<u64>, Error> {
    let mut times = Vec::new();
    let view = store.view(run)?.expect("the run has a file");
    let counters = mistress_server::store::Wanted::Keys(vec![0]);
    view.read(0, u64::MAX, 1, &counters, &mut |row| {
        times.push(row.time_s);
        Ok(())
    })?;
    Ok(times)
}

#[test]
fn a_panic_costs_one_answer_and_no_second() -> Outcome {
    let dir = tempfile::tempdir()?;
    let watch = Arc::new(Panics::default());
    let store = Sqlite::start(dir.path(), Arc::clone(&watch) as Arc<dyn RunObserver>)?;
    let names = ["a", "b"];
    let (one, other) = (
        whole_run("one", 0, 70, &names),
        whole_run("two", 0, 70, &names),
    );
    for (place, (one, other)) in one.iter().zip(&other).enumerate() {
        let flag = match place {
            20 => Some(&watch.at_event),
            40 | 65 => Some(&watch.at_second),
            _ => None,
        };
        if let Some(flag) = flag {
            flag.store(true, Ordering::Relaxed);
            let refused = deliver(&store, one)?.map_err(|error| error.to_string());
            let why = "store: internal error; see the server's output";
            assert_eq!(refused, Err(why.to_owned()), "batch {place}");
        }
        for batch in [other, one] {
            assert_eq!(deliver(&store, batch)??, place as u64 + 1);
        }
        // what is read of the run is whole at once
        let end = if place == 69 { 70 } else { place as u64 + 1 };
        assert_eq!(rows(&store, "one")?, (0..end).collect::<Vec<_>>());
    }
    for run in ["one", "two"] {
        assert_eq!(rows(&store, run)?, (0..70).collect::<Vec<_>>());
        let state = store.run(run)?.map(|run| run.state);
        assert_eq!(state, Some(State::Done));
    }
    store.stop();
    let store = Sqlite::start(dir.path(), watch)?;
    assert_eq!(rows(&store, "one")?, (0..70).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_deleted_run_stays_away_until_it_is_started() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let batches = whole_run("gone", 0, 9, &["a"]);
    for batch in &batches[..3] {
        assert_eq!(post(server.addr(), batch)?.0, 200);
    }
    let (status, _) = crate::nodes::send(server.addr(), "DELETE /api/v1/runs/gone HTTP/1.1", &[])?;
    assert!((200..300).contains(&status), "{status}");
    let refused = |server: &mistress_server::Running, batch: &Batch| -> Outcome {
        let (status, ack) = post(server.addr(), batch)?;
        assert_eq!((status, ack.error.as_str()), (410, "the run was deleted"));
        let list = get(server.addr(), "/api/v1/runs")?;
        assert_eq!(list["runs"].as_array().map(Vec::len), Some(0), "{list}");
        assert!(!dir.path().join("runs/gone.sqlite").exists());
        Ok(())
    };
    refused(&server, &batches[3])?;
    server.stop();
    // another process knows it too
    let server = serve(dir.path())?;
    refused(&server, &batches[4])?;
    let again = Batch {
        epoch: 6,
        start: Some(Box::new(start())),
        seconds: vec![second(0, 0, &["a"])],
        ..crate::nodes::batch("gone", 0, 1)
    };
    assert_eq!(post(server.addr(), &again)?.0, 200);
    assert_eq!(post(server.addr(), &batches[5])?.0, 200);
    let list = get(server.addr(), "/api/v1/runs")?;
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(1), "{list}");
    Ok(())
}
