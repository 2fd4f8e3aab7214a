//! Servers and addresses that misbehave: how each request ends, what is counted, what is reused.
//!
//! The tables are those of `testkit::faults`. Rows without counters share a run, each with a user
//! and a server of its own; the others have a run each, since counters are kept per run.

use crate::binary::{Program, Scratch, can_run, conserved, count, mistress};
use crate::harness::{Placement, event, failures, measuring, name, number, one_arrival, run_table};
use serde_json::Value;
use std::fmt::Write;
use std::time::Duration;
use testkit::faults::{
    self, FaultOrigin, Outcome, Refused, Row, Script, UNRESOLVABLE, addresses, framing, keep_alive,
};

/// Runs under way at the same time.
const RUNS_AT_ONCE: usize = 4;
/// The limit of requests that are not about limits.
const GENEROUS: Duration = Duration::from_secs(30);

/// What a user does: requests one after another, each outcome logged.
const REQUESTS: &str = "local function requests(user, row)
  for i = 1, row.count do
    if i > 1 and row.gap > 0 then user:sleep(row.gap) end
    local reply = user:request(row.method, row.url, {
      name = row.label .. '#' .. i,
      timeout = row.timeout,
      keep_body = row.keep_body,
      body = row.body_bytes > 0 and string.rep('b', row.body_bytes) or nil,
    })
    user:log(row.label .. ' ' .. i .. ' ' .. reply.status .. ' ' .. tostring(reply.failure))
    if row.keep_body and reply.ok then user:check('body', reply.body ~= nil) end
  end
end
local scenarios = {}
";

/// Rows of a table with their servers, to be carried out in one run.
struct Group {
    rows: Vec<(Row, FaultOrigin)>,
}

impl Group {
    fn of(placement: &Placement, rows: Vec<Row>) -> Group {
        let start = |row: Row| {
            let script = row.script.clone();
            let origin = placement.serve(|ip| FaultOrigin::start_at(ip, script));
            (row, origin)
        };
        Group {
            rows: rows.into_iter().map(start).collect(),
        }
    }

    fn scratch(&self) -> Scratch {
        // of many rows every request fails
        let mut profile = run_table(&self.rows[0].1.url()) + "fail_on = []\n";
        let mut script = REQUESTS.to_owned();
        for (index, (row, origin)) in self.rows.iter().enumerate() {
            profile += &one_arrival(&format!("r{index}"));
            let _ = writeln!(
                script,
                "function scenarios.r{index}(user) requests(user, {{ label = 'r{index}', \
                 method = '{}', url = '{}/', count = {}, gap = {}, timeout = {}, keep_body = {}, \
                 body_bytes = {} }}) end",
                row.method,
                origin.url(),
                row.expected.len(),
                row.gap.as_secs_f64(),
                row.timeout.unwrap_or(GENEROUS).as_secs_f64(),
                row.keep_body,
                row.body_bytes,
            );
        }
        Scratch::of(&profile, &(script + "return scenarios\n"))
    }

    /// Waits for the end of the run and holds everything against the rows; what is wrong, and the
    /// report if anything is.
    fn finish(self, program: Program, scratch: &Scratch) -> String {
        let done = program.finish().expect(0);
        let result = scratch.result();
        conserved(&result);
        assert_eq!(
            count(&result, "/totals/iterations/failed"),
            0,
            "{}",
            done.out
        );
        assert_eq!(count(&result, "/totals/unfinished"), 0, "{}", done.out);
        let mut wrong = String::new();
        for (index, (row, origin)) in self.rows.iter().enumerate() {
            for problem in problems(row, &format!("r{index}"), &done.out, &result, origin) {
                let _ = writeln!(wrong, "{}: {problem}", row.name);
            }
        }
        if !wrong.is_empty() {
            wrong += &done.out;
            wrong += &done.err;
        }
        wrong
    }
}

