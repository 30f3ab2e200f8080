//! A group order in words: the draft, and the list with what becomes of each round.

use headroom_rules::groups::{Group, GroupAct, GroupId, GroupLine, GroupState, Member, MemberState};
use headroom_rules::model::Span;
use headroom_rules::notices::Untold;
use headroom_rules::orders::OrderState;
use ratatui::style::Style;

use super::{before, fields};
use crate::console::state::{DraftOf, Form, GroupLook, GroupStep, State, Step, group_power};
use crate::console::view::overlay::Lines;
use crate::console::view::text;

pub(super) fn draft(state: &State, form: &Form, act: GroupAct, of: &DraftOf) -> Lines {
    let theme = state.theme;
    let mut lines = match of {
        DraftOf::Node(node) => {
            let below = state.terminals_below(*node);
            let in_all: usize = below.iter().map(|terminal| terminal.rounds.len()).sum();
            let load = state.node(*node).and_then(|node| node.load.power());
            vec![
                (format!("{node}: {act} the rounds below it"), theme.strong()),
                (format!("{} terminals with {in_all} rounds, load {} kW", below.len(), text::kw(load)), theme.normal()),
            ]
        }
        DraftOf::Terminals(terminals) => {
            let names: Vec<&str> = terminals.iter().map(|terminal| terminal.as_str()).collect();
            vec![
                (format!("{act} the rounds of {} terminals", terminals.len()), theme.strong()),
                (names.join(" "), theme.normal()),
            ]
        }
    };
    lines.extend(fields(state, form));
    let words = if act == GroupAct::Trip {
        "Enter draws it up and shows its list: nothing is switched by that. With a notice its customers are told then, or once a \
         second person has approved it."
    } else {
        "Enter draws it up and shows its list: nothing is switched by that."
    };
    lines.extend(before(form, &Step::Entry, words, theme.normal()));
    lines
}

pub(super) fn look(state: &State, form: &Form, look: &GroupLook) -> Lines {
    let theme = state.theme;
    let Some(group) = &look.group else {
        return vec![match &look.error {
            Some(error) => (format!("✖ {}: {error}", look.id), theme.medium()),
            None => (format!("◌ {}: fetching its list …", look.id), theme.active()),
        }];
    };
    let mut lines = head(state, group);
    if let Some(error) = &look.error {
        lines.push((format!("✖ this list is not renewed: {error}"), theme.medium()));
    }
    if form.step == Step::Entry {
        lines.push((what_next(state, group), theme.strong()));
    }
    lines.extend(notice(state, group));
    let mut taking_part: Vec<&Member> = group.taking_part().collect();
    taking_part.sort_by_key(|member| rank(member.state));
    let (will, does, was) = match group.line.act {
        GroupAct::Trip => ("WILL OPEN", "OPENS", "WAS TO OPEN"),
        GroupAct::Restore => ("WILL CLOSE", "CLOSES", "WAS TO CLOSE"),
    };
    let what = match group.line.state {
        GroupState::Drafted | GroupState::Approved => will,
        GroupState::Executing | GroupState::Done => does,
        GroupState::Cancelled | GroupState::Expired => was,
    };
    lines.push((format!("{what} {} with {}:", rounds(taking_part.len()), group_power(group)), theme.title()));
    lines.extend(taking_part.into_iter().map(|member| round(state, group.line.act, member)));
    let left_out = || group.members.iter().filter(|member| member.state == MemberState::LeftOut);
    if left_out().next().is_some() {
        lines.push((format!("LEFT OUT {}:", rounds(left_out().count())), theme.title()));
        let line = |member: &Member| {
            let name = state.terminal(member.terminal).map_or("", |terminal| &terminal.name);
            (format!("· {} round {} {name}: {}", member.terminal, member.round, member.why), theme.low())
        };
        lines.extend(left_out().map(line));
    }
    lines
}

/// What its customers were told, and whom it did not reach.
fn notice(state: &State, group: &Group) -> Lines {
    let theme = state.theme;
    let Some(notice) = &group.notice else { return Vec::new() };
    let Some(due) = notice.due else {
        let words = format!("NOTICE  {} before it, told once a second person has approved it", notice.before);
        return vec![(words, theme.normal())];
    };
    let (told, untold) = (notice.delivered(), notice.not_reached().collect::<Vec<_>>());
    let on_way = notice.told.len() - told - untold.len();
    let on_way = if on_way > 0 { format!(", {on_way} on the way") } else { String::new() };
    let waits = matches!(group.line.state, GroupState::Drafted | GroupState::Approved);
    let left = due.since(state.now());
    let when = match (waits, left > Span::ZERO) {
        (true, true) => format!(", x from {}Z, in {left} (X: now)", text::clock(due)),
        (true, false) => ", its time is over".to_owned(),
        (false, _) => String::new(),
    };
    let mut lines = vec![(format!("NOTICE  {told} told, {} not reached{on_way}{when}", untold.len()), theme.strong())];
    let line = |it: &Untold| {
        let name = state.terminal(it.terminal).map_or("", |terminal| &terminal.name);
        (format!("not reached: {} {name}: {}", it.terminal, it.why), theme.active())
    };
    lines.extend(untold.iter().map(line));
    lines
}

