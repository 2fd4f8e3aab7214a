//! Reads XPath 1.0 expressions, all but variables, `id()`, `lang()` and the axis of namespaces.

use super::expression::{AXES, Axis, Expr, Expression, FUNCTIONS, Operator, Space, Step, Test};
use crate::text::unknown;

/// Most parts of an expression, which bounds how long evaluating it recurs.
const PARTS_MAX: usize = 200;
/// How deep parentheses, predicates and arguments may nest.
const DEPTH_MAX: usize = 32;

/// Operators from the loosest to the tightest level; of two with one start, the longer first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[("=", Operator::Equal), ("!=", Operator::Unequal)],
    &[
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::More),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[
        ("*", Operator::Times),
        ("div", Operator::Divide),
        ("mod", Operator::Modulo),
    ],
];

impl Expression {
    /// Compiles a text. `namespaces` are URIs by prefix; without any, a prefix is what the document
    /// binds it to.
    ///
    /// # Errors
    ///
    /// What was expected where.
    pub(crate) fn read(text: &str, namespaces: &[(String, String)]) -> Result<Expression> {
        let mut parser = Parser {
            text,
            at: 0,
            parts: 0,
            depth: 0,
            namespaces,
        };
        let read = parser.expression()?;
        if parser.rest().is_empty() {
            Ok(Expression(read))
        } else {
            Err(parser.expected("an operator or the end"))
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// How many parts were read.
    parts: usize,
    /// Expressions that are open.
    depth: usize,
    namespaces: &'t [(String, String)],
}

type Result<T> = std::result::Result<T, String>;

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}')
}

impl<'t> Parser<'t> {
    /// What is left, without blanks before it.
    fn rest(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn expected(&mut self, what: &str) -> String {
        let found = match self.rest().chars().next() {
            Some(c) => format!("{c:?}"),
            None => "the end".to_owned(),
        };
        let at = self.text[..self.at].chars().count() + 1;
        format!(
            "the expression {:?}: expected {what}, not {found}, at {at}",
            self.text
        )
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn demand(&mut self, sign: &str) -> Result<()> {
        if self.eat(sign) {
            Ok(())
        } else {
            Err(self.expected(&format!("'{sign}'")))
        }
    }

    fn count_part(&mut self) -> Result<()> {
        self.parts += 1;
        if self.parts <= PARTS_MAX {
            return Ok(());
        }
        Err(format!("the expression has more than {PARTS_MAX} parts"))
    }

    /// A name without a colon.
    fn name(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        if !(first.is_alphabetic() || first == '_') {
            return None;
        }
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        self.at += length;
        Some(&rest[..length])
    }

    fn expression(&mut self) -> Result<Expr> {
        self.count_part()?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!(
                "the expression nests deeper than {DEPTH_MAX} levels"
            ));
        }
        let read = self.level(0)?;
        self.depth -= 1;
        Ok(read)
    }

