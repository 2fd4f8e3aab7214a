//! Data sources from the profile to the wire: which rows users get, and what happens at the end.

use crate::binary::{Program, Scratch, conserved, count};
use crate::harness::{cpus, measuring, run_table};
use std::collections::HashMap;
use testkit::faults::{FaultOrigin, Script};

/// Each user tells the server its row.
const TELLING: &str = "return { main = function(user)\n\
  local row = user:row('rows')\n\
  user:get('/' .. row.id .. '/' .. row.word)\n\
end }\n";

/// A hundred arrivals with one row each.
const HUNDRED: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
                       phases = [{ rate = \"200/s\", for = \"500ms\" }]\n";

fn csv(rows: usize) -> String {
    let row = |n: usize| format!("{n},\"w,{n}\"\n");
    "id,word\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

/// What a run told the server, sorted, and its exit code.
struct RunOutput {
    ids: Vec<usize>,
    scratch: Scratch,
    out: String,
}

/// Runs `load` with `rows` rows in the order `order`; `more` are arguments.
fn run_with_rows(load: &str, file: (&str, &str), order: &str, more: &[&str]) -> RunOutput {
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let data = format!("[data.rows]\nfile = \"{}\"\n{order}\n", file.0);
    let scratch = Scratch::of(&(run_table(&origin.url()) + load + &data), TELLING);
    scratch.write(file.0, file.1);
    let done = Program::start(scratch.run_command(&[&["--quiet"], more].concat())).finish();
    let done = done.expect(0);
    conserved(&scratch.result());
    let heads = origin.report().heads;
    let id = |head: &String| {
        let mut parts = head.split(' ').nth(1).expect("a request line").split('/');
        let id: usize = parts.nth(1).expect("an id").parse().expect("a number");
        assert_eq!(parts.next(), Some(format!("w,{id}").as_str()), "{head}");
        id
    };
    let mut ids: Vec<usize> = heads.iter().map(id).collect();
    ids.sort_unstable();
    RunOutput {
        ids,
        scratch,
        out: done.out,
    }
}

#[test]
fn unique_rows_are_handed_out_once_over_all_cores() {
    let Some(_alone) = measuring() else { return };
    if !testkit::need::need("two processors", cpus() >= 2) {
        return;
    }
    let file = ("rows.csv", csv(100));
    for cores in ["1", "2"] {
        let file = (file.0, file.1.as_str());
        let run = run_with_rows(HUNDRED, file, "order = \"unique\"", &["--cores", cores]);
        assert_eq!(run.ids, (0..100).collect::<Vec<_>>(), "{cores} cores");
    }
}

#[test]
fn two_segments_share_the_rows_and_the_arrivals() {
    let Some(_alone) = measuring() else { return };
    // Evenly spaced arrival k and row k are the same segment's.
    let load = HUNDRED.replace("200/s", "1k/s").replace("500ms", "1100ms");
    let file = ("rows.csv", csv(1100));
    let file = (file.0, file.1.as_str());
    let mut all = Vec::new();
    for segment in ["1/2", "2/2"] {
        let run = run_with_rows(&load, file, "order = \"unique\"", &["--segment", segment]);
        assert!(run.ids.len() > 400, "{segment}: {} rows", run.ids.len());
        all.extend(run.ids);
    }
    all.sort_unstable();
    // The server keeps a thousand heads of each run; each segment has about half of the arrivals.
    assert_eq!(all, (0..1100).collect::<Vec<_>>());
}

#[test]
fn each_order_draws_what_it_says() {
    let Some(_alone) = measuring() else { return };
    let text = csv(50);
    let file = ("rows.csv", text.as_str());
    let counted = |ids: &[usize]| {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for &id in ids {
            *counts.entry(id).or_default() += 1;
        }
        counts
    };
    // A hundred draws from fifty rows: twice each, whatever the order within a pass.
    for order in ["", "order = \"shuffled\""] {
        let run = run_with_rows(HUNDRED, file, order, &[]);
        let counts = counted(&run.ids);
        assert!(counts.values().all(|&n| n == 2), "{order}: {counts:?}");
        assert_eq!(counts.len(), 50, "{order}");
    }
    let one = run_with_rows(HUNDRED, file, "order = \"random\"", &["--seed", "3"]).ids;
    assert_eq!(
        one,
        run_with_rows(HUNDRED, file, "order = \"random\"", &["--seed", "3"]).ids
    );
    assert_ne!(
        one,
        run_with_rows(HUNDRED, file, "order = \"random\"", &["--seed", "4"]).ids
    );
    assert!(one.iter().all(|&id| id < 50));
    // All hundred different or all alike: neither is chance.
    assert!((20..50).contains(&counted(&one).len()), "{one:?}");
}

#[test]
fn the_three_formats_give_the_same_rows() {
    let Some(_alone) = measuring() else { return };
    let rows = |separator: &str| {
        let row = |n: usize| format!("{{\"id\": {n}, \"word\": \"w,{n}\"}}");
        (0..100).map(row).collect::<Vec<_>>().join(separator)
    };
    let files = [
        ("rows.csv", csv(100)),
        ("rows.jsonl", rows("\n") + "\n"),
        ("rows.json", format!("[{}]", rows(", "))),
    ];
    for (name, text) in files {
        let run = run_with_rows(HUNDRED, (name, &text), "order = \"unique\"", &[]);
        assert_eq!(run.ids, (0..100).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn at_the_end_users_leave_or_fail_as_the_profile_says() {
    let Some(_alone) = measuring() else { return };
    let text = csv(40);
    let file = ("rows.csv", text.as_str());
    let stop = run_with_rows(HUNDRED, file, "order = \"unique\"\nat_end = \"stop\"", &[]);
    assert_eq!(stop.ids, (0..40).collect::<Vec<_>>());
    let result = stop.scratch.result();
    assert_eq!(count(&result, "/totals/iterations/failed"), 0);
    // Each core may have had a user that found no row before the load ended.
    let finished = count(&result, "/totals/iterations/finished");
    assert!((41..=44).contains(&finished), "{finished}");
    let error = run_with_rows(
        HUNDRED,
        file,
        "order = \"unique\"\nat_end = \"error\"",
        &["--fail-on", "none"],
    );
    assert_eq!(error.ids, (0..40).collect::<Vec<_>>());
    let result = error.scratch.result();
    assert_eq!(count(&result, "/totals/iterations/failed"), 60);
    assert!(error.out.contains("rows"), "{}", error.out);
}

#[test]
fn a_file_that_cannot_be_used_is_refused_before_any_traffic() {
    let rows = [
        ("rows.csv", "id,word\n1,a\n2\n", "rows.csv:3"),
        ("rows.csv", "", "rows.csv"),
        ("rows.jsonl", "{\"id\": 1}\n[2]\n", "rows.jsonl:2"),
        ("rows.jsonl", "{\"id\": 1}\n{\"id\": \n", "rows.jsonl:2"),
        ("rows.json", "{\"id\": 1}", "rows.json"),
    ];
    for (name, text, place) in rows {
        let load = format!("{HUNDRED}[data.rows]\nfile = \"{name}\"\n");
        let scratch = Scratch::new("", &load, TELLING);
        scratch.write(name, text);
        let done = scratch.run(&["--quiet"]).expect(2).complains(&[place]);
        assert!(!done.out.contains("requests"), "{}", done.out);
    }
    let load = format!("{HUNDRED}[data.rows]\nfile = \"none.csv\"\n");
    let scratch = Scratch::new("", &load, TELLING);
    scratch
        .run(&[])
        .expect(2)
        .complains(&["p.toml:", "none.csv"]);
}

/// A closed load that would last an hour.
fn closed(users: &str) -> String {
    format!(
        "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
         phases = [{{ users = {users}, for = \"1h\" }}]\n"
    )
}

#[test]
fn a_load_ends_with_its_rows_and_has_had_all_of_them() {
    let Some(_alone) = measuring() else { return };
    let text = csv(100);
    for users in ["1", "3"] {
        for order in ["sequential", "shuffled", "unique"] {
            let order = format!("order = \"{order}\"\nat_end = \"stop\"");
            let run = run_with_rows(&closed(users), ("rows.csv", &text), &order, &[]);
            assert_eq!(
                run.ids,
                (0..100).collect::<Vec<_>>(),
                "{users} users, {order}"
            );
        }
    }
}

#[test]
fn limits_are_reached_with_fewer_users_than_cores() {
    let Some(_alone) = measuring() else { return };
    let text = csv(64);
    for limit in ["iterations_max", "requests_max"] {
        for (most, users) in [(1, "1"), (10, "1"), (65, "3"), (10, "[1, 720]")] {
            let origin = FaultOrigin::start(Script::each(Script::good()));
            let run = format!("{}{limit} = {most}\n", run_table(&origin.url()));
            let data = "[data.rows]\nfile = \"rows.csv\"\n";
            let scratch = Scratch::of(&(run + &closed(users) + data), TELLING);
            scratch.write("rows.csv", &text);
            scratch.run(&["--quiet"]).expect(0);
            let result = scratch.result();
            conserved(&result);
            assert_eq!(
                count(&result, "/totals/sent"),
                most,
                "{limit}, {users} users"
            );
            assert_eq!(count(&result, "/totals/ok"), most, "{limit}, {users} users");
            let heads = origin.report().heads;
            assert_eq!(heads.len() as u64, most);
            if users == "1" {
                // In the order of the file.
                let ordered = (0..most).zip(&heads);
                for (k, head) in ordered {
                    assert!(head.starts_with(&format!("GET /{k}/")), "{head}");
                }
            }
        }
    }
}

#[test]
fn a_separator_that_was_found_is_told() {
    let Some(_alone) = measuring() else { return };
    let text = "id;word\r\n0;w,0\r\n1;w,1\r\n";
    let order = "at_end = \"stop\"";
    let run = run_with_rows(&closed("1"), ("rows.csv", text), order, &[]);
    assert_eq!(run.ids, [0, 1]);
    assert!(run.out.contains("semicolons separate"), "{}", run.out);
    let profile = run.scratch.argument("p.toml");
    let checked = Program::start(crate::binary::mistress(&["check", &profile, "--no-color"]));
    let done = checked.finish();
    assert!(done.out.contains("semicolons separate"), "{}", done.out);
}
