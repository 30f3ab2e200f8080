//! The controlled station against frames by the standard's layout.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use headroom_rules::orders::Step;
use proptest::prelude::*;

use crate::iec104::apci::{self, Control, Frame};
use crate::iec104::asdu::{Asdu, Bcr, CommandValue, Object, Value};
use crate::iec104::config::StationConfig;
use crate::iec104::controlled::{
    CommandAnswer, CommandToken, ConnectionId, Freeze, Parameter, Session, Station, StationCommand,
};
use crate::iec104::time::{Cp56, TimeBase, Zone};

pub(crate) const A: ConnectionId = ConnectionId(1);
pub(super) const B: ConnectionId = ConnectionId(2);

/// Points 1 to 3, counter 90; commands at 10 to 20, answered as told.
pub(super) struct Device {
    now: Timestamp,
    answer: CommandAnswer,
    asked: Vec<StationCommand>,
    later: VecDeque<(CommandToken, CommandAnswer)>,
    pub(super) changes: Vec<Object>,
    frozen: Vec<(Option<u8>, Freeze)>,
    clock: Option<Timestamp>,
    /// Its clock is set by other means.
    own_clock: bool,
    parameters: Vec<(u32, Parameter, u8)>,
}

pub(super) fn point(ioa: u32) -> Object {
    let (value, quality) = (Value::Single(ioa % 2 == 1), Quality::GOOD);
    Object { common_address: 1, ioa, value, quality, time: None, cause: 3 }
}

impl Station for Device {
    fn now(&self) -> Timestamp {
        self.now
    }
    fn interrogated(&mut self, out: &mut Vec<Object>) {
        out.extend([1, 2, 3].map(point));
    }
    fn group(&mut self, group: u8, out: &mut Vec<Object>) -> bool {
        out.extend((group == 2).then(|| point(2)));
        group == 2
    }
    fn counters(&mut self, out: &mut Vec<Object>) {
        out.push(Object { value: Value::Counter(Bcr::new(7)), ..point(90) });
    }
    fn counter_group(&mut self, group: u8, out: &mut Vec<Object>) -> bool {
        if group == 1 {
            self.counters(out);
        }
        group == 1
    }
    fn freeze(&mut self, group: Option<u8>, how: Freeze) -> bool {
        self.frozen.push((group, how));
        how != Freeze::Reset
    }
    fn spontaneous(&mut self, out: &mut Vec<Object>) {
        out.append(&mut self.changes);
    }
    fn command(&mut self, command: StationCommand) -> CommandAnswer {
        if !(10..=20).contains(&command.ioa) {
            return CommandAnswer::UnknownObject;
        }
        self.asked.push(command);
        self.answer
    }
    fn answered(&mut self) -> Option<(CommandToken, CommandAnswer)> {
        self.later.pop_front()
    }
    fn set_clock(&mut self, time: Timestamp) -> bool {
        if !self.own_clock {
            self.clock = Some(time);
        }
        !self.own_clock
    }
    fn reset(&mut self, qualifier: u8) -> bool {
        matches!(qualifier, 1 | 2)
    }
    fn parameter(&mut self, ioa: u32, parameter: Parameter, qualifier: u8) -> CommandAnswer {
        self.parameters.push((ioa, parameter, qualifier));
        if ioa == 5 { CommandAnswer::Accepted } else { CommandAnswer::UnknownObject }
    }
}

/// The controlling side of several connections, played by hand: every frame is numbered, and acknowledged when told.
pub(crate) struct Desk<S: Station> {
    pub(crate) now: Instant,
    pub(crate) session: Session<S>,
    /// N(S) to come, I frames received, I frames acknowledged, by connection.
    numbers: BTreeMap<ConnectionId, (u16, u16, u16)>,
}

impl<S: Station> Desk<S> {
    pub(crate) fn with(config: StationConfig, station: S) -> Self {
        let now = Instant::now();
        Self { now, session: Session::new(config, station, now), numbers: BTreeMap::new() }
    }

    pub(crate) fn connect(&mut self, id: ConnectionId) {
        assert!(self.session.on_connected(self.now, id));
        self.numbers.insert(id, (0, 0, 0));
    }

    /// All U and S frames by their first octet, all messages, of all connections.
    pub(crate) fn drain(&mut self) -> Vec<(ConnectionId, Vec<u8>)> {
        let mut found = Vec::new();
        while let Some((id, bytes)) = self.session.next_output() {
            let mut rest = bytes.as_slice();
            while let Ok(Some((frame, taken))) = apci::split(rest) {
                match frame {
                    Frame::I { send, asdu, .. } => {
                        let (_, received, _) = self.numbers.get_mut(&id).unwrap();
                        assert_eq!(send, *received, "numbers are kept");
                        *received += 1;
                        found.push((id, asdu.to_vec()));
                    }
                    Frame::S { .. } => found.push((id, vec![1])),
                    Frame::U(control) => found.push((id, vec![control as u8])),
                }
                rest = &rest[taken..];
            }
        }
        found
    }

    pub(crate) fn say(&mut self, id: ConnectionId, control: Control) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        apci::write(Frame::U(control), &mut bytes);
        self.session.on_bytes(self.now, id, &bytes);
        self.on(id)
    }

    /// What went out, on this connection only.
    pub(crate) fn on(&mut self, id: ConnectionId) -> Vec<Vec<u8>> {
        self.drain()
            .into_iter()
            .map(|(to, what)| {
                assert_eq!(to, id, "{what:02x?}");
                what
            })
            .collect()
    }

    pub(crate) fn send(&mut self, id: ConnectionId, asdu: &[u8]) {
        let (send, _, receive) = self.numbers[&id];
        self.numbers.get_mut(&id).unwrap().0 += 1;
        let mut bytes = Vec::new();
        apci::write(Frame::I { send, receive, asdu }, &mut bytes);
        self.session.on_bytes(self.now, id, &bytes);
    }

    pub(crate) fn acknowledge(&mut self, id: ConnectionId, receive: u16) {
        self.numbers.get_mut(&id).unwrap().2 = receive;
        let mut bytes = Vec::new();
        apci::write(Frame::S { receive }, &mut bytes);
        self.session.on_bytes(self.now, id, &bytes);
    }

    pub(crate) fn acknowledge_all(&mut self, id: ConnectionId) {
        let received = self.numbers[&id].1;
        self.acknowledge(id, received);
    }

    /// Sends a message, and gives what comes back, acknowledged.
    pub(crate) fn ask(&mut self, id: ConnectionId, asdu: &[u8]) -> Vec<Vec<u8>> {
        self.send(id, asdu);
        let mut answers = Vec::new();
        loop {
            let more = self.on(id);
            if more.is_empty() {
                return answers;
            }
            answers.extend(more.into_iter().filter(|what| what.len() > 1));
            self.acknowledge_all(id);
        }
    }

    pub(crate) fn after(&mut self, passed: Duration) {
        self.now += passed;
        self.session.on_deadline(self.now);
    }
}

