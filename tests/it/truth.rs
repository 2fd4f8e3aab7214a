//! The known answers about latency and pacing, in their short forms; see `testkit::truth`.
//!
//! The tolerances are part of the answers. When a figure is wrong, what the server and the
//! generator say of their own lateness is shown beside it: it tells a wrong generator from a
//! machine that let neither of them run.

use crate::binary::{Program, Scratch, count};
use crate::harness::{
    ONE_REQUEST, Placement, cpus, event, failures, figure, measuring, name, number, run_table,
    scratch_of, server_cpu, settled,
};
use crate::wait_meter::{self, WaitMeter};
use serde_json::Value;
use std::time::Duration;
use testkit::origin::{Behaviour, Origin, Report};
use testkit::sample;
use testkit::truth::{self, Truth};

/// How often a measurement that the machine disturbed is made.
const ATTEMPTS: u32 = 5;
/// A wait for the processor that explains a wrong figure: a third of the share that the tolerances
/// leave to the machine (3 ms), and far above what a wake-up takes on an idle one.
const DISTURBED: Duration = Duration::from_millis(1);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Starts the server on a processor of its own.
fn serve(placement: &Placement, behaviour: Behaviour) -> Origin {
    let behaviour = Behaviour {
        cpu: server_cpu(),
        ..behaviour
    };
    placement.serve(|ip| Origin::start_at(ip, behaviour))
}

/// A truth as it came out.
struct Measured {
    result: Value,
    report: Report,
    /// Figure by figure, and what everybody says of their own lateness.
    text: String,
    holds: bool,
    /// Server or generator was kept from running for longer than the tolerances allow for.
    disturbed: bool,
}

/// Carries out a truth and holds all its figures against the result.
///
/// A wrong figure counts at once, unless it is explained: the kernel says that it kept generator
/// or server off their processors, the hypervisor that it took the processors away, or the server
/// that it replied later than it should have, so that the answer is not the known one. Such a
/// measurement is void and repeated, and not more than [`ATTEMPTS`] may be.
fn hold(truth: &Truth) -> Option<(Value, Report)> {
    let _alone = measuring()?;
    Some(hold_at(&Placement::Loopback, truth))
}

/// The same with server and generator where that is said.
fn hold_at(placement: &Placement, truth: &Truth) -> (Value, Report) {
    for attempt in 1.. {
        let measured = measure(placement, truth);
        println!("{}", measured.text);
        if measured.holds {
            return (measured.result, measured.report);
        }
        let void = measured.disturbed && attempt < ATTEMPTS;
        assert!(void, "attempt {attempt}\n{}", measured.text);
    }
    unreachable!("the last attempt returns or fails");
}

fn measure(placement: &Placement, truth: &Truth) -> Measured {
    let origin = serve(placement, truth.server.clone());
    let scratch = scratch_of(truth, &origin.url());
    let command = scratch.run_command(&["--quiet", "--cores", "1"]);
    let stolen_ticks = wait_meter::stolen_ticks();
    let program = Program::start(placement.command(command));
    let core = WaitMeter::of(program.id(), "core-");
    let server = WaitMeter::of(std::process::id(), "origin");
    let done = program.finish();
    let (core, server) = (core.end(), server.end());
    let stolen_ticks = wait_meter::stolen_ticks() - stolen_ticks;
    let result = scratch.result();
    let done = settled(done, &result);
    let report = origin.stop();
    let verdicts = truth.verdicts(|wanted| {
        truth
            .at_server(wanted, &report)
            .unwrap_or_else(|| figure(&result, wanted))
    });
    let lines: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
    let text = format!(
        "{}: {}\n{}\n{}\nkept waiting by the kernel: generator {core:?}, server {server:?}; \
         ticks stolen {stolen_ticks}\n{}",
        truth.id,
        truth.title,
        lines.join("\n"),
        lateness(&result, &report),
        done.out
    );
    let state = result["verdict"]["state"].as_str();
    let late = Duration::from_nanos(report.late_max_ns);
    Measured {
        holds: verdicts.iter().all(truth::Verdict::holds)
            && (truth.verdict.is_none() || truth.verdict == state),
        disturbed: core.longest.max(server.longest).max(late) > DISTURBED || stolen_ticks > 0,
        text,
        result,
        report,
    }
}

