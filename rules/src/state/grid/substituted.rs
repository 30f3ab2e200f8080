//! What counts in the loads though it was not measured: values by hand, and what stands in for a measured one.

use super::super::places::Place;
use super::standing_in::Standing;
use super::{Grid, PLAUSIBLE, Post, Source, Sum};
use crate::model::{NodeId, Power, TerminalId, Timestamp};
use crate::view::Load;

impl Sum {
    /// The power of one part is not measured any more, or is again.
    pub(super) fn mark(&mut self, substituted: bool) {
        let count = self.substituted;
        self.substituted = if substituted { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    /// Whether it is a part of what lies above: it supplies somebody, is measured, or a person says what it draws.
    const fn is_part(&self) -> bool {
        self.parts > 0 || self.head.is_some() || self.dressed
    }
}

impl Post {
    /// The load of the node that it measures.
    pub(super) fn load_at_head(&self) -> Load {
        match self.counted {
            Some(power) if self.is_substituted() => Load::Substituted { power },
            Some(power) => Load::Measured { power },
            None => Load::Unknown,
        }
    }
}

impl Grid {
    /// From now on a terminal's power counts as `power` in the loads above, whatever it tells; none: it is not known.
    pub(crate) fn substitute(&mut self, terminal: TerminalId, power: Option<Power>) {
        let Some(place) = self.posts.place(&terminal) else { return };
        self.mark_post(place, Source::ByHand);
        self.count(place, power);
        if let Some(post) = self.posts.at_mut(place) {
            post.beside.standing = Standing::default();
        }
        self.lacking.remove(&place);
        self.find_stood();
    }

    /// A terminal's power counts again as it tells.
    pub(crate) fn let_count(&mut self, terminal: TerminalId, now: Timestamp) {
        let Some(place) = self.posts.place(&terminal) else { return };
        self.mark_post(place, Source::Told);
        let told = self.posts.at(place).and_then(|post| post.load(now, self.age_max).ok());
        self.count(place, told);
        self.forget_standing(place);
    }

    pub(super) fn mark_post(&mut self, place: Place<TerminalId>, source: Source) {
        let Some(post) = self.posts.at_mut(place) else { return };
        let was = post.is_substituted();
        post.source = source;
        let substituted = post.is_substituted();
        if was == substituted {
            return;
        }
        let heads: Vec<Place<NodeId>> = post.head.into_iter().chain(post.beside.more_heads.iter().copied()).collect();
        if let Some(node) = post.place {
            if let Some(sum) = self.sums.at_mut(node) {
                sum.mark(substituted);
            }
            self.renew(node);
        }
        for head in heads {
            self.renew(head);
        }
    }

    /// From now on a node's load is what a person says; none: what is measured.
    pub(crate) fn dress(&mut self, node: NodeId, power: Option<Power>) {
        self.dress_sum(node, power);
        self.find_stood();
    }

    fn dress_sum(&mut self, node: NodeId, power: Option<Power>) {
        let Some(place) = self.sums.place(&node) else { return };
        let Some(sum) = self.sums.at_mut(place) else { return };
        let (was_part, before) = (sum.is_part(), sum.load);
        sum.dressed = power.is_some();
        let load = power.map_or_else(|| sum.load_from_parts(&self.posts), |power| Load::Substituted { power });
        sum.load = load;
        if !std::mem::replace(&mut sum.dirty, true) {
            self.dirty.push(place);
        }
        let (is_part, parent) = (sum.is_part(), sum.parent);
        let Some(parent) = parent else { return };
        let Some(above) = self.sums.at_mut(parent) else { return };
        match (was_part, is_part) {
            (true, true) => above.count(before.power(), load.power()),
            // A node that supplies nobody whom the centre knows is a part only while a person says what it draws.
            (false, true) => {
                above.parts += 1;
                above.count_more(load.power());
            }
            (true, false) => {
                above.parts = above.parts.saturating_sub(1);
                above.count(before.power(), Some(Power::ZERO));
            }
            (false, false) => {}
        }
        if before.is_substituted() != load.is_substituted() {
            above.mark(load.is_substituted());
        }
        self.renew(parent);
    }

    /// Whether a node's load would not show what a terminal below it switches: a value that was not measured lies between.
    pub(crate) fn hides(&self, node: NodeId, terminal: TerminalId) -> bool {
        let Some(post) = self.posts.get(&terminal) else { return false };
        let mut hidden = post.is_substituted();
        let up_to = self.sums.place(&node);
        for place in self.places_up(post.place) {
            let Some(sum) = self.sums.at(place) else { return hidden };
            if sum.dressed {
                hidden = true;
            } else if let Some(head) = sum.head.and_then(|head| self.posts.at(head)) {
                hidden = head.is_substituted();
            }
            if Some(place) == up_to {
                break;
            }
        }
        hidden
    }

    /// The most, in either direction, that a node or a terminal can be believed to draw.
    pub(crate) fn power_max(&self, terminal: Option<TerminalId>) -> Power {
        terminal.and_then(|terminal| self.posts.get(&terminal)).map_or(PLAUSIBLE, |post| post.power_max)
    }
}
