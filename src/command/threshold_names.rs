//! Thresholds on names and tags that the script does not seem to have: told before the load, since such a
//! threshold is missed at its end.
//!
//! Names are texts of the script, and may be put together while it runs, so that what is found
//! here is a hint and never an error.

use super::script_files;
use config::Plan;
use stats::threshold::{Metric, Threshold};

/// Literals shorter than this are not taken for a part of a name.
const PART_MIN: usize = 3;
/// How the names of checks begin that are made from conditions.
const CONDITIONS: [&str; 11] = [
    "status is ",
    "is ok",
    "is not ok",
    "contains ",
    "matches ",
    "regex ",
    "header ",
    "css ",
    "cookie ",
    "json ",
    "latency <= ",
];

/// A line for each threshold on a name or a tag that no text of the script is, or is a part of.
pub fn unmentioned(plan: &Plan) -> Vec<String> {
    let script = plan.script();
    let files = script_files::read(script);
    let mut texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
    texts.extend(script.text);
    if texts.is_empty() {
        return Vec::new();
    }
    told(&plan.thresholds, &texts)
}

fn told(thresholds: &[Threshold], texts: &[&str]) -> Vec<String> {
    let found: Vec<Literal<'_>> = texts.iter().flat_map(|text| literals(text)).collect();
    let pairs: Vec<String> = found.iter().filter_map(Literal::as_tag).collect();
    let literals: Vec<String> = found.into_iter().map(|literal| literal.text).collect();
    // the resources of a page have names that only the page knows
    let has_pages = texts.iter().any(|text| text.contains(":page"));
    let mut lines = Vec::new();
    for threshold in thresholds {
        let told = match (&threshold.name, &threshold.tag) {
            (Some(name), _) => named(threshold, name, &literals, has_pages),
            (None, Some(tag)) => tagged(tag, texts, &literals, &pairs),
            (None, None) => None,
        };
        lines.extend(told.filter(|line| !lines.contains(line)));
    }
    lines
}

/// A line about the name of a threshold that the script does not seem to have.
fn named(
    threshold: &Threshold,
    name: &str,
    literals: &[String],
    has_pages: bool,
) -> Option<String> {
    let is_known = match threshold.metric {
        Metric::Checks => is_check(name, literals),
        Metric::Custom => is_literal(name.split('{').next().unwrap_or(name), literals),
        _ => is_literal(name, literals) || is_path(name, literals, has_pages),
    };
    (!is_known).then(|| line(threshold, name, literals))
}

/// A line about the tag of a threshold that the script does not seem to have. Values may be
/// numbers, too.
fn tagged(tag: &str, texts: &[&str], literals: &[String], pairs: &[String]) -> Option<String> {
    let (key, value) = tag.split_once(':')?;
    let has_key = texts.iter().any(|text| has_word(text, key));
    let has_value = value.parse::<f64>().is_ok() || is_literal(value, literals);
    if has_key && has_value {
        return None;
    }
    let known: Vec<&str> = pairs.iter().map(String::as_str).collect();
    Some(format!(
        "no request of the script seems to have the tag {tag:?}, which a threshold is on{}",
        hint(tag, &known)
    ))
}

/// Whether a text has this word, and not only as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_inner) && !text[at + word.len()..].starts_with(is_inner)
    })
}

/// The nearest of the names that are known, for the end of a line.
fn hint(name: &str, known: &[&str]) -> String {
    match config::nearest(name, known) {
        Some(near) => format!("; did you mean {near:?}?"),
        None => String::new(),
    }
}

fn line(threshold: &Threshold, name: &str, literals: &[String]) -> String {
    let what = match threshold.metric {
        Metric::Checks => "check",
        Metric::Custom => "metric",
        _ => "request or transaction",
    };
    let paths = literals.iter().filter(|literal| literal.starts_with('/'));
    let method = name.split(' ').next().unwrap_or("GET");
    let paths: Vec<String> = paths.map(|path| format!("{method} {path}")).collect();
    let known: Vec<&str> = literals.iter().chain(&paths).map(String::as_str).collect();
    let hint = hint(name, &known);
    format!("no {what} of the script seems to be called {name:?}, which a threshold is on{hint}")
}

/// Whether the name is a literal, or begins or ends with one, as names do that are put together.
fn is_literal(name: &str, literals: &[String]) -> bool {
    literals
        .iter()
        .any(|literal| name == literal || literal.len() >= PART_MIN && is_part(name, literal))
}

