//! Notices of limits that are known to come down: targets and steps of a schedule.
//!
//! So long before such a limit as its rule gives notice, or up to a minute more, a plan is made for it with the load of then, checked and announced for
//! the time when it begins; it is made anew each minute, and those whom it newly chooses are told too. Nothing is tripped
//! before the limit is in force: then the node is over it, and the rule goes its way with customers who were told.

use super::Engine;
use crate::limiting::ahead::check_ahead;
use crate::limiting::check::{World, check_plan};
use crate::limiting::plan::{Task, plan};
use crate::model::{NodeId, Power, Span};
use crate::output::{Happening, Output};
use crate::policy::LimitRule;
use crate::target::{LimitAhead, LimitSource};

use super::notices::Stage;

/// What comes is looked at so often, and so much earlier than the notice begins: nobody has less of it for that.
const LOOK_EVERY: Span = Span::from_s(60);

impl Engine {
    /// Looks at limits that are known to come down, once a minute and where something changed what is known.
    pub(super) fn tell_ahead(&mut self, out: &mut Vec<Output>) {
        if !self.notices.looks_ahead(self.now, LOOK_EVERY) {
            return;
        }
        self.call_off_what_comes_not(out);
        if self.stopped().is_some() {
            return;
        }
        let gives = |rule: &&LimitRule| rule.notice.is_given() && self.bounds.contains_key(&rule.node);
        let mut nodes: Vec<NodeId> = self.policy.limits.iter().filter(gives).map(|rule| rule.node).collect();
        // What is announced below counts above.
        nodes.sort_by_key(|&node| (std::cmp::Reverse(self.grid.inventory.path_up(node).count()), node));
        for node in nodes {
            self.tell_ahead_of(node, out);
        }
    }

    fn tell_ahead_of(&mut self, node: NodeId, out: &mut Vec<Output>) {
        let Some(watch) = self.watches.get(&node).filter(|watch| watch.is_idle() && !watch.in_breach()) else { return };
        if self.notices.of(node).is_some_and(|standing| !standing.is_ahead(self.now)) {
            return;
        }
        let (Some(rule), Some(load)) = (self.policy.rule(node), self.grid.load(node).power()) else { return };
        let Some(ahead) = self.lower_limit_ahead(node, rule.notice.before + LOOK_EVERY) else { return };
        if let LimitSource::Target { target } = ahead.source
            && !self.could_begin(node, target)
        {
            // It would be dropped at its beginning, and somebody is called for that.
            return;
        }
        let lowered = LimitRule { schedule: None, limit: ahead.limit, margin: Some(ahead.limit - ahead.aim), ..*rule };
        let foreseen = self.forecast(rule).filter(|forecast| forecast.at <= ahead.at);
        let expected = foreseen.map_or(load, |forecast| forecast.load.max(load));
        let going = self.effects.going_from(&self.grid, node) + self.announced_below(node, &ahead);
        // What customers do themselves by then is not announced besides.
        let going = going + self.measures_by(node, ahead.at);
        let wanted = expected - going - lowered.target();
        if expected - going <= ahead.limit || wanted <= Power::ZERO {
            return;
        }
        let deaf = watch.deaf.clone();
        self.settle_unanswered();
        let mut facts = self.facts(node, &deaf);
        self.spare_unreached(&lowered, Stage::Announce, &mut facts);
        let plan = plan(&Task { rule: &lowered, pass: 1, load, wanted }, &facts);
        if plan.shed.is_empty() {
            return;
        }
        let world = World { deaf, ..self.world() };
        match check_plan(&world, &plan, &lowered).and_then(|()| check_ahead(&world, &plan, &ahead)) {
            Ok(()) => self.announce(&lowered, false, &plan, Some(ahead), out),
            Err(violation) => self.tell(Happening::PlanRefused { node, violation: violation.to_string() }, out),
        }
    }

    /// What customers were told of below a node by the time at which its limit comes down.
    fn announced_below(&self, node: NodeId, ahead: &LimitAhead) -> Power {
        let below = self.notices.standing().filter(|standing| {
            let by_then = standing.ahead.is_some_and(|of| of.at <= ahead.at) && standing.is_ahead(self.now);
            by_then && standing.node != node && self.grid.inventory.path_up(standing.node).any(|above| above == node)
        });
        below.flat_map(|standing| &standing.notices).filter(|it| it.called_off.is_none()).map(|it| it.power).sum()
    }

    /// Calls off what was announced for a limit that does not come, or has not come.
    fn call_off_what_comes_not(&mut self, out: &mut Vec<Output>) {
        let waiting = self.notices.standing().filter(|standing| standing.waits && !standing.in_breach);
        let announced: Vec<(NodeId, LimitAhead)> =
            waiting.filter_map(|standing| Some((standing.node, standing.ahead?))).collect();
        for (node, ahead) in announced {
            let comes = if self.now < ahead.at {
                self.is_still_ahead(node, &ahead)
            } else {
                let source = self.in_force(node).map(|in_force| in_force.source);
                source == Some(ahead.source) || self.policy.rule(node).is_some_and(|rule| rule.limit <= ahead.limit)
            };
            if !comes {
                self.end_announcement(node, "the limit does not come down as it was to", out);
            }
        }
    }
}
