//! The controlled station's session, without I/O. It outlives connections: selects and numbering end with the link,
//! spontaneous objects wait for the next one, up to a bound.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use headroom_rules::orders::Step;

use super::apci::{self, Control};
use super::apdu_flow::{Flow, Flowed};
use super::asdu::element::Coi;
use super::asdu::{self, Asdu, BROADCAST, CommandValue, Element, Object, Tag, causes, types};
use super::config::StationConfig;
use super::error::FlowError;
use super::time::{Cp56, Zone};

/// Most answers that wait for the window. A peer that asks more without acknowledging gets no further answers, and its
/// requests count as [`Session::dropped`].
const ANSWERS_MAX: usize = 4_096;

/// What the device says to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandAnswer {
    /// Confirmed.
    Accepted,
    /// Confirmed with P/N = 1.
    Refused,
    /// No such point: cause 47.
    UnknownObject,
}

/// What a controlled station asks of the device behind it. Sync, quick, called from the link's task.
pub trait Station: Send + 'static {
    /// All objects but counters; their cause is set by the session.
    fn interrogated(&mut self, out: &mut Vec<Object>);
    /// All counters.
    fn counters(&mut self, out: &mut Vec<Object>);
    /// What changed since the last call, drained; called at every scan and after each command.
    fn spontaneous(&mut self, out: &mut Vec<Object>);
    /// A step of a command; a select that is accepted here is then held by the session.
    fn command(&mut self, ioa: u32, value: CommandValue, step: Step) -> CommandAnswer;
    /// The centre's time.
    fn set_clock(&mut self, time: Timestamp);
}

#[derive(Debug)]
struct Link {
    flow: Flow,
    input: Vec<u8>,
    started: bool,
    /// A stop was asked, and is confirmed when all is acknowledged.
    stopping: bool,
    /// Answers, in order, before anything spontaneous.
    answers: VecDeque<Vec<u8>>,
    /// Spontaneous objects sent and not acknowledged, with the count of their APDU: a lost link sends them again.
    in_flight: VecDeque<(u64, Vec<Object>)>,
    /// Selects held, with the value and the end. They belong to this connection.
    selected: BTreeMap<u32, (CommandValue, Instant)>,
}

/// One controlled station.
#[derive(Debug)]
pub struct Session<S> {
    config: StationConfig,
    station: S,
    link: Option<Link>,
    pending: VecDeque<Object>,
    next_scan: Instant,
    initialized: bool,
    dropped: u64,
    unknown: u64,
    malformed: u64,
    closed: Option<String>,
}

impl<S: Station> Session<S> {
    /// A station without a link.
    pub fn new(config: StationConfig, station: S, now: Instant) -> Self {
        Self {
            next_scan: now + config.scan,
            config,
            station,
            link: None,
            pending: VecDeque::new(),
            initialized: false,
            dropped: 0,
            unknown: 0,
            malformed: 0,
            closed: None,
        }
    }

    /// A connection was accepted; one that was there is forgotten.
    pub fn on_connected(&mut self, now: Instant) {
        self.on_disconnected();
        self.closed = None;
        self.link = Some(Link {
            flow: Flow::new(self.config.timers, now),
            input: Vec::new(),
            started: false,
            stopping: false,
            answers: VecDeque::new(),
            in_flight: VecDeque::new(),
            selected: BTreeMap::new(),
        });
    }

    /// The connection is gone: selects and answers are void, unacknowledged spontaneous objects wait for the next one.
    pub fn on_disconnected(&mut self) {
        if let Some(link) = self.link.take() {
            for object in link.in_flight.into_iter().rev().flat_map(|(_, objects)| objects.into_iter().rev()) {
                self.pending.push_front(object);
            }
            self.bound_pending();
        }
    }

    /// Why the socket is to be closed, if it is.
    pub fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Spontaneous objects dropped for want of room, and requests that were left unanswered.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Messages of unknown type, answered with cause 44.
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Messages that do not parse, skipped.
    pub const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The device.
    pub const fn station(&self) -> &S {
        &self.station
    }

    /// The device.
    pub const fn station_mut(&mut self) -> &mut S {
        &mut self.station
    }

