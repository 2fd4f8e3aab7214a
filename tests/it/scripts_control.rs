//! What a script decides about its run, on the wire: rejected replies, users that leave, the end of
//! the run; and what it may ask: timings, numbers, the run.

use crate::binary::{Done, Scratch, conserved, count};
use crate::harness::{failures, one_arrival, run_table};
use serde_json::Value;
use std::time::Duration;
use testkit::origin::{Behaviour, Origin};

/// Runs a script (with `main`) against a server of 5 ms under a load.
fn run(script: &str, load: &str) -> (Done, Value) {
    let origin = Origin::start(Behaviour::fixed(Duration::from_millis(5)));
    let scratch = Scratch::of(&(run_table(&origin.url()) + load), script);
    let done = scratch.run(&["--quiet", "--cores", "1"]);
    let result = scratch.result();
    conserved(&result);
    drop(origin.stop());
    (done, result)
}

fn closed(users: u32, seconds: u32) -> String {
    format!(
        "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
         phases = [{{ users = {users}, for = \"{seconds}s\" }}]\n"
    )
}

#[test]
fn rejected_replies_are_failures_with_their_reason() {
    let script = "return { main = function(user)
        local r = user:get('/a') r:fail('the wrong page')
        user:transaction('t', function()
          user:get('/b', { expect = function(reply) return reply.status == 404, 'it is there' end })
        end)
        user:get('/c', { expect = function(reply) return reply.status == 200 end })
        local t = user:get('/d', { keepalive = false }).timings
        local u = user:get('/e').timings
        user:check('times', t.connect == 0 and t.first_byte >= 4 and t.receive >= 0 and u.connect > 0)
        user:check('run', #run.id == 36 and run.name ~= '' and user.index == 0 and user.iteration == 0)
      end }";
    let (done, result) = run(script, &one_arrival("main"));
    let done = done.expect(0);
    assert_eq!(failures(&result, "rejected"), 2, "{}", done.out);
    assert_eq!(count(&result, "/totals/ok"), 3, "{}", done.out);
    assert_eq!(count(&result, "/totals/failed"), 2, "{}", done.out);
    let told = "request \"GET /a\" was rejected: the wrong page";
    assert!(done.out.contains(told), "{}", done.out);
    assert!(!done.out.contains("FAIL"), "{}", done.out);
    let names = result["names"].as_array().expect("a list");
    let transaction = names.iter().find(|entry| entry["kind"] == "transaction");
    assert_eq!(
        count(transaction.expect("one"), "/failed"),
        1,
        "{}",
        done.out
    );
}

#[test]
fn users_leave_when_they_say_so() {
    let script = "return { main = function(user)
        user:get('/')
        user:check('in order', user.iteration == (user.seen or -1) + 1)
        user.seen = user.iteration
        if user.iteration == 2 then user:stop() end
      end, on_stop = function(user) user:count('left') end }";
    let (done, result) = run(script, &closed(3, 1));
    let done = done.expect(0);
    // All users have left long before the load's end, and are not replaced.
    assert_eq!(
        count(&result, "/totals/iterations/finished"),
        9,
        "{}",
        done.out
    );
    assert_eq!(count(&result, "/totals/ok"), 9, "{}", done.out);
    assert!(!done.out.contains("FAIL"), "{}", done.out);
}

#[test]
fn an_abort_ends_the_run_with_its_report_and_its_reason() {
    let script = "return { main = function(user)
        user:get('/')
        if user.iteration == 3 then run.abort('the stock is empty') end
      end }";
    let (done, result) = run(script, &closed(2, 10));
    let done = done.expect(3);
    let all = format!("{}{}", done.out, done.err);
    assert!(
        all.contains("the script aborted the run: the stock is empty"),
        "{all}"
    );
    assert_eq!(result["run"]["ended"], "failed", "{all}");
    assert!(
        result["run"]["duration_s"]
            .as_f64()
            .is_some_and(|s| s < 5.0),
        "{all}"
    );
    assert!(count(&result, "/totals/ok") >= 4, "{all}");
}

#[test]
fn an_abort_in_setup_is_its_error() {
    let origin = Origin::start(Behaviour::fixed(Duration::from_millis(5)));
    let script = "return { setup = function() run.abort('no data') end, main = function() end }";
    let scratch = Scratch::of(&(run_table(&origin.url()) + &one_arrival("main")), script);
    let done = scratch.run(&["--quiet", "--cores", "1"]).expect(3);
    let told = "the script aborted the run: no data";
    assert!(done.err.contains(told), "{}", done.err);
}
