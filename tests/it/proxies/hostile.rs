//! Proxies that refuse, break off, say nothing or talk nonsense: each ends as a failure, and nothing
//! hangs.

use super::{REQUESTS, notices, scratch};
use crate::binary::{can_run, conserved};
use crate::harness::failures;
use std::time::Duration;
use testkit::certificates::Authority;
use testkit::faults::{FaultOrigin, Script, Step, ok};

/// Runs under way at the same time.
const RUNS_AT_ONCE: usize = 4;
/// A good answer to CONNECT, and a good one to a request of SOCKS.
const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
const CONNECTED: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// What a hostile proxy does, and what the requests of a run end as.
struct Row {
    name: &'static str,
    scheme: &'static str,
    steps: Vec<Step>,
    /// One of these.
    kinds: &'static [&'static str],
    /// Part of a notice; empty for none.
    notice: &'static str,
}

impl Row {
    /// A proxy asked by CONNECT.
    fn connect(name: &'static str, steps: &[Step]) -> Row {
        Row {
            name,
            scheme: "http",
            steps: [&[Step::ReadHead], steps].concat(),
            kinds: &[],
            notice: "",
        }
    }

    /// The same, which answers this and stays.
    fn answering(name: &'static str, text: &str) -> Row {
        Row::connect(name, &[Step::send(text), Step::AwaitClose])
    }

    /// A proxy spoken to by SOCKS 5, with an answer to each message, which stays or does this.
    fn socks(name: &'static str, answers: &[&[u8]], last: Step) -> Row {
        let each = answers
            .iter()
            .flat_map(|answer| [Step::ReadAny, Step::send(*answer)]);
        Row {
            scheme: "socks5h",
            steps: each.chain([last]).collect(),
            ..Row::connect(name, &[])
        }
    }

    fn fails(self, kind: &'static [&'static str]) -> Row {
        Row {
            kinds: kind,
            ..self
        }
    }

    fn refused(self, notice: &'static str) -> Row {
        let row = self.fails(&["proxy_refused"]);
        Row { notice, ..row }
    }

    fn malformed(self, notice: &'static str) -> Row {
        let row = self.fails(&["proxy_protocol"]);
        Row { notice, ..row }
    }
}

fn answers_to_connect() -> Vec<Row> {
    let wants = "it answered \"HTTP/1.1 407 Who\"; it wants credentials: \
                 http://NAME:PASSWORD@127.0.0.1";
    let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(100_000));
    let surplus = format!("{ESTABLISHED}hello");
    vec![
        Row::answering("407", "HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n").refused(wants),
        Row::answering("502", "HTTP/1.1 502 Bad Gateway\r\n\r\n").refused("502 Bad Gateway"),
        Row::answering("garbage", "SSH-2.0-x\r\n").malformed("no HTTP/1"),
        Row::answering("an oversized head", &long).malformed("no end of the head"),
        Row::answering("surplus", &surplus).malformed("behind its answer"),
        Row::answering("half an answer", "HTTP/1.1 200 OK\r\n").fails(&["connect_timeout"]),
    ]
}

fn ends_of_connect() -> Vec<Row> {
    let stay = Step::AwaitClose;
    let established = Step::send(ESTABLISHED);
    let cut = Step::send("HTTP/1.1 200 O");
    let bytewise = Step::SendBytewise {
        bytes: ESTABLISHED.into(),
        gap: Duration::ZERO,
    };
    let plain = [
        established.clone(),
        Step::ReadAny,
        Step::send(ok("x")),
        stay.clone(),
    ];
    let gone = [established, Step::ReadAny, Step::Close];
    vec![
        Row::connect("closed", &[Step::Close]).fails(&["proxy_closed"]),
        Row::connect("reset", &[Step::Reset]).fails(&["proxy_closed"]),
        Row::connect("cut off", &[cut, Step::Close]).fails(&["proxy_closed"]),
        Row::connect("silent", std::slice::from_ref(&stay)).fails(&["connect_timeout"]),
        Row::connect("closed after CONNECT", &gone).fails(&["tls_closed", "reset_tls"]),
        Row::connect("silent after CONNECT", &[bytewise, stay]).fails(&["tls_timeout"]),
        Row::connect("no TLS after CONNECT", &plain).fails(&["tls_plain_text"]),
    ]
}

fn answers_of_socks() -> Vec<Row> {
    let row = |name, answers: &[&[u8]]| Row::socks(name, answers, Step::AwaitClose);
    let wants = "it wants credentials: socks5h://NAME:PASSWORD@";
    let http: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let refused: &[u8] = &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0];
    vec![
        row("SOCKS 4", &[&[4, 0]]).malformed("no SOCKS 5"),
        row("an HTTP proxy", &[http]).malformed("no SOCKS 5"),
        row("credentials wanted", &[&[5, 255]]).refused(wants),
        row("refused", &[&[5, 0], refused]).refused("answered 5, connection refused"),
        row("not allowed", &[&[5, 0], &[5, 2]]).refused("not allowed by its rules"),
        row("an address", &[&[5, 0], &[5, 0, 0, 9]]).malformed("unknown type 9"),
        row("silent", &[&[5, 0]]).fails(&["connect_timeout"]),
    ]
}

fn ends_of_socks() -> Vec<Row> {
    let row = |name, answers: &[&[u8]]| Row::socks(name, answers, Step::Close);
    let closed = &["closed_no_response", "reset_first_byte", "reset_send"];
    vec![
        row("closed at once", &[]).fails(&["proxy_closed"]),
        row("closed after the greeting", &[&[5, 0]]).fails(&["proxy_closed"]),
        row("cut off", &[&[5, 0], &CONNECTED[..7]]).fails(&["proxy_closed"]),
        row("closed after the connect", &[&[5, 0], CONNECTED]).fails(closed),
    ]
}

/// Runs a profile with a hostile proxy; what is wrong with the result.
fn problem(row: &Row, authority: &Authority) -> Option<String> {
    let proxy = FaultOrigin::start(Script::each(row.steps.clone()));
    let target = match row.scheme {
        "http" => "https://shop.test",
        _ => "http://shop.test",
    };
    let limits = "timeouts = { connect = \"300ms\", tls = \"300ms\" }";
    let scratch = scratch(target, limits, authority);
    let proxy = format!("{}://{}", row.scheme, proxy.addr());
    let done = scratch
        .run(&["--quiet", "--cores", "1", "-x", &proxy])
        .expect(0);
    let result = scratch.result();
    conserved(&result);
    let failed: u64 = row.kinds.iter().map(|kind| failures(&result, kind)).sum();
    let notices = notices(&result);
    let is_right = failed == REQUESTS && notices.contains(row.notice);
    (!is_right).then(|| {
        let (name, failures) = (row.name, &result["failures"]);
        format!("{name}: {failures}\n{notices}\n{}\n{}", done.out, done.err)
    })
}

#[test]
fn hostile_proxies_end_as_the_failures_they_are() {
    if !can_run() {
        return;
    }
    let authority = &Authority::new();
    let rows = [
        answers_to_connect(),
        ends_of_connect(),
        answers_of_socks(),
        ends_of_socks(),
    ];
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    let mut problems: Vec<String> = Vec::new();
    for some in rows.chunks(RUNS_AT_ONCE) {
        std::thread::scope(|scope| {
            let start = |row| scope.spawn(move || problem(row, authority));
            let runs: Vec<_> = some.iter().map(start).collect();
            let found = runs.into_iter().filter_map(|run| run.join().unwrap());
            problems.extend(found);
        });
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
