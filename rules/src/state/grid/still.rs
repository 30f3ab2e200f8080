//! Powers that stand still while a meter beside them says otherwise: a meter that hangs goes on telling its last value as good.
//!
//! A load may well be constant, and one that is off is. So nothing is frozen for standing still alone: it takes a witness. That
//! is the next meter above, of whose load the power is a part, less the other parts; or, for a meter at a node's head, the sum of
//! the parts below. Where the difference moved while the power did not, the power is not what is drawn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::places::Place;
use super::{Grid, PLAUSIBLE_PERCENT, Post, Source};
use crate::model::{NodeId, Power, TerminalId, Timestamp};

/// What a witness says when a power begins to stand still is the mean of so many looks.
const LOOKS_FIRST: u8 = 5;
/// It has moved when it is elsewhere at so many looks in a row: meters are not read at one instant, so one look may err.
const LOOKS_MOVED: u8 = 3;
/// By more than so much of the head's load: losses change with the load, and meters have their class.
const HEAD_PERCENT: i64 = 5;
/// And by more than so much of what stands still.
const STILL_PERCENT: i64 = 10;
/// A head that has not moved itself for longer than this, in minutes, is no witness; less than [`LOOKS_MOVED`].
const HEAD_STILL_MAX: u8 = 2;
/// A customer that draws less than so much of its contract is off, and off is always the same.
const OFF_PERCENT: i64 = 1;

/// What the meters beside a power said while it stood still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Witness {
    /// Looks that are in the sums.
    looks: u8,
    /// Looks in a row at which it had moved.
    moved: u8,
    /// Sums over the first looks: of the head, and of all its parts.
    head: Power,
    parts: Power,
}

impl Witness {
    /// The means at the beginning, once there are any.
    fn first(&self) -> Option<(Power, Power)> {
        let mean = |sum: Power| sum.get().checked_div(i64::from(self.looks)).map(Power::new);
        (self.looks >= LOOKS_FIRST).then_some((mean(self.head)?, mean(self.parts)?))
    }
}

/// A power that is none of now, with what shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frozen {
    pub(crate) place: Place<TerminalId>,
    pub(crate) power: Power,
    /// Minutes in which it was told anew, and no other.
    pub(crate) still: u8,
    /// At whose head the witness is, or the meter itself.
    pub(crate) node: NodeId,
    /// It is that node's own meter; the witness is what lies below.
    pub(crate) at_head: bool,
    /// The head's power then and now.
    pub(crate) head: (Power, Power),
    /// The parts' then and now, less the power itself.
    pub(crate) others: (Power, Power),
}

/// A power that stands still, and where its witness is.
#[derive(Clone, Copy, Debug)]
struct Still {
    place: Place<TerminalId>,
    power: Power,
    node: Place<NodeId>,
    at_head: bool,
}

/// What one node's powers that stand still have together.
#[derive(Clone, Copy, Debug, Default)]
struct Together {
    power: Power,
    /// What their connections carry.
    most: Power,
}

impl Grid {
    /// What a meter at the head of a node says, and the sum of its parts, where both were measured.
    fn witness(&self, node: Place<NodeId>) -> Option<(Power, Power, &Post)> {
        let sum = self.sums.at(node)?;
        let head = self.posts.at(sum.head?)?;
        let whole = sum.parts > 0 && sum.unknown == 0 && sum.substituted == 0 && !sum.dressed && !head.is_substituted();
        whole.then_some((head.counted?, sum.known, head))
    }

    /// The first node with a meter, from `from` upwards.
    fn measured_from(&self, from: Option<Place<NodeId>>) -> Option<Place<NodeId>> {
        self.places_up(from).find(|place| self.sums.at(*place).is_some_and(|sum| sum.head.is_some()))
    }

    /// Nobody is frozen any more.
    pub(crate) fn thaw(&mut self) {
        for post in self.posts.values_mut() {
            (post.still, post.frozen) = (0, false);
        }
    }

