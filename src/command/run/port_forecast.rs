//! Compares the local ports a plan needs with those available, before any traffic.

use crate::render::format::count;
use config::{Close, Load, Model, Plan, Pool, ReconnectPolicy};
use engine::LocalPorts;
use std::net::SocketAddr;
use std::time::Duration;

/// Number of moments at which the need is computed, besides the ends of phases.
const MOMENTS: u32 = 500;
/// Fractions of a connection below this are rounding errors.
const ROUNDING: f64 = 1e-3;

/// A message with the numbers and the remedies, if connections to these addresses of the target
/// will need more ports than available. `share` is this process's part of the load.
///
/// The need is estimated from the plan: one connection per arrival, or per iteration where the
/// profile wants new ones, and more where scripts make several requests without keeping
/// connections.
pub fn shortage(
    plan: &Plan,
    share: f64,
    system: &LocalPorts,
    servers: &[SocketAddr],
) -> Option<String> {
    let commands = &plan.connections;
    let outlive_users = commands.pool == Pool::Shared && commands.keep_alive;
    if commands.close == Close::Reset || outlive_users {
        return None;
    }
    let rest = servers
        .iter()
        .map(|server| system.rest(server.ip()))
        .max()?;
    let sources = |server: &SocketAddr| {
        let same = |ip: &&std::net::IpAddr| ip.is_ipv4() == server.is_ipv4();
        let named = plan.connections.source.iter().filter(same).count();
        named.max(1) as u64
    };
    let paths: u64 = servers.iter().map(sources).sum();
    let room = system.count() * paths;
    // Sums of rates have rounding errors.
    let needed = (most_within(plan, rest) * share - ROUNDING).ceil() as u64;
    if needed <= room {
        return None;
    }
    let window_s = rest.as_secs_f64();
    let (first, last) = system.range;
    let several = if paths == 1 { "" } else { "s" };
    Some(format!(
        "ports: the plan makes {} new connections or more within {window_s:.0} s, and {} local \
         ports ({first}-{last}) × {} path{several} (from one address to one of the target's), each resting \
         {window_s:.0} s after its connection, allow {}: {} per second. What cannot be had fails as \
         ports_exhausted. Ways out: pool = \"shared\" or close = \"reset\" in [connections], more \
         addresses in source, a wider range in ports, or sysctl -w net.ipv4.tcp_tw_reuse=1",
        count(needed),
        count(system.count()),
        count(paths),
        count(room),
        count((room as f64 / window_s) as u64),
    ))
}

/// The maximum number of new connections within any such duration.
fn most_within(plan: &Plan, window: Duration) -> f64 {
    let length = plan.duration();
    let ends = plan.loads.iter().flat_map(|load| {
        let start = load.start;
        load.phase_ends.iter().map(move |end| start + *end)
    });
    let even = (0..=MOMENTS).map(|k| length * k / MOMENTS);
    let made_by = |t: Duration| {
        plan.loads
            .iter()
            .map(|load| made(plan, load, t))
            .sum::<f64>()
    };
    let within = |end: Duration| made_by(end) - made_by(end.saturating_sub(window));
    let candidates = ends.clone().chain(ends.map(|end| end + window)).chain(even);
    candidates.map(within).fold(0.0, f64::max)
}

/// New connections of a load up to a moment of the run.
fn made(plan: &Plan, load: &Load, moment: Duration) -> f64 {
    let commands = &plan.connections;
    let each_pass = !commands.keep_alive || commands.renew != ReconnectPolicy::Never;
    let since = moment.saturating_sub(load.start);
    match &load.model {
        Model::Open {
            rate, iterations, ..
        } => {
            let passes = if each_pass { *iterations } else { 1 };
            rate.cumulative(since) * f64::from(passes)
        }
        Model::Closed {
            users,
            pacing: Some(pacing),
        } if each_pass => users.cumulative(since) / pacing.as_secs_f64(),
        // Users that keep their connections, or whose pace depends on the target.
        Model::Closed { .. } => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn plan(connections: &str, load: &str) -> Plan {
        let text = format!(
            "[run]\nscript = \"s.lua\"\ntarget = \"http://h\"\n[connections]\n{connections}\n\
             [[load]]\nscenarios = \"a\"\n{load}\n"
        );
        config::parse(&text, Path::new("p.toml")).unwrap()
    }

    fn system(tw_reuse: u64) -> LocalPorts {
        LocalPorts {
            range: (32_768, 60_999),
            reserved: Vec::new(),
            is_systems: true,
            tw_reuse,
            has_timestamps: true,
            reuse_after: Duration::from_secs(1),
        }
    }

    fn shortage_text(
        connections: &str,
        load: &str,
        tw_reuse: u64,
        servers: &[&str],
    ) -> Option<String> {
        let servers: Vec<SocketAddr> = servers.iter().map(|s| s.parse().unwrap()).collect();
        shortage(&plan(connections, load), 1.0, &system(tw_reuse), &servers)
    }

    const OPEN: &str = "model = \"open\"\nphases = [{ rate = \"2000/s\", for = \"60s\" }]";
    const FAR: &[&str] = &["10.99.0.2:80"];

    #[test]
    fn what_does_not_fit_is_said_with_its_numbers() {
        let text = shortage_text("", OPEN, 2, FAR).unwrap();
        for part in [
            "120,000 new connections",
            "28,232 local ports (32768-60999) × 1 path ",
            "allow 28,232: 470 per second",
            "pool = \"shared\"",
            "close = \"reset\"",
            "source",
            "tcp_tw_reuse=1",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }

    #[test]
    fn what_fits_is_not() {
        let short = "model = \"open\"\nphases = [{ rate = \"2000/s\", for = \"14s\" }]";
        let slow = "model = \"open\"\nphases = [{ rate = \"470/s\", for = \"1h\" }]";
        let many =
            "source = [\"10.99.0.1\", \"10.99.1.1\", \"10.99.2.1\", \"10.99.3.1\", \"10.99.4.1\"]";
        let closed = "model = \"closed\"\nphases = [{ users = 50000, for = \"60s\" }]";
        for (connections, load, reuse, servers) in [
            ("", short, 0, FAR),
            ("", slow, 0, FAR),
            ("", OPEN, 1, FAR),
            ("", OPEN, 2, &["127.0.0.1:80"]),
            ("", OPEN, 0, &[]),
            ("close = \"reset\"", OPEN, 0, FAR),
            ("pool = \"shared\"", OPEN, 0, FAR),
            (many, OPEN, 0, FAR),
            ("", closed, 0, FAR),
        ] {
            assert_eq!(
                shortage_text(connections, load, reuse, servers),
                None,
                "{connections} {load}"
            );
        }
    }

    #[test]
    fn peaks_passes_and_paces_count() {
        let peak = "model = \"open\"\nphases = [{ rate = \"1/s\", for = \"1h\" }, \
                    { rate = \"3000/s\", for = \"10s\" }, { rate = \"1/s\", for = \"1h\" }]";
        assert!(
            shortage_text("", peak, 0, FAR)
                .unwrap()
                .contains("30,050 new")
        );
        let passes =
            "model = \"open\"\niterations = 3\nphases = [{ rate = \"500/s\", for = \"30s\" }]";
        assert_eq!(shortage_text("", passes, 0, FAR), None);
        assert!(shortage_text("renew = \"iteration\"", passes, 0, FAR).is_some());
        let paced =
            "model = \"closed\"\npacing = \"100ms\"\nphases = [{ users = 100, for = \"2m\" }]";
        assert!(
            shortage_text("keep_alive = false", paced, 0, FAR)
                .unwrap()
                .contains("60,000 new")
        );
    }
}