/// Everything about a row that is not as it should be.
fn problems(
    row: &Row,
    label: &str,
    out: &str,
    result: &Value,
    origin: &FaultOrigin,
) -> Vec<String> {
    let mut found = Vec::new();
    for (i, expected) in row.expected.iter().enumerate() {
        let request = format!("{label}#{}", i + 1);
        let (status, failure) = logged(out, label, i + 1);
        let what = format!("request {}: {expected:?}", i + 1);
        if !expected.holds(status, failure.as_deref()) {
            found.push(format!("{what}, the script got {status} {failure:?}"));
        }
        let (status, failure) = counted(name(result, &request));
        if !expected.holds(status, failure.as_deref()) {
            found.push(format!("{what}, the result has {status} {failure:?}"));
        }
    }
    for (counter, expected) in &row.counters {
        let counted = event(result, counter);
        if counted != *expected {
            found.push(format!("{counter} is {counted} instead of {expected}"));
        }
    }
    // the client is gone; a connection may still wait to be accepted
    let report = origin.wait_for(|report| report.connections() >= row.connections);
    if report.connections() != row.connections {
        let (seen, wanted) = (report.connections(), row.connections);
        found.push(format!(
            "{seen} connections instead of {wanted}: {:?}",
            report.ends
        ));
    }
    if row.received_max.is_some_and(|most| report.bytes_in > most) {
        found.push(format!(
            "the server got {} bytes of {:?}",
            report.bytes_in, row.received_max
        ));
    }
    found
}

/// What the script said about a request: status, and failure.
fn logged(out: &str, label: &str, request: usize) -> (u16, Option<String>) {
    let start = format!(": {label} {request} ");
    let line = out
        .lines()
        .find_map(|line| line.split_once(&start).map(|(_, rest)| rest));
    let line = line.unwrap_or_else(|| panic!("no line with {start:?} in:\n{out}"));
    let (status, failure) = line.split_once(' ').expect("status and failure");
    let failure = (failure != "nil").then(|| failure.to_owned());
    (status.parse().expect("a status"), failure)
}

/// The same from the counts of a name that had one request.
fn counted(name: &Value) -> (u16, Option<String>) {
    assert_eq!(count(name, "/sent"), 1, "{name}");
    let only = |key: &str| {
        let map = name[key].as_object().expect("counts by name");
        assert!(map.len() <= 1 && map.values().all(|n| n == 1), "{name}");
        map.keys().next().cloned()
    };
    let failure = only("failures");
    assert_eq!(count(name, "/ok"), u64::from(failure.is_none()), "{name}");
    let status = only("status").map_or(0, |status| status.parse().expect("a status"));
    (status, failure)
}

/// Carries out groups, a few runs at a time.
fn carry_out(placement: &Placement, groups: Vec<Group>) {
    let mut waiting = groups.into_iter();
    let mut wrong = String::new();
    loop {
        let some: Vec<Group> = waiting.by_ref().take(RUNS_AT_ONCE).collect();
        if some.is_empty() {
            assert!(wrong.is_empty(), "{wrong}");
            return;
        }
        let start = |group: Group| {
            let scratch = group.scratch();
            let command = scratch.run_command(&["--quiet", "--cores", "1"]);
            let program = Program::start(placement.command(command));
            (group, program, scratch)
        };
        let running: Vec<_> = some.into_iter().map(start).collect();
        for (group, program, scratch) in running {
            wrong += &group.finish(program, &scratch);
        }
    }
}

/// Those with counters alone, the others together.
fn grouped(placement: &Placement, rows: Vec<Row>) -> Vec<Group> {
    let (alone, together): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| !row.counters.is_empty());
    let mut groups: Vec<Group> = alone
        .into_iter()
        .map(|row| Group::of(placement, vec![row]))
        .collect();
    if !together.is_empty() {
        groups.push(Group::of(placement, together));
    }
    groups
}

#[test]
fn framing_faults_are_told_by_their_kind() {
    if can_run() {
        carry_out(
            &Placement::Loopback,
            grouped(&Placement::Loopback, framing()),
        );
    }
}

#[test]
fn connections_that_die_between_requests_are_told_apart() {
    if can_run() {
        carry_out(
            &Placement::Loopback,
            grouped(&Placement::Loopback, keep_alive()),
        );
    }
}

#[test]
fn connections_between_hosts_die_the_same_way() {
    if can_run()
        && let Some(placement) = Placement::separate_hosts()
    {
        carry_out(&placement, grouped(&placement, keep_alive()));
    }
}

/// Bytes of a body that is large for a test.
const BIG: u64 = 1 << 30;

#[test]
fn bodies_in_both_directions() {
    let Some(_alone) = measuring() else { return };
    let here = &Placement::Loopback;
    let bodies = faults::bodies(BIG).into_iter();
    carry_out(here, bodies.map(|row| Group::of(here, vec![row])).collect());
}

