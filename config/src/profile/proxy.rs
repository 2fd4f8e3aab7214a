//! The keys `proxy` and `no_proxy` of `[connections]`, and the proxies of the environment.

use toml::de::{DeTable, DeValue};

use super::fields::{Table, wrong};
use crate::document::{Diagnostics, Document, Span, Value};
use crate::proxy::{self, Bypass, KEY, Proxies, Proxy};
use crate::variables::Variables;

/// Entries of `no_proxy`.
const BYPASSES_MAX: usize = 1_000;
const ALLOWED: &str = "\"environment\", \"none\" or the URL of a proxy such as \
                       \"http://proxy.example:3128\"";
const BYPASS_ALLOWED: &str =
    "a list of hosts that are reached directly, such as [\"shop.example\", \"10.0.0.0/8\"]";

/// The proxies of the environment, or what is wrong with them and the place to tell it of.
pub(super) type Environment = Result<Proxies, (Span, String)>;

/// Reads the variables that name proxies.
pub(super) fn environment(document: &mut Document<'_>, variables: &Variables) -> Environment {
    Proxies::from_environment(variables).map_err(|(name, message)| (document.label(name), message))
}

/// Reads both keys of a table, which may be missing; `None` when something was reported.
pub(super) fn read(
    table: Option<&Table<'_, '_>>,
    environment: Environment,
    errors: &mut Diagnostics,
) -> Option<Proxies> {
    let value = table.and_then(|table| table.get("proxy"));
    let bypass = match table.and_then(|table| table.get("no_proxy")) {
        Some(value) => read_bypass(value, errors),
        None => Some(Vec::new()),
    };
    let proxies = match value {
        None => environment,
        Some(value) => read_proxy(value, environment),
    };
    let proxies = proxies.map_err(|(span, message)| errors.found(span, message));
    let (mut proxies, bypass) = (proxies.ok()?, bypass?);
    proxies.bypass.extend(bypass);
    Some(proxies)
}

fn read_proxy(value: &Value<'_>, environment: Environment) -> Result<Proxies, (Span, String)> {
    let DeValue::String(url) = value.get_ref() else {
        // Not shown: there may be passwords in it.
        let message = format!("found no text, expected {ALLOWED} (`{KEY}`)");
        return Err((value.span(), message));
    };
    match url.as_ref() {
        "environment" => environment,
        "none" => Ok(Proxies::default()),
        url => Proxy::parse(url, KEY)
            .map(|proxy| Proxies {
                http: Some(proxy.clone()),
                https: Some(proxy),
                bypass: Vec::new(),
                spares_loopback: false,
            })
            .map_err(|message| {
                // A question is the last word.
                let others = match message.ends_with('?') {
                    true => "",
                    false => "; or \"environment\" or \"none\"",
                };
                (value.span(), format!("{message}{others} (`{KEY}`)"))
            }),
    }
}

fn read_bypass(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Vec<Bypass>> {
    const PATH: &str = "connections.no_proxy";
    let items = match value.get_ref() {
        DeValue::Array(items) if items.len() <= BYPASSES_MAX => items,
        _ => return wrong(errors, value, PATH, BYPASS_ALLOWED),
    };
    let entries: Vec<Option<Bypass>> = items
        .iter()
        .map(|item| match item.get_ref() {
            DeValue::String(text) => Bypass::parse(text)
                .map_err(|message| errors.found(item.span(), format!("{message} (`{PATH}`)")))
                .ok(),
            _ => wrong(errors, item, PATH, BYPASS_ALLOWED),
        })
        .collect();
    entries.into_iter().collect()
}

/// Has the credentials of the proxies hidden wherever something is told.
pub(super) fn hide_credentials(root: &DeTable<'_>, variables: &mut Variables) {
    let connections = root.get("connections").map(|value| value.get_ref());
    let value = match connections {
        Some(DeValue::Table(table)) => table.get("proxy").map(|value| value.get_ref()),
        _ => None,
    };
    let secrets = match value {
        None => proxy::secrets_of_environment(variables),
        Some(DeValue::String(text)) if text == "environment" => {
            proxy::secrets_of_environment(variables)
        }
        Some(DeValue::String(text)) => proxy::secrets_of(text),
        Some(_) => Vec::new(),
    };
    variables.hide(secrets);
}