/// Whether `name` may be put together of `part` and something before or after it: not within a
/// word.
fn is_part(name: &str, part: &str) -> bool {
    let is_apart = |before: &str, after: &str| {
        let before = before.chars().next_back().is_some_and(char::is_alphabetic);
        let after = after.chars().next().is_some_and(char::is_alphabetic);
        !(before && after)
    };
    let begins = name
        .strip_prefix(part)
        .is_some_and(|rest| is_apart(part, rest));
    begins
        || name
            .strip_suffix(part)
            .is_some_and(|rest| is_apart(rest, part))
}

/// Whether it is the name of a request that has none of its own, `GET /path`.
fn is_path(name: &str, literals: &[String], has_pages: bool) -> bool {
    let Some((method, path)) = name.split_once(' ') else {
        return false;
    };
    let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    if !is_method || !path.starts_with('/') {
        return false;
    }
    has_pages
        || literals.iter().any(|literal| {
            let after_host = literal.split_once("://").map(|(_, rest)| rest);
            let from_path = after_host.map_or(literal.as_str(), |rest| {
                rest.find('/').map_or("/", |slash| &rest[slash..])
            });
            let written = from_path.split(['?', '#']).next().unwrap_or_default();
            let is_part = || written.len() > 1 && is_part(path, written);
            written == path || written.starts_with('/') && is_part()
        })
}

/// Whether it is the name of a check, of its own or made from a condition.
fn is_check(name: &str, literals: &[String]) -> bool {
    let is_made = |name: &str| CONDITIONS.iter().any(|begin| name.starts_with(begin));
    let is_named = || {
        let parts = name.split_once(": ");
        parts.is_some_and(|(own, rest)| is_made(rest) && is_literal(own, literals))
    };
    is_made(name) || is_literal(name, literals) || is_named()
}

/// A text of a Lua file.
struct Literal<'a> {
    text: String,
    /// The field of a table that it is the value of, if it is.
    key: Option<&'a str>,
}

impl Literal<'_> {
    /// The tag that it is the value of, if it is one.
    fn as_tag(&self) -> Option<String> {
        Some(format!("{}:{}", self.key?, self.text))
    }
}

/// The texts of a Lua file, without what is in comments.
fn literals(text: &str) -> Vec<Literal<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'', '[', '-']) {
        let (before, here) = rest.split_at(at);
        let is_comment = here.starts_with("--");
        let body = if is_comment { &here[2..] } else { here };
        let mut keep = |text: String| {
            let key = key_before(before);
            found.push(Literal { text, key });
        };
        rest = if let Some((long, after)) = long_bracket(body) {
            if !is_comment {
                keep(long.to_owned());
            }
            after
        } else if is_comment {
            body.split_once('\n').map_or("", |(_, after)| after)
        } else if here.starts_with(['"', '\'']) {
            let (literal, after) = quoted(here);
            keep(literal);
            after
        } else {
            &here[1..]
        };
    }
    found
}

/// The key at the end of what is before a value: `kind = `.
fn key_before(text: &str) -> Option<&str> {
    let name = text.trim_end().strip_suffix('=')?.trim_end();
    let start = name.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    Some(&name[start.len()..]).filter(|key| !key.is_empty())
}

/// `[[text]]` or `[==[text]==]` at the beginning, and what comes after it.
fn long_bracket(text: &str) -> Option<(&str, &str)> {
    let level = text.strip_prefix('[')?;
    let signs = level.len() - level.trim_start_matches('=').len();
    let body = level[signs..].strip_prefix('[')?;
    let end = format!("]{}]", "=".repeat(signs));
    Some(body.split_once(&end).unwrap_or((body, "")))
}

