//! The OpenAPI document is valid, and the server does what it says.

use crate::nodes::{Outcome, await_state, get, post, serve, whole_run};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use testkit::openapi::program;

/// Set to a number of examples per operation, more are tried than in everyday tests.
const EXAMPLES: &str = "MISTRESS_OPENAPI_EXAMPLES";
/// Examples of each operation in everyday tests.
const FEW: &str = "4";
/// Runs that are there: some are deleted on the way.
const RUNS: usize = 12;

/// Fails with what the program said when it does not succeed.
fn succeeds(mut command: Command) -> Outcome {
    let output = command.output()?;
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    Ok(())
}

#[test]
fn the_document_is_valid_openapi() -> Outcome {
    let Some(validator) = program("openapi-spec-validator") else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let served = get(server.addr(), "/api/openapi.json")?;
    assert_eq!(served["openapi"], "3.1.0");
    let path = dir.path().join("openapi.json");
    std::fs::write(&path, served.to_string())?;
    let mut command = Command::new(validator);
    command.arg(&path);
    succeeds(command)
}

/// The document, so narrowed that requests meet runs and projects that are there.
fn narrowed(mut document: Value) -> Value {
    let runs: Vec<String> = (0..RUNS).map(|number| format!("run-{number}")).collect();
    let parameters = &mut document["components"]["parameters"];
    parameters["path_id"]["schema"] = json!({ "enum": runs });
    parameters["path_p"]["schema"] = json!({ "enum": ["shop"] });
    parameters["query_name"]["schema"] = json!({ "enum": ["GET /", "GET /cart"] });
    parameters["query_runs"]["schema"] = json!({ "enum": ["run-1,run-2", "run-3,run-4,run-5"] });
    // nobody listens there
    let webhook = &mut document["components"]["schemas"]["NewWebhook"];
    webhook["properties"]["url"] = json!({ "enum": ["http://127.0.0.1:9/hook"] });
    if let Some(paths) = document["paths"].as_object_mut() {
        // no JSON: batches have tests of their own
        paths.remove("/ingest/v1/batch");
        // what nodes say is more than a schema tells
        paths.remove("/ingest/v1/node");
        // a webhook may be there before the first run of its project
        let any = json!({ "name": "p", "in": "path", "required": true,
            "schema": { "type": "string", "minLength": 1 } });
        for (path, methods) in paths
            .iter_mut()
            .filter(|(path, _)| path.contains("/webhooks"))
        {
            for operation in methods
                .as_object_mut()
                .into_iter()
                .flat_map(|all| all.values_mut())
            {
                let parameters = operation["parameters"].as_array_mut();
                let project = parameters.and_then(|all| all.first_mut());
                *project.unwrap_or_else(|| panic!("{path} has parameters")) = any.clone();
            }
        }
    }
    document
}

/// Requests made of the document, right and wrong ones: statuses, types and shapes of all answers
/// are as it says, and nothing breaks.
#[test]
fn the_server_does_what_the_document_says() -> Outcome {
    let Some(schemathesis) = program("schemathesis") else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let server = serve(&dir.path().join("data"))?;
    for number in 0..RUNS {
        let id = format!("run-{number}");
        for batch in &whole_run(&id, 0, 4, &["GET /", "GET /cart"]) {
            post(server.addr(), batch)?;
        }
        await_state(server.addr(), &id, "done")?;
    }
    let path = dir.path().join("openapi.json");
    let document = narrowed(get(server.addr(), "/api/openapi.json")?);
    std::fs::write(&path, document.to_string())?;
    succeeds(trial(&schemathesis, &path, &server.url(), dir.path()))
}

fn trial(program: &Path, document: &Path, url: &str, folder: &Path) -> Command {
    let examples = std::env::var(EXAMPLES).unwrap_or_else(|_| FEW.to_owned());
    let mut command = Command::new(program);
    command.current_dir(folder).env("NO_COLOR", "1");
    let hooks = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/openapi");
    command.envs([("PYTHONPATH", hooks), ("SCHEMATHESIS_HOOKS", "hooks")]);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("run").arg(document).args(["--url", url]);
    command.args(["--max-examples", &examples, "--seed", "7", "--no-shrink"]);
    command.args(["--phases", "examples,coverage,fuzzing"]);
    // who is on this machine needs no sign-in here, so there is none to be ignored
    command.args(["--checks", "all", "--exclude-checks", "ignored_auth"]);
    command.args(["--warnings", "off", "--generation-database", "none"]);
    command
}
