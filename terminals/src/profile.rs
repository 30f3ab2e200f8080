//! Point maps: which point of a terminal stands at which information object address, in which type and scale.

use std::collections::BTreeMap;
use std::fmt;

use headroom_rules::local_control::Remote;
use headroom_rules::model::{PointKind, Power, Quality, Reading, RoundNo, Span, SwitchPosition, Timestamp};
use headroom_rules::orders::{Action, Qualifier};
use serde::Deserialize;

use crate::iec104::asdu::Bcr;
use crate::iec104::time::Zone;
use crate::iec104::{CommandValue, Object, Value};

/// The type in which a point travels, without the time tag (IEC 60870-5-101, 7.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PointType {
    /// Single-point information.
    Single,
    /// Double-point information.
    Double,
    /// Measured value, short floating point.
    Float,
    /// Measured value, scaled.
    Scaled,
    /// Measured value, normalized; one unit on the wire is 1/32768.
    Normalized,
    /// Integrated total.
    Counter,
}

/// Where one point stands.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointEntry {
    /// Which point.
    #[serde(rename = "point")]
    pub kind: PointKind,
    /// Information object address, 1..=0xFF_FFFF.
    pub ioa: u32,
    /// Its type.
    #[serde(rename = "type")]
    pub wire: PointType,
    /// Base units (W, var, mV, mA, Wh) in one unit on the wire; without meaning for states.
    #[serde(default = "one")]
    pub scale: f64,
}

const fn one() -> f64 {
    1.0
}

/// Where the power cap is set.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapCommand {
    /// Information object address.
    pub ioa: u32,
    /// Watts in one unit on the wire.
    pub scale: f64,
    /// Its type.
    #[serde(rename = "type", default)]
    pub wire: SetPointType,
}

/// The set point that carries a power (IEC 60870-5-101, 7.3.2.4 to 7.3.2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetPointType {
    /// Short floating point, C_SE_NC.
    #[default]
    Float,
    /// Scaled, C_SE_NB.
    Scaled,
    /// Normalized, C_SE_NA; one unit on the wire is 1/32768.
    Normalized,
}

/// A parameter that is short enough to stand at an address of its own. All others travel in the settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortParameter {
    /// Safety floor, kW.
    FloorKw,
    /// Averaging window, min.
    WindowMin,
    /// Supply guarantee for so many half hours, 0 until it is taken away; -1 takes it away.
    GuaranteeHalfH,
    /// 1 excluded, 0 not.
    Exclusion,
    /// Duration of remote trips, half hours; 0 until released.
    TripHalfH,
    /// Warning before remote trips, min.
    TripWarningMin,
    /// Scheme of the time-of-day cap in force, 1..=3; 0 none.
    TimeOfDayScheme,
}

