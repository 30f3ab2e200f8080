//! What customers were asked to do themselves, and how often.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::measures::{Measure, MeasureId, MeasureKind};
use crate::model::{CustomerId, NodeId, Power, TerminalId, Timestamp};
use crate::notices::Sending;

/// One time that a customer was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Time {
    pub(crate) measure: MeasureId,
    pub(crate) kind: MeasureKind,
    pub(crate) due: Timestamp,
    /// It counts against what was agreed: the customer was not spared it before its time came.
    pub(crate) counts: bool,
    /// Nothing came of it.
    pub(crate) failed: bool,
    /// The customer is to begin nothing before.
    pub(crate) rest_until: Timestamp,
    /// And is asked for nothing before, however long its notice: it was not reached, declined or gave nothing. Snapshots of
    /// before know of no such time.
    #[serde(default)]
    pub(crate) unasked_until: Timestamp,
}

/// How it stands between a rule and its measures.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Course {
    pub(crate) look_at: Timestamp,
    /// Since when the next measure could be released.
    pub(crate) room_since: Option<(MeasureId, Timestamp)>,
    /// None is released before.
    pub(crate) release_at: Timestamp,
}

/// Load that comes back after a release.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Returning {
    pub(crate) since: Timestamp,
    /// The customer's load at the release.
    pub(crate) from: Power,
    pub(crate) power: Power,
}

/// What customers were asked to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MeasureBook {
    pub(crate) last: u64,
    pub(crate) open: BTreeMap<MeasureId, Measure>,
    /// The newest first.
    pub(crate) past: VecDeque<Measure>,
    /// The oldest first.
    pub(crate) times: BTreeMap<CustomerId, Vec<Time>>,
    pub(crate) courses: BTreeMap<NodeId, Course>,
    pub(crate) returning: BTreeMap<TerminalId, Returning>,
}

impl MeasureBook {
    /// Measures that are over and still shown.
    pub(crate) const KEPT: usize = 50;

    /// Those that are not over.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Measure> {
        self.open.values()
    }

    /// The open ones, then those that are over, the newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Measure> {
        self.open.values().chain(&self.past)
    }

    /// When a customer was asked, in the weeks that count.
    pub(crate) fn times_of(&self, customer: CustomerId) -> &[Time] {
        self.times.get(&customer).map_or(&[], Vec::as_slice)
    }

    /// Goes on with numbers higher by `count`.
    pub(crate) const fn skip_numbers(&mut self, count: u64) {
        self.last = self.last.saturating_add(count);
    }

    /// All texts whose answers may come.
    pub(crate) fn sendings(&mut self) -> impl Iterator<Item = &mut Sending> {
        let all = self.open.values_mut().chain(&mut self.past);
        all.flat_map(|it| std::iter::once(&mut it.told).chain(&mut it.released))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.returning.is_empty()
    }

    pub(crate) fn time_mut(&mut self, customer: CustomerId, measure: MeasureId) -> Option<&mut Time> {
        self.times.get_mut(&customer)?.iter_mut().rev().find(|time| time.measure == measure)
    }
}
