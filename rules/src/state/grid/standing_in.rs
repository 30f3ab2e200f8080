//! What stands in for a power that may not decide: what other meters make of it, or what it was.
//!
//! It counts as SB in the loads above, so that a limit is watched rather than not known. Nobody is shed by it: what the
//! terminal itself told stays what it is.

use serde::{Deserialize, Serialize};

use super::super::places::Place;
use super::{Grid, Source, Sum};
use crate::model::{NodeId, Power, Span, TerminalId, Timestamp};
use crate::policy::{StandInBy, Substitute};

/// What stands in for a power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Standing {
    /// By what, while something does.
    pub(super) by: Option<StandInBy>,
    /// Since when it has been lacking.
    since: Option<Timestamp>,
    /// What it was before.
    pub(super) last: Option<Power>,
    /// Of which reading of the meter above it is the rest, by its arrival.
    rest_of: Option<Timestamp>,
}

impl Grid {
    /// Looks anew whose power does not count.
    pub(super) fn find_lacking(&mut self) {
        let lacks = |source, counted: Option<Power>| match source {
            Source::Told => counted.is_none(),
            Source::StandsIn => true,
            Source::ByHand => false,
        };
        let posts = self.posts.placed_mut();
        self.lacking = posts.filter(|(_, post)| lacks(post.source, post.counted)).map(|(place, _)| place).collect();
    }

    /// A terminal for which something stands in told its power.
    pub(super) fn hear(&mut self, place: Place<TerminalId>, usable: Option<Power>) {
        if usable.is_some() {
            self.stand_back(place);
            self.count(place, usable);
        } else if let Some(post) = self.posts.at_mut(place) {
            // What stands in goes on; what was told has an age all the same.
            post.await_age(self.age_max, place, &mut self.ages);
        }
    }

    /// Finds what stands in for each power that may not decide, or lets go of it.
    pub(crate) fn stand_in(&mut self, how: Substitute, last_max: Span, now: Timestamp) {
        // Other rules have let go of what stood in by those before.
        if how == Substitute::None {
            return;
        }
        let mut lacking = std::mem::take(&mut self.lacking);
        lacking.retain(|&place| self.stand_in_at(place, how, last_max, now));
        lacking.append(&mut self.lacking);
        self.lacking = lacking;
        self.find_stood();
    }

    /// A power became too old then, however late the centre notices.
    pub(super) fn lacks_since(&mut self, place: Place<TerminalId>, since: Option<Timestamp>) {
        if let Some(post) = self.posts.at_mut(place) {
            post.beside.standing.since = since;
        }
    }

    /// Finds the nodes into whose load something that stands in goes.
    pub(super) fn find_stood(&mut self) {
        let mut stood = std::mem::take(&mut self.stood);
        stood.clear();
        for &place in &self.lacking {
            let Some(post) = self.posts.at(place).filter(|post| post.source == Source::StandsIn) else { continue };
            let heads = post.head.into_iter().chain(post.beside.more_heads.iter().copied());
            for from in heads.chain(post.place) {
                stood.extend(self.shows_in(from, Some(place)));
            }
        }
        self.stood = stood;
    }

    /// Whether a node's load stands on something that stands in for what was not measured.
    pub(crate) fn stands_on_another(&self, node: NodeId) -> bool {
        let Some(place) = self.sums.place(&node).filter(|place| self.stood.contains(place)) else { return false };
        self.sums.at(place).is_some_and(|sum| sum.load.is_substituted())
    }

    /// Whether the power there is still lacking.
    fn stand_in_at(&mut self, place: Place<TerminalId>, how: Substitute, last_max: Span, now: Timestamp) -> bool {
        let Some(post) = self.posts.at_mut(place) else { return false };
        if post.source == Source::ByHand || post.source == Source::Told && post.counted.is_some() {
            return false;
        }
        let since = *post.beside.standing.since.get_or_insert(now);
        // One that is frozen was none of then either, nobody knows since when.
        let last = post.beside.standing.last.filter(|_| !post.frozen && now.since(since) < last_max);
        let found = match how {
            Substitute::None => None,
            Substitute::Balance => self.reckoned(place),
            Substitute::Last => self.reckoned(place).or(last.map(|power| (StandInBy::Last, power, None))),
        };
        let Some((by, power, of)) = found else {
            self.stand_back(place);
            return true;
        };
        self.mark_post(place, Source::StandsIn);
        if let Some(post) = self.posts.at_mut(place) {
            let Standing { by: standing, rest_of, .. } = &mut post.beside.standing;
            (*standing, *rest_of) = (Some(by), of);
        }
        self.count(place, Some(power));
        true
    }

