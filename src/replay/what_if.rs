//! A centre's journal under other rules: what was, and what would have been.
//!
//! Two engines take the same inputs, one with the rules of the journal and one with the new ones. What the second orders, a
//! terminal that obeys carries out a second later; what the first had shed is not shed there. So its readings are those of
//! the journal, with the power of each round that stands otherwise added or taken away, at the terminal and at the meters
//! above. Loads that come back cold, and terminals that do not obey, are not reckoned with.
//!
//! Both are one engine up to where the rules change: at the first start that the journal has, or, for a window
//! ([`WhatIf::within`]), at its beginning. Orders that are under way there end in both as they ended.
//!
//! **Invariant:** the journal is only read; the same journal and rules give the same comparison.

mod numbers;
mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::model::{
    Energy, Inventory, NodeId, PointKind, Power, Reading, RoundNo, Span, SwitchPosition, TerminalId, Timestamp,
};
use headroom_rules::notices::NoticeId;
use headroom_rules::orders::{Action, Command, Issuer, Order, OrderId, OrderState, Outcome, Step};
use headroom_rules::output::{Alarm, AlarmState, Happening, Output};
use headroom_rules::policy::Policy;
use serde::Serialize;

use super::course::Watched;
use numbers::{Numbers, granted};
pub use window::Change;

type Switch = (TerminalId, RoundNo);

/// What a terminal takes to obey.
const OBEYS_AFTER: Span = Span::from_s(1);

/// What came of one set of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Plans to shed that shed something.
    pub plans: u64,
    /// Rounds that rules tripped.
    pub sheds: u64,
    /// Rounds that rules restored.
    pub restored: u64,
    /// Alarms raised.
    pub alarms: u64,
    /// Times that one of users' own rules began.
    pub own_rules_begun: u64,
    /// Energy that customers went without by rules' trips, Wh: the power at the trip times the time off.
    pub curtailed_wh: i64,
    /// Time that all limited nodes together were over their limits, ms.
    pub over_ms: i64,
    /// By node: the time over its limit, ms.
    pub over_by_node: BTreeMap<String, i64>,
}

/// One engine with what comes of it.
#[derive(Default)]
struct Run {
    engine: Engine,
    tally: Tally,
    /// What comes of it at one node, where that is asked for.
    watched: Option<Watched>,
    /// Rounds that rules tripped: since when, with which power.
    off: BTreeMap<Switch, (Timestamp, Power)>,
    out: Vec<Output>,
}

impl Run {
    fn apply(&mut self, input: &Input) {
        self.out.clear();
        self.engine.apply(input, &mut self.out);
        let now = self.engine.now();
        if let Some(watched) = &mut self.watched {
            watched.look(&self.engine, &self.out);
        }
        for output in &self.out {
            match output {
                Output::Event(event) => match &event.what {
                    Happening::Planned { shed, .. } if !shed.is_empty() => self.tally.plans += 1,
                    Happening::OwnRuleBegan { .. } => self.tally.own_rules_begun += 1,
                    _ => {}
                },
                Output::Alarm(Alarm { state: AlarmState::Unacknowledged, raised_at, changed_at, .. })
                    if raised_at == changed_at =>
                {
                    self.tally.alarms += 1;
                }
                Output::Load(minute) if minute.over > Span::ZERO => {
                    self.tally.over_ms += minute.over.get();
                    *self.tally.over_by_node.entry(minute.node.to_string()).or_default() += minute.over.get();
                }
                Output::Order(order) if order.state == OrderState::Confirmed => {
                    settle(&mut self.off, &mut self.tally, order, now)
                }
                _ => {}
            }
        }
    }

    /// What is still off counts up to now.
    fn end(mut self) -> Tally {
        let now = self.engine.now();
        for (since, power) in self.off.values() {
            self.tally.curtailed_wh += power.over(now.since(*since)).get();
        }
        self.tally
    }
}

