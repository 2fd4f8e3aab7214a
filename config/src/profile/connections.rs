//! The tables `[connections]` and `[hosts]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::fields::{self, Table, choose, wrong};
use crate::document::{Report, Value};
use crate::transport::{Close, Connections, PartLimits, Pick, Pool, Ports, Renew};

const KEYS: [&str; 12] = [
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
];
const PARTS: [&str; 3] = ["connect", "tls", "first_byte"];
const REQUESTS_MAX: u64 = u32::MAX as u64;
/// Connections of one user to one origin.
const PER_ORIGIN_MAX: u64 = 1_000;
/// Ports below are the system's.
const PORT_MIN: u16 = 1_024;
/// Each core of a run needs some.
const PORTS_MIN: u16 = 16;
/// Connections of one core to one origin with a shared pool: about as many as a core can have.
const PER_ORIGIN_SHARED_MAX: u64 = 1_000_000;
const HOSTS_MAX: usize = 1_000;
const ADDRESSES_MAX: usize = 1_000;
const DAY: Duration = Duration::from_secs(86_400);
/// The histograms end here.
const HOUR: Duration = Duration::from_secs(3_600);

/// Reads both; `None` when something was reported.
pub(super) fn read(root: &Table<'_, '_>, report: &mut Report) -> Option<Connections> {
    let hosts = read_hosts(root, report);
    let connections = read_connections(root, report);
    Some(Connections {
        hosts: hosts?,
        ..connections?
    })
}

fn read_connections(root: &Table<'_, '_>, report: &mut Report) -> Option<Connections> {
    let standard = Connections::default();
    let Some(value) = root.get("connections") else {
        return Some(standard);
    };
    let table = &Table::of(value, "connections", "a table: [connections]", report)?;
    table.refuse_unknown(report, &KEYS);
    let keep_alive = match table.get("keep_alive") {
        Some(value) => fields::truth(value, "connections.keep_alive", report),
        None => Some(true),
    };
    let requests_max = count(table, "requests_max", 1..=REQUESTS_MAX, report);
    let pooling = read_pool(table, report);
    let second = Duration::from_secs(1);
    let age_max = length(
        table,
        "age_max",
        (Duration::from_nanos(1)..=DAY, "above zero, at most \"1d\""),
        report,
    );
    let resolve = length(table, "resolve", (second..=DAY, "\"1s\" to \"1d\""), report);
    let addresses = match table.get("addresses") {
        Some(value) => {
            let words = [
                ("first", Pick::First),
                ("turn", Pick::Turn),
                ("random", Pick::Random),
            ];
            choose(value, "connections.addresses", &words, report)
        }
        None => Some(standard.addresses),
    };
    let source = match table.get("source") {
        Some(value) => read_addresses(value, "connections.source", report),
        None => Some(Vec::new()),
    };
    let close = match table.get("close") {
        Some(value) => {
            let words = [("graceful", Close::Graceful), ("reset", Close::Reset)];
            choose(value, "connections.close", &words, report)
        }
        None => Some(standard.close),
    };
    let ports = match table.get("ports") {
        Some(value) => read_ports(value, report),
        None => Some(standard.ports),
    };
    let limits = read_limits(table, report);
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
        hosts: Vec::new(),
    })
}

/// `"system"`, or the first and the last port: `"10000-60999"`.
fn read_ports(value: &Value<'_>, report: &mut Report) -> Option<Ports> {
    const ALLOWED: &str =
        "\"system\" or a range of at least 16 ports from 1024 on, such as \"10000-60999\"";
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
    read.or_else(|| wrong(report, value, "connections.ports", ALLOWED))
}

