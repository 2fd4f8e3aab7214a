//! Hostile profiles: a plan or problems with their places, never a panic.
//!
//! `cargo xtask fuzz` runs this for minutes.

use testkit::fuzz::Campaign;

use super::*;

/// What profiles are made of.
const WORDS: &[&str] = &[
    "[run]\n",
    "[[load]]\n",
    "[[threshold]]\n",
    "[data.x]\n",
    "phases = ",
    "rate = ",
    "users = ",
    "for = ",
    "each = ",
    "\"10/s\"",
    "\"1e12/s\"",
    "\"5s\"",
    "\"1ms\"",
    "\"0s\"",
    "[",
    "]",
    "{",
    "}",
    "= ",
    "\n",
    "\"",
    "'''",
    "\\u0000",
    "nan",
    "inf",
    "-1",
    "true",
    "1979-05-27",
    "model = ",
    "\"open\"",
    "\"closed\"",
    "scenarios = ",
    "seed = ",
    "timeout = ",
    "drain = ",
    "target = ",
    "\"https://[::1]:1\"",
    "is = ",
    "\"< 5ms\"",
    "metric = ",
    "stat = ",
    "\"p99.99\"",
    "curve = ",
    "start = ",
    "é",
    "[tls]\n",
    "ca = ",
    "resume = ",
    "versions = ",
    "[connections]\n",
    "[headers]\n",
    "[http]\n",
    "[hosts]\n",
    "source = ",
    "ports = ",
    "1024-65535",
    "unix:/x",
    "timeouts = ",
    "connect = ",
    "[secrets]\n",
    "script_text = ",
    "${",
    "${A:-",
    "$${",
];

/// The profiles that come with the project, as they are.
fn profiles() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    // their order is that of the disk
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("it can be read"))
        .collect()
}

#[test]
fn profiles_of_any_kind() {
    let mut seeds = profiles();
    seeds.push((RUN.to_owned() + LOAD).into_bytes());
    let campaign = Campaign {
        name: "profile",
        seeds,
        words: WORDS,
    };
    campaign.run(
        |input, _| match read_text(&String::from_utf8_lossy(input)) {
            Ok(plan) => format!("{} loads", plan.loads.len()),
            Err(errors) => {
                let text = errors.to_string();
                assert!(!text.is_empty());
                // which problems, without what they quote
                let kinds = text.lines().map(|line| {
                    let message = line.splitn(4, ':').nth(3).unwrap_or(line);
                    message
                        .split(['"', '`', ','])
                        .next()
                        .unwrap_or("")
                        .to_owned()
                });
                kinds.collect::<Vec<_>>().join("|")
            }
        },
    );
}
