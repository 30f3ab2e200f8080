//! Values by hand: put in for a node's load, a terminal's power, or a round's power or switch; taken off from the list.

use headroom_rules::dressing::{DressOn, Dressing, DressingId};
use headroom_rules::input::Request;
use headroom_rules::model::{RoundNo, Span, SwitchPosition, TerminalId, Timestamp};

use super::acts::{act_mut, chosen_node, start};
use super::dialogue::parse_kw;
use super::message::Effect;
use super::state::{ASPECT, ByHand, DressAt, FOR, Screen, State, Step, VALUE, WHY, What};

/// Opens the dialogue for what is under the cursor.
pub(super) fn put_in(state: &mut State) {
    let at = match state.screen {
        Screen::Overview | Screen::Node(_) => chosen_node(state).map(|node| DressAt::One(DressOn::Load { node })),
        Screen::Terminals => state.terminals.key.map(|terminal| DressAt::One(DressOn::Power { terminal })),
        Screen::Detail(terminal) => Some(match state.rounds.key {
            Some(round) => DressAt::Round { terminal, round },
            None => DressAt::One(DressOn::Power { terminal }),
        }),
        _ => None,
    };
    let Some(at) = at else { return };
    let fields: &[&str] = match at {
        DressAt::One(_) => &[VALUE, FOR, WHY],
        DressAt::Round { .. } => &[ASPECT, VALUE, FOR, WHY],
    };
    start(state, What::Dress { at, wanted: None }, fields);
}

fn aspect(terminal: TerminalId, round: RoundNo, text: &str) -> Result<DressOn, String> {
    match text.to_lowercase().as_str() {
        "" | "switch" => Ok(DressOn::RoundPosition { terminal, round }),
        "power" => Ok(DressOn::RoundPower { terminal, round }),
        "load" => Ok(DressOn::Power { terminal }),
        _ => Err(format!("\"{text}\": wanted switch, power (behind the switch) or load (of the whole terminal)")),
    }
}

/// The value as the centre takes it: watts, or a position.
fn value(on: DressOn, text: &str) -> Result<i64, String> {
    if let DressOn::RoundPosition { .. } = on {
        return match text.to_lowercase().as_str() {
            "open" => Ok(SwitchPosition::Open.value()),
            "closed" => Ok(SwitchPosition::Closed.value()),
            _ => Err(format!("\"{text}\" is no position of a switch: wanted open or closed")),
        };
    }
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let power = parse_kw(digits).ok_or_else(|| format!("\"{text}\" is no power: wanted kilowatts, as 250 or 62.5"))?;
    Ok(sign * power.get())
}

/// How long it stands: hours, or minutes where the text says so.
fn until(now: Timestamp, text: &str) -> Result<Timestamp, String> {
    let most = Dressing::LENGTH_MAX;
    let (number, unit) = match text.strip_suffix("min") {
        Some(number) => (number.trim_end(), Span::from_s(60)),
        None => (text.strip_suffix('h').unwrap_or(text).trim_end(), Span::from_s(3_600)),
    };
    let span = number.parse::<u16>().ok().map(|number| Span::from_s(i64::from(number) * unit.get() / 1_000));
    let wrong =
        || format!("\"{text}\" is no length of time: wanted hours, as 4, or minutes, as 30 min; at most {most}");
    span.filter(|span| *span > Span::ZERO && *span <= most).map(|span| now.after(span)).ok_or_else(wrong)
}

fn parse(state: &State) -> Option<Result<ByHand, String>> {
    let act = state.act()?;
    let What::Dress { at, .. } = act.what else { return None };
    let form = &act.form;
    Some((|| {
        let on = match at {
            DressAt::One(on) => on,
            DressAt::Round { terminal, round } => aspect(terminal, round, form.value(ASPECT))?,
        };
        let value = value(on, form.value(VALUE))?;
        let until = until(state.now(), form.value(FOR))?;
        if form.value(WHY).is_empty() {
            return Err("a value by hand wants a reason, for whoever finds it there".to_owned());
        }
        Ok(ByHand { on, value, until })
    })())
}

/// Takes what was typed to the last look.
pub(super) fn review(state: &mut State) {
    let Some(parsed) = parse(state) else { return };
    let Some(act) = act_mut(state) else { return };
    let What::Dress { wanted, .. } = &mut act.what else { return };
    match parsed {
        Ok(by_hand) => {
            *wanted = Some(by_hand);
            act.form.to(Step::Confirm);
        }
        Err(sentence) => act.form.note = Some(sentence),
    }
}

pub(super) fn request(wanted: ByHand, reason: String) -> Request {
    let ByHand { on, value, until } = wanted;
    Request::Dress { on, value, until, reason }
}

/// Opens the dialogue for a value that stands.
pub(super) fn take_off(state: &mut State, id: DressingId) -> Vec<Effect> {
    match state.view.dressings.iter().find(|it| it.id == id).cloned() {
        Some(dressing) => {
            start(state, What::Undress(dressing), &[WHY]);
        }
        None => state.tell(format!("value by hand {id} has come to its end")),
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_times_by_hand_are_read_or_refused_with_what_is_wanted() {
        let node = "F03".parse().unwrap();
        let (terminal, round) = ("T1".parse().unwrap(), RoundNo::ALL[0]);
        let load = DressOn::Load { node };
        assert_eq!(value(load, "62.5"), Ok(62_500));
        assert_eq!(value(load, "-3"), Ok(-3_000), "a customer may feed in");
        assert!(value(load, "open").unwrap_err().contains("is no power"));
        let switch = aspect(terminal, round, "").unwrap();
        assert_eq!((value(switch, "Open"), value(switch, "closed")), (Ok(1), Ok(2)));
        assert!(value(switch, "2").unwrap_err().contains("wanted open or closed"));
        assert!(aspect(terminal, round, "floor").unwrap_err().contains("wanted switch"));
        let now = Timestamp::new(0);
        assert_eq!(until(now, "4"), Ok(now.after(Span::from_s(14_400))));
        assert_eq!(until(now, "30 min"), Ok(now.after(Span::from_s(1_800))));
        for bad in ["", "0", "169", "-1", "1.5", "soon"] {
            assert!(until(now, bad).is_err(), "{bad}");
        }
        assert!(until(now, "168 h").is_ok(), "a week");
    }
}
