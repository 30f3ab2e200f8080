use std::time::Duration;

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use headroom_rules::orders::{NotSent, Outcome, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::iec104::asdu::Bcr;
use crate::iec104::asdu::element::Qcc;
use crate::iec104::controlling::{Answer, FileAnswer, FileRequest, Request};
use crate::iec104::files::Failure;
use crate::iec104::task::{Ask, Work};
use crate::iec104::{
    AckTicket, Command, CommandAnswer, CommandValue, LinkConfig, LinkHandler, Malformed, Object, Station,
    StationCommand, StationConfig, Value, run_controlled, run_controlling,
};

#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    Up(bool),
    Object(u32, Value),
    Outcome(u64, Outcome),
    Written(u64),
}

pub(super) struct Recorder(pub(super) mpsc::UnboundedSender<Seen>);

impl LinkHandler for Recorder {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        for object in objects {
            let _ = self.0.send(Seen::Object(object.ioa, object.value));
        }
        ack.durable();
    }
    async fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) {
        let _ = self.0.send(Seen::Outcome(command, outcome));
        if let Some(ack) = ack {
            ack.durable();
        }
    }
    async fn link(&mut self, up: bool, _: &str) {
        let _ = self.0.send(Seen::Up(up));
    }
    fn malformed(&mut self, bytes: &[u8], why: &str, _: Malformed) {
        panic!("{why}: {bytes:02x?}");
    }
    fn written(&mut self, command: u64) {
        let _ = self.0.send(Seen::Written(command));
    }
}

/// One switch at object 10 that reports its movement.
pub(super) struct Switch {
    pub(super) closed: bool,
    pub(super) moved: bool,
}

impl Switch {
    fn object(&self) -> Object {
        let position = if self.closed { SwitchPosition::Closed } else { SwitchPosition::Open };
        let (value, quality) = (Value::Double(position), Quality::GOOD);
        Object { common_address: 1, ioa: 10, value, quality, time: None, cause: 3 }
    }
}

impl Station for Switch {
    fn now(&self) -> Timestamp {
        Timestamp::new(0)
    }
    fn interrogated(&mut self, out: &mut Vec<Object>) {
        out.push(self.object());
    }
    fn counters(&mut self, out: &mut Vec<Object>) {
        out.push(Object { ioa: 90, value: Value::Counter(Bcr::new(5)), ..self.object() });
    }
    fn spontaneous(&mut self, out: &mut Vec<Object>) {
        if std::mem::take(&mut self.moved) {
            out.push(self.object());
        }
    }
    fn command(&mut self, command: StationCommand) -> CommandAnswer {
        match command.value {
            CommandValue::Double(on) if command.ioa == 10 => {
                if command.step == Step::Execute {
                    (self.closed, self.moved) = (on, true);
                }
                CommandAnswer::Accepted
            }
            _ => CommandAnswer::UnknownObject,
        }
    }
    fn set_clock(&mut self, _: Timestamp) -> bool {
        true
    }
}

#[tokio::test]
async fn an_order_goes_over_tcp_and_its_effect_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    let station = Switch { closed: true, moved: false };
    let served = tokio::spawn(run_controlled(listener, StationConfig::new(1), station, stopped.clone()));
    let (tell, mut seen) = mpsc::unbounded_channel();
    let (order, orders) = mpsc::channel(4);
    let clock = || Timestamp::new(1_769_882_712_000);
    let config = LinkConfig::new(address, 1);
    let linked = tokio::spawn(run_controlling(config, orders, clock, Recorder(tell), stopped));
    let mut until = async |wanted: Seen| while seen.recv().await.expect("the link went on") != wanted {};

    until(Seen::Up(true)).await;
    until(Seen::Object(10, Value::Double(SwitchPosition::Closed))).await;
    until(Seen::Object(90, Value::Counter(Bcr::new(5)))).await;
    let (value, expires_in) = (CommandValue::Double(false), Duration::from_secs(60));
    for step in [Step::Select, Step::Execute] {
        order.send(Command { id: 1, common_address: 1, ioa: 10, value, qualifier: 0, step, expires_in }).await.unwrap();
        until(Seen::Written(1)).await;
        until(Seen::Outcome(1, Outcome::Confirmed(step))).await;
    }
    until(Seen::Object(10, Value::Double(SwitchPosition::Open))).await;
    stop.send(true).unwrap();
    until(Seen::Up(false)).await;
    linked.await.unwrap();
    served.await.unwrap();
}

