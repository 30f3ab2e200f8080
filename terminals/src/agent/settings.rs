//! What the centre may set by a file: a text of TOML, `report_every_s` and `deadband_percent`. It holds until the terminal
//! restarts.

use headroom_rules::model::Span;
use serde::Deserialize;

/// How closely a terminal follows its measurands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) report_every: Span,
    /// Change of the active power that is worth a report, share of the contract; twice that for currents and reactive
    /// power.
    pub(super) deadband_percent: i64,
}

/// As on the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// 1..=86400.
    report_every_s: i64,
    /// 1..=50.
    deadband_percent: i64,
}

impl Settings {
    /// None where the text is not of these settings, or one is out of its range.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Raw { report_every_s, deadband_percent } = toml::from_str(text).ok()?;
        let fits = (1..=86_400).contains(&report_every_s) && (1..=50).contains(&deadband_percent);
        fits.then(|| Self { report_every: Span::from_s(report_every_s), deadband_percent })
    }

    pub(super) fn text(self) -> String {
        format!("report_every_s = {}\ndeadband_percent = {}\n", self.report_every.s(), self.deadband_percent)
    }
}
