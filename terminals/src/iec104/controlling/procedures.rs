//! What the centre asks of a station besides commands: one procedure at a time, each with its answer or its time-out.

use std::time::Instant;

use headroom_rules::orders::{NotSent, Outcome, Step};

use super::super::asdu::element::{Qcc, Qoi, Qpa, Qpm, Qrp};
use super::super::asdu::{self, Asdu, Element, Object, Tag, causes, types};
use super::super::time::Cp56;
use super::{Output, Phase, Session, State};

/// QOI: the whole station (60870-5-101, 7.2.6.22).
pub const STATION: Qoi = Qoi(20);
/// QCC: all counters, read without freeze (60870-5-101, 7.2.6.23).
pub const ALL_COUNTERS: Qcc = Qcc(5);
/// FBP, the fixed test bit pattern (60870-5-101, 7.2.6.14).
pub(crate) const TEST_PATTERN: u16 = 0x55AA;

/// A value for a parameter of measured values (60870-5-101, 7.3.5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterValue {
    /// Fraction of full scale, 2^-15.
    Normalized(i16),
    /// Scaled.
    Scaled(i16),
    /// Short float.
    Float(f32),
}

/// What can be asked of a station at any time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Request {
    /// Interrogate: 20 the station, 21..=36 groups 1 to 16.
    Interrogate(Qoi),
    /// Counters, read, frozen or reset.
    Counters(Qcc),
    /// Read one object.
    Read {
        /// Its address.
        ioa: u32,
    },
    /// Set the clock.
    Clock,
    /// Test, without a time (C_TS_NA).
    Test,
    /// Test, with a counter and the time (C_TS_TA).
    TestTimed(u16),
    /// Reset the station's process, or its pending events.
    Reset(Qrp),
    /// Load a parameter.
    Parameter {
        /// Its address.
        ioa: u32,
        /// Value.
        value: ParameterValue,
        /// Kind of parameter.
        qualifier: Qpm,
    },
    /// Activate a parameter.
    ParameterActivation {
        /// Its address.
        ioa: u32,
        /// Which.
        qualifier: Qpa,
    },
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done: confirmed, and ended where the procedure has an end. What it brought came before.
    Done,
    /// Refused, with this cause (confirmation with P/N = 1, or 44..=47).
    Refused {
        /// Cause of transmission.
        cause: u8,
    },
    /// No answer in time.
    TimedOut,
    /// The link was lost while it ran.
    LinkLost,
    /// Never sent.
    NotSent(NotSent),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Procedure {
    Clock,
    General,
    Counters,
    Asked(u64, Request),
}

impl Procedure {
    /// The address and the element of its message.
    fn message(self, clock: Cp56) -> (u32, Element<'static>, Tag) {
        let plain = |element| (0, element, Tag::None);
        match self {
            Self::Clock | Self::Asked(_, Request::Clock) => plain(Element::Clock(clock)),
            Self::General => plain(Element::Interrogation(STATION)),
            Self::Counters => plain(Element::CounterInterrogation(ALL_COUNTERS)),
            Self::Asked(_, Request::Interrogate(qoi)) => plain(Element::Interrogation(qoi)),
            Self::Asked(_, Request::Counters(qcc)) => plain(Element::CounterInterrogation(qcc)),
            Self::Asked(_, Request::Read { ioa }) => (ioa, Element::Read, Tag::None),
            Self::Asked(_, Request::Test) => plain(Element::Test(TEST_PATTERN)),
            Self::Asked(_, Request::TestTimed(counter)) => (0, Element::TestTimed(counter), Tag::Full(clock)),
            Self::Asked(_, Request::Reset(qrp)) => plain(Element::Reset(qrp)),
            Self::Asked(_, Request::Parameter { ioa, value, qualifier }) => {
                let element = match value {
                    ParameterValue::Normalized(n) => Element::ParameterNormalized(n, qualifier),
                    ParameterValue::Scaled(n) => Element::ParameterScaled(n, qualifier),
                    ParameterValue::Float(n) => Element::ParameterFloat(n, qualifier),
                };
                (ioa, element, Tag::None)
            }
            Self::Asked(_, Request::ParameterActivation { ioa, qualifier }) => {
                (ioa, Element::ParameterActivation(qualifier), Tag::None)
            }
        }
    }

    /// Whether a termination follows the confirmation.
    const fn terminates(self) -> bool {
        matches!(self, Self::General | Self::Counters | Self::Asked(_, Request::Interrogate(_) | Request::Counters(_)))
    }

    /// Whether a value of the object ends it.
    fn is_read_of(self, ioa: u32) -> bool {
        matches!(self, Self::Asked(_, Request::Read { ioa: asked }) if asked == ioa)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    procedure: Procedure,
    type_id: u8,
    ioa: u32,
    pub(super) deadline: Instant,
}

impl Session {
    /// Asks something; [`Output::Answered`] with `id` follows in any case.
    pub fn request(&mut self, now: Instant, id: u64, request: Request) {
        let refused = match self.phase {
            Phase::Standby | Phase::Starting | Phase::Closed => Some(NotSent::NoLink),
            Phase::Stopping { .. } => Some(NotSent::Stopping),
            Phase::Started if !self.has_room() => Some(NotSent::Busy),
            Phase::Started => None,
        };
        match refused {
            Some(why) => self.answer(id, Answer::NotSent(why)),
            None => self.procedures.push_back(Procedure::Asked(id, request)),
        }
        self.pump(now);
    }

    fn answer(&mut self, request: u64, answer: Answer) {
        self.tell(Output::Answered { request, answer });
    }

