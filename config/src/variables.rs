//! Variables of a profile: `${NAME}` in its strings, where the values come from, which are secret.

use std::collections::BTreeMap;
use std::fmt;

use crate::document::quoted;
use crate::redactor::Redactor;

/// Where the value of a variable comes from; a later one takes precedence over an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VariableSource {
    /// The environment of the process.
    Environment,
    /// A file of variables.
    File,
    /// An argument of the command line, which every user of the machine can read.
    Argument,
}

/// A part of a text with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPart {
    /// Characters that stand for themselves.
    Text(String),
    /// `${NAME}` or `${NAME:-default}`.
    Variable {
        /// Letters, digits and underscores, not beginning with a digit.
        name: String,
        /// What is used when the variable is not set.
        default: Option<String>,
    },
}

impl TextPart {
    /// The parts of a text: `${NAME}` and `${NAME:-default}` are variables, `$${` is `${`.
    ///
    /// # Errors
    /// A `${` that no variable follows; says what was found and what is allowed.
    pub fn parse(text: &str) -> Result<Vec<TextPart>, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if let Some(before) = rest[..at].strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            plain.push_str(&rest[..at]);
            let inside = rest[at + 2..].split_once('}').map(|(inside, _)| inside);
            let (name, default) = match inside.and_then(|inside| inside.split_once(":-")) {
                Some((name, default)) => (Some(name), Some(default.to_owned())),
                None => (inside, None),
            };
            let Some(name) = name.filter(|name| Variables::is_name(name)) else {
                return Err(format!(
                    "found {}, expected ${{NAME}} or ${{NAME:-default}}; $${{ stands for the \
                     characters ${{",
                    quoted(&rest[at..])
                ));
            };
            if !plain.is_empty() {
                parts.push(TextPart::Text(std::mem::take(&mut plain)));
            }
            parts.push(TextPart::Variable {
                name: name.to_owned(),
                default,
            });
            rest = &rest[at + 3 + inside.map_or(0, str::len)..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(TextPart::Text(plain));
        }
        Ok(parts)
    }
}

/// The variables that a profile and its script can use.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, (VariableSource, String)>,
    /// Names of those whose values are never shown.
    secrets: Vec<String>,
    /// Other texts that are never shown, such as passwords inside of values.
    hidden: Vec<String>,
}

impl Variables {
    /// Whether a text can name a variable: letters, digits and underscores, not beginning with a
    /// digit.
    pub fn is_name(name: &str) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(fits) && name.starts_with(|c: char| !c.is_ascii_digit())
    }

    /// Sets a variable, unless it has a value from a source that takes precedence.
    pub fn set(&mut self, name: &str, value: &str, source: VariableSource) {
        let known = self.values.get(name);
        if known.is_none_or(|(from, _)| *from <= source) {
            let value = (source, value.to_owned());
            self.values.insert(name.to_owned(), value);
        }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(_, value)| value.as_str())
    }

    /// Where the value of a variable comes from.
    pub fn source(&self, name: &str) -> Option<VariableSource> {
        self.values.get(name).map(|(source, _)| *source)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = self.values.iter();
        values.map(|(name, (_, value))| (name.as_str(), value.as_str()))
    }

    /// Marks a variable as secret, with the value it has from a file of its own, if any.
    pub(crate) fn add_secret(&mut self, name: &str, value: Option<String>) {
        self.secrets.push(name.to_owned());
        if let Some(value) = value {
            let value = (VariableSource::File, value);
            self.values.insert(name.to_owned(), value);
        }
    }

    /// Has texts hidden as the values of secret variables are.
    pub(crate) fn hide(&mut self, texts: Vec<String>) {
        self.hidden.extend(texts);
    }

    /// What hides the values of the secret variables, and other texts.
    pub fn redactor(&self) -> Redactor {
        let secrets = self.secrets.iter().filter_map(|name| self.get(name));
        Redactor::new(secrets.chain(self.hidden.iter().map(String::as_str)))
    }

    /// A text with the values of its variables; `None` when it has none.
    ///
    /// # Errors
    /// A variable that is not set and has no default, or a malformed one; says what is allowed.
    pub fn expand(&self, text: &str) -> Result<Option<String>, String> {
        if !text.contains("${") {
            return Ok(None);
        }
        let mut expanded = String::new();
        for part in TextPart::parse(text)? {
            match part {
                TextPart::Text(text) => expanded.push_str(&text),
                TextPart::Variable { name, default } => {
                    let value = self.get(&name).map(str::to_owned).or(default);
                    expanded.push_str(&value.ok_or_else(|| self.missing(&name))?);
                }
            }
        }
        Ok(Some(expanded))
    }

    fn missing(&self, name: &str) -> String {
        let near = |known: &&str| strsim::damerau_levenshtein(name, known) <= name.len() / 3;
        let nearest = self
            .values
            .keys()
            .map(String::as_str)
            .filter(near)
            .min_by_key(|known| strsim::damerau_levenshtein(name, known));
        let hint = nearest.map_or(String::new(), |known| format!("; did you mean `{known}`?"));
        format!(
            "found ${{{name}}}, which is not set, expected a value with -e {name}=VALUE, in \
             --env-file or in the environment, or a default: ${{{name}:-default}}{hint}"
        )
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // values may be secret
        f.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set("HOST", "h", VariableSource::Environment);
        variables.set("EMPTY", "", VariableSource::Environment);
        variables
    }

    #[test]
    fn texts_get_the_values_of_their_variables() {
        let rows = [
            ("no variable, $5, $HOST, {x}", None),
            ("http://${HOST}:1", Some("http://h:1")),
            ("${HOST}${HOST}", Some("hh")),
            ("${PORT:-80}", Some("80")),
            ("${PORT:-}", Some("")),
            ("${EMPTY:-80}", Some("")),
            ("${HOST:-x}", Some("h")),
            ("$${HOST} ${HOST}", Some("${HOST} h")),
            ("a$${", Some("a${")),
        ];
        for (text, expected) in rows {
            let expanded = variables().expand(text).unwrap();
            assert_eq!(expanded.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn malformed_and_missing_variables_are_errors() {
        for text in ["${", "${}", "${1A}", "${A B}", "${HOST", "${:-x}", "${a.b}"] {
            let error = variables().expand(text).unwrap_err();
            assert!(error.contains("expected ${NAME} or"), "{text}: {error}");
        }
        let error = variables().expand("${HOTS}").unwrap_err();
        assert!(error.contains("-e HOTS=VALUE"), "{error}");
        assert!(error.ends_with("did you mean `HOST`?"), "{error}");
    }

    #[test]
    fn arguments_come_before_files_and_files_before_the_environment() {
        let mut variables = variables();
        variables.set("HOST", "argument", VariableSource::Argument);
        variables.set("HOST", "file", VariableSource::File);
        assert_eq!(variables.get("HOST"), Some("argument"));
        assert!(!format!("{variables:?}").contains("argument"));
    }
}