/// A text in quotes at the beginning, which ends with its line at the latest, and what comes
/// after it.
fn quoted(text: &str) -> (String, &str) {
    let mut characters = text.char_indices();
    let quote = characters.next().map_or('"', |(_, quote)| quote);
    let mut literal = String::new();
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote || c == '\n' => return (literal, &text[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => literal.push('\n'),
                Some((_, 't')) => literal.push('\t'),
                Some((_, c)) => literal.push(c),
                None => {}
            },
            c => literal.push(c),
        }
    }
    (literal, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SCRIPT: &str = r#"
-- "in a comment"
--[[ "in a long
comment" ]]
return {
  main = function(user)
    user:get("/login?x=1", { name = 'log in' })
    user:get("http://other/cart/" .. user.id)
    user:request("PUT", "/items/1")
    local reply = user:get('/')
    user:check(reply, { status = 200, contains = "Welcome" }, "home")
    user:check("it's \"good\"", true)
    user:transaction([[buy it]], function() end)
    user:get("/x", { name = "item " .. kind })
    user:count("orders", 1, { country = "de" })
    user:get("/logo", { tags = { kind = "static", ["page.area"] = area, version = 2 } })
  end,
}
"#;

    fn lines(thresholds: &[(&str, &str)]) -> Vec<String> {
        let mut profile = "[run]\nscript = \"s.lua\"\ntarget = \"builtin\"\n[[load]]\n\
            model = \"open\"\nscenarios = \"a\"\nphases = [{ rate = \"1/s\", for = \"1s\" }]\n"
            .to_owned();
        for (metric, name) in thresholds {
            let rest = match *metric {
                "latency" => "stat = \"p99\"\nis = \"< 1s\"",
                "custom" => "stat = \"count\"\nis = \"< 1\"",
                _ => "is = \"> 1%\"",
            };
            let (metric, key) = match *metric {
                "tag" => ("failures", "tag"),
                metric => (metric, "name"),
            };
            profile += &format!("[[threshold]]\nmetric = {metric:?}\n{key} = {name:?}\n{rest}\n");
        }
        let plan = config::parse(&profile, Path::new("p.toml")).expect("a profile");
        told(&plan.thresholds, &[SCRIPT])
    }

    #[test]
    fn texts_of_a_script_are_read_as_lua_does() {
        let found: Vec<String> = literals(SCRIPT).into_iter().map(|one| one.text).collect();
        let expected = [
            "/login?x=1",
            "log in",
            "http://other/cart/",
            "PUT",
            "/items/1",
        ];
        assert_eq!(found[..5], expected);
        assert!(found.contains(&"it's \"good\"".to_owned()), "{found:?}");
        assert!(found.contains(&"buy it".to_owned()), "{found:?}");
        assert!(
            !found.iter().any(|one| one.contains("comment")),
            "{found:?}"
        );
        for odd in ["\"", "'\\", "[==[", "--", "--[[", "[", "-", "a[\"b"] {
            let _ = literals(odd);
        }
    }

    #[test]
    fn names_of_the_script_are_known() {
        let known = [
            ("latency", "log in"),
            ("latency", "GET /login"),
            ("failures", "PUT /items/1"),
            ("latency", "GET /"),
            ("latency", "GET /cart/17"),
            ("latency", "item 3"),
            ("latency", "buy it"),
            ("checks", "home: status is 200"),
            ("checks", "status is 500"),
            ("checks", "it's \"good\""),
            ("custom", "orders{country=de}"),
            ("tag", "kind:static"),
            ("tag", "page.area:static"),
            ("tag", "version:2"),
        ];
        assert_eq!(lines(&known), Vec::<String>::new());
    }

    #[test]
    fn other_names_are_told_with_the_nearest() {
        let unknown = [
            ("latency", "logg in"),
            ("failures", "GET /logins"),
            ("latency", "GET /other"),
            ("checks", "cart page: status is 200"),
            ("custom", "order"),
            ("latency", "logg in"),
            ("tag", "kind:statics"),
            ("tag", "kinds:static"),
        ];
        let found = lines(&unknown);
        let parts = [
            "request or transaction of the script seems to be called \"logg in\", which a threshold \
             is on; did you mean \"log in\"?",
            "\"GET /logins\", which a threshold is on",
            "\"GET /other\", which a threshold is on",
            "no check of the script seems to be called \"cart page: status is 200\"",
            "no metric of the script seems to be called \"order\", which a threshold is on; did you \
             mean \"orders\"?",
            "no request of the script seems to have the tag \"kind:statics\", which a threshold is \
             on; did you mean \"kind:static\"?",
            "the tag \"kinds:static\", which a threshold is on; did you mean \"kind:static\"?",
        ];
        assert_eq!(found.len(), parts.len(), "{found:#?}");
        for (line, part) in found.iter().zip(parts) {
            assert!(line.contains(part), "{line:?} has no {part:?}");
        }
    }
}