pub(super) fn device() -> Device {
    Device {
        now: Timestamp::new(1_700_000_000_000),
        answer: CommandAnswer::Accepted,
        asked: Vec::new(),
        later: VecDeque::new(),
        changes: Vec::new(),
        frozen: Vec::new(),
        clock: None,
        own_clock: false,
        parameters: Vec::new(),
    }
}

/// A station at address 1 whose first connection is started, its initialization told and acknowledged.
fn desk(change: impl FnOnce(&mut StationConfig)) -> Desk<Device> {
    let mut config = StationConfig { connections_max: 2, ..StationConfig::new(1) };
    change(&mut config);
    let mut desk = Desk::with(config, device());
    desk.connect(A);
    // M_EI_NA (70), one object, cause 4 (initialized), address 1, object 0, COI 0.
    assert_eq!(desk.say(A, Control::StartAct), [vec![0x0B], vec![70, 1, 4, 0, 1, 0, 0, 0, 0, 0]]);
    desk.acknowledge_all(A);
    desk
}

/// C_DC_NA at object 10, DCO as given.
fn double(dco: u8) -> [u8; 10] {
    [46, 1, 6, 0, 1, 0, 10, 0, 0, dco]
}

/// The same with another cause octet.
fn with(cause: u8, asdu: &[u8]) -> Vec<u8> {
    let mut asdu = asdu.to_vec();
    asdu[2] = cause;
    asdu
}

const CON: u8 = 7;
const NEGATIVE: u8 = 0x40;

#[test]
fn what_is_unknown_comes_back_octet_for_octet_with_its_cause() {
    let mut desk = desk(|_| {});
    #[rustfmt::skip]
    let cases: &[(&[u8], u8)] = &[
        // Reserved (77), private (200), of the monitoring direction, delay acquisition, directory.
        (&[77, 1, 6, 9, 1, 0, 1, 2, 3, 0xFF], 44),
        (&[200, 0x85, 6, 0, 1, 0], 44),
        (&[1, 1, 3, 0, 1, 0, 1, 0, 0, 1], 44),
        (&[36, 1, 6, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 24], 44),
        (&[70, 1, 4, 0, 1, 0, 0, 0, 0, 0], 44),
        (&[106, 1, 6, 0, 1, 0, 0, 0, 0, 5, 0], 44),
        // Another station; all stations with a type that is for one.
        (&[100, 1, 6, 0, 2, 0, 0, 0, 0, 20], 46),
        (&[45, 1, 6, 3, 0xFF, 0xFF, 10, 0, 0, 1], 46),
        (&[102, 1, 5, 0, 0xFF, 0xFF, 1, 0, 0], 46),
        (&[104, 1, 6, 0, 0xFF, 0xFF, 0, 0, 0, 0xAA, 0x55], 46),
        // Causes that the type does not have.
        (&[100, 1, 5, 0, 1, 0, 0, 0, 0, 20], 45),
        (&[103, 1, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 24], 45),
        (&[45, 1, 3, 0, 1, 0, 10, 0, 0, 1], 45),
        (&[102, 1, 6, 0, 1, 0, 1, 0, 0], 45),
        (&[45, 1, 10, 0, 1, 0, 10, 0, 0, 1], 45),
        // Addresses that are none.
        (&[102, 1, 5, 0, 1, 0, 77, 0, 0], 47),
        (&[45, 1, 6, 0, 1, 0, 77, 0, 0, 0x81], 47),
        (&[100, 1, 6, 0, 1, 0, 1, 0, 0, 20], 47),
        (&[110, 1, 6, 0, 1, 0, 9, 0, 0, 1, 2, 3], 47),
        (&[113, 1, 8, 0, 1, 0, 9, 0, 0, 1], 47),
    ];
    for (asdu, cause) in cases {
        assert_eq!(desk.ask(A, asdu), [with(cause | NEGATIVE, asdu)], "{asdu:02x?}");
    }
    assert_eq!(desk.session.closed(A), None);
    assert_eq!(desk.session.station().asked.len(), 0);
}

#[test]
fn a_message_that_calls_ours_unknown_is_not_answered_and_one_that_does_not_parse_is_skipped() {
    let mut desk = desk(|_| {});
    assert!(desk.ask(A, &[3, 1, 44 | NEGATIVE, 0, 1, 0, 1, 0, 0, 1]).is_empty());
    assert!(desk.ask(A, &[200, 1, 45 | NEGATIVE, 0, 1, 0]).is_empty());
    assert_eq!((desk.session.unknown(), desk.session.malformed()), (2, 0));
    // One octet too few; no objects; too short for an identifier.
    for asdu in [&[100, 1, 6, 0, 1, 0, 0, 0, 0][..], &[45, 0, 6, 0, 1, 0], &[100, 1, 6]] {
        assert!(desk.ask(A, asdu).is_empty());
    }
    assert_eq!((desk.session.malformed(), desk.session.closed(A)), (3, None));
}

