//! What a rule would do, plan by plan: who, who not and why, and what comes after.

use headroom_rules::model::NodeId;
use headroom_rules::output::Happening;
use headroom_rules::view::DryRun;

use super::fields;
use crate::console::state::{Form, Preview, State};
use crate::console::view::overlay::Lines;
use crate::console::view::text;

pub(super) fn look(state: &State, form: &Form, node: NodeId, preview: &Preview) -> Lines {
    let theme = state.theme;
    let mut lines = vec![(format!("{node}: what its rule would do with the load of now"), theme.strong())];
    lines.extend(fields(state, form));
    lines.push(("Enter reckons it. Nothing of it is done.".to_owned(), theme.normal()));
    lines.extend(answer(state, preview));
    lines
}

/// What the centre reckoned, or that it is being asked.
pub(super) fn answer(state: &State, preview: &Preview) -> Lines {
    let theme = state.theme;
    match &preview.answer {
        None => vec![("◌ The centre reckons what would be done …".to_owned(), theme.active())],
        Some(Err(sentence)) => vec![(format!("✖ What would be done is not known: {sentence}"), theme.medium())],
        Some(Ok(run)) => verdict(state, run).into_iter().chain(plans(state, run)).collect(),
    }
}

/// Whether it comes to what is wanted.
fn verdict(state: &State, run: &DryRun) -> Lines {
    let theme = state.theme;
    let DryRun { at, load, limit, target, level, shed, rounds, customers, missing, refused, .. } = run;
    let level = level.map_or_else(|| "below it".to_owned(), |level| format!("level {level}"));
    let at = text::clock(*at);
    let mut lines =
        vec![(format!("{at}Z: load {load}, limit {limit}: {level}; plans aim at {target}"), theme.normal())];
    let came_to = format!("{shed} from {rounds} rounds of {customers} customers");
    lines.push(match refused {
        Some(why) => (format!("✖ {came_to}; then the checker would refuse: {why}"), theme.medium()),
        None if missing.get() > 0 => {
            (format!("✖ NOT MET: {came_to}, {missing} too little; the operator would be called"), theme.medium())
        }
        None if *rounds == 0 => ("✔ nothing would be shed".to_owned(), theme.strong()),
        None => (format!("✔ met: {came_to}"), theme.strong()),
    });
    lines
}

fn plans(state: &State, run: &DryRun) -> Lines {
    let theme = state.theme;
    let mut lines: Lines = run.measures.lines().into_iter().map(|line| (format!("◇ {line}"), theme.normal())).collect();
    for event in &run.plans {
        let Happening::Planned { pass, wanted, expected, shed, spared, outlook, .. } = &event.what else { continue };
        let words = format!("plan {pass}: {wanted} wanted, {expected} from {} rounds", shed.len());
        lines.push((words, theme.title()));
        let outlook = outlook.iter().flat_map(|outlook| outlook.lines());
        lines.extend(outlook.map(|line| (format!("  {line}"), theme.normal())));
        lines.extend(shed.iter().map(|choice| (format!("▼ {choice}"), theme.active())));
        lines.extend(spared.iter().map(|finding| (format!("· spared: {finding}"), theme.quiet())));
    }
    lines
}
