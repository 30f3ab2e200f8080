//! TLS by IEC 62351-3: both ends show a certificate of a known CA, and each link knows whose it wants.
//!
//! The names that a peer is dialled by say nothing of who it is: terminals have addresses of a private network. So the
//! certificate is compared with a list, by its fingerprint or by a name in it (subject alternative name, DNS or URI).
//!
//! There is no resumption of sessions: a certificate that was revoked meanwhile would get in.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, TrustAnchor, UnixTime,
};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, InconsistentKeys, OtherError,
    PeerIncompatible, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use webpki::{CertRevocationList, EndEntityCert, KeyUsage, OwnedCertRevocationList, RevocationCheckDepth};

use crate::iec104::task::Wire;

/// What the TLS library says to files that it cannot use together.
pub type TlsError = Error;

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
    fn versions(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Tls12 => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            Self::Tls13 => vec![&rustls::version::TLS13],
        }
    }
}

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

/// Whether a certificate is of one of `peers`.
fn is_one_of(peers: &[Peer], certificate: &CertificateDer<'_>, parsed: &EndEntityCert<'_>) -> bool {
    let sum: [u8; 32] = Sha256::digest(certificate.as_ref()).into();
    peers.iter().any(|peer| match peer {
        Peer::Sha256(wanted) => *wanted == sum,
        Peer::Name(wanted) => {
            parsed.valid_dns_names().any(|name| name.eq_ignore_ascii_case(wanted))
                || parsed.valid_uri_names().any(|name| name == wanted)
        }
    })
}

/// The files of one end, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Certificates of the CAs that sign peers.
    pub ca: PathBuf,
    /// Our certificate, then those between it and its CA.
    pub certificate: PathBuf,
    /// The private key that belongs to it.
    pub key: PathBuf,
    /// Revoked certificates; each CA that signs peers needs its list there.
    pub crl: Option<PathBuf>,
    /// The lowest version that is spoken.
    pub min_version: MinVersion,
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

#[derive(Debug)]
struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    crls: Vec<CertRevocationList<'static>>,
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn TimeProvider>,
}

/// What one end shows and whom it trusts, read once.
#[derive(Clone, Debug)]
pub struct Identity {
    trust: Arc<Trust>,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    min_version: MinVersion,
}

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
        let ca = read::<CertificateDer<'_>>("ca", &files.ca, "a CA's certificate", &mut faults);
        let chain = read::<CertificateDer<'_>>("certificate", &files.certificate, "a certificate", &mut faults);
        let keys = read::<PrivateKeyDer<'_>>("key", &files.key, "a private key", &mut faults);
        let lists = files.crl.as_deref().map_or_else(Vec::new, |file| {
            read::<CertificateRevocationListDer<'_>>("crl", file, "a list of revoked certificates", &mut faults)
        });
        let mut fault = |key, file: &Path, why: String| faults.push(FileFault { key, file: file.to_owned(), why });
        let mut anchors = Vec::new();
        for certificate in &ca {
            match webpki::anchor_from_trusted_cert(certificate) {
                Ok(anchor) => anchors.push(anchor.to_owned()),
                Err(error) => fault("ca", &files.ca, format!("{error}: wanted a CA's certificate")),
            }
        }
        let mut crls = Vec::new();
        for list in &lists {
            match OwnedCertRevocationList::from_der(list) {
                Ok(list) => crls.push(list.into()),
                Err(error) => {
                    let file = files.crl.as_deref().unwrap_or(Path::new(""));
                    fault("crl", file, format!("{error}: wanted a list of revoked certificates"));
                }
            }
        }
        let trust = Arc::new(Trust { anchors, crls, provider: Arc::new(ring::default_provider()), clock });
        if let Some(own) = chain.first()
            && let Err(why) = trust.is_in_force(own)
        {
            fault("certificate", &files.certificate, format!("{why}: wanted a certificate in force"));
        }
        let key = keys.into_iter().next();
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
            Some(key) if faults.is_empty() => {
                Ok(Self { trust, chain, key: Arc::new(key), min_version: files.min_version })
            }
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
        let mut config =
            ClientConfig::builder_with_details(Arc::clone(&self.trust.provider), Arc::clone(&self.trust.clock))
                .with_protocol_versions(&self.min_version.versions())?
                .dangerous()
                .with_custom_certificate_verifier(self.verifier(Some(peers)))
                .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(Dialling(TlsConnector::from(Arc::new(config))))
    }

    /// For links that come in, from one of `peers`; without a list from anybody whom a CA of ours knows.
    ///
    /// # Errors
    /// A defect: the files were checked.
    pub fn listening(&self, peers: Option<Vec<Peer>>) -> Result<Listening, Error> {
        let mut config =
            ServerConfig::builder_with_details(Arc::clone(&self.trust.provider), Arc::clone(&self.trust.clock))
                .with_protocol_versions(&self.min_version.versions())?
                .with_client_cert_verifier(self.verifier(peers))
                .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Listening(TlsAcceptor::from(Arc::new(config))))
    }
}