    /// Bytes came, in any pieces.
    pub fn on_bytes(&mut self, now: Instant, bytes: &[u8]) {
        let Some(mut link) = self.link.take() else { return };
        let mut input = std::mem::take(&mut link.input);
        input.extend_from_slice(bytes);
        let mut rest = input.as_slice();
        let result = loop {
            match apci::split(rest) {
                Ok(None) => break Ok(()),
                Err(error) => break Err(FlowError::Frame(error)),
                Ok(Some((frame, taken))) => {
                    rest = rest.get(taken..).unwrap_or(&[]);
                    match link.flow.on_frame(now, frame) {
                        Ok(Flowed::Asdu(asdu, count)) => {
                            // Handled on the spot, so nothing is lost by acknowledging.
                            if link.started {
                                self.on_asdu(now, &mut link, asdu);
                            }
                            link.flow.durable(now, count);
                        }
                        Ok(Flowed::Control(control)) => Self::on_control(now, &mut link, control),
                        Ok(Flowed::Done) => {}
                        Err(error) => break Err(error),
                    }
                }
            }
        };
        link.input = rest.to_vec();
        self.link = Some(link);
        match result {
            Ok(()) => self.pump(now),
            Err(error) => self.closed = Some(error.to_string()),
        }
    }

    fn on_control(now: Instant, link: &mut Link, control: Control) {
        match control {
            Control::StartAct => {
                link.started = true;
                link.stopping = false;
                link.flow.control(now, Control::StartCon);
            }
            Control::StopAct => {
                link.started = false;
                link.stopping = true;
                link.flow.acknowledge();
            }
            _ => {}
        }
    }

    fn on_asdu(&mut self, now: Instant, link: &mut Link, raw: &[u8]) {
        if link.answers.len() >= ANSWERS_MAX {
            self.dropped += 1;
            return;
        }
        let Ok(asdu) = Asdu::parse(raw) else {
            self.malformed += 1;
            return;
        };
        let answer = |link: &mut Link, cause, negative| link.answers.push_back(asdu.mirrored(cause, negative));
        if !matches!(asdu.type_id, types::C_SC_NA..=types::C_BO_NA | types::C_SC_TA..=types::C_BO_TA | 100..=103) {
            self.unknown += 1;
            return answer(link, causes::UNKNOWN_TYPE, true);
        }
        let ours = self.config.common_address;
        let broadcast = asdu.common_address == BROADCAST && matches!(asdu.type_id, 100 | 101 | 103);
        if asdu.common_address != ours && !broadcast {
            return answer(link, causes::UNKNOWN_ADDRESS, true);
        }
        let permitted = match asdu.type_id {
            types::C_RD_NA => asdu.cause == causes::REQUEST,
            types::C_CS_NA => asdu.cause == causes::ACTIVATION,
            _ => matches!(asdu.cause, causes::ACTIVATION | causes::DEACTIVATION),
        };
        if !permitted {
            return answer(link, causes::UNKNOWN_CAUSE, true);
        }
        match asdu.type_id {
            types::C_IC_NA | types::C_CI_NA => self.on_interrogation(link, &asdu),
            types::C_RD_NA => {
                let mut objects = Vec::new();
                self.station.interrogated(&mut objects);
                self.station.counters(&mut objects);
                match objects.into_iter().find(|object| object.ioa == asdu.ioa()) {
                    Some(object) => Self::queue_objects(link, vec![object], causes::REQUEST, ours, self.config.zone),
                    None => answer(link, causes::UNKNOWN_OBJECT, true),
                }
            }
            types::C_CS_NA => {
                let raw = asdu.elements().next().and_then(|(_, raw)| raw.first_chunk::<7>().copied());
                match raw.and_then(|raw| Cp56(raw).instant(self.config.zone)) {
                    Some(time) => {
                        self.station.set_clock(time);
                        answer(link, causes::ACTIVATION_CON, false);
                    }
                    None => answer(link, causes::ACTIVATION_CON, true),
                }
            }
            _ => {
                let (cause, negative) = self.on_command(now, link, &asdu);
                answer(link, cause, negative);
                if asdu.cause == causes::ACTIVATION && !negative && asdu.command().is_some_and(|c| !c.select) {
                    answer(link, causes::TERMINATION, false);
                }
                self.scan();
            }
        }
    }

    fn on_interrogation(&mut self, link: &mut Link, asdu: &Asdu<'_>) {
        if asdu.cause == causes::DEACTIVATION {
            // An interrogation is answered whole at once; there is none to stop.
            link.answers.push_back(asdu.mirrored(causes::DEACTIVATION_CON, true));
            return;
        }
        let mut objects = Vec::new();
        let cause = if asdu.type_id == types::C_IC_NA {
            self.station.interrogated(&mut objects);
            causes::INTERROGATED
        } else {
            self.station.counters(&mut objects);
            causes::COUNTER_INTERROGATED
        };
        for object in &mut objects {
            // 60870-5-101, 7.4.5: an interrogation is answered without time tags.
            object.time = None;
        }
        link.answers.push_back(asdu.mirrored(causes::ACTIVATION_CON, false));
        Self::queue_objects(link, objects, cause, self.config.common_address, self.config.zone);
        link.answers.push_back(asdu.mirrored(causes::TERMINATION, false));
    }

