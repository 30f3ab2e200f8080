//! Bounds of flow: how many selects stand at once and how many orders go out a minute, in all and below each feeder. What
//! does not go out at once waits for its turn, people before rules, and expires as ever (`expired-never-sent`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::Engine;
use super::orders::TURN_NOT_COME;
use crate::model::{NodeId, NodeKind, Span, TerminalId, Timestamp};
use crate::orders::{Action, Command, Issuer, Order, OrderId, OrderState, Step};
use crate::output::Output;
use crate::policy::Flow;
use crate::view::{View, Waiting};

const MINUTE: Span = Span::from_s(60);

/// Whose turn comes first. A lower one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Turn {
    Person,
    Group,
    RuleTrip,
    RuleRestore,
}

impl Turn {
    const fn of(order: &Order) -> Self {
        match (&order.issuer, order.action) {
            (Issuer::Operator { .. }, _) => Self::Person,
            (Issuer::Group { .. }, _) => Self::Group,
            (Issuer::Limit { .. }, Action::Trip { .. } | Action::SetCap { .. }) => Self::RuleTrip,
            (Issuer::Limit { .. }, Action::Restore { .. }) => Self::RuleRestore,
        }
    }
}

/// A feeder; none for what is supplied by none.
type Feeder = Option<NodeId>;

/// What went out lately, what stands, and what waits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Gate {
    /// Selects that went out within the last minute, the oldest first; empty while nothing bounds them.
    minute: VecDeque<(Timestamp, Feeder, u32)>,
    /// Selects that stand or are under way.
    #[serde(with = "pairs")]
    selects: BTreeMap<Feeder, u32>,
    waiting: BTreeSet<(Turn, OrderId)>,
    /// A select ended since it was last looked who is next.
    freed: bool,
}

/// JSON has no maps by feeder or none.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Feeder;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<Feeder, u32>, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<Feeder, u32>, D::Error> {
        Ok(Vec::<(Feeder, u32)>::deserialize(input)?.into_iter().collect())
    }
}

impl Gate {
    fn sum(counts: impl Iterator<Item = u32>) -> u32 {
        counts.fold(0, u32::saturating_add)
    }

    /// Whether the bounds of all feeders together leave room.
    fn has_any_room(&mut self, flow: &Flow, now: Timestamp) -> bool {
        while self.minute.front().is_some_and(|(at, ..)| now.since(*at) >= MINUTE) {
            self.minute.pop_front();
        }
        flow.selects_max.is_none_or(|most| Self::sum(self.selects.values().copied()) < most)
            && flow.orders_per_min.is_none_or(|most| Self::sum(self.minute.iter().map(|(.., count)| *count)) < most)
    }

    /// Whether those of a feeder do, too.
    fn has_room(&mut self, flow: &Flow, feeder: Feeder, now: Timestamp) -> bool {
        if !self.has_any_room(flow, now) {
            return false;
        }
        let selects = self.selects.get(&feeder).copied().unwrap_or_default();
        let minute = || self.minute.iter().filter(|(_, of, _)| *of == feeder).map(|(.., count)| *count);
        flow.selects_max_feeder.is_none_or(|most| selects < most)
            && flow.orders_per_min_feeder.is_none_or(|most| Self::sum(minute()) < most)
    }

    /// Which bound leaves no room for an order below a feeder.
    fn bound(&self, flow: &Flow, feeder: Feeder, now: Timestamp) -> Option<String> {
        let of = |of: &Feeder| feeder == *of;
        let minute = |only: bool| {
            let lately = self.minute.iter().filter(|(at, ..)| now.since(*at) < MINUTE);
            Self::sum(lately.filter(|(_, at, _)| !only || of(at)).map(|(.., count)| *count))
        };
        let here = || feeder.map_or_else(|| "what has no feeder".to_owned(), |feeder| feeder.to_string());
        let selects = self.selects.get(&feeder).copied().unwrap_or_default();
        at_bound("selects stand", Self::sum(self.selects.values().copied()), flow.selects_max)
            .or_else(|| at_bound("orders a minute went out", minute(false), flow.orders_per_min))
            .or_else(|| at_bound(&format!("selects below {} stand", here()), selects, flow.selects_max_feeder))
            .or_else(|| {
                let what = format!("orders a minute below {} went out", here());
                at_bound(&what, minute(true), flow.orders_per_min_feeder)
            })
    }

    fn went_out(&mut self, flow: &Flow, feeder: Feeder, now: Timestamp) {
        let selects = self.selects.entry(feeder).or_default();
        *selects = selects.saturating_add(1);
        if flow.orders_per_min.is_none() && flow.orders_per_min_feeder.is_none() {
            return;
        }
        // Orders of one plan go out at one instant: an entry for each feeder, not for each order.
        let same = self.minute.iter_mut().rev().take_while(|(at, ..)| *at == now).find(|(_, of, _)| *of == feeder);
        match same {
            Some((_, _, count)) => *count = count.saturating_add(1),
            None => self.minute.push_back((now, feeder, 1)),
        }
    }

