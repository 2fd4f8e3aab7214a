//! L15: nothing that was planned or sent is lost, and the server counted the same.
//!
//! planned = started + dropped; sent = ok + failed + unfinished; and at the server, which reads
//! every head it is sent: received = sent - not written + retried.

use crate::binary::{Scratch, conserved, count};
use crate::harness::{event, failures, measuring, run_table};
use serde_json::Value;
use std::time::Duration;
use testkit::faults::{FaultOrigin, Refused, Script, Step, ok};
use testkit::origin::{Behaviour, Origin};
use testkit::random::Random;

/// Requests that the server must have received.
fn arrived(result: &Value) -> u64 {
    let sent = count(result, "/totals/sent");
    sent - event(result, "not_written") + event(result, "stale_retry")
}

/// Users that look, upload, are refused elsewhere, and are told a status they did not expect.
fn mixed(refused: &str) -> String {
    format!(
        "local s = {{}}\n\
         function s.look(user)\n\
           for i = 1, 3 do user:get('/') end\n\
           user:get('/', {{ keepalive = false }})\n\
         end\n\
         function s.upload(user)\n\
           user:post('/', {{ body = string.rep('b', user:random(1, 20000)) }})\n\
           user:get('{refused}')\n\
           user:get('/', {{ expect = 204 }})\n\
         end\n\
         return s\n"
    )
}

#[test]
fn all_that_is_sent_arrives_and_all_bytes_are_counted() {
    let Some(_alone) = measuring() else { return };
    let refused = Refused::new();
    let origin = Origin::start(Behaviour::fixed(Duration::from_millis(5)).body("b".repeat(3000)));
    let loads = "[[load]]\nmodel = \"open\"\nscenarios = { look = 3, upload = 1 }\n\
                 phases = [{ rate = [\"100/s\", \"600/s\"], for = \"2s\" }]\n\
                 [[load]]\nmodel = \"closed\"\nscenarios = { look = 1, upload = 1 }\n\
                 phases = [{ users = [0, 20], for = \"1s\" }, { users = 20, for = \"1s\" }]\n";
    let profile = run_table(&origin.url()) + loads;
    let scratch = Scratch::of(&profile, &mixed(&format!("http://{}/", refused.addr())));
    scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    let report = origin.stop();
    assert_eq!(count(&result, "/totals/unfinished"), 0);
    assert_eq!(event(&result, "not_written"), failures(&result, "refused"));
    assert!(failures(&result, "refused") > 0 && failures(&result, "status") > 0);
    assert_eq!(report.received, arrived(&result));
    assert_eq!(report.answered, report.received);
    assert_eq!(report.bytes_in, count(&result, "/totals/bytes_out"));
    assert_eq!(report.bytes_out, count(&result, "/totals/bytes_in"));
    assert_eq!(
        report.connections_opened,
        event(&result, "connection_opened")
    );
    assert_eq!(
        event(&result, "connection_closed"),
        event(&result, "connection_opened")
    );
}

#[test]
fn dropped_arrivals_timeouts_and_a_cut_end_are_all_counted() {
    let Some(_alone) = measuring() else { return };
    // ten at once for 100 ms each: 100/s of 400/s are served, the others wait for too long
    let origin = Origin::start(Behaviour::fixed(Duration::from_millis(100)).slots(10));
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"look\"\nusers_max = 60\n\
                phases = [{ rate = \"400/s\", for = \"2s\" }]\n";
    let profile = run_table(&origin.url()) + "timeout = \"300ms\"\ndrain = \"0s\"\n" + load;
    let scratch = Scratch::of(&profile, &mixed(""));
    scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    let report = origin.stop();
    let n = |key: &str| count(&result, &format!("/totals/{key}"));
    for (what, n) in [
        ("dropped", n("dropped")),
        ("timed out", failures(&result, "timeout")),
        ("unfinished", n("unfinished")),
        ("ok", n("ok")),
    ] {
        assert!(n > 0, "none {what}: {}", result["totals"]);
    }
    let iterations = &result["totals"]["iterations"];
    let ended =
        ["finished", "failed", "unfinished"].map(|key| count(iterations, &format!("/{key}")));
    assert_eq!(ended.iter().sum::<u64>(), n("started"), "{iterations}");
    assert_eq!(
        count(iterations, "/unfinished"),
        n("unfinished"),
        "one request each: {iterations}"
    );
    // a request may be on its way into a connection that is not made yet when the run is cut
    let arrived = arrived(&result);
    assert!(
        report.received <= arrived,
        "{} received, {arrived} sent",
        report.received
    );
    assert!(
        report.received + n("unfinished") >= arrived,
        "{} of {arrived}",
        report.received
    );
}

