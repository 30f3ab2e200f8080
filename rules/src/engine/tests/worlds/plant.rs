//! What is truly there: loads, switches and terminals, whatever the centre believes.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Inventory, NodeId, PointKind, Power, Quality, Reading, RoundNo, Span, SwitchPosition, TerminalId, Timestamp,
};
use crate::notices::NoticeId;
use crate::orders::{Action, Command, NotSent, OrderId, Outcome, Step};
use crate::testing::{behind, good, guarantee, power, s, switch};

use super::dice::Dice;

/// What decides was measured within this.
const SEEN_WITHIN: Span = Span::from_s(75);
/// What has been back for less may draw more than as a rule.
const WARM_AFTER: Span = Span::from_s(1_800);

/// How a terminal falls short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    Obedient,
    RefusesSelect,
    RefusesExecute,
    /// Confirms everything and moves nothing.
    Stuck,
    /// Likewise, and tells the position that was wanted.
    Lies,
    /// Answers no select.
    Deaf,
    /// Moves its switch and does not answer the execute.
    Mute,
    /// The link is lost with the execute; the switch moved or not.
    Cut {
        moved: bool,
    },
    /// The switch takes this long, in seconds.
    Slow(i64),
    /// Confirmations come this late, in seconds.
    Late(i64),
    /// What it confirms gets lost in the centre's own machine.
    Swallowed,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) power: Power,
    pub(super) closed: bool,
    /// Draws more until then.
    pub(super) cold_until: Timestamp,
    /// The power that it had before it last changed, or the lowest within [`SEEN_WITHIN`], and when that was.
    before: (Power, Timestamp),
    /// With what it is to be reckoned to come back, cold, by what could be seen of it before it was opened.
    back: Power,
    /// What it had as a rule then.
    had: Power,
    closed_at: Timestamp,
    /// Told instead of the truth.
    lie: Option<bool>,
}

#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) node: NodeId,
    /// Behind no switch.
    pub(super) base: Power,
    pub(super) groups: BTreeMap<RoundNo, Group>,
    pub(super) habit: Habit,
    pub(super) link: bool,
    /// Sends nothing.
    pub(super) silent: bool,
    /// Sends nonsense, and marks it.
    pub(super) bad: bool,
    /// Tells the time of its readings, with a clock that is so far ahead.
    pub(super) clock: Option<Span>,
    pub(super) guarantee: bool,
    /// Its customer is warned for so long before a trip, and a restoration calls it off meanwhile.
    pub(super) warns: Span,
    /// Takes part in no order to many.
    pub(super) excluded: bool,
    cap: Power,
    /// The select that it holds.
    selected: Option<OrderId>,
}

impl Group {
    /// The lowest power that it had a short time ago or has.
    fn lowest(&self, now: Timestamp) -> Power {
        let (before, until) = self.before;
        if now.since(until) <= SEEN_WITHIN { self.power.min(before) } else { self.power }
    }
}

impl Device {
    pub(super) fn new(node: NodeId, base: Power, rounds: &[Power], clock: Option<Span>) -> Self {
        let never = Timestamp::new(0);
        let group = |power: &Power| Group {
            power: *power,
            closed: true,
            cold_until: never,
            before: (*power, never),
            back: Power::ZERO,
            had: *power,
            closed_at: never,
            lie: None,
        };
        Self {
            node,
            base,
            groups: RoundNo::ALL.into_iter().zip(rounds.iter().map(group)).collect(),
            habit: Habit::Obedient,
            link: true,
            silent: false,
            bad: false,
            clock,
            guarantee: false,
            warns: Span::ZERO,
            excluded: false,
            cap: Power::ZERO,
            selected: None,
        }
    }
}

/// A meter at the head of a node.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) node: NodeId,
    pub(super) link: bool,
    pub(super) silent: bool,
    pub(super) bad: bool,
}