/// An order of a rule was confirmed. It is told again with its measured power: once is enough.
fn settle(off: &mut BTreeMap<Switch, (Timestamp, Power)>, tally: &mut Tally, order: &Order, now: Timestamp) {
    let Issuer::Limit { .. } = order.issuer else { return };
    match order.action {
        Action::Trip { round } => {
            let power = order.power_before.unwrap_or_default();
            if off.insert((order.terminal, round), (now, power)).is_none() {
                tally.sheds += 1;
            }
        }
        Action::Restore { round } => {
            if let Some((since, power)) = off.remove(&(order.terminal, round)) {
                tally.restored += 1;
                tally.curtailed_wh += power.over(now.since(since)).get();
            }
        }
        _ => {}
    }
}

/// A comparison under way.
pub struct WhatIf {
    change: Change,
    /// The number from which on orders of the two engines are different orders.
    apart_from: OrderId,
    was: Run,
    would: Run,
    /// Rounds that the orders of the journal opened, with the power that they had.
    opened: BTreeMap<Switch, Power>,
    /// Of these, trips that are executed and not shown yet.
    opening: BTreeMap<Switch, Power>,
    /// Rounds that orders opened there, with the power that they had.
    opened_there: BTreeMap<Switch, Power>,
    /// Power behind each round, as the second engine was told.
    drawn: BTreeMap<Switch, Power>,
    /// Terminals below each one that measures at a node's head.
    below: BTreeMap<TerminalId, BTreeSet<TerminalId>>,
    /// Steps of the second engine's orders that its terminals have not carried out.
    coming: VecDeque<(Timestamp, Command)>,
    /// The second engine's notices that its customers have not read.
    telling: VecDeque<(Timestamp, NoticeId)>,
    /// All of its notices: the journal's of the same numbers are others.
    told_there: BTreeSet<NoticeId>,
    /// What people asked for, as the second engine numbers it.
    numbers: Numbers,
    begun: bool,
    from: Option<Timestamp>,
    /// Inputs before the first start of a centre that the journal has.
    pub skipped: u64,
}

/// What was and what would have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// From the first start in the journal …
    pub from: Timestamp,
    /// … to its last input.
    pub to: Timestamp,
    /// Inputs before the first start, which neither engine took.
    pub skipped: u64,
    /// By the rules of the journal.
    pub was: Tally,
    /// By the new ones.
    pub would_be: Tally,
}

impl WhatIf {
    /// Before the first input; `policy` in place of all that the journal has.
    pub fn new(policy: Policy) -> Self {
        Self::changed(Change { rules: Some(policy), limit: None })
    }

    fn changed(change: Change) -> Self {
        Self {
            change,
            apart_from: OrderId(0),
            was: Run::default(),
            would: Run::default(),
            opened: BTreeMap::new(),
            opening: BTreeMap::new(),
            opened_there: BTreeMap::new(),
            drawn: BTreeMap::new(),
            below: BTreeMap::new(),
            coming: VecDeque::new(),
            telling: VecDeque::new(),
            told_there: BTreeSet::new(),
            numbers: Numbers::default(),
            begun: false,
            from: None,
            skipped: 0,
        }
    }

    /// Takes the journal's next input.
    pub fn take(&mut self, input: &Input) {
        self.begun |= matches!(input, Input::Started { .. });
        if !self.begun {
            self.skipped += 1;
            return;
        }
        self.from.get_or_insert(input.at());
        self.obey(input.at());
        self.was.apply(input);
        if let Input::Inventory { inventory, .. } = input {
            self.below = below_heads(inventory);
        }
        self.follow_the_orders_that_were();
        self.numbers.note_here(&self.was.out);
        match input {
            Input::Policy { at, policy } => self.give_rules(*at, policy),
            Input::Readings { at, terminal, readings } => {
                readings.iter().for_each(|reading| self.shown(*terminal, reading));
                let readings = readings.iter().map(|reading| self.there(*terminal, *reading)).collect();
                self.give(&Input::Readings { at: *at, terminal: *terminal, readings });
            }
            // An order of both.
            Input::Outcome { order, .. } if *order < self.apart_from => self.give(input),
            Input::Told { notice, .. } if self.told_there.contains(notice) => {}
            // Steps of orders that the second engine did not give.
            Input::Outcome { .. } => {}
            Input::Request { at, origin, request } => {
                let Some(request) = self.numbers.there(request, self.apart_from) else { return };
                self.give(&Input::Request { at: *at, origin: origin.clone(), request });
                self.numbers.pair(granted(&self.was.out), granted(&self.would.out));
            }
            _ => self.give(input),
        }
    }