/// The memory of a run before and after a body is streamed to it: bodies are dropped as they come,
/// so that their size does not matter, and a gibibyte stands for 10 GB.
#[test]
fn a_big_body_takes_no_memory() {
    let Some(_alone) = measuring() else { return };
    for row in faults::bodies(BIG).into_iter().take(2) {
        let origin = FaultOrigin::start(row.script.clone());
        let script = "return { main = function(user)\n\
              user:log('before') user:sleep(0.3)\n\
              local reply = user:get('/', { timeout = '50s' })\n\
              user:log('after', reply.status, reply.failure) user:sleep(0.3)\n\
            end }";
        let scratch = Scratch::of(&(run_table(&origin.url()) + &one_arrival("main")), script);
        let mut program = Program::start(scratch.run_command(&["--quiet", "--cores", "1"]));
        program.until("before");
        let before = memory_kib(program.id(), "VmRSS");
        let said = program.until("after");
        let after = memory_kib(program.id(), "VmHWM");
        assert!(
            said.contains("200") && said.contains("nil"),
            "{}: {said}",
            row.name
        );
        program.finish().expect(0);
        assert!(
            count(&scratch.result(), "/totals/bytes_in") > BIG,
            "{}",
            row.name
        );
        let grown = after.saturating_sub(before);
        assert!(
            grown < 16 * 1024,
            "{}: {grown} KiB more than {before}",
            row.name
        );
    }
}

pub fn memory_kib(process: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with(key))
        .expect("the kernel tells");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number")
}

#[test]
fn addresses_where_nobody_answers() {
    if !can_run() {
        return;
    }
    let rows = addresses();
    let good = FaultOrigin::start(Script::each(Script::good()));
    let mut profile = run_table(&good.url());
    let mut script = REQUESTS.to_owned();
    for (index, row) in rows.iter().enumerate() {
        profile += &one_arrival(&format!("r{index}"));
        let _ = writeln!(
            script,
            "function scenarios.r{index}(user) requests(user, {{ label = 'r{index}', \
             method = 'GET', url = 'http://{}/', count = 2, gap = 0, timeout = {}, \
             keep_body = false, body_bytes = 0 }}) user:get('/') end",
            row.authority,
            row.timeout.as_secs_f64(),
        );
    }
    let scratch = Scratch::of(&profile, &(script + "return scenarios\n"));
    let done = scratch.run(&["--quiet", "--cores", "1"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    for (index, row) in rows.iter().enumerate() {
        let expected = Outcome::Failed(row.expected);
        for request in 1..=2 {
            let (status, failure) = logged(&done.out, &format!("r{index}"), request);
            assert!(
                expected.holds(status, failure.as_deref()),
                "{}: {failure:?}",
                row.name
            );
            let (status, failure) = counted(name(&result, &format!("r{index}#{request}")));
            assert!(
                expected.holds(status, failure.as_deref()),
                "{}: {failure:?}",
                row.name
            );
        }
    }
    // each user went on and found the good server
    assert_eq!(count(&result, "/totals/ok"), rows.len() as u64);
    assert_eq!(event(&result, "not_written"), 2 * rows.len() as u64);
    assert_eq!(good.report().requests, rows.len() as u64);
}

#[test]
fn a_target_that_does_not_resolve_is_told_before_any_traffic() {
    let profile = run_table(&format!("http://{UNRESOLVABLE}"));
    let scratch = Scratch::of(
        &(profile + &one_arrival("main")),
        crate::harness::ONE_REQUEST,
    );
    if can_run() {
        scratch.run(&[]).expect(3).complains(&[UNRESOLVABLE]);
    }
}

/// The program with another /etc/hosts, in a mount namespace of its own.
fn with_hosts(hosts: &str, program: &std::process::Command) -> std::process::Command {
    let mut command = std::process::Command::new("unshare");
    let bind = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        bind,
        "sh",
        hosts,
    ]);
    command.arg(program.get_program()).args(program.get_args());
    command.env("MISTRESS_STATS", "off");
    command.stdin(std::process::Stdio::null());
    command
}

/// A server on `address` that answers each connection once; returns its port.
fn answering(address: [u8; 4]) -> u16 {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::from(address), 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&faults::ok("good"));
        }
    });
    port
}

