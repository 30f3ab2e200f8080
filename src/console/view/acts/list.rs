//! The screen of all that people have in hand: proposals, group orders, targets, agreed measures, tags, values by hand.

use headroom_rules::groups::{GroupLine, GroupState};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::TAG;
use super::dress::BY_HAND;
use super::measures;
use crate::console::layout;
use crate::console::state::{ActKey, GroupStep, State};
use crate::console::view::lists::full_text;
use crate::console::view::{below, heading, row, text};

/// One line: what it is, its number, where it stands, since when, and the rest.
struct Shown {
    kind: &'static str,
    id: String,
    at: String,
    style: Style,
    since: String,
    what: String,
    full: Vec<String>,
}

pub(in crate::console::view) fn draw(state: &State, frame: &mut Frame, body: Rect) {
    let (list, full) = layout::list_and_text(body);
    let columns = format!(
        " {} {} {} {} WHAT",
        text::fit("KIND", 9),
        text::fit("NO.", 5),
        text::fit("STATE", 15),
        text::right("SINCE", 12)
    );
    heading(state, frame, list, &columns);
    let rows = below(list);
    let keys = state.act_keys();
    if keys.is_empty() {
        let words = " Nothing: no proposal, group order, target, agreed measure, tag or value by hand. o, d, h, e begin one where a node or terminal is.";
        frame.render_widget(Line::raw(text::fit(words, usize::from(rows.width))), rows);
    }
    let what = usize::from(list.width).saturating_sub(48);
    let visible = keys.iter().enumerate().skip(state.acts.offset).take(usize::from(rows.height));
    for (at, (index, key)) in visible.enumerate() {
        let Some(shown) = shown(state, *key) else { continue };
        let spans = vec![
            Span::styled(format!(" {} {} ", text::fit(shown.kind, 9), text::fit(&shown.id, 5)), state.theme.normal()),
            Span::styled(format!("{} ", text::fit(&shown.at, 15)), shown.style),
            Span::styled(format!("{} ", text::right(&shown.since, 12)), state.theme.quiet()),
            Span::styled(text::fit(&shown.what, what), state.theme.normal()),
        ];
        row(state, frame, rows, at, index == state.acts.index, spans);
    }
    let selected = keys.get(state.acts.index).and_then(|key| shown(state, *key));
    full_text(state, frame, full, &selected.map(|shown| shown.full).unwrap_or_default());
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn shown(state: &State, key: ActKey) -> Option<Shown> {
    let (theme, view) = (state.theme, &state.view);
    let age = |since| text::age(state.now(), since);
    Some(match key {
        ActKey::Proposal(id) => {
            let it = view.proposals.iter().find(|it| it.id == id)?;
            let what = format!("{}: {} off, rule {}", it.node, it.power, it.rule);
            Shown {
                kind: "proposal",
                id: id.to_string(),
                at: "◆ DECIDE".to_owned(),
                style: theme.medium(),
                since: age(it.since),
                full: vec![format!("{id} {what}{}", because(&it.text)), "Enter shows what it would do.".to_owned()],
                what,
            }
        }
        ActKey::Group(id) => {
            let line = view.groups.iter().find(|line| line.id == id)?;
            let (at, style) = group_state(state, line);
            let GroupLine { act, scope, reason, drafted_by, approved_by, power, rounds, left_out, .. } = line;
            let GroupLine { confirmed, failed, .. } = line;
            let second = approved_by.as_ref().map(|by| format!(", approved by {by}")).unwrap_or_default();
            Shown {
                kind: "group",
                id: id.to_string(),
                at: at.to_owned(),
                style,
                since: age(line.changed_at),
                what: format!("{act} {scope}, {power}, by {drafted_by}"),
                full: vec![
                    format!("{id} {act} {scope} by {drafted_by}{second}{}", because(reason)),
                    format!("{power} in {} rounds, {left_out} left out", rounds.saturating_sub(*left_out)),
                    format!("{confirmed} confirmed, {failed} ended otherwise. Enter shows the list."),
                ],
            }
        }
        ActKey::Target(id) => {
            let it = view.targets.iter().find(|it| it.id == id)?;
            let (at, style) = match it.begun {
                Some(_) => ("▼ in force", theme.active()),
                None => ("· planned", theme.normal()),
            };
            let clock = |at| text::date_clock(at).get(5..16).unwrap_or_default().to_owned();
            let what = format!("{}: {} off, {}Z to {}Z", it.node, it.reduction, clock(it.from), clock(it.to));
            let begun = it.begun.map(|begun| format!("baseline {}, limit {}", begun.baseline, begun.limit));
            let mut full = vec![format!("target {id} {what}, by {}{}", it.by, because(&it.reason))];
            full.extend(begun);
            full.push("Enter drops it.".to_owned());
            let since = it.begun.map_or_else(String::new, |_| age(it.from));
            Shown { kind: "target", id: id.to_string(), at: at.to_owned(), style, since, what, full }
        }
        ActKey::Measure(id) => {
            let it = view.measures.iter().find(|it| it.id == id)?;
            let style = if it.fell_short() { theme.medium() } else { theme.active() };
            let what = format!("{}, {} gone", measures::named(state, it), it.gone);
            let by = it.by.as_ref().map(|by| format!(", asked by {by}")).unwrap_or_default();
            let times = format!("{}Z to {}Z at most{by}", text::date_clock(it.due), text::date_clock(it.until));
            Shown {
                kind: "measure",
                id: id.to_string(),
                at: format!("◇ {}", it.stage()),
                style,
                since: age(it.asked_at),
                full: vec![
                    format!("{id} {what}"),
                    times,
                    "Enter ends it, or notes that the customer declined.".to_owned(),
                ],
                what,
            }
        }
        ActKey::Tag(id) => {
            let it = view.tags.iter().find(|it| it.id == id)?;
            let what = format!("{} by {}{}", it.on, it.owner, because(&it.reason));
            Shown {
                kind: "tag",
                id: id.to_string(),
                at: format!("{TAG} hangs"),
                style: theme.low(),
                since: age(it.since),
                full: vec![format!("{id} on {what}"), "Enter takes it off.".to_owned()],
                what,
            }
        }
        ActKey::ByHand(id) => {
            let it = view.dressings.iter().find(|it| it.id == id)?;
            let what = format!("{}: {} by {}{}", it.on, it.told(), it.owner, because(&it.reason));
            let until = format!("until {}", text::minute_utc(it.until));
            Shown {
                kind: "by hand",
                id: id.to_string(),
                at: format!("{BY_HAND} counts"),
                style: theme.low(),
                since: age(it.since),
                full: vec![format!("{id} {what}"), until, "Enter takes it off.".to_owned()],
                what,
            }
        }
    })
}

fn group_state(state: &State, line: &GroupLine) -> (&'static str, Style) {
    let theme = state.theme;
    match (line.state, state.may(line)) {
        (GroupState::Drafted, GroupStep::Approve) => ("◆ APPROVE?", theme.medium()),
        (GroupState::Drafted, _) if line.second_person => ("◇ wants second", theme.low()),
        (GroupState::Drafted, _) => ("· drafted", theme.normal()),
        (GroupState::Approved, GroupStep::Execute) => ("◆ EXECUTE?", theme.medium()),
        (GroupState::Approved, _) => ("◇ approved", theme.low()),
        (GroupState::Executing, _) => ("▼ executing", theme.active()),
        (GroupState::Done, _) if line.failed > 0 => ("✖ done, failed", theme.medium()),
        (GroupState::Done, _) => ("✔ done", theme.normal()),
        (GroupState::Cancelled, _) => ("· called off", theme.quiet()),
        (GroupState::Expired, _) => ("· expired", theme.quiet()),
    }
}
