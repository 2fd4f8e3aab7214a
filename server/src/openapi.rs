//! The OpenAPI document of everything that programs may ask of the server.
//!
//! It is put together from [`ROUTES`], which says what each route requires, the table of
//! [`operations`], which says what each takes and answers, and the shapes in
//! `openapi/components.json`. A copy is kept as docs/openapi.json.

mod operations;

use self::operations::{Answer, OPERATIONS, Operation};
use crate::App;
use crate::access::{Guarded, Needs, Over, ROUTES, Role, Route, is_data};
use axum::Router;
use axum::http::{Method, header};
use serde_json::{Map, Value, json};
use stats::Phase;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Shapes, parameters, errors and ways to sign in.
const COMPONENTS: &str = include_str!("openapi/components.json");

/// The document as it is served.
static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));

/// The route of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new().guarded(Method::GET, "/api/openapi.json", async || {
        ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
    })
}

/// Routes of programs that are no operation, or operations without a route: none, unless the two
/// tables differ.
#[cfg(test)]
fn differences() -> Vec<String> {
    let routes: BTreeSet<_> = described()
        .map(|route| (route.method, route.path))
        .collect();
    let operations: BTreeSet<_> = OPERATIONS
        .iter()
        .map(|one| (one.method, one.path))
        .collect();
    let differing = routes.symmetric_difference(&operations);
    differing
        .map(|(method, path)| format!("{method} {path}"))
        .collect()
}

/// The routes that programs use.
fn described() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| is_data(route.path))
}

fn document() -> Value {
    let mut components: Value = serde_json::from_str(COMPONENTS).unwrap_or_default();
    let phases: Vec<&str> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
    components["parameters"]["query_phase"]["schema"] = json!({ "enum": phases });
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in described() {
        let mut operations = OPERATIONS.iter();
        let found = operations.find(|one| (one.method, one.path) == (route.method, route.path));
        if let Some(operation) = found {
            let methods = paths.entry(route.path).or_default();
            methods.insert(route.method.to_lowercase(), described_as(route, operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mistress stats server",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Runs of load tests: figures, series, exports, annotations.",
            "description": "docs/api.md explains the figures, docs/server.md roles and tokens.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": components,
    })
}

fn described_as(route: &Route, operation: &Operation) -> Value {
    let placeholders = route.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(format!("path_{name}"))
    });
    let asked = operation.query.iter().map(|name| format!("query_{name}"));
    let parameters: Vec<Value> = placeholders
        .chain(asked)
        .map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }))
        .collect();
    let mut shown = json!({
        "operationId": operation_id(route),
        "summary": operation.summary,
        "x-requires": requirement(route.needs),
        "security": security(route.needs),
        "parameters": parameters,
        "responses": responses(route, operation),
    });
    if let Some(body) = operation.body {
        shown["requestBody"] = json!({
            "required": true,
            "content": { operations::media_of_body(body): { "schema": schema(body) } },
        });
    }
    shown
}

/// Such as `get_runs_id_series`.
fn operation_id(route: &Route) -> String {
    let path = route
        .path
        .trim_start_matches("/api")
        .trim_start_matches("/v1");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty()).collect::<Vec<_>>();
    format!("{}_{}", route.method.to_lowercase(), words.join("_"))
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What a route requires, in a sentence's words.
fn requirement(needs: Needs) -> Value {
    let (role, over) = match needs {
        Needs::Nothing | Needs::Anybody => return json!("nothing"),
        Needs::Account => return json!("an account"),
        Needs::Ingest => return json!("an ingest token"),
        Needs::Annotate => {
            return json!("manager of the run's project, or an ingest token of it");
        }
        Needs::Role(role, over) => (role, over),
    };
    json!(match over {
        Over::Server => format!("{role} of all projects"),
        Over::Project => format!("{role} of the project"),
        Over::Run => format!("{role} of the run's project"),
        Over::Runs => format!("{role} of the projects of all runs"),
        Over::Some => format!("{role} of any project"),
    })
}

