//! Anything that anybody could ask or tell, with numbers from the ends of their ranges: nothing panics, nothing forbidden goes
//! out, what is kept has a bound, and a replay and a snapshot come to the same.
//!
//! `replay` has the same for a course that is likely; here it is the unlikely that counts.

use proptest::prelude::*;

use super::any::any_outcome;
use super::fleet::Guard;
use super::own::id;
use crate::engine::Engine;
use crate::groups::{GroupAct, GroupId, GroupLine, GroupScope, GroupState};
use crate::input::{Authority, Input, Origin, Request};
use crate::local_control::{Parameters, RestDay};
use crate::model::{NodeId, PointKind, Power, Quality, Reading, RoundNo, Span, SwitchPosition, TerminalId, Timestamp};
use crate::orders::{Action, Order, OrderId, OrderState, Outcome, Step};
use crate::output::{AlarmCause, AlarmId, AlarmPriority, Output};
use crate::own::{Act, Calculated, ForEach, Formula, Interlock, Own, Place, ProposalId, Rule, Source};
use crate::policy::{Flow, GroupRules, LimitRule, Policy, Substitute};
use crate::tags::{TagId, TagOn};
use crate::target::TargetId;
use crate::testing::{
    START, Site, behind, inventory, kw, limit, node, policy, power, round, s, site, switch, terminal,
};

fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20, 20]).floor(25),
        site("T2", "A1", &[20, 20, 20]).class(5),
        site("T3", "A2", &[20]).guaranteed(),
        site("T4", "A2", &[30, 5]).class(4),
    ]
}

const TERMINALS: [&str; 6] = ["T1", "T2", "T3", "T4", "H", "X"];
const NODES: [&str; 6] = ["F", "A1", "A2", "R", "S", "gone"];

fn any_terminal() -> impl Strategy<Value = TerminalId> {
    proptest::sample::select(TERMINALS.map(terminal).to_vec())
}

fn any_node() -> impl Strategy<Value = NodeId> {
    proptest::sample::select(NODES.map(node).to_vec())
}

fn any_round() -> impl Strategy<Value = RoundNo> {
    prop_oneof![6 => (1..=3u8).prop_map(round), 1 => (1..=8u8).prop_map(round)]
}

/// Figures that are likely, and those at the ends.
fn any_number() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -5_000..150_000i64,
        2 => any::<i64>(),
        1 => proptest::sample::select(vec![0, 1, -1, i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1, 1_000_000_000_000]),
    ]
}

fn any_power() -> impl Strategy<Value = Power> {
    any_number().prop_map(Power::new)
}

/// Milliseconds from now.
fn any_offset() -> impl Strategy<Value = i64> {
    prop_oneof![6 => -120_000..120_000i64, 1 => any_number()]
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => any_round().prop_map(|round| Action::Trip { round }),
        2 => any_round().prop_map(|round| Action::Restore { round }),
        1 => any_power().prop_map(|cap| Action::SetCap { cap }),
        1 => Just(Action::SetCap { cap: Power::ZERO }),
    ]
}

fn any_point() -> impl Strategy<Value = PointKind> {
    prop_oneof![
        6 => any_round().prop_map(PointKind::RoundPosition),
        6 => any_round().prop_map(PointKind::RoundPower),
        4 => Just(PointKind::ActivePower),
        2 => (1..200u16).prop_filter_map("no point", PointKind::from_code),
    ]
}

fn any_reading() -> impl Strategy<Value = (Reading, Option<i64>)> {
    let value = prop_oneof![3 => 0..4i64, 3 => any_number()];
    let quality = prop_oneof![4 => Just(0u8), 1 => any::<u8>()];
    (any_point(), value, quality, proptest::option::of(any_offset())).prop_map(|(point, value, quality, source)| {
        (Reading { point, value, quality: Quality::from_bits(quality), source_time: None, cause: 3 }, source)
    })
}

fn any_scope() -> impl Strategy<Value = GroupScope> {
    prop_oneof![
        (any_node(), proptest::collection::vec(any_round(), 0..4)).prop_map(|(node, numbers)| GroupScope::Node {
            node,
            class: None,
            numbers
        }),
        proptest::collection::vec((any_terminal(), any_round()), 1..3).prop_map(|rounds| GroupScope::Rounds { rounds }),
    ]
}

