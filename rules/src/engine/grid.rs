//! What terminals said last, and the loads of the nodes above them.
//!
//! **Invariant:** a node's load is made of values that may decide, or it is unknown (`quality-kept`). A reading costs
//! O(depth) of the tree.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{
    Customer, CustomerId, Inventory, NodeId, PointKind, Power, Reading, RoundNo, Span, SwitchPosition, TerminalId,
    Timestamp,
};
use crate::view::Load;

/// A power beyond this is no power but a lie or a broken register: 1 TW. A million such values still add up exactly.
const PLAUSIBLE: Power = Power::new(1_000_000_000_000);
/// A customer cannot draw or feed in more than so much of the contract, and a little: its connection does not carry it.
/// Without a bound, one terminal with a wrong scale sheds the whole feeder, or hides its breach.
const PLAUSIBLE_PERCENT: i64 = 300;
const PLAUSIBLE_MORE: Power = Power::from_kw(10);
/// A change told with a time is older than a value that came without one only if it lies this far back: the clocks of
/// terminals are not ours.
const CLOCK_MARGIN: Span = Span::from_s(60);

/// A terminal's clock may be so far ahead of ours and still tell which of two values is the older one. One that is set back
/// from there is not heard for as long.
const CLOCK_AHEAD: Span = Span::from_s(5);

/// A point's last value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) reading: Reading,
    pub(crate) arrived_at: Timestamp,
    /// The last value that might decide: what a state was before it was reported with bad quality.
    pub(crate) sure: Option<i64>,
}

impl Held {
    fn new(reading: Reading, arrived_at: Timestamp) -> Self {
        Self { reading, arrived_at, sure: reading.quality.decides().then_some(reading.value) }
    }

    /// Whether `newer` tells of an earlier time than this value does.
    fn outdates(&self, newer: &Reading, now: Timestamp) -> bool {
        match (self.reading.source_time, newer.source_time) {
            // Two times of one clock, as long as that clock was not well ahead of ours: then it may have been set back.
            (Some(old), Some(new)) => new < old && old <= now.after(CLOCK_AHEAD),
            (None, Some(new)) => new.after(CLOCK_MARGIN) < self.arrived_at,
            (_, None) => false,
        }
    }

    /// The instant that the value speaks of. A terminal's clock that runs ahead makes no value younger than its arrival.
    pub(crate) fn as_of(&self) -> Timestamp {
        self.reading.source_time.map_or(self.arrived_at, |source| source.min(self.arrived_at))
    }
}

/// Why a terminal's load may not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Never reported, or too long ago.
    TooOld,
    /// Marked IV, NT or OV, or beyond all reason.
    Bad,
}

/// One terminal as the engine knows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Post {
    pub(crate) link_up: bool,
    /// When the link last came up or went down.
    pub(crate) link_since: Timestamp,
    /// Sorted by kind; at most 28.
    points: Vec<(PointKind, Held)>,
    /// The customer's node.
    pub(crate) node: Option<NodeId>,
    /// Nodes at whose head it measures.
    heads: Vec<NodeId>,
    /// Its power as it counts in the sums above.
    counted: Option<Power>,
    /// A power beyond this, in either direction, decides nothing.
    power_max: Power,
    /// Since when changes are counted, and how many there were.
    changes: (Timestamp, u16),
}

