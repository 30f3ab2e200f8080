//! Users' own rules, in `rules.toml` and in the packs that it names.
//!
//! Read [`take`], then `rule`, `interlock` and `calculated`. A condition is compiled and tried here, so that what would go wrong on the supply is refused
//! with its line and column.

mod calculated;
mod interlock;
mod rule;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use headroom_rules::expression::Language;
use headroom_rules::model::{Inventory, NodeId, PointKind, Power, RuleId};
use headroom_rules::own::{Own, Source as Read, standard_pack};
use headroom_rules::policy::LimitRule;

pub(super) use steps::too_many_steps;

use super::error::ConfigErrors;
use super::reader::{Section, Source, read_file};

/// What stands before the name of a pack that ships.
const STANDARD: &str = "standard/";

/// What is known while users' rules are read, over all their files.
struct Taking<'a> {
    fleet: Option<&'a Inventory>,
    language: Language,
    /// Where each id was given first.
    ids: BTreeMap<RuleId, String>,
    /// Nodes that have a limit; none where a pack is read by itself.
    limited: Option<BTreeMap<NodeId, Room>>,
    own: Own,
}

/// Within what a rule may lower a node's limit.
#[derive(Clone, Copy)]
struct Room {
    rating: Power,
    /// What is never shed below the node.
    floors: Power,
}

/// Takes the rules of `rules.toml` and of the packs that it names, relative to its folder. With a fleet, what a rule reads has
/// to be in it.
pub(super) fn take(
    top: &Section<'_>,
    file: &Path,
    fleet: Option<&Inventory>,
    limits: &[LimitRule],
    floors: &BTreeMap<NodeId, Power>,
) -> Own {
    let room = |rule: &LimitRule| {
        let floors = floors.get(&rule.node).copied().unwrap_or_default();
        (rule.node, Room { rating: rule.limit, floors })
    };
    // A file with neither limits nor packs is a pack that is read by itself.
    let limited = (!limits.is_empty() || top.has("packs")).then(|| limits.iter().map(room).collect());
    let mut taking = Taking { fleet, language: Language::new(), ids: BTreeMap::new(), limited, own: Own::default() };
    taking.tables(top, file);
    if top.has("packs") {
        let wanted = "the path of a pack, or \"standard/headroom\" or \"standard/supply-quality\"";
        let named = top.texts("packs", wanted, |text| pack(file, text));
        for (name, text) in named.into_iter().flatten() {
            let read = match text {
                Some(text) => taking.pack(&name, text),
                None => read_file(&name).and_then(|text| taking.pack(&name, &text)),
            };
            if let Err(faults) = read {
                top.add_all(faults);
            }
        }
    }
    taking.own
}

/// A pack's file, with its text where it ships.
fn pack(file: &Path, text: &str) -> Option<(PathBuf, Option<&'static str>)> {
    match text.strip_prefix(STANDARD) {
        Some(name) => Some((text.into(), Some(standard_pack(name)?))),
        None if text.is_empty() || text.contains('\0') => None,
        None => Some((file.parent().unwrap_or(Path::new("")).join(text), None)),
    }
}