/// What server and generator say of themselves.
fn lateness(result: &Value, report: &Report) -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let gaps = sample::sorted(report.gaps_ms());
    let of = |q| {
        if gaps.is_empty() {
            f64::NAN
        } else {
            sample::quantile(&gaps, q)
        }
    };
    format!(
        "server: late by {:.3} ms at most, {} in flight at most; gaps (ms): p1 {:.3}, p10 {:.3}, \
         p50 {:.3}, p90 {:.3}, p99 {:.3}\nlag: {}\nconnect: {}\nload of this machine: {}",
        report.late_max_ns as f64 / 1e6,
        report.in_flight_max,
        of(0.01),
        of(0.1),
        of(0.5),
        of(0.9),
        of(0.99),
        result["lag"],
        result["connect"],
        load.trim()
    )
}

#[test]
fn l1_a_fixed_service_time() {
    hold(&truth::l1(secs(10)));
}

#[test]
fn l2_a_freeze_is_seen_in_full() {
    hold(&truth::l2_ci(secs(10)));
}

#[test]
fn l4_a_closed_load_hides_the_freeze_and_says_so() {
    let Some((result, _)) = hold(&truth::l4(secs(10))) else {
        return;
    };
    assert_eq!(result["model"], "closed");
}

#[test]
fn l9_dropped_arrivals_are_counted_and_doubted() {
    let Some((result, report)) = hold(&truth::l9()) else {
        return;
    };
    assert_eq!(count(&result, "/totals/planned"), 10_000);
    assert_eq!(report.received, count(&result, "/totals/sent"));
    let reasons = result["verdict"]["reasons"]
        .as_array()
        .expect("reasons are a list");
    assert!(
        reasons
            .iter()
            .any(|reason| reason["kind"] == "arrivals_dropped"),
        "{reasons:?}"
    );
}

#[test]
fn l11_even_arrivals_are_evenly_spaced() {
    hold(&truth::l11_even(secs(15)));
}

#[test]
fn l11_poisson_arrivals_are_a_poisson_process() {
    hold(&truth::l11_poisson(secs(15)));
}