fn any_tag_on() -> impl Strategy<Value = TagOn> {
    prop_oneof![
        (any_terminal(), any_round()).prop_map(|(terminal, round)| TagOn::Round { terminal, round }),
        any_terminal().prop_map(|terminal| TagOn::Terminal { terminal }),
        any_node().prop_map(|node| TagOn::Node { node }),
    ]
}

fn any_parameters() -> impl Strategy<Value = Box<Parameters>> {
    (any::<u32>(), 0..70u8, any::<bool>(), 0..60u8, 0..300u32).prop_map(|(wild, window, caps, half_h, floor)| {
        let rest_day = RestDay { set_point_kw: wild, start_half_h: half_h, half_h, weekdays: [half_h].into() };
        Box::new(Parameters {
            floor_kw: if wild.is_multiple_of(3) { wild } else { floor },
            window_min: window,
            rest_day: caps.then_some(rest_day),
            ..Parameters::default()
        })
    })
}

/// What a request names, `n` before the last that there was.
fn any_back() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..5u64, 1 => any::<u64>()]
}

fn any_request() -> BoxedStrategy<Request> {
    let reason = || proptest::sample::select(vec![String::new(), "storm".to_owned(), "\u{202e}\u{1b}[2J{}".to_owned()]);
    let act = || proptest::sample::select(vec![GroupAct::Trip, GroupAct::Trip, GroupAct::Restore]);
    prop_oneof![
        9 => (any_terminal(), any_action(), reason())
            .prop_map(|(terminal, action, reason)| Request::Select { terminal, action, qualifier: None, reason }),
        6 => any_back().prop_map(|order| Request::Execute { order: OrderId(order) }),
        1 => any_back().prop_map(|order| Request::Cancel { order: OrderId(order) }),
        1 => (any_tag_on(), reason()).prop_map(|(on, reason)| Request::SetTag { on, reason }),
        4 => (any_back(), reason()).prop_map(|(tag, reason)| Request::RemoveTag { tag: TagId(tag), reason }),
        8 => (act(), any_scope(), reason(), proptest::sample::select(vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1])).prop_map(
            |(act, scope, reason, notice_min)| Request::DraftGroup { act, scope, reason, notice_min },
        ),
        3 => (any_back(), proptest::option::weighted(0.3, any_power()))
            .prop_map(|(group, seen)| Request::ApproveGroup { group: GroupId(group), seen }),
        9 => (any_back(), proptest::option::weighted(0.3, reason()))
            .prop_map(|(group, at_once)| Request::ExecuteGroup { group: GroupId(group), at_once }),
        1 => (any_back(), reason()).prop_map(|(group, reason)| Request::CancelGroup { group: GroupId(group), reason }),
        1 => (any_back(), reason())
            .prop_map(|(alarm, comment)| Request::AcknowledgeAlarm { alarm: AlarmId(alarm), comment }),
        3 => (any_node(), any_power(), proptest::option::weighted(0.2, any_power()), reason())
            .prop_map(|(node, limit, expected, reason)| Request::SetLimit { node, limit, expected, reason }),
        6 => (any_node(), any_power(), any_offset(), any_offset(), reason()).prop_map(|(node, reduction, from, to, reason)| {
            // Times from now, see `Trial::happen`.
            Request::SetTarget { node, reduction, from: Timestamp::new(from), to: Timestamp::new(to), reason }
        }),
        1 => (any_back(), reason())
            .prop_map(|(target, reason)| Request::CancelTarget { target: TargetId(target), reason }),
        2 => (any_back(), any::<bool>(), reason()).prop_map(|(proposal, approve, reason)| Request::DecideProposal {
            proposal: ProposalId(proposal),
            approve,
            reason
        }),
        2 => (any_terminal(), any_parameters(), reason())
            .prop_map(|(terminal, parameters, reason)| Request::SetParameters { terminal, parameters, reason }),
        1 => reason().prop_map(|reason| Request::StopAutomatic { reason }),
        3 => reason().prop_map(|reason| Request::ResumeAutomatic { reason }),
    ]
    .boxed()
}

