//! What returns teach: each is measured, and the account of cold loads learns from it.

use super::Engine;
use crate::model::{Power, RoundNo, TerminalId, Timestamp};
use crate::restoration::ColdLoad;
use crate::state::cold_load::{SAMPLE_FROM, SAMPLE_WITHIN, percent};

impl Engine {
    /// What is expected of a round that came back now, from experience alone.
    pub(super) fn cold_load(&self, terminal: TerminalId, round: RoundNo) -> Option<ColdLoad> {
        let class = self.grid.customer(terminal).map(|(_, customer)| customer.priority);
        let shed = self.sheds.get(&terminal).and_then(|rounds| rounds.get(&round));
        let off_for = shed.map(|shed| self.now.since(shed.since)).unwrap_or_default();
        self.cold_loads.expected(terminal, round, class, off_for)
    }

    /// A round that came back lately is measured.
    pub(super) fn note_return(&mut self, terminal: TerminalId, round: RoundNo) {
        if self.returned.is_empty() {
            return;
        }
        let Some(held) = self.grid.round_power(terminal, round, self.now) else { return };
        let Some(what) = self.returned.of_mut(terminal, round) else { return };
        let after = held.as_of().since(what.at);
        if !what.learnt && after >= SAMPLE_FROM && after <= SAMPLE_WITHIN {
            let power = Power::new(held.reading.value);
            what.highest = Some(what.highest.map_or(power, |highest| highest.max(power)));
        }
    }

    /// Draws the conclusions from returns whose time is over.
    pub(super) fn learn_from_returns(&mut self) {
        let now = self.now;
        let over = |at: Timestamp| now.since(at) >= SAMPLE_WITHIN;
        let done: Vec<(TerminalId, RoundNo)> = self
            .returned
            .all()
            .filter(|(_, _, what)| !what.learnt && over(what.at))
            .map(|(terminal, round, _)| (terminal, round))
            .collect();
        for (terminal, round) in done {
            self.learn_from_return(terminal, round);
        }
    }

    /// Draws the conclusions from one return: its time is over, or it is shed again.
    pub(super) fn learn_from_return(&mut self, terminal: TerminalId, round: RoundNo) {
        let class = self.grid.customer(terminal).map(|(_, customer)| customer.priority);
        let Some(what) = self.returned.of_mut(terminal, round).filter(|what| !what.learnt) else { return };
        what.learnt = true;
        let what = *what;
        let Some(highest) = what.highest else { return };
        let before = self.cold_loads.expected(terminal, round, class, what.off_for);
        let start = percent(self.limits_above(terminal), before);
        self.cold_loads.learn((terminal, round), class, what.off_for, start, (what.power, highest));
    }
}
