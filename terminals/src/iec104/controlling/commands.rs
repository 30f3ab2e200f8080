//! Commands: select, execute, cancel; what was confirmed, what was not, and what came late.

use std::time::{Duration, Instant};

use headroom_rules::orders::{NotSent, Outcome, Step};

use super::super::asdu::{self, Asdu, Command, CommandValue, WireCommand, causes};
use super::super::time::Cp56;
use super::procedures::Procedure;
use super::{Phase, Session};

/// Most commands and requests that wait or are under way at one terminal; more are refused as busy.
pub(super) const WAITING_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) command: Command,
    pub(super) expires: Instant,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    pub(super) command: Command,
    sent_at: Instant,
    pub(super) deadline: Instant,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Selected {
    id: u64,
    value: CommandValue,
    qualifier: u8,
    until: Instant,
}

/// Common address and object address.
pub(super) type Point = (u16, u32);

fn point(command: &Command) -> Point {
    (command.common_address, command.ioa)
}

impl Session {
    /// A command, to be sent now or not at all.
    pub fn submit(&mut self, now: Instant, command: Command) {
        let read_back = command.step == Step::ReadBack;
        let refused = match self.phase {
            Phase::Standby | Phase::Starting | Phase::Closed => Some(NotSent::NoLink),
            Phase::Stopping { .. } => Some(NotSent::Stopping),
            Phase::Started if command.expires_in == Duration::ZERO => Some(NotSent::Expired),
            // On the wire its select would be an execute.
            Phase::Started if command.step == Step::Select && !command.value.can_be_selected() => {
                Some(NotSent::NotSelected)
            }
            Phase::Started if !self.has_room() || !read_back && self.is_busy(now, &command) => Some(NotSent::Busy),
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

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() + self.reading.len() + self.procedures.len() < WAITING_MAX
    }

    /// Whether another command has the point, or an answer to an earlier one may still come and be taken for this one's.
    fn is_busy(&self, now: Instant, command: &Command) -> bool {
        let point = point(command);
        let held = self.selected.get(&point).is_some_and(|held| held.id != command.id && now < held.until);
        self.active.contains_key(&point)
            || self.waiting.iter().any(|w| w.command.step != Step::ReadBack && self::point(&w.command) == point)
            || command.step == Step::Select && held
            || command.step != Step::Cancel && self.unsettled.get(&point).is_some_and(|&until| now < until)
    }

    pub(super) fn send_commands(&mut self, now: Instant) {
        // All that stays is looked at once, in its order.
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.pop_front() else { break };
            let Waiting { command, expires } = waiting;
            if now >= expires {
                self.outcome(command.id, Outcome::NotSent { step: command.step, why: NotSent::Expired });
            } else if command.step == Step::ReadBack || !self.flow.window_open() {
                self.waiting.push_back(waiting);
            } else {
                self.send_command(now, command);
            }
        }
    }

    fn send_command(&mut self, now: Instant, command: Command) {
        let point = point(&command);
        if command.step == Step::Execute {
            // The select serves one execute, and none after this attempt.
            let held = self.selected.remove(&point);
            let same = |held: &Selected| (held.value, held.qualifier) == (command.value, command.qualifier);
            let permitted = held.is_some_and(|held| held.id == command.id && same(&held) && now < held.until);
            if !permitted {
                if let Some(held) = held.filter(|held| held.id != command.id) {
                    self.selected.insert(point, held);
                }
                self.outcome(command.id, Outcome::NotSent { step: command.step, why: NotSent::NotSelected });
                return;
            }
            self.executed.remove(&point);
        } else if self.selected.get(&point).is_some_and(|held| held.id == command.id) {
            self.selected.remove(&point);
        }
        let cause = if command.step == Step::Cancel { causes::DEACTIVATION } else { causes::ACTIVATION };
        let select = command.step != Step::Execute;
        let sent = self.config.timed_commands.then(|| Cp56::new(self.wall, self.config.zone));
        let Command { common_address, ioa, value, qualifier, .. } = command;
        self.flow.send(now, &asdu::command(common_address, ioa, value, qualifier, select, cause, sent));
        self.active.insert(point, Active { command, sent_at: now, deadline: now + self.config.command_timeout });
        self.tell(super::Output::Sent(command.id));
    }

    pub(super) fn on_command_answer(&mut self, now: Instant, asdu: &Asdu<'_>, answer: WireCommand) {
        let point = (asdu.common_address, answer.ioa);
        if asdu.cause == causes::TERMINATION {
            // Some stations leave S/E set in a termination.
            if let Some(id) = self.executed.remove(&point) {
                self.outcome(id, Outcome::Terminated);
            }
            return;
        }
        let Some(active) = self.active.get(&point).copied() else {
            // What was waited for too long has come; its outcome was told.
            self.unsettled.remove(&point);
            return;
        };
        let Command { id, step, value, qualifier, .. } = active.command;
        let same =
            answer.value == Some(value) && answer.qualifier == qualifier && answer.select == (step != Step::Execute);
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
                    self.selected.insert(point, Selected { id, value, qualifier, until });
                }
            }
            Step::Execute => {
                self.executed.insert(point, id);
            }
            Step::Cancel | Step::ReadBack => {}
        }
        self.outcome(id, Outcome::Confirmed(step));
    }

    pub(super) fn time_out_commands(&mut self, now: Instant) {
        self.unsettled.retain(|_, &mut until| now < until);
        while let Some((&point, _)) = self.active.iter().find(|(_, active)| now >= active.deadline) {
            let Some(active) = self.active.remove(&point) else { break };
            if active.command.step != Step::Cancel {
                self.unsettled.insert(point, active.deadline + self.config.command_timeout);
            }
            self.outcome(active.command.id, Outcome::TimedOut(active.command.step));
        }
    }
}
