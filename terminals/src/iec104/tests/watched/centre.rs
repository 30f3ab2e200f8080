//! The controlling session under watch.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use headroom_rules::orders::{NotSent, Outcome, Step};

use super::{Numbers, Seen};
use crate::iec104::apci::Control;
use crate::iec104::asdu::{Asdu, Command, CommandValue, Object, WireCommand, causes, types};
use crate::iec104::config::LinkConfig;
use crate::iec104::controlling::{Answer, FileRequest, Output, Request, Session, State};
use crate::iec104::time::TimeBase;

type Point = (u16, u32);

/// A command that was submitted and has no outcome yet.
#[derive(Clone, Copy, Debug)]
struct Submitted {
    command: Command,
    at: Instant,
    /// Starts of data transfer before it.
    epoch: u64,
    sent: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    id: u64,
    value: CommandValue,
    qualifier: u8,
    until: Instant,
}

/// One link's session and what is known of it from outside.
#[derive(Debug)]
pub(crate) struct Centre {
    session: Session,
    config: LinkConfig,
    wall: Timestamp,
    numbers: Numbers,
    /// I frames that brought something to be stored, and were not reported durable.
    unstored: VecDeque<u64>,
    /// Objects of frames that came, in order, that the session has yet to hand over.
    due: VecDeque<Object>,
    started: bool,
    epoch: u64,
    closed: bool,
    submitted: Vec<Submitted>,
    /// Commands on the wire whose `Sent` is yet to come.
    on_wire: VecDeque<Command>,
    held: BTreeMap<Point, Held>,
    /// Confirmed executes by order, less their terminations.
    executed: BTreeMap<u64, u64>,
    requested: BTreeMap<u64, u64>,
    /// Transfers without an end.
    transfers: Vec<u64>,
    /// Answers among the frames of the call that is under way.
    answers: Vec<(u16, WireCommand, u8, bool)>,
    interrogation_ended: bool,
    /// What was sent as execute: order and value, in order.
    pub(crate) executes: Vec<(u64, CommandValue)>,
}

impl Centre {
    /// On a new connection.
    pub(crate) fn new(config: LinkConfig, now: Instant, wall: Timestamp, standby: bool) -> Self {
        let session = if standby { Session::standby } else { Session::new }(config.clone(), now, wall);
        Self {
            session,
            config,
            wall,
            numbers: Numbers::default(),
            unstored: VecDeque::new(),
            due: VecDeque::new(),
            started: false,
            epoch: 0,
            closed: false,
            submitted: Vec::new(),
            on_wire: VecDeque::new(),
            held: BTreeMap::new(),
            executed: BTreeMap::new(),
            requested: BTreeMap::new(),
            transfers: Vec::new(),
            answers: Vec::new(),
            interrogation_ended: false,
            executes: Vec::new(),
        }
    }

    /// Its numbering.
    pub(crate) const fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Whether the link is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    /// Whether data transfer is started.
    pub(crate) const fn is_started(&self) -> bool {
        self.started
    }

    /// Commands without outcome.
    pub(crate) fn open(&self) -> usize {
        self.submitted.len()
    }

