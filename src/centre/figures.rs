//! Figures of this run: what a bench, a report or a status line reads.

use std::collections::{BTreeMap, BTreeSet};

use headroom_rules::input::Input;
use headroom_rules::model::{Inventory, NodeId, Power, Span, TerminalId, Timestamp};
use headroom_rules::orders::{Action, Issuer, Order, OrderId, OrderState};
use headroom_rules::output::{Event, Happening, Output};
use headroom_rules::view::View;
use serde::Serialize;

use crate::journal::Position;

/// What happened in this run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Readings that were journaled in this run.
    pub readings_received: u64,
    /// Readings of earlier runs that were in the journal but not in the store when this one started.
    pub readings_recovered: u64,
    /// Readings that the store took in this run. Once it has caught up, those received and those recovered.
    pub readings_stored: u64,
    /// Links up now.
    pub links_up: usize,
    /// Times that a node's load rose above its limit.
    pub breaches: u64,
    /// Orders of this run.
    pub orders: OrderFigures,
    /// Trips that were confirmed.
    pub rounds_shed: u64,
    /// Restorations that were confirmed.
    pub rounds_restored: u64,
    /// Of the confirmed trips, those of customers whose supply is guaranteed: must stay 0 (`never-shed-protected`).
    pub protected_shed: u64,
    /// The longest time that a node was above its limit, one that still is included.
    pub longest_over_limit: Span,
    /// The load that was highest in relation to its limit.
    pub worst_peak: Option<Peak>,
    /// Reactions measured: from the arrival of the input that made a rule shed to the select's bytes on the wire.
    pub reactions: u64,
    /// Their median, ms.
    pub reaction_ms_p50: Option<f64>,
    /// Their 99th percentile, ms.
    pub reaction_ms_p99: Option<f64>,
    /// Messages that do not parse or are of an unknown type.
    pub malformed_messages: u64,
    /// Objects that are in no point map: acknowledged and dropped.
    pub unmapped_objects: u64,
    /// Connections that were turned away, by reason.
    pub connections_refused: BTreeMap<&'static str, u64>,
    /// Everything up to here was applied.
    pub applied: Position,
    /// Everything up to here is stored.
    pub stored: Position,
    /// What the disk said when the journal could last not be written.
    pub last_journal_error: Option<String>,
    /// Why the store takes nothing at the moment.
    pub store_error: Option<String>,
}

/// Orders of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderFigures {
    /// Wanted in this run.
    pub issued: u64,
    /// Confirmed in this run.
    pub confirmed: u64,
    /// Refused, expired or failed in this run, or cancelled but not by an operator.
    pub failed: u64,
    /// Whose outcome is not known at the moment.
    pub unknown: usize,
}

/// A load in relation to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// Of which node.
    pub node: NodeId,
    /// Its load.
    pub load: Power,
    /// Its limit.
    pub limit: Power,
}

impl Peak {
    /// Whether this load is higher in relation to its limit.
    fn exceeds(&self, other: &Self) -> bool {
        let product = |load: Power, limit: Power| i128::from(load.get()) * i128::from(limit.get());
        product(self.load, other.limit) > product(other.load, self.limit)
    }
}

/// Whether an input is of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is.
    Live,
    /// It is of an earlier run; the store has it, or it has not.
    Replayed { stored: bool },
}

/// The engine's task counts here.
#[derive(Debug, Default)]
pub(super) struct Tally {
    figures: Figures,
    guaranteed: BTreeSet<TerminalId>,
    links_up: BTreeSet<TerminalId>,
    unknown: BTreeSet<OrderId>,
    /// Orders that are not final. A final one is told again when its effect is measured, and counts once.
    open: BTreeSet<OrderId>,
    newest_order: Option<OrderId>,
    /// Nodes above their limit: since when, and the limit.
    over: BTreeMap<NodeId, (Timestamp, Power)>,
    now: Timestamp,
}

impl Tally {
    pub(super) fn new(inventory: &Inventory) -> Self {
        let is_guaranteed = |customer| inventory.customers.get(customer).is_some_and(|customer| customer.guaranteed);
        let guaranteed = inventory.terminals.iter();
        let guaranteed =
            guaranteed.filter(|(_, terminal)| terminal.customer.as_ref().is_some_and(is_guaranteed)).map(|(id, _)| *id);
        Self { guaranteed: guaranteed.collect(), ..Self::default() }
    }

