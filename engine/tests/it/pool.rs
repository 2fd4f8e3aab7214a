//! Connections that outlive a user (`pool = "shared"`).

use crate::runs::launch_at;
use stats::Summary;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::certificates::{Authority, Flaw};
use testkit::faults::{FaultOrigin, Script, Step, TlsSide, Versions, ok};

/// Twenty users that come one after the other, 5 ms apart.
const TWENTY_USERS: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
    phases = [{ rate = \"200/s\", for = \"100ms\" }]\n";
const POOL_OF_ONE: &str = "[connections]\npool = \"shared\"\nper_origin = 1\n";
const ONE_REQUEST: &str = "user:get('/')";

fn run(origin: &FaultOrigin, table: &str, scenario: &str, load: &str) -> Summary {
    launch_at(&origin.url(), scenario, &format!("{table}\n{load}"), &[]).finish()
}

/// What came of twenty users with one request each at a server without fault.
fn twenty(table: &str) -> (u64, Summary) {
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let summary = run(&origin, table, ONE_REQUEST, TWENTY_USERS);
    assert_eq!(summary.totals.counts.ok, 20, "{table}");
    (origin.report().connections(), summary)
}

#[test]
fn idle_connections_serve_whoever_comes_next() {
    let rows = [
        ("[connections]\npool = \"user\"", 20),
        (POOL_OF_ONE, 1),
        (&format!("{POOL_OF_ONE}requests_max = 5"), 4),
        (&format!("{POOL_OF_ONE}keep_alive = false"), 20),
        (&format!("{POOL_OF_ONE}age_max = \"1ns\""), 20),
    ];
    for (table, expected) in rows {
        let (connections, summary) = twenty(table);
        assert_eq!(connections, expected, "{table}");
        let counts = [
            "connection_opened",
            "connection_closed",
            "connection_reused",
        ]
        .map(|event| summary.events.count(event));
        assert_eq!(counts, [expected, expected, 20 - expected], "{table}");
    }
}

/// Whoever finds none idle gets a new one, as many as there are users at once; those who come
/// later find them all.
#[test]
fn a_pool_without_limit_grows_to_the_users_at_once() {
    let slow = [
        Step::ReadHead,
        Step::Pause(Duration::from_millis(300)),
        Step::Send(ok("late")),
        Step::Repeat,
    ];
    let origin = FaultOrigin::start(Script::each(slow));
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\nphases = [\n\
        { rate = \"200/s\", for = \"100ms\" }, { pause = \"600ms\" },\n\
        { rate = \"200/s\", for = \"100ms\" }]\n";
    let summary = run(
        &origin,
        "[connections]\npool = \"shared\"",
        ONE_REQUEST,
        load,
    );
    assert_eq!(summary.totals.counts.ok, 40, "{:?}", summary.failures);
    assert_eq!(origin.report().connections(), 20);
    assert_eq!(summary.events.count("connection_reused"), 20);
    assert_eq!(summary.phases.queue.count, 0);
}

/// Heads of requests in the order in which they came, each with a line that says from where.
type Heads = Arc<Mutex<Vec<String>>>;

/// A server that gives each connection's n-th request the cookie `id=n` after a pause.
fn noting(pause: Duration) -> (String, Heads) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heads = Heads::default();
    let noted = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, noted) = (stream.unwrap(), Arc::clone(&noted));
            let from = stream.peer_addr().unwrap().ip();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut count = 0;
                while let Some(head) = read_head(&mut reader) {
                    noted.lock().unwrap().push(format!("{head}from {from}"));
                    count += 1;
                    std::thread::sleep(pause);
                    let reply = format!(
                        "HTTP/1.1 200 OK\r\nset-cookie: id={count}\r\ncontent-length: 0\r\n\r\n"
                    );
                    if stream.write_all(reply.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, heads)
}

fn read_head(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = reader.read_line(&mut head).ok()?;
        (read > 0).then_some(())?;
    }
    Some(head)
}

#[test]
fn waiting_users_are_served_in_their_order_and_the_wait_is_no_lag() {
    // Twenty users come within 100 ms, the one connection takes 20 ms for each.
    let (url, heads) = noting(Duration::from_millis(20));
    let scenario = "user:get('/' .. user.id)";
    let tables = format!("{POOL_OF_ONE}{TWENTY_USERS}");
    let summary = launch_at(&url, scenario, &tables, &[]).finish();
    assert_eq!(summary.totals.counts.ok, 20, "{:?}", summary.failures);
    let lines: Vec<String> = heads
        .lock()
        .unwrap()
        .iter()
        .map(|head| first_line(head))
        .collect();
    let expected: Vec<String> = (0..20).map(|n| format!("GET /{n} HTTP/1.1")).collect();
    assert_eq!(lines, expected);
    // The last came at 95 ms, and before it 19 requests of 20 ms were to be served.
    let queue = &summary.phases.queue;
    assert_eq!(queue.count, 19);
    assert!(queue.max_us >= 19 * 20_000 - 95_000, "{queue:?}");
    assert!(
        summary.phases.latency.max_us >= queue.max_us,
        "{:?}",
        summary.phases.latency
    );
    // Lag that had the queue in it would have half of that as its median.
    assert!(
        summary.phases.lag.p50_us < queue.p50_us / 2,
        "{:?}",
        summary.phases.lag
    );
}

fn first_line(head: &str) -> String {
    head.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn cookies_stay_with_their_user() {
    let (url, heads) = noting(Duration::ZERO);
    let tables = format!("{POOL_OF_ONE}{TWENTY_USERS}");
    let summary = launch_at(&url, "user:get('/a') user:get('/b')", &tables, &[]).finish();
    assert_eq!(summary.totals.counts.ok, 40, "{:?}", summary.failures);
    // One connection: the n-th reply of the server bears the cookie n.
    let mut given = Vec::new();
    for (place, head) in heads.lock().unwrap().iter().enumerate() {
        let cookie = head
            .lines()
            .find_map(|line| line.strip_prefix("Cookie: id="));
        if head.starts_with("GET /a ") {
            assert_eq!(cookie, None, "{head}");
            given.push((place + 1).to_string());
        } else {
            let cookie = cookie.expect("the user's own cookie");
            let mine = given.iter().position(|known| known == cookie);
            given.remove(mine.expect("a cookie is its user's alone"));
        }
    }
    assert!(given.is_empty(), "{given:?}");
}

/// Local addresses have their turn though one connection could carry all requests.
#[test]
fn local_addresses_are_used_in_turn() {
    for (per_origin, expected) in [
        ("", ["from 127.0.0.5", "from 127.0.0.6"]),
        ("per_origin = 1\n", ["from 127.0.0.5", "from 127.0.0.5"]),
    ] {
        let (url, heads) = noting(Duration::ZERO);
        let load = TWENTY_USERS.replace("100ms", "5ms");
        let tables = format!(
            "[connections]\npool = \"shared\"\n{per_origin}\
             source = [\"127.0.0.5\", \"127.0.0.6\"]\n{load}"
        );
        let scenario = "for i = 1, 6 do user:get('/') end";
        let summary = launch_at(&url, scenario, &tables, &[]).finish();
        assert_eq!(summary.totals.counts.ok, 6, "{:?}", summary.failures);
        let heads = heads.lock().unwrap();
        let from: Vec<&str> = heads
            .iter()
            .filter_map(|head| head.lines().last())
            .collect();
        assert_eq!(from, [expected; 3].concat(), "{per_origin}");
        let opened = summary.events.count("connection_opened");
        assert_eq!(opened, if per_origin.is_empty() { 2 } else { 1 });
    }
}

#[test]
fn branches_take_their_connections_from_the_pool() {
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let scenario = "local function get() user:get('/') end user:parallel { get, get, get, get }";
    let table = "[connections]\npool = \"shared\"\nper_origin = 2";
    let load = TWENTY_USERS.replace("100ms", "10ms");
    let summary = run(&origin, table, scenario, &load);
    assert_eq!(summary.totals.counts.ok, 8, "{:?}", summary.failures);
    assert_eq!(origin.report().connections(), 2);
    assert!(
        summary.phases.queue.count >= 2,
        "{:?}",
        summary.phases.queue
    );
}

#[test]
fn a_limit_of_time_holds_for_those_who_wait() {
    let hanging = [
        Step::ReadHead,
        Step::Pause(Duration::from_millis(200)),
        Step::Send(ok("late")),
        Step::Repeat,
    ];
    let origin = FaultOrigin::start(Script::each(hanging));
    // The first user has the connection for 200 ms; of the others, who wait, two are patient.
    let scenario = "user:get('/', { timeout = user.id <= 2 and 5 or 0.05 })";
    let load = TWENTY_USERS.replace("100ms", "50ms");
    let summary = run(&origin, POOL_OF_ONE, scenario, &load);
    assert_eq!(summary.totals.counts.ok, 3, "{:?}", summary.failures);
    assert_eq!(summary.failures.count("timeout"), 7);
    assert_eq!(summary.events.count("not_written"), 7);
    assert_eq!(origin.report().connections(), 1);
    let of_failed = &summary.phases.queue;
    assert_eq!(of_failed.count, 2, "{of_failed:?}");
}

#[test]
fn a_server_may_close_what_is_idle() {
    let closing = [
        Step::ReadHead,
        Step::Send(ok("first")),
        Step::Pause(Duration::from_millis(50)),
        Step::Close,
    ];
    let origin = FaultOrigin::start(Script::each(closing));
    let load = TWENTY_USERS
        .replace("200/s", "4/s")
        .replace("100ms", "750ms");
    let summary = run(&origin, POOL_OF_ONE, ONE_REQUEST, &load);
    assert_eq!(summary.totals.counts.ok, 3, "{:?}", summary.failures);
    assert_eq!(origin.report().connections(), 3);
    assert_eq!(summary.events.count("stale_retry"), 0);
    // The last may be closed by the end of the run as well.
    assert!(summary.events.count("idle_closed") >= 2);
}

#[test]
fn the_race_with_a_closing_server_is_run_again_on_a_new_connection() {
    let closing = [
        Step::ReadHead,
        Step::Send(ok("first")),
        Step::ReadHead,
        Step::Close,
    ];
    let origin = FaultOrigin::start(Script::each(closing).then_good());
    let summary = run(&origin, POOL_OF_ONE, ONE_REQUEST, TWENTY_USERS);
    assert_eq!(summary.totals.counts.ok, 20, "{:?}", summary.failures);
    assert_eq!(summary.events.count("stale_retry"), 1);
    assert_eq!(origin.report().connections(), 2);
    // What could do something twice is not repeated, whoever used the connection before.
    let origin = FaultOrigin::start(
        Script::each([
            Step::ReadHead,
            Step::Send(ok("first")),
            Step::ReadHead,
            Step::Close,
        ])
        .then_good(),
    );
    let summary = run(&origin, POOL_OF_ONE, "user:post('/')", TWENTY_USERS);
    assert_eq!(summary.failures.count("closed_no_response"), 1);
    assert_eq!(summary.totals.counts.ok, 19);
}

/// The pool is one client: its first handshake with a server is full, the further ones resume.
#[test]
fn sessions_of_tls_are_the_pools() {
    let authority = Authority::new();
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(authority.pem().as_bytes()).unwrap();
    let side = || TlsSide::new(&authority.server(Flaw::None), Versions::Tls13);
    let load = TWENTY_USERS.replace("100ms", "20ms");
    for (pool, full) in [("user", 4), ("shared", 1)] {
        let origin = FaultOrigin::start_tls(Script::each(Script::good()), side());
        let url = format!("https://localhost:{}", origin.addr().port());
        let tables = format!(
            "[connections]\npool = \"{pool}\"\nper_origin = 1\nrequests_max = 1\n\
             [tls]\nca = {:?}\n{load}",
            ca.path()
        );
        let summary = launch_at(&url, ONE_REQUEST, &tables, &[]).finish();
        assert_eq!(summary.totals.counts.ok, 4, "{:?}", summary.failures);
        assert_eq!(summary.events.count("tls_full"), full, "{pool}");
        assert_eq!(summary.events.count("tls_resumed"), 4 - full, "{pool}");
    }
}
