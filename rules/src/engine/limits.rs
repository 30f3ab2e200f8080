//! A limit rule's course: over the limit, delay, plan, trips, effect, and if that was not enough the next plan.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::notices::Stage;
use super::stand_ins::told_share;
use super::supply::Supply;
use super::{Engine, Stuck};
use crate::limiting::check::{World, check_plan};
use crate::limiting::measures::check_pending;
use crate::limiting::need::check_need;
use crate::limiting::notice::check_notice;
use crate::limiting::plan::{Plan, Task};
use crate::model::{NodeId, Power, RoundNo, SwitchPosition, TerminalId, Timestamp};
use crate::orders::{Action, Issuer, Order, OrderId, OrderState};
use crate::output::{AlarmCause, Choice, Happening, Output};
use crate::policy::LimitRule;
use crate::state::places::Place;
use crate::view::{Forecast, LimitState, Load};

/// A stay above the limit, from the first crossing until the load is back at the target.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Breach {
    since: Timestamp,
    peak: Power,
    /// Plans made for it.
    passes: u8,
}

/// A plan's trips.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trips {
    expected: Power,
    orders: Vec<(OrderId, Choice)>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Nothing under way.
    #[default]
    Watching,
    /// A plan's orders are under way.
    Shedding(TripsBox),
    /// The trips are done; their effect is judged then.
    Verifying { trips: TripsBox, at: Timestamp },
    /// Stages of restoration; the next one comes then at the earliest.
    Restoring { next_at: Timestamp },
    /// The rule stopped.
    Futile,
}

/// Boxed, because most of the time there is none.
pub(super) type TripsBox = Box<Trips>;

/// What the engine keeps for one limit rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) phase: Phase,
    over_since: Option<Timestamp>,
    breach: Option<Breach>,
    pub(super) unknown_since: Option<Timestamp>,
    /// Since when something has stood in for what was not measured of the load, or nothing was known of it before that.
    #[serde(default)]
    pub(super) not_measured_since: Option<Timestamp>,
    /// Snapshots of before there was darkness know nothing of it.
    #[serde(default)]
    pub(super) supply: Supply,
    /// That restoration waits for the supply was told.
    #[serde(default)]
    pub(super) supply_told: bool,
    pub(super) warned: bool,
    /// Rounds that did not respond in this breach.
    pub(super) deaf: BTreeSet<(TerminalId, RoundNo)>,
    /// Since when the load has been low enough to restore.
    pub(super) calm_since: Option<Timestamp>,
    /// When the first of the rounds that are off was shed.
    pub(super) shed_since: Option<Timestamp>,
    pub(super) stage: u16,
    /// Rounds in one stage at most.
    pub(super) stage_rounds: usize,
    /// What is off is not looked at before.
    pub(super) look_at: Timestamp,
    pub(super) restored: u32,
    /// Orders of restoration that are not final.
    pub(super) restoring: Vec<OrderId>,
    /// Since when the load would be over the limit with what is about to return.
    #[serde(default)]
    pub(super) tight_since: Option<Timestamp>,
    /// Nothing returns before: the rule stepped back.
    #[serde(default)]
    pub(super) rest_until: Timestamp,
    /// How often it did since all was back.
    #[serde(default)]
    pub(super) steps_back: u32,
    /// The node above for which restoration waits, told once.
    #[serde(default)]
    pub(super) waits_for: Option<NodeId>,
    /// The forecast that a plan was last tried for.
    #[serde(default)]
    pub(super) foresaw_at: Timestamp,
    /// Where the rule gave up for want of a round to shed, when it looks again whether there is one. Snapshots of before it
    /// looked again mean that it does not.
    #[serde(default)]
    pub(super) look_again_at: Option<Timestamp>,
    /// The plan under way was made before a breach.
    #[serde(default)]
    pub(super) planned_ahead: bool,
    /// The round whose restoration waits, told once.
    pub(super) held: Option<(TerminalId, RoundNo)>,
}

