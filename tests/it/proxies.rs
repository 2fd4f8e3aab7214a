//! Proxies: requests to plain and TLS servers through real ones, and what hostile ones end as.

mod hostile;

use crate::binary::{Done, Program, Scratch, can_run, conserved, count};
use crate::harness::{Placement, event, failures, one_arrival, run_table};
use serde_json::Value;
use testkit::certificates::{Authority, Flaw, Identity};
use testkit::faults::{FaultOrigin, Refused, Script, Step, TlsSide, UNRESOLVABLE, Versions, ok};
use testkit::nginx::{self, Nginx, TlsPort};
use testkit::proxies::{self, Proxy};

/// Name and password of the proxies.
const CREDENTIALS: (&str, &str) = ("ann", "s3cr3t-p455");
/// The same, as basic authentication writes them.
const BASIC: &str = "YW5uOnMzY3IzdC1wNDU1";
/// Requests of the user of a run.
const REQUESTS: u64 = 5;

/// The script of a user that makes `REQUESTS` requests and logs how each ended.
fn script(path: &str) -> String {
    format!(
        "return {{ main = function(user) for i = 1, {REQUESTS} do\n\
         local reply = user:get('{path}')\n\
         user:log(i .. ' ' .. reply.status .. ' ' .. tostring(reply.failure))\nend end }}"
    )
}

/// A profile for one user that trusts the authority of the file `ca.pem`.
fn profile(target: &str, connections: &str) -> String {
    let run = run_table(target);
    let load = one_arrival("main");
    format!("{run}fail_on = []\n[tls]\nca = \"ca.pem\"\n[connections]\n{connections}\n{load}")
}

fn scratch(target: &str, connections: &str, authority: &Authority) -> Scratch {
    let scratch = Scratch::of(&profile(target, connections), &script("/"));
    scratch.write("ca.pem", authority.pem());
    scratch
}

/// A server that answers over plain TCP and over TLS, and is a proxy for plain requests as well.
fn server(identity: &Identity) -> Option<Nginx> {
    let tls = TlsPort {
        protocols: "TLSv1.2 TLSv1.3",
        identity,
        client_authority: None,
        server: "location / { return 200 'secure'; }",
    };
    nginx::start_with("location / { return 200 'plain'; }", &[tls])
}

/// Runs a profile with this proxy; its requests all end ok, on so many connections.
#[track_caller]
fn goes_through(placement: &Placement, scratch: &Scratch, proxy: &str, connections: u64) -> Done {
    let command = scratch.run_command(&["--cores", "1", "-x", proxy]);
    let done = Program::start(placement.command(command))
        .finish()
        .expect(0);
    let result = scratch.result();
    conserved(&result);
    let ok = count(&result, "/totals/ok");
    assert_eq!(ok, REQUESTS, "{proxy}\n{}\n{}", done.out, done.err);
    let opened = event(&result, "connection_opened");
    assert_eq!(opened, connections, "{proxy}\n{}", done.out);
    let named = format!("{} (connections.proxy)", without_credentials(proxy));
    let line = format!("proxy        {named}\n");
    assert!(done.out.contains(&line), "{line}\n{}", done.out);
    assert_eq!(result["run"]["proxy"], named);
    for text in [&done.out, &done.err, &result.to_string()] {
        assert!(!text.contains(CREDENTIALS.1), "{proxy}\n{text}");
        assert!(!text.contains(BASIC), "{proxy}\n{text}");
    }
    done
}

