//! A terminal's parameters: wanted against read back, one changed at a time, sent and read back.

use headroom_rules::model::TerminalId;
use serde_json::{Value, json};

use super::acts::{act_mut, look};
use super::message::Effect;
use super::state::{CHANGE, Change, Screen, State, Step, WHY, What};

/// Opens the list for the terminal on the screen.
pub(super) fn start(state: &mut State) {
    if let Screen::Detail(terminal) = state.screen {
        look(state, What::Parameters { terminal, change: None }, &[CHANGE, WHY]);
    }
}

/// Asks the terminal for what it has, once at a time.
pub(super) fn read_back(state: &mut State) -> Vec<Effect> {
    let Some(What::Parameters { terminal, .. }) = state.act().map(|act| &act.what) else { return Vec::new() };
    let terminal = *terminal;
    if let Some(act) = act_mut(state) {
        act.form.note = Some(format!("{terminal}: reading its parameters back"));
    }
    if state.reading.insert(terminal) { vec![Effect::ReadParameters(terminal)] } else { Vec::new() }
}

/// A value as the settings have it: a number, a truth, a list of numbers, off for a function that is not wanted, or text.
fn parse_value(key: &str, text: &str) -> Value {
    let number = |word: &str| word.parse::<i64>().ok();
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    match (text, number(text)) {
        _ if key == "message" => json!(text),
        ("none", _) if is_list(key) => json!([]),
        ("on" | "true" | "yes", _) => json!(true),
        ("off", _) if !key.contains('.') && key != "exclusion" => Value::Null,
        ("off" | "false" | "no", _) => json!(false),
        // These are lists, of one too.
        (_, Some(number)) if is_list(key) => json!([number]),
        (_, Some(number)) => json!(number),
        _ if words.len() > 1 && words.iter().all(|word| number(word).is_some()) => {
            json!(words.iter().filter_map(|word| number(word)).collect::<Vec<_>>())
        }
        _ => json!(text),
    }
}

/// Keys whose value is a list.
fn is_list(key: &str) -> bool {
    matches!(
        key,
        "warning_min"
            | "power_rounds"
            | "energy_rounds"
            | "reminder_hours"
            | "rest_day.weekdays"
            | "time_of_day.set_points"
            | "down_float.warning_min"
    )
}

/// `guarantee.on` with a value, as a merge patch.
fn patch(key: &str, value: Value) -> Value {
    key.rsplit('.').fold(value, |inner, part| {
        let mut object = serde_json::Map::new();
        object.insert(part.to_owned(), inner);
        Value::Object(object)
    })
}

fn parse(text: &str, wants: bool) -> Result<Change, String> {
    if text.is_empty() {
        return if wants {
            Ok(Change { key: String::new(), value: String::new(), patch: json!({}) })
        } else {
            Err("nothing is wanted of it yet: type a KEY of the list and its VALUE, as floor_kw 40".to_owned())
        };
    }
    let (key, value) = text.split_once(char::is_whitespace).map_or((text, ""), |(key, value)| (key, value.trim()));
    if value.is_empty() && key != "message" {
        return Err(format!("{key}: which value? wanted KEY VALUE, as floor_kw 40 or guarantee.on on"));
    }
    Ok(Change { key: key.to_owned(), value: value.to_owned(), patch: patch(key, parse_value(key, value)) })
}

/// Takes what was typed to the last look.
pub(super) fn review(state: &mut State) {
    let wants =
        state.detail.as_ref().and_then(|detail| detail.parameters.as_ref()).is_some_and(|it| it.wanted.is_some());
    let Some(act) = act_mut(state) else { return };
    let parsed = parse(act.form.value(CHANGE), wants);
    let What::Parameters { change, .. } = &mut act.what else { return };
    match parsed {
        Ok(parsed) => {
            *change = Some(parsed);
            act.form.to(Step::Confirm);
        }
        Err(sentence) => act.form.note = Some(sentence),
    }
}

/// Has the centre note what is wanted, send it and read it back.
pub(super) fn send(state: &mut State) -> Vec<Effect> {
    let Some(act) = act_mut(state) else { return Vec::new() };
    let reason = act.form.value(WHY).to_owned();
    let What::Parameters { terminal, change: Some(change) } = &act.what else { return Vec::new() };
    let effect = Effect::SetParameters(*terminal, change.patch.clone(), reason);
    act.form.to(Step::Asking);
    vec![effect]
}

pub(super) fn on_sent(state: &mut State, terminal: TerminalId, answer: Result<String, String>) {
    let waits = state.act().is_some_and(|act| {
        act.form.step == Step::Asking && matches!(act.what, What::Parameters { terminal: of, .. } if of == terminal)
    });
    match (act_mut(state).filter(|_| waits), answer) {
        (Some(act), Ok(sentence)) => act.form.to(Step::Done(sentence)),
        (Some(act), Err(sentence)) => act.form.to(Step::Failed(sentence)),
        (None, Ok(sentence) | Err(sentence)) => state.tell(sentence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_merge_patch_with_the_type_that_the_settings_have() {
        for (line, wanted) in [
            ("floor_kw 40", json!({"floor_kw": 40})),
            ("guarantee.on on", json!({"guarantee": {"on": true}})),
            ("exclusion off", json!({"exclusion": false})),
            ("monthly off", json!({"monthly": null})),
            ("power_rounds 1", json!({"power_rounds": [1]})),
            ("warning_min 5 5, 3", json!({"warning_min": [5, 5, 3]})),
            ("message 12", json!({"message": "12"})),
            ("suspension.from 2026-02-01", json!({"suspension": {"from": "2026-02-01"}})),
        ] {
            assert_eq!(parse(line, false).unwrap().patch, wanted, "{line}");
        }
        assert!(parse("floor_kw", false).unwrap_err().contains("which value"));
        assert!(parse("", false).unwrap_err().contains("nothing is wanted"));
        assert_eq!(parse("", true).unwrap().patch, json!({}), "what is wanted, once more");
    }
}
