//! What terminals said last, and the loads of the nodes above them.
//!
//! Read `post` (one terminal), then this, then `due` (what becomes too old), `still` (what stands still and should not) and `saved` (the form in a snapshot).
//!
//! **Invariant:** a node's load is made of values that may decide, or it is unknown (`quality-kept`). A reading costs
//! O(depth) of the tree: it finds its terminal once, and goes up from place to place.

mod due;
mod post;
mod saved;
mod standing_in;
mod still;
mod substituted;
mod varying;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::places::{Place, Places};
use crate::model::{
    Customer, CustomerId, Inventory, NodeId, NodeKind, PointKind, Power, Reading, RoundNo, Span, SwitchPosition,
    TerminalId, Timestamp,
};
use crate::view::Load;
use due::{Due, Second};
use post::Source;
pub(crate) use post::{Held, Post, Unusable};
use standing_in::Standing;
pub(crate) use still::Frozen;

/// A power beyond this is no power but a lie or a broken register: 1 TW. A million such values still add up exactly.
const PLAUSIBLE: Power = Power::new(1_000_000_000_000);
/// A customer cannot draw or feed in more than so much of the contract, and a little: its connection does not carry it.
/// Without a bound, one terminal with a wrong scale sheds the whole feeder, or hides its breach.
const PLAUSIBLE_PERCENT: i64 = 300;
const PLAUSIBLE_MORE: Power = Power::from_kw(10);
/// A link that is down for less than this is no alarm: terminals on mobile networks come and go.
const LINK_GRACE: Span = Span::from_s(60);

/// Sums below one node.
#[derive(Clone, Debug, Default)]
struct Sum {
    parent: Option<Place<NodeId>>,
    /// The terminal at the head.
    head: Option<Place<TerminalId>>,
    /// Over the parts that are known.
    known: Power,
    /// Parts that are not.
    unknown: u32,
    /// All parts: customers, and nodes that supply somebody or are measured.
    parts: u32,
    load: Load,
    /// Parts whose power was not measured.
    substituted: u16,
    /// The load is a person's.
    dressed: bool,
    /// It is among those that are to be looked at.
    dirty: bool,
}

impl Sum {
    /// A node with a meter at its head is what that meter says, or unknown: a sum misses losses and whoever has no terminal,
    /// and a limit must not be taken for kept by what was not measured.
    fn load_from_parts(&self, posts: &Places<TerminalId, Post>) -> Load {
        if self.dressed {
            return self.load;
        }
        if let Some(head) = self.head {
            return posts.at(head).map_or(Load::Unknown, Post::load_at_head);
        }
        match self.known {
            _ if self.parts == 0 || self.unknown > 0 => Load::Unknown,
            power if self.substituted > 0 => Load::Substituted { power },
            power => Load::Summed { power },
        }
    }

    /// One part has another power.
    fn count(&mut self, before: Option<Power>, after: Option<Power>) {
        match before {
            Some(power) => self.known -= power,
            None => self.unknown = self.unknown.saturating_sub(1),
        }
        match after {
            Some(power) => self.known += power,
            None => self.unknown += 1,
        }
    }

    /// One more part.
    fn count_more(&mut self, power: Option<Power>) {
        match power {
            Some(power) => self.known += power,
            None => self.unknown += 1,
        }
    }
}

/// All terminals and nodes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "saved::Saved")]
pub(crate) struct Grid {
    pub(crate) inventory: Inventory,
    pub(crate) posts: Places<TerminalId, Post>,
    sums: Places<NodeId, Sum>,
    pub(crate) age_max: Span,
    /// Nodes whose load changed since it was last asked, each once.
    dirty: Vec<Place<NodeId>>,
    /// All nodes, each after those below it.
    from_leaves: Vec<Place<NodeId>>,
    /// Powers that count, by when they may have become too old.
    ages: Due,
    /// Links that are down, by when that is an alarm.
    links: Due,
    /// Terminals whose own power does not count, but for those that have one by hand.
    lacking: BTreeSet<Place<TerminalId>>,
    /// Nodes into whose load something that stands in goes, as the last tick or value by hand left it.
    stood: BTreeSet<Place<NodeId>>,
}

