//! Any inputs in any order: nothing panics, nothing forbidden goes out, and the same inputs give the same outputs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::any::any_outcome;
use super::fleet::{Centre, Guard};
use crate::engine::Engine;
use crate::input::{Input, Origin, Request};
use crate::model::{PointKind, Power, Quality, Reading, RoundNo, TerminalId, Timestamp};
use crate::orders::{Action, Command, NotSent, OrderId, Outcome, Step};
use crate::output::{AlarmId, Output};
use crate::policy::{LimitRule, Policy, Substitute};
use crate::testing::{START, Site, inventory, kw, limit, node, policy, s, site, terminal};

fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20, 20]).floor(25),
        site("T2", "A1", &[20, 20]).class(5),
        site("T3", "A2", &[20]).guaranteed(),
    ]
}

fn ids() -> [TerminalId; 5] {
    ["T1", "T2", "T3", "H", "X"].map(terminal)
}

/// What happens, with commands answered by their place among those not yet answered.
#[derive(Clone, Debug)]
enum Happens {
    Readings {
        of: usize,
        readings: Vec<Reading>,
    },
    /// The fleet is well: all links up, everything closed and drawing.
    Well,
    /// Nobody draws much.
    Low,
    Answer {
        which: usize,
        well: bool,
        kind: u8,
    },
    Outcome {
        order: u64,
        outcome: Outcome,
    },
    Link {
        of: usize,
        up: bool,
    },
    Select {
        who: bool,
        of: usize,
        action: Action,
    },
    /// The order so many before the last.
    Execute {
        who: bool,
        back: u64,
    },
    Cancel {
        who: bool,
        back: u64,
    },
    Acknowledge(u64),
    SetLimit {
        of: usize,
        limit_kw: i32,
    },
    Tick(i64),
    Started,
    Policy(u8),
    Inventory(u8),
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let round = (0..2usize).prop_map(|n| RoundNo::ALL[n]);
    let watts = prop_oneof![6 => 0..60_000i64, 1 => -60_000..0i64, 1 => any::<i64>()];
    let point = prop_oneof![
        3 => Just(PointKind::ActivePower),
        2 => round.clone().prop_map(PointKind::RoundPower),
        3 => round.prop_map(PointKind::RoundPosition),
        1 => Just(PointKind::SupplyGuarantee),
        1 => Just(PointKind::PowerCap),
        1 => Just(PointKind::CoverOpen),
    ];
    let state = prop_oneof![4 => 1..3i64, 1 => -1..5i64];
    let quality = prop_oneof![4 => Just(0u8), 1 => any::<u8>()];
    (point, watts, state, quality, proptest::option::of(-200_000..100_000i64)).prop_map(
        |(point, watts, state, quality, offset)| Reading {
            point,
            value: match point {
                PointKind::SupplyGuarantee | PointKind::CoverOpen => state - 1,
                PointKind::RoundPosition(_) => state,
                _ => watts,
            },
            quality: Quality::from_bits(quality),
            source_time: offset.map(|offset| Timestamp::new(START.get() + offset)),
            cause: 3,
        },
    )
}

fn any_action() -> impl Strategy<Value = Action> {
    let round = (0..3usize).prop_map(|n| RoundNo::ALL[n]);
    prop_oneof![
        2 => round.clone().prop_map(|round| Action::Trip { round }),
        2 => round.prop_map(|round| Action::Restore { round }),
        1 => (-5..60i32).prop_map(|cap| Action::SetCap { cap: kw(cap) }),
    ]
}

fn any_happening() -> impl Strategy<Value = Happens> {
    prop_oneof![
        20 => (0..5usize, proptest::collection::vec(any_reading(), 0..4))
            .prop_map(|(of, readings)| Happens::Readings { of, readings }),
        6 => Just(Happens::Well),
        12 => Just(Happens::Low),
        80 => (any::<usize>(), proptest::bool::weighted(0.8), any::<u8>())
            .prop_map(|(which, well, kind)| Happens::Answer { which, well, kind }),
        8 => (0..30u64, any_outcome()).prop_map(|(order, outcome)| Happens::Outcome { order, outcome }),
        6 => (0..5usize, proptest::bool::weighted(0.7)).prop_map(|(of, up)| Happens::Link { of, up }),
        20 => (any::<bool>(), 0..5usize, any_action()).prop_map(|(who, of, action)| Happens::Select { who, of, action }),
        20 => (any::<bool>(), 0..4u64).prop_map(|(who, back)| Happens::Execute { who, back }),
        1 => (any::<bool>(), 0..4u64).prop_map(|(who, back)| Happens::Cancel { who, back }),
        1 => (0..20u64).prop_map(Happens::Acknowledge),
        4 => (0..5usize, -5..130i32).prop_map(|(of, limit_kw)| Happens::SetLimit { of, limit_kw }),
        40 => prop_oneof![6 => 1..8i64, 1 => 0..100i64, 1 => Just(-5)].prop_map(Happens::Tick),
        1 => Just(Happens::Started),
        2 => (0..4u8).prop_map(Happens::Policy),
        1 => (0..4u8).prop_map(Happens::Inventory),
    ]
}

