//! The controlled station's session, without I/O. It outlives connections, and holds several at once (a redundancy group,
//! 60870-5-104, 10): one of them at most is started.
//!
//! Read [`station`] (the device behind it), `link` (one connection), `pending` (spontaneous objects), then `procedures`,
//! `interrogation`, `commands` and `files` (what a message comes to).
//!
//! Selects, answers and commands under way belong to their connection and end with it. Spontaneous objects belong to the
//! station: they wait for the next start, up to a bound.

mod commands;
mod files;
mod initialization;
mod interrogation;
mod link;
mod pending;
mod procedures;
pub mod station;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::apci::Control;
use super::apdu_flow::Flowed;
use super::asdu::{Object, causes};
use super::config::StationConfig;
use super::error::FlowError;
use super::files::FileId;

pub use link::ConnectionId;
pub use station::{CommandAnswer, CommandToken, Freeze, Parameter, Station, StationCommand};

use initialization::Initialization;
use link::{Link, Phase, message_to};
use pending::Pending;

/// Most answers that wait for the window. A peer that asks more without acknowledging gets no further answers, and its
/// requests count as [`Session::dropped`].
const ANSWERS_MAX: usize = 4_096;

/// One controlled station.
#[derive(Debug)]
pub struct Session<S> {
    config: StationConfig,
    station: S,
    links: BTreeMap<ConnectionId, Link>,
    /// The connection that was started last: spontaneous objects are under way on no other.
    carrier: Option<ConnectionId>,
    pending: Pending,
    /// Kept for their room.
    scanned: Vec<Object>,
    message: Vec<u8>,
    next_scan: Instant,
    initialization: Initialization,
    /// Given to commands so far.
    tokens: u64,
    dropped: u64,
    unknown: u64,
    malformed: u64,
}

impl<S: Station> Session<S> {
    /// A station without a link.
    pub fn new(config: StationConfig, station: S, now: Instant) -> Self {
        Self {
            next_scan: now + config.scan,
            config,
            station,
            links: BTreeMap::new(),
            carrier: None,
            pending: Pending::default(),
            scanned: Vec::new(),
            message: Vec::new(),
            initialization: Initialization::POWER_ON,
            tokens: 0,
            dropped: 0,
            unknown: 0,
            malformed: 0,
        }
    }

    /// A connection was accepted; one of the same name is forgotten. False where there are as many as are allowed: close
    /// it.
    pub fn on_connected(&mut self, now: Instant, id: ConnectionId) -> bool {
        self.on_disconnected(id);
        let room = self.links.len() < self.config.connections_max.max(1);
        if room {
            self.links.insert(id, Link::new(&self.config, now));
        }
        room
    }

    /// The connection is gone: its selects, answers and commands are void, unacknowledged spontaneous objects wait for
    /// the next start.
    pub fn on_disconnected(&mut self, id: ConnectionId) {
        self.links.remove(&id);
        if self.carrier == Some(id) {
            self.carrier = None;
            self.recall();
            self.bound_pending();
        }
    }

    /// Whether data transfer is started on a connection.
    pub fn is_started(&self, id: ConnectionId) -> bool {
        self.links.get(&id).is_some_and(Link::is_started)
    }

    /// Why the socket of a connection is to be closed, if it is.
    pub fn closed(&self, id: ConnectionId) -> Option<&str> {
        self.links.get(&id).and_then(|link| link.closed.as_deref())
    }

    /// Spontaneous objects dropped for want of room, and requests that were left unanswered.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Messages of unknown type, and those that call one of ours unknown.
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Messages that do not parse, skipped.
    pub const fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The device.
    pub const fn station(&self) -> &S {
        &self.station
    }

    /// The device.
    pub const fn station_mut(&mut self) -> &mut S {
        &mut self.station
    }

    /// Bytes came, in any pieces.
    pub fn on_bytes(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) {
        let Some(mut link) = self.links.remove(&id) else { return };
        if link.closed.is_none() {
            let mut inbox = std::mem::take(&mut link.inbox);
            inbox.read(bytes, |frame, _| {
                match frame.map_err(FlowError::Frame).and_then(|frame| link.flow.on_frame(now, frame)) {
                    Ok(Flowed::Asdu(asdu, count)) if link.phase == Phase::Started => {
                        // Handled on the spot, so nothing is lost by acknowledging.
                        self.on_asdu(now, &mut link, asdu);
                        link.flow.durable(now, count);
                    }
                    // To acknowledge it would tell the peer that its command was taken (60870-5-104, 5.3, closes too).
                    Ok(Flowed::Asdu(..)) => {
                        link.closed = Some("the peer sent data on a stopped connection".to_owned());
                    }
                    Ok(Flowed::Control(control)) => self.on_control(now, id, &mut link, control),
                    Ok(Flowed::Done) => {}
                    Err(error) => link.closed = Some(error.to_string()),
                }
                link.closed.is_none()
            });
            link.inbox = inbox;
        }
        self.links.insert(id, link);
        self.collect_answers(now);
        self.pump(now);
    }

