//! Looking back over any length of time in pages: what one question gives is bounded, and nothing is held open between
//! two of them, so that a reader of years keeps neither SQLite's log from being emptied nor PostgreSQL's rows alive.

use headroom_rules::model::{NodeId, PointKind, RuleId, TerminalId, Timestamp};
use headroom_rules::orders::Order;
use headroom_rules::output::{Alarm, Audit};

use super::{Rows, StoreReader};
use crate::store::instant::Instant;
use crate::store::load::{CalculatedStretch, NodeLoad, Of, calculated_of, calculated_stretch, node_load};
use crate::store::look::{self, StateKind, StoredReading};
use crate::store::rollup::{Bucket, Resolution};
use crate::store::{StoreError, StoredEvent};

/// Key, number among its likes, and a reading.
pub(in crate::store) type ReadingPageRow = (i64, i64, Instant, Option<Instant>, Instant, i64, i16, i16);
/// Place, position, at, source time, kind, subject, text, JSON.
pub(in crate::store) type EventPageRow = (i64, i64, Instant, Option<Instant>, String, String, String, String);

/// A point that the store has readings of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPoint {
    id: i32,
    /// Whose.
    pub terminal: TerminalId,
    /// Which.
    pub kind: PointKind,
}

/// What is looked at, and in which pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From then on.
    pub from: Timestamp,
    /// Before then.
    pub to: Timestamp,
    /// Most rows of one page; 0 counts as 1.
    pub page_rows: u32,
}

impl Window {
    /// Where its first page begins.
    pub const fn begin(&self) -> Cursor {
        let place = Place { at: Instant(self.from.get()), key: i64::MIN, nth: i64::MIN };
        Cursor { place, seen: 0 }
    }
}

/// A place in the order of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Place {
    pub(in crate::store) at: Instant,
    pub(in crate::store) key: i64,
    pub(in crate::store) nth: i64,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    place: Place,
    /// Rows of that very place that came before: PostgreSQL's readings have no key.
    seen: usize,
}

/// Some rows, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// At most as many as were asked for.
    pub rows: Vec<T>,
    /// Where the next page begins; none after the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Of rows that begin with those of `cursor`'s place.
    fn of<R>(
        rows: Vec<R>,
        (window, cursor): (Window, Cursor),
        place: impl Fn(&R) -> Place,
        make: impl FnMut(R) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let next = rows.last().map(&place).filter(|_| rows.len() >= limit(window, cursor)).map(|last| {
            let seen = rows.iter().rev().take_while(|row| place(row) == last).count();
            Cursor { place: last, seen }
        });
        let rows = rows.into_iter().skip(cursor.seen).map(make).collect::<Result<_, _>>()?;
        Ok(Self { rows, next })
    }
}

/// How many rows to ask for.
fn limit(window: Window, cursor: Cursor) -> usize {
    usize::try_from(window.page_rows.max(1)).unwrap_or(usize::MAX).saturating_add(cursor.seen)
}

/// As SQL takes it.
fn sql_limit(window: Window, cursor: Cursor) -> i64 {
    i64::try_from(limit(window, cursor)).unwrap_or(i64::MAX)
}

fn reading_place(row: &ReadingPageRow) -> Place {
    Place { at: row.2, key: row.0, nth: row.1 }
}

#[allow(clippy::unnecessary_wraps, reason = "as what can fail")]
fn stored_reading(
    (_, _, at, source, arrived, value, marks, cause): ReadingPageRow,
) -> Result<StoredReading, StoreError> {
    Ok(look::reading((at, source, arrived, value, marks, cause)))
}

const fn begins(start: Timestamp) -> Place {
    Place { at: Instant(start.get()), key: 0, nth: 0 }
}

