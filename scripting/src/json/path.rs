//! Paths into JSON: `items[2].name`, `items[-1]`, `items[*].id`, `items[?price < 5].id`, `["a
//! key"]`.
//!
//! Items are counted from 1, as in Lua, and from the end with negative numbers. A path with `*` or
//! `?` matches any number of values, which are returned as a list.

use std::cmp::Ordering;

use serde_json::{Number, Value as Json};

/// Most steps of a path, and most nested paths.
const STEPS_MAX: usize = 64;
/// Maximum nesting depth of filters.
const DEPTH_MAX: usize = 4;

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    /// From 1; negative numbers count from the end.
    Item(i64),
    /// All items, or all values of an object.
    All,
    /// Those that the filter matches.
    Filtered(Filter),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    path: Path,
    /// `None`: the value must exist and must not be null or false.
    test: Option<(Operator, Json)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer operators first, so that none is mistaken for its prefix.
const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Path {
    /// Parses a path; the empty path is the whole value.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub(crate) fn read(text: &str) -> Result<Path, String> {
        let mut parser = Parser { text, at: 0 };
        let steps = parser.steps(0)?;
        if parser.at < text.len() {
            return Err(parser.expected("'.', '[' or the end"));
        }
        Ok(Path { steps })
    }

    /// Whether it can match more than one value.
    pub(crate) fn is_many(&self) -> bool {
        let many = |step: &Step| matches!(step, Step::All | Step::Filtered(_));
        self.steps.iter().any(many)
    }

    /// The values it matches, in order.
    pub(crate) fn find<'j>(&self, json: &'j Json) -> Vec<&'j Json> {
        let mut found = vec![json];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                step.follow(value, &mut next);
            }
            found = next;
        }
        found
    }
}

impl Step {
    fn follow<'j>(&self, value: &'j Json, found: &mut Vec<&'j Json>) {
        match self {
            Step::Key(key) => found.extend(value.get(key)),
            Step::Item(number) => found.extend(item(value, *number)),
            Step::All => each(value, |value| found.push(value)),
            Step::Filtered(filter) => each(value, |value| {
                if filter.holds(value) {
                    found.push(value);
                }
            }),
        }
    }
}

fn item(value: &Json, number: i64) -> Option<&Json> {
    let items = value.as_array()?;
    let distance = usize::try_from(number.unsigned_abs()).ok()?;
    let index = if number < 0 {
        items.len().checked_sub(distance)?
    } else {
        distance.checked_sub(1)?
    };
    items.get(index)
}

fn each<'j>(value: &'j Json, mut f: impl FnMut(&'j Json)) {
    match value {
        Json::Array(items) => items.iter().for_each(f),
        Json::Object(map) => map.values().for_each(&mut f),
        _ => {}
    }
}

impl Filter {
    fn holds(&self, value: &Json) -> bool {
        let found = self.path.find(value);
        let is_true = |found: &&Json| !matches!(found, Json::Null | Json::Bool(false));
        match &self.test {
            None => found.iter().any(is_true),
            Some((operator, than)) => found.iter().any(|found| operator.holds(found, than)),
        }
    }
}

impl Operator {
    fn holds(self, one: &Json, other: &Json) -> bool {
        use Ordering::{Equal, Greater, Less};
        let order = match (one, other) {
            (Json::Number(one), Json::Number(other)) => order(one, other),
            (Json::String(one), Json::String(other)) => Some(one.cmp(other)),
            _ if one == other => Some(Equal),
            _ => None,
        };
        match self {
            Operator::Equal => order == Some(Equal),
            Operator::Unequal => order != Some(Equal),
            Operator::Less => order == Some(Less),
            Operator::LessOrEqual => matches!(order, Some(Less | Equal)),
            Operator::Greater => order == Some(Greater),
            Operator::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
        }
    }
}

