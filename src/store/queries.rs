//! What is asked of the tables, in SQL that both engines understand.

/// The questions of one engine. sqlx has no common name for what its engines' connections can do, so they are written
/// once here and made for each: `$rows` is the type that gets them, with `pool` and `failed`; the order of a point's
/// readings stands in `$order`, and what one is made of in `$reading`, as [`StoredReading`](super::StoredReading) has it.
macro_rules! queries {
    ($rows:ident, $order:literal, $reading:expr) => {
        use futures_util::TryStreamExt as _;
        use headroom_rules::model::{PointKind, TerminalId};

        use crate::store::instant::Instant;
        use crate::store::load::{LoadColumns, Of};
        use crate::store::look::{BucketRow, EventColumns, LastRow, ReadingColumns, StateKind};
        use crate::store::rollup::Resolution;
        use crate::store::{History, StoreError};

        impl $rows {
            pub(in crate::store) async fn position(&self) -> Result<i64, StoreError> {
                let query = sqlx::query_scalar("SELECT position FROM journal_position").persistent(false);
                query.fetch_one(self.pool().await?).await.map_err(self.failed("read the stored position"))
            }

            pub(in crate::store) async fn count_readings(&self) -> Result<i64, StoreError> {
                let query = "SELECT (SELECT count(*) FROM reading) + (SELECT count(*) FROM set_aside)";
                let query = sqlx::query_scalar(query).persistent(false);
                query.fetch_one(self.pool().await?).await.map_err(self.failed("count the readings"))
            }

            pub(in crate::store) async fn point_id(
                &self,
                terminal: TerminalId,
                kind: PointKind,
            ) -> Result<Option<i32>, StoreError> {
                let query = "SELECT point.id FROM point JOIN terminal ON terminal.id = terminal_id
                             WHERE code = $1 AND kind = $2";
                sqlx::query_scalar(query)
                    .bind(terminal.as_str())
                    .bind(i16::try_from(kind.code()).unwrap_or(i16::MAX))
                    .persistent(false)
                    .fetch_optional(self.pool().await?)
                    .await
                    .map_err(self.failed("look for a point"))
            }

            /// Those from `from` on and before `to`, in their order.
            pub(in crate::store) async fn readings(
                &self,
                point_id: i32,
                from: Instant,
                to: Instant,
                mut each: impl FnMut(ReadingColumns),
            ) -> Result<(), StoreError> {
                let query = concat!(
                    "SELECT ",
                    $reading,
                    ", value, quality, cause FROM reading
                     WHERE point_id = $1 AND at >= $2 AND at < $3 ORDER BY ",
                    $order
                );
                let query = sqlx::query_as(query).bind(point_id).bind(from).bind(to).persistent(false);
                let mut rows = query.fetch(self.pool().await?);
                while let Some(row) = rows.try_next().await.map_err(self.failed("read a trend"))? {
                    each(row);
                }
                Ok(())
            }

            /// Of impossible times, by arrival.
            pub(in crate::store) async fn set_aside(
                &self,
                point_id: i32,
                from: Instant,
                to: Instant,
                mut each: impl FnMut(ReadingColumns),
            ) -> Result<(), StoreError> {
                let query = "SELECT arrived_at, source_time, arrived_at, value, quality, cause FROM set_aside
                             WHERE point_id = $1 AND arrived_at >= $2 AND arrived_at < $3
                             ORDER BY arrived_at, position, place";
                let query = sqlx::query_as(query).bind(point_id).bind(from).bind(to).persistent(false);
                let mut rows = query.fetch(self.pool().await?);
                while let Some(row) = rows.try_next().await.map_err(self.failed("read what was set aside"))? {
                    each(row);
                }
                Ok(())
            }

            /// Those that begin from `from` on and before `to`, in their order.
            pub(in crate::store) async fn buckets(
                &self,
                point_id: i32,
                resolution: Resolution,
                from: Instant,
                to: Instant,
            ) -> Result<Vec<BucketRow>, StoreError> {
                let query = concat!(
                    "SELECT ",
                    crate::store::rollup::bucket_columns!(),
                    " FROM rollups
                     WHERE resolution = $1 AND point_id = $2 AND start >= $3 AND start < $4 ORDER BY start"
                );
                let query = sqlx::query_as(query).bind(resolution.code()).bind(point_id).bind(from).bind(to);
                query.persistent(false).fetch_all(self.pool().await?).await.map_err(self.failed("read a trend"))
            }

            /// A node's loads, or a calculated point's values, of stretches that begin from `from` on and before `to`, in their order.
            pub(in crate::store) async fn loads(
                &self,
                of: Of,
                resolution: Resolution,
                from: Instant,
                to: Instant,
            ) -> Result<Vec<LoadColumns>, StoreError> {
                let query = concat!(
                    "SELECT ",
                    crate::store::load::load_columns!(),
                    " FROM load
                     WHERE node = $1 AND resolution = $2 AND start >= $3 AND start < $4 ORDER BY start"
                );
                let query = sqlx::query_as(query).bind(of.to_string()).bind(resolution.code()).bind(from).bind(to);
                let query = query.persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read a node's load"))
            }

            /// Of one terminal, or of all.
            pub(in crate::store) async fn last_values(
                &self,
                terminal: Option<TerminalId>,
            ) -> Result<Vec<LastRow>, StoreError> {
                let query = "SELECT code, kind, at, source_time, arrived_at, value, quality, cause FROM last_value
                             JOIN point ON point.id = point_id JOIN terminal ON terminal.id = terminal_id
                             WHERE $1 = '' OR code = $1 ORDER BY code, kind";
                let terminal = terminal.as_ref().map_or("", TerminalId::as_str);
                let query = sqlx::query_as(query).bind(terminal).persistent(false);
                query.fetch_all(self.pool().await?).await.map_err(self.failed("read the last values"))
            }

            /// Numbers and JSON of those that began in the time, newest first.
            pub(in crate::store) async fn states(
                &self,
                kind: StateKind,
                history: &History,
            ) -> Result<Vec<(i64, String)>, StoreError> {
                let query = match kind {
                    StateKind::Alarm => {
                        "SELECT id, json FROM alarm WHERE ($1 = '' OR subject = $1) AND began_at >= $2 AND began_at < $3
                         ORDER BY id DESC LIMIT $4"
                    }
                    StateKind::Order => {
                        "SELECT id, json FROM \"order\" WHERE ($1 = '' OR subject = $1) AND began_at >= $2
                         AND began_at < $3 ORDER BY id DESC LIMIT $4"
                    }
                };
                let query = sqlx::query_as(query).bind(history.subject()).bind(history.from()).bind(history.to());
                let query = query.bind(i64::from(history.limit)).persistent(false);
                query.fetch_all(self.pool().await?).await.map_err(self.failed("read alarms or orders"))
            }

            pub(in crate::store) async fn order(&self, id: i64) -> Result<Option<(i64, String)>, StoreError> {
                let query = sqlx::query_as("SELECT id, json FROM \"order\" WHERE id = $1").bind(id).persistent(false);
                query.fetch_optional(self.pool().await?).await.map_err(self.failed("read an order"))
            }

            pub(in crate::store) async fn events(&self, history: &History) -> Result<Vec<EventColumns>, StoreError> {
                let query = "SELECT position, at, source_time, kind, subject, text, json FROM event
                             WHERE ($1 = '' OR subject = $1) AND at >= $2 AND at < $3
                             ORDER BY at DESC, position DESC, place DESC LIMIT $4";
                let query = sqlx::query_as(query).bind(history.subject()).bind(history.from()).bind(history.to());
                let query = query.bind(i64::from(history.limit)).persistent(false);
                query.fetch_all(self.pool().await?).await.map_err(self.failed("read the events"))
            }

            pub(in crate::store) async fn audit(&self, history: &History) -> Result<Vec<(i64, String)>, StoreError> {
                let query = "SELECT position, json FROM audit WHERE ($1 = '' OR who = $1) AND at >= $2 AND at < $3
                             ORDER BY position DESC, place DESC LIMIT $4";
                let query = sqlx::query_as(query).bind(history.subject()).bind(history.from()).bind(history.to());
                let query = query.bind(i64::from(history.limit)).persistent(false);
                query.fetch_all(self.pool().await?).await.map_err(self.failed("read the audit log"))
            }
        }
    };
}

pub(super) use queries;
