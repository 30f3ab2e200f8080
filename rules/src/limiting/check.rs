//! The checker: everything derived anew from the inventory and the readings, nothing taken from the planner.
//!
//! **Invariants** that it holds plans to: `never-shed-protected`, `restoration-under-limit`.

use std::collections::{BTreeMap, BTreeSet};

use super::on_times::check_on_times;
use super::plan::Plan;
use super::step_back::check_returned_last;
use super::turns::check_turns;
use crate::dressing::Dressings;
use crate::measures::MeasureKind;
use crate::model::{
    CustomerId, NodeId, PointKind, Power, PriorityClass, RoundNo, RuleId, Span, SwitchPosition, TerminalId, Timestamp,
};
use crate::output::Choice;
use crate::policy::{LimitRule, Policy};
use crate::state::accounts::Account;
use crate::state::bounds::Bounds;
use crate::state::cold_load::{ColdLoads, percent};
use crate::state::effects::Effects;
use crate::state::grid::Grid;
use crate::state::measures::MeasureBook;
use crate::state::notices::Notices;
use crate::state::promised::Promised;
use crate::state::recent::Recent;
use crate::state::returned::Returned;
use crate::state::{Holder, Sheds};
use crate::tags::{TagId, TagOn, Tags};

/// In what a plan or a stage breaks an invariant. Shown to operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(crate) enum Violation {
    #[error("{terminal} is not below {node}")]
    NotBelow { terminal: TerminalId, node: NodeId },
    #[error("{terminal}: supply is guaranteed")]
    Guaranteed { terminal: TerminalId },
    #[error("{terminal} round {round}: tag {tag} locks it out")]
    Tagged { terminal: TerminalId, round: RoundNo, tag: TagId },
    #[error("{terminal} has no round {round}")]
    NoRound { terminal: TerminalId, round: RoundNo },
    #[error("{terminal} round {round} is there twice")]
    Twice { terminal: TerminalId, round: RoundNo },
    #[error("{terminal}: the link is down")]
    LinkDown { terminal: TerminalId },
    #[error("{terminal} round {round}: the switch is not known to be {wanted}")]
    Position { terminal: TerminalId, round: RoundNo, wanted: SwitchPosition },
    #[error("{terminal} round {round}: its power is {planned} in the plan and not that by good and fresh readings")]
    Power { terminal: TerminalId, round: RoundNo, planned: Power },
    #[error("{terminal}: its load is not known from good and fresh readings")]
    LoadUnknown { terminal: TerminalId },
    #[error("{terminal}: {left} would be left, below the safety floor of {floor}")]
    Floor { terminal: TerminalId, left: Power, floor: Power },
    #[error("{terminal} round {round}: an order is under way")]
    Busy { terminal: TerminalId, round: RoundNo },
    #[error("{terminal} round {round}: interlock {interlock} does not permit it")]
    Interlocked { terminal: TerminalId, round: RoundNo, interlock: RuleId },
    #[error(
        "{terminal} round {round}: the load of {node} would not show it, as a value that was not measured lies between"
    )]
    ByHand { terminal: TerminalId, round: RoundNo, node: NodeId },
    #[error("{node}: nothing returns by a load in which something stands in for {terminal}")]
    StandsIn { node: NodeId, terminal: TerminalId },
    #[error("{expected} are expected but the rounds have {sum}")]
    Sum { expected: Power, sum: Power },
    #[error("{terminal} round {round} is shed though the others alone reach the target")]
    Superfluous { terminal: TerminalId, round: RoundNo },
    #[error("{terminal} round {round} has been back for {on_for} only, and {instead} round {instead_round} would do")]
    NotOnLongEnough { terminal: TerminalId, round: RoundNo, on_for: Span, instead: TerminalId, instead_round: RoundNo },
    #[error("{terminal} round {round} is shed because it came back last, and did not")]
    NotReturnedLast { terminal: TerminalId, round: RoundNo },
    #[error(
        "{terminal} round {round} would be turn {turn} of its customer; {instead} round {instead_round}, as important, would be \
         turn {instead_turn} and do as well"
    )]
    NotInTurn {
        terminal: TerminalId,
        round: RoundNo,
        turn: u32,
        instead: TerminalId,
        instead_round: RoundNo,
        instead_turn: u32,
    },
    #[error("{terminal} round {round}: its customer was not told, and the rule gives notice")]
    NotAnnounced { terminal: TerminalId, round: RoundNo },
    #[error("{node}: customers were told {due}, and it is not that late")]
    BeforeNotice { node: NodeId, due: Timestamp },
    #[error("{node}: customers are to be told of {limit} from {at}, and no such limit is known to come then")]
    NoSuchLimit { node: NodeId, limit: Power, at: Timestamp },
    #[error("{terminal}: no notice reached it, and the rule spares those")]
    NotReached { terminal: TerminalId },
    #[error("{terminal}: its customer agreed to no {kind}")]
    NotAgreed { terminal: TerminalId, kind: MeasureKind },
    #[error("{terminal}: {kind} from {due} is outside the window that was agreed")]
    OutsideWindow { terminal: TerminalId, kind: MeasureKind, due: Timestamp },
    #[error("{terminal}: {kind} from {due} is asked for later than {notice} before, as was agreed")]
    MeasureTooSoon { terminal: TerminalId, kind: MeasureKind, due: Timestamp, notice: Span },
    #[error("{terminal}: {kind} from {due} comes too late to be waited for")]
    MeasureTooLate { terminal: TerminalId, kind: MeasureKind, due: Timestamp },
    #[error("{terminal}: {kind} until {until} is longer than was agreed")]
    MeasureTooLong { terminal: TerminalId, kind: MeasureKind, until: Timestamp },
    #[error("{terminal}: {kind} was asked for {most} times in seven days, as often as was agreed")]
    MeasureTooOften { terminal: TerminalId, kind: MeasureKind, most: u16 },
    #[error("{terminal}: {kind} is not to be asked for again so soon")]
    MeasureRests { terminal: TerminalId, kind: MeasureKind },
    #[error("{terminal}: {kind} is asked for while a measure of its customer stands")]
    MeasureStands { terminal: TerminalId, kind: MeasureKind },
    #[error("{terminal}: {kind} is to take off {planned}, and by good and fresh readings it is {gives}")]
    MeasurePower { terminal: TerminalId, kind: MeasureKind, planned: Power, gives: Power },
    #[error("{terminal}: the load of {node} would not show a {kind}, as a value by hand lies between")]
    MeasureUnseen { terminal: TerminalId, kind: MeasureKind, node: NodeId },
    #[error("{terminal}: its {kind} comes before what is asked for")]
    MeasureOutOfTurn { terminal: TerminalId, kind: MeasureKind },
    #[error("{node}: {wanted} are asked for, and {needed} would do")]
    MeasuresUnneeded { node: NodeId, wanted: Power, needed: Power },
    #[error(
        "{node}: {wanted} are to be tripped, and {needed} would do with the {pending} that customers are about to give"
    )]
    MeasuresPending { node: NodeId, wanted: Power, needed: Power, pending: Power },
    #[error("the rounds have {sum}: one plan may shed {most}")]
    PassPower { sum: Power, most: Power },
    #[error("{rounds} rounds: one plan may shed {most}")]
    PassRounds { rounds: usize, most: u16 },
    #[error("the plan is for {planned}, the rule for {node}")]
    OtherNode { planned: NodeId, node: NodeId },
    #[error(
        "{node}: {wanted} are wanted, and with what is on its way already {needed} are too much: it would be shed twice"
    )]
    Double { node: NodeId, wanted: Power, needed: Power },
    #[error("plan {pass}: only {most} are permitted in a row")]
    TooManyPasses { pass: u8, most: u8 },
    #[error("{terminal}: the rule sheds nobody of class {class}")]
    ClassSpared { terminal: TerminalId, class: PriorityClass },
    #[error("{terminal}: its customer is excluded from orders to many at once")]
    Excluded { terminal: TerminalId },
    #[error("{node}: its load is not known, so its limit cannot be kept")]
    NodeUnknown { node: NodeId },
    #[error("{node} would rise to {load}, above its limit of {limit}")]
    OverLimit { node: NodeId, load: Power, limit: Power },
    #[error("{terminal} round {round} is reckoned to come back with {planned}, and may come back with {least}")]
    ColdLoad { terminal: TerminalId, round: RoundNo, planned: Power, least: Power },
    #[error("{terminal} round {round}: {node} did not shed it, or not long enough ago")]
    NotDue { terminal: TerminalId, round: RoundNo, node: NodeId },
}

