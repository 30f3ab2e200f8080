//! The staged return of what a rule shed: the most important first, then those off longest, then those that
//! went without most; each stage into the headroom that is
//! there with cold-load pick-up (`restoration-under-limit`).

use std::cmp::Reverse;

use super::limits::{Phase, Watch};
use super::orders::Settled;
use super::{Engine, Holder, Shed, Stuck};
use crate::limiting::check::{Violation, check_stage};
use crate::model::{NodeId, Power, RoundNo, Span, SwitchPosition, TerminalId};
use crate::orders::{Action, Issuer, OrderId};
use crate::output::{Choice, Happening, Output, Reason};
use crate::policy::LimitRule;
use crate::state::promised::{Promise, delay};

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
        self.keep_promises(rule, watch, load, out);
        if watch.restoring.iter().any(|id| self.under_way(*id)) || self.promised.by(node).next().is_some() {
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
            watch.steps_back = 0;
            watch.rest_until = self.now;
            watch.phase = Phase::Watching;
            return;
        }
        if let Some(hold) = self.supply_hold(node, watch) {
            // What is dark takes anything without showing it, until it is supplied.
            if matches!(watch.phase, Phase::Restoring { .. }) {
                watch.phase = Phase::Watching;
            }
            if !watch.supply_told {
                watch.supply_told = true;
                self.tell(Happening::ReturnHeld { node, hold }, out);
            }
            return;
        }
        watch.supply_told = false;
        match watch.phase {
            Phase::Restoring { next_at } if self.now < next_at => return,
            Phase::Restoring { .. } => {}
            _ => {
                let calm = watch.calm_since.is_some_and(|since| self.now.since(since) >= rule.restore_hold);
                if !calm || watch.over() || self.now < watch.rest_until {
                    return;
                }
            }
        }
        if self.waits_for_above(node, watch, out) || self.rises_towards_limit(node) || self.measures_return_to(node) {
            return;
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
            let Some(Settled { order, asked, .. }) = self.ledger.take_settled(id) else { continue };
            let terminal = order.terminal;
            let Some(round) = order.action.round() else { continue };
            if order.state.took_effect() {
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

    fn class_of(&self, terminal: TerminalId) -> u8 {
        self.grid.customer(terminal).map_or(u8::MAX, |(_, customer)| customer.priority.get())
    }

    /// What the rule of `node` shed, in the order in which it returns.
    pub(super) fn off_in_order(&self, node: NodeId) -> Vec<(TerminalId, RoundNo, Shed)> {
        let mut off: Vec<(TerminalId, RoundNo, Shed)> = self.shed_by(node).collect();
        let curtailed = |terminal| {
            let customer = self.grid.customer(terminal);
            customer.map(|(id, _)| self.curtailed_by_now(id, terminal)).unwrap_or_default()
        };
        // The switches of one plan open within seconds of each other: that is no difference to anybody.
        off.sort_by_cached_key(|(terminal, round, shed)| {
            let minute = shed.since.get() / 60_000;
            (self.class_of(*terminal), minute, Reverse(curtailed(*terminal)), shed.since, *terminal, *round)
        });
        off
    }

    /// Whether a round that is off can be reached and nobody has it.
    pub(super) fn is_ready(&self, terminal: TerminalId, round: RoundNo) -> bool {
        self.grid.posts.get(&terminal).is_some_and(|post| post.link_up)
            && self.grid.position(terminal, round, self.now) == Some(SwitchPosition::Open)
            && !self.ledger.holds_round(terminal, round)
            && self.tag_on_round(terminal, round).is_none()
    }

    /// Chooses and orders one stage, if anything fits.
    fn stage(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        if self.stopped().is_some() {
            return;
        }
        let node = rule.node;
        let off = self.off_in_order(node);
        let class = |terminal| self.class_of(terminal);
        let left = off.len();
        if watch.stage == 0 {
            // Who had to step back goes on in smaller steps.
            watch.stage_rounds = left.div_ceil(STAGE_PART) >> watch.steps_back.min(usize::BITS - 1);
        }
        let coming = self.effects.coming_to(&self.grid, node, &[]) + self.promised.coming_to(&self.grid, node, &[]);
        let room = rule.target() - load - coming;
        let mut chosen: Vec<Choice> = Vec::new();
        let mut held = None;
        for (terminal, round, shed) in off {
            if chosen.len() >= watch.stage_rounds.max(1) {
                break;
            }
            if !self.is_due(rule, &shed) || !self.is_ready(terminal, round) {
                continue;
            }
            if let Some(barred) = self.barred(terminal, Action::Restore { round }) {
                let interlock = barred.interlock;
                held.get_or_insert(Happening::RestoreBarred { node, terminal, round, interlock });
                continue;
            }
            if self.hidden_at(terminal).is_some() {
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
        if let Some(
            told @ (Happening::RestoreHeld { terminal, round, .. } | Happening::RestoreBarred { terminal, round, .. }),
        ) = held
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
        for choice in chosen {
            let shed = self.sheds.get(&choice.terminal).and_then(|rounds| rounds.get(&choice.round));
            let shed_at = shed.map(|shed| shed.since).unwrap_or_default();
            let at = self.now.after(delay(choice.terminal, choice.round, shed_at, rule.restore_spread));
            self.promised.make(Promise { node, stage, at, choice });
        }
        watch.phase = Phase::Restoring { next_at: self.now.after(rule.restore_step) };
        self.keep_promises(rule, watch, load, out);
    }

    /// Orders what is promised and due, if it still fits. What does not for want of room waits for it, or for the rule to
    /// step back; what cannot return for another reason stays off for a later stage.
    fn keep_promises(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        let LimitRule { node, limit, .. } = *rule;
        if self.promised.is_empty() {
            return;
        }
        let due: Vec<Promise> = self.promised.by(node).filter(|promise| promise.at <= self.now).copied().collect();
        for Promise { stage, choice: Choice { terminal, round, reason, .. }, .. } in due {
            let power = self.comes_back_with(terminal, round);
            let choice = Choice { terminal, round, power, reason };
            match check_stage(&self.world(), rule, &[choice]) {
                Ok(()) => {
                    let why = format!("{node} at {load} of {limit}, restoration stage {stage}: {reason}");
                    let issuer = Issuer::Limit { node };
                    let order = self.issue(terminal, Action::Restore { round }, issuer, why, Some(power), out);
                    watch.restoring.push(order);
                }
                Err(Violation::OverLimit { .. }) => {}
                Err(_) => self.promised.end(terminal, round),
            }
        }
    }

    /// The limited node above `terminal` whose target `power` would exceed, with the load that it would have; the node
    /// itself where its load is not known.
    pub(super) fn too_much_at(
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
