//! Watches inputs, outputs and the truth for what must never be. It knows nothing of the engine's inside: what it holds
//! against an output it derives from the inputs, from earlier outputs, and from what is truly there.

use std::collections::{BTreeMap, BTreeSet};

use super::plant::Plant;
use crate::dressing::{DressOn, DressingId};
use crate::groups::{GroupAct, GroupId, GroupScope};
use crate::input::{Input, Request};
use crate::model::{NodeId, NodeKind, PointKind, Power, RoundNo, Span, SwitchPosition, TerminalId, Timestamp};
use crate::notices::{NoticeId, Telling, Unreached};
use crate::orders::{Action, Command, Issuer, Order, OrderId, OrderState, Outcome, Step};
use crate::output::{Event, Happening, Output, Refusal, Reply};
use crate::policy::Policy;
use crate::tags::{TagId, TagOn};
use crate::testing::s;
use crate::view::View;

/// A point of unknown state is asked again within this, while its link is up.
const READ_BACK_WITHIN: Span = Span::from_s(35);
/// A terminal that talks tells its loads several times within this.
const JUST_NOW: Span = Span::from_s(9);
/// A switch has so long to move before anybody says that it did not.
const EFFECT_WITHIN: Span = Span::from_s(60);

#[derive(Clone, Debug)]
struct Known {
    order: Order,
    /// When the terminal confirmed its select, over the link that is still up.
    select_confirmed: Option<Timestamp>,
    executed_at: Option<Timestamp>,
    /// The terminal said that it took the execute.
    taken: bool,
    /// Since when nobody knows, or has asked.
    in_doubt_since: Option<Timestamp>,
    /// The feeder below which it was selected.
    feeder: Option<NodeId>,
}

/// A value by hand that stands.
#[derive(Clone, Debug)]
pub(super) struct ByHand {
    on: DressOn,
    pub(super) owner: String,
    until: Timestamp,
}

/// A group order as people made it, by what they asked and what they were answered.
#[derive(Clone, Debug)]
pub(super) struct KnownGroup {
    act: GroupAct,
    scope: GroupScope,
    /// What its rounds had at most when it was approved.
    approved: Power,
    drafted_by: String,
    approved_by: Option<String>,
    executed: bool,
    called_off: bool,
}

/// A notice before a trip, by its text.
#[derive(Clone, Copy, Debug)]
struct Told {
    notice: NoticeId,
    due: Timestamp,
    delivered: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lost {
    #[default]
    Nobodys,
    Ones(TerminalId),
    /// The centre was stopped.
    Everybodys,
}

/// What one person had tripped by a group order alone: when, at least so much power, so many rounds.
type Alone = (String, Timestamp, Power, u32);

#[derive(Debug, Default)]
pub(super) struct Guard {
    now: Timestamp,
    policy: Policy,
    orders: BTreeMap<OrderId, Known>,
    links: BTreeMap<TerminalId, Option<Timestamp>>,
    /// When a terminal last told a value of a point with good quality.
    shown: BTreeMap<(TerminalId, PointKind, i64), Timestamp>,
    /// What a terminal last told of the power behind a round with good quality, and when.
    behind: BTreeMap<(TerminalId, RoundNo), (Timestamp, Option<Timestamp>, i64)>,
    /// What came of a command, in this input.
    outcome: Option<(OrderId, Outcome)>,
    /// Whose links are lost with this input.
    lost: Lost,
    /// What customers were told of a rule's trips, and was not called off.
    told: BTreeMap<(NodeId, TerminalId), Told>,
    /// What rules brought back.
    brought_back: BTreeSet<(TerminalId, RoundNo)>,
    /// Terminals that said of themselves that their supply is guaranteed.
    guaranteed: BTreeSet<TerminalId>,
    stopped: bool,
    was_stopped: bool,
    /// What hangs where, and whose it is.
    pub(super) tags: BTreeMap<TagId, (TagOn, String)>,
    pub(super) groups: BTreeMap<GroupId, KnownGroup>,
    alone: Vec<Alone>,
    /// People whose word does not reach everywhere.
    pub(super) areas: BTreeMap<&'static str, Vec<NodeId>>,
    pub(super) dressings: BTreeMap<DressingId, ByHand>,
    /// Taken off in this input, if that is granted.
    taken_off: Option<(DressingId, ByHand)>,
    /// When a value by hand last stood.
    dressed: BTreeMap<DressOn, Timestamp>,
    /// The last sure word of a terminal on whether it takes part in orders to many.
    excluded: BTreeMap<TerminalId, bool>,
    /// Selects that went out.
    selects: Vec<(Timestamp, Option<NodeId>)>,
    /// Rounds that a group order was given for in this input, with what is sure to have been behind them.
    ordered: Vec<Power>,
    /// The last proposal of a user's rule.
    pub(super) proposal: u64,
    /// Who asks for what, in this input.
    asking: Option<(String, Request)>,
    replies: u32,
    audits: u32,
    /// Rounds that a rule tripped and nobody else switched since, with the rule's node.
    pub(super) shed: BTreeMap<(TerminalId, RoundNo), NodeId>,
    pub(super) seen: BTreeMap<&'static str, u32>,
}

impl Guard {
    pub(super) fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(super) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().map(|known| &known.order).filter(|order| !order.state.is_final())
    }

