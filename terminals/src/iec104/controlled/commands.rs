//! Commands 45 to 51 and 58 to 64: select, execute, deactivation, late answers, termination (60870-5-101, 7.4.7).
//!
//! **Invariants:** a select serves the connection and the originator that made it, one execute of the same type, value and
//! qualifier, within its time. An answer goes out on the connection of its command or not at all.

use std::time::Instant;

use headroom_rules::orders::Step;

use super::super::asdu::{Asdu, CommandValue, causes};
use super::link::Link;
use super::station::{CommandAnswer, CommandToken, StationCommand};
use super::{Session, Station};

/// Most commands of a connection that wait for the device; more are refused.
pub(super) const OPEN_MAX: usize = 256;

/// What an execute must have in common with its select.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Identity {
    type_id: u8,
    value: CommandValue,
    qualifier: u8,
    originator: u8,
}

/// A select that is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selected {
    what: Identity,
    until: Instant,
}

/// A command that the device has yet to speak of.
#[derive(Debug)]
pub(super) struct Open {
    step: Asked,
    /// As it came, to be mirrored.
    raw: Vec<u8>,
    /// When the confirmation is due; none where it was given and only the termination is open.
    pub(super) until: Option<Instant>,
}

impl Open {
    pub(super) const fn is_select(&self) -> bool {
        matches!(self.step.step, Step::Select)
    }
}

/// One step at one point.
#[derive(Clone, Copy, Debug)]
struct Asked {
    token: CommandToken,
    ioa: u32,
    what: Identity,
    step: Step,
}

impl<S: Station> Session<S> {
    pub(super) fn on_command(&mut self, now: Instant, link: &mut Link, asdu: &Asdu<'_>, raw: &[u8]) {
        let (Some(asked), Some(command)) = (self.permitted(now, link, asdu), asdu.command()) else {
            return link.answer(asdu, confirmation(asdu.cause), true);
        };
        let sent = command.sent.and_then(|tag| tag.instant(self.config.zone));
        let Asked { token, ioa, what: Identity { value, qualifier, originator, .. }, step } = asked;
        let answer = self.station.command(StationCommand { token, ioa, value, step, qualifier, sent, originator });
        self.settle(now, link, asdu, asked, answer, raw);
        self.scan();
    }

    /// What the device is to be asked; none where the rules of selection, of age or of the test bit forbid it.
    fn permitted(&mut self, now: Instant, link: &mut Link, asdu: &Asdu<'_>) -> Option<Asked> {
        let command = asdu.command()?;
        let what = Identity {
            type_id: asdu.type_id,
            value: command.value?,
            qualifier: command.qualifier,
            originator: asdu.originator,
        };
        let ioa = command.ioa;
        let step = match (asdu.cause, command.select) {
            (causes::DEACTIVATION, _) => Step::Cancel,
            (_, true) => Step::Select,
            (_, false) => Step::Execute,
        };
        link.selected.retain(|_, held| now < held.until);
        let held = link.selected.get(&ioa).map(|held| held.what);
        let of_another = held.is_some_and(|held| held.originator != what.originator);
        let unanswered = link.open.iter().any(|open| open.step.ioa == ioa && open.until.is_some());
        if of_another || unanswered || link.open.len() >= OPEN_MAX {
            return None;
        }
        if step == Step::Execute {
            // One execute for one select, whatever comes of it.
            link.selected.remove(&ioa);
        }
        let age_max = self.config.command_age_max;
        let too_old = age_max.is_some_and(|max| command.too_old(self.station.now(), self.config.zone, max));
        let in_turn = match step {
            Step::Select | Step::ReadBack => true,
            Step::Cancel => held == Some(what) || link.open.iter().any(|o| o.step.ioa == ioa && o.step.what == what),
            Step::Execute => match held {
                Some(held) => held == what,
                None => !(self.config.require_select && what.value.can_be_selected()),
            },
        };
        // T: what is sent for a test moves nothing (60870-5-101, 7.2.3).
        (in_turn && !asdu.test && (!too_old || step == Step::Cancel)).then(|| {
            self.tokens += 1;
            Asked { token: CommandToken(self.tokens), ioa, what, step }
        })
    }