#[test]
fn the_second_address_of_a_host_is_tried() {
    let unshared = std::process::Command::new("unshare")
        .args(["--mount", "true"])
        .status();
    let may_unshare = unshared.is_ok_and(|status| status.success());
    if !can_run() || !testkit::need::need("the right to a mount namespace", may_unshare) {
        return;
    }
    // The resolver sorts addresses by rules of its own, so each of the two is the dead one once.
    for alive in [[127, 0, 0, 1], [127, 0, 0, 2]] {
        let port = answering(alive);
        let profile = run_table(&format!("http://two.test:{port}")) + &one_arrival("main");
        let scratch = Scratch::of(&profile, crate::harness::ONE_REQUEST);
        scratch.write("hosts", "127.0.0.1 two.test\n127.0.0.2 two.test\n");
        let plain = scratch.run_command(&["--quiet", "--cores", "1"]);
        let hosts = scratch.argument("hosts");
        Program::start(with_hosts(&hosts, &plain))
            .finish()
            .expect(0);
        assert_eq!(
            count(&scratch.result(), "/totals/ok"),
            1,
            "{alive:?} is alive"
        );
    }
}

#[test]
fn a_dead_target_costs_no_busy_loop() {
    let Some(_alone) = measuring() else { return };
    let refused = Refused::new();
    let load = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
                phases = [{ users = 10, for = \"2s\" }]\n";
    let profile = run_table(&format!("http://{}", refused.addr())) + load;
    let scratch = Scratch::of(&profile, crate::harness::ONE_REQUEST);
    let done = scratch.run(&["--quiet", "--cores", "1"]).expect(1);
    done.says(&["MISSED  fail_on no_success: no request ended ok"]);
    let result = scratch.result();
    conserved(&result);
    let sent = count(&result, "/totals/sent");
    assert_eq!(failures(&result, "refused"), sent);
    // a user tries ten times a second at most, after a first try that is told at once
    assert!((20..=10 * (2 * 10 + 2)).contains(&sent), "{sent} sent");
    let busy = number(&result, "/generator/cores/0/busy_share");
    assert!(busy < 0.5, "busy share {busy}");
}

/// `mistress` under a limit of open files.
fn limited(files: u32, scratch: &Scratch) -> crate::binary::Done {
    let (profile, json) = (scratch.profile(), scratch.argument("r.json"));
    let inner = mistress(&["run", &profile, "--json", &json, "--quiet", "--cores", "1"]);
    let mut command = std::process::Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {files} && exec \"$0\" \"$@\""));
    command.arg(inner.get_program()).args(inner.get_args());
    command.env("MISTRESS_STATS", "off");
    Program::start(command).finish()
}

#[test]
fn more_users_than_descriptors_are_told_before_traffic_and_need_not_fail() {
    if !can_run() {
        return;
    }
    let origin = testkit::origin::Origin::start(testkit::origin::Behaviour::fixed(Duration::ZERO));
    let load = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
                phases = [{ users = 5000, for = \"400ms\" }]\n";
    let script = "return { main = function(user)\n\
        if user.id < 50 then user:get('/') end user:sleep(1)\nend }";
    let scratch = Scratch::of(&(run_table(&origin.url()) + load), script);
    limited(1000, &scratch).expect(0).complains(&[
        "may have 5000 users",
        "limit of 1000",
        "936",
        "ulimit",
        "shared",
    ]);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/ok"), 50);
    assert_eq!(count(&result, "/totals/sent"), 50);
}

#[test]
fn descriptors_that_run_out_are_a_counted_failure() {
    let Some(_alone) = measuring() else { return };
    let origin = testkit::origin::Origin::start(testkit::origin::Behaviour::fixed(
        Duration::from_millis(1500),
    ));
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
                phases = [{ rate = \"500/s\", for = \"1s\" }]\n";
    let scratch = Scratch::of(
        &(run_table(&origin.url()) + load),
        crate::harness::ONE_REQUEST,
    );
    let done = limited(200, &scratch).expect(0);
    let result = scratch.result();
    conserved(&result);
    let (ok, failed) = (
        count(&result, "/totals/ok"),
        failures(&result, "descriptors"),
    );
    // nobody leaves before the last has come, so the limit bounds those that got through
    assert!(ok > 0 && ok < 200, "{ok} ok\n{}", done.out);
    assert_eq!(ok + failed, 500, "{}", done.out);
    assert_eq!(result["verdict"]["state"], "suspect", "{}", done.out);
    assert_eq!(origin.stop().received, ok);
}
