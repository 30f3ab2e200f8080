//! Points: what a terminal reports, with quality and time kept to the end (`quality-kept`).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::Timestamp;

/// One of a terminal's switchable load groups, 1..=8 (Q/GDW 1376.1: rounds, 轮次).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct RoundNo(u8);

/// A number outside 1..=8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("round {0}: wanted 1 to 8")]
pub struct RoundNoError(u8);

impl RoundNo {
    /// All eight, in order.
    pub const ALL: [Self; 8] = [Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(7), Self(8)];

    /// The number, 1..=8.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for RoundNo {
    type Error = RoundNoError;
    fn try_from(number: u8) -> Result<Self, RoundNoError> {
        if (1..=8).contains(&number) { Ok(Self(number)) } else { Err(RoundNoError(number)) }
    }
}

impl From<RoundNo> for u8 {
    fn from(round: RoundNo) -> Self {
        round.0
    }
}

impl fmt::Display for RoundNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A period of the day with a price of its own (尖峰平谷).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tariff {
    /// 1: the dearest hours.
    Sharp,
    /// 2.
    Peak,
    /// 3.
    Flat,
    /// 4: the night.
    Valley,
}

impl Tariff {
    /// All four, in order.
    pub const ALL: [Self; 4] = [Self::Sharp, Self::Peak, Self::Flat, Self::Valley];

    /// Its number, 1..=4.
    pub const fn number(self) -> u8 {
        match self {
            Self::Sharp => 1,
            Self::Peak => 2,
            Self::Flat => 3,
            Self::Valley => 4,
        }
    }

    /// The one with this [`number`](Self::number).
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Sharp,
            2 => Self::Peak,
            3 => Self::Flat,
            4 => Self::Valley,
            _ => return None,
        })
    }
}

impl fmt::Display for Tariff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sharp => "sharp",
            Self::Peak => "peak",
            Self::Flat => "flat",
            Self::Valley => "valley",
        })
    }
}

/// One value of a record of local control ([`crate::local_control::Record`]): those with the same time are one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlField {
    /// Number of the event: 3 parameters changed, 5 remote control, 6 power control, 7 energy control, 19 purchase, 23
    /// energy-control alarm, 42 supply guarantee began or ended, 43 an announced trip was not made.
    Event,
    /// Number of the function, 1..=8.
    Function,
    /// The round, 1..=8.
    Round,
    /// Number of the purchase.
    Order,
    /// The set point, W.
    SetPoint,
    /// Total load at the trip, W.
    Before,
    /// Total load 2 min later, W.
    After,
    /// Total load after a down-float's freeze delay, W.
    Frozen,
    /// Energy used this month, or left of what was bought, Wh.
    Energy,
    /// The threshold that it reached, or what was left before a purchase, Wh.
    Threshold,
}

impl ControlField {
    /// All, in order of their numbers from 1 on.
    pub const ALL: [Self; 10] = [
        Self::Event,
        Self::Function,
        Self::Round,
        Self::Order,
        Self::SetPoint,
        Self::Before,
        Self::After,
        Self::Frozen,
        Self::Energy,
        Self::Threshold,
    ];

    /// 1..=10.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Whether it is a plain number without a unit.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Event | Self::Function | Self::Round | Self::Order)
    }
}

impl fmt::Display for ControlField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "event",
            Self::Function => "function",
            Self::Round => "round",
            Self::Order => "order",
            Self::SetPoint => "set point",
            Self::Before => "load before",
            Self::After => "load after",
            Self::Frozen => "load frozen",
            Self::Energy => "energy",
            Self::Threshold => "threshold",
        })
    }
}

/// What a point of a terminal tells. The unit of its [`Reading::value`] is fixed by the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PointKind {
    /// Total active power, W.
    ActivePower,
    /// Total reactive power, var.
    ReactivePower,
    /// Voltage of phase A, mV.
    VoltageA,
    /// Voltage of phase B, mV.
    VoltageB,
    /// Voltage of phase C, mV.
    VoltageC,
    /// Current of phase A, mA.
    CurrentA,
    /// Current of phase B, mA.
    CurrentB,
    /// Current of phase C, mA.
    CurrentC,
    /// Register of imported active energy, Wh.
    ImportEnergy,
    /// Active power drawn behind one round's switch, W.
    RoundPower(RoundNo),
    /// Position of one round's switch, a [`SwitchPosition`] as its number.
    RoundPosition(RoundNo),
    /// The terminal's or meter's cover: 1 open, 0 closed.
    CoverOpen,
    /// Supply guarantee in force at the terminal (保电): 1 blocks every trip.
    SupplyGuarantee,
    /// The power cap in force at the terminal, W; 0 when none.
    PowerCap,
    /// Mean active power of a quarter of an hour, W; its time is the quarter's end. A record, never what is drawn now: it
    /// decides nothing.
    LoadCurve,
    /// Register of imported active energy in one tariff, Wh.
    TariffEnergy(Tariff),
    /// Orders to many terminals at once are not for this one (剔除): 1 excluded.
    Exclusion,
    /// The safety floor in force at the terminal, W.
    SafetyFloor,
    /// Of the terminal's last record of local control. A record: it decides nothing.
    Control(ControlField),
}

