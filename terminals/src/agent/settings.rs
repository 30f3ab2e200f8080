//! What the centre may set by a file: a text of TOML, `report_every_s`, `deadband_percent`, `tariffs`, `short_ms`, `long_ms`, and the
//! parameters of local control as the table `control`. A `notice` is shown to the customer each time it comes, and is no setting: it is
//! not kept. What is not said stays as it is. The terminal keeps it over restarts, and gives back
//! what is in force.

use headroom_rules::local_control::Parameters;
use headroom_rules::model::{Span, Tariff};
use headroom_rules::notices::TEXT_MAX;
use serde::{Deserialize, Serialize};

/// Half hours of a day.
const SLOTS: usize = 48;
const SLOT_MS: i64 = 1_800_000;
/// Valley from 23 to 7, peak from 8 to 11 and from 17 to 22, of which sharp from 19 to 21.
const USUAL: &str = "444444444444443322222233333333333322221111223344";

/// How closely a terminal follows its measurands, and what its registers by tariff count when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Active power is reported at least this often, 1..=86400 s.
    pub report_every: Span,
    /// Change of the active power that is worth a report, share of the contract; twice that for currents and reactive
    /// power.
    pub deadband_percent: i64,
    /// What the registers by tariff count when.
    pub tariffs: Tariffs,
    /// A short pulse of an output, 10..=60000 ms.
    pub short_pulse: Span,
    /// A long one, likewise.
    pub long_pulse: Span,
    /// Of local control.
    pub control: Parameters,
    /// To be shown to the customer now; no setting.
    pub notice: Option<String>,
}

/// The tariff of each half hour of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tariffs([Tariff; SLOTS]);

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
    report_every_s: Option<i64>,
    deadband_percent: Option<i64>,
    /// See [`Tariffs::parse`].
    tariffs: Option<String>,
    short_ms: Option<i64>,
    long_ms: Option<i64>,
    control: Option<Parameters>,
    /// Shown to the customer.
    notice: Option<String>,
}

#[derive(Serialize)]
struct Text<'a> {
    report_every_s: i64,
    deadband_percent: i64,
    tariffs: String,
    short_ms: i64,
    long_ms: i64,
    control: &'a Parameters,
}

/// Why a text is no settings. Shown to people as it stands.
#[derive(Debug, thiserror::Error)]
#[error("settings: {0}")]
pub struct SettingsError(String);

impl Settings {
    /// As terminals come: a report each minute at least, a deadband of 1 %, the usual tariffs, pulses of 0.2 and of 1 s, no
    /// control.
    pub fn usual() -> Self {
        Self {
            report_every: Span::from_s(60),
            deadband_percent: 1,
            tariffs: Tariffs::usual(),
            short_pulse: Span::new(200),
            long_pulse: Span::new(1_000),
            control: Parameters::default(),
            notice: None,
        }
    }

    /// These settings with what a text of TOML changes.
    ///
    /// # Errors
    /// Where the text is not of settings, or one is out of its range.
    pub fn with(&self, text: &str) -> Result<Self, SettingsError> {
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            SettingsError(format!("line {}: {}", before.matches('\n').count() + 1, error.message()))
        })?;
        if raw.report_every_s.is_none()
            && raw.deadband_percent.is_none()
            && raw.tariffs.is_none()
            && raw.short_ms.is_none()
            && raw.long_ms.is_none()
            && raw.control.is_none()
            && raw.notice.is_none()
        {
            return Err(SettingsError("nothing is set".to_owned()));
        }
        let mut settings = Self { notice: None, ..self.clone() };
        if let Some(seconds) = raw.report_every_s {
            if !(1..=86_400).contains(&seconds) {
                return Err(SettingsError(format!("report_every_s = {seconds}: wanted 1 to 86400 s")));
            }
            settings.report_every = Span::from_s(seconds);
        }
        if let Some(percent) = raw.deadband_percent {
            if !(1..=50).contains(&percent) {
                return Err(SettingsError(format!("deadband_percent = {percent}: wanted 1 to 50 %")));
            }
            settings.deadband_percent = percent;
        }
        if let Some(digits) = raw.tariffs {
            let wanted = || SettingsError("tariffs: wanted 48 digits of 1 to 4, one for each half hour".to_owned());
            settings.tariffs = Tariffs::parse(&digits).ok_or_else(wanted)?;
        }
        for (key, ms, pulse) in
            [("short_ms", raw.short_ms, &mut settings.short_pulse), ("long_ms", raw.long_ms, &mut settings.long_pulse)]
        {
            let Some(ms) = ms else { continue };
            if !(10..=60_000).contains(&ms) {
                return Err(SettingsError(format!("{key} = {ms}: wanted 10 to 60000 ms")));
            }
            *pulse = Span::new(ms);
        }
        if let Some(control) = raw.control {
            control.check().map_err(|error| SettingsError(format!("control.{error}")))?;
            settings.control = control;
        }
        if let Some(notice) = raw.notice {
            let fits = (1..=TEXT_MAX).contains(&notice.chars().count()) && !notice.chars().any(char::is_control);
            if !fits {
                let wanted = format!("notice: wanted 1 to {TEXT_MAX} characters, none of them control codes");
                return Err(SettingsError(wanted));
            }
            settings.notice = Some(notice);
        }
        Ok(settings)
    }

    /// All of them as a text of TOML, always the same for the same settings.
    pub fn text(&self) -> String {
        let Self { report_every, deadband_percent, tariffs, short_pulse, long_pulse, control, notice: _ } = self;
        let text = Text {
            report_every_s: report_every.s(),
            deadband_percent: *deadband_percent,
            tariffs: tariffs.digits(),
            short_ms: short_pulse.get(),
            long_ms: long_pulse.get(),
            control,
        };
        // Whole numbers, texts and lists of them: there is nothing that TOML could not hold.
        toml::to_string(&text).unwrap_or_default()
    }
}

/// A text for the customer alone, which changes no setting.
pub fn notice_text(notice: &str) -> String {
    #[derive(Serialize)]
    struct Text<'a> {
        notice: &'a str,
    }
    toml::to_string(&Text { notice }).unwrap_or_default()
}

/// The parameters of local control alone, as a text that changes nothing else of a terminal's settings.
pub fn control_text(control: &Parameters) -> String {
    #[derive(Serialize)]
    struct Text<'a> {
        control: &'a Parameters,
    }
    toml::to_string(&Text { control }).unwrap_or_default()
}
