//! Clients that hold connections: each gives way to others, none keeps anybody out.

use crate::client::{self, PASSWORD, Result};
use crate::nodes::{post, whole_run};
use mistress_server as server;
use server::access::{Accounts, EVERY_PROJECT, Role};
use server::connections::ConnectionLimits;
use server::{Options, TlsFiles};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::certificates::{Authority, Flaw};

fn start(dir: &Path, change: impl FnOnce(&mut Options)) -> Result<server::Running> {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut options = Options::new(bind, dir);
    options.connections.head = Duration::from_millis(400);
    options.connections.idle = Duration::from_millis(800);
    options.connections.body = Duration::from_millis(400);
    change(&mut options);
    Ok(server::start(options)?)
}

/// How long until the server closes the connection.
fn closed_after(mut stream: TcpStream, began: Instant) -> Result<Duration> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut part = [0; 1_024];
    while matches!(stream.read(&mut part), Ok(1..)) {}
    Ok(began.elapsed())
}

#[test]
fn a_client_may_let_the_server_wait_only_so_long() -> Result {
    let dir = tempfile::tempdir()?;
    let running = start(dir.path(), |_| {})?;
    let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let body = "POST /sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\nna";
    // what is sent, and after how many ms the connection is closed
    let rows = [("", 400), ("GET / HT", 400), (get, 800), (body, 400)];
    for (sent, limit_ms) in rows {
        let mut stream = TcpStream::connect(running.addr())?;
        stream.write_all(sent.as_bytes())?;
        let took = closed_after(stream, Instant::now())?;
        let limit = Duration::from_millis(limit_ms);
        let most = limit + Duration::from_secs(2);
        assert!(
            took + Duration::from_millis(20) >= limit && took < most,
            "{sent:?}: {took:?}"
        );
    }
    Ok(())
}

#[test]
fn who_holds_most_gives_way() -> Result {
    let dir = tempfile::tempdir()?;
    let accounts = Accounts::open(dir.path())?;
    accounts.add("root", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    let running = start(dir.path(), |options| {
        options.connections = ConnectionLimits {
            open_max: 40,
            per_address_max: 30,
            ..ConnectionLimits::default()
        };
    })?;
    let addr = running.addr();
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(addr)?;
        stream.write_all(b"GET /report/list HTTP/1.1\r\nhost: ")?;
        held.push(stream);
    }
    let reply = client::sign_in(addr, "root", PASSWORD)?;
    assert_eq!(reply.status, 303, "{reply:?}");
    let token = running.token().to_owned();
    let reply = client::deliver(addr, &token, crate::nodes::start(), "run")?;
    assert_eq!(reply.status, 200, "{reply:?}");
    // the oldest gave way, the newest are still there
    let began = Instant::now();
    assert!(closed_after(held.remove(0), began)? < Duration::from_secs(5));
    let newest = held.pop().ok_or("none")?;
    newest.set_read_timeout(Some(Duration::from_millis(50)))?;
    assert!((&newest).read(&mut [0; 8]).is_err(), "it is held");
    Ok(())
}

