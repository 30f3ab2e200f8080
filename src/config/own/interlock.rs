//! One `[[interlock]]`.

use std::path::Path;

use headroom_rules::expression::Wanted;
use headroom_rules::model::{NodeId, RoundNo, TerminalId};
use headroom_rules::own::{Interlock, Place, Source};

use super::Taking;
use crate::config::reader::Section;

impl Taking<'_> {
    pub(super) fn interlock(&mut self, section: &Section<'_>, file: &Path) -> Option<Interlock> {
        let id = self.new_id(section, file);
        let place = self.place(section);
        let before = section.text_or("before", (true, true), "\"trip\", \"restore\" or \"both\"", |text| match text {
            "trip" => Some((true, false)),
            "restore" => Some((false, true)),
            "both" => Some((true, true)),
            _ => None,
        });
        let reads = self.reads(section);
        let require = match &reads {
            Some(reads) => self.program(section, "require", reads, Wanted::Condition),
            None => section.text_as("require", "a condition", |text| Some(text.to_owned())),
        };
        section.end();
        let (reads, require) = (reads?, require?);
        for source in reads.values().filter(|source| source.is_of_each_node()) {
            section.fault("reads", format_args!("{source}: wanted the id of a node; terminal * is the one switched"));
        }
        if reads.values().any(|source| matches!(source, Source::Calculated { .. })) {
            section.fault("reads", "an interlock stands on what is measured: wanted no calculated point");
        }
        self.all_used(section, &reads, |_| false, &[&require]);
        Some(Interlock { id: id?, place: place?, trip: before.0, restore: before.1, reads, require })
    }

    fn place(&self, section: &Section<'_>) -> Option<Place> {
        let round = section.has("round").then(|| section.int::<u8>("round", "whole number", 1..=8));
        let place = match (section.has("node"), section.has("terminal")) {
            (true, false) if round.is_none() => Place::Node(section.id::<NodeId>("node")?),
            (false, true) => {
                let terminal = section.id::<TerminalId>("terminal")?;
                match round {
                    None => Place::Terminal(terminal),
                    Some(round) => Place::Round(terminal, RoundNo::try_from(round?).ok()?),
                }
            }
            _ => {
                section.fault(
                    "terminal",
                    "wanted a node, or a terminal with or without a round: whose switches it guards",
                );
                return None;
            }
        };
        let missing = self.fleet.and_then(|fleet| match place {
            Place::Node(node) => (!fleet.nodes.contains_key(&node)).then_some("node"),
            Place::Terminal(terminal) => (!fleet.terminals.contains_key(&terminal)).then_some("terminal"),
            Place::Round(terminal, round) => match fleet.terminals.get(&terminal) {
                None => Some("terminal"),
                Some(terminal) => (!terminal.rounds.contains_key(&round)).then_some("round"),
            },
        });
        if let Some(key) = missing {
            section.fault(key, "not in the fleet: wanted one of what is there");
        }
        Some(place)
    }
}
