//! What a centre sets. One text of TOML or JSON carries all of it; [`Parameters::entries`] lists it line by line, so that what
//! a terminal has can be compared with what it was sent.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{RoundNo, Timestamp};

/// All parameters of local control. What is not said is off, or the usual.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// kW below which nothing is tripped, 0..=1000000. A higher floor that is installed at the terminal stays.
    pub floor_kw: u32,
    /// The load is averaged over this before it is judged, and again before each further round, 1..=60 min.
    pub window_min: u8,
    /// Between the warning and the trip, for each round, 0..=15 min.
    pub warning_min: [u8; 8],
    /// The rounds that power control may trip.
    pub power_rounds: BTreeSet<RoundNo>,
    /// The rounds that energy control trips.
    pub energy_rounds: BTreeSet<RoundNo>,
    /// No trip within this after power-up: 0, or 5..=10 min.
    pub trip_lock_min: u8,
    /// Orders to many terminals at once are not for this one (剔除).
    pub exclusion: bool,
    /// The hours of the day in which the customer is reminded of a payment, 0..=23.
    pub reminder_hours: BTreeSet<u8>,
    /// Shown to the customer when it changes, 200 characters at most; empty for none.
    pub message: String,
    /// What a trip by a plain switching command means.
    pub remote: Remote,
    /// Supply guarantee.
    pub guarantee: Guarantee,
    /// Time-of-day cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_of_day: Option<TimeOfDay>,
    /// Plant-rest-day cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest_day: Option<RestDay>,
    /// Business-suspension cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// Down-float of present power; begins when it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_float: Option<DownFloat>,
    /// Monthly energy cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<MonthlyEnergy>,
    /// Prepaid energy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepaid: Option<Prepaid>,
    /// The last purchase; applied when its number is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purchase: Option<Purchase>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            floor_kw: 0,
            window_min: 1,
            warning_min: [2; 8],
            power_rounds: RoundNo::ALL.into(),
            energy_rounds: RoundNo::ALL.into(),
            trip_lock_min: 0,
            exclusion: false,
            reminder_hours: BTreeSet::new(),
            message: String::new(),
            remote: Remote::default(),
            guarantee: Guarantee::default(),
            time_of_day: None,
            rest_day: None,
            suspension: None,
            down_float: None,
            monthly: None,
            prepaid: None,
            purchase: None,
        }
    }
}

/// Duration and warning of a remote trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Remote {
    /// Half hours after which closing is permitted, 0..=15; 0 until released.
    pub half_h: u8,
    /// Between the warning and the trip, 0..=15 min.
    pub warning_min: u8,
}

impl Remote {
    /// From one octet (Q/GDW 1376.1, F1 of AFN 05): minutes of warning in the upper half, half hours in the lower.
    pub const fn from_octet(octet: u8) -> Self {
        Self { half_h: octet & 0x0F, warning_min: octet >> 4 }
    }

    /// The octet; none where one is above 15.
    pub const fn octet(self) -> Option<u8> {
        if self.half_h > 15 || self.warning_min > 15 { None } else { Some(self.warning_min << 4 | self.half_h) }
    }
}

/// Supply guarantee (保电): blocks every trip and releases what was tripped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guarantee {
    /// In force from when this is set.
    pub on: bool,
    /// For so many half hours, 0..=48; 0 until it is taken away.
    pub half_h: u8,
    /// Also by itself after so many hours without the centre, 0..=240; 0 never.
    pub automatic_after_h: u8,
}

/// Time-of-day cap (时段功控).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeOfDay {
    /// 48 digits, one for each half hour from midnight on: 1..=8 the set point, 0 none.
    pub slots: String,
    /// Three schemes of up to eight set points, kW.
    pub schemes: [Vec<u32>; 3],
    /// The scheme in force, 1..=3; 0 none.
    pub scheme: u8,
    /// The set points that are in force, 1..=8.
    pub set_points: BTreeSet<u8>,
}

/// Plant-rest-day cap (厂休功控).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestDay {
    /// kW.
    pub set_point_kw: u32,
    /// Half hour of the day in which it begins, 0..=47.
    pub start_half_h: u8,
    /// For so many half hours, 1..=48.
    pub half_h: u8,
    /// 1 Monday to 7 Sunday.
    pub weekdays: BTreeSet<u8>,
}

/// Business-suspension cap (营业报停功控).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    /// First day, as `2026-01-31`.
    pub from: String,
    /// Last day.
    pub to: String,
    /// kW.
    pub set_point_kw: u32,
}

