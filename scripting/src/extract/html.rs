//! HTML: CSS selectors, and the resources a page embeds.

use ego_tree::iter::Edge;
use mlua::{IntoLua, Lua, LuaString, MultiValue, Value};
use scraper::{ElementRef, Html, Selector};
use std::collections::HashSet;
use std::rc::Rc;

use super::page::{Page, STEPS_MAX};
use super::{ExtractCaches, Found};
use crate::Host;

/// Most links followed per page.
const LINKS_MAX: usize = 500;
/// Size limit of the texts one query returns, in bytes.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// A selector, and the attribute to return instead of the text.
type Query = (LuaString, Option<LuaString>);

/// The resources a page embeds, as written in it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Links {
    /// The base URL the page declares, if any.
    base: Option<String>,
    /// Without duplicates, in the order of the page.
    urls: Vec<String>,
}

fn selector(caches: &ExtractCaches, text: &LuaString) -> Result<Rc<Selector>, String> {
    let text = text.to_string_lossy();
    caches.selectors.of(text.as_bytes(), || {
        Selector::parse(&text).map_err(|error| format!("the selector {text:?}: {error}"))
    })
}

/// What is left of the size limit of one query.
struct Budget {
    steps: u64,
    text_bytes: usize,
}

impl Budget {
    fn new() -> Budget {
        Budget {
            steps: STEPS_MAX,
            text_bytes: TEXT_BYTES_MAX,
        }
    }

    /// The text below an element, within the budget: nested elements would otherwise return their
    /// text once per level.
    fn text(&mut self, element: ElementRef<'_>) -> Result<String, String> {
        let mut text = String::new();
        for node in element.descendants() {
            let piece = node.value().as_text().map_or("", |text| &**text);
            let (Some(steps), Some(bytes)) = (
                self.steps.checked_sub(1),
                self.text_bytes.checked_sub(piece.len()),
            ) else {
                return Err(format!(
                    "the texts are longer than {TEXT_BYTES_MAX} bytes or have more than \
                     {STEPS_MAX} parts"
                ));
            };
            (self.steps, self.text_bytes) = (steps, bytes);
            text.push_str(piece);
        }
        Ok(text)
    }

    /// An element's attribute, or its text without surrounding white space.
    fn part(
        &mut self,
        lua: &Lua,
        element: ElementRef<'_>,
        attribute: Option<&str>,
    ) -> mlua::Result<Result<Value, String>> {
        match attribute {
            Some(name) => element.attr(name).into_lua(lua).map(Ok),
            None => match self.text(element) {
                Ok(text) => text.trim().into_lua(lua).map(Ok),
                Err(limit) => Ok(Err(limit)),
            },
        }
    }
}

/// A page, the selector, and the attribute to return.
type PreparedQuery = (Rc<Page>, Rc<Selector>, Option<String>);

fn prepare(
    caches: &ExtractCaches,
    body: &[u8],
    (text, attribute): Query,
) -> Result<PreparedQuery, String> {
    let selector = selector(caches, &text)?;
    let attribute = attribute.map(|name| name.to_string_lossy().to_ascii_lowercase());
    let page = caches.html.of(body, Page::read)?;
    page.allows(&text.to_string_lossy())?;
    Ok((page, selector, attribute))
}

/// From the first element that matches.
pub(super) fn first(
    lua: &Lua,
    caches: &ExtractCaches,
    body: &[u8],
    question: Query,
) -> mlua::Result<Found> {
    let (page, selector, attribute) = match prepare(caches, body, question) {
        Ok(query) => query,
        Err(fault) => return Ok(Err(fault)),
    };
    let found = match page.html.select(&selector).next() {
        Some(element) => Budget::new().part(lua, element, attribute.as_deref())?,
        None => Ok(Value::Nil),
    };
    Ok(found.map(|value| MultiValue::from_iter([value])))
}

