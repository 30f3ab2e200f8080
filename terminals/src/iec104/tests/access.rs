//! Who gets in, and why others do not.

use std::sync::Arc;
use std::time::Duration;

use headroom_rules::model::{SwitchPosition, Timestamp};
use headroom_rules::orders::{NotSent, Outcome, Step};
use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{advance, pause, resume, sleep, timeout};

use super::certificates::{Ca, Clock, identity, name};
use super::links::{Recorder, Seen, Switch};
use crate::iec104::access::guard::Access;
use crate::iec104::access::refusals::Refusals;
use crate::iec104::access::registration::Registration;
use crate::iec104::access::tls::{Files, Identity, Peer};
use crate::iec104::task::{
    Address, Arrivals, Caller, Callers, Entrance, Heartbeat, Registering, TlsAddress, Way, run_dial_in, run_link,
    run_station,
};
use crate::iec104::{Command, CommandValue, LinkConfig, StationConfig, Timers, Value};

const SOON: Duration = Duration::from_secs(30);

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

#[tokio::test]
async fn a_certificate_refused_where_we_dialled_is_counted_apart_from_those_that_came_to_us() {
    let ca = Ca::new("grid");
    let (centre, terminal) = (identity(&ca.end("centre", 1, |_| {}).0), identity(&ca.end("t-1", 2, |_| {}).0));
    let (address, of_station, _stop) = station(Access::default(), Some((&terminal, name("centre"))), SOON).await;
    let (tls, of_centre) = (centre.dialling(name("t-2")).unwrap(), Arc::<Refusals>::default());
    let (mut seen, _order, _stop) = linked(Way::dial(TlsAddress { address, tls, refusals: of_centre.clone() }));
    until(&mut seen, Seen::Up(false)).await;
    refused(&of_centre, "tls_dialled", 1).await;
    refused(&of_station, "tls", 1).await;
    assert_eq!((of_centre.counts()["tls"], of_station.counts()["tls_dialled"]), (0, 0));
}

#[tokio::test]
async fn a_link_whose_certificates_expire_is_ended_and_counted_at_both_ends_and_does_not_come_back() {
    let (ca, clock) = (Ca::new("grid"), Arc::new(Clock::at(date_time_ymd(2029, 12, 31))));
    let end = |name, serial| {
        let files = ca.end(name, serial, |params| params.not_after = date_time_ymd(2030, 1, 1)).0;
        // Below t1: no other time-out is to end the link.
        Identity::load_by(&Files { check_every: Duration::from_secs(1), ..files }, clock.clone()).unwrap()
    };
    let (centre, terminal) = (end("centre", 1), end("t-1", 2));
    let (address, of_station, _stop) = station(Access::default(), Some((&terminal, name("centre"))), SOON).await;
    let (tls, of_centre) = (centre.dialling(name("t-1")).unwrap(), Arc::<Refusals>::default());
    let (mut seen, _order, _stop) = linked(Way::dial(TlsAddress { address, tls, refusals: of_centre.clone() }));
    until(&mut seen, CLOSED).await;
    clock.set(date_time_ymd(2030, 1, 2));
    pause();
    advance(Duration::from_secs(3)).await;
    resume();
    until(&mut seen, Seen::Up(false)).await;
    refused(&of_centre, "tls_ended", 1).await;
    refused(&of_station, "tls_ended", 1).await;
    refused(&of_centre, "tls_dialled", 1).await;
    assert_eq!(of_centre.counts()["tls_ended"], 1);
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
    let command = |step| Command { id: 1, common_address: 1, ioa: 10, value, qualifier: 0, step, expires_in };
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
