//! Scripts and styles from inside the binary, compressed once, under an address that holds the
//! hash of their content, so that browsers may keep them for ever.

use super::compress;
use crate::ApiError;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// For addresses with the hash of what they hold: a year, the longest that counts.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Folder;

/// One file as it is sent.
struct Asset {
    plain: Vec<u8>,
    packed: Vec<u8>,
    etag: String,
    kind: &'static str,
}

static ASSETS: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(read_all);

/// One hash over all files, so that modules may name each other by relative paths.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    for (name, asset) in ASSETS.iter() {
        name.hash(&mut hasher);
        asset.plain.hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
});

/// The path below which all assets lie.
pub(super) fn base() -> String {
    format!("/assets/{}", *VERSION)
}

/// The names of all files.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = String> {
    Folder::iter().map(|name| name.to_string())
}

fn read_all() -> BTreeMap<String, Asset> {
    let file = |name: &str| Some(Asset::of(name, Folder::get(name)?.data.into_owned()));
    Folder::iter()
        .filter_map(|name| Some((name.to_string(), file(&name)?)))
        .collect()
}

impl Asset {
    fn of(name: &str, plain: Vec<u8>) -> Asset {
        let mut hasher = DefaultHasher::new();
        plain.hash(&mut hasher);
        Asset {
            packed: compress::gzip(&plain, compress::Effort::Best),
            etag: format!("\"{:016x}\"", hasher.finish()),
            kind: kind(name),
            plain,
        }
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// `GET /assets/{version}/{path}`
pub(super) async fn asset(
    Path((version, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asset = ASSETS
        .get(&path)
        .ok_or_else(|| ApiError::not_found("no such file"))?;
    // The page of another version of the program asked: what it gets must not be kept as that.
    let keep = if version == *VERSION {
        FOR_EVER
    } else {
        "no-cache"
    };
    let known = headers.get(header::IF_NONE_MATCH);
    let head = [
        (header::CACHE_CONTROL, keep.to_owned()),
        (header::ETAG, asset.etag.clone()),
        (header::VARY, "accept-encoding".to_owned()),
        (header::CONTENT_TYPE, asset.kind.to_owned()),
    ];
    if known.is_some_and(|known| known.as_bytes() == asset.etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    if compress::is_accepted(&headers) {
        let encoding = [(header::CONTENT_ENCODING, "gzip")];
        return Ok((head, encoding, asset.packed.as_slice()).into_response());
    }
    Ok((head, asset.plain.as_slice()).into_response())
}

/// The text of one file, for pages that carry everything in themselves.
pub(super) fn text(path: &str) -> Option<&'static str> {
    std::str::from_utf8(&ASSETS.get(path)?.plain).ok()
}
