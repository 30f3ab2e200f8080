//! Who gets in, and why others do not.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use headroom_rules::model::{SwitchPosition, Timestamp};
use headroom_rules::orders::{NotSent, Outcome, Step};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::links::{Recorder, Seen, Switch};
use crate::iec104::access::guard::Access;
use crate::iec104::access::refusals::Refusals;
use crate::iec104::access::registration::Registration;
use crate::iec104::access::tls::{Files, Identity, MinVersion, Peer};
use crate::iec104::task::{
    Address, Arrivals, Caller, Callers, Entrance, Heartbeat, Registering, TlsAddress, Way, run_dial_in, run_link,
    run_station,
};
use crate::iec104::{Command, CommandValue, LinkConfig, StationConfig, Timers, Value};

const SOON: Duration = Duration::from_secs(30);

/// A CA in a folder of its own.
struct Ca {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ca = Self { folder: tempfile::tempdir().unwrap(), issuer };
        ca.write("ca.pem", &ca.issuer.pem());
        ca
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The files of one end with a certificate of this CA, and its fingerprint.
    fn end(&self, name: &str, serial: u8, change: impl Fn(&mut CertificateParams)) -> (Files, Peer) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI(format!("urn:terminal:{name}").try_into().unwrap()));
        params.serial_number = Some(SerialNumber::from(vec![serial]));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files {
            ca: self.folder.path().join("ca.pem"),
            certificate: self.write(&format!("{name}.pem"), &certificate.pem()),
            key: self.write(&format!("{name}.key"), &key.serialize_pem()),
            crl: None,
            min_version: MinVersion::Tls12,
        };
        (files, Peer::Sha256(Sha256::digest(certificate.der()).into()))
    }

    /// A list of revoked certificates.
    fn revokes(&self, serial: u8) -> PathBuf {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(vec![serial]),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(vec![1]),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        self.write("crl.pem", &list.signed_by(&self.issuer).unwrap().pem().unwrap())
    }
}

/// What time it is, as the test says; s since 1970.
#[derive(Debug)]
struct Clock(AtomicU64);

