//! The control dialogue: review, select, the terminal's check-back, execute or withdraw, the measured effect.
//!
//! **Invariant:** an execute is sent only for an order whose select the terminal confirmed and whose terminal and action
//! are those that the operator reviewed ([`State::checked_back`]).

use headroom_rules::input::Request;
use headroom_rules::model::{Power, RoundNo};
use headroom_rules::orders::{Action, Order, OrderId};
use headroom_rules::output::Reply;

use super::message::{Answer, Asked, Effect};
use super::state::{Dialogue, Overlay, Screen, Stage, State, Wish};

/// No cap is as much as this.
const CAP_END_W: i64 = 1_000_000_000;

/// Opens the review for the selected round of the terminal on the screen.
pub(crate) fn start(state: &mut State, wish: impl FnOnce(RoundNo) -> Wish) {
    let Screen::Detail(terminal) = state.screen else { return };
    let wish = match state.rounds.key {
        Some(round) => wish(round),
        // A cap is the whole terminal's; a round is only needed to trip or restore.
        None => match wish(RoundNo::ALL[0]) {
            Wish::Cap => Wish::Cap,
            Wish::Trip(_) | Wish::Restore(_) => {
                state.tell(format!("{terminal} has no rounds to switch"));
                return;
            }
        },
    };
    if let Some(why) = state.why_not_live() {
        state.tell(format!("{why}: no order can be given now"));
        return;
    }
    state.overlay = Some(Overlay::Dialogue(Box::new(Dialogue::new(terminal, wish))));
}

/// Takes up an order of this operator that is still under way.
pub(crate) fn resume(state: &mut State, order: &Order) {
    if order.state.is_final() || !state.is_mine(order) {
        return;
    }
    let wish = match order.action {
        Action::Trip { round } => Wish::Trip(round),
        Action::Restore { round } => Wish::Restore(round),
        Action::SetCap { .. } => Wish::Cap,
    };
    let mut dialogue = Dialogue::new(order.terminal, wish);
    dialogue.action = Some(order.action);
    dialogue.reason = order.reason.clone().into();
    dialogue.stage = Stage::Following { order: order.id, executing: false, cancelling: false };
    state.overlay = Some(Overlay::Dialogue(Box::new(dialogue)));
}

/// A power as typed: kilowatts from 0 with at most three decimals, below what a `Power` holds.
pub(super) fn parse_kw(text: &str) -> Option<Power> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 3 {
        return None;
    }
    let watts = format!("{part:0<3}").parse().ok()?;
    let kw: i64 = whole.parse().ok()?;
    kw.checked_mul(1_000)?.checked_add(watts).map(Power::new)
}

fn parse_cap(text: &str) -> Result<Power, String> {
    let text = text.trim();
    parse_kw(text).filter(|cap| cap.get() < CAP_END_W).ok_or_else(|| {
        format!("\"{text}\" is no cap: wanted kilowatts from 0 (lifts the cap) to 1000000, as 250 or 62.5")
    })
}

/// Asks the centre to select.
pub(crate) fn select(state: &mut State) -> Vec<Effect> {
    let why_not = state.why_not_live();
    let Some(Overlay::Dialogue(dialogue)) = &mut state.overlay else { return Vec::new() };
    if dialogue.stage != Stage::Review {
        return Vec::new();
    }
    if let Some(why) = why_not {
        dialogue.note = Some(format!("{why}: nothing was sent"));
        return Vec::new();
    }
    let action = match dialogue.wish {
        Wish::Trip(round) => Action::Trip { round },
        Wish::Restore(round) => Action::Restore { round },
        Wish::Cap => match parse_cap(dialogue.cap.value()) {
            Ok(cap) => Action::SetCap { cap },
            Err(sentence) => {
                dialogue.note = Some(sentence);
                return Vec::new();
            }
        },
    };
    dialogue.action = Some(action);
    dialogue.note = None;
    dialogue.stage = Stage::Asking;
    let request = Request::Select {
        terminal: dialogue.terminal,
        action,
        qualifier: None,
        reason: dialogue.reason.value().trim().to_owned(),
    };
    vec![Effect::Ask(Asked::Select, request)]
}

