//! The subcommands as their users see them: output, result files, exit codes.

use crate::binary::{Program, Scratch, can_run, conserved, count, json, mistress, run};
use crate::harness::{one_arrival, run_table};
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use testkit::faults::{FaultOrigin, Script, Step};

/// 100 users in a second, evenly spaced.
const HUNDRED: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
    phases = [{ rate = \"100/s\", for = \"1s\" }]";
/// Two requests per user.
const HELLO: &str = "local s = {}\nfunction s.main(user)\n  user:get('/')\n  \
    user:get('/bytes/1000', { name = 'page' })\nend\nreturn s\n";

#[test]
fn a_run_is_told_second_by_second_and_summed_up() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("drain = \"2s\"", HUNDRED, HELLO);
    let csv = scratch.argument("s.csv");
    let done = scratch.run(&["--csv", &csv]).expect(0);
    let done = done.says(&[
        "    1s ",
        "OPEN MODEL",
        "100 planned",
        "200 sent",
        "200 ok",
        "verdict",
    ]);
    assert!(done.err.is_empty(), "{}", done.err);
    assert!(
        !done.out.contains('\x1b'),
        "escapes in a pipe: {:?}",
        done.out
    );

    let result = scratch.result();
    has_all_keys(&result);
    conserved(&result);
    let expected = [
        ("/schema", 2),
        ("/totals/planned", 100),
        ("/totals/iterations/finished", 100),
        ("/totals/sent", 200),
        ("/totals/ok", 200),
        ("/latency/count", 200),
        ("/status/200", 200),
        ("/run/seed", 1),
    ];
    for (pointer, n) in expected {
        assert_eq!(count(&result, pointer), n, "{pointer}");
    }
    // 20 bytes of text and 1000 of filling, without heads
    assert!(count(&result, "/totals/bytes_in") > 100 * 1_020);
    is_described(&result, &scratch);
    matches_series(&result, &std::fs::read_to_string(csv).unwrap());
}

/// The keys that readers of the result rely on.
fn has_all_keys(result: &Value) {
    let keys: [(&str, &str); 7] = [
        (
            "",
            "schema run model verdict totals latency service_time lag first_byte connect status \
             failures checks thresholds names series",
        ),
        (
            "/run",
            "name id start duration_s seed target script_sha256 profile_sha256 cores",
        ),
        ("/verdict", "state reasons"),
        (
            "/totals",
            "planned started dropped iterations sent ok failed unfinished bytes_in bytes_out \
             users_max connections",
        ),
        (
            "/latency",
            "count min_us mean_us p50_us p75_us p90_us p95_us p99_us p999_us max_us",
        ),
        (
            "/names/0",
            "name kind sent ok failed unfinished latency service_time lag histogram",
        ),
        (
            "/series/0",
            "time_s users connections planned sent ok failed latency lag cores",
        ),
    ];
    for (pointer, keys) in keys {
        let part = result
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer}"));
        for key in keys.split_whitespace() {
            assert!(part.get(key).is_some(), "no {key} in {pointer}: {part}");
        }
    }
}

/// The `run` part says what was run.
fn is_described(result: &Value, scratch: &Scratch) {
    let facts = &result["run"];
    let hash = |name: &str| {
        let bytes = std::fs::read(scratch.path(name)).unwrap();
        Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(facts["script_sha256"], hash("p.lua"));
    assert_eq!(facts["profile_sha256"], hash("p.toml"));
    assert_eq!(facts["name"], "p");
    assert_eq!(facts["ended"], "completed");
    assert!(
        facts["target"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    // one phase of a second, then at most the drain limit of two
    let took = facts["duration_s"].as_f64().unwrap();
    assert!((1.0..4.0).contains(&took), "{took}");
    let start = facts["start"].as_str().unwrap();
    assert!(start.len() == 20 && start.ends_with('Z'), "{start}");
}

/// The rows of the CSV and of the series in JSON are the same, and add up to the totals.
fn matches_series(result: &Value, csv: &str) {
    let series = result["series"].as_array().unwrap();
    let mut lines = csv.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| head.iter().position(|column| *column == name).unwrap();
    let (time, sent) = (column("time_s"), column("sent"));
    let mut total = 0;
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), series.len());
    for (row, second) in rows.iter().zip(series) {
        assert_eq!(row.len(), head.len());
        assert_eq!(row[time], count(second, "/time_s").to_string());
        assert_eq!(row[sent], count(second, "/sent").to_string());
        total += count(second, "/sent");
    }
    assert_eq!(total, count(result, "/totals/sent"));
}

#[test]
fn a_result_on_stdout_leaves_the_report_on_stderr() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("", HUNDRED, HELLO);
    let done = run(&["run", &scratch.profile(), "--json", "-"]).expect(0);
    let result: Value = serde_json::from_str(&done.out).unwrap();
    conserved(&result);
    done.complains(&["OPEN MODEL", "verdict"]);
    run(&["run", &scratch.profile(), "--json", "-", "--csv", "-"])
        .expect(2)
        .complains(&["only one can be -"]);
}

