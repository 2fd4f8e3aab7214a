//! The table of what goes wrong with TLS, in the handshake and after it.

use std::time::Duration;

use super::row::Outcome;
use super::script::{Script, Step, ok};
use super::server::FaultOrigin;
use super::wire::{TlsSide, Versions};
use crate::certificates::{Authority, Flaw};

/// How long a server that stalls its handshake is waited for.
const STALL: Duration = Duration::from_millis(300);

/// One user makes `expected.len()` requests, one after another, to a server of its own.
pub struct TlsRow {
    /// Says what is wrong; unique in the table.
    pub name: &'static str,
    /// The server, running.
    pub origin: FaultOrigin,
    /// The host by which it is asked for.
    pub host: &'static str,
    /// Whether the client is told of the authority that signed the server's certificate.
    pub trusts: bool,
    /// Whether the client is told to verify nothing.
    pub insecure: bool,
    /// The limit for each request; `None`: a generous one.
    pub timeout: Option<Duration>,
    /// How each request must end, in order.
    pub expected: Vec<Outcome>,
}

impl TlsRow {
    fn new(name: &'static str, origin: FaultOrigin) -> TlsRow {
        TlsRow {
            name,
            origin,
            host: "localhost",
            trusts: true,
            insecure: false,
            timeout: None,
            expected: vec![Outcome::Ok(200), Outcome::Ok(200)],
        }
    }

    /// `https://host:port`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.host, self.origin.addr().port())
    }

    /// Both requests fail so.
    fn fails(self, kind: &'static str) -> TlsRow {
        TlsRow {
            expected: vec![Outcome::Failed(kind); 2],
            ..self
        }
    }

    /// The first request fails so, the second is good.
    fn fails_once(self, kind: &'static str) -> TlsRow {
        TlsRow {
            expected: vec![Outcome::Failed(kind), Outcome::Ok(200)],
            ..self
        }
    }
}

/// All rows, for a client that may trust `authority`.
pub fn tls(authority: &Authority) -> Vec<TlsRow> {
    let mut rows = certificates(authority);
    rows.extend(handshakes(authority));
    rows.extend(closings(authority));
    rows
}

/// A server with this certificate and no other fault.
fn serving(authority: &Authority, flaw: Flaw, versions: Versions) -> FaultOrigin {
    let side = TlsSide::new(&authority.server(flaw), versions);
    FaultOrigin::start_tls(Script::each(Script::good()), side)
}

/// Servers whose certificates are right, or not.
fn certificates(authority: &Authority) -> Vec<TlsRow> {
    let row = |name, flaw| TlsRow::new(name, serving(authority, flaw, Versions::Both));
    let good = |name, versions| TlsRow::new(name, serving(authority, Flaw::None, versions));
    vec![
        good("TLS 1.2", Versions::Tls12),
        good("TLS 1.3", Versions::Tls13),
        TlsRow {
            host: "127.0.0.1",
            ..good("an address instead of a name", Versions::Both)
        },
        row("expired", Flaw::Expired).fails("tls_expired"),
        row("not valid yet", Flaw::NotYetValid).fails("tls_expired"),
        row("for another host", Flaw::WrongHost).fails("tls_wrong_host"),
        TlsRow {
            host: "127.0.0.1",
            ..row("for another address", Flaw::WrongHost).fails("tls_wrong_host")
        },
        TlsRow {
            trusts: false,
            ..row("of an unknown authority", Flaw::None).fails("tls_unknown_ca")
        },
        TlsRow {
            trusts: false,
            insecure: true,
            ..row("anything goes", Flaw::None)
        },
        TlsRow {
            insecure: true,
            ..row("expired and accepted", Flaw::Expired)
        },
        TlsRow {
            insecure: true,
            ..row("for another host and accepted", Flaw::WrongHost)
        },
    ]
}

/// Servers that do not finish the handshake.
fn handshakes(authority: &Authority) -> Vec<TlsRow> {
    let after_hello = |steps: &[Step]| {
        let steps = [&[Step::ReadAny][..], steps].concat();
        FaultOrigin::start(Script::each(steps))
    };
    // A fatal alert: handshake_failure (RFC 8446, section 6).
    let alert = [21, 3, 3, 0, 2, 2, 40].to_vec();
    let asking = TlsSide::asking(
        &authority.server(Flaw::None),
        Versions::Both,
        authority.pem(),
    );
    vec![
        TlsRow {
            timeout: Some(STALL),
            ..TlsRow::new("stalled", after_hello(&[Step::AwaitClose])).fails("tls_timeout")
        },
        TlsRow::new(
            "an alert",
            after_hello(&[Step::Send(alert), Step::AwaitClose]),
        )
        .fails("tls_alert"),
        TlsRow::new(
            "a client certificate is asked for",
            FaultOrigin::start_tls(Script::each(Script::good()), asking),
        )
        .fails("tls_client_certificate"),
        TlsRow::new(
            "plain text",
            after_hello(&[Step::Send(ok("plain")), Step::AwaitClose]),
        )
        .fails("tls_plain_text"),
        TlsRow::new("closed in the handshake", after_hello(&[Step::Close])).fails("tls_closed"),
        TlsRow::new("reset in the handshake", after_hello(&[Step::Reset])).fails("reset_tls"),
        TlsRow::new(
            "not even TLS",
            after_hello(&[Step::Send(vec![0xff; 64]), Step::AwaitClose]),
        )
        .fails("tls_plain_text"),
    ]
}

/// Servers that end a connection with or without a word.
fn closings(authority: &Authority) -> Vec<TlsRow> {
    let side = TlsSide::new(&authority.server(Flaw::None), Versions::Both);
    let serve = |steps: &[Step]| {
        let steps = [&[Step::ReadHead][..], steps].concat();
        FaultOrigin::start_tls(Script::each(steps).then_good(), side.clone())
    };
    let until_close = Step::send("HTTP/1.1 200 OK\r\n\r\nto the end");
    let half = Step::send("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf of it");
    vec![
        TlsRow::new(
            "up to the end, which is announced",
            serve(&[until_close.clone(), Step::CloseNotify, Step::Close]),
        ),
        TlsRow::new(
            "up to the end, which is not announced",
            serve(&[until_close, Step::Close]),
        )
        .fails_once("tls_truncated"),
        TlsRow::new(
            "half a body and an announced end",
            serve(&[half.clone(), Step::CloseNotify, Step::Close]),
        )
        .fails_once("incomplete_body"),
        TlsRow::new("half a body", serve(&[half, Step::Close])).fails_once("incomplete_body"),
        TlsRow::new("closed instead of an answer", serve(&[Step::Close]))
            .fails_once("closed_no_response"),
        TlsRow::new(
            "a whole body and an end that is not announced",
            serve(&[Step::Send(ok("whole")), Step::Close]),
        ),
        TlsRow::new(
            "closed with a word while idle",
            serve(&[Step::Send(ok("first")), Step::CloseNotify, Step::AwaitClose]),
        ),
    ]
}