/// 2 000/s for 20 s are 40 000, give or take one.
#[test]
fn an_open_load_sends_what_it_was_asked_for() {
    let Some(_alone) = measuring() else { return };
    let origin = serve(&Placement::Loopback, Behaviour::fixed(Duration::ZERO));
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
                phases = [{ rate = \"2k/s\", for = \"20s\" }]\n";
    let scratch = Scratch::of(&(run_table(&origin.url()) + load), ONE_REQUEST);
    let done = scratch.run(&["--quiet", "--cores", "1"]);
    let result = scratch.result();
    settled(done, &result);
    let sent = count(&result, "/totals/sent");
    assert!((39_999..=40_001).contains(&sent), "{sent} sent");
    assert_eq!(count(&result, "/totals/ok"), sent);
    assert_eq!(origin.stop().received, sent);
}

#[test]
fn l12_a_busy_script_is_seen_in_latency_lag_and_window() {
    let Some(_alone) = measuring() else { return };
    if !testkit::need::need("two processors", cpus() >= 2) {
        return;
    }
    let origin = Origin::start(Behaviour::fixed(millis(5)));
    // even numbers are one core's, odd ones the other's; number 400 of 200/s is due at 2.0 s
    let script = "return { main = function(user)\n\
          if user.id == 400 then\n\
            local begun = os.clock()\n\
            while os.clock() - begun < 0.2 do end\n\
          end\n\
          user:get('/', { name = user.id % 2 == 0 and 'even' or 'odd' })\n\
        end }";
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
                phases = [{ rate = \"200/s\", for = \"4s\" }]\n";
    let scratch = Scratch::of(&(run_table(&origin.url()) + load), script);
    let done = scratch.run(&["--quiet", "--cores", "2"]);
    let result = scratch.result();
    let done = settled(done, &result);
    let report = origin.stop();
    let (even, odd) = (name(&result, "even"), name(&result, "odd"));
    for figure in ["/latency/max_us", "/lag/max_us"] {
        let (blocked, free) = (number(even, figure), number(odd, figure));
        let text = format!(
            "{figure}: even {blocked}, odd {free}\n{}",
            lateness(&result, &report)
        );
        // the busy user's own request was due before the loop
        assert!(blocked >= 200_000.0, "{text}");
        // half of the block: a core that had waited for the other would show all of it
        assert!(free < 100_000.0, "{text}");
    }
    let reasons = result["verdict"]["reasons"]
        .as_array()
        .expect("reasons are a list");
    let blocked = reasons
        .iter()
        .find(|reason| reason["kind"] == "core_blocked");
    let blocked = blocked.unwrap_or_else(|| panic!("{reasons:?}\n{}", done.out));
    assert_eq!(blocked["cores"], serde_json::json!([0]), "{blocked}");
    let series = result["series"].as_array().expect("a series of seconds");
    // the loop begins at 2.0 s and ends at 2.2 s
    let marked: Vec<&Value> = series
        .iter()
        .filter(|second| second["generator_limited"] == true)
        .collect();
    assert!(
        marked.iter().any(|second| second["time_s"] == 2),
        "{marked:?}"
    );
}

/// L16: what holds on loopback holds between hosts.
#[test]
fn l16_answers_are_the_same_between_hosts() {
    let Some(_alone) = measuring() else { return };
    let Some(placement) = Placement::separate_hosts() else {
        return;
    };
    for truth in [
        truth::l1(secs(3)),
        truth::l2_ci(secs(3)),
        truth::l11_even(secs(3)),
    ] {
        hold_at(&placement, &truth);
    }
}

#[test]
fn l13_timeouts_are_on_time() {
    let Some((result, report)) = hold(&truth::l13()) else {
        return;
    };
    let sent = count(&result, "/totals/sent");
    assert_eq!(failures(&result, "timeout"), sent);
    // given up with its connection, so that no late reply can meet the next request
    assert_eq!(report.connections_opened, sent);
    assert_eq!(event(&result, "connection_closed"), sent);
}

#[test]
fn l18_fast_refusals_are_no_part_of_the_latency() {
    let Some((result, _)) = hold(&truth::l18(secs(4))) else {
        return;
    };
    // both together are in a row of their own: three of four are quick
    assert!(
        number(&result, "/latency_all/p50_us") < 2_000.0,
        "{}",
        result["latency_all"]
    );
    assert_eq!(
        failures(&result, "status"),
        count(&result, "/totals/failed")
    );
}

/// Half of the replies come too late, and none of them is taken for the next request's.
#[test]
fn l13_late_replies_never_answer_another_request() {
    let Some(_alone) = measuring() else { return };
    let origin = serve(&Placement::Loopback, Behaviour::exponential(millis(60), 7));
    let script = "return { main = function(user)\n\
          for i = 1, 5 do\n\
            local id = user.id .. '-' .. i\n\
            local reply = user:get('/', { headers = { ['x-id'] = id } })\n\
            if reply.ok then user:check('own id', reply.headers['x-id'] == id) end\n\
          end\n\
        end }";
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
                phases = [{ rate = \"200/s\", for = \"2s\" }]\n";
    let profile = run_table(&origin.url()) + "timeout = \"50ms\"\n" + load;
    let scratch = Scratch::of(&profile, script);
    let done = scratch.run(&["--quiet", "--cores", "1"]);
    let result = scratch.result();
    settled(done, &result);
    let (ok, late) = (count(&result, "/totals/ok"), failures(&result, "timeout"));
    assert_eq!(ok + late, 2_000);
    // 1 - exp(-50/60) = 0.565 of 2000 are in time, with a deviation of 22; not more than that
    // plus four of them, and some at any rate
    assert!(ok > 500 && ok < 1_220, "{ok} ok, {late} late");
    let checks = result["checks"].as_array().expect("checks are a list");
    assert_eq!(checks.len(), 1, "{checks:?}");
    assert_eq!(
        (count(&checks[0], "/passed"), count(&checks[0], "/failed")),
        (ok, 0)
    );
}