#[test]
fn quiet_leaves_the_seconds_out() {
    if !can_run() {
        return;
    }
    let script = HELLO.replace("user:get('/')", "user:log('hello', 'world')");
    let scratch = Scratch::new("", HUNDRED, &script);
    let done = scratch
        .run(&["--quiet"])
        .expect(0)
        .says(&["verdict", "log (user 7): hello"]);
    assert!(!done.out.contains("req/s"), "{}", done.out);
}

#[test]
fn a_reader_that_has_gone_does_not_end_the_run() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("", HUNDRED, HELLO);
    let mut command = scratch.run_command(&[]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    let err = String::from_utf8(done.stderr).unwrap();
    assert_eq!((done.status.code(), err.as_str()), (Some(0), ""));
    assert_eq!(count(&scratch.result(), "/totals/ok"), 200);
}

#[test]
fn the_same_seed_gives_the_same_run_on_one_core_and_on_two() {
    let cpus = engine::allowed_cpus();
    if !can_run() || !testkit::need::need("two processors", cpus.len() >= 2) {
        return;
    }
    let script = "local s = {}\n\
        function s.a(user)\n  for _ = 1, user:random(1, 3) do user:get('/', { name = 'a' .. user:random(1, 5) }) end\nend\n\
        function s.b(user) user:get('/', { name = 'b' .. math.random(1, 5) }) end\n\
        return s\n";
    let load = "[[load]]\nmodel = \"open\"\nscenarios = { a = 2, b = 1 }\narrivals = \"poisson\"\n\
        phases = [{ rate = [\"50/s\", \"300/s\"], for = \"1s\" }]";
    let scratch = Scratch::new("seed = 7", load, script);
    let counted = |more: &[&str]| {
        scratch.run(more).expect(0);
        let result = scratch.result();
        let names = result["names"].as_array().unwrap().iter();
        let counts: Vec<(String, u64)> = names
            .map(|n| (n["name"].to_string(), count(n, "/sent")))
            .collect();
        (counts, count(&result, "/totals/planned"))
    };
    let one = counted(&["--cores", "1"]);
    assert_eq!(one, counted(&["--cores", "2"]));
    assert_ne!(one, counted(&["--cores", "1", "--seed", "8"]));
}

#[test]
fn a_generator_at_its_limit_is_told_and_has_its_own_exit_code() {
    if !can_run() {
        return;
    }
    // 100 users a second that stay half a second are 50 at once; 5 may be there
    let load = HUNDRED.replace("phases", "users_max = 5\nphases");
    let script = HELLO.replace("'/'", "'/delay/500'");
    let scratch = Scratch::new("", &load, &script);
    let strict = scratch
        .run(&["--strict"])
        .expect(4)
        .says(&["SUSPECT", "dropped"]);
    drop(strict);
    let result = scratch.result();
    conserved(&result);
    assert!(count(&result, "/totals/dropped") > 0);
    assert_eq!(result["verdict"]["state"], "suspect");
    scratch.run(&[]).expect(0).says(&["SUSPECT"]);
}

#[test]
fn a_script_error_is_told_once() {
    if !can_run() {
        return;
    }
    let script = "local s = {}\nfunction s.main(user)\n  user:get('/')\n  local x = nil\n  \
        return x.y\nend\nreturn s\n";
    let scratch = Scratch::new("", HUNDRED, script);
    let done = scratch.run(&[]).expect(1).says(&["100 failed", "p.lua:5:"]);
    let told = done.out.matches("script error (main, user").count();
    assert_eq!(told, 1, "{}", done.out);
    let result = scratch.result();
    assert_eq!(count(&result, "/totals/iterations/failed"), 100);
    assert_eq!(count(&result, "/totals/ok"), 100);
}

