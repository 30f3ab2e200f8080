//! `northbound.toml`: what a dispatch centre above sees of this one, and what it may set.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use headroom_rules::model::{Inventory, NodeId, Power, RoundNo, TerminalId};
use headroom_rules::output::AlarmCause;
use headroom_terminals::iec104::access::guard::Access;
use headroom_terminals::iec104::access::tls::{Identity, Peer};

use super::error::ConfigErrors;
use super::fleet::take_common_address;
use super::reader::{Section, Source, read_file};
use super::serve::ADDRESS;
use super::transport::take_door;

/// The centre as a controlled station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NorthboundConfig {
    /// The address on which it waits for the centre above.
    pub listen: SocketAddr,
    /// Common address of its ASDUs, 1..=65534.
    pub common_address: u16,
    /// What the audit log calls whoever commands over this link.
    pub name: String,
    /// Whether an execute without a select is refused.
    pub require_select: bool,
    /// Connections at once, 1..=16; one of them is started (a redundancy group).
    pub connections_max: u8,
    /// Who may connect.
    pub access: Access,
    /// Certificates of this end, and whose are let in, where the links have TLS.
    pub tls: Option<(Identity, Vec<Peer>)>,
    /// What is told, by address.
    pub points: BTreeMap<u32, NorthboundPoint>,
    /// Nodes whose limits can be set, by address of the set point, short float, kW.
    pub limits: BTreeMap<u32, NodeId>,
}

/// One point that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NorthboundPoint {
    /// What it shows.
    pub shows: Shows,
    /// A power is told again when it changed by this; 0 tells every change.
    pub deadband: Power,
}

/// What a point shows. Powers are short floats in kW, counts are scaled values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Load of a node.
    Load(NodeId),
    /// The limit in force.
    Limit(NodeId),
    /// Limit minus load.
    Headroom(NodeId),
    /// Rounds that the node's rule shed and has not restored.
    RoundsShed(NodeId),
    /// Terminals at and below a node whose link is up.
    LinksUp(NodeId),
    /// The switch of a round, double point.
    Position(TerminalId, RoundNo),
    /// Whether an alarm stands, single point.
    Alarm(AlarmCause),
}

const SHOWS: [&str; 7] = ["load", "limit", "headroom", "rounds_shed", "links_up", "position", "alarm"];
const CAUSES: [&str; 19] = [
    "over_limit",
    "warning",
    "load_unknown",
    "limit_futile",
    "target_out_of_reach",
    "link_down",
    "cover_open",
    "power_stale",
    "power_frozen",
    "load_implausible",
    "parameters_differ",
    "no_effect",
    "journal_damaged",
    "journal_failing",
    "journal_oversize",
    "replay_differs",
    "clock_moved",
    "store_damaged",
    "automatic_stopped",
];
const DEADBAND_KW: f64 = 1.0;

impl NorthboundConfig {
    /// Reads the file. With a fleet, every node, terminal and round has to be in it.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn read(file: &Path, fleet: Option<&Inventory>) -> Result<Self, ConfigErrors> {
        Self::parse(file, &read_file(file)?, fleet)
    }

    /// As [`Self::read`], from the text of `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &Path, text: &str, fleet: Option<&Inventory>) -> Result<Self, ConfigErrors> {
        Source::parse(file, text, |top| {
            let Some(station) = top.section("northbound") else {
                top.fault("northbound", "missing: wanted a table [northbound]");
                return None;
            };
            let listen = station.text_as("listen", ADDRESS, |text| text.parse().ok());
            let common_address = take_common_address(&station);
            let name = station.label("name");
            let require_select = station.flag_or("require_select", true);
            let connections_max = station.int_or("connections_max", 2, "whole number of connections", 1..=16);
            station.end();
            let (access, tls) = take_door(&top, file);
            let known = Known(fleet);
            let mut lines = BTreeMap::new();
            let mut points = BTreeMap::new();
            for section in top.sections("point") {
                let (ioa, shows) = (address(&section, &mut lines), known.shows(&section));
                let deadband_kw = section.float_or("deadband_kw", DEADBAND_KW, 0.0..=1_000_000.0);
                #[allow(clippy::cast_possible_truncation, reason = "the range is far below")]
                let deadband = Power::new((deadband_kw * 1_000.0).round() as i64);
                // Which keys belong to what it shows, only that can tell.
                if shows.is_some() {
                    section.end();
                }
                points.extend(ioa.zip(shows.map(|shows| NorthboundPoint { shows, deadband })));
            }
            let mut limits = BTreeMap::new();
            for section in top.sections("limit_command") {
                let (ioa, node) = (address(&section, &mut lines), known.node(&section));
                section.end();
                limits.extend(ioa.zip(node));
            }
            if points.is_empty() {
                top.fault("point", "missing: wanted at least one [[point]]");
            }
            top.end();
            Some(Self {
                listen: listen?,
                common_address: common_address?,
                name: name?,
                require_select,
                connections_max,
                access,
                tls,
                points,
                limits,
            })
        })
    }
}