/// The ways to sign in that suffice. An empty one: without accounts, this machine needs none.
fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing | Needs::Anybody => json!([]),
        Needs::Ingest => json!([{ "ingest_token": [] }, {}]),
        Needs::Annotate => json!([{ "ingest_token": [] }, { "session": [] }, {}]),
        Needs::Role(Role::Guest, Over::Run | Over::Runs) => {
            json!([{ "read_token": [] }, { "session": [] }, { "share_link": [] }, {}])
        }
        Needs::Role(Role::Guest, _) => json!([{ "read_token": [] }, { "session": [] }, {}]),
        Needs::Role(..) | Needs::Account => json!([{ "session": [] }, {}]),
    }
}

/// The statuses of a route: of its own, and those that its requirements, parameters and body bring.
fn responses(route: &Route, operation: &Operation) -> Value {
    let mut statuses: BTreeSet<u16> = operation.statuses.iter().copied().collect();
    let is_health = matches!(route.path, "/healthz" | "/readyz");
    if !is_health {
        statuses.insert(421);
    }
    if route.path.contains('{') || !operation.query.is_empty() {
        statuses.insert(400);
    }
    if operation.body.is_some() {
        statuses.extend([400, 413, 415]);
    }
    if operation.body.is_some_and(|body| body != operations::BATCH) {
        statuses.insert(422);
    }
    if route.method != "GET" {
        statuses.insert(403);
    }
    match route.needs {
        Needs::Nothing | Needs::Anybody => {}
        Needs::Annotate | Needs::Role(_, Over::Project | Over::Run | Over::Runs) => {
            statuses.extend([401, 403, 404]);
        }
        _ => statuses.extend([401, 403]),
    }
    let mut shown = Map::new();
    shown.insert("200".to_owned(), answer(&operation.answer));
    for status in statuses {
        let error = json!({ "$ref": format!("#/components/responses/{status}") });
        shown.insert(status.to_string(), error);
    }
    Value::Object(shown)
}

fn answer(answer: &Answer) -> Value {
    let content = match answer {
        Answer::Json(name) => json!({ "application/json": { "schema": schema(name) } }),
        Answer::Other(kinds) => {
            let kinds = kinds.iter().map(|kind| ((*kind).to_owned(), json!({})));
            Value::Object(kinds.collect())
        }
    };
    json!({ "description": "as asked for", "content": content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_route_of_programs_is_an_operation_and_every_operation_a_route() {
        let differences = differences();
        assert!(
            differences.is_empty(),
            "in one of access/routes.rs and openapi/operations.rs: {differences:#?}"
        );
    }

    #[test]
    fn the_document_refers_to_nothing_that_it_lacks() {
        let document = document();
        let mut missing = Vec::new();
        let mut used = BTreeSet::new();
        references(&document, &mut |reference| {
            let pointer = reference.trim_start_matches('#');
            used.insert(pointer.to_owned());
            if document.pointer(pointer).is_none() {
                missing.push(reference.to_owned());
            }
        });
        assert!(missing.is_empty(), "{missing:#?}");
        let components = document["components"].as_object().expect("components");
        let all = components
            .iter()
            .filter(|(kind, _)| *kind != "securitySchemes");
        let all = all.flat_map(|(kind, named)| {
            let names = named.as_object().into_iter().flat_map(|named| named.keys());
            names.map(move |name| format!("/components/{kind}/{name}"))
        });
        let unused: Vec<String> = all.filter(|name| !used.contains(name)).collect();
        assert!(unused.is_empty(), "nothing refers to {unused:#?}");
    }

    fn references(value: &Value, visit: &mut impl FnMut(&str)) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value.as_str() {
                        Some(text) if key == "$ref" => visit(text),
                        _ => references(value, visit),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, visit)),
            _ => {}
        }
    }

    #[test]
    fn the_copy_in_the_documentation_is_the_document() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        if std::env::var_os("MISTRESS_WRITE_DOCS").is_some() {
            std::fs::write(&path, TEXT.as_str()).expect("docs/openapi.json can be written");
        }
        let copy = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            copy == TEXT.as_str(),
            "docs/openapi.json is not what the server says; write it anew with \
             MISTRESS_WRITE_DOCS=1 cargo test -p mistress-server openapi"
        );
    }
}
