//! Each step and each address against a blocking client, and the tables against themselves.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::*;
use crate::client::Client;

/// Kinds of failure the tables may name.
const KINDS: [&str; 13] = [
    "bad_chunk",
    "bad_head",
    "bad_length",
    "body_too_large",
    "closed_no_response",
    "head_too_large",
    "incomplete_body",
    "reset_first_byte",
    "reset_receive",
    "reset_send",
    "status",
    "timeout",
    "too_many_informational",
];

fn client(server: &FaultOrigin) -> Client {
    Client::connect(server.addr()).unwrap()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[test]
fn good_for_ever() {
    let server = FaultOrigin::start(Script::each(Script::good()));
    let mut one = client(&server);
    for _ in 0..10 {
        assert_eq!(one.get("/").unwrap().body, b"good");
        assert_eq!(
            one.request("POST", "/", "", &[7; 100_000]).unwrap().body,
            b"good"
        );
    }
    drop(one);
    let report = server.wait_for(|r| r.ends == [End::PeerClosed]);
    assert_eq!(
        (report.ends.as_slice(), report.requests),
        ([End::PeerClosed].as_slice(), 20)
    );
    assert_eq!(report.requests_by_connection, [20]);
    assert!(report.heads[1].starts_with("POST / HTTP/1.1\r\n"));
    assert!(report.bytes_in > 1_000_000);
}

#[test]
fn connections_differ() {
    let script = Script::each([Step::ReadHead, Step::Send(ok("a"))])
        .then([Step::ReadHead, Step::Close])
        .then_good();
    let server = FaultOrigin::start(script);
    assert_eq!(client(&server).get("/").unwrap().body, b"a");
    let closed = client(&server).get("/").unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::UnexpectedEof);
    for _ in 0..2 {
        assert_eq!(client(&server).get("/").unwrap().body, b"good");
    }
    let report = server.wait_for(|r| r.ends.len() == 4 && !r.ends.contains(&End::Open));
    use End::{PeerClosed, Server};
    assert_eq!(report.ends, [Server, Server, PeerClosed, PeerClosed]);
    assert_eq!((report.connections(), report.requests), (4, 4));
}

#[test]
fn reset_and_half_close() {
    let script = Script::each([Step::ReadHead, Step::Reset]).then([
        Step::ReadHead,
        Step::send("half"),
        Step::ShutdownWrite,
        Step::ReadBody(5),
        Step::AwaitClose,
    ]);
    let server = FaultOrigin::start(script);
    let mut reset = client(&server);
    reset.send(GET).unwrap();
    assert_eq!(
        reset.read_to_end().unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    let mut half = client(&server);
    half.send(GET).unwrap();
    assert_eq!(half.read_to_end().unwrap(), b"half");
    half.send(b"12345 and more").unwrap();
    drop(half);
    let report = server.wait_for(|r| r.ends == [End::Server, End::PeerClosed]);
    assert_eq!(report.ends, [End::Server, End::PeerClosed]);
    assert_eq!(report.bytes_in, 2 * GET.len() as u64 + 14);
}

#[test]
fn pauses_and_single_bytes() {
    let gap = Duration::from_millis(3);
    let steps = [
        Step::ReadHead,
        Step::Pause(Duration::from_millis(30)),
        Step::SendBytewise {
            bytes: b"0123456789".to_vec(),
            gap,
        },
        Step::SendBig(3_000_000),
    ];
    let server = FaultOrigin::start(Script::each(steps));
    let mut one = client(&server);
    let start = Instant::now();
    one.send(GET).unwrap();
    let all = one.read_to_end().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!(all.len(), 3_000_010);
    assert!(all.starts_with(b"0123456789\0"));
    assert_eq!(
        server.wait_for(|r| r.ends == [End::Server]).bytes_out,
        3_000_010
    );
}

#[test]
fn ends_in_the_middle_of_anything() {
    let minute = Duration::from_secs(60);
    for steps in [
        vec![Step::ReadHead],
        vec![Step::Pause(minute)],
        vec![Step::SendBig(1 << 40)],
        vec![Step::SendBytewise {
            bytes: vec![0; 1000],
            gap: minute,
        }],
    ] {
        let server = FaultOrigin::start(Script::each(steps.clone()));
        let _one = client(&server);
        server.wait_for(|r| r.connections() == 1);
        let start = Instant::now();
        drop(server);
        // Far less than what any of the lists would take.
        assert!(start.elapsed() < minute / 2, "{steps:?}");
    }
}

#[test]
fn addresses_fail_as_they_should() {
    for row in addresses() {
        let limit = Duration::from_millis(200);
        let Ok(addr) = row.authority.parse() else {
            assert_eq!(row.expected, "dns");
            continue;
        };
        let error = TcpStream::connect_timeout(&addr, limit).unwrap_err();
        let kind = match row.expected {
            "refused" => ErrorKind::ConnectionRefused,
            "connect_timeout" => ErrorKind::TimedOut,
            _ => ErrorKind::NetworkUnreachable,
        };
        assert_eq!(error.kind(), kind, "{}", row.name);
    }
}

#[test]
fn the_tables_are_sound() {
    let rows: Vec<Row> = [framing(), keep_alive(), bodies(1_000_000)]
        .into_iter()
        .flatten()
        .collect();
    assert!(rows.len() > 80, "{}", rows.len());
    let names: HashSet<&str> = rows.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "a name stands for one row");
    let mut seen = HashSet::new();
    for row in &rows {
        assert!(
            !row.expected.is_empty() && row.connections > 0,
            "{}",
            row.name
        );
        for outcome in &row.expected {
            if let Outcome::Failed(kind) = outcome {
                seen.insert(*kind);
            }
        }
    }
    seen.remove("unexpected_upgrade");
    assert_eq!(seen, KINDS.into_iter().collect());
}