    pub(super) const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether a rule still answers for what it shed there.
    fn forget_sheds_without_rule(&mut self, plant: &Plant) {
        let limited: BTreeSet<NodeId> = self.policy.limits.iter().map(|rule| rule.node).collect();
        self.shed.retain(|(terminal, round), node| {
            let exists = plant.inventory.terminals.get(terminal).is_some_and(|t| t.rounds.contains_key(round));
            exists && limited.contains(node) && plant.path(*terminal).contains(node)
        });
    }

    pub(super) fn before(&mut self, input: &Input, plant: &Plant) {
        self.now = self.now.max(input.at());
        self.asking = None;
        (self.replies, self.audits) = (0, 0);
        self.ordered.clear();
        (self.outcome, self.lost) = (None, Lost::Nobodys);
        if matches!(input, Input::Tick { .. }) {
            let now = self.now;
            self.dressings.retain(|_, by_hand| now < by_hand.until);
        }
        self.dressed.extend(self.dressings.values().map(|by_hand| (by_hand.on, self.now)));
        match input {
            Input::Started { .. } => {
                self.lost = Lost::Everybodys;
                self.links.values_mut().for_each(|link| *link = None);
                for known in self.orders.values_mut() {
                    known.select_confirmed = None;
                }
                self.saw("restart");
            }
            Input::Policy { policy, .. } => {
                self.policy = (**policy).clone();
                self.forget_sheds_without_rule(plant);
            }
            Input::Inventory { inventory, .. } => {
                self.links.retain(|id, _| inventory.terminals.contains_key(id));
                self.guaranteed.retain(|id| inventory.terminals.contains_key(id));
                self.forget_sheds_without_rule(plant);
            }
            Input::Link { terminal, up, .. } => {
                let now = self.now;
                let link = self.links.entry(*terminal).or_default();
                let was_up = link.is_some();
                if was_up != *up {
                    *link = up.then_some(now);
                }
                if !up {
                    // What comes over a link that is down already is looked at when it is up again.
                    self.lost = if was_up { Lost::Ones(*terminal) } else { Lost::Nobodys };
                    for known in self.orders.values_mut().filter(|known| known.order.terminal == *terminal) {
                        known.select_confirmed = None;
                    }
                }
            }
            Input::Readings { terminal, readings, .. } if plant.inventory.terminals.contains_key(terminal) => {
                for reading in readings.iter().filter(|reading| reading.quality.decides()) {
                    if matches!(reading.point, PointKind::RoundPosition(_) | PointKind::PowerCap) {
                        self.shown.insert((*terminal, reading.point, reading.value), self.now);
                    }
                    if let PointKind::RoundPower(round) = reading.point {
                        let told = self.behind.entry((*terminal, round)).or_insert((self.now, None, 0));
                        if reading.source_time >= told.1 {
                            *told = (self.now, reading.source_time, reading.value);
                        }
                    }
                    if reading.point == PointKind::Exclusion {
                        self.excluded.insert(*terminal, reading.value != 0);
                    }
                }
                for reading in readings.iter().filter(|reading| reading.point == PointKind::SupplyGuarantee) {
                    if reading.value != 0 {
                        self.guaranteed.insert(*terminal);
                    } else if reading.quality.decides() {
                        self.guaranteed.remove(terminal);
                    }
                }
            }
            Input::Outcome { order, outcome, .. } => {
                self.outcome = Some((*order, *outcome));
                let now = self.now;
                match (self.orders.get_mut(order), outcome) {
                    (Some(known), Outcome::Confirmed(Step::Select)) => {
                        known.select_confirmed.get_or_insert(now);
                    }
                    (Some(known), Outcome::Confirmed(Step::Execute) | Outcome::Terminated) => known.taken = true,
                    _ => {}
                }
            }
            Input::Told { notice, failed: None, .. } => {
                for told in self.told.values_mut().filter(|told| told.notice == *notice) {
                    told.delivered = true;
                }
            }
            Input::Request { origin, request, .. } => {
                self.asking = Some((origin.operator.clone(), request.clone()));
                // What follows from taking a value off, and what a resumption sets going, comes before the answer.
                self.taken_off = match request {
                    Request::Undress { dressing, .. } => {
                        self.dressings.remove(dressing).map(|by_hand| (*dressing, by_hand))
                    }
                    _ => None,
                };
                self.was_stopped = self.stopped;
                self.stopped &= !matches!(request, Request::ResumeAutomatic { .. });
            }
            _ => {}
        }
    }

