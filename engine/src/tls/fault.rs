//! What can go wrong with TLS, as kinds that are counted.

use rustls::{CertificateError, Error};
use stats::FailureKind;

/// Why a TLS connection cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The certificate is not valid today.
    Expired,
    /// The certificate is for another host.
    WrongHost,
    /// Nobody who is trusted has signed the certificate.
    UnknownCa,
    /// Anything else about the certificate.
    Certificate,
    /// The server asked for a certificate, got none, and ended the connection.
    ClientCertificate,
    /// The server ended the connection with an alert.
    Alert,
    /// What came is no TLS.
    PlainText,
    /// Anything else: no version or cipher in common, broken messages.
    Protocol,
}

impl Fault {
    pub(super) fn of(error: &Error) -> Fault {
        use CertificateError as C;
        match error {
            Error::InvalidCertificate(
                C::Expired
                | C::ExpiredContext { .. }
                | C::NotValidYet
                | C::NotValidYetContext { .. },
            ) => Fault::Expired,
            Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
                Fault::WrongHost
            }
            Error::InvalidCertificate(C::UnknownIssuer) => Fault::UnknownCa,
            Error::InvalidCertificate(_) | Error::NoCertificatesPresented => Fault::Certificate,
            Error::AlertReceived(_) => Fault::Alert,
            _ => Fault::Protocol,
        }
    }

    /// The failure it counts as.
    pub(crate) fn kind(self) -> FailureKind {
        match self {
            Fault::Expired => FailureKind::TlsExpired,
            Fault::WrongHost => FailureKind::TlsWrongHost,
            Fault::UnknownCa => FailureKind::TlsUnknownCa,
            Fault::Certificate => FailureKind::TlsCertificate,
            Fault::ClientCertificate => FailureKind::TlsClientCertificate,
            Fault::Alert => FailureKind::TlsAlert,
            Fault::PlainText => FailureKind::TlsPlainText,
            Fault::Protocol => FailureKind::TlsProtocol,
        }
    }
}
