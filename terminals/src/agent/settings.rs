//! What the centre may set by a file: a text of TOML, `report_every_s`, `deadband_percent` and, where they are not the usual
//! ones, `tariffs`. It holds until the terminal restarts.

use headroom_rules::model::{Span, Tariff};
use serde::Deserialize;

/// Half hours of a day.
const SLOTS: usize = 48;
const SLOT_MS: i64 = 1_800_000;
/// Valley from 23 to 7, peak from 8 to 11 and from 17 to 22, of which sharp from 19 to 21.
const USUAL: &str = "444444444444443322222233333333333322221111223344";

/// How closely a terminal follows its measurands, and what its registers by tariff count when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) report_every: Span,
    /// Change of the active power that is worth a report, share of the contract; twice that for currents and reactive
    /// power.
    pub(super) deadband_percent: i64,
    pub(super) tariffs: Tariffs,
}

/// The tariff of each half hour of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tariffs([Tariff; SLOTS]);

impl Tariffs {
    pub(super) fn usual() -> Self {
        Self::parse(USUAL).unwrap_or(Self([Tariff::Flat; SLOTS]))
    }

    /// 48 digits, one for each half hour from midnight on: 1 sharp, 2 peak, 3 flat, 4 valley.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        let tariffs: Vec<Tariff> = digits
            .chars()
            .map(|digit| digit.to_digit(10).and_then(|n| Tariff::from_number(u8::try_from(n).ok()?)))
            .collect::<Option<_>>()?;
        tariffs.try_into().ok().map(Self)
    }

    /// At a local time, ms.
    pub(super) fn at(&self, local: i64) -> Tariff {
        let slot = usize::try_from(local.div_euclid(SLOT_MS).rem_euclid(48)).unwrap_or(0);
        self.0.get(slot).copied().unwrap_or(Tariff::Flat)
    }

    fn digits(&self) -> String {
        self.0.iter().map(|tariff| char::from(b'0' + tariff.number())).collect()
    }
}

/// As on the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// 1..=86400.
    report_every_s: i64,
    /// 1..=50.
    deadband_percent: i64,
    /// See [`Tariffs::parse`].
    #[serde(default = "usual")]
    tariffs: String,
}

fn usual() -> String {
    USUAL.to_owned()
}

impl Settings {
    /// None where the text is not of these settings, or one is out of its range.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Raw { report_every_s, deadband_percent, tariffs } = toml::from_str(text).ok()?;
        let tariffs = Tariffs::parse(&tariffs)?;
        let fits = (1..=86_400).contains(&report_every_s) && (1..=50).contains(&deadband_percent);
        fits.then(|| Self { report_every: Span::from_s(report_every_s), deadband_percent, tariffs })
    }

    pub(super) fn text(self) -> String {
        let Self { report_every, deadband_percent, tariffs } = self;
        format!(
            "report_every_s = {}\ndeadband_percent = {deadband_percent}\n# 48 half hours: 1 sharp, 2 peak, 3 flat, 4 valley\n\
             tariffs = \"{}\"\n",
            report_every.s(),
            tariffs.digits()
        )
    }
}