    /// What stood when a snapshot was taken, which no output tells again.
    pub(super) fn begin(&mut self, view: &View) {
        self.newest_order = view.orders.iter().map(|order| order.id).max();
        self.open.extend(view.orders.iter().filter(|o| !o.state.is_final()).map(|o| o.id));
        self.unknown.extend(view.orders.iter().filter(|o| o.state == OrderState::Unknown).map(|o| o.id));
    }

    pub(super) fn count(&mut self, position: Position, input: &Input, outputs: &[Output], origin: Origin) {
        self.figures.applied = position;
        self.now = self.now.max(input.at());
        match input {
            Input::Readings { readings, .. } => match origin {
                Origin::Live => self.figures.readings_received += readings.len() as u64,
                Origin::Replayed { stored: false } => self.figures.readings_recovered += readings.len() as u64,
                Origin::Replayed { stored: true } => {}
            },
            Input::Link { terminal, up: true, .. } => {
                self.links_up.insert(*terminal);
            }
            Input::Link { terminal, up: false, .. } => {
                self.links_up.remove(terminal);
            }
            Input::Started { .. } => self.links_up.clear(),
            _ => {}
        }
        for output in outputs {
            match output {
                Output::Order(order) => self.order(order, origin == Origin::Live),
                Output::Event(event) => self.event(event, origin == Origin::Live),
                _ => {}
            }
        }
    }

    fn order(&mut self, order: &Order, live: bool) {
        if order.state == OrderState::Unknown {
            self.unknown.insert(order.id);
        } else {
            self.unknown.remove(&order.id);
        }
        // Numbers rise, so a higher one is new.
        let new = self.newest_order.is_none_or(|newest| order.id > newest);
        if new {
            self.newest_order = Some(order.id);
        }
        let counted =
            if order.state.is_final() { !self.open.remove(&order.id) && !new } else { !self.open.insert(order.id) };
        if !live || counted {
            return;
        }
        let figures = &mut self.figures;
        figures.orders.issued += u64::from(new);
        match order.state {
            OrderState::Confirmed => {
                figures.orders.confirmed += 1;
                match order.action {
                    Action::Trip { .. } => {
                        figures.rounds_shed += 1;
                        figures.protected_shed += u64::from(self.guaranteed.contains(&order.terminal));
                    }
                    Action::Restore { .. } => figures.rounds_restored += 1,
                    Action::SetCap { .. } => {}
                }
            }
            OrderState::Refused | OrderState::Expired | OrderState::Failed => figures.orders.failed += 1,
            // Only its own operator may cancel an operator's order.
            OrderState::Cancelled if matches!(order.issuer, Issuer::Limit { .. }) => figures.orders.failed += 1,
            _ => {}
        }
    }

    fn event(&mut self, event: &Event, live: bool) {
        match event.what {
            Happening::Breach { node, load, limit } => {
                self.over.insert(node, (event.at, limit));
                if live {
                    self.figures.breaches += 1;
                    self.peak(Peak { node, load, limit });
                }
            }
            Happening::BreachOver { node, lasted, peak, .. } => {
                let limit = self.over.remove(&node).map(|(_, limit)| limit);
                if live {
                    self.figures.longest_over_limit = self.figures.longest_over_limit.max(lasted);
                    if let Some(limit) = limit {
                        self.peak(Peak { node, load: peak, limit });
                    }
                }
            }
            _ => {}
        }
    }

    fn peak(&mut self, peak: Peak) {
        if peak.limit > Power::ZERO && self.figures.worst_peak.as_ref().is_none_or(|worst| peak.exceeds(worst)) {
            self.figures.worst_peak = Some(peak);
        }
    }

    /// A new picture: its loads may be peaks that no event told.
    pub(super) fn look(&mut self, view: &View) {
        for node in &view.nodes {
            if let (Some(limit), Some(load)) = (node.limit, node.load.power()) {
                self.peak(Peak { node: node.id, load, limit });
            }
        }
    }

