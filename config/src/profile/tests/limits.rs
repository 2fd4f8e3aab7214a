//! Values that are not allowed, and keys that are missing or too many.

use super::*;
use std::time::Duration;

/// A load of one phase.
fn load_of(model: &str, phase: &str) -> String {
    format!("[[load]]\nmodel = \"{model}\"\nscenarios = \"a\"\nphases = [\n{phase}]")
}

#[test]
fn unknown_keys_of_the_run_table_are_named() {
    check_run(
        "timeuot = \"1s\"",
        &["4:1: unknown key `timeuot` in `[run]`; did you mean `timeout`?"],
    );
    check_run(
        "zzz = 1",
        &["4:1: unknown key `zzz` in `[run]`, expected one of name,"],
    );
}

#[test]
fn the_lengths_of_time_of_the_run_table_are_held_to_their_limits() {
    check_run(
        "timeout = 10",
        &["4:11: found the number 10 without a unit, expected a duration such as"],
    );
    check_run(
        "timeout = 1.5",
        &["4:11: found the number 1.5 without a unit"],
    );
    check_run("timeout = 0", &["4:11: found the number 0 without a unit"]);
    check_run("timeout = \"10\"", &["4:11: found \"10\" without a unit"]);
    check_run(
        "timeout = \"10/s\"",
        &["4:11: found \"10/s\" with the unknown unit \"/s\""],
    );
    check_run(
        "timeout = \"-1s\"",
        &["4:11: found \"-1s\", which is negative"],
    );
    check_run(
        "timeout = -1",
        &["4:11: found the number -1, which is negative"],
    );
    check_run("timeout = true", &["4:11: found true, expected a duration"]);
    check_run(
        "timeout = \"0s\"",
        &["4:11: found \"0s\", expected a duration above zero and at most \"1h\" (`run.timeout`)"],
    );
    check_run(
        "timeout = \"61m\"",
        &["4:11: found \"61m\", expected a duration above zero"],
    );
    check_run(
        "drain = \"25h\"",
        &["4:9: found \"25h\", expected a duration of at most \"1d\" (`run.drain`)"],
    );
}

#[test]
fn seeds_and_cores_are_held_to_their_limits() {
    check_run(
        "seed = -1",
        &[
            "4:8: found the number -1, expected a whole number from 0 to 18446744073709551615 (`run.seed`)",
        ],
    );
    check_run(
        "seed = 18446744073709551616",
        &["4:8: found the number 18446744073709551616"],
    );
    check_run(
        "seed = 1.0",
        &["4:8: found the number 1.0, expected a whole number"],
    );
    check_run(
        "seed = \"1\"",
        &["4:8: found \"1\", expected a whole number"],
    );
    check_run(
        "cores = 0",
        &["4:9: found the number 0, expected a whole number from 1 to 1024"],
    );
    check_run(
        "cores = []",
        &["4:9: found an array, expected \"auto\", a number of cores, or a list"],
    );
    check_run(
        "cores = \"all\"",
        &["4:9: found \"all\", expected \"auto\""],
    );
    check_run(
        "cores = [1, 2, 1, -1]",
        &["4:16: found cpu 1 twice", "4:19: found the number -1"],
    );
}

#[test]
fn stats_and_names_are_held_to_their_limits() {
    check_run(
        "stats = true",
        &["4:9: found true, expected \"auto\", \"http://host:port\" or \"off\" (`run.stats`)"],
    );
    check_run(
        "stats = \"host:7777\"",
        &["4:9: found \"host:7777\", expected http[s]://host[:port][/base], or \"auto\""],
    );
    check_run("name = \"\"", &["4:8: found an empty name (`run.name`)"]);
    check_run(
        "name = \"a\\u0007\"",
        &["4:8: found the control character '\\u{7}' in a name"],
    );
    check_run(
        "name = 5",
        &["4:8: found the number 5, expected a name in quotes"],
    );
    check_run(
        &format!("name = \"{}\"", "n".repeat(201)),
        &["4:8: found a name of 201 bytes, at most 200 are allowed"],
    );
}