impl Grid {
    /// Takes over a supply tree; what its terminals said before stays.
    pub(crate) fn set_inventory(&mut self, inventory: Inventory, now: Timestamp) {
        let mut heads = BTreeMap::<TerminalId, Vec<NodeId>>::new();
        for (&id, node) in &inventory.nodes {
            if let Some(terminal) = node.measured_by {
                heads.entry(terminal).or_default().push(id);
            }
        }
        self.posts.settle(inventory.terminals.keys().copied(), |_| Post { link_since: now, ..Post::default() });
        for (id, post) in self.posts.iter_mut() {
            let customer = inventory.customer_of(*id).map(|(_, customer)| customer);
            post.beside.node = customer.map(|customer| customer.supplied_by);
            post.beside.heads = heads.remove(id).unwrap_or_default();
            // Other meters stand beside it.
            post.beside.witnesses = Default::default();
            post.power_max = customer.map_or(PLAUSIBLE, |customer| {
                (customer.contract.percent(PLAUSIBLE_PERCENT) + PLAUSIBLE_MORE).min(PLAUSIBLE)
            });
        }
        self.sums = inventory.nodes.keys().map(|&id| (id, Sum::default())).collect();
        self.inventory = inventory;
        self.find_places();
        self.rebuild(now);
    }

    /// Finds for each node and terminal what it stands below and what it measures.
    fn find_places(&mut self) {
        let places: Vec<_> = self
            .inventory
            .nodes
            .values()
            .map(|node| {
                let parent = node.parent.and_then(|parent| self.sums.place(&parent));
                (parent, node.measured_by.and_then(|head| self.posts.place(&head)))
            })
            .collect();
        // Both are in the order of the nodes' names.
        for (sum, (parent, head)) in self.sums.values_mut().zip(places) {
            (sum.parent, sum.head) = (parent, head);
        }
        // A kind is always below that of its parent.
        let kinds = self.inventory.nodes.iter();
        let mut order: Vec<(Reverse<NodeKind>, Place<NodeId>)> =
            kinds.filter_map(|(id, node)| Some((Reverse(node.kind), self.sums.place(id)?))).collect();
        order.sort_unstable();
        self.from_leaves = order.into_iter().map(|(_, place)| place).collect();
        for post in self.posts.values_mut() {
            post.place = post.beside.node.and_then(|node| self.sums.place(&node));
            let mut heads = post.beside.heads.iter().filter_map(|node| self.sums.place(node));
            post.head = heads.next();
            post.beside.more_heads = heads.collect();
        }
        self.await_links();
        self.await_ages();
    }

    /// Every link that is down is an alarm when its time has come.
    fn await_links(&mut self) {
        self.links.clear();
        for (place, post) in self.posts.placed_mut().filter(|(_, post)| !post.link_up) {
            self.links.add(Second::of(post.link_since.after(LINK_GRACE)), place);
        }
    }

    /// Every power that counts is looked at when it may be too old.
    fn await_ages(&mut self) {
        self.ages.clear();
        for (place, post) in self.posts.placed_mut() {
            post.due = Second::NEVER;
            post.await_age(self.age_max, place, &mut self.ages);
        }
    }