#[test]
fn an_interrogation_of_the_station_or_a_group_is_confirmed_answered_and_terminated() {
    let mut desk = desk(|_| {});
    // Originator 9, all stations: the answers are ours, and the asker's.
    let answers = desk.ask(A, &[100, 1, 6, 9, 0xFF, 0xFF, 0, 0, 0, 20]);
    #[rustfmt::skip]
    let station = [
        vec![100, 1, 7, 9, 1, 0, 0, 0, 0, 20],
        // M_SP_NA, SQ = 1 with three, cause 20, objects from 1 on.
        vec![1, 0x83, 20, 9, 1, 0, 1, 0, 0, 1, 0, 1],
        vec![100, 1, 10, 9, 1, 0, 0, 0, 0, 20],
    ];
    assert_eq!(answers, station);
    // Group 2: QOI 22, cause 22.
    let answers = desk.ask(A, &[100, 1, 6, 0, 1, 0, 0, 0, 0, 22]);
    assert_eq!(answers[1], [1, 1, 22, 0, 1, 0, 2, 0, 0, 0]);
    assert_eq!(answers[2], [100, 1, 10, 0, 1, 0, 0, 0, 0, 22]);
    // A group that the station does not have, a reserved QOI, a private one.
    for qoi in [23, 0, 37, 64] {
        let asked = [100, 1, 6, 0, 1, 0, 0, 0, 0, qoi];
        assert_eq!(desk.ask(A, &asked), [with(CON | NEGATIVE, &asked)], "{qoi}");
    }
}

#[test]
fn counters_are_read_frozen_and_reset_by_the_bits_of_qcc() {
    let mut desk = desk(|_| {});
    let asked = |qcc: u8| [101, 1, 6, 0, 1, 0, 0, 0, 0, qcc];
    let counter = |cause: u8| vec![15, 1, cause, 0, 1, 0, 90, 0, 0, 7, 0, 0, 0, 0];
    // RQT 5: all, cause 37; RQT 1: group 1, cause 38.
    for (qcc, cause) in [(5, 37), (1, 38)] {
        let read = [with(CON, &asked(qcc)), counter(cause), with(10, &asked(qcc))];
        assert_eq!(desk.ask(A, &asked(qcc)), read);
    }
    for qcc in [2, 0, 6, 63] {
        assert_eq!(desk.ask(A, &asked(qcc)), [with(CON | NEGATIVE, &asked(qcc))], "{qcc}");
    }
    // FRZ in bits 6 and 7.
    assert_eq!(desk.ask(A, &asked(0x45)), [with(CON, &asked(0x45)), with(10, &asked(0x45))]);
    assert_eq!(desk.ask(A, &asked(0x82)), [with(CON, &asked(0x82)), with(10, &asked(0x82))]);
    assert_eq!(desk.ask(A, &asked(0xC5)), [with(CON | NEGATIVE, &asked(0xC5))]);
    let frozen = &desk.session.station().frozen;
    assert_eq!(*frozen, [(None, Freeze::Keep), (Some(2), Freeze::KeepAndReset), (None, Freeze::Reset)]);
}

#[test]
fn an_interrogation_that_still_waits_is_taken_back_by_its_deactivation() {
    let mut desk = desk(|_| {});
    let asked = [100, 1, 6, 0, 1, 0, 0, 0, 0, 20];
    // Twelve that are not acknowledged fill the window; four interrogations take three messages each.
    (0..5).for_each(|_| desk.send(A, &asked));
    assert_eq!(desk.on(A).iter().filter(|what| what.len() > 1).count(), 12);
    desk.send(A, &with(8, &asked));
    desk.acknowledge_all(A);
    let rest: Vec<_> = desk.on(A).into_iter().filter(|what| what.len() > 1).collect();
    assert_eq!(rest, [with(7, &asked), with(9, &asked)]);
    // What is over is not taken back.
    desk.acknowledge_all(A);
    assert_eq!(desk.ask(A, &with(8, &asked)), [with(9 | NEGATIVE, &asked)]);
}

#[test]
fn a_read_gives_the_object_with_cause_5() {
    let mut desk = desk(|_| {});
    assert_eq!(desk.ask(A, &[102, 1, 5, 0, 1, 0, 3, 0, 0]), [[1, 1, 5, 0, 1, 0, 3, 0, 0, 1]]);
    // SQ = 1, as some stations send it.
    assert_eq!(desk.ask(A, &[102, 0x81, 5, 0, 1, 0, 90, 0, 0])[0][..3], [15, 1, 5]);
}

#[test]
fn the_clock_is_set_by_a_valid_time_only() {
    let mut desk = desk(|_| {});
    let good = [103, 1, 6, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 12, 1, 7, 26];
    let mut confirmed = with(CON, &good);
    confirmed[4..6].copy_from_slice(&[1, 0]);
    assert_eq!(desk.ask(A, &good), [confirmed]);
    assert_eq!(desk.session.station().clock, Some(Timestamp::new(1_782_907_200_000)));
    let invalid = [103, 1, 6, 0, 1, 0, 0, 0, 0, 0, 0, 0x80, 12, 2, 7, 26];
    assert_eq!(desk.ask(A, &invalid), [with(CON | NEGATIVE, &invalid)]);
    assert_eq!(desk.session.station().clock, Some(Timestamp::new(1_782_907_200_000)));
}

#[test]
fn a_clock_that_the_device_keeps_itself_is_not_confirmed_as_set() {
    let mut desk = desk(|_| {});
    desk.session.station_mut().own_clock = true;
    // Noon of 1 July 2026.
    let clock = [103, 1, 6, 5, 1, 0, 0, 0, 0, 0, 0, 0, 12, 1, 7, 26];
    assert_eq!(desk.ask(A, &clock), [with(CON | NEGATIVE, &clock)]);
    assert_eq!((desk.session.station().clock, desk.session.closed(A)), (None, None));
}