/// All objects of one kind in a PEM file.
fn read<T: PemObject>(key: &'static str, file: &Path, wanted: &str, faults: &mut Vec<FileFault>) -> Vec<T> {
    let found = match std::fs::read(file) {
        Err(error) => Err(format!("cannot be read ({error}): wanted a PEM file with {wanted}")),
        Ok(bytes) => match T::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
            Err(error) => Err(format!("not PEM ({error}): wanted {wanted}")),
            Ok(found) if found.is_empty() => Err(format!("holds no such thing: wanted {wanted} in PEM")),
            Ok(found) => Ok(found),
        },
    };
    found.unwrap_or_else(|why| {
        faults.push(FileFault { key, file: file.to_owned(), why });
        Vec::new()
    })
}

/// Dials over TLS.
#[derive(Clone)]
pub struct Dialling(TlsConnector);

impl Dialling {
    /// The handshake on a connection that was just made.
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn handshake(&self, stream: TcpStream) -> Result<Wire, String> {
        // The list of peers decides, not the name.
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let stream = self.0.connect(name, stream).await.map_err(|error| reason(&error))?;
        Ok(Wire::Tls(Box::new(stream.into())))
    }
}

/// Takes links over TLS.
#[derive(Clone)]
pub struct Listening(TlsAcceptor);

impl Listening {
    /// The handshake on a connection that was just accepted.
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn handshake(&self, stream: TcpStream) -> Result<Wire, String> {
        let stream = self.0.accept(stream).await.map_err(|error| reason(&error))?;
        Ok(Wire::Tls(Box::new(stream.into())))
    }
}

/// Whether the certificate that the peer of `wire` showed is of one of `peers`.
pub fn shown_is_one_of(wire: &Wire, peers: &[Peer]) -> bool {
    let Wire::Tls(stream) = wire else { return false };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    shown.is_some_and(|shown| EndEntityCert::try_from(shown).is_ok_and(|parsed| is_one_of(peers, shown, &parsed)))
}

/// Says in a sentence what was wrong with a certificate.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

fn refused(why: impl Into<String>) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused(why.into())))))
}

fn sentence(error: &webpki::Error) -> String {
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
pub fn reason(error: &io::Error) -> String {
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

impl Trust {
    fn verify(
        &self,
        certificate: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), webpki::Error> {
        let lists: Vec<_> = self.crls.iter().collect();
        // Without a list for its CA a certificate is refused: it may well be revoked.
        let revocation = match webpki::RevocationOptionsBuilder::new(&lists) {
            Ok(builder) => Some(
                builder
                    .with_depth(RevocationCheckDepth::EndEntity)
                    .with_expiration_policy(webpki::ExpirationPolicy::Enforce)
                    .build(),
            ),
            Err(_) => None,
        };
        let algorithms = self.provider.signature_verification_algorithms.all;
        certificate.verify_for_usage(algorithms, &self.anchors, intermediates, now, usage, revocation, None).map(|_| ())
    }

    /// Whether our own certificate is in force now; who signed it is the peers' affair.
    fn is_in_force(&self, own: &CertificateDer<'_>) -> Result<(), String> {
        let parsed = EndEntityCert::try_from(own).map_err(|error| error.to_string())?;
        let now = self.clock.current_time().ok_or("the time is not known")?;
        match self.verify(&parsed, &[], now, KeyUsage::client_auth()) {
            Err(webpki::Error::CertExpired { .. }) => Err("it has expired".to_owned()),
            Err(webpki::Error::CertNotValidYet { .. }) => Err("it is not in force yet".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Judges the other end's certificate.
#[derive(Debug)]
struct Verifier {
    trust: Arc<Trust>,
    /// None where the certificate is compared later.
    peers: Option<Vec<Peer>>,
    subjects: Vec<DistinguishedName>,
}

impl Verifier {
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let parsed = EndEntityCert::try_from(certificate).map_err(|error| refused(sentence(&error)))?;
        self.trust.verify(&parsed, intermediates, now, usage).map_err(|error| refused(sentence(&error)))?;
        match &self.peers {
            Some(peers) if !is_one_of(peers, certificate, &parsed) => {
                let sum = Peer::Sha256(Sha256::digest(certificate.as_ref()).into());
                Err(refused(format!("its certificate is not among those allowed ({sum})")))
            }
            _ => Ok(()),
        }
    }

    fn verify12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.trust.provider.signature_verification_algorithms)
    }

    fn verify13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.trust.provider.signature_verification_algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.trust.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now, KeyUsage::server_auth())?;
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify12(message, certificate, signed)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify13(message, certificate, signed)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(end_entity, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify12(message, certificate, signed)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify13(message, certificate, signed)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}
