//! Target reductions: asked for by people, begun and ended by the clock. A limit below the load of the time before is in force
//! meanwhile, and what is shed for it comes back in stages as ever.
//!
//! A target that nothing can meet is refused with its figures before anything moves: at the request as far as it can be told
//! then, and once more at its beginning, by what is measured.

use super::Engine;
use super::requests::Granted;
use crate::input::Origin;
use crate::limiting::reach::sheddable;
use crate::model::{NodeId, Power, Span, Timestamp};
use crate::output::{AlarmCause, Happening, Output, Refusal, Reply};
use crate::target::{Begun, Target, TargetId};

/// So long before its beginning, whether a target can be met is looked at, minute by minute, and somebody is called if not.
const LOOK_BEFORE: Span = Span::from_s(900);

/// Why a target cannot be met.
struct OutOfReach {
    baseline: Power,
    limit: Power,
    wanted: Power,
    sheddable: Power,
}

impl Engine {
    pub(super) fn set_target(
        &mut self,
        origin: &Origin,
        node: NodeId,
        reduction: Power,
        (from, to): (Timestamp, Timestamp),
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        self.rule_for(origin, node)?;
        if reduction <= Power::ZERO {
            return Err(Refusal::TargetNotPositive { node, reduction });
        }
        // What is to begin at once was asked for a moment ago.
        let from = from.max(self.now);
        if from >= to || to.since(from) > Target::LENGTH_MAX || from.since(self.now) > Target::AHEAD_MAX {
            return Err(Refusal::TargetTimes { node, from, to, now: self.now });
        }
        let targets = self.bounds.get(&node).map_or(&[][..], |bounds| &bounds.targets);
        if let Some(other) = targets.iter().find(|other| other.from < to && from < other.to) {
            return Err(Refusal::TargetOverlaps { node, target: other.id, from: other.from, to: other.to });
        }
        if targets.len() >= Target::PER_NODE_MAX {
            return Err(Refusal::TooManyTargets { node });
        }
        let most = self.switchable_contracts(node);
        if reduction > most {
            return Err(Refusal::TargetBeyondContracts { node, reduction, most });
        }
        if from <= self.now {
            let baseline = self.baseline(node, from).ok_or(Refusal::BaselineUnknown { node })?;
            self.reachable(node, baseline, reduction).map_err(
                |OutOfReach { baseline, limit, wanted, sheddable }| Refusal::TargetOutOfReach {
                    node,
                    reduction,
                    baseline,
                    limit,
                    wanted,
                    sheddable,
                },
            )?;
        }
        self.targets_given += 1;
        let id = TargetId(self.targets_given);
        let by = origin.operator.clone();
        let target = Target { id, node, reduction, from, to, by: by.clone(), reason: reason.to_owned(), begun: None };
        let targets = &mut self.bounds_mut(node).targets;
        targets.push(target);
        targets.sort_by_key(|target| target.from);
        self.tell(Happening::TargetSet { node, target: id, reduction, from, to, by }, out);
        self.turn_limits_anew();
        self.turn_limits(out);
        let after = format!("{reduction} less from {from} to {to}");
        Ok(Granted {
            reply: Reply::Target { target: id },
            object: format!("{node} {id}"),
            before: String::new(),
            after,
        })
    }

    pub(super) fn cancel_target(
        &mut self,
        origin: &Origin,
        target: TargetId,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let node = self.bounds.iter().find(|(_, bounds)| bounds.targets.iter().any(|held| held.id == target));
        let node = node.map(|(&node, _)| node).ok_or(Refusal::UnknownTarget { target })?;
        self.may_rule(origin, node)?;
        let targets = &mut self.bounds_mut(node).targets;
        let before = targets.iter().find(|held| held.id == target).map(state_of).unwrap_or_default();
        targets.retain(|held| held.id != target);
        let told = Happening::TargetCancelled { node, target, by: origin.operator.clone() };
        self.tell(told, out);
        self.alarms.clear(AlarmCause::TargetOutOfReach { node }, self.now, out);
        self.settle_limit(node, None, out);
        self.plan_next_turn();
        self.notices.look_ahead_anew();
        Ok(Granted {
            reply: Reply::Done,
            object: format!("{node} {target}"),
            before: before.to_owned(),
            after: "cancelled".to_owned(),
        })
    }

