//! Rounds that came back lately: when, after how long, and by which stage of restoration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Holder, Shed};
use crate::model::{Power, RoundNo, Span, TerminalId, Timestamp};

/// So long after its return a round draws again what it draws as a rule. Customary figure.
pub(crate) const WARM_AFTER: Span = Span::from_s(1_800);

/// A switch that shows closed and is open again within this has bounced, or shown a position between the two: it did not come
/// back.
const BOUNCE: Span = Span::from_s(5);

/// One round's return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Return {
    /// Whose trip had held it off.
    pub(crate) by: Holder,
    pub(crate) at: Timestamp,
    /// How long it had been off.
    pub(crate) off_for: Span,
    /// The stage of restoration that brought it back, if one did.
    #[serde(default)]
    pub(crate) stage: Option<u16>,
    /// What it had before it was tripped; nothing where that was not known.
    pub(crate) power: Power,
    /// The highest power since, while it is measured for the account of cold loads.
    #[serde(default)]
    pub(crate) highest: Option<Power>,
    /// The account has it.
    #[serde(default)]
    pub(crate) learnt: bool,
    /// What was off, where no order brought it back: it may be a bounce.
    #[serde(default)]
    pub(crate) by_itself: Option<Shed>,
}

/// The returns that still matter to somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Returned(BTreeMap<TerminalId, BTreeMap<RoundNo, Return>>);

impl Returned {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A round came back; what was known of an earlier return of it is forgotten.
    pub(crate) fn came(&mut self, terminal: TerminalId, round: RoundNo, what: Return) {
        self.0.entry(terminal).or_default().insert(round, what);
    }

    pub(crate) fn of(&self, terminal: TerminalId, round: RoundNo) -> Option<&Return> {
        self.0.get(&terminal)?.get(&round)
    }

    pub(crate) fn of_mut(&mut self, terminal: TerminalId, round: RoundNo) -> Option<&mut Return> {
        self.0.get_mut(&terminal)?.get_mut(&round)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (TerminalId, RoundNo, &Return)> {
        self.0.iter().flat_map(|(terminal, rounds)| rounds.iter().map(|(round, what)| (*terminal, *round, what)))
    }

    /// A switch is open: what was off, where its return was none.
    pub(crate) fn bounced(&mut self, terminal: TerminalId, round: RoundNo, now: Timestamp) -> Option<Shed> {
        let rounds = self.0.get_mut(&terminal)?;
        let shed = rounds.get(&round).filter(|what| now.since(what.at) < BOUNCE)?.by_itself?;
        rounds.remove(&round);
        if rounds.is_empty() {
            self.0.remove(&terminal);
        }
        Some(shed)
    }

    /// How long a round has been back, while that is less than `least`.
    pub(crate) fn back_for(&self, terminal: TerminalId, round: RoundNo, least: Span, now: Timestamp) -> Option<Span> {
        let back_for = now.since(self.of(terminal, round)?.at);
        (back_for < least).then_some(back_for)
    }

    /// What a round has as a rule that draws `power` now: less, where it has just come back.
    pub(crate) fn warm(&self, terminal: TerminalId, round: RoundNo, power: Power, now: Timestamp) -> Power {
        let lately =
            self.of(terminal, round).filter(|what| now.since(what.at) < WARM_AFTER && what.power > Power::ZERO);
        lately.map_or(power, |what| power.min(what.power))
    }

    /// Keeps those for which `matters` holds.
    pub(crate) fn retain(&mut self, matters: impl Fn(TerminalId, RoundNo, &Return) -> bool) {
        self.0.retain(|terminal, rounds| {
            rounds.retain(|round, what| matters(*terminal, *round, what));
            !rounds.is_empty()
        });
    }
}
