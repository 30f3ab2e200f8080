//! The engine: everything that the centre decides, as a function of its inputs.
//!
//! Read [`Engine::apply`], then `grid` (values and loads), `limits` (a limit rule's course), `restoring`, `orders` (an
//! order's course), `requests` (what people ask) and `view`.
//!
//! **Invariants:** `replay-equals-live`: the same inputs give the same outputs; `select-before-execute`;
//! `expired-never-sent`; `unknown-is-read-back`; `never-shed-protected`; `restoration-under-limit`.

mod alarms;
pub(crate) mod effects;
pub(crate) mod grid;
mod limits;
mod orders;
mod requests;
mod restoring;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::input::Input;
use crate::model::{
    CustomerId, Energy, Inventory, NodeId, PointKind, Power, Reading, RoundNo, Span, SwitchPosition, TerminalId,
    Timestamp,
};
use crate::orders::OrderState;
use crate::output::{AlarmCause, Event, Happening, Output};
use crate::policy::Policy;
use crate::view::View;
use alarms::Alarms;
use effects::Effects;
use grid::Grid;
use limits::Watch;
use orders::Ledger;

/// A link that is down for less than this is no alarm: terminals on mobile networks come and go.
const LINK_GRACE: Span = Span::from_s(60);

/// Whose trip holds a round off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Holder {
    /// A limit rule, which will restore it.
    Rule(NodeId),
    /// A person; no rule restores it.
    Operator,
}

/// A round that an order tripped.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Shed {
    by: Holder,
    since: Timestamp,
    /// What it had before; nothing where that was not known.
    power: Power,
    /// No rule tries to restore it before: an attempt failed.
    not_before: Timestamp,
}

/// All that the centre knows, and the function from one input to what follows.
///
/// It is made of maps that serialize, so that a snapshot is the engine itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Engine {
    now: Timestamp,
    grid: Grid,
    policy: Policy,
    alarms: Alarms,
    ledger: Ledger,
    effects: Effects,
    sheds: BTreeMap<TerminalId, BTreeMap<RoundNo, Shed>>,
    /// Energy that customers went without by rules' trips that are over.
    curtailed: BTreeMap<CustomerId, Energy>,
    watches: BTreeMap<NodeId, Watch>,
    /// Rounds that did not respond, with the position that their alarm is about.
    unresponsive: BTreeMap<TerminalId, BTreeMap<RoundNo, SwitchPosition>>,
    /// The newest first.
    events: VecDeque<Event>,
    /// Kept so that looking at limits allocates nothing.
    #[serde(skip)]
    looking_at: Vec<NodeId>,
}

impl Engine {
    /// Before the first input.
    pub fn new() -> Self {
        Self::default()
    }

    /// The latest time that an input told.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes one input in and appends what follows to `out`. Time never runs backwards: an earlier input counts as of the
    /// latest time seen.
    pub fn apply(&mut self, input: &Input, out: &mut Vec<Output>) {
        self.now = self.now.max(input.at());
        match input {
            Input::Started { .. } => self.on_started(out),
            Input::Inventory { inventory, .. } => self.on_inventory(inventory, out),
            Input::Policy { policy, .. } => self.on_policy(policy, out),
            Input::Link { terminal, up, .. } => self.on_link(*terminal, *up, out),
            Input::Readings { terminal, readings, .. } => self.on_readings(*terminal, readings, out),
            Input::Outcome { order, outcome, .. } => self.on_outcome(*order, *outcome, out),
            Input::Request { origin, request, .. } => self.on_request(origin, request, out),
            Input::Tick { .. } => self.on_tick(out),
        }
        let mut nodes = std::mem::take(&mut self.looking_at);
        self.grid.take_dirty(&mut nodes);
        for &node in &nodes {
            self.watch(node, out);
        }
        nodes.clear();
        self.looking_at = nodes;
    }

    fn tell(&mut self, what: Happening, out: &mut Vec<Output>) {
        self.tell_of(what, None, out);
    }

    fn tell_of(&mut self, what: Happening, source_time: Option<Timestamp>, out: &mut Vec<Output>) {
        let event = Event { at: self.now, source_time, what };
        if self.events.len() >= View::EVENTS_MAX {
            self.events.pop_back();
        }
        self.events.push_front(event.clone());
        out.push(Output::Event(event));
    }

    fn on_started(&mut self, out: &mut Vec<Output>) {
        self.tell(Happening::Started, out);
        for post in self.grid.posts.values_mut() {
            post.link_up = false;
            post.link_since = self.now;
        }
        self.grid.expire(self.now);
        for watch in self.watches.values_mut() {
            watch.look_anew();
        }
        self.interrupt_orders(out);
    }

