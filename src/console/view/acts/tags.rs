//! Tags in words.

use headroom_rules::tags::{Tag, TagOn};

use super::{before, fields};
use crate::console::state::{Form, State, Step};
use crate::console::view::overlay::Lines;
use crate::console::view::text;

pub(super) fn hang(state: &State, form: &Form, on: TagOn) -> Lines {
    let theme = state.theme;
    let mut lines = vec![(format!("{on}: hang a tag"), theme.strong())];
    lines.push((locked_out(state, on), theme.normal()));
    lines.extend(already(state, on).map(|words| (words, theme.low())));
    lines.extend(fields(state, form));
    lines.extend(before(form, &Step::Entry, "Enter looks at it once more. Nothing has been sent yet.", theme.normal()));
    let words = "No person and no rule switches there until you or a supervisor take the tag off.";
    lines.extend(before(form, &Step::Confirm, words, theme.normal()));
    lines.extend(before(form, &Step::Confirm, "y hangs it now, Esc leaves it.", theme.strong()));
    lines
}

/// What a tag keeps from being switched.
fn locked_out(state: &State, on: TagOn) -> String {
    match on {
        TagOn::Round { terminal, round } => {
            let name = state.terminal(terminal).map_or("", |terminal| &terminal.name);
            let rounds = state.terminal(terminal).into_iter().flat_map(|terminal| &terminal.rounds);
            let power = rounds.filter(|it| it.round == round).find_map(|it| it.power);
            format!("Locks out round {round} of {name}, {} kW behind it; caps of the terminal too", text::kw(power))
        }
        TagOn::Terminal { terminal } => match state.terminal(terminal) {
            Some(known) => format!(
                "Locks out all {} rounds of {}, load {} kW",
                known.rounds.len(),
                known.name,
                text::kw(known.power)
            ),
            None => format!("{terminal} is not in the view any more"),
        },
        TagOn::Node { node } => {
            let below = state.terminals_below(node);
            let rounds: usize = below.iter().map(|terminal| terminal.rounds.len()).sum();
            let load = state.node(node).and_then(|node| node.load.power());
            format!("Locks out {} terminals with {rounds} rounds, load {} kW", below.len(), text::kw(load))
        }
    }
}

/// Tags of others that hang there.
fn already(state: &State, on: TagOn) -> impl Iterator<Item = String> {
    let tags = state.view.tags.iter().filter(move |tag| tag.on == on);
    tags.map(|tag| format!("{} {} of {} hangs there already: {}", super::TAG, tag.id, tag.owner, tag.reason))
}

pub(super) fn take_off(state: &State, form: &Form, tag: &Tag) -> Lines {
    let theme = state.theme;
    let Tag { id, on, owner, reason, since } = tag;
    let mut lines = vec![(format!("{on}: take tag {id} off"), theme.strong())];
    let age = text::age(state.now(), *since);
    lines.push((format!("Hung by {owner} {age} ago: {reason}"), theme.normal()));
    if state.me() != Some(owner.as_str()) {
        lines.push((format!("It is {owner}'s: only {owner} or a supervisor may take it off."), theme.medium()));
    }
    let others = state.view.tags.iter().filter(|other| other.on == *on && other.id != *id);
    lines.extend(others.map(|other| (format!("{} of {} stays there", other.id, other.owner), theme.low())));
    lines.extend(fields(state, form));
    lines.extend(before(form, &Step::Entry, "Enter looks at it once more. Nothing has been sent yet.", theme.normal()));
    let words = "What hangs below it can be switched again, by people and by rules.";
    lines.extend(before(form, &Step::Confirm, words, theme.normal()));
    lines.extend(before(form, &Step::Confirm, "y takes it off now, Esc leaves it.", theme.strong()));
    lines
}