impl Clock {
    fn at(date: OffsetDateTime) -> Self {
        Self(AtomicU64::new(date.unix_timestamp().try_into().unwrap()))
    }
    fn set(&self, date: OffsetDateTime) {
        self.0.store(date.unix_timestamp().try_into().unwrap(), Ordering::Relaxed);
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

fn identity(files: &Files) -> Identity {
    Identity::load(files).unwrap()
}

/// One handshake: what the dialling end and what the listening end says.
async fn shake(
    dials: (&Identity, Vec<Peer>),
    listens: (&Identity, Option<Vec<Peer>>),
) -> (Result<(), String>, Result<(), String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (dialling, listening) = (dials.0.dialling(dials.1).unwrap(), listens.0.listening(listens.1).unwrap());
    let accepted = listener.accept().await.unwrap().0;
    let both = async {
        tokio::join!(async { dialling.handshake(stream).await.map(drop) }, async {
            listening.handshake(accepted).await.map(drop)
        })
    };
    timeout(SOON, both).await.unwrap()
}

fn name(name: &str) -> Vec<Peer> {
    vec![Peer::Name(name.to_owned())]
}

#[tokio::test]
async fn a_pair_with_certificates_of_one_ca_shakes_hands_by_fingerprint_or_name() {
    let ca = Ca::new("grid");
    let ((centre, centre_sum), (terminal, sum)) = (ca.end("centre", 1, |_| {}), ca.end("t-1", 2, |_| {}));
    for version in [MinVersion::Tls12, MinVersion::Tls13] {
        let centre = identity(&Files { min_version: version, ..centre.clone() });
        let terminal = identity(&terminal);
        for wanted in [vec![sum.clone()], name("T-1"), name("urn:terminal:t-1"), [name("other"), name("t-1")].concat()]
        {
            let shaken = shake((&centre, wanted), (&terminal, Some(vec![centre_sum.clone()]))).await;
            assert_eq!(shaken, (Ok(()), Ok(())));
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_foreign_expired_revoked_or_not_on_the_list_is_refused_with_the_reason() {
    let (ca, foreign) = (Ca::new("grid"), Ca::new("elsewhere"));
    let (centre, _) = ca.end("centre", 1, |_| {});
    let revoking = Files { crl: Some(ca.revokes(3)), ..centre.clone() };
    let foreign_terminal = Files { ca: centre.ca.clone(), ..foreign.end("t-1", 2, |_| {}).0 };
    let revoked = ca.end("t-3", 3, |_| {}).0;
    let good = identity(&ca.end("t-1", 4, |_| {}).0);
    let (plain, revoking) = (identity(&centre), identity(&revoking));
    for (centre, terminal, wanted, why) in [
        (&plain, identity(&foreign_terminal), name("t-1"), "signed by no CA of ours"),
        (&revoking, identity(&revoked), name("t-3"), "is revoked"),
        (&plain, good.clone(), name("t-2"), "not among those allowed (sha256:"),
        (&plain, good.clone(), Vec::new(), "not among those allowed"),
    ] {
        // The dialling end judges.
        let (said, _) = shake((centre, wanted.clone()), (&terminal, None)).await;
        assert!(said.as_ref().unwrap_err().contains(why), "{said:?}, wanted {why}");
        // The listening end judges.
        let (_, said) = shake((&terminal, name("centre")), (centre, Some(wanted))).await;
        assert!(said.as_ref().unwrap_err().contains(why), "{said:?}, wanted {why}");
        // And the next good one gets in.
        let next = shake((centre, name("t-1")), (&good, Some(name("centre")))).await;
        assert_eq!(next, (Ok(()), Ok(())));
    }
}

#[tokio::test]
async fn a_certificate_that_expired_after_the_start_is_refused() {
    let ca = Ca::new("grid");
    let (terminal, _) = ca.end("t-1", 2, |params| params.not_after = date_time_ymd(2030, 1, 1));
    let clock = Arc::new(Clock::at(date_time_ymd(2029, 12, 31)));
    let centre = Identity::load_by(&ca.end("centre", 1, |_| {}).0, clock.clone()).unwrap();
    let terminal = Identity::load_by(&terminal, clock.clone()).unwrap();
    // Whichever end judges.
    let by_dialling = async || shake((&centre, name("t-1")), (&terminal, Some(name("centre")))).await.0;
    let by_listening = async || shake((&terminal, name("centre")), (&centre, Some(name("t-1")))).await.1;
    assert_eq!((by_dialling().await, by_listening().await), (Ok(()), Ok(())));
    clock.set(date_time_ymd(2030, 1, 2));
    for said in [by_dialling().await, by_listening().await] {
        assert!(said.as_ref().unwrap_err().contains("has expired"), "{said:?}");
    }
}

#[tokio::test]
async fn what_is_too_old_or_shows_no_certificate_or_speaks_no_tls_is_refused_with_the_reason() {
    let ca = Ca::new("grid");
    let (files, _) = ca.end("centre", 1, |_| {});
    let centre = identity(&Files { min_version: MinVersion::Tls13, ..files.clone() });
    // A client of TLS 1.2 only, without a certificate.
    let client = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    };
    let accept = async |listening: &Identity, with: Option<Arc<rustls::ClientConfig>>, bytes: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = listener.accept().await.unwrap().0;
        let speaking = tokio::spawn(async move {
            match with {
                Some(config) => {
                    let name = "centre".try_into().unwrap();
                    if let Ok(mut stream) = tokio_rustls::TlsConnector::from(config).connect(name, stream).await {
                        let _ = stream.read(&mut [0; 8]).await;
                    }
                }
                None => {
                    stream.write_all(bytes).await.unwrap();
                    let _ = stream.read(&mut [0; 8]).await;
                }
            }
        });
        let said = timeout(SOON, listening.listening(None).unwrap().handshake(accepted)).await.unwrap();
        speaking.await.unwrap();
        said.map(drop).unwrap_err()
    };
    let said = accept(&centre, Some(client(&[&rustls::version::TLS12])), &[]).await;
    assert!(said.contains("below the minimum"), "{said}");
    let both = identity(&files);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let said = accept(&both, Some(client(&[version])), &[]).await;
        assert!(said.contains("shows no certificate"), "{said}");
    }
    // The ClientHello of TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA.
    const OLD: &[u8] = &[
        0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
        21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0, 0, 2, 0, 0x2F, 1, 0,
    ];
    let said = accept(&both, None, OLD).await;
    assert!(said.contains("below the minimum"), "{said}");
    let said = accept(&both, None, &[0x68, 4, 7, 0, 0, 0]).await;
    assert!(said.contains("does not speak TLS"), "{said}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_what_was_wanted() {
    let ca = Ca::new("grid");
    let ((good, _), (other, _)) = (ca.end("a", 1, |_| {}), ca.end("b", 2, |_| {}));
    let expired = ca.end("c", 3, |params| params.not_after = date_time_ymd(2020, 1, 1)).0;
    let early = ca.end("d", 4, |params| params.not_before = date_time_ymd(2090, 1, 1)).0;
    let empty = ca.write("empty.pem", "nothing\n");
    let faults = |files: &Files| -> Vec<_> {
        let faults = Identity::load(files).unwrap_err();
        faults.into_iter().map(|fault| (fault.key, fault.why)).collect()
    };
    for (files, key, wanted) in [
        (Files { key: other.key, ..good.clone() }, "key", "it is not of the certificate in"),
        (expired, "certificate", "it has expired: wanted a certificate in force"),
        (early, "certificate", "it is not in force yet"),
        (Files { ca: empty, ..good.clone() }, "ca", "wanted a CA's certificate in PEM"),
        (Files { key: good.certificate.clone(), ..good.clone() }, "key", "wanted a private key in PEM"),
        (Files { crl: Some(good.ca.clone()), ..good.clone() }, "crl", "wanted a list of revoked certificates in PEM"),
        (Files { ca: PathBuf::from("/nowhere"), ..good.clone() }, "ca", "cannot be read"),
    ] {
        let said = faults(&files);
        assert!(said.len() == 1 && said[0].0 == key && said[0].1.contains(wanted), "{said:?}, wanted {key}: {wanted}");
    }
    assert!(Identity::load(&good).is_ok());
}

#[test]
fn a_peer_on_file_is_a_fingerprint_or_a_name() {
    let sum = "ab:".repeat(31) + "AB";
    assert_eq!(format!("sha256:{sum}").parse(), Ok(Peer::Sha256([0xAB; 32])));
    assert_eq!(
        format!("sha256:{}", "ab".repeat(32)).parse::<Peer>().unwrap().to_string(),
        format!("sha256:{}", "ab".repeat(32))
    );
    assert_eq!("name:t-1.example".parse(), Ok(Peer::Name("t-1.example".to_owned())));
    for bad in ["", "t-1", "name:", "name:a b", "sha256:ab", "sha256:zz", "sha1:00"] {
        assert!(bad.parse::<Peer>().is_err(), "{bad}");
    }
}

/// A station that listens behind `access`, and who was turned away.
async fn station(
    access: Access,
    tls: Option<(&Identity, Vec<Peer>)>,
    t0: Duration,
) -> (String, Arc<Refusals>, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let refusals = Arc::<Refusals>::default();
    let tls = tls.map(|(identity, peers)| identity.listening(Some(peers)).unwrap());
    let entrance = Entrance { listener, access, tls, within: t0, refusals: Arc::clone(&refusals) };
    let (stop, stopped) = watch::channel(false);
    let timers = Timers::try_from(crate::iec104::config::RawTimers { t0_s: 1, ..Default::default() }).unwrap();
    let config = StationConfig { connections_max: 3, timers, ..StationConfig::new(1) };
    let device = Switch { closed: true, moved: false };
    tokio::spawn(run_station(Arrivals::Listen(entrance), config, device, stopped));
    (address, refusals, stop)
}

async fn refused(refusals: &Refusals, kind: &str, count: u64) {
    let looking = async {
        while refusals.counts()[kind] < count {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, looking).await.unwrap_or_else(|_| panic!("never {count} {kind}: {:?}", refusals.counts()));
}

async fn closes(mut stream: TcpStream) {
    let ended = timeout(SOON, async { while stream.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {} }).await;
    ended.expect("it was never closed");
}

async fn tests_well(stream: &mut TcpStream) {
    stream.write_all(&[0x68, 4, 0x43, 0, 0, 0]).await.unwrap();
    let mut answer = [0; 6];
    timeout(SOON, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, [0x68, 4, 0x83, 0, 0, 0]);
}

#[tokio::test]
async fn a_station_lets_in_who_is_allowed_and_not_more_than_is_allowed() {
    let foreign = Access { allowed: vec!["10.0.0.0/8".parse().unwrap()], ..Access::default() };
    let (address, refusals, _stop) = station(foreign, None, SOON).await;
    closes(TcpStream::connect(&address).await.unwrap()).await;
    refused(&refusals, "address", 1).await;

    let few = Access { allowed: vec!["127.0.0.0/8".parse().unwrap()], per_address_max: 2, links_max: 9 };
    let (address, refusals, _stop) = station(few, None, SOON).await;
    let mut links = [TcpStream::connect(&address).await.unwrap(), TcpStream::connect(&address).await.unwrap()];
    for link in &mut links {
        tests_well(link).await;
    }
    closes(TcpStream::connect(&address).await.unwrap()).await;
    refused(&refusals, "links_of_address", 1).await;
    // A place that was left is free again.
    let [first, mut second] = links;
    drop(first);
    let again = async {
        loop {
            let mut link = TcpStream::connect(&address).await.unwrap();
            link.write_all(&[0x68, 4, 0x43, 0, 0, 0]).await.unwrap();
            if link.read_exact(&mut [0; 6]).await.is_ok() {
                return;
            }
        }
    };
    timeout(SOON, again).await.unwrap();
    tests_well(&mut second).await;
}

#[tokio::test]
async fn who_says_nothing_or_too_much_before_the_start_is_turned_away_and_a_link_in_reserve_is_not() {
    let (address, refusals, _stop) = station(Access::default(), None, SOON).await;
    let mut reserve = TcpStream::connect(&address).await.unwrap();
    tests_well(&mut reserve).await;
    let silent = TcpStream::connect(&address).await.unwrap();
    let mut loud = TcpStream::connect(&address).await.unwrap();
    loud.write_all(&[0x68, 4, 0x43, 0, 0, 0].repeat(400)).await.unwrap();
    closes(loud).await;
    refused(&refusals, "too_much", 1).await;
    closes(silent).await;
    refused(&refusals, "silent", 1).await;
    tests_well(&mut reserve).await;
}

/// A controlling link over one way, with what it tells.
fn linked<S: crate::iec104::task::Stream>(
    way: Way<S>,
) -> (mpsc::UnboundedReceiver<Seen>, mpsc::Sender<Command>, watch::Sender<bool>) {
    let (tell, seen) = mpsc::unbounded_channel();
    let (order, orders) = mpsc::channel(4);
    let (stop, stopped) = watch::channel(false);
    let config = LinkConfig::new("unused:1", 1);
    tokio::spawn(run_link(config, vec![way], orders, || Timestamp::new(0), Recorder(tell), stopped));
    (seen, order, stop)
}

async fn until(seen: &mut mpsc::UnboundedReceiver<Seen>, wanted: Seen) {
    let waiting = async { while seen.recv().await.expect("the link went on") != wanted {} };
    timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("never {wanted:?}"));
}

const CLOSED: Seen = Seen::Object(10, Value::Double(SwitchPosition::Closed));

#[tokio::test]
async fn a_link_over_tls_carries_data_and_one_without_a_good_certificate_does_not_hinder_it() {
    let ca = Ca::new("grid");
    let (centre, intruder) = (identity(&ca.end("centre", 1, |_| {}).0), identity(&ca.end("intruder", 5, |_| {}).0));
    let terminal = identity(&ca.end("t-1", 2, |_| {}).0);
    let (address, refusals, _stop) = station(Access::default(), Some((&terminal, name("centre"))), SOON).await;
    let dial = |identity: &Identity| {
        let (address, tls, refusals) = (address.clone(), identity.dialling(name("t-1")).unwrap(), Arc::default());
        Way::dial(TlsAddress { address, tls, refusals })
    };
    let (mut seen, _order, _stop_intruder) = linked(dial(&intruder));
    until(&mut seen, Seen::Up(false)).await;
    refused(&refusals, "tls", 1).await;
    let (mut seen, _order, _stop_centre) = linked(dial(&centre));
    until(&mut seen, Seen::Up(true)).await;
    until(&mut seen, CLOSED).await;
}

fn registration(packet: &str) -> Registration {
    Registration { packet: packet.into(), heartbeat: b"\xFE\xFE".to_vec(), answer: b"OK".to_vec() }
}

/// The centre's socket for one station that may call, and its link.
async fn called(packet: &str) -> (String, Arc<Refusals>, Way<crate::iec104::task::Called>, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let entrance = Entrance::open(listener, Duration::from_secs(2));
    let refusals = Arc::clone(&entrance.refusals);
    let (calls, calling) = mpsc::channel(1);
    let mut callers = Callers::default();
    let caller = |calls| Caller { name: "T-1".into(), registration: registration(packet), peers: Vec::new(), calls };
    callers.add(caller(calls.clone())).unwrap();
    assert!(callers.add(caller(calls)).unwrap_err().to_string().contains("begin like those of T-1"));
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(run_dial_in(entrance, callers, stopped));
    (address, refusals, Way::Calls(calling), stop)
}

#[tokio::test]
async fn a_station_that_dials_in_is_read_and_commanded_and_its_heartbeats_disturb_nothing() {
    let (address, _, way, _stop) = called("DTU-0001").await;
    let (mut seen, order, _stop_link) = linked(way);
    let (value, expires_in) = (CommandValue::Double(false), SOON);
    let command = |step| Command { id: 1, common_address: 1, ioa: 10, value, step, expires_in };
    order.send(command(Step::Select)).await.unwrap();
    let refused = Outcome::NotSent { step: Step::Select, why: NotSent::NoLink };
    until(&mut seen, Seen::Outcome(1, refused)).await;

    let dial = Registering { dial: Box::new(Address(address)), packet: b"DTU-0001".to_vec(), answer: b"OK".to_vec() };
    let heartbeat = Heartbeat { octets: b"\xFE\xFE".to_vec(), every: Duration::from_millis(20) };
    let (stop_station, stopped) = watch::channel(false);
    let device = Switch { closed: true, moved: false };
    let arrivals = Arrivals::Dial(Box::new(dial), Some(heartbeat));
    tokio::spawn(run_station(arrivals, StationConfig::new(1), device, stopped));
    until(&mut seen, Seen::Up(true)).await;
    until(&mut seen, CLOSED).await;
    for step in [Step::Select, Step::Execute] {
        sleep(Duration::from_millis(100)).await;
        order.send(command(step)).await.unwrap();
        until(&mut seen, Seen::Outcome(1, Outcome::Confirmed(step))).await;
    }
    until(&mut seen, Seen::Object(10, Value::Double(SwitchPosition::Open))).await;
    stop_station.send(true).unwrap();
    until(&mut seen, Seen::Up(false)).await;
}

#[tokio::test]
async fn a_second_call_takes_the_place_of_the_first_but_not_at_once_again() {
    let (address, _, way, _stop) = called("DTU-0001").await;
    let (mut seen, _order, _stop_link) = linked(way);
    let call = async || {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"DTU-0001").await.unwrap();
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.unwrap();
        stream
    };
    let started = async |stream: &mut TcpStream| {
        let mut start = [0; 6];
        timeout(SOON, stream.read_exact(&mut start)).await.unwrap().unwrap();
        assert_eq!(start, [0x68, 4, 0x07, 0, 0, 0]);
        stream.write_all(&[0xFE, 0xFE, 0x68, 4, 0x0B, 0, 0, 0, 0xFE]).await.unwrap();
    };
    let mut first = call().await;
    started(&mut first).await;
    until(&mut seen, Seen::Up(true)).await;
    let mut second = call().await;
    until(&mut seen, Seen::Up(false)).await;
    closes(first).await;
    started(&mut second).await;
    until(&mut seen, Seen::Up(true)).await;
    closes(call().await).await;
    // The second is not disturbed: it is asked for its clock.
    second.write_all(&[0xFE, 0x68, 4, 0x43, 0, 0, 0]).await.unwrap();
    let mut came = Vec::new();
    while !came.windows(6).any(|six| six == [0x68, 4, 0x83, 0, 0, 0]) {
        assert_ne!(timeout(SOON, second.read_buf(&mut came)).await.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn who_registers_with_something_unknown_or_not_at_all_is_turned_away() {
    let (address, refusals, _way, _stop) = called("DTU-0001").await;
    for (bytes, kind) in
        [(&b"DTU-0002"[..], "registration"), (&[0x68, 4, 7, 0, 0, 0], "registration"), (b"DTU-", "silent")]
    {
        let before = refusals.counts()[kind];
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        closes(stream).await;
        refused(&refusals, kind, before + 1).await;
    }
}
