//! Local control at work on a site: what it sees, what it does, what it reports, what it keeps.

use headroom_rules::local_control::{Act, Forbidden, Function, LocalControl, Parameters, Record, Remote, Seen, State};
use headroom_rules::model::{ControlField, PointKind, Power, Quality, RoundNo, SwitchPosition, Timestamp};
use headroom_rules::orders::Qualifier;
use serde::{Deserialize, Serialize};

use super::{Agent, Sample, Site};
use crate::iec104::asdu::causes;
use crate::iec104::controlled::Parameter;
use crate::iec104::{CommandAnswer, Object, Station, Value};
use crate::profile::ShortParameter;

/// Energy that was counted is kept at least this often, ms.
const KEPT_EVERY_MS: i64 = 900_000;

/// Numbers of events as DOMAIN lists them, and two of our own beyond.
mod events {
    pub(super) const PARAMETERS_CHANGED: i64 = 3;
    pub(super) const REMOTE_CONTROL: i64 = 5;
    pub(super) const POWER_CONTROL: i64 = 6;
    pub(super) const ENERGY_CONTROL: i64 = 7;
    pub(super) const PURCHASE: i64 = 19;
    pub(super) const ENERGY_ALARM: i64 = 23;
    pub(super) const GUARANTEE: i64 = 42;
    pub(super) const NOT_TRIPPED: i64 = 43;
}

/// What a restart must not forget, as text.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// As [`super::settings::Settings::text`].
    pub(super) settings: String,
    /// The times of the state are of the clock that the centre set: so far ahead of the site's.
    #[serde(default)]
    pub(super) clock_offset_ms: i64,
    #[serde(default)]
    pub(super) state: State,
}

