//! What customers were told, by the node for whose limit.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Power, Span, Timestamp};
use crate::notices::{Announcement, Sending};
use crate::policy::LimitRule;

/// What customers were told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Notices {
    pub(crate) last: u64,
    /// One at most for each node.
    pub(crate) standing: BTreeMap<NodeId, Announcement>,
    /// The newest first.
    pub(crate) past: VecDeque<Announcement>,
    /// When limits that are known to come are looked at next.
    look_ahead_at: Timestamp,
}

impl Notices {
    /// Announcements that are over and still shown.
    pub(crate) const KEPT: usize = 20;

    /// The standing ones, then those that are over, the newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Announcement> {
        self.standing.values().chain(&self.past)
    }

    pub(crate) fn of(&self, node: NodeId) -> Option<&Announcement> {
        self.standing.get(&node)
    }

    /// One at most for each node.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Announcement> {
        self.standing.values()
    }

    /// What is known to come is another thing: it is looked at with the next tick.
    pub(crate) const fn look_ahead_anew(&mut self) {
        self.look_ahead_at = Timestamp::new(0);
    }

    /// Whether it is time to look at what is known to come, which is then due again after `every`.
    pub(crate) fn looks_ahead(&mut self, now: Timestamp, every: Span) -> bool {
        let due = now >= self.look_ahead_at;
        if due {
            self.look_ahead_at = now.after(every);
        }
        due
    }

    /// Goes on with numbers higher by `count`.
    pub(crate) const fn skip_numbers(&mut self, count: u64) {
        self.last = self.last.saturating_add(count);
    }

    /// Until when the plan of a rule waits for its notice, as far as that is known.
    pub(crate) fn hold_until(&self, rule: &LimitRule, load: Power, now: Timestamp) -> Timestamp {
        if !rule.notice.is_given() || rule.notice.is_urgent(load, rule.limit) {
            return now;
        }
        match self.standing.get(&rule.node) {
            Some(standing) if standing.waits => standing.due,
            Some(_) => now,
            None => now.after(rule.notice.before),
        }
    }

    pub(crate) fn sendings(&mut self) -> impl Iterator<Item = &mut Sending> {
        let all = self.standing.values_mut().chain(&mut self.past);
        all.flat_map(|it| &mut it.notices)
            .flat_map(|notice| std::iter::once(&mut notice.told).chain(&mut notice.called_off))
    }
}