    fn queue_objects(link: &mut Link, mut objects: Vec<Object>, cause: u8, common_address: u16, zone: Zone) {
        for object in &mut objects {
            object.cause = cause;
            object.common_address = common_address;
        }
        link.answers.extend(asdu::pack(&objects, zone).into_iter().map(|(asdu, _)| asdu));
    }

    /// Cause and P/N of the confirmation.
    fn on_command(&mut self, now: Instant, link: &mut Link, asdu: &Asdu<'_>) -> (u8, bool) {
        let confirmation =
            if asdu.cause == causes::DEACTIVATION { causes::DEACTIVATION_CON } else { causes::ACTIVATION_CON };
        let Some(command) = asdu.command().filter(|_| asdu.count == 1) else { return (confirmation, true) };
        let Some(value) = command.value else { return (confirmation, true) };
        link.selected.retain(|_, &mut (_, until)| now < until);
        let held = link.selected.get(&command.ioa).is_some_and(|&(held, _)| held == value);
        let step = match (asdu.cause, command.select) {
            (causes::DEACTIVATION, _) => Step::Cancel,
            (_, true) => Step::Select,
            (_, false) => Step::Execute,
        };
        if step == Step::Execute {
            // One execute for one select, whatever comes of it.
            link.selected.remove(&command.ioa);
        }
        if step == Step::Cancel && !held
            || step == Step::Execute && self.config.require_select && value.can_be_selected() && !held
        {
            return (confirmation, true);
        }
        match self.station.command(command.ioa, value, step) {
            CommandAnswer::Accepted => {
                match step {
                    Step::Select => {
                        link.selected.insert(command.ioa, (value, now + self.config.select_timeout));
                    }
                    Step::Cancel => {
                        link.selected.remove(&command.ioa);
                    }
                    Step::Execute | Step::ReadBack => {}
                }
                (confirmation, false)
            }
            CommandAnswer::Refused => (confirmation, true),
            CommandAnswer::UnknownObject => (causes::UNKNOWN_OBJECT, true),
        }
    }

    fn scan(&mut self) {
        let mut objects = Vec::new();
        self.station.spontaneous(&mut objects);
        for mut object in objects {
            object.common_address = self.config.common_address;
            self.pending.push_back(object);
        }
        self.bound_pending();
    }

    fn bound_pending(&mut self) {
        let excess = self.pending.len().saturating_sub(self.config.pending_max);
        self.pending.drain(..excess);
        self.dropped += excess as u64;
    }

    fn pump(&mut self, now: Instant) {
        let Some(link) = &mut self.link else { return };
        let acknowledged = link.flow.acknowledged_by_peer();
        while link.in_flight.front().is_some_and(|&(count, _)| count <= acknowledged) {
            link.in_flight.pop_front();
        }
        if link.stopping && link.flow.all_acknowledged() {
            link.stopping = false;
            link.flow.control(now, Control::StopCon);
        }
        if !link.started {
            return;
        }
        if !self.initialized {
            self.initialized = true;
            // COI 0: local power switch on (60870-5-101, 7.2.6.21).
            let element = Element::Initialized(Coi(0));
            link.answers.extend(asdu::message(causes::INITIALIZED, self.config.common_address, 0, &element, Tag::None));
            link.answers.rotate_right(1);
        }
        while link.flow.window_open()
            && let Some(answer) = link.answers.pop_front()
        {
            link.flow.send(now, &answer);
        }
        while link.flow.window_open() && !self.pending.is_empty() {
            // No APDU holds more than 127 objects, so no more need be looked at.
            let next: Vec<Object> = self.pending.iter().take(127).copied().collect();
            let mut asdu = Vec::new();
            let count = asdu::pack_into(&next, self.config.zone, &mut asdu);
            link.flow.send(now, &asdu);
            link.in_flight.push_back((link.flow.sent(), self.pending.drain(..count).collect()));
        }
    }

    /// Something is due; harmless when nothing is.
    pub fn on_deadline(&mut self, now: Instant) {
        if let Some(link) = &mut self.link
            && let Err(error) = link.flow.on_deadline(now)
        {
            self.closed = Some(error.to_string());
            return;
        }
        if now >= self.next_scan {
            self.next_scan = now + self.config.scan.max(Duration::from_millis(1));
            self.scan();
        }
        self.pump(now);
    }

    /// When [`Self::on_deadline`] is wanted at the latest.
    pub fn next_deadline(&self) -> Instant {
        self.link.as_ref().map_or(self.next_scan, |link| link.flow.next_deadline().min(self.next_scan))
    }

    /// What is to be written, as one batch.
    pub fn next_output(&mut self) -> Option<Vec<u8>> {
        self.link.as_mut().and_then(|link| link.flow.take_output())
    }
}