    pub(super) fn after(&mut self, output: &Output, plant: &Plant, view: impl Fn() -> View) {
        match output {
            Output::Reply(reply) => {
                self.replies += 1;
                if let (Ok(_), Some((_, Request::StopAutomatic { .. }))) = (reply, &self.asking) {
                    self.stopped = true;
                    self.saw("stop");
                }
                match (reply, &self.asking) {
                    (Ok(Reply::Tag { tag }), Some((who, Request::SetTag { on, .. }))) => {
                        self.tags.insert(*tag, (*on, who.clone()));
                        self.saw("tag");
                    }
                    (Ok(_), Some((who, Request::RemoveTag { tag, .. }))) => {
                        let (on, owner) = self.tags.remove(tag).unwrap_or_else(|| panic!("no such tag: {tag:?}"));
                        assert_eq!(*who, owner, "a tag is its owner's: {on:?}");
                    }
                    (Err(_), Some((_, Request::ResumeAutomatic { .. }))) => self.stopped = self.was_stopped,
                    (Ok(_), Some((_, Request::SetTarget { .. }))) => self.saw("target"),
                    (Ok(_), Some((_, Request::DecideProposal { approve: true, .. }))) => self.saw("proposal approved"),
                    _ => {}
                }
                self.on_dressing_reply(reply);
                self.check_area(reply, plant);
                self.on_group_reply(reply, plant);
                if let (Ok(Reply::Order { order }), Some((who, Request::Select { .. }))) = (reply, &self.asking) {
                    let issuer = &self.orders[order].order.issuer;
                    assert_eq!(*issuer, Issuer::Operator { name: who.clone() }, "an order is its operator's");
                }
            }
            Output::Audit(_) => self.audits += 1,
            Output::Event(Event { what: Happening::Proposed { proposal }, .. }) => self.proposal = proposal.id.0,
            Output::Event(Event { what: Happening::OwnRuleBegan { .. }, .. }) => self.saw("user's rule"),
            Output::Order(order) => {
                let is_new = !self.orders.contains_key(&order.id);
                self.on_order(order, plant);
                if is_new {
                    self.check_giver(order, plant);
                    self.check_notice(order, view);
                }
            }
            Output::Command(command) => self.on_command(*command, plant, view),
            Output::Tell(telling) => {
                assert!(plant.now < telling.expires_at, "expired-never-sent: {telling:?}");
                assert!(!self.stopped, "stopped-is-stopped: {telling:?}");
                self.on_text(telling);
                self.saw("notice");
            }
            _ => {}
        }
    }

    /// What a customer reads, by the texts that the rules have.
    fn on_text(&mut self, telling: &Telling) {
        let Telling { notice, terminal, ref text, expires_at: due, group } = *telling;
        if group.is_some() {
            return;
        }
        let (what, node) = text.split_once(' ').unwrap();
        let at = (node.parse::<NodeId>().unwrap(), terminal);
        if what == "void" {
            self.told.remove(&at);
        } else {
            self.told.insert(at, Told { notice, due, delivered: false });
        }
    }

    /// A rule that gives notice trips nobody before the time that it told, and nobody whom it is to spare; what rules
    /// brought back may go again at once. A load that is urgent does not wait.
    fn check_notice(&mut self, order: &Order, view: impl Fn() -> View) {
        let (&Issuer::Limit { node }, Action::Trip { round }) = (&order.issuer, order.action) else { return };
        let notice = self.policy.limits.iter().find(|rule| rule.node == node).map(|rule| rule.notice);
        let Some(notice) = notice.filter(|notice| notice.before > Span::ZERO) else { return };
        if self.brought_back.contains(&(order.terminal, round)) {
            return;
        }
        let view = view();
        let at = view.nodes.iter().find(|at| at.id == node).and_then(|at| Some((at.load.power()?, at.limit?)));
        let (load, limit) = at.unwrap_or_else(|| panic!("a trip for a limit or a load that is not known: {order:?}"));
        if load > limit.percent(i64::from(notice.urgent_percent)) {
            return self.saw("urgent trip without notice");
        }
        let own = self.told.get(&(node, order.terminal)).copied();
        let is_due = |told: &Told| told.due <= self.now;
        let any_due = self.told.iter().any(|((of, _), told)| *of == node && is_due(told));
        let in_time = match notice.unreached {
            Unreached::Spare => own.is_some_and(|own| is_due(&own) && own.delivered),
            // Of a plan whose time has come, some may have made way for others.
            Unreached::Trip => any_due && own.is_none_or(|own| is_due(&own)),
        };
        assert!(in_time, "notice: told {own:?}, {load} of {limit}, {notice:?}: {order:?}");
        self.saw("trip after notice");
    }

    /// The input has been dealt with.
    pub(super) fn done(&mut self) {
        assert_eq!(self.replies, u32::from(self.asking.is_some()), "each request is answered once: {:?}", self.asking);
        assert!(self.asking.is_none() || self.audits >= 1, "each request is in the audit log: {:?}", self.asking);
        self.check_lost();
    }

    /// What a lost link, a restart or a time-out leaves: no select stands, and nobody knows of what was executed.
    fn check_lost(&self) {
        let concerned = |order: &&Order| match self.lost {
            Lost::Nobodys => false,
            Lost::Ones(terminal) => order.terminal == terminal,
            Lost::Everybodys => true,
        };
        for order in self.open_orders().filter(concerned) {
            assert!(!order.state.awaits_execute(), "select-before-execute: its link was lost: {order:?}");
            let is_known = order.state == OrderState::Executed
                || order.state == OrderState::Executing && self.lost == Lost::Everybodys;
            assert!(!is_known, "unknown-is-read-back: its link was lost: {order:?}");
        }
        if let Some((order, Outcome::TimedOut(Step::Execute) | Outcome::LinkLost(Step::Execute))) = self.outcome
            && let Some(known) = self.orders.get(&order)
        {
            let state = known.order.state;
            assert_ne!(state, OrderState::Executing, "unknown-is-read-back: no answer came: {:?}", known.order);
        }
    }

