//! Looking things up, beside the writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use headroom_rules::model::{PointKind, Quality, TerminalId, Timestamp};
use headroom_rules::orders::{Order, OrderId};
use headroom_rules::output::{Alarm, Audit};
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};

use super::{FILE, StoreError, StoredEvent, TrendPoint};
use crate::journal::Position;

/// Most readers at the same time; others wait their turn.
const READERS_MAX: u32 = 4;

/// The store for reading only. Copies share their connections.
#[derive(Clone, Debug)]
pub struct StoreReader {
    file: Arc<PathBuf>,
    pool: SqlitePool,
}

impl StoreReader {
    /// Opens the store in `folder`, which a [`Store`](super::Store) has open or had open before.
    ///
    /// # Errors
    /// When there is no store, or it cannot be read.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let file = Arc::new(folder.join(FILE));
        let options = SqliteConnectOptions::new()
            .filename(&*file)
            .create_if_missing(false)
            .read_only(true)
            .busy_timeout(Duration::from_secs(5));
        let pool =
            SqlitePoolOptions::new().max_connections(READERS_MAX).connect_with(options).await.map_err(|source| {
                StoreError::Database { file: file.to_path_buf(), doing: "open the store for reading", source }
            })?;
        Ok(Self { file, pool })
    }

    /// Everything up to here is stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn position(&self) -> Result<Position, StoreError> {
        let position = sqlx::query_scalar("SELECT position FROM journal_position").fetch_one(&self.pool).await;
        position.map(Position::from_column).map_err(self.failed("read the stored position"))
    }

    /// How many readings are stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn count_readings(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM reading")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed("count the readings"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The values of a point at or after `from` and before `to`, ascending in time, at most `max_points` of them.
    ///
    /// When there are more, the time is cut into equal parts; of each stay its lowest and highest value that may
    /// decide, and the first one that may not, so that neither peaks nor bad quality vanish.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn trend(
        &self,
        terminal: TerminalId,
        point: PointKind,
        from: Timestamp,
        to: Timestamp,
        max_points: usize,
    ) -> Result<Vec<TrendPoint>, StoreError> {
        let failed = || self.failed("read a trend");
        let point_id: Option<i64> = sqlx::query_scalar(
            "SELECT point.id FROM point JOIN terminal ON terminal.id = terminal_id WHERE code = ? AND kind = ?",
        )
        .bind(terminal.as_str())
        .bind(point.code())
        .fetch_optional(&self.pool)
        .await
        .map_err(failed())?;
        let Some(point_id) = point_id.filter(|_| from < to) else { return Ok(Vec::new()) };
        let mut rows = sqlx::query_as::<_, (i64, i64, u8)>(
            "SELECT at, value, quality FROM reading WHERE point_id = ? AND at >= ? AND at < ?
             ORDER BY at, position, place",
        )
        .bind(point_id)
        .bind(from.get())
        .bind(to.get())
        .fetch(&self.pool);
        let mut trend = Thinned::new(from, to, max_points);
        while let Some((at, value, quality)) = rows.try_next().await.map_err(failed())? {
            trend.push(TrendPoint { at: Timestamp::new(at), value, quality: Quality::from_bits(quality) });
        }
        Ok(trend.finish())
    }

    /// The `limit` newest orders, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn orders(&self, limit: u32) -> Result<Vec<Order>, StoreError> {
        let rows = sqlx::query("SELECT id, json FROM \"order\" ORDER BY id DESC LIMIT ?").bind(limit);
        let rows = rows.fetch_all(&self.pool).await.map_err(self.failed("read the orders"))?;
        rows.iter().map(|row| self.parse(row, "order")).collect()
    }

    /// One order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let row = sqlx::query("SELECT id, json FROM \"order\" WHERE id = ?").bind(Position(id.0).column());
        let row = row.fetch_optional(&self.pool).await.map_err(self.failed("read an order"))?;
        row.map(|row| self.parse(&row, "order")).transpose()
    }

    /// The `limit` newest alarms, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn alarms(&self, limit: u32) -> Result<Vec<Alarm>, StoreError> {
        let rows = sqlx::query("SELECT id, json FROM alarm ORDER BY id DESC LIMIT ?").bind(limit);
        let rows = rows.fetch_all(&self.pool).await.map_err(self.failed("read the alarms"))?;
        rows.iter().map(|row| self.parse(row, "alarm")).collect()
    }

    /// Of the events at or after `from` the `limit` newest, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn events(&self, from: Timestamp, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT position AS id, at, source_time, kind, subject, text, json FROM event
             WHERE at >= ? ORDER BY at DESC, position DESC, place DESC LIMIT ?",
        );
        let rows = rows.bind(from.get()).bind(limit);
        let rows = rows.fetch_all(&self.pool).await.map_err(self.failed("read the events"))?;
        let failed = || self.failed("read the events");
        let event = |row: &SqliteRow| {
            Ok(StoredEvent {
                position: Position::from_column(row.try_get("id").map_err(failed())?),
                at: Timestamp::new(row.try_get("at").map_err(failed())?),
                source_time: row.try_get::<Option<i64>, _>("source_time").map_err(failed())?.map(Timestamp::new),
                kind: row.try_get("kind").map_err(failed())?,
                subject: row.try_get("subject").map_err(failed())?,
                text: row.try_get("text").map_err(failed())?,
                what: self.parse(row, "event")?,
            })
        };
        rows.iter().map(event).collect()
    }

    /// The `limit` newest entries of the audit log, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn audit(&self, limit: u32) -> Result<Vec<Audit>, StoreError> {
        let rows = sqlx::query("SELECT position AS id, json FROM audit ORDER BY position DESC, place DESC LIMIT ?");
        let rows = rows.bind(limit).fetch_all(&self.pool).await.map_err(self.failed("read the audit log"))?;
        rows.iter().map(|row| self.parse(row, "audit entry")).collect()
    }

    fn parse<T: DeserializeOwned>(&self, row: &SqliteRow, what: &str) -> Result<T, StoreError> {
        let failed = || self.failed("read a row");
        let id: i64 = row.try_get("id").map_err(failed())?;
        let json: &str = row.try_get("json").map_err(failed())?;
        serde_json::from_str(json).map_err(|source| StoreError::Row {
            file: self.file.to_path_buf(),
            what: format!("{what} {id}"),
            source,
        })
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
        let file = self.file.to_path_buf();
        move |source| StoreError::Database { file, doing, source }
    }
}

