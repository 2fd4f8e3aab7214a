//! The schema of profiles, for editors: it has the keys that the program accepts, takes every
//! profile of the project, and refuses what the program refuses.

use crate::schema::validate;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Value {
    crate::binary::json(&root().join("docs/profile.schema.json"))
}

/// The words of a list of keys in a source file of the reader of profiles.
fn keys(file: &str, list: &str) -> BTreeSet<String> {
    let path = root().join("config/src").join(file);
    let text = fs::read_to_string(path).expect("the source is there");
    let (_, rest) = text
        .split_once(&format!("const {list}: [&str; "))
        .expect("it has the list");
    let rest = rest.split_once('=').expect("a constant has a value").1;
    let words = rest.split(';').next().unwrap_or_default();
    words
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_schema_has_the_keys_that_profiles_may_have() {
    let schema = schema();
    let rows = [
        ("", "profile.rs", "TABLES"),
        ("/definitions/run", "profile/run.rs", "KEYS"),
        ("/definitions/load", "profile/loads.rs", "KEYS"),
        ("/definitions/phase", "profile/phases.rs", "KEYS"),
        ("/definitions/threshold", "profile/thresholds.rs", "KEYS"),
        ("/definitions/data", "profile/data.rs", "KEYS"),
        ("/definitions/http", "profile/web.rs", "KEYS"),
        ("/definitions/tls", "profile/tls.rs", "KEYS"),
        ("/definitions/connections", "profile/connections.rs", "KEYS"),
        (
            "/definitions/connections/properties/timeouts",
            "profile/connections.rs",
            "PHASES",
        ),
    ];
    for (pointer, file, list) in rows {
        let table = schema
            .pointer(pointer)
            .expect("each table is in the schema");
        let properties = table["properties"].as_object().expect("a table has keys");
        let told: BTreeSet<String> = properties.keys().cloned().collect();
        assert_eq!(told, keys(file, list), "{pointer} beside {file}");
        assert_eq!(table["additionalProperties"], false, "{pointer}");
        let is_described = |key: &Value| key["description"].as_str().is_some_and(|t| t.len() > 5);
        for (key, property) in properties {
            assert!(
                is_described(property) || pointer.ends_with("timeouts"),
                "{pointer}/{key}"
            );
        }
    }
    let of = |key: &str| {
        let pointer = format!("/definitions/threshold/properties/{key}/enum");
        let words = schema.pointer(&pointer).and_then(Value::as_array).unwrap();
        words
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let metrics: BTreeSet<String> = of("metric");
    let all = stats::threshold::Metric::ALL
        .iter()
        .map(|one| one.as_str().to_owned());
    assert_eq!(metrics, all.collect());
    let known: BTreeSet<String> = of("of");
    let all = stats::threshold::Of::ALL
        .iter()
        .map(|one| one.as_str().to_owned());
    assert_eq!(known, all.collect());
}

/// What is wrong with a profile by the schema.
fn problems(text: &str) -> Vec<String> {
    let profile: Value = toml::from_str(text).expect("a profile is TOML");
    let (schema, mut errors) = (schema(), Vec::new());
    validate(&schema, &schema, &profile, "", &mut errors);
    errors
}

/// All profiles below a folder.
fn profiles(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(profiles(&path));
        } else if path.extension().is_some_and(|end| end == "toml") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_schema_takes_every_profile_of_the_project() {
    let found = profiles(&root().join("scenarios"));
    assert!(found.len() > 40, "{}", found.len());
    for path in found {
        let text = fs::read_to_string(&path).expect("it can be read");
        assert_eq!(problems(&text), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let start = "[run]\nscript = \"s.lua\"\ntarget = \"builtin\"\n";
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"a\"\n\
        phases = [{ rate = \"1/s\", for = \"1s\" }]\n";
    assert_eq!(problems(&format!("{start}{load}")), Vec::<String>::new());
    for (run, more) in [
        ("timeout = 10\n", ""),
        ("timeout = \"10\"\n", ""),
        ("cores = \"all\"\n", ""),
        ("stats = true\n", ""),
        ("tiemout = \"1s\"\n", ""),
        ("", "user_max = 5\n"),
        ("", "arrivals = \"random\"\n"),
        ("", "[connections]\npool = \"none\"\n"),
        ("", "[[threshold]]\nmetric = \"latency\"\nis = \"250ms\"\n"),
        ("", "[data.a]\norder = \"unique\"\n"),
        ("", "[unknown]\n"),
    ] {
        let text = format!("{start}{run}{load}{more}");
        assert!(!problems(&text).is_empty(), "{text}");
        assert!(config::parse(&text, Path::new("p.toml")).is_err(), "{text}");
    }
}