    /// Sums everything anew.
    pub(crate) fn rebuild(&mut self, now: Timestamp) {
        self.stood.clear();
        for sum in self.sums.values_mut() {
            let load = if sum.dressed { sum.load } else { Load::Unknown };
            *sum = Sum { parent: sum.parent, head: sum.head, dressed: sum.dressed, load, ..Sum::default() };
        }
        let served: BTreeSet<CustomerId> =
            self.inventory.terminals.values().filter_map(|terminal| terminal.customer).collect();
        for (id, customer) in &self.inventory.customers {
            let Some(sum) = self.sums.get_mut(&customer.supplied_by) else { continue };
            sum.parts += 1;
            // One whom nobody measures leaves no sum above whole.
            sum.unknown += u32::from(!served.contains(id));
        }
        for post in self.posts.values_mut() {
            if post.source != Source::ByHand {
                // What stands in is found anew.
                (post.source, post.beside.standing.by) = (Source::Told, None);
                post.counted = post.load(now, self.age_max).ok();
                if post.counted.is_some() {
                    post.beside.standing = Standing::default();
                }
            }
            if let Some(sum) = post.place.and_then(|place| self.sums.at_mut(place)) {
                sum.count_more(post.counted);
                if post.is_substituted() {
                    sum.mark(true);
                }
            }
        }
        for &place in &self.from_leaves {
            let Some(sum) = self.sums.at_mut(place) else { continue };
            sum.load = sum.load_from_parts(&self.posts);
            sum.dirty = true;
            if sum.parts == 0 && sum.head.is_none() && !sum.dressed {
                continue;
            }
            let (parent, load) = (sum.parent, sum.load);
            if let Some(parent) = parent.and_then(|parent| self.sums.at_mut(parent)) {
                parent.parts += 1;
                parent.count_more(load.power());
                if load.is_substituted() {
                    parent.mark(true);
                }
            }
        }
        self.dirty.clear();
        self.dirty.extend(&self.from_leaves);
        self.dirty.sort_unstable();
        self.await_ages();
        self.find_lacking();
    }

    /// How many nodes there are.
    pub(crate) fn nodes_count(&self) -> usize {
        self.sums.len()
    }

