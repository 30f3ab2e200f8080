//! The controlling station's session over one link, without I/O. A new link is a new session: nothing is carried over.
//!
//! **Invariants:** `select_before_execute`, `expired_never_sent`, `durable_before_ack` (an APDU that brings neither objects
//! nor a command's outcome has nothing to store and counts as durable once all before it are).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use headroom_rules::orders::{NotSent, Outcome, Step};

use super::apci::{self, Control};
use super::apdu_flow::{Flow, Flowed};
use super::asdu::element::{Qcc, Qoi};
use super::asdu::{self, Asdu, Command, CommandValue, Element, Object, Tag, WireCommand, causes, types};
use super::config::LinkConfig;
use super::files::Failure;
use super::time::{Cp56, TimeBase};

mod files;

pub use files::{FileAnswer, Request};

/// Most commands that wait or are under way at one terminal; more are refused as busy.
const COMMANDS_MAX: usize = 1_024;

/// What the session wants done or known.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write these bytes.
    Bytes(Vec<u8>),
    /// This command's bytes were in the `Bytes` before.
    Sent(u64),
    /// The objects of one APDU; report `received` to [`Session::durable`] once they are stored.
    Objects {
        /// The objects.
        objects: Vec<Object>,
        /// Count of I frames up to and with this one.
        received: u64,
    },
    /// What became of a command.
    Outcome {
        /// Which.
        command: u64,
        /// What.
        outcome: Outcome,
        /// Count of I frames up to and with the one that brought it, for [`Session::durable`] once the outcome is stored.
        /// Where one APDU brings several, its last one carries it, for that is stored last. None where no APDU did.
        received: Option<u64>,
    },
    /// What came of a [`Session::request`].
    File {
        /// Which.
        request: u64,
        /// What.
        result: Result<FileAnswer, Failure>,
    },
    /// The link's state changed.
    State(State),
    /// A message that does not parse, skipped; or the bytes that broke the link.
    Malformed {
        /// As they came.
        bytes: Vec<u8>,
        /// What is wrong.
        why: String,
    },
    /// A message of a type that is not spoken here, skipped.
    Unknown {
        /// As it came.
        bytes: Vec<u8>,
    },
}

