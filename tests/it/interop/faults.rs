//! What was found to bring down another stack of this language, done to ours.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use headroom_rules::orders::{NotSent, Outcome, Step};
use headroom_terminals::iec104::apci::{self, Control, Frame};
use headroom_terminals::iec104::asdu::{Asdu, causes, types};
use headroom_terminals::iec104::{
    AckTicket, Command, CommandAnswer, CommandValue, LinkHandler, Malformed, Object, Value,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::COMMON_ADDRESS;
use super::cut::{Heard, Linked, Listening};
use super::device::{self, Device, Holds};
use super::tally::hex;
use crate::program::PATIENCE;

/// C_RD with SQ = 1: its one object is an address and nothing else, on which `iec104` 0.6 panics.
const EMPTY_SEQUENCE: [u8; 15] = [0x68, 0x0D, 0, 0, 0, 0, 0x66, 0x81, 0x05, 0, 0x01, 0, 0x01, 0, 0];
const ON: CommandValue = CommandValue::Double(true);

/// One end of a link, octet by octet.
struct Raw {
    stream: TcpStream,
    input: Vec<u8>,
    sent: u16,
    received: u16,
}

impl Raw {
    fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::new(), sent: 0, received: 0 }
    }

    async fn to(address: SocketAddr) -> Self {
        let mut raw = Self::new(TcpStream::connect(address).await.unwrap());
        raw.control(Control::StartAct).await;
        raw.until(|frame| (frame == Frame::U(Control::StartCon)).then_some(())).await;
        raw
    }

    async fn write(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
    }

    async fn frame(&mut self, frame: Frame<'_>) {
        let mut octets = Vec::new();
        apci::write(frame, &mut octets);
        self.write(&octets).await;
    }

    async fn control(&mut self, control: Control) {
        self.frame(Frame::U(control)).await;
    }

    async fn asdu(&mut self, asdu: &[u8]) {
        let (send, receive) = (self.sent, self.received);
        self.sent += 1;
        self.frame(Frame::I { send, receive, asdu }).await;
    }

    /// What `find` gives for the first frame from here on for which it gives anything.
    async fn until<T>(&mut self, mut find: impl FnMut(Frame<'_>) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                if let Some((frame, taken)) = apci::split(&self.input).unwrap() {
                    self.received += u16::from(matches!(frame, Frame::I { .. }));
                    let found = find(frame);
                    self.input.drain(..taken);
                    if let Some(found) = found {
                        return found;
                    }
                } else if self.stream.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
                    panic!("the link ended; it had left {}", hex(&self.input));
                }
            }
        });
        found.await.expect("no such frame came")
    }

    /// Type, cause and P/N of the next message of this type.
    async fn answer(&mut self, type_id: u8) -> (u8, bool) {
        self.until(|frame| match frame {
            Frame::I { asdu, .. } => {
                let asdu = Asdu::parse(asdu).unwrap();
                (asdu.type_id == type_id).then_some((asdu.cause, asdu.negative))
            }
            _ => None,
        })
        .await
    }
}

/// A message with one object.
fn one(type_id: u8, cause: u8, common_address: u16, ioa: u8, element: &[u8]) -> Vec<u8> {
    let [low, high] = common_address.to_le_bytes();
    [&[type_id, 1, cause, 0, low, high, ioa, 0, 0], element].concat()
}

