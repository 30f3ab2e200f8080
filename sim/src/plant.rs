//! The plant: customers' loads behind switches, energy registers, and feeders with losses. Pure: the same seed and the
//! same switching give the same loads, second by second.

use headroom_rules::model::{Energy, Power, RoundNo, Span, SwitchPosition, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::scenario::Scenario;

#[cfg(test)]
mod tests;

/// How a customer's load runs over the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadType {
    /// Households behind one transformer.
    Residential,
    /// Offices.
    Office,
    /// Industry, from early morning to late evening.
    TwoShift,
    /// Industry, around the clock.
    ThreeShift,
    /// Shops.
    Shop,
    /// Cold stores.
    ColdStore,
}

impl LoadType {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Residential, Self::Office, Self::TwoShift, Self::ThreeShift, Self::Shop, Self::ColdStore];

    /// Load at each even hour in percent of the contract's power; straight lines between.
    const fn day(self) -> [f64; 12] {
        match self {
            Self::Residential => [22.0, 18.0, 18.0, 30.0, 36.0, 34.0, 40.0, 34.0, 38.0, 62.0, 64.0, 44.0],
            Self::Office => [14.0, 14.0, 14.0, 20.0, 58.0, 66.0, 60.0, 66.0, 58.0, 44.0, 36.0, 18.0],
            Self::TwoShift => [20.0, 20.0, 22.0, 60.0, 70.0, 72.0, 64.0, 70.0, 68.0, 66.0, 64.0, 34.0],
            Self::ThreeShift => [62.0, 60.0, 60.0, 64.0, 70.0, 72.0, 70.0, 72.0, 70.0, 68.0, 68.0, 64.0],
            Self::Shop => [14.0, 12.0, 12.0, 16.0, 36.0, 58.0, 60.0, 58.0, 60.0, 68.0, 66.0, 26.0],
            Self::ColdStore => [48.0, 46.0, 46.0, 48.0, 54.0, 60.0, 66.0, 68.0, 64.0, 60.0, 58.0, 52.0],
        }
    }

    /// Reactive power in a share of active power, as is usual for it.
    pub const fn tangent(self) -> f64 {
        match self {
            Self::Residential => 0.20,
            Self::Office | Self::Shop => 0.30,
            Self::ColdStore => 0.40,
            Self::TwoShift | Self::ThreeShift => 0.45,
        }
    }

    /// Share of the contract's power that is drawn at a time of day, without noise.
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a day")]
    pub fn share(self, now: Timestamp) -> f64 {
        let hours = now.get().rem_euclid(86_400_000) as f64 / 7_200_000.0;
        let day = self.day();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..12")]
        let at = (hours as usize).min(11);
        let (from, until) = (day[at], day[(at + 1) % 12]);
        (from + (until - from) * (hours - at as f64)) / 100.0
    }
}

/// A load that comes back after an interruption draws so much more at first …
const PICK_UP_MAX: f64 = 0.5;
/// … where that was this long, and less after a shorter one.
const PICK_UP_FULL_AFTER_S: f64 = 600.0;

/// One switchable part of a customer's load.
#[derive(Clone, Debug)]
pub struct PlantRound {
    /// Share of the customer's load behind it, 0..=1.
    pub share: f64,
    /// From a command to the contacts' end position.
    pub switch_delay: Span,
    /// The switch never moves.
    pub stuck: bool,
    /// Its auxiliary contacts tell what was commanded, whatever the switch does.
    pub lies: bool,
    /// Whether there is a switch at all.
    pub wired: bool,
    /// The contacts.
    closed: bool,
    /// Where they are going, and when they arrive.
    moving: Option<(bool, Timestamp)>,
    /// What a switch that lies tells instead.
    told: Option<bool>,
    opened_at: Timestamp,
    /// What comes on top after restoring, as a factor, decaying.
    pick_up: f64,
    power_w: f64,
}

impl PlantRound {
    /// Supplied.
    pub const fn new(share: f64, switch_delay: Span, stuck: bool) -> Self {
        Self {
            share,
            switch_delay,
            stuck,
            lies: false,
            wired: true,
            closed: true,
            moving: None,
            told: None,
            opened_at: Timestamp::new(0),
            pick_up: 0.0,
            power_w: 0.0,
        }
    }

    /// A place between the others with nothing on it: a site may use rounds 1 and 3 only.
    pub const fn unwired() -> Self {
        Self { wired: false, ..Self::new(0.0, Span::ZERO, true) }
    }

    /// Where the switch stands.
    pub const fn position(&self) -> SwitchPosition {
        let shown = if let Some(told) = self.told { told } else { self.closed };
        match (self.moving, shown) {
            (Some(_), _) => SwitchPosition::Intermediate,
            (None, true) => SwitchPosition::Closed,
            (None, false) => SwitchPosition::Open,
        }
    }

