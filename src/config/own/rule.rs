//! One `[[rule]]`.

use std::path::Path;

use headroom_rules::expression::Wanted;
use headroom_rules::model::{NodeKind, Span};
use headroom_rules::output::AlarmPriority;
use headroom_rules::own::{Act, ForEach, Rule, names_in};

use super::Taking;
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
        let acts = acts(section);
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
        for name in acts.iter().flat_map(|act| match act {
            Act::Alarm { text, .. } => names_in(text),
        }) {
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

fn acts(section: &Section<'_>) -> Vec<Act> {
    let alarm = section.section("alarm").and_then(|alarm| {
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
    });
    if !section.has("alarm") {
        section.fault("alarm", "is missing: wanted what the rule does, as alarm = { text = \"{load} of {limit}\" }");
    }
    alarm.into_iter().collect()
}

const TEXT_WANTED: &str = "a text in one line, 1 to 200 characters, none of them invisible";

/// An alarm's text.
fn text(text: &str) -> Option<String> {
    let parts = text.trim();
    let fits = (1..=200).contains(&parts.chars().count());
    (fits && parts.chars().all(is_printable)).then(|| parts.to_owned())
}
