//! One `[[rule]]`.

use std::path::Path;

use headroom_rules::expression::Wanted;
use headroom_rules::model::{NodeId, NodeKind, Power, Span};
use headroom_rules::output::AlarmPriority;
use headroom_rules::own::{Act, ForEach, Rule, names_in};

use super::{Room, Taking};
use crate::config::reader::Section;
use crate::printable::is_printable;

const S: &str = "whole number of seconds";
const DAY_S: i64 = 86_400;
const FOR_EACH: &str = "\"region\", \"substation\", \"feeder\", \"transformer_area\" or \"terminal\"";

impl Taking<'_> {
    pub(super) fn rule(&mut self, section: &Section<'_>, file: &Path) -> Option<Rule> {
        let id = self.new_id(section, file);
        let for_each = section.text_or("for_each", None, FOR_EACH, |text| for_each(text).map(Some));
        let reads = self.reads(section);
        let span = |key, default| Span::from_s(section.int_or(key, default, S, 0..=DAY_S));
        let hold = span("hold_s", 0);
        let clear_hold = span("clear_hold_s", 0);
        // What is wrong with names is told once, not again by each condition.
        let names = reads.clone().unwrap_or_default();
        let known = reads.is_some();
        let program = |key| {
            if known {
                self.program(section, key, &names, Wanted::Condition)
            } else {
                section.text_as(key, "a condition", |text| Some(text.to_owned()))
            }
        };
        let when = program("when");
        let clear = section.has("clear").then(|| program("clear"));
        let acts = self.acts(section, for_each);
        section.end();
        let reads = reads?;
        for source in reads.values() {
            let wrong = match for_each {
                Some(ForEach::Node(_)) => source.is_of_each_terminal(),
                Some(ForEach::Terminal) => source.is_of_each_node(),
                None => source.is_of_each_node() || source.is_of_each_terminal(),
            };
            if wrong {
                let wanted = "\"*\" is the node or terminal of for_each: wanted a for_each that fits, or an id";
                section.fault("reads", format_args!("{source}: {wanted}"));
            }
        }
        for name in acts
            .iter()
            .filter_map(|act| match act {
                Act::Alarm { text, .. } => Some(names_in(text)),
                Act::Limit { .. } | Act::Shed { .. } => None,
            })
            .flatten()
        {
            if !reads.contains_key(name) {
                section.fault("alarm", format_args!("{{{name}}} is not in reads: wanted one of its names"));
            }
        }
        let clear = match clear {
            None => None,
            Some(clear) => Some(clear?),
        };
        let when = when?;
        let texts: Vec<&str> = std::iter::once(when.as_str()).chain(clear.as_deref()).collect();
        let said = |name: &str| {
            acts.iter().any(|act| match act {
                Act::Alarm { text, .. } => names_in(text).any(|said| said == name),
                Act::Limit { .. } | Act::Shed { .. } => false,
            })
        };
        self.all_used(section, &reads, said, &texts);
        Some(Rule { id: id?, for_each, reads, when, hold, clear, clear_hold, acts })
    }
}

fn for_each(text: &str) -> Option<ForEach> {
    Some(match text {
        "region" => ForEach::Node(NodeKind::Region),
        "substation" => ForEach::Node(NodeKind::Substation),
        "feeder" => ForEach::Node(NodeKind::Feeder),
        "transformer_area" => ForEach::Node(NodeKind::TransformerArea),
        "terminal" => ForEach::Terminal,
        _ => return None,
    })
}

const KW: &str = "whole number of kW";
const KW_RANGE: std::ops::RangeInclusive<i64> = 1..=10_000_000;

impl Taking<'_> {
    fn acts(&mut self, section: &Section<'_>, for_each: Option<ForEach>) -> Vec<Act> {
        if !["alarm", "limit", "shed"].into_iter().any(|act| section.has(act)) {
            let wanted = "what the rule does, as alarm = { text = \"{load} of {limit}\" }; or limit, or shed";
            section.fault("alarm", format_args!("is missing: wanted {wanted}"));
        }
        let alarm = section.section("alarm").and_then(|alarm| alarm_of(&alarm));
        let limit = section.section("limit").and_then(|limit| {
            let (node, kw) = (self.node_of(&limit, for_each), limit.int("kw", KW, KW_RANGE));
            self.has_room(&limit, node, kw, true);
            limit.end();
            Some(Act::Limit { node: node?, limit: Power::from_kw(kw?) })
        });
        let shed = section.section("shed").and_then(|shed| {
            let (node, kw) = (self.node_of(&shed, for_each), shed.int("kw", KW, KW_RANGE));
            self.has_room(&shed, node, kw, false);
            let automatic = shed.flag_or("automatic", false);
            shed.end();
            Some(Act::Shed { node: node?, power: Power::from_kw(kw?), automatic })
        });
        alarm.into_iter().chain(limit).chain(shed).collect()
    }

    /// A limit that lowers nothing, or that cannot be kept, and a reduction by more than the node may ever draw.
    fn has_room(&self, act: &Section<'_>, node: Option<Option<NodeId>>, kw: Option<i32>, limits: bool) {
        let room = node.flatten().zip(self.limited.as_ref()).and_then(|(node, limited)| limited.get(&node));
        let (Some(Room { rating, floors }), Some(kw)) = (room, kw) else { return };
        let wanted = Power::from_kw(kw);
        if wanted >= *rating {
            let less = "wanted less than that";
            act.fault("kw", format_args!("{wanted} is not below limit_kw of the node, the rating of {rating}: {less}"));
        } else if limits && wanted < *floors {
            let why = "below the safety floors below the node";
            act.fault("kw", format_args!("{wanted} is {why}, {floors} together, so it cannot be kept: wanted more"));
        }
    }

    /// The node that an act is about: that of `for_each` where none is named. A limit rule has to keep it.
    fn node_of(&mut self, act: &Section<'_>, for_each: Option<ForEach>) -> Option<Option<NodeId>> {
        if !act.has("node") {
            if matches!(for_each, Some(ForEach::Node(_))) {
                return Some(None);
            }
            act.fault("node", "is missing: wanted the id of a node that has a limit");
            return None;
        }
        let node: NodeId = act.id("node")?;
        // A pack on its own knows of no limits.
        if self.limited.as_ref().is_some_and(|limited| !limited.contains_key(&node)) {
            act.fault("node", "has no limit: wanted a node with a [[limit]], whose rule does the rest");
        }
        Some(Some(node))
    }
}

fn alarm_of(alarm: &Section<'_>) -> Option<Act> {
    let wanted = "\"high\", \"medium\" or \"low\"";
    let priority = alarm.text_or("priority", AlarmPriority::Medium, wanted, |text| match text {
        "high" => Some(AlarmPriority::High),
        "medium" => Some(AlarmPriority::Medium),
        "low" => Some(AlarmPriority::Low),
        _ => None,
    });
    let text = alarm.text_as("text", TEXT_WANTED, text);
    alarm.end();
    Some(Act::Alarm { priority, text: text? })
}

const TEXT_WANTED: &str = "a text in one line, 1 to 200 characters, none of them invisible";

/// An alarm's text.
fn text(text: &str) -> Option<String> {
    let parts = text.trim();
    let fits = (1..=200).contains(&parts.chars().count());
    (fits && parts.chars().all(is_printable)).then(|| parts.to_owned())
}