/// The engine under test and its twins: one that is fed the same, and one that is put away and taken out again.
struct Trial {
    engine: Engine,
    twin: Engine,
    guard: Guard,
    now: Timestamp,
    commands: Vec<Command>,
    last: u64,
    seen: BTreeMap<String, usize>,
}

impl Trial {
    fn new() -> Self {
        let mut trial = Self {
            engine: Engine::new(),
            twin: Engine::new(),
            guard: Guard::default(),
            now: START,
            commands: Vec::new(),
            last: 0,
            seen: BTreeMap::new(),
        };
        trial.happen(Happens::Policy(0));
        trial.happen(Happens::Inventory(0));
        trial.happen(Happens::Well);
        trial
    }

    fn apply(&mut self, input: &Input) {
        self.guard.before(input);
        let (mut out, mut twins) = (Vec::new(), Vec::new());
        self.engine.apply(input, &mut out);
        self.twin.apply(input, &mut twins);
        assert_eq!(out, twins, "replay-equals-live");
        for output in &out {
            self.guard.after(output);
            if let Output::Command(command) = output {
                self.commands.push(*command);
                self.last = self.last.max(command.order.0);
                let action = match command.action {
                    Action::Trip { .. } => "trip",
                    Action::Restore { .. } => "restore",
                    Action::SetCap { .. } => "cap",
                };
                *self.seen.entry(format!("{} {action}", command.step)).or_default() += 1;
            }
        }
    }

    /// The twin is written down and read again.
    fn put_away(&mut self) {
        let kept = serde_json::to_string(&self.twin).unwrap();
        self.twin = serde_json::from_str(&kept).unwrap();
        assert_eq!(self.engine.view(), self.twin.view());
        assert_eq!(serde_json::to_string(&self.engine).unwrap(), kept);
        for id in ids() {
            assert_eq!(self.engine.terminal(id), self.twin.terminal(id));
        }
        for node in self.engine.view().nodes {
            assert!(node.limit <= node.rated && node.limit.is_none_or(|limit| limit > Power::ZERO), "{node:?}");
        }
    }

    fn readings(&mut self, terminal: TerminalId, readings: Vec<Reading>) {
        self.apply(&Input::Readings { at: self.now, terminal, readings });
    }

    fn ask(&mut self, who: bool, request: Request) {
        let origin = Origin::new(if who { "wang" } else { "li" }, "10.0.0.1");
        self.apply(&Input::Request { at: self.now, origin, request });
    }

