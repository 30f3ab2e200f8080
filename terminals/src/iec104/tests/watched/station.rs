//! The controlled session under watch, with a device that does as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use headroom_rules::model::{Quality, Timestamp};
use headroom_rules::orders::Step;

use super::{Numbers, Seen};
use crate::iec104::apci::Control;
use crate::iec104::asdu::{Asdu, Bcr, CommandValue, Object, Value, causes};
use crate::iec104::config::StationConfig;
use crate::iec104::controlled::{
    CommandAnswer, CommandToken, ConnectionId, Freeze, Parameter, Session, Station, StationCommand,
};
use crate::iec104::files::{FileId, FileInfo};
use crate::iec104::time::{TimeBase, Zone};

/// What the session asked of the device.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Command(StationCommand, CommandAnswer),
    Answered(CommandToken, CommandAnswer),
}

/// Commands at 10 to 19; points 1 to 8.
#[derive(Debug, Default)]
pub(crate) struct Device {
    /// What it says to the next command that it knows.
    pub(crate) answer: Option<CommandAnswer>,
    /// What it has to say of earlier ones.
    pub(crate) later: VecDeque<(CommandToken, CommandAnswer)>,
    changes: Vec<Object>,
    asked: Vec<Asked>,
    /// Commands that wait for an answer, or for the end of their effect.
    pub(crate) open: Vec<StationCommand>,
    /// What was switched: point and value.
    pub(crate) effects: Vec<(u32, CommandValue)>,
    /// Files that it was sent.
    pub(crate) written: Vec<Vec<u8>>,
    /// Whether it can be reset: then what waits with a time is forgotten.
    pub(crate) resets: bool,
}

/// The device's one file.
pub(crate) const FILE: FileId = FileId { ioa: 30_001, name: 1 };

