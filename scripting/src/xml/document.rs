//! Reading a document within bounds.
//!
//! roxmltree compares the attributes of a tag with each other, looks for a prefix among the
//! namespaces in scope and copies these to an element that declares more. So the text is looked
//! through first and refused when that could take long. Both see the same tags up to the first
//! error, where roxmltree ends.

use std::str::from_utf8;

use memchr::memmem;
use roxmltree::ParsingOptions;
use self_cell::self_cell;

/// Longest document, in bytes.
const BYTES_MAX: usize = 8 << 20;
/// Most elements, texts and comments of a document.
const NODES_MAX: u32 = 200_000;
/// Maximum nesting depth.
const DEPTH_MAX: usize = 512;
/// Most comparisons of attributes and namespaces.
const COMPARISONS_MAX: usize = 50_000_000;

type Tree<'a> = roxmltree::Document<'a>;

self_cell!(
    /// A parsed document with its text.
    pub(crate) struct Document {
        owner: String,
        #[covariant]
        dependent: Tree,
    }
);

impl Document {
    /// # Errors
    ///
    /// It is not XML, or exceeds a limit.
    pub(crate) fn read(body: &[u8]) -> Result<Document, String> {
        if body.len() > BYTES_MAX {
            return Err(format!("the document is longer than {BYTES_MAX} bytes"));
        }
        let text = from_utf8(body).map_err(|_| "not XML in UTF-8".to_owned())?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let has_doctype = Scan::default().look_through(text.as_bytes())?;
        Document::try_new(text.to_owned(), |text| {
            let options = ParsingOptions {
                allow_dtd: has_doctype,
                nodes_limit: NODES_MAX,
                ..ParsingOptions::default()
            };
            Tree::parse_with_options(text, options).map_err(|error| match error {
                roxmltree::Error::NodesLimitReached => {
                    format!("the document has more than {NODES_MAX} nodes")
                }
                other => format!("not XML: {other}"),
            })
        })
    }

    pub(super) fn tree(&self) -> &Tree<'_> {
        self.borrow_dependent()
    }
}

/// Counts what reading the text would compare.
#[derive(Default)]
struct Scan {
    /// Namespaces in scope at each open element.
    scopes: Vec<usize>,
    comparisons: usize,
    has_doctype: bool,
}

impl Scan {
    /// Whether the text has a document type.
    ///
    /// # Errors
    ///
    /// A limit that it exceeds, or a document type of its own.
    fn look_through(mut self, text: &[u8]) -> Result<bool, String> {
        let mut at = 0;
        while let Some(found) = memchr::memchr(b'<', &text[at..]) {
            at += found;
            let rest = &text[at..];
            let length = match rest {
                [b'<', b'!', b'-', b'-', ..] => past(rest, b"-->"),
                [b'<', b'?', ..] => past(rest, b"?>"),
                _ if rest.starts_with(b"<![CDATA[") => past(rest, b"]]>"),
                [b'<', b'!', ..] => {
                    self.has_doctype = true;
                    let length = past(rest, b">");
                    if memchr::memchr(b'[', &rest[..length.unwrap_or(rest.len())]).is_some() {
                        return Err(
                            "the document declares a type of its own (DOCTYPE with [)".to_owned()
                        );
                    }
                    length
                }
                [b'<', b'/', ..] => {
                    self.scopes.pop();
                    past(rest, b">")
                }
                _ => self.tag(rest)?,
            };
            match length {
                Some(length) => at += length,
                None => break, // the parser says what is wrong with it
            }
        }
        Ok(self.has_doctype)
    }

    /// A tag that opens an element; its length.
    fn tag(&mut self, rest: &[u8]) -> Result<Option<usize>, String> {
        let (mut attributes, mut declared, mut at) = (0, 0, 1);
        loop {
            let Some(found) = memchr::memchr3(b'>', b'"', b'\'', &rest[at..]) else {
                return Ok(None);
            };
            let end = at + found;
            if rest[end] == b'>' {
                let is_open = rest[end - 1] != b'/';
                self.element(attributes, declared, is_open)?;
                return Ok(Some(end + 1));
            }
            attributes += 1;
            declared += usize::from(memmem::find(&rest[at..end], b"xmlns").is_some());
            match memchr::memchr(rest[end], &rest[end + 1..]) {
                Some(closing) => at = end + 1 + closing + 1,
                None => return Ok(None),
            }
        }
    }

    fn element(&mut self, attributes: usize, declared: usize, is_open: bool) -> Result<(), String> {
        let inherited = self.scopes.last().copied().unwrap_or(1);
        let scope = inherited + declared;
        let copied = if declared > 0 { scope * scope } else { 0 };
        self.comparisons += attributes * attributes + (attributes + 1) * scope + copied;
        if self.comparisons > COMPARISONS_MAX {
            return Err(
                "the document has too many attributes or namespaces in one place".to_owned(),
            );
        }
        if is_open {
            self.scopes.push(scope);
            if self.scopes.len() > DEPTH_MAX {
                return Err(format!(
                    "the document has more than {DEPTH_MAX} levels of nesting"
                ));
            }
        }
        Ok(())
    }
}

/// How far it is past the end of what begins here.
fn past(rest: &[u8], end: &[u8]) -> Option<usize> {
    memmem::find(rest, end).map(|at| at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        Document::read(text.as_bytes()).err()
    }

    #[test]
    fn documents_beyond_a_limit_are_refused_and_the_limit_is_named() {
        let attributes: String = (0..9_000).map(|n| format!(" a{n}='1'")).collect();
        let spaces: String = (0..500).map(|n| format!("<a xmlns:n{n}='u{n}'>")).collect();
        let children = "<a xmlns:x='y'/>".repeat(90_000);
        let rows = [
            ("<a>".repeat(60_000), "512 levels of nesting"),
            (format!("<a>{}</a>", "<b/>".repeat(250_000)), "200000 nodes"),
            (format!("<a{attributes}/>"), "too many attributes"),
            (
                format!("{spaces}{children}"),
                "too many attributes or namespaces",
            ),
            ("x".repeat(9 << 20), "longer than 8388608 bytes"),
            (
                "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>".to_owned(),
                "a type of its own",
            ),
            ("\u{0}".to_owned(), "not XML"),
            ("<a".to_owned(), "not XML"),
            ("<a b='".to_owned(), "not XML"),
            (String::new(), "not XML"),
        ];
        for (text, limit) in rows {
            let refused = refused(&text).unwrap_or_default();
            assert!(refused.contains(limit), "{text:.30}: {refused}");
        }
        assert_eq!(
            Document::read(b"<a>\xff</a>").err().as_deref(),
            Some("not XML in UTF-8")
        );
    }

    #[test]
    fn ordinary_documents_are_read() {
        let rows = [
            "\u{feff}\n<?xml version='1.0'?><a/>".to_owned(),
            "<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'x.dtd'><html/>".to_owned(),
            format!("<a>{}</a>", "<b c='d' e='f'>g</b>".repeat(60_000)),
            format!("<a>{}</a>", "<b xmlns='u'/>".repeat(90_000)),
            format!("<a>{}</a>", "<![CDATA[x]]>y<!-- <z> -->".repeat(30_000)),
            format!("<a b='{}'/>", "<".replace('<', "&lt;").repeat(100_000)),
        ];
        for text in rows {
            assert_eq!(refused(&text), None, "{text:.30}");
        }
    }
}
