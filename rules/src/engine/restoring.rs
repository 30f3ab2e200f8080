//! The staged return of what a rule shed: the most important and longest off first, each stage into the headroom that is
//! there with cold-load pick-up (`restoration-under-limit`).

use super::limits::{Phase, Watch};
use super::orders::Settled;
use super::{Engine, Holder, Shed, Stuck};
use crate::limiting::check::check_stage;
use crate::model::{NodeId, Power, RoundNo, Span, SwitchPosition, TerminalId};
use crate::orders::{Action, Issuer, OrderId, OrderState};
use crate::output::{Choice, Happening, Output, Reason};
use crate::policy::LimitRule;

/// After a failed attempt a round is left alone for at least this long.
const RETRY_AFTER: Span = Span::from_s(60);
/// Between two looks at what is off.
const LOOK_AGAIN: Span = Span::from_s(1);
/// A stage fills at most this share of the headroom that is there, so that what comes back late or higher has room; a
/// single round may fill it all.
const STAGE_PERCENT: i64 = 50;
/// However much headroom there is, a stage is at most one in so many of the rounds that are off, rounded up: a load that
/// returns all at once is a step that the network above has to carry.
const STAGE_PART: usize = 4;

impl Engine {
    /// Begins or goes on with the restoration of what `rule` shed.
    pub(super) fn restore(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        let node = rule.node;
        self.count_restored(rule, watch, out);
        if watch.restoring.iter().any(|id| self.under_way(*id)) {
            return;
        }
        // Readings come by the thousand; what may come back changes slowly.
        if self.now < watch.look_at {
            return;
        }
        watch.look_at = self.now.after(LOOK_AGAIN);
        if self.shed_by(node).next().is_none() {
            if let Some(since) = watch.shed_since.take() {
                let (rounds, shed_for) = (std::mem::take(&mut watch.restored), self.now.since(since));
                // Rounds that were closed by hand need no story of their own.
                if rounds > 0 {
                    self.tell(Happening::Restored { node, rounds, shed_for }, out);
                }
            }
            watch.stage = 0;
            watch.phase = Phase::Watching;
            return;
        }
        match watch.phase {
            Phase::Restoring { next_at } if self.now < next_at => return,
            Phase::Restoring { .. } => {}
            _ => {
                let calm = watch.calm_since.is_some_and(|since| self.now.since(since) >= rule.restore_hold);
                if !calm || watch.over() {
                    return;
                }
            }
        }
        self.stage(rule, watch, load, out);
    }

    /// What became of the stages' orders.
    fn count_restored(&mut self, rule: &LimitRule, watch: &mut Watch, out: &mut Vec<Output>) {
        let is_final = |id: &OrderId| self.ledger.get_open(*id).is_none();
        let done: Vec<OrderId> = watch.restoring.iter().copied().filter(is_final).collect();
        if done.is_empty() {
            return;
        }
        watch.restoring.retain(|id| !done.contains(id));
        for id in done {
            let Some(Settled { order, asked }) = self.ledger.take_settled(id) else { continue };
            let terminal = order.terminal;
            let Some(round) = order.action.round() else { continue };
            if order.state == OrderState::Confirmed {
                watch.restored += 1;
                continue;
            }
            if let Some(shed) = self.sheds.get_mut(&terminal).and_then(|rounds| rounds.get_mut(&round)) {
                // A terminal that was not even asked is asked again soon.
                let rest = if asked { rule.off_time_min.max(RETRY_AFTER) } else { RETRY_AFTER };
                shed.not_before = self.now.after(rest);
            }
            if asked {
                let detail = format!("order {id}: restoration {}: {}", order.state, order.detail);
                let stuck = Stuck { position: SwitchPosition::Open, supplied_above: None };
                self.did_not_respond(terminal, round, stuck, detail, out);
            }
        }
    }

    fn is_due(&self, rule: &LimitRule, shed: &Shed) -> bool {
        shed.by == Holder::Rule(rule.node)
            && self.now.since(shed.since) >= rule.off_time_min
            && self.now >= shed.not_before
    }

