//! Whatever bytes a script passes on, a request head can't be broken by them. Seeded.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::world::{Answer, world};

/// Bytes as a Lua string literal.
fn literal(bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03}")).collect();
    format!("'{escaped}'")
}

/// Bytes that often are near the edge of what is allowed.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        any::<u8>(),
        Just(b'\r'),
        Just(b'\n'),
        Just(b' '),
        Just(b':'),
        b'a'..=b'z'
    ];
    prop::collection::vec(byte, 0..12)
}

fn breaks_a_line(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

#[test]
fn no_bytes_of_a_script_break_a_head() {
    let inputs = (bytes(), bytes(), bytes(), bytes());
    let outcome = TestRunner::deterministic().run(&inputs, |(method, url, name, value)| {
        let [method, name, value] = [&method, &name, &value].map(|bytes| literal(bytes));
        let url = literal(&[b"/", &url[..]].concat());
        let world = world(&format!(
            "pcall(user.request, user, {method}, {url})
             pcall(user.request, user, {method}, {url}, {{ name = 'n' }})
             pcall(user.get, user, '/', {{ headers = {{ [{name}] = {value} }} }})
             pcall(user.get, user, '/', {{ bearer = {value} }})
             pcall(user.get, user, '/', {{ referer = {value} }})
             pcall(user.get, user, '/', {{ basic_auth = {{ {name}, {value} }} }})
             user:get('/', {{ query = {{ [{name}] = {value} }} }})"
        ));
        world
            .once()
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        for line in world.host.templates.take() {
            let parts: Vec<&str> = line.split(' ').collect();
            prop_assert!(parts.len() == 2 && line.is_ascii() && !breaks_a_line(line.as_bytes()));
        }
        for spec in world.requests.take() {
            prop_assert!(
                spec.url.bytes().all(|byte| byte.is_ascii_graphic()),
                "{:?}",
                spec.url
            );
            prop_assert!(!spec.method.is_empty() && !breaks_a_line(spec.method.as_bytes()));
            prop_assert!(!spec.method.contains(' '));
            for (name, value) in &spec.headers {
                prop_assert!(!name.is_empty() && !name.contains([':', ' ', '\r', '\n', '\0']));
                prop_assert!(!breaks_a_line(value), "{value:?}");
            }
            for value in [&spec.authorization, &spec.referer].into_iter().flatten() {
                prop_assert!(!breaks_a_line(value.as_bytes()), "{value:?}");
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

/// JSON that survives Lua: no null in objects, no number beyond what a double holds exactly.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        (-1i64 << 53..1i64 << 53).prop_map(serde_json::Value::from),
        "[a-z\u{e4}\u{1f600}\"\\\\\n]{0,6}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z0-9]{0,4}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn json_goes_through_lua_unchanged() {
    let world = world("user:post('/', { json = user:get('/'):json() })");
    let outcome = TestRunner::deterministic().run(&json(), |value| {
        let text: &'static str = value.to_string().leak();
        world.answers.borrow_mut().push_back(Answer::body(text));
        world
            .once()
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let sent = world
            .requests
            .borrow_mut()
            .pop()
            .and_then(|spec| spec.body)
            .unwrap_or_default();
        prop_assert_eq!(String::from_utf8_lossy(&sent), text);
        Ok(())
    });
    outcome.unwrap();
}