    /// Why an order that was executed has come to its end.
    fn check_end(&self, known: &Known, order: &Order) {
        let Some(executed_at) = known.executed_at else { return };
        let answered = self.outcome.filter(|(id, _)| *id == order.id).map(|(_, outcome)| outcome);
        match order.state {
            OrderState::Confirmed if known.order.state != OrderState::Confirmed => {
                let (point, value) = match order.action {
                    Action::Trip { round } => (PointKind::RoundPosition(round), SwitchPosition::Open.value()),
                    Action::Restore { round } => (PointKind::RoundPosition(round), SwitchPosition::Closed.value()),
                    Action::SetCap { cap } => (PointKind::PowerCap, cap.get()),
                };
                let shown = self.shown.get(&(order.terminal, point, value)).copied();
                let up = self.links.get(&order.terminal).copied().flatten();
                assert!(
                    up.is_some_and(|up| shown.is_some_and(|shown| shown >= executed_at && shown >= up)),
                    "unknown-is-read-back: executed at {executed_at}, link up at {up:?}, shown at {shown:?}: {order:?}"
                );
            }
            OrderState::Refused | OrderState::Expired if !known.order.state.is_final() => {
                let not_carried_out = matches!(
                    answered,
                    Some(Outcome::Refused { step: Step::Execute, .. } | Outcome::NotSent { step: Step::Execute, .. })
                );
                assert!(not_carried_out, "unknown-is-read-back: it may have been carried out: {order:?}");
            }
            OrderState::Failed if !known.order.state.is_final() => {
                let read = matches!(
                    answered,
                    Some(
                        Outcome::Confirmed(Step::ReadBack)
                            | Outcome::TimedOut(Step::ReadBack)
                            | Outcome::Refused { step: Step::ReadBack, .. }
                    )
                );
                let waited = self.now.since(executed_at) >= EFFECT_WITHIN;
                assert!(
                    read && waited || self.is_taken_back(order),
                    "unknown-is-read-back: nobody has read its point, {answered:?}: {order:?}"
                );
            }
            _ => {}
        }
    }

    /// Whether a trip has been taken back in this input: the terminal took its restoration, and that was confirmed.
    fn is_taken_back(&self, order: &Order) -> bool {
        let Action::Trip { round } = order.action else { return false };
        let restores = |known: &&Known| {
            known.order.terminal == order.terminal
                && known.order.action == Action::Restore { round }
                && known.order.state == OrderState::Confirmed
                && known.order.changed_at == self.now
                && known.taken
        };
        self.orders.values().any(|known| restores(&known))
    }

    fn on_order(&mut self, order: &Order, plant: &Plant) {
        use OrderState::{
            Approved, Cancelled, Confirmed, Executed, Executing, Expired, Failed, Refused, Selected, Selecting,
            Unknown, Verified,
        };
        let now = self.now;
        let Some(known) = self.orders.get_mut(&order.id) else {
            assert!(
                matches!(order.state, Approved | Selecting),
                "an order begins with its select, or waits for it: {order:?}"
            );
            let newest = self.orders.keys().next_back();
            assert!(newest.is_none_or(|newest| *newest < order.id), "order numbers rise: {order:?} after {newest:?}");
            if let Some(round) = order.action.round() {
                let holds = |other: &&Known| {
                    let other = &other.order;
                    other.terminal == order.terminal && other.action.round() == Some(round) && !other.state.is_final()
                };
                let beside: Vec<&Known> = self.orders.values().filter(holds).collect();
                let is_taken_back = |other: &&Known| {
                    matches!((&order.issuer, order.action), (Issuer::Operator { .. }, Action::Restore { .. }))
                        && self.is_announced(other, plant)
                };
                assert!(
                    beside.len() <= 1 && beside.iter().all(is_taken_back),
                    "unknown-is-read-back: a point has one order: {order:?} beside {beside:?}"
                );
                if !beside.is_empty() {
                    self.saw("restoration of what is announced");
                }
            }
            if let (Issuer::Group { .. }, Some(round)) = (&order.issuer, order.action.round()) {
                self.ordered.push(self.surely_behind(order.terminal, round, plant));
            }
            let known = Known {
                order: order.clone(),
                select_confirmed: None,
                executed_at: None,
                taken: false,
                in_doubt_since: None,
                feeder: None,
            };
            self.orders.insert(order.id, known);
            return;
        };
        let (from, to) = (known.order.state, order.state);
        let allowed: &[OrderState] = match from {
            Approved => &[Approved, Selecting, Refused, Cancelled, Expired, Failed],
            Selecting => &[Selecting, Selected, Refused, Cancelled, Expired, Failed],
            Selected => &[Selected, Executing, Refused, Cancelled, Expired, Failed],
            Executing => &[Executing, Executed, Unknown, Refused, Expired],
            Executed => &[Executed, Unknown, Confirmed, Failed],
            Unknown => &[Unknown, Confirmed, Failed],
            Confirmed => &[Confirmed, Verified],
            Verified => &[Verified],
            Refused => &[Refused],
            Cancelled => &[Cancelled],
            Expired => &[Expired],
            Failed => &[Failed],
        };
        assert!(allowed.contains(&to), "{from} does not become {to}: {order:?}");
        let before = known.clone();
        if from != to {
            known.in_doubt_since = (to == Unknown).then_some(now);
        }
        if matches!(to, Refused | Cancelled | Expired) && known.executed_at.is_some() {
            assert_ne!(to, Cancelled, "what was executed is not cancelled: {order:?}");
        }
        known.order = order.clone();
        self.check_end(&before, order);
        if from != Confirmed && to == Confirmed {
            assert!(before.executed_at.is_some(), "success only on a measured effect of an execute: {order:?}");
            self.confirmed(order, plant);
        }
    }

