//! Looking things up, beside the writer: the same answers from every engine.

use std::path::Path;

use headroom_rules::model::{NodeId, PointKind, RuleId, Span, TerminalId, Timestamp};
use headroom_rules::orders::{Order, OrderId};
use headroom_rules::output::{Alarm, Audit};
use serde::de::DeserializeOwned;

use super::instant::Instant;
use super::load::{CalculatedStretch, LoadSummary, NodeLoad, Of, calculated_stretch, node_load};
use super::look::{
    self, EnergyPeriod, EventColumns, Gap, History, LastValue, ReadingColumns, StateKind, StoredReading,
};
use super::postgres::PgRows;
use super::rollup::{At, Bucket, Resolution};
use super::settings::Place;
use super::sqlite::{self, SqliteRows};
use super::thinned::Thinned;
use super::{StoreError, StoreSettings, StoredEvent, TrendPoint};
use crate::journal::Position;

/// Most periods of energy, and most gaps, in one answer.
const ANSWERS_MAX: usize = 10_000;

/// The store for reading only. Copies share their connections.
#[derive(Clone, Debug)]
pub struct StoreReader(Rows);

#[derive(Clone, Debug)]
enum Rows {
    Sqlite(SqliteRows),
    Postgres(PgRows),
}

/// Asks whichever engine it is.
macro_rules! ask {
    ($self:ident.$question:ident($($what:expr),*)) => {
        match &$self.0 {
            Rows::Sqlite(rows) => rows.$question($($what),*).await,
            Rows::Postgres(rows) => rows.$question($($what),*).await,
        }
    };
}

pub(super) mod paging;

impl StoreReader {
    /// Whether there is a store that [`Self::begin`] could open; one on a server is taken to be there.
    pub fn is_there(settings: &StoreSettings, folder: &Path) -> bool {
        match settings.place {
            Place::Folder => sqlite::is_there(folder),
            Place::Server(_) => true,
        }
    }

    /// Opens the store that [`Store::begin`](super::Store::begin) opens with the same settings.
    ///
    /// # Errors
    /// When there is no store in the folder, or it cannot be read. A server is only reached when it is asked something.
    pub async fn begin(settings: &StoreSettings, folder: &Path) -> Result<Self, StoreError> {
        Ok(Self(match &settings.place {
            Place::Folder => Rows::Sqlite(SqliteRows::open(folder).await?),
            Place::Server(server) => Rows::Postgres(PgRows::new(server)),
        }))
    }