    /// What is known here.
    pub(super) fn figures(&self) -> Figures {
        let mut figures = self.figures.clone();
        figures.links_up = self.links_up.len();
        figures.orders.unknown = self.unknown.len();
        for (since, _) in self.over.values() {
            figures.longest_over_limit = figures.longest_over_limit.max(self.now.since(*since));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use headroom_rules::model::{Customer, PriorityClass, RoundNo, Terminal};

    use super::*;

    fn order(id: u64, terminal: &str, action: Action, state: OrderState) -> Output {
        let at = Timestamp::new(0);
        Output::Order(Order {
            id: OrderId(id),
            terminal: terminal.parse().unwrap(),
            action,
            qualifier: None,
            issuer: Issuer::Limit { node: "F01".parse().unwrap() },
            reason: String::new(),
            state,
            detail: String::new(),
            issued_at: at,
            changed_at: at,
            expires_at: at,
            power_before: None,
            power_after: None,
        })
    }

    fn event(at: i64, what: Happening) -> Output {
        Output::Event(Event { at: Timestamp::new(at), source_time: None, what })
    }

    fn tick(at: i64) -> Input {
        Input::Tick { at: Timestamp::new(at) }
    }

    #[test]
    fn a_trip_at_a_guaranteed_customer_shows_and_earlier_runs_do_not_count() {
        let (customer, node) = ("C-1".parse().unwrap(), "F01".parse().unwrap());
        let mut inventory = Inventory::default();
        let guaranteed = Customer {
            name: "Hospital".into(),
            supplied_by: node,
            contract: Power::from_kw(100),
            guaranteed: true,
            safety_floor: Power::ZERO,
            priority: PriorityClass::try_from(1).unwrap(),
            measures: Vec::new(),
        };
        inventory.customers.insert(customer, guaranteed);
        inventory.terminals.insert(
            "T-1".parse().unwrap(),
            Terminal { customer: Some(customer), rounds: BTreeMap::new(), warns_for: Span::ZERO },
        );
        let mut tally = Tally::new(&inventory);
        let round = RoundNo::ALL[0];
        let (trip, restore) = (Action::Trip { round }, Action::Restore { round });
        use OrderState::{Cancelled, Confirmed, Refused, Selecting, Unknown};
        let earlier = [order(1, "T-1", trip, Unknown), order(2, "T-2", trip, Confirmed)];
        tally.count(Position(1), &tick(0), &earlier, Origin::Replayed { stored: true });
        assert_eq!(tally.figures().orders, OrderFigures { unknown: 1, ..OrderFigures::default() });
        let steps = [
            order(1, "T-1", trip, Confirmed),
            order(3, "T-2", restore, Selecting),
            order(3, "T-2", restore, Confirmed),
            // Told again with the power measured since.
            order(3, "T-2", restore, Confirmed),
            order(4, "T-2", trip, Refused),
            order(5, "T-2", trip, Cancelled),
        ];
        tally.count(Position(2), &tick(0), &steps, Origin::Live);
        let figures = tally.figures();
        assert_eq!(figures.orders, OrderFigures { issued: 3, confirmed: 2, failed: 2, unknown: 0 });
        assert_eq!((figures.rounds_shed, figures.rounds_restored, figures.protected_shed), (1, 1, 1));
    }

    #[test]
    fn the_longest_breach_and_the_worst_peak_are_kept_a_running_one_included() {
        let mut tally = Tally::default();
        let (small, big) = ("F01".parse().unwrap(), "F02".parse().unwrap());
        let kw = Power::from_kw;
        let breach = |node, load, limit| Happening::Breach { node, load: kw(load), limit: kw(limit) };
        let over = Happening::BreachOver { node: small, load: kw(90), lasted: Span::from_s(40), peak: kw(130) };
        let began = [event(0, breach(small, 110, 100)), event(0, breach(big, 1_050, 1_000))];
        tally.count(Position(1), &tick(0), &began, Origin::Live);
        tally.count(Position(2), &tick(40_000), &[event(40_000, over)], Origin::Live);
        assert_eq!(tally.figures().longest_over_limit, Span::from_s(40));
        tally.count(Position(3), &tick(70_000), &[], Origin::Live);
        let figures = tally.figures();
        assert_eq!(figures.longest_over_limit, Span::from_s(70), "the big one still is");
        assert_eq!(figures.worst_peak, Some(Peak { node: small, load: kw(130), limit: kw(100) }));
        assert_eq!(figures.breaches, 2);
    }
}