    /// Whether the contacts are closed, whatever is told of them.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Active power behind the switch.
    pub fn power(&self) -> Power {
        watts(self.power_w)
    }
}

/// One customer's load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Its feeder, as an index.
    pub feeder: usize,
    /// Its course over the day.
    pub kind: LoadType,
    /// Contract power.
    pub contract: Power,
    /// Reactive power in a share of active power.
    pub tangent: f64,
    /// Switchable parts, round 1 first, at most eight; the rest of the load cannot be switched.
    pub rounds: Vec<PlantRound>,
    noise: f64,
    rng: ChaCha8Rng,
    natural_w: f64,
    power_w: f64,
    energy_ws: i64,
}

impl Load {
    /// With its own noise, drawn from `seed`.
    pub fn new(
        feeder: usize,
        kind: LoadType,
        contract: Power,
        tangent: f64,
        rounds: Vec<PlantRound>,
        seed: u64,
    ) -> Self {
        Self {
            feeder,
            kind,
            contract,
            tangent,
            rounds,
            noise: 0.0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            natural_w: 0.0,
            power_w: 0.0,
            energy_ws: 0,
        }
    }

    /// Active power now.
    pub fn power(&self) -> Power {
        watts(self.power_w)
    }

    /// Register of imported energy.
    pub const fn energy(&self) -> Energy {
        Energy::new(self.energy_ws / 3_600)
    }

    /// The natural load anew: the day's course, the scenario's factor, and noise with a memory of about two minutes.
    #[allow(clippy::cast_precision_loss, reason = "watts of one customer")]
    fn draw(&mut self, of_day: Timestamp, factor: f64) {
        const MEMORY: f64 = 0.92;
        const STEP: f64 = 0.012;
        let kick: f64 = self.rng.random_range(-1.0..1.0);
        self.noise = self.noise * MEMORY + kick * STEP;
        self.natural_w = self.contract.get() as f64 * self.kind.share(of_day) * factor * (1.0 + self.noise);
    }

    /// One second; a load on a feeder without supply, `dark_since` then, draws nothing and comes back cold.
    fn step(&mut self, now: Timestamp, dark_since: Option<Timestamp>) {
        if let Some(since) = dark_since {
            for round in self.rounds.iter_mut().filter(|round| round.closed) {
                round.pick_up = PICK_UP_MAX * (now.since(since).s() as f64 / PICK_UP_FULL_AFTER_S).min(1.0);
            }
        }
        // Per second: what thermostats make up for after an interruption decays with four minutes.
        const PICK_UP_KEPT: f64 = 1.0 - 1.0 / 240.0;
        let mut behind = 0.0;
        let mut share = 0.0;
        for round in &mut self.rounds {
            round.pick_up *= PICK_UP_KEPT;
            if let Some((closed, _)) = round.moving.filter(|(_, arrives)| *arrives <= now) {
                round.moving = None;
                if round.closed && !closed {
                    round.opened_at = now;
                } else if closed && !round.closed {
                    let off_s = now.since(round.opened_at).s() as f64;
                    round.pick_up = PICK_UP_MAX * (off_s / PICK_UP_FULL_AFTER_S).min(1.0);
                }
                round.closed = closed;
            }
            share += round.share;
            round.power_w = if round.closed { self.natural_w * round.share * (1.0 + round.pick_up) } else { 0.0 };
            behind += round.power_w;
        }
        self.power_w = self.natural_w * (1.0 - share).max(0.0) + behind;
        if dark_since.is_some() {
            self.power_w = 0.0;
            self.rounds.iter_mut().for_each(|round| round.power_w = 0.0);
        }
        self.energy_ws = self.energy_ws.saturating_add(self.power().get());
    }
}

/// A feeder: its customers and the losses on the way.
#[derive(Clone, Debug)]
pub struct Feeder {
    /// Whether it follows the scenario's peak.
    pub peaks: bool,
    /// Load at which the losses are 3 %.
    pub nominal: Power,
    /// Since when it has no supply, if so.
    dark_since: Option<Timestamp>,
    customers_w: f64,
    power_w: f64,
    energy_ws: i64,
}

impl Feeder {
    /// Losses at nominal load; they grow with the square of the load.
    pub const LOSS_AT_NOMINAL: f64 = 0.03;

    /// Without load.
    pub const fn new(peaks: bool, nominal: Power) -> Self {
        Self { peaks, nominal, dark_since: None, customers_w: 0.0, power_w: 0.0, energy_ws: 0 }
    }

    /// Active power at its head: customers and losses.
    pub fn power(&self) -> Power {
        watts(self.power_w)
    }

    /// What is lost between the head and the customers.
    pub fn losses(&self) -> Power {
        watts(self.power_w - self.customers_w)
    }

    /// Register at its head.
    pub const fn energy(&self) -> Energy {
        Energy::new(self.energy_ws / 3_600)
    }