/// The execute that does not wait for the end of the notice.
pub(super) fn at_once(state: &State, form: &Form, id: GroupId) -> Lines {
    let theme = state.theme;
    let mut lines = vec![
        (format!("{id}: its customers were told of a later time."), theme.strong()),
        ("Its orders go out now all the same.".to_owned(), theme.strong()),
    ];
    lines.extend(fields(state, form));
    lines.extend(before(form, &Step::Entry, "Enter goes on to the last look.", theme.normal()));
    lines.extend(before(form, &Step::Confirm, "y executes it now.", theme.strong()));
    lines
}

fn rounds(count: usize) -> String {
    if count == 1 { "1 round".to_owned() } else { format!("{count} rounds") }
}

fn head(state: &State, group: &Group) -> Lines {
    let theme = state.theme;
    let GroupLine { id, act, scope, reason, state: at, drafted_by, second_person, approved_by, .. } = &group.line;
    let GroupLine { drafted_at, expires_at, confirmed, failed, .. } = &group.line;
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let age = text::age(state.now(), *drafted_at);
    let mut lines = vec![
        (format!("{id} {act} {scope}: {}", at.to_string().to_uppercase()), theme.strong()),
        (format!("drawn up by {drafted_by} {age} ago{why}"), theme.normal()),
    ];
    lines.push(match (second_person, approved_by) {
        (_, Some(by)) => (format!("second person: {by} approved {}", group.line.power), theme.normal()),
        (_, None) if matches!(at, GroupState::Cancelled | GroupState::Expired) => {
            ("second person: nobody approved it".to_owned(), theme.normal())
        }
        (true, None) => ("second person: WANTED, nobody has approved it yet".to_owned(), theme.medium()),
        (false, None) => ("second person: not wanted for so little".to_owned(), theme.normal()),
    });
    match at {
        GroupState::Drafted | GroupState::Approved => {
            let left = expires_at.since(state.now());
            lines.push((format!("expires in {} s ({left} of the centre's time)", state.wall_s(left)), theme.normal()));
        }
        _ => {
            let under_way = group.taking_part().filter(|member| rank(member.state) == 1).count();
            let words = format!("{confirmed} confirmed, {failed} ended otherwise, {under_way} under way");
            lines.push((words, if *failed > 0 { theme.medium() } else { theme.normal() }));
        }
    }
    lines
}

/// What whoever sits here may do, or who may.
fn what_next(state: &State, group: &Group) -> String {
    let line = &group.line;
    if let Some(why) = state.why_not_live() {
        return format!("Nothing can be done about it now: {why}.");
    }
    match state.may(line) {
        GroupStep::Approve => {
            "You would be the second person: you answer for all of this list. y approves it at its end.".to_owned()
        }
        GroupStep::Execute => format!("x sends these orders now: {} {}. w calls it off.", line.act, group_power(group)),
        GroupStep::CallOff if line.state == GroupState::Drafted => {
            "Somebody else has to approve it: they find it under 7. w calls it off.".to_owned()
        }
        GroupStep::CallOff => "w withdraws what has not been executed; the rest comes to its end.".to_owned(),
        GroupStep::Nothing if line.state == GroupState::Drafted || line.state == GroupState::Approved => {
            let second = line.approved_by.as_ref().map(|by| format!(" or {by}")).unwrap_or_default();
            format!("{}{second} goes on with it.", line.drafted_by)
        }
        GroupStep::Nothing if line.state == GroupState::Executing => {
            format!("Its orders come to their end; {} may call off what waits.", line.drafted_by)
        }
        GroupStep::Nothing => "It is over: nothing more is sent for it.".to_owned(),
    }
}

/// What went wrong first, then what is under way, then what is done.
const fn rank(state: MemberState) -> u8 {
    match state {
        MemberState::Ordered(OrderState::Confirmed | OrderState::Verified) => 2,
        MemberState::Ordered(state) if state.is_final() => 0,
        MemberState::Ordered(OrderState::Unknown) => 0,
        MemberState::Ordered(_) => 1,
        MemberState::Waiting | MemberState::LeftOut => 3,
    }
}

fn round(state: &State, act: GroupAct, member: &Member) -> (String, Style) {
    let theme = state.theme;
    let Member { terminal, round, power, state: at, order, why } = member;
    let known = state.terminal(*terminal);
    let name = known.map_or("", |terminal| &terminal.name);
    let shape = if act == GroupAct::Trip { "▼" } else { "▲" };
    let (words, style) = match at {
        MemberState::Ordered(state) => {
            let order = order.map(|order| format!("{order} ")).unwrap_or_default();
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            (format!("{order}{state}{why}"), theme.order(*state))
        }
        MemberState::Waiting | MemberState::LeftOut => {
            let class = known.and_then(|terminal| terminal.priority).map(|class| format!("class {class}"));
            (class.unwrap_or_default(), theme.normal())
        }
    };
    let line = format!(
        "{shape} {} {round} {} {} kW  {words}",
        text::fit(terminal.as_str(), 10),
        text::fit(name, 22),
        text::right(&text::kw(Some(*power)), 8),
    );
    (line, style)
}
