//! Whether what hangs on a limited node is supplied at all: a feeder that went dark and comes back.
//!
//! What was never shed by any rule comes back by itself and cold, all at once. It is watched, and nothing that a rule shed
//! returns beside it until the load has settled.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::limits::Watch;
use crate::model::{NodeId, Power, Span, SwitchPosition, Timestamp};
use crate::output::{Happening, Output};
use crate::policy::LimitRule;
use crate::restoration::Hold;

/// A node draws something from this share of its limit on.
const LIT_PERCENT: i64 = 10;
/// A node draws nothing up to this share of its limit; from twice as much on it is back.
const DARK_PERCENT: i64 = 2;
/// A load falls from one to the other within this time where a supply is lost. Slower, it is the night.
const FALLS_WITHIN: Span = Span::from_s(300);
/// A load is settled while it changes by less than this share of the limit.
const SETTLED_PERCENT: i64 = 5;
/// A load that never settles holds restoration for so many times the time to settle, no longer.
const SETTLES_MAX: i64 = 6;

/// How a limited node is supplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Supply {
    /// Not known to have drawn anything, or drawing nothing for a reason that is known.
    #[default]
    Idle,
    /// It drew something then.
    Lit {
        at: Timestamp,
    },
    Dark {
        since: Timestamp,
    },
    /// It was dark `since` then and has been back from `at` on; its load has been near `mark` from `mark_at` on.
    Back {
        since: Timestamp,
        at: Timestamp,
        mark: Power,
        mark_at: Timestamp,
        peak: Power,
    },
}

impl Supply {
    /// Why nothing returns there.
    pub(super) const fn hold(&self, node: NodeId) -> Option<Hold> {
        match *self {
            Self::Idle | Self::Lit { .. } => None,
            Self::Dark { since } => Some(Hold::Dark { node, since }),
            Self::Back { at, .. } => Some(Hold::Settling { node, since: at }),
        }
    }

    /// What `judge_supply` does of a load that was known before, where it does nothing else than note that the node draws
    /// something; whether that is so.
    pub(super) fn stays(&mut self, rule: &LimitRule, load: Power, now: Timestamp) -> bool {
        if rule.settle <= Span::ZERO {
            return *self == Self::Idle;
        }
        match self {
            Self::Dark { .. } | Self::Back { .. } => false,
            Self::Idle | Self::Lit { .. } if load >= rule.limit.percent(LIT_PERCENT) => {
                *self = Self::Lit { at: now };
                true
            }
            Self::Idle => true,
            Self::Lit { .. } => load > rule.limit.percent(DARK_PERCENT),
        }
    }

    /// The centre was away: what a load fell from nobody knows.
    pub(super) const fn look_anew(&mut self) {
        if matches!(self, Self::Lit { .. }) {
            *self = Self::Idle;
        }
    }
}

impl Engine {
    /// Goes by a load that is known, before `watch` takes note that it is. Costs nothing where the rule gives no time to
    /// settle.
    pub(super) fn judge_supply(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        if rule.settle <= Span::ZERO {
            watch.supply = Supply::Idle;
            return;
        }
        let LimitRule { node, limit, .. } = *rule;
        let now = self.now;
        let dark = load <= limit.percent(DARK_PERCENT);
        let unseen = watch.not_measured_since.into_iter().chain(watch.unknown_since).min();
        match watch.supply {
            Supply::Idle | Supply::Lit { .. } => {
                if let (Supply::Lit { at }, Some(unknown)) = (watch.supply, unseen)
                    && unknown.since(at) <= FALLS_WITHIN
                    && self.every_link_is_new(node, unknown)
                {
                    // Nobody saw it: all that is below was gone, and is there again.
                    self.goes_dark(rule, watch, unknown, out);
                    if !dark {
                        self.comes_back(rule, watch, unknown, load, out);
                    }
                } else if load >= limit.percent(LIT_PERCENT) {
                    watch.supply = Supply::Lit { at: now };
                } else if let Supply::Lit { at } = watch.supply
                    && dark
                {
                    if now.since(at) <= FALLS_WITHIN && self.should_draw(node) {
                        self.goes_dark(rule, watch, now, out);
                    } else {
                        watch.supply = Supply::Idle;
                    }
                }
            }
            Supply::Dark { since } if load > limit.percent(2 * DARK_PERCENT) => {
                self.comes_back(rule, watch, since, load, out);
            }
            Supply::Dark { .. } => {}
            Supply::Back { .. } if dark => self.goes_dark(rule, watch, now, out),
            Supply::Back { since, at, mark, mark_at, peak } => {
                let peak = peak.max(load);
                let moved = (load - mark).get().abs() > limit.percent(SETTLED_PERCENT).get();
                let (mark, mark_at) = if moved { (load, now) } else { (mark, mark_at) };
                let longest = Span::new(rule.settle.get().saturating_mul(SETTLES_MAX));
                if now.since(mark_at) >= rule.settle || now.since(at) >= longest {
                    watch.supply = Supply::Lit { at: now };
                    self.tell(Happening::SupplySettled { node, load, peak, after: now.since(at) }, out);
                } else {
                    watch.supply = Supply::Back { since, at, mark, mark_at, peak };
                }
            }
        }
    }

    fn goes_dark(&mut self, rule: &LimitRule, watch: &mut Watch, since: Timestamp, out: &mut Vec<Output>) {
        watch.supply = Supply::Dark { since };
        self.promised.retain(|promise| promise.node != rule.node);
        self.tell(Happening::WentDark { node: rule.node, off: self.count_off(rule.node) }, out);
    }

    fn comes_back(
        &mut self,
        rule: &LimitRule,
        watch: &mut Watch,
        since: Timestamp,
        load: Power,
        out: &mut Vec<Output>,
    ) {
        let (node, now) = (rule.node, self.now);
        watch.supply = Supply::Back { since, at: now, mark: load, mark_at: now, peak: load };
        let off = self.count_off(node);
        self.tell(Happening::SupplyBack { node, load, dark_for: now.since(since), off }, out);
    }

    fn count_off(&self, node: NodeId) -> u32 {
        u32::try_from(self.shed_by(node).count()).unwrap_or(u32::MAX)
    }

    /// Why nothing returns below `node`: it or a node above it is dark, or was so lately.
    pub(super) fn supply_hold(&self, node: NodeId, watch: &Watch) -> Option<Hold> {
        watch.supply.hold(node).or_else(|| {
            let mut above = self.grid.inventory.path_up(node).filter(|above| *above != node);
            above.find_map(|above| self.watches.get(&above)?.supply.hold(above))
        })
    }

    /// Whether somebody below is connected for all that is known, so that nothing drawn means nothing supplied.
    fn should_draw(&self, node: NodeId) -> bool {
        self.grid.terminals_below(node).any(|terminal| {
            let Some(shed) = self.sheds.get(&terminal) else { return true };
            let rounds = self.grid.inventory.terminals.get(&terminal).into_iter().flat_map(|of| of.rounds.keys());
            rounds
                .filter(|round| !shed.contains_key(round))
                .any(|round| self.grid.position(terminal, *round, self.now) == Some(SwitchPosition::Closed))
        })
    }

    /// Whether every link below was lost: those that are up came up after `unknown`.
    fn every_link_is_new(&self, node: NodeId, unknown: Timestamp) -> bool {
        let mut any = false;
        let new = self.grid.terminals_below(node).all(|terminal| {
            any = true;
            self.grid.posts.get(&terminal).is_none_or(|post| !post.link_up || post.link_since >= unknown)
        });
        any && new
    }
}