#[test]
fn what_fails_is_counted_and_no_error_of_the_run() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("", HUNDRED, HELLO);
    // nobody listens on a port that was just given back
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    scratch
        .run(&["--target", &url, "--fail-on", "none"])
        .expect(0)
        .says(&["refused: 200"]);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/failures/refused"), 200);
    assert_eq!(result["run"]["target"], url.as_str());
}

#[test]
fn wrong_usage_ends_with_2() {
    let scratch = Scratch::new("", HUNDRED, HELLO);
    let profile = scratch.profile();
    let missing = scratch.argument("none/r.json");
    let rows: [(&[&str], &str); 10] = [
        (&[], "Usage:"),
        (&["run"], "<PROFILE|URL>"),
        (&["run", "nothing.toml"], "nothing.toml: "),
        (&["run", &profile, "--rate", "3"], "--rate"),
        (&["run", &profile, "--target", "ftp://h"], "--target: "),
        (&["run", &profile, "--cores", "none"], "--cores"),
        (
            &["run", &profile, "--cores", "8190,"],
            "cpu 8190 cannot be used",
        ),
        (&["run", &profile, "--json", &missing], "none/r.json: "),
        (
            &["check", &profile, "--scenario", "other"],
            "no scenario \"other\"",
        ),
        (&["target", "--listen", "somewhere"], "--listen"),
    ];
    for (arguments, part) in rows {
        if arguments.contains(&"--scenario") && !can_run() {
            continue;
        }
        run(arguments).expect(2).complains(&[part]);
    }
    assert!(!scratch.path("r.json").exists());
}

#[test]
fn what_cannot_be_carried_out_ends_with_3() {
    if !can_run() {
        return;
    }
    let setup = "function s.setup(user) error('no luck') end\nreturn s";
    let setup = HELLO.replace("return s", setup);
    let scratch = Scratch::new("", HUNDRED, &setup);
    scratch
        .run(&[])
        .expect(3)
        .complains(&["setup failed", "p.lua:6: no luck"]);
    let scratch = Scratch::new("", HUNDRED, HELLO);
    let nowhere = ["--target", "http://nowhere.invalid"];
    scratch
        .run(&nowhere)
        .expect(3)
        .complains(&["nowhere.invalid"]);
}

#[test]
fn a_core_that_is_stuck_ends_the_run_with_a_report() {
    if !can_run() {
        return;
    }
    let script = "return { main = function(user)\n  user:get('/')\n  \
        if user.id == 50 then while true do end end\nend }";
    let scratch = Scratch::new("", HUNDRED, script);
    let done = scratch
        .run(&[])
        .expect(3)
        .says(&["INVALID", "ended by an error"]);
    done.complains(&["core 0 is stuck in scenario \"main\", user 50"]);
    let result = scratch.result();
    assert_eq!(result["run"]["ended"], "failed");
    assert_eq!(result["verdict"]["state"], "invalid");
}

#[test]
fn check_shows_what_one_user_does() {
    if !can_run() {
        return;
    }
    let script = "local s = {}\nfunction s.main(user)\n  \
        local r = user:post('/echo', { name = 'say', json = { a = 1 }, keep_body = true })\n  \
        user:check(r, { status = 200, contains = 'a' })\n  user:log('got', r.body)\nend\nreturn s\n";
    let scratch = Scratch::new("", HUNDRED, script);
    let done = run(&["check", &scratch.profile()]).expect(0).says(&[
        "scenario main",
        "say  200 ok",
        "> POST /echo HTTP/1.1",
        ">   {\"a\":1}",
        "< HTTP/1.1 200 OK",
        "<   {\"a\":1}",
        "log: got",
        "check passed  status is 200",
        "ok  1 request, 0 failed",
    ]);
    assert_eq!(done.out.matches("> POST").count(), 1, "{}", done.out);
}

