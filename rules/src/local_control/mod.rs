//! What a load-monitoring terminal does by itself, link or no link (Q/GDW 1376.1, remote, power and energy control): pure,
//! so that the soft terminal and the simulator run the same code.
//!
//! Read `parameters` (what a centre sets), then [`LocalControl::look`], which is called at every scan and says what is to be
//! done. One file for each family: `demand` (the average that is judged), `caps` (which cap is in force), `capping` (the
//! closed loop that keeps it), `remote` (trips with a warning and a duration), `energy` (monthly and prepaid), `guarantee`,
//! `notices` (reminders of payment, texts), `gate` (what forbids a trip), `record` (what is reported), `state` (what a
//! restart must not forget).
//!
//! **Invariants:** no trip while supply is guaranteed, in the power-on lock, below the safety floor or down to below it,
//! whoever wants it; one look trips one round at most; nothing here ever closes a switch: what ends only *permits* closing;
//! a purchase is applied once.

mod calendar;
mod capping;
mod caps;
mod demand;
mod energy;
mod gate;
mod guarantee;
mod notices;
mod parameters;
mod record;
mod remote;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::model::{Energy, Power, RoundNo, Span, SwitchPosition, Timestamp};

pub use gate::Forbidden;
pub use parameters::{
    DownFloat, Guarantee, MonthlyEnergy, ParameterError, Parameters, Prepaid, Purchase, PurchaseMode, Remote, RestDay,
    Suspension, TimeOfDay,
};
pub use record::{Function, Record};
pub use state::State;

use calendar::Local;
use capping::Capping;
use demand::Demand;
use record::Measuring;
use state::Holder;

/// What is measured after a trip is measured this long after it (DOMAIN: kW at +2 min).
pub const MEASURED_AFTER: Span = Span::from_s(120);
/// A switch that was told to open is counted as gone for this long, then as not having moved.
const OPENING_MAX: Span = Span::from_s(30);

/// What belongs to the place where a terminal hangs and no centre changes from afar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// No trip may take the load below this (保安负荷); a parameter may raise it.
    pub floor: Power,
    /// Supply is guaranteed whatever the parameters say.
    pub guaranteed: bool,
    /// No trip within this after power-up.
    pub trip_lock: Span,
    /// The terminal's standard time minus UTC: half hours, days and months are of its own clock.
    pub zone: Span,
}

/// What a terminal sees at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Now, by the terminal's clock.
    pub now: Timestamp,
    /// Total active power.
    pub power: Power,
    /// Register of imported energy.
    pub energy: Energy,
    /// Where each round's switch stands and the power behind it; none where nothing is wired.
    pub rounds: [Option<(SwitchPosition, Power)>; 8],
    /// Whether a centre is connected.
    pub linked: bool,
}

impl Seen {
    fn round(&self, round: RoundNo) -> Option<(SwitchPosition, Power)> {
        self.rounds.get(usize::from(round.get() - 1)).copied().flatten()
    }

    fn closed(&self, round: RoundNo) -> Option<Power> {
        self.round(round).filter(|(position, _)| *position == SwitchPosition::Closed).map(|(_, behind)| behind)
    }
}

/// What the terminal is to do. There is no act that closes a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Open this round's switch.
    Trip(RoundNo),
    /// No function holds this round any longer: it may be closed by hand.
    Permit(RoundNo),
    /// Tell the customer that this round is tripped at that time, unless the load falls before.
    Warn {
        /// Which.
        round: RoundNo,
        /// When, at the earliest.
        trips_at: Timestamp,
        /// For which function.
        function: Function,
    },
    /// Remind the customer that payment is due.
    Remind,
    /// Show the customer this text.
    Show(String),
    /// Keep and report this.
    Record(Record),
}

/// A terminal's control functions with all that they remember.
#[derive(Clone, Debug)]
pub struct LocalControl {
    installed: Installed,
    parameters: Parameters,
    state: State,
    powered_at: Timestamp,
    last_seen: Option<Timestamp>,
    /// For the down-float, over its own window.
    present: Demand,
    capping: Capping,
    opening: BTreeMap<RoundNo, Timestamp>,
    guaranteed: bool,
    guarantee_told: bool,
    /// Rises with every change that a restart must not forget.
    revision: u64,
}

impl LocalControl {
    /// Powers up at `now` with what was kept.
    pub fn new(installed: Installed, parameters: Parameters, state: State, now: Timestamp) -> Self {
        let automatic = state.automatic_guarantee;
        let capping = Capping::new(parameters.window());
        let present = Demand::new(parameters.down_float.as_ref().map_or(Span::ZERO, DownFloat::window));
        let mut control = Self {
            installed,
            state,
            powered_at: now,
            last_seen: None,
            present,
            capping,
            opening: BTreeMap::new(),
            guaranteed: false,
            guarantee_told: false,
            revision: 0,
            parameters,
        };
        control.guaranteed = control.guarantee_set(now) || automatic;
        control.guarantee_told = control.guaranteed;
        control
    }

    /// The parameters in force.
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What a restart must not forget.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Rises whenever [`Self::state`] changed by more than the energy that was counted.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// No trip takes the load below this: the higher of what is installed and what is set.
    pub fn floor(&self) -> Power {
        self.installed.floor.max(Power::from_kw(i32::try_from(self.parameters.floor_kw).unwrap_or(i32::MAX)))
    }