/// What is in it: more than fits in a window of APDUs.
pub(crate) fn content() -> Vec<u8> {
    (0..4_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect()
}

fn object(ioa: u32, value: Value) -> Object {
    Object { common_address: 1, ioa, value, quality: Quality::GOOD, time: None, cause: causes::SPONTANEOUS }
}

impl Station for Device {
    fn now(&self) -> Timestamp {
        Timestamp::new(1_700_000_000_000)
    }
    fn interrogated(&mut self, out: &mut Vec<Object>) {
        out.extend((1..=8).map(|ioa| object(ioa, Value::Single(ioa % 2 == 0))));
    }
    fn group(&mut self, group: u8, out: &mut Vec<Object>) -> bool {
        out.push(object(u32::from(group), Value::Scaled(1)));
        group < 4
    }
    fn counters(&mut self, out: &mut Vec<Object>) {
        out.push(object(90, Value::Counter(Bcr::new(7))));
    }
    fn freeze(&mut self, _: Option<u8>, how: Freeze) -> bool {
        how != Freeze::Reset
    }
    fn spontaneous(&mut self, out: &mut Vec<Object>) {
        out.append(&mut self.changes);
    }
    fn command(&mut self, command: StationCommand) -> CommandAnswer {
        let answer = match self.answer {
            _ if !(10..20).contains(&command.ioa) => CommandAnswer::UnknownObject,
            Some(answer) => answer,
            None => CommandAnswer::Accepted,
        };
        self.asked.push(Asked::Command(command, answer));
        if matches!(answer, CommandAnswer::Later | CommandAnswer::Begun) {
            self.open.push(command);
        }
        if command.step == Step::Execute && answer != CommandAnswer::Refused && answer != CommandAnswer::UnknownObject {
            self.effects.push((command.ioa, command.value));
        }
        answer
    }
    fn answered(&mut self) -> Option<(CommandToken, CommandAnswer)> {
        let (token, answer) = self.later.pop_front()?;
        self.asked.push(Asked::Answered(token, answer));
        Some((token, answer))
    }
    fn set_clock(&mut self, _: Timestamp) -> bool {
        true
    }
    fn reset(&mut self, _: u8) -> bool {
        self.resets
    }
    fn files(&mut self, out: &mut Vec<FileInfo>) {
        let length = u32::try_from(content().len()).unwrap();
        out.push(FileInfo { file: FILE, length, created: None, status: 0 });
    }
    fn read_file(&mut self, file: FileId) -> Option<Vec<u8>> {
        (file == FILE).then(content)
    }
    fn query_log(&mut self, file: FileId, _: Option<Timestamp>, _: Option<Timestamp>) -> Option<Vec<u8>> {
        (file == FILE).then(content)
    }
    fn takes_file(&mut self, file: FileId, length: u32) -> bool {
        file == FILE && length < 5_000
    }
    fn write_file(&mut self, _: FileId, data: &[u8]) -> bool {
        assert!(data.len() < 5_000, "bounded: a file of {} octets", data.len());
        self.written.push(data.to_vec());
        true
    }
    fn parameter(&mut self, ioa: u32, _: Parameter, _: u8) -> CommandAnswer {
        if ioa == 30 { CommandAnswer::Accepted } else { CommandAnswer::UnknownObject }
    }
}

#[derive(Clone, Copy, Debug)]
struct Held {
    command: StationCommand,
    until: Instant,
}

#[derive(Debug, Default)]
struct Line {
    numbers: Numbers,
    /// As the peer asked last.
    started: bool,
    /// Data may come out: it was started at some time since the last look.
    may_send: bool,
    /// On the wire: from the confirmation of a start to that of a stop.
    sends: bool,
    /// Selects that may be held by point: more than one where a late answer may have come too late.
    held: BTreeMap<u32, Vec<Held>>,
    /// Selects that the device thinks about.
    thinking: BTreeMap<CommandToken, StationCommand>,
    /// Spontaneous objects by the number of their APDU.
    under_way: VecDeque<(u64, Vec<Object>)>,
}

/// The session and what is known of it from outside.
#[derive(Debug)]
pub(crate) struct Outstation {
    session: Session<Device>,
    config: StationConfig,
    lines: BTreeMap<ConnectionId, Line>,
    /// Spontaneous objects that the peer acknowledged since the last look.
    pub(crate) acknowledged: Vec<Object>,
}

impl Outstation {
    /// Without a link.
    pub(crate) fn new(config: StationConfig, now: Instant) -> Self {
        let session = Session::new(config.clone(), Device::default(), now);
        Self { session, config, lines: BTreeMap::new(), acknowledged: Vec::new() }
    }

    /// The device.
    pub(crate) fn device(&mut self) -> &mut Device {
        self.session.station_mut()
    }

    /// Something changed at a point.
    pub(crate) fn change(&mut self, ioa: u32, value: Value, time: Option<Timestamp>) {
        self.device().changes.push(Object { time, ..object(ioa, value) });
    }

    /// Objects dropped and requests left unanswered.
    pub(crate) const fn dropped(&self) -> u64 {
        self.session.dropped()
    }

    /// Why a connection is to be closed.
    pub(crate) fn closed(&self, id: ConnectionId) -> Option<&str> {
        self.session.closed(id)
    }

    /// Numbers of a connection.
    pub(crate) fn numbers(&self, id: ConnectionId) -> Option<&Numbers> {
        self.lines.get(&id).map(|line| &line.numbers)
    }

    /// When it wants to be called.
    pub(crate) fn next_deadline(&self) -> Instant {
        self.session.next_deadline()
    }

    /// A connection came; false where it is refused.
    pub(crate) fn on_connected(&mut self, now: Instant, id: ConnectionId) -> bool {
        let taken = self.session.on_connected(now, id);
        self.lines.remove(&id);
        if taken {
            self.lines.insert(id, Line::default());
        }
        assert!(self.lines.len() <= self.config.connections_max, "bounded: {} connections", self.lines.len());
        taken
    }

    /// A connection is gone.
    pub(crate) fn on_disconnected(&mut self, id: ConnectionId) {
        self.session.on_disconnected(id);
        self.lines.remove(&id);
    }

    /// Bytes came.
    pub(crate) fn on_bytes(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> Vec<(ConnectionId, Vec<u8>)> {
        let open = self.session.closed(id).is_none();
        let mut controls = Vec::new();
        if let Some(line) = self.lines.get_mut(&id).filter(|_| open) {
            let mut started = line.started;
            for seen in line.numbers.came(bytes) {
                match seen {
                    Seen::Control(control @ (Control::StartAct | Control::StopAct)) => {
                        started = control == Control::StartAct;
                        controls.push(control);
                    }
                    Seen::Control(Control::TestAct | Control::TestCon) => {}
                    Seen::Asdu(..) if started => {}
                    // A breach: the link is closed.
                    Seen::Control(_) | Seen::Asdu(..) => break,
                }
            }
        }
        self.session.on_bytes(now, id, bytes);
        self.check_asked(now, Some(id));
        for control in controls {
            let superseded = |other: &ConnectionId| control == Control::StartAct && *other != id;
            for (_, line) in self.lines.iter_mut().filter(|(other, _)| superseded(other)) {
                line.stop();
                line.may_send = false;
            }
            if let Some(line) = self.lines.get_mut(&id) {
                match control {
                    Control::StartAct => (line.started, line.may_send) = (true, true),
                    _ => line.stop(),
                }
            }
        }
        self.drain(now)
    }

    /// Its deadline came, or not.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> Vec<(ConnectionId, Vec<u8>)> {
        self.session.on_deadline(now);
        let outputs = self.drain(now);
        assert!(self.session.next_deadline() > now, "no_busy_loop: due again at once, {:?}", self.session);
        outputs
    }

    /// The device says what became of a command.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        token: CommandToken,
        answer: CommandAnswer,
    ) -> Vec<(ConnectionId, Vec<u8>)> {
        self.session.answer(now, token, answer);
        self.device().asked.push(Asked::Answered(token, answer));
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Vec<(ConnectionId, Vec<u8>)> {
        self.check_asked(now, None);
        let outputs: Vec<_> = std::iter::from_fn(|| self.session.next_output()).collect();
        let k = self.config.timers.k();
        for (id, bytes) in &outputs {
            let Some(line) = self.lines.get_mut(id) else { panic!("closed: octets for {id:?}, which is gone") };
            let received = line.numbers.received;
            for seen in line.numbers.went(bytes, k, received) {
                let (raw, count) = match seen {
                    Seen::Asdu(raw, count) => (raw, count),
                    Seen::Control(control) => {
                        line.sends = control == Control::StartCon || line.sends && control != Control::StopCon;
                        continue;
                    }
                };
                assert!(line.sends && line.may_send, "stopped: data on a stopped link");
                let asdu = Asdu::parse(&raw).expect("what is sent can be read");
                if asdu.cause == causes::SPONTANEOUS && asdu.type_id <= 40 {
                    let mut objects = Vec::new();
                    asdu.objects(TimeBase { zone: Zone::UTC, arrival: Timestamp::new(0) }, &mut objects);
                    line.under_way.push_back((count, objects));
                }
            }
        }
        for line in self.lines.values_mut() {
            line.may_send = line.started;
            while let Some((_, objects)) = line.under_way.pop_front_if(|(count, _)| *count <= line.numbers.acknowledged)
            {
                self.acknowledged.extend(objects);
            }
        }
        outputs
    }

    /// What reached the device since the last look, on this connection or none.
    fn check_asked(&mut self, now: Instant, id: Option<ConnectionId>) {
        let until = now + self.config.select_timeout;
        for asked in std::mem::take(&mut self.session.station_mut().asked) {
            match asked {
                Asked::Command(command, answer) => {
                    let id = id.expect("a command reaches the device when its bytes come");
                    let line = self.lines.get_mut(&id).expect("and on a connection that is there");
                    let accepted = matches!(answer, CommandAnswer::Accepted | CommandAnswer::Begun);
                    match command.step {
                        Step::Select if accepted => {
                            line.held.insert(command.ioa, vec![Held { command, until }]);
                        }
                        Step::Select if answer == CommandAnswer::Later => {
                            line.thinking.insert(command.token, command);
                        }
                        Step::Execute => {
                            let held = line.held.remove(&command.ioa).unwrap_or_default();
                            let same = held.iter().any(|Held { command: selected, until }| {
                                now < *until
                                    && selected.value == command.value
                                    && selected.qualifier == command.qualifier
                                    && selected.originator == command.originator
                            });
                            let free = !self.config.require_select || !command.value.can_be_selected();
                            assert!(same || free, "select_before_execute: {command:?} with {held:?}");
                        }
                        _ => {}
                    }
                }
                Asked::Answered(token, answer) => {
                    let accepted = matches!(answer, CommandAnswer::Accepted | CommandAnswer::Begun);
                    for line in self.lines.values_mut() {
                        if accepted && let Some(command) = line.thinking.remove(&token) {
                            line.held.entry(command.ioa).or_default().push(Held { command, until });
                        }
                    }
                }
            }
        }
    }
}

impl Line {
    fn stop(&mut self) {
        self.started = false;
        self.held.clear();
        self.thinking.clear();
    }
}
