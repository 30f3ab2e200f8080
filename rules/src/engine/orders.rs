//! An order's course: select, execute, the position that proves it.
//!
//! **Invariants:** `select-before-execute`: an execute is only issued for a selected order; `expired-never-sent`: nothing
//! is issued from its expiry on; `unknown-is-read-back`: where an execute may have been carried out, the point is read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::flow::Gate;
use super::{Back, Engine, Holder, Shed, Stuck};
use crate::model::{NodeId, PointKind, Power, RoundNo, Span, SwitchPosition, TerminalId, Timestamp};
use crate::orders::{Action, Command, Issuer, NotSent, Order, OrderId, OrderState, Outcome, Step, Wish};
use crate::output::{Output, Refusal};
use crate::view::View;

/// How long a switch may take from the execute to its end position.
const EFFECT_WITHIN: Span = Span::from_s(60);
/// Between two readings back of the same point.
const READ_AGAIN: Span = Span::from_s(30);
/// Readings back before an order counts as failed. Only those count that the terminal answered.
const READINGS_MAX: u8 = 5;
/// Why a rule's order is withdrawn that it may not give.
const STOPPED: &str = "automatic control is stopped";
/// Why an order expired that was never sent.
pub(super) const TURN_NOT_COME: &str = "its turn did not come in time; nothing was sent";
/// A cap travels as a floating point number of kW: this much difference is rounding.
const CAP_TOLERANCE_W: i64 = 500;

/// An order that is not final.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) order: Order,
    selected_at: Option<Timestamp>,
    executed_at: Option<Timestamp>,
    /// How long its terminal warns its customer before it trips, as known when the execute went out.
    #[serde(default)]
    warns_for: Span,
    /// When the point was last asked for.
    read_at: Option<Timestamp>,
    readings: u8,
    /// Power behind the round as the plan counts on it.
    expected: Option<Power>,
    /// The terminal refused a step, or did not answer it.
    declined: bool,
    /// The feeder whose bounds its select counts against.
    #[serde(default)]
    feeder: Option<NodeId>,
    /// A restoration called it off while its terminal warned, and the switch is closed.
    #[serde(default)]
    taken_back: bool,
}

impl Open {
    /// How long after its execute the point may still show what was before.
    fn effect_within(&self) -> Span {
        self.warns_for + EFFECT_WITHIN
    }

    /// A trip that its terminal announces to the customer still: a restoration calls it off. Where the answer to its
    /// execute is still to come, nobody knows whether it was taken.
    fn is_announced(&self, now: Timestamp) -> bool {
        let warned = self.executed_at.is_some_and(|at| now.since(at) < self.warns_for);
        warned
            && matches!(self.order.action, Action::Trip { .. })
            && matches!(self.order.state, OrderState::Executed | OrderState::Unknown)
    }
}

/// A rule's order that is final, until the rule has drawn its conclusions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Settled {
    pub(super) order: Order,
    /// The terminal had its say. Otherwise the order ended here, and says nothing about the round.
    pub(super) asked: bool,
    /// A person took the trip back while the terminal warned.
    #[serde(default)]
    pub(super) taken_back: bool,
}

/// All orders that are not final, and the newest of those that are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    last: u64,
    open: BTreeMap<OrderId, Open>,
    /// The newest first.
    closed: VecDeque<Order>,
    settled: BTreeMap<OrderId, Settled>,
    /// Confirmed, but no power measured since.
    unmeasured: Vec<(TerminalId, RoundNo, OrderId)>,
    /// Trips that are confirmed and whose effect is measured then.
    #[serde(default)]
    unverified: BTreeMap<OrderId, (Timestamp, Order)>,
    /// What goes out when.
    #[serde(default)]
    pub(super) gate: Gate,
}

impl Ledger {
    /// Goes on with numbers higher by `count`.
    pub(super) const fn skip_numbers(&mut self, count: u64) {
        self.last = self.last.saturating_add(count);
    }

    pub(super) fn open(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.open.values().map(|open| &open.order)
    }

    pub(super) fn closed(&self) -> impl Iterator<Item = &Order> {
        self.closed.iter()
    }

    /// Whether no order is open.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// The order, open or recent.
    pub(super) fn get(&self, id: OrderId) -> Option<&Order> {
        let known = self.open.get(&id).map(|open| &open.order);
        let known = known.or_else(|| self.settled.get(&id).map(|settled| &settled.order));
        known.or_else(|| self.closed.iter().find(|order| order.id == id))
    }