    /// Chooses and orders one stage, if anything fits.
    fn stage(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        if self.stopped().is_some() {
            return;
        }
        let LimitRule { node, limit, .. } = *rule;
        let mut off: Vec<(TerminalId, RoundNo, Shed)> = self.shed_by(node).collect();
        let class = |terminal| self.grid.customer(terminal).map_or(u8::MAX, |(_, customer)| customer.priority.get());
        off.sort_by_key(|(terminal, round, shed)| (class(*terminal), shed.since, *terminal, *round));
        let left = off.len();
        if watch.stage == 0 {
            watch.stage_rounds = left.div_ceil(STAGE_PART);
        }
        let room = rule.target() - load - self.effects.coming_to(&self.grid, node, &[]);
        let mut chosen: Vec<Choice> = Vec::new();
        let mut held = None;
        for (terminal, round, shed) in off {
            if chosen.len() >= watch.stage_rounds.max(1) {
                break;
            }
            let ready = self.is_due(rule, &shed)
                && self.grid.posts.get(&terminal).is_some_and(|post| post.link_up)
                && self.grid.position(terminal, round, self.now) == Some(SwitchPosition::Open)
                && self.ledger.holding_round(terminal, round).is_none();
            if !ready {
                continue;
            }
            let power = self.comes_back_with(terminal, round);
            let taken: Power = chosen.iter().map(|choice| choice.power).sum();
            if !chosen.is_empty() && taken + power > room.percent(STAGE_PERCENT) {
                continue;
            }
            match self.too_much_at(terminal, round, power, &chosen) {
                Some((full, would_be, limit)) => {
                    held.get_or_insert(Happening::RestoreHeld { node: full, terminal, round, would_be, limit });
                }
                None => {
                    let reason = Reason::MostImportant { class: class(terminal), off_for: self.now.since(shed.since) };
                    chosen.push(Choice { terminal, round, power, reason });
                }
            }
        }
        if let Some(told @ Happening::RestoreHeld { terminal, round, .. }) = held
            && chosen.is_empty()
        {
            if watch.held != Some((terminal, round)) {
                watch.held = Some((terminal, round));
                self.tell(told, out);
            }
            return;
        }
        if chosen.is_empty() {
            return;
        }
        if let Err(violation) = check_stage(&self.world(), rule, &chosen) {
            self.tell(Happening::PlanRefused { node, violation: violation.to_string() }, out);
            watch.phase = Phase::Restoring { next_at: self.now.after(rule.restore_step) };
            return;
        }
        watch.held = None;
        watch.stage = watch.stage.saturating_add(1);
        let left = u32::try_from(left - chosen.len()).unwrap_or(u32::MAX);
        let told = Happening::Restoring { node, stage: watch.stage, load, restored: chosen.clone(), left };
        self.tell(told, out);
        let stage = watch.stage;
        let orders = chosen.iter().map(|choice| {
            let reason = format!("{node} at {load} of {limit}, restoration stage {stage}: {}", choice.reason);
            let action = Action::Restore { round: choice.round };
            self.issue(choice.terminal, action, Issuer::Limit { node }, reason, Some(choice.power), out)
        });
        watch.restoring.extend(orders.collect::<Vec<_>>());
        watch.phase = Phase::Restoring { next_at: self.now.after(rule.restore_step) };
    }

    /// The limited node above `terminal` whose target `power` would exceed, with the load that it would have; the node
    /// itself where its load is not known.
    fn too_much_at(
        &self,
        terminal: TerminalId,
        round: RoundNo,
        power: Power,
        chosen: &[Choice],
    ) -> Option<(NodeId, Power, Power)> {
        let mut anew: Vec<_> = chosen.iter().map(|choice| (choice.terminal, choice.round)).collect();
        anew.push((terminal, round));
        self.limits_above(terminal).find_map(|rule| {
            let beside = chosen.iter().filter(|c| self.grid.path(c.terminal).any(|node| node == rule.node));
            let more: Power = beside.map(|choice| choice.power).sum::<Power>() + power;
            match self.projected(rule.node, more, &anew) {
                Some(load) if load <= rule.target() => None,
                Some(load) => Some((rule.node, load, rule.limit)),
                None => Some((rule.node, more, rule.limit)),
            }
        })
    }
}