impl fmt::Display for ShortParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FloorKw => "parameter floor_kw",
            Self::WindowMin => "parameter window_min",
            Self::GuaranteeHalfH => "parameter guarantee_half_h",
            Self::Exclusion => "parameter exclusion",
            Self::TripHalfH => "parameter trip_half_h",
            Self::TripWarningMin => "parameter trip_warning_min",
            Self::TimeOfDayScheme => "parameter time_of_day_scheme",
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParameter {
    parameter: ShortParameter,
    ioa: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    points: Vec<PointEntry>,
    #[serde(default)]
    parameters: Vec<RawParameter>,
    #[serde(default)]
    commands: RawCommands,
    #[serde(default)]
    clock: RawClock,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawClock {
    offset_minutes: i16,
    summer_time: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCommands {
    #[serde(default)]
    rounds: Vec<RawRound>,
    cap: Option<CapCommand>,
    #[serde(default)]
    with_time: bool,
    #[serde(default)]
    warning_min: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRound {
    round: RoundNo,
    ioa: u32,
    #[serde(rename = "type", default)]
    wire: CommandType,
    terms_ioa: Option<u32>,
    #[serde(default)]
    trip_qualifier: Qualifier,
    #[serde(default)]
    restore_qualifier: Qualifier,
    #[serde(default)]
    qualifiers: Vec<Qualifier>,
}

/// The command that switches a round (IEC 60870-5-101, 7.3.2): ON closes, OFF opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandType {
    /// Single command, C_SC: SCS 1 closes (restore), SCS 0 opens (trip).
    Single,
    /// Double command, C_DC: DCS 2 closes (restore), DCS 1 opens (trip).
    #[default]
    Double,
}

/// What the commands of a round say of its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Qualifiers {
    trip: Qualifier,
    restore: Qualifier,
    /// What an order may say instead.
    others: Vec<Qualifier>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RoundCommand {
    ioa: u32,
    wire: CommandType,
}

/// What is wrong with a point map.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ProfileError {
    #[error("point map: line {line}: not readable as TOML of points and commands: {message}")]
    Syntax { line: usize, message: String },
    #[error("point map: address {ioa} of {what}: wanted 1 to 16777215")]
    Address { ioa: u32, what: String },
    #[error("point map: address {ioa} stands for {first} and for {second}: give each its own")]
    AddressTwice { ioa: u32, first: String, second: String },
    #[error("point map: {what} stands at two addresses: keep one")]
    PointTwice { what: String },
    #[error("point map: scale {scale} of {what}: wanted a finite number above 0")]
    Scale { scale: f64, what: String },
    #[error("point map: clock.offset_minutes = {offset_minutes}: wanted -840 to 840")]
    Clock { offset_minutes: i16 },
    #[error("point map: commands.warning_min = {minutes}: wanted 0 to {}", Profile::WARNING_MIN_MAX)]
    Warning { minutes: u8 },
    #[error("point map: {point} cannot travel as {wire:?}")]
    Type { point: PointKind, wire: PointType },
}

/// A checked point map.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Sorted by address.
    points: Vec<PointEntry>,
    rounds: BTreeMap<RoundNo, RoundCommand>,
    qualifiers: BTreeMap<RoundNo, Qualifiers>,
    /// Where a trip with its terms is commanded.
    terms: BTreeMap<u32, RoundNo>,
    cap: Option<CapCommand>,
    parameters: BTreeMap<u32, ShortParameter>,
    zone: Zone,
    timed_commands: bool,
    warns_for: Span,
}

impl Profile {
    /// Longest warning before a trip, min (Q/GDW 1376.1, AFN 05 F1: four bits).
    pub const WARNING_MIN_MAX: u8 = 15;

    /// The map that Headroom ships, `profiles/standard.toml`.
    pub fn standard() -> Self {
        // A test holds the shipped file sound; a build with a broken one maps nothing rather than something wrong.
        Self::parse(include_str!("../profiles/standard.toml")).unwrap_or(Self {
            points: Vec::new(),
            rounds: BTreeMap::new(),
            qualifiers: BTreeMap::new(),
            terms: BTreeMap::new(),
            cap: None,
            parameters: BTreeMap::new(),
            zone: Zone::UTC,
            timed_commands: false,
            warns_for: Span::ZERO,
        })
    }