/// What comes about by itself.
#[derive(Clone, Debug)]
pub(super) enum Coming {
    /// On its way from the engine to the terminal.
    Command(Command),
    Outcome(OrderId, Outcome),
    /// What became of a text for a customer.
    Told(NoticeId, Option<String>),
    Move(TerminalId, RoundNo, bool),
    /// The terminal tells everything.
    Points(TerminalId),
    Link(TerminalId, bool),
    /// Power comes back to a node.
    Supply(NodeId),
    /// Of an old time.
    Old(TerminalId, Vec<Reading>),
}

#[derive(Clone, Debug)]
pub(super) struct Plant {
    pub(super) now: Timestamp,
    pub(super) inventory: Inventory,
    pub(super) devices: BTreeMap<TerminalId, Device>,
    pub(super) heads: BTreeMap<TerminalId, Head>,
    pub(super) cold_percent: i64,
    pub(super) cold_s: i64,
    pub(super) coming: Vec<(Timestamp, Coming)>,
    /// Nodes without supply.
    pub(super) dark: BTreeSet<NodeId>,
    /// Loads that rose by nobody's order, at each node.
    rises: Vec<(Timestamp, NodeId, Power)>,
    /// Loads that changed by nobody's order, at each terminal.
    swings: Vec<(Timestamp, TerminalId, Power)>,
    /// Rounds whose terminal said of them what is not so: whoever believes it cannot know.
    pub(super) lied_about: BTreeSet<(TerminalId, RoundNo)>,
}

impl Plant {
    pub(super) fn new(
        inventory: Inventory,
        devices: BTreeMap<TerminalId, Device>,
        heads: BTreeMap<TerminalId, Head>,
        cold: (i64, i64),
    ) -> Self {
        Self {
            now: crate::testing::START,
            inventory,
            devices,
            heads,
            cold_percent: cold.0,
            cold_s: cold.1,
            coming: Vec::new(),
            dark: BTreeSet::new(),
            rises: Vec::new(),
            swings: Vec::new(),
            lied_about: BTreeSet::new(),
        }
    }

    pub(super) fn later(&mut self, seconds: i64, what: Coming) {
        self.coming.push((self.now.after(s(seconds)), what));
    }

    fn behind(&self, group: &Group) -> Power {
        if !group.closed {
            return Power::ZERO;
        }
        group.power.percent(if self.now < group.cold_until { self.cold_percent } else { 100 })
    }

    /// Of a round that comes back.
    pub(super) fn returning(&self, group: &Group) -> Power {
        group.power.percent(self.cold_percent)
    }

    /// Of a round that comes back, as far as anybody could know.
    pub(super) fn reckoned_back(&self, group: &Group) -> Power {
        group.back.min(self.returning(group))
    }

    /// The power behind a switch becomes another one.
    pub(super) fn set_power(&mut self, terminal: TerminalId, round: RoundNo, power: Power) {
        let drawn = |plant: &Self| plant.devices.get(&terminal).map_or(Power::ZERO, |device| plant.drawn(device));
        let (before, now) = (drawn(self), self.now);
        let Some(group) = self.devices.get_mut(&terminal).and_then(|device| device.groups.get_mut(&round)) else {
            return;
        };
        group.before = (group.lowest(now), now);
        group.power = power;
        let after = drawn(self);
        self.changed(terminal, after - before);
    }

    pub(super) fn drawn(&self, device: &Device) -> Power {
        if self.is_dark(device) {
            return Power::ZERO;
        }
        device.base + device.groups.values().map(|group| self.behind(group)).sum::<Power>()
    }

    fn is_dark(&self, device: &Device) -> bool {
        let mut at = Some(device.node);
        while let Some(node) = at {
            if self.dark.contains(&node) {
                return true;
            }
            at = self.inventory.nodes.get(&node).and_then(|node| node.parent);
        }
        false
    }

