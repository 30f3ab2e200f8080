//! What comes of a time at one node: its load and its limit, and what orders took off at and below it.

use std::collections::{BTreeMap, BTreeSet};

use headroom_rules::engine::Engine;
use headroom_rules::model::{NodeId, Power, RoundNo, Span, TerminalId, Timestamp};
use headroom_rules::orders::{Action, Issuer, Order, OrderState};
use headroom_rules::output::{Event, Happening, Output};
use serde::Serialize;

/// Plans that are kept with their reasons; more are counted.
const PLANS_MAX: usize = 200;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Course {
    /// The limit in force: the lowest and the highest in that time; none where no rule limits the node.
    pub limit: Option<(Power, Power)>,
    /// The highest load, and when it was; none where it was never known.
    pub peak: Option<(Power, Timestamp)>,
    /// How long the load was above the limit in force, ms.
    pub over_ms: i64,
    /// The longest stretch of that, ms.
    pub over_longest_ms: i64,
    /// How long it was above the limit that was asked about, ms; none where none was.
    pub over_asked_ms: Option<i64>,
    /// How long the load was not known, ms.
    pub unknown_ms: i64,
    /// Plans to shed of the rules at and below the node that shed something.
    pub plans: u32,
    /// Trips at and below the node that were carried out, by rules …
    pub tripped_by_rules: u32,
    /// … and by people.
    pub tripped_by_people: u32,
    /// Restorations that were carried out.
    pub restored: u32,
    /// Rounds that were off for some of the time.
    pub rounds: u32,
    /// Customers who had rounds off for some of the time.
    pub customers: u32,
    /// The power that the trips took off, W: what each round drew at its trip.
    pub taken_off: Power,
    /// The most of it that was off at once.
    pub off_most: Power,
    /// Energy that customers went without, Wh: the power at the trip times the time off.
    pub curtailed_wh: i64,
    /// The longest time that one round was off, ms.
    pub off_longest_ms: i64,
    /// Rounds that were off when the time began …
    pub off_before: u32,
    /// … and those that are off when it ends.
    pub off_after: u32,
    /// Times that a rule at or below the node gave up.
    pub futile: u32,
    /// Plans that the checker refused.
    pub refused: u32,
    /// The first plans, with the reason for each round shed and each one spared.
    pub told: Vec<Event>,
}

type Switch = (TerminalId, RoundNo);

/// Follows an engine.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    node: NodeId,
    /// The limit that was asked about.
    asked: Option<Power>,
    course: Course,
    /// The node and all below it.
    nodes: BTreeSet<NodeId>,
    /// Terminals of customers at and below the node.
    terminals: BTreeSet<TerminalId>,
    /// Rounds that are off: since when, with which power.
    off: BTreeMap<Switch, (Timestamp, Power)>,
    touched: BTreeSet<Switch>,
    /// Load and limit since then.
    since: Timestamp,
    load: Option<Power>,
    limit: Option<Power>,
    over_now_ms: i64,
}

impl Watched {
    /// From `from` on; `engine` stands there.
    pub(super) fn new(node: NodeId, from: Timestamp, asked: Option<Power>, engine: &Engine) -> Self {
        let inventory = engine.inventory();
        let below = |at: NodeId| inventory.path_up(at).any(|above| above == node);
        let nodes: BTreeSet<NodeId> = inventory.nodes.keys().copied().filter(|at| below(*at)).collect();
        let served = |terminal: &TerminalId| inventory.customer_of(*terminal).map(|(_, customer)| customer.supplied_by);
        let terminals: BTreeSet<TerminalId> =
            inventory.terminals.keys().copied().filter(|id| served(id).is_some_and(|at| nodes.contains(&at))).collect();
        let off: BTreeMap<Switch, (Timestamp, Power)> = engine
            .rounds_off()
            .filter(|(terminal, ..)| terminals.contains(terminal))
            .map(|(terminal, round, power)| ((terminal, round), (from, power)))
            .collect();
        let course = Course {
            off_before: count(off.len()),
            over_asked_ms: asked.map(|_| 0),
            off_most: off.values().map(|(_, power)| *power).sum(),
            ..Course::default()
        };
        let touched = off.keys().copied().collect();
        let (load, limit) = (engine.node_load(node), engine.node_limit(node));
        let mut watched =
            Self { node, asked, course, nodes, terminals, off, touched, since: from, load, limit, over_now_ms: 0 };
        watched.see(load, limit);
        watched
    }