    /// Queues one of the session's own unless it waits already.
    pub(super) fn want(&mut self, procedure: Procedure) {
        if !self.procedures.contains(&procedure) {
            self.procedures.push_back(procedure);
        }
    }

    pub(super) fn start_procedure(&mut self, now: Instant) {
        if self.running.is_some() || !self.flow.window_open() {
            return;
        }
        let Some(procedure) = self.procedures.pop_front() else { return };
        let (ioa, element, tag) = procedure.message(Cp56::new(self.wall, self.config.zone));
        let Some(type_id) = element.type_id(tag.kind()) else { return };
        let cause = if matches!(element, Element::Read) { causes::REQUEST } else { causes::ACTIVATION };
        if let Some(message) = asdu::message(cause, self.config.common_address, ioa, &element, tag) {
            self.flow.send(now, &message);
        }
        self.running = Some(Running { procedure, type_id, ioa, deadline: now + self.config.command_timeout });
        match procedure {
            Procedure::Clock => self.next_clock = now + self.config.clock_every,
            Procedure::Counters => self.next_counters = now + self.config.counter_every,
            Procedure::General => {
                self.next_general = now + self.config.interrogation_every;
                self.read_back();
            }
            Procedure::Asked(..) => {}
        }
    }

    /// The general interrogation that begins answers every read-back that waits.
    fn read_back(&mut self) {
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.pop_front() else { break };
            if waiting.command.step == Step::ReadBack {
                self.reading.push(waiting.command.id);
                self.tell(Output::Sent(waiting.command.id));
            } else {
                self.waiting.push_back(waiting);
            }
        }
    }

    pub(super) fn on_answer(&mut self, now: Instant, asdu: &Asdu<'_>) {
        // Behind one address there may be several stations; what another one ended or restarted is not ours.
        let own = asdu.common_address == self.config.common_address;
        if let Some(answer) = asdu.command() {
            self.on_command_answer(now, asdu, answer);
        } else if own && asdu.type_id == types::M_EI_NA && asdu.cause == causes::INITIALIZED {
            for procedure in [Procedure::Clock, Procedure::General, Procedure::Counters] {
                self.want(procedure);
            }
            // The station restarted: what it had selected is gone.
            self.selected.clear();
        } else if own && matches!(asdu.type_id, types::F_FR_NA..=types::F_SC_NB) {
            self.on_file(now, asdu);
        } else if own && let Some(running) = self.running.filter(|running| running.type_id == asdu.type_id) {
            self.on_procedure(asdu, running);
        }
    }

    fn on_procedure(&mut self, asdu: &Asdu<'_>, running: Running) {
        let refused = asdu.negative || matches!(asdu.cause, 44..=47);
        let ended = match asdu.cause {
            causes::ACTIVATION_CON => !running.procedure.terminates() && running.type_id != types::C_RD_NA,
            causes::TERMINATION => running.procedure.terminates(),
            _ => false,
        };
        // A late refusal of an earlier reading is not this one's.
        let same = asdu.ioa() == running.ioa;
        if refused && same {
            self.end_procedure(Answer::Refused { cause: asdu.cause });
        } else if ended && same {
            self.end_procedure(Answer::Done);
        }
    }

    /// A long interrogation is alive as long as it delivers; a reading ends with its value.
    pub(super) fn on_requested_objects(&mut self, now: Instant, cause: u8, from: usize) {
        let Some(running) = &mut self.running else { return };
        match cause {
            causes::INTERROGATED..=41 => running.deadline = now + self.config.command_timeout,
            causes::REQUEST => {
                let procedure = running.procedure;
                let own = |object: &Object| object.common_address == self.config.common_address;
                let read = self.batch.get(from..).unwrap_or(&[]);
                if read.iter().any(|object| own(object) && procedure.is_read_of(object.ioa)) {
                    self.end_procedure(Answer::Done);
                }
            }
            _ => {}
        }
    }

    fn end_procedure(&mut self, answer: Answer) {
        let Some(running) = self.running.take() else { return };
        match running.procedure {
            Procedure::General => {
                let outcome = match answer {
                    Answer::Refused { cause } => Outcome::Refused { step: Step::ReadBack, cause },
                    Answer::TimedOut => Outcome::TimedOut(Step::ReadBack),
                    Answer::LinkLost | Answer::NotSent(_) => Outcome::LinkLost(Step::ReadBack),
                    Answer::Done => Outcome::Confirmed(Step::ReadBack),
                };
                for id in std::mem::take(&mut self.reading) {
                    self.outcome(id, outcome);
                }
                if answer == Answer::Done {
                    self.tell(Output::State(State::Interrogated));
                }
            }
            Procedure::Asked(id, _) => self.answer(id, answer),
            Procedure::Clock | Procedure::Counters => {}
        }
    }

    pub(super) fn time_out_procedure(&mut self, now: Instant) {
        if self.running.is_some_and(|running| now >= running.deadline) {
            self.end_procedure(Answer::TimedOut);
        }
    }

    /// The link ended: what ran is lost, what waited was never sent.
    pub(super) fn drop_procedures(&mut self, why: NotSent) {
        self.end_procedure(Answer::LinkLost);
        for procedure in std::mem::take(&mut self.procedures) {
            if let Procedure::Asked(id, _) = procedure {
                self.answer(id, Answer::NotSent(why));
            }
        }
    }

    /// Queues what the session asks by itself, when its time has come.
    pub(super) fn want_what_is_due(&mut self, now: Instant) {
        // The clock first: the interrogations' answers carry its time.
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
}