    /// From TOML: `[[points]]` with `point`, `ioa`, `type`, `scale`; `[[commands.rounds]]` with `round`, `ioa`,
    /// `type` ("double" unless set), `terms_ioa`, `trip_qualifier` and `restore_qualifier` ("none" unless set), `qualifiers` (others
    /// that an order may name); `[[parameters]]` with `parameter`, `ioa`; `commands.cap` with `ioa`, `scale`, `type` ("float" unless
    /// set); `commands.with_time`; `commands.warning_min`; `clock` with `offset_minutes` and `summer_time`.
    ///
    /// # Errors
    /// The file is refused whole for an unknown key, an address out of range or used twice, a point mapped twice, a
    /// scale that is no positive number, or a type that cannot carry the point.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let Raw { mut points, parameters: raw_parameters, commands, clock } =
            toml::from_str(text).map_err(|error| {
                // Its own text repeats the raw line of the file, with whatever that would do to a terminal.
                let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
                ProfileError::Syntax { line: before.matches('\n').count() + 1, message: error.message().to_owned() }
            })?;
        let mut taken: BTreeMap<u32, String> = BTreeMap::new();
        let mut take = |ioa: u32, what: String| {
            if !(1..=0xFF_FFFF).contains(&ioa) {
                return Err(ProfileError::Address { ioa, what });
            }
            match taken.insert(ioa, what.clone()) {
                Some(first) => Err(ProfileError::AddressTwice { ioa, first, second: what }),
                None => Ok(()),
            }
        };
        let sound = |scale: f64| scale.is_finite() && scale > 0.0;
        let mut kinds = std::collections::BTreeSet::new();
        for entry in &points {
            take(entry.ioa, entry.kind.to_string())?;
            if !kinds.insert(entry.kind) {
                return Err(ProfileError::PointTwice { what: entry.kind.to_string() });
            }
            if !sound(entry.scale) {
                return Err(ProfileError::Scale { scale: entry.scale, what: entry.kind.to_string() });
            }
            let position = matches!(entry.kind, PointKind::RoundPosition(_));
            let fits = match entry.wire {
                PointType::Single => entry.kind.is_state() && !entry.kind.is_number(),
                PointType::Double => position,
                _ => !entry.kind.is_state() || entry.kind.is_number(),
            };
            if !fits {
                return Err(ProfileError::Type { point: entry.kind, wire: entry.wire });
            }
        }
        let (mut rounds, mut qualifiers) = (BTreeMap::new(), BTreeMap::new());
        let mut terms = BTreeMap::new();
        for raw in commands.rounds {
            let RawRound { round, ioa, wire, terms_ioa, trip_qualifier, restore_qualifier, qualifiers: others } = raw;
            qualifiers.insert(round, Qualifiers { trip: trip_qualifier, restore: restore_qualifier, others });
            let what = format!("the command of round {round}");
            take(ioa, what.clone())?;
            if let Some(ioa) = terms_ioa {
                take(ioa, format!("the trip of round {round} with its terms"))?;
                terms.insert(ioa, round);
            }
            if rounds.insert(round, RoundCommand { ioa, wire }).is_some() {
                return Err(ProfileError::PointTwice { what });
            }
        }
        if let Some(cap) = commands.cap {
            let what = String::from("the command of the power cap");
            take(cap.ioa, what.clone())?;
            if !sound(cap.scale) {
                return Err(ProfileError::Scale { scale: cap.scale, what });
            }
        }
        let mut parameters = BTreeMap::new();
        for RawParameter { parameter, ioa } in raw_parameters {
            take(ioa, parameter.to_string())?;
            if parameters.values().any(|other| *other == parameter) {
                return Err(ProfileError::PointTwice { what: parameter.to_string() });
            }
            parameters.insert(ioa, parameter);
        }
        if commands.warning_min > Self::WARNING_MIN_MAX {
            return Err(ProfileError::Warning { minutes: commands.warning_min });
        }
        let warns_for = Span::from_s(i64::from(commands.warning_min) * 60);
        let RawClock { offset_minutes, summer_time } = clock;
        if offset_minutes.unsigned_abs() > Zone::OFFSET_MAX.unsigned_abs() {
            return Err(ProfileError::Clock { offset_minutes });
        }
        points.sort_by_key(|entry| entry.ioa);
        let zone = Zone { offset_minutes, summer_time };
        let timed_commands = commands.with_time;
        let cap = commands.cap;
        Ok(Self { points, rounds, qualifiers, terms, cap, parameters, zone, timed_commands, warns_for })
    }

    /// The clock of the terminal's time tags.
    pub const fn zone(&self) -> Zone {
        self.zone
    }

    /// Whether commands carry the time of their sending, for terminals that refuse late ones.
    pub const fn timed_commands(&self) -> bool {
        self.timed_commands
    }

    /// How long the terminal warns its customer before it carries out a trip, where its parameters do not say so.
    pub const fn warns_for(&self) -> Span {
        self.warns_for
    }

    /// What a command says of the output: what its order wants, or else what the map says of the round. None where the order
    /// wants what the map does not allow there.
    pub fn qualifier(&self, action: Action, wanted: Option<Qualifier>) -> Option<Qualifier> {
        let none = Qualifiers::default();
        let of = action.round().and_then(|round| self.qualifiers.get(&round)).unwrap_or(&none);
        let usual = match action {
            Action::Trip { .. } => of.trip,
            Action::Restore { .. } => of.restore,
            // QL of a set point is another matter.
            Action::SetCap { .. } => Qualifier::None,
        };
        let wanted = wanted.unwrap_or(usual);
        (wanted == usual || of.others.contains(&wanted)).then_some(wanted)
    }

    /// All points, sorted by address.
    pub fn points(&self) -> &[PointEntry] {
        &self.points
    }

    /// What an object from the wire says; none for an address that is not in the map. A value of another type than
    /// mapped, or no number, is INVALID; one that cannot be held is OVERFLOW.
    pub fn reading(&self, object: &Object) -> Option<Reading> {
        let at = self.points.binary_search_by_key(&object.ioa, |entry| entry.ioa).ok()?;
        let entry = self.points.get(at)?;
        let position = matches!(entry.kind, PointKind::RoundPosition(_));
        let (value, mark) = match (entry.wire, object.value) {
            (PointType::Single, Value::Single(on)) if position => {
                (if on { SwitchPosition::Closed.value() } else { SwitchPosition::Open.value() }, Quality::GOOD)
            }
            (PointType::Single, Value::Single(on)) => (i64::from(on), Quality::GOOD),
            (PointType::Double, Value::Double(position)) => (position.value(), Quality::GOOD),
            (PointType::Float, Value::Float(value)) => scaled(f64::from(value), entry.scale),
            (PointType::Scaled, Value::Scaled(value)) | (PointType::Normalized, Value::Normalized(value)) => {
                scaled(f64::from(value), entry.scale)
            }
            (PointType::Counter, Value::Counter(value)) => scaled(f64::from(value.total), entry.scale),
            _ => (0, Quality::INVALID),
        };
        Some(Reading {
            point: entry.kind,
            value,
            quality: object.quality.with(mark),
            source_time: object.time,
            cause: object.cause,
        })
    }

    /// The object that tells `value` (base units, or a state) of a point; none when the map has no such point. What
    /// the wire's type cannot hold is sent as its largest with OVERFLOW.
    pub fn object(
        &self,
        kind: PointKind,
        common_address: u16,
        value: i64,
        quality: Quality,
        time: Option<Timestamp>,
        cause: u8,
    ) -> Option<Object> {
        let entry = self.points.iter().find(|entry| entry.kind == kind)?;
        #[allow(clippy::cast_precision_loss, reason = "the wire holds less")]
        let wire = value as f64 / entry.scale;
        let (value, mark) = match entry.wire {
            PointType::Single if matches!(kind, PointKind::RoundPosition(_)) => {
                let mark = match SwitchPosition::from_value(value) {
                    SwitchPosition::Open | SwitchPosition::Closed => Quality::GOOD,
                    _ => Quality::INVALID,
                };
                (Value::Single(value == SwitchPosition::Closed.value()), mark)
            }
            PointType::Single => (Value::Single(value != 0), Quality::GOOD),
            PointType::Double => (Value::Double(SwitchPosition::from_value(value)), Quality::GOOD),
            #[allow(clippy::cast_possible_truncation, reason = "the wire's precision")]
            PointType::Float => (Value::Float(wire as f32), Quality::GOOD),
            PointType::Scaled => {
                let (value, mark) = held::<i16>(wire, i16::MIN, i16::MAX);
                (Value::Scaled(value), mark)
            }
            PointType::Normalized => {
                let (value, mark) = held::<i16>(wire, i16::MIN, i16::MAX);
                (Value::Normalized(value), mark)
            }
            PointType::Counter => {
                let (value, mark) = held::<i32>(wire, i32::MIN, i32::MAX);
                (Value::Counter(Bcr::new(value)), mark)
            }
        };
        Some(Object { common_address, ioa: entry.ioa, value, quality: quality.with(mark), time, cause })
    }

    /// What a set point commands as a trip with its terms ([`Remote::from_octet`]); none for a foreign address or type.
    pub fn trip(&self, ioa: u32, value: CommandValue) -> Option<(RoundNo, Remote)> {
        let CommandValue::SetScaled(octet) = value else { return None };
        Some((*self.terms.get(&ioa)?, Remote::from_octet(u8::try_from(octet).ok()?)))
    }

    /// Whether a set point of this type stands at this address, whatever its number.
    pub fn takes(&self, ioa: u32, value: CommandValue) -> bool {
        let wire = match value {
            CommandValue::SetFloat(_) => SetPointType::Float,
            CommandValue::SetScaled(_) => SetPointType::Scaled,
            CommandValue::SetNormalized(_) => SetPointType::Normalized,
            _ => return false,
        };
        let trips = wire == SetPointType::Scaled && self.terms.contains_key(&ioa);
        trips || self.cap.is_some_and(|cap| (cap.ioa, cap.wire) == (ioa, wire))
    }

    /// The parameters that stand at addresses of their own, in order of these.
    pub fn parameters(&self) -> impl Iterator<Item = (u32, ShortParameter)> {
        self.parameters.iter().map(|(ioa, parameter)| (*ioa, *parameter))
    }

    /// The parameter at an address.
    pub fn parameter(&self, ioa: u32) -> Option<ShortParameter> {
        self.parameters.get(&ioa).copied()
    }

    /// Where an action is commanded, and with what; none when the map has no such command.
    pub fn command_address(&self, action: Action) -> Option<(u32, CommandValue)> {
        match action {
            Action::Trip { round } => self.switching(round, false),
            Action::Restore { round } => self.switching(round, true),
            Action::SetCap { cap: power } => {
                let cap = self.cap?;
                #[allow(clippy::cast_precision_loss, reason = "the wire holds less")]
                let value = power.get() as f64 / cap.scale;
                // A cap that the wire cannot hold is not sent as another one.
                let whole = || match held::<i16>(value, i16::MIN, i16::MAX) {
                    (value, Quality::GOOD) => Some(value),
                    _ => None,
                };
                let value = match cap.wire {
                    #[allow(clippy::cast_possible_truncation, reason = "the wire's precision")]
                    SetPointType::Float => CommandValue::SetFloat(value as f32),
                    SetPointType::Scaled => CommandValue::SetScaled(whole()?),
                    SetPointType::Normalized => CommandValue::SetNormalized(whole()?),
                };
                Some((cap.ioa, value))
            }
        }
    }

    fn switching(&self, round: RoundNo, on: bool) -> Option<(u32, CommandValue)> {
        let RoundCommand { ioa, wire } = *self.rounds.get(&round)?;
        let value = match wire {
            CommandType::Single => CommandValue::Single(on),
            CommandType::Double => CommandValue::Double(on),
        };
        Some((ioa, value))
    }

    fn switched(&self, at: RoundCommand, on: bool) -> Option<Action> {
        let (&round, _) = self.rounds.iter().find(|(_, command)| **command == at)?;
        Some(if on { Action::Restore { round } } else { Action::Trip { round } })
    }

    /// What a command from the wire wants; none for a foreign address, another type or no number.
    pub fn action(&self, ioa: u32, value: CommandValue) -> Option<Action> {
        match value {
            CommandValue::Single(on) => self.switched(RoundCommand { ioa, wire: CommandType::Single }, on),
            CommandValue::Double(on) => self.switched(RoundCommand { ioa, wire: CommandType::Double }, on),
            CommandValue::SetFloat(value) => self.capped(ioa, SetPointType::Float, f64::from(value)),
            CommandValue::SetScaled(value) => self.capped(ioa, SetPointType::Scaled, f64::from(value)),
            CommandValue::SetNormalized(value) => self.capped(ioa, SetPointType::Normalized, f64::from(value)),
            CommandValue::Step(_) | CommandValue::SetBits(_) => None,
        }
    }

    fn capped(&self, ioa: u32, wire: SetPointType, value: f64) -> Option<Action> {
        let cap = self.cap.filter(|cap| cap.ioa == ioa && cap.wire == wire)?;
        let (watts, mark) = scaled(value, cap.scale);
        (mark == Quality::GOOD).then_some(Action::SetCap { cap: Power::new(watts) })
    }
}

