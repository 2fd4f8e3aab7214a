//! Good profiles, and the plans they become.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::{Arrivals, Cores, Curve, Model, Origin, Resume, StatsSink, Target};
use crate::{Password, Tls, TlsIdentity, TlsVersions, Weighted};

fn one(length_s: f64, from: f64, to: f64) -> Curve {
    Curve::new(&[(Duration::from_secs_f64(length_s), from, to)]).unwrap()
}

/// A profile with every key there is.
const FULL: &str = r#"
[run]
name = "shop"
script = "lua/shop.lua"
target = "http://127.0.0.1:8080/api/"
seed = 18446744073709551615
cores = [2, 3]
timeout = "250ms"
drain = "0s"
stats = "http://host:7777"

[tls]
ca = "ca.pem"
cert = "me.pem"
key = "me.key"
insecure = false
resume = 0.8
versions = ["1.3"]

[[load]]
model = "open"
scenarios = { zeta = 7, alpha = 0.5 }
arrivals = "even"
users_max = 20000
phases = [
  { rate = "100/s", for = "10s" },
  { rate = ["100/s", "2k/s"], for = "1m30s" },
]

[[load]]
model = "closed"
scenarios.poll = 1
pacing = "1s"
phases = [{ users = [0, 64], for = "1h" }]
"#;

#[test]
fn a_full_run_table_becomes_the_plan_it_says() {
    let plan = parse(FULL, Path::new("dir/p.toml")).unwrap();
    assert_eq!(plan.name, "shop");
    assert_eq!(plan.profile_path, PathBuf::from("dir/p.toml"));
    assert_eq!(plan.profile_text, FULL);
    assert_eq!(plan.script, PathBuf::from("dir/lua/shop.lua"));
    assert_eq!(
        plan.target,
        Target::Http(Origin::parse("http://127.0.0.1:8080/api").unwrap())
    );
    assert_eq!(plan.seed, u64::MAX);
    assert_eq!(plan.cores, Cores::List(vec![2, 3]));
    assert_eq!(plan.timeout, Duration::from_millis(250));
    assert_eq!(plan.drain, Duration::ZERO);
    assert_eq!(plan.stats, StatsSink::Url("http://host:7777".to_owned()));
    assert_eq!(plan.duration(), Duration::from_secs(3600));
    assert_eq!(plan.model_label(), "mixed");
    let tls = Tls {
        ca: Some(PathBuf::from("dir/ca.pem")),
        identity: Some(TlsIdentity::Pem {
            cert: PathBuf::from("dir/me.pem"),
            key: PathBuf::from("dir/me.key"),
        }),
        client_data: None,
        password: Password::default(),
        insecure: false,
        resume: Resume::Share(0.8),
        versions: TlsVersions::Tls13,
    };
    assert_eq!(plan.tls, tls);
}

#[test]
fn full_load_tables_become_the_plan_they_say() {
    let plan = plan(FULL);
    let [open, closed] = plan.loads.as_slice() else {
        panic!("two loads")
    };
    let weighted = |name: &str, weight| Weighted {
        name: name.to_owned(),
        weight,
    };
    assert_eq!(
        open.scenarios,
        [weighted("zeta", 7.0), weighted("alpha", 0.5)]
    );
    let s = Duration::from_secs;
    let rate = Curve::new(&[(s(10), 100.0, 100.0), (s(90), 100.0, 2000.0)]).unwrap();
    assert_eq!(
        open.model,
        Model::Open {
            arrivals: Arrivals::Even,
            rate,
            users_max: Some(20_000),
            iterations: 1
        }
    );
    assert_eq!(closed.scenarios, [weighted("poll", 1.0)]);
    let users = one(3600.0, 0.0, 64.0);
    assert_eq!(
        closed.model,
        Model::Closed {
            users,
            pacing: Some(s(1))
        }
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let plan = plan(&format!("{RUN}{LOAD}"));
    assert_eq!(plan.name, "p");
    assert_eq!(plan.script, PathBuf::from("s.lua"));
    assert_eq!(plan.target, Target::Builtin);
    assert_eq!(plan.seed, 1);
    assert_eq!(plan.cores, Cores::Auto);
    assert_eq!(plan.timeout, Duration::from_secs(10));
    assert_eq!(plan.drain, Duration::from_secs(30));
    assert_eq!(plan.stats, StatsSink::Auto);
    assert_eq!(plan.model_label(), "open");
    assert_eq!(
        plan.loads[0].scenarios,
        [Weighted {
            name: "a".to_owned(),
            weight: 1.0
        }]
    );
    let rate = one(1.0, 1.0, 1.0);
    assert_eq!(
        plan.loads[0].model,
        Model::Open {
            arrivals: Arrivals::Poisson,
            rate,
            users_max: None,
            iterations: 1
        }
    );
}

#[test]
fn other_forms_of_the_same_are_taken() {
    let run = |extra: &str| plan(&format!("{RUN}{extra}\n{LOAD}"));
    assert_eq!(run("stats = \"off\"").stats, StatsSink::Off);
    // The spelling of older profiles.
    assert_eq!(run("stats = false").stats, StatsSink::Off);
    assert_eq!(run("cores = 3").cores, Cores::Count(3));
    assert_eq!(run("cores = \"auto\"").cores, Cores::Auto);
    assert_eq!(run("seed = 0").seed, 0);
    assert_eq!(run("seed = 0xff").seed, 255);
    assert_eq!(run("seed = 1_000").seed, 1000);
    let text = format!("\u{feff}{RUN}{LOAD}").replace('\n', "\r\n");
    assert_eq!(plan(&text).profile_text, text);
    let phases = format!(
        "{RUN}[[load]]\nmodel = \"closed\"\n[load.scenarios]\na = 1\n\
         [[load.phases]]\nusers = 2\nfor = \"1s\"\n[[load.phases]]\nusers = [2, 0]\nfor = \"2s\"\n"
    );
    assert_eq!(plan(&phases).model_label(), "closed");
    assert_eq!(plan(&phases).duration(), Duration::from_secs(3));
    let nameless = parse(&format!("{RUN}{LOAD}"), Path::new("")).unwrap();
    assert_eq!(nameless.name, "run");
}

#[test]
fn the_target_can_be_replaced() {
    let plan = plan(&format!("{RUN}{LOAD}"));
    let other = plan.clone().with_target("http://h:81").unwrap();
    assert_eq!(
        other.target,
        Target::Http(Origin::parse("http://h:81").unwrap())
    );
    assert_eq!(other.with_target("builtin").unwrap(), plan);
    assert!(plan.with_target("ftp://h").unwrap_err().contains("ftp"));
}

#[test]
fn every_profile_in_the_reference_is_accepted() {
    let reference = include_str!("../../../../docs/profile.md");
    let blocks: Vec<&str> = reference
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        // What shows only a part of a profile stands behind the rest of one.
        match block.contains("[run]") {
            true => drop(plan(block)),
            false => drop(plan(&format!("{RUN}{LOAD}{block}"))),
        }
    }
}