/// A list from all elements that match, except those without the attribute.
pub(super) fn all(
    lua: &Lua,
    caches: &ExtractCaches,
    body: &[u8],
    question: Query,
) -> mlua::Result<Found> {
    let (page, selector, attribute) = match prepare(caches, body, question) {
        Ok(query) => query,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut budget = Budget::new();
    let list = lua.create_table()?;
    for element in page.html.select(&selector) {
        let value = match budget.part(lua, element, attribute.as_deref())? {
            Ok(value) => value,
            Err(limit) => return Ok(Err(limit)),
        };
        if !value.is_nil() {
            list.raw_push(value)?;
        }
    }
    Ok(Ok(MultiValue::from_iter([Value::Table(list)])))
}

/// The resources a browser fetches with a page, as URLs that a script could use; only those on the
/// page's own server unless all are requested.
///
/// # Errors
///
/// The limit that the page exceeds.
pub(super) fn embedded(
    host: &dyn Host,
    caches: &ExtractCaches,
    body: &[u8],
    page: &str,
    all_origins: bool,
) -> Result<Vec<String>, String> {
    let find = |body: &[u8]| Page::read(body).map(|page| links(&page.html));
    let links = caches.links.of(body, find)?;
    let mut urls: Vec<String> = Vec::new();
    for link in &links.urls {
        let resolved = host.embedded(page, links.base.as_deref(), link);
        if let Some((url, same_origin)) = resolved
            && (same_origin || all_origins)
            && !urls.contains(&url)
        {
            urls.push(url);
        }
    }
    Ok(urls)
}

/// Style sheets, icons, scripts and images; the first of several alternatives.
fn links(html: &Html) -> Links {
    let mut found = Links::default();
    let mut known: HashSet<&str> = HashSet::new();
    // For each open element, how many `source` elements it has had so far.
    let mut sources: Vec<usize> = Vec::new();
    let mut templates = 0; // open ones: what is in them is no part of the page
    for edge in html.tree.root().traverse() {
        let (node, opens) = match edge {
            Edge::Open(node) => (node, true),
            Edge::Close(node) => (node, false),
        };
        let Some(element) = ElementRef::wrap(node) else {
            continue;
        };
        let name = element.value().name();
        if !opens {
            templates -= usize::from(name == "template");
            sources.pop();
            continue;
        }
        let before = sources.last().copied().unwrap_or_default();
        let url = match name {
            "base" => {
                let href = element.attr("href").map(str::to_owned);
                found.base = found.base.take().or(href);
                None
            }
            "link" if is_fetched(element.attr("rel").unwrap_or_default()) => element.attr("href"),
            "script" if element.attr("nomodule").is_none() => element.attr("src"),
            "img" if before > 0 && in_picture(element) => None,
            "img" => element.attr("src").or_else(|| candidate(element)),
            "source" if before == 0 => candidate(element).or_else(|| element.attr("src")),
            _ => None,
        };
        if name == "source"
            && let Some(before) = sources.last_mut()
        {
            *before += 1;
        }
        templates += usize::from(name == "template");
        sources.push(0);
        let Some(url) = url.map(str::trim).filter(|url| is_link(url)) else {
            continue;
        };
        if templates == 0 && found.urls.len() < LINKS_MAX && known.insert(url) {
            found.urls.push(url.to_owned());
        }
    }
    found
}

/// Whether a browser fetches a link of this kind with the page.
fn is_fetched(rel: &str) -> bool {
    let has = |word: &str| {
        let mut words = rel.split_ascii_whitespace();
        words.any(|known| known.eq_ignore_ascii_case(word))
    };
    (has("stylesheet") && !has("alternate")) || has("icon")
}

fn is_link(url: &str) -> bool {
    let other = ["data:", "javascript:", "blob:", "about:", "#"];
    !url.is_empty() && !other.iter().any(|scheme| url.starts_with(scheme))
}

/// The first candidate of `srcset`.
fn candidate<'h>(element: ElementRef<'h>) -> Option<&'h str> {
    let first = element.attr("srcset")?.split_ascii_whitespace().next()?;
    Some(first.trim_end_matches(','))
}

fn in_picture(element: ElementRef<'_>) -> bool {
    let parent = element.parent().and_then(ElementRef::wrap);
    parent.is_some_and(|parent| parent.value().name() == "picture")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_tell_what_they_embed() {
        let rows: [(&str, &[&str]); 12] = [
            (
                "<link rel=stylesheet href=a.css><link rel=next href=b>",
                &["a.css"],
            ),
            ("<link rel='shortcut ICON' href='/i.png'>", &["/i.png"]),
            ("<link rel='alternate stylesheet' href=x.css>", &[]),
            (
                "<script src='a.js?x=1&amp;y=2'></script><script>'<img src=no>'</script>",
                &["a.js?x=1&y=2"],
            ),
            ("<script nomodule src=old.js></script>", &[]),
            (
                "<img src=a.png><IMG SRC=a.png><img src=' b.png '>",
                &["a.png", "b.png"],
            ),
            ("<img srcset='s.png 1x, l.png 2x'>", &["s.png"]),
            (
                "<picture><source srcset='a.webp, b.webp 2x'><source srcset=c.avif><img src=d.png></picture>",
                &["a.webp"],
            ),
            (
                "<video><source src=v.mp4><source src=v.webm></video>",
                &["v.mp4"],
            ),
            (
                "<!-- <img src=a> --><noscript><img src=b></noscript><template><img src=c></template>",
                &[],
            ),
            ("<img src='data:image/png;base64,AA'><img src=''><img>", &[]),
            ("<img src=\"//cdn/x.png\"><a href=/page>", &["//cdn/x.png"]),
        ];
        for (page, expected) in rows {
            assert_eq!(links(&Html::parse_document(page)).urls, expected, "{page}");
        }
        let page = "<base href=/b/><base href=/c/><img src=x>";
        let base = links(&Html::parse_document(page)).base;
        assert_eq!(base.as_deref(), Some("/b/"));
        let many = "<img src=x>".to_owned()
            + &(0..600)
                .map(|n| format!("<img src={n}>"))
                .collect::<String>();
        assert_eq!(links(&Html::parse_document(&many)).urls.len(), LINKS_MAX);
    }
}
