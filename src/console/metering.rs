//! The screen of meter reading: how complete a day is, and what is missing fetched by hand.

use std::collections::BTreeSet;

use headroom_rules::model::{Span, TerminalId, Timestamp};

use super::message::Effect;
use super::state::{Cursor, Screen, State};
use crate::api::{Day, OfTerminal};

/// The list is fetched this often, ms.
const FETCH_MS: u64 = 5_000;
const DAY: Span = Span::from_s(86_400);

/// All that the screen knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metering {
    /// Which day is wanted, by its number since 1970-01-01 in the supply's zone; none is today.
    pub(crate) wanted: Option<i64>,
    /// Today's number, once the centre has said it.
    today: Option<i64>,
    /// The least complete first.
    pub(crate) day: Option<Day>,
    pub(crate) error: Option<String>,
    pub(crate) rows: Cursor<TerminalId>,
    /// Whose memory is being read by hand.
    pub(crate) collecting: BTreeSet<TerminalId>,
    in_flight: bool,
    asked_at: Option<u64>,
}

impl Metering {
    pub(crate) fn shown(&self) -> &[OfTerminal] {
        self.day.as_ref().map_or(&[], |day| &day.terminals)
    }
}

/// What is to be fetched now.
pub(super) fn due(state: &mut State) -> Option<Effect> {
    let (wall, metering) = (state.wall, &mut state.metering);
    let due = metering.asked_at.is_none_or(|at| wall.saturating_sub(at) >= FETCH_MS);
    (state.screen == Screen::Metering && due && !metering.in_flight).then(|| {
        (metering.asked_at, metering.in_flight) = (Some(wall), true);
        Effect::FetchCompleteness(metering.wanted)
    })
}

pub(super) fn on_answer(state: &mut State, asked: Option<i64>, answer: Result<Day, String>) {
    let metering = &mut state.metering;
    metering.in_flight = false;
    if asked != metering.wanted {
        // Another day was turned to meanwhile.
        metering.asked_at = None;
        return;
    }
    match answer {
        Ok(mut day) => {
            day.terminals.sort_by_key(|one| (one.completeness.rate_e4, one.terminal));
            if asked.is_none() {
                metering.today = Timestamp::day_of_date(&day.day);
            }
            (metering.day, metering.error) = (Some(day), None);
        }
        Err(sentence) => metering.error = Some(sentence),
    }
}

/// To the day before or after the one that is shown, not beyond today.
pub(super) fn turn(state: &mut State, by: i64) -> Vec<Effect> {
    let metering = &mut state.metering;
    let Some(today) = metering.today else { return Vec::new() };
    let day = metering.wanted.unwrap_or(today).saturating_add(by);
    let wanted = (day < today).then_some(day);
    if wanted == metering.wanted {
        // What is after today is nothing; by then it may be another today.
        return Vec::new();
    }
    (metering.wanted, metering.day, metering.error) = (wanted, None, None);
    metering.asked_at = None;
    due(state).into_iter().collect()
}

/// Has what is missing of the day fetched from the selected terminal's memory, once at a time.
pub(super) fn collect(state: &mut State) -> Vec<Effect> {
    let metering = &mut state.metering;
    let Some((terminal, begin)) = metering.rows.key.zip(metering.day.as_ref().map(|day| day.begin)) else {
        return Vec::new();
    };
    let fresh = metering.collecting.insert(terminal);
    state.tell(format!("{terminal}: what is missing of the day is being fetched from its memory"));
    if fresh { vec![Effect::Collect(terminal, begin, begin.after(DAY))] } else { Vec::new() }
}

pub(super) fn on_collected(state: &mut State, terminal: TerminalId, done: Result<u64, String>) {
    state.metering.collecting.remove(&terminal);
    state.metering.asked_at = None;
    match done {
        Ok(0) => state.tell(format!("{terminal}: its memory has nothing that the centre lacks")),
        Ok(values) => state.tell(format!("{terminal}: {values} values came from its memory")),
        Err(sentence) => state.tell(sentence),
    }
}