    /// All targets that are planned or in force, by node and time.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.bounds.values().flat_map(|bounds| &bounds.targets)
    }

    /// Begins and ends a node's targets as their times come.
    pub(super) fn turn_targets(&mut self, node: NodeId, out: &mut Vec<Output>) {
        let Some(bounds) = self.bounds.get_mut(&node) else { return };
        let now = self.now;
        let (over, going): (Vec<Target>, Vec<Target>) =
            std::mem::take(&mut bounds.targets).into_iter().partition(|target| target.to <= now);
        bounds.targets = going;
        for Target { id: target, begun, reduction, .. } in over {
            self.alarms.clear(AlarmCause::TargetOutOfReach { node }, now, out);
            match begun {
                Some(_) => self.tell(Happening::TargetEnded { node, target, reduction }, out),
                None => {
                    let why = "its time was over before it could begin".to_owned();
                    self.tell(Happening::TargetDropped { node, target, why }, out);
                }
            }
        }
        let due = self.bounds.get(&node).and_then(|bounds| {
            bounds.targets.iter().find(|target| target.begun.is_none() && target.from <= now).cloned()
        });
        if let Some(target) = due {
            self.begin_target(&target, out);
        }
    }

    fn begin_target(&mut self, target: &Target, out: &mut Vec<Output>) {
        let Target { id, node, reduction, from, to, .. } = *target;
        // Without a baseline it waits for one.
        let Some(baseline) = self.baseline(node, from) else { return };
        if let Err(why) = self.reachable(node, baseline, reduction) {
            self.bounds_mut(node).targets.retain(|held| held.id != id);
            let detail = why.in_words(reduction);
            let cause = AlarmCause::TargetOutOfReach { node };
            self.alarms.raise(cause, self.now, || detail.clone(), out);
            // It is over with that; the alarm stays until somebody has seen it.
            self.alarms.clear(cause, self.now, out);
            self.tell(Happening::TargetDropped { node, target: id, why: detail }, out);
            return;
        }
        let limit = baseline - reduction;
        if let Some(held) = self.bounds_mut(node).targets.iter_mut().find(|held| held.id == id) {
            held.begun = Some(Begun { baseline, limit });
        }
        self.alarms.clear(AlarmCause::TargetOutOfReach { node }, self.now, out);
        self.tell(Happening::TargetBegun { node, target: id, baseline, reduction, limit, until: to }, out);
    }

    /// Looks ahead, once a minute: a target that could not be met now calls somebody before it begins.
    pub(super) fn look_at_coming_targets(&mut self, out: &mut Vec<Output>) {
        let soon = |target: &&Target| target.begun.is_none() && target.from.since(self.now) <= LOOK_BEFORE;
        let coming: Vec<Target> = self.targets().filter(soon).cloned().collect();
        for Target { node, reduction, from, .. } in coming {
            let cause = AlarmCause::TargetOutOfReach { node };
            let Some(baseline) = self.baseline(node, self.now) else { continue };
            match self.reachable(node, baseline, reduction) {
                Ok(()) => self.alarms.clear(cause, self.now, out),
                Err(why) => {
                    self.alarms.raise(cause, self.now, || format!("from {from}: {}", why.in_words(reduction)), out);
                }
            }
        }
    }

    /// Mean load of the minutes before an instant, or the load now where none of them was known.
    pub(super) fn baseline(&self, node: NodeId, at: Timestamp) -> Option<Power> {
        let mean = self.recent.mean_before(node, at, self.policy.baseline);
        mean.or_else(|| self.grid.load(node).power())
    }

    /// Whether what may be shed now is enough to bring a node to `reduction` below its baseline.
    fn reachable(&self, node: NodeId, baseline: Power, reduction: Power) -> Result<(), OutOfReach> {
        let limit = baseline - reduction;
        let load = self.grid.load(node).power().unwrap_or(baseline);
        let wanted = load - self.effects.going_from(&self.grid, node) - limit;
        let sheddable = sheddable(&self.facts(node, &Default::default()));
        if limit > Power::ZERO && wanted <= sheddable {
            Ok(())
        } else {
            Err(OutOfReach { baseline, limit, wanted, sheddable })
        }
    }

    /// Whether a target could be met if it began now, by the load and what may be shed.
    pub(super) fn could_begin(&self, node: NodeId, target: TargetId) -> bool {
        let targets = self.bounds.get(&node).map_or(&[][..], |bounds| &bounds.targets);
        targets.iter().find(|held| held.id == target).is_some_and(|target| {
            let baseline = self.baseline(node, self.now);
            baseline.is_some_and(|baseline| self.reachable(node, baseline, target.reduction).is_ok())
        })
    }

    /// What a node's customers have contracted who can be switched, less their safety floors: no target takes more off.
    fn switchable_contracts(&self, node: NodeId) -> Power {
        let inventory = &self.grid.inventory;
        let switchable = self.grid.terminals_below(node).filter_map(|terminal| {
            let rounds = &inventory.terminals.get(&terminal)?.rounds;
            let (_, customer) = self.grid.customer(terminal)?;
            (!rounds.is_empty() && !customer.guaranteed).then_some(customer.contract - customer.safety_floor)
        });
        switchable.sum()
    }
}

impl OutOfReach {
    fn in_words(&self, reduction: Power) -> String {
        let Self { baseline, limit, wanted, sheddable } = self;
        format!(
            "{reduction} off the baseline of {baseline} leave a limit of {limit}: {wanted} would have to be shed, and \
             {sheddable} can be"
        )
    }
}

const fn state_of(target: &Target) -> &'static str {
    if target.begun.is_some() { "in force" } else { "planned" }
}