    /// When it wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.session.next_deadline()
    }

    /// The time that its clock synchronization carries.
    pub(crate) const fn set_wall(&mut self, wall: Timestamp) {
        self.wall = wall;
        self.session.set_wall(wall);
    }

    /// Bytes came.
    pub(crate) fn on_bytes(&mut self, now: Instant, bytes: &[u8]) -> Vec<Output> {
        if !self.closed {
            for seen in self.numbers.came(bytes) {
                match seen {
                    Seen::Control(Control::StartCon) => {
                        self.started = true;
                        self.epoch += 1;
                    }
                    Seen::Control(_) => {}
                    Seen::Asdu(raw, count) => self.on_asdu(&raw, count),
                }
            }
        }
        self.session.on_bytes(now, bytes);
        self.drain(now)
    }

    fn on_asdu(&mut self, raw: &[u8], count: u64) {
        let Ok(asdu) = Asdu::parse(raw) else { return };
        let before = self.due.len();
        let mut objects = Vec::new();
        if !asdu.test {
            asdu.objects(TimeBase { zone: self.config.zone, arrival: self.wall }, &mut objects);
        }
        self.due.extend(objects);
        if self.due.len() > before {
            self.unstored.push_back(count);
        }
        if let Some(command) = asdu.command() {
            self.answers.push((asdu.common_address, command, asdu.cause, asdu.negative));
        }
        self.interrogation_ended |= asdu.type_id == types::C_IC_NA && asdu.cause == causes::TERMINATION;
    }

    /// Its deadline came, or not.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> Vec<Output> {
        self.session.on_deadline(now);
        let outputs = self.drain(now);
        if let Some(next) = self.session.next_deadline() {
            assert!(next > now, "no_busy_loop: due again at once, {:?}", self.session);
        }
        outputs
    }

    /// A command.
    pub(crate) fn submit(&mut self, now: Instant, command: Command) -> Vec<Output> {
        self.submitted.push(Submitted { command, at: now, epoch: self.epoch, sent: None });
        self.session.submit(now, command);
        self.drain(now)
    }

    /// A request.
    pub(crate) fn request(&mut self, now: Instant, id: u64, request: Request) -> Vec<Output> {
        *self.requested.entry(id).or_default() += 1;
        self.session.request(now, id, request);
        self.drain(now)
    }

    /// A file.
    pub(crate) fn transfer(&mut self, now: Instant, id: u64, wanted: FileRequest) -> Vec<Output> {
        self.transfers.push(id);
        self.session.transfer(now, id, wanted);
        self.drain(now)
    }

    /// All up to the `received`-th I frame is stored.
    pub(crate) fn durable(&mut self, now: Instant, received: u64) -> Vec<Output> {
        while self.unstored.front().is_some_and(|&count| count <= received) {
            self.unstored.pop_front();
        }
        self.session.durable(now, received);
        self.drain(now)
    }

    /// The connection is gone.
    pub(crate) fn close(&mut self, now: Instant) -> Vec<Output> {
        self.session.close("gone");
        self.drain(now)
    }

    /// Orderly end.
    pub(crate) fn stop(&mut self, now: Instant) -> Vec<Output> {
        self.session.stop(now);
        self.drain(now)
    }

    /// Orderly stop that keeps the link.
    pub(crate) fn pause(&mut self, now: Instant) -> Vec<Output> {
        self.session.pause(now);
        self.drain(now)
    }

    /// After a pause.
    pub(crate) fn start(&mut self, now: Instant) -> Vec<Output> {
        self.session.start(now);
        self.drain(now)
    }

    /// The socket was not read for this time.
    pub(crate) fn not_read(&mut self, time: Duration) {
        self.session.not_read(time);
    }

    fn drain(&mut self, now: Instant) -> Vec<Output> {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.session.next_output()).collect();
        for output in &outputs {
            // Told after the bytes, but it came before them.
            if let Output::Outcome { received: Some(received), .. } = output {
                let at = self.unstored.partition_point(|count| count < received);
                if self.unstored.get(at) != Some(received) {
                    self.unstored.insert(at, *received);
                }
            }
        }
        for output in &outputs {
            self.check(now, output);
        }
        self.answers.clear();
        self.interrogation_ended = false;
        assert!(self.on_wire.is_empty(), "one_outcome: sent without being told, {:?}", self.on_wire);
        if self.session.is_closed() {
            self.closed = true;
            self.started = false;
            assert!(self.submitted.is_empty(), "one_outcome: none for {:?}", self.submitted);
            assert!(self.requested.is_empty(), "one_outcome: no answer to requests {:?}", self.requested);
            assert!(self.transfers.is_empty(), "one_outcome: no end of transfers {:?}", self.transfers);
            assert_eq!(self.session.next_deadline(), None);
        } else {
            assert!(self.due.is_empty(), "nothing_lost: {:?} were not handed over", self.due);
        }
        // 1024 and what is under way, one for each point and a procedure.
        assert!(self.submitted.len() <= 1_024 + usize::from(u16::MAX), "bounded: {} commands", self.submitted.len());
        outputs
    }

    fn check(&mut self, now: Instant, output: &Output) {
        match output {
            Output::Bytes(bytes) => {
                assert!(!self.closed, "closed: {} octets after the end", bytes.len());
                let durable = self.unstored.front().map_or(self.numbers.received, |&count| count - 1);
                for seen in self.numbers.went(bytes, self.config.timers.k(), durable) {
                    match seen {
                        Seen::Asdu(raw, _) => self.on_sent(now, &raw),
                        Seen::Control(Control::StopAct) => {
                            self.started = false;
                            self.held.clear();
                        }
                        Seen::Control(_) => {}
                    }
                }
            }
            Output::Sent(id) => self.on_told_sent(now, *id),
            Output::Objects { objects, received } => {
                assert!(self.unstored.contains(received), "durable_before_ack: objects of frame {received}");
                for object in objects {
                    assert_eq!(self.due.pop_front().as_ref(), Some(object), "nothing_lost: as they came, in order");
                }
            }
            Output::Outcome { command, outcome, .. } => self.on_outcome(now, *command, *outcome),
            Output::Answered { request, answer } => {
                let Some(open) = self.requested.get_mut(request) else { panic!("one_outcome: a second of {request}") };
                *open -= 1;
                self.requested.retain(|_, open| *open > 0);
                if matches!(answer, Answer::Done) {
                    assert!(!self.closed);
                }
            }
            Output::State(State::Closed { .. }) => assert!(!self.closed, "closed: told twice"),
            Output::File { request, .. } => {
                let open = self.transfers.iter().position(|id| id == request);
                self.transfers.remove(open.expect("one_outcome: of a transfer"));
            }
            Output::State(_) | Output::Malformed { .. } | Output::Unknown { .. } => {}
        }
    }

    fn on_sent(&mut self, now: Instant, raw: &[u8]) {
        assert!(self.started, "stopped: data on a stopped link");
        let asdu = Asdu::parse(raw).expect("what is sent can be read");
        let Some(wire) = asdu.command() else { return };
        let step = match (asdu.cause, wire.select) {
            (causes::DEACTIVATION, _) => Step::Cancel,
            (_, true) => Step::Select,
            (_, false) => Step::Execute,
        };
        let point = (asdu.common_address, wire.ioa);
        let same = |s: &&mut Submitted| {
            s.sent.is_none()
                && s.command.step == step
                && (s.command.common_address, s.command.ioa) == point
                && (Some(s.command.value), s.command.qualifier) == (wire.value, wire.qualifier)
                && s.epoch == self.epoch
        };
        let Some(submitted) = self.submitted.iter_mut().find(same) else {
            panic!("nothing_carried_over: {step:?} of {point:?} was not submitted since the last start")
        };
        let Submitted { command, at, .. } = *submitted;
        assert!(now < at + command.expires_in, "expired_never_sent: {command:?}");
        submitted.sent = Some(now);
        let held = self.held.get(&point).copied();
        if step == Step::Execute {
            let same = |held: &Held| (held.value, held.qualifier) == (command.value, command.qualifier);
            let permits = held.is_some_and(|held| held.id == command.id && same(&held) && now < held.until);
            assert!(permits, "select_before_execute: {command:?} with {held:?}");
            self.held.remove(&point);
            self.executes.push((command.id, command.value));
        } else if held.is_some_and(|held| held.id == command.id) {
            self.held.remove(&point);
        }
        self.on_wire.push_back(command);
    }

    fn on_told_sent(&mut self, now: Instant, id: u64) {
        if self.on_wire.front().is_some_and(|command| command.id == id) {
            self.on_wire.pop_front();
            return;
        }
        // A general interrogation stands for all read-backs that waited.
        // Several may be of one order, and expire at different times.
        let read_back = |s: &Submitted| s.sent.is_none() && (s.command.id, s.command.step) == (id, Step::ReadBack);
        let in_time = |s: &Submitted| read_back(s) && now < s.at + s.command.expires_in;
        let found = self.submitted.iter().position(in_time).or_else(|| self.submitted.iter().position(read_back));
        let Some(submitted) = found.and_then(|found| self.submitted.get_mut(found)) else {
            panic!("one_outcome: {id} was told as sent and was not")
        };
        assert!(now < submitted.at + submitted.command.expires_in, "expired_never_sent: {submitted:?}");
        assert_eq!(submitted.epoch, self.epoch, "nothing_carried_over: {submitted:?}");
        submitted.sent = Some(now);
    }

    fn on_outcome(&mut self, now: Instant, id: u64, outcome: Outcome) {
        let (step, was_sent) = match outcome {
            Outcome::Terminated => {
                let Some(open) = self.executed.get_mut(&id).filter(|open| **open > 0) else {
                    panic!("one_outcome: {id} ended without a confirmed execute")
                };
                *open -= 1;
                return;
            }
            Outcome::NotSent { step, .. } => (step, false),
            Outcome::Confirmed(step)
            | Outcome::Refused { step, .. }
            | Outcome::TimedOut(step)
            | Outcome::LinkLost(step) => (step, true),
        };
        let expired = matches!(outcome, Outcome::NotSent { why: NotSent::Expired, .. });
        let is_it = |s: &Submitted| {
            (s.command.id, s.command.step, s.sent.is_some()) == (id, step, was_sent)
                && (!expired || now >= s.at + s.command.expires_in)
        };
        // What is refused on the spot is the newest.
        let found = if was_sent || expired {
            self.submitted.iter().position(is_it)
        } else {
            self.submitted.iter().rposition(is_it)
        };
        let Some(found) = found else { panic!("one_outcome: {outcome:?} of {id} is one too many, or a wrong one") };
        let Submitted { command, sent, .. } = self.submitted.remove(found);
        let Outcome::Confirmed(_) = outcome else { return };
        let confirmed = self.answers.iter().any(|&(common_address, wire, cause, negative)| {
            (common_address, wire.ioa) == (command.common_address, command.ioa)
                && (wire.value, wire.qualifier) == (Some(command.value), command.qualifier)
                && wire.select == (step != Step::Execute)
                && matches!(cause, causes::ACTIVATION_CON | causes::DEACTIVATION_CON)
                && !negative
        });
        assert!(confirmed || step == Step::ReadBack && self.interrogation_ended, "nobody confirmed {command:?}");
        match step {
            Step::Select => {
                let until = sent.unwrap() + self.config.select_timeout;
                let Command { common_address, ioa, value, qualifier, .. } = command;
                self.held.insert((common_address, ioa), Held { id, value, qualifier, until });
            }
            Step::Execute => *self.executed.entry(id).or_default() += 1,
            Step::Cancel | Step::ReadBack => {}
        }
    }
}