#[test]
fn a_test_command_comes_back_as_it_came_whatever_its_pattern() {
    let mut desk = desk(|_| {});
    // FBP, low octet first: the standard's 55AAH, lib60870's 55CCH, the first with its octets changed over.
    for [low, high] in [[0xAA, 0x55], [0xCC, 0x55], [0x55, 0xAA]] {
        let test = [104, 1, 6, 7, 1, 0, 0, 0, 0, low, high];
        assert_eq!(desk.ask(A, &test), [with(CON, &test)]);
        // Deactivation (8) is none of its causes; two of them are more than a test.
        assert_eq!(desk.ask(A, &with(8, &test)), [with(45 | NEGATIVE, &test)]);
    }
    let two = [104, 2, 6, 7, 1, 0, 0, 0, 0, 0xAA, 0x55, 0, 0, 0, 0xAA, 0x55];
    assert_eq!(desk.ask(A, &two), [with(CON | NEGATIVE, &two)]);
    // C_TS_TA: TSC 513, then CP56Time2a.
    let timed = [107, 1, 6, 4, 1, 0, 0, 0, 0, 1, 2, 0, 0, 0, 12, 1, 7, 26];
    assert_eq!(desk.ask(A, &timed), [with(CON, &timed)]);
}

#[test]
fn a_reset_is_confirmed_then_told_as_an_initialization_and_selects_are_gone() {
    let mut desk = desk(|_| {});
    assert_eq!(desk.ask(A, &double(0x81)), [with(CON, &double(0x81))]);
    let reset = [105, 1, 6, 0, 1, 0, 0, 0, 0, 1];
    // COI 2: remote reset.
    assert_eq!(desk.ask(A, &reset), [with(CON, &reset), vec![70, 1, 4, 0, 1, 0, 0, 0, 0, 2]]);
    assert_eq!(desk.ask(A, &double(0x01)), [with(CON | NEGATIVE, &double(0x01))]);
    let other = [105, 1, 6, 0, 1, 0, 0, 0, 0, 3];
    assert_eq!(desk.ask(A, &other), [with(CON | NEGATIVE, &other)]);
}

#[test]
fn an_initialization_is_told_until_it_is_acknowledged_and_before_any_answer() {
    let mut desk = Desk::with(StationConfig { connections_max: 2, ..StationConfig::new(1) }, device());
    let told = vec![70, 1, 4, 0, 1, 0, 0, 0, 0, 0];
    desk.connect(A);
    assert_eq!(desk.say(A, Control::StartAct), [vec![0x0B], told.clone()]);
    assert_eq!(desk.say(A, Control::StartAct), [[0x0B]], "it is under way");
    desk.connect(B);
    // The start and an interrogation at once.
    let mut bytes = Vec::new();
    apci::write(Frame::U(Control::StartAct), &mut bytes);
    let asked = [100, 1, 6, 0, 1, 0, 0, 0, 0, 22];
    apci::write(Frame::I { send: 0, receive: 0, asdu: &asked }, &mut bytes);
    desk.session.on_bytes(desk.now, B, &bytes);
    assert_eq!(desk.on(B)[..3], [vec![0x0B], told, with(CON, &asked)]);
    desk.acknowledge_all(B);
    assert_eq!(desk.say(A, Control::StartAct), [[0x0B]], "once");
}

#[test]
fn a_reset_of_waiting_events_forgets_those_with_a_time() {
    let mut desk = desk(|_| {});
    // The window is full, so that events wait.
    (0..4).for_each(|_| desk.send(A, &[100, 1, 6, 0, 1, 0, 0, 0, 0, 20]));
    desk.session.station_mut().changes =
        vec![Object { time: Some(Timestamp::new(0)), ..point(1) }, point(2), Object { time: None, ..point(3) }];
    desk.after(Duration::from_secs(1));
    desk.send(A, &[105, 1, 6, 0, 1, 0, 0, 0, 0, 2]);
    let _ = desk.on(A);
    desk.acknowledge_all(A);
    let rest: Vec<_> = desk.on(A).into_iter().filter(|what| what.len() > 1).collect();
    assert_eq!(rest, [vec![105, 1, 7, 0, 1, 0, 0, 0, 0, 2], vec![1, 2, 3, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 1]]);
}

#[test]
fn parameters_reach_the_device_with_their_qualifier() {
    let mut desk = desk(|_| {});
    #[rustfmt::skip]
    let cases: &[(&[u8], Parameter, u8)] = &[
        (&[110, 1, 6, 0, 1, 0, 5, 0, 0, 0x00, 0x40, 1], Parameter::Normalized(16_384), 1),
        (&[111, 1, 6, 0, 1, 0, 5, 0, 0, 0xFF, 0xFF, 2], Parameter::Scaled(-1), 2),
        (&[112, 1, 6, 0, 1, 0, 5, 0, 0, 0, 0, 0x80, 0x3F, 4], Parameter::Float(1.0), 4),
        (&[113, 1, 6, 0, 1, 0, 5, 0, 0, 3], Parameter::Active(true), 3),
    ];
    for (asdu, parameter, qualifier) in cases {
        assert_eq!(desk.ask(A, asdu), [with(CON, asdu)]);
        assert_eq!(desk.session.station_mut().parameters.pop(), Some((5, *parameter, *qualifier)));
    }
    let off = [113, 1, 8, 0, 1, 0, 5, 0, 0, 3];
    assert_eq!(desk.ask(A, &off), [with(9, &off)]);
    assert_eq!(desk.session.station_mut().parameters.pop(), Some((5, Parameter::Active(false), 3)));
    let no_number = [112, 1, 6, 0, 1, 0, 5, 0, 0, 0, 0, 0xC0, 0x7F, 4];
    assert_eq!(desk.ask(A, &no_number), [with(CON | NEGATIVE, &no_number)]);
}

/// Type, octets of a select and of an execute after the address, value, qualifier.
type Golden = (u8, &'static [u8], &'static [u8], CommandValue, u8);

/// Every command that can be selected.
#[rustfmt::skip]
const COMMANDS: [Golden; 6] = [
    // SCO: SCS 1, QU 1 (short pulse), S/E.
    (45, &[0x85], &[0x05], CommandValue::Single(true), 1),
    // DCO: DCS 1 (OFF), QU 3 (persistent).
    (46, &[0x8D], &[0x0D], CommandValue::Double(false), 3),
    // RCO: RCS 2 (higher).
    (47, &[0x82], &[0x02], CommandValue::Step(true), 0),
    // NVA 2000H, QOS: QL 5.
    (48, &[0, 0x20, 0x85], &[0, 0x20, 5], CommandValue::SetNormalized(0x2000), 5),
    (49, &[0xFE, 0xFF, 0x80], &[0xFE, 0xFF, 0], CommandValue::SetScaled(-2), 0),
    (50, &[0, 0, 0x20, 0x41, 0x80], &[0, 0, 0x20, 0x41, 0], CommandValue::SetFloat(10.0), 0),
];

