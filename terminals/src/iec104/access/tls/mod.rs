//! TLS by IEC 62351-3: both ends show a certificate of a known CA, and each link knows whose it wants.
//!
//! The names that a peer is dialled by say nothing of who it is: terminals have addresses of a private network. So the
//! certificate is compared with a list, by its fingerprint or by a name in it (subject alternative name, DNS or URI).
//!
//! There is no resumption of sessions: a certificate that was revoked meanwhile would get in. A link that runs is looked
//! at again ([`Files::check_every`]).

mod files;
mod peer;
mod reason;
mod revoked;
mod trust;
mod verifier;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{ClientConfig, DistinguishedName, Error, InconsistentKeys, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use webpki::{EndEntityCert, KeyUsage};

use super::refusals::Refusals;
use crate::iec104::task::{Secured, Stream};
use files::read;
use revoked::Revoked;
use trust::Trust;
use verifier::Verifier;

pub use files::{FileFault, Files, MinVersion};
pub use peer::{PEER_WANTED, Peer};
pub(crate) use trust::Standing;

/// What the TLS library says to files that it cannot use together.
pub type TlsError = Error;

/// What one end shows and whom it trusts, read once.
#[derive(Clone, Debug)]
pub struct Identity {
    trust: Arc<Trust>,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    files: Files,
}

/// Those that show the same certificates, read from the same files.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files && self.chain == other.chain
    }
}

impl Eq for Identity {}

impl Identity {
    /// Reads and checks the files, by the system's clock.
    ///
    /// # Errors
    /// Everything that is wrong with them: unreadable, not PEM, a key of another certificate, a certificate that has
    /// expired.
    pub fn load(files: &Files) -> Result<Self, Vec<FileFault>> {
        Self::load_by(files, Arc::new(DefaultTimeProvider))
    }

    /// As [`Identity::load`]; `clock` says what is in force, now and in every handshake.
    ///
    /// # Errors
    /// As there.
    pub fn load_by(files: &Files, clock: Arc<dyn TimeProvider>) -> Result<Self, Vec<FileFault>> {
        let mut faults = Vec::new();
        let mut fault = |key, file: &Path, why: String| faults.push(FileFault { key, file: file.to_owned(), why });
        let ca = read::<CertificateDer<'_>>(&files.ca, "a CA's certificate");
        let ca = ca.unwrap_or_else(|why| {
            fault("ca", &files.ca, why);
            Vec::new()
        });
        let mut anchors = Vec::new();
        for certificate in &ca {
            match webpki::anchor_from_trusted_cert(certificate) {
                Ok(anchor) => anchors.push(anchor.to_owned()),
                Err(error) => fault("ca", &files.ca, format!("{error}: wanted a CA's certificate")),
            }
        }
        let chain = read::<CertificateDer<'_>>(&files.certificate, "a certificate");
        let chain = chain.unwrap_or_else(|why| {
            fault("certificate", &files.certificate, why);
            Vec::new()
        });
        let key = read::<PrivateKeyDer<'_>>(&files.key, "a private key").map(|keys| keys.into_iter().next());
        let key = key.unwrap_or_else(|why| {
            fault("key", &files.key, why);
            None
        });
        let revoked = files.crl.as_deref().and_then(|file| {
            let loaded = Revoked::load(file);
            loaded.map_err(|why| fault("crl", file, why)).ok()
        });
        let provider = Arc::new(ring::default_provider());
        let trust = Arc::new(Trust { anchors, revoked, provider, clock, check_every: files.check_every });
        if let Some(own) = chain.first()
            && let Err(why) = trust.is_in_force(own)
        {
            fault("certificate", &files.certificate, format!("{why}: wanted a certificate in force"));
        }
        if let Some(key) = &key
            && !chain.is_empty()
            && let Err(error) = CertifiedKey::from_der(chain.clone(), key.clone_key(), &trust.provider)
        {
            let why = match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    format!("it is not of the certificate in {}: wanted its key", files.certificate.display())
                }
                error => format!("{error}: wanted a private key (ECDSA, Ed25519 or RSA)"),
            };
            fault("key", &files.key, why);
        }
        match key {
            Some(key) if faults.is_empty() => Ok(Self { trust, chain, key: Arc::new(key), files: files.clone() }),
            _ => Err(faults),
        }
    }

    fn verifier(&self, peers: Option<Vec<Peer>>) -> Arc<Verifier> {
        let subjects = self.trust.anchors.iter().map(|anchor| DistinguishedName::in_sequence(anchor.subject.as_ref()));
        Arc::new(Verifier { trust: Arc::clone(&self.trust), peers, subjects: subjects.collect() })
    }

    /// For links that this end dials, to one of `peers`.
    ///
    /// # Errors
    /// A defect: the files were checked.
    pub fn dialling(&self, peers: Vec<Peer>) -> Result<Dialling, Error> {
        let Trust { provider, clock, .. } = &*self.trust;
        let mut config = ClientConfig::builder_with_details(Arc::clone(provider), Arc::clone(clock))
            .with_protocol_versions(&self.files.min_version.versions())?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(Some(peers)))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        let standing = Standing::new(&self.trust, KeyUsage::server_auth());
        Ok(Dialling { tls: TlsConnector::from(Arc::new(config)), standing })
    }

    /// For links that come in, from one of `peers`; without a list from anybody whom a CA of ours knows.
    ///
    /// # Errors
    /// A defect: the files were checked.
    pub fn listening(&self, peers: Option<Vec<Peer>>) -> Result<Listening, Error> {
        let Trust { provider, clock, .. } = &*self.trust;
        let mut config = ServerConfig::builder_with_details(Arc::clone(provider), Arc::clone(clock))
            .with_protocol_versions(&self.files.min_version.versions())?
            .with_client_cert_verifier(self.verifier(peers))
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let standing = Standing::new(&self.trust, KeyUsage::client_auth());
        Ok(Listening { tls: TlsAcceptor::from(Arc::new(config)), standing })
    }
}

/// Dials over TLS.
#[derive(Clone)]
pub struct Dialling {
    tls: TlsConnector,
    standing: Standing,
}

impl Dialling {
    /// The handshake on a connection to `peer` that was just made; `refusals` has the end of the link if its certificate
    /// does not last.
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn handshake<S: Stream>(
        &self,
        stream: S,
        peer: IpAddr,
        refusals: &Arc<Refusals>,
    ) -> Result<Secured<S>, String> {
        // The list of peers decides, not the name.
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let stream = self.tls.connect(name, stream).await.map_err(|error| reason::of(&error))?;
        Ok(Secured::new(stream.into(), self.standing.clone(), peer, refusals))
    }
}

/// Takes links over TLS.
#[derive(Clone)]
pub struct Listening {
    tls: TlsAcceptor,
    standing: Standing,
}

impl Listening {
    /// The handshake on a connection from `peer` that was just accepted; `refusals` as for [`Dialling::handshake`].
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn handshake<S: Stream>(
        &self,
        stream: S,
        peer: IpAddr,
        refusals: &Arc<Refusals>,
    ) -> Result<Secured<S>, String> {
        let stream = self.tls.accept(stream).await.map_err(|error| reason::of(&error))?;
        Ok(Secured::new(stream.into(), self.standing.clone(), peer, refusals))
    }
}

/// Whether the first certificate of `shown` is of one of `peers`.
pub(crate) fn is_one_of(shown: &[CertificateDer<'_>], peers: &[Peer]) -> bool {
    shown
        .first()
        .is_some_and(|shown| EndEntityCert::try_from(shown).is_ok_and(|parsed| peer::is_one_of(peers, shown, &parsed)))
}