/// Three people: one for everything, one for A1, and a supervisor for A2.
fn origin(who: u8) -> Origin {
    let (name, area, supervisor) = match who % 3 {
        0 => ("wang", None, false),
        1 => ("li", Some(vec![node("A1")]), false),
        _ => ("chen", Some(vec![node("A2"), node("F")]), true),
    };
    Origin { authority: Authority { area, supervisor }, ..Origin::new(name, "10.0.0.1") }
}

#[derive(Clone, Debug)]
enum Happens {
    Readings(TerminalId, Vec<(Reading, Option<i64>)>),
    /// All links up, all closed and drawing; so many percent of what is usual at the head.
    Well(i32),
    /// The oldest commands that wait are answered as wanted.
    Obeyed(usize),
    Outcome(u64, Outcome),
    Link(TerminalId, bool),
    Asked(u8, Request),
    Told(TerminalId, Option<Box<Parameters>>, Option<String>),
    Trouble(bool),
    Tick(i64),
    Started,
    Policy(u8),
    Inventory(u8),
    PutAway,
}

fn any_happening() -> impl Strategy<Value = Happens> {
    let tick = prop_oneof![
        20 => 0..5_000i64,
        4 => 0..400_000i64,
        1 => proptest::sample::select(vec![-1, i64::MIN, 86_400_000, 40 * 86_400_000, 3_650 * 86_400_000]),
    ];
    prop_oneof![
        14 => (any_terminal(), proptest::collection::vec(any_reading(), 0..4))
            .prop_map(|(terminal, readings)| Happens::Readings(terminal, readings)),
        9 => (10..300i32).prop_map(Happens::Well),
        40 => (1..8usize).prop_map(Happens::Obeyed),
        4 => (any_back(), any_outcome()).prop_map(|(order, outcome)| Happens::Outcome(order, outcome)),
        3 => (any_terminal(), any::<bool>()).prop_map(|(terminal, up)| Happens::Link(terminal, up)),
        45 => (any::<u8>(), any_request()).prop_map(|(who, request)| Happens::Asked(who, request)),
        1 => (any_terminal(), proptest::option::of(any_parameters()), proptest::option::of(Just("lost".to_owned())))
            .prop_map(|(terminal, read, failed)| Happens::Told(terminal, read, failed)),
        1 => any::<bool>().prop_map(Happens::Trouble),
        25 => tick.prop_map(Happens::Tick),
        1 => Just(Happens::Started),
        2 => any::<u8>().prop_map(Happens::Policy),
        1 => any::<u8>().prop_map(Happens::Inventory),
        2 => Just(Happens::PutAway),
    ]
}

fn reads(names: &[(&str, &str)]) -> std::collections::BTreeMap<String, Source> {
    names.iter().map(|(name, source)| ((*name).to_owned(), source.parse().unwrap())).collect()
}

fn rule(name: &str, for_each: Option<ForEach>, names: &[(&str, &str)], when: &str, acts: Vec<Act>) -> Rule {
    Rule {
        id: id(name),
        for_each,
        reads: reads(names),
        when: when.to_owned(),
        hold: Span::ZERO,
        clear: None,
        clear_hold: Span::ZERO,
        acts,
    }
}

