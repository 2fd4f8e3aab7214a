//! Where the links of a page lead.

use super::destination;
use super::state::CoreState;
use crate::http::redirect::{self, Base};
use crate::http::url::Server;

/// A server, and a path and query on it.
struct PageUrl {
    server: Server,
    path: String,
}

impl PageUrl {
    fn follow(&self, link: &str) -> Option<PageUrl> {
        let base = Base {
            scheme: self.server.scheme,
            path: &self.path,
        };
        let target = redirect::resolve(base, link.as_bytes()).ok()?;
        Some(PageUrl {
            server: target.server.unwrap_or_else(|| self.server.clone()),
            path: target.path,
        })
    }
}

/// Resolves a link on a page, both as scripts write URLs; whether it stays on the page's server.
pub(crate) fn embedded(
    state: &CoreState,
    page: &str,
    base: Option<&str>,
    link: &str,
) -> Option<(String, bool)> {
    let at = destination::resolve(state, page).ok()?;
    let origins = state.origins.borrow();
    let known = &origins.get(at.origin).origin;
    let here = PageUrl {
        server: Server {
            scheme: known.scheme,
            host: known.host.clone(),
            port: known.port,
        },
        path: at.path,
    };
    let to = match base {
        Some(base) => here.follow(base)?.follow(link)?,
        None => here.follow(link)?,
    };
    let same = to.server == here.server;
    let below_target = (same && at.origin == 0)
        .then(|| to.path.strip_prefix(&known.base_path))
        .flatten();
    let url = match below_target {
        Some(path) if path.starts_with('/') => path.to_owned(),
        _ => absolute(&to),
    };
    Some((url, same))
}

fn absolute(to: &PageUrl) -> String {
    let scheme = to.server.scheme;
    let (host, port) = (&to.server.host, to.server.port);
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let port = if port == scheme.default_port() {
        String::new()
    } else {
        format!(":{port}")
    };
    format!("{}://{host}{port}{}", scheme.as_str(), to.path)
}
