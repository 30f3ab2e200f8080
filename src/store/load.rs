//! Loads of nodes, and calculated points: the engine's minutes, and what remains of many of them. They stand in one table, by [`Of`].

use std::collections::BTreeMap;
use std::fmt;

use headroom_rules::model::{Energy, NodeId, Power, RuleId, Span, Timestamp};
use headroom_rules::output::{CalculatedMinute, LoadMinute};
use serde::{Deserialize, Serialize};

use super::instant::Instant;
use super::rollup::Resolution;

/// What a node drew in one stretch of time, over the part of it in which that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLoad {
    /// When the stretch begins, in UTC.
    pub start: Timestamp,
    /// Lowest load.
    pub low: Power,
    /// Highest load.
    pub high: Power,
    /// The minute of the highest load, the first where there are several.
    pub high_at: Timestamp,
    /// Mean load.
    pub mean: Power,
    /// Load at the end of the part that was known.
    pub last: Power,
    /// How long the load was known.
    pub known: Span,
    /// How long it was above the limit in force.
    pub over: Span,
    /// The limit in force at the end, where there was one.
    pub limit: Option<Power>,
}

/// How a node did over some time: "how often were we at the limit?".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSummary {
    /// Highest load, and its minute; none where the load was never known.
    pub peak: Option<(Power, Timestamp)>,
    /// How long the load was known.
    pub known: Span,
    /// How long it was above the limit in force.
    pub over: Span,
    /// What was drawn while the load was known.
    pub energy: Energy,
}

impl LoadSummary {
    /// Later ones come later.
    pub(super) fn add(&mut self, load: &NodeLoad) {
        if self.peak.is_none_or(|(peak, _)| load.high > peak) {
            self.peak = Some((load.high, load.high_at));
        }
        self.known += load.known;
        self.over += load.over;
        self.energy += load.mean.over(load.known);
    }
}

/// Whose minutes they are, as the table has it: a node's id, or `=` and that of a calculated point, which no node's id begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    Node(NodeId),
    Calculated(RuleId),
}

/// Before a calculated point's id.
const CALCULATED: char = '=';

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "{node}"),
            Self::Calculated(point) => write!(f, "{CALCULATED}{point}"),
        }
    }
}

/// The calculated point of a key of the table, if it is one's.
pub(super) fn calculated_of(key: &str) -> Option<RuleId> {
    key.strip_prefix(CALCULATED)?.parse().ok()
}

/// A minute that the engine told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Minute<'a> {
    Load(&'a LoadMinute),
    Calculated(&'a CalculatedMinute),
}

/// What a calculated point was in one stretch of time, over the part of it in which that was known; in thousandths of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalculatedStretch {
    /// When the stretch begins, in UTC.
    pub start: Timestamp,
    /// Lowest value.
    pub low: i64,
    /// Highest value.
    pub high: i64,
    /// The minute of the highest value, the first where there are several.
    pub high_at: Timestamp,
    /// Mean value.
    pub mean: i64,
    /// Value at the end of the part that was known.
    pub last: i64,
    /// How long it was known.
    pub known: Span,
}

/// What a batch adds to one stretch of one node or calculated point.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadPart {
    pub(super) of: Of,
    pub(super) resolution: Resolution,
    pub(super) start: Timestamp,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) high_at: Timestamp,
    /// W times ms, at the ends of the range where it is beyond them.
    pub(super) sum: i64,
    pub(super) last: i64,
    pub(super) last_at: Timestamp,
    pub(super) known_ms: i64,
    pub(super) over_ms: i64,
    pub(super) limit: Option<i64>,
}

impl LoadPart {
    fn new(minute: Minute<'_>, resolution: Resolution) -> Self {
        match minute {
            Minute::Load(minute) => Self::of_load(minute, resolution),
            Minute::Calculated(minute) => Self::of_calculated(minute, resolution),
        }
    }

    fn of_calculated(minute: &CalculatedMinute, resolution: Resolution) -> Self {
        Self {
            of: Of::Calculated(minute.point),
            resolution,
            start: resolution.start(minute.from),
            low: minute.min,
            high: minute.max,
            high_at: minute.from,
            sum: minute.mean.saturating_mul(minute.known.get()),
            last: minute.last,
            last_at: minute.from,
            known_ms: minute.known.get(),
            over_ms: 0,
            limit: None,
        }
    }

