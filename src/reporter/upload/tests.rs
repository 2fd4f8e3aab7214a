//! The upload to servers that accept, reject, stall or are down.

use super::*;
use prost::Message as _;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::{Ack, SecondRow};

/// How a server responds to a batch: status and error.
type Responder = fn(&Batch) -> (u16, &'static str);

/// A server that keeps the batches it accepts, by sequence.
#[derive(Clone, Default)]
struct FakeServer(Arc<Mutex<BTreeMap<u64, Batch>>>);

impl FakeServer {
    fn serve(responder: Responder) -> (FakeServer, String) {
        let server = FakeServer::default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let shared = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // a disconnected client does not concern this server
                while shared.answer(&stream, responder).is_some() {}
            }
        });
        (server, url)
    }

    fn answer(&self, stream: &TcpStream, responder: Responder) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let bytes = zstd::bulk::decompress(&body, 1 << 20).ok()?;
        let batch = Batch::decode(bytes.as_slice()).ok()?;
        let (status, error) = responder(&batch);
        let mut ack = Ack {
            version: VERSION,
            accepted_through: 0,
            error: error.to_owned(),
        };
        if status == 200 {
            ack.accepted_through = batch.sequence;
            let mut batches = self.0.lock().expect("no holder panics");
            batches.entry(batch.sequence).or_insert(batch);
        }
        let ack = ack.encode_to_vec();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
            ack.len()
        )
        .ok()?;
        stream.write_all(&ack).ok()
    }

    fn batches(&self) -> Vec<Batch> {
        let batches = self.0.lock().expect("no holder panics");
        batches.values().cloned().collect()
    }

    /// Planned arrivals and seconds of all rows, and the number of rows.
    fn sums(&self) -> (u64, u64, usize) {
        let batches = self.batches();
        let rows = || batches.iter().flat_map(|batch| &batch.seconds);
        let planned = rows().map(|row| row.planned).sum();
        (planned, rows().map(|row| row.seconds).sum(), rows().count())
    }
}

fn job(server: &str, spool: &Path, limits: Limits) -> UploadJob {
    UploadJob {
        client: StatsClient::new(server, None),
        spool: spool.to_owned(),
        limits,
        start: RunStart::default(),
        source: BatchSource {
            run_id: "r".to_owned(),
            node: 0,
            node_name: "n".to_owned(),
            epoch: 7,
        },
        clock: (Instant::now(), SystemTime::now()),
    }
}

/// Passes the start, `seconds` rows of one planned arrival each, and the end.
fn run(job: UploadJob, seconds: u64) -> UploadOutcome {
    let upload = Upload::start(job).expect("a thread");
    let hand = |item| upload.items.send(item).expect("the thread lives");
    hand(UploadItem::Begin(Instant::now()));
    for time_s in 0..seconds {
        let row = SecondRow {
            time_s,
            seconds: 1,
            planned: 1,
            ..SecondRow::default()
        };
        hand(UploadItem::Row(Box::new(row)));
    }
    upload.end(Some(RunEnd::default()))
}

/// Nothing listens there: the port was free a moment ago.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    format!("http://{}", listener.local_addr().expect("it is bound"))
}

#[test]
fn a_server_that_answers_gets_everything_and_the_spool_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = folder.path().join("spool");
    let (server, url) = FakeServer::serve(|_| (200, ""));
    let done = run(job(&url, &spool, Limits::default()), 5);
    assert_eq!(
        (done.delivered, done.left, done.lost),
        (7, 0, 0),
        "{done:?}"
    );
    assert_eq!(server.sums(), (5, 5, 5));
    let batches = server.batches();
    assert!(batches[0].start.is_some() && batches[6].end.is_some());
    assert!(!spool.exists());
}

#[test]
fn what_a_dead_server_missed_is_delivered_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let done = run(job(&nobody(), folder.path(), Limits::default()), 5);
    assert_eq!(
        (done.delivered, done.left, done.lost),
        (0, 7, 0),
        "{done:?}"
    );
    let (server, url) = FakeServer::serve(|_| (200, ""));
    let spool = Spool::open(folder.path()).expect("a spool");
    let done = deliver(StatsClient::new(&url, None), spool);
    assert_eq!((done.delivered, done.left), (7, 0), "{done:?}");
    assert_eq!(server.sums(), (5, 5, 5));
}

#[test]
fn a_full_spool_merges_seconds_and_drops_none() {
    let folder = tempfile::tempdir().expect("a folder");
    // an empty second takes about 40 bytes
    let limits = Limits {
        disk: 500,
        memory: 500,
    };
    let done = run(job(&nobody(), folder.path(), limits), 200);
    assert!(done.left < 20 && done.lost == 0, "{done:?}");
    let (server, url) = FakeServer::serve(|_| (200, ""));
    let spool = Spool::open(folder.path()).expect("a spool");
    assert_eq!(deliver(StatsClient::new(&url, None), spool).left, 0);
    let (planned, seconds, rows) = server.sums();
    assert_eq!((planned, seconds), (200, 200));
    assert!(rows < 20, "{rows}");
}

