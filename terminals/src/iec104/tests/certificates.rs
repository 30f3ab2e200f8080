//! CAs, certificates, lists of revoked ones, and the time in which they are in force.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::iec104::access::tls::{Files, Identity, MinVersion, Peer};

/// A CA in a folder of its own.
pub(super) struct Ca {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its certificate where it is not the root's, PEM.
    between: String,
}

impl Ca {
    pub(super) fn new(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(Self::params(name, 1), KeyPair::generate().unwrap()).unwrap();
        let ca = Self { folder: tempfile::tempdir().unwrap(), issuer, between: String::new() };
        ca.write("ca.pem", &ca.issuer.pem());
        ca
    }

    /// One that this one signs; its ends trust this one.
    pub(super) fn below(&self, name: &str, serial: u8, until: OffsetDateTime) -> Self {
        let mut params = Self::params(name, serial);
        params.not_after = until;
        let issuer = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.issuer).unwrap();
        let between = issuer.pem();
        let ca = Self { folder: tempfile::tempdir().unwrap(), issuer, between };
        ca.write("ca.pem", &self.issuer.pem());
        ca
    }

    fn params(name: &str, serial: u8) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(vec![serial]));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The files of one end with a certificate of this CA, and its fingerprint.
    pub(super) fn end(&self, name: &str, serial: u8, change: impl Fn(&mut CertificateParams)) -> (Files, Peer) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI(format!("urn:terminal:{name}").try_into().unwrap()));
        params.serial_number = Some(SerialNumber::from(vec![serial]));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files {
            ca: self.folder.path().join("ca.pem"),
            certificate: self.write(&format!("{name}.pem"), &(certificate.pem() + self.between.as_str())),
            key: self.write(&format!("{name}.key"), &key.serialize_pem()),
            crl: None,
            min_version: MinVersion::Tls12,
            check_every: Files::CHECK_EVERY,
        };
        (files, Peer::Sha256(Sha256::digest(certificate.der()).into()))
    }

    /// A list of revoked certificates, PEM.
    pub(super) fn list(&self, serials: &[u8], until: OffsetDateTime) -> String {
        let revoked = |&serial: &u8| RevokedCertParams {
            serial_number: SerialNumber::from(vec![serial]),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: until,
            crl_number: SerialNumber::from(vec![1]),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// The file of such a list, in force for long.
    pub(super) fn revokes(&self, serials: &[u8]) -> PathBuf {
        self.write("crl.pem", &self.list(serials, date_time_ymd(2099, 1, 1)))
    }
}

/// What time it is: as the test says, and from then on as tokio's clock runs.
#[derive(Debug)]
pub(super) struct Clock(Mutex<(OffsetDateTime, Instant)>);

impl Clock {
    pub(super) fn at(date: OffsetDateTime) -> Self {
        Self((date, Instant::now()).into())
    }
    pub(super) fn set(&self, date: OffsetDateTime) {
        *self.0.lock().unwrap() = (date, Instant::now());
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let (date, since) = *self.0.lock().unwrap();
        let now = (date + since.elapsed()).unix_timestamp().try_into().unwrap();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now)))
    }
}

pub(super) fn identity(files: &Files) -> Identity {
    Identity::load(files).unwrap()
}

pub(super) fn name(name: &str) -> Vec<Peer> {
    vec![Peer::Name(name.to_owned())]
}