/// The keys that depend on who may use a connection: `pool`, `per_origin` and `renew`.
fn read_pool(table: &Table<'_, '_>, report: &mut Report) -> Option<(Pool, Option<u32>, Renew)> {
    let pool = match table.get("pool") {
        Some(value) => {
            let words = [("user", Pool::User), ("shared", Pool::Shared)];
            choose(value, "connections.pool", &words, report)
        }
        None => Some(Pool::User),
    };
    let renew = match table.get("renew") {
        Some(value) => {
            let words = [
                ("never", Renew::Never),
                ("iteration", Renew::Iteration),
                ("request", Renew::Request),
            ];
            choose(value, "connections.renew", &words, report)
        }
        None => Some(Renew::Never),
    };
    let per_origin_max = match pool {
        Some(Pool::User) => PER_ORIGIN_MAX,
        _ => PER_ORIGIN_SHARED_MAX,
    };
    let per_origin = count(table, "per_origin", 1..=per_origin_max, report);
    let (pool, renew, per_origin) = (pool?, renew?, per_origin?);
    if let (Pool::Shared, Some(value)) = (pool, table.get("renew"))
        && renew != Renew::Never
    {
        let message = "`renew` cannot be used with `pool = \"shared\"`: no user has connections \
                       of its own; use `pool = \"user\"`, or bound connections with \
                       `requests_max` or `age_max` (`connections.renew`)";
        report.found(value.span(), message);
        return None;
    }
    Some((pool, per_origin.or(pool.per_origin_default()), renew))
}

fn read_limits(table: &Table<'_, '_>, report: &mut Report) -> Option<PartLimits> {
    const PATH: &str = "connections.timeouts";
    let Some(value) = table.get("timeouts") else {
        return Some(PartLimits::default());
    };
    let table = &Table::of(value, PATH, "a table such as { connect = \"1s\" }", report)?;
    table.refuse_unknown(report, &PARTS);
    let allowed = || (Duration::from_nanos(1)..=HOUR, "above zero, at most \"1h\"");
    let [connect, tls, first_byte] = PARTS.map(|part| length(table, part, allowed(), report));
    Some(PartLimits {
        connect: connect?,
        tls: tls?,
        first_byte: first_byte?,
    })
}

fn count(
    table: &Table<'_, '_>,
    key: &str,
    allowed: RangeInclusive<u64>,
    report: &mut Report,
) -> Option<Option<u32>> {
    match table.get(key) {
        Some(value) => {
            let count = fields::whole(value, &table.path(key), allowed, report)?;
            u32::try_from(count).ok().map(Some)
        }
        None => Some(None),
    }
}

fn length(
    table: &Table<'_, '_>,
    key: &str,
    (allowed, limits): (RangeInclusive<Duration>, &str),
    report: &mut Report,
) -> Option<Option<Duration>> {
    match table.get(key) {
        Some(value) => fields::duration(value, &table.path(key), allowed, limits, report).map(Some),
        None => Some(None),
    }
}

fn read_hosts(root: &Table<'_, '_>, report: &mut Report) -> Option<Vec<(String, Vec<IpAddr>)>> {
    const ALLOWED: &str = "a table such as: [hosts]";
    let Some(value) = root.get("hosts") else {
        return Some(Vec::new());
    };
    let entries = Table::of(value, "hosts", ALLOWED, report)?.in_order();
    if entries.len() > HOSTS_MAX {
        let found = entries.len();
        report.found(
            value.span(),
            format!("found {found} names, allowed are {HOSTS_MAX} (`hosts`)"),
        );
        return None;
    }
    let hosts: Vec<Option<_>> = entries
        .into_iter()
        .map(|(name, span, value)| {
            let addresses = read_addresses(value, "hosts", report)?;
            let Some(name) = host_key(name) else {
                let shown = crate::document::quoted(name);
                report.found(
                    span,
                    format!("found {shown}, allowed is the name of a host, without scheme and port (`hosts`)"),
                );
                return None;
            };
            Some((name, addresses))
        })
        .collect();
    hosts.into_iter().collect()
}

/// A name as the engine knows it: lower case, ASCII; an address without brackets.
fn host_key(name: &str) -> Option<String> {
    if !name.is_ascii() {
        return crate::origin::ascii_host(name);
    }
    let is_address = name.parse::<IpAddr>().is_ok();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(fits);
    (is_address || is_name).then(|| name.to_ascii_lowercase())
}

/// One address, or several in a list.
fn read_addresses(value: &Value<'_>, path: &str, report: &mut Report) -> Option<Vec<IpAddr>> {
    const ALLOWED: &str = "an IP address such as \"127.0.0.1\", or several in a list";
    let items: Vec<&Value<'_>> = match value.get_ref() {
        DeValue::Array(items) if (1..=ADDRESSES_MAX).contains(&items.len()) => {
            items.iter().collect()
        }
        DeValue::Array(_) => return wrong(report, value, path, ALLOWED),
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
            None => wrong(report, item, path, ALLOWED),
        })
        .collect();
    read.into_iter().collect()
}
