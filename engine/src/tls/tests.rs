//! The state machine against rustls' own server, without sockets, cut as chance may cut it.

use super::{Fault, Session, Setup, Tls};
use config::{Resume, TlsVersions};
use rustls::pki_types::ServerName;
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::sync::Arc;
use testkit::certificates::{Authority, Flaw, Identity, self_signed};

/// A client and a server that know each other.
struct Pair {
    tls: Tls,
    server: Arc<ServerConfig>,
    _folder: tempfile::TempDir,
}

impl Pair {
    fn new(change: impl FnOnce(&mut config::Tls)) -> Pair {
        Pair::of(Flaw::None, change)
    }

    fn of(flaw: Flaw, change: impl FnOnce(&mut config::Tls)) -> Pair {
        let authority = Authority::new();
        Pair::with(&authority.server(flaw), authority.pem(), change)
    }

    /// The server has this certificate, and the client's file of authorities this text.
    fn with(identity: &Identity, ca_pem: &str, change: impl FnOnce(&mut config::Tls)) -> Pair {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, ca_pem).expect("the folder takes a file");
        let mut options = config::Tls {
            ca: Some(ca),
            ..config::Tls::default()
        };
        change(&mut options);
        let (setup, _) = Setup::open(&options, true, None).expect("certificates are sound");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("the provider has suites for both versions")
            .with_no_client_auth()
            .with_single_cert(identity.chain(), identity.key())
            .expect("certificate and key fit");
        Pair {
            tls: Tls::new(&setup, &[b"http/1.1"]),
            server: Arc::new(server),
            _folder: folder,
        }
    }

    fn connect(&mut self, first: bool) -> Talk {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut session = self.tls.session(name, first, None).expect("a session");
        let mut out = Vec::new();
        session.hello(&mut out).expect("a hello");
        let server = ServerConnection::new(Arc::clone(&self.server)).expect("a server");
        Talk {
            session,
            server,
            out,
            heard: Vec::new(),
            asked: Vec::new(),
        }
    }
}

/// A connection between them.
struct Talk {
    session: Box<Session>,
    server: ServerConnection,
    /// What the client wants to send.
    out: Vec<u8>,
    /// What the client was told.
    heard: Vec<u8>,
    /// What the server was told.
    asked: Vec<u8>,
}

impl Talk {
    /// Carries bytes to and fro, to the client in pieces of `size`, until both are silent.
    fn settle(&mut self, size: usize) -> Result<(), Fault> {
        loop {
            let sent = std::mem::take(&mut self.out);
            let mut rest = &sent[..];
            while !rest.is_empty() {
                self.server.read_tls(&mut rest).expect("memory can be read");
                // What the server thinks of it, it says to the client.
                let _ = self.server.process_new_packets();
                let _ = self.server.reader().read_to_end(&mut self.asked);
            }
            let mut back = Vec::new();
            while self.server.wants_write() {
                self.server
                    .write_tls(&mut back)
                    .expect("memory can be written");
            }
            if sent.is_empty() && back.is_empty() {
                return Ok(());
            }
            for piece in back.chunks_mut(size) {
                let heard = &mut self.heard;
                self.session.receive(piece, &mut self.out, &mut |data| {
                    heard.extend_from_slice(data);
                })?;
            }
        }
    }
}

const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn requests_and_replies_pass_however_they_are_cut() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        for size in [1, 2, 3, 7, 100, 4096, 1 << 20] {
            let mut pair = Pair::new(|tls| tls.versions = versions);
            let mut talk = pair.connect(true);
            assert!(!talk.session.is_open());
            talk.settle(size).expect("a sound handshake");
            assert!(talk.session.is_open() && !talk.session.is_resumed());
            talk.session
                .encrypt(b"GET / HTTP/1.1\r\n\r\n", &mut talk.out)
                .expect("an open session encrypts");
            talk.server.writer().write_all(REPLY).expect("it is open");
            talk.settle(size).expect("a sound connection");
            assert_eq!(talk.heard, REPLY, "{versions:?} in pieces of {size}");
            assert_eq!(talk.asked, b"GET / HTTP/1.1\r\n\r\n");
            assert!(!talk.session.is_closed());
            talk.server.send_close_notify();
            talk.settle(size).expect("a sound end");
            assert!(talk.session.is_closed());
        }
    }
}

#[test]
fn large_bodies_pass_in_many_records() {
    let body: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let mut pair = Pair::new(|tls| tls.versions = versions);
        let mut talk = pair.connect(true);
        talk.settle(4096).expect("a sound handshake");
        talk.server.set_buffer_limit(None);
        talk.server.writer().write_all(&body).expect("it is open");
        talk.settle(4096 + 64).expect("a sound connection");
        assert!(talk.heard == body);
        talk.session
            .encrypt(&body, &mut talk.out)
            .expect("an open session encrypts");
        talk.settle(4096).expect("a sound connection");
        assert!(talk.asked == body);
    }
}

