//! What customers went without by rules is counted, and how terminals responded to trips.

use super::{Engine, Holder};
use crate::model::{CustomerId, Energy, Power, Span, TerminalId, Timestamp};
use crate::state::accounts::{begin_of, oldest};

impl Engine {
    /// A round that a rule shed is supplied again.
    pub(super) fn count_curtailed(&mut self, terminal: TerminalId, power: Power, since: Timestamp) {
        if let Some((customer, _)) = self.grid.customer(terminal) {
            let account = self.curtailed.entry(customer).or_default();
            account.add(power, since, self.now, self.policy.fairness_weeks);
        }
    }

    /// A measure is over by which a customer held so much back.
    pub(super) fn count_given(&mut self, customer: CustomerId, energy: Energy) {
        if energy > Energy::ZERO {
            self.curtailed.entry(customer).or_default().give(energy, self.now, self.policy.fairness_weeks);
        }
    }

    /// What a customer held back by agreed measures in the weeks that count, those that stand included.
    pub(super) fn given_by_now(&self, customer: CustomerId) -> Energy {
        let standing = self.measures.open().filter(|it| it.customer == customer).map(|it| it.energy);
        let over = self.curtailed.get(&customer).map(|account| account.given(self.now, self.policy.fairness_weeks));
        over.unwrap_or_default() + standing.sum()
    }

    /// A rule shed a round, or a customer gave what it had agreed to.
    pub(super) fn count_turn(&mut self, terminal: TerminalId) {
        if let Some((customer, _)) = self.grid.customer(terminal) {
            self.curtailed.entry(customer).or_default().turn(self.now, self.policy.fairness_weeks);
        }
    }

    /// What a customer went without by rules in the weeks that count, what is off right now included, and how often a round
    /// of it was shed.
    pub(super) fn curtailed_by_now(&self, customer: CustomerId, terminal: TerminalId) -> (Energy, u32) {
        let weeks = self.policy.fairness_weeks;
        let begin = begin_of(oldest(self.now, weeks));
        let off = self.sheds.get(&terminal).into_iter().flat_map(std::collections::BTreeMap::values);
        let off = off.filter(|shed| matches!(shed.by, Holder::Rule(_)));
        let off: Energy = off.map(|shed| shed.power.over(self.now.since(shed.since.max(begin)))).sum();
        let (energy, turns) =
            self.curtailed.get(&customer).map(|account| account.total(self.now, weeks)).unwrap_or_default();
        (energy + off, turns)
    }

    /// A trip of a terminal was judged.
    pub(super) fn count_response(&mut self, terminal: TerminalId, expected: Power, measured: Power) {
        self.responses.entry(terminal).or_default().count(expected, measured);
    }

    /// How old the load of a terminal is.
    pub(super) fn load_age(&self, terminal: TerminalId) -> Span {
        let held = self.grid.posts.get(&terminal).and_then(|post| post.held(crate::model::PointKind::ActivePower));
        held.map_or(Span::ZERO, |held| self.now.since(held.as_of()))
    }
}
