//! Certificates in handshakes, and files of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::certificates::{Ca, Clock, identity, name};
use crate::iec104::access::refusals::NOBODY;
use crate::iec104::access::tls::{Files, Identity, MinVersion, Peer};

const SOON: Duration = Duration::from_secs(30);

/// One handshake: what the dialling end and what the listening end says.
async fn shake(
    dials: (&Identity, Vec<Peer>),
    listens: (&Identity, Option<Vec<Peer>>),
) -> (Result<(), String>, Result<(), String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (dialling, listening) = (dials.0.dialling(dials.1).unwrap(), listens.0.listening(listens.1).unwrap());
    let accepted = listener.accept().await.unwrap().0;
    let refusals = Arc::default();
    let both = async {
        tokio::join!(async { dialling.handshake(stream, NOBODY, &refusals).await.map(drop) }, async {
            listening.handshake(accepted, NOBODY, &refusals).await.map(drop)
        })
    };
    timeout(SOON, both).await.unwrap()
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
    let revoking = Files { crl: Some(ca.revokes(&[3])), ..centre.clone() };
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
        roots.add(ca.der()).unwrap();
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
        let said = timeout(SOON, listening.listening(None).unwrap().handshake(accepted, NOBODY, &Arc::default()))
            .await
            .unwrap();
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
