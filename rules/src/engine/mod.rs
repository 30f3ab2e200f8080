//! The engine: everything that the centre decides, as a function of its inputs.
//!
//! Read [`Engine::apply`], then `state` (values, loads and what is about to change), `curves` (loads over time), `limits` (a limit rule's course), `nested` (limits within
//! limits), `measures` (what customers agreed to do themselves), `foresight` (a plan before the breach), `giving_up` (when a rule stops, and goes on),
//! `restoring`, `orders` (an order's course), `requests` (what people ask), `automatic` (the stop of all rules), `dressed` (values by hand), `in_force` (which limit holds: rating, schedule, `set_limits`, `targets`; `ahead`: which is known to come)
//! `own` (users' own rules and interlocks) and `view`.
//!
//! **Invariants:** `replay-equals-live`: the same inputs give the same outputs; `select-before-execute`;
//! `expired-never-sent`; `unknown-is-read-back`; `never-shed-protected`; `restoration-under-limit`; `stopped-is-stopped`.

mod accounts;
mod ahead;
mod alarms;
mod area;
mod automatic;
mod cold_load;
mod coming;
mod curves;
mod dressed;
mod dry_run;
mod flow;
mod foresight;
mod frozen;
mod giving_up;
mod group_notices;
mod groups;
mod holding;
mod in_force;
mod limits;
mod looking_back;
mod measures;
mod nested;
mod notices;
mod notices_ahead;
mod orders;
mod own;
mod parameters;
mod planning;
mod requests;
mod restoring;
mod set_limits;
mod silent;
mod stand_ins;
mod step_back;
mod supply;
mod tags;
mod targets;
#[cfg(test)]
mod tests;
mod verified;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::dressing::Dressings;
use crate::input::Input;
use crate::limiting::plan::Response;
use crate::model::{
    CustomerId, Inventory, NodeId, PointKind, Power, Reading, RoundNo, Span, SwitchPosition, TerminalId, Timestamp,
};
use crate::orders::{Action, Issuer, Order, OrderId, OrderState};
use crate::output::{AlarmCause, Event, Happening, Output};
use crate::policy::{LimitRule, Policy};
use crate::state::accounts::Account;
use crate::state::bounds::Bounds;
use crate::state::cold_load::ColdLoads;
use crate::state::effects::Effects;
use crate::state::grid::{Grid, Post};
use crate::state::measures::MeasureBook;
use crate::state::notices::Notices;
use crate::state::places::{Place, Places};
use crate::state::promised::Promised;
use crate::state::recent::Recent;
use crate::state::returned::{Return, Returned, WARM_AFTER};
use crate::state::{Holder, LATE_MAX, Shed, Sheds};
use crate::tags::Tags;
use crate::view::{Stopped, View};
use alarms::Alarms;
use coming::Coming;
use curves::Curves;
use groups::Groups;
use limits::{Limited, Watch};
use orders::Ledger;
use own::OwnState;
use parameters::ParameterBook;
use set_limits::Setter;

/// Orders and alarms that may have been issued by inputs that were lost: their numbers are never given again.
const LOST_MAX: u64 = 1_000_000;

/// Changes of one terminal's switches and cover that are told in one minute. Eight rounds tripped and restored are sixteen.
const CHANGES_MAX: u16 = 60;

/// What brought a round back that was off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    Rule,
    Person,
    /// No order: somebody on the spot, or its switch bounced.
    Alone,
}

/// A round that did not do what an order wanted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stuck {
    /// Where its switch stands, or is taken to stand.
    position: SwitchPosition,
    /// Its switch is open and it is supplied all the same, until its power falls to this.
    supplied_above: Option<Power>,
}

