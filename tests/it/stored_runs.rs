//! Runs of the local store: compared, held against limits, listed and deleted.

use crate::binary::{Done, Program, Scratch, mistress};
use crate::harness::measuring;
use rustix::process::Signal;
use serde_json::Value;

const LOAD: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
    phases = [{ rate = \"50/s\", for = \"1s\" }]\n[[threshold]]\nmetric = \"failures\"\nis = \"< 1%\"\n";

/// A profile called `shop` whose runs are stored below its folder.
struct Shop(Scratch);

impl Shop {
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = mistress(arguments);
        command
            .env("MISTRESS_DATA", self.0.path("data"))
            .env("MISTRESS_PORT", "0");
        command
    }

    fn call(&self, arguments: &[&str]) -> Done {
        Program::start(self.command(arguments)).finish()
    }

    /// A run whose replies take so many milliseconds; returns its id.
    fn run(&self, delay_ms: u32) -> String {
        let script =
            format!("return {{ main = function(user) user:get('/delay/{delay_ms}') end }}");
        self.0.write("p.lua", &script);
        let json = self.0.argument("r.json");
        let profile = self.0.profile();
        let arguments = [
            "run", &profile, "--quiet", "--stats", "auto", "--json", &json,
        ];
        self.call(&arguments).expect(0);
        let id = self.0.result()["run"]["id"].as_str().map(str::to_owned);
        id.expect("a run has an id")
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let out = self.call(arguments).expect(code).out;
        serde_json::from_str(&out).expect("it is JSON")
    }
}

#[test]
fn runs_are_compared_listed_and_deleted() {
    let Some(_alone) = measuring() else { return };
    let shop = Shop(Scratch::new("name = \"shop\"", LOAD, ""));
    shop.call(&["runs"])
        .expect(2)
        .complains(&["no run was kept"]);
    let first = shop.run(2);
    shop.call(&["compare", "shop", "latest"])
        .expect(2)
        .complains(&["one run of this name", "run it once more"]);
    let second = shop.run(40);
    compared(&shop, &first, &second);

    let list = shop.json(&["runs", "--json"], 0);
    let ids = |list: &Value| -> Vec<String> {
        let runs = list["runs"].as_array().expect("a list").iter();
        runs.map(|run| run["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(ids(&list), [second.clone(), first.clone()]);
    assert_eq!(list["runs"][0]["thresholds"][0]["met"], true, "{list}");
    assert!(
        list["runs"][0]["latency"]["p50_us"].as_u64() > Some(39_000),
        "{list}"
    );
    let one = shop.json(&["runs", "--json", "--limit", "1", "--name", "shop"], 0);
    assert_eq!(
        (ids(&one), &one["found"]),
        (vec![second.clone()], &2.into())
    );
    let none = shop.json(&["runs", "--json", "--name", "other"], 0);
    assert_eq!(ids(&none), Vec::<String>::new());
    let text = shop.call(&["runs", "--since", "1h"]).expect(0);
    let text = text.says(&["shop", "1 met", "req/s", "p99"]).out;
    assert_eq!(text.lines().filter(|line| line.contains("shop")).count(), 2);
    let short = text.lines().nth(1).and_then(|line| line.split(' ').next());
    let short = short.expect("the beginning of an id");
    assert!(
        second.starts_with(short) && !first.starts_with(short),
        "{text}"
    );

    shop.call(&["runs", "delete", short])
        .expect(2)
        .complains(&["--yes"]);
    let deleted = shop
        .call(&["runs", "delete", short, "shop", "--yes"])
        .expect(0);
    assert_eq!(deleted.out.lines().count(), 1, "{}", deleted.out);
    let left = ids(&shop.json(&["runs", "--json"], 0));
    assert_eq!(left, std::slice::from_ref(&first));
    let files = std::fs::read_dir(shop.0.path("data/runs")).expect("the store's folder");
    let left: Vec<_> = files
        .map(|file| file.expect("a file").file_name())
        .collect();
    assert_eq!(left, [format!("{first}.sqlite").as_str()], "{left:?}");
    live_runs_stay(&shop);
}

fn compared(shop: &Shop, first: &str, second: &str) {
    shop.call(&["compare", "shop", "latest"]).expect(0).says(&[
        "latency max",
        "A ",
        "B ",
        "intervals:",
    ]);
    let limits = [
        "--max-regression",
        "p50 10%",
        "--max-regression",
        "rate 50%",
    ];
    let arguments = [&["compare", "shop", "latest"], &limits[..]].concat();
    shop.call(&arguments).expect(5).says(&[
        "REGRESSED  B  p50 10%: ",
        "% worse, beyond the limit",
        "ok         B  rate 50%: ",
    ]);
    let found = shop.json(&[&arguments[..], &["--json"]].concat(), 5);
    assert_eq!(found["runs"][0]["id"], first, "{found}");
    assert_eq!(found["runs"][1]["id"], second, "{found}");
    let regressed = ["/regressions/0/regressed", "/regressions/1/regressed"];
    let regressed = regressed.map(|pointer| found.pointer(pointer).and_then(Value::as_bool));
    assert_eq!(regressed, [Some(true), Some(false)], "{found}");
    assert_eq!(found["metrics"].as_array().map(Vec::len), Some(9));
    // the other way round it is an improvement
    let better = ["compare", second, first, "--max-regression", "p50 10%"];
    shop.call(&better)
        .expect(0)
        .says(&["% better, within the limit"]);
    shop.call(&["compare", "latest", second])
        .expect(2)
        .complains(&[
            "are the same run",
            &format!("`mistress compare {first} {second}`"),
        ]);
    shop.call(&["compare", "shop", "latest", "--max-regression", "p98 10%"])
        .expect(2)
        .complains(&["found the figure \"p98\", expected one of p50"]);
}

fn live_runs_stay(shop: &Shop) {
    let profile = shop.0.profile();
    let arguments = ["run", &profile, "--stats", "auto", "--duration", "20s"];
    let mut run = Program::start(shop.command(&arguments));
    run.until("    1s ");
    shop.call(&["runs", "delete", "latest", "--yes"])
        .expect(2)
        .complains(&["is live"]);
    run.signal(Signal::INT);
    run.finish();
}
