//! Links over TLS that run while certificates expire and are revoked, on virtual time.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::date_time_ymd;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

use super::certificates::{Ca, Clock, name};
use crate::iec104::access::refusals::Refusals;
use crate::iec104::access::tls::{Files, Identity};
use crate::iec104::task::Secured;

const HOUR: Duration = Duration::from_secs(3_600);
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 4, 0, 2));

fn new_year() -> OffsetDateTime {
    date_time_ymd(2030, 1, 1)
}

/// One end of a link, and what it counts.
struct End {
    stream: Secured<DuplexStream>,
    refusals: Arc<Refusals>,
}

impl End {
    /// Reads until the link is over: when, and why.
    async fn over(&mut self) -> (Duration, String) {
        let began = Instant::now();
        let ended = timeout(1_000 * HOUR, self.stream.read(&mut [0; 8])).await.expect("it was never over");
        (began.elapsed(), ended.unwrap_err().to_string())
    }

    /// For so long nothing happens.
    async fn runs(&mut self, for_: Duration) {
        let read = timeout(for_, self.stream.read(&mut [0; 8])).await;
        assert!(read.is_err(), "{read:?}");
    }

    fn counted(&self) -> u64 {
        self.refusals.counts()["tls_ended"]
    }
}

/// A link from `dials` to `listens`.
async fn linked(dials: &Identity, listens: &Identity) -> Result<(End, End), (String, String)> {
    let (near, far) = duplex(1 << 16);
    let dialling = dials.dialling([name("t-1"), name("t-2"), name("centre")].concat()).unwrap();
    let listening = listens.listening(None).unwrap();
    let of = [Arc::<Refusals>::default(), Arc::default()];
    let both = tokio::join!(dialling.handshake(near, PEER, &of[0]), listening.handshake(far, PEER, &of[1]));
    let [one, other] = of;
    match both {
        (Ok(near), Ok(far)) => Ok((End { stream: near, refusals: one }, End { stream: far, refusals: other })),
        (near, far) => Err((near.map(drop).err().unwrap_or_default(), far.map(drop).err().unwrap_or_default())),
    }
}