    /// In the order of their places.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.sums.keys().copied()
    }

    /// Which node stands there, and its load.
    pub(crate) fn node_at(&self, place: Place<NodeId>) -> Option<(NodeId, Load)> {
        Some((self.sums.name(place)?, self.sums.at(place)?.load))
    }

    /// The load of a node.
    pub(crate) fn load(&self, node: NodeId) -> Load {
        self.sums.get(&node).map_or(Load::Unknown, |sum| sum.load)
    }

    /// The instant up to which a node's load speaks for `terminal`, which lies below it.
    pub(crate) fn load_as_of(&self, node: NodeId, terminal: TerminalId) -> Option<Timestamp> {
        // Of the meters between the two, the uppermost is the one that the load is made of.
        let node = self.sums.place(&node);
        let own = self.posts.get(&terminal)?;
        let below = self.places_up(own.place).take_while(|above| Some(*above) != node).chain(node);
        let head = below.filter_map(|above| self.sums.at(above)?.head).last();
        let speaker = head.and_then(|head| self.posts.at(head)).unwrap_or(own);
        speaker.held(PointKind::ActivePower).map(Held::as_of)
    }

    /// Takes in a reading of the terminal at `place`. Gives what the point said before; none when the reading is older than
    /// that, and is only of historical interest.
    pub(crate) fn take(&mut self, place: Place<TerminalId>, reading: Reading, now: Timestamp) -> Option<Option<Held>> {
        let age_max = self.age_max;
        let post = self.posts.at_mut(place)?;
        // A guarantee is heard in any case: doubt protects.
        let guarantee = reading.point == PointKind::SupplyGuarantee && reading.value != 0;
        if !guarantee && post.held(reading.point).is_some_and(|old| old.outdates(&reading, now)) {
            return None;
        }
        let before = post.hold(Held::new(reading, now));
        if reading.point == PointKind::ActivePower && post.source != Source::ByHand {
            let usable = post.load(now, age_max).ok();
            if post.source == Source::StandsIn {
                self.hear(place, usable);
            } else {
                self.count(place, usable);
            }
        }
        Some(before)
    }

    /// A terminal's link came up or went down.
    pub(crate) fn set_link(&mut self, place: Place<TerminalId>, up: bool, now: Timestamp) {
        let Some(post) = self.posts.at_mut(place) else { return };
        (post.link_up, post.link_since) = (up, now);
        if up {
            post.await_age(self.age_max, place, &mut self.ages);
        } else {
            self.links.add(Second::of(now.after(LINK_GRACE)), place);
        }
    }

    /// All links are down from now on.
    pub(crate) fn lose_links(&mut self, now: Timestamp) {
        for post in self.posts.values_mut() {
            (post.link_up, post.link_since) = (false, now);
        }
        self.await_links();
    }

    /// Links that have been down for long enough to be an alarm, each told once, with the time at which they went down.
    pub(crate) fn take_long_down(&mut self, now: Timestamp) -> Vec<(TerminalId, Timestamp)> {
        let mut due = self.links.take(now);
        due.sort_unstable_by_key(|(_, place)| *place);
        let mut long_down = Vec::new();
        for (second, place) in due {
            let Some((terminal, post)) = self.posts.named(place) else { continue };
            if post.link_up {
                continue;
            }
            if now.since(post.link_since) >= LINK_GRACE {
                long_down.push((terminal, post.link_since));
            } else if second == Second::of(post.link_since.after(LINK_GRACE)) {
                // Later in this second.
                self.links.add(second, place);
            }
        }
        long_down.dedup();
        long_down
    }

    /// Gives up what has become too old. Gives the terminals that owe their power though their link is up, in their order.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Place<TerminalId>> {
        let mut silent = Vec::new();
        for (second, place) in self.ages.take(now) {
            let Some(post) = self.posts.at_mut(place) else { continue };
            // Otherwise it is to be looked at earlier, and was.
            if post.due != second {
                continue;
            }
            post.due = Second::NEVER;
            // What stands in for it has no age.
            if post.source == Source::ByHand {
                continue;
            }
            if post.source == Source::Told && post.counted.is_some() && post.load(now, self.age_max).is_err() {
                let too_old_at = post.power.map(|power| power.as_of().after(self.age_max));
                self.count(place, None);
                self.lacks_since(place, too_old_at);
            }
            let Some(post) = self.posts.at_mut(place) else { continue };
            if post.is_silent(now, self.age_max) {
                // Told once: an entry of before that is due now too is none any more.
                post.due = Second::NEVER;
                silent.push(place);
            } else {
                post.await_age(self.age_max, place, &mut self.ages);
            }
        }
        silent.sort_unstable();
        silent
    }

    fn count(&mut self, place: Place<TerminalId>, usable: Option<Power>) {
        let Some(post) = self.posts.at_mut(place) else { return };
        let before = std::mem::replace(&mut post.counted, usable);
        post.await_age(self.age_max, place, &mut self.ages);
        if before == usable {
            return;
        }
        if post.source == Source::Told {
            match usable {
                None => {
                    post.beside.standing.last = before;
                    self.lacking.insert(place);
                }
                Some(_) if before.is_none() => {
                    post.beside.standing = Standing::default();
                    self.lacking.remove(&place);
                }
                Some(_) => {}
            }
        }
        let (node, head) = (post.place, post.head);
        if let Some(node) = node {
            self.count_part(node, before, usable);
        }
        let Some(head) = head else { return };
        self.renew(head);
        // By number, as each of them may change any sum.
        let mut number = 0;
        while let Some(&more) = self.posts.at(place).and_then(|post| post.beside.more_heads.get(number)) {
            self.renew(more);
            number += 1;
        }
    }

    /// One part below the node at `place` changed.
    fn count_part(&mut self, place: Place<NodeId>, before: Option<Power>, after: Option<Power>) {
        let Some(sum) = self.sums.at_mut(place) else { return };
        sum.count(before, after);
        self.renew(place);
    }

    /// Makes the load of the node at `place` anew, and of those above as far as anything changes.
    fn renew(&mut self, mut place: Place<NodeId>) {
        while let Some(sum) = self.sums.at_mut(place) {
            let load = sum.load_from_parts(&self.posts);
            let before = std::mem::replace(&mut sum.load, load);
            if before == load {
                return;
            }
            if !std::mem::replace(&mut sum.dirty, true) {
                self.dirty.push(place);
            }
            let Some(parent) = sum.parent else { return };
            let Some(above) = self.sums.at_mut(parent) else { return };
            above.count(before.power(), load.power());
            if before.is_substituted() != load.is_substituted() {
                above.mark(load.is_substituted());
            }
            place = parent;
        }
    }

    /// Has a node judged anew though its load is what it was.
    pub(crate) fn look_at(&mut self, node: NodeId) {
        let Some(place) = self.sums.place(&node) else { return };
        let Some(sum) = self.sums.at_mut(place) else { return };
        if !std::mem::replace(&mut sum.dirty, true) {
            self.dirty.push(place);
        }
    }

    /// Moves the nodes whose load changed, or that are to be looked at, into `out`, each once, in the order of their names.
    pub(crate) fn take_dirty(&mut self, out: &mut Vec<Place<NodeId>>) {
        for &place in &self.dirty {
            if let Some(sum) = self.sums.at_mut(place) {
                sum.dirty = false;
            }
        }
        out.append(&mut self.dirty);
        out.sort_unstable();
    }

    /// Whose load the terminal switches.
    pub(crate) fn customer(&self, terminal: TerminalId) -> Option<(CustomerId, &Customer)> {
        self.inventory.customer_of(terminal)
    }

    /// Position of a round's switch; none while never reported, of bad quality or from before the link.
    pub(crate) fn position(&self, terminal: TerminalId, round: RoundNo, now: Timestamp) -> Option<SwitchPosition> {
        let held = self.posts.get(&terminal)?.deciding(PointKind::RoundPosition(round), now, self.age_max)?;
        Some(SwitchPosition::from_value(held.reading.value))
    }

    /// Power behind a round's switch, where it may decide.
    pub(crate) fn round_power(&self, terminal: TerminalId, round: RoundNo, now: Timestamp) -> Option<Held> {
        self.posts.get(&terminal)?.deciding(PointKind::RoundPower(round), now, self.age_max).copied()
    }

    /// Guaranteed by inventory.
    pub(crate) fn guaranteed(&self, terminal: TerminalId) -> bool {
        self.customer(terminal).is_some_and(|(_, customer)| customer.guaranteed)
    }

    /// Nothing is tripped at a terminal that takes its load below this: the higher of what the inventory and the terminal say.
    pub(crate) fn floor(&self, terminal: TerminalId) -> Power {
        let customer = self.customer(terminal).map_or(Power::ZERO, |(_, customer)| customer.safety_floor);
        customer.max(self.posts.get(&terminal).map_or(Power::ZERO, Post::says_floor))
    }

    /// Guaranteed by the terminal's own word.
    pub(crate) fn guarantee_at_terminal(&self, terminal: TerminalId) -> bool {
        self.posts.get(&terminal).is_some_and(Post::says_guaranteed)
    }

    fn places_up(&self, from: Option<Place<NodeId>>) -> impl Iterator<Item = Place<NodeId>> + '_ {
        // Kinds only rise: four at most.
        std::iter::successors(from, |place| self.sums.at(*place)?.parent).take(4)
    }

    /// The node and those above it; nothing for a terminal that only measures.
    pub(crate) fn path(&self, terminal: TerminalId) -> impl Iterator<Item = NodeId> + '_ {
        let node = self.posts.get(&terminal).and_then(|post| post.place);
        self.places_up(node).filter_map(|place| self.sums.name(place))
    }

    /// For each node how many terminals serve or measure it and what is below it, and how many of their links are up; nothing
    /// for a node without.
    pub(crate) fn terminals_and_links(&self) -> BTreeMap<NodeId, (u32, u32)> {
        let mut counts = vec![(0, 0); self.sums.len()];
        for post in self.posts.values() {
            if let Some(count) = post.place.or(post.head).and_then(|place| counts.get_mut(place.index())) {
                count.0 += 1;
                count.1 += u32::from(post.link_up);
            }
        }
        for &place in &self.from_leaves {
            let parent = self.sums.at(place).and_then(|sum| sum.parent);
            let (all, up) = counts.get(place.index()).copied().unwrap_or_default();
            if let Some(above) = parent.and_then(|parent| counts.get_mut(parent.index())) {
                above.0 += all;
                above.1 += up;
            }
        }
        self.nodes().zip(counts).filter(|(_, (all, _))| *all > 0).collect()
    }

    /// Terminals whose customer hangs below `node`, at any depth.
    pub(crate) fn terminals_below(&self, node: NodeId) -> impl Iterator<Item = TerminalId> + '_ {
        let node = self.sums.place(&node);
        let is_below = move |post: &Post| self.places_up(post.place).any(|above| Some(above) == node);
        self.posts.iter().filter(move |(_, post)| is_below(post)).map(|(terminal, _)| *terminal)
    }
}