#[test]
fn every_command_is_selected_executed_and_terminated_with_and_without_its_time() {
    for (type_id, select, execute, value, qualifier) in COMMANDS {
        for tag in [None, Some(Cp56([0, 0, 0, 12, 1, 7, 26]))] {
            let mut desk = desk(|_| {});
            let message = |body: &[u8]| {
                let type_id = type_id + if tag.is_some() { 13 } else { 0 };
                [&[type_id, 1, 6, 8, 1, 0, 10, 0, 0][..], body, tag.as_ref().map_or(&[], |tag| &tag.0[..])].concat()
            };
            let (select, execute) = (message(select), message(execute));
            assert_eq!(desk.ask(A, &select), [with(CON, &select)]);
            assert_eq!(desk.ask(A, &execute), [with(CON, &execute), with(10, &execute)]);
            let asked: Vec<_> = desk.session.station().asked.iter().map(|c| (c.step, c.value, c.qualifier)).collect();
            assert_eq!(asked, [(Step::Select, value, qualifier), (Step::Execute, value, qualifier)]);
            let last = desk.session.station().asked[1];
            assert_eq!((last.originator, last.sent), (8, tag.and_then(|tag| tag.instant(Zone::UTC))));
        }
    }
}

#[test]
fn a_bitstring_has_no_select_and_executes() {
    let mut desk = desk(|_| {});
    let bits = [51, 1, 6, 0, 1, 0, 10, 0, 0, 1, 2, 3, 4];
    assert_eq!(desk.ask(A, &bits), [with(CON, &bits), with(10, &bits)]);
    assert_eq!(desk.session.station().asked[0].value, CommandValue::SetBits(0x0403_0201));
}

#[test]
fn an_execute_of_anything_but_what_was_selected_is_refused() {
    let timed = [59, 1, 6, 0, 1, 0, 10, 0, 0, 0x01, 0, 0, 0, 12, 1, 7, 26];
    let mut elsewhere = double(0x01);
    elsewhere[6] = 11;
    // Another value, another qualifier, another type, another point, nothing selected after the first attempt.
    for execute in [&double(0x02)[..], &double(0x05), &timed, &elsewhere] {
        let mut desk = desk(|_| {});
        assert_eq!(desk.ask(A, &double(0x81)), [with(CON, &double(0x81))]);
        assert_eq!(desk.ask(A, execute), [with(CON | NEGATIVE, execute)]);
        if execute[6] == 10 {
            assert_eq!(desk.ask(A, &double(0x01)), [with(CON | NEGATIVE, &double(0x01))]);
        }
        assert_eq!(desk.session.station().asked.len(), 1);
    }
}

#[test]
fn select_before_execute_holds_to_the_pulse_of_single_double_and_step_commands() {
    // QU 1 (short pulse) selected; QU 2 (long pulse) executed.
    for (type_id, on) in [(45, 1), (46, 2), (47, 2)] {
        let message = |octet: u8| [type_id, 1, 6, 0, 1, 0, 10, 0, 0, octet];
        let (select, short, long) = (message(0x84 | on), message(0x04 | on), message(0x08 | on));
        let mut desk = desk(|_| {});
        assert_eq!(desk.ask(A, &select), [with(CON, &select)]);
        assert_eq!(desk.ask(A, &long), [with(CON | NEGATIVE, &long)]);
        assert_eq!(desk.ask(A, &short), [with(CON | NEGATIVE, &short)], "one attempt for one select");
        assert_eq!(desk.ask(A, &select), [with(CON, &select)]);
        assert_eq!(desk.ask(A, &short), [with(CON, &short), with(10, &short)]);
    }
}

#[test]
fn a_select_is_its_originators_and_a_second_one_of_its_own_renews_it() {
    let mut desk = desk(|_| {});
    let by = |originator: u8, dco: u8| {
        let mut asdu = double(dco);
        asdu[3] = originator;
        asdu
    };
    assert_eq!(desk.ask(A, &by(1, 0x81)), [with(CON, &by(1, 0x81))]);
    for refused in [by(2, 0x81), by(2, 0x01)] {
        assert_eq!(desk.ask(A, &refused), [with(CON | NEGATIVE, &refused)]);
    }
    desk.after(Duration::from_secs(16));
    assert_eq!(desk.ask(A, &by(1, 0x81)), [with(CON, &by(1, 0x81))]);
    desk.after(Duration::from_secs(16));
    assert_eq!(
        desk.ask(A, &by(1, 0x01)).len(),
        2,
        "held since the second select, and not taken by the other's attempts"
    );
}

#[test]
fn a_select_ends_with_its_time_or_its_deactivation_or_a_stop() {
    for how in 0..3 {
        let mut desk = desk(|_| {});
        assert_eq!(desk.ask(A, &double(0x81)), [with(CON, &double(0x81))]);
        match how {
            0 => desk.after(Duration::from_secs(30)),
            1 => assert_eq!(desk.ask(A, &with(8, &double(0x81))), [with(9, &double(0x81))]),
            _ => {
                assert_eq!(desk.say(A, Control::StopAct).last().unwrap(), &[0x23]);
                assert_eq!(desk.say(A, Control::StartAct), [[0x0B]]);
            }
        }
        let _ = desk.drain();
        assert_eq!(desk.ask(A, &double(0x01)), [with(CON | NEGATIVE, &double(0x01))]);
    }
    let mut desk = desk(|_| {});
    assert_eq!(desk.ask(A, &with(8, &double(0x81))), [with(9 | NEGATIVE, &double(0x81))], "nothing is selected");
}

