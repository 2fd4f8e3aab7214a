//! XML of replies and of strings: documents read within bounds, and XPath 1.0 on them.
//!
//! The documents come from servers, so everything here is bounded: what takes more time than in
//! proportion to the text is counted before it is read (`document.rs`), and an expression has a
//! number of steps and of bytes (`budget.rs`). An unprefixed name in an expression fits elements of
//! any namespace, because XPath 1.0 has no default namespace and most documents do.

mod axes;
mod budget;
mod document;
mod evaluate;
mod expression;
mod functions;
mod parser;
mod table;

pub(crate) use document::Document;
pub(crate) use evaluate::{Found, evaluate};
pub(crate) use expression::Expression;
pub(crate) use table::table;