    fn of_load(minute: &LoadMinute, resolution: Resolution) -> Self {
        Self {
            of: Of::Node(minute.node),
            resolution,
            start: resolution.start(minute.from),
            low: minute.min.get(),
            high: minute.max.get(),
            high_at: minute.from,
            sum: minute.mean.get().saturating_mul(minute.known.get()),
            last: minute.last.get(),
            last_at: minute.from,
            known_ms: minute.known.get(),
            over_ms: minute.over.get(),
            limit: minute.limit.map(Power::get),
        }
    }

    fn merge(&mut self, later: &Self) {
        self.low = self.low.min(later.low);
        if later.high > self.high {
            (self.high, self.high_at) = (later.high, later.high_at);
        }
        self.sum = self.sum.saturating_add(later.sum);
        (self.last, self.last_at, self.limit) = (later.last, later.last_at, later.limit);
        self.known_ms = self.known_ms.saturating_add(later.known_ms);
        self.over_ms = self.over_ms.saturating_add(later.over_ms);
    }
}

/// What `minutes`, in their order, add to each resolution. A minute that a restart cut in two comes twice.
pub(super) fn parts<'a>(minutes: impl IntoIterator<Item = Minute<'a>>) -> Vec<LoadPart> {
    let mut parts: BTreeMap<_, LoadPart> = BTreeMap::new();
    for minute in minutes {
        for resolution in Resolution::ALL {
            let part = LoadPart::new(minute, resolution);
            let key = (part.of, resolution, part.start);
            parts.entry(key).and_modify(|known| known.merge(&part)).or_insert(part);
        }
    }
    parts.into_values().collect()
}

/// Adds what comes to what is there, on either engine.
pub(super) const MERGE: &str = "ON CONFLICT (node, resolution, start) DO UPDATE SET
    low = CASE WHEN excluded.low < load.low THEN excluded.low ELSE load.low END,
    high = CASE WHEN excluded.high > load.high THEN excluded.high ELSE load.high END,
    high_at = CASE WHEN excluded.high > load.high THEN excluded.high_at ELSE load.high_at END,
    sum = load.sum + excluded.sum,
    last = CASE WHEN excluded.last_at >= load.last_at THEN excluded.last ELSE load.last END,
    limit_w = CASE WHEN excluded.last_at >= load.last_at THEN excluded.limit_w ELSE load.limit_w END,
    last_at = CASE WHEN excluded.last_at >= load.last_at THEN excluded.last_at ELSE load.last_at END,
    known_ms = load.known_ms + excluded.known_ms, over_ms = load.over_ms + excluded.over_ms";

/// What is read of `load`, as [`LoadColumns`] has it.
macro_rules! load_columns {
    () => {
        "start, low, high, high_at, CAST(round(sum * 1.0 / nullif(known_ms, 0)) AS bigint) AS mean, last, known_ms,
         over_ms, limit_w"
    };
}
pub(super) use load_columns;

/// Start, low, high and its minute, mean, last, known, over, limit.
pub(super) type LoadColumns = (Instant, i64, i64, Instant, i64, i64, i64, i64, Option<i64>);

pub(super) fn calculated_stretch(columns: LoadColumns) -> CalculatedStretch {
    let (start, low, high, high_at, mean, last, known, ..) = columns;
    let (start, high_at, known) = (start.timestamp(), high_at.timestamp(), Span::new(known));
    CalculatedStretch { start, low, high, high_at, mean, last, known }
}

pub(super) fn node_load((start, low, high, high_at, mean, last, known, over, limit): LoadColumns) -> NodeLoad {
    NodeLoad {
        start: start.timestamp(),
        low: Power::new(low),
        high: Power::new(high),
        high_at: high_at.timestamp(),
        mean: Power::new(mean),
        last: Power::new(last),
        known: Span::new(known),
        over: Span::new(over),
        limit: limit.map(Power::new),
    }
}