    fn on_inventory(&mut self, inventory: &Inventory, out: &mut Vec<Output>) {
        let before: BTreeSet<TerminalId> = self.grid.posts.keys().copied().collect();
        self.grid.set_inventory(inventory.clone(), self.now);
        for (id, post) in &mut self.grid.posts {
            if !before.contains(id) {
                post.link_since = self.now;
            }
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let loaded = Happening::InventoryLoaded {
            nodes: count(inventory.nodes.len()),
            customers: count(inventory.customers.len()),
            terminals: count(inventory.terminals.len()),
        };
        self.tell(loaded, out);
        self.forget_the_gone(out);
    }

    /// Lets go of what belongs to terminals and nodes that are not there any more.
    fn forget_the_gone(&mut self, out: &mut Vec<Output>) {
        let inventory = &self.grid.inventory;
        let exists = |terminal: &TerminalId, round: &RoundNo| {
            inventory.terminals.get(terminal).is_some_and(|terminal| terminal.rounds.contains_key(round))
        };
        for (terminal, rounds) in &mut self.sheds {
            rounds.retain(|round, _| exists(terminal, round));
        }
        self.sheds.retain(|_, rounds| !rounds.is_empty());
        for (terminal, rounds) in &mut self.unresponsive {
            rounds.retain(|round, _| exists(terminal, round));
        }
        self.unresponsive.retain(|_, rounds| !rounds.is_empty());
        self.curtailed.retain(|customer, _| inventory.customers.contains_key(customer));
        let nodes = &inventory.nodes;
        self.watches.retain(|node, _| nodes.contains_key(node));
        let terminals = &inventory.terminals;
        let gone = |cause: AlarmCause| match cause {
            AlarmCause::OverLimit { node }
            | AlarmCause::Warning { node }
            | AlarmCause::LoadUnknown { node }
            | AlarmCause::LimitFutile { node } => !nodes.contains_key(&node),
            AlarmCause::NoEffect { terminal, round } => !exists(&terminal, &round),
            AlarmCause::LinkDown { terminal } | AlarmCause::CoverOpen { terminal } => {
                !terminals.contains_key(&terminal)
            }
        };
        self.alarms.clear_where(gone, self.now, out);
        let gone: Vec<_> =
            self.ledger.open().filter(|order| !terminals.contains_key(&order.terminal)).map(|order| order.id).collect();
        for order in gone {
            self.end_order(order, OrderState::Failed, "the terminal was taken out of the inventory".into(), out);
        }
    }

    fn on_policy(&mut self, policy: &Policy, out: &mut Vec<Output>) {
        self.policy = policy.clone();
        self.grid.age_max = policy.reading_age_max;
        self.grid.rebuild(self.now);
        let limited: BTreeSet<NodeId> = policy.limits.iter().map(|rule| rule.node).collect();
        self.watches.retain(|node, _| limited.contains(node));
        for node in &limited {
            self.watches.entry(*node).or_default();
        }
        // Nobody would restore what a rule shed that is there no more: it is the operators' from here on.
        for shed in self.sheds.values_mut().flat_map(BTreeMap::values_mut) {
            if matches!(shed.by, Holder::Rule(node) if !limited.contains(&node)) {
                shed.by = Holder::Operator;
            }
        }
        let gone = |cause: AlarmCause| match cause {
            AlarmCause::OverLimit { node }
            | AlarmCause::Warning { node }
            | AlarmCause::LoadUnknown { node }
            | AlarmCause::LimitFutile { node } => !limited.contains(&node),
            _ => false,
        };
        self.alarms.clear_where(gone, self.now, out);
        let limits = u32::try_from(policy.limits.len()).unwrap_or(u32::MAX);
        self.tell(Happening::PolicyLoaded { limits }, out);
    }

    fn on_link(&mut self, terminal: TerminalId, up: bool, out: &mut Vec<Output>) {
        let Some(post) = self.grid.posts.get_mut(&terminal) else { return };
        if post.link_up == up {
            return;
        }
        post.link_up = up;
        post.link_since = self.now;
        self.tell(Happening::Link { terminal, up }, out);
        if up {
            self.alarms.clear(AlarmCause::LinkDown { terminal }, self.now, out);
            self.read_back_unknown(terminal, out);
        } else {
            self.void_selects(terminal, out);
        }
    }

    fn on_readings(&mut self, terminal: TerminalId, readings: &[Reading], out: &mut Vec<Output>) {
        for reading in readings {
            let Some(before) = self.grid.take(terminal, *reading, self.now) else { continue };
            match reading.point {
                PointKind::RoundPosition(round) if reading.quality.decides() => {
                    let position = SwitchPosition::from_value(reading.value);
                    let moved = before.is_some_and(|before| {
                        before.reading.quality.decides() && before.reading.value != reading.value
                    });
                    if moved {
                        self.tell_of(Happening::Switch { terminal, round, position }, reading.source_time, out);
                    }
                    self.on_position(terminal, round, position, out);
                }
                PointKind::RoundPower(round) => self.on_round_power(terminal, round, out),
                PointKind::PowerCap => self.on_cap(terminal, out),
                PointKind::CoverOpen if reading.quality.decides() => {
                    let open = reading.value != 0;
                    if before.is_some_and(|before| (before.reading.value != 0) != open) || (before.is_none() && open) {
                        self.tell_of(Happening::Cover { terminal, open }, reading.source_time, out);
                    }
                    let cause = AlarmCause::CoverOpen { terminal };
                    if open {
                        self.alarms.raise(cause, self.now, || "reported by the terminal".into(), out);
                    } else {
                        self.alarms.clear(cause, self.now, out);
                    }
                }
                _ => {}
            }
        }
    }

    /// A switch is where it is: what was shed and is closed again is no longer shed.
    fn on_position(&mut self, terminal: TerminalId, round: RoundNo, position: SwitchPosition, out: &mut Vec<Output>) {
        self.confirm_by_position(terminal, round, out);
        if position == SwitchPosition::Closed {
            self.no_longer_shed(terminal, round);
        }
        if matches!(position, SwitchPosition::Open | SwitchPosition::Closed) {
            self.responded(terminal, round, position, out);
        }
    }

    /// A round did not do what an order wanted: it stands at `position`, or is supplied in spite of it.
    fn did_not_respond(
        &mut self,
        terminal: TerminalId,
        round: RoundNo,
        position: SwitchPosition,
        detail: String,
        out: &mut Vec<Output>,
    ) {
        self.unresponsive.entry(terminal).or_default().insert(round, position);
        self.alarms.raise(AlarmCause::NoEffect { terminal, round }, self.now, || detail, out);
    }

    /// A switch stands at another end than that which its alarm is about.
    fn responded(&mut self, terminal: TerminalId, round: RoundNo, position: SwitchPosition, out: &mut Vec<Output>) {
        let Some(rounds) = self.unresponsive.get_mut(&terminal) else { return };
        if rounds.get(&round).is_none_or(|stuck| *stuck == position) {
            return;
        }
        rounds.remove(&round);
        if rounds.is_empty() {
            self.unresponsive.remove(&terminal);
        }
        self.alarms.clear(AlarmCause::NoEffect { terminal, round }, self.now, out);
    }

    fn no_longer_shed(&mut self, terminal: TerminalId, round: RoundNo) {
        let Some(rounds) = self.sheds.get_mut(&terminal) else { return };
        let Some(shed) = rounds.remove(&round) else { return };
        if rounds.is_empty() {
            self.sheds.remove(&terminal);
        }
        if let Holder::Rule(_) = shed.by
            && let Some((customer, _)) = self.grid.customer(terminal)
        {
            *self.curtailed.entry(customer).or_default() += shed.power.over(self.now.since(shed.since));
        }
    }

    /// What a customer went without by rules, what is off right now included.
    fn curtailed_by_now(&self, customer: CustomerId, terminal: TerminalId) -> Energy {
        let now = self.sheds.get(&terminal).into_iter().flat_map(BTreeMap::values);
        let now = now.filter(|shed| matches!(shed.by, Holder::Rule(_)));
        let now: Energy = now.map(|shed| shed.power.over(self.now.since(shed.since))).sum();
        self.curtailed.get(&customer).copied().unwrap_or_default() + now
    }

    /// Rounds that the rule of `node` shed and has not restored, by terminal and round.
    fn shed_by(&self, node: NodeId) -> impl Iterator<Item = (TerminalId, RoundNo, Shed)> + '_ {
        self.sheds
            .iter()
            .flat_map(|(terminal, rounds)| rounds.iter().map(|(round, shed)| (*terminal, *round, *shed)))
            .filter(move |(_, _, shed)| shed.by == Holder::Rule(node))
    }

    fn on_tick(&mut self, out: &mut Vec<Output>) {
        self.grid.expire(self.now);
        self.effects.forget_shown(&self.grid, self.now);
        let down: Vec<(TerminalId, Timestamp)> = self
            .grid
            .posts
            .iter()
            .filter(|(_, post)| !post.link_up && self.now.since(post.link_since) >= LINK_GRACE)
            .map(|(&terminal, post)| (terminal, post.link_since))
            .collect();
        for (terminal, since) in down {
            self.alarms.raise(AlarmCause::LinkDown { terminal }, self.now, || format!("since {since}"), out);
        }
        self.orders_on_tick(out);
        let limited: Vec<NodeId> = self.watches.keys().copied().collect();
        for node in limited {
            self.watch(node, out);
        }
    }
}