#[test]
fn what_is_needed_is_missed() {
    check(
        "",
        &[
            "1:1: missing `run`, expected the table [run]",
            "1:1: missing `load`, expected at least one table [[load]]",
        ],
    );
    check(
        &format!("# first\n[run]\n{LOAD}"),
        &[
            "2:1: missing `run.script`, expected the path of a Lua script",
            "2:1: missing `run.target`, expected \"builtin\" or http[s]://",
        ],
    );
    check_load(
        "[[load]]",
        &[
            "4:1: missing `load.model`, expected \"open\" or \"closed\"",
            "4:1: missing `load.scenarios`, expected",
            "4:1: missing `load.phases`, expected",
        ],
    );
    check(
        "run = 1\nload = 2",
        &[
            "1:7: found the number 1, expected a table: [run] (`run`)",
            "2:8: found the number 2, expected an array of tables: [[load]] (`load`)",
        ],
    );
    check(
        "load = []\nrun = {}\n",
        &[
            "1:8: found an array, expected an array of tables",
            "2:7: missing `run.script`",
            "2:7: missing `run.target`",
        ],
    );
    check_load(
        &LOAD.replace("[[load]]", "[load]"),
        &["4:1: found a table, expected an array of tables: [[load]]"],
    );
    check_load(
        &LOAD.repeat(101),
        &["404:1: found 101 tables [[load]], at most 100 are allowed"],
    );
    check(
        &format!("{RUN}[laod]\n"),
        &[
            "1:1: missing `load`",
            "4:2: unknown table `laod`; did you mean `load`?",
        ],
    );
}

#[test]
fn targets_are_checked() {
    let target = |url: &str| format!("[run]\nscript = \"s\"\ntarget = \"{url}\"\n{LOAD}");
    check(
        &target("ftp://h"),
        &[
            "3:10: found the scheme \"ftp\", expected http[s]://host[:port][/base], or \"builtin\" (`run.target`)",
        ],
    );
    check(
        &target("built-in"),
        &["3:10: found \"built-in\", expected http[s]://host"],
    );
    check(
        &target("http://h:99999"),
        &["3:10: found the port \"99999\""],
    );
    check(
        &target("").replace("\"\"", "1"),
        &["3:10: found the number 1, expected \"builtin\""],
    );
}

#[test]
fn rates_are_held_to_their_limits() {
    let open = |phase: &str, expected: &[&str]| check_load(&load_of("open", phase), expected);
    open(
        "{ rate = 100, for = \"1s\" }",
        &[
            "8:10: found the number 100 without a unit, expected a rate such as \"100/s\", \"1.5k/s\" or \"30/m\" (units /s, /m, /h; k and M before them) (`load.phases.rate`)",
        ],
    );
    open(
        "{ rate = \"5s\", for = \"1s\" }",
        &["8:10: found \"5s\" with the unknown unit \"s\", expected a rate"],
    );
    open(
        "{ rate = \"-5/s\", for = \"1s\" }",
        &["8:10: found \"-5/s\", which is negative"],
    );
    open(
        "{ rate = \"1e12/s\", for = \"1s\" }",
        &["8:10: found \"1e12/s\", expected a rate of at most 1e9/s (`load.phases.rate`)"],
    );
    open(
        "{ rate = \"1001M/s\", for = \"1s\" }",
        &["8:10: found \"1001M/s\", expected a rate of at most"],
    );
    open(
        "{ rate = [\"1/s\"], for = \"1s\" }",
        &["8:10: found 1 values, expected two, as in [\"100/s\", \"2k/s\"]"],
    );
    open(
        "{ rate = [1, \"x\"], for = \"1s\" }",
        &[
            "8:11: found the number 1 without",
            "8:14: found \"x\", expected a rate",
        ],
    );
}

#[test]
fn phases_are_held_to_their_limits() {
    let open = |phase: &str, expected: &[&str]| check_load(&load_of("open", phase), expected);
    open(
        "{ rate = \"1/s\", for = \"0s\" }",
        &[
            "8:23: found \"0s\", expected a duration above zero and at most \"30d\" (`load.phases.for`)",
        ],
    );
    open(
        "{ rate = \"1/s\", for = \"31d\" }",
        &["8:23: found \"31d\", expected a duration above zero"],
    );
    open(
        "{ rate = \"1/s\", fro = \"1s\" }",
        &[
            "8:1: missing `load.phases.for`",
            "8:17: unknown key `fro` in `load.phases`; did you mean `for`?",
        ],
    );
    open(
        "{ users = 5, for = \"1s\" }",
        &[
            "8:1: missing `load.phases.rate`",
            "8:3: `users` is only allowed in closed loads",
        ],
    );
    open(
        "{ rate = \"0/s\", for = \"1s\" }",
        &["7:10: found phases that generate no load"],
    );
    open("5", &["8:1: found the number 5, expected a phase such as"]);
    open("", &["7:10: found 0 phases, expected 1 to 1000"]);
    open(
        &"{ rate = \"1/s\", for = \"1s\" },".repeat(1001),
        &["7:10: found 1001 phases"],
    );
    open(
        "{ rate = \"1/s\", for = \"20d\" }, { rate = \"1/s\", for = \"11d\" }",
        &["7:10: found phases of 31.0 days in total, at most 30 are allowed"],
    );
    check_load(
        &load_of("opne", "{ users = 0, for = 1 }"),
        &[
            "5:9: found \"opne\", expected \"open\" or \"closed\" (`load.model`)",
            "8:11: found the number 0",
            "8:20: found the number 1 without",
        ],
    );
}

