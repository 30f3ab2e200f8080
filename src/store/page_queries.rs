//! What is asked of the tables page by page, in SQL that both engines understand.

/// The questions of one engine, made as [`queries`](super::queries::queries) are and beside them. Each gives the first
/// rows from a place in an order on, so that no row is visited for nothing and nothing is held between two pages. `$key`
/// and `$nth` tell readings of a point at the same time apart; `$order` is their order to the last column that may
/// differ, and `$reading` is what one is made of.
macro_rules! pages {
    ($rows:ident, $key:literal, $nth:literal, $order:literal, $reading:expr) => {
        use crate::store::reader::paging::{EventPageRow, Place, ReadingPageRow};

        impl $rows {
            /// Number, terminal and kind of each point.
            pub(in crate::store) async fn points(&self) -> Result<Vec<(i32, String, i16)>, StoreError> {
                let query = "SELECT point.id, code, kind FROM point JOIN terminal ON terminal.id = terminal_id
                             ORDER BY code, kind";
                let query = sqlx::query_as(query).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read the points"))
            }

            /// Keys of all nodes that ever had a load, and of calculated points: from one to the next, past the rows of each.
            pub(in crate::store) async fn loaded_nodes(&self) -> Result<Vec<String>, StoreError> {
                let query = "WITH RECURSIVE one (node) AS (
                                 SELECT min(node) FROM load
                                 UNION ALL
                                 SELECT (SELECT min(node) FROM load WHERE node > one.node) FROM one
                                 WHERE one.node IS NOT NULL)
                             SELECT node FROM one WHERE node IS NOT NULL";
                let query = sqlx::query_scalar(query).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read which nodes had a load"))
            }

            pub(in crate::store) async fn reading_page(
                &self,
                point_id: i32,
                from: Place,
                to: Instant,
                limit: i64,
            ) -> Result<Vec<ReadingPageRow>, StoreError> {
                let query = concat!(
                    "SELECT ", $key, ", CAST(", $nth, " AS bigint), ", $reading, ", value, quality, cause FROM reading
                     WHERE point_id = $1 AND at >= $2 AND at < $3 AND (at, ", $key, ", ", $nth, ") >= ($2, $4, $5)
                     ORDER BY ", $order, " LIMIT $6"
                );
                let query = sqlx::query_as(query).bind(point_id).bind(from.at).bind(to).bind(from.key).bind(from.nth);
                let query = query.bind(limit).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read readings"))
            }

            pub(in crate::store) async fn set_aside_page(
                &self,
                point_id: i32,
                from: Place,
                to: Instant,
                limit: i64,
            ) -> Result<Vec<ReadingPageRow>, StoreError> {
                let query = "SELECT position, place, arrived_at, source_time, arrived_at, value, quality, cause
                             FROM set_aside WHERE point_id = $1 AND arrived_at >= $2 AND arrived_at < $3
                             AND (arrived_at, position, place) >= ($2, $4, $5)
                             ORDER BY arrived_at, position, place LIMIT $6";
                let query = sqlx::query_as(query).bind(point_id).bind(from.at).bind(to).bind(from.key).bind(from.nth);
                let query = query.bind(limit).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read what was set aside"))
            }

            pub(in crate::store) async fn bucket_page(
                &self,
                (point_id, resolution): (i32, Resolution),
                from: Place,
                to: Instant,
                limit: i64,
            ) -> Result<Vec<BucketRow>, StoreError> {
                let query = concat!(
                    "SELECT ", crate::store::rollup::bucket_columns!(), " FROM rollups
                     WHERE resolution = $1 AND point_id = $2 AND start >= $3 AND start < $4 ORDER BY start LIMIT $5"
                );
                let query = sqlx::query_as(query).bind(resolution.code()).bind(point_id).bind(from.at).bind(to);
                let query = query.bind(limit).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read rollups"))
            }

            pub(in crate::store) async fn load_page(
                &self,
                (of, resolution): (Of, Resolution),
                from: Place,
                to: Instant,
                limit: i64,
            ) -> Result<Vec<LoadColumns>, StoreError> {
                let query = concat!(
                    "SELECT ", crate::store::load::load_columns!(), " FROM load
                     WHERE node = $1 AND resolution = $2 AND start >= $3 AND start < $4 ORDER BY start LIMIT $5"
                );
                let query = sqlx::query_as(query).bind(of.to_string()).bind(resolution.code()).bind(from.at).bind(to);
                let query = query.bind(limit).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read a node's load"))
            }

            /// Numbers and JSON of those that began in the time, in the order of their numbers.
            pub(in crate::store) async fn state_page(
                &self,
                kind: StateKind,
                about: &str,
                from: Place,
                (begin, to): (Instant, Instant),
                limit: i64,
            ) -> Result<Vec<(i64, String)>, StoreError> {
                let query = match kind {
                    StateKind::Alarm => {
                        "SELECT id, json FROM alarm WHERE ($1 = '' OR subject = $1) AND id >= $2 AND began_at >= $3
                         AND began_at < $4 ORDER BY id LIMIT $5"
                    }
                    StateKind::Order => {
                        "SELECT id, json FROM \"order\" WHERE ($1 = '' OR subject = $1) AND id >= $2 AND began_at >= $3
                         AND began_at < $4 ORDER BY id LIMIT $5"
                    }
                };
                let query = sqlx::query_as(query).bind(about.to_owned()).bind(from.key).bind(begin).bind(to);
                let query = query.bind(limit).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read alarms or orders"))
            }

            pub(in crate::store) async fn event_page(
                &self,
                about: &str,
                from: Place,
                to: Instant,
                limit: i64,
            ) -> Result<Vec<EventPageRow>, StoreError> {
                let query = "SELECT place, position, at, source_time, kind, subject, text, json FROM event
                             WHERE ($1 = '' OR subject = $1) AND at >= $2 AND at < $3
                             AND (at, position, place) >= ($2, $4, $5) ORDER BY at, position, place LIMIT $6";
                let query = sqlx::query_as(query).bind(about.to_owned()).bind(from.at).bind(to).bind(from.key);
                let query = query.bind(from.nth).bind(limit).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read the events"))
            }

            /// Time, position, place and JSON.
            pub(in crate::store) async fn audit_page(
                &self,
                who: &str,
                from: Place,
                to: Instant,
                limit: i64,
            ) -> Result<Vec<(Instant, i64, i64, String)>, StoreError> {
                let query = "SELECT at, position, place, json FROM audit
                             WHERE ($1 = '' OR who = $1) AND at >= $2 AND at < $3
                             AND (at, position, place) >= ($2, $4, $5) ORDER BY at, position, place LIMIT $6";
                let query = sqlx::query_as(query).bind(who.to_owned()).bind(from.at).bind(to).bind(from.key);
                let query = query.bind(from.nth).bind(limit).persistent(false).fetch_all(self.pool().await?);
                query.await.map_err(self.failed("read the audit log"))
            }
        }
    };
}

pub(super) use pages;