fn load(files: &Files, clock: &Arc<Clock>) -> Identity {
    Identity::load_by(files, Arc::clone(clock) as _).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_running_link_ends_in_the_second_in_which_its_peers_certificate_expires() {
    let (ca, clock) = (Ca::new("grid"), Arc::new(Clock::at(date_time_ymd(2029, 12, 31))));
    let centre = load(&ca.end("centre", 1, |_| {}).0, &clock);
    let terminal = load(&ca.end("t-1", 2, |params| params.not_after = new_year()).0, &clock);
    // Whichever end judges.
    let (mut near, _far) = linked(&centre, &terminal).await.unwrap();
    let (_near, mut far) = linked(&terminal, &centre).await.unwrap();
    let expired = (24 * HOUR + Duration::from_secs(1), "TLS: its certificate has expired".to_owned());
    assert_eq!(tokio::join!(near.over(), far.over()), (expired.clone(), expired));
    assert_eq!((near.counted(), far.counted()), (1, 1));
    // And nothing is written to whom it is not any more.
    assert!(near.stream.write_all(&[0x68]).await.unwrap_err().to_string().contains("has expired"));
    assert_eq!(near.counted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_running_link_ends_with_the_first_certificate_of_its_chain_that_expires() {
    let (root, clock) = (Ca::new("root"), Arc::new(Clock::at(date_time_ymd(2029, 12, 31))));
    let below = root.below("region", 7, new_year());
    let centre = load(&root.end("centre", 1, |_| {}).0, &clock);
    let terminal = load(&below.end("t-1", 2, |params| params.not_after = date_time_ymd(2030, 1, 2)).0, &clock);
    let (mut near, _far) = linked(&centre, &terminal).await.unwrap();
    assert_eq!(near.over().await.0, 24 * HOUR + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_revoked_loses_its_link_within_the_period_and_others_keep_theirs() {
    let (ca, clock) = (Ca::new("grid"), Arc::new(Clock::at(date_time_ymd(2029, 12, 31))));
    let (centre, _) = ca.end("centre", 1, |_| {});
    let centre = load(&Files { crl: Some(ca.revokes(&[9])), check_every: 5 * HOUR, ..centre }, &clock);
    let [first, second] = [("t-1", 2), ("t-2", 3)].map(|(name, serial)| load(&ca.end(name, serial, |_| {}).0, &clock));
    let ((mut near, _far), (mut other, _other)) =
        (linked(&centre, &first).await.unwrap(), linked(&centre, &second).await.unwrap());
    near.runs(6 * HOUR).await;
    ca.revokes(&[9, 2]);
    let (after, why) = near.over().await;
    assert!(after <= 5 * HOUR, "{after:?}");
    assert_eq!((&why[..], near.counted()), ("TLS: its certificate is revoked", 1));
    // A new link does not wait for any period.
    let Err((said, _)) = linked(&centre, &first).await else { panic!("it got in") };
    assert_eq!(said, "TLS: its certificate is revoked");
    other.runs(24 * HOUR).await;
    assert_eq!(other.counted(), 0);
    assert!(linked(&centre, &second).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_any_more_leaves_the_former_in_force_and_says_so_once() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let (ca, clock) = (Ca::new("grid"), Arc::new(Clock::at(date_time_ymd(2029, 12, 31))));
    let (centre, list) = (ca.end("centre", 1, |_| {}).0, ca.revokes(&[3]));
    let centre = load(&Files { crl: Some(list.clone()), ..centre }, &clock);
    let [good, revoked] = [("t-1", 2), ("t-2", 3)].map(|(name, serial)| load(&ca.end(name, serial, |_| {}).0, &clock));
    let (mut near, _far) = linked(&centre, &good).await.unwrap();
    let still = async |near: &mut End, log: &Log, told: usize| {
        near.runs(49 * HOUR).await;
        let (said, _) = linked(&centre, &revoked).await.err().unwrap();
        assert_eq!(said, "TLS: its certificate is revoked");
        assert!(linked(&centre, &good).await.is_ok());
        assert_eq!(log.lines("what it held before stays in force", &list), told, "{log:?}");
    };
    std::fs::remove_file(&list).unwrap();
    still(&mut near, &log, 1).await;
    std::fs::write(&list, "half of a list").unwrap();
    still(&mut near, &log, 2).await;
    // As soon as it can be read again, it counts.
    ca.revokes(&[2, 3]);
    assert_eq!(near.over().await.1, "TLS: its certificate is revoked");
    assert_eq!((log.lines("was read again", &list), log.lines("running links stay", &list)), (1, 0), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_out_of_date_lets_nobody_in_and_ends_no_running_link() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let (ca, clock) = (Ca::new("grid"), Arc::new(Clock::at(date_time_ymd(2029, 12, 31))));
    let (centre, _) = ca.end("centre", 1, |_| {});
    let list = ca.write("crl.pem", &ca.list(&[9], new_year()));
    let centre = load(&Files { crl: Some(list.clone()), ..centre }, &clock);
    let terminal = load(&ca.end("t-1", 2, |_| {}).0, &clock);
    let (mut near, mut far) = linked(&centre, &terminal).await.unwrap();
    near.runs(72 * HOUR).await;
    let (said, _) = linked(&centre, &terminal).await.err().unwrap();
    assert_eq!(said, "TLS: the list of revoked certificates is out of date");
    far.stream.write_all(&[1, 2]).await.unwrap();
    far.stream.flush().await.unwrap();
    assert_eq!(near.stream.read(&mut [0; 8]).await.unwrap(), 2);
    assert_eq!(log.lines("running links stay", &list), 1, "{log:?}");
    // It still counts whom it names, though it is as old.
    ca.write("crl.pem", &ca.list(&[9, 2], new_year()));
    assert_eq!(near.over().await.1, "TLS: its certificate is revoked");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_a_ca_above_is_heeded_where_there_is_one_and_not_missed_where_there_is_none() {
    let (root, clock) = (Ca::new("root"), Arc::new(Clock::at(date_time_ymd(2029, 12, 31))));
    let below = root.below("region", 7, date_time_ymd(2099, 1, 1));
    let terminal = load(&below.end("t-1", 2, |_| {}).0, &clock);
    let (centre, _) = root.end("centre", 1, |_| {});
    let later = date_time_ymd(2099, 1, 1);
    let file = root.write("crl.pem", &below.list(&[9], later));
    let centre = load(&Files { crl: Some(file), ..centre }, &clock);
    let (mut near, _far) = linked(&centre, &terminal).await.unwrap();
    near.runs(24 * HOUR).await;
    let revoked = "TLS: of a CA between it and ours: its certificate is revoked";
    root.write("crl.pem", &(below.list(&[9], later) + root.list(&[7], later).as_str()));
    assert_eq!(near.over().await.1, revoked);
    assert_eq!(linked(&centre, &terminal).await.err().unwrap().0, revoked);
    // The CA that signed it has to have one.
    root.write("crl.pem", &root.list(&[9], later));
    let (said, _) = linked(&centre, &terminal).await.err().unwrap();
    assert_eq!(said, "TLS: the list of revoked certificates does not cover its CA");
}

/// What is logged on this thread.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Lines with both.
    fn lines(&self, text: &str, file: &Path) -> usize {
        let file = file.display().to_string();
        self.0.lock().unwrap().iter().filter(|line| line.contains(text) && line.contains(&file)).count()
    }
}

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, about: &tracing::Metadata<'_>) -> bool {
        about.is_event()
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