#[test]
fn numbers_of_users_are_held_to_their_limits() {
    let closed = |phase: &str, expected: &[&str]| check_load(&load_of("closed", phase), expected);
    closed(
        "{ users = 0, for = \"1s\" }",
        &[
            "8:11: found the number 0, expected a whole number from 1 to 10000000 (`load.phases.users`)",
        ],
    );
    closed(
        "{ users = 10000001, for = \"1s\" }",
        &["8:11: found the number 10000001"],
    );
    closed(
        "{ users = -1, for = \"1s\" }",
        &["8:11: found the number -1"],
    );
    closed(
        "{ users = 1.5, for = \"1s\" }",
        &["8:11: found the number 1.5"],
    );
    closed(
        "{ users = [0, 0], for = \"1s\" }",
        &["8:11: found a ramp from 0 to 0 users"],
    );
    closed(
        "{ users = [0, 1, 2], for = \"1s\" }",
        &["8:11: found 3 values, expected two, as in [0, 64]"],
    );
    closed(
        "{ rate = \"1/s\", users = 1, for = \"1s\" }",
        &["8:3: `rate` is only allowed in open loads"],
    );
}

#[test]
fn loads_are_held_to_their_limits() {
    let with = |line: &str, expected: &[&str]| check_load(&format!("{LOAD}{line}"), expected);
    with(
        "arrivals = \"evne\"",
        &["8:12: found \"evne\", expected \"poisson\", \"even\" or \"jittered\""],
    );
    with(
        "users_max = 0",
        &["8:13: found the number 0, expected a whole number from 1 to 10000000"],
    );
    with(
        "pacing = \"1s\"",
        &["8:1: `pacing` is only allowed in closed loads"],
    );
    with("rate = \"1/s\"", &["8:1: unknown key `rate`"]);
    let closed = |line: &str, expected: &[&str]| {
        check_load(
            &format!(
                "{}\n{line}",
                load_of("closed", "{ users = 1, for = \"1s\" }")
            ),
            expected,
        );
    };
    closed(
        "pacing = \"0s\"",
        &["9:10: found \"0s\", expected a duration above zero and at most \"1d\""],
    );
    closed(
        "users_max = 5",
        &["9:1: `users_max` is only allowed in open loads"],
    );
    closed(
        "arrivals = \"even\"",
        &["9:1: `arrivals` is only allowed in open loads"],
    );
    let scenarios = |value: &str, expected: &[&str]| {
        check_load(&LOAD.replace("\"a\"", value), expected);
    };
    scenarios("{}", &["6:13: found 0 scenarios, expected 1 to 1000"]);
    scenarios("\"\"", &["6:13: found an empty name (`load.scenarios`)"]);
    scenarios(
        "[\"a\"]",
        &["6:13: found an array, expected a name or a table of weights"],
    );
    scenarios(
        "{ a = 0, b = -1, c = nan, d = \"1\", e = 1 }",
        &[
            "6:19: found the number 0, expected a weight above 0, at most 1e9",
            "6:26: found the number -1",
            "6:34: found the number nan",
            "6:43: found \"1\"",
        ],
    );
    scenarios(
        "{ \"\\u001b\" = 1 }",
        &["6:15: found the control character '\\u{1b}' in a name"],
    );
}

#[test]
fn limits_and_warm_up_of_a_run() {
    let limits = plan(&format!(
        "{RUN}time_max = \"5s\"\niterations_max = 7\n{LOAD}"
    ))
    .limits;
    assert_eq!(limits.time, Some(Duration::from_secs(5)));
    assert_eq!((limits.iterations, limits.requests), (Some(7), None));
    let short = plan(&format!("{RUN}time_max = \"1ms\"\n{LOAD}"));
    assert_eq!(short.duration(), Duration::from_millis(1));
    check_run(
        "iterations_max = 0",
        &["4:18: found the number 0, expected a whole number from 1 to 1000000000000000"],
    );
    check_run(
        "requests_max = \"1k\"",
        &["4:16: found \"1k\", expected a whole number"],
    );
    check_run(
        "time_max = \"0s\"",
        &["4:12: found \"0s\", expected a duration above zero"],
    );
    check_run(
        "warmup = \"1500ms\"",
        &["4:10: found \"1500ms\", expected whole seconds"],
    );
    check_run(
        "warmup = \"1d\"",
        &["4:10: found a warm-up that is not shorter than the run"],
    );
    check_run(
        "warmup = \"2s\"\ntime_max = \"2s\"",
        &["4:10: found a warm-up that is not shorter than the run of 1 s"],
    );
}