/// As above, over a network with round trips of its own: a host that holds all it can, and lets its
/// answers lie, keeps nobody out who comes from another.
#[test]
fn a_host_that_holds_most_gives_way_to_another() -> Result {
    let Some(network) = testkit::namespaces::network(3) else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let accounts = Accounts::open(dir.path())?;
    accounts.add("root", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    let (near, far, server) = (network.host(0), network.host(1), network.host(2));
    let bind = SocketAddr::new(server.address(), 0);
    let started = server.within(|| {
        let change = |options: &mut Options| {
            options.bind = bind;
            options.connections = ConnectionLimits {
                open_max: 40,
                per_address_max: 40,
                ..ConnectionLimits::default()
            };
        };
        start(dir.path(), change).map_err(|error| error.to_string())
    });
    let running = started?;
    let addr = running.addr();
    let hold = || -> std::io::Result<Vec<TcpStream>> {
        let asks = b"GET /sign-in HTTP/1.1\r\nhost: localhost\r\n\r\nGET / HT";
        let mut held = Vec::new();
        for _ in 0..200 {
            let mut stream = TcpStream::connect(addr)?;
            stream.write_all(asks)?;
            held.push(stream);
        }
        Ok(held)
    };
    let held = near.within(hold)?;
    for _ in 0..3 {
        let signed_in = far.within(|| {
            let reply = client::sign_in(addr, "root", PASSWORD);
            reply.map_err(|error| error.to_string())
        });
        assert_eq!(signed_in?.status, 303);
    }
    let token = running.token().to_owned();
    let stored = far.within(|| {
        let reply = client::deliver(addr, &token, crate::nodes::start(), "run");
        reply.map_err(|error| error.to_string())
    });
    assert_eq!(stored?.status, 200);
    drop(held);
    Ok(())
}

#[test]
fn streams_are_not_idle_and_who_finds_no_place_is_told() -> Result {
    let dir = tempfile::tempdir()?;
    let running = start(dir.path(), |options| {
        options.connections.open_max = 2;
        options.connections.per_address_max = 2;
    })?;
    let addr = running.addr();
    post(addr, &whole_run("live", 0, 9, &["GET /"])[0]).map_err(|error| error.to_string())?;
    let streams: Vec<_> = (0..2)
        .map(|_| -> Result<TcpStream> {
            let mut stream = TcpStream::connect(addr)?;
            stream.write_all(b"GET /api/v1/runs/live/live HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            let mut part = [0; 4_096];
            assert!(stream.read(&mut part)? > 0);
            Ok(stream)
        })
        .collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_millis(1_200));
    let reply = client::send(addr, "GET", "/healthz", &[], b"")?;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("5")),
        "{reply:?}"
    );
    assert!(reply.text().contains("too many connections"), "{reply:?}");
    for stream in &streams {
        stream.set_nonblocking(true)?;
        let read = (&mut &*stream).read(&mut [0; 4_096]);
        assert!(!matches!(read, Ok(0)), "it was closed");
    }
    Ok(())
}

#[test]
fn it_speaks_tls_with_the_files_it_is_given() -> Result {
    let dir = tempfile::tempdir()?;
    let authority = Authority::new();
    let identity = authority.server(Flaw::None);
    let (cert, key) = identity.write(dir.path(), "server");
    let (_, other_key) = authority.server(Flaw::None).write(dir.path(), "other");
    let data = dir.path().join("data");
    Accounts::open(&data)?.add("root", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    let missing = dir.path().join("missing.pem");
    for (cert, key, said) in [
        (&missing, &key, "missing.pem"),
        (&key, &key, "no certificate"),
        (&cert, &cert, "a private key in PEM"),
        (&cert, &other_key, "not the key of the certificate"),
    ] {
        let (cert, key) = (cert.clone(), key.clone());
        let error = start(&data, |options| options.tls = Some(TlsFiles { cert, key }));
        let error = error.map(drop).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
    let running = start(&data, |options| options.tls = Some(TlsFiles { cert, key }))?;
    assert!(
        running.url().starts_with("https://localhost:"),
        "{}",
        running.url()
    );
    let form = format!("name=root&password={PASSWORD}");
    let request = format!(
        "POST /sign-in HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let reply = over_tls(running.addr(), authority.pem(), &request)?.to_ascii_lowercase();
    assert!(reply.starts_with("http/1.1 303"), "{reply}");
    assert!(reply.contains("; secure"), "{reply}");
    // a handshake that never comes counts as a head
    let silent = TcpStream::connect(running.addr())?;
    assert!(closed_after(silent, Instant::now())? < Duration::from_secs(3));
    Ok(())
}

/// Sends a request as a client does that trusts the authority.
fn over_tls(addr: SocketAddr, authority: &str, request: &str) -> Result<String> {
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, Stream, crypto};
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
    let mut stream = TcpStream::connect(addr)?;
    let mut tls = Stream::new(&mut tls, &mut stream);
    tls.write_all(request.as_bytes())?;
    let mut reply = Vec::new();
    // the answer is complete by its head, whether or not the end is announced
    let _ = tls.read_to_end(&mut reply);
    Ok(String::from_utf8_lossy(&reply).into_owned())
}
