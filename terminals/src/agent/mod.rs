//! The soft terminal: what a two-way load-monitoring terminal does between its site and its link. Pure: the site gives
//! samples and the time, the link's [`Station`] doors take objects and commands.
//!
//! Its record of events, its memory of load curve and registers and its settings are files of the station ([`EVENT_FILE`],
//! [`CURVE_FILE`], [`SETTINGS_FILE`]).
//!
//! **Invariant:** no trip while supply guarantee is in force, and none that takes the load below the safety floor, whoever
//! asks (`never-shed-protected`).

use headroom_rules::local_control::{Installed, LocalControl, Parameters, State};
use headroom_rules::model::{
    Current, Energy, PointKind, Power, Quality, RoundNo, Span, SwitchPosition, Timestamp, Voltage,
};
use headroom_rules::orders::{Action, Qualifier, Step};

use crate::iec104::asdu::causes;
use crate::iec104::controlled::Parameter;
use crate::iec104::files::{EVENTS, FileId, FileInfo, RECORDED_VALUES, TRANSPARENT};
use crate::iec104::{CommandAnswer, CommandValue, Object, Station, StationCommand};
use crate::profile::Profile;

mod control;
mod memory;
mod record;
mod settings;
#[cfg(test)]
mod tests;

use control::Kept;
use memory::{Memory, Meter, Remembered};
use record::{Record, file};

pub use control::Notice;
pub use settings::{Settings, SettingsError, control_text, notice_text};

/// The record of events: read, or asked for by its times.
pub const EVENT_FILE: FileId = FileId { ioa: 30_001, name: EVENTS };
/// Settings, a text: read and written.
pub const SETTINGS_FILE: FileId = FileId { ioa: 30_002, name: TRANSPARENT };
/// Load curve and frozen registers of the last weeks: read, or asked for by its times.
pub const CURVE_FILE: FileId = FileId { ioa: 30_003, name: RECORDED_VALUES };
/// Octets of settings at most.
const SETTINGS_MAX: u32 = 16_384;
/// Below this on every phase there is no supply, mV: a fifth of 230 V.
const NO_SUPPLY_BELOW: i64 = 46_000;

/// One round as measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundSample {
    /// Active power behind the switch.
    pub power: Power,
    /// Where the switch stands.
    pub position: SwitchPosition,
}

/// What a site measures at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Total active power.
    pub power: Power,
    /// Total reactive power, var.
    pub reactive_var: i64,
    /// Of phases A, B, C.
    pub voltage: [Voltage; 3],
    /// Of phases A, B, C.
    pub current: [Current; 3],
    /// Register of imported energy.
    pub energy: Energy,
    /// Rounds 1..=8; none where nothing is wired.
    pub rounds: [Option<RoundSample>; 8],
    /// Whether the cover stands open.
    pub cover_open: bool,
}

/// Meters, switches and clock of one site.
pub trait Site: Send + 'static {
    /// Measures everything now.
    fn sample(&mut self) -> Sample;
    /// The time now.
    fn now(&self) -> Timestamp;
    /// Drives a round's switch. Whether it moved shows in the samples that follow.
    fn switch(&mut self, round: RoundNo, closed: bool);
    /// Drives a round's switch by a pulse: the output returns after so long, the switch stays where it went.
    fn pulse(&mut self, round: RoundNo, closed: bool, _length: Span) {
        self.switch(round, closed);
    }
    /// Tells the customer.
    fn notify(&mut self, _notice: &Notice) {}
    /// What [`Self::keep`] was given last, before the terminal restarted.
    fn kept(&mut self) -> Option<String> {
        None
    }
    /// Keeps a text over restarts.
    fn keep(&mut self, _text: &str) {}
}

/// How a terminal is set up.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Address of all its objects.
    pub common_address: u16,
    /// Which point stands where.
    pub profile: Profile,
    /// Contract power: deadbands are shares of it.
    pub contract: Power,
    /// Supply guarantee: blocks every trip, remote or local.
    pub guaranteed: bool,
    /// No trip within this after start (power-on trip lock).
    pub trip_lock: Span,
    /// Active power is reported at least this often.
    pub report_every: Span,
    /// The safety floor as installed; a parameter may raise it.
    pub floor: Power,
    /// Parameters of local control until a centre sets others.
    pub control: Parameters,
}

