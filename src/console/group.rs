//! Group orders: drawn up, the list looked at, said by a second person, executed, followed round by round.
//!
//! **Invariant:** an approval and an execute are sent only while the list that they are about is on the screen, and an
//! approval only once it has been seen to its end; the centre is told what power was seen (`second-person`).

use headroom_rules::groups::{Group, GroupAct, GroupId, GroupNotice, GroupScope, GroupState};
use headroom_rules::input::Request;
use headroom_rules::model::{PriorityClass, RoundNo};

use super::acts::{act_mut, ask, chosen_node, look as open_look, may_ask, start};
use super::message::Effect;
use super::state::{
    CLASS, DraftOf, GroupLook, GroupStep, NOTICE, Overlay, ROUNDS, Screen, State, Step, WHY, What, group_power,
};

/// The list is fetched this often while it is on the screen, ms.
const FETCH_MS: u64 = 1_000;

/// Opens the draft for a node, or for the marked terminals.
pub(super) fn start_draft(state: &mut State, act: GroupAct) {
    let of = match state.screen {
        Screen::Terminals if state.marked.is_empty() => {
            let terminal = state.terminals.key;
            terminal.map(|terminal| DraftOf::Terminals(vec![terminal]))
        }
        Screen::Terminals => Some(DraftOf::Terminals(state.marked.iter().copied().collect())),
        _ => chosen_node(state).map(DraftOf::Node),
    };
    let Some(of) = of else { return };
    let fields: &[&'static str] = match (&of, act) {
        (DraftOf::Node(_), GroupAct::Trip) => &[CLASS, ROUNDS, WHY, NOTICE],
        (DraftOf::Node(_), GroupAct::Restore) => &[CLASS, ROUNDS, WHY],
        (DraftOf::Terminals(_), GroupAct::Trip) => &[ROUNDS, WHY, NOTICE],
        (DraftOf::Terminals(_), GroupAct::Restore) => &[ROUNDS, WHY],
    };
    start(state, What::DraftGroup { act, of }, fields);
}

fn parse_class(text: &str) -> Result<Option<PriorityClass>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let class = text.parse::<u8>().ok().and_then(|class| PriorityClass::try_from(class).ok());
    class.map(Some).ok_or_else(|| format!("\"{text}\" is no class: wanted 1 to 5, or nothing for all"))
}

fn parse_rounds(text: &str) -> Result<Vec<RoundNo>, String> {
    let parse = |word: &str| word.parse::<u8>().ok().and_then(|number| RoundNo::try_from(number).ok());
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    words
        .map(|word| parse(word).ok_or_else(|| format!("\"{word}\" is no round: wanted 1 to 8, as 1 2, or nothing")))
        .collect()
}

fn parse_notice(text: &str) -> Result<u16, String> {
    let most = GroupNotice::MINUTES_MAX;
    if text.is_empty() {
        return Ok(0);
    }
    let minutes = text.strip_suffix("min").unwrap_or(text).trim_end().parse().ok();
    minutes.filter(|minutes| (1..=most).contains(minutes)).ok_or_else(|| {
        format!("\"{text}\" is no notice: wanted 1 to {most} minutes, or nothing where nobody is to be told")
    })
}

/// Asks the centre to draw it up: that switches nothing, and its list comes next.
pub(super) fn draft(state: &mut State) -> Vec<Effect> {
    let Some(Overlay::Act(dialogue)) = &state.overlay else { return Vec::new() };
    let What::DraftGroup { act, of } = &dialogue.what else { return Vec::new() };
    let act = *act;
    let parsed = parse_class(dialogue.form.value(CLASS))
        .and_then(|class| Ok((class, parse_rounds(dialogue.form.value(ROUNDS))?)))
        .and_then(|(class, numbers)| Ok((class, numbers, parse_notice(dialogue.form.value(NOTICE))?)));
    let reason = dialogue.form.value(WHY).to_owned();
    let scope = parsed.and_then(|(class, numbers, notice_min)| match of {
        DraftOf::Node(node) => Ok((GroupScope::Node { node: *node, class, numbers }, notice_min)),
        DraftOf::Terminals(terminals) => {
            let terminals = terminals.iter().filter_map(|id| state.terminal(*id));
            let rounds = terminals.flat_map(|terminal| {
                let wanted = terminal.rounds.iter().filter(|it| numbers.is_empty() || numbers.contains(&it.round));
                wanted.map(|it| (terminal.id, it.round))
            });
            let rounds: Vec<_> = rounds.collect();
            if rounds.is_empty() {
                Err("none of them has such a round".to_owned())
            } else {
                Ok((GroupScope::Rounds { rounds }, notice_min))
            }
        }
    });
    match scope {
        Ok((scope, notice_min)) => ask(state, Request::DraftGroup { act, scope, reason, notice_min }),
        Err(sentence) => {
            if let Some(dialogue) = act_mut(state) {
                dialogue.form.note = Some(sentence);
            }
            Vec::new()
        }
    }
}