/// Down-float of present power (当前功率下浮控).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownFloat {
    /// The present power is averaged over this and frozen, 1..=60 min.
    pub window_min: u8,
    /// Added to what was frozen, -79..=79 %.
    pub percent: i8,
    /// Between a trip and the freezing of the total, 2..=60 min.
    pub freeze_delay_min: u8,
    /// For so many half hours, 0..=48; 0 until it is taken away.
    pub half_h: u8,
    /// Warning before the first, second, third, fourth and each further trip, 0..=15 min.
    pub warning_min: [u8; 4],
}

/// Monthly energy cap (月电控).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthlyEnergy {
    /// A month's energy, kWh, 1..=1000000000.
    pub kwh: u32,
    /// The customer is warned at this share of the cap, 1..=100 %.
    pub warning_percent: u8,
    /// Added to the cap, -79..=79 %.
    #[serde(default)]
    pub float_percent: i8,
}

/// Prepaid energy (购电控).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepaid {
    /// Warns when no more than this is left, kWh.
    pub warning_kwh: u32,
    /// Trips when no more than this is left, kWh; at most the warning's.
    pub trip_kwh: u32,
}

/// What a purchase does to what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseMode {
    /// Adds.
    #[default]
    Append,
    /// Takes its place.
    Refresh,
}

/// One purchase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    /// Its number, 1..: the same number is applied once.
    pub order: u32,
    /// Append or refresh.
    pub mode: PurchaseMode,
    /// How much, kWh.
    pub kwh: u32,
}

/// A parameter that is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: wanted {wanted}")]
pub struct ParameterError {
    /// Its key in the settings.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What was wanted.
    pub wanted: &'static str,
}

/// kW and kWh at most.
const KW_MAX: u32 = 1_000_000;
const KWH_MAX: u32 = 1_000_000_000;
/// Characters of a message.
const MESSAGE_MAX: usize = 200;

/// The first value that does not fit.
struct Check(Result<(), ParameterError>);

impl Check {
    #[expect(clippy::needless_pass_by_value, reason = "figures mostly, which are written out where they stand")]
    fn that(&mut self, fits: bool, key: &str, value: impl ToString, wanted: &'static str) {
        if self.0.is_ok() && !fits {
            self.0 = Err(ParameterError { key: key.to_owned(), value: value.to_string(), wanted });
        }
    }

    fn each(&mut self, values: impl IntoIterator<Item = u8>, most: u8, key: &str, wanted: &'static str) {
        values.into_iter().for_each(|value| self.that(value <= most, key, value, wanted));
    }
}

