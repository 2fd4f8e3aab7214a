//! The engine against servers that speak TLS well and badly.

use crate::runs::launch_at;
use stats::Summary;
use std::io::Write;
use testkit::certificates::{Authority, Flaw};
use testkit::faults::{FaultOrigin, Script, TlsRow, TlsSide, Versions, tls};

/// The limit of requests that are not about limits.
const GENEROUS_S: f64 = 30.0;
/// One user that goes through its scenario once.
const ONE_USER: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
    phases = [{ rate = \"1/s\", for = \"1s\" }]\n";

/// What a row's requests ended in, from a run of its own.
fn run(row: &TlsRow, ca: &str) -> Summary {
    let mut text = String::from("[tls]\n");
    if row.trusts {
        text += &format!("ca = {ca:?}\n");
    }
    if row.insecure {
        text += "insecure = true\n";
    }
    let limit = row.timeout.map_or(GENEROUS_S, |limit| limit.as_secs_f64());
    let count = row.expected.len();
    let scenario = format!(
        "for i = 1, {count} do user:get('/', {{ name = 'request ' .. i, timeout = {limit} }}) end"
    );
    launch_at(&row.url(), &scenario, &(text + ONE_USER), &[]).finish()
}

fn check(row: &TlsRow, summary: &Summary) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, expected) in row.expected.iter().enumerate() {
        let wanted = format!("request {}", place + 1);
        let name = summary.names.iter().find(|name| name.name == wanted);
        let Some(name) = name else {
            wrong.push(format!("{}: {wanted} was not made", row.name));
            continue;
        };
        let status = name.status.keys().next().copied().unwrap_or(0);
        let failure = name.failures.0.first().map(|(kind, _)| &**kind);
        if !expected.holds(status, failure) {
            let found = format!("{status} {failure:?}");
            wrong.push(format!("{}: {wanted}: {found}, not {expected:?}", row.name));
        }
    }
    wrong
}

#[test]
fn each_fault_of_tls_has_its_kind() {
    let authority = Authority::new();
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(authority.pem().as_bytes()).unwrap();
    let ca = ca.path().to_str().unwrap();
    let rows = tls(&authority);
    let mut wrong = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = rows
            .iter()
            .map(|row| (row, scope.spawn(move || run(row, ca))))
            .collect();
        for (row, running) in running {
            wrong.extend(check(row, &running.join().unwrap()));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn handshakes_are_timed_and_counted() {
    let authority = Authority::new();
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(authority.pem().as_bytes()).unwrap();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let side = TlsSide::new(&authority.server(Flaw::None), versions);
        let origin = FaultOrigin::start_tls(Script::each(Script::good()), side);
        let url = format!("https://localhost:{}", origin.addr().port());
        let table = format!("[tls]\nca = {:?}\n", ca.path());
        let scenario = "for i = 1, 4 do user:get('/', { keepalive = false }) end";
        let summary = launch_at(&url, scenario, &(table + ONE_USER), &[]).finish();
        assert_eq!(summary.totals.counts.ok, 4, "{:?}", summary.failures);
        assert_eq!(summary.phases.tls.count, 4);
        assert_eq!(summary.phases.connect.count, 4);
        assert_eq!(summary.events.count("tls_full"), 1, "{versions:?}");
        assert_eq!(summary.events.count("tls_resumed"), 3, "{versions:?}");
    }
}
