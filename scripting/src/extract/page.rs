//! HTML parsing within bounds: in linear time, whatever the page contains.
//!
//! The parsing algorithm of browsers takes quadratic time in the nesting depth, the attributes of a
//! tag and the formatting elements to reopen. So a page is parsed piece by piece and given up as
//! soon as it exceeds a limit.

use std::cell::Cell;

use ego_tree::{NodeId, iter::Edge};
use html5ever::buffer_queue::BufferQueue;
use html5ever::interface::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    ParseError, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts, TreeSink};
use scraper::{Html, HtmlTreeSink};

use super::markup::{Markup, PIECE_BYTES, limit};

/// Longer pages are only parsed up to here.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Most elements, texts and comments of a page.
const NODES_MAX: usize = 200_000;
/// Maximum nesting depth; browsers have the same limit.
const DEPTH_MAX: usize = 512;
/// Most steps that a selector may take on a page in the worst case.
pub(super) const STEPS_MAX: u64 = 100_000_000;

/// A parsed page, and the cost of traversing it.
#[derive(Debug)]
pub(super) struct Page {
    pub html: Html,
    /// The sum of the depths of all nodes.
    depths: u64,
    /// The sum of the squared numbers of children of all nodes.
    siblings: u64,
}

impl Page {
    /// # Errors
    ///
    /// The limit that the page exceeds.
    pub(super) fn read(body: &[u8]) -> Result<Page, String> {
        let body = &body[..body.len().min(PAGE_BYTES_MAX)];
        let text = String::from_utf8_lossy(body);
        let builder = TreeBuilder::new(
            HtmlTreeSink::new(Html::new_document()),
            TreeBuilderOpts::default(),
        );
        let reader = CountingSink {
            builder,
            tokens: Cell::new(0),
        };
        let tokenizer = Tokenizer::new(reader, TokenizerOpts::default());
        let mut markup = Markup::default();
        let mut rest = &*text;
        let mut unchecked = 0;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(markup.piece_length(rest));
            rest = after;
            feed(&tokenizer, piece);
            markup.note(piece, tokenizer.sink.tokens.get())?;
            unchecked += piece.len();
            if unchecked >= PIECE_BYTES || rest.is_empty() {
                tokenizer.sink.check()?;
                unchecked = 0;
            }
        }
        tokenizer.end();
        let html = tokenizer.sink.builder.sink.finish();
        let (depths, siblings) = costs(&html);
        Ok(Page {
            html,
            depths,
            siblings,
        })
    }

    /// Whether a selector can be evaluated in reasonable time.
    ///
    /// # Errors
    ///
    /// The limit that it exceeds.
    pub(super) fn allows(&self, selector: &str) -> Result<(), String> {
        let count = |wanted: &str| selector.matches(wanted).count() as u64;
        let words: Vec<&str> = selector.split_ascii_whitespace().collect();
        let is_name = |word: &&str| !matches!(*word, ">" | "+" | "~");
        let pairs = words.windows(2).filter(|pair| pair.iter().all(is_name));
        let deep = pairs.count() as u64 + count(":has(") + count(":is(") + count(":where(");
        let beside = count("~") + count(":nth-") + count("-of-type");
        let steps = self.depths * deep + self.siblings * beside;
        if steps <= STEPS_MAX {
            return Ok(());
        }
        Err(format!(
            "the selector {selector:?} can take {steps} steps on this page; the limit is {STEPS_MAX}"
        ))
    }
}

fn feed(tokenizer: &Tokenizer<CountingSink>, piece: &str) {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(piece));
    while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
}

/// Counts what is added to the tree.
struct CountingSink {
    builder: TreeBuilder<NodeId, HtmlTreeSink>,
    tokens: Cell<u64>,
}

impl TokenSink for CountingSink {
    type Handle = NodeId;

