//! One connection of a controlled station: where data transfer stands, what is owed to it, what it has selected.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::super::apci::Control;
use super::super::apdu_flow::Flow;
use super::super::asdu::{Asdu, Element, Tag, message};
use super::super::config::StationConfig;
use super::commands::{Open, Selected};
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
    pub(super) input: Vec<u8>,
    pub(super) phase: Phase,
    /// In order, before anything spontaneous.
    pub(super) answers: VecDeque<Answer>,
    pub(super) selected: BTreeMap<u32, Selected>,
    /// Commands that wait for the device.
    pub(super) open: Vec<Open>,
    /// Why the socket is to be closed.
    pub(super) closed: Option<String>,
}

impl Link {
    pub(super) fn new(config: &StationConfig, now: Instant) -> Self {
        Self {
            flow: Flow::new(config.timers, now),
            input: Vec::new(),
            phase: Phase::Stopped,
            answers: VecDeque::new(),
            selected: BTreeMap::new(),
            open: Vec::new(),
            closed: None,
        }
    }

    /// What came, with another cause and P/N.
    pub(super) fn answer(&mut self, asdu: &Asdu<'_>, cause: u8, negative: bool) {
        self.answers.push_back(Answer { message: asdu.mirrored(cause, negative), of: None });
    }

    /// A message of the station's own; nothing where the standard has no such type.
    pub(super) fn say(&mut self, cause: u8, common_address: u16, ioa: u32, element: &Element<'_>) {
        let message = message(cause, common_address, ioa, element, Tag::None);
        self.answers.extend(message.map(|message| Answer { message, of: None }));
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

    /// Selects and commands under way are forgotten.
    pub(super) fn void(&mut self) {
        self.selected.clear();
        self.open.clear();
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
        self.open.iter().filter_map(|open| open.until).fold(self.flow.next_deadline(), Instant::min)
    }
}
