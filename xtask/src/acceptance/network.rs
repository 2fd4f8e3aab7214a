//! New connections between two hosts, which are network namespaces joined by veth.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use testkit::certificates::{Authority, Flaw};
use testkit::namespaces::{self, Host, Network};
use testkit::nginx::{self, TlsPort};

use super::runs::{self, Ran, profile, target};
use super::table::Table;
use crate::Failure;
use crate::bench::client::Scratch;

/// Users per second, each with one request, and for how long.
const OPEN: (u64, u64) = (2_000, 60);
/// The same over TLS.
const SECURE: (u64, u64) = (500, 60);
/// The same beside oha.
const TAIL: (u64, u64) = (5_000, 20);
/// Ports of a fresh system, 32768 to 60999.
const PORTS: u64 = 28_232;
/// The longest turn of a core.
const TURN_MAX_MS: f64 = 50.0;
/// The most of the lag at the 99th percentile.
const LAG_MAX_MS: f64 = 0.3;

/// Measures the rows of the area.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    let network = namespaces::pair().ok_or("the hosts could not be made")?;
    let (v4, v6) = (network.host(1).address(), network.host(1).address6());
    for (name, ip) in [("ipv4", v4), ("ipv6", v6)] {
        families(table, &network, name, ip)?;
    }
    if table.wants("sources") {
        let sources: Vec<String> = network
            .host(0)
            .sources(4)
            .iter()
            .map(IpAddr::to_string)
            .collect();
        let server = target(Some(network.host(1)), v4)?;
        let lines = format!("[connections]\nsource = {sources:?}");
        let ran = runs::mistress(Some(network.host(0)), &profile(&server.url, OPEN, &lines))?;
        exhausted(table, "sources", &ran, 4 * PORTS);
    }
    if table.wants("https") {
        secure(table, &network)?;
    }
    if table.wants("tail loopback") {
        let server = target(None, IpAddr::from([127, 0, 0, 1]))?;
        tail(table, "tail loopback", None, &server.url)?;
    }
    if table.wants("tail veth") {
        network.host(0).set("net.ipv4.tcp_tw_reuse", "1");
        let server = target(Some(network.host(1)), v4)?;
        tail(table, "tail veth", Some(network.host(0)), &server.url)?;
    }
    super::pool::measure(table, &network)?;
    super::truths::measure(table, &network)
}

/// What one address of each side allows, and what a reset allows.
fn families(table: &mut Table, network: &Network, name: &str, ip: IpAddr) -> Result<(), Failure> {
    let (near, far) = (network.host(0), network.host(1));
    let graceful = format!("{name} graceful");
    if table.wants(&graceful) {
        let server = target(Some(far), ip)?;
        let ran = runs::mistress(Some(near), &profile(&server.url, OPEN, ""))?;
        exhausted(table, &graceful, &ran, PORTS);
    }
    let reset = format!("{name} reset");
    if table.wants(&reset) {
        // On a path of its own: the ports of the run before still rest toward the other address.
        let server = target(Some(far), ip)?;
        let lines = "[connections]\nclose = \"reset\"";
        let ran = runs::mistress(Some(near), &profile(&server.url, OPEN, lines))?;
        served(table, &reset, &ran, OPEN.0 * OPEN.1);
    }
    Ok(())
}

/// Over TLS against nginx.
fn secure(table: &mut Table, network: &Network) -> Result<(), Failure> {
    let (near, far) = (network.host(0), network.host(1));
    let authority = Authority::new();
    let identity = authority.server(Flaw::None);
    let place = "location / { return 200 'ok'; }";
    let port = TlsPort {
        protocols: "TLSv1.2 TLSv1.3",
        identity: &identity,
        client_authority: None,
        server: place,
    };
    let ip = far.address();
    let nginx = far.within(|| nginx::start_at(ip, place, std::slice::from_ref(&port)));
    let nginx = nginx.ok_or("nginx is missing")?;
    let scratch = Scratch::new("acceptance-tls")?;
    std::fs::write(scratch.file("authority.pem"), authority.pem())?;
    let url = format!("https://site.test:{}", nginx.tls_addr(0).port());
    let tls = format!(
        "[hosts]\n\"site.test\" = \"{ip}\"\n[tls]\nca = {:?}\n[connections]\n",
        scratch.file("authority.pem")
    );
    let ran = runs::mistress(
        Some(near),
        &profile(&url, SECURE, &format!("{tls}close = \"reset\"")),
    )?;
    served(table, "https reset", &ran, SECURE.0 * SECURE.1);
    Ok(())
}

