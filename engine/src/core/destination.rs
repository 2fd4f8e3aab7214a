//! Where requests go: URLs as scripts write them, resolved against the target.

use super::session::Location;
use super::state::CoreState;
use super::template::{Template, is_idempotent};
use crate::event::Event;
use crate::http::encode::{self, Forward, Head, compose};
use crate::http::url::{self, Server, default_name};
use crate::transport::{OriginId, Via};
use std::cell::OnceCell;
use std::rc::Rc;

/// Location a request goes.
pub(crate) struct Destination {
    pub(crate) origin: OriginId,
    pub(crate) authority: String,
    pub(crate) path: String,
    via: Option<Rc<Via>>,
}

impl Destination {
    /// A path on a server that is known.
    pub(crate) fn of(state: &CoreState, origin: OriginId, path: String) -> Destination {
        let origins = state.origins.borrow();
        let known = origins.get(origin);
        Destination {
            origin,
            authority: known.origin.authority(),
            path,
            via: known.via.clone(),
        }
    }

    /// What its requests have for a proxy, if they are sent to one.
    pub(crate) fn forward(&self) -> Option<&Forward> {
        self.via.as_ref()?.forward.as_ref()
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
        forward: to.forward(),
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
    let mut origins = state.origins.borrow_mut();
    let known = origins.count();
    let id = origins.intern(&origin)?;
    let is_new = id >= known;
    let notice = is_new.then(|| origins.proxy_notice(id)).flatten();
    drop(origins);
    if let Some((proxy, text)) = notice {
        let event = || Event::Notice { text };
        state.telemetry.send_once(proxy, event);
    }
    Ok(Destination::of(state, id, path))
}
