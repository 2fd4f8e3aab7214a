//! The functions of XPath 1.0.

use std::borrow::Cow;
use std::collections::HashMap;

use super::axes::{Place, Search};
use super::evaluate::{Context, Value, truth};
use super::expression::{Expr, Function};

impl<'d> Search<'d> {
    pub(super) fn call(
        &self,
        function: Function,
        arguments: &[Expr],
        context: Context,
    ) -> Result<Value<'d>, String> {
        let value = |index: usize| match arguments.get(index) {
            Some(argument) => self.value(argument, context),
            None => Ok(Value::Nodes(vec![context.at])),
        };
        let text = |index: usize| self.argument_text(arguments, index, context);
        let number = |index: usize| self.number(&value(index)?);
        Ok(match function {
            Function::True => Value::Truth(true),
            Function::False => Value::Truth(false),
            Function::Not => Value::Truth(!truth(&value(0)?)),
            Function::Boolean => Value::Truth(truth(&value(0)?)),
            Function::Position => Value::Number(context.position as f64),
            Function::Last => Value::Number(context.size as f64),
            Function::Count => Value::Number(self.nodes(value(0)?)?.len() as f64),
            Function::Sum => self.sum(&self.nodes(value(0)?)?)?,
            Function::Number => Value::Number(number(0)?),
            Function::Floor => Value::Number(number(0)?.floor()),
            Function::Ceiling => Value::Number(number(0)?.ceil()),
            Function::Round => Value::Number((number(0)? + 0.5).floor()),
            Function::LocalName | Function::Name | Function::NamespaceUri => {
                let first = self.nodes(value(0)?)?.first().copied();
                Value::Text(first.map_or(Cow::Borrowed(""), |at| self.name_of(function, at)))
            }
            Function::String => Value::Text(text(0)?),
            Function::StringLength => Value::Number(text(0)?.chars().count() as f64),
            Function::Contains => Value::Truth(text(0)?.contains(&*text(1)?)),
            Function::StartsWith => Value::Truth(text(0)?.starts_with(&*text(1)?)),
            _ => Value::Text(Cow::Owned(self.composed(function, arguments, context)?)),
        })
    }

    /// The functions that put texts together.
    fn composed(
        &self,
        function: Function,
        arguments: &[Expr],
        context: Context,
    ) -> Result<String, String> {
        let text = |index: usize| self.argument_text(arguments, index, context);
        let number = |index: usize| match arguments.get(index) {
            Some(argument) => self.number(&self.value(argument, context)?),
            None => Ok(f64::NAN),
        };
        Ok(match function {
            Function::NormalizeSpace => {
                let text = text(0)?;
                self.budget.copy(text.len())?;
                let words: Vec<&str> = text.split_ascii_whitespace().collect();
                words.join(" ")
            }
            Function::Concat => {
                let mut all = String::new();
                for index in 0..arguments.len() {
                    let part = text(index)?;
                    self.budget.copy(part.len())?;
                    all.push_str(&part);
                }
                all
            }
            Function::SubstringBefore | Function::SubstringAfter => {
                let (text, mark) = (text(0)?, text(1)?);
                let parts = text.split_once(&*mark);
                let part = parts.map_or("", |(before, after)| match function {
                    Function::SubstringBefore => before,
                    _ => after,
                });
                self.budget.copy(part.len())?;
                part.to_owned()
            }
            Function::Substring => {
                let (from, text) = (number(1)?, text(0)?);
                let is_limited = arguments.len() > 2;
                let length = if is_limited {
                    number(2)?
                } else {
                    f64::INFINITY
                };
                self.budget.copy(text.len())?;
                substring(&text, from, length)
            }
            Function::Translate => {
                let (text, from, to) = (text(0)?, text(1)?, text(2)?);
                self.budget.copy(text.len() + from.len())?;
                translate(&text, &from, &to)
            }
            // the others are no texts
            _ => String::new(),
        })
    }

    /// The text of an argument, or of the context where there is none.
    fn argument_text(
        &self,
        arguments: &[Expr],
        index: usize,
        context: Context,
    ) -> Result<Cow<'d, str>, String> {
        let text = match arguments.get(index) {
            Some(argument) => self.string(&self.value(argument, context)?)?,
            None => self.text(context.at)?,
        };
        self.budget.spend(text.len() / 16)?;
        Ok(text)
    }

    fn sum(&self, nodes: &[Place]) -> Result<Value<'d>, String> {
        let mut sum = 0.0;
        for at in nodes {
            sum += super::evaluate::number(&self.text(*at)?);
        }
        Ok(Value::Number(sum))
    }

    fn name_of(&self, function: Function, at: Place) -> Cow<'d, str> {
        let node = self.node(at);
        let (space, local) = match self.attribute(at) {
            Some(attribute) => (attribute.namespace(), attribute.name()),
            None => match node.pi() {
                Some(instruction) => (None, instruction.target),
                None => (node.tag_name().namespace(), node.tag_name().name()),
            },
        };
        let prefix = || space.and_then(|space| node.lookup_prefix(space));
        match function {
            Function::NamespaceUri => Cow::Borrowed(space.unwrap_or_default()),
            Function::Name => match prefix().filter(|prefix| !prefix.is_empty()) {
                Some(prefix) => Cow::Owned(format!("{prefix}:{local}")),
                None => Cow::Borrowed(local),
            },
            _ => Cow::Borrowed(local),
        }
    }
}

/// Characters from a position, counted from 1; both numbers are rounded.
fn substring(text: &str, from: f64, length: f64) -> String {
    let round = |number: f64| (number + 0.5).floor();
    let (first, end) = (round(from), round(from) + round(length));
    let characters = text.chars().zip(1_u32..);
    let within = characters.filter(|(_, position)| {
        let position = f64::from(*position);
        position >= first && position < end
    });
    within.map(|(character, _)| character).collect()
}

/// Replaces each character of `from` by the one of `to` at its position, or removes it.
fn translate(text: &str, from: &str, to: &str) -> String {
    let mut replacements = HashMap::new();
    let mut to = to.chars();
    for character in from.chars() {
        let replacement = to.next();
        replacements.entry(character).or_insert(replacement);
    }
    let replaced = |character| {
        replacements
            .get(&character)
            .copied()
            .unwrap_or(Some(character))
    };
    text.chars().filter_map(replaced).collect()
}
