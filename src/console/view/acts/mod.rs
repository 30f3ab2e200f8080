//! What people do beside switching one round: the list of it all, and each act's dialogue in lines.

mod dress;
mod dry_run;
pub(super) mod forbids;
mod group;
mod list;
mod measures;
mod parameters;
mod tags;
mod target;
mod try_again;

pub(super) use list::draw;
pub(super) use measures::named as measure_named;

use ratatui::style::Style;

use super::overlay::Lines;
use crate::console::state::{Act, Form, State, Step, What};

/// A tag's sign, behind what it hangs on.
pub(super) const TAG: &str = "⚑";

/// Title and text of an act's dialogue.
pub(super) fn lines(state: &State, act: &Act) -> (&'static str, Lines) {
    let theme = state.theme;
    let (title, mut lines) = match &act.what {
        What::HangTag(on) => ("Hang a tag", tags::hang(state, &act.form, *on)),
        What::TakeOffTag(tag) => ("Take a tag off", tags::take_off(state, &act.form, tag)),
        What::Dress { at, wanted } => ("Value by hand", dress::put_in(state, &act.form, *at, *wanted)),
        What::Undress(dressing) => ("Value by hand", dress::take_off(state, &act.form, dressing)),
        What::TryAgain { node, preview } => ("Try again", try_again::look(state, &act.form, *node, preview)),
        What::DraftGroup { act: group, of } => ("Group order", group::draft(state, &act.form, *group, of)),
        What::Group(look) => ("Group order", group::look(state, &act.form, look)),
        What::GroupAtOnce(id) => ("Group order", group::at_once(state, &act.form, *id)),
        What::SetTarget { node, wanted, preview } => {
            ("Target reduction", target::set(state, &act.form, *node, *wanted, preview))
        }
        What::DropTarget(target) => ("Drop a target", target::drop(state, &act.form, target)),
        What::Measure(measure) => ("Agreed measure", measures::end(state, &act.form, measure)),
        What::Decide { proposal, preview } => ("Proposal", target::decide(state, &act.form, proposal, preview)),
        What::DryRun { node, preview } => ("What if", dry_run::look(state, &act.form, *node, preview)),
        What::Parameters { terminal, change } => {
            ("Parameters", parameters::look(state, &act.form, *terminal, change.as_ref()))
        }
        What::Forbids { terminal, round } => ("What forbids what", forbids::look(state, *terminal, *round)),
    };
    match &act.form.step {
        Step::Asking => lines.push(("◌ Asking the centre …".to_owned(), theme.active())),
        Step::Done(sentence) => lines.push((format!("✔ {sentence}"), theme.strong())),
        Step::Failed(sentence) => lines.push((format!("✖ {sentence}"), theme.medium())),
        Step::Entry | Step::Confirm => {}
    }
    // A list may be longer than the screen: what is to be said now stands at its head.
    if let Some(note) = &act.form.note {
        lines.insert(1.min(lines.len()), (format!("! {note}"), theme.medium()));
    }
    (title, lines)
}

/// The fields while they are filled in, and afterwards what stands in them.
fn fields(state: &State, form: &Form) -> Lines {
    let entry = form.step == Step::Entry;
    let shown = form.fields.iter().enumerate().filter(|(_, field)| entry || !field.input.value().is_empty());
    let line = |(at, field): (usize, &crate::console::state::Field)| {
        let caret = if entry && at == form.at { "▏" } else { "" };
        let style = if entry && at == form.at { state.theme.strong() } else { state.theme.normal() };
        (format!("{}: {}{caret}", field.name, field.input.value()), style)
    };
    shown.map(line).collect()
}

/// A line that is only there before the word is given.
fn before(form: &Form, at: &Step, words: &str, style: Style) -> Option<(String, Style)> {
    (form.step == *at).then(|| (words.to_owned(), style))
}