    /// The number that the next order gets.
    pub(super) const fn next(&self) -> OrderId {
        OrderId(self.last + 1)
    }

    pub(super) fn feeder(&self, id: OrderId) -> Option<NodeId> {
        self.open.get(&id)?.feeder
    }

    pub(super) fn set_feeder(&mut self, id: OrderId, feeder: Option<NodeId>) {
        if let Some(open) = self.open.get_mut(&id) {
            open.feeder = feeder;
        }
    }

    /// The order, while it is not final.
    pub(super) fn get_open(&self, id: OrderId) -> Option<&Order> {
        self.open.get(&id).map(|open| &open.order)
    }

    /// What became of a rule's order; told once.
    pub(super) fn take_settled(&mut self, id: OrderId) -> Option<Settled> {
        self.settled.remove(&id)
    }

    /// All rounds that an order has, with that order.
    pub(super) fn holders(&self) -> BTreeMap<(TerminalId, RoundNo), OrderId> {
        self.open().filter_map(|order| Some(((order.terminal, order.action.round()?), order.id))).collect()
    }

    /// The orders that have this point: one, or a trip that its terminal announces and the restoration that calls it off.
    pub(super) fn holding(&self, terminal: TerminalId, action: Action) -> impl Iterator<Item = &Order> {
        self.open().filter(move |order| order.terminal == terminal && order.action.round() == action.round())
    }

    /// Whether an order has this round.
    pub(super) fn holds_round(&self, terminal: TerminalId, round: RoundNo) -> bool {
        self.open().any(|order| order.terminal == terminal && order.action.round() == Some(round))
    }

    /// Whether `action` would call this order off.
    pub(super) fn is_called_off_by(&self, id: OrderId, action: Action, now: Timestamp) -> bool {
        matches!(action, Action::Restore { .. }) && self.open.get(&id).is_some_and(|open| open.is_announced(now))
    }

    /// The trip of the same round that a restoration is to call off, while it is not final.
    fn called_off_by(&self, restore: &Order) -> Option<OrderId> {
        let Action::Restore { round } = restore.action else { return None };
        let trip = Action::Trip { round };
        self.open().find(|it| it.terminal == restore.terminal && it.action == trip).map(|order| order.id)
    }

    /// The restoration of the same round that was executed while this trip was announced.
    fn calls_off(&self, trip: &Order) -> Option<OrderId> {
        let Action::Trip { round } = trip.action else { return None };
        let restores = |open: &&Open| {
            open.order.terminal == trip.terminal
                && open.order.action == Action::Restore { round }
                && open.executed_at.is_some()
        };
        self.open.values().find(restores).map(|open| open.order.id)
    }

    pub(super) fn await_verification(&mut self, id: OrderId, due: Timestamp, order: Order) {
        self.unverified.insert(id, (due, order));
    }

    /// Trips whose effect is to be measured now.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<(OrderId, Order)> {
        let due: Vec<OrderId> = self.unverified.iter().filter(|(_, (due, _))| now >= *due).map(|(id, _)| *id).collect();
        due.into_iter().filter_map(|id| Some((id, self.unverified.remove(&id)?.1))).collect()
    }

    pub(super) fn replace_closed(&mut self, order: &Order) {
        if let Some(closed) = self.closed.iter_mut().find(|closed| closed.id == order.id) {
            closed.clone_from(order);
        }
    }

    /// All rounds that an order has.
    pub(super) fn busy(&self) -> BTreeSet<(TerminalId, RoundNo)> {
        self.open().filter_map(|order| Some((order.terminal, order.action.round()?))).collect()
    }
}