    /// A trip that was executed and of which the customer is warned still.
    fn is_announced(&self, known: &Known, plant: &Plant) -> bool {
        let warns = plant.devices.get(&known.order.terminal).map_or(Span::ZERO, |device| device.warns);
        matches!(known.order.action, Action::Trip { .. })
            && matches!(known.order.state, OrderState::Executed | OrderState::Unknown)
            && known.executed_at.is_some_and(|at| self.now.since(at) < warns)
    }

    /// A round whose trip may be called off now, the newest first.
    pub(super) fn announced(&self, plant: &Plant) -> Option<(TerminalId, RoundNo)> {
        let known = self.orders.values().rev().find(|known| self.is_announced(known, plant))?;
        Some((known.order.terminal, known.order.action.round()?))
    }

    fn confirmed(&mut self, order: &Order, plant: &Plant) {
        let Some(round) = order.action.round() else { return };
        let at = (order.terminal, round);
        match (&order.issuer, order.action) {
            (Issuer::Limit { node }, Action::Trip { .. }) => {
                self.shed.insert(at, *node);
                self.forget_sheds_without_rule(plant);
                self.saw("trip of a rule confirmed");
            }
            (Issuer::Limit { .. }, _) => {
                self.shed.remove(&at);
                self.saw("restoration of a rule confirmed");
            }
            _ => {
                self.shed.remove(&at);
                self.saw("order of an operator confirmed");
            }
        }
    }

    /// Somebody on the spot moved it.
    pub(super) fn by_hand(&mut self, terminal: TerminalId, round: RoundNo) {
        self.shed.remove(&(terminal, round));
    }

    fn on_command(&mut self, command: Command, plant: &Plant, view: impl Fn() -> View) {
        let Command { order, terminal, action, step, expires_at, .. } = command;
        let known = self.orders.get(&order).unwrap_or_else(|| panic!("a command without an order: {command:?}"));
        assert_eq!((known.order.terminal, known.order.action), (terminal, action), "an order does not change");
        assert!(self.now < expires_at, "expired-never-sent: {command:?} at {}", self.now);
        let by_rule = matches!(known.order.issuer, Issuer::Limit { .. });
        if matches!(step, Step::Select | Step::Execute) {
            assert!(self.now < known.order.expires_at, "expired-never-sent: {command:?} at {}", self.now);
            assert!(!(self.stopped && by_rule), "stopped-is-stopped: {command:?}");
            assert!(self.links.get(&terminal).is_some_and(Option::is_some), "no link to send over: {command:?}");
            self.check_tags(command, plant);
            if let Issuer::Group { group, name } = &known.order.issuer {
                self.check_group(command, *group, name);
            }
            if let Action::Trip { round } = action {
                self.check_trip(command, round, plant);
                let one = matches!(known.order.issuer, Issuer::Operator { .. });
                let excluded = self.excluded.get(&terminal) == Some(&true);
                assert!(one || !excluded, "an excluded customer takes part in no order to many: {command:?}");
            }
            if let Action::SetCap { cap } = action
                && cap != Power::ZERO
            {
                let customer = plant.inventory.customer_of(terminal).map(|(_, customer)| customer);
                let kept = customer.is_none_or(|customer| !customer.guaranteed && cap >= customer.safety_floor);
                assert!(kept && !self.guaranteed.contains(&terminal), "never-shed-protected: {command:?}");
            }
        }
        match step {
            Step::Select => {
                assert!(known.executed_at.is_none() && known.select_confirmed.is_none(), "selected twice: {command:?}");
                self.saw(if by_rule { "select of a rule" } else { "select of an operator" });
                self.check_flow(command, plant);
            }
            Step::Execute => {
                let confirmed = known.select_confirmed;
                let confirmed = confirmed.unwrap_or_else(|| panic!("select-before-execute: {command:?}"));
                let held = self.now.since(confirmed);
                assert!(held < self.policy.select_timeout, "select-before-execute: {command:?} after {held}");
                assert!(known.executed_at.is_none(), "executed twice: {command:?}");
                if let Issuer::Operator { name } = &known.order.issuer {
                    let asked = matches!(&self.asking, Some((who, Request::Execute { order: id })) if who == name && *id == order);
                    assert!(asked, "only its operator executes it: {command:?}, {:?}", self.asking);
                }
                if let (Issuer::Limit { .. }, Action::Restore { round }) = (&known.order.issuer, action) {
                    self.brought_back.insert((terminal, round));
                }
                let by_person = matches!(known.order.issuer, Issuer::Operator { .. });
                if let (false, Action::Restore { round }) = (by_person, action) {
                    self.check_restore(command, round, plant, view);
                }
                let now = self.now;
                if let Some(known) = self.orders.get_mut(&order) {
                    known.executed_at = Some(now);
                }
            }
            Step::ReadBack => {
                assert!(known.executed_at.is_some(), "nothing to read back: {command:?}");
                let now = self.now;
                if let Some(known) = self.orders.get_mut(&order)
                    && known.in_doubt_since.is_some()
                {
                    known.in_doubt_since = Some(now);
                }
                self.saw("read back");
            }
            Step::Cancel => {
                assert!(known.executed_at.is_none(), "what was executed is not cancelled: {command:?}");
                self.saw("cancel");
            }
        }
    }