impl Taking<'_> {
    fn pack(&mut self, file: &Path, text: &str) -> Result<(), ConfigErrors> {
        Source::parse(file, text, |top| {
            self.tables(&top, file);
            top.end();
            Some(())
        })
    }

    fn tables(&mut self, top: &Section<'_>, file: &Path) {
        for section in top.sections("calculated") {
            if let Some(calculated) = self.calculated(&section, file) {
                self.own.calculated.push(calculated);
            }
        }
        for section in top.sections("rule") {
            if let Some(rule) = self.rule(&section, file) {
                self.own.rules.push(rule);
            }
        }
        for section in top.sections("interlock") {
            if let Some(interlock) = self.interlock(&section, file) {
                self.own.interlocks.push(interlock);
            }
        }
    }

    /// An id that no other rule has.
    fn new_id(&mut self, section: &Section<'_>, file: &Path) -> Option<RuleId> {
        let id: RuleId = section.id("id")?;
        let place = format!("{}:{}", file.display(), section.line_of("id"));
        match self.ids.insert(id, place) {
            None => Some(id),
            Some(first) => {
                section.fault("id", format_args!("taken at {first}: wanted an id of its own"));
                self.ids.insert(id, first);
                None
            }
        }
    }

    /// What a rule reads, by the names that it gives.
    fn reads(&self, section: &Section<'_>) -> Option<BTreeMap<String, Read>> {
        let Some(reads) = section.section("reads") else {
            if !section.has("reads") {
                section.fault("reads", "is missing: wanted a table of names, as { load = \"node F03 load\" }");
            }
            return None;
        };
        let wanted = "\"node ID load\" (or limit, headroom), \"point ID\" or \"terminal ID POINT\" with a point as \"active power\", \
                      \"voltage A\", \"round 1 switch\"; * for an ID is the node or terminal that the rule is for";
        let taken = reads.all_texts("a name of small letters, digits and _, a letter first", wanted, |text| {
            text.parse::<Read>().ok()
        });
        for (name, source) in &taken {
            if let Some(why) = self.never_known(source) {
                reads.fault(name, why);
            }
        }
        Some(taken.into_iter().collect())
    }

    /// Why a source will never have a value, if so.
    fn never_known(&self, source: &Read) -> Option<String> {
        if let Read::Calculated { point } = source {
            let known = self.own.calculated.iter().any(|calculated| calculated.id == *point);
            let wanted = "wanted a [[calculated]] point above, in this file or in one before";
            return (!known).then(|| format!("there is no point {point}: {wanted}"));
        }
        let fleet = self.fleet?;
        let not_there = |what: String| Some(format!("{what} is not in the fleet: wanted one of its ids"));
        match *source {
            _ if source.node().is_some_and(|node| !fleet.nodes.contains_key(&node)) => {
                not_there(format!("node {}", source.node()?))
            }
            Read::Limit { node: Some(node) } | Read::Headroom { node: Some(node) } => {
                let limited = self.limited.as_ref()?.contains_key(&node);
                (!limited).then(|| format!("node {node} has no limit: wanted a node with a [[limit]]"))
            }
            Read::Point { terminal: Some(terminal), point } => {
                let Some(entry) = fleet.terminals.get(&terminal) else {
                    return not_there(format!("terminal {terminal}"));
                };
                let (PointKind::RoundPower(round) | PointKind::RoundPosition(round)) = point else { return None };
                let rounds: Vec<String> = entry.rounds.keys().map(ToString::to_string).collect();
                let has = if rounds.is_empty() { "none".to_owned() } else { rounds.join(", ") };
                let there = entry.rounds.contains_key(&round);
                (!there).then(|| format!("terminal {terminal} has no round {round}: wanted one of its rounds ({has})"))
            }
            _ => None,
        }
    }

    /// A program's text that compiles and gives what is wanted of it for sample values.
    fn program(
        &self,
        section: &Section<'_>,
        key: &'static str,
        reads: &BTreeMap<String, Read>,
        wanted: headroom_rules::expression::Wanted,
    ) -> Option<String> {
        let text = section.text_as(key, "a text in rhai, as \"load > 0.9 * limit\"", |text| Some(text.to_owned()))?;
        let names: Vec<(&str, bool)> = reads.iter().map(|(name, source)| (name.as_str(), source.is_flag())).collect();
        match self.language.check(&text, &names, wanted) {
            Ok(_) => Some(text),
            Err(fault) => {
                section.fault_within(key, fault.line, fault.column, &fault.why);
                None
            }
        }
    }

    /// The names that none of `texts` uses are a fault: a rule waits for all that it reads.
    fn all_used(
        &self,
        section: &Section<'_>,
        reads: &BTreeMap<String, Read>,
        used: impl Fn(&str) -> bool,
        texts: &[&str],
    ) {
        let names: Vec<&str> = reads.keys().map(String::as_str).collect();
        for name in &names {
            let in_none = texts.iter().all(|text| self.language.unused(text, &names).contains(name));
            if in_none && !used(name) {
                section.fault("reads", format_args!("{name} is not used: wanted only what the rule reads"));
            }
        }
    }
}

/// What is laid down, in words.
pub(super) struct Counted<'a>(pub(super) &'a Own);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Own { rules, interlocks, calculated, .. } = self.0;
        let parts = [
            (rules.len(), "own rule", "own rules"),
            (interlocks.len(), "interlock", "interlocks"),
            (calculated.len(), "calculated point", "calculated points"),
        ];
        for (count, one, many) in parts.into_iter().filter(|(count, ..)| *count > 0) {
            write!(f, ", {count} {}", if count == 1 { one } else { many })?;
        }
        Ok(())
    }
}