impl Watch {
    /// The centre was away: what load there was meanwhile nobody knows.
    pub(super) fn look_anew(&mut self, now: Timestamp) {
        self.unknown_since = self.unknown_since.map(|_| now);
        self.not_measured_since = self.not_measured_since.map(|_| now);
        self.over_since = None;
        self.calm_since = None;
        self.supply.look_anew();
    }

    /// Plans made for the present breach.
    pub(super) fn passes(&self) -> u8 {
        self.breach.map_or(0, |breach| breach.passes)
    }

    /// Whether a look at the load would change nothing but when the node was last known to draw something, which it notes.
    /// It is the way of nearly every reading; with what `watch_at` asks before, `judge_supply`, `judge_load`, `judge_notice`,
    /// `step_back` and `step` come to the same. Whatever is done there besides has to be asked here too.
    fn is_quiet(&mut self, rule: &LimitRule, load: Load, stands: bool, now: Timestamp) -> bool {
        let measured = !load.is_substituted();
        let Some(load) = load.power() else { return false };
        let nothing_under_way = matches!(self.phase, Phase::Watching)
            && now < self.look_at
            && self.breach.is_none()
            && self.over_since.is_none()
            && self.unknown_since.is_none()
            && self.not_measured_since.is_some() == stands
            && !self.warned
            && self.tight_since.is_none()
            && self.restoring.is_empty();
        nothing_under_way
            && load <= rule.limit
            && load < rule.warning()
            && self.calm_since.is_some() == (load <= rule.restore_below() && !stands)
            && (!measured || self.supply.stays(rule, load, now))
    }

    /// Since when a breach has waited for measures: dips below the limit begin no new wait.
    pub(super) fn waits_since(&self) -> Option<Timestamp> {
        self.breach.map(|breach| breach.since).or(self.over_since)
    }

    /// Whether the load is above the limit.
    pub(super) const fn over(&self) -> bool {
        self.over_since.is_some()
    }

    /// Whether there is a breach, though the load may be below the limit by now.
    pub(super) const fn in_breach(&self) -> bool {
        self.breach.is_some()
    }

    /// Plans made so far, and who did not respond to them, count no more.
    pub(super) fn begin_anew(&mut self) {
        self.phase = Phase::Watching;
        self.deaf.clear();
        if let Some(breach) = &mut self.breach {
            breach.passes = 0;
        }
    }

    /// Whether a plan may be made without waiting for another one.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Watching | Phase::Restoring { .. })
    }

    /// When the next plan for the present breach is made if nothing changes; none where none will be, or where one is under
    /// way.
    pub(super) fn acts_at(&self, rule: &LimitRule) -> Option<Timestamp> {
        match &self.phase {
            Phase::Watching | Phase::Restoring { .. } => self.over_since.map(|since| since.after(rule.delay)),
            Phase::Verifying { at, .. } => Some(*at),
            Phase::Shedding(_) | Phase::Futile => None,
        }
    }

    /// Whether it has a breach, or trips whose effect is not known yet: nothing below may come back.
    pub(super) const fn is_needing(&self) -> bool {
        self.breach.is_some() || matches!(self.phase, Phase::Shedding(_) | Phase::Verifying { .. })
    }

    /// Whether it will want to know what became of an order.
    pub(super) fn awaits(&self, id: OrderId) -> bool {
        let tripping = match &self.phase {
            Phase::Shedding(trips) | Phase::Verifying { trips, .. } => trips.orders.iter().any(|(trip, _)| *trip == id),
            Phase::Watching | Phase::Restoring { .. } | Phase::Futile => false,
        };
        tripping || self.restoring.contains(&id)
    }

    pub(super) fn state(&self, rounds_off: bool) -> LimitState {
        match &self.phase {
            Phase::Shedding(_) => LimitState::Shedding,
            Phase::Verifying { .. } => LimitState::Verifying,
            Phase::Restoring { .. } => LimitState::Restoring,
            Phase::Futile => LimitState::Futile,
            Phase::Watching if self.over_since.is_some() => LimitState::Over,
            Phase::Watching if rounds_off => LimitState::Holding,
            Phase::Watching if self.warned => LimitState::Warning,
            Phase::Watching => LimitState::Normal,
        }
    }
}

