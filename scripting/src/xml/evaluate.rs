//! Evaluates expressions on a document.

use std::borrow::Cow;
use std::cmp::Ordering;

use roxmltree::{Attribute, Node};

use super::Document;
use super::axes::{Place, Search};
use super::budget::Budget;
use super::expression::{Axis, Expr, Expression, Operator, Space, Step, Test};

/// The result of an expression; nodes by their texts, in the order of the document.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    Nodes(Vec<String>),
    Text(String),
    Number(f64),
    Truth(bool),
}

/// Evaluates an expression at the root; of several nodes only the first counts unless `all`.
///
/// # Errors
///
/// The limit that it exceeds, or a value that is no set of nodes where one is needed.
pub(crate) fn evaluate(
    document: &Document,
    expression: &Expression,
    all: bool,
) -> Result<Found, String> {
    let search = Search {
        tree: document.tree(),
        budget: Budget::new(),
    };
    let root = Context {
        at: search.root(),
        position: 1,
        size: 1,
    };
    Ok(match search.value(&expression.0, root)? {
        Value::Nodes(nodes) => {
            let wanted = if all { nodes.len() } else { 1 };
            let texts = nodes.into_iter().take(wanted);
            let texts = texts.map(|at| search.text(at).map(Cow::into_owned));
            Found::Nodes(texts.collect::<Result<_, _>>()?)
        }
        Value::Text(text) => Found::Text(text.into_owned()),
        Value::Number(number) => Found::Number(number),
        Value::Truth(truth) => Found::Truth(truth),
    })
}

pub(super) enum Value<'d> {
    /// Sorted, each once.
    Nodes(Vec<Place>),
    Text(Cow<'d, str>),
    Number(f64),
    Truth(bool),
}

#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) at: Place,
    /// From 1.
    pub(super) position: usize,
    pub(super) size: usize,
}

