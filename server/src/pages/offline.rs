//! A run as one HTML file that looks like its page and needs no server: style, scripts and data
//! are all in it, and its policy lets nothing be fetched.

use super::assets;
use crate::Error;
use askama::Template;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// The module that starts the page of a run.
const ENTRY: &str = "run.js";

/// What the API answers about a run, each as `docs/api.md` has it.
#[derive(Debug, Default, serde::Serialize)]
pub struct Saved {
    /// `/runs/{id}`
    pub run: Value,
    /// `/runs/{id}/series`
    pub series: Value,
    /// `/runs/{id}/names`
    pub names: Value,
    /// `/runs/{id}/distribution`
    pub distribution: Value,
    /// `/runs/{id}/heatmap`
    pub heatmap: Value,
    /// What of these is of failed requests: `series.latency`, `distribution`, `heatmap`.
    pub failed: Value,
    /// The same of all requests.
    pub all: Value,
    /// `/runs/{id}/failures`
    pub failures: Value,
    /// `/runs/{id}/checks`
    pub checks: Value,
    /// `/runs/{id}/events`
    pub events: Value,
}

#[derive(Template)]
#[template(path = "offline.html")]
struct OfflinePage {
    title: String,
    style: String,
    early: &'static str,
    plots: &'static str,
    script: String,
    data: &'static str,
}

/// Where the data goes: no text of a page has such a character.
const DATA: &str = "\u{0}";

/// Writes the file; what comes before its data is sent before that is read.
///
/// # Errors
/// Of `saved`; when the data cannot be written as JSON; [`Error::Write`] when `out` cannot.
pub(crate) fn write(
    out: &mut dyn Write,
    name: &str,
    saved: impl FnOnce() -> Result<Saved, Error>,
) -> Result<(), Error> {
    let page = OfflinePage {
        title: name.replace(DATA, ""),
        style: [text("vendor/uplot/uPlot.min.css"), text("app.css")].join("\n"),
        early: text("theme-early.js"),
        plots: text("vendor/uplot/uPlot.iife.min.js"),
        script: bundle(ENTRY),
        data: DATA,
    };
    let page = page.render().map_err(io::Error::other)?;
    let (before, after) = page.split_once(DATA).unwrap_or((&page, ""));
    out.write_all(before.as_bytes())?;
    out.flush()?;
    let data = serde_json::to_string(&saved()?).map_err(io::Error::from)?;
    out.write_all(quiet(&data).as_bytes())?;
    Ok(out.write_all(after.as_bytes())?)
}

fn text(path: &str) -> &'static str {
    assets::text(path).unwrap_or_default()
}

/// JSON that cannot end the element it stands in: `<` only occurs in strings, where it may be
/// written as an escape.
fn quiet(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A module and all that it imports as one script, each after what it needs. Our modules import by
/// single lines, without renaming, and no two have a name in common; a test holds that.
fn bundle(entry: &str) -> String {
    let mut done = BTreeSet::new();
    let mut script = String::from("(() => {\n\"use strict\";\n");
    add(entry, &mut done, &mut script);
    script.push_str("})();\n");
    script
}

fn add(name: &str, done: &mut BTreeSet<String>, script: &mut String) {
    if !done.insert(name.to_owned()) {
        return;
    }
    let source = text(&format!("js/{name}"));
    source
        .lines()
        .filter_map(imported)
        .for_each(|other| add(other, done, script));
    for line in source.lines().filter(|line| imported(line).is_none()) {
        script.push_str(line.strip_prefix("export ").unwrap_or(line));
        script.push('\n');
    }
}

/// The file that an import line names.
fn imported(line: &str) -> Option<&str> {
    let from = line.strip_prefix("import ")?.rsplit_once(" from \"./")?.1;
    from.strip_suffix("\";")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_bundle_has_every_module_once_and_no_import() {
        let script = bundle(ENTRY);
        assert!(!script.contains("\nimport "), "an import is left");
        assert!(!script.contains("\nexport "), "an export is left");
        for name in ["class Plot ", "class HeatMap ", "class RunPage "] {
            assert_eq!(script.matches(name).count(), 1, "{name}");
        }
        let user = script.find("class HeatMap ").expect("it was found above");
        let used = script.find("class Plot ").expect("it was found above");
        assert!(used < user, "what is extended comes first");
        assert!(!script.contains("</script"), "it would end its element");
    }

    #[test]
    fn what_a_module_imports_is_exported() {
        let mut found = 0;
        for path in assets::names().filter(|path| path.starts_with("js/")) {
            for line in text(&path).lines() {
                let Some(other) = imported(line) else {
                    continue;
                };
                let names = line.split(['{', '}']).nth(1).unwrap_or_default();
                let source = text(&format!("js/{other}"));
                for name in names
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                {
                    let kinds = ["function", "async function", "class", "const", "let"];
                    let is_exported = kinds.iter().any(|kind| {
                        let start = format!("export {kind} {name}");
                        source.lines().any(|line| {
                            let rest = line.strip_prefix(&start);
                            rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
                        })
                    });
                    assert!(is_exported, "{path} imports {name} from {other}");
                    found += 1;
                }
            }
        }
        assert!(found > 100, "{found} imports");
    }

    #[test]
    fn no_two_modules_have_a_name_in_common() {
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        let mut done = BTreeSet::new();
        add(ENTRY, &mut done, &mut String::new());
        for module in &done {
            for line in text(&format!("js/{module}")).lines() {
                let line = line.strip_prefix("export ").unwrap_or(line);
                let line = line.strip_prefix("async ").unwrap_or(line);
                let rest = ["function ", "class ", "const ", "let "]
                    .iter()
                    .find_map(|word| line.strip_prefix(word));
                let Some(rest) = rest else { continue };
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = rest[..end.unwrap_or(rest.len())].to_owned();
                let other = owners.insert(name.clone(), module.clone());
                assert!(other.is_none(), "{name} is in {module} and {other:?}");
            }
        }
        assert!(owners.len() > 40, "{} names", owners.len());
    }

    #[test]
    fn hostile_names_do_not_leave_their_element() {
        let name = "</script><script>alert(1)</script>";
        let saved = Saved {
            run: serde_json::json!({ "card": { "name": name } }),
            ..Saved::default()
        };
        let mut page = Vec::new();
        write(&mut page, name, || Ok(saved)).expect("a page");
        let page = String::from_utf8(page).expect("it is text");
        assert!(!page.contains("<script>alert"), "it came through");
        assert!(page.contains("default-src 'none'"));
    }
}