impl AgentConfig {
    fn installed(&self) -> Installed {
        let zone = Span::from_s(i64::from(self.profile.zone().offset_minutes) * 60);
        Installed { floor: self.floor, guaranteed: self.guaranteed, trip_lock: self.trip_lock, zone }
    }
}

/// A terminal at work on a site.
#[derive(Debug)]
pub struct Agent<S> {
    config: AgentConfig,
    site: S,
    control: LocalControl,
    started: Timestamp,
    /// Added to the site's time since the centre set the clock.
    clock_offset: Span,
    reported: Option<Sample>,
    power_reported_at: Timestamp,
    /// Rounds that a remote command drove and whose change has not been reported yet.
    driven: [bool; 8],
    /// What the last remote trip of a round says of its output, until it is made.
    output: [Qualifier; 8],
    /// The cap changed and has not been reported yet.
    cap_changed: bool,
    supplied: bool,
    record: Record,
    memory: Memory,
    /// Whether what is spontaneous reaches somebody.
    carried: bool,
    settings: Settings,
    /// As the centre reads them back, and since when.
    settings_text: (String, Timestamp),
    /// What came of commands and parameters, to be told at the next scan.
    waiting: Vec<Object>,
    kept_at: Timestamp,
    kept_revision: u64,
    /// Guarantee, exclusion and floor as they were told last.
    states_told: Option<[i64; 3]>,
}

impl<S: Site> Agent<S> {
    /// A terminal that powers up now, with the settings that its site kept.
    pub fn new(config: AgentConfig, mut site: S) -> Self {
        let initial =
            Settings { report_every: config.report_every, control: config.control.clone(), ..Settings::usual() };
        let (settings, clock_offset, state) = kept(&mut site, &initial);
        let started = site.now().after(clock_offset);
        Self {
            memory: Memory::new(config.profile.zone()),
            carried: false,
            control: LocalControl::new(config.installed(), settings.control.clone(), state, started),
            reported: None,
            power_reported_at: site.now(),
            config,
            site,
            started,
            clock_offset,
            driven: [false; 8],
            output: [Qualifier::None; 8],
            cap_changed: false,
            supplied: true,
            record: Record::default(),
            settings_text: (settings.text(), started),
            settings,
            waiting: Vec::new(),
            kept_at: started,
            kept_revision: 0,
            states_told: None,
        }
    }

    /// The site.
    pub const fn site(&self) -> &S {
        &self.site
    }

    /// The site, to be changed.
    pub const fn site_mut(&mut self) -> &mut S {
        &mut self.site
    }

    fn tell(&self, out: &mut Vec<Object>, kind: PointKind, value: i64, cause: u8) {
        let time = Some(Station::now(self));
        let object = self.config.profile.object(kind, self.config.common_address, value, Quality::GOOD, time, cause);
        out.extend(object);
    }

    /// Tells a change and keeps it in the record.
    fn tell_event(&mut self, out: &mut Vec<Object>, kind: PointKind, value: i64, cause: u8) {
        let before = out.len();
        self.tell(out, kind, value, cause);
        out.iter().skip(before).for_each(|event| self.record.push(*event));
    }

    /// A loss of supply and its return go into the record only: the voltages are reported as they change.
    fn record_supply(&mut self, sample: &Sample) {
        let supplied = sample.voltage.iter().any(|voltage| voltage.get() >= NO_SUPPLY_BELOW);
        if supplied != self.supplied {
            self.supplied = supplied;
            let [voltage, ..] = sample.voltage.map(Voltage::get);
            self.tell_event(&mut Vec::new(), PointKind::VoltageA, voltage, causes::SPONTANEOUS);
        }
    }

    /// Lets the memory see what the meter shows. A quarter that ends is told where somebody hears it; what nobody heard is
    /// in the memory's file, and would only crowd out the events that wait for a link.
    fn remember(&mut self, out: &mut Vec<Object>, sample: &Sample) {
        let meter = Meter { at: Station::now(self), power: sample.power, energy: sample.energy };
        let Some(end) = self.memory.measure(meter, &self.settings.tariffs) else { return };
        if self.carried {
            out.extend(self.remembered(Some(end), Some(end)));
        }
    }