/// What the checker looks at.
pub(crate) struct World<'a> {
    pub(crate) grid: &'a Grid,
    pub(crate) effects: &'a Effects,
    /// Returns that are decided.
    pub(crate) promised: &'a Promised,
    /// What rounds came back with in the past.
    pub(crate) cold_loads: &'a ColdLoads,
    pub(crate) policy: &'a Policy,
    /// What nodes drew lately, and where that is going.
    pub(crate) recent: &'a Recent,
    /// What is off, by whom and since when.
    pub(crate) sheds: &'a Sheds,
    /// What came back lately.
    pub(crate) returned: &'a Returned,
    /// What customers went without, and how often.
    pub(crate) accounts: &'a BTreeMap<CustomerId, Account>,
    /// Taken as shed already, though they are not: a dry run's plans before this one.
    pub(crate) gone: BTreeSet<(TerminalId, RoundNo)>,
    /// Terminals at which a trip had no effect.
    pub(crate) doubted: BTreeSet<TerminalId>,
    /// Rounds that did not respond in the breach that the plan is for.
    pub(crate) deaf: BTreeSet<(TerminalId, RoundNo)>,
    pub(crate) tags: &'a Tags,
    /// What customers were told.
    pub(crate) notices: &'a Notices,
    /// The ratings of the nodes whose limit in force is lower.
    pub(crate) ratings: &'a BTreeMap<NodeId, Power>,
    /// What bears on limits besides ratings and schedules.
    pub(crate) bounds: &'a BTreeMap<NodeId, Bounds>,
    /// What customers were asked to do.
    pub(crate) measures: &'a MeasureBook,
    /// Since when the node of the plan has been in breach, dips below the limit included, if it is.
    pub(crate) waits_since: Option<Timestamp>,
    /// Values by hand.
    pub(crate) dressings: &'a Dressings,
    /// Points that an order holds.
    pub(crate) busy: BTreeSet<(TerminalId, RoundNo)>,
    pub(crate) now: Timestamp,
}