    /// A node loses its supply or gets it back: what is closed comes back cold then.
    pub(super) fn supply(&mut self, node: NodeId, on: bool) {
        let drawn = |plant: &Self, id| plant.devices.get(id).map_or(Power::ZERO, |device| plant.drawn(device));
        let ids: Vec<TerminalId> = self.devices.keys().copied().collect();
        let before: Vec<Power> = ids.iter().map(|id| drawn(self, id)).collect();
        let dark: Vec<TerminalId> =
            self.devices.iter().filter(|(_, device)| self.is_dark(device)).map(|(id, _)| *id).collect();
        if on {
            self.dark.remove(&node);
        } else {
            self.dark.insert(node);
        }
        let until = self.now.after(s(self.cold_s));
        for id in dark {
            if self.devices.get(&id).is_some_and(|device| !self.is_dark(device)) {
                let groups = self.devices.get_mut(&id).into_iter().flat_map(|device| device.groups.values_mut());
                groups.for_each(|group| group.cold_until = until);
            }
        }
        for (id, before) in ids.iter().zip(before) {
            let after = drawn(self, id);
            self.changed(*id, after - before);
        }
    }

    /// The nodes above a terminal.
    pub(super) fn path(&self, terminal: TerminalId) -> Vec<NodeId> {
        let mut path = Vec::new();
        let mut at = self.devices.get(&terminal).map(|device| device.node);
        while let Some(node) = at {
            path.push(node);
            at = self.inventory.nodes.get(&node).and_then(|node| node.parent);
        }
        path
    }

    pub(super) fn load(&self, node: NodeId) -> Power {
        let below = self.devices.iter().filter(|(id, _)| self.path(**id).contains(&node));
        below.map(|(_, device)| self.drawn(device)).sum()
    }

    /// Whether anything can be said of a node's load.
    pub(super) fn is_known(&self, node: NodeId) -> bool {
        self.heads.values().any(|head| head.node == node)
            || self.devices.keys().any(|terminal| self.path(*terminal).contains(&node))
    }

    /// A load changed by itself.
    fn changed(&mut self, terminal: TerminalId, change: Power) {
        if change == Power::ZERO {
            return;
        }
        self.swings.push((self.now, terminal, if change < Power::ZERO { -change } else { change }));
        if change > Power::ZERO {
            for node in self.path(terminal) {
                self.rises.push((self.now, node, change));
            }
        }
    }

    pub(super) fn set_base(&mut self, terminal: TerminalId, base: Power) {
        let Some(device) = self.devices.get_mut(&terminal) else { return };
        let change = base - std::mem::replace(&mut device.base, base);
        self.changed(terminal, change);
    }

    /// The customer is supplied from elsewhere.
    pub(super) fn move_customer(&mut self, terminal: TerminalId, node: NodeId) {
        let drawn = |plant: &Self| plant.devices.get(&terminal).map_or(Power::ZERO, |device| plant.drawn(device));
        let before = drawn(self);
        let Some(device) = self.devices.get_mut(&terminal) else { return };
        device.node = node;
        let after = drawn(self);
        // All of it is new to the nodes above; and where these are dark, it is gone.
        self.changed(terminal, after);
        self.changed(terminal, (after - before).min(Power::ZERO));
    }

    /// How much a node's load rose by itself within the last `span`.
    pub(super) fn risen(&self, node: NodeId, span: Span) -> Power {
        let of =
            |(at, of, rise): &(Timestamp, NodeId, Power)| (*of == node && self.now.since(*at) <= span).then_some(*rise);
        self.rises.iter().filter_map(of).sum()
    }

    /// How much a terminal's load changed by itself within the last `span`.
    pub(super) fn swung(&self, terminal: TerminalId, span: Span) -> Power {
        let of = |(at, of, swing): &(Timestamp, TerminalId, Power)| {
            (*of == terminal && self.now.since(*at) <= span).then_some(*swing)
        };
        self.swings.iter().filter_map(of).sum()
    }