/// Accepts the next link of a centre and starts it.
async fn accept(listener: &TcpListener) -> Raw {
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.expect("nobody dials").unwrap();
    let mut raw = Raw::new(stream);
    raw.until(|frame| (frame == Frame::U(Control::StartAct)).then_some(())).await;
    raw.control(Control::StartCon).await;
    raw
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_station_answers_an_empty_sequence_and_times_of_all_ones_and_goes_on() {
    let holds = Holds { answers: [(1, CommandAnswer::Accepted)].into(), ..Holds::default() };
    let device = Device::start(device::config(), holds).await;
    let mut centre = Raw::to(device.address).await;
    centre.write(&EMPTY_SEQUENCE).await;
    centre.sent += 1;
    // Common address 1 is not ours.
    assert_eq!(centre.answer(types::C_RD_NA).await, (causes::UNKNOWN_ADDRESS, true));
    let mut ours = EMPTY_SEQUENCE[6..].to_vec();
    ours[4] = u8::try_from(COMMON_ADDRESS).unwrap();
    centre.asdu(&ours).await;
    assert_eq!(centre.answer(types::C_RD_NA).await, (causes::UNKNOWN_OBJECT, true));

    centre.asdu(&one(types::C_CS_NA, causes::ACTIVATION, COMMON_ADDRESS, 0, &[0xFF; 7])).await;
    assert_eq!(centre.answer(types::C_CS_NA).await, (causes::ACTIVATION_CON, true));
    let select = [&[0x82][..], &[0xFF; 7]].concat();
    centre.asdu(&one(types::C_DC_TA, causes::ACTIVATION, COMMON_ADDRESS, 1, &select)).await;
    assert_eq!(centre.answer(types::C_DC_TA).await, (causes::ACTIVATION_CON, false));
    // Types of the other direction, reserved and private ones.
    for type_id in [1, 22, 41, 127, 128, 200, 255] {
        centre.asdu(&one(type_id, causes::ACTIVATION, COMMON_ADDRESS, 0, &[0; 7])).await;
    }
    centre.asdu(&one(200, causes::ACTIVATION, COMMON_ADDRESS, 0, &[0; 7])).await;
    assert_eq!(centre.answer(200).await, (causes::UNKNOWN_TYPE, true));
    centre.control(Control::TestAct).await;
    centre.until(|frame| (frame == Frame::U(Control::TestCon)).then_some(())).await;
}

/// As [`Listening`], where what does not parse is expected.
struct Lenient(Listening);

impl LinkHandler for Lenient {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        self.0.objects(objects, ack).await;
    }
    async fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) {
        self.0.outcome(command, outcome, ack).await;
    }
    async fn link(&mut self, up: bool, why: &str) {
        self.0.link(up, why).await;
    }
    fn malformed(&mut self, octets: &[u8], why: &str, what: Malformed) {
        assert_ne!(what, Malformed::Ended, "{why}: {octets:02x?}");
    }
    fn written(&mut self, command: u64) {
        self.0.written(command);
    }
}

#[tokio::test]
async fn a_centre_takes_an_empty_sequence_and_a_time_of_all_ones_and_goes_on() {
    let (listener, address) = listen().await;
    let (tell, heard) = mpsc::unbounded_channel();
    let mut link = Linked::with(address, Lenient(Listening(tell)), heard, mpsc::channel(8));
    let mut station = accept(&listener).await;
    station.write(&EMPTY_SEQUENCE).await;
    station.sent += 1;
    station.asdu(&one(200, causes::SPONTANEOUS, COMMON_ADDRESS, 1, &[0; 3])).await;
    let single = [&[1][..], &[0xFF; 7]].concat();
    station.asdu(&one(types::M_SP_TB, causes::SPONTANEOUS, COMMON_ADDRESS, 9, &single)).await;
    let object = link.hear("the object", |heard| if let Heard::Object(object) = heard { Some(*object) } else { None });
    let object = object.await;
    assert_eq!((object.ioa, object.value, object.time), (9, Value::Single(true), None));
    station.control(Control::TestAct).await;
    station.until(|frame| (frame == Frame::U(Control::TestCon)).then_some(())).await;
}

#[tokio::test]
async fn a_peer_that_accepts_and_closes_at_once_is_dialled_a_handful_of_times_in_two_seconds() {
    let (listener, address) = listen().await;
    let link = Linked::start(address);
    let mut dialled = 0;
    let counting = async {
        loop {
            drop(listener.accept().await.unwrap());
            dialled += 1;
        }
    };
    // Virtual time would pass between two system calls here.
    assert!(timeout(Duration::from_secs(2), counting).await.is_err());
    assert!((1..=5).contains(&dialled), "dialled {dialled} times");
    link.end().await;
}