impl PointKind {
    /// A number that stays the same for ever: the store's and the wire map's name of this kind.
    pub const fn code(self) -> u16 {
        match self {
            Self::ActivePower => 1,
            Self::ReactivePower => 2,
            Self::VoltageA => 3,
            Self::VoltageB => 4,
            Self::VoltageC => 5,
            Self::CurrentA => 6,
            Self::CurrentB => 7,
            Self::CurrentC => 8,
            Self::ImportEnergy => 9,
            Self::CoverOpen => 10,
            Self::SupplyGuarantee => 11,
            Self::PowerCap => 12,
            Self::LoadCurve => 13,
            Self::Exclusion => 14,
            Self::SafetyFloor => 15,
            Self::RoundPower(round) => 20 + round.get() as u16,
            Self::RoundPosition(round) => 40 + round.get() as u16,
            Self::TariffEnergy(tariff) => 60 + tariff.number() as u16,
            Self::Control(field) => 80 + field.number() as u16,
        }
    }

    /// The kind with this [`code`](Self::code).
    pub fn from_code(code: u16) -> Option<Self> {
        let round = |base: u16| u8::try_from(code - base).ok().and_then(|n| RoundNo::try_from(n).ok());
        Some(match code {
            1 => Self::ActivePower,
            2 => Self::ReactivePower,
            3 => Self::VoltageA,
            4 => Self::VoltageB,
            5 => Self::VoltageC,
            6 => Self::CurrentA,
            7 => Self::CurrentB,
            8 => Self::CurrentC,
            9 => Self::ImportEnergy,
            10 => Self::CoverOpen,
            11 => Self::SupplyGuarantee,
            12 => Self::PowerCap,
            13 => Self::LoadCurve,
            14 => Self::Exclusion,
            15 => Self::SafetyFloor,
            21..=28 => Self::RoundPower(round(20)?),
            41..=48 => Self::RoundPosition(round(40)?),
            61..=64 => Self::TariffEnergy(Tariff::from_number(u8::try_from(code - 60).ok()?)?),
            81..=90 => Self::Control(*ControlField::ALL.get(usize::from(code - 81))?),
            _ => return None,
        })
    }

    /// The kind that shows as this name, with blanks or underscores, in capitals or not: `voltage A`, `round_3_switch`.
    pub fn from_name(name: &str) -> Option<Self> {
        (0..=u16::from(u8::MAX)).filter_map(Self::from_code).find(|kind| {
            let shown = kind.to_string();
            shown.len() == name.len()
                && shown
                    .bytes()
                    .zip(name.bytes())
                    .all(|(shown, given)| shown.eq_ignore_ascii_case(&given) || (shown == b' ' && given == b'_'))
        })
    }

    /// The unit of the value as operators read it; the value itself is in thousandths of it, see [`Self::is_state`].
    pub const fn unit(self) -> &'static str {
        match self {
            Self::ActivePower
            | Self::RoundPower(_)
            | Self::PowerCap
            | Self::LoadCurve
            | Self::SafetyFloor
            | Self::Control(
                ControlField::SetPoint | ControlField::Before | ControlField::After | ControlField::Frozen,
            ) => "kW",
            Self::ReactivePower => "kvar",
            Self::VoltageA | Self::VoltageB | Self::VoltageC => "V",
            Self::CurrentA | Self::CurrentB | Self::CurrentC => "A",
            Self::ImportEnergy
            | Self::TariffEnergy(_)
            | Self::Control(ControlField::Energy | ControlField::Threshold) => "kWh",
            Self::RoundPosition(_) | Self::CoverOpen | Self::SupplyGuarantee | Self::Exclusion | Self::Control(_) => "",
        }
    }

    /// Whether the value is a state (a position, a yes or no) and not a quantity in thousandths of [`Self::unit`].
    pub const fn is_state(self) -> bool {
        matches!(self, Self::RoundPosition(_) | Self::CoverOpen | Self::SupplyGuarantee | Self::Exclusion)
            || self.is_number()
    }

    /// Whether the value is a plain number, neither a yes or no nor a position nor a quantity.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Control(field) if field.is_number())
    }
}

impl fmt::Display for PointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActivePower => f.write_str("active power"),
            Self::ReactivePower => f.write_str("reactive power"),
            Self::VoltageA => f.write_str("voltage A"),
            Self::VoltageB => f.write_str("voltage B"),
            Self::VoltageC => f.write_str("voltage C"),
            Self::CurrentA => f.write_str("current A"),
            Self::CurrentB => f.write_str("current B"),
            Self::CurrentC => f.write_str("current C"),
            Self::ImportEnergy => f.write_str("import energy"),
            Self::RoundPower(round) => write!(f, "round {round} power"),
            Self::RoundPosition(round) => write!(f, "round {round} switch"),
            Self::CoverOpen => f.write_str("cover"),
            Self::SupplyGuarantee => f.write_str("supply guarantee"),
            Self::PowerCap => f.write_str("power cap"),
            Self::LoadCurve => f.write_str("load curve"),
            Self::TariffEnergy(tariff) => write!(f, "{tariff} energy"),
            Self::Exclusion => f.write_str("exclusion"),
            Self::SafetyFloor => f.write_str("safety floor"),
            Self::Control(field) => write!(f, "control: {field}"),
        }
    }
}

