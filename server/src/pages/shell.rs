//! What every page has around its content.

use super::assets;
use crate::access::{EVERY_PROJECT, RequestRole, Role, Visitor};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

/// The frame of a page: templates that extend `base.html` have it as their field `shell`.
#[derive(Debug, Clone)]
pub struct Shell {
    /// Where scripts and styles lie, with the hash of their content.
    pub assets: String,
    /// Which entry of the navigation is the present page: `list`, `admin` or another.
    pub place: &'static str,
    /// The name of who is signed in.
    pub visitor: Option<String>,
    /// Whether the page of accounts is offered.
    pub is_admin: bool,
    /// What the visitor may do: `edit`, `delete`, `admin`, separated by spaces.
    pub can: String,
}

impl Shell {
    /// The frame for a visitor who may do these things.
    pub fn new(place: &'static str, visitor: Option<String>, can: &str) -> Self {
        Shell {
            assets: assets::base(),
            place,
            is_admin: can.split(' ').any(|word| word == "admin"),
            visitor,
            can: can.to_owned(),
        }
    }
}

impl Shell {
    /// The frame for a visitor with this role over what the page shows.
    pub(crate) fn of(visitor: &Visitor, role: Option<Role>, place: &'static str) -> Self {
        let mut can = Vec::new();
        if role >= Some(Role::Manager) {
            can.push("edit");
        }
        if role >= Some(Role::Admin) {
            can.push("delete");
        }
        if visitor.may(Role::Admin, EVERY_PROJECT) {
            can.push("admin");
        }
        let name = visitor.is_signed_in().then(|| visitor.name());
        Shell::new(place, name, &can.join(" "))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Shell {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let place = match parts.uri.path() {
            "/report/list" => "list",
            path if path.starts_with("/admin") => "admin",
            "/account" => "account",
            _ => "",
        };
        // The guard puts both before every page; without them it is a stranger.
        let role = parts.extensions.get::<RequestRole>();
        let role = role.and_then(|standing| standing.0);
        Ok(match parts.extensions.get::<Visitor>() {
            Some(visitor) => Shell::of(visitor, role, place),
            None => Shell::new(place, None, ""),
        })
    }
}