    /// The limit was changed at the very beginning: the one before was never in force.
    pub(super) fn limit_is_another(&mut self, engine: &Engine) {
        self.course.limit = None;
        self.see(self.load, engine.node_limit(self.node));
    }

    /// After an input.
    pub(super) fn look(&mut self, engine: &Engine, outputs: &[Output]) {
        let now = engine.now();
        self.pass(now);
        for output in outputs {
            match output {
                Output::Event(event) => self.happened(event),
                Output::Order(order) if order.state == OrderState::Confirmed => self.settle(order, now),
                _ => {}
            }
        }
        let (load, limit) = (engine.node_load(self.node), engine.node_limit(self.node));
        if load != self.load || limit != self.limit {
            self.see(load, limit);
        }
    }

    /// What was holds up to `now`.
    fn pass(&mut self, now: Timestamp) {
        let ms = now.since(self.since).get();
        if ms <= 0 {
            return;
        }
        self.since = now;
        let Some(load) = self.load else {
            self.course.unknown_ms += ms;
            self.over_now_ms = 0;
            return;
        };
        if self.limit.is_some_and(|limit| load > limit) {
            self.course.over_ms += ms;
            self.over_now_ms += ms;
            self.course.over_longest_ms = self.course.over_longest_ms.max(self.over_now_ms);
        } else {
            self.over_now_ms = 0;
        }
        if let (Some(asked), Some(over_ms)) = (self.asked, &mut self.course.over_asked_ms)
            && load > asked
        {
            *over_ms += ms;
        }
    }

    fn see(&mut self, load: Option<Power>, limit: Option<Power>) {
        (self.load, self.limit) = (load, limit);
        if let Some(limit) = limit {
            let (lowest, highest) = self.course.limit.unwrap_or((limit, limit));
            self.course.limit = Some((lowest.min(limit), highest.max(limit)));
        }
        if let Some(load) = load
            && self.course.peak.is_none_or(|(peak, _)| load > peak)
        {
            self.course.peak = Some((load, self.since));
        }
    }

    fn happened(&mut self, event: &Event) {
        match &event.what {
            Happening::Planned { node, shed, .. } if self.nodes.contains(node) => {
                self.course.plans += u32::from(!shed.is_empty());
                if self.course.told.len() < PLANS_MAX {
                    self.course.told.push(event.clone());
                }
            }
            Happening::PlanRefused { node, .. } if self.nodes.contains(node) => self.course.refused += 1,
            Happening::Futile { node, .. } if self.nodes.contains(node) => self.course.futile += 1,
            _ => {}
        }
    }

    /// An order was confirmed. It is told again with its measured power: once is enough.
    fn settle(&mut self, order: &Order, now: Timestamp) {
        if !self.terminals.contains(&order.terminal) {
            return;
        }
        match order.action {
            Action::Trip { round } => {
                let (switch, power) = ((order.terminal, round), order.power_before.unwrap_or_default());
                if self.off.contains_key(&switch) {
                    return;
                }
                self.off.insert(switch, (now, power));
                self.touched.insert(switch);
                let by_rule = matches!(order.issuer, Issuer::Limit { .. });
                self.course.tripped_by_rules += u32::from(by_rule);
                self.course.tripped_by_people += u32::from(!by_rule);
                self.course.taken_off += power;
                let off = self.off.values().map(|(_, power)| *power).sum();
                self.course.off_most = self.course.off_most.max(off);
            }
            Action::Restore { round } => {
                if let Some((since, power)) = self.off.remove(&(order.terminal, round)) {
                    self.course.restored += 1;
                    self.count_off(power, now.since(since));
                }
            }
            _ => {}
        }
    }

    fn count_off(&mut self, power: Power, time: Span) {
        self.course.curtailed_wh += power.over(time).get();
        self.course.off_longest_ms = self.course.off_longest_ms.max(time.get());
    }

    /// What it came to at `to`, which is no earlier than the last input.
    pub(super) fn end(mut self, engine: &Engine, to: Timestamp) -> Course {
        self.pass(to);
        self.course.off_after = count(self.off.len());
        for (since, power) in std::mem::take(&mut self.off).into_values() {
            self.count_off(power, to.since(since));
        }
        self.course.rounds = count(self.touched.len());
        let customer = |(terminal, _): &Switch| engine.inventory().customer_of(*terminal).map(|(id, _)| id);
        self.course.customers = count(self.touched.iter().filter_map(customer).collect::<BTreeSet<_>>().len());
        self.course
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