impl<'d> Search<'d> {
    pub(super) fn value(&self, expr: &Expr, context: Context) -> Result<Value<'d>, String> {
        self.budget.spend(1)?;
        Ok(match expr {
            Expr::Text(text) => {
                self.budget.copy(text.len())?;
                Value::Text(Cow::Owned(text.clone()))
            }
            Expr::Number(number) => Value::Number(*number),
            Expr::Negate(inner) => Value::Number(-self.number(&self.value(inner, context)?)?),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right, context)?,
            Expr::Call(function, arguments) => self.call(*function, arguments, context)?,
            Expr::Path { is_absolute, steps } => {
                let start = if *is_absolute {
                    self.root()
                } else {
                    context.at
                };
                Value::Nodes(self.steps(steps, vec![start])?)
            }
            Expr::Filter {
                of,
                predicates,
                steps,
            } => {
                let mut nodes = self.nodes(self.value(of, context)?)?;
                for predicate in predicates {
                    nodes = self.filter(nodes, predicate)?;
                }
                Value::Nodes(self.steps(steps, nodes)?)
            }
        })
    }

    /// # Errors
    ///
    /// The value is no set of nodes.
    pub(super) fn nodes(&self, value: Value<'d>) -> Result<Vec<Place>, String> {
        let kind = match value {
            Value::Nodes(nodes) => return Ok(nodes),
            Value::Text(_) => "a text",
            Value::Number(_) => "a number",
            Value::Truth(_) => "true or false",
        };
        Err(format!("the expression needs nodes where it has {kind}"))
    }

    /// Whether a step leads to a node with this text: most predicates are of this kind.
    fn has(&self, step: &Step, from: Place, text: &str) -> Result<bool, String> {
        if let (Axis::Attribute, Test::Name(Space::Any, Some(name))) = (step.axis, &step.test)
            && from.attribute == 0
        {
            let own = self.node(from).attributes();
            self.budget.spend(own.len())?;
            // There is one of a name at most.
            let named = |one: &Attribute<'_, '_>| one.namespace().is_none() && one.name() == name;
            let Some(value) = own.into_iter().find(named).map(|one| one.value()) else {
                return Ok(false);
            };
            self.budget.spend(weight_of(value))?;
            return Ok(value == text);
        }
        let mut found = Vec::new();
        self.walk(step, from, &mut found)?;
        for at in found {
            let other = self.text(at)?;
            self.budget.spend(other.weight())?;
            if other == text {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn steps(&self, steps: &[Step], mut nodes: Vec<Place>) -> Result<Vec<Place>, String> {
        let mut found: Vec<Place> = Vec::new();
        for step in steps {
            let mut all: Vec<Place> = Vec::new();
            for from in nodes {
                if step.predicates.is_empty() {
                    self.walk(step, from, &mut all)?;
                    continue;
                }
                self.walk(step, from, &mut found)?;
                for predicate in &step.predicates {
                    found = self.filter(found, predicate)?;
                }
                all.append(&mut found);
            }
            if !all.is_sorted_by(|one, next| one < next) {
                self.budget.spend(all.len() * 4)?;
                all.sort_unstable();
                all.dedup();
            }
            nodes = all;
        }
        Ok(nodes)
    }

    fn filter(&self, nodes: Vec<Place>, predicate: &Expr) -> Result<Vec<Place>, String> {
        if let Expr::Number(position) = predicate {
            let index =
                (*position >= 1.0 && position.fract() == 0.0).then(|| *position as usize - 1);
            return Ok(index
                .and_then(|index| nodes.get(index))
                .copied()
                .into_iter()
                .collect());
        }
        let size = nodes.len();
        let mut kept = Vec::new();
        for (index, at) in nodes.into_iter().enumerate() {
            let position = index + 1;
            let context = Context { at, position, size };
            let holds = match self.value(predicate, context)? {
                Value::Number(number) => number == position as f64,
                other => truth(&other),
            };
            if holds {
                kept.push(at);
            }
        }
        Ok(kept)
    }

    fn binary(
        &self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        context: Context,
    ) -> Result<Value<'d>, String> {
        if let (
            Operator::Equal,
            Expr::Path {
                is_absolute: false,
                steps,
            },
            Expr::Text(text),
        ) = (operator, left, right)
            && let [step] = &steps[..]
            && step.predicates.is_empty()
        {
            return self.has(step, context.at, text).map(Value::Truth);
        }
        let left = self.value(left, context)?;
        if let Operator::Or | Operator::And = operator {
            let decided = truth(&left) == (operator == Operator::Or);
            let truth = if decided {
                truth(&left)
            } else {
                truth(&self.value(right, context)?)
            };
            return Ok(Value::Truth(truth));
        }
        let right = self.value(right, context)?;
        if operator == Operator::Union {
            let mut nodes = self.nodes(left)?;
            nodes.append(&mut self.nodes(right)?);
            self.budget.spend(nodes.len() * 4)?;
            nodes.sort_unstable();
            nodes.dedup();
            return Ok(Value::Nodes(nodes));
        }
        let arithmetic: fn(f64, f64) -> f64 = match operator {
            Operator::Plus => |a, b| a + b,
            Operator::Minus => |a, b| a - b,
            Operator::Times => |a, b| a * b,
            Operator::Divide => |a, b| a / b,
            Operator::Modulo => |a, b| a % b,
            _ => return self.compare(operator, &left, &right).map(Value::Truth),
        };
        Ok(Value::Number(arithmetic(
            self.number(&left)?,
            self.number(&right)?,
        )))
    }

    /// A set of nodes compares as any of its nodes.
    fn compare(
        &self,
        operator: Operator,
        left: &Value<'d>,
        right: &Value<'d>,
    ) -> Result<bool, String> {
        let is_truth = |value: &Value<'_>| matches!(value, Value::Truth(_));
        if is_truth(left) || is_truth(right) {
            let (left, right) = (truth(left), truth(right));
            return Ok(match operator {
                Operator::Equal => left == right,
                Operator::Unequal => left != right,
                _ => holds(operator, f64::from(left).partial_cmp(&f64::from(right))),
            });
        }
        let is_number = |value: &Value<'_>| matches!(value, Value::Number(_));
        let by_text = matches!(operator, Operator::Equal | Operator::Unequal)
            && !is_number(left)
            && !is_number(right);
        if by_text {
            let (left, right) = (self.texts(left)?, self.texts(right)?);
            return self.any(&left, &right, |one, other| {
                (one == other) == (operator == Operator::Equal)
            });
        }
        let numbers = |value: &Value<'d>| -> Result<Vec<f64>, String> {
            match value {
                Value::Nodes(_) => Ok(self.texts(value)?.iter().map(|text| number(text)).collect()),
                other => Ok(vec![self.number(other)?]),
            }
        };
        let (left, right) = (numbers(left)?, numbers(right)?);
        self.any(&left, &right, |one, other| {
            holds(operator, one.partial_cmp(other))
        })
    }

    fn texts(&self, value: &Value<'d>) -> Result<Vec<Cow<'d, str>>, String> {
        match value {
            Value::Nodes(nodes) => nodes.iter().map(|at| self.text(*at)).collect(),
            other => Ok(vec![self.string(other)?]),
        }
    }

    fn any<T: Weight>(
        &self,
        left: &[T],
        right: &[T],
        fits: impl Fn(&T, &T) -> bool,
    ) -> Result<bool, String> {
        for one in left {
            for other in right {
                self.budget.spend(one.weight().min(other.weight()))?;
                if fits(one, other) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The text of a node: that of all texts below it.
    pub(super) fn text(&self, at: Place) -> Result<Cow<'d, str>, String> {
        if at.attribute > 0 {
            let value = self.attribute(at).map_or("", |attribute| attribute.value());
            return Ok(Cow::Borrowed(value));
        }
        let node = self.node(at);
        if let Some(instruction) = node.pi() {
            return Ok(Cow::Borrowed(instruction.value.unwrap_or_default()));
        }
        if !(node.is_element() || node.is_root()) {
            return Ok(Cow::Borrowed(node.text().unwrap_or_default()));
        }
        let first = node.first_child();
        if let Some(only) = first.filter(|child| child.is_text() && !child.has_siblings()) {
            return Ok(Cow::Borrowed(only.text().unwrap_or_default()));
        }
        self.budget.spend(node.descendants().len())?;
        let mut text = String::new();
        for part in node.descendants().filter(Node::is_text) {
            let part = part.text().unwrap_or_default();
            self.budget.copy(part.len())?;
            text.push_str(part);
        }
        Ok(Cow::Owned(text))
    }

    pub(super) fn string(&self, value: &Value<'d>) -> Result<Cow<'d, str>, String> {
        match value {
            Value::Nodes(nodes) => match nodes.first() {
                Some(first) => self.text(*first),
                None => Ok(Cow::Borrowed("")),
            },
            Value::Text(text) => {
                self.budget.copy(text.len())?;
                Ok(text.clone())
            }
            Value::Number(number) => Ok(Cow::Owned(written(*number))),
            Value::Truth(truth) => Ok(Cow::Borrowed(if *truth { "true" } else { "false" })),
        }
    }

    pub(super) fn number(&self, value: &Value<'d>) -> Result<f64, String> {
        match value {
            Value::Number(number) => Ok(*number),
            Value::Truth(truth) => Ok(f64::from(*truth)),
            other => Ok(number(&self.string(other)?)),
        }
    }
}

/// What a comparison costs at most.
trait Weight {
    fn weight(&self) -> usize;
}

impl Weight for Cow<'_, str> {
    fn weight(&self) -> usize {
        weight_of(self)
    }
}

impl Weight for f64 {
    fn weight(&self) -> usize {
        1
    }
}

fn weight_of(text: &str) -> usize {
    1 + text.len() / 64
}

pub(super) fn truth(value: &Value<'_>) -> bool {
    match value {
        Value::Nodes(nodes) => !nodes.is_empty(),
        Value::Text(text) => !text.is_empty(),
        Value::Number(number) => *number != 0.0 && !number.is_nan(),
        Value::Truth(truth) => *truth,
    }
}

/// A number as XPath reads it: digits with at most one point and one minus, or NaN.
pub(super) fn number(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

/// A number as XPath writes it.
fn written(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    if number == 0.0 {
        "0".to_owned()
    } else {
        number.to_string()
    }
}

fn holds(operator: Operator, order: Option<Ordering>) -> bool {
    match (operator, order) {
        (Operator::Unequal, None) => true,
        (_, None) => false,
        (Operator::Equal, Some(order)) => order.is_eq(),
        (Operator::Unequal, Some(order)) => order.is_ne(),
        (Operator::Less, Some(order)) => order.is_lt(),
        (Operator::AtMost, Some(order)) => order.is_le(),
        (Operator::More, Some(order)) => order.is_gt(),
        (_, Some(order)) => order.is_ge(),
    }
}
