//! A capture through the engine: what the centre would have done, had it heard these links under these rules.
//!
//! Read [`Replay`], then `routes` (links to terminals) and [`Told`] (what is shown). Nothing is sent, journaled or
//! stored: an order stays without an answer until it expires, and the loads go on as they were captured.
//!
//! **Invariant:** `replay-equals-live`: the same capture, fleet and rules give the same outputs.

mod course;
pub mod past;
mod routes;
mod told;
pub mod what_if;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::model::{Span, TerminalId, Timestamp};
use headroom_rules::output::{AlarmState, Happening, Output};
use headroom_rules::policy::Policy;
use headroom_terminals::iec104::apci::{self, Control, Frame};
use headroom_terminals::iec104::asdu::Asdu;
use headroom_terminals::iec104::time::{TimeBase, Zone};
use headroom_terminals::profile::Profile;

use crate::capture::{Apdu, Link, Note, Seen, What};
use crate::centre::{first_inputs, readings};
use crate::config::Fleet;

pub use course::Course;
pub use routes::{MapError, Routes};
pub use told::Told;

/// As a running centre ticks.
const TICK: Span = Span::from_s(1);
/// Ticks for one step from packet to packet; a longer silence, or a wrong time, ends with one step.
const TICKS_MAX: u32 = 3_600;
/// Objects without a place in a point map that are named; more are counted.
const NAMED_MAX: usize = 32;

/// What there was, and what of it went nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Readings that the engine took.
    pub readings: u64,
    /// Ticks between them.
    pub ticks: u64,
    /// Plans to shed.
    pub plans: u64,
    /// Commands that a centre would have sent.
    pub commands: u64,
    /// Alarms raised.
    pub alarms: u64,
    /// Messages of controlled stations that no terminal of the fleet accounts for, by station and common address.
    pub unmapped_stations: BTreeMap<(SocketAddr, u16), u64>,
    /// Objects that are in no point map, by terminal and address: the first ones.
    pub unmapped_objects: BTreeMap<(TerminalId, u32), u64>,
    /// All of them.
    pub unmapped: u64,
}

/// Feeds an engine.
pub struct Replay {
    engine: Engine,
    first: Option<Box<(Fleet, Policy)>>,
    routes: Routes,
    now: Timestamp,
    /// The links over which each terminal is heard.
    heard: BTreeMap<TerminalId, BTreeSet<u32>>,
    figures: Figures,
}

impl Replay {
    /// An engine before its first input. `profiles` are those of the fleet's links, in their order.
    ///
    /// # Errors
    /// `overrides` names a terminal that the fleet has not.
    pub fn new(
        fleet: Fleet,
        policy: Policy,
        profiles: Vec<Arc<Profile>>,
        overrides: &[(SocketAddr, TerminalId)],
    ) -> Result<Self, MapError> {
        let routes = Routes::new(&fleet.links, profiles, overrides)?;
        Ok(Self {
            engine: Engine::new(),
            first: Some(Box::new((fleet, policy))),
            routes,
            now: Timestamp::new(0),
            heard: BTreeMap::new(),
            figures: Figures::default(),
        })
    }

    /// What there was so far.
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Takes what a capture shows.
    pub fn take(&mut self, seen: &Seen, out: &mut Vec<Told>) {
        match seen {
            Seen::Apdu(apdu) => {
                self.advance(apdu.at.into(), out);
                self.apdu(apdu, out);
            }
            Seen::Note(Note { at, link, what, .. }) => {
                self.advance((*at).into(), out);
                if matches!(what, What::Ended(_)) {
                    self.fall_silent(link, (*at).into(), out);
                }
            }
        }
    }

    /// Lets the time pass.
    fn advance(&mut self, to: Timestamp, out: &mut Vec<Told>) {
        if let Some(first) = self.first.take() {
            let (Fleet { inventory, .. }, policy) = *first;
            self.now = to;
            for input in first_inputs(to, inventory, policy) {
                self.give(&input, out);
            }
        }
        for _ in 0..TICKS_MAX {
            let next = self.now.after(TICK);
            if next > to || next <= self.now {
                return;
            }
            self.tick(next, out);
        }
        self.tick(to, out);
    }

    fn tick(&mut self, at: Timestamp, out: &mut Vec<Told>) {
        self.now = at;
        self.figures.ticks += 1;
        self.give(&Input::Tick { at }, out);
    }