/// Whether each of ten connections resumed, the first of a user being every second.
fn resumed(versions: TlsVersions, resume: Resume) -> Vec<bool> {
    let mut pair = Pair::new(|tls| {
        tls.versions = versions;
        tls.resume = resume;
    });
    let connect = |number| {
        let mut talk = pair.connect(number % 2 == 0);
        talk.settle(4096).expect("a sound handshake");
        // The tickets of TLS 1.3 come with the first reply.
        talk.server.writer().write_all(REPLY).expect("it is open");
        talk.settle(4096).expect("a sound connection");
        talk.session.is_resumed()
    };
    (0..10).map(connect).collect()
}

#[test]
fn sessions_are_resumed_as_often_as_wanted() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let count = |resume| resumed(versions, resume).iter().filter(|one| **one).count();
        assert_eq!(count(Resume::Share(0.0)), 0, "{versions:?}");
        assert_eq!(count(Resume::Share(0.3)), 3, "{versions:?}");
        // There is nothing to resume for the very first.
        assert_eq!(count(Resume::Share(1.0)), 9, "{versions:?}");
        let by_user = resumed(versions, Resume::ByUser);
        let expected: Vec<bool> = (0..10).map(|number| number % 2 == 1).collect();
        assert_eq!(by_user, expected, "{versions:?}");
    }
}

#[test]
fn certificates_that_do_not_hold_are_told_apart() {
    let rows = [
        (Flaw::Expired, Fault::Expired),
        (Flaw::NotYetValid, Fault::Expired),
        (Flaw::WrongHost, Fault::WrongHost),
    ];
    for (flaw, fault) in rows {
        let mut pair = Pair::of(flaw, |_| {});
        let mut talk = pair.connect(true);
        assert_eq!(talk.settle(4096), Err(fault), "{flaw:?}");
        assert!(!talk.out.is_empty(), "the server is told");
        let mut pair = Pair::of(flaw, |tls| tls.insecure = true);
        assert_eq!(pair.connect(true).settle(4096), Ok(()), "{flaw:?}");
    }
    let stranger = tempfile::NamedTempFile::new().expect("a file for the test");
    std::fs::write(stranger.path(), Authority::new().pem()).expect("it takes bytes");
    let mut pair = Pair::new(|tls| tls.ca = Some(stranger.path().to_owned()));
    assert_eq!(pair.connect(true).settle(4096), Err(Fault::UnknownCa));
}

/// What a handshake comes to, and the words about it.
fn shake(pair: &mut Pair) -> (Result<(), Fault>, String) {
    let mut talk = pair.connect(true);
    let outcome = talk.settle(4096);
    let reason = talk.session.reason().unwrap_or_default();
    (outcome, reason.to_owned())
}

#[test]
fn a_certificate_that_is_named_itself_is_trusted() {
    for is_authority in [false, true] {
        let one = self_signed(Flaw::None, is_authority);
        let mut pair = Pair::with(&one, &one.certificate, |_| {});
        assert_eq!(shake(&mut pair).0, Ok(()), "{is_authority}");
        let other = self_signed(Flaw::None, is_authority);
        let mut pair = Pair::with(&one, &other.certificate, |_| {});
        assert!(shake(&mut pair).0.is_err(), "{is_authority}: another's");
        for (flaw, fault) in [
            (Flaw::Expired, Fault::Expired),
            (Flaw::NotYetValid, Fault::Expired),
            (Flaw::WrongHost, Fault::WrongHost),
        ] {
            let flawed = self_signed(flaw, is_authority);
            let mut pair = Pair::with(&flawed, &flawed.certificate, |_| {});
            assert_eq!(shake(&mut pair).0, Err(fault), "{is_authority} {flaw:?}");
        }
    }
    // One that somebody else signed, who is not named.
    let signed = Authority::new().server(Flaw::None);
    let mut pair = Pair::with(&signed, &signed.certificate, |_| {});
    assert_eq!(shake(&mut pair).0, Ok(()));
}

