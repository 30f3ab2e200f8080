//! Agreed measures in words.

use headroom_rules::measures::Measure;

use super::{before, fields};
use crate::console::state::{Form, State, Step};
use crate::console::view::overlay::Lines;
use crate::console::view::text;

/// `T-003 Steelworks: avoid 40.0 kW for F01`.
pub(in crate::console::view) fn named(state: &State, it: &Measure) -> String {
    let name = state.terminal(it.terminal).map(|terminal| terminal.name.as_str()).unwrap_or_default();
    let name = if name.is_empty() { it.terminal.to_string() } else { format!("{} {name}", it.terminal) };
    format!("{name}: {} {} for {}", it.agreed.kind, it.expected, it.node)
}

pub(super) fn end(state: &State, form: &Form, it: &Measure) -> Lines {
    let theme = state.theme;
    let mut lines = vec![(format!("{} {}", it.id, named(state, it)), theme.strong())];
    // As it stands now, not as it stood when the dialogue was opened.
    match state.view.measures.iter().find(|now| now.id == it.id) {
        Some(now) => {
            let words = format!(
                "{}, {} of {} gone; {}Z to {}Z at most",
                now.stage(),
                now.gone,
                now.expected,
                text::clock(now.due),
                text::clock(now.until)
            );
            lines.push((words, theme.normal()));
        }
        None => lines.push(("It is over meanwhile.".to_owned(), theme.medium())),
    }
    lines.extend(fields(state, form));
    lines.extend(before(form, &Step::Entry, "Enter goes on. Nothing has been sent yet.", theme.normal()));
    let words =
        "y calls it off or releases it, and the customer is told. n notes that the customer declined. Esc leaves it.";
    lines.extend(before(form, &Step::Confirm, words, theme.strong()));
    lines
}
