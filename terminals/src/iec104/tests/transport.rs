//! The controlling task on virtual time, over streams in memory.

use std::time::Duration;

use headroom_rules::model::{Quality, Timestamp};
use headroom_rules::orders::{NotSent, Outcome, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::iec104::apci::{self, Frame};
use crate::iec104::asdu;
use crate::iec104::config::RawTimers;
use crate::iec104::task::{Dial, Dialling, Way, run_link};
use crate::iec104::time::Zone;
use crate::iec104::{AckTicket, Command, CommandValue, LinkConfig, LinkHandler, Malformed, Object, Timers, Value};

const START: [u8; 6] = [0x68, 4, 0x07, 0, 0, 0];
const STARTED: [u8; 6] = [0x68, 4, 0x0B, 0, 0, 0];
const TEST: [u8; 6] = [0x68, 4, 0x43, 0, 0, 0];
const TESTED: [u8; 6] = [0x68, 4, 0x83, 0, 0, 0];
const SUPERVISORY: [u8; 6] = [0x68, 4, 0x01, 0, 0, 0];
const SOON: Duration = Duration::from_secs(600);

/// Gives the other end of each stream to the test.
struct Wires(&'static str, mpsc::UnboundedSender<DuplexStream>);

impl Dial<DuplexStream> for Wires {
    fn dial(&self) -> Dialling<DuplexStream> {
        let (ours, theirs) = duplex(1 << 16);
        let given = self.1.send(theirs);
        Box::pin(async move { given.map(|()| ours).map_err(|_| "nobody there".to_owned()) })
    }
    fn address(&self) -> &str {
        self.0
    }
}

#[derive(Debug, PartialEq)]
enum Seen {
    Link(bool, String),
    Objects(Vec<u32>),
    Outcome(u64, Outcome),
    Malformed(Malformed),
}

struct Recorder {
    seen: mpsc::UnboundedSender<Seen>,
    stores: bool,
}

impl LinkHandler for Recorder {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        let _ = self.seen.send(Seen::Objects(objects.iter().map(|object| object.ioa).collect()));
        if self.stores {
            ack.durable();
        }
    }
    async fn outcome(&mut self, command: u64, outcome: Outcome, _: Option<AckTicket>) {
        let _ = self.seen.send(Seen::Outcome(command, outcome));
    }
    async fn link(&mut self, up: bool, reason: &str) {
        let _ = self.seen.send(Seen::Link(up, reason.to_owned()));
    }
    fn malformed(&mut self, _: &[u8], _: &str, what: Malformed) {
        let _ = self.seen.send(Seen::Malformed(what));
    }
    fn written(&mut self, _: u64) {}
}

struct Bench {
    /// The far ends, in order of the connections.
    wires: Vec<mpsc::UnboundedReceiver<DuplexStream>>,
    seen: mpsc::UnboundedReceiver<Seen>,
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<bool>,
}

impl Bench {
    fn start(config: LinkConfig, addresses: &[&'static str], stores: bool) -> Self {
        let (mut ways, mut wires) = (Vec::new(), Vec::new());
        for address in addresses {
            let (give, given) = mpsc::unbounded_channel();
            ways.push(Way::dial(Wires(address, give)));
            wires.push(given);
        }
        let (tell, seen) = mpsc::unbounded_channel();
        let (commands, commanded) = mpsc::channel(4);
        let (stop, stopped) = watch::channel(false);
        let handler = Recorder { seen: tell, stores };
        tokio::spawn(run_link(config, ways, commanded, || Timestamp::new(0), handler, stopped));
        Self { wires, seen, commands, stop }
    }

    async fn wire(&mut self, of: usize) -> DuplexStream {
        timeout(SOON, self.wires[of].recv()).await.unwrap().unwrap()
    }

    async fn until(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let looking = async {
            loop {
                let seen = self.seen.recv().await.unwrap();
                if wanted(&seen) {
                    return seen;
                }
            }
        };
        timeout(SOON, looking).await.expect("it never came")
    }

    async fn up(&mut self, up: bool) -> String {
        let Seen::Link(_, reason) = self.until(|seen| matches!(seen, Seen::Link(is, _) if *is == up)).await else {
            unreachable!()
        };
        reason
    }
}

fn config() -> LinkConfig {
    LinkConfig::new("unused:1", 1)
}

async fn reads(wire: &mut DuplexStream) -> [u8; 6] {
    let mut frame = [0; 6];
    timeout(SOON, wire.read_exact(&mut frame)).await.unwrap().unwrap();
    frame
}

async fn start(wire: &mut DuplexStream) {
    assert_eq!(reads(wire).await, START);
    wire.write_all(&STARTED).await.unwrap();
}

fn single(number: u16) -> [u8; 16] {
    let [low, high] = ((number & 0x7FFF) << 1).to_le_bytes();
    [0x68, 14, low, high, 0, 0, 1, 1, 3, 0, 1, 0, 5, 0, 0, 1]
}

/// One I frame with single points, time-tagged.
fn tagged(number: u8, points: &[(u32, i64)]) -> Vec<u8> {
    let object = |&(ioa, ms)| Object {
        common_address: 1,
        ioa,
        value: Value::Single(true),
        quality: Quality::GOOD,
        time: Some(Timestamp::new(1_769_882_712_000 + ms)),
        cause: 3,
    };
    let objects: Vec<_> = points.iter().map(object).collect();
    let (asdu, count) = asdu::pack(&objects, Zone::UTC).remove(0);
    assert_eq!(count, points.len());
    let mut frame = vec![0x68, u8::try_from(asdu.len() + 4).unwrap(), number << 1, 0, 0, 0];
    frame.extend(asdu);
    frame
}

/// Drains whatever the centre sends.
fn drained(wire: DuplexStream) -> tokio::io::WriteHalf<DuplexStream> {
    let (mut reading, writing) = tokio::io::split(wire);
    tokio::spawn(async move { while reading.read(&mut [0; 256]).await.is_ok_and(|n| n > 0) {} });
    writing
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_and_closes_at_once_is_dialled_a_handful_of_times() {
    let mut bench = Bench::start(config(), &["a"], true);
    let began = Instant::now();
    let mut within_2s = 0;
    let mut last = Instant::now();
    for _ in 0..12 {
        drop(bench.wire(0).await);
        within_2s += u32::from(began.elapsed() <= Duration::from_secs(2));
        assert!(last.elapsed() <= Duration::from_secs(31));
        last = Instant::now();
    }
    assert!((2..=5).contains(&within_2s), "{within_2s} connects in 2 s");
    assert!(began.elapsed() > Duration::from_secs(100), "twelve connects in {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_was_steady_is_dialled_soon_again() {
    let mut bench = Bench::start(config(), &["a"], true);
    for _ in 0..8 {
        drop(bench.wire(0).await);
    }
    let mut wire = bench.wire(0).await;
    start(&mut wire).await;
    let until = Instant::now() + Duration::from_secs(70);
    let (mut input, mut received) = (Vec::new(), 0_u8);
    while Instant::now() < until {
        let _ = timeout(Duration::from_secs(5), wire.read_buf(&mut input)).await;
        while let Ok(Some((frame, taken))) = apci::split(&input) {
            let answer = match frame {
                Frame::I { .. } => {
                    received += 1;
                    [0x68, 4, 1, 0, received << 1, 0]
                }
                _ => TESTED,
            };
            input.drain(..taken);
            wire.write_all(&answer).await.unwrap();
        }
    }
    drop(wire);
    let lost = Instant::now();
    let _again = bench.wire(0).await;
    assert!(lost.elapsed() <= Duration::from_millis(1_001), "dialled again after {:?}", lost.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_station_that_floods_and_answers_nothing_is_given_up_after_twice_t1() {
    let config = LinkConfig { objects_per_s: 100, objects_burst: 100, ..config() };
    let mut bench = Bench::start(config, &["a"], true);
    let mut wire = bench.wire(0).await;
    start(&mut wire).await;
    bench.up(true).await;
    let began = Instant::now();
    let mut wire = drained(wire);
    tokio::spawn(async move {
        let mut number = 0;
        while wire.write_all(&single(number)).await.is_ok() {
            number = (number + 1) & 0x7FFF;
        }
    });
    let reason = bench.up(false).await;
    let after = began.elapsed();
    assert!(reason.contains("within t1"), "{reason}");
    assert!((Duration::from_secs(15)..Duration::from_secs(45)).contains(&after), "given up after {after:?}");
}

#[tokio::test(start_paused = true)]
async fn frames_without_objects_are_charged_too() {
    let config = LinkConfig { objects_per_s: 100, objects_burst: 100, ..config() };
    let mut bench = Bench::start(config, &["a"], true);
    let mut wire = bench.wire(0).await;
    start(&mut wire).await;
    let mut wire = drained(wire);
    let began = Instant::now();
    // 2 730 frames are one read; 64 kB are what lies between.
    let most = 100 + 10 * 100 + (1 << 16) / 6 + 2 * 2_731;
    let mut written: u32 = 0;
    while written < most && began.elapsed() < Duration::from_secs(10) {
        match timeout(Duration::from_secs(1), wire.write_all(&SUPERVISORY)).await {
            Ok(result) => result.unwrap(),
            Err(_) => continue,
        }
        written += 1;
    }
    assert!((1..most).contains(&written), "{written} frames were taken, {most} allowed");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_end_the_link_are_told_as_such() {
    let mut bench = Bench::start(config(), &["a"], true);
    let mut wire = bench.wire(0).await;
    start(&mut wire).await;
    wire.write_all(b"GET /").await.unwrap();
    let told = bench.until(|seen| matches!(seen, Seen::Malformed(_))).await;
    assert_eq!(told, Seen::Malformed(Malformed::Ended));
    assert!(bench.up(false).await.contains("wanted 0x68"));
}

#[tokio::test(start_paused = true)]
async fn of_two_connections_one_transfers_the_other_is_tested_and_takes_over_at_once() {
    // Below t1, for nobody answers on the first one.
    let timers = Timers::try_from(RawTimers { t3_s: 5, ..RawTimers::default() }).unwrap();
    let mut bench = Bench::start(LinkConfig { timers, ..config() }, &["a", "b"], true);
    let (mut a, mut b) = (bench.wire(0).await, bench.wire(1).await);
    start(&mut a).await;
    bench.up(true).await;
    // t3 on a link that never started.
    assert_eq!(reads(&mut b).await, TEST);
    b.write_all(&TESTED).await.unwrap();
    let order = |id, step| Command {
        id,
        common_address: 1,
        ioa: 10,
        value: CommandValue::Double(true),
        qualifier: 0,
        step,
        expires_in: Duration::from_secs(60),
    };
    a.write_all(&tagged(0, &[(1, 0), (2, 1)])).await.unwrap();
    bench.until(|seen| *seen == Seen::Objects(vec![1, 2])).await;
    bench.commands.send(order(1, Step::Select)).await.unwrap();
    let lost = Instant::now();
    drop(a);
    bench
        .until(|seen| matches!(seen, Seen::Outcome(1, Outcome::LinkLost(Step::Select) | Outcome::NotSent { .. })))
        .await;
    assert_eq!(reads(&mut b).await, START);
    assert!(lost.elapsed() < Duration::from_millis(10));
    // Not confirmed yet, so nothing may be sent.
    bench.commands.send(order(2, Step::Select)).await.unwrap();
    let refused = Outcome::NotSent { step: Step::Select, why: NotSent::NoLink };
    bench.until(|seen| *seen == Seen::Outcome(2, refused)).await;
    b.write_all(&STARTED).await.unwrap();
    // 2 comes again, 3 is new; 1 with another time is another event.
    b.write_all(&tagged(0, &[(2, 1), (3, 2), (1, 3)])).await.unwrap();
    let up = bench.until(|seen| matches!(seen, Seen::Link(..))).await;
    assert_eq!(up, Seen::Link(true, "started with b".to_owned()), "the group was never down");
    bench.until(|seen| *seen == Seen::Objects(vec![3, 1])).await;
    // Once only: the same again on the same link is the station's own.
    b.write_all(&tagged(1, &[(2, 1)])).await.unwrap();
    bench.until(|seen| *seen == Seen::Objects(vec![2])).await;
    bench.stop.send(true).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_comes_on_three_links_is_taken_once() {
    let mut bench = Bench::start(config(), &["a", "b"], false);
    let (mut a, mut b) = (bench.wire(0).await, bench.wire(1).await);
    start(&mut a).await;
    a.write_all(&tagged(0, &[(7, 0)])).await.unwrap();
    bench.until(|seen| *seen == Seen::Objects(vec![7])).await;
    drop(a);
    start(&mut b).await;
    b.write_all(&tagged(0, &[(7, 0)])).await.unwrap();
    bench.until(|seen| *seen == Seen::Objects(vec![])).await;
    let mut a = bench.wire(0).await;
    drop(b);
    start(&mut a).await;
    a.write_all(&tagged(0, &[(7, 0), (8, 0)])).await.unwrap();
    bench.until(|seen| *seen == Seen::Objects(vec![8])).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_is_down_when_its_last_connection_is() {
    let mut bench = Bench::start(config(), &["a", "b"], true);
    let (mut a, b) = (bench.wire(0).await, bench.wire(1).await);
    start(&mut a).await;
    bench.up(true).await;
    drop(b);
    sleep(Duration::from_millis(1)).await;
    assert!(bench.seen.try_recv().is_err(), "the one in reserve is not the group");
    drop(a);
    assert!(bench.up(false).await.contains("closed"));
}