    fn process_token(&self, token: Token, line_number: u64) -> TokenSinkResult<NodeId> {
        if let ParseError(_) = token {
            return TokenSinkResult::Continue; // nobody asks for them
        }
        self.tokens.set(self.tokens.get() + 1);
        self.builder.process_token(token, line_number)
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        let builder = &self.builder;
        builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

impl CountingSink {
    fn check(&self) -> Result<(), String> {
        let mut html = self.builder.sink.0.borrow_mut();
        html.errors.clear();
        let mut nodes = html.tree.nodes();
        let deepest = nodes.next_back();
        let depth = deepest.map_or(0, |node| node.ancestors().take(DEPTH_MAX + 3).count());
        limit(nodes.len(), NODES_MAX, "nodes")?;
        limit(depth, DEPTH_MAX, "levels of nesting")
    }
}

/// The sums of depths and of squared numbers of children.
fn costs(html: &Html) -> (u64, u64) {
    let (mut depths, mut siblings) = (0, 0);
    let mut counts: Vec<u64> = Vec::new();
    for edge in html.tree.root().traverse() {
        match edge {
            Edge::Open(_) => {
                if let Some(count) = counts.last_mut() {
                    *count += 1;
                }
                depths += counts.len() as u64;
                counts.push(0);
            }
            Edge::Close(_) => siblings += counts.pop().map_or(0, |count| count * count),
        }
    }
    (depths, siblings)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit that a page exceeds, or nothing.
    fn refused(page: &str) -> Option<String> {
        Page::read(page.as_bytes()).err()
    }

    fn attributes(n: usize) -> String {
        (0..n).map(|n| format!("a{n}=1 ")).collect()
    }

    #[test]
    fn pages_beyond_a_limit_are_given_up_and_name_it() {
        let rows = [
            ("<div>".repeat(50_000), "512 levels of nesting"),
            ("<b><i>".repeat(30_000), "512 levels of nesting"),
            ("<ul><li>".repeat(20_000), "512 levels of nesting"),
            ("<table><tr><td>".repeat(20_000), "512 levels of nesting"),
            (
                "<svg><foreignObject>".repeat(9_000),
                "512 levels of nesting",
            ),
            (
                format!("<a {}>", attributes(60_000)),
                "1000 attributes in one tag",
            ),
            (
                format!("<a {}>", attributes(1_001)),
                "1000 attributes in one tag",
            ),
            ("<p>".repeat(250_000), "200000 nodes"),
            ("<source>".repeat(250_000), "200000 nodes"),
            (
                format!("<title></titl</title {}>", attributes(20_000)),
                "8192 words in what may be a tag",
            ),
            (
                format!("</p x='{}' {}>", "a ".repeat(9_000), attributes(1_001)),
                "1000 attributes in one tag",
            ),
        ];
        for (page, limit) in rows {
            let refused = refused(&page).unwrap_or_default();
            assert!(refused.contains(limit), "{page:.30}: {refused}");
        }
    }

    #[test]
    fn large_but_ordinary_pages_are_read() {
        let image = format!(
            "<img src='data:image/png;base64,{}'>",
            "iVBORw0KGgo/".repeat(90_000)
        );
        let rows = [
            "<div>".repeat(400),
            "<b><p>".repeat(40_000),
            format!("<table>{}</table>", "<tr><td>a<td>b".repeat(10_000)),
            "&amp;&lt;x&".repeat(50_000),
            "text ".repeat(400_000),
            format!(
                "<script>{}</script>",
                "if (a<b && c) { d('</x') } ".repeat(20_000)
            ),
            format!("<style>{}</style>", "a > b { color: red } ".repeat(20_000)),
            format!("<!--{}-->", "x".repeat(500_000)),
            format!("<!-- {} --><p>", "if <a b> '\" /c ".repeat(30_000)),
            format!("<p><!-- {}", "it's a word ".repeat(30_000)),
            format!("<p title=\"{}\" a=1><i>", "it's / a <b> ".repeat(30_000)),
            format!(
                "<img src=data:image/png;base64,{}>",
                "iVBOR/=".repeat(90_000)
            ),
            format!("<a {}>", attributes(1_000)),
            "<".repeat(100_000),
            "</><!><?>< a b c>".repeat(10_000),
            image,
            "ü".repeat(400_000),
        ];
        for page in rows {
            assert_eq!(refused(&page), None, "{page:.30}");
        }
    }

    #[test]
    fn selectors_that_could_take_too_long_are_refused() {
        let deep = "<div>".repeat(500) + &"<i></i>".repeat(60_000);
        let page = Page::read(deep.as_bytes()).expect("it is within the limits");
        assert_eq!(page.allows("i"), Ok(()));
        assert_eq!(page.allows("div div > i"), Ok(())); // 60 000 nodes, 500 deep
        let refused = page.allows("a b c d e i").expect_err("too long");
        assert!(refused.contains("steps on this page; the limit is 100000000"));
        for beside in [
            "i ~ a",
            "i:nth-child(3n)",
            "i:nth-last-child(2)",
            "a, i:last-of-type",
        ] {
            assert!(page.allows(beside).is_err(), "{beside}");
        }
        assert_eq!(page.allows("i:first-child + i:last-child"), Ok(()));
    }
}