    /// Rounds that will be closed, or opened, by what is under way; each once.
    pub(super) fn moving(&self, closed: bool) -> BTreeSet<(TerminalId, RoundNo)> {
        let moving = self.coming.iter().filter_map(|(_, what)| match what {
            Coming::Move(terminal, round, to) if *to == closed => Some((*terminal, *round)),
            Coming::Command(Command { terminal, action, step: Step::Execute, .. }) => {
                let fits = matches!(action, Action::Restore { .. }) == closed;
                Some((*terminal, action.round().filter(|_| fits)?))
            }
            _ => None,
        });
        moving.collect()
    }

    /// Moves a switch. Whether it changed.
    pub(super) fn switch(&mut self, terminal: TerminalId, round: RoundNo, closed: bool) -> bool {
        let (now, percent, until) = (self.now, self.cold_percent, self.now.after(s(self.cold_s)));
        let Some(group) = self.devices.get_mut(&terminal).and_then(|device| device.groups.get_mut(&round)) else {
            return false;
        };
        group.lie = None;
        if group.closed == closed {
            return false;
        }
        group.closed = closed;
        if closed {
            (group.cold_until, group.closed_at) = (until, now);
        } else {
            // What has just come back is taken to draw more than as a rule, and what it drew is what it draws at least.
            let lowest = group.lowest(now);
            let is_warm = now.since(group.closed_at) >= WARM_AFTER;
            group.had = if is_warm { lowest } else { lowest.min(group.had) };
            group.back = group.had.percent(percent).max(lowest);
        }
        true
    }

    /// Somebody on the spot moves a switch.
    pub(super) fn by_hand(&mut self, terminal: TerminalId, round: RoundNo, closed: bool) {
        let before = self.devices.get(&terminal).map_or(Power::ZERO, |device| self.drawn(device));
        if self.switch(terminal, round, closed) {
            let after = self.devices.get(&terminal).map_or(Power::ZERO, |device| self.drawn(device));
            self.changed(terminal, after - before);
        }
    }

    pub(super) fn links(&mut self, terminal: TerminalId, up: bool) {
        if let Some(device) = self.devices.get_mut(&terminal) {
            device.link = up;
            device.selected = None;
        }
        if let Some(head) = self.heads.get_mut(&terminal) {
            head.link = up;
        }
    }

