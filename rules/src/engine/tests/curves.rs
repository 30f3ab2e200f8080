//! Load curves: a minute's figures against what was drawn.

use proptest::prelude::*;

use crate::engine::Engine;
use crate::input::{Input, Origin, Request};
use crate::model::{Power, Quality, Reading, Span, Timestamp};
use crate::output::{LoadMinute, Output};
use crate::testing::{START, inventory, kw, limit, node, policy, power, s, site, terminal};

/// A whole minute.
const MINUTE: Timestamp = START.after(Span::from_s(40));

/// A feeder with a meter at its head and a limit of 100 kW; what it drew comes out by the minute.
struct Feeder {
    engine: Engine,
    now: Timestamp,
    minutes: Vec<LoadMinute>,
}

impl Feeder {
    fn new() -> Self {
        let mut feeder = Self { engine: Engine::new(), now: MINUTE, minutes: Vec::new() };
        feeder.apply(&Input::Started { at: MINUTE });
        feeder.apply(&Input::Inventory { at: MINUTE, inventory: Box::new(inventory(&[site("T1", "A1", &[20])])) });
        feeder.apply(&Input::Policy { at: MINUTE, policy: Box::new(policy(vec![limit("F", 100)])) });
        feeder.apply(&Input::Link { at: MINUTE, terminal: terminal("H"), up: true });
        feeder
    }

    fn apply(&mut self, input: &Input) {
        let mut out = Vec::new();
        self.engine.apply(input, &mut out);
        self.minutes.extend(out.iter().filter_map(|output| match output {
            Output::Load(minute) if minute.node == node("F") => Some(*minute),
            _ => None,
        }));
    }

    /// Ticks each second up to `ms` after the start.
    fn until(&mut self, ms: i64) {
        let end = MINUTE.after(Span::new(ms));
        while self.now.after(s(1)) <= end {
            self.now = self.now.after(s(1));
            self.apply(&Input::Tick { at: self.now });
        }
        self.now = end;
        self.apply(&Input::Tick { at: end });
    }

    fn draws(&mut self, ms: i64, reading: Reading) {
        self.until(ms);
        self.apply(&Input::Readings { at: self.now, terminal: terminal("H"), readings: vec![reading] });
    }
}

#[test]
fn a_minute_tells_what_was_drawn_in_it_and_how_long_it_was_above_the_limit() {
    let mut feeder = Feeder::new();
    feeder.draws(0, power(kw(60)));
    feeder.draws(15_000, power(kw(120)));
    feeder.draws(30_500, power(kw(90)));
    feeder.until(60_000);
    let wanted = LoadMinute {
        node: node("F"),
        from: MINUTE,
        min: kw(60),
        max: kw(120),
        // (15 s of 60, 15.5 s of 120, 29.5 s of 90) kW.
        mean: Power::new(90_250),
        last: kw(90),
        known: s(60),
        over: Span::new(15_500),
        limit: Some(kw(100)),
    };
    assert_eq!(feeder.minutes, [wanted]);
    feeder.draws(70_000, power(kw(90)));
    feeder.until(120_000);
    let steady = LoadMinute { from: MINUTE.after(s(60)), min: kw(90), max: kw(90), mean: kw(90), ..wanted };
    assert_eq!(feeder.minutes[1..], [LoadMinute { over: Span::ZERO, ..steady }]);
}

#[test]
fn a_load_that_is_not_known_is_in_no_minute() {
    let mut feeder = Feeder::new();
    feeder.draws(10_000, power(kw(60)));
    feeder.draws(30_000, Reading { quality: Quality::INVALID, ..power(kw(500)) });
    feeder.until(240_000);
    assert_eq!(feeder.minutes.len(), 1);
    let minute = feeder.minutes[0];
    assert_eq!((minute.known, minute.max, minute.mean), (s(20), kw(60), kw(60)));
}

#[test]
fn a_limit_that_is_set_counts_from_then_on() {
    let mut feeder = Feeder::new();
    feeder.draws(0, power(kw(90)));
    feeder.until(45_000);
    let origin = Origin::new("wang", "");
    let request = Request::SetLimit { node: node("F"), limit: kw(80), expected: None, reason: String::new() };
    feeder.apply(&Input::Request { at: feeder.now, origin, request });
    feeder.until(60_000);
    assert_eq!((feeder.minutes[0].over, feeder.minutes[0].limit), (s(15), Some(kw(80))));
}

#[test]
fn while_the_centre_was_away_nothing_is_counted() {
    let mut feeder = Feeder::new();
    feeder.draws(0, power(kw(60)));
    feeder.until(20_000);
    feeder.now = MINUTE.after(s(50));
    feeder.apply(&Input::Started { at: feeder.now });
    feeder.draws(55_000, power(kw(80)));
    feeder.until(60_000);
    let told: Vec<_> = feeder.minutes.iter().map(|minute| (minute.from, minute.known, minute.mean)).collect();
    // 25 s of 60 and 5 s of 80 kW.
    assert_eq!(told, [(MINUTE, s(30), Power::new(63_333))]);
}

#[test]
fn a_standstill_without_ticks_is_not_filled_with_the_last_load() {
    let mut feeder = Feeder::new();
    feeder.draws(0, power(kw(60)));
    feeder.until(30_000);
    feeder.now = MINUTE.after(s(600));
    feeder.apply(&Input::Tick { at: feeder.now });
    feeder.until(720_000);
    let told: Vec<_> = feeder.minutes.iter().map(|minute| (minute.from, minute.known)).collect();
    assert_eq!(told, [(MINUTE, s(30))]);
}

proptest! {
    /// Whatever comes and however it falls into minutes: the energy of all minutes is that of the curve, exactly but for
    /// the mean's rounding, and no minute has more than its time.
    #[test]
    fn the_minutes_add_up_to_the_curve(steps in prop::collection::vec((1_i64..20_000, 0_i32..200), 1..60)) {
        let mut feeder = Feeder::new();
        let (mut at, mut load, mut drawn, mut over) = (0, 0, 0_i64, 0);
        feeder.draws(0, power(kw(0)));
        for (after, next) in steps {
            drawn += i64::from(load) * 1_000 * after;
            over += if load > 100 { after } else { 0 };
            (at, load) = (at + after, next);
            feeder.draws(at, power(kw(next)));
        }
        let rest = 60_000 - at % 60_000;
        drawn += i64::from(load) * 1_000 * rest;
        over += if load > 100 { rest } else { 0 };
        at += rest;
        // A tick ends the minute; the load is no older than a reading may be.
        feeder.draws(at - 1, power(kw(load)));
        feeder.until(at);
        let counted: i64 = feeder.minutes.iter().map(|minute| minute.mean.get() * minute.known.get()).sum();
        let known: i64 = feeder.minutes.iter().map(|minute| minute.known.get()).sum();
        prop_assert!(feeder.minutes.iter().all(|minute| minute.known <= s(60) && minute.over <= minute.known));
        prop_assert_eq!(known, at);
        prop_assert!((drawn - counted).abs() <= at, "{} W·ms, counted {}", drawn, counted);
        prop_assert_eq!(feeder.minutes.iter().map(|minute| minute.over.get()).sum::<i64>(), over);
    }
}
