//! Binary times: CP56Time2a of seven octets, CP24Time2a of three, CP16Time2a of two (IEC 60870-5-4, 6.8; 60870-5-101,
//! 7.2.6.18 to 7.2.6.20). Octets are kept as they came, reserved bits included.
//!
//! Century: years 70..=99 are 1970..=1999 (a clock that was never set), 0..=69 are 2000..=2069.

use headroom_rules::model::Timestamp;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// The first two-digit year of the 20th century.
const PIVOT: u8 = 70;

/// The clock that a station's time tags are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Its standard time minus UTC, minutes, -840..=840. 0 is UTC, as 60870-5-104 recommends.
    pub offset_minutes: i16,
    /// Whether SU set means that the tag is an hour ahead of standard time. Stations on UTC may set it without meaning.
    pub summer_time: bool,
}

impl Zone {
    /// UTC, SU ignored.
    pub const UTC: Self = Self { offset_minutes: 0, summer_time: false };
    /// Farthest from UTC, minutes.
    pub const OFFSET_MAX: i16 = 840;

    const fn offset_ms(self) -> i64 {
        self.offset_minutes as i64 * MINUTE_MS
    }
}

/// What tells the time of objects: their station's clock, and the time of arrival for tags that lack the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBase {
    /// The station's clock.
    pub zone: Zone,
    /// When the objects arrived.
    pub arrival: Timestamp,
}

impl TimeBase {
    /// UTC tags that arrived at `arrival`.
    pub const fn utc(arrival: Timestamp) -> Self {
        Self { zone: Zone::UTC, arrival }
    }
}

/// Milliseconds within a minute or of a duration, CP16Time2a.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cp16(pub [u8; 2]);

impl Cp16 {
    /// A duration; one beyond 59 999 ms is held to it.
    pub fn new(ms: u16) -> Self {
        Self(ms.min(59_999).to_le_bytes())
    }

    /// 0..=59999, none beyond.
    pub const fn ms(self) -> Option<u16> {
        let ms = u16::from_le_bytes(self.0);
        if ms < 60_000 { Some(ms) } else { None }
    }
}

/// Minute and milliseconds within an hour, CP24Time2a.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cp24(pub [u8; 3]);

impl Cp24 {
    /// IV.
    pub const fn invalid(self) -> bool {
        self.0[2] & 0x80 != 0
    }

    /// GEN: the time was substituted on the way, not taken at the source (RES1).
    pub const fn substituted(self) -> bool {
        self.0[2] & 0x40 != 0
    }

    /// Milliseconds within the hour; none where IV is set or a field is out of its range.
    pub fn ms_of_hour(self) -> Option<u32> {
        let [low, high, minute] = self.0;
        let ms = Cp16([low, high]).ms()?;
        let minute_no = minute & 0x3F;
        (!self.invalid() && minute_no < 60).then(|| u32::from(minute_no) * 60_000 + u32::from(ms))
    }

    /// The instant with this minute that is nearest to the arrival: half an hour of delay at most.
    pub fn instant(self, base: TimeBase) -> Option<Timestamp> {
        let within = i64::from(self.ms_of_hour()?);
        let local = base.arrival.get().checked_add(base.zone.offset_ms())?;
        let hour = local.div_euclid(HOUR_MS).checked_mul(HOUR_MS)?;
        let ahead = within - (local - hour);
        let shift = match ahead {
            _ if ahead > HOUR_MS / 2 => -HOUR_MS,
            _ if ahead < -HOUR_MS / 2 => HOUR_MS,
            _ => 0,
        };
        Some(Timestamp::new(base.arrival.get().checked_add(ahead + shift)?))
    }

    /// Of an instant, on the clock of `zone`.
    pub fn new(at: Timestamp, zone: Zone) -> Self {
        let within = (at.get().rem_euclid(DAY_MS) + zone.offset_ms()).rem_euclid(HOUR_MS);
        let [low, high] = u16::try_from(within % MINUTE_MS).unwrap_or(0).to_le_bytes();
        Self([low, high, u8::try_from(within / MINUTE_MS).unwrap_or(0)])
    }
}

/// Date and time, CP56Time2a.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cp56(pub [u8; 7]);

/// Days before each month of a common year; 13 makes the end of the last.
const DAYS_BEFORE: [u16; 14] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

impl Cp56 {
    /// A time that says of itself that it is none.
    pub const INVALID: Self = Self([0, 0, 0x80, 0, 1, 1, 0]);

    /// IV.
    pub const fn invalid(self) -> bool {
        self.0[2] & 0x80 != 0
    }

    /// GEN: the time was substituted on the way, not taken at the source (RES1).
    pub const fn substituted(self) -> bool {
        self.0[2] & 0x40 != 0
    }

    /// SU: summer time.
    pub const fn summer(self) -> bool {
        self.0[3] & 0x80 != 0
    }

