//! The tables `[connections]` and `[hosts]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::fields::{self, Table, choose, wrong};
use super::proxy::{self, Environment};
use crate::document::{Diagnostics, Value};
use crate::transport::{
    AddressPolicy, Close, Connections, PhaseTimeouts, Pool, Ports, ReconnectPolicy,
};

const KEYS: [&str; 14] = [
    "keep_alive",
    "requests_max",
    "age_max",
    "renew",
    "pool",
    "per_origin",
    "addresses",
    "resolve",
    "source",
    "close",
    "ports",
    "timeouts",
    "proxy",
    "no_proxy",
];
const PHASES: [&str; 3] = ["connect", "tls", "first_byte"];
const REQUESTS_MAX: u64 = u32::MAX as u64;
/// Connections of one user to one origin.
const PER_ORIGIN_MAX: u64 = 1_000;
/// Lower ports are reserved for the system.
const PORT_MIN: u16 = 1_024;
/// Every core of a run needs some ports.
const PORTS_MIN: u16 = 16;
/// Connections of one core to one origin with a shared pool: about as many as a core can hold.
const PER_ORIGIN_SHARED_MAX: u64 = 1_000_000;
const ADDRESS_POLICIES: [(&str, AddressPolicy); 3] = [
    ("first", AddressPolicy::First),
    ("turn", AddressPolicy::RoundRobin),
    ("random", AddressPolicy::Random),
];
const CLOSES: [(&str, Close); 2] = [("graceful", Close::Graceful), ("reset", Close::Reset)];
const HOSTS_MAX: usize = 1_000;
const ADDRESSES_MAX: usize = 1_000;
const DAY: Duration = Duration::from_secs(86_400);
/// The upper end of the histograms.
const HOUR: Duration = Duration::from_secs(3_600);

/// Reads both; `None` when something was reported.
pub(super) fn read(
    root: &Table<'_, '_>,
    environment: Environment,
    errors: &mut Diagnostics,
) -> Option<Connections> {
    let hosts = read_hosts(root, errors);
    let connections = match root.get("connections") {
        Some(value) => read_connections(value, environment, errors),
        None => proxy::read(None, environment, errors).map(|proxies| Connections {
            proxies,
            ..Connections::default()
        }),
    };
    Some(Connections {
        hosts: hosts?,
        ..connections?
    })
}

fn read_connections(
    value: &Value<'_>,
    environment: Environment,
    errors: &mut Diagnostics,
) -> Option<Connections> {
    let standard = Connections::default();
    let table = &Table::from_value(value, "connections", "a table: [connections]", errors)?;
    table.refuse_unknown(errors, &KEYS);
    let keep_alive = match table.get("keep_alive") {
        Some(value) => fields::boolean(value, "connections.keep_alive", errors),
        None => Some(true),
    };
    let requests_max = count(table, "requests_max", 1..=REQUESTS_MAX, errors);
    let pooling = read_pool(table, errors);
    let ages = Duration::from_nanos(1)..=DAY;
    let limits = "a duration above zero and at most \"1d\"";
    let age_max = length(table, "age_max", ages, limits, errors);
    let intervals = Duration::from_secs(1)..=DAY;
    let limits = "a duration from \"1s\" to \"1d\"";
    let resolve = length(table, "resolve", intervals, limits, errors);
    let addresses = match table.get("addresses") {
        Some(value) => choose(value, "connections.addresses", &ADDRESS_POLICIES, errors),
        None => Some(standard.addresses),
    };
    let source = match table.get("source") {
        Some(value) => read_addresses(value, "connections.source", errors),
        None => Some(Vec::new()),
    };
    let close = match table.get("close") {
        Some(value) => choose(value, "connections.close", &CLOSES, errors),
        None => Some(standard.close),
    };
    let ports = match table.get("ports") {
        Some(value) => read_ports(value, errors),
        None => Some(standard.ports),
    };
    let limits = read_limits(table, errors);
    let proxies = proxy::read(Some(table), environment, errors);
    let (pool, per_origin, renew) = pooling?;
    Some(Connections {
        keep_alive: keep_alive?,
        requests_max: requests_max?,
        age_max: age_max?,
        renew,
        pool,
        per_origin,
        addresses: addresses?,
        resolve: resolve?,
        source: source?,
        close: close?,
        ports: ports?,
        limits: limits?,
        proxies: proxies?,
        hosts: Vec::new(),
    })
}