/// Whole numbers are compared exactly.
fn order(one: &Number, other: &Number) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (one.as_i128(), other.as_i128()) {
        return Some(one.cmp(&other));
    }
    one.as_f64()?.partial_cmp(&other.as_f64()?)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn expected(&self, what: &str) -> String {
        let text = self.text;
        let found = self.rest().chars().next();
        let found = found.map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
        format!(
            "the path {text:?}: expected {what}, not {found}, at {}",
            self.at + 1
        )
    }

    fn eat(&mut self, text: &str) -> bool {
        let fits = self.rest().starts_with(text);
        if fits {
            self.at += text.len();
        }
        fits
    }

    fn spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn steps(&mut self, depth: usize) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        if !self.rest().is_empty() && !self.rest().starts_with('[') {
            steps.push(self.key(depth)?);
        }
        loop {
            if steps.len() > STEPS_MAX {
                return Err(format!("the path has more than {STEPS_MAX} steps"));
            }
            if self.eat(".") {
                steps.push(self.key(depth)?);
            } else if self.eat("[") {
                self.spaces();
                steps.push(self.bracket(depth)?);
                self.spaces();
                if !self.eat("]") {
                    return Err(self.expected("']'"));
                }
            } else {
                return Ok(steps);
            }
        }
    }

    fn key(&mut self, depth: usize) -> Result<Step, String> {
        if self.eat("*") {
            return Ok(Step::All);
        }
        let ends = |c: char| {
            let in_filter = depth > 0 && (c.is_whitespace() || "=!<>".contains(c));
            matches!(c, '.' | '[' | ']') || in_filter
        };
        let length = self.rest().find(ends).unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.expected("a key"));
        }
        let key = self.rest()[..length].to_owned();
        self.at += length;
        Ok(Step::Key(key))
    }

    fn bracket(&mut self, depth: usize) -> Result<Step, String> {
        match self.rest().bytes().next() {
            Some(b'*') => {
                self.at += 1;
                Ok(Step::All)
            }
            Some(b'"' | b'\'') => Ok(Step::Key(self.quoted()?)),
            Some(b'?') if depth < DEPTH_MAX => {
                self.at += 1;
                self.filter(depth + 1).map(Step::Filtered)
            }
            Some(b'?') => Err(self.expected("no nested filter at this depth")),
            _ => {
                let number = self.number();
                match number.and_then(|text| text.parse().ok()) {
                    Some(0) => Err(format!(
                        "the path {:?}: items are counted from 1, or from -1 backwards",
                        self.text
                    )),
                    Some(number) => {
                        self.at += number_length(self.rest());
                        Ok(Step::Item(number))
                    }
                    None => Err(self.expected("a number, '*', '?' or a quoted key")),
                }
            }
        }
    }

    fn number(&self) -> Option<&'t str> {
        let length = number_length(self.rest());
        (length > 0).then(|| &self.rest()[..length])
    }

    /// A quoted string; a backslash escapes the next character.
    fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map(|(_, quote)| quote);
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in chars {
            if escaped {
                text.push(c);
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if Some(c) == quote {
                self.at += at + c.len_utf8();
                return Ok(text);
            } else {
                text.push(c);
            }
        }
        self.at = self.text.len();
        Err(self.expected("a closing quote"))
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, String> {
        self.spaces();
        let steps = if self.eat("@") && self.rest().starts_with('.') {
            self.at += 1;
            self.steps(depth)?
        } else if self.rest().starts_with(['=', '!', '<', '>', ']', ' ']) {
            Vec::new()
        } else {
            self.steps(depth)?
        };
        self.spaces();
        let path = Path { steps };
        let known = OPERATORS
            .iter()
            .find(|(sign, _)| self.rest().starts_with(sign));
        let Some((sign, operator)) = known else {
            return Ok(Filter { path, test: None });
        };
        self.at += sign.len();
        self.spaces();
        let than = self.literal()?;
        Ok(Filter {
            path,
            test: Some((*operator, than)),
        })
    }

    fn literal(&mut self) -> Result<Json, String> {
        if self.rest().starts_with(['"', '\'']) {
            return self.quoted().map(Json::String);
        }
        let words = [
            ("true", Json::Bool(true)),
            ("false", Json::Bool(false)),
            ("null", Json::Null),
        ];
        for (word, value) in words {
            if self.eat(word) {
                return Ok(value);
            }
        }
        let parsed = self.number().and_then(|text| {
            let whole = text.parse().ok().and_then(Number::from_i128);
            whole.or_else(|| Number::from_f64(text.parse().ok()?))
        });
        match parsed {
            Some(number) => {
                self.at += number_length(self.rest());
                Ok(Json::Number(number))
            }
            None => Err(self.expected("a number, a quoted text, true, false or null")),
        }
    }
}