#[test]
fn outcomes() {
    assert!(Outcome::Ok(200).holds(200, None));
    assert!(!Outcome::Ok(200).holds(204, None));
    assert!(!Outcome::Ok(200).holds(200, Some("incomplete_body")));
    assert!(Outcome::Failed("timeout").holds(0, Some("timeout")));
    assert!(!Outcome::Failed("timeout").holds(200, None));
    assert!(Outcome::FailedOneOf(&["a", "b"]).holds(0, Some("b")));
}

/// Every reply that one connection of a row sends without waiting in between.
#[test]
fn the_first_reply_of_each_framing_row_arrives() {
    for row in framing() {
        let server = FaultOrigin::start(row.script.clone());
        let mut one = client(&server);
        one.send(GET).unwrap();
        let wanted = match &row.script.steps(0)[1] {
            Step::Send(bytes) if bytes.len() < 1 << 20 => bytes.len() as u64,
            _ => 0,
        };
        let report = server.wait_for(|r| r.bytes_out >= wanted && r.requests == 1);
        assert!(
            report.bytes_out >= wanted && report.requests == 1,
            "{}: {report:?}",
            row.name
        );
    }
}

/// Speaks TLS to a server and gets one reply, whole or not; the error as text.
fn over_tls(addr: std::net::SocketAddr, host: &str, authority: &str) -> Result<Vec<u8>, String> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    use std::io::{Read, Write};
    let mut roots = rustls::RootCertStore::empty();
    let der = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
    roots.add(der).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connection = rustls::ClientConnection::new(config.into(), name).unwrap();
    let socket = TcpStream::connect(addr).unwrap();
    let patience = Some(Duration::from_secs(10));
    socket.set_read_timeout(patience).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    stream.write_all(GET).map_err(|e| e.to_string())?;
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => Ok(reply),
        Err(e) => Err(e.to_string()),
    }
}

#[test]
fn tls_with_good_and_bad_certificates_and_ends() {
    use crate::certificates::{Authority, Flaw};
    let authority = Authority::new();
    let other = Authority::new();
    let good = [Step::ReadHead, Step::Send(ok("tls"))];
    let said = [&good[..], &[Step::CloseNotify]].concat();
    let rows = [
        (Flaw::None, &authority, said.as_slice(), Ok(ok("tls"))),
        (Flaw::None, &authority, &good, Err("close_notify")),
        (Flaw::None, &other, &good, Err("UnknownIssuer")),
        (Flaw::Expired, &authority, &good, Err("xpired")),
        (Flaw::NotYetValid, &authority, &good, Err("not valid yet")),
        (
            Flaw::WrongHost,
            &authority,
            &good,
            Err("not valid for name"),
        ),
    ];
    for versions in [Versions::Tls12, Versions::Tls13] {
        for (flaw, trusted, steps, expected) in &rows {
            let side = TlsSide::new(&authority.server(*flaw), versions);
            let server = FaultOrigin::start_tls(Script::each(steps.to_vec()), side);
            assert!(server.url().starts_with("https://127.0.0.1:"));
            for host in ["localhost", "127.0.0.1"] {
                match (over_tls(server.addr(), host, trusted.pem()), expected) {
                    (Ok(reply), Ok(wanted)) => assert_eq!(&reply, wanted),
                    (Err(why), Err(part)) => assert!(why.contains(part), "{flaw:?}: {why}"),
                    (found, _) => panic!("{flaw:?} {host}: {found:?} instead of {expected:?}"),
                }
            }
        }
    }
}

#[test]
fn the_tls_table_is_sound() {
    let rows = tls(&crate::certificates::Authority::new());
    let names: HashSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "a name stands for one row");
    for row in rows {
        assert!(!row.expected.is_empty() && row.url().contains(row.host));
    }
}