/// Position of a switch as double-point information (IEC 60870-5-101, 7.2.6.2 DPI): tripped is OFF, supplied is ON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchPosition {
    /// 0: between the ends.
    Intermediate,
    /// 1: OFF, tripped.
    Open,
    /// 2: ON, supplied.
    Closed,
    /// 3: the contacts contradict each other.
    Indeterminate,
}

impl SwitchPosition {
    /// The DPI number, 0..=3, as a reading's value.
    pub const fn value(self) -> i64 {
        match self {
            Self::Intermediate => 0,
            Self::Open => 1,
            Self::Closed => 2,
            Self::Indeterminate => 3,
        }
    }

    /// From a reading's value; anything but 0..=2 is indeterminate.
    pub const fn from_value(value: i64) -> Self {
        match value {
            0 => Self::Intermediate,
            1 => Self::Open,
            2 => Self::Closed,
            _ => Self::Indeterminate,
        }
    }
}

impl fmt::Display for SwitchPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Intermediate => "moving",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Indeterminate => "indeterminate",
        })
    }
}

/// Quality of a value, bit for bit as the quality descriptor carries it (IEC 60870-5-101, 7.2.6.3 QDS).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quality(u8);

impl Quality {
    /// Nothing to object to.
    pub const GOOD: Self = Self(0);
    /// OV: beyond the range of the value.
    pub const OVERFLOW: Self = Self(0x01);
    /// BL: blocked for transmission, the value is that of before.
    pub const BLOCKED: Self = Self(0x10);
    /// SB: entered by a person or an automaton, not measured.
    pub const SUBSTITUTED: Self = Self(0x20);
    /// NT: the most recent update failed.
    pub const NOT_TOPICAL: Self = Self(0x40);
    /// IV: the value is not to be used.
    pub const INVALID: Self = Self(0x80);

    /// Keeps the bits that a quality descriptor defines: IV NT SB BL OV.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0xF1)
    }

    /// The bits as in the quality descriptor.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Both sets of marks.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all marks of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a rule may decide on this value: neither IV, NT nor OV. Blocked and substituted values are
    /// somebody's considered word and count.
    pub const fn decides(self) -> bool {
        self.0 & (Self::INVALID.0 | Self::NOT_TOPICAL.0 | Self::OVERFLOW.0) == 0
    }
}

impl fmt::Display for Quality {
    /// `good`, or the marks: `IV NT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("good");
        }
        let marks = [
            (Self::INVALID, "IV"),
            (Self::NOT_TOPICAL, "NT"),
            (Self::SUBSTITUTED, "SB"),
            (Self::BLOCKED, "BL"),
            (Self::OVERFLOW, "OV"),
        ];
        let mut first = true;
        for (mark, name) in marks {
            if self.has(mark) {
                f.write_str(if first { "" } else { " " })?;
                f.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One value of one point of a terminal. The time of arrival is that of the batch which carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Which point.
    pub point: PointKind,
    /// In the kind's base unit (W, Wh, mV, mA), or a state.
    pub value: i64,
    /// As the terminal marked it, and INVALID where the wire carried no usable number.
    pub quality: Quality,
    /// When the terminal says it was so; none where the wire carried no time or an invalid one.
    pub source_time: Option<Timestamp>,
    /// Cause of transmission (IEC 60870-5-101, 7.2.3), 1..=63: 3 spontaneous, 11 return after a remote command,
    /// 13 file transfer, 20 interrogated, 37 counter.
    pub cause: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_code_and_comes_back_from_it() {
        let mut seen = std::collections::BTreeSet::new();
        for code in 0..=u16::from(u8::MAX) {
            if let Some(kind) = PointKind::from_code(code) {
                assert_eq!(kind.code(), code);
                assert!(seen.insert(kind));
            }
        }
        assert_eq!(seen.len(), 15 + 16 + 4 + 10);
        assert_eq!(PointKind::from_code(u16::MAX), None);
    }

    #[test]
    fn invalid_not_topical_and_overflowed_values_decide_nothing() {
        assert!(Quality::GOOD.decides());
        assert!(Quality::SUBSTITUTED.with(Quality::BLOCKED).decides());
        for bad in [Quality::INVALID, Quality::NOT_TOPICAL, Quality::OVERFLOW] {
            assert!(!bad.with(Quality::SUBSTITUTED).decides());
        }
    }

    #[test]
    fn quality_shows_the_field_names() {
        assert_eq!(Quality::from_bits(0xFF).to_string(), "IV NT SB BL OV");
        assert_eq!(Quality::GOOD.to_string(), "good");
    }
}