#[test]
fn a_select_that_the_device_thinks_about_at_a_stop_is_held_by_no_late_answer() {
    let mut desk = desk(|_| {});
    desk.session.station_mut().answer = CommandAnswer::Later;
    assert!(desk.ask(A, &double(0x81)).is_empty());
    let token = desk.session.station().asked[0].token;
    assert_eq!(desk.say(A, Control::StopAct).last().unwrap(), &[0x23]);
    assert!(!desk.session.answer(desk.now, token, CommandAnswer::Accepted));
    assert_eq!(desk.say(A, Control::StartAct), [[0x0B]]);
    desk.session.station_mut().answer = CommandAnswer::Accepted;
    assert_eq!(desk.ask(A, &double(0x01)), [with(CON | NEGATIVE, &double(0x01))]);
}

#[test]
fn without_required_selects_only_another_value_than_the_selected_is_refused() {
    let mut desk = desk(|config| config.require_select = false);
    assert_eq!(desk.ask(A, &double(0x01)).len(), 2);
    assert_eq!(desk.ask(A, &double(0x81)).len(), 1);
    assert_eq!(desk.ask(A, &double(0x02)), [with(CON | NEGATIVE, &double(0x02))]);
}

#[test]
fn a_state_that_is_none_or_a_test_or_two_objects_move_nothing() {
    let mut desk = desk(|config| config.require_select = false);
    let no_number = [50, 1, 6, 0, 1, 0, 10, 0, 0, 0, 0, 0x80, 0x7F, 0];
    let two = [45, 2, 6, 0, 1, 0, 10, 0, 0, 1, 11, 0, 0, 1];
    for asdu in [&double(0x00)[..], &double(0x03), &no_number, &two] {
        assert_eq!(desk.ask(A, asdu), [with(CON | NEGATIVE, asdu)]);
    }
    let test = with(0x80 | 6, &double(0x01));
    assert_eq!(desk.ask(A, &test), [with(0x80 | NEGATIVE | CON, &double(0x01))]);
    assert_eq!(desk.session.station().asked.len(), 0);
}

#[test]
fn a_command_that_is_too_old_or_has_no_valid_time_is_refused() {
    let now = device().now;
    let mut desk = desk(|config| {
        config.command_age_max = Some(Duration::from_secs(10));
        config.require_select = false;
    });
    let at = |time: Cp56| [&[58, 1, 6, 0, 1, 0, 10, 0, 0, 1], &time.0[..]].concat();
    let age = |ms: i64| at(Cp56::new(Timestamp::new(now.get() - ms), Zone::UTC));
    for fresh in [age(0), age(10_000), age(-10_000)] {
        assert_eq!(desk.ask(A, &fresh).len(), 2);
    }
    for stale in [age(10_001), age(-10_001), at(Cp56::INVALID), at(Cp56([0xFF; 7]))] {
        assert_eq!(desk.ask(A, &stale), [with(CON | NEGATIVE, &stale)]);
    }
    assert_eq!(desk.session.station().asked.len(), 3);
    // A command without a time has no age.
    assert_eq!(desk.ask(A, &double(0x01)).len(), 2);
}

#[test]
fn an_answer_that_comes_later_is_confirmed_then_and_holds_the_select() {
    let mut desk = desk(|_| {});
    desk.session.station_mut().answer = CommandAnswer::Later;
    assert!(desk.ask(A, &double(0x81)).is_empty());
    // Until it is answered, nothing else is asked of that point.
    assert_eq!(desk.ask(A, &double(0x82)), [with(CON | NEGATIVE, &double(0x82))]);
    let token = desk.session.station().asked[0].token;
    assert!(desk.session.answer(desk.now, token, CommandAnswer::Accepted));
    assert_eq!(desk.on(A), [with(CON, &double(0x81))]);
    assert!(!desk.session.answer(desk.now, token, CommandAnswer::Accepted), "once");
    desk.acknowledge_all(A);

    assert!(desk.ask(A, &double(0x01)).is_empty());
    let token = desk.session.station().asked[1].token;
    // The device's own door, asked at the scan.
    desk.session.station_mut().later.push_back((token, CommandAnswer::Begun));
    desk.after(Duration::from_secs(1));
    assert_eq!(desk.on(A).last().unwrap(), &with(CON, &double(0x01)));
    desk.acknowledge_all(A);
    desk.after(Duration::from_secs(60));
    let _ = desk.on(A);
    assert!(desk.session.answer(desk.now, token, CommandAnswer::Accepted));
    assert_eq!(desk.on(A), [with(10, &double(0x01))], "terminated when the effect ended");
}

#[test]
fn an_answer_that_does_not_come_is_a_refusal() {
    let mut desk = desk(|_| {});
    desk.session.station_mut().answer = CommandAnswer::Later;
    assert!(desk.ask(A, &double(0x81)).is_empty());
    assert!(desk.session.next_deadline() <= desk.now + Duration::from_secs(8));
    desk.after(Duration::from_secs(8));
    assert_eq!(desk.on(A).last().unwrap(), &with(CON | NEGATIVE, &double(0x81)));
    let token = desk.session.station().asked[0].token;
    assert!(!desk.session.answer(desk.now, token, CommandAnswer::Accepted));
    assert!(desk.on(A).is_empty());
}

#[test]
fn an_answer_never_goes_out_on_another_connection() {
    // Lost; superseded.
    for lost in [true, false] {
        let mut desk = desk(|_| {});
        desk.session.station_mut().answer = CommandAnswer::Later;
        assert!(desk.ask(A, &double(0x81)).is_empty());
        let token = desk.session.station().asked[0].token;
        if lost {
            desk.session.on_disconnected(A);
        }
        desk.connect(B);
        assert_eq!(desk.say(B, Control::StartAct), [[0x0B]]);
        assert!(!desk.session.answer(desk.now, token, CommandAnswer::Accepted));
        desk.after(Duration::from_secs(8));
        assert!(desk.drain().is_empty());
        assert_eq!(desk.ask(B, &double(0x01)), [with(CON | NEGATIVE, &double(0x01))]);
    }
}