    /// What it comes to; none where the journal has no start of a centre.
    pub fn end(self) -> Option<Comparison> {
        let to = self.was.engine.now();
        Some(Comparison {
            from: self.from?,
            to,
            skipped: self.skipped,
            was: self.was.end(),
            would_be: self.would.end(),
        })
    }

    fn give(&mut self, input: &Input) {
        self.would.apply(input);
        self.numbers.note_there(&self.would.out);
        let due = self.would.engine.now().after(OBEYS_AFTER);
        for output in &self.would.out {
            match output {
                Output::Command(command) if command.order >= self.apart_from => {
                    self.coming.push_back((due, *command));
                }
                Output::Tell(telling) => {
                    self.telling.push_back((due, telling.notice));
                    self.told_there.insert(telling.notice);
                }
                // Where no reading has told yet.
                Output::Order(Order {
                    terminal, action: Action::Trip { round }, power_before: Some(power), ..
                }) => {
                    self.drawn.entry((*terminal, *round)).or_insert(*power);
                }
                _ => {}
            }
        }
    }

    /// Terminals show and carry out what the second engine wants.
    fn obey(&mut self, now: Timestamp) {
        while let Some((at, notice)) = self.telling.pop_front_if(|(due, _)| *due <= now) {
            self.give(&Input::Told { at, notice, failed: None });
        }
        while let Some((due, Command { order, terminal, action, step, .. })) =
            self.coming.front().copied().filter(|(due, _)| *due <= now)
        {
            self.coming.pop_front();
            self.give(&Input::Outcome { at: due, order, outcome: Outcome::Confirmed(step) });
            let (Step::Execute, Some(round)) = (step, action.round()) else { continue };
            let switch = (terminal, round);
            let position = if matches!(action, Action::Trip { .. }) {
                let power = self.drawn.get(&switch).copied().unwrap_or_default();
                self.opened_there.entry(switch).or_insert(power);
                SwitchPosition::Open
            } else {
                self.opened_there.remove(&switch);
                SwitchPosition::Closed
            };
            let reading = |point, value| Reading {
                point,
                value,
                quality: headroom_rules::model::Quality::GOOD,
                source_time: None,
                cause: 11,
            };
            let readings = vec![reading(PointKind::RoundPosition(round), position.value())];
            self.give(&Input::Readings { at: due, terminal, readings });
        }
    }

    /// Which switches the orders of the journal are about to open. People's are given there as well, and open theirs by
    /// themselves; those from before the two were two open both.
    fn follow_the_orders_that_were(&mut self) {
        for output in &self.was.out {
            let Output::Order(Order { id, terminal, action: Action::Trip { round }, state, power_before, .. }) = output
            else {
                continue;
            };
            if *id >= self.apart_from && *state == OrderState::Executing {
                self.opening.insert((*terminal, *round), power_before.unwrap_or_default());
            }
        }
    }

    /// A switch of the journal shows where it stands.
    fn shown(&mut self, terminal: TerminalId, reading: &Reading) {
        let PointKind::RoundPosition(round) = reading.point else { return };
        let switch = (terminal, round);
        match SwitchPosition::from_value(reading.value) {
            SwitchPosition::Open => {
                if let Some(power) = self.opening.remove(&switch) {
                    self.opened.insert(switch, power);
                }
            }
            SwitchPosition::Closed => drop(self.opened.remove(&switch)),
            SwitchPosition::Intermediate | SwitchPosition::Indeterminate => {}
        }
    }

