//! HTML read within bounds: in time that grows with the page, whatever it holds.
//!
//! What the reader of browsers does takes a time that grows with the square of the depth, of the
//! attributes of a tag and of what formatting elements are opened again for. So a page is read
//! piece by piece and given up as soon as it goes beyond a limit.

use std::cell::Cell;

use ego_tree::{NodeId, iter::Edge};
use html5ever::buffer_queue::BufferQueue;
use html5ever::interface::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    ParseError, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts, TreeSink};
use scraper::{Html, HtmlTreeSink};

/// What of a longer page is beyond this is not looked at.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// Elements, texts and comments of a page.
const NODES_MAX: usize = 200_000;
/// How deep elements nest; browsers have the same limit.
const DEPTH_MAX: usize = 512;
/// Attributes of one tag.
const ATTRIBUTES_MAX: usize = 1_000;
/// Words of one tag or comment: each could be an attribute.
const WORDS_MAX: usize = 8_192;
/// Steps that a selector may take on a page at worst.
pub(super) const STEPS_MAX: u64 = 100_000_000;
/// How much is read between two looks at the limits, in bytes.
const PIECE_BYTES: usize = 512;

/// A page that was read, and what going through it costs.
#[derive(Debug)]
pub(super) struct Page {
    pub html: Html,
    /// The depths of all nodes, summed.
    depths: u64,
    /// Of each node the square of the number of its children, summed.
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
        let reader = Reader {
            builder,
            tokens: Cell::new(0),
            attributes_most: Cell::new(0),
        };
        let tokenizer = Tokenizer::new(reader, TokenizerOpts::default());
        let mut silence = Silence::default();
        let mut rest = &*text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece_length(rest));
            rest = after;
            feed(&tokenizer, piece);
            silence.note(piece, tokenizer.sink.tokens.get())?;
            tokenizer.sink.check()?;
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

    /// Whether a selector can be looked for in reasonable time.
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
        let steps = self.depths * deep + self.siblings * count("~");
        if steps <= STEPS_MAX {
            return Ok(());
        }
        Err(format!(
            "the selector {selector:?} can take {steps} steps on this page, the limit is {STEPS_MAX}"
        ))
    }
}

fn piece_length(text: &str) -> usize {
    let mut end = text.len().min(PIECE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

fn feed(tokenizer: &Tokenizer<Reader>, piece: &str) {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(piece));
    while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
}

/// Counts what goes into the tree.
struct Reader {
    builder: TreeBuilder<NodeId, HtmlTreeSink>,
    tokens: Cell<u64>,
    attributes_most: Cell<usize>,
}

impl TokenSink for Reader {
    type Handle = NodeId;

    fn process_token(&self, token: Token, line_number: u64) -> TokenSinkResult<NodeId> {
        match &token {
            ParseError(_) => return TokenSinkResult::Continue, // nobody asks for them
            TagToken(tag) => {
                let most = self.attributes_most.get().max(tag.attrs.len());
                self.attributes_most.set(most);
            }
            _ => {}
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

impl Reader {
    fn check(&self) -> Result<(), String> {
        let mut html = self.builder.sink.0.borrow_mut();
        html.errors.clear();
        let mut nodes = html.tree.nodes();
        let deepest = nodes.next_back();
        let depth = deepest.map_or(0, |node| node.ancestors().take(DEPTH_MAX + 3).count());
        limit(nodes.len(), NODES_MAX, "nodes")?;
        limit(depth, DEPTH_MAX, "levels of nesting")?;
        limit(
            self.attributes_most.get(),
            ATTRIBUTES_MAX,
            "attributes in one tag",
        )
    }
}

fn limit(found: usize, most: usize, what: &str) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!("the page has more than {most} {what}"))
}

/// How long no token has come: the reader is within a tag or a comment, whose attributes it
/// compares with each other before it hands them on.
#[derive(Default)]
struct Silence {
    tokens: u64,
    words: usize,
}

impl Silence {
    fn note(&mut self, piece: &str, tokens: u64) -> Result<(), String> {
        if tokens != self.tokens {
            (self.tokens, self.words) = (tokens, 0);
        }
        let mut in_word = false;
        for byte in piece.bytes() {
            let breaks = byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\'');
            self.words += usize::from(in_word && breaks);
            in_word = !breaks;
        }
        limit(self.words, WORDS_MAX, "words in one tag or comment")
    }
}

/// Sums of depths and of squared numbers of children.
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

    #[test]
    fn pages_beyond_a_limit_are_given_up_and_name_it() {
        let attributes = |n: usize| (0..n).map(|n| format!("a{n}=1 ")).collect::<String>();
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
                "8192 words in one tag",
            ),
            (
                format!("<a {}>", attributes(1_001)),
                "1000 attributes in one tag",
            ),
            ("<p>".repeat(250_000), "200000 nodes"),
            ("<source>".repeat(250_000), "200000 nodes"),
            (format!("<!--{}-->", "a ".repeat(60_000)), "8192 words"),
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
            "iVBORw0KGgo/".repeat(5_000)
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
        assert!(refused.contains("steps on this page, the limit is 100000000"));
        assert!(page.allows("i ~ a").is_err());
    }
}