    fn on_control(&mut self, now: Instant, id: ConnectionId, link: &mut Link, control: Control) {
        match control {
            Control::StartAct => {
                if self.carrier != Some(id) {
                    if let Some(before) = self.carrier.and_then(|before| self.links.get_mut(&before)) {
                        before.supersede();
                    }
                    self.carrier = Some(id);
                    self.recall();
                }
                link.phase = Phase::Started;
                link.flow.control(now, Control::StartCon);
                // Before all that the peer asks in the same breath.
                self.initialization.tell(now, link, self.config.common_address);
            }
            Control::StopAct => {
                link.phase = Phase::Stopping;
                // What was selected before a stop is not executed after it, nor what the device answers late.
                link.selected.clear();
                link.open.retain(|open| !open.is_select());
                link.flow.acknowledge();
            }
            _ => {}
        }
    }

    /// What was under way on a connection is not any more.
    fn recall(&mut self) {
        self.pending.recall();
        self.initialization.recall();
    }

    fn scan(&mut self) {
        let mut scanned = std::mem::take(&mut self.scanned);
        self.station.carried(self.carrier.is_some_and(|id| self.is_started(id)));
        self.station.spontaneous(&mut scanned);
        for mut object in scanned.drain(..) {
            object.common_address = self.config.common_address;
            self.pending.push(object);
        }
        self.scanned = scanned;
        self.bound_pending();
    }

    fn bound_pending(&mut self) {
        self.dropped += self.pending.bound(self.config.pending_max);
    }

    fn pump(&mut self, now: Instant) {
        for link in self.links.values_mut() {
            link.confirm_stop(now);
        }
        let Some(link) = self.carrier.and_then(|id| self.links.get_mut(&id)) else { return };
        let acknowledged = link.flow.acknowledged_by_peer();
        self.pending.acknowledged(acknowledged);
        self.initialization.acknowledged(acknowledged);
        if !link.is_started() {
            return;
        }
        while link.flow.window_open()
            && let Some(answer) = link.answers.pop_front()
        {
            link.flow.send(now, &answer.message);
        }
        self.initialization.tell(now, link, self.config.common_address);
        while link.flow.window_open() && self.pending.is_waiting() {
            self.message.clear();
            let count = self.pending.pack(self.config.zone, &mut self.message);
            link.flow.send(now, &self.message);
            self.pending.sent(link.flow.sent(), count);
        }
        // Files wait for everything else.
        while link.flow.window_open()
            && let Some(exchange) = &mut link.file
        {
            let FileId { ioa, .. } = exchange.transfer.file();
            let Some(element) = exchange.transfer.next(now) else { break };
            let (to, ours) = (exchange.originator, self.config.common_address);
            if let Some(message) = message_to(to, causes::FILE_TRANSFER, ours, ioa, &element) {
                link.flow.send(now, &message);
            }
        }
        link.file.take_if(|exchange| exchange.transfer.ended().is_some());
    }

    /// Something is due; harmless when nothing is.
    pub fn on_deadline(&mut self, now: Instant) {
        let mut links = std::mem::take(&mut self.links);
        for link in links.values_mut().filter(|link| link.closed.is_none()) {
            link.closed = link.flow.on_deadline(now).err().map(|error| error.to_string());
            self.on_unanswered(now, link);
            if let Some(exchange) = &mut link.file {
                exchange.transfer.on_deadline(now);
            }
        }
        self.links = links;
        if now >= self.next_scan {
            self.next_scan = now + self.config.scan.max(Duration::from_millis(1));
            self.scan();
            self.collect_answers(now);
        }
        self.pump(now);
    }

    /// When [`Self::on_deadline`] is wanted at the latest.
    pub fn next_deadline(&self) -> Instant {
        let open = self.links.values().filter(|link| link.closed.is_none());
        open.map(Link::next_deadline).fold(self.next_scan, Instant::min)
    }

    /// What is to be written to which connection, as one batch.
    pub fn next_output(&mut self) -> Option<(ConnectionId, Vec<u8>)> {
        self.links.iter_mut().find_map(|(&id, link)| link.flow.take_output().map(|bytes| (id, bytes)))
    }
}