impl Engine {
    /// A new order: selects its point. The caller has looked at everything that forbids it.
    pub(super) fn issue(
        &mut self,
        terminal: TerminalId,
        wish: impl Into<Wish>,
        issuer: Issuer,
        reason: String,
        expected: Option<Power>,
        out: &mut Vec<Output>,
    ) -> OrderId {
        let Wish { action, qualifier } = wish.into();
        if let Some(round) = action.round() {
            self.promised.end(terminal, round);
        }
        self.ledger.last += 1;
        let id = OrderId(self.ledger.last);
        let expires_at = self.now.after(self.expiry_of(&issuer));
        let order = Order {
            id,
            terminal,
            action,
            qualifier,
            issuer,
            reason,
            state: OrderState::Approved,
            detail: String::new(),
            issued_at: self.now,
            changed_at: self.now,
            expires_at,
            power_before: None,
            power_after: None,
        };
        if let (Some(round), Some(power)) = (action.round(), expected) {
            let change = if matches!(action, Action::Trip { .. }) { -power } else { power };
            self.effects.expect(id, terminal, round, change);
        }
        let open = Open {
            order,
            selected_at: None,
            executed_at: None,
            warns_for: Span::ZERO,
            read_at: None,
            readings: 0,
            expected,
            declined: false,
            feeder: None,
            taken_back: false,
        };
        self.ledger.open.insert(id, open);
        self.enter(id, out);
        // One that went out at once has told so.
        if let Some(order) = self.ledger.get_open(id).filter(|order| order.state == OrderState::Approved).cloned() {
            self.note_member(&order, out);
            out.push(Output::Order(order));
        }
        id
    }

    /// How long an order lives: those of a group all wait for their turn.
    fn expiry_of(&self, issuer: &Issuer) -> Span {
        match issuer {
            Issuer::Group { .. } => self.policy.groups.expiry.max(self.policy.order_expiry),
            Issuer::Limit { .. } | Issuer::Operator { .. } => self.policy.order_expiry,
        }
    }

    pub(super) fn move_order(&mut self, id: OrderId, state: OrderState, detail: String, out: &mut Vec<Output>) {
        let Some(before) = self.ledger.get_open(id).map(|order| order.state) else { return };
        self.passes(id, before, state);
        let Some(open) = self.ledger.open.get_mut(&id) else { return };
        open.order.state = state;
        open.order.detail = detail;
        open.order.changed_at = self.now;
        let order = open.order.clone();
        self.note_member(&order, out);
        out.push(Output::Order(order));
    }

    /// Brings an order to a final state.
    pub(super) fn end_order(&mut self, id: OrderId, state: OrderState, detail: String, out: &mut Vec<Output>) {
        debug_assert!(state.is_final());
        self.move_order(id, state, detail, out);
        let Some(Open { mut order, executed_at, expected, declined, taken_back, .. }) = self.ledger.open.remove(&id)
        else {
            return;
        };
        if state == OrderState::Confirmed {
            self.effects.done(id, self.now);
            if let Some(change) = self.effects.change(id) {
                self.switched(order.terminal, change);
            }
            self.verify_later(&order);
            if let Some(round) = order.action.round() {
                self.shed_or_back(&order, round, order.power_before.or(expected));
                self.trip_and_its_restoration(&order, round, out);
                match self.power_beside(order.terminal, round) {
                    Some(after) => {
                        order.power_after = Some(after);
                        out.push(Output::Order(order.clone()));
                    }
                    None => self.ledger.unmeasured.push((order.terminal, round, id)),
                }
            }
        } else {
            // What was taken back is not counted as coming. Where it comes all the same, its rule answers for it.
            if state == OrderState::Failed && executed_at.is_some() && !taken_back {
                self.effects.may_come_late(id, self.now);
            } else {
                self.effects.none(id);
            }
            self.may_come_late(&order, executed_at, expected);
        }
        if let Issuer::Limit { node } = &order.issuer {
            if self.watches.get(node).is_some_and(|watch| watch.awaits(id)) {
                let asked = !taken_back && (declined || executed_at.is_some());
                self.ledger.settled.insert(id, Settled { order: order.clone(), asked, taken_back });
            } else if let (OrderState::Failed, Action::Trip { round }, false) = (state, order.action, taken_back) {
                // Its plan was judged while nobody knew what became of it.
                let stuck = Stuck { position: SwitchPosition::Closed, supplied_above: None };
                self.did_not_respond(order.terminal, round, stuck, format!("order {id}: {}", order.detail), out);
            }
        }
        self.ledger.closed.push_front(order);
        self.ledger.closed.truncate(View::ORDERS_MAX);
        let closed = &self.ledger.closed;
        self.ledger.unmeasured.retain(|(_, _, id)| closed.iter().any(|order| order.id == *id));
    }

