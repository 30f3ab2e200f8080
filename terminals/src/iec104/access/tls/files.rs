//! The files of one end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::pki_types::pem::PemObject;

/// The lowest version that is spoken (IEC 62351-3:2023 asks for 1.2 at least).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// 1.2, and 1.3 where the peer has it.
    #[default]
    Tls12,
    /// 1.3 only.
    Tls13,
}

impl MinVersion {
    pub(super) fn versions(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Tls12 => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            Self::Tls13 => vec![&rustls::version::TLS13],
        }
    }
}

/// The files of one end, PEM, and how they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Certificates of the CAs that sign peers.
    pub ca: PathBuf,
    /// Our certificate, then those between it and its CA.
    pub certificate: PathBuf,
    /// The private key that belongs to it.
    pub key: PathBuf,
    /// Revoked certificates; each CA that signs peers needs its list there. Read again when it changed.
    pub crl: Option<PathBuf>,
    /// The lowest version that is spoken.
    pub min_version: MinVersion,
    /// Between two looks at the certificate of a link that runs; it is looked at when it expires, too.
    pub check_every: Duration,
}

impl Files {
    /// For [`Files::check_every`].
    pub const CHECK_EVERY: Duration = Duration::from_secs(12 * 3_600);
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {why}")]
pub struct FileFault {
    /// Whose it is: `ca`, `certificate`, `key` or `crl`.
    pub key: &'static str,
    /// Which.
    pub file: PathBuf,
    /// What is wrong, and what was wanted.
    pub why: String,
}

/// All objects of one kind in a PEM file, at least one.
pub(super) fn read<T: PemObject>(file: &Path, wanted: &str) -> Result<Vec<T>, String> {
    match std::fs::read(file) {
        Err(error) => Err(format!("cannot be read ({error}): wanted a PEM file with {wanted}")),
        Ok(bytes) => match T::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
            Err(error) => Err(format!("not PEM ({error}): wanted {wanted}")),
            Ok(found) if found.is_empty() => Err(format!("holds no such thing: wanted {wanted} in PEM")),
            Ok(found) => Ok(found),
        },
    }
}
