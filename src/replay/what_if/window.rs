//! A window of the journal at one node: what is otherwise from its beginning on, and what came of it.

use std::collections::BTreeMap;

use headroom_rules::engine::Engine;
use headroom_rules::input::{Input, Origin, Request};
use headroom_rules::model::{NodeId, Power, Timestamp};
use headroom_rules::policy::Policy;

use super::super::course::{Course, Watched};
use super::numbers::Numbers;
use super::{Run, Switch, WhatIf, below_heads};

/// What is otherwise for the second engine; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// All rules are these.
    pub rules: Option<Policy>,
    /// A node's rule has this limit at all hours, and nobody has set a lower one.
    pub limit: Option<(NodeId, Power)>,
}

impl Change {
    const fn is_none(&self) -> bool {
        self.rules.is_none() && self.limit.is_none()
    }

    fn of(&self, was: &Policy) -> Policy {
        let mut policy = self.rules.as_ref().unwrap_or(was).clone();
        if let Some((node, limit)) = self.limit {
            for rule in policy.limits.iter_mut().filter(|rule| rule.node == node) {
                (rule.limit, rule.schedule) = (limit, None);
            }
        }
        policy
    }
}

impl WhatIf {
    /// From `from` on, at one node: the two engines begin as one, `engine`, which is what the journal came to before.
    pub fn within(change: Change, node: NodeId, from: Timestamp, engine: Engine) -> Self {
        let limit = change.limit.map(|(_, limit)| limit);
        let off = engine.rounds_off().map(|(terminal, round, power)| ((terminal, round), power));
        let opened: BTreeMap<Switch, Power> = off.collect();
        let off: BTreeMap<_, _> = opened.iter().map(|(switch, power)| (*switch, (from, *power))).collect();
        let watched = Some(Watched::new(node, from, limit, &engine));
        let mut this = Self {
            apart_from: engine.next_order(),
            numbers: Numbers::of(&engine),
            opened_there: opened.clone(),
            opened,
            below: below_heads(engine.inventory()),
            was: Run { engine: engine.clone(), off: off.clone(), watched: watched.clone(), ..Run::default() },
            would: Run { engine, off, watched, ..Run::default() },
            begun: true,
            from: Some(from),
            ..Self::changed(change)
        };
        if !this.change.is_none() {
            let rules = this.would.engine.rules();
            this.give_rules(from, &rules);
            if let Some(watched) = &mut this.would.watched {
                watched.limit_is_another(&this.would.engine);
            }
        }
        this
    }

    /// The rules of the journal, changed.
    pub(super) fn give_rules(&mut self, at: Timestamp, was: &Policy) {
        self.give(&Input::Policy { at, policy: Box::new(self.change.of(was)) });
        // What somebody set below the limit that is asked about would stay in force.
        if let Some((node, limit)) = self.change.limit
            && self.would.engine.node_limit(node).is_some_and(|in_force| in_force < limit)
        {
            let origin = Origin::new("what if", "");
            let request = Request::SetLimit { node, limit, expected: None, reason: String::new() };
            self.give(&Input::Request { at, origin, request });
        }
    }

    /// What came of a window that ends at `to`, and what would have come.
    pub fn end_of_window(self, to: Timestamp) -> [Course; 2] {
        [self.was, self.would].map(|Run { engine, watched, .. }| match watched {
            Some(watched) => watched.end(&engine, to),
            None => Course::default(),
        })
    }
}