    fn on_dressing_reply(&mut self, reply: &Result<Reply, Refusal>) {
        match (reply, &self.asking) {
            (Ok(Reply::Dressing { dressing }), Some((who, Request::Dress { on, until, .. }))) => {
                self.dressings.retain(|_, by_hand| by_hand.on != *on);
                self.dressings.insert(*dressing, ByHand { on: *on, owner: who.clone(), until: *until });
                self.dressed.insert(*on, self.now);
                self.saw("value by hand");
            }
            (Ok(_), Some((who, Request::Undress { dressing, .. }))) => {
                let owner = self.taken_off.take().map(|(_, by_hand)| by_hand.owner);
                assert_eq!(owner.as_ref(), Some(who), "a value by hand is its owner's: {dressing:?}");
            }
            (Err(_), Some((_, Request::Undress { .. }))) => self.dressings.extend(self.taken_off.take()),
            _ => {}
        }
    }

    /// Whether a person's word reaches something below all of these.
    fn reaches(&self, who: &str, mut path: impl Iterator<Item = NodeId>) -> bool {
        self.areas.get(who).is_none_or(|area| path.any(|node| area.contains(&node)))
    }

    /// Nobody is granted what lies outside the area.
    fn check_area(&mut self, reply: &Result<Reply, Refusal>, plant: &Plant) {
        let Some((who, request)) = self.asking.clone() else { return };
        if matches!(reply, Err(Refusal::OutsideArea { .. })) {
            return self.saw("outside the area");
        }
        let of_node = |node: NodeId| plant.inventory.path_up(node).collect::<Vec<_>>();
        let path = match request {
            Request::SetLimit { node, .. } | Request::SetTarget { node, .. } | Request::TryAgain { node, .. } => {
                of_node(node)
            }
            Request::SetTag { on: TagOn::Node { node }, .. } => of_node(node),
            Request::SetTag { on: TagOn::Terminal { terminal } | TagOn::Round { terminal, .. }, .. } => {
                plant.path(terminal)
            }
            Request::Dress { on, .. } => match (on.node(), on.terminal()) {
                (Some(node), _) => of_node(node),
                (None, terminal) => terminal.map(|terminal| plant.path(terminal)).unwrap_or_default(),
            },
            Request::ResumeAutomatic { .. } => Vec::new(),
            _ => return,
        };
        assert!(reply.is_err() || self.reaches(&who, path.into_iter()), "outside the area of {who}: {:?}", self.asking);
    }

    /// Whoever gives an order has authority there, and no rule trips what the load of its node would not show.
    fn check_giver(&mut self, order: &Order, plant: &Plant) {
        let terminal = order.terminal;
        match &order.issuer {
            Issuer::Operator { name } | Issuer::Group { name, .. } => {
                assert!(self.reaches(name, plant.path(terminal).into_iter()), "outside the area of {name}: {order:?}");
            }
            Issuer::Limit { node } => {
                assert!(!self.is_hidden(*node, terminal, plant), "quality-kept: a value by hand decides: {order:?}");
            }
        }
        if order.state == OrderState::Approved {
            self.saw("waits for its turn");
        }
    }

    /// Whether the load of a node would not show what is switched at a terminal: a value by hand stands between them, and
    /// no meter above that.
    fn is_hidden(&self, node: NodeId, terminal: TerminalId, plant: &Plant) -> bool {
        let by_hand = |on| self.dressings.values().any(|by_hand| by_hand.on == on);
        let mut hidden = by_hand(DressOn::Power { terminal });
        for above in plant.path(terminal) {
            let head = plant.heads.iter().find(|(_, head)| head.node == above).map(|(id, _)| *id);
            hidden = by_hand(DressOn::Load { node: above })
                || head.map_or(hidden, |head| by_hand(DressOn::Power { terminal: head }));
            if above == node {
                break;
            }
        }
        hidden
    }

    /// Whether a load was, or may yet be, another one than is measured.
    fn is_dressed(&self, node: NodeId, plant: &Plant) -> bool {
        let below = |on: &DressOn| match *on {
            DressOn::Load { node: of } => plant.inventory.path_up(of).any(|above| above == node),
            DressOn::Power { terminal } => {
                let head = plant.heads.get(&terminal).map(|head| head.node);
                plant.path(terminal).contains(&node)
                    || head.is_some_and(|of| plant.inventory.path_up(of).any(|above| above == node))
            }
            DressOn::RoundPower { .. } | DressOn::RoundPosition { .. } => false,
        };
        self.dressed.iter().any(|(on, at)| below(on) && self.now.since(*at) <= self.memory())
    }

    /// No more selects stand and no more orders went out in a minute than the rules permit.
    fn check_flow(&mut self, command: Command, plant: &Plant) {
        let is_feeder = |node: &NodeId| plant.inventory.nodes.get(node).is_some_and(|it| it.kind == NodeKind::Feeder);
        let feeder = plant.path(command.terminal).into_iter().find(is_feeder);
        if let Some(known) = self.orders.get_mut(&command.order) {
            known.feeder = feeder;
        }
        let now = self.now;
        self.selects.retain(|(at, _)| now.since(*at) < s(60));
        self.selects.push((now, feeder));
        let stands = |known: &&Known| matches!(known.order.state, OrderState::Selecting | OrderState::Selected);
        let (mut all, mut here) = (0, 0);
        for known in self.orders.values().filter(stands) {
            (all, here) = (all + 1, here + u32::from(known.feeder == feeder));
        }
        let minute = u32::try_from(self.selects.len()).unwrap();
        let minute_here = u32::try_from(self.selects.iter().filter(|(_, of)| *of == feeder).count()).unwrap();
        let flow = self.policy.flow;
        for (what, count, most) in [
            ("selects", all, flow.selects_max),
            ("selects of the feeder", here, flow.selects_max_feeder),
            ("orders a minute", minute, flow.orders_per_min),
            ("orders a minute of the feeder", minute_here, flow.orders_per_min_feeder),
        ] {
            assert!(most.is_none_or(|most| count <= most), "{count} {what}, {most:?} permitted: {command:?}");
        }
    }

