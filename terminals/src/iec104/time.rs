//! CP56Time2a, binary time of seven octets (IEC 60870-5-4, 6.8; 60870-5-101, 7.2.6.18), read and written as UTC.

use headroom_rules::model::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Length in octets.
pub const CP56_LEN: usize = 7;

/// Days since 1970-01-01 (Howard Hinnant, `days_from_civil`).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + (month <= 2) as i64, month, doy - (153 * mp + 2) / 5 + 1)
}

/// The instant, or none where IV is set or a field is out of its range. The day of week is ignored (0 is "not used")
/// and years are 2000..=2099.
pub fn decode(raw: [u8; CP56_LEN]) -> Option<Timestamp> {
    let [ms_low, ms_high, minute, hour, day, month, year] = raw;
    if minute & 0x80 != 0 {
        return None;
    }
    let ms = i64::from(u16::from_le_bytes([ms_low, ms_high]));
    let (minute, hour) = (i64::from(minute & 0x3F), i64::from(hour & 0x1F));
    let (day, month, year) = (i64::from(day & 0x1F), i64::from(month & 0x0F), 2_000 + i64::from(year & 0x7F));
    if ms > 59_999 || minute > 59 || hour > 23 || !(1..=12).contains(&month) || day == 0 || year > 2_099 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // A 30 February would come back as another day.
    (civil_from_days(days) == (year, month, day))
        .then(|| Timestamp::new(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + ms))
}

/// The seven octets, day of week 0 ("not used"). Outside of 2000..=2099 the IV bit is set.
pub fn encode(time: Option<Timestamp>) -> [u8; CP56_LEN] {
    const INVALID: [u8; CP56_LEN] = [0, 0, 0x80, 0, 1, 1, 0];
    let Some(time) = time else { return INVALID };
    let ms = time.get().rem_euclid(DAY_MS);
    let (year, month, day) = civil_from_days(time.get().div_euclid(DAY_MS));
    if !(2_000..=2_099).contains(&year) {
        return INVALID;
    }
    let small = |n: i64| u8::try_from(n).unwrap_or(0);
    let [low, high] = u16::try_from(ms % 60_000).unwrap_or(0).to_le_bytes();
    [low, high, small(ms / 60_000 % 60), small(ms / 3_600_000), small(day), small(month), small(year - 2_000)]
}
