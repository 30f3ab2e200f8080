//! A fleet of terminals that do as they are told, with knobs for those that do not.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Engine;
use crate::input::{Input, Origin, Request};
use crate::model::{NodeId, PointKind, Power, Reading, RoundNo, SwitchPosition, TerminalId, Timestamp};
use crate::notices::{NoticeId, Telling};
use crate::orders::{Action, Command, Issuer, NotSent, Order, OrderId, OrderState, Outcome, Step};
use crate::output::{Alarm, AlarmCause, AlarmState, Audit, Happening, Output, Refusal, Reply};
use crate::policy::Policy;
use crate::testing::{START, Site, behind, good, inventory, kw, node, power, s, switch, terminal};
use crate::view::{LimitState, NodeView};

/// Watches inputs and outputs for what must never be.
#[derive(Debug, Default)]
pub(super) struct Guard {
    selected: BTreeSet<OrderId>,
    confirmed: BTreeSet<OrderId>,
    executed: BTreeSet<OrderId>,
    guaranteed: BTreeSet<TerminalId>,
    told: BTreeSet<TerminalId>,
    now: Timestamp,
    /// Whether automatic control is stopped, and what the last request would make of that.
    stopped: bool,
    wanted: Option<bool>,
    /// A person asks for an agreed measure, or ends one.
    by_hand: bool,
    /// Orders that rules issued.
    rules: BTreeSet<OrderId>,
}