/// Where the limit of a node stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limited {
    /// Among the policy's limits.
    rule: usize,
    watch: Place<NodeId>,
}

impl Engine {
    /// Finds the limits of all nodes.
    pub(super) fn find_limited(&mut self) {
        let (policy, watches) = (&self.policy, &self.watches);
        let limited = |node| Some(Limited { rule: policy.place(node)?, watch: watches.place(&node)? });
        self.coming.forget();
        self.limited.clear();
        self.limited.extend(self.grid.nodes().map(limited));
    }

    /// Looks at the limit of the node at `place`, whose load is this; nothing for a node without one.
    pub(super) fn watch_at(&mut self, place: Place<NodeId>, load: Load, out: &mut Vec<Output>) {
        let Some(limited) = self.limited.get(place.index()).copied().flatten() else { return };
        let Some(node) = self.policy.limits.get(limited.rule).map(|rule| rule.node) else { return };
        let nothing_comes = self.promised.is_empty() && self.ledger.is_idle();
        let coming = if nothing_comes { Some(Power::ZERO) } else { self.coming_from_others(node) };
        // An announcement ends with a look of its own.
        let coming = coming.filter(|_| self.notices.of(node).is_none());
        #[cfg(test)]
        let coming = coming.filter(|_| !self.spare_no_look);
        let stands = load.is_substituted() && self.grid.stands_on_another(node);
        if let (Some(power), Some(coming), Some(rule)) = (load.power(), coming, self.policy.limits.get(limited.rule))
            && (coming <= Power::ZERO || power + coming <= rule.limit)
            && let Some(watch) = self.watches.same_at_mut(limited.watch, &node)
            && watch.is_quiet(rule, load, stands, self.now)
        {
            return;
        }
        self.watch(node, out);
    }

    /// Looks at a node's limit; nothing for a node without one.
    pub(super) fn watch(&mut self, node: NodeId, out: &mut Vec<Output>) {
        let Some(watch) = self.watches.get_mut(&node) else { return };
        let Some(rule) = self.policy.rule(node) else { return };
        // Taken out, so that the rest of the engine can be used beside it.
        let mut watch = std::mem::take(watch);
        // A schedule, which would be copied with every load that changes, says nothing of what is in force.
        let rule = LimitRule { schedule: None, ..*rule };
        let load = self.grid.load(node);
        match load.power() {
            Some(power) => {
                let stands = load.is_substituted() && self.grid.stands_on_another(node);
                // What a person says, or what stands in, is no darkness, and no return of the supply.
                if stands {
                    let since = watch.unknown_since.unwrap_or(self.now);
                    watch.not_measured_since.get_or_insert(since);
                } else if !load.is_substituted() {
                    self.judge_supply(&rule, &mut watch, power, out);
                    watch.not_measured_since = None;
                }
                let load = power;
                self.judge_load(&rule, &mut watch, load, stands, out);
                self.judge_notice(&rule, &watch, out);
                self.step_back(&rule, &mut watch, load, out);
                self.step(&rule, &mut watch, load, out);
            }
            None => self.load_unknown(&rule, &mut watch, out),
        }
        if let Some(place) = self.watches.get_mut(&node) {
            *place = watch;
        }
    }

    /// Nothing is decided on a load that is not known. After a while somebody is called.
    fn load_unknown(&mut self, rule: &LimitRule, watch: &mut Watch, out: &mut Vec<Output>) {
        let since = *watch.unknown_since.get_or_insert(self.now);
        watch.over_since = None;
        watch.calm_since = None;
        // Nothing returns into a load that nobody sees.
        self.promised.retain(|promise| promise.node != rule.node);
        if self.now.since(since) >= self.policy.reading_age_max {
            let detail = || format!("limit {}; good and fresh readings are missing since {since}", rule.limit);
            self.alarms.raise(AlarmCause::LoadUnknown { node: rule.node }, self.now, detail, out);
        }
    }

