//! HTML: CSS selectors on it, and what a page embeds.

use mlua::{IntoLua, Lua, LuaString, MultiValue, Value};
use scraper::{ElementRef, Html, Selector};
use std::convert::Infallible;
use std::rc::Rc;

use super::Found;
use crate::native::Shared;

/// What of a longer page is beyond this is not looked at.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// How many links of one page are followed.
const LINKS_MAX: usize = 500;

/// A selector, and the attribute that is wanted instead of the text.
type Question = (LuaString, Option<LuaString>);

/// What a page embeds, as written in it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Links {
    /// What its links are relative to, when it says so.
    base: Option<String>,
    /// Each once, in the order of the page.
    urls: Vec<String>,
}

fn document(shared: &Shared, body: &[u8]) -> Rc<Html> {
    let body = &body[..body.len().min(PAGE_BYTES_MAX)];
    let parse = |body: &[u8]| -> Result<Html, Infallible> {
        Ok(Html::parse_document(&String::from_utf8_lossy(body)))
    };
    match shared.extracts.html.of(body, parse) {
        Ok(html) => html,
        Err(never) => match never {},
    }
}

fn selector(shared: &Shared, text: &LuaString) -> Result<Rc<Selector>, String> {
    let text = text.to_string_lossy();
    shared.extracts.selectors.of(text.as_bytes(), || {
        Selector::parse(&text).map_err(|error| format!("the selector {text:?}: {error}"))
    })
}

/// The attribute of an element, or its text without the white space around it.
fn part(lua: &Lua, element: ElementRef<'_>, attribute: Option<&str>) -> mlua::Result<Value> {
    match attribute {
        Some(name) => element.attr(name).into_lua(lua),
        None => element.text().collect::<String>().trim().into_lua(lua),
    }
}

/// A document, what is looked for in it, and the attribute of that.
type Asked = (Rc<Html>, Rc<Selector>, Option<String>);

fn asked(shared: &Shared, body: &[u8], (text, attribute): Question) -> Result<Asked, String> {
    let selector = selector(shared, &text)?;
    let attribute = attribute.map(|name| name.to_string_lossy().to_ascii_lowercase());
    Ok((document(shared, body), selector, attribute))
}

/// Of the first element that fits.
pub(super) fn first(
    lua: &Lua,
    shared: &Shared,
    body: &[u8],
    question: Question,
) -> mlua::Result<Found> {
    let (html, selector, attribute) = match asked(shared, body, question) {
        Ok(asked) => asked,
        Err(fault) => return Ok(Err(fault)),
    };
    let value = match html.select(&selector).next() {
        Some(element) => part(lua, element, attribute.as_deref())?,
        None => Value::Nil,
    };
    Ok(Ok(MultiValue::from_iter([value])))
}

/// A list, of all elements that fit; those without the attribute are left out.
pub(super) fn all(
    lua: &Lua,
    shared: &Shared,
    body: &[u8],
    question: Question,
) -> mlua::Result<Found> {
    let (html, selector, attribute) = match asked(shared, body, question) {
        Ok(asked) => asked,
        Err(fault) => return Ok(Err(fault)),
    };
    let list = lua.create_table()?;
    for element in html.select(&selector) {
        let value = part(lua, element, attribute.as_deref())?;
        if !value.is_nil() {
            list.raw_push(value)?;
        }
    }
    Ok(Ok(MultiValue::from_iter([Value::Table(list)])))
}

/// What a browser fetches with a page, as URLs that a script could use; of the page's own server
/// unless all are wanted.
pub(super) fn embedded(shared: &Shared, body: &[u8], page: &str, all_origins: bool) -> Vec<String> {
    let find = |body: &[u8]| -> Result<Links, Infallible> {
        Ok(links(&Html::parse_document(&String::from_utf8_lossy(body))))
    };
    let body = &body[..body.len().min(PAGE_BYTES_MAX)];
    let links = match shared.extracts.links.of(body, find) {
        Ok(links) => links,
        Err(never) => match never {},
    };
    let mut urls: Vec<String> = Vec::new();
    for link in &links.urls {
        let resolved = shared.host.embedded(page, links.base.as_deref(), link);
        if let Some((url, same_origin)) = resolved
            && (same_origin || all_origins)
            && !urls.contains(&url)
        {
            urls.push(url);
        }
    }
    urls
}

/// Style sheets, icons, scripts and images. Of several choices the first is taken.
fn links(html: &Html) -> Links {
    let mut found = Links::default();
    for element in html.root_element().descendent_elements() {
        let url = match element.value().name() {
            "base" => {
                let href = element.attr("href").map(str::to_owned);
                found.base = found.base.take().or(href);
                continue;
            }
            "link" if is_fetched(element.attr("rel").unwrap_or_default()) => element.attr("href"),
            "script" if element.attr("nomodule").is_none() => element.attr("src"),
            "img" if in_picture(element) && sources(element) > 0 => None,
            "img" => element.attr("src").or_else(|| candidate(element)),
            "source" if sources(element) == 0 => candidate(element).or_else(|| element.attr("src")),
            _ => None,
        };
        let Some(url) = url.map(str::trim).filter(|url| is_link(url)) else {
            continue;
        };
        if in_template(element) {
            continue;
        }
        if found.urls.len() < LINKS_MAX && !found.urls.iter().any(|known| known == url) {
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

/// What is in a template is no part of the page.
fn in_template(element: ElementRef<'_>) -> bool {
    let mut around = element.ancestors().filter_map(ElementRef::wrap);
    around.any(|outer| outer.value().name() == "template")
}

/// How many `source` elements stand before this one.
fn sources(element: ElementRef<'_>) -> usize {
    let before = element.prev_siblings().filter_map(ElementRef::wrap);
    before
        .filter(|other| other.value().name() == "source")
        .count()
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