/// Opens the list of a group order.
pub(super) fn look(state: &mut State, id: GroupId) -> Vec<Effect> {
    open_look(state, What::Group(Box::new(GroupLook::new(id))), &[]);
    fetch(state)
}

/// The group order on the screen.
fn shown(state: &mut State) -> Option<&mut GroupLook> {
    match act_mut(state).map(|act| &mut act.what) {
        Some(What::Group(look)) => Some(look),
        _ => None,
    }
}

pub(super) fn fetch(state: &mut State) -> Vec<Effect> {
    let wall = state.wall;
    let Some(look) = shown(state).filter(|look| !look.in_flight) else { return Vec::new() };
    (look.in_flight, look.asked_at) = (true, Some(wall));
    vec![Effect::FetchGroup(look.id)]
}

/// What is to be fetched now.
pub(super) fn due(state: &mut State) -> Vec<Effect> {
    let wall = state.wall;
    let due = |at: Option<u64>| at.is_none_or(|at| wall.saturating_sub(at) >= FETCH_MS);
    if shown(state).is_some_and(|look| due(look.asked_at)) { fetch(state) } else { Vec::new() }
}

pub(super) fn on_group(state: &mut State, id: GroupId, answer: Result<Group, String>) {
    let Some(look) = shown(state).filter(|look| look.id == id) else { return };
    look.in_flight = false;
    match answer {
        Ok(group) => (look.group, look.error) = (Some(group), None),
        Err(sentence) => look.error = Some(sentence),
    }
}

/// What may be done about the group order on the screen, as its list shows it.
pub(super) fn step(state: &State) -> GroupStep {
    state.group_step()
}

/// The second person's word, once the list was seen to its end.
pub(super) fn approve(state: &mut State, end: u16) -> Vec<Effect> {
    if step(state) != GroupStep::Approve || !may_ask(state) {
        return Vec::new();
    }
    let Some(dialogue) = act_mut(state) else { return Vec::new() };
    if dialogue.form.scroll < end {
        dialogue.form.note =
            Some("the list goes on: you answer for all of it, so see it to its end first (PgDn)".into());
        return Vec::new();
    }
    let What::Group(look) = &dialogue.what else { return Vec::new() };
    let Some(seen) = look.group.as_ref().map(group_power) else { return Vec::new() };
    let group = look.id;
    ask(state, Request::ApproveGroup { group, seen: Some(seen) })
}

pub(super) fn execute(state: &mut State) -> Vec<Effect> {
    if step(state) != GroupStep::Execute || !may_ask(state) {
        return Vec::new();
    }
    let Some(group) = shown(state).map(|look| look.id) else { return Vec::new() };
    ask(state, Request::ExecuteGroup { group, at_once: None })
}

/// Opens the dialogue that asks why the end of the notice is not waited for, where there is one that runs.
pub(super) fn begin_at_once(state: &mut State) {
    let now = state.now();
    if step(state) != GroupStep::Execute {
        return;
    }
    let Some(look) = shown(state) else { return };
    let id = look.id;
    let runs = look.group.as_ref().and_then(|group| group.notice.as_ref()?.due).is_some_and(|due| now < due);
    if runs {
        start(state, What::GroupAtOnce(id), &[WHY]);
    } else if let Some(dialogue) = act_mut(state) {
        dialogue.form.note = Some("no notice runs: x executes it".to_owned());
    }
}

/// Wants a reason before the last look.
pub(super) fn review_at_once(state: &mut State) {
    let Some(dialogue) = act_mut(state) else { return };
    if dialogue.form.value(WHY).is_empty() {
        dialogue.form.note = Some("say why its customers' time is cut short: it is for the audit log".to_owned());
    } else {
        dialogue.form.to(Step::Confirm);
    }
}

pub(super) fn call_off(state: &mut State) -> Vec<Effect> {
    let Some(look) = shown(state) else { return Vec::new() };
    let over = |state| matches!(state, GroupState::Done | GroupState::Cancelled | GroupState::Expired);
    let group = look.id;
    if look.group.as_ref().is_none_or(|group| over(group.line.state)) || !may_ask(state) {
        return Vec::new();
    }
    ask(state, Request::CancelGroup { group, reason: "called off at the console".to_owned() })
}

/// Marks the terminal under the cursor for a group order, or takes its mark away, and goes on to the next.
pub(super) fn mark(state: &mut State) {
    let Some(terminal) = state.terminals.key else { return };
    if !state.marked.remove(&terminal) {
        state.marked.insert(terminal);
    }
}
