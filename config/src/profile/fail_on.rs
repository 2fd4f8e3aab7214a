//! The rules that fail a run: `run.fail_on`, and the same as words on the command line.

use toml::de::DeValue;

use super::fields::{self, wrong};
use crate::document::{Diagnostics, Value, quoted};
use crate::nearest::nearest;
use stats::threshold::FailOn;

/// Rules that fail a run, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailOnRules(pub Vec<FailOn>);

impl std::str::FromStr for FailOnRules {
    type Err = String;

    /// Words separated by commas, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        if text.trim() != "none" {
            for word in text.split(',') {
                add(&mut rules, named(word.trim())?);
            }
        }
        Ok(FailOnRules(rules))
    }
}

/// A list of words; an empty one is no rule at all.
pub(super) fn read(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Vec<FailOn>> {
    const PATH: &str = "run.fail_on";
    let DeValue::Array(items) = value.get_ref() else {
        let allowed = format!("a list of words ({}), or [] for none", words().join(", "));
        return wrong(errors, value, PATH, allowed);
    };
    let mut rules = Vec::new();
    let mut complete = true;
    for item in items.iter() {
        let allowed = format!("one of {}", words().join(", "));
        match fields::text(item, PATH, &allowed, errors).map(named) {
            Some(Ok(rule)) => add(&mut rules, rule),
            Some(Err(message)) => {
                errors.found(item.span(), format!("{message} (`{PATH}`)"));
                complete = false;
            }
            None => complete = false,
        }
    }
    complete.then_some(rules)
}

fn add(rules: &mut Vec<FailOn>, rule: FailOn) {
    if !rules.contains(&rule) {
        rules.push(rule);
    }
}

fn words() -> Vec<&'static str> {
    FailOn::ALL.iter().map(|rule| rule.as_str()).collect()
}

fn named(word: &str) -> Result<FailOn, String> {
    FailOn::named(word).ok_or_else(|| {
        let found = quoted(word);
        match nearest(word, &words()) {
            Some(known) => format!("found {found}; did you mean \"{known}\"?"),
            None => format!("found {found}, expected one of {}", words().join(", ")),
        }
    })
}