impl World<'_> {
    fn round_exists(&self, terminal: TerminalId, round: RoundNo) -> bool {
        let terminal = self.grid.inventory.terminals.get(&terminal);
        terminal.is_some_and(|terminal| terminal.rounds.contains_key(&round))
    }

    /// What trips and stages have in common.
    fn check_each(&self, node: NodeId, choices: &[Choice], position: SwitchPosition) -> Result<(), Violation> {
        let mut seen = BTreeSet::new();
        for choice in choices {
            let Choice { terminal, round, .. } = *choice;
            if !self.round_exists(terminal, round) {
                return Err(Violation::NoRound { terminal, round });
            }
            if !seen.insert((terminal, round)) {
                return Err(Violation::Twice { terminal, round });
            }
            if !self.supplied_through(terminal).contains(&node) {
                return Err(Violation::NotBelow { terminal, node });
            }
            self.check_switch(terminal, round, position)?;
        }
        Ok(())
    }

    /// Whether a round's switch stands at `position` and may be moved from there.
    pub(super) fn check_switch(
        &self,
        terminal: TerminalId,
        round: RoundNo,
        position: SwitchPosition,
    ) -> Result<(), Violation> {
        let post = self.grid.posts.get(&terminal).filter(|post| post.link_up);
        let post = post.ok_or(Violation::LinkDown { terminal })?;
        let held = post.deciding(PointKind::RoundPosition(round), self.now, self.policy.reading_age_max);
        if held.is_none_or(|held| held.reading.value != position.value()) {
            return Err(Violation::Position { terminal, round, wanted: position });
        }
        if self.busy.contains(&(terminal, round)) {
            return Err(Violation::Busy { terminal, round });
        }
        self.check_tags(terminal, round)?;
        let wanted = if position == SwitchPosition::Closed { SwitchPosition::Open } else { SwitchPosition::Closed };
        match self.barred(terminal, round, wanted) {
            Some(interlock) => Err(Violation::Interlocked { terminal, round, interlock }),
            None => Ok(()),
        }
    }

    /// Whether no tag hangs on a round, its terminal or what supplies it.
    fn check_tags(&self, terminal: TerminalId, round: RoundNo) -> Result<(), Violation> {
        let above = self.supplied_through(terminal);
        let locks = |on: TagOn| {
            on == TagOn::Terminal { terminal }
                || on == TagOn::Round { terminal, round }
                || above.iter().any(|&node| on == TagOn::Node { node })
        };
        match self.tags.hanging().find(|tag| locks(tag.on)) {
            Some(tag) => Err(Violation::Tagged { terminal, round, tag: tag.id }),
            None => Ok(()),
        }
    }

    /// Power that a round draws, and how much may go away at its terminal before the safety floor is crossed; the
    /// round's supply is not guaranteed.
    pub(super) fn check_supply(
        &self,
        terminal: TerminalId,
        round: RoundNo,
    ) -> Result<(Option<Power>, Power, Power), Violation> {
        let age_max = self.policy.reading_age_max;
        let customer = self.grid.inventory.terminals.get(&terminal).and_then(|terminal| terminal.customer);
        let customer = customer.and_then(|customer| self.grid.inventory.customers.get(&customer));
        let post = self.grid.posts.get(&terminal).ok_or(Violation::LinkDown { terminal })?;
        let customer =
            customer.filter(|c| !c.guaranteed && !post.says_guaranteed()).ok_or(Violation::Guaranteed { terminal })?;
        if post.says_excluded() {
            return Err(Violation::Excluded { terminal });
        }
        let measured = post.deciding(PointKind::RoundPower(round), self.now, age_max);
        let measured = measured.map(|held| Power::new(held.reading.value)).filter(|power| *power > Power::ZERO);
        let load = post.load(self.now, age_max).map_err(|_| Violation::LoadUnknown { terminal });
        let load = if measured.is_some() { load? } else { Power::ZERO };
        Ok((
            measured,
            load - self.effects.going_at(self.grid, terminal, None),
            customer.safety_floor.max(post.says_floor()),
        ))
    }

    /// Power of a round that a plan may trip by itself, and how much may go away at its terminal.
    pub(super) fn may_trip(&self, terminal: TerminalId, round: RoundNo) -> Result<(Power, Power), Violation> {
        if self.gone.contains(&(terminal, round)) {
            return Err(Violation::Busy { terminal, round });
        }
        self.check_switch(terminal, round, SwitchPosition::Closed)?;
        let (power, load, floor) = self.check_supply(terminal, round)?;
        let power = power.ok_or(Violation::Power { terminal, round, planned: Power::ZERO })?;
        Ok((power, load - floor))
    }

    /// Whether the rule of `node` shed the round, long enough ago to restore it.
    fn is_due(&self, rule: &LimitRule, terminal: TerminalId, round: RoundNo) -> bool {
        let shed = self.sheds.get(&terminal).and_then(|rounds| rounds.get(&round));
        shed.is_some_and(|shed| {
            shed.by == Holder::Rule(rule.node)
                && self.now.since(shed.since) >= rule.off_time_min
                && self.now >= shed.not_before
        })
    }

    /// Power with which a round is to be reckoned when it comes back.
    pub(super) fn comes_back_with(&self, terminal: TerminalId, round: RoundNo) -> Power {
        let shed = self.sheds.get(&terminal).and_then(|rounds| rounds.get(&round));
        let had = shed.map(|shed| shed.power).filter(|power| *power > Power::ZERO);
        let had = had.unwrap_or_else(|| self.at_most_behind(terminal, round));
        let percent = self.pick_up(terminal, round);
        had.percent(i64::from(percent)).max(shed.map(|shed| shed.cold).unwrap_or_default())
    }

    /// Percent of its power with which a round is to be reckoned cold.
    fn pick_up(&self, terminal: TerminalId, round: RoundNo) -> u16 {
        let shed = self.sheds.get(&terminal).and_then(|rounds| rounds.get(&round));
        let off_for = shed.map(|shed| self.now.since(shed.since)).unwrap_or_default();
        let above = self.supplied_through(terminal);
        let rules = self.policy.limits.iter().filter(|rule| above.contains(&rule.node));
        percent(rules, self.cold_loads.expected(terminal, round, self.class_of(terminal), off_for))
    }

    /// All that can be behind a round of unknown power: the contract, without what the customer is sure to have behind its
    /// other rounds; the whole of it where the customer draws more than it anyway.
    fn at_most_behind(&self, terminal: TerminalId, round: RoundNo) -> Power {
        let Some((_, customer)) = self.grid.inventory.customer_of(terminal) else { return Power::ZERO };
        let (contract, age_max) = (customer.contract, self.policy.reading_age_max);
        let post = self.grid.posts.get(&terminal);
        if post.and_then(|post| post.load(self.now, age_max).ok()).is_some_and(|load| load > contract) {
            return contract;
        }
        let mut left = contract;
        let rounds = self.grid.inventory.terminals.get(&terminal).map(|entry| entry.rounds.keys());
        for other in rounds.into_iter().flatten().copied().filter(|other| *other != round) {
            let drawn = post.and_then(|post| post.deciding(PointKind::RoundPower(other), self.now, age_max));
            let drawn = drawn.map_or(0, |held| held.reading.value);
            let off =
                self.sheds.get(&terminal).and_then(|rounds| rounds.get(&other)).map_or(0, |shed| shed.power.get());
            left -= Power::new(
                drawn.max(off).max(0).saturating_mul(100) / i64::from(self.pick_up(terminal, other).max(100)),
            );
        }
        if left > Power::ZERO { left } else { contract }
    }

    /// The class of a terminal's customer.
    pub(super) fn class_of(&self, terminal: TerminalId) -> Option<PriorityClass> {
        let customer = self.grid.inventory.terminals.get(&terminal)?.customer?;
        Some(self.grid.inventory.customers.get(&customer)?.priority)
    }

    /// The nodes from a terminal's customer upwards, by the inventory alone.
    pub(super) fn supplied_through(&self, terminal: TerminalId) -> Vec<NodeId> {
        let inventory = &self.grid.inventory;
        let customer = inventory.terminals.get(&terminal).and_then(|terminal| terminal.customer);
        let mut above = Vec::new();
        let mut at = customer.and_then(|customer| inventory.customers.get(&customer)).map(|c| c.supplied_by);
        while let Some(node) = at.filter(|node| !above.contains(node)) {
            above.push(node);
            at = inventory.nodes.get(&node).and_then(|node| node.parent);
        }
        above
    }
}