    /// Opens the SQLite store in `folder`, which a [`Store`](super::Store) has open or had open before.
    ///
    /// # Errors
    /// When there is no store, or it cannot be read.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::begin(&StoreSettings::default(), folder).await
    }

    /// Everything up to here is stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn position(&self) -> Result<Position, StoreError> {
        ask!(self.position()).map(Position::from_column)
    }

    /// How many readings are stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_readings(&self) -> Result<u64, StoreError> {
        ask!(self.count_readings()).map(|count| u64::try_from(count).unwrap_or(0))
    }

    /// The newest reading of each point of one terminal, or of all. One whose time is impossible is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn last_values(&self, terminal: Option<TerminalId>) -> Result<Vec<LastValue>, StoreError> {
        Ok(ask!(self.last_values(terminal))?.into_iter().filter_map(look::last_value).collect())
    }

    /// The readings of a point at or after `from` and before `to`, in the order of their times; those of impossible
    /// times are not among them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn readings(
        &self,
        terminal: TerminalId,
        point: PointKind,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<StoredReading>, StoreError> {
        let mut readings = Vec::new();
        if let Some(id) = ask!(self.point_id(terminal, point))? {
            ask!(self.readings(id, from.into(), to.into(), |row| readings.push(look::reading(row))))?;
        }
        Ok(readings)
    }

    /// The readings of a point that arrived at or after `from` and before `to` with a source time that cannot be true.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn set_aside(
        &self,
        terminal: TerminalId,
        point: PointKind,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<StoredReading>, StoreError> {
        let mut readings = Vec::new();
        if let Some(id) = ask!(self.point_id(terminal, point))? {
            ask!(self.set_aside(id, from.into(), to.into(), |row| readings.push(look::reading(row))))?;
        }
        Ok(readings)
    }

    /// The values of a point at or after `from` and before `to`, ascending in time, at most `max_points` of them.
    ///
    /// When there are more, the time is cut into equal parts; of each stay its lowest and highest value that may
    /// decide, and the first one that may not, so that neither peaks nor bad quality vanish. Where the time is long
    /// enough for that, they come from rollups, each at its own time all the same.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn trend(
        &self,
        terminal: TerminalId,
        point: PointKind,
        from: Timestamp,
        to: Timestamp,
        max_points: usize,
    ) -> Result<Vec<TrendPoint>, StoreError> {
        let id = ask!(self.point_id(terminal, point))?.filter(|_| from < to);
        let Some(id) = id else { return Ok(Vec::new()) };
        let mut trend = Thinned::new(from, to, max_points);
        match Resolution::for_parts(from, to, max_points / 3) {
            None => {
                let each = |row: ReadingColumns| trend.push(trend_point(row, false));
                ask!(self.readings(id, from.into(), to.into(), each))?;
            }
            Some(resolution) => {
                for bucket in self.buckets_of(id, resolution, resolution.start(from), to).await? {
                    let good = [bucket.low, bucket.high.filter(|high| Some(*high) != bucket.low)];
                    let good = good.into_iter().flatten().map(|at| (at, Default::default()));
                    for (At { at, value }, quality) in
                        good.chain(bucket.bad).filter(|(at, _)| at.at >= from && at.at < to)
                    {
                        trend.push(TrendPoint { at, value, quality, doubtful_time: false });
                    }
                }
            }
        }
        let each = |row: ReadingColumns| trend.push(trend_point(row, true));
        ask!(self.set_aside(id, from.into(), to.into(), each))?;
        Ok(trend.finish())
    }

    /// The rollups of a point that begin at or after `from` and before `to`, in UTC.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn buckets(
        &self,
        terminal: TerminalId,
        point: PointKind,
        resolution: Resolution,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Bucket>, StoreError> {
        match ask!(self.point_id(terminal, point))? {
            Some(id) => self.buckets_of(id, resolution, from, to).await,
            None => Ok(Vec::new()),
        }
    }

    async fn buckets_of(
        &self,
        id: i32,
        resolution: Resolution,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Bucket>, StoreError> {
        let rows = ask!(self.buckets(id, resolution, from.into(), to.into()))?;
        Ok(rows.into_iter().map(Bucket::from).collect())
    }

    /// The highest value of a point at or after `from` and before `to` that may decide, and when it first was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn peak(
        &self,
        terminal: TerminalId,
        point: PointKind,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<At>, StoreError> {
        let Some(id) = ask!(self.point_id(terminal, point))? else { return Ok(None) };
        let mut peak: Option<At> = None;
        let mut take = |at: At| {
            if peak.is_none_or(|peak| at.value > peak.value) {
                peak = Some(at);
            }
        };
        for (resolution, from, to) in look::pieces(from, to) {
            match resolution {
                None => {
                    let each = |row: ReadingColumns| {
                        let reading = look::reading(row);
                        if reading.quality.decides() {
                            take(At { at: reading.at, value: reading.value });
                        }
                    };
                    ask!(self.readings(id, from.into(), to.into(), each))?;
                }
                Some(resolution) => {
                    let buckets = self.buckets_of(id, resolution, from, to).await?;
                    buckets.iter().filter_map(|bucket| bucket.high).for_each(&mut take);
                }
            }
        }
        Ok(peak)
    }

    /// A node's load curve, of stretches that begin at or after `from` and before `to`: in minutes, or in the coarsest
    /// resolution in which it still has `points_min` of them. Stretches in which the load was never known are missing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load_curve(
        &self,
        node: NodeId,
        from: Timestamp,
        to: Timestamp,
        points_min: usize,
    ) -> Result<Vec<NodeLoad>, StoreError> {
        let resolution = Resolution::for_parts(from, to, points_min).unwrap_or(Resolution::Minute);
        let rows = ask!(self.loads(Of::Node(node), resolution, from.into(), to.into()))?;
        Ok(rows.into_iter().map(node_load).collect())
    }

    /// A calculated point's curve, as [`Self::load_curve`] gives a node's.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn calculated_curve(
        &self,
        point: RuleId,
        from: Timestamp,
        to: Timestamp,
        points_min: usize,
    ) -> Result<Vec<CalculatedStretch>, StoreError> {
        let resolution = Resolution::for_parts(from, to, points_min).unwrap_or(Resolution::Minute);
        let rows = ask!(self.loads(Of::Calculated(point), resolution, from.into(), to.into()))?;
        Ok(rows.into_iter().map(calculated_stretch).collect())
    }

    /// A node's peak, energy and time above its limit, in the minutes that begin at or after `from` and before `to`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load_summary(&self, node: NodeId, from: Timestamp, to: Timestamp) -> Result<LoadSummary, StoreError> {
        let mut summary = LoadSummary::default();
        for (resolution, from, to) in look::pieces(from, to) {
            // The ends begin in minutes that began before, or in none.
            let rows =
                ask!(self.loads(Of::Node(node), resolution.unwrap_or(Resolution::Minute), from.into(), to.into()))?;
            rows.into_iter().map(node_load).for_each(|load| summary.add(&load));
        }
        Ok(summary)
    }

    /// What a terminal's register of imported energy says of each `period` from `from` on and before `to`, at most
    /// 10,000 of them. Exact to the quarter of an hour where `from` and `period` are whole quarters, else to the minute;
    /// so days may begin at midnight of any time zone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn energy(
        &self,
        terminal: TerminalId,
        from: Timestamp,
        to: Timestamp,
        period: Span,
    ) -> Result<Vec<EnergyPeriod>, StoreError> {
        let length = period.get().max(1);
        let periods = usize::try_from(to.since(from).get() / length).unwrap_or(0).min(ANSWERS_MAX);
        let Some(id) = ask!(self.point_id(terminal, PointKind::ImportEnergy))? else {
            return Ok(look::energy(None, &[], from, period, periods));
        };
        let whole = |resolution: &Resolution| {
            let span = resolution.span().get();
            length % span == 0 && from.get().rem_euclid(span) == 0
        };
        let resolution = Resolution::ALL.into_iter().rev().find(whole).unwrap_or(Resolution::Minute);
        // Where the register stood before; a day back at least, for meters that are read once a day.
        let back = Span::new(length.max(Resolution::Day.span().get()));
        let before = self.buckets_of(id, resolution, from.after(-back), from).await?;
        let before = before.iter().rev().find_map(|bucket| bucket.last).map(|at| at.value);
        let buckets = self.buckets_of(id, resolution, from, to).await?;
        Ok(look::energy(before, &buckets, from, period, periods))
    }

    /// The stretches of more than `longest` without a reading of a point, between `from` and `to`; at most the first
    /// 10,000.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn gaps(
        &self,
        terminal: TerminalId,
        point: PointKind,
        from: Timestamp,
        to: Timestamp,
        longest: Span,
    ) -> Result<Vec<Gap>, StoreError> {
        let mut gaps = Vec::new();
        let mut after = from;
        let mut until = |at: Timestamp| {
            if at.since(after) > longest && gaps.len() < ANSWERS_MAX {
                gaps.push(Gap { after, until: at });
            }
            after = at;
        };
        if let Some(id) = ask!(self.point_id(terminal, point))? {
            let each = |(at, ..): ReadingColumns| until(at.timestamp());
            ask!(self.readings(id, from.into(), to.into(), each))?;
        }
        until(to);
        Ok(gaps)
    }

    /// Orders, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn orders(&self, history: &History) -> Result<Vec<Order>, StoreError> {
        self.parse_all("order", ask!(self.states(StateKind::Order, history))?)
    }

    /// One order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let row = ask!(self.order(Position(id.0).column()))?;
        row.map(|(id, json)| self.parse("order", id, &json)).transpose()
    }

    /// Alarms, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn alarms(&self, history: &History) -> Result<Vec<Alarm>, StoreError> {
        self.parse_all("alarm", ask!(self.states(StateKind::Alarm, history))?)
    }

    /// Events, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn events(&self, history: &History) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = ask!(self.events(history))?;
        rows.into_iter().map(|row| self.stored_event(row)).collect()
    }

    fn stored_event(&self, row: EventColumns) -> Result<StoredEvent, StoreError> {
        let (position, at, source_time, kind, subject, text, json) = row;
        Ok(StoredEvent {
            position: Position::from_column(position),
            at: at.timestamp(),
            source_time: source_time.map(Instant::timestamp),
            kind,
            subject,
            text,
            what: self.parse("event", position, &json)?,
        })
    }

    /// Entries of the audit log, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn audit(&self, history: &History) -> Result<Vec<Audit>, StoreError> {
        self.parse_all("audit entry", ask!(self.audit(history))?)
    }

    fn parse_all<T: DeserializeOwned>(&self, what: &str, rows: Vec<(i64, String)>) -> Result<Vec<T>, StoreError> {
        rows.into_iter().map(|(id, json)| self.parse(what, id, &json)).collect()
    }

    fn parse<T: DeserializeOwned>(&self, what: &str, id: i64, json: &str) -> Result<T, StoreError> {
        let store = match &self.0 {
            Rows::Sqlite(rows) => &rows.store,
            Rows::Postgres(rows) => &rows.store,
        };
        let what = || format!("{what} {id}");
        serde_json::from_str(json).map_err(|source| StoreError::Row { store: store.clone(), what: what(), source })
    }
}

fn trend_point(row: ReadingColumns, doubtful_time: bool) -> TrendPoint {
    let reading = look::reading(row);
    TrendPoint { at: reading.at, value: reading.value, quality: reading.quality, doubtful_time }
}
