//! Target reductions: so much off a node's load from one time to another, with a look at whether it can be met.

use headroom_rules::input::Request;
use headroom_rules::model::{NodeId, Power, Span, Timestamp};
use headroom_rules::target::TargetId;

use super::acts::{act_mut, chosen_node, start};
use super::dialogue::parse_kw;
use super::dry_run;
use super::message::Effect;
use super::state::{FROM, Preview, REDUCTION, Reduction, State, Step, UNTIL, WHY, What};

/// Opens the dialogue for the node under the cursor.
pub(super) fn set(state: &mut State) {
    let Some(node) = chosen_node(state) else { return };
    if state.node(node).is_none_or(|node| node.limit.is_none()) {
        state.tell(format!("{node}: no rule limits it, so nothing could be taken off its load"));
        return;
    }
    let what = What::SetTarget { node, wanted: None, preview: Preview::default() };
    start(state, what, &[REDUCTION, FROM, UNTIL, WHY]);
}

/// Kilowatts, or megawatts where the text says so.
fn parse_power(text: &str) -> Result<Power, String> {
    let lower = text.to_lowercase();
    let (number, megawatts) = match (lower.strip_suffix("mw"), lower.strip_suffix("kw")) {
        (Some(number), _) => (number.trim(), true),
        (None, Some(number)) => (number.trim(), false),
        (None, None) => (lower.as_str(), false),
    };
    let power = parse_kw(number).and_then(|power| {
        let watts = if megawatts { power.get().checked_mul(1_000)? } else { power.get() };
        (watts > 0).then(|| Power::new(watts))
    });
    power.ok_or_else(|| format!("\"{text}\" is no reduction: wanted kilowatts above 0, as 500, 62.5 or 12 MW"))
}

/// A time of day is the next such after `after`; `+30 min` counts from there; a date may stand before.
fn parse_time(text: &str, after: Timestamp) -> Result<Timestamp, String> {
    const DAY_MS: i64 = 86_400_000;
    let wrong = || format!("\"{text}\" is no time: wanted 17:00, 2026-01-31 17:00 (UTC), or +30 for so many minutes");
    if let Some(minutes) = text.strip_prefix('+') {
        let minutes = minutes.trim().trim_end_matches("min").trim().parse::<i64>().ok();
        let minutes = minutes.filter(|minutes| (0..=100_000).contains(minutes)).ok_or_else(wrong)?;
        return Ok(after.after(Span::from_s(minutes * 60)));
    }
    let (date, clock) = text.split_once(' ').map_or((None, text), |(date, clock)| (Some(date), clock.trim()));
    let of_day = clock.trim_end_matches(['Z', 'z']).split_once(':').and_then(|(hour, minute)| {
        let (hour, minute) = (hour.parse::<i64>().ok()?, minute.parse::<i64>().ok()?);
        ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some((hour * 60 + minute) * 60_000)
    });
    let of_day = of_day.ok_or_else(wrong)?;
    match date {
        Some(date) => {
            let day = Timestamp::day_of_date(date).ok_or_else(wrong)?;
            Ok(Timestamp::new(day.saturating_mul(DAY_MS).saturating_add(of_day)))
        }
        None => {
            let today = after.get().div_euclid(DAY_MS) * DAY_MS + of_day;
            Ok(Timestamp::new(if today < after.get() { today + DAY_MS } else { today }))
        }
    }
}

fn parse(now: Timestamp, power: &str, from: &str, to: &str) -> Result<Reduction, String> {
    let power = parse_power(power)?;
    let from = if from.is_empty() { now } else { parse_time(from, now)? };
    if to.is_empty() {
        return Err("until when? wanted 20:00, or +180 for so many minutes after its beginning".to_owned());
    }
    let to = parse_time(to, from)?;
    if to <= from || to <= now {
        return Err("it would end before it begins, or has ended: wanted a time after its beginning".to_owned());
    }
    Ok(Reduction { power, from, to })
}

/// Takes what was typed to the last look, and asks what it would do.
pub(super) fn review(state: &mut State) -> Vec<Effect> {
    let now = state.now();
    let Some(act) = act_mut(state) else { return Vec::new() };
    let form = &act.form;
    let parsed = parse(now, form.value(REDUCTION), form.value(FROM), form.value(UNTIL));
    let What::SetTarget { wanted, .. } = &mut act.what else { return Vec::new() };
    match parsed {
        Ok(reduction) => {
            *wanted = Some(reduction);
            act.form.to(Step::Confirm);
            look(state)
        }
        Err(sentence) => {
            act.form.note = Some(sentence);
            Vec::new()
        }
    }
}

/// Asks what the rule would do with the load of now, less the reduction.
pub(super) fn look(state: &mut State) -> Vec<Effect> {
    let of = match state.act().map(|act| &act.what) {
        Some(What::SetTarget { node, wanted: Some(wanted), .. }) => (*node, wanted.power),
        _ => return Vec::new(),
    };
    dry_run::less(state, of.0, of.1)
}

pub(super) fn request(node: NodeId, wanted: Reduction, reason: String) -> Request {
    let Reduction { power, from, to } = wanted;
    Request::SetTarget { node, reduction: power, from, to, reason }
}

/// Opens the dialogue for a target that is planned or in force.
pub(super) fn drop(state: &mut State, id: TargetId) -> Vec<Effect> {
    match state.view.targets.iter().find(|target| target.id == id).cloned() {
        Some(target) => {
            start(state, What::DropTarget(target), &[WHY]);
        }
        None => state.tell(format!("target {id} is over already")),
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_the_next_such_and_a_power_may_be_in_megawatts() {
        let noon = Timestamp::new(1_769_860_800_000);
        let at = |text| parse_time(text, noon).map(|at| at.to_string());
        assert_eq!(at("17:00").unwrap(), "2026-01-31T17:00:00.000Z");
        assert_eq!(at("07:30Z").unwrap(), "2026-02-01T07:30:00.000Z", "of the next day");
        assert_eq!(at("+90 min").unwrap(), "2026-01-31T13:30:00.000Z");
        assert_eq!(at("2026-02-03 06:05").unwrap(), "2026-02-03T06:05:00.000Z");
        for bad in ["25:00", "17", "+x", "2026-02-30 06:00", "tomorrow 06:00", "12:60"] {
            assert!(at(bad).unwrap_err().contains("is no time"), "{bad}");
        }
        assert_eq!(parse_power("12 MW").unwrap(), Power::from_kw(12_000));
        assert_eq!(parse_power("62.5kW").unwrap(), Power::new(62_500));
        for bad in ["0", "", "-3", "12 GW", "1e3"] {
            assert!(parse_power(bad).is_err(), "{bad}");
        }
        let parsed = parse(noon, "500", "17:00", "+180").unwrap();
        assert_eq!(parsed.to.since(parsed.from), Span::from_s(10_800));
        assert!(parse(noon, "500", "17:00", "").unwrap_err().contains("until when"));
        assert!(parse(noon, "500", "", "2026-01-30 12:00").unwrap_err().contains("before it begins"));
    }
}