/// Base units of a wire value.
fn scaled(value: f64, scale: f64) -> (i64, Quality) {
    const WHOLE_MAX: f64 = 9.0e18;
    let base = value * scale;
    if base.is_nan() {
        (0, Quality::INVALID)
    } else if base.abs() > WHOLE_MAX {
        (if base < 0.0 { i64::MIN } else { i64::MAX }, Quality::OVERFLOW)
    } else {
        #[allow(clippy::cast_possible_truncation, reason = "bounds checked above")]
        (base.round() as i64, Quality::GOOD)
    }
}

/// The nearest whole number that the wire's type holds.
fn held<T: Copy + TryFrom<i64> + Into<i64>>(value: f64, min: T, max: T) -> (T, Quality) {
    let (whole, mark) = scaled(value, 1.0);
    match T::try_from(whole) {
        Ok(whole) => (whole, mark),
        Err(_) => (if whole < min.into() { min } else { max }, Quality::OVERFLOW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ioa: u32, value: Value) -> Option<Reading> {
        let object = Object { common_address: 1, ioa, value, quality: Quality::GOOD, time: None, cause: 3 };
        Profile::standard().reading(&object)
    }

    #[test]
    fn the_standard_map_is_sound_and_knows_every_point() {
        let profile = Profile::parse(include_str!("../profiles/standard.toml")).unwrap();
        assert_eq!(profile.points().len(), 15 + 16 + 4 + 10);
        assert_eq!(profile, Profile::standard());
    }

    #[test]
    fn every_point_comes_back_from_its_object() {
        let profile = Profile::standard();
        for entry in profile.points() {
            let value = if entry.kind.is_state() { 1 } else { 123_400 };
            let object = profile.object(entry.kind, 7, value, Quality::SUBSTITUTED, None, 20).unwrap();
            let reading = profile.reading(&object).unwrap();
            assert_eq!((reading.point, reading.value), (entry.kind, value));
            assert_eq!((reading.quality, reading.cause), (Quality::SUBSTITUTED, 20));
        }
    }

    #[test]
    fn a_map_tells_the_terminals_clock_and_whether_it_wants_times_in_commands() {
        let parse = |text: &str| Profile::parse(&format!("points = []\n{text}"));
        let profile = parse("[clock]\noffset_minutes = 480\n[commands]\nwith_time = true\n").unwrap();
        assert_eq!(profile.zone(), Zone { offset_minutes: 480, summer_time: false });
        assert!(profile.timed_commands());
        let plain = Profile::standard();
        assert_eq!((plain.zone(), plain.timed_commands()), (Zone::UTC, false));
        let said = parse("[clock]\noffset_minutes = -841\n").unwrap_err().to_string();
        assert_eq!(said, "point map: clock.offset_minutes = -841: wanted -840 to 840");
    }

    #[test]
    fn a_cap_travels_in_the_type_of_its_map_and_never_as_another_cap() {
        for (wire, value) in [
            ("float", CommandValue::SetFloat(250.0)),
            ("scaled", CommandValue::SetScaled(250)),
            ("normalized", CommandValue::SetNormalized(250)),
        ] {
            let text = format!("points = []\n[commands.cap]\nioa = 9\nscale = 1000.0\ntype = \"{wire}\"\n");
            let profile = Profile::parse(&text).unwrap();
            let cap = Action::SetCap { cap: Power::from_kw(250) };
            assert_eq!(profile.command_address(cap), Some((9, value)), "{wire}");
            assert_eq!(profile.action(9, value), Some(cap), "{wire}");
            let beyond = profile.command_address(Action::SetCap { cap: Power::from_kw(40_000) });
            assert_eq!(beyond.is_none(), wire != "float", "{wire}: {beyond:?}");
        }
    }

    #[test]
    fn no_number_or_a_foreign_type_is_invalid_and_decides_nothing() {
        assert_eq!(read(2001, Value::Float(1.5)).unwrap().value, 1_500);
        for bad in [Value::Float(f32::NAN), Value::Scaled(3)] {
            assert!(!read(2001, bad).unwrap().quality.decides());
        }
        assert!(read(2001, Value::Float(f32::INFINITY)).unwrap().quality.has(Quality::OVERFLOW));
        assert_eq!(read(99, Value::Float(1.0)), None);
    }

    #[test]
    fn every_action_comes_back_from_its_command() {
        let profile = Profile::standard();
        let actions = RoundNo::ALL
            .iter()
            .flat_map(|&round| [Action::Trip { round }, Action::Restore { round }])
            .chain([Action::SetCap { cap: Power::from_kw(250) }, Action::SetCap { cap: Power::ZERO }]);
        for action in actions {
            let (ioa, value) = profile.command_address(action).unwrap();
            assert_eq!(profile.action(ioa, value), Some(action));
        }
        assert_eq!(profile.action(6101, CommandValue::SetFloat(f32::NAN)), None);
        assert_eq!(profile.action(6001, CommandValue::Single(true)), None);
    }

    #[test]
    fn a_round_is_switched_by_the_command_type_of_its_map_and_by_no_other() {
        let text = "points = []\n[[commands.rounds]]\nround = 1\nioa = 7\ntype = \"single\"\n\
                    [[commands.rounds]]\nround = 2\nioa = 8\n";
        let profile = Profile::parse(text).unwrap();
        let [one, two] = [RoundNo::ALL[0], RoundNo::ALL[1]];
        let pairs = [
            (Action::Trip { round: one }, (7, CommandValue::Single(false))),
            (Action::Restore { round: one }, (7, CommandValue::Single(true))),
            (Action::Trip { round: two }, (8, CommandValue::Double(false))),
            (Action::Restore { round: two }, (8, CommandValue::Double(true))),
        ];
        for (action, (ioa, value)) in pairs {
            assert_eq!(profile.command_address(action), Some((ioa, value)));
            assert_eq!(profile.action(ioa, value), Some(action));
        }
        assert_eq!(profile.action(7, CommandValue::Double(false)), None);
        assert_eq!(profile.action(8, CommandValue::Single(false)), None);
        assert!(Profile::parse(&text.replace("single", "float")).is_err());
    }

    #[test]
    fn a_round_says_what_its_output_does_and_what_else_an_order_may_say() {
        let text = "points = []\n[commands]\nwarning_min = 5\n[[commands.rounds]]\nround = 1\nioa = 7\n\
                    trip_qualifier = \"short\"\nrestore_qualifier = \"persistent\"\nqualifiers = [\"long\"]\n\
                    [[commands.rounds]]\nround = 2\nioa = 8\n";
        let profile = Profile::parse(text).unwrap();
        let [one, two] = [RoundNo::ALL[0], RoundNo::ALL[1]];
        let (trip, restore) = (Action::Trip { round: one }, Action::Restore { round: one });
        assert_eq!(profile.qualifier(trip, None), Some(Qualifier::Short));
        assert_eq!(profile.qualifier(restore, None), Some(Qualifier::Persistent));
        assert_eq!(profile.qualifier(trip, Some(Qualifier::Long)), Some(Qualifier::Long));
        assert_eq!(profile.qualifier(trip, Some(Qualifier::Persistent)), None, "that is for the return");
        assert_eq!(profile.qualifier(Action::Trip { round: two }, None), Some(Qualifier::None));
        assert_eq!(profile.qualifier(Action::Trip { round: two }, Some(Qualifier::Short)), None);
        let cap = Action::SetCap { cap: Power::ZERO };
        assert_eq!(profile.qualifier(cap, None), Some(Qualifier::None));
        assert_eq!(profile.qualifier(cap, Some(Qualifier::Short)), None);
        assert_eq!(profile.warns_for(), Span::from_s(300));
        let said = Profile::parse(&text.replace("min = 5", "min = 16")).unwrap_err().to_string();
        assert_eq!(said, "point map: commands.warning_min = 16: wanted 0 to 15");
        assert!(Profile::parse(&text.replace("[\"long\"]", "[\"brief\"]")).is_err());
    }

    #[test]
    fn a_map_that_contradicts_itself_is_refused() {
        let refused = |text: &str| Profile::parse(text).unwrap_err().to_string();
        let point = |kind: &str, ioa: u32| format!("[[points]]\npoint = \"{kind}\"\nioa = {ioa}\ntype = \"float\"\n");
        let twice = point("active_power", 5) + point("reactive_power", 5).as_str();
        assert_eq!(
            refused(&twice),
            "point map: address 5 stands for active power and for reactive power: give each its own"
        );
        assert!(refused(&point("active_power", 0)).contains("wanted 1 to 16777215"));
        assert!(refused(&(point("active_power", 5) + "unit = \"kW\"\n")).contains("TOML"));
        let hostile = refused(&(point("active_power", 5) + "x = \"\u{1b}[2J\n"));
        assert!(hostile.contains("line 5: ") && !hostile.contains('\u{1b}'), "{hostile}");
        assert!(refused(&point("cover_open", 5)).contains("cannot travel"));
    }
}