/// Whether a plan to shed may be executed.
///
/// # Errors
/// The first invariant that it breaks.
pub(crate) fn check_plan(world: &World<'_>, plan: &Plan, rule: &LimitRule) -> Result<(), Violation> {
    if plan.pass > rule.passes_max {
        return Err(Violation::TooManyPasses { pass: plan.pass, most: rule.passes_max });
    }
    if plan.node != rule.node {
        return Err(Violation::OtherNode { planned: plan.node, node: rule.node });
    }
    world.check_each(plan.node, &plan.shed, SwitchPosition::Closed)?;
    let mut shed_at: BTreeMap<TerminalId, Power> = BTreeMap::new();
    for choice in &plan.shed {
        let Choice { terminal, round, power, .. } = *choice;
        world.check_seen(plan.node, terminal, round)?;
        check_returned_last(world, plan.node, choice)?;
        if let Some(class) = world.class_of(terminal).filter(|class| rule.spares(*class)) {
            return Err(Violation::ClassSpared { terminal, class });
        }
        let (measured, load, floor) = world.check_supply(terminal, round)?;
        if measured != Some(power) {
            return Err(Violation::Power { terminal, round, planned: power });
        }
        let shed = shed_at.entry(terminal).or_default();
        *shed += power;
        let left = load - *shed;
        if left < floor {
            return Err(Violation::Floor { terminal, left, floor });
        }
    }
    let sum: Power = plan.shed.iter().map(|choice| choice.power).sum();
    if sum != plan.expected {
        return Err(Violation::Sum { expected: plan.expected, sum });
    }
    if let Some(most) = rule.pass.power_max.filter(|most| sum > *most) {
        return Err(Violation::PassPower { sum, most });
    }
    if let Some(most) = rule.pass.rounds_max.filter(|most| plan.shed.len() > usize::from(*most)) {
        return Err(Violation::PassRounds { rounds: plan.shed.len(), most });
    }
    match plan.shed.iter().find(|choice| sum - choice.power >= plan.wanted) {
        Some(&Choice { terminal, round, .. }) => Err(Violation::Superfluous { terminal, round }),
        None => check_on_times(world, plan).and_then(|()| check_turns(world, plan, rule)),
    }
}

