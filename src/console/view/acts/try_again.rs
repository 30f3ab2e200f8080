//! A rule that gave up, in words.

use headroom_rules::model::NodeId;

use super::{before, dry_run, fields};
use crate::console::state::{Form, Preview, State, Step};
use crate::console::view::overlay::Lines;
use crate::console::view::text;

pub(super) fn look(state: &State, form: &Form, node: NodeId, preview: &Preview) -> Lines {
    let theme = state.theme;
    let known = state.node(node);
    let (load, limit) = (known.and_then(|node| node.load.power()), known.and_then(|node| node.limit));
    let mut lines = vec![(format!("{node}: its limit rule gave up; let it try again"), theme.strong())];
    lines.push((format!("Load now {} kW, limit in force {} kW", text::kw(load), text::kw(limit)), theme.normal()));
    lines.extend(fields(state, form));
    lines.extend(before(form, &Step::Entry, "Enter looks at it once more. Nothing has been sent yet.", theme.normal()));
    let words = "y lets it plan anew, with all the plans in a row that it may make. Esc leaves it given up.";
    lines.extend(before(form, &Step::Confirm, words, theme.strong()));
    if matches!(form.step, Step::Entry | Step::Confirm) {
        lines.extend(dry_run::answer(state, preview));
    }
    lines
}