impl Parameters {
    /// Whether each value is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), ParameterError> {
        let mut check = Check(Ok(()));
        let power = "0 to 1000000 kW";
        check.that(self.floor_kw <= KW_MAX, "floor_kw", self.floor_kw, power);
        check.that((1..=60).contains(&self.window_min), "window_min", self.window_min, "1 to 60 min");
        check.each(self.warning_min, 15, "warning_min", "0 to 15 min for each of eight rounds");
        let lock = self.trip_lock_min;
        check.that(lock == 0 || (5..=10).contains(&lock), "trip_lock_min", lock, "0, or 5 to 10 min");
        check.each(self.reminder_hours.iter().copied(), 23, "reminder_hours", "hours of 0 to 23");
        let plain = !self.message.chars().any(char::is_control) && self.message.chars().count() <= MESSAGE_MAX;
        check.that(
            plain,
            "message",
            self.message.chars().count(),
            "at most 200 characters, none of them control codes",
        );
        check.that(self.remote.half_h <= 15, "remote.half_h", self.remote.half_h, "0 to 15 half hours");
        check.that(self.remote.warning_min <= 15, "remote.warning_min", self.remote.warning_min, "0 to 15 min");
        let Guarantee { half_h, automatic_after_h, .. } = self.guarantee;
        check.that(half_h <= 48, "guarantee.half_h", half_h, "0 to 48 half hours");
        check.that(automatic_after_h <= 240, "guarantee.automatic_after_h", automatic_after_h, "0 to 240 hours");
        if let Some(time_of_day) = &self.time_of_day {
            time_of_day.check(&mut check);
        }
        if let Some(RestDay { set_point_kw, start_half_h, half_h, weekdays }) = &self.rest_day {
            check.that(*set_point_kw <= KW_MAX, "rest_day.set_point_kw", set_point_kw, power);
            check.that(*start_half_h <= 47, "rest_day.start_half_h", start_half_h, "0 to 47");
            check.that((1..=48).contains(half_h), "rest_day.half_h", half_h, "1 to 48 half hours");
            let fits = weekdays.iter().all(|day| (1..=7).contains(day));
            check.that(fits, "rest_day.weekdays", listed(weekdays), "days of 1 (Monday) to 7 (Sunday)");
        }
        if let Some(Suspension { from, to, set_point_kw }) = &self.suspension {
            let (first, last) = (Timestamp::day_of_date(from), Timestamp::day_of_date(to));
            check.that(first.is_some(), "suspension.from", from, "a date as 2026-01-31");
            check.that(last.is_some() && last >= first, "suspension.to", to, "a date as 2026-01-31, not before from");
            check.that(*set_point_kw <= KW_MAX, "suspension.set_point_kw", set_point_kw, power);
        }
        if let Some(DownFloat { window_min, percent, freeze_delay_min, half_h, warning_min }) = &self.down_float {
            check.that((1..=60).contains(window_min), "down_float.window_min", window_min, "1 to 60 min");
            check.that((-79..=79).contains(percent), "down_float.percent", percent, "-79 to 79 %");
            let delay = freeze_delay_min;
            check.that((2..=60).contains(delay), "down_float.freeze_delay_min", delay, "2 to 60 min");
            check.that(*half_h <= 48, "down_float.half_h", half_h, "0 to 48 half hours");
            check.each(*warning_min, 15, "down_float.warning_min", "0 to 15 min for each of four trips");
        }
        if let Some(MonthlyEnergy { kwh, warning_percent, float_percent }) = self.monthly {
            check.that((1..=KWH_MAX).contains(&kwh), "monthly.kwh", kwh, "1 to 1000000000 kWh");
            let share = warning_percent;
            check.that((1..=100).contains(&share), "monthly.warning_percent", share, "1 to 100 %");
            let float = float_percent;
            check.that((-79..=79).contains(&float), "monthly.float_percent", float, "-79 to 79 %");
        }
        if let Some(Prepaid { warning_kwh, trip_kwh }) = self.prepaid {
            check.that(warning_kwh <= KWH_MAX, "prepaid.warning_kwh", warning_kwh, "0 to 1000000000 kWh");
            check.that(trip_kwh <= warning_kwh, "prepaid.trip_kwh", trip_kwh, "at most prepaid.warning_kwh");
        }
        if let Some(Purchase { order, kwh, .. }) = self.purchase {
            check.that(order > 0, "purchase.order", order, "1 to 4294967295");
            check.that(kwh <= KWH_MAX, "purchase.kwh", kwh, "0 to 1000000000 kWh");
        }
        check.0
    }

    /// Whether a function is set by which the terminal trips without being told to each time.
    pub fn trips_by_itself(&self) -> bool {
        let Self { rest_day, suspension, down_float, monthly, prepaid, .. } = self;
        self.time_of_day.as_ref().is_some_and(|caps| caps.scheme > 0)
            || (rest_day.is_some() || suspension.is_some() || down_float.is_some())
            || (monthly.is_some() || prepaid.is_some())
    }

    /// The parameters in which `other` is not the same: key, value here, value there; empty where there is no such line.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let (ours, theirs) = (self.entries(), other.entries());
        let find = |entries: &[(&'static str, String)], key: &str| {
            entries.iter().find(|(other, _)| *other == key).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let keys = ours.iter().map(|(key, _)| *key);
        let more = theirs.iter().map(|(key, _)| *key).filter(|key| ours.iter().all(|(our, _)| our != key));
        keys.chain(more)
            .map(|key| (key, find(&ours, key), find(&theirs, key)))
            .filter(|(_, ours, theirs)| ours != theirs)
            .collect()
    }

    /// Every parameter as its key and its value, in order. A function that is off has one line, `off`.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let Guarantee { on, half_h, automatic_after_h } = self.guarantee;
        let mut entries = vec![
            ("floor_kw", self.floor_kw.to_string()),
            ("window_min", self.window_min.to_string()),
            ("warning_min", listed(&self.warning_min)),
            ("power_rounds", listed(&self.power_rounds)),
            ("energy_rounds", listed(&self.energy_rounds)),
            ("trip_lock_min", self.trip_lock_min.to_string()),
            ("exclusion", self.exclusion.to_string()),
            ("reminder_hours", listed(&self.reminder_hours)),
            ("message", self.message.clone()),
            ("remote.half_h", self.remote.half_h.to_string()),
            ("remote.warning_min", self.remote.warning_min.to_string()),
            ("guarantee.on", on.to_string()),
            ("guarantee.half_h", half_h.to_string()),
            ("guarantee.automatic_after_h", automatic_after_h.to_string()),
        ];
        let off = |key| vec![(key, "off".to_owned())];
        entries.extend(self.time_of_day.as_ref().map_or_else(
            || off("time_of_day"),
            |it| {
                let [one, two, three] = &it.schemes;
                vec![
                    ("time_of_day.slots", it.slots.clone()),
                    ("time_of_day.schemes.1", listed(one)),
                    ("time_of_day.schemes.2", listed(two)),
                    ("time_of_day.schemes.3", listed(three)),
                    ("time_of_day.scheme", it.scheme.to_string()),
                    ("time_of_day.set_points", listed(&it.set_points)),
                ]
            },
        ));
        entries.extend(self.rest_day.as_ref().map_or_else(
            || off("rest_day"),
            |it| {
                vec![
                    ("rest_day.set_point_kw", it.set_point_kw.to_string()),
                    ("rest_day.start_half_h", it.start_half_h.to_string()),
                    ("rest_day.half_h", it.half_h.to_string()),
                    ("rest_day.weekdays", listed(&it.weekdays)),
                ]
            },
        ));
        entries.extend(self.suspension.as_ref().map_or_else(
            || off("suspension"),
            |it| {
                vec![
                    ("suspension.from", it.from.clone()),
                    ("suspension.to", it.to.clone()),
                    ("suspension.set_point_kw", it.set_point_kw.to_string()),
                ]
            },
        ));
        entries.extend(self.down_float.as_ref().map_or_else(
            || off("down_float"),
            |it| {
                vec![
                    ("down_float.window_min", it.window_min.to_string()),
                    ("down_float.percent", it.percent.to_string()),
                    ("down_float.freeze_delay_min", it.freeze_delay_min.to_string()),
                    ("down_float.half_h", it.half_h.to_string()),
                    ("down_float.warning_min", listed(&it.warning_min)),
                ]
            },
        ));
        entries.extend(self.monthly.map_or_else(
            || off("monthly"),
            |it| {
                vec![
                    ("monthly.kwh", it.kwh.to_string()),
                    ("monthly.warning_percent", it.warning_percent.to_string()),
                    ("monthly.float_percent", it.float_percent.to_string()),
                ]
            },
        ));
        entries.extend(self.prepaid.map_or_else(
            || off("prepaid"),
            |it| {
                vec![("prepaid.warning_kwh", it.warning_kwh.to_string()), ("prepaid.trip_kwh", it.trip_kwh.to_string())]
            },
        ));
        entries.extend(self.purchase.map_or_else(
            || off("purchase"),
            |it| {
                let mode = match it.mode {
                    PurchaseMode::Append => "append",
                    PurchaseMode::Refresh => "refresh",
                };
                vec![
                    ("purchase.order", it.order.to_string()),
                    ("purchase.mode", mode.to_owned()),
                    ("purchase.kwh", it.kwh.to_string()),
                ]
            },
        ));
        entries
    }
}

impl TimeOfDay {
    fn check(&self, check: &mut Check) {
        let digits = self.slots.bytes().all(|digit| (b'0'..=b'8').contains(&digit));
        let wanted = "48 digits of 0 to 8, one for each half hour";
        check.that(digits && self.slots.len() == 48, "time_of_day.slots", &self.slots, wanted);
        for scheme in &self.schemes {
            let fits = scheme.len() <= 8 && scheme.iter().all(|kw| *kw <= KW_MAX);
            check.that(fits, "time_of_day.schemes", listed(scheme), "at most eight set points of 0 to 1000000 kW");
        }
        check.that(self.scheme <= 3, "time_of_day.scheme", self.scheme, "0 to 3");
        let fits = self.set_points.iter().all(|number| (1..=8).contains(number));
        check.that(fits, "time_of_day.set_points", listed(&self.set_points), "numbers of 1 to 8");
    }
}

fn listed<'a, T: ToString + 'a>(values: impl IntoIterator<Item = &'a T>) -> String {
    let values: Vec<String> = values.into_iter().map(ToString::to_string).collect();
    if values.is_empty() { "none".to_owned() } else { values.join(" ") }
}
