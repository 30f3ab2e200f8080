//! Why a certificate or a handshake was refused, for people.

use std::io;
use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError, PeerIncompatible};

/// Says in a sentence what was wrong with a certificate.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

pub(super) fn refused(why: impl Into<String>) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused(why.into())))))
}

pub(super) fn sentence(error: &webpki::Error) -> String {
    use webpki::Error as E;
    match error {
        E::CertExpired { .. } => "its certificate has expired",
        E::CertNotValidYet { .. } => "its certificate is not in force yet",
        E::UnknownIssuer => "its certificate is signed by no CA of ours",
        E::CertRevoked => "its certificate is revoked",
        E::UnknownRevocationStatus => "the list of revoked certificates does not cover its CA",
        E::CrlExpired { .. } => "the list of revoked certificates is out of date",
        error => return format!("its certificate: {error}"),
    }
    .to_owned()
}

/// Why a handshake failed, in a sentence for people.
pub(super) fn of(error: &io::Error) -> String {
    use PeerIncompatible as P;
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "TLS: it closed the connection during the handshake".to_owned(),
            _ => format!("TLS: {error}"),
        };
    };
    match tls {
        Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => format!("TLS: {why}"),
        Error::NoCertificatesPresented => "TLS: it shows no certificate".to_owned(),
        Error::InvalidMessage(_) => "TLS: it does not speak TLS".to_owned(),
        Error::PeerIncompatible(
            P::Tls12NotOffered
            | P::Tls12NotOfferedOrEnabled
            | P::SupportedVersionsExtensionRequired
            // Every client of 1.2 sends them, none of 1.1 does.
            | P::SignatureAlgorithmsExtensionRequired
            | P::ServerDoesNotSupportTls12Or13
            | P::ServerTlsVersionIsDisabledByOurConfig,
        ) => "TLS: its version is below the minimum".to_owned(),
        Error::AlertReceived(alert) => format!("TLS: it refuses us ({alert:?})"),
        error => format!("TLS: {error}"),
    }
}