impl StoreReader {
    /// All points that the store has readings of, by terminal and kind. Those of kinds that only a later version knows are
    /// left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn points(&self) -> Result<Vec<StoredPoint>, StoreError> {
        let point = |(id, code, kind): (i32, String, i16)| {
            let kind = u16::try_from(kind).ok().and_then(PointKind::from_code)?;
            Some(StoredPoint { id, terminal: code.parse().ok()?, kind })
        };
        Ok(ask!(self.points())?.into_iter().filter_map(point).collect())
    }

    /// All nodes that ever had a load.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn loaded_nodes(&self) -> Result<Vec<NodeId>, StoreError> {
        Ok(ask!(self.loaded_nodes())?.into_iter().filter_map(|node| node.parse().ok()).collect())
    }

    /// All calculated points that ever had a value.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn calculated_points(&self) -> Result<Vec<RuleId>, StoreError> {
        Ok(ask!(self.loaded_nodes())?.iter().filter_map(|key| calculated_of(key)).collect())
    }

    /// A page of what [`Self::readings`] gives.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn reading_page(
        &self,
        point: StoredPoint,
        window: Window,
        cursor: Cursor,
    ) -> Result<Page<StoredReading>, StoreError> {
        let rows = ask!(self.reading_page(point.id, cursor.place, window.to.into(), sql_limit(window, cursor)))?;
        Page::of(rows, (window, cursor), reading_place, stored_reading)
    }

    /// A page of what [`Self::set_aside`] gives.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn set_aside_page(
        &self,
        point: StoredPoint,
        window: Window,
        cursor: Cursor,
    ) -> Result<Page<StoredReading>, StoreError> {
        let rows = ask!(self.set_aside_page(point.id, cursor.place, window.to.into(), sql_limit(window, cursor)))?;
        Page::of(rows, (window, cursor), reading_place, stored_reading)
    }

    /// A page of what [`Self::buckets`] gives.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn bucket_page(
        &self,
        point: StoredPoint,
        resolution: Resolution,
        window: Window,
        cursor: Cursor,
    ) -> Result<Page<Bucket>, StoreError> {
        let (of, to, limit) = ((point.id, resolution), window.to.into(), sql_limit(window, cursor));
        let rows = ask!(self.bucket_page(of, cursor.place, to, limit))?;
        let buckets: Vec<_> = rows.into_iter().map(Bucket::from).collect();
        Page::of(buckets, (window, cursor), |bucket| begins(bucket.start), Ok)
    }

    /// A page of a node's load curve.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load_page(
        &self,
        node: NodeId,
        resolution: Resolution,
        window: Window,
        cursor: Cursor,
    ) -> Result<Page<NodeLoad>, StoreError> {
        let (of, to, limit) = ((Of::Node(node), resolution), window.to.into(), sql_limit(window, cursor));
        let rows = ask!(self.load_page(of, cursor.place, to, limit))?;
        let loads: Vec<_> = rows.into_iter().map(node_load).collect();
        Page::of(loads, (window, cursor), |load| begins(load.start), Ok)
    }

    /// A page of a calculated point's curve.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn calculated_page(
        &self,
        point: RuleId,
        resolution: Resolution,
        window: Window,
        cursor: Cursor,
    ) -> Result<Page<CalculatedStretch>, StoreError> {
        let (of, to, limit) = ((Of::Calculated(point), resolution), window.to.into(), sql_limit(window, cursor));
        let rows = ask!(self.load_page(of, cursor.place, to, limit))?;
        let stretches: Vec<_> = rows.into_iter().map(calculated_stretch).collect();
        Page::of(stretches, (window, cursor), |stretch| begins(stretch.start), Ok)
    }

    /// A page of the orders that were issued in the time, for one terminal (`about`) or for all (empty), by their numbers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn order_page(&self, about: &str, window: Window, cursor: Cursor) -> Result<Page<Order>, StoreError> {
        let rows = self.state_page(StateKind::Order, about, window, cursor).await?;
        Page::of(rows, (window, cursor), numbered, |(id, json)| self.parse("order", id, &json))
    }

    /// A page of the alarms that were raised in the time, about one terminal or node or all (empty), by their numbers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn alarm_page(&self, about: &str, window: Window, cursor: Cursor) -> Result<Page<Alarm>, StoreError> {
        let rows = self.state_page(StateKind::Alarm, about, window, cursor).await?;
        Page::of(rows, (window, cursor), numbered, |(id, json)| self.parse("alarm", id, &json))
    }

    async fn state_page(
        &self,
        kind: StateKind,
        about: &str,
        window: Window,
        cursor: Cursor,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        let times = (window.from.into(), window.to.into());
        ask!(self.state_page(kind, about, cursor.place, times, sql_limit(window, cursor)))
    }

    /// A page of the events about one terminal or node or all (empty), by their times.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn event_page(
        &self,
        about: &str,
        window: Window,
        cursor: Cursor,
    ) -> Result<Page<StoredEvent>, StoreError> {
        let rows = ask!(self.event_page(about, cursor.place, window.to.into(), sql_limit(window, cursor)))?;
        let place = |row: &EventPageRow| Place { at: row.2, key: row.1, nth: row.0 };
        Page::of(rows, (window, cursor), place, |(_, position, at, source, kind, subject, text, json)| {
            self.stored_event((position, at, source, kind, subject, text, json))
        })
    }

    /// A page of the audit log, of one person or all (empty), by time.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn audit_page(&self, who: &str, window: Window, cursor: Cursor) -> Result<Page<Audit>, StoreError> {
        let rows = ask!(self.audit_page(who, cursor.place, window.to.into(), sql_limit(window, cursor)))?;
        let place = |row: &(Instant, i64, i64, String)| Place { at: row.0, key: row.1, nth: row.2 };
        Page::of(rows, (window, cursor), place, |(_, position, _, json)| self.parse("audit entry", position, &json))
    }
}

fn numbered(row: &(i64, String)) -> Place {
    Place { at: Instant(0), key: row.0, nth: 0 }
}
