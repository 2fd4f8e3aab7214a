//! `summary(result)`: reports that scripts make.

use serde_json::json;

/// What `summary` with this body makes of a result.
fn made(body: &str) -> Result<Option<Vec<(String, String)>>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.lua");
    let source =
        format!("return {{ main = function() end, summary = function(result) {body} end }}");
    std::fs::write(&path, source).unwrap();
    mistress_scripting::summary(&path, &json!({ "totals": { "ok": 7 }, "list": [1, 2.5] }))
}

#[test]
fn a_summary_is_a_text_or_files() {
    let part = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    for (body, expected) in [
        (
            "return 'ok ' .. result.totals.ok",
            vec![part("stdout", "ok 7")],
        ),
        (
            "return { ['b.txt'] = 'x' .. #result.list, stderr = 'y' }",
            vec![part("b.txt", "x2"), part("stderr", "y")],
        ),
        ("", vec![]),
    ] {
        assert_eq!(made(body), Ok(Some(expected)), "{body}");
    }
}

#[test]
fn what_is_wrong_with_a_summary_is_said() {
    for (body, expected) in [
        (
            "return 7",
            "summary returned 7, expected a text, or a table of texts",
        ),
        (
            "return { a = 1 }",
            "summary returned 1 for \"a\", expected a text",
        ),
        ("error('no')", "main.lua:1: no"),
        ("return result.none.ok", "main.lua:1: "),
    ] {
        let error = made(body).unwrap_err();
        assert!(error.starts_with(expected), "{body}: {error}");
    }
}

#[test]
fn a_script_needs_no_summary() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.lua");
    std::fs::write(&path, "return { main = function() end }").unwrap();
    assert_eq!(mistress_scripting::summary(&path, &json!({})), Ok(None));
}