    /// Of a trip that was announced and the restoration that was to call it off, one has taken effect.
    fn trip_and_its_restoration(&mut self, done: &Order, round: RoundNo, out: &mut Vec<Output>) {
        if let Some(restore) = self.ledger.calls_off(done) {
            // It came too late: what is off now comes back with it.
            let comes = self.comes_back_with(done.terminal, round);
            self.effects.expect(restore, done.terminal, round, comes);
        } else if let Some(trip) = self.ledger.called_off_by(done) {
            if let Some(open) = self.ledger.open.get_mut(&trip) {
                open.taken_back = true;
            }
            let why = format!("taken back by order {} of {} while the terminal warned", done.id, done.issuer);
            self.end_order(trip, OrderState::Failed, why, out);
        }
    }

    fn shed_or_back(&mut self, order: &Order, round: RoundNo, power: Option<Power>) {
        match order.action {
            Action::Trip { .. } => {
                let by = match &order.issuer {
                    Issuer::Limit { node } if self.answers_for(*node, order.terminal) => Holder::Rule(*node),
                    _ => Holder::Operator,
                };
                self.learn_from_return(order.terminal, round);
                let shed = self.shed_now(order.terminal, round, by, power);
                self.sheds.entry(order.terminal).or_default().insert(round, shed);
                if let Holder::Rule(_) = by {
                    self.count_turn(order.terminal);
                }
            }
            Action::Restore { .. } => {
                let by_rule = matches!(order.issuer, Issuer::Limit { .. });
                self.no_longer_shed(order.terminal, round, if by_rule { Back::Rule } else { Back::Person });
            }
            Action::SetCap { .. } => {}
        }
    }

    fn shed_now(&self, terminal: TerminalId, round: RoundNo, by: Holder, power: Option<Power>) -> Shed {
        let cold = power.unwrap_or_default();
        let power = self.returned.warm(terminal, round, cold, self.now);
        Shed { by, since: self.now, power, cold, not_before: self.now }
    }

    /// A trip of a rule went out and no effect was seen. If the switch opens yet, the rule has to restore it.
    fn may_come_late(&mut self, order: &Order, executed_at: Option<Timestamp>, expected: Option<Power>) {
        if let (Issuer::Limit { node }, Action::Trip { round }) = (&order.issuer, order.action)
            && executed_at.is_some()
            && self.answers_for(*node, order.terminal)
        {
            let shed = self.shed_now(order.terminal, round, Holder::Rule(*node), order.power_before.or(expected));
            self.late.entry(order.terminal).or_default().insert(round, shed);
        }
    }

    /// Power behind a round as told after the present position of its switch.
    fn power_beside(&self, terminal: TerminalId, round: RoundNo) -> Option<Power> {
        let position = self.grid.posts.get(&terminal)?.held(PointKind::RoundPosition(round))?;
        let held = self.grid.round_power(terminal, round, self.now)?;
        (held.arrived_at > position.arrived_at).then(|| Power::new(held.reading.value))
    }

    /// The power behind a round was measured: the effect of its last order is known.
    pub(super) fn on_round_power(&mut self, terminal: TerminalId, round: RoundNo, out: &mut Vec<Output>) {
        let waiting = self.ledger.unmeasured.iter().position(|(t, r, _)| (*t, *r) == (terminal, round));
        let Some(waiting) = waiting else { return };
        let Some(held) = self.grid.round_power(terminal, round, self.now) else { return };
        let (_, _, id) = self.ledger.unmeasured.swap_remove(waiting);
        if let Some(order) = self.ledger.closed.iter_mut().find(|order| order.id == id) {
            order.power_after = Some(Power::new(held.reading.value));
            out.push(Output::Order(order.clone()));
        }
    }