    fn remembered(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Vec<Object> {
        let AgentConfig { profile, common_address, .. } = &self.config;
        let object = |kept: &Remembered| {
            let &Remembered { point, value, quality, at } = kept;
            profile.object(point, *common_address, value, quality, Some(at), causes::SPONTANEOUS)
        };
        self.memory.between(from, to).iter().filter_map(object).collect()
    }

    fn tell_measured(&self, out: &mut Vec<Object>, sample: &Sample) {
        for (kind, value, _) in measurands(sample, self.config.contract, self.settings.deadband_percent) {
            self.tell(out, kind, value, causes::INTERROGATED);
        }
    }

    fn tell_positions(&self, out: &mut Vec<Object>, sample: &Sample) {
        for (no, round) in RoundNo::ALL.into_iter().zip(&sample.rounds) {
            if let Some(round) = round {
                self.tell(out, PointKind::RoundPosition(no), round.position.value(), causes::INTERROGATED);
            }
        }
    }

    fn tell_states(&self, out: &mut Vec<Object>, sample: &Sample) {
        for (kind, value) in self.states(sample) {
            self.tell(out, kind, value, causes::INTERROGATED);
        }
    }

    fn states(&self, sample: &Sample) -> [(PointKind, i64); 5] {
        let [guarantee, exclusion, floor] = self.control_states();
        [
            (PointKind::CoverOpen, i64::from(sample.cover_open)),
            guarantee,
            (PointKind::PowerCap, self.control.centre_cap().map_or(0, Power::get)),
            exclusion,
            floor,
        ]
    }

    /// What spares this terminal in a centre's plans.
    fn control_states(&self) -> [(PointKind, i64); 3] {
        [
            (PointKind::SupplyGuarantee, i64::from(self.control.guaranteed())),
            (PointKind::Exclusion, i64::from(self.control.parameters().exclusion)),
            (PointKind::SafetyFloor, self.control.floor().get()),
        ]
    }

    fn tell_changed_states(&mut self, out: &mut Vec<Object>) {
        let states = self.control_states();
        let Some(before) = self.states_told.replace(states.map(|(_, value)| value)) else { return };
        for ((kind, value), before) in states.into_iter().zip(before) {
            if value != before {
                self.tell_event(out, kind, value, causes::SPONTANEOUS);
            }
        }
    }
}

/// The settings, what the centre had put its clock forward, and the state of before, where the site kept any that can be read.
fn kept(site: &mut impl Site, initial: &Settings) -> (Settings, Span, State) {
    let Some(text) = site.kept() else { return (initial.clone(), Span::ZERO, State::default()) };
    let read = toml::from_str::<Kept>(&text).map_err(|error| error.message().to_owned());
    let read = read.and_then(|Kept { settings, clock_offset_ms, state }| {
        let settings = initial.with(&settings).map_err(|error| error.to_string())?;
        Ok((settings, Span::new(clock_offset_ms), state))
    });
    read.unwrap_or_else(|error| {
        tracing::error!(error, "terminal: what it kept cannot be read, it starts with the settings of its file");
        (initial.clone(), Span::ZERO, State::default())
    })
}

/// The measurands of a sample, with the change that is worth a report.
fn measurands(sample: &Sample, contract: Power, band_percent: i64) -> impl Iterator<Item = (PointKind, i64, i64)> {
    const VOLTAGE_BAND_PERCENT: i64 = 2;
    const NOMINAL_W_TO_MA: i64 = 660;
    let one = contract.percent(band_percent).get().max(1);
    let two = contract.percent(2 * band_percent).get().max(1);
    // That share of the current that the contract's power draws at 3 x 230 V: 1 kW is about 1.5 A in each phase.
    let ampere_band = (two * 1_000 / NOMINAL_W_TO_MA).max(1);
    let [voltage_a, voltage_b, voltage_c] = sample.voltage.map(Voltage::get);
    let [current_a, current_b, current_c] = sample.current.map(Current::get);
    let voltage_band = |millivolts: i64| (millivolts * VOLTAGE_BAND_PERCENT / 100).max(1);
    [
        (PointKind::ActivePower, sample.power.get(), one),
        (PointKind::VoltageA, voltage_a, voltage_band(voltage_a)),
        (PointKind::VoltageB, voltage_b, voltage_band(voltage_b)),
        (PointKind::VoltageC, voltage_c, voltage_band(voltage_c)),
        (PointKind::CurrentA, current_a, ampere_band),
        (PointKind::CurrentB, current_b, ampere_band),
        (PointKind::CurrentC, current_c, ampere_band),
        (PointKind::ReactivePower, sample.reactive_var, two),
    ]
    .into_iter()
    .chain(
        RoundNo::ALL
            .into_iter()
            .zip(sample.rounds)
            .filter_map(move |(no, round)| round.map(|round| (PointKind::RoundPower(no), round.power.get(), one))),
    )
}

/// Takes over one measurand from `new` into what was reported.
fn keep(kind: PointKind, reported: &mut Sample, new: &Sample) {
    let [va, vb, vc] = new.voltage;
    let [ca, cb, cc] = new.current;
    match kind {
        PointKind::ActivePower => reported.power = new.power,
        PointKind::ReactivePower => reported.reactive_var = new.reactive_var,
        PointKind::VoltageA => reported.voltage[0] = va,
        PointKind::VoltageB => reported.voltage[1] = vb,
        PointKind::VoltageC => reported.voltage[2] = vc,
        PointKind::CurrentA => reported.current[0] = ca,
        PointKind::CurrentB => reported.current[1] = cb,
        PointKind::CurrentC => reported.current[2] = cc,
        PointKind::RoundPower(no) => {
            let at = usize::from(no.get() - 1);
            if let (Some(old), Some(new)) = (&mut reported.rounds[at], &new.rounds[at]) {
                old.power = new.power;
            }
        }
        _ => {}
    }
}

impl<S: Site> Station for Agent<S> {
    fn now(&self) -> Timestamp {
        self.site.now().after(self.clock_offset)
    }