    /// Voltage at the customers in a share of the nominal one: 3 % lower at nominal load.
    #[allow(clippy::cast_precision_loss, reason = "watts of one feeder")]
    pub fn voltage_share(&self) -> f64 {
        1.0 - 0.03 * self.customers_w / (self.nominal.get() as f64).max(1.0)
    }
}

/// All loads and feeders at one instant.
#[derive(Clone, Debug)]
pub struct Plant {
    scenario: Scenario,
    start: Timestamp,
    now: Timestamp,
    loads: Vec<Load>,
    feeders: Vec<Feeder>,
}

impl Plant {
    /// One step of the simulation.
    pub const STEP: Span = Span::from_s(1);

    /// Natural loads are drawn anew after so many steps.
    const DRAW_EVERY_S: i64 = 10;

    /// At the scenario's start. A load whose feeder does not exist hangs on none.
    pub fn new(scenario: Scenario, loads: Vec<Load>, feeders: Vec<Feeder>) -> Self {
        let start = scenario.start();
        let mut plant = Self { scenario, start, now: start, loads, feeders };
        plant.step(true);
        // The first instant is a state, not yet a second of consumption.
        plant.loads.iter_mut().for_each(|load| load.energy_ws = 0);
        plant.feeders.iter_mut().for_each(|feeder| feeder.energy_ws = 0);
        plant
    }

    /// The instant that the loads are of.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// When the scenario began.
    pub const fn start(&self) -> Timestamp {
        self.start
    }

    /// The customers' loads.
    pub fn loads(&self) -> &[Load] {
        &self.loads
    }

    /// The feeders.
    pub fn feeders(&self) -> &[Feeder] {
        &self.feeders
    }

    /// Drives a switch; one that is stuck, lies or does not exist stays as it is.
    pub fn switch(&mut self, load: usize, round: RoundNo, closed: bool) {
        let now = self.now;
        let round = self.loads.get_mut(load).and_then(|load| load.rounds.get_mut(usize::from(round.get() - 1)));
        let Some(round) = round else { return };
        if round.lies {
            round.told = Some(closed);
            return;
        }
        if round.stuck {
            return;
        }
        let going_to = round.moving.map_or(round.closed, |(to, _)| to);
        if going_to != closed {
            round.moving = Some((closed, now.after(round.switch_delay)));
        }
    }

    /// Makes a switch lie from now on: it moves no more and tells what was commanded.
    pub fn make_liar(&mut self, load: usize, round: RoundNo) {
        let round = self.loads.get_mut(load).and_then(|load| load.rounds.get_mut(usize::from(round.get() - 1)));
        if let Some(round) = round {
            round.lies = true;
        }
    }

    /// Takes a feeder's supply away, or gives it back: its closed rounds then draw more than usual for a while.
    pub fn set_dark(&mut self, feeder: usize, dark: bool) {
        let now = self.now;
        if let Some(feeder) = self.feeders.get_mut(feeder) {
            feeder.dark_since = dark.then(|| feeder.dark_since.unwrap_or(now));
        }
    }

    /// Lets time pass in whole steps, up to `to`. Going back does nothing.
    pub fn advance(&mut self, to: Timestamp) {
        while self.now.after(Self::STEP) <= to {
            self.now = self.now.after(Self::STEP);
            self.step(self.now.since(self.start).s() % Self::DRAW_EVERY_S == 0);
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "watts of one feeder")]
    fn step(&mut self, draw: bool) {
        let elapsed = self.now.since(self.start);
        // Where the courses begin anew, so does the time of day: the peak is as high each time.
        let since = self.scenario.repeat_every().map_or(elapsed, |every| Span::new(elapsed.get() % every.get().max(1)));
        let of_day = self.start.after(since);
        let factors = [false, true].map(|peaks| self.scenario.factor(peaks, elapsed));
        self.feeders.iter_mut().for_each(|feeder| feeder.customers_w = 0.0);
        for load in &mut self.loads {
            let feeder = self.feeders.get_mut(load.feeder);
            if draw {
                load.draw(of_day, factors[usize::from(feeder.as_ref().is_some_and(|f| f.peaks))]);
            }
            load.step(self.now, feeder.as_ref().and_then(|feeder| feeder.dark_since));
            if let Some(feeder) = feeder {
                feeder.customers_w += load.power_w;
            }
        }
        for feeder in &mut self.feeders {
            let nominal = (feeder.nominal.get() as f64).max(1.0);
            let losses = Feeder::LOSS_AT_NOMINAL * feeder.customers_w * feeder.customers_w / nominal;
            feeder.power_w = feeder.customers_w + losses;
            feeder.energy_ws = feeder.energy_ws.saturating_add(feeder.power().get());
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a float cast saturates; loads are far below")]
fn watts(value: f64) -> Power {
    Power::new(value.round() as i64)
}