#[test]
fn a_disk_that_refuses_does_not_keep_a_run_from_its_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let (server, url) = FakeServer::serve(|_| (200, ""));
    let done = run(job(&url, &file.join("spool"), Limits::default()), 5);
    assert_eq!((done.left, done.lost), (0, 0), "{done:?}");
    assert_eq!(server.sums(), (5, 5, 5));
    let done = run(job(&nobody(), &file.join("spool"), Limits::default()), 5);
    assert_eq!(
        (done.left, done.lost),
        (0, 7),
        "what is lost is told: {done:?}"
    );
}

#[test]
fn a_refused_batch_is_kept_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, url) = FakeServer::serve(|batch| match batch.sequence {
        3 => (400, "no"),
        _ => (200, ""),
    });
    let done = run(job(&url, folder.path(), Limits::default()), 5);
    assert_eq!((done.rejected, done.left), (1, 0), "{done:?}");
    assert_eq!(server.sums(), (4, 4, 4));
    let spool = Spool::open(folder.path()).expect("a spool");
    assert_eq!(spool.len(), 1, "a later delivery tries it again");
    // a server that has later sequences must not take it for a stored one
    let (server, url) = FakeServer::serve(|_| (200, ""));
    let done = deliver(StatsClient::new(&url, None), spool);
    assert_eq!((done.delivered, done.left, done.rejected), (1, 0, 0));
    let late = server.batches();
    assert_eq!((late.len(), late[0].sequence), (1, 3));
    assert_ne!(late[0].epoch, 7);
}

#[test]
fn a_run_that_was_deleted_is_given_up() {
    static POSTS: AtomicU64 = AtomicU64::new(0);
    let folder = tempfile::tempdir().expect("a folder");
    let spool = folder.path().join("spool");
    let (server, url) = FakeServer::serve(|batch| {
        POSTS.fetch_add(1, Ordering::Relaxed);
        match batch.sequence {
            1..=3 => (200, ""),
            _ => (410, "the run was deleted"),
        }
    });
    let done = run(job(&url, &spool, Limits::default()), 50);
    assert!(done.gone, "{done:?}");
    assert_eq!((done.delivered, done.left, done.lost), (3, 0, 0));
    let error = done.error.unwrap_or_default();
    assert_eq!(error, "status 410: the run was deleted");
    assert_eq!(server.batches().len(), 3);
    assert_eq!(POSTS.load(Ordering::Relaxed), 4, "one answer is enough");
    assert!(!spool.exists(), "nobody wants the rest");
}

#[test]
fn a_refused_batch_is_not_settled_by_those_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spool = Spool::create(folder.path(), Limits::default(), "");
    for sequence in 1..=4 {
        let batch = Batch {
            sequence,
            epoch: 7,
            ..Batch::default()
        };
        spool.put(&batch);
    }
    spool.settle(1);
    spool.reject_front();
    spool.put(&Batch {
        sequence: 5,
        ..Batch::default()
    });
    drop(spool);
    let mut spool = Spool::open(folder.path()).expect("a spool");
    assert_eq!(spool.len(), 4);
    spool.settle(5);
    assert_eq!(
        spool.len(),
        3,
        "2 was at the front, and says nothing of others"
    );
    spool.settle(5);
    assert_eq!(spool.len(), 0);
    // the other way round: 1 is answered by a server that has all through 5
    let folder = tempfile::tempdir().expect("a folder");
    for name in [
        "0000000001-0000000001.batch",
        "0000000002-0000000002.batch.refused",
        "0000000003-0000000003.batch",
    ] {
        std::fs::write(folder.path().join(name), "").expect("a file");
    }
    let mut spool = Spool::open(folder.path()).expect("a spool");
    spool.settle(5);
    assert_eq!(spool.len(), 2, "what was rejected waits for its own answer");
}

#[test]
fn a_batch_that_was_cut_off_is_not_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    run(job(&nobody(), folder.path(), Limits::default()), 3);
    let second = folder.path().join("0000000002-0000000002.batch");
    let bytes = std::fs::read(&second).expect("it was left");
    std::fs::write(&second, &bytes[..bytes.len() - 1]).expect("it is written again");
    let (server, url) = FakeServer::serve(|_| (200, ""));
    let spool = Spool::open(folder.path()).expect("a spool");
    let done = deliver(StatsClient::new(&url, None), spool);
    assert_eq!(done.rejected, 1, "{done:?}");
    assert_eq!(server.sums(), (2, 2, 2));
}

#[test]
fn a_file_left_over_from_a_merge_is_void() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["0000000001-0000000003.batch", "0000000002-0000000002.batch"] {
        std::fs::write(folder.path().join(name), "").expect("a file");
    }
    let spool = Spool::open(folder.path()).expect("a spool");
    assert_eq!(spool.len(), 1);
}

#[test]
fn check_tells_servers_apart() {
    assert!(matches!(
        StatsClient::new(&nobody(), None).check(),
        ServerCheck::Unreachable(_)
    ));
    let (_, url) = FakeServer::serve(|_| (404, ""));
    assert_eq!(
        StatsClient::new(&url, None).check(),
        ServerCheck::NotAStatsServer
    );
}