    fn interrogated(&mut self, out: &mut Vec<Object>) {
        let mut sample = self.site.sample();
        self.tell_measured(out, &sample);
        self.tell_positions(out, &sample);
        self.tell_states(out, &sample);
        if let Some(reported) = &self.reported {
            // An interrogation has no times: what changed is still an event.
            for (new, old) in sample.rounds.iter_mut().zip(&reported.rounds) {
                if let (Some(new), Some(old)) = (new, old) {
                    new.position = old.position;
                }
            }
            sample.cover_open = reported.cover_open;
        }
        self.states_told.get_or_insert(self.control_states().map(|(_, value)| value));
        // Measurands that have just been told need no spontaneous report.
        self.reported = Some(sample);
        self.power_reported_at = self.site.now();
    }

    /// 1: positions, 2: measurands, 3: states, 4: short parameters.
    fn group(&mut self, group: u8, out: &mut Vec<Object>) -> bool {
        let sample = self.site.sample();
        match group {
            1 => self.tell_positions(out, &sample),
            2 => self.tell_measured(out, &sample),
            3 => self.tell_states(out, &sample),
            4 => self.tell_parameters(out),
            _ => return false,
        }
        true
    }

    fn read(&mut self, ioa: u32) -> Option<Object> {
        let mut objects = Vec::new();
        self.counters(&mut objects);
        let newest = self.memory.newest();
        objects.extend(newest.into_iter().flat_map(|end| self.remembered(Some(end), Some(end))));
        (1..=4).for_each(|group| _ = self.group(group, &mut objects));
        objects.into_iter().find(|object| object.ioa == ioa)
    }

    fn counters(&mut self, out: &mut Vec<Object>) {
        let energy = self.site.sample().energy;
        self.tell(out, PointKind::ImportEnergy, energy.get(), causes::COUNTER_INTERROGATED);
        for (tariff, energy) in self.memory.tariffs() {
            self.tell(out, PointKind::TariffEnergy(tariff), energy.get(), causes::COUNTER_INTERROGATED);
        }
    }

    fn carried(&mut self, by_a_link: bool) {
        self.carried = by_a_link;
    }