/// Takes an address that no entry before has.
fn address(section: &Section<'_>, lines: &mut BTreeMap<u32, usize>) -> Option<u32> {
    let ioa = section.int("ioa", "whole number", 1..=0xFF_FFFF)?;
    match lines.insert(ioa, section.line_of("ioa")) {
        Some(line) => {
            section.fault("ioa", format_args!("taken at line {line}: wanted an address of its own"));
            None
        }
        None => Some(ioa),
    }
}

/// What the fleet has.
struct Known<'a>(Option<&'a Inventory>);

impl Known<'_> {
    fn node(&self, section: &Section<'_>) -> Option<NodeId> {
        let node = section.id("node")?;
        if self.0.is_some_and(|fleet| !fleet.nodes.contains_key(&node)) {
            section.fault("node", "not in the fleet: wanted the id of one of its nodes");
        }
        Some(node)
    }

    fn terminal(&self, section: &Section<'_>) -> Option<TerminalId> {
        let terminal = section.id("terminal")?;
        if self.0.is_some_and(|fleet| !fleet.terminals.contains_key(&terminal)) {
            section.fault("terminal", "not in the fleet: wanted the id of one of its terminals");
        }
        Some(terminal)
    }

    fn round(&self, section: &Section<'_>) -> Option<(TerminalId, RoundNo)> {
        let (terminal, round) = (self.terminal(section), round_no(section));
        let (terminal, round) = (terminal?, round?);
        let there = |fleet: &Inventory| {
            fleet.terminals.get(&terminal).is_none_or(|terminal| terminal.rounds.contains_key(&round))
        };
        if !self.0.is_none_or(there) {
            section.fault("round", format_args!("{terminal} has no such round: wanted one of its rounds"));
        }
        Some((terminal, round))
    }

    fn shows(&self, section: &Section<'_>) -> Option<Shows> {
        match one_of(section, "shows", &SHOWS)? {
            "load" => self.node(section).map(Shows::Load),
            "limit" => self.node(section).map(Shows::Limit),
            "headroom" => self.node(section).map(Shows::Headroom),
            "rounds_shed" => self.node(section).map(Shows::RoundsShed),
            "links_up" => self.node(section).map(Shows::LinksUp),
            "position" => self.round(section).map(|(terminal, round)| Shows::Position(terminal, round)),
            _ => self.cause(section).map(Shows::Alarm),
        }
    }

    fn cause(&self, section: &Section<'_>) -> Option<AlarmCause> {
        Some(match one_of(section, "cause", &CAUSES)? {
            "over_limit" => AlarmCause::OverLimit { node: self.node(section)? },
            "warning" => AlarmCause::Warning { node: self.node(section)? },
            "load_unknown" => AlarmCause::LoadUnknown { node: self.node(section)? },
            "limit_futile" => AlarmCause::LimitFutile { node: self.node(section)? },
            "target_out_of_reach" => AlarmCause::TargetOutOfReach { node: self.node(section)? },
            "link_down" => AlarmCause::LinkDown { terminal: self.terminal(section)? },
            "cover_open" => AlarmCause::CoverOpen { terminal: self.terminal(section)? },
            "power_stale" => AlarmCause::PowerStale { terminal: self.terminal(section)? },
            "power_frozen" => AlarmCause::PowerFrozen { terminal: self.terminal(section)? },
            "load_implausible" => AlarmCause::LoadImplausible { terminal: self.terminal(section)? },
            "parameters_differ" => AlarmCause::ParametersDiffer { terminal: self.terminal(section)? },
            "journal_damaged" => AlarmCause::JournalDamaged,
            "journal_failing" => AlarmCause::JournalFailing,
            "journal_oversize" => AlarmCause::JournalOversize,
            "replay_differs" => AlarmCause::ReplayDiffers,
            "clock_moved" => AlarmCause::ClockMoved,
            "store_damaged" => AlarmCause::StoreDamaged,
            "automatic_stopped" => AlarmCause::AutomaticStopped,
            _ => {
                let (terminal, round) = self.round(section)?;
                AlarmCause::NoEffect { terminal, round }
            }
        })
    }
}

/// Takes one of some words.
fn one_of(section: &Section<'_>, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
    let wanted = format!("one of \"{}\"", words.join("\", \""));
    section.text_as(key, &wanted, |text| words.iter().copied().find(|word| *word == text))
}

fn round_no(section: &Section<'_>) -> Option<RoundNo> {
    RoundNo::try_from(section.int::<u8>("round", "whole number", 1..=8)?).ok()
}
