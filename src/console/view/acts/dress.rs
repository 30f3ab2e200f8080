//! Values by hand in words.

use headroom_rules::dressing::{DressOn, Dressing};
use headroom_rules::model::PointKind;

use super::{before, fields};
use crate::console::state::{ByHand, DressAt, Form, State, Step};
use crate::console::view::overlay::Lines;
use crate::console::view::text;

/// A value's sign, where people would else take it for measured.
pub(super) const BY_HAND: &str = "✎";

pub(super) fn put_in(state: &State, form: &Form, at: DressAt, wanted: Option<ByHand>) -> Lines {
    let theme = state.theme;
    let wanted = wanted.filter(|_| form.step != Step::Entry);
    let what = match (wanted, at) {
        (Some(ByHand { on, value, until }), _) => {
            format!("{on}: {} by hand, until {}", on.told(value), text::minute_utc(until))
        }
        (None, DressAt::One(on)) => format!("{on}: a value by hand"),
        (None, DressAt::Round { terminal, round }) => format!("{terminal} round {round}: a value by hand"),
    };
    let mut lines = vec![(what, theme.strong())];
    let now = match (wanted.map(|wanted| wanted.on), at) {
        (Some(on), _) | (None, DressAt::One(on)) => vec![on],
        (None, DressAt::Round { terminal, round }) => vec![
            DressOn::RoundPosition { terminal, round },
            DressOn::RoundPower { terminal, round },
            DressOn::Power { terminal },
        ],
    };
    for on in now {
        lines.push((format!("Now {on}: {}", measured(state, on)), theme.normal()));
        lines.extend(standing(state, on).map(|words| (words, theme.low())));
    }
    lines.extend(fields(state, form));
    lines.extend(before(form, &Step::Entry, "Enter looks at it once more. Nothing has been sent yet.", theme.normal()));
    let words = "Limits and alarms are judged by it, marked ✎ as substituted (SB). It confirms no order, and no rule";
    lines.extend(before(form, &Step::Confirm, words, theme.normal()));
    let words = "sheds what it would not show. What is measured is stored beneath it, and counts again afterwards.";
    lines.extend(before(form, &Step::Confirm, words, theme.normal()));
    lines.extend(before(form, &Step::Confirm, "y puts it in now, Esc leaves it.", theme.strong()));
    lines
}

/// What is known of it now.
fn measured(state: &State, on: DressOn) -> String {
    let unknown = || "not known".to_owned();
    if let Some(node) = on.node() {
        let load = state.node(node).and_then(|node| node.load.power());
        return load.map_or_else(unknown, |load| load.to_string());
    }
    let Some(terminal) = on.terminal().and_then(|id| state.terminal(id)) else { return unknown() };
    let round = terminal.rounds.iter().find(|known| Some(known.round) == on.round());
    match on.point() {
        Some(PointKind::RoundPosition(_)) => {
            round.and_then(|round| round.position).map_or_else(unknown, |position| position.to_string())
        }
        Some(PointKind::RoundPower(_)) => {
            round.and_then(|round| round.power).map_or_else(unknown, |power| power.to_string())
        }
        _ => terminal.power.map_or_else(unknown, |power| power.to_string()),
    }
}

/// A value by hand that is there already.
fn standing(state: &State, on: DressOn) -> impl Iterator<Item = String> {
    let there = state.view.dressings.iter().filter(move |it| it.on == on);
    there.map(|it| {
        format!("{BY_HAND} {} of {} is there until {}: {}", it.id, it.owner, text::minute_utc(it.until), it.reason)
    })
}

pub(super) fn take_off(state: &State, form: &Form, dressing: &Dressing) -> Lines {
    let theme = state.theme;
    let Dressing { id, on, owner, reason, since, until, .. } = dressing;
    let mut lines = vec![(format!("{on}: take value by hand {id} off, {}", dressing.told()), theme.strong())];
    let age = text::age(state.now(), *since);
    lines.push((format!("Put in by {owner} {age} ago, until {}: {reason}", text::minute_utc(*until)), theme.normal()));
    if state.me() != Some(owner.as_str()) {
        lines.push((format!("It is {owner}'s: only {owner} or a supervisor may take it off."), theme.medium()));
    }
    lines.extend(fields(state, form));
    lines.extend(before(form, &Step::Entry, "Enter looks at it once more. Nothing has been sent yet.", theme.normal()));
    lines.extend(before(form, &Step::Confirm, "What is measured counts again at once.", theme.normal()));
    lines.extend(before(form, &Step::Confirm, "y takes it off now, Esc leaves it.", theme.strong()));
    lines
}