impl Post {
    pub(crate) fn held(&self, kind: PointKind) -> Option<&Held> {
        let at = self.points.binary_search_by_key(&kind, |(kind, _)| *kind).ok()?;
        self.points.get(at).map(|(_, held)| held)
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = &Held> {
        self.points.iter().map(|(_, held)| held)
    }

    fn hold(&mut self, mut held: Held) -> Option<Held> {
        match self.points.binary_search_by_key(&held.reading.point, |(kind, _)| *kind) {
            Ok(at) => self.points.get_mut(at).map(|(_, old)| {
                // What protects and was said in doubt is not unsaid in doubt.
                let protects = matches!(held.reading.point, PointKind::SupplyGuarantee | PointKind::Exclusion);
                let said = Some(old.reading.value).filter(|value| protects && *value != 0).or(old.sure);
                held.sure = held.sure.or(said);
                std::mem::replace(old, held)
            }),
            Err(at) => {
                self.points.insert(at, (held.reading.point, held));
                None
            }
        }
    }

    /// One more change of a switch or the cover; how many there were in this minute.
    pub(crate) fn count_change(&mut self, now: Timestamp) -> u16 {
        if now.since(self.changes.0) >= Span::from_s(60) {
            self.changes = (now, 0);
        }
        self.changes.1 = self.changes.1.saturating_add(1);
        self.changes.1
    }

    /// Whether a value may decide but for its age.
    fn is_credible(&self, reading: &Reading) -> bool {
        let power = matches!(reading.point, PointKind::ActivePower | PointKind::RoundPower(_));
        reading.quality.decides() && (!power || reading.value.unsigned_abs() <= self.power_max.get().unsigned_abs())
    }

    /// Nodes at whose head it measures.
    pub(crate) fn heads(&self) -> &[NodeId] {
        &self.heads
    }

    /// Whether a value is too old to decide. Active power comes in cycles and has an age. Everything else comes on
    /// change and by interrogation: it holds for as long as the link over which it came.
    pub(crate) fn is_stale(&self, held: &Held, now: Timestamp, age_max: Span) -> bool {
        match held.reading.point {
            PointKind::ActivePower => now.since(held.as_of()) > age_max,
            _ => !self.link_up || held.arrived_at < self.link_since,
        }
    }

    /// A value that may decide.
    pub(crate) fn deciding(&self, kind: PointKind, now: Timestamp, age_max: Span) -> Option<&Held> {
        self.held(kind).filter(|held| self.is_credible(&held.reading) && !self.is_stale(held, now, age_max))
    }

    /// Whether the terminal says that it blocks trips. Its last word counts whatever its age, and a value of bad quality
    /// sets the guarantee but never lifts it: doubt protects.
    pub(crate) fn says_guaranteed(&self) -> bool {
        let held = self.held(PointKind::SupplyGuarantee);
        held.is_some_and(|held| held.reading.value != 0 || held.sure.is_some_and(|sure| sure != 0))
    }

    /// Whether it says that orders to many are not for it. Doubt keeps it out, as with a guarantee.
    pub(crate) fn says_excluded(&self) -> bool {
        let held = self.held(PointKind::Exclusion);
        held.is_some_and(|held| held.reading.value != 0 || held.sure.is_some_and(|sure| sure != 0))
    }

    /// The safety floor that it last said with good quality, whatever the age: doubt protects.
    pub(crate) fn says_floor(&self) -> Power {
        let sure = self.held(PointKind::SafetyFloor).and_then(|held| held.sure);
        Power::new(sure.unwrap_or(0).max(0))
    }

    /// The terminal's load, where it may decide.
    pub(crate) fn load(&self, now: Timestamp, age_max: Span) -> Result<Power, Unusable> {
        let held = self.held(PointKind::ActivePower).ok_or(Unusable::TooOld)?;
        if self.is_stale(held, now, age_max) {
            Err(Unusable::TooOld)
        } else if self.is_credible(&held.reading) {
            Ok(Power::new(held.reading.value))
        } else {
            Err(Unusable::Bad)
        }
    }
}

/// Sums below one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    parent: Option<NodeId>,
    head: Option<TerminalId>,
    /// Over the parts that are known.
    known: Power,
    /// Parts that are not.
    unknown: u32,
    /// All parts: customers, and nodes that supply somebody or are measured.
    parts: u32,
    load: Load,
}