    /// What anybody could see at most of a group's rounds; all that the contracts have where that cannot be seen.
    fn at_most(&self, scope: &GroupScope, plant: &Plant) -> Power {
        let rounds: Vec<(TerminalId, RoundNo)> = match scope {
            GroupScope::Rounds { rounds } => rounds.clone(),
            GroupScope::Node { node, .. } => {
                let below = plant.devices.iter().filter(|(id, _)| plant.path(**id).contains(node));
                below.flat_map(|(id, device)| device.groups.keys().map(|round| (*id, *round))).collect()
            }
        };
        let most = |(id, round): (TerminalId, RoundNo)| {
            let contract = plant.inventory.customer_of(id).map(|(_, it)| it.contract).unwrap_or_default();
            let group = plant.devices[&id].groups.get(&round);
            let otherwise = || group.map_or(Power::ZERO, |group| contract.max(plant.returning(group)));
            self.told_behind(id, round).unwrap_or_else(otherwise)
        };
        rounds.into_iter().map(most).sum()
    }

    /// `second-person`, by the requests and their answers alone.
    fn on_group_reply(&mut self, reply: &Result<Reply, Refusal>, plant: &Plant) {
        let Some((who, request)) = self.asking.clone() else { return };
        match (request, reply) {
            (Request::DraftGroup { act, scope, .. }, Ok(Reply::Group { group })) => {
                let (approved_by, executed, called_off) = (None, false, false);
                let (drafted_by, approved) = (who, Power::ZERO);
                let known = KnownGroup { act, scope, approved, drafted_by, approved_by, executed, called_off };
                assert!(self.groups.insert(*group, known).is_none(), "a group order's number is given once: {group}");
            }
            (Request::ApproveGroup { group, .. }, Ok(_)) => {
                let approved = self.groups.get(&group).map(|known| self.at_most(&known.scope, plant));
                let known = self.groups.get_mut(&group).unwrap_or_else(|| panic!("no such group: {group}"));
                assert_ne!(known.drafted_by, who, "second-person: {group} is approved by who drew it up");
                assert!(!known.executed && !known.called_off, "second-person: {group} is over: {known:?}");
                known.approved_by = Some(who);
                known.approved = approved.unwrap_or_default();
            }
            // The approval is void.
            (Request::ExecuteGroup { group, .. }, Err(Refusal::GroupStale { .. })) => {
                if let Some(known) = self.groups.get_mut(&group) {
                    known.approved_by = None;
                }
            }
            (Request::ExecuteGroup { group, .. }, Ok(_)) => self.group_executed(group, &who),
            (Request::CancelGroup { group, .. }, Ok(_)) => {
                if let Some(known) = self.groups.get_mut(&group) {
                    known.called_off = true;
                }
            }
            _ => {}
        }
    }

    fn group_executed(&mut self, group: GroupId, who: &str) {
        let known = self.groups.get_mut(&group).unwrap_or_else(|| panic!("no such group: {group}"));
        assert!(!known.executed && !known.called_off, "second-person: {group} is executed once: {known:?}");
        known.executed = true;
        let KnownGroup { act, approved, drafted_by, approved_by, .. } = known.clone();
        assert!(drafted_by == who || approved_by.as_deref() == Some(who), "second-person: {group} is not {who}'s");
        if approved_by.is_some() {
            let (power, growth) = (self.ordered.iter().copied().sum::<Power>(), self.policy.groups.growth_percent);
            assert!(
                act == GroupAct::Restore || power <= approved.percent(100 + i64::from(growth)),
                "second-person: {group} has {power}, approved were {approved} at most, and {growth} % more"
            );
            return self.saw("group order executed by two");
        }
        self.saw("group order executed by one");
        if act != GroupAct::Trip {
            return;
        }
        let rules = self.policy.groups;
        let (power, rounds) = (self.ordered.iter().copied().sum::<Power>(), u32::try_from(self.ordered.len()).unwrap());
        self.alone.push((who.to_owned(), self.now, power, rounds));
        // Those of one minute count from its first on.
        let counts = |alone: &&Alone| alone.0 == who && self.now.since(alone.1) < rules.expiry - s(60);
        let of = self.alone.iter().filter(counts);
        let (power, rounds) = of.fold((Power::ZERO, 0), |(power, rounds), alone| (power + alone.2, rounds + alone.3));
        let large = rules.second_person_above.is_some_and(|most| power > most)
            || rules.second_person_rounds.is_some_and(|most| rounds > most);
        assert!(!large, "second-person: {who} alone had {rounds} rounds with {power} tripped, the last by {group}");
    }