    /// Executes a selected order, if nothing forbids it by now.
    pub(super) fn execute(&mut self, id: OrderId, out: &mut Vec<Output>) {
        let Some(open) = self.ledger.open.get(&id).filter(|open| open.order.state == OrderState::Selected) else {
            return;
        };
        let Order { terminal, action, qualifier, expires_at, .. } = open.order;
        if self.now >= expires_at || open.selected_at.is_none_or(|at| self.now.since(at) >= self.policy.select_timeout)
        {
            self.withdraw(id, OrderState::Expired, "ran out of time before its execute".into(), out);
            return;
        }
        if let Some((state, why)) = self.why_not_any_more(&open.order) {
            self.withdraw(id, state, why, out);
            return;
        }
        let power = action.round().and_then(|round| self.grid.round_power(terminal, round, self.now));
        let power = power.map(|held| Power::new(held.reading.value));
        let expected = open.expected;
        if let Some(round) = action.round() {
            let change = match action {
                Action::Trip { .. } => -power.or(expected).unwrap_or_default(),
                // What calls a trip off brings back nothing: it is there.
                _ if self.is_closed(terminal, round) => Power::ZERO,
                _ => self.comes_back_with(terminal, round),
            };
            self.effects.expect(id, terminal, round, change);
        }
        let warns_for = self.warns_for(terminal, action);
        if let Some(open) = self.ledger.open.get_mut(&id) {
            open.executed_at = Some(self.now);
            open.warns_for = warns_for;
            open.order.power_before = power;
        }
        self.move_order(id, OrderState::Executing, String::new(), out);
        let step = Step::Execute;
        out.push(Output::Command(Command { order: id, terminal, action, qualifier, step, expires_at }));
    }

    /// Why an order is not selected or executed any more, and how it ends then: things may have changed since it was wanted or
    /// selected, another round tripped here, a guarantee set.
    pub(super) fn why_not_any_more(&self, order: &Order) -> Option<(OrderState, String)> {
        let Order { terminal, action, .. } = *order;
        if matches!(order.issuer, Issuer::Limit { .. }) && self.stopped().is_some() {
            return Some((OrderState::Cancelled, STOPPED.into()));
        }
        if self.is_needless(order) {
            return Some((OrderState::Cancelled, "the load is back below the limit without it".into()));
        }
        let by_person = matches!(order.issuer, Issuer::Operator { .. });
        let why = self.forbids(terminal, action);
        let why = why.or_else(|| if by_person { None } else { self.unprovable(terminal, action) });
        let why = why.or_else(|| if by_person { None } else { self.excluded_from(terminal, action) });
        why.map(|why| (OrderState::Refused, why.to_string()))
    }

    /// A trip that is one of many, at a terminal that takes part in none by now. What was tripped comes back all the same.
    fn excluded_from(&self, terminal: TerminalId, action: Action) -> Option<Refusal> {
        let says = || self.grid.posts.get(&terminal).is_some_and(|post| post.says_excluded());
        (matches!(action, Action::Trip { .. }) && says()).then_some(Refusal::Excluded { terminal })
    }

    /// A rule's trip for a breach that is over by now.
    fn is_needless(&self, order: &Order) -> bool {
        match (&order.issuer, order.action) {
            (Issuer::Limit { node }, Action::Trip { .. }) => {
                self.breach_since(*node).is_none() && !self.is_planned_ahead(*node)
            }
            _ => false,
        }
    }

    /// Ends an order before its execute, and tells the terminal so where it may hold a select.
    pub(super) fn withdraw(&mut self, id: OrderId, state: OrderState, detail: String, out: &mut Vec<Output>) {
        let Some(open) = self.ledger.open.get(&id) else { return };
        let Order { terminal, action, qualifier, .. } = open.order;
        let sent = open.order.state != OrderState::Approved;
        self.end_order(id, state, detail, out);
        if sent && self.grid.posts.get(&terminal).is_some_and(|post| post.link_up) {
            let expires_at = self.now.after(READ_AGAIN);
            let step = Step::Cancel;
            out.push(Output::Command(Command { order: id, terminal, action, qualifier, step, expires_at }));
        }
    }