#[test]
fn a_running_command_is_broken_off_by_its_deactivation() {
    let mut desk = desk(|config| config.require_select = false);
    desk.session.station_mut().answer = CommandAnswer::Begun;
    assert_eq!(desk.ask(A, &double(0x01)), [with(CON, &double(0x01))]);
    desk.session.station_mut().answer = CommandAnswer::Accepted;
    assert_eq!(desk.ask(A, &with(8, &double(0x01))), [with(9, &double(0x01))]);
    let asked: Vec<_> = desk.session.station().asked.iter().map(|command| command.step).collect();
    assert_eq!(asked, [Step::Execute, Step::Cancel]);
    let token = desk.session.station().asked[0].token;
    assert!(!desk.session.answer(desk.now, token, CommandAnswer::Accepted), "nothing is terminated after that");
}

#[test]
fn starts_and_stops_in_any_order_keep_the_numbers_and_are_each_confirmed() {
    let mut desk = desk(|_| {});
    assert_eq!(desk.say(A, Control::StartAct), [[0x0B]], "again");
    assert_eq!(desk.say(A, Control::TestAct), [[0x83]]);
    assert_eq!(desk.ask(A, &[102, 1, 5, 0, 1, 0, 3, 0, 0]).len(), 1);
    // The read was received and is acknowledged before the confirmation of the stop.
    assert_eq!(desk.say(A, Control::StopAct).last().unwrap(), &[0x23]);
    assert_eq!(desk.say(A, Control::StopAct), [[0x23]], "again");
    assert_eq!(desk.say(A, Control::TestAct), [[0x83]]);
    desk.session.station_mut().changes.push(point(1));
    desk.after(Duration::from_secs(1));
    assert!(desk.on(A).is_empty(), "nothing goes out while stopped");
    let event = vec![1, 1, 3, 0, 1, 0, 1, 0, 0, 1];
    assert_eq!(desk.say(A, Control::StartAct), [vec![0x0B], event]);
    // drain() checks N(S) throughout, and this one N(R).
    assert_eq!(desk.ask(A, &[102, 1, 5, 0, 1, 0, 3, 0, 0]).len(), 1);
}

#[test]
fn a_stop_is_confirmed_when_all_that_was_sent_is_acknowledged() {
    let mut desk = desk(|_| {});
    desk.session.station_mut().changes.push(point(1));
    desk.after(Duration::from_secs(1));
    assert_eq!(desk.on(A).len(), 1);
    assert!(desk.say(A, Control::StopAct).is_empty());
    assert_eq!(desk.say(A, Control::TestAct), [[0x83]]);
    desk.acknowledge_all(A);
    assert_eq!(desk.on(A), [[0x23]]);
}

#[test]
fn a_start_takes_back_a_stop_that_was_not_confirmed() {
    let mut desk = desk(|_| {});
    desk.session.station_mut().changes.push(point(1));
    desk.after(Duration::from_secs(1));
    let _ = desk.on(A);
    assert!(desk.say(A, Control::StopAct).is_empty());
    assert_eq!(desk.say(A, Control::StartAct), [[0x0B]]);
    desk.acknowledge_all(A);
    assert!(desk.on(A).is_empty());
    assert_eq!(desk.ask(A, &[102, 1, 5, 0, 1, 0, 3, 0, 0]).len(), 1);
}

#[test]
fn data_on_a_stopped_connection_closes_it_and_moves_nothing() {
    let mut fresh = Desk::with(StationConfig { require_select: false, ..StationConfig::new(1) }, device());
    fresh.connect(A);
    let mut stopped = desk(|config| config.require_select = false);
    assert_eq!(stopped.say(A, Control::StopAct), [[0x23]]);
    for mut desk in [fresh, stopped] {
        desk.send(A, &double(0x01));
        assert!(desk.session.closed(A).unwrap().contains("stopped connection"));
        assert!(desk.drain().is_empty() && desk.session.station().asked.is_empty());
        // Nor does anything that comes after it.
        assert!(desk.say(A, Control::StartAct).is_empty());
    }
}

/// Objects of M_SP_NA messages with cause 3, in order.
fn events(messages: &[Vec<u8>]) -> Vec<u32> {
    let parsed = messages.iter().filter(|message| message.len() > 1).map(|message| Asdu::parse(message).unwrap());
    parsed
        .filter(|asdu| asdu.cause == 3)
        .flat_map(|asdu| asdu.elements().map(|(ioa, _)| ioa).collect::<Vec<_>>())
        .collect()
}

#[test]
fn a_start_on_a_second_connection_takes_over_what_the_first_did_not_acknowledge() {
    let mut desk = desk(|_| {});
    desk.connect(B);
    let change = |desk: &mut Desk<Device>, ioa| {
        desk.session.station_mut().changes.push(point(ioa));
        desk.after(Duration::from_secs(1));
        desk.drain().into_iter().map(|(_, what)| what).collect::<Vec<_>>()
    };
    for ioa in [21, 22, 23] {
        assert_eq!(events(&change(&mut desk, ioa)), [ioa]);
    }
    // M_EI was the first, 21 the second.
    desk.acknowledge(A, 2);
    assert_eq!(desk.say(B, Control::TestAct), [[0x83]], "a connection that stands by answers tests");
    let taken_over = desk.say(B, Control::StartAct);
    assert_eq!(taken_over[0], [0x0B]);
    assert_eq!(events(&taken_over), [22, 23]);
    assert_eq!(events(&change(&mut desk, 24)), [24], "on B");
    // A is stopped without a word: it may still acknowledge, and ask for tests; its late word changes nothing on B.
    desk.acknowledge_all(A);
    assert_eq!(desk.session.closed(A), None);
    assert_eq!(desk.say(A, Control::TestAct), [[0x83]]);
    desk.acknowledge_all(B);
    desk.session.on_disconnected(B);
    assert_eq!(events(&desk.say(A, Control::StartAct)), []);
}

#[test]
fn selects_belong_to_their_connection() {
    let mut desk = desk(|_| {});
    desk.connect(B);
    assert_eq!(desk.ask(A, &double(0x81)), [with(CON, &double(0x81))]);
    assert_eq!(desk.say(B, Control::StartAct), [[0x0B]]);
    assert_eq!(desk.ask(B, &double(0x01)), [with(CON | NEGATIVE, &double(0x01))]);
    assert_eq!(desk.say(A, Control::StartAct), [[0x0B]]);
    assert_eq!(desk.ask(A, &double(0x01)), [with(CON | NEGATIVE, &double(0x01))], "nor does it come back");
}