    /// A select ended, or became an execute.
    fn select_ended(&mut self, feeder: Feeder) {
        self.freed = true;
        if let Some(selects) = self.selects.get_mut(&feeder) {
            *selects = selects.saturating_sub(1);
            if *selects == 0 {
                self.selects.remove(&feeder);
            }
        }
    }
}

/// A bound that leaves no room, in words.
fn at_bound(what: &str, count: u32, most: Option<u32>) -> Option<String> {
    most.filter(|most| count >= *most).map(|most| format!("{count} of {most} {what}"))
}

const fn is_select(state: OrderState) -> bool {
    matches!(state, OrderState::Selecting | OrderState::Selected)
}

impl Engine {
    fn feeder_of(&self, terminal: TerminalId) -> Feeder {
        let nodes = &self.grid.inventory.nodes;
        self.grid.path(terminal).find(|node| nodes.get(node).is_some_and(|node| node.kind == NodeKind::Feeder))
    }

    /// A new order goes out, or waits for its turn.
    pub(super) fn enter(&mut self, id: OrderId, out: &mut Vec<Output>) {
        if self.has_freed() {
            self.let_through(out);
        }
        let Some(order) = self.ledger.get_open(id) else { return };
        let (turn, feeder) = (Turn::of(order), self.feeder_of(order.terminal));
        if self.ledger.gate.has_room(&self.policy.flow, feeder, self.now) {
            self.send_select(id, feeder, out);
        } else {
            self.ledger.gate.waiting.insert((turn, id));
        }
    }

    fn send_select(&mut self, id: OrderId, feeder: Feeder, out: &mut Vec<Output>) {
        self.ledger.gate.went_out(&self.policy.flow, feeder, self.now);
        self.ledger.set_feeder(id, feeder);
        self.move_order(id, OrderState::Selecting, String::new(), out);
        let Some(order) = self.ledger.get_open(id) else { return };
        let Order { terminal, action, qualifier, expires_at, .. } = *order;
        let step = Step::Select;
        out.push(Output::Command(Command { order: id, terminal, action, qualifier, step, expires_at }));
    }

    /// An order changes its state: whether it still holds a select, or a place among those that wait.
    pub(super) fn passes(&mut self, id: OrderId, before: OrderState, after: OrderState) {
        if is_select(before) && !is_select(after) {
            let feeder = self.ledger.feeder(id);
            self.ledger.gate.select_ended(feeder);
        }
        if before == OrderState::Approved
            && let Some(order) = self.ledger.get_open(id)
        {
            let turn = Turn::of(order);
            self.ledger.gate.waiting.remove(&(turn, id));
        }
    }

    /// Lets those go whose turn has come, if nothing forbids them by now.
    pub(super) fn let_through(&mut self, out: &mut Vec<Output>) {
        self.ledger.gate.freed = false;
        if self.ledger.gate.waiting.is_empty() {
            return;
        }
        let waiting: Vec<OrderId> = self.ledger.gate.waiting.iter().map(|(_, id)| *id).collect();
        for id in waiting {
            if !self.ledger.gate.has_any_room(&self.policy.flow, self.now) {
                break;
            }
            let Some(terminal) = self.ledger.get_open(id).map(|order| order.terminal) else { continue };
            let feeder = self.feeder_of(terminal);
            if !self.ledger.gate.has_room(&self.policy.flow, feeder, self.now) {
                continue;
            }
            let Some(order) = self.ledger.get_open(id).cloned() else { continue };
            match self.why_not_now(&order) {
                Some((state, why)) => self.withdraw(id, state, why, out),
                None => self.send_select(id, feeder, out),
            }
        }
    }

    /// Those that wait, and for what.
    pub(super) fn waiting_views(&self) -> Vec<Waiting> {
        let gate = &self.ledger.gate;
        let waiting = gate.waiting.iter().take(View::ORDERS_MAX);
        let orders = waiting.filter_map(|(_, id)| self.ledger.get_open(*id));
        let why = |(before, order): (usize, &Order)| {
            let bound = gate.bound(&self.policy.flow, self.feeder_of(order.terminal), self.now);
            let why = match (bound, before) {
                (Some(bound), _) => bound,
                (None, 0) => "its turn has come".to_owned(),
                (None, before) => format!("{before} orders go before it"),
            };
            Waiting { order: order.id, why }
        };
        orders.enumerate().map(why).collect()
    }

    /// Whether somebody's turn may have come since it was last looked.
    pub(super) const fn has_freed(&self) -> bool {
        self.ledger.gate.freed
    }

    /// Why an order that waited is not selected any more: time passed since it was wanted.
    fn why_not_now(&self, order: &Order) -> Option<(OrderState, String)> {
        if self.now >= order.expires_at {
            return Some((OrderState::Expired, TURN_NOT_COME.into()));
        }
        if self.grid.posts.get(&order.terminal).is_none_or(|post| !post.link_up) {
            return Some((OrderState::Cancelled, "the link is down; nothing was sent".into()));
        }
        self.why_not_any_more(order)
    }
}
