//! The socket of one connection of the misbehaving server, with or without TLS on it.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};

use crate::certificates::Identity;

/// Which TLS the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Whatever the client prefers.
    Both,
    /// TLS 1.2 only.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// How a server speaks TLS.
#[derive(Clone)]
pub struct TlsSide {
    config: Arc<ServerConfig>,
}

impl TlsSide {
    /// With this certificate, for any client.
    ///
    /// # Panics
    /// When certificate and key do not fit.
    pub fn new(identity: &Identity, versions: Versions) -> TlsSide {
        let config = builder(versions).with_no_client_auth();
        TlsSide::with(config.with_single_cert(identity.chain(), identity.key()))
    }

    /// With this certificate, for clients with one that `client_authority` (PEM) signed.
    ///
    /// # Panics
    /// When certificate and key do not fit, or the authority is none.
    pub fn asking(identity: &Identity, versions: Versions, client_authority: &str) -> TlsSide {
        let verifier = crate::certificates::client_verifier(client_authority);
        let config = builder(versions).with_client_cert_verifier(verifier);
        TlsSide::with(config.with_single_cert(identity.chain(), identity.key()))
    }

    fn with(config: std::result::Result<ServerConfig, rustls::Error>) -> TlsSide {
        let config = config.unwrap_or_else(|e| panic!("certificate and key do not fit: {e}"));
        TlsSide {
            config: Arc::new(config),
        }
    }
}

fn builder(versions: Versions) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    use rustls::version::{TLS12, TLS13};
    let versions = match versions {
        Versions::Both => rustls::ALL_VERSIONS,
        Versions::Tls12 => &[&TLS12][..],
        Versions::Tls13 => &[&TLS13][..],
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider has suites for both versions")
}

/// A connected socket. Writes go out at once.
pub(super) struct Wire {
    stream: Arc<TcpStream>,
    tls: Option<Box<ServerConnection>>,
}

impl Wire {
    pub(super) fn new(stream: Arc<TcpStream>, tls: Option<&TlsSide>) -> Wire {
        let connection = |side: &TlsSide| {
            let made = ServerConnection::new(Arc::clone(&side.config));
            Box::new(made.expect("a sound configuration makes connections"))
        };
        Wire {
            stream,
            tls: tls.map(connection),
        }
    }

    /// Some bytes; 0 at the end of the stream, announced or not.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let Some(tls) = &mut self.tls else {
            return (&*self.stream).read(into);
        };
        let read = rustls::Stream::new(&mut **tls, &mut &*self.stream).read(into);
        match read {
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let Some(tls) = &mut self.tls else {
            return (&*self.stream).write(bytes);
        };
        let mut socket = &*self.stream;
        let mut stream = rustls::Stream::new(&mut **tls, &mut socket);
        let written = stream.write(bytes)?;
        stream.flush()?;
        Ok(written)
    }

    /// Says over TLS that nothing more comes; nothing without TLS.
    pub(super) fn close_notify(&mut self) -> Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            while tls.wants_write() {
                tls.write_tls(&mut &*self.stream)?;
            }
        }
        Ok(())
    }

    /// Sends FIN and keeps reading.
    pub(super) fn shutdown_write(&self) {
        // A peer that is gone shows at the next read.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Makes the close that comes a reset.
    pub(super) fn reset_when_closed(&self) {
        rustix::net::sockopt::set_socket_linger(&*self.stream, Some(Duration::ZERO))
            .expect("a TCP socket takes SO_LINGER");
    }
}