#[test]
fn no_more_connections_than_allowed() {
    let mut desk = desk(|config| config.connections_max = 2);
    desk.connect(B);
    assert!(!desk.session.on_connected(desk.now, ConnectionId(3)));
    desk.session.on_disconnected(A);
    assert!(desk.session.on_connected(desk.now, ConnectionId(3)));
}

#[test]
fn no_value_holds_up_what_waits_behind_it() {
    let mut desk = desk(|_| {});
    let values = [
        Value::Single(true),
        Value::Double(SwitchPosition::Open),
        Value::Step { position: -1, transient: true },
        Value::Bits(7),
        Value::Normalized(-7),
        Value::Scaled(7),
        Value::Float(0.5),
        Value::Counter(Bcr::new(7)),
        Value::Packed { states: 7, changed: 1 },
        Value::ProtectionEvent { state: 2, elapsed_ms: None },
        Value::ProtectionStarts { starts: 1, elapsed_ms: Some(7) },
        Value::ProtectionTrips { circuits: 1, elapsed_ms: None },
    ];
    let time = Some(Timestamp::new(1_782_907_200_000));
    let objects = (1..).zip(values).flat_map(|(ioa, value)| {
        let quality = if matches!(value, Value::Counter(_)) { Quality::INVALID } else { Quality::NOT_TOPICAL };
        let timeless = matches!(value, Value::Packed { .. });
        [None, time.filter(|_| !timeless)].map(|time| Object { value, quality, time, ..point(ioa) })
    });
    let objects: Vec<Object> = objects.collect();
    desk.session.station_mut().changes.extend(&objects);
    desk.after(Duration::from_secs(1));
    let mut told = Vec::new();
    loop {
        let messages = desk.on(A);
        if messages.is_empty() {
            break;
        }
        for message in messages {
            Asdu::parse(&message).unwrap().objects(TimeBase::utc(Timestamp::new(0)), &mut told);
        }
        desk.acknowledge_all(A);
    }
    assert_eq!(told, objects);
}

#[test]
fn each_message_is_as_full_as_it_gets_and_the_oldest_is_dropped_first() {
    let mut desk = desk(|config| config.pending_max = 200);
    desk.session.station_mut().changes = (1_000..1_250).map(point).collect();
    desk.after(Duration::from_secs(1));
    let told = desk.on(A);
    // (249 - 6) / 4 octets.
    assert_eq!(told.iter().map(|message| message[1]).collect::<Vec<_>>(), [60, 60, 60, 20]);
    assert_eq!((events(&told).first(), desk.session.dropped()), (Some(&1_050), 50));
}

/// What may happen to a redundancy group.
#[derive(Clone, Debug)]
enum Fate {
    Change,
    Start(ConnectionId),
    Stop(ConnectionId),
    Acknowledge(ConnectionId, u16),
    Lose(ConnectionId),
}

fn fate() -> impl Strategy<Value = Fate> {
    let id = prop::sample::select(vec![A, B]);
    prop_oneof![
        4 => Just(Fate::Change),
        2 => id.clone().prop_map(Fate::Start),
        1 => id.clone().prop_map(Fate::Stop),
        3 => (id.clone(), 1u16..6).prop_map(|(id, n)| Fate::Acknowledge(id, n)),
        1 => id.prop_map(Fate::Lose),
    ]
}

proptest! {
    #[test]
    fn nothing_is_lost_in_a_switch_over_and_nothing_acknowledged_comes_again(
        fates in prop::collection::vec(fate(), 1..80),
    ) {
        let every = Duration::from_millis(1);
        let mut desk = desk(|config| config.scan = every);
        desk.connect(B);
        // The next object to come from the device, to be told, and to be acknowledged.
        let (mut next, mut expected, mut acknowledged) = (1_000, 1_000, 1_000);
        // Which objects each I frame of a connection brought; M_EI none.
        let mut brought: BTreeMap<ConnectionId, Vec<Vec<u32>>> = BTreeMap::from([(A, vec![vec![]]), (B, vec![])]);
        let mut carrier = Some(A);
        let end = [Fate::Start(A), Fate::Acknowledge(A, 12), Fate::Change, Fate::Acknowledge(A, 12)];
        for fate in fates.into_iter().chain(end) {
            let mut control = |id, control| {
                let mut bytes = Vec::new();
                apci::write(Frame::U(control), &mut bytes);
                desk.session.on_bytes(desk.now, id, &bytes);
            };
            match fate {
                Fate::Change => {
                    desk.session.station_mut().changes.push(point(next));
                    next += 1;
                    desk.after(every);
                }
                Fate::Start(id) => {
                    control(id, Control::StartAct);
                    if carrier != Some(id) {
                        (carrier, expected) = (Some(id), acknowledged);
                        // What it acknowledges late of its time before came again already.
                        brought.values_mut().flatten().for_each(Vec::clear);
                    }
                }
                Fate::Stop(id) => control(id, Control::StopAct),
                Fate::Acknowledge(id, n) => {
                    let (_, received, before) = desk.numbers[&id];
                    let upto = (before + n).min(received);
                    if carrier == Some(id) {
                        let newly = &brought[&id][usize::from(before)..usize::from(upto)];
                        acknowledged = newly.iter().flatten().fold(acknowledged, |most, &ioa| most.max(ioa + 1));
                    }
                    desk.acknowledge(id, upto);
                }
                Fate::Lose(id) => {
                    desk.session.on_disconnected(id);
                    desk.connect(id);
                    brought.insert(id, Vec::new());
                    carrier = carrier.filter(|&carrier| carrier != id);
                }
            }
            for (id, what) in desk.drain() {
                if what.len() > 1 {
                    let told = events(std::slice::from_ref(&what));
                    for &ioa in &told {
                        prop_assert_eq!((Some(id), ioa), (carrier, expected));
                        expected += 1;
                    }
                    brought.get_mut(&id).unwrap().push(told);
                }
            }
            prop_assert_eq!(desk.session.closed(A).or(desk.session.closed(B)), None);
        }
        prop_assert_eq!(acknowledged, next, "all of them arrived");
    }
}