    pub(super) fn on_outcome(&mut self, id: OrderId, outcome: Outcome, out: &mut Vec<Output>) {
        let Some(open) = self.ledger.open.get_mut(&id) else { return };
        let state = open.order.state;
        match (state, outcome) {
            (OrderState::Selecting, Outcome::Confirmed(Step::Select)) => {
                open.selected_at = Some(self.now);
                let by_person = matches!(open.order.issuer, Issuer::Operator { .. });
                self.move_order(id, OrderState::Selected, String::new(), out);
                // Of a group, all has been said already.
                if !by_person {
                    self.execute(id, out);
                }
            }
            (OrderState::Selecting, Outcome::Refused { step: Step::Select, cause }) => {
                open.declined = true;
                let detail = format!("the terminal refused the select (cause {cause})");
                self.end_order(id, OrderState::Refused, detail, out);
            }
            (OrderState::Selecting, Outcome::TimedOut(Step::Select)) => {
                open.declined = true;
                self.withdraw(id, OrderState::Expired, "no answer to the select".into(), out);
            }
            (OrderState::Selecting, Outcome::LinkLost(Step::Select)) => {
                self.end_order(id, OrderState::Cancelled, "the link was lost before the execute".into(), out);
            }
            (OrderState::Selecting, Outcome::NotSent { step: Step::Select, why })
            | (OrderState::Executing, Outcome::NotSent { step: Step::Execute, why }) => {
                open.executed_at = None;
                let state = if why == NotSent::Expired { OrderState::Expired } else { OrderState::Refused };
                self.end_order(id, state, format!("not sent: {why}"), out);
            }
            (OrderState::Executing, Outcome::Confirmed(Step::Execute) | Outcome::Terminated) => {
                let detail = match open.warns_for {
                    Span::ZERO => String::new(),
                    warns_for => format!("the terminal warns its customer for {} min", warns_for.s() / 60),
                };
                self.move_order(id, OrderState::Executed, detail, out);
                self.confirm_if_shown(id, out);
                // A switch that stays closed tells nothing by itself.
                if self.ledger.get_open(id).is_some_and(|order| self.ledger.called_off_by(order).is_some()) {
                    self.read_back(id, out);
                }
            }
            (OrderState::Executing, Outcome::Refused { step: Step::Execute, cause }) => {
                let detail = format!("the terminal refused the execute (cause {cause})");
                self.end_order(id, OrderState::Refused, detail, out);
            }
            (OrderState::Executing, Outcome::TimedOut(Step::Execute)) => {
                self.lose_sight(id, "no answer to the execute", out);
            }
            (OrderState::Executing, Outcome::LinkLost(Step::Execute)) => {
                self.lose_sight(id, "the link was lost while executing", out);
            }
            // A terminal that tells its points but not that it has done so, or does not answer at all, is judged by what
            // it told: an order must come to an end.
            (
                OrderState::Executed | OrderState::Unknown,
                Outcome::Confirmed(Step::ReadBack)
                | Outcome::TimedOut(Step::ReadBack)
                | Outcome::Refused { step: Step::ReadBack, .. },
            ) => {
                open.readings = open.readings.saturating_add(1);
                self.judge(id, out);
            }
            // A reading back that came to nothing is asked again, see `orders_on_tick`.
            _ => {}
        }
    }

    /// Nobody knows whether the execute took effect: the point is read, the order never sent again.
    fn lose_sight(&mut self, id: OrderId, detail: &str, out: &mut Vec<Output>) {
        self.effects.doubt(id);
        self.move_order(id, OrderState::Unknown, detail.to_owned(), out);
        self.read_back(id, out);
    }

    fn read_back(&mut self, id: OrderId, out: &mut Vec<Output>) {
        let Some(open) = self.ledger.open.get_mut(&id) else { return };
        let Order { terminal, action, qualifier, .. } = open.order;
        if self.grid.posts.get(&terminal).is_none_or(|post| !post.link_up) {
            return;
        }
        open.read_at = Some(self.now);
        let expires_at = self.now.after(self.policy.order_expiry);
        let step = Step::ReadBack;
        out.push(Output::Command(Command { order: id, terminal, action, qualifier, step, expires_at }));
    }

    /// The link is up again: what is unknown there is read.
    pub(super) fn read_back_unknown(&mut self, terminal: TerminalId, out: &mut Vec<Output>) {
        let unknown: Vec<OrderId> = self
            .ledger
            .open()
            .filter(|o| o.terminal == terminal && matches!(o.state, OrderState::Executed | OrderState::Unknown))
            .map(|order| order.id)
            .collect();
        for id in unknown {
            self.read_back(id, out);
        }
    }

    /// The link is down: selects ended with it, and effects that were not seen yet are in doubt. What became of an execute
    /// that is under way comes as its outcome.
    pub(super) fn lose_link(&mut self, terminal: TerminalId, out: &mut Vec<Output>) {
        let open = self.ledger.open().filter(|order| order.terminal == terminal);
        let open: Vec<(OrderId, OrderState)> = open.map(|order| (order.id, order.state)).collect();
        for (id, state) in open {
            match state {
                state if state.awaits_execute() => {
                    self.end_order(id, OrderState::Cancelled, "the link was lost before the execute".into(), out);
                }
                OrderState::Executed => self.lose_sight(id, "the link was lost before the effect was seen", out),
                _ => {}
            }
        }
    }