/// Rows of a run that has fewer ports than connections.
fn exhausted(table: &mut Table, name: &str, ran: &Ran, room: u64) {
    let row = |what: &str| format!("{name}: {what}");
    let ok = ran.count("/totals/ok");
    // Some ports may have been closed by the server first, and be had again.
    let enough = ok >= room;
    table.row(&row("ok"), format!("at least {room}"), ok, enough);
    let (failed, ports) = (
        ran.count("/totals/failed"),
        ran.count("/failures/ports_exhausted"),
    );
    table.same(&row("failed for want of ports"), failed, ports);
    conserved(table, name, ran);
    table.same(
        &row("foreseen"),
        true,
        ran.said.contains("ports: the plan makes"),
    );
    let first = &ran.result["verdict"]["reasons"][0]["kind"];
    table.same(
        &row("first reason"),
        "ports_exhausted",
        first.as_str().unwrap_or("none"),
    );
    stalls(table, name, ran);
}

/// Rows of a run in which everything works.
fn served(table: &mut Table, name: &str, ran: &Ran, all: u64) {
    let row = |what: &str| format!("{name}: {what}");
    table.same(&row("ok"), all, ran.count("/totals/ok"));
    table.same(&row("foreseen"), false, ran.said.contains("ports:"));
    let verdict = ran.result["verdict"]["state"].as_str().unwrap_or("none");
    table.same(&row("verdict"), "clean", verdict);
    conserved(table, name, ran);
    stalls(table, name, ran);
}

fn conserved(table: &mut Table, name: &str, ran: &Ran) {
    let parts = ["/totals/ok", "/totals/failed", "/totals/unfinished"];
    let sum = parts.iter().map(|part| ran.count(part)).sum();
    table.same(&format!("{name}: sent"), ran.count("/totals/sent"), sum);
}

fn stalls(table: &mut Table, name: &str, ran: &Ran) {
    table.at_most(
        &format!("{name}: longest turn"),
        TURN_MAX_MS,
        ran.turn_max_ms(),
        "ms",
    );
    table.same(&format!("{name}: kernel workers"), 0, ran.workers);
}

/// Latency beside that of oha, in the same call.
fn tail(table: &mut Table, name: &str, host: Option<&Host>, url: &str) -> Result<(), Failure> {
    let oha_ms = runs::oha_p99_ms(host, url, TAIL)?;
    std::thread::sleep(Duration::from_secs(2));
    let ran = runs::mistress(host, &profile(url, TAIL, ""))?;
    let row = |what: &str| format!("{name}: {what}");
    table.same(&row("ok"), TAIL.0 * TAIL.1, ran.count("/totals/ok"));
    table.at_most(
        &row("p99, twice oha's"),
        2.0 * oha_ms,
        ran.ms("/latency/p99_us"),
        "ms",
    );
    table.at_most(&row("lag p99"), LAG_MAX_MS, ran.ms("/lag/p99_us"), "ms");
    stalls(table, name, &ran);
    let pool = "[connections]\npool = \"shared\"";
    let shared = runs::mistress(host, &profile(url, TAIL, pool))?;
    let p99_ms = shared.ms("/latency/p99_us");
    table.at_most(&row("p99 of a shared pool, oha's"), oha_ms, p99_ms, "ms");
    Ok(())
}

impl Ran {
    fn turn_max_ms(&self) -> f64 {
        let cores = self.result["generator"]["cores"].as_array();
        let turns = cores
            .into_iter()
            .flatten()
            .map(|core| core["turn_max_us"].as_f64());
        turns.flatten().fold(f64::NAN, f64::max) / 1e3
    }

    fn ms(&self, pointer: &str) -> f64 {
        let value = self.result.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or(f64::NAN) / 1e3
    }

    /// A count; 0 when it is not there.
    pub(super) fn count(&self, pointer: &str) -> u64 {
        self.result
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    }
}