    /// Warning, breach and calm: what a load says by itself. One that `stands` on what was not measured is never calm.
    fn judge_load(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, stands: bool, out: &mut Vec<Output>) {
        let LimitRule { node, limit, .. } = *rule;
        if watch.unknown_since.take().is_some() {
            self.alarms.clear(AlarmCause::LoadUnknown { node }, self.now, out);
        }
        // A warning goes as a breach does: only when the load is clear of the level.
        let clear_of_warning = rule.warning().percent(100 - i64::from(rule.hysteresis_percent));
        let warned = load >= rule.warning() || (watch.warned && load > clear_of_warning);
        if warned != watch.warned {
            watch.warned = warned;
            let cause = AlarmCause::Warning { node };
            if warned {
                let detail = || format!("{load} of {limit}{}", told_share(&self.grid, node, load));
                self.alarms.raise(cause, self.now, detail, out);
            } else {
                self.alarms.clear(cause, self.now, out);
            }
        }
        if load > limit {
            watch.over_since.get_or_insert(self.now);
            match &mut watch.breach {
                Some(breach) => breach.peak = breach.peak.max(load),
                None => {
                    watch.breach = Some(Breach { since: self.now, peak: load, passes: 0 });
                    watch.deaf.clear();
                    self.tell(Happening::Breach { node, load, limit }, out);
                    let detail = || format!("{load} of {limit}{}", told_share(&self.grid, node, load));
                    self.alarms.raise(AlarmCause::OverLimit { node }, self.now, detail, out);
                }
            }
        } else {
            watch.over_since = None;
            if load <= rule.target()
                && let Some(breach) = watch.breach.take()
            {
                let lasted = self.now.since(breach.since);
                self.tell(Happening::BreachOver { node, load, lasted, peak: breach.peak }, out);
                self.alarms.clear(AlarmCause::OverLimit { node }, self.now, out);
            }
        }
        if load <= rule.restore_below() && !stands {
            watch.calm_since.get_or_insert(self.now);
        } else {
            watch.calm_since = None;
        }
    }

    /// Goes on with what is under way, or begins something.
    fn step(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        match std::mem::take(&mut watch.phase) {
            Phase::Shedding(trips) => {
                let under_way = trips.orders.iter().any(|(id, _)| self.under_way(*id));
                watch.phase = if under_way {
                    Phase::Shedding(trips)
                } else {
                    Phase::Verifying { trips, at: self.now.after(rule.verify_after) }
                };
            }
            Phase::Verifying { trips, at } if self.now >= at => self.verify(rule, watch, &trips, load, out),
            waiting @ Phase::Verifying { .. } => watch.phase = waiting,
            Phase::Futile if watch.breach.is_some() => {
                watch.phase = Phase::Futile;
                self.look_again(rule, watch, load, out);
            }
            Phase::Futile => self.alarms.clear(AlarmCause::LimitFutile { node: rule.node }, self.now, out),
            idle @ (Phase::Watching | Phase::Restoring { .. }) => {
                if self.is_over_long_enough(rule, watch) {
                    self.shed(rule, watch, load, out);
                } else {
                    watch.phase = idle;
                    if !self.shed_ahead(rule, watch, load, out) {
                        self.restore(rule, watch, load, out);
                    }
                }
            }
        }
    }

    pub(super) fn is_over_long_enough(&self, rule: &LimitRule, watch: &Watch) -> bool {
        watch.over_since.is_some_and(|since| self.now.since(since) >= rule.delay)
    }

    /// Whether an order of a plan may still do something. One whose outcome is unknown is waited for no longer: it is
    /// counted by the position that its point shows.
    pub(super) fn under_way(&self, id: OrderId) -> bool {
        self.ledger.get_open(id).is_some_and(|order| order.state != OrderState::Unknown)
    }

    /// Makes a plan, has it checked, and issues its orders.
    pub(super) fn shed(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        if self.stopped().is_none() {
            self.shed_for(rule, watch, load, None, out);
        }
    }

