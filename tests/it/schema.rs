//! The JSON Schema of the result: held by real results, and complete.

use serde_json::Value;
use std::path::Path;

/// The schema as it is documented.
pub fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/result.schema.json");
    crate::binary::json(&path)
}

/// Fails unless the result is what the schema says.
pub fn check(result: &Value) {
    let root = schema();
    let mut errors = Vec::new();
    validate(&root, &root, result, "", &mut errors);
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

/// Holds a value against a schema, by the keywords that ours uses; another keyword is an error.
pub fn validate(root: &Value, schema: &Value, value: &Value, path: &str, errors: &mut Vec<String>) {
    let number = |limit: &Value| limit.as_f64().expect("a limit is a number");
    let count = |list: &Value| list.as_array().map_or(0, Vec::len) as u64;
    for (keyword, wanted) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "definitions" | "title" | "description" => true,
            "additionalProperties" => true,
            "allOf" => {
                for part in wanted.as_array().into_iter().flatten() {
                    validate(root, part, value, path, errors);
                }
                true
            }
            "anyOf" => wanted.as_array().into_iter().flatten().any(|part| {
                let mut problems = Vec::new();
                validate(root, part, value, path, &mut problems);
                problems.is_empty()
            }),
            "$ref" => {
                let pointer = wanted.as_str().expect("a path").trim_start_matches('#');
                let there = root.pointer(pointer).expect("what is referred to is there");
                validate(root, there, value, path, errors);
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is_of(value, one)),
                one => is_of(value, one),
            },
            "enum" => wanted.as_array().is_some_and(|words| words.contains(value)),
            "const" => value == wanted,
            "minimum" => value.as_f64().is_none_or(|n| n >= number(wanted)),
            "maximum" => value.as_f64().is_none_or(|n| n <= number(wanted)),
            "minItems" => count(value) >= wanted.as_u64().expect("a number"),
            "maxItems" => count(value) <= wanted.as_u64().expect("a number"),
            "pattern" => value.as_str().is_none_or(|text| matches(wanted, text)),
            "propertyNames" => fields(value).all(|(name, _)| matches(&wanted["pattern"], name)),
            "required" => {
                let mut names = wanted.as_array().into_iter().flatten();
                names.all(|name| value.get(name.as_str().unwrap_or_default()).is_some())
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(root, wanted, item, &format!("{path}/{index}"), errors);
                }
                true
            }
            "properties" => true,
            other => panic!("the test does not know the keyword {other}"),
        };
        if !holds {
            errors.push(format!("{path}: {value} is not {keyword} {wanted}"));
        }
    }
    for (name, field) in fields(value) {
        let path = format!("{path}/{name}");
        match (
            schema["properties"].get(name),
            schema.get("additionalProperties"),
        ) {
            (Some(known), _) => validate(root, known, field, &path, errors),
            (None, Some(Value::Object(_))) => {
                validate(root, &schema["additionalProperties"], field, &path, errors);
            }
            (None, Some(Value::Bool(false))) => errors.push(format!("{path}: not in the schema")),
            (None, _) => {}
        }
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a type is a word") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the test does not know the type {other}"),
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    let pattern = regex::Regex::new(pattern.as_str().expect("a pattern is text"));
    pattern.expect("a pattern is one").is_match(text)
}

#[test]
fn what_the_schema_does_not_say_is_an_error() {
    let mut errors = Vec::new();
    let root = schema();
    let value = serde_json::json!({ "schema": 1, "more": 2, "latency": { "count": -1 } });
    validate(&root, &root, &value, "", &mut errors);
    for part in [
        "/schema: 1 is not const",
        "/more: not in",
        "/latency/count: -1",
        "required",
    ] {
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{part}: {errors:?}"
        );
    }
}

/// Visits every schema within a schema, with the path of properties to it.
fn each(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    let parts = ["properties", "$defs"].map(|key| schema[key].as_object());
    for (name, part) in parts.into_iter().flatten().flatten() {
        let path = format!("{path}/{name}");
        visit(&path, part);
        each(part, &path, visit);
    }
    if schema["items"].is_object() {
        each(&schema["items"], path, visit);
    }
}

#[test]
fn every_field_is_described_and_times_have_units() {
    let mut problems = Vec::new();
    each(&schema(), "", &mut |path, field| {
        let text = field["description"].as_str().unwrap_or_default();
        let unit = match path {
            _ if path.ends_with("_us") => "microseconds",
            _ if path.ends_with("duration_s") || path.ends_with("load_s") => "seconds",
            _ if path.ends_with("time_s") || path.ends_with("warmup_s") => "seconds",
            _ if path.ends_with("_per_s") => "per second",
            _ if path.ends_with("_share") => "0 to 1",
            _ => "",
        };
        if text.is_empty() || !text.contains(unit) {
            problems.push(format!("{path}: {text:?} has no {unit:?}"));
        }
        if field["type"] == "object" && field.get("additionalProperties").is_none() {
            problems.push(format!("{path}: takes any field"));
        }
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