#[test]
fn what_failed_is_said_in_words() {
    let rows = [
        (Flaw::Expired, "the certificate ended on 2002-01-01"),
        (Flaw::NotYetValid, "the certificate begins on 4000-01-01"),
        (Flaw::WrongHost, "elsewhere.test"),
    ];
    for (flaw, expected) in rows {
        let (_, reason) = shake(&mut Pair::of(flaw, |_| {}));
        assert!(reason.contains(expected), "{flaw:?}: {reason}");
    }
    let stranger = Authority::new().server(Flaw::None);
    let mut pair = Pair::with(&stranger, Authority::new().pem(), |_| {});
    let (_, reason) = shake(&mut pair);
    assert!(reason.contains("tls.ca names others"), "{reason}");
    let alerts: [(&[u8], &str); 3] = [
        (
            b"HTTP/1.1 400 Bad \x1b\r\n\r\n",
            r#"the reply is no TLS: "HTTP/1.1 400 Bad \x1b""#,
        ),
        (
            &[21, 3, 3, 0, 2, 2, 40],
            "the server sent the alert HandshakeFailure",
        ),
        (
            &[21, 3, 3, 0, 2, 2, 70],
            "the server sent the alert ProtocolVersion",
        ),
    ];
    for (bytes, expected) in alerts {
        let mut pair = Pair::new(|_| {});
        let mut talk = pair.connect(true);
        let mut bytes = bytes.to_vec();
        let heard = talk.session.receive(&mut bytes, &mut talk.out, &mut |_| {});
        assert!(heard.is_err());
        assert_eq!(talk.session.reason(), Some(expected));
    }
}

#[test]
fn what_is_no_tls_is_told() {
    let rows: [(&[u8], Fault); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Fault::PlainText),
        (&[0xff; 64], Fault::PlainText),
        // handshake_failure
        (&[21, 3, 3, 0, 2, 2, 40], Fault::Alert),
        // A record of a length that no record has.
        (&[22, 3, 3, 0xff, 0xff, 0], Fault::Protocol),
        (&[22, 3, 3, 0, 4, 99, 0, 0, 0], Fault::Protocol),
    ];
    for (bytes, fault) in rows {
        let mut pair = Pair::new(|_| {});
        let mut talk = pair.connect(true);
        let mut bytes = bytes.to_vec();
        let heard = talk.session.receive(&mut bytes, &mut talk.out, &mut |_| {});
        assert_eq!(heard, Err(fault), "{bytes:?}");
    }
}

#[test]
fn a_changed_byte_ends_the_connection() {
    let mut pair = Pair::new(|_| {});
    let mut talk = pair.connect(true);
    talk.settle(4096).expect("a sound handshake");
    talk.server.writer().write_all(REPLY).expect("it is open");
    let mut bytes = Vec::new();
    talk.server
        .write_tls(&mut bytes)
        .expect("memory can be written");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let heard = talk.session.receive(&mut bytes, &mut talk.out, &mut |_| {
        panic!("it is not sound")
    });
    assert_eq!(heard, Err(Fault::Protocol));
}

/// Options with certificate and key as `choose` takes them from two identities.
fn mixed(
    folder: &std::path::Path,
    name: &str,
    choose: impl FnOnce(Identity, Identity) -> (String, String),
) -> config::Tls {
    let authority = Authority::new();
    let [one, other] = [Flaw::None, Flaw::None].map(|flaw| authority.server(flaw));
    let (certificate, key) = choose(one, other);
    let (cert, key) = Identity { certificate, key }.write(folder, name);
    config::Tls {
        insecure: true,
        identity: Some(config::TlsIdentity::Pem { cert, key }),
        ..config::Tls::default()
    }
}

#[test]
fn files_that_are_none_are_told_by_their_key() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").expect("the folder takes a file");
    let ca = config::Tls {
        ca: Some(empty.clone()),
        ..config::Tls::default()
    };
    let identity = config::Tls {
        insecure: true,
        identity: Some(config::TlsIdentity::Pem {
            cert: empty.clone(),
            key: empty,
        }),
        ..config::Tls::default()
    };
    let foreign = mixed(folder.path(), "foreign", |one, other| {
        (one.certificate, other.key)
    });
    let swapped = mixed(folder.path(), "swapped", |one, _| {
        (one.key, one.certificate)
    });
    let keyless = mixed(folder.path(), "keyless", |one, _| {
        (one.certificate.clone(), one.certificate)
    });
    for (tls, expected) in [
        (foreign, "this is not the key of the certificate"),
        (swapped, "a certificate is wanted, and it holds PRIVATE KEY"),
        (keyless, "a private key is wanted, and it holds CERTIFICATE"),
    ] {
        let message = Setup::open(&tls, true, None).expect_err("they do not fit");
        assert!(message.contains(expected), "{message}");
    }
    for (tls, key) in [(ca, "tls.ca"), (identity, "tls.cert")] {
        let message = Setup::open(&tls, true, None).expect_err("it is no certificate");
        assert!(message.starts_with(key), "{message}");
        assert!(message.contains("empty.pem"), "{message}");
    }
}