#[tokio::test]
async fn a_command_given_while_the_link_is_being_lost_has_one_outcome_and_goes_out_on_no_later_link() {
    let (listener, address) = listen().await;
    let mut link = Linked::start(address);
    let mut station = accept(&listener).await;
    link.up(true).await;
    link.order(1, ON, Step::Select).await;
    // It is read, never answered, and the link is gone.
    station.until(|frame| matches!(frame, Frame::I { asdu, .. } if asdu[0] == types::C_DC_NA).then_some(())).await;
    drop(station);
    for order in 2..6 {
        link.order(order, ON, Step::Select).await;
    }
    let mut outcomes = BTreeMap::new();
    while outcomes.len() < 5 {
        let of =
            |heard: &Heard| if let Heard::Outcome(order, outcome) = heard { Some((*order, *outcome)) } else { None };
        let (order, outcome) = link.hear("an outcome", of).await;
        assert_eq!(outcomes.insert(order, outcome), None, "order {order}");
    }
    assert_eq!(outcomes.remove(&1), Some(Outcome::LinkLost(Step::Select)));
    // The point is busy until the loss is known; then there is no link.
    let unsent = |why| Outcome::NotSent { step: Step::Select, why };
    let is_unsent = |outcome: &Outcome| [unsent(NotSent::Busy), unsent(NotSent::NoLink)].contains(outcome);
    assert!(outcomes.values().all(is_unsent), "{outcomes:?}");

    let mut station = accept(&listener).await;
    link.up(true).await;
    // The clock, the interrogation, the counters: and no command before, between or after them.
    for type_id in [types::C_CS_NA, types::C_IC_NA, types::C_CI_NA] {
        let asked = station.until(|frame| if let Frame::I { asdu, .. } = frame { Some(asdu.to_vec()) } else { None });
        let asked = asked.await;
        assert_eq!(asked[0], type_id, "{}", hex(&asked));
        let asked = Asdu::parse(&asked).unwrap();
        for cause in [causes::ACTIVATION_CON, causes::TERMINATION] {
            station.asdu(&asked.mirrored(cause, false)).await;
        }
    }
    station.control(Control::TestAct).await;
    station
        .until(|frame| {
            assert!(!matches!(frame, Frame::I { .. }), "{frame:?}");
            (frame == Frame::U(Control::TestCon)).then_some(())
        })
        .await;
}

/// Gives the execute from within the callback that told it of the select.
struct Sending {
    listening: Listening,
    commands: mpsc::Sender<Command>,
}

impl LinkHandler for Sending {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        self.listening.objects(objects, ack).await;
    }
    async fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) {
        if outcome == Outcome::Confirmed(Step::Select) {
            let (expires_in, step) = (Duration::from_secs(60), Step::Execute);
            let execute = Command {
                id: command,
                common_address: COMMON_ADDRESS,
                ioa: 6_001,
                value: ON,
                qualifier: 0,
                step,
                expires_in,
            };
            self.commands.send(execute).await.unwrap();
        }
        self.listening.outcome(command, outcome, ack).await;
    }
    async fn link(&mut self, up: bool, why: &str) {
        self.listening.link(up, why).await;
    }
    fn malformed(&mut self, octets: &[u8], why: &str, what: Malformed) {
        self.listening.malformed(octets, why, what);
    }
    fn written(&mut self, command: u64) {
        self.listening.written(command);
    }
}

#[tokio::test]
async fn a_callback_may_send() {
    let holds = Holds { answers: [(6_001, CommandAnswer::Accepted)].into(), ..Holds::default() };
    let device = Device::start(device::config(), holds).await;
    let (tell, heard) = mpsc::unbounded_channel();
    let (commands, commanded) = mpsc::channel(1);
    let sending = Sending { listening: Listening(tell), commands: commands.clone() };
    let mut link = Linked::with(device.address, sending, heard, (commands, commanded));
    link.up(true).await;
    for order in 1..50 {
        link.order(order, ON, Step::Select).await;
        assert_eq!(link.outcome(order).await, Outcome::Confirmed(Step::Select));
        assert_eq!(link.outcome(order).await, Outcome::Confirmed(Step::Execute));
    }
    link.end().await;
}
