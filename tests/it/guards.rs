//! What keeps a run from misleading: results that cannot be written, thresholds on names that
//! nobody has, checks that take nothing from the run, a target on the same machine.

use crate::binary::{Program, Scratch, can_run, mistress};
use std::fs::OpenOptions;
use std::process::Stdio;

const TENTH: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
    phases = [{ rate = \"50/s\", for = \"100ms\" }]\n";
const HELLO: &str = "return { main = function(user) user:get('/') end }";

#[test]
fn a_result_on_a_full_disk_fails_the_run() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("stats = false", TENTH, HELLO);
    let run = |arguments: &[&str]| {
        let profile = scratch.profile();
        mistress(&[&["run", &profile, "--quiet"], arguments].concat())
    };
    let full = "/dev/full: not written: No space left on device";
    for option in ["--json", "--csv", "--junit"] {
        let done = Program::start(run(&[option, "/dev/full"])).finish();
        done.expect(3).says(&["verdict"]).complains(&[full]);
    }
    // one that fails leaves the others their chance
    let csv = scratch.argument("s.csv");
    let done = Program::start(run(&["--json", "/dev/full", "--csv", &csv])).finish();
    done.expect(3).complains(&[full]);
    assert!(std::path::Path::new(&csv).exists());
    let device = OpenOptions::new().write(true).open("/dev/full");
    let done = run(&["--json", "-"])
        .stdout(Stdio::from(device.expect("Linux has it")))
        .output()
        .expect("it starts");
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{told}");
    assert!(told.contains("standard output: not written"), "{told}");
}

#[test]
fn a_threshold_on_a_name_that_the_script_lacks_is_told_before_the_load() {
    if !can_run() {
        return;
    }
    let script = "return { main = function(user) user:get('/', { name = 'log in' }) end }";
    let rule =
        "[[threshold]]\nmetric = \"latency\"\nname = \"login\"\nstat = \"p99\"\nis = \"< 1s\"\n";
    let scratch = Scratch::new("stats = false", &format!("{TENTH}{rule}"), script);
    let told = "no request or transaction of the script seems to be called \"login\", which a \
                threshold is on; did you mean \"log in\"?";
    scratch.run(&["--quiet"]).expect(1).complains(&[told]);
    let notices = &scratch.result()["notices"];
    assert_eq!(notices[0], told, "{notices}");
    let check = Program::start(mistress(&["check", &scratch.profile()])).finish();
    check.expect(0).says(&[told]);
}

/// An account that is signed up for by `check` is one that the run gets last, and its user is none
/// of the run's.
#[test]
fn a_check_takes_nothing_that_is_unique_from_the_run() {
    if !can_run() {
        return;
    }
    let script = "return {\n\
        main = function(user)\n\
          for _ = 1, 2 do user:log('main ' .. user:row('accounts').name .. ' ' .. user.id) end\n\
        end,\n\
        again = function(user) user:log('again ' .. user:row('cities').name) end,\n\
      }";
    let data = "[data.accounts]\nfile = \"a.csv\"\norder = \"unique\"\n\
                [data.cities]\nfile = \"a.csv\"\n";
    let scenarios = TENTH.replace("\"main\"", "{ main = 1, again = 1 }");
    let scratch = Scratch::new("stats = false", &format!("{scenarios}{data}"), script);
    scratch.write("a.csv", "name\nann\nbob\ncid\ndan\n");
    let check = Program::start(mistress(&["check", &scratch.profile()])).finish();
    check.expect(0).says(&[
        "log: main dan 1000000",
        "log: main cid 1000000",
        "log: again ann",
    ]);
    // the first user of the run has the first account
    let user = ["check", &scratch.profile(), "--user", "0"];
    let first = Program::start(mistress(&user)).finish().expect(0).out;
    assert!(first.contains("ann"), "{first}");
}

#[test]
fn a_target_on_this_machine_is_noted_and_nothing_is_held_against_it() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("stats = false", TENTH, HELLO);
    scratch
        .run(&["--quiet"])
        .expect(0)
        .says(&["note: the target shares this machine"]);
    let verdict = &scratch.result()["verdict"];
    let kinds = |key: &str| -> Vec<String> {
        let list = verdict[key].as_array().expect("a list").iter();
        list.map(|one| one["kind"].to_string()).collect()
    };
    assert!(
        kinds("notes").contains(&"\"target_shared\"".to_owned()),
        "{verdict}"
    );
    assert!(
        !kinds("reasons").contains(&"\"target_shared\"".to_owned()),
        "{verdict}"
    );
}