#[test]
fn check_shows_replies_that_cannot_be_read() {
    if !can_run() {
        return;
    }
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\x1b[2J\xff\r\n\r\nhello";
    let steps = [Step::ReadAny, Step::send(*reply), Step::AwaitClose];
    let origin = FaultOrigin::start(Script::each(steps));
    let script = "return { main = function(user) user:get('/') end }";
    let profile = run_table(&origin.url()) + &one_arrival("main");
    run(&["check", &Scratch::of(&profile, script).profile()])
        .expect(3)
        .says(&[
            "FAILED bad_head",
            "the raw reply:",
            "< Content-Length : 5\\r\\n",
            "< \\x1b[2J\\xff\\r\\n",
            "< hello",
        ]);
    let secure = origin.url().replace("http:", "https:");
    let insecure = "[tls]\ninsecure = true\n";
    let profile = run_table(&secure) + insecure + &one_arrival("main");
    run(&["check", &Scratch::of(&profile, script).profile()])
        .expect(3)
        .says(&[
            "tls_plain_text: the reply is no TLS: \"HTTP/1.1 200 OK\"",
            "FAILED tls_plain_text",
        ]);
}

#[test]
fn check_fails_with_what_it_shows() {
    if !can_run() {
        return;
    }
    let script = "local s = {}\n\
        function s.fine(user) user:get('/status/404', { expect = 404 }) end\n\
        function s.status(user) user:get('/status/500') end\n\
        function s.checked(user) user:check(user:get('/'), { status = 201 }) end\n\
        function s.broken(user)\n  user:get('/')\n  error('oh no')\nend\n\
        return s\n";
    let load = HUNDRED.replace(
        "\"main\"",
        "{ fine = 1, status = 1, checked = 1, broken = 1 }",
    );
    let scratch = Scratch::new("", &load, script);
    let profile = scratch.profile();
    run(&["check", &profile]).expect(3).says(&[
        "scenario fine",
        "500 FAILED status",
        "check FAILED  status is 201",
        "script error in broken: p.lua:7: oh no",
    ]);
    for (scenario, code) in [("fine", 0), ("status", 3), ("checked", 3), ("broken", 3)] {
        run(&["check", &profile, "--scenario", scenario]).expect(code);
    }
}

#[test]
fn the_target_says_where_it_listens_and_ends_with_ctrl_c() {
    if !can_run() {
        return;
    }
    let mut target = Program::start(mistress(&["target", "--listen", "127.0.0.1:0"]));
    let line = target.until("");
    let address = line
        .strip_prefix("listening on http://")
        .unwrap_or_else(|| panic!("{line}"));
    let mut socket = TcpStream::connect(address).unwrap();
    socket
        .write_all(b"GET /status/418 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 418 "), "{reply}");
    target.signal(Signal::INT);
    target.finish().expect(0);
}

#[test]
fn the_doctor_grades_everything_it_looks_at() {
    let done = run(&["doctor"]);
    let failures = done
        .out
        .lines()
        .filter(|line| line.starts_with("FAIL "))
        .count();
    assert_eq!(
        done.code,
        Some(if failures > 0 { 3 } else { 0 }),
        "{}",
        done.out
    );
    for subject in [
        "kernel",
        "io_uring",
        "memlock",
        "open files",
        "ports",
        "cores",
        "load",
    ] {
        let graded = |line: &str| {
            ["ok    ", "warn  ", "FAIL  "].iter().any(|grade| {
                line.strip_prefix(grade)
                    .is_some_and(|rest| rest.starts_with(subject))
            })
        };
        assert!(
            done.out.lines().any(graded),
            "no {subject} in:\n{}",
            done.out
        );
    }
}

#[test]
fn every_subcommand_has_help_with_examples() {
    for command in ["run", "check", "target"] {
        run(&[command, "--help"])
            .expect(0)
            .says(&["Usage: mistress", "Examples:"]);
    }
    run(&["doctor", "--help"]).expect(0).says(&["Exit codes:"]);
    run(&["--version"])
        .expect(0)
        .says(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn the_result_of_a_run_is_replaced_whole() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("", HUNDRED, HELLO);
    scratch.write("r.json", "{\"old\": true}");
    scratch.run(&[]).expect(0);
    assert!(json(&scratch.path("r.json")).get("old").is_none());
    let files = std::fs::read_dir(scratch.path("p.toml").parent().unwrap()).unwrap();
    assert_eq!(files.count(), 3, "profile, script and result");
}

#[test]
fn shells_and_man_know_every_subcommand() {
    let help = run(&["--help"]).expect(0).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .map_while(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"run"), "{help}");
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).expect(0).out;
        for command in &commands {
            assert!(script.contains(command), "{command} in {shell}:\n{script}");
        }
    }
    run(&["completions", "cmd"]).expect(2);

    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    run(&["man", "--dir", pages.to_str().unwrap()]).expect(0);
    // help is that of the other commands
    for command in commands.iter().filter(|command| **command != "help") {
        let page = pages.join(format!("mistress-{command}.1"));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{page:?}: {e}"));
        assert!(text.contains(".SH SYNOPSIS"), "{text}");
    }
    let main = std::fs::read_to_string(pages.join("mistress.1")).unwrap();
    assert_eq!(run(&["man"]).expect(0).out, main);
}