/// All that the centre knows, and the function from one input to what follows.
///
/// It is made of maps that serialize, so that a snapshot is the engine itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Engine {
    now: Timestamp,
    grid: Grid,
    /// Each limit as it is in force: the rating, or what is lower instead.
    policy: Policy,
    /// The ratings of the nodes whose limit in force is lower. Snapshots of before there was setting have none.
    #[serde(default)]
    ratings: BTreeMap<NodeId, Power>,
    /// What bears on limits besides ratings. In snapshots of before there was anything but setting, what was set is in the policy.
    #[serde(default)]
    bounds: BTreeMap<NodeId, Bounds>,
    /// When a limit changes by itself at the earliest.
    #[serde(default)]
    limits_turn_at: Timestamp,
    /// Number of the last target.
    #[serde(default)]
    targets_given: u64,
    /// Snapshots of before there were targets have none.
    #[serde(default)]
    recent: Recent,
    alarms: Alarms,
    ledger: Ledger,
    effects: Effects,
    sheds: Sheds,
    /// Snapshots of before there was such an account have none.
    #[serde(default)]
    cold_loads: ColdLoads,
    /// Snapshots of before returns were spread have none.
    #[serde(default)]
    promised: Promised,
    /// Snapshots of before there were least times on have none.
    #[serde(default)]
    returned: Returned,
    /// What customers went without by rules' trips that are over.
    curtailed: BTreeMap<CustomerId, Account>,
    /// How terminals responded to rules' trips. Snapshots of before this was kept have none.
    #[serde(default)]
    responses: BTreeMap<TerminalId, Response>,
    watches: Places<NodeId, Watch>,
    /// Rounds that did not respond, with what their alarm is about.
    unresponsive: BTreeMap<TerminalId, BTreeMap<RoundNo, Stuck>>,
    /// Trips of rules that came to nothing though they were executed. A switch that opens late is shed all the same.
    late: Sheds,
    /// The newest first.
    events: VecDeque<Event>,
    /// Snapshots of before there were curves have none.
    #[serde(default)]
    curves: Curves,
    /// Who last set a node's limit, and to what. Snapshots of before this was kept know of nobody.
    #[serde(default)]
    limit_setters: BTreeMap<NodeId, Setter>,
    /// Where users' own rules stand. Snapshots of before there were such have none.
    #[serde(default)]
    own: OwnState,
    /// Set while no rule may act. Snapshots of before there was such a stop have none.
    #[serde(default)]
    stopped: Option<Stopped>,
    /// Snapshots of before there were group orders have none.
    #[serde(default)]
    groups: Groups,
    /// Snapshots of before there were tags have none.
    #[serde(default)]
    tags: Tags,
    /// Snapshots of before there were notices have none.
    #[serde(default)]
    notices: Notices,
    /// Snapshots of before there were agreed measures have none.
    #[serde(default)]
    measures: MeasureBook,
    /// Snapshots of before there were values by hand have none.
    #[serde(default)]
    dressings: Dressings,
    /// Snapshots of before parameters were kept have none.
    #[serde(default)]
    parameters: ParameterBook,
    /// When it is next looked who tells loads beyond belief.
    #[serde(default)]
    implausible_at: Timestamp,
    /// When it was last looked whose power stands still.
    #[serde(default)]
    still_looked_at: Timestamp,
    /// Kept so that looking at limits allocates nothing.
    #[serde(skip)]
    looking_at: Vec<Place<NodeId>>,
    /// For each node in its place where its limit stands; found again where it is empty.
    #[serde(skip)]
    limited: Vec<Option<Limited>>,
    #[serde(skip)]
    coming: Coming,
    /// Spare no look at a limit, so that tests can compare.
    #[cfg(test)]
    #[serde(skip)]
    spare_no_look: bool,
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
        let before = self.now;
        self.now = self.now.max(input.at());
        // Without inputs there are no ticks either: nobody watched.
        if matches!(input, Input::Started { .. }) || self.now.since(before) > self.grid.age_max {
            self.curves.away(before, self.now);
            self.own.away(before, self.now);
        }
        self.turn_minute(out);
        self.turn_limits(out);
        match input {
            Input::Started { .. } => self.on_started(out),
            Input::Inventory { inventory, .. } => self.on_inventory(inventory, out),
            Input::Policy { policy, .. } => self.on_policy(policy, out),
            Input::Link { terminal, up, .. } => self.on_link(*terminal, *up, out),
            Input::Readings { terminal, readings, .. } => self.on_readings(*terminal, readings, out),
            Input::Outcome { order, outcome, .. } => self.on_outcome(*order, *outcome, out),
            Input::Request { origin, request, .. } => self.on_request(origin, request, out),
            Input::Parameters { terminal, read, failed, .. } => {
                self.on_parameters(*terminal, read.as_deref(), failed.as_deref(), out);
            }
            Input::Told { notice, failed, .. } => self.on_told(*notice, failed.as_deref()),
            Input::Trouble { cause, detail, .. } => self.on_trouble(*cause, detail.as_deref(), out),
            Input::Tick { .. } => self.on_tick(out),
        }
        self.look_at_loads(out);
    }

    /// Looks at what inputs that come next will touch. It changes nothing and tells nothing; but the processor fetches what is far
    /// away for several of them at once, and [`apply`](Self::apply) does not wait for each. For [`REACH`](Self::REACH) inputs at
    /// a time.
    pub fn reach_for<'a>(&self, inputs: impl Iterator<Item = &'a Input> + Clone) {
        let terminals = inputs.filter_map(|input| match input {
            Input::Readings { terminal, .. } => Some(terminal),
            _ => None,
        });
        // First where they stand, then what stands there: neither then waits for the other.
        let posts = &self.grid.posts;
        std::hint::black_box(terminals.clone().fold(0, |seen, terminal| seen ^ posts.touch(terminal)));
        for terminal in terminals {
            std::hint::black_box(posts.get(terminal).map(Post::touch));
        }
    }

    /// So many inputs are worth reaching for together: what their terminals need has room near the processor, and it fetches as
    /// much at once.
    pub const REACH: usize = 16;

    /// Judges the nodes whose load or limit is not what it was.
    fn look_at_loads(&mut self, out: &mut Vec<Output>) {
        if self.limited.len() != self.grid.nodes_count() {
            self.find_limited();
        }
        let mut nodes = std::mem::take(&mut self.looking_at);
        self.grid.take_dirty(&mut nodes);
        for &place in &nodes {
            let Some((node, load)) = self.grid.node_at(place) else { continue };
            // Energies and baselines are made of what was measured.
            self.curves.load(self.now, place, node, load.measured());
            self.watch_at(place, load, out);
        }
        nodes.clear();
        self.looking_at = nodes;
        if self.has_freed() {
            self.let_through(out);
        }
    }

    /// What is looked at once a minute.
    fn turn_minute(&mut self, out: &mut Vec<Output>) {
        self.own.turn(self.now, out);
        let told = out.len();
        self.curves.turn(self.now, out);
        if out.len() == told {
            return;
        }
        for output in out.get(told..).unwrap_or_default() {
            if let Output::Load(minute) = output
                && self.watches.contains_key(&minute.node)
            {
                self.recent.minute(minute);
            }
        }
        self.look_ahead();
        self.look_at_coming_targets(out);
    }

    fn tell(&mut self, what: Happening, out: &mut Vec<Output>) {
        self.tell_of(what, None, out);
    }

    fn tell_of(&mut self, what: Happening, source_time: Option<Timestamp>, out: &mut Vec<Output>) {
        let event = Event { at: self.now, source_time, what };
        if self.events.len() >= View::EVENTS_MAX {
            // Two hundred links coming up must not push out the plan that somebody wants to understand.
            let own = self.events.iter().filter(|event| event.what.is_terminals_own()).count();
            let oldest = self.events.iter().rposition(|event| event.what.is_terminals_own());
            match oldest.filter(|_| own > View::EVENTS_MAX / 2) {
                Some(at) => drop(self.events.remove(at)),
                None => drop(self.events.pop_back()),
            }
        }
        self.events.push_front(event.clone());
        out.push(Output::Event(event));
    }

    /// A change that a terminal reports, unless it reports more than anybody could read.
    fn tell_change(&mut self, what: Happening, terminal: TerminalId, reading: &Reading, out: &mut Vec<Output>) {
        let Some(post) = self.grid.posts.get_mut(&terminal) else { return };
        match post.count_change(self.now) {
            ..=CHANGES_MAX => self.tell_of(what, reading.source_time, out),
            count if count == CHANGES_MAX + 1 => self.tell(Happening::Chatters { terminal }, out),
            _ => {}
        }
    }

    fn on_started(&mut self, out: &mut Vec<Output>) {
        self.tell(Happening::Started, out);
        self.grid.lose_links(self.now);
        self.look_at_silent(out);
        self.promised.clear();
        for watch in self.watches.values_mut() {
            watch.look_anew(self.now);
        }
        self.interrupt_orders(out);
        self.interrupt_notices();
    }

    fn on_trouble(&mut self, cause: AlarmCause, detail: Option<&str>, out: &mut Vec<Output>) {
        let Some(detail) = detail else { return self.alarms.clear(cause, self.now, out) };
        if cause == AlarmCause::JournalDamaged {
            // Orders and alarms of the lost inputs are in the store and at the terminals under numbers unknown here.
            self.ledger.skip_numbers(LOST_MAX);
            self.alarms.skip_numbers(LOST_MAX);
            self.groups.skip_numbers(LOST_MAX);
            self.tags.skip_numbers(LOST_MAX);
            self.notices.skip_numbers(LOST_MAX);
            self.measures.skip_numbers(LOST_MAX);
            self.dressings.skip_numbers(LOST_MAX);
        }
        self.alarms.raise(cause, self.now, || detail.to_owned(), out);
    }

    fn on_inventory(&mut self, inventory: &Inventory, out: &mut Vec<Output>) {
        self.grid.set_inventory(inventory.clone(), self.now);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let loaded = Happening::InventoryLoaded {
            nodes: count(inventory.nodes.len()),
            customers: count(inventory.customers.len()),
            terminals: count(inventory.terminals.len()),
        };
        self.tell(loaded, out);
        self.settle_dressings(out);
        self.look_at_stand_ins();
        self.settle_watches(out);
        self.settle_own(out);
        self.forget_the_gone(out);
    }

    /// One watch for each limit of a node that exists, and nothing that belongs to another.
    fn settle_watches(&mut self, out: &mut Vec<Output>) {
        let limited: BTreeSet<NodeId> = self.policy.limits.iter().map(|rule| rule.node).collect();
        let nodes = &self.grid.inventory.nodes;
        let limited = limited.into_iter().filter(|node| nodes.contains_key(node));
        self.watches.settle(limited, |_| Watch::default());
        self.limited.clear();
        let watches = &self.watches;
        self.promised.retain(|promise| watches.contains_key(&promise.node));
        let limit = |node| self.policy.rule(node).map(|rule| rule.limit);
        self.curves.settle(self.now, nodes.keys().map(|&node| (node, limit(node))));
        self.recent.settle(|node| self.watches.contains_key(&node));
        self.withdraw_orders_without_rule(out);
        self.settle_notices(out);
        // Nobody would restore what a rule shed that is there no more, or that does not reach there any more: it is the
        // operators' from here on.
        for (terminal, rounds) in self.sheds.iter_mut().chain(&mut self.late) {
            for shed in rounds.values_mut() {
                if let Holder::Rule(node) = shed.by
                    && !(self.watches.contains_key(&node) && self.grid.path(*terminal).any(|above| above == node))
                {
                    shed.by = Holder::Operator;
                }
            }
        }
        let unwatched = |cause: AlarmCause| cause.node().is_some_and(|node| !self.watches.contains_key(&node));
        self.alarms.clear_where(unwatched, self.now, out);
    }

    /// Whether the rule of `node` is there and reaches a terminal: otherwise it would never restore what it shed there.
    fn answers_for(&self, node: NodeId, terminal: TerminalId) -> bool {
        self.watches.contains_key(&node) && self.grid.path(terminal).any(|above| above == node)
    }

    /// Lets go of what belongs to terminals and nodes that are not there any more.
    fn forget_the_gone(&mut self, out: &mut Vec<Output>) {
        self.forget_measures();
        let inventory = &self.grid.inventory;
        let exists = |terminal: &TerminalId, round: &RoundNo| {
            inventory.terminals.get(terminal).is_some_and(|terminal| terminal.rounds.contains_key(round))
        };
        for sheds in [&mut self.sheds, &mut self.late] {
            sheds.retain(|terminal, rounds| {
                rounds.retain(|round, _| exists(terminal, round));
                !rounds.is_empty()
            });
        }
        self.returned.retain(|terminal, round, _| exists(&terminal, &round));
        self.cold_loads.retain(exists);
        self.promised.retain(|promise| exists(&promise.choice.terminal, &promise.choice.round));
        for (terminal, rounds) in &mut self.unresponsive {
            rounds.retain(|round, _| exists(terminal, round));
        }
        self.unresponsive.retain(|_, rounds| !rounds.is_empty());
        self.limit_setters.retain(|node, _| inventory.nodes.contains_key(node));
        self.curtailed.retain(|customer, _| inventory.customers.contains_key(customer));
        self.responses.retain(|terminal, _| inventory.terminals.contains_key(terminal));
        let terminals = &inventory.terminals;
        self.parameters.retain(|terminal| terminals.contains_key(terminal));
        let gone = |cause: AlarmCause| match cause {
            AlarmCause::NoEffect { terminal, round } => !exists(&terminal, &round),
            cause => cause.terminal().is_some_and(|terminal| !terminals.contains_key(&terminal)),
        };
        self.alarms.clear_where(gone, self.now, out);
        let orphaned = |order: &Order| match order.action.round() {
            Some(round) => !exists(&order.terminal, &round),
            None => !terminals.contains_key(&order.terminal),
        };
        let gone: Vec<OrderId> = self.ledger.open().filter(|order| orphaned(order)).map(|order| order.id).collect();
        for order in gone {
            self.end_order(order, OrderState::Failed, "its point was taken out of the inventory".into(), out);
        }
    }

    fn on_policy(&mut self, policy: &Policy, out: &mut Vec<Output>) {
        let mut policy = policy.clone();
        policy.sort();
        let told = self.keep_in_force(&mut policy);
        self.policy = policy;
        self.grid.age_max = self.policy.reading_age_max;
        if self.policy.frozen_after <= Span::ZERO {
            self.grid.thaw();
        }
        self.grid.rebuild(self.now);
        self.look_at_stand_ins();
        self.settle_watches(out);
        self.own.load_anew();
        self.settle_own(out);
        let limits = u32::try_from(self.policy.limits.len()).unwrap_or(u32::MAX);
        self.tell(Happening::PolicyLoaded { limits }, out);
        for told in told {
            self.tell(told, out);
        }
        let limited: Vec<NodeId> = self.watches.keys().copied().collect();
        self.tell_what_cannot_be_kept(&limited, out);
    }

    fn on_link(&mut self, terminal: TerminalId, up: bool, out: &mut Vec<Output>) {
        let Some(place) = self.grid.posts.place(&terminal) else { return };
        if self.grid.posts.at(place).is_some_and(|post| post.link_up == up) {
            return;
        }
        self.grid.set_link(place, up, self.now);
        self.tell(Happening::Link { terminal, up }, out);
        if up {
            self.alarms.clear(AlarmCause::LinkDown { terminal }, self.now, out);
            self.read_back_unknown(terminal, out);
        } else {
            self.lose_link(terminal, out);
        }
    }

    fn on_readings(&mut self, terminal: TerminalId, readings: &[Reading], out: &mut Vec<Output>) {
        let Some(place) = self.grid.posts.place(&terminal) else { return };
        for reading in readings {
            let Some(before) = self.grid.take(place, *reading, self.now) else { continue };
            match reading.point {
                PointKind::RoundPosition(round) if reading.quality.decides() => {
                    let position = SwitchPosition::from_value(reading.value);
                    let moved = before.and_then(|before| before.sure).is_some_and(|before| before != reading.value);
                    // On its way is no news: the end of it is.
                    if moved && position != SwitchPosition::Intermediate {
                        self.tell_change(Happening::Switch { terminal, round, position }, terminal, reading, out);
                    }
                    self.on_position(terminal, round, position, out);
                }
                PointKind::RoundPower(round) => {
                    self.on_round_power(terminal, round, out);
                    self.note_return(terminal, round);
                    self.fell_silent(terminal, round, out);
                }
                PointKind::PowerCap => self.on_cap(terminal, out),
                PointKind::CoverOpen if reading.quality.decides() => {
                    let open = reading.value != 0;
                    let was_open = before.and_then(|before| before.sure).is_some_and(|before| before != 0);
                    if was_open != open {
                        self.tell_change(Happening::Cover { terminal, open }, terminal, reading, out);
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
        self.effects.arrived(terminal, round, position, self.now);
        if position == SwitchPosition::Closed {
            let restores = |order: &&Order| matches!(order.action, Action::Restore { .. });
            let holding = self.ledger.holding(terminal, Action::Restore { round }).find(restores);
            let by = match holding.map(|order| &order.issuer) {
                None => Back::Alone,
                Some(Issuer::Limit { .. }) => Back::Rule,
                Some(_) => Back::Person,
            };
            self.no_longer_shed(terminal, round, by);
        }
        if position == SwitchPosition::Open
            && let Some(shed) = self.returned.bounced(terminal, round, self.now)
        {
            // Whoever shed it answers for it as before; what it went without so far has been counted.
            let by = match shed.by {
                Holder::Rule(node) if !self.answers_for(node, terminal) => Holder::Operator,
                by => by,
            };
            self.sheds.entry(terminal).or_default().entry(round).or_insert(Shed { by, since: self.now, ..shed });
        }
        if position == SwitchPosition::Open
            && let Some(shed) = self.late.get_mut(&terminal).and_then(|rounds| rounds.remove(&round))
            && self.now.since(shed.since) < LATE_MAX
        {
            self.sheds.entry(terminal).or_default().entry(round).or_insert(Shed { since: self.now, ..shed });
        }
        if matches!(position, SwitchPosition::Open | SwitchPosition::Closed) {
            self.responded(terminal, round, position, out);
        }
    }

    /// A round did not do what an order wanted.
    fn did_not_respond(
        &mut self,
        terminal: TerminalId,
        round: RoundNo,
        stuck: Stuck,
        detail: String,
        out: &mut Vec<Output>,
    ) {
        let entry = self.grid.inventory.terminals.get(&terminal);
        if entry.is_none_or(|entry| !entry.rounds.contains_key(&round)) {
            return;
        }
        self.unresponsive.entry(terminal).or_default().insert(round, stuck);
        self.alarms.raise(AlarmCause::NoEffect { terminal, round }, self.now, || detail, out);
    }

    /// A switch stands at another end than that which its alarm is about.
    fn responded(&mut self, terminal: TerminalId, round: RoundNo, position: SwitchPosition, out: &mut Vec<Output>) {
        let stuck = self.unresponsive.get(&terminal).and_then(|rounds| rounds.get(&round));
        if stuck.is_some_and(|stuck| stuck.position != position) {
            self.respond(terminal, round, out);
        }
    }

    /// A round that was supplied behind its open switch no longer is.
    fn fell_silent(&mut self, terminal: TerminalId, round: RoundNo, out: &mut Vec<Output>) {
        let stuck = self.unresponsive.get(&terminal).and_then(|rounds| rounds.get(&round));
        let Some(most) = stuck.and_then(|stuck| stuck.supplied_above) else { return };
        let power = self.grid.round_power(terminal, round, self.now);
        if power.is_some_and(|held| held.reading.value <= most.get()) {
            self.respond(terminal, round, out);
        }
    }

    fn respond(&mut self, terminal: TerminalId, round: RoundNo, out: &mut Vec<Output>) {
        let Some(rounds) = self.unresponsive.get_mut(&terminal) else { return };
        rounds.remove(&round);
        if rounds.is_empty() {
            self.unresponsive.remove(&terminal);
        }
        self.alarms.clear(AlarmCause::NoEffect { terminal, round }, self.now, out);
    }

    /// A round that was off is back, brought by a rule's order or by hand.
    fn no_longer_shed(&mut self, terminal: TerminalId, round: RoundNo, back: Back) {
        let Some(rounds) = self.sheds.get_mut(&terminal) else { return };
        let Some(shed) = rounds.remove(&round) else { return };
        if rounds.is_empty() {
            self.sheds.remove(&terminal);
        }
        let off_for = self.now.since(shed.since);
        self.promised.end(terminal, round);
        let stage = match shed.by {
            Holder::Rule(node) if back == Back::Rule => self.watches.get(&node).map(|watch| watch.stage),
            _ => None,
        };
        let Shed { by, power, .. } = shed;
        let by_itself = (back == Back::Alone).then_some(shed);
        let what = Return { by, at: self.now, off_for, stage, power, highest: None, learnt: false, by_itself };
        self.returned.came(terminal, round, what);
        if let Holder::Rule(_) = shed.by {
            self.count_curtailed(terminal, shed.power, shed.since);
        }
    }

    /// Lets go of returns that are no matter to any rule by now.
    fn forget_returns(&mut self) {
        if self.returned.is_empty() {
            return;
        }
        self.learn_from_returns();
        let matters = |rule: &LimitRule| rule.on_time_min.max(rule.step_back_within());
        let longest = self.policy.limits.iter().map(matters).max().unwrap_or_default().max(WARM_AFTER);
        let now = self.now;
        self.returned.retain(|_, _, what| now.since(what.at) < longest);
    }

    /// Rounds that the rule of `node` shed and has not restored, by terminal and round.
    fn shed_by(&self, node: NodeId) -> impl Iterator<Item = (TerminalId, RoundNo, Shed)> + '_ {
        self.sheds
            .iter()
            .flat_map(|(terminal, rounds)| rounds.iter().map(|(round, shed)| (*terminal, *round, *shed)))
            .filter(move |(_, _, shed)| shed.by == Holder::Rule(node))
    }

    /// Calls somebody, once a minute, where a load that is told as good is beyond belief: no rule sheds there, and whose scale or
    /// contract is wrong only a person can say.
    fn look_at_implausible(&mut self, out: &mut Vec<Output>) {
        if self.now < self.implausible_at {
            return;
        }
        self.implausible_at = self.now.after(Span::from_s(60));
        let beyond: BTreeMap<TerminalId, (Power, Power)> =
            self.grid.posts.iter().filter_map(|(&id, post)| Some((id, post.beyond()?))).collect();
        let over = |cause| matches!(cause, AlarmCause::LoadImplausible { terminal } if !beyond.contains_key(&terminal));
        self.alarms.clear_where(over, self.now, out);
        for (&terminal, (load, most)) in &beyond {
            let detail = || format!("{load}; up to {most} would be believed: its scale or its contract is wrong");
            self.alarms.raise(AlarmCause::LoadImplausible { terminal }, self.now, detail, out);
        }
    }

    fn on_tick(&mut self, out: &mut Vec<Output>) {
        self.dressings_on_tick(out);
        self.look_at_silent(out);
        self.look_at_frozen(out);
        self.look_at_stand_ins();
        self.effects.forget_shown(&self.grid, self.now);
        for (terminal, since) in self.grid.take_long_down(self.now) {
            self.alarms.raise(AlarmCause::LinkDown { terminal }, self.now, || format!("since {since}"), out);
        }
        self.look_at_implausible(out);
        self.late.retain(|_, rounds| {
            rounds.retain(|_, shed| self.now.since(shed.since) < LATE_MAX);
            !rounds.is_empty()
        });
        self.forget_returns();
        self.orders_on_tick(out);
        self.own_on_tick(out);
        self.groups_on_tick(out);
        self.notices_on_tick(out);
        self.measures_on_tick(out);
        let limited: Vec<NodeId> = self.watches.keys().copied().collect();
        for node in limited {
            self.watch(node, out);
        }
    }
}