    /// A rule that may now leave the load as it is trips nothing more. What is being executed goes on.
    pub(super) fn withdraw_trips(&mut self, node: NodeId, why: &str, out: &mut Vec<Output>) {
        let waiting = |order: &&Order| {
            order.issuer == Issuer::Limit { node }
                && matches!(order.action, Action::Trip { .. })
                && order.state.awaits_execute()
        };
        let orders: Vec<OrderId> = self.ledger.open().filter(waiting).map(|order| order.id).collect();
        for id in orders {
            self.withdraw(id, OrderState::Cancelled, why.to_owned(), out);
        }
    }

    /// A rule that is there no more, or does not reach there any more, switches nothing. What is being executed goes on.
    pub(super) fn withdraw_orders_without_rule(&mut self, out: &mut Vec<Output>) {
        let without =
            |order: &Order| matches!(order.issuer, Issuer::Limit { node } if !self.answers_for(node, order.terminal));
        let waiting = |order: &Order| order.state.awaits_execute();
        let orders: Vec<OrderId> =
            self.ledger.open().filter(|o| without(o) && waiting(o)).map(|order| order.id).collect();
        let settled = self.ledger.settled.iter().filter(|(_, settled)| without(&settled.order));
        for id in settled.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.ledger.settled.remove(&id);
        }
        for id in orders {
            self.withdraw(id, OrderState::Cancelled, "its limit is there no more, or does not reach there".into(), out);
        }
    }

    /// The centre was stopped: selects ended with their links, and what was being executed is unknown.
    pub(super) fn interrupt_orders(&mut self, out: &mut Vec<Output>) {
        let open: Vec<(OrderId, OrderState)> = self.ledger.open().map(|order| (order.id, order.state)).collect();
        for (id, state) in open {
            match state {
                state if state.awaits_execute() => {
                    self.end_order(id, OrderState::Cancelled, "the centre was stopped before the execute".into(), out);
                }
                OrderState::Executing | OrderState::Executed => {
                    self.effects.doubt(id);
                    self.move_order(id, OrderState::Unknown, "the centre was stopped while executing".into(), out);
                }
                _ => {}
            }
        }
    }

    /// Whether a restoration is to call a trip off, and its terminal has not said that it took it: the switch is closed
    /// either way, until the trip has come or has not.
    fn proves_nothing_yet(&self, open: &Open) -> bool {
        open.order.state != OrderState::Executed && self.ledger.called_off_by(&open.order).is_some()
    }

    /// What the order's point says since its execute: whether that is what was wanted.
    fn shows_effect(&self, open: &Open) -> Option<bool> {
        let order = &open.order;
        let mut executed_at = open.executed_at?;
        if self.ledger.called_off_by(order).is_some() {
            if self.proves_nothing_yet(open) {
                return None;
            }
            // A switch that was closed before may have opened before the terminal took the restoration.
            executed_at = order.changed_at;
        }
        let post = self.grid.posts.get(&order.terminal)?;
        let kind = match order.action {
            Action::Trip { round } | Action::Restore { round } => PointKind::RoundPosition(round),
            Action::SetCap { .. } => PointKind::PowerCap,
        };
        let held = post.deciding(kind, self.now, self.policy.reading_age_max)?;
        if held.arrived_at < executed_at {
            return None;
        }
        match order.action {
            Action::SetCap { cap } => {
                let tolerance = cap.percent(1).get().unsigned_abs().min(CAP_TOLERANCE_W.unsigned_abs());
                Some(held.reading.value.abs_diff(cap.get()) <= tolerance)
            }
            action => match SwitchPosition::from_value(held.reading.value) {
                position @ (SwitchPosition::Open | SwitchPosition::Closed) => {
                    Some(action.wanted_position() == Some(position))
                }
                SwitchPosition::Intermediate | SwitchPosition::Indeterminate => None,
            },
        }
    }

    fn confirm_if_shown(&mut self, id: OrderId, out: &mut Vec<Output>) {
        let open = self.ledger.open.get(&id);
        let open = open.filter(|open| matches!(open.order.state, OrderState::Executed | OrderState::Unknown));
        if open.is_some_and(|open| self.shows_effect(open) == Some(true)) {
            self.end_order(id, OrderState::Confirmed, String::new(), out);
        }
    }

    pub(super) fn confirm_by_position(&mut self, terminal: TerminalId, round: RoundNo, out: &mut Vec<Output>) {
        // Restorations last: a trip that they were to call off has come before them, or has not.
        let orders: Vec<OrderId> =
            self.ledger.holding(terminal, Action::Restore { round }).map(|order| order.id).collect();
        for id in orders {
            self.confirm_if_shown(id, out);
        }
    }

    pub(super) fn on_cap(&mut self, terminal: TerminalId, out: &mut Vec<Output>) {
        let caps = self.ledger.open().find(|order| order.terminal == terminal && order.action.round().is_none());
        if let Some(id) = caps.map(|order| order.id) {
            self.confirm_if_shown(id, out);
        }
    }

    /// The terminal has told all its points: what they say of an order that is executed or unknown.
    fn judge(&mut self, id: OrderId, out: &mut Vec<Output>) {
        let Some(open) = self.ledger.open.get(&id).filter(|open| !self.proves_nothing_yet(open)) else { return };
        let waited = open.executed_at.is_none_or(|at| self.now.since(at) >= open.effect_within());
        let tired = open.readings >= READINGS_MAX;
        let subject = match open.order.action {
            Action::SetCap { .. } => "cap",
            _ => "switch",
        };
        match self.shows_effect(open) {
            Some(true) => self.end_order(id, OrderState::Confirmed, String::new(), out),
            // Nobody knows of the answer to what was to take it back: the switch says that it was, or never tripped.
            Some(false) if waited && self.ledger.calls_off(&open.order).is_some() => self.end_called_off(id, out),
            // A switch that is slow may yet move.
            Some(false) if waited => {
                self.end_order(id, OrderState::Failed, format!("read back: the {subject} has not changed"), out);
            }
            None if waited && tired => {
                let detail = format!("read back {} times: the {subject} shows no position", open.readings);
                self.end_order(id, OrderState::Failed, detail, out);
            }
            Some(false) | None => {}
        }
    }

    /// A trip has not come, and a restoration was to call it off: that restoration is judged at once.
    fn end_called_off(&mut self, id: OrderId, out: &mut Vec<Output>) {
        let Some(open) = self.ledger.open.get_mut(&id) else { return };
        open.taken_back = true;
        let trip = open.order.clone();
        let Some(restore) = self.ledger.calls_off(&trip) else { return };
        let why = format!("read back: the switch has not changed; order {restore} was to take it back");
        self.end_order(id, OrderState::Failed, why, out);
        self.confirm_if_shown(restore, out);
    }

    pub(super) fn orders_on_tick(&mut self, out: &mut Vec<Output>) {
        enum Due {
            Expired,
            Lost,
            ReadBack,
        }
        let now = self.now;
        let select_timeout = self.policy.select_timeout;
        let passed = |since: Option<Timestamp>, span: Span| since.is_none_or(|since| now.since(since) >= span);
        let due: Vec<(OrderId, Due)> = self
            .ledger
            .open
            .values()
            .filter_map(|open| {
                let due = match open.order.state {
                    OrderState::Approved | OrderState::Selecting if now >= open.order.expires_at => Due::Expired,
                    OrderState::Selected
                        if now >= open.order.expires_at || passed(open.selected_at, select_timeout) =>
                    {
                        Due::Expired
                    }
                    // The link answers for every command; this is for an answer that was lost on the way here.
                    OrderState::Executing if passed(open.executed_at, self.policy.order_expiry) => Due::Lost,
                    OrderState::Executed
                        if passed(open.executed_at, open.effect_within()) && passed(open.read_at, READ_AGAIN) =>
                    {
                        Due::ReadBack
                    }
                    OrderState::Unknown if passed(open.read_at, READ_AGAIN) => Due::ReadBack,
                    _ => return None,
                };
                Some((open.order.id, due))
            })
            .collect();
        for (id, due) in due {
            match due {
                Due::Expired => {
                    let Some(open) = self.ledger.open.get_mut(&id) else { continue };
                    // One whose turn never came was not asked.
                    open.declined = open.order.state != OrderState::Approved;
                    let why = if open.declined { "ran out of time before its execute" } else { TURN_NOT_COME };
                    self.withdraw(id, OrderState::Expired, why.into(), out);
                }
                Due::Lost => self.lose_sight(id, "no answer to the execute", out),
                Due::ReadBack => self.read_back(id, out),
            }
        }
        self.verify_due(out);
        self.let_through(out);
    }
}