/// All terminals and nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Grid {
    pub(crate) inventory: Inventory,
    pub(crate) posts: BTreeMap<TerminalId, Post>,
    sums: BTreeMap<NodeId, Sum>,
    pub(crate) age_max: Span,
    /// Nodes whose load changed since it was last asked.
    dirty: Vec<NodeId>,
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
        let mut posts = BTreeMap::new();
        for (&id, terminal) in &inventory.terminals {
            let mut post = self.posts.remove(&id).unwrap_or_default();
            let customer = terminal.customer.and_then(|customer| inventory.customers.get(&customer));
            post.node = customer.map(|customer| customer.supplied_by);
            post.heads = heads.remove(&id).unwrap_or_default();
            post.power_max = customer.map_or(PLAUSIBLE, |customer| {
                (customer.contract.percent(PLAUSIBLE_PERCENT) + PLAUSIBLE_MORE).min(PLAUSIBLE)
            });
            posts.insert(id, post);
        }
        self.posts = posts;
        self.inventory = inventory;
        self.rebuild(now);
    }

    /// Sums everything anew.
    pub(crate) fn rebuild(&mut self, now: Timestamp) {
        self.sums = self
            .inventory
            .nodes
            .iter()
            .map(|(&id, node)| {
                let sum = Sum { parent: node.parent, head: node.measured_by, ..Sum::default() };
                (id, sum)
            })
            .collect();
        let served: BTreeSet<CustomerId> =
            self.inventory.terminals.values().filter_map(|terminal| terminal.customer).collect();
        for (id, customer) in &self.inventory.customers {
            let Some(sum) = self.sums.get_mut(&customer.supplied_by) else { continue };
            sum.parts += 1;
            // One whom nobody measures leaves no sum above whole.
            sum.unknown += u32::from(!served.contains(id));
        }
        for post in self.posts.values_mut() {
            post.counted = post.load(now, self.age_max).ok();
            let Some(sum) = post.node.and_then(|node| self.sums.get_mut(&node)) else { continue };
            match post.counted {
                Some(power) => sum.known += power,
                None => sum.unknown += 1,
            }
        }
        // From the leaves up: a kind is always below that of its parent.
        let mut order: Vec<NodeId> = self.inventory.nodes.keys().copied().collect();
        order.sort_by_key(|id| std::cmp::Reverse(self.inventory.nodes.get(id).map(|node| node.kind)));
        for id in order {
            let load = self.load_from_parts(id);
            let Some(sum) = self.sums.get_mut(&id) else { continue };
            sum.load = load;
            if sum.parts == 0 && sum.head.is_none() {
                continue;
            }
            let Some(parent) = sum.parent.and_then(|parent| self.sums.get_mut(&parent)) else { continue };
            parent.parts += 1;
            match load.power() {
                Some(power) => parent.known += power,
                None => parent.unknown += 1,
            }
        }
        self.dirty = self.inventory.nodes.keys().copied().collect();
    }

    /// A node with a meter at its head is what that meter says, or unknown: a sum misses losses and whoever has no terminal,
    /// and a limit must not be taken for kept by what was not measured.
    fn load_from_parts(&self, node: NodeId) -> Load {
        let Some(sum) = self.sums.get(&node) else { return Load::Unknown };
        if let Some(head) = sum.head {
            let power = self.posts.get(&head).and_then(|post| post.counted);
            return power.map_or(Load::Unknown, |power| Load::Measured { power });
        }
        if sum.parts > 0 && sum.unknown == 0 { Load::Summed { power: sum.known } } else { Load::Unknown }
    }

    /// The load of a node.
    pub(crate) fn load(&self, node: NodeId) -> Load {
        self.sums.get(&node).map_or(Load::Unknown, |sum| sum.load)
    }

    /// The instant up to which a node's load speaks for `terminal`, which lies below it.
    pub(crate) fn load_as_of(&self, node: NodeId, terminal: TerminalId) -> Option<Timestamp> {
        // Of the meters between the two, the uppermost is the one that the load is made of.
        let below = self.path(terminal).take_while(|above| *above != node).chain([node]);
        let speaker = below.filter_map(|above| self.sums.get(&above)?.head).last().unwrap_or(terminal);
        self.posts.get(&speaker)?.held(PointKind::ActivePower).map(Held::as_of)
    }

    /// Takes in a reading. Gives what the point said before; none when the reading is older than that, and is only of
    /// historical interest.
    pub(crate) fn take(&mut self, terminal: TerminalId, reading: Reading, now: Timestamp) -> Option<Option<Held>> {
        let age_max = self.age_max;
        let post = self.posts.get_mut(&terminal)?;
        // A guarantee is heard in any case: doubt protects.
        let guarantee = reading.point == PointKind::SupplyGuarantee && reading.value != 0;
        if !guarantee && post.held(reading.point).is_some_and(|old| old.outdates(&reading, now)) {
            return None;
        }
        let before = post.hold(Held::new(reading, now));
        if reading.point == PointKind::ActivePower {
            let usable = post.load(now, age_max).ok();
            self.count(terminal, usable);
        }
        Some(before)
    }

    /// Gives up what has become too old.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let stale: Vec<TerminalId> = self
            .posts
            .iter()
            .filter(|(_, post)| post.counted.is_some() && post.load(now, self.age_max).is_err())
            .map(|(&id, _)| id)
            .collect();
        for terminal in stale {
            self.count(terminal, None);
        }
    }

    fn count(&mut self, terminal: TerminalId, usable: Option<Power>) {
        let Some(post) = self.posts.get_mut(&terminal) else { return };
        let before = std::mem::replace(&mut post.counted, usable);
        if before == usable {
            return;
        }
        let node = post.node;
        // Taken out while in use, so that nothing is allocated for a reading.
        let heads = std::mem::take(&mut post.heads);
        if let Some(node) = node {
            self.add(node, before, usable);
        }
        for &head in &heads {
            self.renew(head);
        }
        if let Some(post) = self.posts.get_mut(&terminal) {
            post.heads = heads;
        }
    }

    /// One part below `node` changed.
    fn add(&mut self, node: NodeId, before: Option<Power>, after: Option<Power>) {
        let Some(sum) = self.sums.get_mut(&node) else { return };
        match before {
            Some(power) => sum.known -= power,
            None => sum.unknown = sum.unknown.saturating_sub(1),
        }
        match after {
            Some(power) => sum.known += power,
            None => sum.unknown += 1,
        }
        self.renew(node);
    }

    fn renew(&mut self, node: NodeId) {
        let load = self.load_from_parts(node);
        let Some(sum) = self.sums.get_mut(&node) else { return };
        let before = std::mem::replace(&mut sum.load, load);
        if before == load {
            return;
        }
        if self.dirty.last() != Some(&node) {
            self.dirty.push(node);
        }
        if let Some(parent) = sum.parent
            && before.power() != load.power()
        {
            self.add(parent, before.power(), load.power());
        }
    }

    /// Has a node judged anew though its load is what it was.
    pub(crate) fn look_at(&mut self, node: NodeId) {
        self.dirty.push(node);
    }

    /// Moves the nodes whose load changed, or that are to be looked at, into `out`, each once, by id.
    pub(crate) fn take_dirty(&mut self, out: &mut Vec<NodeId>) {
        out.append(&mut self.dirty);
        out.sort_unstable();
        out.dedup();
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

    /// The node and those above it; nothing for a terminal that only measures.
    pub(crate) fn path(&self, terminal: TerminalId) -> impl Iterator<Item = NodeId> + '_ {
        let node = self.posts.get(&terminal).and_then(|post| post.node);
        node.into_iter().flat_map(|node| self.inventory.path_up(node))
    }

    /// Terminals whose customer hangs below `node`, at any depth.
    pub(crate) fn terminals_below(&self, node: NodeId) -> impl Iterator<Item = TerminalId> + '_ {
        self.posts.keys().copied().filter(move |&terminal| self.path(terminal).any(|above| above == node))
    }
}