/// Where the link stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The start was asked.
    Connected,
    /// Data transfer is started.
    Started,
    /// A general interrogation ended.
    Interrogated,
    /// Close the socket.
    Closed {
        /// Why.
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Started,
    Stopping,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Procedure {
    Clock,
    General,
    Counters,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    command: Command,
    expires: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    command: Command,
    sent_at: Instant,
    deadline: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Selected {
    id: u64,
    value: CommandValue,
    until: Instant,
}

type Point = (u16, u32);

/// One link.
#[derive(Debug)]
pub struct Session {
    config: LinkConfig,
    flow: Flow,
    phase: Phase,
    input: Vec<u8>,
    wall: Timestamp,
    outputs: VecDeque<Output>,
    /// Receive counts of APDUs whose objects or outcomes are not yet durable.
    unstored: VecDeque<u64>,
    procedures: VecDeque<Procedure>,
    running: Option<(Procedure, Instant)>,
    waiting: VecDeque<Waiting>,
    active: BTreeMap<Point, Active>,
    selected: BTreeMap<Point, Selected>,
    /// Executes that were confirmed and may yet be reported as terminated.
    executed: BTreeMap<Point, u64>,
    /// Read-backs that the running general interrogation answers.
    reading: Vec<u64>,
    /// The request for files under way.
    work: Option<files::Work>,
    next_general: Instant,
    next_counters: Instant,
    next_clock: Instant,
}

impl Session {
    /// A connection was established: asks for the start of data transfer.
    pub fn new(config: LinkConfig, now: Instant, wall: Timestamp) -> Self {
        let mut flow = Flow::new(config.timers, now);
        flow.control(now, Control::StartAct);
        Self {
            next_general: now + config.interrogation_every,
            next_counters: now + config.counter_every,
            next_clock: now + config.clock_every,
            config,
            flow,
            phase: Phase::Starting,
            input: Vec::new(),
            wall,
            outputs: VecDeque::from([Output::State(State::Connected)]),
            unstored: VecDeque::new(),
            procedures: VecDeque::new(),
            running: None,
            waiting: VecDeque::new(),
            active: BTreeMap::new(),
            selected: BTreeMap::new(),
            executed: BTreeMap::new(),
            reading: Vec::new(),
            work: None,
        }
    }

    /// The time that a clock synchronization would carry.
    pub const fn set_wall(&mut self, wall: Timestamp) {
        self.wall = wall;
    }

    /// I frames from the first on that may not be acknowledged yet.
    pub const fn undurable(&self) -> u64 {
        self.flow.undurable()
    }

    /// The socket was not read for reasons of our own.
    pub fn not_read(&mut self, now: Instant) {
        self.flow.not_read(now);
    }

    /// Whether the link is over; nothing more will come of it than the outputs that are left.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Bytes came, in any pieces.
    pub fn on_bytes(&mut self, now: Instant, bytes: &[u8]) {
        if self.is_closed() {
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut rest = input.as_slice();
        while !self.is_closed() {
            match apci::split(rest) {
                Ok(None) => break,
                Ok(Some((frame, taken))) => {
                    let (this, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
                    match self.flow.on_frame(now, frame) {
                        // Taken, they would be readings of a terminal whose link is not up.
                        Ok(Flowed::Asdu(..)) if self.phase == Phase::Starting => {
                            self.break_link(this, "the station sent data before it confirmed the start (STARTDT con)");
                        }
                        Ok(Flowed::Asdu(asdu, count)) => self.on_asdu(now, asdu, count),
                        Ok(Flowed::Control(control)) => self.on_control(now, control),
                        Ok(Flowed::Done) => {}
                        Err(error) => self.break_link(this, &error.to_string()),
                    }
                    rest = after;
                }
                Err(error) => self.break_link(rest.get(..rest.len().min(255)).unwrap_or(rest), &error.to_string()),
            }
        }
        self.input = rest.to_vec();
        self.pump(now);
    }

    fn break_link(&mut self, bytes: &[u8], why: &str) {
        self.outputs.push_back(Output::Malformed { bytes: bytes.to_vec(), why: why.to_owned() });
        self.close(why);
    }

    /// The link is gone, or is to be closed now.
    pub fn close(&mut self, reason: &str) {
        if self.is_closed() {
            return;
        }
        let why = if self.phase == Phase::Stopping { NotSent::Stopping } else { NotSent::NoLink };
        self.phase = Phase::Closed;
        for active in std::mem::take(&mut self.active).into_values() {
            self.outcome(active.command.id, Outcome::LinkLost(active.command.step));
        }
        for id in std::mem::take(&mut self.reading) {
            self.outcome(id, Outcome::LinkLost(Step::ReadBack));
        }
        for Waiting { command, .. } in std::mem::take(&mut self.waiting) {
            self.outcome(command.id, Outcome::NotSent { step: command.step, why });
        }
        self.end_work(Err(Failure::LinkLost));
        self.outputs.push_back(Output::State(State::Closed { reason: reason.to_owned() }));
    }

    /// Ends data transfer in order: the peer's confirmation closes the link.
    pub fn stop(&mut self, now: Instant) {
        match self.phase {
            Phase::Started => {
                self.phase = Phase::Stopping;
                for Waiting { command, .. } in std::mem::take(&mut self.waiting) {
                    let why = NotSent::Stopping;
                    self.outcome(command.id, Outcome::NotSent { step: command.step, why });
                }
                self.flow.acknowledge();
                self.flow.control(now, Control::StopAct);
            }
            Phase::Starting => self.close("stopped before the start was confirmed"),
            Phase::Stopping | Phase::Closed => {}
        }
    }

    fn on_control(&mut self, now: Instant, control: Control) {
        match control {
            Control::StartCon => {
                self.phase = Phase::Started;
                self.outputs.push_back(Output::State(State::Started));
                self.procedures.extend([Procedure::Clock, Procedure::General, Procedure::Counters]);
                self.next_general = now + self.config.interrogation_every;
                self.next_counters = now + self.config.counter_every;
                self.next_clock = now + self.config.clock_every;
            }
            Control::StopCon => self.close("stopped"),
            // A controlled station has no business to start us; ignored, as the peer's t1 will tell it.
            Control::StartAct | Control::StopAct | Control::TestAct | Control::TestCon => {}
        }
    }

    fn on_asdu(&mut self, now: Instant, raw: &[u8], count: u64) {
        match Asdu::parse(raw) {
            Err(error) => self.outputs.push_back(Output::Malformed { bytes: raw.to_vec(), why: error.to_string() }),
            Ok(asdu) if !asdu.is_known() => self.outputs.push_back(Output::Unknown { bytes: raw.to_vec() }),
            Ok(asdu) => {
                let mut objects = Vec::new();
                if !asdu.test {
                    asdu.objects(TimeBase { zone: self.config.zone, arrival: self.wall }, &mut objects);
                }
                if !objects.is_empty() {
                    self.unstored.push_back(count);
                    self.outputs.push_back(Output::Objects { objects, received: count });
                    // A long interrogation is alive as long as it delivers.
                    if matches!(asdu.cause, 20..=41)
                        && let Some((_, deadline)) = &mut self.running
                    {
                        *deadline = now + self.config.command_timeout;
                    }
                } else {
                    let before = self.outputs.len();
                    self.on_answer(now, &asdu);
                    self.wait_for_outcome(before, count);
                }
            }
        }
        self.durable_without_objects(now);
    }

    /// An answer that was acknowledged is not sent again: were its outcome lost with a crash, nobody would know of it.
    fn wait_for_outcome(&mut self, outputs_before: usize, count: u64) {
        let last = self.outputs.range_mut(outputs_before..).rev().find_map(|output| match output {
            Output::Outcome { received, .. } => Some(received),
            _ => None,
        });
        if let Some(received) = last {
            *received = Some(count);
            self.unstored.push_back(count);
        }
    }

    /// Objects and outcomes up to the `received`-th I frame are stored.
    pub fn durable(&mut self, now: Instant, received: u64) {
        while self.unstored.front().is_some_and(|&count| count <= received) {
            self.unstored.pop_front();
        }
        self.durable_without_objects(now);
    }

    fn durable_without_objects(&mut self, now: Instant) {
        let durable = self.unstored.front().map_or(self.flow.received(), |&count| count - 1);
        self.flow.durable(now, durable);
        if self.phase == Phase::Stopping {
            // The station confirms the stop only when all that it sent is acknowledged.
            self.flow.acknowledge();
        }
    }

    fn on_answer(&mut self, now: Instant, asdu: &Asdu<'_>) {
        // Behind one address there may be several stations; what another one ended or restarted is not ours.
        let own = asdu.common_address == self.config.common_address;
        match asdu.type_id {
            types::C_CS_NA | types::C_IC_NA | types::C_CI_NA | types::M_EI_NA if !own => {}
            types::C_CS_NA => self.on_procedure(asdu, Procedure::Clock),
            types::C_IC_NA => self.on_procedure(asdu, Procedure::General),
            types::C_CI_NA => self.on_procedure(asdu, Procedure::Counters),
            types::M_EI_NA if asdu.cause == causes::INITIALIZED => {
                for procedure in [Procedure::Clock, Procedure::General, Procedure::Counters] {
                    self.want(procedure);
                }
                // The station restarted: what it had selected is gone.
                self.selected.clear();
            }
            types::F_FR_NA..=types::F_SC_NB if own => self.on_file(now, asdu),
            _ => {
                if let Some(answer) = asdu.command() {
                    self.on_command_answer(now, asdu, answer);
                }
            }
        }
    }

    fn on_procedure(&mut self, asdu: &Asdu<'_>, procedure: Procedure) {
        if self.running.is_none_or(|(running, _)| running != procedure) {
            return;
        }
        let refused = asdu.negative || matches!(asdu.cause, 44..=47);
        let ended = match asdu.cause {
            causes::ACTIVATION_CON => procedure == Procedure::Clock,
            causes::TERMINATION => true,
            _ => false,
        };
        if !refused && !ended {
            return;
        }
        self.running = None;
        if procedure == Procedure::General {
            for id in std::mem::take(&mut self.reading) {
                let outcome = if refused {
                    Outcome::Refused { step: Step::ReadBack, cause: asdu.cause }
                } else {
                    Outcome::Confirmed(Step::ReadBack)
                };
                self.outcome(id, outcome);
            }
            if !refused {
                self.outputs.push_back(Output::State(State::Interrogated));
            }
        }
    }

    fn on_command_answer(&mut self, now: Instant, asdu: &Asdu<'_>, answer: WireCommand) {
        let point = (asdu.common_address, answer.ioa);
        if asdu.cause == causes::TERMINATION {
            // Some stations leave S/E set in a termination.
            if let Some(id) = self.executed.remove(&point) {
                self.outcome(id, Outcome::Terminated);
            }
            return;
        }
        let Some(active) = self.active.get(&point).copied() else { return };
        let Command { id, step, value, .. } = active.command;
        let same = answer.value == Some(value) && answer.select == (step != Step::Execute);
        let unknown = matches!(asdu.cause, 44..=47);
        let confirms = match asdu.cause {
            causes::ACTIVATION_CON => true,
            causes::DEACTIVATION_CON => step == Step::Cancel,
            _ => false,
        };
        if !same || !(unknown || confirms) {
            return;
        }
        self.active.remove(&point);
        if unknown || asdu.negative {
            self.outcome(id, Outcome::Refused { step, cause: asdu.cause });
            return;
        }
        match step {
            Step::Select => {
                // From its sending: the station's own time-out cannot have begun earlier.
                let until = active.sent_at + self.config.select_timeout;
                if now < until {
                    self.selected.insert(point, Selected { id, value, until });
                }
            }
            Step::Execute => {
                self.executed.insert(point, id);
            }
            Step::Cancel | Step::ReadBack => {}
        }
        self.outcome(id, Outcome::Confirmed(step));
    }

    fn outcome(&mut self, command: u64, outcome: Outcome) {
        self.outputs.push_back(Output::Outcome { command, outcome, received: None });
    }

    /// A command, to be sent now or not at all.
    pub fn submit(&mut self, now: Instant, command: Command) {
        let point = (command.common_address, command.ioa);
        let read_back = command.step == Step::ReadBack;
        let under_way = !read_back
            && (self.active.contains_key(&point)
                || self
                    .waiting
                    .iter()
                    .any(|w| w.command.step != Step::ReadBack && (w.command.common_address, w.command.ioa) == point));
        let held_by_other = command.step == Step::Select
            && self.selected.get(&point).is_some_and(|held| held.id != command.id && now < held.until);
        let refused = match self.phase {
            Phase::Starting | Phase::Closed => Some(NotSent::NoLink),
            Phase::Stopping => Some(NotSent::Stopping),
            Phase::Started if command.expires_in == Duration::ZERO => Some(NotSent::Expired),
            Phase::Started if under_way || held_by_other || self.waiting.len() + self.reading.len() >= COMMANDS_MAX => {
                Some(NotSent::Busy)
            }
            Phase::Started => None,
        };
        if let Some(why) = refused {
            self.outcome(command.id, Outcome::NotSent { step: command.step, why });
            return;
        }
        if read_back {
            self.want(Procedure::General);
        }
        let expires = now.checked_add(command.expires_in).unwrap_or(now + Duration::from_secs(86_400));
        self.waiting.push_back(Waiting { command, expires });
        self.pump(now);
    }

    fn want(&mut self, procedure: Procedure) {
        if !self.procedures.contains(&procedure) {
            self.procedures.push_back(procedure);
        }
    }

    /// Sends what may be sent now: commands before interrogations.
    fn pump(&mut self, now: Instant) {
        if self.phase != Phase::Started {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let Waiting { command, expires } = waiting;
            if now >= expires {
                let why = NotSent::Expired;
                self.outcome(command.id, Outcome::NotSent { step: command.step, why });
            } else if command.step == Step::ReadBack || !self.flow.window_open() {
                self.waiting.push_back(waiting);
            } else {
                self.send_command(now, command);
            }
        }
        if self.running.is_none()
            && self.flow.window_open()
            && let Some(procedure) = self.procedures.pop_front()
        {
            self.send_procedure(now, procedure);
        }
        self.pump_files(now);
    }

    fn send_command(&mut self, now: Instant, command: Command) {
        let point = (command.common_address, command.ioa);
        if command.step == Step::Execute {
            // The select serves one execute, and none after this attempt.
            let held = self.selected.remove(&point);
            let permitted =
                held.is_some_and(|held| held.id == command.id && held.value == command.value && now < held.until);
            if !permitted {
                if let Some(held) = held.filter(|held| held.id != command.id) {
                    self.selected.insert(point, held);
                }
                let outcome = Outcome::NotSent { step: command.step, why: NotSent::NotSelected };
                self.outcome(command.id, outcome);
                return;
            }
        } else if self.selected.get(&point).is_some_and(|held| held.id == command.id) {
            self.selected.remove(&point);
        }
        let cause = if command.step == Step::Cancel { causes::DEACTIVATION } else { causes::ACTIVATION };
        let select = command.step != Step::Execute;
        self.flow.send(now, &asdu::command(command.common_address, command.ioa, command.value, select, cause, None));
        if command.step == Step::Execute {
            self.executed.remove(&point);
        }
        self.active.insert(point, Active { command, sent_at: now, deadline: now + self.config.command_timeout });
        self.outputs.push_back(Output::Sent(command.id));
    }

    fn send_procedure(&mut self, now: Instant, procedure: Procedure) {
        let ca = self.config.common_address;
        let act = causes::ACTIVATION;
        let element = match procedure {
            Procedure::Clock => Element::Clock(Cp56::new(self.wall, self.config.zone)),
            // The whole station.
            Procedure::General => Element::Interrogation(Qoi(20)),
            // All counters, read without freeze.
            Procedure::Counters => Element::CounterInterrogation(Qcc(5)),
        };
        let message = asdu::message(act, ca, 0, &element, Tag::None).unwrap_or_default();
        self.flow.send(now, &message);
        self.running = Some((procedure, now + self.config.command_timeout));
        match procedure {
            Procedure::Clock => self.next_clock = now + self.config.clock_every,
            Procedure::Counters => self.next_counters = now + self.config.counter_every,
            Procedure::General => {
                self.next_general = now + self.config.interrogation_every;
                for waiting in std::mem::take(&mut self.waiting) {
                    if waiting.command.step == Step::ReadBack {
                        self.reading.push(waiting.command.id);
                        self.outputs.push_back(Output::Sent(waiting.command.id));
                    } else {
                        self.waiting.push_back(waiting);
                    }
                }
            }
        }
    }

    /// Something is due; harmless when nothing is.
    pub fn on_deadline(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        if let Err(error) = self.flow.on_deadline(now) {
            self.close(&error.to_string());
            return;
        }
        let late: Vec<Point> = self.active.iter().filter(|(_, a)| now >= a.deadline).map(|(&point, _)| point).collect();
        for point in late {
            if let Some(active) = self.active.remove(&point) {
                self.outcome(active.command.id, Outcome::TimedOut(active.command.step));
            }
        }
        if let Some((procedure, deadline)) = self.running
            && now >= deadline
        {
            self.running = None;
            if procedure == Procedure::General {
                for id in std::mem::take(&mut self.reading) {
                    self.outcome(id, Outcome::TimedOut(Step::ReadBack));
                }
            }
        }
        self.on_file_deadline(now);
        if self.phase == Phase::Started {
            // Before the interrogations, whose answers carry the clock's time.
            if now >= self.next_clock {
                self.next_clock = now + self.config.clock_every;
                self.want(Procedure::Clock);
            }
            if now >= self.next_general {
                self.next_general = now + self.config.interrogation_every;
                self.want(Procedure::General);
            }
            if now >= self.next_counters {
                self.next_counters = now + self.config.counter_every;
                self.want(Procedure::Counters);
            }
        }
        self.pump(now);
    }

    /// When [`Self::on_deadline`] is wanted at the latest; none after the end.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        let first = self
            .active
            .values()
            .map(|a| a.deadline)
            .chain(self.running.map(|(_, at)| at))
            .chain(self.work.as_ref().and_then(files::Work::deadline))
            .chain(self.waiting.iter().map(|w| w.expires))
            .fold(self.flow.next_deadline(), Instant::min);
        Some(if self.phase == Phase::Started {
            first.min(self.next_general).min(self.next_counters).min(self.next_clock)
        } else {
            first
        })
    }

    /// What is to be done next; bytes first. Drain it after every call.
    pub fn next_output(&mut self) -> Option<Output> {
        self.flow.take_output().map(Output::Bytes).or_else(|| self.outputs.pop_front())
    }
}
