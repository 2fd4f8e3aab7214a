//! Branches of a user on the wire: `user:parallel` and `user:batch`.

use crate::binary::{Done, Scratch, conserved, count};
use crate::harness::{event, failures, measuring, name, number, one_arrival, run_table};
use serde_json::Value;
use std::time::Duration;
use testkit::origin::{Behaviour, Origin, Report};

/// How long the server takes for each request.
const SERVICE: Duration = Duration::from_millis(50);

/// One user runs the body of a scenario against a server of 50 ms.
fn run(body: &str) -> (Done, Value, Report) {
    let origin = Origin::start(Behaviour::fixed(SERVICE));
    let script = format!("return {{ main = function(user)\n{body}\nend }}");
    let scratch = Scratch::of(&(run_table(&origin.url()) + &one_arrival("main")), &script);
    let done = scratch.run(&["--quiet", "--cores", "1"]);
    let result = scratch.result();
    conserved(&result);
    (done, result, origin.stop())
}

/// The time and the failures of a transaction.
fn transaction(result: &Value, name: &str) -> (f64, u64) {
    let names = result["names"].as_array().expect("names are a list");
    let found = names
        .iter()
        .find(|entry| entry["name"] == name && entry["kind"] == "transaction");
    let found = found.unwrap_or_else(|| panic!("no transaction {name:?} in {names:?}"));
    let taken = if count(found, "/failed") > 0 {
        "/latency_failed/max_us"
    } else {
        "/latency/max_us"
    };
    (number(found, taken) / 1e3, count(found, "/failed"))
}