fn without_credentials(proxy: &str) -> String {
    let (scheme, rest) = proxy.split_once("://").expect("a URL");
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

fn with_credentials(scheme: &str, host: impl std::fmt::Display) -> String {
    let (user, password) = CREDENTIALS;
    format!("{scheme}://{user}:{password}@{host}")
}

/// A server and real proxies beside it.
struct Parts {
    authority: Authority,
    identity: Identity,
    server: Nginx,
    http: Proxy,
    socks: Proxy,
}

impl Parts {
    /// Starts them; none where they are not installed. The proxies demand these credentials.
    fn start(placement: &Placement, credentials: Option<(&str, &str)>) -> Option<Parts> {
        if !can_run() {
            return None;
        }
        let authority = Authority::new();
        let identity = authority.server(Flaw::None);
        placement.serve(|ip| {
            Some(Parts {
                server: server(&identity)?,
                http: proxies::tinyproxy(ip, credentials)?,
                socks: proxies::microsocks(ip, credentials)?,
                authority,
                identity,
            })
        })
    }
}

#[test]
fn plain_and_tls_servers_are_reached_through_real_proxies() {
    let here = Placement::Loopback;
    let Some(parts) = Parts::start(&here, Some(CREDENTIALS)) else {
        return;
    };
    let Some(front) = proxies::tls_front(parts.http.addr(), &parts.identity) else {
        return;
    };
    let front = format!("localhost:{}", front.addr().port());
    let front = (with_credentials("https", &front), REQUESTS);
    let secure = reached(&here, &parts, &[front]);
    let wrong = format!("http://ann:wrong-p455@{}", parts.http.addr());
    let done = secure.run(&["--quiet", "-x", &wrong]).expect(0);
    assert_eq!(failures(&secure.result(), "proxy_refused"), REQUESTS);
    let advice = "check the credentials in its URL";
    assert!(done.out.contains(advice), "{}\n{}", done.out, done.err);
}

/// The server listens on the loopback interface of the proxies' host, which only they can reach.
#[test]
fn proxies_on_another_host_reach_what_is_behind_them() {
    let Some(hosts) = Placement::separate_hosts() else {
        return;
    };
    if let Some(parts) = Parts::start(&hosts, Some(CREDENTIALS)) {
        reached(&hosts, &parts, &[]);
    }
}

/// Reaches the server by both proxies and more, each with the connections that its plain requests
/// take; the profile for the server over TLS.
fn reached(placement: &Placement, parts: &Parts, more: &[(String, u64)]) -> Scratch {
    let Parts {
        authority,
        server,
        http,
        socks,
        ..
    } = parts;
    let plain = scratch(&server.url(), "", authority);
    let port = server.tls_addr(0).port();
    let secure = scratch(&format!("https://localhost:{port}"), "", authority);
    // tinyproxy closes after each plain request; a tunnel is kept
    let rows = [
        (with_credentials("http", http.addr()), REQUESTS),
        (with_credentials("socks5", socks.addr()), 1),
        (with_credentials("socks5h", socks.addr()), 1),
    ];
    let requests = || placement.serve(|_| server.status().requests);
    for (proxy, connections) in rows.iter().chain(more) {
        let before = requests();
        goes_through(placement, &plain, proxy, *connections);
        assert_eq!(requests() - before, REQUESTS, "{proxy}");
        goes_through(placement, &secure, proxy, 1);
    }
    let log = http.output();
    assert!(log.contains(&format!("CONNECT localhost:{port}")), "{log}");
    assert!(log.contains(&format!("GET {}/", server.url())), "{log}");
    secure
}

#[test]
fn a_proxy_costs_no_reuse_of_connections() {
    let Some(Parts {
        authority,
        server,
        http,
        socks,
        ..
    }) = Parts::start(&Placement::Loopback, None)
    else {
        return;
    };
    // nginx takes absolute URLs too, keeps its connections, and answers itself
    let forward = server.url();
    let port = server.tls_addr(0).port();
    let secure = format!("https://localhost:{port}");
    let rows = [
        (&forward, forward.clone()),
        (&forward, format!("socks5h://{}", socks.addr())),
        (&secure, format!("http://{}", http.addr())),
        (&secure, format!("socks5://{}", socks.addr())),
    ];
    for (target, proxy) in rows {
        for pool in ["user", "shared"] {
            let load = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
                        phases = [{ users = 4, for = \"300ms\" }]\n";
            let run = run_table(target);
            let profile =
                format!("{run}[tls]\nca = \"ca.pem\"\n[connections]\npool = \"{pool}\"\n{load}");
            let scratch = Scratch::of(&profile, crate::harness::ONE_REQUEST);
            scratch.write("ca.pem", authority.pem());
            let done = scratch
                .run(&["--quiet", "--cores", "1", "-x", &proxy])
                .expect(0);
            let result = scratch.result();
            conserved(&result);
            let (ok, sent) = (count(&result, "/totals/ok"), count(&result, "/totals/sent"));
            assert!(ok == sent && ok > 20, "{proxy}\n{}", done.out);
            let opened = event(&result, "connection_opened");
            assert!(opened <= 4, "{opened} by {proxy}, {pool}\n{}", done.out);
        }
    }
}

#[test]
fn the_environment_is_heeded_but_for_loopback_and_no_proxy() {
    if !can_run() {
        return;
    }
    let authority = Authority::new();
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let nobody = Refused::new();
    let port = origin.addr().port();
    let hosts = "[hosts]\n\"shop.test\" = \"127.0.0.1\"\n";
    let run = |scratch: Scratch, environment: &[(&str, &str)]| {
        let mut command = scratch.run_command(&["--cores", "1"]);
        let proxy = format!(
            "http://{}:{}@{}",
            CREDENTIALS.0,
            CREDENTIALS.1,
            nobody.addr()
        );
        command
            .env("HTTP_PROXY", proxy)
            .envs(environment.iter().copied());
        let done = Program::start(command).finish().expect(0);
        assert!(!done.out.contains(CREDENTIALS.1), "{}", done.out);
        let result = scratch.result();
        let told = notices(&result).contains("(HTTP_PROXY); --proxy none");
        (
            failures(&result, "refused"),
            count(&result, "/totals/ok"),
            told,
        )
    };
    let through = |target: &str, connections: &str, environment: &[(&str, &str)]| {
        let connections = format!("{connections}\n{hosts}");
        run(scratch(target, &connections, &authority), environment)
    };
    let named = format!("http://shop.test:{port}");
    let direct = (0, REQUESTS, false);
    assert_eq!(through(&named, "", &[]), (REQUESTS, 0, true));
    assert_eq!(
        through(&named, "", &[("NO_PROXY", ".x, shop.test")]),
        direct
    );
    assert_eq!(through(&named, "no_proxy = [\"*.test\"]", &[]), direct);
    assert_eq!(through(&named, "proxy = \"none\"", &[]), direct);
    assert_eq!(through(&origin.url(), "", &[]), direct);
    // another server than the target is told of once it is met
    let elsewhere = Scratch::of(
        &profile(&origin.url(), hosts),
        &script(&format!("{named}/")),
    );
    elsewhere.write("ca.pem", authority.pem());
    assert_eq!(run(elsewhere, &[]), (REQUESTS, 0, true));
}

#[test]
fn credentials_of_a_proxy_are_told_nowhere() {
    if !can_run() {
        return;
    }
    let authority = Authority::new();
    let origin = FaultOrigin::start(Script::each(Script::good()));
    // a server that takes absolute URLs is a proxy that answers itself
    let proxy = with_credentials("http", origin.addr());
    let scratch = scratch(
        "http://shop.test",
        &format!("proxy = \"{proxy}\""),
        &authority,
    );
    let log = scratch.argument("requests.jsonl");
    let run = scratch.run(&["--cores", "1", "--log", "requests=all", "--log-file", &log]);
    let check = crate::binary::run(&["check", &scratch.profile()]).expect(0);
    check.says(&[
        "GET http://shop.test/ HTTP/1.1",
        "Proxy-Authorization: Basic ***",
    ]);
    let wrong = crate::binary::run(&[
        "check",
        &scratch.profile(),
        "-x",
        "socks4://ann:s3cr3t-p455@h",
    ]);
    let wrong = wrong.expect(2);
    let files =
        [log, scratch.argument("r.json")].map(|file| std::fs::read_to_string(file).unwrap());
    assert!(
        files[0].contains("\"url\":\"http://shop.test/\""),
        "{}",
        files[0]
    );
    assert!(origin.report().requests >= 2 * REQUESTS);
    let texts = [
        &run.out, &run.err, &wrong.out, &wrong.err, &files[0], &files[1],
    ];
    for text in texts {
        assert!(
            !text.contains(CREDENTIALS.1) && !text.contains(BASIC),
            "{text}"
        );
    }
}

/// The notices of a result, a line each.
fn notices(result: &Value) -> String {
    let list = result["notices"].as_array().expect("notices are a list");
    let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    texts.join("\n")
}

#[test]
fn tls_with_a_proxy_fails_as_tls_does() {
    if !can_run() {
        return;
    }
    let authority = Authority::new();
    let side = TlsSide::new(&authority.server(Flaw::Expired), Versions::Both);
    let expired = FaultOrigin::start_tls(Script::each(Script::good()), side);
    let plain = FaultOrigin::start(Script::each([Step::ReadAny, Step::send(ok("x"))]));
    for target in ["http://shop.test", "https://shop.test"] {
        for (port, kind, notice) in [
            (
                expired.addr().port(),
                "tls_expired",
                "tls_expired: the certificate ended",
            ),
            (plain.addr().port(), "tls_plain_text", "the reply is no TLS"),
        ] {
            let scratch = scratch(target, "", &authority);
            let proxy = format!("https://localhost:{port}");
            scratch.run(&["--quiet", "-x", &proxy]).expect(0);
            let result = scratch.result();
            assert_eq!(failures(&result, kind), REQUESTS, "{target}: {result}");
            let notices = notices(&result);
            assert!(
                notices.contains(&format!("the proxy {proxy}: ")),
                "{notices}"
            );
            assert!(notices.contains(notice), "{notices}");
        }
    }
}

#[test]
fn names_that_this_machine_resolves_are_tried_before_traffic() {
    if !can_run() {
        return;
    }
    let target = format!("http://{UNRESOLVABLE}");
    let scratch = scratch(
        &target,
        "proxy = \"socks5://127.0.0.1:1\"",
        &Authority::new(),
    );
    scratch
        .run(&[])
        .expect(3)
        .complains(&["target: no address for", UNRESOLVABLE]);
    let proxy = ["-x", UNRESOLVABLE];
    let place = "connections.proxy: no address for";
    scratch
        .run(&proxy)
        .expect(3)
        .complains(&[place, UNRESOLVABLE]);
}