    /// What the dispatcher and the terminal make of a command.
    pub(super) fn obey(&mut self, command: Command, dice: &mut Dice) {
        let Command { order, terminal, action, step, expires_at, .. } = command;
        let not_sent = |why| Coming::Outcome(order, Outcome::NotSent { step, why });
        if self.now >= expires_at {
            return self.later(0, not_sent(NotSent::Expired));
        }
        let Some(device) = self.devices.get_mut(&terminal).filter(|device| device.link) else {
            return self.later(0, not_sent(NotSent::NoLink));
        };
        let habit = device.habit;
        let answer = if let Habit::Late(seconds) = habit { seconds } else { dice.range(0, 2) };
        let mut tell = Vec::new();
        match (step, habit) {
            (_, Habit::Swallowed) if step != Step::Execute => {}
            (Step::Select, Habit::RefusesSelect) => {
                tell.push((answer, Coming::Outcome(order, Outcome::Refused { step, cause: 7 })));
            }
            (Step::Select, Habit::Deaf) => tell.push((10, Coming::Outcome(order, Outcome::TimedOut(step)))),
            (Step::Select, _) => {
                device.selected = Some(order);
                tell.push((answer, Coming::Outcome(order, Outcome::Confirmed(step))));
            }
            (Step::Cancel, _) => {
                device.selected = device.selected.filter(|held| *held != order);
                tell.push((answer, Coming::Outcome(order, Outcome::Confirmed(step))));
            }
            (Step::ReadBack, _) => {
                tell.push((answer, Coming::Points(terminal)));
                tell.push((answer, Coming::Outcome(order, Outcome::Confirmed(step))));
            }
            (Step::Execute, _) if device.selected.take() != Some(order) => {
                tell.push((0, not_sent(NotSent::NotSelected)))
            }
            (Step::Execute, Habit::RefusesExecute) => {
                tell.push((answer, Coming::Outcome(order, Outcome::Refused { step, cause: 7 })));
            }
            (Step::Execute, _) => {
                let still = matches!(habit, Habit::Stuck | Habit::Lies | Habit::Cut { moved: false });
                if let Action::SetCap { cap } = action
                    && !still
                {
                    device.cap = cap;
                }
                if let (Some(round), Some(wanted)) = (action.round(), action.wanted_position()) {
                    let closed = wanted == SwitchPosition::Closed;
                    let takes = if let Habit::Slow(seconds) = habit { seconds } else { dice.range(1, 3) };
                    let takes = if closed { takes } else { takes + device.warns.s() };
                    if !still && closed && device.warns > Span::ZERO {
                        // What was announced is not done any more.
                        self.coming.retain(
                            |(_, what)| !matches!(what, Coming::Move(id, of, false) if (*id, *of) == (terminal, round)),
                        );
                    }
                    if !still {
                        tell.push((takes, Coming::Move(terminal, round, closed)));
                    } else if habit == Habit::Lies
                        && let Some(group) =
                            self.devices.get_mut(&terminal).and_then(|device| device.groups.get_mut(&round))
                    {
                        group.lie = Some(closed);
                        self.lied_about.insert((terminal, round));
                    }
                }
                match habit {
                    Habit::Cut { .. } => {
                        let mut cut =
                            [(1, Coming::Link(terminal, false)), (1, Coming::Outcome(order, Outcome::LinkLost(step)))];
                        dice.shuffle(&mut cut);
                        tell.extend(cut);
                    }
                    Habit::Mute => tell.push((10, Coming::Outcome(order, Outcome::TimedOut(step)))),
                    Habit::Swallowed => {}
                    _ => {
                        tell.push((answer, Coming::Outcome(order, Outcome::Confirmed(step))));
                        tell.push((answer + 1, Coming::Outcome(order, Outcome::Terminated)));
                        tell.push((answer + 1, Coming::Points(terminal)));
                    }
                }
            }
        }
        for (seconds, what) in tell {
            self.later(seconds, what);
        }
    }

    /// All that a terminal tells when it is asked; nothing from one that does not talk.
    pub(super) fn points(&self, terminal: TerminalId, loads_only: bool) -> Vec<Reading> {
        if let Some(head) = self.heads.get(&terminal) {
            if !head.link || head.silent {
                return Vec::new();
            }
            let reading = power(self.load(head.node));
            return vec![if head.bad { nonsense(reading) } else { reading }];
        }
        let Some(device) = self.devices.get(&terminal).filter(|device| device.link && !device.silent) else {
            return Vec::new();
        };
        let mut readings = vec![power(self.drawn(device))];
        if !loads_only {
            readings.push(good(PointKind::PowerCap, device.cap.get()));
            readings.push(guarantee(device.guarantee));
            readings.push(good(PointKind::Exclusion, i64::from(device.excluded)));
        }
        for (round, group) in &device.groups {
            if !loads_only {
                let closed = group.lie.unwrap_or(group.closed);
                readings.push(switch(*round, if closed { SwitchPosition::Closed } else { SwitchPosition::Open }));
            }
            let power = if self.is_dark(device) { Power::ZERO } else { self.behind(group) };
            readings.push(behind(*round, power));
        }
        let told_at = device.clock.map(|ahead| self.now.after(ahead));
        for reading in &mut readings {
            reading.source_time = told_at;
            if device.bad {
                *reading = nonsense(*reading);
            }
        }
        readings
    }
}

/// A value that is wrong and marked as such.
fn nonsense(reading: Reading) -> Reading {
    let value = match reading.point {
        PointKind::RoundPosition(_) => 3 - reading.value,
        PointKind::SupplyGuarantee | PointKind::Exclusion => 0,
        _ => reading.value / 7 - 3_000,
    };
    Reading { value, quality: Quality::INVALID, ..reading }
}
