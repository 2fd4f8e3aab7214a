//! What can go wrong with TLS, as kinds that are counted.

use rustls::{AlertDescription, CertificateError, Error};
use stats::FailureKind;
use time::OffsetDateTime;

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
    /// The server asked for a certificate, and ended the connection since it got none or refused it.
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

    /// Whether the other side says that something is wrong with the certificate it got.
    pub(super) fn is_about_certificate(error: &Error) -> bool {
        use AlertDescription as A;
        matches!(
            error,
            Error::AlertReceived(
                A::NoCertificate
                    | A::BadCertificate
                    | A::UnsupportedCertificate
                    | A::CertificateRevoked
                    | A::CertificateExpired
                    | A::CertificateUnknown
                    | A::UnknownCA
                    | A::AccessDenied
                    | A::CertificateRequired
            )
        )
    }

    /// What is wrong, in words.
    #[cold]
    pub(super) fn reason(error: &Error) -> String {
        use CertificateError as C;
        match error {
            Error::AlertReceived(alert) => format!("the server sent the alert {alert:?}"),
            Error::InvalidCertificate(C::UnknownIssuer) => {
                "no authority that is trusted signed the certificate; tls.ca names others"
                    .to_owned()
            }
            Error::InvalidCertificate(C::ExpiredContext { not_after, .. }) => {
                format!("the certificate ended on {}", date(not_after.as_secs()))
            }
            Error::InvalidCertificate(C::NotValidYetContext { not_before, .. }) => {
                format!("the certificate begins on {}", date(not_before.as_secs()))
            }
            other => other.to_string(),
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

/// The day of a moment, in seconds since 1970, in UTC.
fn date(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok();
    let moment = moment.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment.map_or_else(
        || "a day beyond all calendars".to_owned(),
        |moment| moment.date().to_string(),
    )
}
