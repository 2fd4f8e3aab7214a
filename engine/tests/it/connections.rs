//! How connections are made and how long they are kept.

use crate::runs::{launch_at, prepare_at};
use mistress_engine::Event;
use stats::Summary;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::faults::{FaultOrigin, Script, Step, ok};

/// One user that goes through its scenario once.
const ONE_USER: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
    phases = [{ rate = \"1/s\", for = \"1s\" }]\n";
const SIX_REQUESTS: &str = "for i = 1, 6 do user:get('/') end";

/// Connections that a good server saw of one user, and what came of them.
fn kept(table: &str, scenario: &str, load: &str) -> (u64, Summary) {
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let tables = format!("{table}\n{load}");
    let summary = launch_at(&origin.url(), scenario, &tables, &[]).finish();
    assert_eq!(summary.totals.counts.failed, 0, "{table}");
    (origin.report().connections(), summary)
}

#[test]
fn connections_end_as_the_profile_wants() {
    let rows = [
        ("", 1),
        ("[connections]\nkeep_alive = false", 6),
        ("[connections]\nrenew = \"request\"", 6),
        ("[connections]\nrequests_max = 2", 3),
        ("[connections]\nrequests_max = 4", 2),
        ("[connections]\nage_max = \"1ns\"", 6),
        ("[connections]\nage_max = \"1h\"\nrenew = \"iteration\"", 1),
    ];
    for (table, expected) in rows {
        let (connections, summary) = kept(table, SIX_REQUESTS, ONE_USER);
        assert_eq!(connections, expected, "{table}");
        assert_eq!(
            summary.events.count("connection_opened"),
            expected,
            "{table}"
        );
        assert_eq!(
            summary.events.count("connection_reused"),
            6 - expected,
            "{table}"
        );
    }
}

#[test]
fn a_pass_may_begin_with_a_new_connection() {
    let load = ONE_USER.replace("phases", "iterations = 3\nphases");
    let (connections, _) = kept("", "user:get('/') user:get('/')", &load);
    assert_eq!(connections, 1);
    let table = "[connections]\nrenew = \"iteration\"";
    let (connections, _) = kept(table, "user:get('/') user:get('/')", &load);
    assert_eq!(connections, 3);
}

#[test]
fn a_user_has_as_many_connections_as_it_may() {
    let scenario = "local function get() user:get('/') end user:parallel { get, get, get, get }";
    let (connections, summary) = kept("[connections]\nper_origin = 2", scenario, ONE_USER);
    assert_eq!(connections, 2);
    assert_eq!(summary.phases.queue.count, 2);
}

#[test]
fn each_part_of_a_request_may_have_a_limit() {
    let script = Script::each([Step::ReadHead, Step::AwaitClose]);
    let origin = FaultOrigin::start(script);
    let table = "[connections]\ntimeouts = { first_byte = \"50ms\" }\n";
    let summary = launch_at(
        &origin.url(),
        "user:get('/')",
        &(table.to_owned() + ONE_USER),
        &[],
    );
    let summary = summary.finish();
    assert_eq!(
        summary.failures.count("first_byte_timeout"),
        1,
        "{:?}",
        summary.failures
    );

    // The limit is for the first byte alone: the rest may take longer.
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
    let slow = Script::each([
        Step::ReadHead,
        Step::send(head),
        Step::Pause(Duration::from_millis(150)),
        Step::send("rest"),
        Step::AwaitClose,
    ]);
    let origin = FaultOrigin::start(slow);
    let table = "[connections]\ntimeouts = { connect = \"100ms\", first_byte = \"100ms\" }\n";
    let summary = launch_at(
        &origin.url(),
        "user:get('/')",
        &(table.to_owned() + ONE_USER),
        &[],
    );
    let summary = summary.finish();
    assert_eq!(summary.totals.counts.ok, 1, "{:?}", summary.failures);
    assert_eq!(summary.phases.receive.count, 1);
    assert!(
        summary.phases.receive.min_us >= 100_000,
        "{:?}",
        summary.phases.receive
    );

    let hole = testkit::faults::BlackHole::new();
    let table = "[connections]\ntimeouts = { connect = \"50ms\" }\n";
    let url = format!("http://{}", hole.addr());
    let summary = launch_at(&url, "user:get('/')", &(table.to_owned() + ONE_USER), &[]).finish();
    assert_eq!(
        summary.failures.count("connect_timeout"),
        1,
        "{:?}",
        summary.failures
    );
}

/// From where a server was spoken to, and at which of its addresses.
type Noted = Arc<Mutex<Vec<(IpAddr, IpAddr)>>>;

/// A server that notes from where it was spoken to, and at which of its addresses.
fn noting(addresses: &[&str]) -> (u16, Noted) {
    let noted = Noted::default();
    let first = TcpListener::bind((addresses[0], 0)).unwrap();
    let port = first.local_addr().unwrap().port();
    let others = addresses[1..]
        .iter()
        .map(|address| TcpListener::bind((*address, port)).unwrap());
    for listener in std::iter::once(first).chain(others) {
        let noted = Arc::clone(&noted);
        std::thread::spawn(move || {
            while let Ok((mut stream, from)) = listener.accept() {
                let at: SocketAddr = stream.local_addr().unwrap();
                noted.lock().unwrap().push((from.ip(), at.ip()));
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(&ok("good"));
            }
        });
    }
    (port, noted)
}

#[test]
fn names_have_the_addresses_of_the_profile_used_in_turn() {
    let (port, noted) = noting(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let url = format!("http://three.invalid:{port}");
    for (pick, expected) in [("first", [1, 1, 1, 1, 1, 1]), ("turn", [1, 2, 3, 1, 2, 3])] {
        noted.lock().unwrap().clear();
        let tables = format!(
            "[connections]\nkeep_alive = false\naddresses = \"{pick}\"\n[hosts]\n\
             \"three.invalid\" = [\"127.0.0.1\", \"127.0.0.2\", \"127.0.0.3\"]\n{ONE_USER}"
        );
        let summary = launch_at(&url, SIX_REQUESTS, &tables, &[]).finish();
        assert_eq!(summary.totals.counts.ok, 6, "{:?}", summary.failures);
        let at = noted
            .lock()
            .unwrap()
            .iter()
            .map(|(_, at)| last_byte(*at))
            .collect::<Vec<_>>();
        assert_eq!(at, expected, "{pick}");
    }
}

#[test]
fn a_dead_address_among_several_is_told_once() {
    let (port, noted) = noting(&["127.0.0.1", "127.0.0.3"]);
    let url = format!("http://three.invalid:{port}");
    let tables = format!(
        "[connections]\nkeep_alive = false\naddresses = \"turn\"\n[hosts]\n\
         \"three.invalid\" = [\"127.0.0.1\", \"127.0.0.2\", \"127.0.0.3\"]\n{ONE_USER}"
    );
    let mut started = launch_at(&url, SIX_REQUESTS, &tables, &[]);
    let (_, none) = std::sync::mpsc::sync_channel(1);
    let events = std::mem::replace(&mut started.events, none);
    let summary = started.finish();
    assert_eq!(summary.totals.counts.ok, 6, "{:?}", summary.failures);
    assert_eq!(noted.lock().unwrap().len(), 6);
    let notices: Vec<String> = events
        .try_iter()
        .filter_map(|event| match event {
            Event::Notice { text } => Some(text),
            _ => None,
        })
        .collect();
    let expected = format!(
        "three.invalid:{port}: no connection to 127.0.0.2:{port}, one of its 3 addresses (refused)"
    );
    assert_eq!(notices, [expected]);
}

fn last_byte(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    }
}

#[test]
fn a_name_of_the_profile_that_is_no_target_needs_no_resolver() {
    let (port, noted) = noting(&["127.0.0.1"]);
    let tables = format!("[hosts]\n\"other.invalid\" = \"127.0.0.1\"\n{ONE_USER}");
    let scenario = format!("user:get('http://other.invalid:{port}/')");
    let summary = launch_at("http://127.0.0.1:9", &scenario, &tables, &[]).finish();
    assert_eq!(summary.totals.counts.ok, 1, "{:?}", summary.failures);
    assert_eq!(noted.lock().unwrap().len(), 1);
    assert_eq!(summary.phases.dns.count, 0);
}

#[test]
fn connections_come_from_the_addresses_of_the_profile_in_turn() {
    let (port, noted) = noting(&["127.0.0.1"]);
    let tables = format!(
        "[connections]\nkeep_alive = false\nsource = [\"127.0.0.5\", \"127.0.0.6\"]\n{ONE_USER}"
    );
    let url = format!("http://127.0.0.1:{port}");
    let summary = launch_at(&url, SIX_REQUESTS, &tables, &[]).finish();
    assert_eq!(summary.totals.counts.ok, 6, "{:?}", summary.failures);
    let mut from = noted
        .lock()
        .unwrap()
        .iter()
        .map(|(from, _)| last_byte(*from))
        .collect::<Vec<_>>();
    from.sort_unstable();
    assert_eq!(from, [5, 5, 5, 6, 6, 6]);
}

#[test]
fn a_source_that_is_none_of_this_machine_keeps_the_run_from_beginning() {
    let tables = format!("[connections]\nsource = \"192.0.2.1\"\n{ONE_USER}");
    let (prepared, _others) = prepare_at("http://127.0.0.1:9", "user:get('/')", &tables, &[]);
    let error = prepared.err().map(|error| error.to_string());
    let error = error.expect("no core has begun");
    assert!(
        error.starts_with("connections.source: 192.0.2.1"),
        "{error}"
    );
}

#[test]
fn servers_on_sockets_in_the_file_system_are_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = String::new();
        for _ in 0..2 {
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).unwrap();
            heard += &String::from_utf8_lossy(&bytes[..length]);
            stream.write_all(&ok("good")).unwrap();
        }
        heard
    });
    let url = format!("unix:{}", path.display());
    let scenario = "user:get('/one') user:post('/two', { body = 'b' })";
    let summary = launch_at(&url, scenario, ONE_USER, &[]).finish();
    assert_eq!(summary.totals.counts.ok, 2, "{:?}", summary.failures);
    let heard = heard.join().unwrap();
    assert!(
        heard.contains("GET /one") && heard.contains("POST /two"),
        "{heard}"
    );
    assert!(heard.contains("Host: localhost\r\n"), "{heard}");
}