#[test]
fn external_curves_are_read_only_where_allowed() {
    let load =
        |phase: &str| format!("[[load]]\nmodel = \"open\"\nscenarios = \"a\"\nphases = [{phase}]");
    check_load(
        &load("{ file = \"day.csv\" }"),
        &["7:20: found the file \"day.csv\", which cannot be read here"],
    );
    check_load(
        &load("{ lua = \"day\", for = \"1m\" }"),
        &["7:19: found the function \"day\", but scripts cannot be run here"],
    );
    check_load(
        &load("{ lua = \"day\" }"),
        &["7:11: missing `load.phases.for`"],
    );
    check_load(
        &load("{ lua = \"day\", for = \"2d\" }"),
        &["7:32: found \"2d\", expected a duration above zero and at most 100000 seconds"],
    );
    check_load(
        &load("{ file = \"day.csv\", for = \"1m\" }"),
        &["7:20: found the file", "7:31: unknown key `for`"],
    );
}

#[test]
fn tls_is_checked() {
    let check_tls = |line: &str, expected: &str| {
        let head = "[run]\nscript = \"s\"\ntarget = \"https://h\"\n[tls]\n";
        check(&format!("{head}{line}\n{LOAD}"), &[expected]);
    };
    check_tls(
        "insecur = true",
        "5:1: unknown key `insecur` in `[tls]`; did you mean `insecure`?",
    );
    check_tls(
        "insecure = 1",
        "5:12: found the number 1, expected true or false",
    );
    check_tls(
        "ca = \"\"",
        "5:6: found \"\", expected the path of a PEM file (`tls.ca`)",
    );
    check_tls(
        "cert = \"a\"",
        "4:1: missing `tls.key`, expected the private key",
    );
    check_tls(
        "key = \"a\"",
        "4:1: missing `tls.cert`, expected the certificate",
    );
    check_tls(
        "resume = 1.5",
        "5:10: found the number 1.5, expected a share from 0 to 1",
    );
    check_tls("resume = true", "5:10: found true, expected a share");
    check_tls(
        "versions = \"1.1\"",
        "5:12: found \"1.1\", expected \"1.2\", \"1.3\" or a list",
    );
    check_tls("versions = []", "5:12: found an array, expected \"1.2\"");
}

/// As [`check`] for a profile with a further table.
#[track_caller]
fn check_table(table: &str, expected: &str) {
    let head = "[run]\nscript = \"s\"\ntarget = \"http://h\"\n";
    check(&format!("{head}{table}\n{LOAD}"), &[expected]);
}

#[test]
fn connections_are_checked() {
    let check_line = |line: &str, expected: &str| {
        check_table(&format!("[connections]\n{line}"), expected);
    };
    check_line("age = \"1s\"", "5:1: unknown key `age`");
    check_line(
        "keep_alive = 1",
        "5:14: found the number 1, expected true or false",
    );
    check_line(
        "requests_max = 0",
        "5:16: found the number 0, expected a whole number from 1",
    );
    check_line(
        "per_origin = 1001",
        "5:14: found the number 1001, expected a whole number from 1 to 1000",
    );
    check_line(
        "pool = \"shared\"\nper_origin = 1000001",
        "6:14: found the number 1000001, expected a whole number from 1 to 1000000",
    );
    check_line(
        "pool = \"core\"",
        "5:8: found \"core\", expected one of \"user\", \"shared\" (`connections.pool`)",
    );
    check_line(
        "renew = \"iteration\"\npool = \"shared\"",
        "5:9: `renew` cannot be used with `pool = \"shared\"`: users have no connections of its own",
    );
    check_line(
        "age_max = \"2d\"",
        "5:11: found \"2d\", expected a duration above zero and at most \"1d\"",
    );
    check_line(
        "resolve = \"1ms\"",
        "5:11: found \"1ms\", expected a duration from \"1s\" to \"1d\"",
    );
    check_line(
        "renew = \"always\"",
        "5:9: found \"always\", expected one of \"never\"",
    );
    check_line(
        "addresses = \"all\"",
        "5:13: found \"all\", expected one of \"first\"",
    );
    check_line(
        "source = []",
        "5:10: found an array, expected an IP address",
    );
    check_line(
        "source = \"localhost\"",
        "5:10: found \"localhost\", expected an IP address",
    );
    check_line(
        "timeouts = { conect = \"1s\" }",
        "5:14: unknown key `conect` in `connections.timeouts`; did you mean `connect`?",
    );
    check_line(
        "timeouts = { tls = \"0s\" }",
        "5:20: found \"0s\", expected a duration above zero and at most \"1h\"",
    );
}

#[test]
fn hosts_are_checked() {
    check_table(
        "[hosts]\nh = \"::g\"",
        "5:5: found \"::g\", expected an IP address such as",
    );
    check_table(
        "[hosts]\n\"h:80\" = \"127.0.0.1\"",
        "5:1: found \"h:80\", expected the name of a host, without scheme and port",
    );
}