    fn level(&mut self, level: usize) -> Result<Expr> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = self.operator(operators) {
            self.count_part()?;
            let right = self.level(level + 1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operator(&mut self, known: &[(&str, Operator)]) -> Option<Operator> {
        let rest = self.rest();
        let (sign, operator) = known.iter().find(|(sign, _)| {
            let is_word = sign.starts_with(char::is_alphabetic);
            rest.strip_prefix(sign)
                .is_some_and(|after| !(is_word && after.starts_with(is_name)))
        })?;
        self.at += sign.len();
        Some(*operator)
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.eat("-") {
            self.count_part()?;
            return Ok(Expr::Negate(Box::new(self.unary()?)));
        }
        let mut left = self.path()?;
        while self.eat("|") {
            self.count_part()?;
            let right = self.path()?;
            left = Expr::Binary(Operator::Union, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    /// A location path, or a value with predicates and steps behind it.
    fn path(&mut self) -> Result<Expr> {
        self.count_part()?;
        let Some(of) = self.primary()? else {
            return self.location();
        };
        let predicates = self.predicates()?;
        let mut steps = Vec::new();
        self.more_steps(&mut steps)?;
        if predicates.is_empty() && steps.is_empty() {
            return Ok(of);
        }
        Ok(Expr::Filter {
            of: Box::new(of),
            predicates,
            steps,
        })
    }

    /// A value that is no location path.
    fn primary(&mut self) -> Result<Option<Expr>> {
        let rest = self.rest();
        let first = rest.chars().next();
        match first {
            Some('(') => {
                self.at += 1;
                let inner = self.expression()?;
                self.demand(")")?;
                Ok(Some(inner))
            }
            Some('"' | '\'') => Ok(Some(Expr::Text(self.quoted()?))),
            Some('$') => Err(self.expected("no variable: write the value into the expression")),
            Some('0'..='9') => Ok(Some(self.number())),
            Some('.') if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(Some(self.number()))
            }
            _ => self.call(),
        }
    }

    fn quoted(&mut self) -> Result<String> {
        let rest = self.rest();
        let (quote, content) = rest.split_at(1);
        match content.find(quote) {
            Some(length) => {
                self.at += length + 2;
                Ok(content[..length].to_owned())
            }
            None => {
                self.at = self.text.len();
                Err(self.expected("a closing quote"))
            }
        }
    }

    fn number(&mut self) -> Expr {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'));
        let length = length.unwrap_or(rest.len());
        self.at += length;
        Expr::Number(rest[..length].parse().unwrap_or(f64::NAN))
    }

    /// A function call, unless this is a step.
    fn call(&mut self) -> Result<Option<Expr>> {
        let start = self.at;
        let name = self.name();
        let is_test = matches!(
            name,
            None | Some("node" | "text" | "comment" | "processing-instruction")
        );
        let Some(name) = name.filter(|_| !is_test && self.rest().starts_with('(')) else {
            self.at = start;
            return Ok(None);
        };
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name)
        else {
            let known = FUNCTIONS.map(|(known, ..)| known);
            let message = unknown("function", name, &known);
            return Err(format!("the expression {:?}: {message}", self.text));
        };
        self.at += 1;
        let mut arguments = Vec::new();
        while !self.eat(")") {
            if !arguments.is_empty() {
                self.demand(",")?;
            }
            arguments.push(self.expression()?);
        }
        if (*least..=*most).contains(&arguments.len()) {
            return Ok(Some(Expr::Call(*function, arguments)));
        }
        let (found, wanted) = (
            arguments.len(),
            if arguments.len() < *least {
                least
            } else {
                most
            },
        );
        Err(format!(
            "the expression {:?}: {name}() has {found} arguments, not {wanted}",
            self.text
        ))
    }

    fn location(&mut self) -> Result<Expr> {
        let mut steps = Vec::new();
        let is_absolute = self.rest().starts_with('/');
        if !is_absolute {
            steps.push(self.step()?);
        } else if !self.rest().starts_with("//") {
            self.at += 1;
            let next = self.rest().chars().next();
            let begins_step = |c: char| is_name(c) || matches!(c, '*' | '@' | '.');
            if next.is_some_and(begins_step) {
                steps.push(self.step()?);
            }
        }
        self.more_steps(&mut steps)?;
        Ok(Expr::Path { is_absolute, steps })
    }

    fn more_steps(&mut self, steps: &mut Vec<Step>) -> Result<()> {
        loop {
            if self.eat("//") {
                let step = self.step()?;
                // `//a` is `descendant::a`, unless a position counts.
                if step.axis == Axis::Child && step.predicates.is_empty() {
                    let axis = Axis::Descendant;
                    steps.push(Step { axis, ..step });
                    continue;
                }
                steps.push(Step {
                    axis: Axis::DescendantOrSelf,
                    test: Test::Node,
                    predicates: Vec::new(),
                });
                steps.push(step);
            } else if self.eat("/") {
                steps.push(self.step()?);
            } else {
                return Ok(());
            }
        }
    }

    fn step(&mut self) -> Result<Step> {
        self.count_part()?;
        for (sign, axis) in [("..", Axis::Parent), (".", Axis::Own)] {
            if self.eat(sign) {
                return Ok(Step {
                    axis,
                    test: Test::Node,
                    predicates: Vec::new(),
                });
            }
        }
        let axis = self.axis()?;
        let test = self.test()?;
        let predicates = self.predicates()?;
        Ok(Step {
            axis,
            test,
            predicates,
        })
    }

    fn axis(&mut self) -> Result<Axis> {
        if self.eat("@") {
            return Ok(Axis::Attribute);
        }
        let start = self.at;
        if let Some(name) = self.name()
            && self.eat("::")
        {
            let known = AXES.iter().find(|(known, _)| *known == name);
            return known.map(|(_, axis)| *axis).ok_or_else(|| {
                let message = unknown("axis", name, &AXES.map(|(known, _)| known));
                format!("the expression {:?}: {message}", self.text)
            });
        }
        self.at = start;
        Ok(Axis::Child)
    }

    fn test(&mut self) -> Result<Test> {
        if self.eat("*") {
            return Ok(Test::Name(Space::Any, None));
        }
        let Some(name) = self.name() else {
            return Err(self.expected("a step"));
        };
        if self.eat("(") {
            let test = match name {
                "node" => Test::Node,
                "text" => Test::Text,
                "comment" => Test::Comment,
                "processing-instruction" if self.rest().starts_with(['"', '\'']) => {
                    Test::Instruction(Some(self.quoted()?))
                }
                "processing-instruction" => Test::Instruction(None),
                _ => return Err(self.expected("no call here: a function begins an expression")),
            };
            self.demand(")")?;
            return Ok(test);
        }
        if !self.text[self.at..].starts_with(':') {
            return Ok(Test::Name(Space::Any, Some(name.to_owned())));
        }
        self.at += 1;
        let space = self.space(name)?;
        if self.eat("*") {
            return Ok(Test::Name(space, None));
        }
        match self.name() {
            Some(local) => Ok(Test::Name(space, Some(local.to_owned()))),
            None => Err(self.expected("a name")),
        }
    }

    fn space(&self, prefix: &str) -> Result<Space> {
        if self.namespaces.is_empty() {
            return Ok(Space::Prefix(prefix.to_owned()));
        }
        let known = self.namespaces.iter().find(|(known, _)| known == prefix);
        known
            .map(|(_, uri)| Space::Uri(uri.clone()))
            .ok_or_else(|| {
                let known: Vec<&str> = self.namespaces.iter().map(|(known, _)| &**known).collect();
                let message = unknown("prefix", prefix, &known);
                format!("the expression {:?}: {message}", self.text)
            })
    }

    fn predicates(&mut self) -> Result<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.eat("[") {
            predicates.push(self.expression()?);
            self.demand("]")?;
        }
        Ok(predicates)
    }
}