/// Whether a stage of restoration may be executed: at every limited node above, load, restorations under way and this
/// stage with its cold-load pick-up stay at or below the limit.
///
/// # Errors
/// The first invariant that it breaks.
pub(crate) fn check_stage(world: &World<'_>, rule: &LimitRule, stage: &[Choice]) -> Result<(), Violation> {
    world.check_each(rule.node, stage, SwitchPosition::Open)?;
    let mut coming: BTreeMap<NodeId, Power> = BTreeMap::new();
    let anew: Vec<_> = stage.iter().map(|choice| (choice.terminal, choice.round)).collect();
    for choice in stage {
        let Choice { terminal, round, power, .. } = *choice;
        for node in world.supplied_through(terminal) {
            if world.policy.rule(node).is_some() {
                world.check_seen(node, terminal, round)?;
            }
        }
        if !world.is_due(rule, terminal, round) {
            return Err(Violation::NotDue { terminal, round, node: rule.node });
        }
        let least = world.comes_back_with(terminal, round);
        if power < least {
            return Err(Violation::ColdLoad { terminal, round, planned: power, least });
        }
        for node in world.supplied_through(terminal) {
            *coming.entry(node).or_default() += power;
        }
    }
    for LimitRule { node, limit, .. } in &world.policy.limits {
        let Some(coming) = coming.get(node) else { continue };
        let load = world.grid.load(*node).power().ok_or(Violation::NodeUnknown { node: *node })?;
        world.check_measured(*node)?;
        let promised = world.promised.coming_to(world.grid, *node, &anew);
        let promised = promised + world.returning_by_measures(*node);
        let load = load + world.effects.coming_to(world.grid, *node, &anew) + promised + *coming;
        if load > *limit {
            return Err(Violation::OverLimit { node: *node, load, limit: *limit });
        }
    }
    Ok(())
}