    fn give(&mut self, input: &Input, out: &mut Vec<Told>) {
        let mut outputs = Vec::new();
        self.engine.apply(input, &mut outputs);
        for output in outputs {
            match &output {
                Output::Command(_) => self.figures.commands += 1,
                Output::Event(event) => {
                    self.figures.plans += u64::from(matches!(event.what, Happening::Planned { .. }));
                }
                Output::Alarm(alarm) => {
                    let is_new = alarm.state == AlarmState::Unacknowledged && alarm.raised_at == alarm.changed_at;
                    self.figures.alarms += u64::from(is_new);
                }
                // A curve is not a decision, and would bury them.
                Output::Load(_) | Output::Calculated(_) => continue,
                _ => {}
            }
            out.push(Told { at: self.engine.now(), output });
        }
    }

    fn apdu(&mut self, apdu: &Apdu, out: &mut Vec<Told>) {
        let Apdu { link, from_client: false, octets, .. } = apdu else { return };
        match apci::split(octets) {
            Ok(Some((Frame::I { asdu, .. }, _))) => {
                if let Ok(asdu) = Asdu::parse(asdu) {
                    self.message(link, &asdu, apdu.at.into(), out);
                }
            }
            Ok(Some((Frame::U(Control::StopCon), _))) => self.fall_silent(link, apdu.at.into(), out),
            _ => {}
        }
    }

    /// As the controlling station takes it: what is sent with the test bit says nothing.
    fn message(&mut self, link: &Link, asdu: &Asdu<'_>, at: Timestamp, out: &mut Vec<Told>) {
        let route = self.routes.of(link.server, asdu.common_address);
        let zone = route.as_ref().map_or(Zone::UTC, |route| route.profile.zone());
        let mut objects = Vec::new();
        if !asdu.test {
            asdu.objects(TimeBase { zone, arrival: at }, &mut objects);
        }
        if objects.is_empty() {
            return;
        }
        let Some(route) = route else {
            let station = (link.server, asdu.common_address);
            let known = self.figures.unmapped_stations.len() < NAMED_MAX;
            if known || self.figures.unmapped_stations.contains_key(&station) {
                *self.figures.unmapped_stations.entry(station).or_default() += 1;
            }
            self.figures.unmapped += u64::try_from(objects.len()).unwrap_or(0);
            return;
        };
        let terminal = route.terminal;
        let Figures { unmapped, unmapped_objects, .. } = &mut self.figures;
        let readings = readings(&route.profile, asdu.common_address, &objects, |object| {
            *unmapped += 1;
            let key = (terminal, object.ioa);
            if unmapped_objects.len() < NAMED_MAX || unmapped_objects.contains_key(&key) {
                *unmapped_objects.entry(key).or_default() += 1;
            }
        });
        let links = self.heard.entry(terminal).or_default();
        if links.insert(link.number) && links.len() == 1 {
            self.give(&Input::Link { at, terminal, up: true }, out);
        }
        self.figures.readings += u64::try_from(readings.len()).unwrap_or(0);
        self.give(&Input::Readings { at, terminal, readings }, out);
    }

    /// A link brings nothing more.
    fn fall_silent(&mut self, link: &Link, at: Timestamp, out: &mut Vec<Told>) {
        let mut silent = Vec::new();
        for (&terminal, links) in &mut self.heard {
            if links.remove(&link.number) && links.is_empty() {
                silent.push(terminal);
            }
        }
        for terminal in silent {
            self.give(&Input::Link { at, terminal, up: false }, out);
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { readings, ticks, plans, commands, alarms, unmapped, .. } = self;
        writeln!(
            f,
            "{readings} readings and {ticks} ticks: {plans} plans, {alarms} alarms, {commands} commands not sent"
        )?;
        for ((station, common_address), messages) in &self.unmapped_stations {
            writeln!(
                f,
                "left out: {messages} messages of {station}, common address {common_address}: no terminal of the fleet; \
                 name one with --map {station}=TERMINAL"
            )?;
        }
        for ((terminal, ioa), count) in &self.unmapped_objects {
            writeln!(f, "left out: {terminal} object {ioa}, {count} times: not in its point map")?;
        }
        if *unmapped > 0 { writeln!(f, "left out: {unmapped} objects in all") } else { Ok(()) }
    }
}
