//! Interrogations of the station, of groups and of counters (60870-5-101, 7.4.5 and 7.4.8), and C_RD.

use super::super::asdu::element::{Qcc, Qoi};
use super::super::asdu::{Asdu, Element, Object, causes, pack_into, types};
use super::link::{Answer, Link};
use super::station::Freeze;
use super::{Session, Station};

/// Which interrogation: what a deactivation must name again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interrogation {
    type_id: u8,
    qualifier: u8,
    originator: u8,
}

/// QOI of the whole station; group n is this plus n.
const QOI_STATION: u8 = 20;
/// RQT of all counters; groups are 1..=4.
const RQT_GENERAL: u8 = 5;

impl<S: Station> Session<S> {
    pub(super) fn on_interrogation(&mut self, link: &mut Link, asdu: &Asdu<'_>) {
        let element = asdu.information().next().map(|information| information.element);
        let (Some(Element::Interrogation(Qoi(qualifier))) | Some(Element::CounterInterrogation(Qcc(qualifier)))) =
            element
        else {
            return;
        };
        let this = Interrogation { type_id: asdu.type_id, qualifier, originator: asdu.originator };
        if asdu.cause == causes::DEACTIVATION {
            let before = link.answers.len();
            link.answers.retain(|answer| answer.of != Some(this));
            // What is sent already cannot be stopped any more.
            return link.answer(asdu, causes::DEACTIVATION_CON, link.answers.len() == before);
        }
        let mut objects = Vec::new();
        let cause = if asdu.type_id == types::C_IC_NA {
            self.interrogate(qualifier, &mut objects)
        } else {
            self.interrogate_counters(Qcc(qualifier), asdu.test, &mut objects)
        };
        link.answer(asdu, causes::ACTIVATION_CON, cause.is_none());
        if let Some(cause) = cause {
            for object in &mut objects {
                // 60870-5-101, 7.4.5: an interrogation is answered without time tags.
                object.time = None;
            }
            self.queue_objects(link, &mut objects, cause, asdu.originator, Some(this));
            let message = asdu.mirrored(causes::TERMINATION, false);
            link.answers.push_back(Answer { message, of: Some(this) });
        }
    }

    /// The cause of the objects; none where the qualifier is not known.
    fn interrogate(&mut self, qoi: u8, out: &mut Vec<Object>) -> Option<u8> {
        match qoi {
            QOI_STATION => self.station.interrogated(out),
            21..=36 => return self.station.group(qoi - QOI_STATION, out).then_some(qoi),
            _ => return None,
        }
        Some(causes::INTERROGATED)
    }

    /// As [`Self::interrogate`]. A freeze brings no objects; it is terminated too, for a peer that waits for it.
    fn interrogate_counters(&mut self, qcc: Qcc, test: bool, out: &mut Vec<Object>) -> Option<u8> {
        let group = match qcc.request() {
            RQT_GENERAL => None,
            group @ 1..=4 => Some(group),
            _ => return None,
        };
        let how = match qcc.freeze() {
            0 => None,
            1 => Some(Freeze::Keep),
            2 => Some(Freeze::KeepAndReset),
            _ => Some(Freeze::Reset),
        };
        let cause = causes::COUNTER_INTERROGATED + group.unwrap_or(0);
        let known = match (how, group) {
            (Some(how), group) => !test && self.station.freeze(group, how),
            (None, Some(group)) => self.station.counter_group(group, out),
            (None, None) => {
                self.station.counters(out);
                true
            }
        };
        known.then_some(cause)
    }

    /// C_RD.
    pub(super) fn on_read(&mut self, link: &mut Link, asdu: &Asdu<'_>) {
        match self.station.read(asdu.ioa()) {
            Some(object) => self.queue_objects(link, &mut [object], causes::REQUEST, asdu.originator, None),
            None => link.answer(asdu, causes::UNKNOWN_OBJECT, true),
        }
    }

    /// Objects that somebody asked for carry that somebody's originator address.
    fn queue_objects(
        &self,
        link: &mut Link,
        objects: &mut [Object],
        cause: u8,
        originator: u8,
        of: Option<Interrogation>,
    ) {
        for object in &mut *objects {
            object.cause = cause;
            object.common_address = self.config.common_address;
        }
        let mut rest = &*objects;
        loop {
            let mut message = Vec::new();
            let count = pack_into(rest, self.config.zone, &mut message);
            let Some(after) = rest.get(count..).filter(|_| count > 0) else { return };
            if let Some(octet) = message.get_mut(3) {
                *octet = originator;
            }
            link.answers.push_back(Answer { message, of });
            rest = after;
        }
    }
}