    /// Confirms, terminates, holds a select, or waits on.
    fn settle(&self, now: Instant, link: &mut Link, asdu: &Asdu<'_>, asked: Asked, answer: CommandAnswer, raw: &[u8]) {
        let confirmation = confirmation(asdu.cause);
        let wait = |link: &mut Link, until| link.open.push(Open { step: asked, raw: raw.to_vec(), until });
        match answer {
            CommandAnswer::Refused => link.answer(asdu, confirmation, true),
            CommandAnswer::UnknownObject => link.answer(asdu, causes::UNKNOWN_OBJECT, true),
            CommandAnswer::Later => wait(link, Some(now + self.config.answer_timeout)),
            CommandAnswer::Accepted | CommandAnswer::Begun => {
                link.answer(asdu, confirmation, false);
                match asked.step {
                    Step::Select => {
                        let until = now + self.config.select_timeout;
                        link.selected.insert(asked.ioa, Selected { what: asked.what, until });
                    }
                    Step::Cancel => {
                        link.selected.remove(&asked.ioa);
                        link.open.retain(|open| open.step.ioa != asked.ioa);
                    }
                    Step::Execute => {
                        // The effect of the one before it did not end, and will not.
                        link.open.retain(|open| open.step.ioa != asked.ioa);
                        if answer == CommandAnswer::Begun {
                            wait(link, None);
                        } else {
                            link.answer(asdu, causes::TERMINATION, false);
                        }
                    }
                    Step::ReadBack => {}
                }
            }
        }
    }

    /// What the device says of a command that it answered [`CommandAnswer::Later`] or [`CommandAnswer::Begun`] before.
    /// False where nobody waits for it any more: the connection is gone, the time is over, or it was said before.
    pub fn answer(&mut self, now: Instant, token: CommandToken, answer: CommandAnswer) -> bool {
        let found = self.answer_open(now, token, answer);
        if found {
            self.scan();
            self.pump(now);
        }
        found
    }

    fn answer_open(&mut self, now: Instant, token: CommandToken, answer: CommandAnswer) -> bool {
        let found = self.links.iter().find_map(|(&id, link)| {
            let at = link.open.iter().position(|open| open.step.token == token)?;
            Some((id, at))
        });
        let Some((id, at)) = found else { return false };
        let Some(mut link) = self.links.remove(&id) else { return false };
        self.answer_at(now, &mut link, at, answer);
        self.links.insert(id, link);
        true
    }

    fn answer_at(&self, now: Instant, link: &mut Link, at: usize, answer: CommandAnswer) {
        if answer == CommandAnswer::Later {
            return;
        }
        let Open { step, raw, until } = link.open.remove(at);
        let Ok(asdu) = Asdu::parse(&raw) else { return };
        match until {
            Some(_) => self.settle(now, link, &asdu, step, answer, &raw),
            None if answer == CommandAnswer::Begun => link.open.push(Open { step, raw, until }),
            None => link.answer(&asdu, causes::TERMINATION, answer != CommandAnswer::Accepted),
        }
    }

    /// Refuses what the device did not answer in time.
    pub(super) fn on_unanswered(&self, now: Instant, link: &mut Link) {
        while let Some(at) = link.open.iter().position(|open| open.until.is_some_and(|until| now >= until)) {
            self.answer_at(now, link, at, CommandAnswer::Refused);
        }
    }

    /// Asks the device what became of its open commands.
    pub(super) fn collect_answers(&mut self, now: Instant) {
        for _ in 0..OPEN_MAX {
            let Some((token, answer)) = self.station.answered() else { return };
            self.answer_open(now, token, answer);
        }
    }
}

/// The cause that confirms an activation or a deactivation.
pub(super) const fn confirmation(cause: u8) -> u8 {
    if cause == causes::DEACTIVATION { causes::DEACTIVATION_CON } else { causes::ACTIVATION_CON }
}