#[test]
fn six_requests_take_as_long_as_one_and_the_seventh_waits() {
    let Some(_alone) = measuring() else { return };
    let (done, result, report) = run("local function together(count)
           local branches = {}
           for i = 1, count do branches[i] = function() return user:get('/' .. i).status end end
           user:transaction('of ' .. count, function()
             local statuses = { user:parallel(branches) }
             user:check('all came', #statuses == count)
             for i = 1, count do user:check('is 200', statuses[i] == 200) end
           end)
         end
         together(6) together(7) together(20)");
    let done = done.expect(0);
    // A round of at most six takes 50 ms, and less than two rounds whatever the machine adds.
    for (of, rounds) in [("of 6", 1.0), ("of 7", 2.0), ("of 20", 4.0)] {
        let (took_ms, failed) = transaction(&result, of);
        let least = rounds * 50.0;
        assert!(
            (least..least + 50.0).contains(&took_ms),
            "{of}: {took_ms} ms\n{}",
            done.out
        );
        assert_eq!(failed, 0, "{}", done.out);
    }
    assert_eq!(report.in_flight_max, 6, "{report:?}");
    assert_eq!(report.connections_opened, 6, "{report:?}");
    assert_eq!(event(&result, "connection_reused"), 33 - 6, "{}", done.out);
    assert_eq!(count(&result, "/totals/ok"), 33, "{}", done.out);
    // Waiting for a connection is latency and no lag: the seventh's was 100 ms.
    let seventh = number(name(&result, "GET /7"), "/latency/max_us") / 1e3;
    assert!(seventh >= 100.0, "{seventh} ms");
    let lag = number(&result, "/lag/max_us") / 1e3;
    assert!(lag < 50.0, "{lag} ms");
}

#[test]
fn a_request_that_waits_too_long_for_a_connection_fails() {
    let Some(_alone) = measuring() else { return };
    let (done, result, report) = run("local list = {}
         for i = 1, 13 do list[i] = { url = '/' .. i, timeout = '90ms' } end
         local ok, late = 0, 0
         for i, reply in ipairs(user:batch(list)) do
           if reply.ok then ok = ok + 1 elseif reply.failure == 'timeout' then late = late + 1 end
         end
         user:check('six were in time', ok == 6)
         user:check('seven were not', late == 7)");
    let done = done.expect(0);
    assert_eq!(failures(&result, "timeout"), 7, "{}", done.out);
    assert_eq!(count(&result, "/totals/ok"), 6, "{}", done.out);
    // the second six were under way when their time was over, the thirteenth was not
    assert_eq!(report.received, 12, "{report:?}");
    assert!(!done.out.contains("FAIL"), "{}", done.out);
}

#[test]
fn failures_in_branches_count_where_they_belong() {
    let Some(_alone) = measuring() else { return };
    let (done, result, _) = run("user:transaction('around', function()
           user:parallel {
             function() user:get('/slow', { timeout = '10ms' }) end,
             function() user:transaction('beside', function() user:get('/fine') end) end,
           }
         end)
         user:parallel {
           function() user:get('/before') error('a branch breaks') end,
           function() user:get('/goes') user:get('/on') end,
         }
         user:get('/never')");
    let done = done.expect(1);
    assert_eq!(transaction(&result, "around").1, 1, "{}", done.out);
    assert_eq!(transaction(&result, "beside").1, 0, "{}", done.out);
    assert_eq!(count(&result, "/totals/iterations/failed"), 1);
    assert_eq!(count(name(&result, "GET /on"), "/ok"), 1, "{}", done.out);
    assert!(!done.out.contains("GET /never"), "{}", done.out);
    let told = "script error (main, user 0): p.lua:9: a branch breaks";
    assert!(done.out.contains(told), "{}", done.out);
}

#[test]
fn a_user_that_is_stopped_ends_its_branches() {
    let Some(_alone) = measuring() else { return };
    let origin = Origin::start(Behaviour::fixed(Duration::from_secs(60)));
    let script = "return { main = function(user)
        local all = { function() user:sleep(60) end, function() user:parallel {
          function() user:get('/inner') end } end }
        for i = 1, 8 do all[#all + 1] = function() user:get('/') end end
        user:parallel(all) end }";
    let load = one_arrival("main");
    let run = run_table(&origin.url()) + "drain = \"200ms\"\n" + &load;
    let scratch = Scratch::of(&run, script);
    // nothing was ever answered
    let done = scratch.run(&["--quiet", "--cores", "1"]).expect(1);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/unfinished"), 9, "{}", done.out);
    let unfinished = count(&result, "/totals/iterations/unfinished");
    assert_eq!(unfinished, 1, "{}", done.out);
    assert_eq!(origin.stop().received, 6);
}

#[test]
fn branches_to_a_dead_server_make_no_busy_loop() {
    let Some(_alone) = measuring() else { return };
    let dead = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = format!("http://{}", dead.local_addr().expect("a bound socket"));
    drop(dead);
    let script = "return { main = function(user)
        user:parallel { function() user:get('/') end, function() user:get('/') end } end }";
    let load = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
                phases = [{ users = 1, for = \"1s\" }]\n";
    let scratch = Scratch::of(&(run_table(&target) + load), script);
    let done = scratch.run(&["--quiet", "--cores", "1"]).expect(1);
    let result = scratch.result();
    conserved(&result);
    // two for each 100 ms after the first, and those of the last pass
    let sent = count(&result, "/totals/sent");
    assert!((2..=24).contains(&sent), "{sent}\n{}", done.out);
}

#[test]
fn a_page_comes_with_what_it_embeds() {
    let Some(_alone) = measuring() else { return };
    let page = "<html><link rel=stylesheet href=app.css><script src='../app.js'></script>\
                <img src='/base/a.png'><img src='/outside.png'><img src='http://127.0.0.1:1/far.png'>\
                <img src='a%20b.png?x=1'></html>";
    let mut behaviour = Behaviour::fixed(SERVICE);
    behaviour.body = page.as_bytes().to_vec();
    let origin = Origin::start(behaviour);
    let target = format!("{}/base", origin.url());
    let script = "return { main = function(user)
        user:transaction('page', function()
          local reply, assets = user:page('/sub/page?q', { name = 'page', assets = { referer = '/x' } })
          user:check('the page', reply.ok and reply:css('script', 'src') == '../app.js')
          user:check('five', #assets == 5)
          for _, asset in ipairs(assets) do user:check('each', asset.status == 200) end
        end)
      end }";
    let scratch = Scratch::of(&(run_table(&target) + &one_arrival("main")), script);
    let done = scratch.run(&["--quiet", "--cores", "1"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/sent"), 6, "{}", done.out);
    for known in [
        "page",
        "GET /base/sub/app.css",
        "GET /base/app.js",
        "GET /base/a.png",
        "GET /outside.png",
        "GET /base/sub/a%20b.png",
    ] {
        assert_eq!(
            count(name(&result, known), "/ok"),
            1,
            "{known}\n{}",
            done.out
        );
    }
    for check in result["checks"].as_array().expect("checks are a list") {
        assert_eq!(check["failed"], 0, "{check}");
    }
    // the page, and all the others at once
    let (took_ms, _) = transaction(&result, "page");
    assert!((100.0..150.0).contains(&took_ms), "{took_ms} ms");
    let report = origin.stop();
    assert_eq!(report.in_flight_max, 5, "{report:?}");
}
