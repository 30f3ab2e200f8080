//! What a message of the control direction comes to: who it is for, whether type and cause are known (60870-5-101, 7.2.3:
//! causes 44 to 47), and the procedures that are short.

use std::time::Instant;

use super::super::asdu::element::{Qpa, Qpm, Qrp};
use super::super::asdu::{Asdu, BROADCAST, Element, causes, types as t};
use super::commands::confirmation;
use super::initialization::Initialization;
use super::link::Link;
use super::station::{CommandAnswer, Parameter};
use super::{ANSWERS_MAX, Session, Station};

/// QRP of the whole process, and of events that wait with their times.
const RESET_PROCESS: u8 = 1;
const RESET_EVENTS: u8 = 2;

/// The causes with which a controlling station sends a type; none for what it never sends: the types of the monitoring
/// direction, C_CD_NA (60870-5-104, 6, leaves it out: the delay of a network is not constant), reserved and private ones.
const fn causes_of(type_id: u8) -> Option<&'static [u8]> {
    Some(match type_id {
        t::C_SC_NA..=t::C_BO_NA | t::C_SC_TA..=t::C_BO_TA | t::C_IC_NA | t::C_CI_NA | t::P_AC_NA => {
            &[causes::ACTIVATION, causes::DEACTIVATION]
        }
        t::C_CS_NA | t::C_TS_NA | t::C_RP_NA | t::C_TS_TA | t::P_ME_NA..=t::P_ME_NC => &[causes::ACTIVATION],
        t::C_RD_NA => &[causes::REQUEST],
        t::F_SC_NA | t::F_SC_NB => &[causes::REQUEST, causes::FILE_TRANSFER],
        t::F_FR_NA | t::F_SR_NA | t::F_LS_NA..=t::F_SG_NA => &[causes::FILE_TRANSFER],
        _ => return None,
    })
}

impl<S: Station> Session<S> {
    pub(super) fn on_asdu(&mut self, now: Instant, link: &mut Link, raw: &[u8]) {
        if link.answers.len() >= ANSWERS_MAX {
            self.dropped += 1;
            return;
        }
        let Ok(mut asdu) = Asdu::parse(raw) else {
            self.malformed += 1;
            return;
        };
        if matches!(asdu.cause, causes::UNKNOWN_TYPE..=causes::UNKNOWN_OBJECT) {
            // Says so of a message of ours; were it answered so, two stations could go on for ever.
            self.unknown += 1;
            if (t::F_FR_NA..=t::F_SC_NB).contains(&asdu.type_id) {
                link.file = None;
            }
            return;
        }
        let Some(permitted) = causes_of(asdu.type_id) else {
            self.unknown += 1;
            return link.answer(&asdu, causes::UNKNOWN_TYPE, true);
        };
        let to_all = matches!(asdu.type_id, t::C_IC_NA | t::C_CI_NA | t::C_CS_NA | t::C_RP_NA);
        if asdu.common_address == BROADCAST && asdu.type_id == t::C_RP_NA && self.station.excluded() {
            return;
        }
        if asdu.common_address == BROADCAST && to_all {
            // Each station answers with its own address (60870-5-101, 7.2.4).
            asdu.common_address = self.config.common_address;
        }
        if asdu.common_address != self.config.common_address {
            return link.answer(&asdu, causes::UNKNOWN_ADDRESS, true);
        }
        if !permitted.contains(&asdu.cause) {
            return link.answer(&asdu, causes::UNKNOWN_CAUSE, true);
        }
        let of_station = matches!(asdu.type_id, t::C_IC_NA | t::C_CI_NA | t::C_CS_NA..=t::C_RP_NA | t::C_TS_TA);
        if of_station && asdu.ioa() != 0 {
            return link.answer(&asdu, causes::UNKNOWN_OBJECT, true);
        }
        if asdu.count != 1 {
            // Every type of this direction carries one object.
            return link.answer(&asdu, confirmation(asdu.cause), true);
        }
        match asdu.type_id {
            t::C_IC_NA | t::C_CI_NA => self.on_interrogation(link, &asdu),
            t::C_RD_NA => self.on_read(link, &asdu),
            t::C_SC_NA..=t::C_BO_NA | t::C_SC_TA..=t::C_BO_TA => self.on_command(now, link, &asdu, raw),
            t::F_FR_NA..=t::F_SC_NB => self.on_file(now, link, &asdu),
            _ => self.on_process(link, &asdu),
        }
    }

    /// Clock, test, reset, parameters: each is confirmed at once, and has no termination.
    fn on_process(&mut self, link: &mut Link, asdu: &Asdu<'_>) {
        let Some(information) = asdu.information().next() else { return };
        let yes = |done: bool| if done { CommandAnswer::Accepted } else { CommandAnswer::Refused };
        let answer = match information.element {
            // The confirmation brings back the octets of the activation (60870-5-101, 7.3.4.5), and whoever asked compares
            // them: whether they are FBP (7.2.6.14, 55AAH) is not for this end to judge. Clients of lib60870 send 55CCH.
            Element::Test(_) | Element::TestTimed(_) => CommandAnswer::Accepted,
            // T: what is sent for a test moves nothing (60870-5-101, 7.2.3).
            _ if asdu.test => CommandAnswer::Refused,
            Element::Clock(time) => {
                yes(time.instant(self.config.zone).is_some_and(|time| self.station.set_clock(time)))
            }
            Element::Reset(Qrp(qualifier)) => yes(self.station.reset(qualifier)),
            element => match parameter(element, asdu.cause) {
                Some((parameter, qualifier)) => self.station.parameter(information.ioa, parameter, qualifier),
                None => CommandAnswer::Refused,
            },
        };
        let done = match answer {
            CommandAnswer::UnknownObject => return link.answer(asdu, causes::UNKNOWN_OBJECT, true),
            CommandAnswer::Accepted | CommandAnswer::Begun => true,
            CommandAnswer::Refused | CommandAnswer::Later => false,
        };
        link.answer(asdu, confirmation(asdu.cause), !done);
        match information.element {
            Element::Reset(Qrp(RESET_PROCESS)) if done => {
                link.void();
                self.initialization = Initialization::REMOTE_RESET;
            }
            Element::Reset(Qrp(RESET_EVENTS)) if done => self.pending.forget_timed(),
            _ => {}
        }
    }
}

/// A parameter and its qualifier; none where the number is not finite.
fn parameter(element: Element<'_>, cause: u8) -> Option<(Parameter, u8)> {
    Some(match element {
        Element::ParameterNormalized(n, Qpm(q)) => (Parameter::Normalized(n), q),
        Element::ParameterScaled(n, Qpm(q)) => (Parameter::Scaled(n), q),
        Element::ParameterFloat(n, Qpm(q)) if n.is_finite() => (Parameter::Float(n), q),
        Element::ParameterActivation(Qpa(q)) => (Parameter::Active(cause == causes::ACTIVATION), q),
        _ => return None,
    })
}
