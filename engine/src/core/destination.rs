//! Where requests go: URLs as scripts write them, resolved against the target.

use super::session::Location;
use super::state::CoreState;
use super::template::{Template, is_idempotent};
use crate::http::encode::{self, Head, compose};
use crate::http::url::{self, Server, default_name};
use crate::transport::OriginId;
use std::cell::OnceCell;

/// Location a request goes.
pub(crate) struct Destination {
    pub(crate) origin: OriginId,
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Destination {
    /// A path on a server that is known.
    pub(crate) fn of(state: &CoreState, origin: OriginId, path: String) -> Destination {
        let authority = state.origins.borrow().get(origin).origin.authority();
        Destination {
            origin,
            authority,
            path,
        }
    }

    pub(crate) fn location(&self) -> Location<'_> {
        Location {
            origin: self.origin,
            path: &self.path,
            known: None,
        }
    }
}

/// Makes a template: a request without options.
///
/// # Errors
///
/// A message for the script: the URL or the method cannot be used.
pub(crate) fn template(state: &CoreState, method: &str, url: &str) -> Result<Template, String> {
    let to = resolve(state, url)?;
    let head = Head::<&str, &str> {
        method,
        path: &to.path,
        authority: &to.authority,
        defaults: state.default_fields(to.origin),
        without: &[],
        headers: &[],
        extra: &[],
        cookie: b"",
        body_bytes: None,
        chunked: false,
        expects_continue: false,
        keep_alive: state.keep_alive,
    };
    let message = compose(&head).map_err(|e| e.to_string())?;
    let name = default_name(method, &to.path);
    let name = state.telemetry.recorder.borrow_mut().request_name(&name);
    Ok(Template {
        request: encode::Template::keep(message),
        name,
        origin: to.origin,
        path: to.path.into(),
        scope: OnceCell::new(),
        head_only: method == "HEAD",
        idempotent: is_idempotent(method),
    })
}

/// Resolves a URL against the target.
///
/// # Errors
///
/// A message for the script.
pub(crate) fn resolve(state: &CoreState, url: &str) -> Result<Destination, String> {
    let resolved = {
        let origins = state.origins.borrow();
        let target = &origins.get(0).origin;
        url::resolve(url, &target.base_path).map_err(|e| e.to_string())?
    };
    match resolved.server {
        None => Ok(Destination::of(state, 0, resolved.path)),
        Some(server) => elsewhere(state, server, resolved.path),
    }
}

/// A path on a server that a URL names.
///
/// # Errors
///
/// A message for the script: too many servers, or one that cannot be spoken to.
pub(crate) fn elsewhere(
    state: &CoreState,
    server: Server,
    path: String,
) -> Result<Destination, String> {
    let origin = config::Origin {
        scheme: server.scheme,
        socket: None,
        host: server.host,
        port: server.port,
        base_path: String::new(),
    };
    let id = state.origins.borrow_mut().intern(&origin)?;
    Ok(Destination::of(state, id, path))
}