/// Rules that do much, that never end, that count wrong, and that do not compile.
fn own() -> Own {
    let text = "{load} and {nothing} {".to_owned();
    let alarm = || Act::Alarm { priority: AlarmPriority::High, text: text.clone() };
    let shed = |automatic| Act::Shed { node: Some(node("F")), power: kw(15), automatic };
    let calculated = |name: &str, formula| Calculated { id: id(name), unit: String::new(), formula };
    Own {
        // One that never ends takes two thirds of it.
        steps_max: 15_000,
        rules: vec![
            rule(
                "MANY",
                Some(ForEach::Terminal),
                &[("load", "terminal * active power")],
                "load > 20",
                vec![alarm(), shed(false)],
            ),
            rule("AUTO", None, &[("load", "node A1 load")], "load > 60", vec![shed(true)]),
            rule(
                "LOW",
                None,
                &[("load", "node F load")],
                "load > 110",
                vec![Act::Limit { node: Some(node("F")), limit: kw(100) }],
            ),
            rule("LOOP", None, &[("load", "node F load")], "let n = 0; while load > 0 { n += 1; } true", vec![alarm()]),
            rule(
                "OVER",
                None,
                &[("load", "node F load")],
                "let n = 1; while n > 0 { n *= 3; } load > n",
                vec![alarm()],
            ),
            rule("BAD", None, &[("load", "node gone load")], "load >", vec![alarm()]),
        ],
        interlocks: vec![Interlock {
            id: id("LOCK"),
            place: Place::Terminal(terminal("T4")),
            trip: true,
            restore: true,
            reads: reads(&[("fan", "terminal T4 round 2 switch")]),
            require: "fan".to_owned(),
        }],
        calculated: vec![
            calculated("SUM", Formula::SumBelow { node: node("F") }),
            calculated("HIGH", Formula::HighestBelow { node: node("gone") }),
            calculated("MEAN", Formula::Mean { of: "node F load".parse().unwrap(), window: s(900), block: false }),
            calculated(
                "RATIO",
                Formula::Text {
                    reads: reads(&[("sum", "point SUM"), ("load", "node F load")]),
                    text: "sum / (load - load)".into(),
                },
            ),
        ],
    }
}

fn any_policy(kind: u8) -> Policy {
    let quick = |of: &str, limit_kw| LimitRule {
        delay: s(2),
        verify_after: s(5),
        off_time_min: s(5),
        restore_hold: s(3),
        restore_spread: s(10),
        forecast: s(300),
        cold_load_learn: true,
        settle: s(5),
        on_time_min: s(60),
        ..limit(of, limit_kw)
    };
    let limits = match kind % 5 {
        0 | 1 => vec![quick("F", 120), quick("A1", 80), quick("R", 130)],
        2 => vec![quick("F", 60)],
        3 => vec![],
        _ => vec![quick("F", 10_000_000), quick("A2", 1), quick("gone", 5)],
    };
    let groups = GroupRules {
        second_person_above: Some(kw(i32::from(kind % 3) * 20)),
        second_person_rounds: Some(u32::from(kind % 4)),
        expiry: s(60),
        growth_percent: 10,
    };
    let flow = if kind.is_multiple_of(2) {
        Flow::default()
    } else {
        Flow {
            selects_max: Some(2),
            selects_max_feeder: Some(1),
            orders_per_min: Some(5),
            orders_per_min_feeder: Some(4),
        }
    };
    let substitute = [Substitute::None, Substitute::Balance, Substitute::Last][usize::from(kind / 3 % 3)];
    let frozen_after = s(60 * i64::from(kind / 2 % 3));
    let policy = Policy { substitute, substitute_max: s(120), frozen_after, ..policy(limits) };
    Policy { own: if kind.is_multiple_of(3) { own() } else { Own::default() }, groups, flow, ..policy }
}

struct Trial {
    engine: Engine,
    twin: Engine,
    guard: Guard,
    now: Timestamp,
    waiting: std::collections::VecDeque<(OrderId, TerminalId, Action, Step)>,
    last_order: u64,
    reached: std::collections::BTreeMap<String, usize>,
}

impl Trial {
    fn new() -> Self {
        let mut trial = Self {
            engine: Engine::new(),
            twin: Engine::new(),
            guard: Guard::default(),
            now: START,
            waiting: std::collections::VecDeque::new(),
            last_order: 0,
            reached: std::collections::BTreeMap::new(),
        };
        trial.happen(Happens::Policy(0));
        trial.happen(Happens::Inventory(0));
        trial.happen(Happens::Well(100));
        trial
    }