    /// Whether supply is guaranteed, as of the last look.
    pub const fn guaranteed(&self) -> bool {
        self.guaranteed
    }

    /// The set point that is kept now, with the function that wants it; as of the last look.
    pub const fn cap(&self) -> Option<(Function, Power)> {
        self.capping.cap()
    }

    /// The rounds that a function holds open.
    pub fn held(&self, round: RoundNo) -> bool {
        self.state.held.iter().any(|(held, _)| *held == round)
    }

    /// Puts new parameters in force at `now`. What did not change goes on as it was: a guarantee or a down-float that runs is
    /// not begun anew by the same words, and a purchase whose number is known is not applied again.
    ///
    /// # Errors
    /// The first value that is out of its range; the parameters before stay in force.
    pub fn set(&mut self, now: Timestamp, parameters: Parameters, acts: &mut Vec<Act>) -> Result<(), ParameterError> {
        parameters.check()?;
        if parameters == self.parameters {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.parameters, parameters);
        if before.guarantee != self.parameters.guarantee {
            self.state.guarantee_since = self.parameters.guarantee.on.then_some(now);
            // From now on, not from the next look.
            self.guaranteed |= self.guarantee_set(now);
        }
        if before.down_float != self.parameters.down_float {
            self.begin_down_float(now);
        }
        if before.window_min != self.parameters.window_min {
            self.capping.set_window(self.parameters.window());
        }
        if let Some(purchase) = self.parameters.purchase.filter(|_| before.purchase != self.parameters.purchase) {
            self.buy(now, purchase, acts);
        }
        if before.message != self.parameters.message && !self.parameters.message.is_empty() {
            acts.push(Act::Show(self.parameters.message.clone()));
        }
        acts.push(Act::Record(Record::ParametersChanged { at: now }));
        self.revision += 1;
        Ok(())
    }

    /// The centre's own cap, a command of now; none, zero or less lifts it. Where another cap is in force the lower one is kept.
    pub fn set_cap(&mut self, cap: Option<Power>) {
        self.state.centre_cap = cap.filter(|cap| *cap > Power::ZERO);
        self.revision += 1;
    }

    /// The centre's own cap.
    pub const fn centre_cap(&self) -> Option<Power> {
        self.state.centre_cap
    }

    /// The clock was put right by `by`: what runs goes on for as long as it would have.
    pub fn clock_set(&mut self, by: Span) {
        let State { guarantee_since, heard_at, float_since, announced, until, measuring, .. } = &mut self.state;
        let times = [guarantee_since, heard_at, float_since].into_iter().flatten();
        let times = times.chain(announced.iter_mut().map(|announced| &mut announced.trips_at));
        let times = times.chain(until.iter_mut().map(|(_, until)| until));
        let times = times.chain(measuring.iter_mut().map(|trip| &mut trip.at));
        let times = times.chain(self.opening.values_mut()).chain([&mut self.powered_at]).chain(&mut self.last_seen);
        times.for_each(|time| *time = time.after(by));
        self.capping.clock_set(by);
        self.present.clear();
        self.revision += 1;
    }

    /// Looks at the site: what is to be done now, in order. At most one [`Act::Trip`].
    pub fn look(&mut self, seen: &Seen, acts: &mut Vec<Act>) {
        if self.last_seen.is_some_and(|last| last > seen.now) {
            // The clock was set back: what was averaged or warned of no longer adds up.
            self.capping.restart();
            self.present.clear();
            self.powered_at = self.powered_at.min(seen.now);
        }
        self.last_seen = Some(seen.now);
        let local = Local::of(seen.now, self.installed.zone);
        self.see_switches(seen);
        self.measure(seen, acts);
        self.look_at_guarantee(seen, acts);
        self.count_energy(local, seen);
        self.remind(local, acts);
        let trip = self.remote_due(seen, acts);
        let trip = self.look_at_energy(seen, trip, acts);
        self.look_at_caps(local, seen, trip, acts);
        // One function let go of it and another one took it at the same look.
        acts.retain(|act| !matches!(act, Act::Permit(round) if self.held(*round)));
    }

    /// Notes which switches did open, and forgets those that did not.
    fn see_switches(&mut self, seen: &Seen) {
        self.opening.retain(|round, told_at| {
            seen.closed(*round).is_some() && seen.now >= *told_at && seen.now.since(*told_at) < OPENING_MAX
        });
    }

    /// Opens a round for `holder`: the one door through which every trip goes.
    fn trip(&mut self, seen: &Seen, round: RoundNo, holder: Holder, measuring: Measuring, acts: &mut Vec<Act>) {
        self.opening.insert(round, seen.now);
        self.state.hold(round, holder);
        self.state.measuring.push(measuring);
        self.revision += 1;
        acts.push(Act::Trip(round));
    }

    /// Lets go of what `holder` holds, of all rounds or of one.
    fn release(&mut self, holder: Holder, round: Option<RoundNo>, acts: &mut Vec<Act>) {
        let freed = self.state.release(holder, round);
        if !freed.is_empty() {
            self.revision += 1;
        }
        acts.extend(freed.into_iter().map(Act::Permit));
    }
}
