//! The grid as snapshots have it: by names, as it was before there were places.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::super::places::Place;
use super::post::{Beside, Source};
use super::standing_in::Standing;
use super::still::Witness;
use super::varying::Varying;
use super::{Grid, Held, Post, Sum};
use crate::model::{Inventory, NodeId, PointKind, Power, Span, TerminalId, Timestamp};
use crate::view::Load;

/// One terminal.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedPost {
    link_up: bool,
    link_since: Timestamp,
    /// Sorted by kind.
    points: Vec<(PointKind, Held)>,
    node: Option<NodeId>,
    heads: Vec<NodeId>,
    counted: Option<Power>,
    /// Snapshots of before there were values by hand have none.
    #[serde(default)]
    substituted: bool,
    power_max: Power,
    changes: (Timestamp, u16),
    /// Snapshots of before it was looked for frozen values have none of these.
    #[serde(default)]
    still: u8,
    #[serde(default)]
    frozen: bool,
    #[serde(default)]
    witnesses: [Witness; 2],
    /// Snapshots of before anything stood in have none.
    #[serde(default)]
    standing: Standing,
    /// Snapshots of before this was kept know of no moves.
    #[serde(default)]
    varying: Varying,
}

impl From<SavedPost> for Post {
    fn from(saved: SavedPost) -> Self {
        let SavedPost { link_up, link_since, mut points, node, heads, counted, .. } = saved;
        let SavedPost { substituted, power_max, changes, still, frozen, witnesses, standing, varying, .. } = saved;
        let source = match (substituted, standing.by) {
            (false, _) => Source::Told,
            (true, None) => Source::ByHand,
            (true, Some(_)) => Source::StandsIn,
        };
        let power = points.iter().find(|(kind, _)| *kind == PointKind::ActivePower).map(|(_, held)| *held);
        points.retain(|(kind, _)| *kind != PointKind::ActivePower);
        let beside =
            Box::new(Beside { points, node, heads, more_heads: Vec::new(), changes, standing, varying, witnesses });
        Self { link_up, link_since, power, counted, source, still, frozen, power_max, beside, ..Self::default() }
    }
}

impl Serialize for Post {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SavedPost {
            link_up: self.link_up,
            link_since: self.link_since,
            points: self.points().map(|held| (held.reading.point, *held)).collect(),
            node: self.node(),
            heads: self.heads().to_vec(),
            counted: self.counted,
            substituted: self.is_substituted(),
            power_max: self.power_max,
            changes: self.beside.changes,
            still: self.still,
            frozen: self.frozen,
            witnesses: self.beside.witnesses,
            standing: self.beside.standing,
            varying: self.beside.varying,
        }
        .serialize(serializer)
    }
}

/// Of one node.
#[derive(Serialize, Deserialize)]
struct SavedSum {
    parent: Option<NodeId>,
    head: Option<TerminalId>,
    known: Power,
    unknown: u32,
    parts: u32,
    load: Load,
    /// Snapshots of before there were values by hand have none.
    #[serde(default)]
    substituted: u16,
    #[serde(default)]
    dressed: bool,
}

/// All terminals and nodes.
#[derive(Deserialize)]
pub(super) struct Saved {
    inventory: Inventory,
    posts: BTreeMap<TerminalId, Post>,
    sums: BTreeMap<NodeId, SavedSum>,
    age_max: Span,
    dirty: Vec<NodeId>,
    /// Snapshots of before this was kept have none; the next tick finds them.
    #[serde(default)]
    stood: Vec<NodeId>,
}

impl From<Saved> for Grid {
    fn from(saved: Saved) -> Self {
        let Saved { inventory, mut posts, mut sums, age_max, dirty, stood } = saved;
        let posts = inventory.terminals.keys().map(|id| (*id, posts.remove(id).unwrap_or_default())).collect();
        let sum = |id: &NodeId| {
            let SavedSum { known, unknown, parts, load, substituted, dressed, .. } = sums.remove(id)?;
            Some(Sum { known, unknown, parts, load, substituted, dressed, ..Sum::default() })
        };
        let sums = inventory.nodes.keys().map(sum).map(Option::unwrap_or_default);
        let sums = inventory.nodes.keys().copied().zip(sums).collect();
        let mut grid = Self { inventory, posts, sums, age_max, ..Self::default() };
        grid.find_places();
        grid.find_lacking();
        grid.stood = stood.iter().filter_map(|node| grid.sums.place(node)).collect();
        for node in dirty {
            grid.look_at(node);
        }
        grid
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    inventory: &'a Inventory,
    posts: &'a super::Places<TerminalId, Post>,
    sums: BTreeMap<NodeId, SavedSum>,
    age_max: Span,
    dirty: Vec<NodeId>,
    stood: Vec<NodeId>,
}

impl Serialize for Grid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let node = |place: Place<NodeId>| self.sums.name(place);
        let sum = |(id, sum): (&NodeId, &Sum)| {
            let Sum { parent, head, known, unknown, parts, load, substituted, dressed, .. } = *sum;
            let (parent, head) = (parent.and_then(node), head.and_then(|place| self.posts.name(place)));
            (*id, SavedSum { parent, head, known, unknown, parts, load, substituted, dressed })
        };
        Shown {
            inventory: &self.inventory,
            posts: &self.posts,
            sums: self.sums.iter().map(sum).collect(),
            age_max: self.age_max,
            dirty: self.dirty.iter().filter_map(|&place| node(place)).collect(),
            stood: self.stood.iter().filter_map(|&place| node(place)).collect(),
        }
        .serialize(serializer)
    }
}
