//! What orders will change but readings do not show yet. Without it, two rules would shed the same excess twice, and two
//! stages of restoration would fill the same headroom twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LATE_MAX;
use super::grid::{Grid, Held};
use crate::model::{NodeId, PointKind, Power, RoundNo, Span, SwitchPosition, TerminalId, Timestamp};
use crate::orders::OrderId;

/// From the end of a switch's movement until meters show it for certain.
const SETTLE: Span = Span::from_s(5);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Effect {
    terminal: TerminalId,
    round: RoundNo,
    /// Below zero for a trip, above for a restoration.
    change: Power,
    /// When the switch was where it was to be.
    done_at: Option<Timestamp>,
    /// Nobody knows whether it will come.
    doubtful: bool,
    /// The order came to nothing, but a slow switch, or a customer who was permitted to close, may act until then.
    late_until: Option<Timestamp>,
}

impl Effect {
    fn shown_by(&self, as_of: Option<Timestamp>) -> bool {
        self.done_at.is_some_and(|done| as_of.is_some_and(|as_of| as_of >= done.after(SETTLE)))
    }
}

/// Changes on their way, by order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Effects {
    orders: BTreeMap<OrderId, Effect>,
    /// Another one whenever [`not_done`](Self::not_done) may give something else.
    #[serde(skip)]
    version: u64,
}

fn own_power(grid: &Grid, terminal: TerminalId) -> Option<Timestamp> {
    grid.posts.get(&terminal)?.held(PointKind::ActivePower).map(Held::as_of)
}

impl Effects {
    /// An order that will change a load is on its way.
    pub(crate) fn expect(&mut self, order: OrderId, terminal: TerminalId, round: RoundNo, change: Power) {
        // A new order for a round answers for what an earlier one left open.
        self.orders.retain(|_, e| !(e.late_until.is_some() && (e.terminal, e.round) == (terminal, round)));
        let effect = Effect { terminal, round, change, done_at: None, doubtful: false, late_until: None };
        self.orders.insert(order, effect);
        self.version += 1;
    }

    /// What an order will change or has just changed.
    pub(crate) fn change(&self, order: OrderId) -> Option<Power> {
        self.orders.get(&order).map(|effect| effect.change)
    }

    /// The switch is where it was to be.
    pub(crate) fn done(&mut self, order: OrderId, now: Timestamp) {
        if let Some(effect) = self.orders.get_mut(&order) {
            effect.done_at = Some(now);
            effect.doubtful = false;
            self.version += 1;
        }
    }

    /// The order's outcome is unknown. Nothing relies on its effect, and nothing is endangered by it.
    pub(crate) fn doubt(&mut self, order: OrderId) {
        if let Some(effect) = self.orders.get_mut(&order) {
            effect.doubtful = true;
        }
    }

    /// The order was executed and came to nothing, so far.
    pub(crate) fn may_come_late(&mut self, order: OrderId, now: Timestamp) {
        if let Some(effect) = self.orders.get_mut(&order) {
            effect.doubtful = true;
            effect.late_until = Some(now.after(LATE_MAX));
        }
    }

    /// A switch is at an end. What was to bring it there has come, however late.
    pub(crate) fn arrived(&mut self, terminal: TerminalId, round: RoundNo, position: SwitchPosition, now: Timestamp) {
        let late = |effect: &&mut Effect| effect.late_until.is_some();
        for effect in self.orders.values_mut().filter(late).filter(|e| (e.terminal, e.round) == (terminal, round)) {
            let wanted = if effect.change < Power::ZERO { SwitchPosition::Open } else { SwitchPosition::Closed };
            if position == wanted {
                *effect = Effect { done_at: Some(now), doubtful: false, late_until: None, ..*effect };
                self.version += 1;
            }
        }
    }

    /// The order has no effect.
    pub(crate) fn none(&mut self, order: OrderId) {
        self.orders.remove(&order);
        self.version += 1;
    }

    /// Forgets what every reading shows by now.
    pub(crate) fn forget_shown(&mut self, grid: &Grid, now: Timestamp) {
        let before = self.orders.len();
        self.orders.retain(|_, effect| {
            let late = effect.done_at.is_some_and(|done| now.since(done) >= LATE_MAX)
                || effect.late_until.is_some_and(|until| now >= until);
            let shown = effect.shown_by(own_power(grid, effect.terminal))
                && grid
                    .path(effect.terminal)
                    .filter(|node| grid.load(*node).power().is_some())
                    .all(|node| effect.shown_by(grid.load_as_of(node, effect.terminal)));
            !late && !shown
        });
        self.version += u64::from(self.orders.len() != before);
    }

    /// Power that trips may still take away at a terminal, doubtful ones included; but for the round `except`.
    pub(crate) fn going_at(&self, grid: &Grid, terminal: TerminalId, except: Option<RoundNo>) -> Power {
        let as_of = own_power(grid, terminal);
        self.orders
            .values()
            .filter(|effect| effect.terminal == terminal && Some(effect.round) != except)
            .filter(|effect| effect.change < Power::ZERO && !effect.shown_by(as_of))
            .map(|effect| -effect.change)
            .sum()
    }

    fn at(&self, grid: &Grid, node: NodeId, wanted: impl Fn(&Effect) -> bool) -> Power {
        self.orders
            .values()
            .filter(|effect| wanted(effect) && grid.path(effect.terminal).any(|above| above == node))
            .filter(|effect| !effect.shown_by(grid.load_as_of(node, effect.terminal)))
            .map(|effect| effect.change)
            .sum()
    }

    /// Power that trips will still take away from a node, doubtful ones not counted.
    pub(crate) fn going_from(&self, grid: &Grid, node: NodeId) -> Power {
        -self.at(grid, node, |effect| effect.change < Power::ZERO && !effect.doubtful)
    }

    /// Power that restorations will bring whose switches have not moved for all that is known, doubtful ones included, with
    /// the terminal that it comes to.
    pub(crate) fn not_done(&self) -> impl Iterator<Item = (TerminalId, Power)> + '_ {
        let comes = |effect: &&Effect| effect.change > Power::ZERO && effect.done_at.is_none();
        self.orders.values().filter(comes).map(|effect| (effect.terminal, effect.change))
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Power that restorations may still bring to a node, doubtful ones included; but for the rounds `except`, which are
    /// reckoned with anew.
    pub(crate) fn coming_to(&self, grid: &Grid, node: NodeId, except: &[(TerminalId, RoundNo)]) -> Power {
        let counts =
            |effect: &Effect| effect.change > Power::ZERO && !except.contains(&(effect.terminal, effect.round));
        self.at(grid, node, counts)
    }
}
