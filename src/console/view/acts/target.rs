//! Target reductions and proposals in words, with what each would do.

use headroom_rules::model::{NodeId, Timestamp};
use headroom_rules::own::Proposal;
use headroom_rules::target::Target;

use super::{before, dry_run, fields};
use crate::console::state::{Form, Preview, Reduction, State, Step};
use crate::console::view::overlay::Lines;
use crate::console::view::text;

/// From when to when; the date of the end where it is another day.
fn times(from: Timestamp, to: Timestamp) -> String {
    let end = text::minute_utc(to);
    let end = if from.date() == to.date() { end.get(11..).unwrap_or(&end) } else { &end };
    format!("{} to {end}", text::minute_utc(from))
}

pub(super) fn set(state: &State, form: &Form, node: NodeId, wanted: Option<Reduction>, preview: &Preview) -> Lines {
    let theme = state.theme;
    let known = state.node(node);
    let (load, limit) = (known.and_then(|node| node.load.power()), known.and_then(|node| node.limit));
    let what = match wanted.filter(|_| form.step != Step::Entry) {
        Some(Reduction { power, from, to }) => {
            format!("{node}: take {power} off, {} ({})", times(from, to), to.since(from))
        }
        None => format!("{node}: take power off its load for a time"),
    };
    let mut lines = vec![(what, theme.strong())];
    lines.push((format!("Load now {} kW, limit in force {} kW", text::kw(load), text::kw(limit)), theme.normal()));
    lines.extend(fields(state, form));
    let words = format!("Times are UTC, now {}. Enter shows what it would do.", text::minute_utc(state.now()));
    lines.extend(before(form, &Step::Entry, &words, theme.normal()));
    if form.step == Step::Confirm {
        lines.push(("y sets it, Esc leaves it. Nothing has been sent yet.".to_owned(), theme.strong()));
        let words =
            "The mean load of the minutes before it begins, less that, is the limit then. With the load of now:";
        lines.push((words.to_owned(), theme.normal()));
        lines.extend(dry_run::answer(state, preview));
    }
    lines
}

pub(super) fn drop(state: &State, form: &Form, target: &Target) -> Lines {
    let theme = state.theme;
    let Target { id, node, reduction, from, to, by, reason, begun } = target;
    let mut lines = vec![(format!("{node}: drop target {id}, {reduction} off"), theme.strong())];
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    lines.push((format!("{}, set by {by}{why}", times(*from, *to)), theme.normal()));
    lines.push(match begun {
        Some(begun) => (
            format!(
                "In force: baseline {}, limit {}. Without it the rule restores in stages.",
                begun.baseline, begun.limit
            ),
            theme.medium(),
        ),
        None => ("It has not begun: nothing was shed for it.".to_owned(), theme.normal()),
    });
    lines.extend(fields(state, form));
    lines.extend(before(form, &Step::Entry, "Enter looks at it once more. Nothing has been sent yet.", theme.normal()));
    lines.extend(before(form, &Step::Confirm, "y drops it now, Esc leaves it.", theme.strong()));
    lines
}

pub(super) fn decide(state: &State, form: &Form, proposal: &Proposal, preview: &Preview) -> Lines {
    let theme = state.theme;
    let Proposal { id, rule, node, power, since, text: words, .. } = proposal;
    let mut lines = vec![(format!("{id}: rule {rule} proposes to take {power} off {node}"), theme.strong())];
    if !state.view.proposals.iter().any(|open| open.id == *id) && !matches!(form.step, Step::Done(_)) {
        lines.push(("It has lapsed or been decided meanwhile.".to_owned(), theme.medium()));
    }
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    lines.push((format!("since {}{said}", text::age(state.now(), *since)), theme.normal()));
    lines.extend(fields(state, form));
    lines.extend(before(
        form,
        &Step::Entry,
        "Enter goes on to the decision. Nothing has been sent yet.",
        theme.normal(),
    ));
    let words = "y approves: its node's limit comes down by that, and its rule sheds. n declines. Esc leaves it open.";
    lines.extend(before(form, &Step::Confirm, words, theme.strong()));
    if matches!(form.step, Step::Entry | Step::Confirm) {
        lines.extend(dry_run::answer(state, preview));
    }
    lines
}
