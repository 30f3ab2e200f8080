//! A point in time as both engines keep it.

use headroom_rules::model::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};

/// PostgreSQL counts from 2000-01-01, in microseconds.
const EPOCH_2000_MS: i64 = 946_684_800_000;
/// 0001-01-01 and 9999-12-31, in ms: what every client of PostgreSQL can show.
const RANGE_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_214_400_000;
/// OIDs of `timestamptz` and `timestamptz[]`, the same in every PostgreSQL.
const TIMESTAMPTZ: PgTypeInfo = PgTypeInfo::with_oid(Oid(1184));
const TIMESTAMPTZ_ARRAY: PgTypeInfo = PgTypeInfo::with_oid(Oid(1185));

/// Milliseconds since 1970: `INTEGER` in SQLite; in PostgreSQL `timestamptz`, to which times outside of the years 1 to
/// 9999 come as the nearest in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(pub(super) i64);

impl Instant {
    /// PostgreSQL's number of it, in microseconds since 2000.
    pub(super) fn micros(self) -> i64 {
        (self.0.clamp(*RANGE_MS.start(), *RANGE_MS.end()) - EPOCH_2000_MS) * 1_000
    }

    pub(super) const fn timestamp(self) -> Timestamp {
        Timestamp::new(self.0)
    }
}

impl From<Timestamp> for Instant {
    fn from(at: Timestamp) -> Self {
        Self(at.get())
    }
}

impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        TIMESTAMPTZ
    }
}

impl PgHasArrayType for Instant {
    fn array_type_info() -> PgTypeInfo {
        TIMESTAMPTZ_ARRAY
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'_, Postgres>>::encode_by_ref(&self.micros(), buffer)
    }
}

impl Decode<'_, Postgres> for Instant {
    /// The infinities, which nobody of ours writes, become the ends of the range.
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<'_, Postgres>>::decode(value)?;
        Ok(Self(micros.div_euclid(1_000).saturating_add(EPOCH_2000_MS)))
    }
}

impl Type<Sqlite> for Instant {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Instant {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'_, Sqlite>>::encode_by_ref(&self.0, buffer)
    }
}

impl Decode<'_, Sqlite> for Instant {
    fn decode(value: SqliteValueRef<'_>) -> Result<Self, BoxDynError> {
        <i64 as Decode<'_, Sqlite>>::decode(value).map(Self)
    }
}
