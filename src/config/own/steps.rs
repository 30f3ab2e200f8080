//! How many steps users' rules may ask for in one tick, before they do it on the supply.

use headroom_rules::expression::{Language, Wanted};
use headroom_rules::model::Inventory;
use headroom_rules::own::{ForEach, Formula, Own, Rule, Source};

/// Rules that are named at most.
const NAMED: usize = 3;

/// Says so where all that users laid down may ask for more steps in one tick than there are: when all that it reads changes at
/// once, as at a start.
pub(in crate::config) fn too_many_steps(own: &Own, fleet: &Inventory) -> Option<String> {
    let language = Language::new();
    let steps = |text: &str, reads: &std::collections::BTreeMap<String, Source>, wanted| {
        let names: Vec<(&str, bool)> = reads.iter().map(|(name, source)| (name.as_str(), source.is_flag())).collect();
        language.steps(text, &names, wanted).unwrap_or_default()
    };
    let rules = own.rules.iter().map(|rule| {
        let clear = rule.clear.as_deref().map_or(0, |text| steps(text, &rule.reads, Wanted::Condition));
        let each = steps(&rule.when, &rule.reads, Wanted::Condition).max(clear);
        let count = subjects(rule, fleet);
        (each.saturating_mul(count), format!("rule {} {each} steps for each of {count}", rule.id))
    });
    let points = own.calculated.iter().filter_map(|point| match &point.formula {
        Formula::Text { reads, text } => {
            let each = steps(text, reads, Wanted::Number);
            Some((each, format!("point {} {each} steps", point.id)))
        }
        Formula::SumBelow { .. } | Formula::HighestBelow { .. } | Formula::Mean { .. } => None,
    });
    let mut all: Vec<(u64, String)> = rules.chain(points).collect();
    let in_all = all.iter().fold(0_u64, |sum, (steps, _)| sum.saturating_add(*steps));
    if in_all <= own.steps_max {
        return None;
    }
    all.sort_by_key(|(steps, _)| std::cmp::Reverse(*steps));
    let most: Vec<String> = all.into_iter().take(NAMED).map(|(_, words)| words).collect();
    Some(format!(
        "own rules may ask for {in_all} steps in one tick, when all that they read changes, and have {} (rule_steps_max): it then \
         takes {} ticks to look at all of them; most: {}",
        own.steps_max,
        in_all.div_ceil(own.steps_max.max(1)),
        most.join(", ")
    ))
}

/// For how many a rule is.
fn subjects(rule: &Rule, fleet: &Inventory) -> u64 {
    let count = match rule.for_each {
        None => 1,
        Some(ForEach::Terminal) => {
            let rounds: Vec<_> = rule.reads.values().filter_map(Source::round_of_each).collect();
            let has = |rounds_of: &std::collections::BTreeMap<_, _>| rounds.iter().all(|no| rounds_of.contains_key(no));
            fleet.terminals.values().filter(|terminal| has(&terminal.rounds)).count()
        }
        Some(ForEach::Node(kind)) => fleet.nodes.values().filter(|node| node.kind == kind).count(),
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}
