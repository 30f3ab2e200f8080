//! The controlling station's session over one link, without I/O. A new link is a new session: nothing is carried over.
//!
//! **Invariants:** `select_before_execute`, `expired_never_sent`, `durable_before_ack` (an APDU that brings neither objects
//! nor a command's outcome has nothing to store and counts as durable once all before it are).

mod commands;
mod files;
mod procedures;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use headroom_rules::orders::{NotSent, Outcome};

use super::apci::{Control, Frame};
use super::apdu_flow::{Flow, Flowed};
use super::asdu::{Asdu, Object};
use super::config::LinkConfig;
use super::files::Failure;
use super::inbox::Inbox;
use super::time::TimeBase;
use commands::{Active, Point, Selected, Waiting};
pub use files::{FileAnswer, FileRequest};
pub use procedures::{ALL_COUNTERS, Answer, ParameterValue, Request, STATION};
use procedures::{Procedure, Running};

/// What the session wants done or known.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write these bytes.
    Bytes(Vec<u8>),
    /// This command's bytes were in the `Bytes` before.
    Sent(u64),
    /// Objects in the order of their arrival; report `received` to [`Session::durable`] once they are stored.
    Objects {
        /// The objects.
        objects: Vec<Object>,
        /// Count of I frames up to and with the last of theirs.
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
    /// What became of a request; what it brought came before.
    Answered {
        /// Which.
        request: u64,
        /// What.
        answer: Answer,
    },
    /// What came of a [`Session::transfer`].
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
        /// Whether it ended the link.
        ended: bool,
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
    /// Data transfer is stopped, the link stays.
    Stopped,
    /// Close the socket.
    Closed {
        /// Why.
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connected, data transfer stopped.
    Standby,
    Starting,
    Started,
    Stopping {
        /// Whether the confirmation closes the link.
        close: bool,
    },
    Closed,
}

/// One link.
#[derive(Debug)]
pub struct Session {
    config: LinkConfig,
    flow: Flow,
    phase: Phase,
    inbox: Inbox,
    frames: u64,
    wall: Timestamp,
    outputs: VecDeque<Output>,
    /// Objects of the APDUs that came last, on their way to `outputs` as one.
    batch: Vec<Object>,
    /// Receive counts of APDUs whose objects or outcomes are not yet durable.
    unstored: VecDeque<u64>,
    procedures: VecDeque<Procedure>,
    running: Option<Running>,
    waiting: VecDeque<Waiting>,
    active: BTreeMap<Point, Active>,
    selected: BTreeMap<Point, Selected>,
    /// Points with a command that was not answered in time, and until when its late answer may be taken for another's.
    unsettled: BTreeMap<Point, Instant>,
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
        let mut session = Self::standby(config, now, wall);
        session.start(now);
        session
    }

    /// A connection was established that stays stopped until [`Self::start`], as in a redundancy group (ed. 2, 10).
    pub fn standby(config: LinkConfig, now: Instant, wall: Timestamp) -> Self {
        Self {
            next_general: now + config.interrogation_every,
            next_counters: now + config.counter_every,
            next_clock: now + config.clock_every,
            flow: Flow::new(config.timers, now),
            config,
            phase: Phase::Standby,
            inbox: Inbox::default(),
            frames: 0,
            wall,
            outputs: VecDeque::from([Output::State(State::Connected)]),
            batch: Vec::new(),
            unstored: VecDeque::new(),
            procedures: VecDeque::new(),
            running: None,
            waiting: VecDeque::new(),
            active: BTreeMap::new(),
            selected: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            executed: BTreeMap::new(),
            reading: Vec::new(),
            work: None,
        }
    }

    /// Asks for the start of data transfer, if it is stopped. Sequence numbers go on.
    pub fn start(&mut self, now: Instant) {
        if self.phase == Phase::Standby {
            self.phase = Phase::Starting;
            self.flow.control(now, Control::StartAct);
        }
    }

    /// The time that a clock synchronization would carry.
    pub const fn set_wall(&mut self, wall: Timestamp) {
        self.wall = wall;
    }

    /// Frames of any kind received so far.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// I frames from the first on that may not be acknowledged yet.
    pub const fn undurable(&self) -> u64 {
        self.flow.undurable()
    }

    /// The socket was not read for this time, for reasons of our own.
    pub fn not_read(&mut self, time: Duration) {
        self.flow.not_read(time);
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
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.read(bytes, |frame, octets| {
            match frame {
                Ok(frame) => self.on_frame(now, frame, octets),
                Err(error) => self.break_link(octets, &error.to_string()),
            }
            !self.is_closed()
        });
        self.inbox = inbox;
        self.durable_without_objects(now);
        self.pump(now);
    }

    fn on_frame(&mut self, now: Instant, frame: Frame<'_>, bytes: &[u8]) {
        self.frames += 1;
        match self.flow.on_frame(now, frame) {
            Ok(Flowed::Asdu(asdu, count)) => match self.phase {
                // Taken, they would be readings of a terminal whose link is not up.
                Phase::Standby | Phase::Starting => {
                    self.break_link(bytes, "the station sent data before it confirmed the start (STARTDT con)");
                }
                _ => self.on_asdu(now, asdu, count),
            },
            Ok(Flowed::Control(control)) => self.on_control(now, control),
            Ok(Flowed::Done) => {}
            Err(error) => self.break_link(bytes, &error.to_string()),
        }
    }

    fn break_link(&mut self, bytes: &[u8], why: &str) {
        self.tell(Output::Malformed { bytes: bytes.to_vec(), why: why.to_owned(), ended: true });
        self.close(why);
    }

    /// Queues an output behind the objects that came before it.
    fn tell(&mut self, output: Output) {
        self.report_batch();
        self.outputs.push_back(output);
    }

    fn report_batch(&mut self) {
        if !self.batch.is_empty() {
            let received = self.unstored.back().copied().unwrap_or(0);
            self.outputs.push_back(Output::Objects { objects: std::mem::take(&mut self.batch), received });
        }
    }

    fn outcome(&mut self, command: u64, outcome: Outcome) {
        self.tell(Output::Outcome { command, outcome, received: None });
    }

    /// The link is gone, or is to be closed now.
    pub fn close(&mut self, reason: &str) {
        if self.is_closed() {
            return;
        }
        let why = if matches!(self.phase, Phase::Stopping { .. }) { NotSent::Stopping } else { NotSent::NoLink };
        self.phase = Phase::Closed;
        self.void(why);
        self.tell(Output::State(State::Closed { reason: reason.to_owned() }));
    }

    /// Data transfer ended: nothing of it is carried over.
    fn void(&mut self, why: NotSent) {
        for active in std::mem::take(&mut self.active).into_values() {
            self.outcome(active.command.id, Outcome::LinkLost(active.command.step));
        }
        self.drop_waiting(why);
        self.drop_procedures(why);
        self.end_work(Err(Failure::LinkLost));
        self.selected.clear();
        self.executed.clear();
    }

    fn drop_waiting(&mut self, why: NotSent) {
        for Waiting { command, .. } in std::mem::take(&mut self.waiting) {
            self.outcome(command.id, Outcome::NotSent { step: command.step, why });
        }
    }

    /// Ends data transfer in order: the peer's confirmation closes the link.
    pub fn stop(&mut self, now: Instant) {
        match self.phase {
            Phase::Standby => self.close("stopped"),
            Phase::Starting => self.close("stopped before the start was confirmed"),
            Phase::Started => self.ask_stop(now, true),
            Phase::Stopping { .. } => self.phase = Phase::Stopping { close: true },
            Phase::Closed => {}
        }
    }

    /// Ends data transfer in order and keeps the link: the peer's confirmation is told as [`State::Stopped`], and
    /// [`Self::start`] begins anew.
    pub fn pause(&mut self, now: Instant) {
        if self.phase == Phase::Started {
            self.ask_stop(now, false);
        }
    }

    fn ask_stop(&mut self, now: Instant, close: bool) {
        self.phase = Phase::Stopping { close };
        self.drop_waiting(if close { NotSent::Stopping } else { NotSent::NoLink });
        self.flow.acknowledge();
        self.flow.control(now, Control::StopAct);
    }

    fn on_control(&mut self, now: Instant, control: Control) {
        match control {
            Control::StartCon => {
                self.phase = Phase::Started;
                self.tell(Output::State(State::Started));
                for procedure in [Procedure::Clock, Procedure::General, Procedure::Counters] {
                    self.want(procedure);
                }
                self.next_general = now + self.config.interrogation_every;
                self.next_counters = now + self.config.counter_every;
                self.next_clock = now + self.config.clock_every;
            }
            Control::StopCon if self.phase == (Phase::Stopping { close: false }) => {
                self.void(NotSent::NoLink);
                self.phase = Phase::Standby;
                self.tell(Output::State(State::Stopped));
            }
            Control::StopCon => self.close("stopped"),
            // A controlled station has no business to start us; ignored, as the peer's t1 will tell it.
            Control::StartAct | Control::StopAct | Control::TestAct | Control::TestCon => {}
        }
    }

    fn on_asdu(&mut self, now: Instant, raw: &[u8], count: u64) {
        let asdu = match Asdu::parse(raw) {
            Ok(asdu) => asdu,
            Err(error) => {
                let (bytes, why) = (raw.to_vec(), error.to_string());
                return self.tell(Output::Malformed { bytes, why, ended: false });
            }
        };
        if !asdu.is_known() {
            return self.tell(Output::Unknown { bytes: raw.to_vec() });
        }
        let from = self.batch.len();
        if !asdu.test {
            asdu.objects(TimeBase { zone: self.config.zone, arrival: self.wall }, &mut self.batch);
        }
        if self.batch.len() > from {
            self.unstored.push_back(count);
            self.on_requested_objects(now, asdu.cause, from);
        } else {
            let before = self.outputs.len();
            self.on_answer(now, &asdu);
            self.wait_for_outcome(before, count);
        }
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
        // The frame that broke the link was counted, and not taken.
        if self.is_closed() {
            return;
        }
        let durable = self.unstored.front().map_or(self.flow.received(), |&count| count - 1);
        self.flow.durable(now, durable);
        if matches!(self.phase, Phase::Stopping { .. }) {
            // The station confirms the stop only when all that it sent is acknowledged.
            self.flow.acknowledge();
        }
    }

    /// Sends what may be sent now: commands before procedures.
    fn pump(&mut self, now: Instant) {
        if self.phase == Phase::Started {
            self.send_commands(now);
            self.start_procedure(now);
            self.pump_files(now);
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
        self.time_out_commands(now);
        self.time_out_procedure(now);
        self.on_file_deadline(now);
        if self.phase == Phase::Started {
            self.want_what_is_due(now);
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
            .map(|active| active.deadline)
            .chain(self.running.map(|running| running.deadline))
            .chain(self.work.as_ref().and_then(files::Work::deadline))
            .chain(self.waiting.iter().map(|waiting| waiting.expires))
            .fold(self.flow.next_deadline(), Instant::min);
        Some(if self.phase == Phase::Started {
            first.min(self.next_general).min(self.next_counters).min(self.next_clock)
        } else {
            first
        })
    }

    /// What is to be done next; bytes first. Drain it after every call.
    pub fn next_output(&mut self) -> Option<Output> {
        if let Some(bytes) = self.flow.take_output() {
            return Some(Output::Bytes(bytes));
        }
        if self.outputs.is_empty() {
            self.report_batch();
        }
        self.outputs.pop_front()
    }
}