    /// A reading as it would have been.
    fn there(&mut self, terminal: TerminalId, reading: Reading) -> Reading {
        let value = match reading.point {
            PointKind::ActivePower => {
                let own = self.more_at(terminal);
                let below = self.below.get(&terminal).into_iter().flatten();
                reading.value + below.map(|below| self.more_at(*below)).sum::<i64>() + own
            }
            PointKind::RoundPower(round) => {
                let switch = (terminal, round);
                let value = match (self.opened_there.contains_key(&switch), self.opened.get(&switch)) {
                    (true, _) => 0,
                    (false, Some(power)) => power.get(),
                    (false, None) => reading.value,
                };
                if !self.opened_there.contains_key(&switch) {
                    self.drawn.insert(switch, Power::new(value));
                }
                value
            }
            PointKind::RoundPosition(round) => {
                let switch = (terminal, round);
                match (self.opened_there.contains_key(&switch), self.opened.contains_key(&switch)) {
                    (true, _) => SwitchPosition::Open.value(),
                    (false, true) => SwitchPosition::Closed.value(),
                    (false, false) => reading.value,
                }
            }
            _ => reading.value,
        };
        Reading { value, ..reading }
    }

    /// So much more than in the journal would have been drawn at a terminal, W.
    fn more_at(&self, terminal: TerminalId) -> i64 {
        let of = |rounds: &BTreeMap<Switch, Power>, others: &BTreeMap<Switch, Power>| {
            let all = RoundNo::ALL.into_iter().map(|round| (terminal, round));
            let only = all.filter(|switch| !others.contains_key(switch)).filter_map(|switch| rounds.get(&switch));
            only.map(|power| power.get()).sum::<i64>()
        };
        of(&self.opened, &self.opened_there) - of(&self.opened_there, &self.opened)
    }
}

/// The terminals whose load a terminal at a node's head measures along.
fn below_heads(inventory: &Inventory) -> BTreeMap<TerminalId, BTreeSet<TerminalId>> {
    let mut below = BTreeMap::<TerminalId, BTreeSet<TerminalId>>::new();
    for (&terminal, entry) in &inventory.terminals {
        let customer = entry.customer.and_then(|customer| inventory.customers.get(&customer));
        let above = customer.into_iter().flat_map(|customer| inventory.path_up(customer.supplied_by));
        let heads = above.filter_map(|node: NodeId| inventory.nodes.get(&node)?.measured_by);
        for head in heads.filter(|head| *head != terminal).collect::<BTreeSet<_>>() {
            below.entry(head).or_default().insert(terminal);
        }
    }
    below
}

impl fmt::Display for Comparison {
    /// A table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, skipped, was, would_be } = self;
        writeln!(f, "{from} to {to}")?;
        if *skipped > 0 {
            writeln!(f, "{skipped} inputs before the first start in the journal are left out")?;
        }
        writeln!(f, "{:<34}{:>16}{:>16}", "", "rules that were", "new rules")?;
        let mut line = |what: &str, was: &dyn fmt::Display, would: &dyn fmt::Display| {
            writeln!(f, "{what:<34}{:>16}{:>16}", was.to_string(), would.to_string())
        };
        line("plans that shed", &was.plans, &would_be.plans)?;
        line("rounds shed", &was.sheds, &would_be.sheds)?;
        line("rounds restored", &was.restored, &would_be.restored)?;
        line("alarms", &was.alarms, &would_be.alarms)?;
        line("own rules begun", &was.own_rules_begun, &would_be.own_rules_begun)?;
        line("energy not supplied", &Energy::new(was.curtailed_wh), &Energy::new(would_be.curtailed_wh))?;
        line("time over limits", &Span::new(was.over_ms), &Span::new(would_be.over_ms))?;
        let nodes: BTreeSet<&String> = was.over_by_node.keys().chain(would_be.over_by_node.keys()).collect();
        for node in nodes {
            let over = |tally: &Tally| Span::new(tally.over_by_node.get(node).copied().unwrap_or_default());
            line(&format!("  {node}"), &over(was), &over(would_be))?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