#[tokio::test]
async fn what_is_asked_on_a_link_is_answered_after_what_it_brought_and_never_on_a_later_link() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    let (stop_station, station_stopped) = watch::channel(false);
    let station = Switch { closed: true, moved: false };
    let served = tokio::spawn(run_controlled(listener, StationConfig::new(1), station, station_stopped));
    let (tell, mut seen) = mpsc::unbounded_channel();
    let (_commands, commands) = mpsc::channel(1);
    let (ask_of, asks) = mpsc::channel(4);
    let clock = || Timestamp::new(0);
    let work = Work { commands, asks };
    let linked = tokio::spawn(run_controlling(LinkConfig::new(address, 1), work, clock, Recorder(tell), stopped));
    let ask = |request| {
        let (reply, answer) = oneshot::channel();
        ask_of.try_send(Ask::Request(request, reply)).unwrap();
        answer
    };
    while seen.recv().await.unwrap() != Seen::Object(90, Value::Counter(Bcr::new(5))) {}

    // Asked at once, answered in turn, the value first.
    let (read, none) = (ask(Request::Read { ioa: 10 }), ask(Request::Read { ioa: 11 }));
    assert_eq!(read.await.unwrap(), Answer::Done);
    assert_eq!(seen.try_recv().unwrap(), Seen::Object(10, Value::Double(SwitchPosition::Closed)));
    assert_eq!(none.await.unwrap(), Answer::Refused { cause: 47 });
    // Nobody waits for it any more: it is not asked.
    drop(ask(Request::Read { ioa: 10 }));
    assert_eq!(ask(Request::Counters(Qcc(5))).await.unwrap(), Answer::Done);
    assert_eq!(seen.try_recv().unwrap(), Seen::Object(90, Value::Counter(Bcr::new(5))));
    let (reply, directory) = oneshot::channel();
    ask_of.send(Ask::Files(FileRequest::Directory, reply)).await.unwrap();
    assert_eq!(directory.await.unwrap(), Ok(FileAnswer::Directory(Vec::new())));

    stop_station.send(true).unwrap();
    while seen.recv().await.unwrap() != Seen::Up(false) {}
    served.await.unwrap();
    assert_eq!(ask(Request::Test).await.unwrap(), Answer::NotSent(NotSent::NoLink));
    let (reply, lost) = oneshot::channel();
    ask_of.send(Ask::Files(FileRequest::Directory, reply)).await.unwrap();
    assert_eq!(lost.await.unwrap(), Err(Failure::LinkLost));
    stop.send(true).unwrap();
    linked.await.unwrap();
    assert!(ask_of.is_closed());
}

/// Counts objects; stores nothing when told so.
struct Counting {
    objects: watch::Sender<u64>,
    ups: mpsc::UnboundedSender<bool>,
    stores: watch::Receiver<bool>,
    waiting: Option<AckTicket>,
}

impl LinkHandler for Counting {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        self.objects.send_modify(|count| *count += objects.len() as u64);
        if *self.stores.borrow() {
            ack.durable();
        } else {
            self.waiting = Some(ack);
        }
    }
    async fn outcome(&mut self, _: u64, _: Outcome, _: Option<AckTicket>) {}
    async fn link(&mut self, up: bool, _: &str) {
        let _ = self.ups.send(up);
    }
    fn malformed(&mut self, _: &[u8], _: &str, _: Malformed) {}
    fn written(&mut self, _: u64) {}
}

/// A link to a station that confirms the start, then sends single points, one in each APDU, `every` so often for ever.
struct Sent {
    objects: watch::Receiver<u64>,
    ups: mpsc::UnboundedReceiver<bool>,
    sent: watch::Receiver<u64>,
    _stop: watch::Sender<bool>,
    _orders: mpsc::Sender<Command>,
}