    fn apply(&mut self, input: &Input) {
        self.guard.before(input);
        let (mut out, mut twins) = (Vec::new(), Vec::new());
        self.engine.apply(input, &mut out);
        self.twin.apply(input, &mut twins);
        assert_eq!(out, twins, "replay-equals-live");
        if let Input::Request { request, .. } = input {
            let audits = out.iter().filter(|output| matches!(output, Output::Audit(_))).count();
            assert_eq!(audits, 1, "every request is in the audit log once: {request:?}");
            assert!(matches!(out.last(), Some(Output::Reply(_))), "and is answered last");
            let granted = matches!(out.last(), Some(Output::Reply(Ok(_))));
            let name = serde_json::to_value(request).unwrap()["request"].as_str().unwrap().to_owned();
            *self.reached.entry(format!("{name} {granted}")).or_default() += 1;
        }
        for output in &out {
            self.guard.after(output);
            // What people read of it, and what the store and the API write down, can be written.
            let text = serde_json::to_string(output).unwrap();
            assert_eq!(&serde_json::from_str::<Output>(&text).unwrap(), output);
            match output {
                Output::Event(event) => assert!(event.what.to_string().len() < 20_000),
                Output::Command(command) => {
                    self.last_order = self.last_order.max(command.order.0);
                    self.waiting.push_back((command.order, command.terminal, command.action, command.step));
                    *self.reached.entry(command.step.to_string()).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    fn put_away(&mut self) {
        let kept = serde_json::to_string(&self.twin).unwrap();
        assert!(kept.len() < 3_000_000, "{} bytes are kept", kept.len());
        self.twin = serde_json::from_str(&kept).unwrap();
        assert_eq!(serde_json::to_string(&self.engine).unwrap(), kept);
        assert_eq!(self.engine.view(), self.twin.view());
        serde_json::to_string(&self.engine.view()).unwrap();
        for id in TERMINALS.map(terminal) {
            assert_eq!(self.engine.terminal(id), self.twin.terminal(id));
        }
        assert_eq!(self.engine.resumption(), self.twin.resumption());
    }

    /// `back` before `last`, or itself where it is far off.
    const fn nth(last: u64, back: u64) -> u64 {
        if back < 100 { last.saturating_sub(back) } else { back }
    }

    fn later(&self, offset: i64) -> Timestamp {
        self.now.after(Span::new(offset))
    }

    /// Whoever may, mostly: by `who` it is somebody else.
    fn ask(&mut self, who: u8, mut request: Request) {
        let view = self.engine.view();
        let mut person = origin(who);
        let mut be = |name: &str| {
            person = ["wang", "li", "chen"]
                .iter()
                .zip(0..)
                .find(|(of, _)| **of == name)
                .map_or_else(|| origin(who), |(_, n)| origin(n))
        };
        match &mut request {
            Request::Execute { order } | Request::Cancel { order } => {
                let waits = |order: &&Order| order.state == OrderState::Selected;
                match view.orders.iter().find(waits).filter(|_| who < 200) {
                    Some(selected) => {
                        order.0 = selected.id.0;
                        be(&selected.issuer.to_string());
                    }
                    None => order.0 = Self::nth(self.last_order, order.0),
                }
            }
            Request::ApproveGroup { group, .. }
            | Request::ExecuteGroup { group, .. }
            | Request::CancelGroup { group, .. } => {
                let open = |line: &&GroupLine| matches!(line.state, GroupState::Drafted | GroupState::Approved);
                let last = view.groups.iter().map(|line| line.id.0).max().unwrap_or(0);
                group.0 = Self::nth(last, group.0);
                if let Some(line) = view.groups.iter().find(open).filter(|_| who < 200) {
                    group.0 = line.id.0;
                    match (&request, line.drafted_by.as_str()) {
                        (Request::ApproveGroup { .. }, "wang") => be("chen"),
                        (Request::ApproveGroup { .. }, _) => be("wang"),
                        (_, by) => be(by),
                    }
                }
            }
            Request::RemoveTag { tag, .. } => {
                if let Some(hangs) = view.tags.first().filter(|_| who < 200) {
                    tag.0 = hangs.id.0;
                    be(&hangs.owner);
                }
            }
            Request::AcknowledgeAlarm { alarm, .. } => {
                alarm.0 = Self::nth(view.alarms.iter().map(|alarm| alarm.id.0).max().unwrap_or(0), alarm.0);
            }
            Request::DraftGroup { .. } | Request::SetTarget { .. } if who < 150 => be("wang"),
            _ => {}
        }
        if let Request::SetTarget { from, to, .. } = &mut request {
            (*from, *to) = (self.later(from.get()), self.later(to.get()));
        }
        self.apply(&Input::Request { at: self.now, origin: person, request });
    }

    fn happen(&mut self, what: Happens) {
        let at = self.now;
        match what {
            Happens::Readings(terminal, readings) => {
                let timed = |(reading, offset): (Reading, Option<i64>)| Reading {
                    source_time: offset.map(|offset| self.later(offset)),
                    ..reading
                };
                let readings = readings.into_iter().map(timed).collect();
                self.apply(&Input::Readings { at, terminal, readings });
            }
            Happens::Well(percent) => {
                for terminal in TERMINALS.map(terminal) {
                    self.apply(&Input::Link { at, terminal, up: true });
                }
                for site in sites() {
                    let mut readings = vec![power(site.base + site.rounds.iter().copied().sum())];
                    for (round, power) in site.numbered() {
                        readings.push(switch(round, SwitchPosition::Closed));
                        readings.push(behind(round, power));
                    }
                    self.apply(&Input::Readings { at, terminal: site.terminal, readings });
                }
                let readings = vec![power(kw(190).percent(i64::from(percent)))];
                self.apply(&Input::Readings { at, terminal: terminal("H"), readings });
            }
            Happens::Obeyed(count) => {
                for _ in 0..count {
                    let Some((order, terminal, action, step)) = self.waiting.pop_front() else { return };
                    self.apply(&Input::Outcome { at, order, outcome: Outcome::Confirmed(step) });
                    if let (Step::Execute, Some(round), Some(position)) =
                        (step, action.round(), action.wanted_position())
                    {
                        self.apply(&Input::Readings { at, terminal, readings: vec![switch(round, position)] });
                    }
                }
            }
            Happens::Outcome(back, outcome) => {
                let order = OrderId(Self::nth(self.last_order, back));
                self.apply(&Input::Outcome { at, order, outcome });
            }
            Happens::Link(terminal, up) => self.apply(&Input::Link { at, terminal, up }),
            Happens::Asked(who, request) => self.ask(who, request),
            Happens::Told(terminal, read, failed) => {
                self.apply(&Input::Parameters { at, terminal, read, failed });
            }
            Happens::Trouble(there) => {
                let cause = if there { AlarmCause::JournalDamaged } else { AlarmCause::JournalFailing };
                self.apply(&Input::Trouble { at, cause, detail: there.then(|| "half of it".to_owned()) });
            }
            Happens::Tick(ms) => {
                let at = self.later(ms);
                self.now = self.now.max(at);
                self.apply(&Input::Tick { at });
            }
            Happens::Started => self.apply(&Input::Started { at }),
            Happens::Policy(kind) => self.apply(&Input::Policy { at, policy: Box::new(any_policy(kind)) }),
            Happens::Inventory(kind) => {
                let mut sites = sites();
                match kind % 4 {
                    0 => {}
                    1 => sites[0].area = node("A2"),
                    2 => drop(sites.remove(1)),
                    _ => {
                        sites[1].rounds.pop();
                        sites[0].guaranteed = true;
                    }
                }
                self.apply(&Input::Inventory { at, inventory: Box::new(inventory(&sites)) });
            }
            Happens::PutAway => self.put_away(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn replay_equals_live_and_nothing_panics_whatever_anybody_asks_or_tells(
        happenings in proptest::collection::vec(any_happening(), 1..150),
    ) {
        let mut trial = Trial::new();
        for what in happenings {
            trial.happen(what);
        }
        trial.put_away();
    }
}

/// They are worth something only if they are granted, too.
#[test]
fn what_anybody_asks_is_granted_often_enough() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = proptest::collection::vec(any_happening(), 150);
    let mut reached = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..60 {
        let mut trial = Trial::new();
        for what in strategy.new_tree(&mut runner).unwrap().current() {
            trial.happen(what);
        }
        for (what, times) in trial.reached {
            *reached.entry(what).or_default() += times;
        }
    }
    let wanted =
        ["select", "execute", "set_tag", "remove_tag", "draft_group", "approve_group", "execute_group", "set_limit"];
    let wanted =
        wanted.iter().chain(&["set_target", "decide_proposal", "set_parameters", "stop_automatic", "resume_automatic"]);
    for name in wanted {
        let times = reached.get(&format!("{name} true")).copied().unwrap_or_default();
        assert!(times >= 5, "{name} is granted {times} times: {reached:?}");
    }
}