    /// Sheds what the load is too high by, or will be. Whether a plan went out.
    pub(super) fn shed_for(
        &mut self,
        rule: &LimitRule,
        watch: &mut Watch,
        load: Power,
        forecast: Option<Forecast>,
        out: &mut Vec<Output>,
    ) -> bool {
        let node = rule.node;
        self.shed_below_first(node, out);
        if self.waits_for_notice(rule, load) {
            return false;
        }
        let too_high = forecast.map_or(load, |forecast| forecast.load) - rule.target();
        self.ask_measures(rule, load, watch.over_since.and(watch.waits_since()), out);
        let going = self.effects.going_from(&self.grid, node);
        let pending = self.pending_at(rule, load, watch.waits_since());
        let wanted = too_high - going - self.left_to_those_below(rule) - pending;
        if wanted <= Power::ZERO {
            // Trips of another rule or of an operator, what customers are about to do themselves, or what a node below is about
            // to plan, are going to do it.
            return false;
        }
        watch.planned_ahead = forecast.is_some();
        if forecast.is_none() && self.shed_again(rule, watch, load, wanted, out) {
            return true;
        }
        let passes = watch.passes();
        if passes >= rule.passes_max {
            self.give_up(rule, watch, load, out);
            return false;
        }
        let task = Task { rule, pass: passes + 1, load, wanted };
        let (stage, mut plan) = self.plan_with_notice(&task, watch);
        plan.outlook.measures = self.measures_so_far(rule, pending);
        if let Some(forecast) = forecast {
            self.tell_foreseen(rule, load, forecast, out);
        }
        let announces = stage == Stage::Announce || (stage == Stage::Again && !self.all_told(&plan));
        if announces && self.announce_if_sound(rule, watch, &plan, out) {
            return false;
        }
        if !self.approve(rule, watch, &plan, out) {
            if forecast.is_none() {
                self.give_up(rule, watch, load, out);
            }
            return false;
        }
        if plan.shed.is_empty() {
            // What is only foreseen may not come.
            if forecast.is_none() {
                self.give_up_for_now(rule, watch, load, out);
            }
            return false;
        }
        if let Some(breach) = &mut watch.breach {
            breach.passes = plan.pass;
        }
        self.execute_announced(rule, &plan, stage, load, out);
        self.carry_out(rule, watch, plan, load, out);
        true
    }

    /// Has a plan checked, and tells it or why it is refused. Whether it may be carried out.
    pub(super) fn approve(&mut self, rule: &LimitRule, watch: &Watch, plan: &Plan, out: &mut Vec<Output>) -> bool {
        let world = World { deaf: watch.deaf.clone(), waits_since: watch.waits_since(), ..self.world() };
        let checked = check_plan(&world, plan, rule).and_then(|()| check_need(&world, plan));
        let checked = checked.and_then(|()| check_pending(&world, plan, rule));
        match checked.and_then(|()| check_notice(&world, plan, rule)) {
            Ok(()) => {
                self.tell(plan.told(), out);
                true
            }
            Err(violation) => {
                self.tell(Happening::PlanRefused { node: rule.node, violation: violation.to_string() }, out);
                false
            }
        }
    }

    /// Issues a plan's orders.
    pub(super) fn carry_out(
        &mut self,
        rule: &LimitRule,
        watch: &mut Watch,
        plan: Plan,
        load: Power,
        out: &mut Vec<Output>,
    ) {
        let node = rule.node;
        // What is shed and what returns at once would undo each other.
        self.promised.retain(|promise| promise.node != node);
        watch.stage = 0;
        watch.shed_since.get_or_insert(self.now);
        let Plan { pass, expected, shed, .. } = plan;
        let forecast = self.forecast(rule).filter(|_| watch.planned_ahead);
        let foreseen = forecast.map(|forecast| format!(", forecast {}", forecast.load)).unwrap_or_default();
        let orders = shed.into_iter().map(|choice| {
            let reason = format!("{node} at {load} of {}{foreseen}, plan {pass}: {}", rule.limit, choice.reason);
            let action = Action::Trip { round: choice.round };
            let issuer = Issuer::Limit { node };
            (self.issue(choice.terminal, action, issuer, reason, Some(choice.power), out), choice)
        });
        let orders = orders.collect();
        watch.phase = Phase::Shedding(Box::new(Trips { expected, orders }));
    }