    fn spontaneous(&mut self, out: &mut Vec<Object>) {
        let now = self.site.now();
        let sample = self.site.sample();
        self.control_site(out, &sample);
        out.append(&mut self.waiting);
        self.record_supply(&sample);
        self.remember(out, &sample);
        let Some(mut reported) = self.reported else {
            // Nobody has interrogated yet: tell everything once, as changed.
            self.interrogated(out);
            out.iter_mut().for_each(|object| object.cause = causes::SPONTANEOUS);
            return;
        };
        for (at, no) in RoundNo::ALL.into_iter().enumerate() {
            let (Some(old), Some(new)) = (&mut reported.rounds[at], &sample.rounds[at]) else { continue };
            if old.position != new.position {
                old.position = new.position;
                let cause = if self.driven[at] { causes::RETURN_REMOTE } else { causes::SPONTANEOUS };
                // A moving switch is not yet the command's return.
                self.driven[at] &= new.position == SwitchPosition::Intermediate;
                self.tell_event(out, PointKind::RoundPosition(no), new.position.value(), cause);
            }
        }
        if reported.cover_open != sample.cover_open {
            reported.cover_open = sample.cover_open;
            self.tell_event(out, PointKind::CoverOpen, i64::from(sample.cover_open), causes::SPONTANEOUS);
        }
        self.tell_changed_states(out);
        if std::mem::take(&mut self.cap_changed) {
            let cap = self.control.centre_cap().map_or(0, Power::get);
            // The return of a set point: measured values have no cause 11 (60870-5-101, 7.3.1), as switches have.
            self.tell_event(out, PointKind::PowerCap, cap, causes::SPONTANEOUS);
        }
        let before = reported;
        let due = now.since(self.power_reported_at) >= self.settings.report_every;
        let (contract, percent) = (self.config.contract, self.settings.deadband_percent);
        for ((kind, value, band), (_, old, _)) in
            measurands(&sample, contract, percent).zip(measurands(&before, contract, percent))
        {
            let changed = value.abs_diff(old) >= band.unsigned_abs();
            let in_cycle = due && kind == PointKind::ActivePower;
            if !changed && !in_cycle {
                continue;
            }
            // Also in its cycle: the types with a time have no cause 1 (60870-5-101, 7.3.1), and without its time nobody
            // could tell how old the power is.
            self.tell(out, kind, value, causes::SPONTANEOUS);
            keep(kind, &mut reported, &sample);
            if kind == PointKind::ActivePower {
                self.power_reported_at = now;
            }
        }
        self.reported = Some(reported);
    }

    fn command(&mut self, command: StationCommand) -> CommandAnswer {
        let StationCommand { ioa, value, step, qualifier, .. } = command;
        let sample = self.site.sample();
        let moves = matches!(step, Step::Select | Step::Execute);
        if let Some(parameter) = self.config.profile.parameter(ioa) {
            return match value {
                _ if !moves => CommandAnswer::Accepted,
                CommandValue::SetScaled(value) => self.set_short(parameter, value.into(), step == Step::Select),
                CommandValue::SetFloat(value) => self.set_short(parameter, value.into(), step == Step::Select),
                _ => CommandAnswer::UnknownObject,
            };
        }
        let trip = self.config.profile.trip(ioa, value);
        let plain = self.config.profile.action(ioa, value);
        let Some(action) = trip.map(|(round, _)| Action::Trip { round }).or(plain) else {
            // The object is there, its number is out of range.
            let known = self.config.profile.takes(ioa, value);
            return if known { CommandAnswer::Refused } else { CommandAnswer::UnknownObject };
        };
        if let Some(round) = action.round()
            && sample.rounds[usize::from(round.get() - 1)].is_none()
        {
            return CommandAnswer::UnknownObject;
        }
        let of_output = match Qualifier::from_code(qualifier) {
            // QL of a set point says nothing of an output.
            _ if !value.is_switching() => Qualifier::None,
            Some(of_output) => of_output,
            None => return CommandAnswer::Refused,
        };
        if moves && matches!(action, Action::Trip { round } if !self.may_trip(&sample, round)) {
            return CommandAnswer::Refused;
        }
        if moves && matches!(action, Action::SetCap { cap } if cap < Power::ZERO) {
            return CommandAnswer::Refused;
        }
        if step != Step::Execute {
            return CommandAnswer::Accepted;
        }
        match action {
            Action::Trip { round } => {
                let terms = trip.map_or(self.control.parameters().remote, |(_, terms)| terms);
                self.output[usize::from(round.get() - 1)] = of_output;
                if self.trip(&sample, round, terms).is_err() {
                    return CommandAnswer::Refused;
                }
            }
            Action::Restore { round } => {
                let mut acts = Vec::new();
                self.control.remote_release(round, &mut acts);
                let mut told = Vec::new();
                self.perform(acts, &mut told);
                self.driven[usize::from(round.get() - 1)] = true;
                self.output[usize::from(round.get() - 1)] = Qualifier::None;
                self.drive(round, true, of_output);
            }
            Action::SetCap { cap } => {
                self.control.set_cap(Some(cap));
                self.cap_changed = true;
            }
        }
        CommandAnswer::Accepted
    }