/// Connections the faulty server has a fate for; users open fewer.
const FATES: usize = 1_500;

/// A fate: what is done with each connection. Every head that is sent is read.
fn fate(random: &mut Random) -> Vec<Step> {
    let part = || Step::send("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nnot all of it");
    let good = || vec![Step::ReadHead, Step::Send(ok("good"))];
    let before = random.below(3) as usize;
    let mut steps: Vec<Step> = std::iter::repeat_n(good(), before).flatten().collect();
    steps.extend(match random.below(8) {
        0 => vec![Step::ReadHead, Step::Close],
        1 => vec![Step::ReadHead, Step::Reset],
        2 => vec![Step::ReadHead, part(), Step::Close],
        3 => vec![
            Step::ReadHead,
            Step::send("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"),
            Step::AwaitClose,
        ],
        4 => vec![
            Step::ReadHead,
            Step::send("garbage\r\n\r\n"),
            Step::AwaitClose,
        ],
        // longer than the limit of the requests
        5 => vec![Step::ReadHead, Step::AwaitClose],
        6 => vec![
            Step::ReadHead,
            Step::send("HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
            Step::AwaitClose,
        ],
        _ => [good(), good(), vec![Step::Repeat]].concat(),
    });
    steps
}

#[test]
fn any_mix_of_faults_is_accounted_for() {
    let Some(_alone) = measuring() else { return };
    for seed in [1, 2] {
        let mut random = Random::new(seed);
        let first = Script::each(fate(&mut random));
        let script = (1..FATES).fold(first, |script, _| script.then(fate(&mut random)));
        let origin = FaultOrigin::start(script.then_good());
        let users = "return { main = function(user)\n\
              for i = 1, 4 do\n\
                local reply = user:request(i % 2 == 0 and 'GET' or 'POST', '/')\n\
                if not reply.ok then user:sleep(0, 0.02) end\n\
              end\n\
            end }";
        let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\n\
                    phases = [{ rate = \"150/s\", for = \"2s\" }]\n";
        let profile = run_table(&origin.url()) + "timeout = \"100ms\"\n" + load;
        let scratch = Scratch::of(&profile, users);
        scratch
            .run(&["--quiet", "--seed", &seed.to_string()])
            .expect(0);
        let result = scratch.result();
        conserved(&result);
        let report = origin.wait_for(|report| !report.ends.contains(&testkit::faults::End::Open));
        let kinds = [
            "reset_first_byte",
            "incomplete_body",
            "bad_length",
            "bad_head",
            "timeout",
            "status",
        ];
        for kind in kinds {
            assert!(
                failures(&result, kind) > 0,
                "no {kind}: {}",
                result["failures"]
            );
        }
        assert!(event(&result, "stale_retry") > 0, "{}", result["events"]);
        assert!(
            report.connections() < FATES as u64,
            "{} connections",
            report.connections()
        );
        assert_eq!(count(&result, "/totals/unfinished"), 0);
        assert_eq!(report.requests, arrived(&result), "{}", result["events"]);
        assert_eq!(report.bytes_in, count(&result, "/totals/bytes_out"));
        assert_eq!(report.connections(), event(&result, "connection_opened"));
        assert_eq!(event(&result, "connection_closed"), report.connections());
    }
}