impl Guard {
    pub(super) fn before(&mut self, input: &Input) {
        self.now = self.now.max(input.at());
        self.wanted = match input {
            Input::Request { request: Request::StopAutomatic { .. }, .. } => Some(true),
            Input::Request { request: Request::ResumeAutomatic { .. }, .. } => Some(false),
            _ => None,
        };
        self.by_hand = matches!(
            input,
            Input::Request { request: Request::AskMeasure { .. } | Request::ReleaseMeasure { .. }, .. }
        );
        // What a resumption sets going comes before its answer.
        self.stopped &= self.wanted != Some(false);
        match input {
            Input::Outcome { order, outcome: Outcome::Confirmed(Step::Select), .. }
                if self.selected.contains(order) =>
            {
                self.confirmed.insert(*order);
            }
            Input::Inventory { inventory, .. } => {
                self.guaranteed = inventory
                    .terminals
                    .keys()
                    .copied()
                    .filter(|id| inventory.customer_of(*id).is_none_or(|(_, customer)| customer.guaranteed))
                    .collect();
                self.told.retain(|id| inventory.terminals.contains_key(id));
            }
            Input::Readings { terminal, readings, .. } => {
                for reading in readings.iter().filter(|reading| reading.point == PointKind::SupplyGuarantee) {
                    if reading.value != 0 {
                        self.told.insert(*terminal);
                    } else if reading.quality.decides() {
                        self.told.remove(terminal);
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn after(&mut self, output: &Output) {
        if let (Output::Reply(Ok(_)), Some(true)) = (output, self.wanted) {
            self.stopped = true;
        }
        if let Output::Order(Order { id, issuer: Issuer::Limit { .. }, .. }) = output {
            self.rules.insert(*id);
        }
        if let Output::Tell(telling) = output {
            assert!(self.now < telling.expires_at, "expired-never-sent: {telling:?} at {}", self.now);
            let by_hand = self.by_hand || telling.group.is_some();
            assert!(!self.stopped || by_hand, "stopped-is-stopped: {telling:?}");
        }
        let Output::Command(command) = output else { return };
        let Command { order, terminal, action, step, expires_at, .. } = *command;
        if matches!(step, Step::Select | Step::Execute) {
            assert!(self.now < expires_at, "expired-never-sent: {command:?} at {}", self.now);
            assert!(!(self.stopped && self.rules.contains(&order)), "stopped-is-stopped: {command:?}");
            if matches!(action, Action::Trip { .. }) {
                assert!(!self.guaranteed.contains(&terminal), "never-shed-protected: {command:?}");
                assert!(!self.told.contains(&terminal), "never-shed-protected: {command:?}");
            }
        }
        match step {
            Step::Select => assert!(self.selected.insert(order), "selected twice: {command:?}"),
            Step::Execute => {
                assert!(self.confirmed.contains(&order), "select-before-execute: {command:?}");
                assert!(self.executed.insert(order), "executed twice: {command:?}");
            }
            Step::Cancel | Step::ReadBack => {}
        }
    }
}

/// How a terminal falls short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Habit {
    #[default]
    Obedient,
    RefusesSelect,
    RefusesExecute,
    /// Confirms everything and moves nothing.
    Stuck,
    /// The switch moves, the power stays.
    Welded,
    /// Answers no select.
    Deaf,
    /// Moves its switch and does not answer the execute.
    Mute,
    /// The link is lost with the execute; the switch moved or not.
    Lost {
        moved: bool,
    },
    /// The switch takes this long, in seconds.
    Slow(i64),
    /// The customer is warned for so many seconds before a trip; a restoration within them calls it off.
    Warns(i64),
}

/// What a terminal does with a text for the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Display {
    Shows,
    Refuses,
    /// Nothing comes back.
    Silent,
}

#[derive(Clone, Debug)]
struct Group {
    power: Power,
    closed: bool,
    /// Draws more until then.
    cold_until: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Plant {
    pub(super) site: Site,
    pub(super) habit: Habit,
    pub(super) link: bool,
    /// Readings are sent.
    pub(super) reports: bool,
    pub(super) display: Display,
    /// Its meter hangs and goes on telling this.
    pub(super) hung: Option<Power>,
    /// What the customer reads, the newest last.
    pub(super) read: Vec<String>,
    groups: BTreeMap<RoundNo, Group>,
    cap: Power,
}

#[derive(Clone, Debug)]
enum Coming {
    Outcome(OrderId, Outcome),
    Move(TerminalId, RoundNo, bool),
    Points(TerminalId),
    LinkDown(TerminalId),
    Told(NoticeId, Option<String>),
}

/// The engine, the fleet and the time.
pub(super) struct Centre {
    pub(super) engine: Engine,
    pub(super) now: Timestamp,
    pub(super) plants: BTreeMap<TerminalId, Plant>,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<(Timestamp, Output)>,
    /// Active power is sent every so many seconds.
    pub(super) cycle_s: i64,
    /// The head of F reports.
    pub(super) head: bool,
    /// What that goes on telling.
    pub(super) head_hung: Option<Power>,
    /// Drawn below F past all meters but that at its head.
    pub(super) unmetered: Power,
    pub(super) cold_percent: i64,
    pub(super) cold_s: i64,
    /// Nothing is supplied.
    pub(super) dark: bool,
    guard: Guard,
    coming: Vec<(Timestamp, Coming)>,
    buffer: Vec<Output>,
}

impl Centre {
    /// With all links up and everything reported once.
    pub(super) fn new(policy: Policy, sites: &[Site]) -> Self {
        let plants = sites.iter().map(|site| {
            let group = |power| Group { power, closed: true, cold_until: START };
            let groups = site.numbered().map(|(round, power)| (round, group(power))).collect();
            let plant = Plant {
                site: site.clone(),
                habit: Habit::Obedient,
                link: true,
                reports: true,
                display: Display::Shows,
                hung: None,
                read: Vec::new(),
                groups,
                cap: Power::ZERO,
            };
            (site.terminal, plant)
        });
        let mut centre = Self {
            engine: Engine::new(),
            now: START,
            plants: plants.collect(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            cycle_s: 2,
            head: true,
            head_hung: None,
            unmetered: Power::ZERO,
            cold_percent: 100,
            cold_s: 60,
            dark: false,
            guard: Guard::default(),
            coming: Vec::new(),
            buffer: Vec::new(),
        };
        centre.apply(Input::Started { at: START });
        centre.apply(Input::Policy { at: START, policy: Box::new(policy) });
        centre.apply(Input::Inventory { at: START, inventory: Box::new(inventory(sites)) });
        centre.link("H", true);
        for site in sites {
            centre.link(site.terminal.as_str(), true);
        }
        centre.report_all();
        centre
    }

    pub(super) fn apply(&mut self, input: Input) {
        self.guard.before(&input);
        let mut out = std::mem::take(&mut self.buffer);
        self.engine.apply(&input, &mut out);
        self.inputs.push(input);
        for output in out.drain(..) {
            self.guard.after(&output);
            match &output {
                Output::Command(command) => self.obey(*command),
                Output::Tell(telling) => self.show(telling),
                _ => {}
            }
            self.outputs.push((self.now, output));
        }
        self.buffer = out;
    }

    fn later(&mut self, seconds: i64, what: Coming) {
        self.coming.push((self.now.after(s(seconds)), what));
    }

    fn show(&mut self, telling: &Telling) {
        let Telling { notice, terminal, text, .. } = telling;
        let Some(plant) = self.plants.get_mut(terminal) else { return };
        let failed = match plant.display {
            Display::Shows => {
                plant.read.push(text.clone());
                None
            }
            Display::Refuses => Some("it refused the file".to_owned()),
            Display::Silent => return,
        };
        self.later(1, Coming::Told(*notice, failed));
    }

    /// What the customer of a terminal has read.
    pub(super) fn read(&self, id: &str) -> &[String] {
        &self.plants[&terminal(id)].read
    }

    pub(super) fn display(&mut self, id: &str, display: Display) {
        self.plants.get_mut(&terminal(id)).unwrap().display = display;
    }

    fn obey(&mut self, command: Command) {
        let Command { order, terminal, action, step, .. } = command;
        let Some(plant) = self.plants.get_mut(&terminal) else { return };
        if !plant.link {
            self.later(0, Coming::Outcome(order, Outcome::NotSent { step, why: NotSent::NoLink }));
            return;
        }
        let habit = plant.habit;
        match (step, habit) {
            (Step::Select, Habit::RefusesSelect) => {
                self.later(1, Coming::Outcome(order, Outcome::Refused { step, cause: 7 }));
            }
            (Step::Select, Habit::Deaf) => self.later(10, Coming::Outcome(order, Outcome::TimedOut(step))),
            (Step::Select | Step::Cancel, _) => self.later(1, Coming::Outcome(order, Outcome::Confirmed(step))),
            (Step::ReadBack, _) => {
                self.later(1, Coming::Points(terminal));
                self.later(1, Coming::Outcome(order, Outcome::Confirmed(step)));
            }
            (Step::Execute, Habit::RefusesExecute) => {
                self.later(1, Coming::Outcome(order, Outcome::Refused { step, cause: 7 }));
            }
            (Step::Execute, _) => {
                if let Action::SetCap { cap } = action
                    && habit != Habit::Stuck
                {
                    plant.cap = cap;
                }
                let closed = matches!(action, Action::Restore { .. });
                let takes = match habit {
                    Habit::Slow(seconds) => seconds,
                    Habit::Warns(seconds) if !closed => seconds,
                    _ => 2,
                };
                let stays = |round| closed && plant.groups.get(&round).is_some_and(|group| group.closed);
                let called_off = action.round().filter(|round| matches!(habit, Habit::Warns(_)) && stays(*round));
                if let Some(round) = called_off {
                    self.coming.retain(
                        |(_, what)| !matches!(what, Coming::Move(id, of, false) if (*id, *of) == (terminal, round)),
                    );
                } else if let Some(round) = action.round()
                    && !matches!(habit, Habit::Stuck | Habit::Lost { moved: false })
                {
                    self.later(takes, Coming::Move(terminal, round, closed));
                }
                match habit {
                    Habit::Lost { .. } => {
                        self.later(1, Coming::LinkDown(terminal));
                        self.later(1, Coming::Outcome(order, Outcome::LinkLost(step)));
                    }
                    Habit::Mute => self.later(10, Coming::Outcome(order, Outcome::TimedOut(step))),
                    _ => {
                        self.later(1, Coming::Outcome(order, Outcome::Confirmed(step)));
                        self.later(2, Coming::Outcome(order, Outcome::Terminated));
                        self.later(2, Coming::Points(terminal));
                    }
                }
            }
        }
    }

    /// Lets so many seconds pass, one at a time.
    pub(super) fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.step();
        }
    }

    /// Lets time pass until `done`, at most `seconds`. Whether it came to that.
    pub(super) fn run_until(&mut self, seconds: i64, done: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..seconds {
            if done(self) {
                return true;
            }
            self.step();
        }
        done(self)
    }

    pub(super) fn step(&mut self) {
        self.now = self.now.after(s(1));
        let now = self.now;
        let (due, coming) = std::mem::take(&mut self.coming).into_iter().partition(|(at, _)| *at <= now);
        self.coming = coming;
        let due: Vec<(Timestamp, Coming)> = due;
        for (_, what) in due {
            match what {
                Coming::Outcome(order, outcome) => self.apply(Input::Outcome { at: now, order, outcome }),
                Coming::Move(terminal, round, closed) => self.move_switch(terminal, round, closed),
                Coming::Points(terminal) => self.report(terminal),
                Coming::LinkDown(terminal) => self.link(terminal.as_str(), false),
                Coming::Told(notice, failed) => self.apply(Input::Told { at: now, notice, failed }),
            }
        }
        if now.since(START).s() % self.cycle_s == 0 {
            self.report_loads();
        }
        self.apply(Input::Tick { at: now });
    }

    /// A switch moves, by whomever, and tells so if it can.
    pub(super) fn move_switch(&mut self, terminal: TerminalId, round: RoundNo, closed: bool) {
        let (now, cold_s) = (self.now, self.cold_s);
        let Some(plant) = self.plants.get_mut(&terminal) else { return };
        let Some(group) = plant.groups.get_mut(&round) else { return };
        if closed && !group.closed {
            group.cold_until = now.after(s(cold_s));
        }
        group.closed = closed;
        let position = if closed { SwitchPosition::Closed } else { SwitchPosition::Open };
        if plant.link && plant.reports {
            let behind_it = self.behind(terminal, round);
            self.tell(terminal, vec![switch(round, position), behind(round, behind_it)]);
        }
    }

    pub(super) fn is_closed(&self, id: &str, round: RoundNo) -> bool {
        self.plants[&terminal(id)].groups[&round].closed
    }

    pub(super) fn tell(&mut self, terminal: TerminalId, readings: Vec<Reading>) {
        self.apply(Input::Readings { at: self.now, terminal, readings });
    }

    pub(super) fn told(&mut self, id: &str, readings: Vec<Reading>) {
        self.tell(terminal(id), readings);
    }

    pub(super) fn link(&mut self, id: &str, up: bool) {
        let id = terminal(id);
        if let Some(plant) = self.plants.get_mut(&id) {
            plant.link = up;
        }
        self.apply(Input::Link { at: self.now, terminal: id, up });
        if up {
            self.report(id);
        }
    }

    pub(super) fn habit(&mut self, id: &str, habit: Habit) {
        self.plants.get_mut(&terminal(id)).unwrap().habit = habit;
    }

    pub(super) fn base(&mut self, id: &str, base_kw: i32) {
        self.base_w(id, kw(base_kw));
    }

    pub(super) fn base_w(&mut self, id: &str, base: Power) {
        self.plants.get_mut(&terminal(id)).unwrap().site.base = base;
    }

    pub(super) fn reports(&mut self, id: &str, reports: bool) {
        self.plants.get_mut(&terminal(id)).unwrap().reports = reports;
    }

    fn behind(&self, terminal: TerminalId, round: RoundNo) -> Power {
        let plant = &self.plants[&terminal];
        let group = &plant.groups[&round];
        if self.dark {
            Power::ZERO
        } else if group.closed {
            group.power.percent(if self.now < group.cold_until { self.cold_percent } else { 100 })
        } else if plant.habit == Habit::Welded {
            group.power
        } else {
            Power::ZERO
        }
    }

    /// What a terminal truly draws.
    pub(super) fn drawn(&self, terminal: TerminalId) -> Power {
        let plant = &self.plants[&terminal];
        if self.dark {
            return Power::ZERO;
        }
        plant.groups.keys().map(|round| self.behind(terminal, *round)).sum::<Power>() + plant.site.base
    }

    /// What its meter says.
    fn metered(&self, terminal: TerminalId) -> Power {
        self.plants[&terminal].hung.unwrap_or_else(|| self.drawn(terminal))
    }

    /// A meter hangs from now on, or does no more.
    pub(super) fn hangs(&mut self, id: &str, hangs: bool) {
        let drawn = self.drawn(terminal(id));
        self.plants.get_mut(&terminal(id)).unwrap().hung = hangs.then_some(drawn);
    }

    /// The true load of a node.
    pub(super) fn truth(&self, of: &str) -> Power {
        let of = node(of);
        let below = |plant: &&Plant| plant.site.area == of || of == node("F") || of == node("S") || of == node("R");
        self.plants.values().filter(below).map(|plant| self.drawn(plant.site.terminal)).sum()
    }

    /// A terminal answers an interrogation.
    pub(super) fn report(&mut self, id: TerminalId) {
        let Some(plant) = self.plants.get(&id) else {
            let load = self.head_hung.unwrap_or_else(|| self.truth("F") + self.unmetered);
            if self.head {
                self.tell(id, vec![power(load)]);
            }
            return;
        };
        if !plant.link || !plant.reports {
            return;
        }
        let cap = plant.cap;
        let mut readings = vec![power(self.metered(id)), good(PointKind::PowerCap, cap.get())];
        for (round, group) in &plant.groups {
            readings.push(switch(*round, if group.closed { SwitchPosition::Closed } else { SwitchPosition::Open }));
            readings.push(behind(*round, self.behind(id, *round)));
        }
        self.tell(id, readings);
    }

    fn report_all(&mut self) {
        for id in self.plants.keys().copied().collect::<Vec<_>>() {
            self.report(id);
        }
        self.report(terminal("H"));
    }

    fn report_loads(&mut self) {
        for id in self.plants.keys().copied().collect::<Vec<_>>() {
            let plant = &self.plants[&id];
            if plant.link && plant.reports {
                let mut readings = vec![power(self.metered(id))];
                readings.extend(plant.groups.keys().map(|round| behind(*round, self.behind(id, *round))));
                self.tell(id, readings);
            }
        }
        self.report(terminal("H"));
    }

    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.apply(Input::Policy { at: self.now, policy: Box::new(policy) });
    }

    pub(super) fn set_inventory(&mut self, sites: &[Site]) {
        self.apply(Input::Inventory { at: self.now, inventory: Box::new(inventory(sites)) });
    }

    /// The centre is stopped and started; links come up again.
    pub(super) fn restart(&mut self) {
        self.coming.retain(|(_, what)| matches!(what, Coming::Move(..)));
        self.apply(Input::Started { at: self.now });
    }

    pub(super) fn links_up(&mut self) {
        for id in self.plants.keys().copied().collect::<Vec<_>>() {
            self.link(id.as_str(), true);
        }
        self.link("H", true);
    }

    pub(super) fn ask(&mut self, operator: &str, request: Request) -> Result<Reply, Refusal> {
        self.ask_as(Origin::new(operator, "10.0.0.1"), request)
    }

    pub(super) fn ask_as(&mut self, origin: Origin, request: Request) -> Result<Reply, Refusal> {
        let before = self.outputs.len();
        self.apply(Input::Request { at: self.now, origin, request });
        // Others' turns may come with it, after the answer.
        let mut answers = self.outputs.iter().skip(before).filter_map(|(_, output)| match output {
            Output::Reply(reply) => Some(reply.clone()),
            _ => None,
        });
        match (answers.next(), answers.next()) {
            (Some(reply), None) => reply,
            other => panic!("a request is answered once, not {other:?}"),
        }
    }

    pub(super) fn select(&mut self, operator: &str, id: &str, action: Action) -> Result<OrderId, Refusal> {
        let request = Request::Select { terminal: terminal(id), action, qualifier: None, reason: "test".into() };
        match self.ask(operator, request)? {
            Reply::Order { order } => Ok(order),
            other => panic!("a select makes an order, not {other:?}"),
        }
    }

    /// An operator's order, selected and executed, and what it came to within a minute.
    pub(super) fn operate(&mut self, id: &str, action: Action) -> OrderState {
        let order = self.select("wang", id, action).unwrap();
        self.run(2);
        self.ask("wang", Request::Execute { order }).unwrap();
        self.run(10);
        self.order(order).state
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Happening> {
        self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Event(event) => Some(&event.what),
            _ => None,
        })
    }

    pub(super) fn count(&self, of: impl Fn(&Happening) -> bool) -> usize {
        self.events().filter(|event| of(event)).count()
    }

    pub(super) fn commands(&self, step: Step) -> Vec<Command> {
        let commands = self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Command(command) if command.step == step => Some(*command),
            _ => None,
        });
        commands.collect()
    }

    /// The last word on an order.
    pub(super) fn order(&self, id: OrderId) -> Order {
        let found = self.outputs.iter().rev().find_map(|(_, output)| match output {
            Output::Order(order) if order.id == id => Some(order.clone()),
            _ => None,
        });
        found.unwrap()
    }

    /// The last order of a terminal.
    pub(super) fn last_order(&self, id: &str) -> Order {
        let found = self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Order(order) if order.terminal == terminal(id) => Some(order.id),
            _ => None,
        });
        self.order(found.max().unwrap())
    }

    pub(super) fn audits(&self) -> Vec<Audit> {
        let audits = self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Audit(audit) => Some(audit.clone()),
            _ => None,
        });
        audits.collect()
    }

    pub(super) fn alarm(&self, cause: AlarmCause) -> Option<Alarm> {
        self.engine.view().alarms.into_iter().find(|alarm| alarm.cause == cause)
    }

    /// Whether an alarm's cause is there now.
    pub(super) fn stands(&self, cause: AlarmCause) -> bool {
        let standing = [AlarmState::Unacknowledged, AlarmState::Acknowledged];
        self.alarm(cause).is_some_and(|alarm| standing.contains(&alarm.state))
    }

    pub(super) fn node(&self, id: &str) -> NodeView {
        let id: NodeId = node(id);
        self.engine.view().nodes.into_iter().find(|view| view.id == id).unwrap()
    }

    pub(super) fn state(&self, id: &str) -> LimitState {
        self.node(id).state
    }

    /// The plans made, as terminals and rounds in the order of the plan.
    pub(super) fn plans(&self) -> Vec<Vec<(String, u8)>> {
        let plans = self.events().filter_map(|event| match event {
            Happening::Planned { shed, .. } => {
                Some(shed.iter().map(|choice| (choice.terminal.to_string(), choice.round.get())).collect())
            }
            _ => None,
        });
        plans.collect()
    }

    /// How many rounds are off.
    pub(super) fn off(&self) -> usize {
        self.plants.values().flat_map(|plant| plant.groups.values()).filter(|group| !group.closed).count()
    }
}

impl Centre {
    pub(super) fn last_order_state(&self, id: &str) -> Option<OrderState> {
        let of = |order: &Order| order.terminal == terminal(id);
        self.engine.view().orders.into_iter().find(of).map(|order| order.state)
    }
}