/// Keeps every value while they fit, and from then on only the extremes of each part of the time.
struct Thinned {
    from: i64,
    /// Length of the whole time, ms; above 0.
    length: i128,
    max: usize,
    all: Vec<TrendPoint>,
    /// By part: lowest, highest, first of bad quality. None while all fit.
    parts: Option<Vec<[Option<TrendPoint>; 3]>>,
}

impl Thinned {
    fn new(from: Timestamp, to: Timestamp, max: usize) -> Self {
        let length = (i128::from(to.get()) - i128::from(from.get())).max(1);
        Self { from: from.get(), length, max: max.max(3), all: Vec::new(), parts: None }
    }

    fn push(&mut self, point: TrendPoint) {
        if self.parts.is_none() && self.all.len() < self.max {
            self.all.push(point);
            return;
        }
        let mut parts = self.parts.take().unwrap_or_else(|| vec![[None; 3]; self.max / 3]);
        for point in self.all.drain(..).chain([point]) {
            let part = (i128::from(point.at.get()) - i128::from(self.from)) * parts.len() as i128 / self.length;
            let Some([lowest, highest, bad]) = usize::try_from(part).ok().and_then(|part| parts.get_mut(part)) else {
                continue;
            };
            if !point.quality.decides() {
                bad.get_or_insert(point);
                continue;
            }
            if lowest.is_none_or(|lowest| point.value < lowest.value) {
                *lowest = Some(point);
            }
            if highest.is_none_or(|highest| point.value > highest.value) {
                *highest = Some(point);
            }
        }
        self.parts = Some(parts);
    }

    fn finish(self) -> Vec<TrendPoint> {
        let Some(parts) = self.parts else { return self.all };
        let mut points = Vec::with_capacity(self.max);
        for [lowest, highest, bad] in parts {
            // One value that is both lowest and highest is one point.
            let highest = highest.filter(|highest| Some(*highest) != lowest);
            let mut part: Vec<_> = [lowest, highest, bad].into_iter().flatten().collect();
            part.sort_by_key(|point| point.at);
            points.extend(part);
        }
        points
    }
}