/// What the customer is told: on a display, by a voice, by a lamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A round is tripped at that time, unless the load falls before.
    Warning {
        /// Which.
        round: RoundNo,
        /// When, at the earliest.
        trips_at: Timestamp,
        /// For which function.
        function: Function,
    },
    /// A round was tripped.
    Tripped(RoundNo),
    /// A round may be closed.
    Permitted(RoundNo),
    /// A payment is due.
    PaymentDue,
    /// A text from the centre.
    Text(String),
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Warning { round, trips_at, function } => {
                write!(f, "round {round} will be tripped at {trips_at}: {function}")
            }
            Self::Tripped(round) => write!(f, "round {round} is tripped"),
            Self::Permitted(round) => write!(f, "round {round} may be closed"),
            Self::PaymentDue => f.write_str("a payment is due"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl<S: Site> Agent<S> {
    pub(super) fn seen(&self, sample: &Sample) -> Seen {
        Seen {
            now: Station::now(self),
            power: sample.power,
            energy: sample.energy,
            rounds: sample.rounds.map(|round| round.map(|round| (round.position, round.power))),
            linked: self.carried,
        }
    }

    /// Lets local control judge a sample, and does what it wants.
    pub(super) fn control_site(&mut self, out: &mut Vec<Object>, sample: &Sample) {
        let seen = self.seen(sample);
        let mut acts = Vec::new();
        self.control.look(&seen, &mut acts);
        self.perform(acts, out);
        let due = seen.now.since(self.kept_at).get().unsigned_abs() >= KEPT_EVERY_MS.unsigned_abs();
        if self.control.revision() != self.kept_revision || due {
            self.keep(seen.now);
        }
    }

    pub(super) fn perform(&mut self, acts: Vec<Act>, out: &mut Vec<Object>) {
        for act in acts {
            match act {
                Act::Trip(round) => {
                    // Whatever function trips it: what a remote trip said counts for the first opening alone.
                    let output = std::mem::take(&mut self.output[usize::from(round.get() - 1)]);
                    self.drive(round, false, output);
                    self.site.notify(&Notice::Tripped(round));
                }
                Act::Permit(round) => self.site.notify(&Notice::Permitted(round)),
                Act::Warn { round, trips_at, function } => {
                    self.site.notify(&Notice::Warning { round, trips_at, function });
                }
                Act::Remind => self.site.notify(&Notice::PaymentDue),
                Act::Show(text) => self.site.notify(&Notice::Text(text)),
                Act::Record(record) => self.tell_record(out, record),
            }
        }
    }

    /// Drives a round's output: by a pulse, or for good.
    pub(super) fn drive(&mut self, round: RoundNo, closed: bool, output: Qualifier) {
        match output {
            Qualifier::None | Qualifier::Persistent => self.site.switch(round, closed),
            Qualifier::Short => self.site.pulse(round, closed, self.settings.short_pulse),
            Qualifier::Long => self.site.pulse(round, closed, self.settings.long_pulse),
        }
    }

    fn tell_record(&mut self, out: &mut Vec<Object>, record: Record) {
        let before = out.len();
        for (field, value) in fields(record) {
            let kind = PointKind::Control(field);
            let object = self.config.profile.object(
                kind,
                self.config.common_address,
                value,
                Quality::GOOD,
                Some(record.at()),
                causes::SPONTANEOUS,
            );
            out.extend(object);
        }
        out.iter().skip(before).for_each(|event| self.record.push(*event));
    }

    /// Writes down what a restart must not forget.
    pub(super) fn keep(&mut self, now: Timestamp) {
        self.kept_at = now;
        self.kept_revision = self.control.revision();
        let kept = Kept {
            settings: self.settings_text.0.clone(),
            clock_offset_ms: self.clock_offset.get(),
            state: self.control.state().clone(),
        };
        match toml::to_string(&kept) {
            Ok(text) => self.site.keep(&text),
            Err(error) => tracing::error!(%error, "terminal: its settings cannot be written down"),
        }
    }

    /// Local control begins anew, with what a restart keeps. What happened and is not told yet is told.
    pub(super) fn restart(&mut self) {
        let now = Station::now(self);
        self.keep(now);
        let (parameters, state) = (self.control.parameters().clone(), self.control.state().clone());
        self.control = LocalControl::new(self.config.installed(), parameters, state, now);
        self.kept_revision = self.control.revision();
        (self.driven, self.output) = <_>::default();
    }

    /// A remote trip with its terms.
    pub(super) fn trip(&mut self, sample: &Sample, round: RoundNo, terms: Remote) -> Result<(), Forbidden> {
        let seen = self.seen(sample);
        let mut acts = Vec::new();
        self.control.remote_trip(&seen, round, terms, &mut acts)?;
        self.driven[usize::from(round.get() - 1)] = true;
        let mut told = Vec::new();
        self.perform(acts, &mut told);
        self.waiting.append(&mut told);
        Ok(())
    }

    /// Whether a trip would be taken now; one that is open already is held open.
    pub(super) fn may_trip(&self, sample: &Sample, round: RoundNo) -> bool {
        match self.control.permits(&self.seen(sample), round) {
            Ok(()) => true,
            Err(Forbidden::NotClosed) => {
                sample.rounds[usize::from(round.get() - 1)].is_some_and(|it| it.position != SwitchPosition::Closed)
            }
            Err(_) => false,
        }
    }

    /// Puts new parameters in force and keeps them; false where a value is out of its range.
    pub(super) fn set_parameters(&mut self, parameters: Parameters) -> bool {
        let now = Station::now(self);
        let mut acts = Vec::new();
        let changed = parameters != *self.control.parameters();
        if let Err(error) = self.control.set(now, parameters, &mut acts) {
            tracing::warn!(%error, "terminal: parameters are refused");
            return false;
        }
        let mut told = Vec::new();
        self.perform(acts, &mut told);
        self.waiting.append(&mut told);
        if changed {
            self.settings.control = self.control.parameters().clone();
            self.settings_text = (self.settings.text(), now);
            self.keep(now);
        }
        true
    }

    /// The value of a short parameter.
    fn short(&self, parameter: ShortParameter) -> i64 {
        let parameters = self.control.parameters();
        match parameter {
            ShortParameter::FloorKw => parameters.floor_kw.into(),
            ShortParameter::WindowMin => parameters.window_min.into(),
            ShortParameter::GuaranteeHalfH if parameters.guarantee.on => parameters.guarantee.half_h.into(),
            ShortParameter::GuaranteeHalfH => -1,
            ShortParameter::Exclusion => parameters.exclusion.into(),
            ShortParameter::TripHalfH => parameters.remote.half_h.into(),
            ShortParameter::TripWarningMin => parameters.remote.warning_min.into(),
            ShortParameter::TimeOfDayScheme => parameters.time_of_day.as_ref().map_or(0, |it| it.scheme.into()),
        }
    }

    /// The parameters with one changed; none where the value is of no use.
    fn with_short(&self, parameter: ShortParameter, value: i64) -> Option<Parameters> {
        let mut parameters = self.control.parameters().clone();
        let small = || u8::try_from(value).ok();
        match parameter {
            ShortParameter::FloorKw => parameters.floor_kw = u32::try_from(value).ok()?,
            ShortParameter::WindowMin => parameters.window_min = small()?,
            ShortParameter::GuaranteeHalfH if value == -1 => parameters.guarantee.on = false,
            ShortParameter::GuaranteeHalfH => {
                parameters.guarantee.on = true;
                parameters.guarantee.half_h = small()?;
            }
            ShortParameter::Exclusion if matches!(value, 0 | 1) => parameters.exclusion = value == 1,
            ShortParameter::Exclusion => return None,
            ShortParameter::TripHalfH => parameters.remote.half_h = small()?,
            ShortParameter::TripWarningMin => parameters.remote.warning_min = small()?,
            ShortParameter::TimeOfDayScheme => parameters.time_of_day.as_mut()?.scheme = small()?,
        }
        parameters.check().is_ok().then_some(parameters)
    }

    /// Sets a short parameter, or with `only_asked` says whether it would be taken.
    pub(super) fn set_short(&mut self, parameter: ShortParameter, value: f64, only_asked: bool) -> CommandAnswer {
        let whole = value.is_finite() && value.fract() == 0.0 && value.abs() <= 1.0e9;
        #[allow(clippy::cast_possible_truncation, reason = "whole and within the bounds above")]
        let wanted = whole.then_some(value as i64).and_then(|value| self.with_short(parameter, value));
        let taken = wanted.is_some_and(|parameters| only_asked || self.set_parameters(parameters));
        if taken { CommandAnswer::Accepted } else { CommandAnswer::Refused }
    }

    /// As P_ME sets it. What kind of parameter it is stands by its address; the kind that QPM names is not looked at.
    pub(super) fn load_parameter(&mut self, ioa: u32, parameter: Parameter) -> CommandAnswer {
        let Some(short) = self.config.profile.parameter(ioa) else { return CommandAnswer::UnknownObject };
        match parameter {
            Parameter::Scaled(value) => self.set_short(short, value.into(), false),
            Parameter::Float(value) => self.set_short(short, value.into(), false),
            Parameter::Normalized(_) | Parameter::Active(_) => CommandAnswer::Refused,
        }
    }

    /// The short parameters as measured values, for an interrogation of group 4 and for reading one.
    pub(super) fn tell_parameters(&self, out: &mut Vec<Object>) {
        let common_address = self.config.common_address;
        for (ioa, parameter) in self.config.profile.parameters() {
            #[allow(clippy::cast_precision_loss, reason = "parameters are small")]
            let value = Value::Float(self.short(parameter) as f32);
            out.push(Object {
                common_address,
                ioa,
                value,
                quality: Quality::GOOD,
                time: None,
                cause: causes::INTERROGATED,
            });
        }
    }
}

/// A record as the fields that it has.
fn fields(record: Record) -> Vec<(ControlField, i64)> {
    use ControlField as F;
    match record {
        Record::Control { function, round, set_point, before, after, frozen, .. } => {
            let event = match function {
                Function::Remote => events::REMOTE_CONTROL,
                Function::Monthly | Function::Prepaid => events::ENERGY_CONTROL,
                _ => events::POWER_CONTROL,
            };
            let optional = |field, power: Option<Power>| power.map(|power| (field, power.get()));
            [(F::Event, event), (F::Function, function.code().into()), (F::Round, round.get().into())]
                .into_iter()
                .chain(optional(F::SetPoint, set_point))
                .chain([(F::Before, before.get()), (F::After, after.get())])
                .chain(optional(F::Frozen, frozen))
                .collect()
        }
        Record::EnergyAlarm { function, energy, threshold, .. } => vec![
            (F::Event, events::ENERGY_ALARM),
            (F::Function, function.code().into()),
            (F::Energy, energy.get()),
            (F::Threshold, threshold.get()),
        ],
        Record::Purchase { order, before, after, .. } => vec![
            (F::Event, events::PURCHASE),
            (F::Function, Function::Prepaid.code().into()),
            (F::Order, order.into()),
            (F::Threshold, before.get()),
            (F::Energy, after.get()),
        ],
        Record::Guarantee { .. } => vec![(F::Event, events::GUARANTEE)],
        Record::NotTripped { round, .. } => {
            vec![(F::Event, events::NOT_TRIPPED), (F::Round, round.get().into())]
        }
        Record::ParametersChanged { .. } => vec![(F::Event, events::PARAMETERS_CHANGED)],
    }
}
