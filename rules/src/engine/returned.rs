//! Rounds that came back lately: when, after how long, and by which stage of restoration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Holder;
use crate::model::{RoundNo, Span, TerminalId, Timestamp};

/// One round's return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Return {
    /// Whose trip had held it off.
    pub(crate) by: Holder,
    pub(crate) at: Timestamp,
    /// How long it had been off.
    pub(crate) off_for: Span,
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

    /// How long a round has been back, while that is less than `least`.
    pub(crate) fn back_for(&self, terminal: TerminalId, round: RoundNo, least: Span, now: Timestamp) -> Option<Span> {
        let back_for = now.since(self.of(terminal, round)?.at);
        (back_for < least).then_some(back_for)
    }

    /// Keeps those for which `matters` holds.
    pub(crate) fn retain(&mut self, matters: impl Fn(TerminalId, RoundNo, &Return) -> bool) {
        self.0.retain(|terminal, rounds| {
            rounds.retain(|round, what| matters(*terminal, *round, what));
            !rounds.is_empty()
        });
    }
}