fn number_length(text: &str) -> usize {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let json = serde_json::json!({
            "a": {"b": [1, {"c": "x"}, [7, 8]]}, "n": null, "a.b": 3, "it's": 4,
            "items": [
                {"id": 1, "price": 2.5, "tag": {"name": "new"}, "on": true},
                {"id": 2, "price": 9, "on": false},
                {"id": 3, "price": 5, "tag": {"name": "old"}},
            ],
        });
        let rows = [
            ("a.b[1]", "1"),
            ("a.b[2].c", "\"x\""),
            ("a.b[3][2]", "8"),
            ("a.b[-1][-2]", "7"),
            ("a['b'][1]", "1"),
            ("[\"a.b\"]", "3"),
            ("['it\\'s']", "4"),
            ("n", "null"),
            ("a.b[4]", ""),
            ("a.b[-4]", ""),
            ("a.c", ""),
            ("a.b.c", ""),
            ("a[1]", ""),
            ("items[*].id", "1 2 3"),
            ("items.*.id", "1 2 3"),
            ("items[*].tag.*", "\"new\" \"old\""),
            ("items[?id == 2].price", "9"),
            ("items[?price<=5].id", "1 3"),
            ("items[?@.price > 2.5].id", "2 3"),
            ("items[?price != 9].id", "1 3"),
            ("items[?tag.name == 'new'].id", "1"),
            ("items[?tag.name >= \"o\"].id", "3"),
            ("items[?tag].id", "1 3"),
            ("items[?on].id", "1"),
            ("items[?on == false].id", "2"),
            ("a.b[?@ == 1]", "1"),
            ("items[?id > 'x']", ""),
        ];
        for (path, expected) in rows {
            let read = Path::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let found: Vec<String> = read.find(&json).into_iter().map(Json::to_string).collect();
            assert_eq!(found.join(" "), expected, "{path}");
        }
        let list = serde_json::json!([5, 6]);
        let second = Path::read("[2]").map(|path| path.find(&list) == [&Json::from(6)]);
        assert_eq!(second, Ok(true));
        assert_eq!(
            Path::read("").map(|path| path.find(&list) == [&list]),
            Ok(true)
        );
    }

    #[test]
    fn wrong_paths_say_where() {
        let rows = [
            (
                "a.b[x]",
                "expected a number, '*', '?' or a quoted key, not 'x', at 5",
            ),
            ("a.b[1", "expected ']', not the end, at 6"),
            ("a..b", "expected a key, not '.', at 3"),
            (".a", "expected a key, not '.', at 1"),
            ("a.", "expected a key, not the end, at 3"),
            ("a]", "expected '.', '[' or the end, not ']', at 2"),
            ("a[0]", "items are counted from 1, or from -1 backwards"),
            ("a['b]", "expected a closing quote, not the end, at 6"),
            (
                "a[?b == ]",
                "expected a number, a quoted text, true, false or null, not ']', at 9",
            ),
            ("a[?b = 1]", "expected ']', not '=', at 6"),
            ("a[1]b", "expected '.', '[' or the end, not 'b', at 5"),
        ];
        for (path, expected) in rows {
            let error = Path::read(path).expect_err(path);
            assert!(error.contains(expected), "{path}: {error}");
        }
        let deep = "a[?".repeat(9) + "b" + &"]".repeat(9);
        assert!(Path::read(&deep).is_err());
        assert!(Path::read(&"a.".repeat(99)).is_err());
    }
}