/// `"system"`, or the first and the last port: `"10000-60999"`.
fn read_ports(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Ports> {
    const ALLOWED: &str =
        "\"system\" or a range of at least 16 ports above 1023, such as \"10000-60999\"";
    let range = |text: &str| {
        let (first, last) = text.split_once('-')?;
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let is_wide = last.checked_sub(first)? >= PORTS_MIN - 1;
        (first >= PORT_MIN && is_wide).then_some(Ports::Range(first, last))
    };
    let read = match value.get_ref() {
        DeValue::String(text) if text.as_ref() == "system" => Some(Ports::System),
        DeValue::String(text) => range(text),
        _ => None,
    };
    read.or_else(|| wrong(errors, value, "connections.ports", ALLOWED))
}

/// The keys that depend on the pool: `pool`, `per_origin` and `renew`.
fn read_pool(
    table: &Table<'_, '_>,
    errors: &mut Diagnostics,
) -> Option<(Pool, Option<u32>, ReconnectPolicy)> {
    let pool = match table.get("pool") {
        Some(value) => {
            let words = [("user", Pool::User), ("shared", Pool::Shared)];
            choose(value, "connections.pool", &words, errors)
        }
        None => Some(Pool::User),
    };
    let renew = match table.get("renew") {
        Some(value) => {
            let words = [
                ("never", ReconnectPolicy::Never),
                ("iteration", ReconnectPolicy::Iteration),
                ("request", ReconnectPolicy::Request),
            ];
            choose(value, "connections.renew", &words, errors)
        }
        None => Some(ReconnectPolicy::Never),
    };
    let per_origin_max = match pool {
        Some(Pool::User) => PER_ORIGIN_MAX,
        _ => PER_ORIGIN_SHARED_MAX,
    };
    let per_origin = count(table, "per_origin", 1..=per_origin_max, errors);
    let (pool, renew, per_origin) = (pool?, renew?, per_origin?);
    if let (Pool::Shared, Some(value)) = (pool, table.get("renew"))
        && renew != ReconnectPolicy::Never
    {
        let message = "`renew` cannot be used with `pool = \"shared\"`: users have no connections \
                       of its own; use `pool = \"user\"`, or bound connections with \
                       `requests_max` or `age_max` (`connections.renew`)";
        errors.found(value.span(), message);
        return None;
    }
    Some((pool, per_origin.or(pool.per_origin_default()), renew))
}

fn read_limits(table: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<PhaseTimeouts> {
    const PATH: &str = "connections.timeouts";
    let Some(value) = table.get("timeouts") else {
        return Some(PhaseTimeouts::default());
    };
    let table = &Table::from_value(value, PATH, "a table such as { connect = \"1s\" }", errors)?;
    table.refuse_unknown(errors, &PHASES);
    let limits = "a duration above zero and at most \"1h\"";
    let [connect, tls, first_byte] =
        PHASES.map(|phase| length(table, phase, Duration::from_nanos(1)..=HOUR, limits, errors));
    Some(PhaseTimeouts {
        connect: connect?,
        tls: tls?,
        first_byte: first_byte?,
    })
}

fn count(
    table: &Table<'_, '_>,
    key: &str,
    allowed: RangeInclusive<u64>,
    errors: &mut Diagnostics,
) -> Option<Option<u32>> {
    match table.get(key) {
        Some(value) => {
            let count = fields::whole(value, &table.path(key), allowed, errors)?;
            u32::try_from(count).ok().map(Some)
        }
        None => Some(None),
    }
}

fn length(
    table: &Table<'_, '_>,
    key: &str,
    allowed: RangeInclusive<Duration>,
    limits: &str,
    errors: &mut Diagnostics,
) -> Option<Option<Duration>> {
    match table.get(key) {
        Some(value) => fields::duration(value, &table.path(key), allowed, limits, errors).map(Some),
        None => Some(None),
    }
}

fn read_hosts(
    root: &Table<'_, '_>,
    errors: &mut Diagnostics,
) -> Option<Vec<(String, Vec<IpAddr>)>> {
    const ALLOWED: &str = "a table such as: [hosts]";
    let Some(value) = root.get("hosts") else {
        return Some(Vec::new());
    };
    let entries = Table::from_value(value, "hosts", ALLOWED, errors)?.in_order();
    if entries.len() > HOSTS_MAX {
        let found = entries.len();
        errors.found(
            value.span(),
            format!("found {found} names, at most {HOSTS_MAX} are allowed (`hosts`)"),
        );
        return None;
    }
    let hosts: Vec<Option<_>> = entries
        .into_iter()
        .map(|(name, span, value)| {
            let addresses = read_addresses(value, "hosts", errors)?;
            let Some(name) = host_key(name) else {
                let shown = crate::document::quoted(name);
                errors.found(
                    span,
                    format!("found {shown}, expected the name of a host, without scheme and port (`hosts`)"),
                );
                return None;
            };
            Some((name, addresses))
        })
        .collect();
    hosts.into_iter().collect()
}

/// A name in the engine's form: lower case, ASCII; addresses without brackets.
fn host_key(name: &str) -> Option<String> {
    if !name.is_ascii() {
        return crate::origin::Origin::ascii_host(name);
    }
    let is_address = name.parse::<IpAddr>().is_ok();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(fits);
    (is_address || is_name).then(|| name.to_ascii_lowercase())
}

/// One address, or several in a list.
fn read_addresses(value: &Value<'_>, path: &str, errors: &mut Diagnostics) -> Option<Vec<IpAddr>> {
    const ALLOWED: &str = "an IP address such as \"127.0.0.1\" or a list of them";
    let items: Vec<&Value<'_>> = match value.get_ref() {
        DeValue::Array(items) if (1..=ADDRESSES_MAX).contains(&items.len()) => {
            items.iter().collect()
        }
        DeValue::Array(_) => return wrong(errors, value, path, ALLOWED),
        _ => vec![value],
    };
    let address = |item: &Value<'_>| match item.get_ref() {
        DeValue::String(text) => text.parse().ok(),
        _ => None,
    };
    let read: Vec<Option<IpAddr>> = items
        .into_iter()
        .map(|item| match address(item) {
            Some(address) => Some(address),
            None => wrong(errors, item, path, ALLOWED),
        })
        .collect();
    read.into_iter().collect()
}