    fn happen(&mut self, what: Happens) {
        let at = self.now;
        match what {
            Happens::Readings { of, readings } => self.readings(ids()[of], readings),
            Happens::Well => {
                for terminal in ids() {
                    self.apply(&Input::Link { at, terminal, up: true });
                }
                for site in sites() {
                    let mut readings = Vec::new();
                    let mut sum = site.base;
                    for (round, power) in site.numbered() {
                        sum += power;
                        readings.push(crate::testing::switch(round, crate::model::SwitchPosition::Closed));
                        readings.push(crate::testing::behind(round, power));
                    }
                    readings.push(crate::testing::power(sum));
                    readings.push(crate::testing::guarantee(false));
                    self.readings(site.terminal, readings);
                }
                self.readings(terminal("H"), vec![crate::testing::power(kw(130))]);
            }
            Happens::Low => {
                for id in ids() {
                    self.readings(id, vec![crate::testing::power(kw(5))]);
                }
            }
            Happens::Answer { which, well, kind } => {
                if self.commands.is_empty() {
                    return;
                }
                let Command { order, terminal, action, step, .. } = self.commands.remove(which % self.commands.len());
                let outcome = match kind % 4 {
                    _ if well => Outcome::Confirmed(step),
                    0 => Outcome::Refused { step, cause: 7 },
                    1 => Outcome::TimedOut(step),
                    2 => Outcome::LinkLost(step),
                    _ => Outcome::NotSent { step, why: NotSent::NoLink },
                };
                self.apply(&Input::Outcome { at, order, outcome });
                if let (Step::Execute, Some(round), Some(position)) = (step, action.round(), action.wanted_position()) {
                    if kind < 200 {
                        self.readings(terminal, vec![crate::testing::switch(round, position)]);
                    }
                    if kind < 150 {
                        self.readings(terminal, vec![crate::testing::behind(round, Power::ZERO)]);
                    }
                }
            }
            Happens::Outcome { order, outcome } => {
                self.apply(&Input::Outcome { at, order: OrderId(order), outcome });
            }
            Happens::Link { of, up } => self.apply(&Input::Link { at, terminal: ids()[of], up }),
            Happens::Select { who, of, action } => {
                self.ask(who, Request::Select { terminal: ids()[of], action, qualifier: None, reason: String::new() });
            }
            Happens::Execute { who, back } => {
                let order = OrderId(self.last.saturating_sub(back));
                self.ask(who, Request::Execute { order });
            }
            Happens::Cancel { who, back } => {
                let order = OrderId(self.last.saturating_sub(back));
                self.ask(who, Request::Cancel { order });
            }
            Happens::Acknowledge(alarm) => {
                self.ask(true, Request::AcknowledgeAlarm { alarm: AlarmId(alarm), comment: "seen".into() });
            }
            Happens::SetLimit { of, limit_kw } => {
                let node = ["F", "A1", "R", "A2", "gone"].map(node)[of];
                self.ask(true, Request::SetLimit { node, limit: kw(limit_kw), expected: None, reason: String::new() });
            }
            Happens::Tick(seconds) => {
                let at = self.now.after(s(seconds));
                self.now = self.now.max(at);
                self.apply(&Input::Tick { at });
            }
            Happens::Started => self.apply(&Input::Started { at }),
            Happens::Policy(kind) => {
                let rule = |of: &str, limit_kw| LimitRule {
                    delay: s(3),
                    verify_after: s(10),
                    off_time_min: s(10),
                    restore_hold: s(5),
                    ..limit(of, limit_kw)
                };
                let rules = match kind {
                    0 => vec![rule("F", 110), rule("A1", 80)],
                    1 => vec![rule("A1", 60), rule("R", 100)],
                    2 => vec![],
                    _ => vec![rule("F", 70), rule("gone", 5)],
                };
                self.apply(&Input::Policy {
                    at,
                    policy: Box::new(Policy {
                        substitute: Substitute::Last,
                        substitute_max: s(60),
                        frozen_after: s(60),
                        ..policy(rules)
                    }),
                });
            }
            Happens::Inventory(kind) => {
                let mut sites = sites();
                match kind {
                    0 => {}
                    1 => sites[0].area = node("A2"),
                    2 => {
                        sites.remove(1);
                    }
                    _ => {
                        sites[1].rounds.pop();
                        sites[0].guaranteed = true;
                    }
                }
                self.apply(&Input::Inventory { at, inventory: Box::new(inventory(&sites)) });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn replay_equals_live_and_nothing_forbidden_ever_goes_out(
        happenings in proptest::collection::vec((any_happening(), proptest::bool::weighted(0.05)), 1..150),
    ) {
        let mut trial = Trial::new();
        for (what, put_away) in happenings {
            trial.happen(what);
            if put_away {
                trial.put_away();
            }
        }
        trial.put_away();
        // Everything that is kept stays within bounds.
        let view = trial.engine.view();
        prop_assert!(view.orders.len() <= 200 && view.events.len() <= 200 && view.alarms.len() <= 40);
    }
}

/// The random inputs above are worth something only if they reach what is forbidden.
#[test]
fn random_inputs_reach_trips_restorations_and_readings_back() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = proptest::collection::vec(any_happening(), 150);
    let mut steps = BTreeMap::<String, usize>::new();
    for _ in 0..100 {
        let mut trial = Trial::new();
        for what in strategy.new_tree(&mut runner).unwrap().current() {
            trial.happen(what);
        }
        for (step, times) in trial.seen {
            *steps.entry(step).or_default() += times;
        }
    }
    for wanted in ["select trip", "execute trip", "select restore", "execute restore", "read back trip", "execute cap"]
    {
        assert!(steps.get(wanted).is_some_and(|times| *times >= 10), "{wanted}: {steps:?}");
    }
}

#[test]
fn replay_equals_live_over_a_whole_course_from_any_snapshot() {
    let mut centre = Centre::new(policy(vec![limit("F", 120), limit("A1", 95)]), &sites());
    centre.run(100);
    centre.base("T2", -30);
    centre.run(200);
    let live: Vec<&Output> = centre.outputs.iter().map(|(_, output)| output).collect();
    let mut engine = Engine::new();
    let mut out = Vec::new();
    for (n, input) in centre.inputs.iter().enumerate() {
        engine.apply(input, &mut out);
        if n % 97 == 0 {
            engine = serde_json::from_str(&serde_json::to_string(&engine).unwrap()).unwrap();
        }
    }
    assert!(out.iter().eq(live));
    assert_eq!(engine.view(), centre.engine.view());
    assert!(out.iter().any(|output| matches!(output, Output::Command(Command { step: Step::Execute, .. }))));
}

#[test]
fn time_never_runs_backwards() {
    let mut engine = Engine::new();
    let mut out = Vec::new();
    engine.apply(&Input::Tick { at: START }, &mut out);
    engine.apply(&Input::Started { at: Timestamp::new(5) }, &mut out);
    assert_eq!(engine.now(), START);
    assert!(matches!(&out[..], [Output::Event(event)] if event.at == START));
}