    /// Nothing stands in for a power any more.
    fn stand_back(&mut self, place: Place<TerminalId>) {
        let Some(post) = self.posts.at_mut(place) else { return };
        if post.source != Source::StandsIn {
            return;
        }
        let last = post.beside.standing.last;
        post.beside.standing.by = None;
        self.mark_post(place, Source::Told);
        self.count(place, None);
        // What stood in is not what it was.
        if let Some(post) = self.posts.at_mut(place) {
            post.beside.standing.last = last;
        }
    }

    /// A value by hand was there: what the power was before says nothing any more.
    pub(super) fn forget_standing(&mut self, place: Place<TerminalId>) {
        if let Some(post) = self.posts.at_mut(place) {
            post.beside.standing = Standing::default();
        }
        self.lacking.insert(place);
    }

    /// What other meters make of a power, and of which reading of the one above.
    fn reckoned(&self, place: Place<TerminalId>) -> Option<(StandInBy, Power, Option<Timestamp>)> {
        if let Some(power) = self.sum_of_parts(place) {
            return Some((StandInBy::Parts, power, None));
        }
        let (rest, of) = self.rest(place)?;
        // Another part that falls would be taken for this one rising until the meter above tells too.
        let standing = self.stands_in_at(place);
        let same =
            standing.filter(|(standing, _)| standing.by == Some(StandInBy::Rest) && standing.rest_of == Some(of));
        Some((StandInBy::Rest, same.map_or(rest, |(_, power)| power), Some(of)))
    }

    fn stands_in_at(&self, place: Place<TerminalId>) -> Option<(Standing, Power)> {
        let post = self.posts.at(place).filter(|post| post.source == Source::StandsIn)?;
        Some((post.beside.standing, post.counted?))
    }

    /// For the meter at a node's head: the sum of its parts, where all of them are measured.
    fn sum_of_parts(&self, place: Place<TerminalId>) -> Option<Power> {
        let post = self.posts.at(place)?;
        let sum = self.sums.at(post.head?)?;
        let whole = post.beside.more_heads.is_empty() && sum.parts > 0 && sum.unknown == 0 && sum.substituted == 0;
        whole.then_some(sum.known)
    }

    /// What is left of the next meter above without its other parts, where all of these are measured, and when that meter told.
    fn rest(&self, place: Place<TerminalId>) -> Option<(Power, Timestamp)> {
        let post = self.posts.at(place)?;
        let (mut above, mut own) = match post.head.and_then(|head| self.sums.at(head)) {
            Some(node) => (node.parent, node.load.power()),
            None => (post.place, post.counted),
        };
        let mut others = Power::ZERO;
        while let Some(sum) = above.and_then(|above| self.sums.at(above)) {
            if sum.dressed || sum.unknown + u32::from(sum.substituted) != 1 {
                return None;
            }
            others += sum.known - own.unwrap_or_default();
            if let Some(head) = sum.head {
                let head = self.posts.at(head).filter(|head| !head.is_substituted())?;
                let rest = head.counted? - others;
                let carried = rest.get().unsigned_abs() <= post.power_max.get().unsigned_abs();
                return Some((rest, head.power?.arrived_at)).filter(|_| carried);
            }
            (above, own) = (sum.parent, sum.load.power());
        }
        None
    }

    /// What stands in for a terminal's power, and how much that is.
    pub(crate) fn stands_in(&self, terminal: TerminalId) -> Option<(StandInBy, Power)> {
        let post = self.posts.get(&terminal)?;
        post.beside.standing.by.zip(post.counted)
    }

    /// How much of a node's load stands in for what was not measured; none where nothing does.
    pub(crate) fn standing_in(&self, node: NodeId) -> Option<Power> {
        let node = self.sums.place(&node)?;
        let mut sum = None;
        for &place in &self.lacking {
            let Some(post) = self.posts.at(place).filter(|post| post.source == Source::StandsIn) else { continue };
            let head = post.head.into_iter().chain(post.beside.more_heads.iter().copied());
            let reaches =
                head.chain(post.place).any(|from| self.shows_in(from, Some(place)).any(|shown| shown == node));
            if reaches {
                *sum.get_or_insert(Power::ZERO) += Power::new(post.counted.unwrap_or_default().get().abs());
            }
        }
        sum
    }

    /// The nodes in whose load what counts at the node `from` is, no other value lying between. `own` may be their head.
    fn shows_in(
        &self,
        from: Place<NodeId>,
        own: Option<Place<TerminalId>>,
    ) -> impl Iterator<Item = Place<NodeId>> + '_ {
        let shows = move |sum: &Sum| !sum.dressed && (sum.head.is_none() || sum.head == own);
        self.places_up(Some(from)).take_while(move |place| self.sums.at(*place).is_some_and(shows))
    }
}