    fn excluded(&self) -> bool {
        self.control.parameters().exclusion
    }

    fn parameter(&mut self, ioa: u32, parameter: Parameter, _qualifier: u8) -> CommandAnswer {
        self.load_parameter(ioa, parameter)
    }

    fn set_clock(&mut self, time: Timestamp) -> bool {
        let before = std::mem::replace(&mut self.clock_offset, time.since(self.site.now()));
        self.memory.clock_set(self.clock_offset - before, time);
        self.control.clock_set(self.clock_offset - before);
        true
    }

    /// 1 as after power-up, its lock of trips begins again, with what a restart keeps; 2 of events that wait, which the
    /// session forgets.
    fn reset(&mut self, qualifier: u8) -> bool {
        match qualifier {
            1 => self.restart(),
            2 => {}
            _ => return false,
        }
        true
    }

    fn files(&mut self, out: &mut Vec<FileInfo>) {
        let length = |octets: usize| u32::try_from(octets).unwrap_or(u32::MAX);
        let (text, written) = &self.settings_text;
        let recorded = self.record.newest().unwrap_or(self.started);
        let curve = self.memory.newest().unwrap_or(self.started);
        out.extend(
            [
                (EVENT_FILE, self.record.file(None, None).len(), recorded),
                (CURVE_FILE, file(&self.remembered(None, None)).len(), curve),
                (SETTINGS_FILE, text.len(), *written),
            ]
            .map(|(file, octets, at)| FileInfo {
                file,
                length: length(octets),
                created: Some(at),
                status: 0,
            }),
        );
    }

    fn read_file(&mut self, file: FileId) -> Option<Vec<u8>> {
        match file {
            SETTINGS_FILE => Some(self.settings_text.0.clone().into_bytes()),
            log => self.query_log(log, None, None),
        }
    }

    fn query_log(&mut self, log: FileId, from: Option<Timestamp>, to: Option<Timestamp>) -> Option<Vec<u8>> {
        match log {
            EVENT_FILE => Some(self.record.file(from, to)),
            CURVE_FILE => Some(file(&self.remembered(from, to))),
            _ => None,
        }
    }

    fn takes_file(&mut self, file: FileId, length: u32) -> bool {
        file == SETTINGS_FILE && length <= SETTINGS_MAX
    }

    fn write_file(&mut self, _file: FileId, data: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(data) else { return false };
        let settings = match self.settings.with(text) {
            Ok(settings) => settings,
            Err(error) => {
                tracing::warn!(%error, "terminal: a file is not taken");
                return false;
            }
        };
        let now = Station::now(self);
        let Settings { report_every, deadband_percent, tariffs, short_pulse, long_pulse, control, notice } = settings;
        (self.settings.report_every, self.settings.deadband_percent) = (report_every, deadband_percent);
        self.settings.tariffs = tariffs;
        (self.settings.short_pulse, self.settings.long_pulse) = (short_pulse, long_pulse);
        if !self.set_parameters(control) {
            return false;
        }
        self.settings_text = (self.settings.text(), now);
        self.keep(now);
        if let Some(text) = notice {
            self.site.notify(&Notice::Text(text));
        }
        true
    }
}