    /// What the checker looks at.
    pub(super) fn world(&self) -> World<'_> {
        World {
            grid: &self.grid,
            effects: &self.effects,
            promised: &self.promised,
            cold_loads: &self.cold_loads,
            policy: &self.policy,
            recent: &self.recent,
            sheds: &self.sheds,
            returned: &self.returned,
            accounts: &self.curtailed,
            gone: BTreeSet::new(),
            doubted: self.unresponsive.keys().copied().collect(),
            deaf: BTreeSet::new(),
            tags: &self.tags,
            notices: &self.notices,
            ratings: &self.ratings,
            bounds: &self.bounds,
            measures: &self.measures,
            waits_since: None,
            dressings: &self.dressings,
            busy: self.ledger.busy(),
            now: self.now,
        }
    }

    /// Judges a plan by what was measured, and goes on from there.
    fn verify(&mut self, rule: &LimitRule, watch: &mut Watch, trips: &Trips, load: Power, out: &mut Vec<Output>) {
        let node = rule.node;
        let mut gone = Power::ZERO;
        for (id, choice) in &trips.orders {
            let Choice { terminal, round, power, .. } = *choice;
            let measured = self.lost_by(*id, choice);
            gone += measured;
            let settled = self.ledger.take_settled(*id);
            if settled.as_ref().is_some_and(|settled| settled.asked) {
                self.count_response(terminal, power, measured);
            }
            if measured >= power.percent(i64::from(rule.effect_percent_min)) {
                continue;
            }
            if settled.as_ref().is_some_and(|settled| settled.taken_back) {
                // Another one goes in this breach.
                watch.deaf.insert((terminal, round));
                continue;
            }
            if settled.as_ref().is_some_and(|settled| !settled.asked) {
                // Its link or the centre went down, or it became protected: the round itself was not asked.
                continue;
            }
            watch.deaf.insert((terminal, round));
            // What nobody knows yet is not held against the round: its order goes on being read back.
            let Some(state) = settled.map(|settled| settled.order.state) else { continue };
            self.tell(Happening::NoResponse { terminal, round, expected: power, measured }, out);
            if matches!(state, OrderState::Refused | OrderState::Expired) {
                // What a terminal refused it told in time, and its switch is not in question.
                continue;
            }
            let shown = self.grid.position(terminal, round, self.now);
            let shown = shown.map_or_else(|| "not known".to_owned(), |position| position.to_string());
            let stuck = if state.took_effect() {
                let most = power.percent(100 - i64::from(rule.effect_percent_min));
                Stuck { position: SwitchPosition::Open, supplied_above: Some(most) }
            } else {
                Stuck { position: SwitchPosition::Closed, supplied_above: None }
            };
            let detail = format!("order {id}: {measured} of {power} gone, the switch is {shown}");
            self.did_not_respond(terminal, round, stuck, detail, out);
        }
        self.tell(Happening::Verified { node, expected: trips.expected, measured: gone, load }, out);
        if self.is_over_long_enough(rule, watch) {
            self.shed(rule, watch, load, out);
        }
    }

    /// Power that a trip took away, by measurement where there is one.
    fn lost_by(&self, id: OrderId, choice: &Choice) -> Power {
        let Choice { terminal, round, power, .. } = *choice;
        let Some(Order { state, power_before, .. }) = self.ledger.get(id) else { return Power::ZERO };
        let open = self.grid.position(terminal, round, self.now) == Some(SwitchPosition::Open);
        if !state.took_effect() && !open {
            return Power::ZERO;
        }
        let before = power_before.unwrap_or(power);
        // Terminals that do not measure behind the switch are believed by its position.
        self.grid.round_power(terminal, round, self.now).map_or(before, |now| before - Power::new(now.reading.value))
    }

    /// How long the node has been above its limit, if it is.
    pub(super) fn breach_since(&self, node: NodeId) -> Option<Timestamp> {
        self.watches.get(&node)?.breach.map(|breach| breach.since)
    }
}