    /// DOW, 1 = Monday; 0 is not used.
    pub const fn day_of_week(self) -> u8 {
        self.0[4] >> 5
    }

    /// The instant; none where IV is set or a field is out of its range. A day of week that contradicts the date is
    /// ignored, as many stations send it so.
    #[inline]
    pub fn instant(self, zone: Zone) -> Option<Timestamp> {
        let [low, high, minute, hour, day, month, year] = self.0;
        let ms = u16::from_le_bytes([low, high]);
        let minute_no = minute & 0x3F;
        let (hour_no, day_no, month_no, year) = (hour & 0x1F, day & 0x1F, usize::from(month & 0x0F), year & 0x7F);
        if self.invalid() || ms > 59_999 || minute_no > 59 || hour_no > 23 || year > 99 {
            return None;
        }
        // Years since 1970; among 1970..=2069 every fourth is a leap year.
        let years = i64::from(if year >= PIVOT { year - PIVOT } else { year + 30 });
        let leap = (years + 2) % 4 == 0;
        let before = *DAYS_BEFORE.get(month_no)?;
        let length = DAYS_BEFORE.get(month_no + 1)? - before + u16::from(leap && month_no == 2);
        if month_no == 0 || day_no == 0 || u16::from(day_no) > length {
            return None;
        }
        let days =
            365 * years + (years + 1) / 4 + i64::from(before) + i64::from(leap && month_no > 2) + i64::from(day_no) - 1;
        let mut at = days * DAY_MS + i64::from(hour_no) * HOUR_MS + i64::from(minute_no) * MINUTE_MS + i64::from(ms);
        if zone.summer_time && self.summer() {
            at -= HOUR_MS;
        }
        Some(Timestamp::new(at - zone.offset_ms()))
    }

    /// Of an instant, in standard time (SU 0), day of week 0; [`Self::INVALID`] outside of 1970..=2069.
    pub fn new(at: Timestamp, zone: Zone) -> Self {
        Tagger::new(zone).tag(at)
    }

    /// Of an instant, if there is one.
    pub fn of(at: Option<Timestamp>, zone: Zone) -> Self {
        at.map_or(Self::INVALID, |at| Self::new(at, zone))
    }
}

/// Makes tags of one zone. It knows the date of the day before, for objects that follow each other are mostly of one day.
#[derive(Clone, Copy, Debug)]
pub struct Tagger {
    zone: Zone,
    day: i64,
    /// Day, month, year; none outside of the century.
    date: Option<[u8; 3]>,
}

impl Tagger {
    /// For a station's clock.
    pub fn new(zone: Zone) -> Self {
        Self { zone, day: i64::MIN, date: None }
    }

    /// As [`Cp56::new`].
    #[inline]
    pub fn tag(&mut self, at: Timestamp) -> Cp56 {
        let Some(local) = at.get().checked_add(self.zone.offset_ms()) else { return Cp56::INVALID };
        let (day, ms) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
        if day != self.day {
            self.day = day;
            self.date = civil(day).map(|(year, month, day)| [day, month, year]);
        }
        let (Some([day, month, year]), Ok(ms)) = (self.date, u32::try_from(ms)) else { return Cp56::INVALID };
        let (minutes, [low, high, ..]) = (ms / 60_000, (ms % 60_000).to_le_bytes());
        let ([minute, ..], [hour, ..]) = ((minutes % 60).to_le_bytes(), (minutes / 60).to_le_bytes());
        Cp56([low, high, minute, hour, day, month, year])
    }
}

/// Two-digit year, month and day of a day since 1970-01-01, within 1970..=2069.
pub(crate) fn civil(days: i64) -> Option<(u8, u8, u8)> {
    /// 1970-01-01 to 2069-12-31.
    const DAYS: i64 = 36_525;
    if !(0..DAYS).contains(&days) {
        return None;
    }
    // Four-year cycles that begin two years before 1970: their first year is the leap year.
    let (cycle, in_cycle) = ((days + 731) / 1_461, (days + 731) % 1_461);
    let in_leap = in_cycle < 366;
    let (year_of_cycle, day_of_year) =
        if in_leap { (0, in_cycle) } else { (1 + (in_cycle - 366) / 365, (in_cycle - 366) % 365) };
    let years = 4 * cycle + year_of_cycle - 2;
    let leap_day = |month: usize| i64::from(in_leap && month > 2);
    let start = |month: usize| DAYS_BEFORE.get(month).map_or(i64::MAX, |&before| i64::from(before) + leap_day(month));
    // No month is longer than 31 days, so this is the month or the one before it.
    let guess = usize::try_from(day_of_year / 31).ok()? + 1;
    let month = if guess < 12 && day_of_year >= start(guess + 1) { guess + 1 } else { guess };
    let day = day_of_year - start(month) + 1;
    Some((u8::try_from((years + 70) % 100).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}