async fn sending(every: Option<Duration>, stores: bool, budget: (u32, u32)) -> Sent {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (objects_per_s, objects_burst) = budget;
    let config =
        LinkConfig { objects_per_s, objects_burst, ..LinkConfig::new(listener.local_addr().unwrap().to_string(), 1) };
    let (sent_to, sent) = watch::channel(0);
    tokio::spawn(async move {
        let (mut reading, mut writing) = listener.accept().await.unwrap().0.into_split();
        reading.read_exact(&mut [0; 6]).await.unwrap();
        writing.write_all(&[0x68, 4, 0x0B, 0, 0, 0]).await.unwrap();
        tokio::spawn(async move { while reading.read(&mut [0; 256]).await.is_ok_and(|n| n > 0) {} });
        let mut number: u16 = 0;
        loop {
            let [low, high] = (number << 1).to_le_bytes();
            let frame = [0x68, 14, low, high, 0, 0, 1, 1, 3, 0, 1, 0, 5, 0, 0, 1];
            if writing.write_all(&frame).await.is_err() {
                return;
            }
            sent_to.send_modify(|count| *count += 1);
            number = (number + 1) & 0x7FFF;
            if let Some(every) = every {
                tokio::time::sleep(every).await;
            }
        }
    });
    let (objects_to, objects) = watch::channel(0);
    let (ups_to, ups) = mpsc::unbounded_channel();
    let (orders, ordered) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let stores = watch::channel(stores).1;
    let handler = Counting { objects: objects_to, ups: ups_to, stores, waiting: None };
    tokio::spawn(run_controlling(config, ordered, || Timestamp::new(0), handler, stopped));
    Sent { objects, ups, sent, _stop: stop, _orders: orders }
}

/// What one read of the socket brings at most, at 16 octets for each object.
const ONE_READ: u64 = 1_024;
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_flooding_link_is_slowed_and_stays_and_another_is_not_slowed() {
    let began = Instant::now();
    let mut flood = sending(None, true, (1_000, 2_000)).await;
    let mut honest = sending(Some(Duration::from_millis(5)), true, (1_000, 2_000)).await;
    // More than ever fits into its budget here: the rest lies in the sockets.
    timeout(SOON, flood.sent.wait_for(|&sent| sent > 20_000)).await.unwrap().unwrap();
    for _ in 0..100 {
        timeout(SOON, honest.objects.changed()).await.unwrap().unwrap();
        let behind = *honest.sent.borrow() - *honest.objects.borrow();
        assert!(behind < 100, "the honest link is {behind} objects behind");
    }
    let taken = *flood.objects.borrow();
    let allowed = 2_000 + ONE_READ + u64::try_from(began.elapsed().as_millis()).unwrap();
    assert!((1..=allowed).contains(&taken), "{taken} objects were taken, {allowed} allowed");
    // It goes on: slowed is not shut.
    timeout(SOON, flood.objects.wait_for(|&count| count > taken)).await.unwrap().unwrap();
    assert_eq!((flood.ups.try_recv(), flood.ups.try_recv().is_err()), (Ok(true), true));
}

#[tokio::test]
async fn a_socket_is_not_read_while_too_much_of_it_is_not_stored() {
    let mut flood = sending(None, false, (1_000_000, 1_000_000)).await;
    timeout(SOON, flood.objects.wait_for(|&count| count > 256)).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let taken = *flood.objects.borrow();
    assert!(taken <= 257 + ONE_READ, "{taken} objects were taken, none is stored");
    assert_eq!((flood.ups.try_recv(), flood.ups.try_recv().is_err()), (Ok(true), true));
}

#[tokio::test]
async fn a_connection_that_stands_by_takes_over_while_the_first_takes_no_bytes() {
    const START: [u8; 6] = [0x68, 4, 0x07, 0, 0, 0];
    const STARTED: [u8; 6] = [0x68, 4, 0x0B, 0, 0, 0];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let config = StationConfig { connections_max: 2, ..StationConfig::new(1) };
    tokio::spawn(run_controlled(listener, config, Switch { closed: true, moved: false }, stopped));
    let mut links = Vec::new();
    for _ in 0..2 {
        let mut link = TcpStream::connect(address).await.unwrap();
        // A test answered shows that the connection is served.
        link.write_all(&[0x68, 4, 0x43, 0, 0, 0]).await.unwrap();
        link.read_exact(&mut [0; 6]).await.unwrap();
        links.push(link);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    assert_eq!(timeout(SOON, third.read(&mut [0; 6])).await.unwrap().unwrap_or(0), 0, "two are allowed");
    let [first, second] = &mut links[..] else { panic!() };
    first.write_all(&START).await.unwrap();
    // Asks until its own socket is full of answers that it does not read.
    let tests = [0x68, 4, 0x43, 0, 0, 0].repeat(10_000);
    while timeout(Duration::from_millis(300), first.write_all(&tests)).await.is_ok() {}
    second.write_all(&START).await.unwrap();
    let mut answer = [0; 6];
    timeout(Duration::from_secs(10), second.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, STARTED);
}