    /// Looks, once a minute, for powers that have stood still for `after` minutes and are none of now. They decide nothing from now on,
    /// until they change. What was told after `last` was told anew.
    pub(crate) fn look_at_still(&mut self, last: Timestamp, after: u8) -> Vec<Frozen> {
        let still = self.take_still(last);
        let mut together = BTreeMap::<Place<NodeId>, Together>::new();
        for it in still.iter().filter(|it| !it.at_head && self.is_long(it, after)) {
            let sum = together.entry(it.node).or_default();
            sum.power += it.power;
            sum.most += self.posts.at(it.place).map_or(Power::ZERO, |post| post.power_max);
        }
        let mut frozen: Vec<Frozen> = Vec::new();
        for it in &still {
            if let Some(found) = self.listen(it, after, together.get(&it.node).copied())
                && frozen.last().is_none_or(|last| last.place != it.place)
            {
                frozen.push(found);
            }
        }
        for Frozen { place, .. } in &frozen {
            let Some(post) = self.posts.at_mut(*place) else { continue };
            post.frozen = true;
            if post.source == Source::Told {
                self.count(*place, None);
            }
        }
        frozen
    }

    fn is_long(&self, it: &Still, after: u8) -> bool {
        self.posts.at(it.place).is_some_and(|post| post.still >= after)
    }

    /// Powers that count and stand still, each with each of its witnesses. Those that were told anew are a minute stiller.
    fn take_still(&mut self, last: Timestamp) -> Vec<Still> {
        let mut found = Vec::new();
        for (place, post) in self.posts.placed_mut() {
            let anew = |held: &super::Held| held.arrived_at > last && held.reading.quality.decides();
            if post.frozen || !post.power.as_ref().is_some_and(anew) {
                continue;
            }
            post.still = post.still.saturating_add(1);
            if post.still == 1 {
                post.beside.witnesses = Default::default();
            }
            // Contract and a little more make up the bound.
            let off = post.place.map_or(Power::ZERO, |_| {
                Power::new((post.power_max - super::PLAUSIBLE_MORE).get() * OFF_PERCENT / PLAUSIBLE_PERCENT)
            });
            if let Some(power) = post.counted.filter(|power| !post.is_substituted() && power.get().abs() > off.get()) {
                found.push((place, power.get().abs(), post.place, post.head));
            }
        }
        let mut still = Vec::with_capacity(found.len());
        for (place, power, node, head) in found {
            let power = Power::new(power);
            still.extend(head.map(|node| Still { place, power, node, at_head: true }));
            let above = head.map_or(node, |head| self.sums.at(head).and_then(|sum| sum.parent));
            let above = self.measured_from(above);
            still.extend(above.map(|node| Still { place, power, node, at_head: false }));
        }
        still
    }

    /// What the witness says by now, and whether that is enough.
    fn listen(&mut self, it: &Still, after: u8, together: Option<Together>) -> Option<Frozen> {
        let long = self.is_long(it, after);
        let said = self.witness(it.node);
        let said = said.filter(|(_, _, head)| it.at_head || head.still <= HEAD_STILL_MAX);
        let said = said.map(|(head, parts, _)| (head, parts));
        let post = self.posts.at_mut(it.place)?;
        let [own, above] = &mut post.beside.witnesses;
        let witness = if it.at_head { own } else { above };
        let Some((head, parts)) = said else {
            witness.moved = 0;
            return None;
        };
        let Some((head_first, parts_first)) = witness.first() else {
            *witness =
                Witness { looks: witness.looks + 1, moved: 0, head: witness.head + head, parts: witness.parts + parts };
            return None;
        };
        let moved = Power::new(((head - parts) - (head_first - parts_first)).get().abs());
        let share = Power::new(head.get().abs().max(head_first.get().abs())).percent(HEAD_PERCENT);
        let enough = match together {
            _ if it.at_head => moved > share,
            // What is more than all of them could is the work of somebody else.
            Some(all) => moved > share.max(all.power.percent(STILL_PERCENT)) && moved <= all.most,
            None => false,
        };
        if !(long && enough) {
            witness.moved = 0;
            return None;
        }
        witness.moved = witness.moved.saturating_add(1);
        if witness.moved < LOOKS_MOVED {
            return None;
        }
        let still = post.still;
        let power = post.counted?;
        let own = if it.at_head { Power::ZERO } else { power };
        Some(Frozen {
            place: it.place,
            power,
            still,
            node: self.sums.name(it.node)?,
            at_head: it.at_head,
            head: (head_first, head),
            others: (parts_first - own, parts - own),
        })
    }
}