/// Asks the centre to execute what the terminal checked back.
pub(crate) fn execute(state: &mut State) -> Vec<Effect> {
    let Some(order) = state.checked_back().map(|order| order.id) else { return Vec::new() };
    if let Some(Overlay::Dialogue(dialogue)) = &mut state.overlay {
        dialogue.stage = Stage::Following { order, executing: true, cancelling: false };
        dialogue.note = None;
    }
    vec![Effect::Ask(Asked::Execute(order), Request::Execute { order })]
}

/// Asks the centre to withdraw the select.
pub(crate) fn withdraw(state: &mut State) -> Vec<Effect> {
    let Some(Overlay::Dialogue(dialogue)) = &mut state.overlay else { return Vec::new() };
    let Stage::Following { order, executing: false, .. } = dialogue.stage else { return Vec::new() };
    dialogue.stage = Stage::Following { order, executing: false, cancelling: true };
    dialogue.note = None;
    vec![Effect::Ask(Asked::Cancel(order), Request::Cancel { order })]
}

/// Brings an answer of the centre into the dialogue that waits for it, or into a notice where that is gone.
pub(crate) fn on_answer(state: &mut State, asked: Asked, answer: Answer) {
    let fits = |stage: &Stage| match (asked, stage) {
        (Asked::Select, Stage::Asking) => true,
        (Asked::Execute(id) | Asked::Cancel(id), Stage::Following { order, .. }) => id == *order,
        _ => false,
    };
    let what = match asked {
        Asked::Select => "the select".to_owned(),
        Asked::Execute(order) => format!("the execute of {order}"),
        Asked::Cancel(order) => format!("the withdrawal of {order}"),
        Asked::Acknowledge(alarm) => format!("the acknowledgement of {alarm}"),
        Asked::SetLimit(node) => format!("the limit of {node}"),
        Asked::StopAutomatic => "the stop of automatic control".to_owned(),
        Asked::Act(name) => name.to_owned(),
        Asked::ResumeAutomatic => "the resumption of automatic control".to_owned(),
    };
    let Some(Overlay::Dialogue(dialogue)) = &mut state.overlay else {
        match answer {
            Answer::Granted(_) => {}
            Answer::Refused(sentence) => state.tell(format!("{what} was refused: {sentence}")),
            Answer::Unanswered(sentence) => state.tell(format!("{what} had no answer: {sentence}")),
        }
        return;
    };
    if !fits(&dialogue.stage) {
        return;
    }
    // A refused execute or withdrawal leaves the order where the view shows it.
    let standing = |order: OrderId| Stage::Following { order, executing: false, cancelling: false };
    match answer {
        Answer::Granted(Reply::Order { order }) if asked == Asked::Select => {
            dialogue.stage = Stage::Following { order, executing: false, cancelling: false };
        }
        Answer::Granted(_) if asked == Asked::Select => {
            dialogue.stage =
                Stage::Ended { sentence: "the centre gave no number for the order: see Orders".to_owned() };
        }
        Answer::Granted(_) => {}
        Answer::Refused(sentence) => match asked {
            Asked::Execute(order) | Asked::Cancel(order) => {
                dialogue.stage = standing(order);
                dialogue.note = Some(format!("refused: {sentence}"));
            }
            _ => dialogue.stage = Stage::Ended { sentence: format!("refused: {sentence}") },
        },
        Answer::Unanswered(sentence) => match asked {
            // It may be on its way: it is never offered again, the order's state tells what became of it.
            Asked::Execute(_) => {
                dialogue.note =
                    Some(format!("no answer to the execute ({sentence}): it may have been sent; watch the order"));
            }
            Asked::Cancel(order) => {
                dialogue.stage = standing(order);
                dialogue.note = Some(format!("no answer to the withdrawal: {sentence}"));
            }
            _ => {
                dialogue.stage = Stage::Ended {
                    sentence: format!("no answer to the select ({sentence}): look into Orders whether it was made"),
                };
            }
        },
    }
}
