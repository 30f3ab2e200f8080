//! Whose certificate is wanted.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

/// Whose certificate is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// SHA-256 of the certificate.
    Sha256([u8; 32]),
    /// A DNS or URI name in it.
    Name(String),
}

/// What a peer has to look like on file.
pub const PEER_WANTED: &str = "\"sha256:\" and 64 hexadecimal digits of the certificate's fingerprint, or \"name:\" and a \
                               DNS or URI name in it";

impl FromStr for Peer {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix("name:") {
            let fits = (1..=255).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic());
            return fits.then(|| Self::Name(name.to_owned())).ok_or(PEER_WANTED);
        }
        // As openssl prints it, colons included.
        let digits: Vec<u8> = text
            .strip_prefix("sha256:")
            .ok_or(PEER_WANTED)?
            .bytes()
            .filter(|&digit| digit != b':')
            .map(|digit| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(PEER_WANTED))
            .collect::<Result<_, _>>()?;
        if digits.len() != 64 {
            return Err(PEER_WANTED);
        }
        let mut sum = [0; 32];
        for (octet, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
            *octet = pair.iter().fold(0, |octet, digit| octet << 4 | digit);
        }
        Ok(Self::Sha256(sum))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "name:{name}"),
            Self::Sha256(sum) => {
                f.write_str("sha256:")?;
                sum.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// Its fingerprint.
pub(super) fn sha256(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

/// Whether a certificate is of one of `peers`.
pub(super) fn is_one_of(peers: &[Peer], certificate: &CertificateDer<'_>, parsed: &EndEntityCert<'_>) -> bool {
    let sum = sha256(certificate);
    peers.iter().any(|peer| match peer {
        Peer::Sha256(wanted) => *wanted == sum,
        Peer::Name(wanted) => {
            parsed.valid_dns_names().any(|name| name.eq_ignore_ascii_case(wanted))
                || parsed.valid_uri_names().any(|name| name == wanted)
        }
    })
}
