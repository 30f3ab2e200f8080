//! One connection of a controlled station: where data transfer stands, what is owed to it, what it has selected.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::super::apci::Control;
use super::super::apdu_flow::Flow;
use super::super::asdu::{Asdu, Element, Tag, message};
use super::super::config::StationConfig;
use super::super::files::Transfer;
use super::super::inbox::Inbox;
use super::commands::{Open, Selected};
use super::files::Exchange;
use super::interrogation::Interrogation;

/// Names a connection; the owner of the sockets gives each its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Where data transfer stands (60870-5-104, 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Only U frames, and acknowledgements of what was sent before.
    Stopped,
    /// Everything.
    Started,
    /// A stop was asked, and is confirmed when all that was sent is acknowledged.
    Stopping,
}

/// A message that waits for the window.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) message: Vec<u8>,
    /// The interrogation that it is part of after its confirmation: taken back by a deactivation.
    pub(super) of: Option<Interrogation>,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) flow: Flow,
    pub(super) inbox: Inbox,
    pub(super) phase: Phase,
    /// In order, before anything spontaneous.
    pub(super) answers: VecDeque<Answer>,
    pub(super) selected: BTreeMap<u32, Selected>,
    /// Commands that wait for the device.
    pub(super) open: Vec<Open>,
    pub(super) file: Option<Exchange>,
    /// Why the socket is to be closed.
    pub(super) closed: Option<String>,
}

impl Link {
    pub(super) fn new(config: &StationConfig, now: Instant) -> Self {
        Self {
            flow: Flow::new(config.timers, now),
            inbox: Inbox::default(),
            phase: Phase::Stopped,
            answers: VecDeque::new(),
            selected: BTreeMap::new(),
            open: Vec::new(),
            file: None,
            closed: None,
        }
    }

    /// What came, with another cause and P/N.
    pub(super) fn answer(&mut self, asdu: &Asdu<'_>, cause: u8, negative: bool) {
        self.answers.push_back(Answer { message: asdu.mirrored(cause, negative), of: None });
    }

    /// A message of the station's own; nothing where the standard has no such type.
    pub(super) fn say(&mut self, originator: u8, cause: u8, common_address: u16, ioa: u32, element: &Element<'_>) {
        let message = message_to(originator, cause, common_address, ioa, element);
        self.answers.extend(message.map(|message| Answer { message, of: None }));
    }

    /// Begins a transfer in place of the one before.
    pub(super) fn transfer(&mut self, asdu: &Asdu<'_>, transfer: Transfer) {
        self.file = Some(Exchange { transfer, originator: asdu.originator });
    }

    /// Another connection was started: what belongs to this one is void. No confirmation is sent, for none was asked; a
    /// stop that was asked before is confirmed yet.
    pub(super) fn supersede(&mut self) {
        if self.phase == Phase::Started {
            self.phase = Phase::Stopped;
        }
        self.void();
        self.answers.clear();
    }

    /// Selects, commands and files under way are forgotten.
    pub(super) fn void(&mut self) {
        self.selected.clear();
        self.open.clear();
        self.file = None;
    }

    pub(super) fn confirm_stop(&mut self, now: Instant) {
        if self.phase == Phase::Stopping && self.flow.all_acknowledged() {
            self.phase = Phase::Stopped;
            self.flow.control(now, Control::StopCon);
        }
    }

    pub(super) fn is_started(&self) -> bool {
        self.phase == Phase::Started && self.closed.is_none()
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let file = self.file.as_ref().and_then(|exchange| exchange.transfer.deadline());
        self.open.iter().filter_map(|open| open.until).chain(file).fold(self.flow.next_deadline(), Instant::min)
    }
}

/// A message to the asker with this originator address.
pub(super) fn message_to(
    originator: u8,
    cause: u8,
    common_address: u16,
    ioa: u32,
    element: &Element<'_>,
) -> Option<Vec<u8>> {
    let mut message = message(cause, common_address, ioa, element, Tag::None)?;
    if let Some(octet) = message.get_mut(3) {
        *octet = originator;
    }
    Some(message)
}
