//! A short forecast of a node's load, so that a plan can come before the breach.
//!
//! It costs nothing per reading: once a minute a straight line is laid through the last minutes' mean loads. What the centre
//! switched in them is taken out, so that its own steps are no trend. It decides only where the line fits well, and never on
//! its own: the load has to be at its warning level already.

use super::Engine;
use super::limits::Watch;
use crate::model::{NodeId, Power, Span, TerminalId};
use crate::output::{Happening, Output};
use crate::policy::LimitRule;
use crate::view::Forecast;

impl Engine {
    /// Looks ahead at every node whose rule wants it.
    pub(super) fn look_ahead(&mut self) {
        for rule in &self.policy.limits {
            if rule.forecast > Span::ZERO {
                self.recent.look_ahead(rule.node, self.now, rule.forecast);
            }
        }
    }

    /// A switch moved by an order: not a trend of any node above.
    pub(super) fn switched(&mut self, terminal: TerminalId, change: Power) {
        for node in self.grid.path(terminal) {
            self.recent.switched(node, change, self.now);
        }
    }

    /// The forecast of a rule that looks ahead, where there is one.
    pub(super) fn forecast(&self, rule: &LimitRule) -> Option<Forecast> {
        self.recent.forecast(rule.node, self.now).filter(|_| rule.forecast > Span::ZERO)
    }

    /// A forecast by which a node will be above its limit, where its load is near it already.
    pub(super) fn foreseen(&self, rule: &LimitRule, load: Power) -> Option<Forecast> {
        let forecast = self.forecast(rule)?;
        (load >= rule.warning() && load <= rule.limit && forecast.least > rule.limit).then_some(forecast)
    }

    /// Makes a plan before the breach, once for each forecast.
    pub(super) fn shed_ahead(
        &mut self,
        rule: &LimitRule,
        watch: &mut Watch,
        load: Power,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(forecast) = self.foreseen(rule, load) else { return false };
        if self.stopped().is_some() || watch.foresaw_at == forecast.made_at || watch.in_breach() {
            return false;
        }
        watch.foresaw_at = forecast.made_at;
        self.shed_for(rule, watch, load, Some(forecast), out)
    }

    /// Whether the plan under way at a node was made before its breach, and the load is still near the limit.
    pub(super) fn is_planned_ahead(&self, node: NodeId) -> bool {
        let (Some(watch), Some(rule)) = (self.watches.get(&node), self.policy.rule(node)) else { return false };
        watch.planned_ahead && self.grid.load(node).power().is_some_and(|load| load >= rule.warning())
    }

    pub(super) fn tell_foreseen(&mut self, rule: &LimitRule, load: Power, forecast: Forecast, out: &mut Vec<Output>) {
        let LimitRule { node, limit, .. } = *rule;
        let told = Happening::Foreseen { node, load, forecast, limit };
        self.tell(told, out);
    }

    /// Whether a node, or one above it, is foreseen above what a plan aims at: nothing comes back then.
    pub(super) fn rises_towards_limit(&self, node: NodeId) -> bool {
        self.grid
            .inventory
            .path_up(node)
            .filter_map(|above| self.policy.rule(above))
            .any(|rule| self.forecast(rule).is_some_and(|forecast| forecast.load > rule.target()))
    }
}