    /// An order of a group that was executed by one of its people, and not called off since.
    fn check_group(&self, command: Command, group: GroupId, name: &str) {
        let known = self.groups.get(&group).unwrap_or_else(|| panic!("second-person: no such group: {command:?}"));
        let asked =
            matches!(&self.asking, Some((who, Request::ExecuteGroup { group: id, .. })) if who == name && *id == group);
        assert!(known.executed || asked, "second-person: nobody executed {group}: {command:?}");
        assert!(!known.called_off, "second-person: {group} was called off: {command:?}");
    }

    /// What a terminal told of the power behind a round just now.
    fn told_behind(&self, terminal: TerminalId, round: RoundNo) -> Option<Power> {
        let (at, _, power) = *self.behind.get(&(terminal, round))?;
        (self.now.since(at) <= JUST_NOW).then(|| Power::new(power))
    }

    /// What anybody who looks can know to be behind a round; nothing where its terminal has not told just now.
    fn surely_behind(&self, terminal: TerminalId, round: RoundNo, plant: &Plant) -> Power {
        let contract = plant.inventory.customer_of(terminal).map(|(_, it)| it.contract).unwrap_or_default();
        self.told_behind(terminal, round).unwrap_or_default().min(contract)
    }

    /// How long ago what decides now may have been measured, and a little.
    fn memory(&self) -> Span {
        self.policy.reading_age_max + s(10)
    }

    /// `never-shed-protected`, by the inventory, the terminal's word, and what the trip truly leaves.
    fn check_trip(&self, command: Command, round: RoundNo, plant: &Plant) {
        let terminal = command.terminal;
        assert!(!self.guaranteed.contains(&terminal), "never-shed-protected: {command:?}");
        let Some((_, customer)) = plant.inventory.customer_of(terminal) else {
            panic!("never-shed-protected: nobody is supplied there: {command:?}");
        };
        assert!(!customer.guaranteed, "never-shed-protected: {command:?}");
        if command.step != Step::Execute || customer.safety_floor == Power::ZERO {
            return;
        }
        let device = &plant.devices[&terminal];
        let mut going = plant.moving(false);
        going.insert((terminal, round));
        let behind = |round: &RoundNo| device.groups.get(round).filter(|group| group.closed);
        let going = going.iter().filter(|(id, _)| *id == terminal).filter_map(|(_, round)| behind(round));
        let left = plant.drawn(device) - going.map(|group| plant.returning(group)).sum::<Power>();
        // A load that is falling already was not seen to.
        let unseen = plant.swung(terminal, self.memory()) + self.cold_beside(terminal, round, plant);
        assert!(
            left + unseen >= customer.safety_floor,
            "never-shed-protected: {command:?} leaves {left} of a floor of {}, {unseen} unseen",
            customer.safety_floor
        );
    }

    /// `never-shed-protected`: no select and no execute passes a tag, whoever wants it.
    fn check_tags(&self, command: Command, plant: &Plant) {
        let Command { terminal, action, .. } = command;
        let lifts = matches!(action, Action::SetCap { cap } if cap == Power::ZERO);
        for (tag, (on, _)) in &self.tags {
            let blocks = match *on {
                TagOn::Round { terminal: tagged, round } => {
                    tagged == terminal && action.round().map_or(!lifts, |wanted| wanted == round)
                }
                TagOn::Terminal { terminal: tagged } => tagged == terminal,
                TagOn::Node { node } => plant.path(terminal).contains(&node),
            };
            assert!(!blocks, "never-shed-protected: {command:?} passes the tag {tag:?} on {on:?}");
        }
    }

    /// What a terminal's rounds draw above their usual, or would: no reading tells how much of a load that is.
    fn cold_beside(&self, terminal: TerminalId, _round: RoundNo, plant: &Plant) -> Power {
        plant.devices[&terminal].groups.values().map(|group| plant.returning(group) - group.power).sum()
    }

    /// `restoration-under-limit`, by what is truly drawn, what is on its way, and what this one brings.
    fn check_restore(&mut self, command: Command, round: RoundNo, plant: &Plant, view: impl Fn() -> View) {
        self.saw("restoration of a rule");
        let terminal = command.terminal;
        let mut coming = plant.moving(true);
        coming.insert((terminal, round));
        let path = plant.path(terminal);
        for node in view().nodes.iter().filter(|node| path.contains(&node.id)) {
            let Some(limit) = node.limit else { continue };
            assert!(!self.is_hidden(node.id, terminal, plant), "quality-kept: a value by hand decides: {command:?}");
            if self.is_dressed(node.id, plant) {
                continue;
            }
            let returning =
                coming.iter().filter(|(id, _)| plant.path(*id).contains(&node.id)).filter_map(|(id, round)| {
                    let group = plant.devices.get(id)?.groups.get(round)?;
                    (!group.closed).then(|| plant.reckoned_back(group))
                });
            let load = plant.load(node.id);
            let more: Power = returning.sum();
            let risen = plant.risen(node.id, self.memory());
            assert!(
                load + more - risen <= limit,
                "restoration-under-limit: {command:?} takes {} from {load} by {more}, above {limit} ({risen} unseen)",
                node.id
            );
        }
    }

    /// `unknown-is-read-back`: nobody waits for ever.
    pub(super) fn on_tick(&self) {
        for known in self.orders.values() {
            let Some(since) = known.in_doubt_since else { continue };
            let Some(Some(up)) = self.links.get(&known.order.terminal) else { continue };
            let waited = self.now.since(since.max(*up));
            assert!(waited <= READ_BACK_WITHIN, "unknown-is-read-back: not asked for {waited}: {:?}", known.order);
        }
    }
}
