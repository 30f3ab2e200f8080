//! The futility guard: when a rule stops and calls the operator, and what makes it go on.
//!
//! Plans without effect are not repeated: it goes on when the breach is over, or a person says so. Where there was nobody to
//! shed, links down or loads not known, it goes on as soon as there is.

use super::Engine;
use super::limits::{Phase, Watch};
use super::requests::Granted;
use crate::input::Origin;
use crate::limiting::plan::Task;
use crate::model::{NodeId, Power, Span};
use crate::output::{AlarmCause, Happening, Output, Refusal, Reply};
use crate::policy::LimitRule;
use crate::view::Stopped;

/// How often a rule that gave up looks whether there is something to shed by now.
const LOOK_AGAIN: Span = Span::from_s(60);

impl Engine {
    /// Stops a rule for the rest of its breach.
    pub(super) fn give_up(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        self.stop(rule, watch, watch.passes(), load, out);
        watch.look_again_at = None;
    }

    fn stop(&mut self, rule: &LimitRule, watch: &mut Watch, passes: u8, load: Power, out: &mut Vec<Output>) {
        let LimitRule { node, limit, .. } = *rule;
        watch.phase = Phase::Futile;
        self.tell(Happening::Futile { node, passes, load, limit }, out);
        let detail = || format!("{load} of {limit} after {passes} plans");
        self.alarms.raise(AlarmCause::LimitFutile { node }, self.now, detail, out);
    }

    /// Stops a rule until there is something to shed. The plan that sheds nobody was one more, but uses up none.
    pub(super) fn give_up_for_now(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        self.stop(rule, watch, watch.passes().saturating_add(1), load, out);
        watch.look_again_at = Some(self.now.after(LOOK_AGAIN));
    }

    /// A rule that found nobody to shed goes on where there is somebody by now.
    pub(super) fn look_again(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        let due = watch.look_again_at.is_some_and(|at| self.now >= at);
        if !due || self.stopped().is_some() || !self.is_over_long_enough(rule, watch) {
            return;
        }
        watch.look_again_at = Some(self.now.after(LOOK_AGAIN));
        let node = rule.node;
        let wanted = load - rule.target() - self.effects.going_from(&self.grid, node) - self.left_to_those_below(rule);
        let task = Task { rule, pass: watch.passes().saturating_add(1), load, wanted };
        if wanted <= Power::ZERO || self.plan_with_notice(&task, watch).1.shed.is_empty() {
            return;
        }
        watch.phase = Phase::Watching;
        self.alarms.clear(AlarmCause::LimitFutile { node }, self.now, out);
        self.shed(rule, watch, load, out);
    }

    /// A person wants a rule that gave up to plan anew: what stood in its way is mended.
    pub(super) fn try_again(
        &mut self,
        origin: &Origin,
        node: NodeId,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        self.rule_for(origin, node)?;
        if let Some(Stopped { by, since, .. }) = self.stopped() {
            return Err(Refusal::AutomaticStopped { by: by.clone(), since: *since });
        }
        let watch = self.watches.get_mut(&node).filter(|watch| matches!(watch.phase, Phase::Futile));
        watch.ok_or(Refusal::NotGivenUp { node })?.begin_anew();
        self.alarms.clear(AlarmCause::LimitFutile { node }, self.now, out);
        let (by, reason) = (origin.operator.clone(), reason.to_owned());
        self.tell(Happening::TriesAgain { node, by, reason }, out);
        self.watch(node, out);
        let (before, after) = ("given up".to_owned(), "planning anew".to_owned());
        Ok(Granted { reply: Reply::Done, object: node.to_string(), before, after })
    }
}
