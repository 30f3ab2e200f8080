//! The planner by itself, and the checker against plans and stages made by hand.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Violation, World, check_plan, check_stage};
use super::group::check_group;
use super::need::check_need;
use super::plan::{Plan, Response, RoundFacts, Task, TerminalFacts, plan};
use super::step_back::{Group, plan_step_back};
use crate::dressing::{DressOn, Dressing, DressingId, Dressings};
use crate::groups::GroupAct;
use crate::model::{
    CustomerId, Energy, NodeId, Power, PriorityClass, Quality, Reading, RoundNo, Span, SwitchPosition, TerminalId,
};
use crate::orders::OrderId;
use crate::outlook::{Fairness, Next, NoMore};
use crate::output::{Choice, Finding, Reason};
use crate::policy::{LimitRule, PassCaps, Policy, Substitute};
use crate::state::accounts::Account;
use crate::state::bounds::Bounds;
use crate::state::cold_load::ColdLoads;
use crate::state::effects::Effects;
use crate::state::grid::Grid;
use crate::state::measures::MeasureBook;
use crate::state::notices::Notices;
use crate::state::promised::{Promise, Promised};
use crate::state::recent::Recent;
use crate::state::returned::{Return, Returned};
use crate::state::{Holder, Shed, Sheds};
use crate::tags::{TagId, TagOn, Tags};
use crate::testing::{
    START, Site, behind, guarantee, inventory, kw, limit, no_outlook, node, policy, power, round, s, site, switch,
    terminal,
};

struct Bench {
    grid: Grid,
    effects: Effects,
    policy: Policy,
    promised: Promised,
    recent: Recent,
    cold_loads: ColdLoads,
    sheds: Sheds,
    returned: Returned,
    busy: BTreeSet<(TerminalId, RoundNo)>,
    accounts: BTreeMap<CustomerId, Account>,
    tags: Tags,
    notices: Notices,
    ratings: BTreeMap<NodeId, Power>,
    bounds: BTreeMap<NodeId, Bounds>,
    measures: MeasureBook,
    dressings: Dressings,
}

impl Bench {
    /// All links up; T1 and T2 closed and drawing, T3 open.
    fn new() -> Self {
        let sites: Vec<Site> = vec![
            site("T1", "A1", &[20, 20]).floor(20),
            site("T2", "A1", &[20]),
            site("T3", "A2", &[20]),
            site("T4", "A2", &[20]).guaranteed(),
        ];
        let mut grid = Grid::default();
        grid.age_max = s(60);
        grid.set_inventory(inventory(&sites), START);
        for post in grid.posts.values_mut() {
            (post.link_up, post.link_since) = (true, START);
        }
        let mut bench = Self {
            grid,
            effects: Effects::default(),
            recent: Recent::default(),
            policy: policy(vec![limit("A2", 60), limit("F", 200)]),
            promised: Promised::default(),
            cold_loads: ColdLoads::default(),
            sheds: Sheds::new(),
            returned: Returned::default(),
            busy: BTreeSet::new(),
            accounts: BTreeMap::new(),
            tags: Tags::default(),
            notices: Notices::default(),
            ratings: BTreeMap::new(),
            bounds: BTreeMap::new(),
            measures: MeasureBook::default(),
            dressings: Dressings::default(),
        };
        bench.shed("T3", Holder::Rule(node("F")), s(60));
        for site in &sites {
            let open = site.terminal == terminal("T3");
            let mut load = site.base;
            for (round, power) in site.numbered() {
                bench.tell(
                    site.terminal,
                    switch(round, if open { SwitchPosition::Open } else { SwitchPosition::Closed }),
                );
                bench.tell(site.terminal, behind(round, if open { Power::ZERO } else { power }));
                load += if open { Power::ZERO } else { power };
            }
            bench.tell(site.terminal, power(load));
        }
        bench.tell(terminal("H"), power(kw(120)));
        bench
    }

    fn tell(&mut self, terminal: TerminalId, reading: Reading) {
        let place = self.grid.posts.place(&terminal).unwrap();
        self.grid.take(place, reading, START);
    }

    fn world(&self) -> World<'_> {
        World {
            grid: &self.grid,
            effects: &self.effects,
            policy: &self.policy,
            promised: &self.promised,
            recent: &self.recent,
            cold_loads: &self.cold_loads,
            sheds: &self.sheds,
            returned: &self.returned,
            accounts: &self.accounts,
            gone: BTreeSet::new(),
            doubted: BTreeSet::new(),
            deaf: BTreeSet::new(),
            tags: &self.tags,
            notices: &self.notices,
            ratings: &self.ratings,
            bounds: &self.bounds,
            measures: &self.measures,
            waits_since: None,
            dressings: &self.dressings,
            busy: self.busy.clone(),
            now: START,
        }
    }

    fn plan(&self, plan: &Plan) -> Result<(), Violation> {
        check_plan(&self.world(), plan, &LimitRule { node: plan.node, ..limit("F", 200) })
    }

    fn stage(&self, stage: &[Choice]) -> Result<(), Violation> {
        check_stage(&self.world(), &self.policy.limits[1], stage)
    }

    /// A round of 10 kW has been off for so long.
    fn shed(&mut self, id: &str, by: Holder, off_for: Span) {
        let since = START.after(-off_for);
        let shed = Shed { by, since, power: kw(10), cold: kw(10), not_before: since };
        self.sheds.entry(terminal(id)).or_default().insert(round(1), shed);
    }

    /// A round has been back for so long.
    fn came_back(&mut self, id: &str, back_for: Span) {
        let what = back(Some(1), back_for);
        self.returned.came(terminal(id), round(1), what);
    }
}

/// A round of 10 kW has been back for so long.
fn back(stage: Option<u16>, back_for: Span) -> Return {
    Return {
        by: Holder::Rule(node("F")),
        at: START.after(-back_for),
        off_for: s(60),
        stage,
        power: kw(10),
        highest: None,
        learnt: false,
        by_itself: None,
    }
}

fn choice(id: &str, number: u8, power_kw: i32) -> Choice {
    let reason = Reason::BestFit { class: 3 };
    Choice { terminal: terminal(id), round: round(number), power: kw(power_kw), reason }
}

fn shedding(wanted: i32, shed: &[Choice]) -> Plan {
    Plan {
        node: node("F"),
        pass: 1,
        load: kw(120),
        wanted: kw(wanted),
        expected: shed.iter().map(|choice| choice.power).sum(),
        shed: shed.to_vec(),
        spared: Vec::new(),
        outlook: no_outlook(),
    }
}

fn bad(reading: Reading) -> Reading {
    Reading { quality: Quality::INVALID, ..reading }
}

#[test]
fn a_sound_plan_and_a_sound_stage_pass() {
    let bench = Bench::new();
    assert_eq!(bench.plan(&shedding(30, &[choice("T1", 1, 20), choice("T2", 1, 20)])), Ok(()));
    assert_eq!(bench.stage(&[choice("T3", 1, 20)]), Ok(()));
}

#[test]
fn a_plan_or_a_stage_that_passes_a_tag_is_refused_wherever_the_tag_hangs() {
    let (t1, one) = (terminal("T1"), round(1));
    let own = [TagOn::Round { terminal: t1, round: one }, TagOn::Terminal { terminal: t1 }];
    for on in own.into_iter().chain(["A1", "F", "S", "R"].map(|id| TagOn::Node { node: node(id) })) {
        let mut bench = Bench::new();
        bench.tags.hang(on, "wang", "men at work", START);
        let refused = Err(Violation::Tagged { terminal: t1, round: one, tag: TagId(1) });
        assert_eq!(bench.plan(&shedding(20, &[choice("T1", 1, 20)])), refused, "{on}");
    }
    let mut bench = Bench::new();
    bench.tags.hang(TagOn::Round { terminal: t1, round: round(2) }, "wang", "men at work", START);
    bench.tags.hang(TagOn::Node { node: node("A2") }, "wang", "men at work", START);
    assert_eq!(bench.plan(&shedding(20, &[choice("T1", 1, 20)])), Ok(()), "another round, another area");
    assert!(matches!(bench.stage(&[choice("T3", 1, 20)]), Err(Violation::Tagged { tag: TagId(2), .. })));
}

#[test]
fn a_plan_or_a_stage_whose_effect_a_value_by_hand_hides_is_refused() {
    let put_on = |bench: &mut Bench, on| {
        let dressing = Dressing {
            id: DressingId(0),
            on,
            value: 1,
            owner: "wang".into(),
            reason: "meter out".into(),
            since: START,
            until: START.after(s(60)),
        };
        bench.dressings.put_on(dressing);
    };
    let hidden =
        |id: &str, at: &str| Err(Violation::ByHand { terminal: terminal(id), round: round(1), node: node(at) });
    let area = DressOn::Load { node: node("A1") };
    // A meter at the feeder's head sees through what is put in below it; a value in its place does not.
    let heads = [DressOn::Load { node: node("F") }, DressOn::Power { terminal: terminal("H") }];
    for on in [area, DressOn::Power { terminal: terminal("T1") }] {
        let mut bench = Bench::new();
        put_on(&mut bench, on);
        assert_eq!(bench.plan(&shedding(20, &[choice("T1", 1, 20)])), Ok(()), "{on}");
    }
    for on in heads {
        let mut bench = Bench::new();
        put_on(&mut bench, on);
        assert_eq!(bench.plan(&shedding(20, &[choice("T1", 1, 20)])), hidden("T1", "F"), "{on}");
        assert_eq!(bench.stage(&[choice("T3", 1, 20)]), hidden("T3", "F"), "{on}");
    }
    let mut bench = Bench::new();
    put_on(&mut bench, DressOn::Power { terminal: terminal("T3") });
    assert_eq!(bench.stage(&[choice("T3", 1, 20)]), hidden("T3", "A2"), "the area has no meter of its own");
}

#[test]
fn nothing_is_shed_or_returned_by_a_load_that_something_stands_in_for() {
    let bad = |bench: &mut Bench, id: &str| {
        bench.policy.substitute = Substitute::Balance;
        bench.tell(terminal(id), Reading { quality: Quality::INVALID, ..power(kw(1)) });
        bench.grid.stand_in(Substitute::Balance, s(60), START);
    };
    let mut bench = Bench::new();
    bad(&mut bench, "H");
    assert!(bench.grid.load(node("F")).is_substituted());
    let hidden = |id: &str| Err(Violation::ByHand { terminal: terminal(id), round: round(1), node: node("F") });
    assert_eq!(bench.plan(&shedding(20, &[choice("T1", 1, 20)])), hidden("T1"), "the feeder's meter tells nothing");
    assert_eq!(bench.stage(&[choice("T3", 1, 20)]), hidden("T3"));
    let mut bench = Bench::new();
    bad(&mut bench, "T4");
    assert!(bench.grid.load(node("A2")).is_substituted());
    assert_eq!(bench.plan(&shedding(20, &[choice("T1", 1, 20)])), Ok(()), "the feeder's meter sees through it");
    let stands_in = Violation::StandsIn { node: node("A2"), terminal: terminal("T4") };
    assert_eq!(bench.stage(&[choice("T3", 1, 20)]), Err(stands_in), "the area has no meter of its own");
    let mut bench = Bench::new();
    bad(&mut bench, "T1");
    assert_eq!(bench.stage(&[choice("T3", 1, 20)]), Ok(()), "T1 is in another area");
}

#[test]
fn each_way_of_breaking_an_invariant_is_refused() {
    let (t1, t2, t4) = (terminal("T1"), terminal("T2"), terminal("T4"));
    let one = round(1);
    let sound = shedding(15, &[choice("T2", 1, 20)]);
    let mut bench = Bench::new();

    let elsewhere = Plan { node: node("A2"), ..sound.clone() };
    assert_eq!(bench.plan(&elsewhere), Err(Violation::NotBelow { terminal: t2, node: node("A2") }));
    assert_eq!(bench.plan(&shedding(15, &[choice("T4", 1, 20)])), Err(Violation::Guaranteed { terminal: t4 }));
    let no_round = Violation::NoRound { terminal: t2, round: round(8) };
    assert_eq!(bench.plan(&shedding(15, &[choice("T2", 8, 20)])), Err(no_round));
    let stranger = Violation::NoRound { terminal: terminal("X"), round: one };
    assert_eq!(bench.plan(&shedding(15, &[choice("X", 1, 20)])), Err(stranger));
    let twice = Violation::Twice { terminal: t2, round: one };
    assert_eq!(bench.plan(&shedding(35, &[choice("T2", 1, 20), choice("T2", 1, 20)])), Err(twice));
    let open = Violation::Position { terminal: terminal("T3"), round: one, wanted: SwitchPosition::Closed };
    assert_eq!(bench.plan(&shedding(15, &[choice("T3", 1, 20)])), Err(open));
    for wrong in [19, 21, 0, -5] {
        let planned = Violation::Power { terminal: t2, round: one, planned: kw(wrong) };
        assert_eq!(bench.plan(&shedding(15, &[choice("T2", 1, wrong)])), Err(planned));
    }
    let floor = Violation::Floor { terminal: t1, left: kw(10), floor: kw(20) };
    assert_eq!(bench.plan(&shedding(40, &[choice("T1", 1, 20), choice("T1", 2, 20)])), Err(floor));
    let sum = Plan { expected: kw(99), ..sound.clone() };
    assert_eq!(bench.plan(&sum), Err(Violation::Sum { expected: kw(99), sum: kw(20) }));
    let superfluous = Violation::Superfluous { terminal: t1, round: one };
    assert_eq!(bench.plan(&shedding(15, &[choice("T1", 1, 20), choice("T2", 1, 20)])), Err(superfluous));
    let capped = |pass| check_plan(&bench.world(), &sound, &LimitRule { pass, ..limit("F", 200) });
    let too_much = Violation::PassPower { sum: kw(20), most: kw(19) };
    assert_eq!(capped(PassCaps { power_max: Some(kw(19)), rounds_max: None }), Err(too_much));
    let rounds = Violation::PassRounds { rounds: 1, most: 0 };
    assert_eq!(capped(PassCaps { power_max: None, rounds_max: Some(0) }), Err(rounds));
    assert_eq!(capped(PassCaps { power_max: Some(kw(20)), rounds_max: Some(1) }), Ok(()));
    let other = Violation::OtherNode { planned: node("F"), node: node("A1") };
    assert_eq!(check_plan(&bench.world(), &sound, &limit("A1", 200)), Err(other));
    let fourth = Plan { pass: 4, ..sound.clone() };
    assert_eq!(bench.plan(&fourth), Err(Violation::TooManyPasses { pass: 4, most: 3 }));

    bench.busy.insert((t2, one));
    assert_eq!(bench.plan(&sound), Err(Violation::Busy { terminal: t2, round: one }));
    bench.busy.clear();
    bench.effects.expect(OrderId(1), t1, round(2), -kw(20));
    let floor = Violation::Floor { terminal: t1, left: kw(10), floor: kw(20) };
    assert_eq!(bench.plan(&shedding(15, &[choice("T1", 1, 20)])), Err(floor), "a trip under way counts");
    bench.tell(t2, guarantee(true));
    assert_eq!(bench.plan(&sound), Err(Violation::Guaranteed { terminal: t2 }));
    bench.tell(t2, guarantee(false));
    bench.tell(t2, bad(power(kw(30))));
    assert_eq!(bench.plan(&sound), Err(Violation::LoadUnknown { terminal: t2 }));
    bench.tell(t2, power(kw(30)));
    bench.tell(t2, bad(behind(one, kw(20))));
    assert_eq!(bench.plan(&sound), Err(Violation::Power { terminal: t2, round: one, planned: kw(20) }));
    bench.tell(t2, behind(one, kw(20)));
    bench.tell(t2, bad(switch(one, SwitchPosition::Closed)));
    let unknown = Violation::Position { terminal: t2, round: one, wanted: SwitchPosition::Closed };
    assert_eq!(bench.plan(&sound), Err(unknown));
    bench.tell(t2, switch(one, SwitchPosition::Closed));
    assert_eq!(bench.plan(&sound), Ok(()));
    bench.grid.posts.get_mut(&t2).unwrap().link_up = false;
    assert_eq!(bench.plan(&sound), Err(Violation::LinkDown { terminal: t2 }));
}

#[test]
fn each_way_in_which_a_stage_breaks_an_invariant_is_refused() {
    let t3 = terminal("T3");
    let mut bench = Bench::new();
    let closed = Violation::Position { terminal: terminal("T2"), round: round(1), wanted: SwitchPosition::Open };
    assert_eq!(bench.stage(&[choice("T2", 1, 20)]), Err(closed));
    // F has 120 of 200, and A2 40 of 60.
    let area = Violation::OverLimit { node: node("A2"), load: kw(61), limit: kw(60) };
    assert_eq!(bench.stage(&[choice("T3", 1, 21)]), Err(area));
    let not_due = Err(Violation::NotDue { terminal: t3, round: round(1), node: node("F") });
    for (by, off_for) in
        [(Holder::Operator, s(90)), (Holder::Rule(node("A2")), s(90)), (Holder::Rule(node("F")), s(59))]
    {
        bench.shed("T3", by, off_for);
        assert_eq!(bench.stage(&[choice("T3", 1, 20)]), not_due, "{by:?} {off_for}");
    }
    bench.sheds.clear();
    assert_eq!(bench.stage(&[choice("T3", 1, 20)]), not_due, "nobody shed it");
    bench.shed("T3", Holder::Rule(node("F")), s(60));
    bench.effects.expect(OrderId(1), terminal("T4"), round(1), kw(1));
    assert_eq!(
        bench.stage(&[choice("T3", 1, 20)]),
        Err(Violation::OverLimit { node: node("A2"), load: kw(61), limit: kw(60) }),
        "a restoration under way counts"
    );
    bench.effects.doubt(OrderId(1));
    assert!(bench.stage(&[choice("T3", 1, 20)]).is_err(), "and so does one whose fate is unknown");
    bench.effects.none(OrderId(1));
    let promised = Choice { power: kw(1), ..choice("T4", 1, 1) };
    bench.promised.make(Promise { node: node("F"), stage: 1, at: START.after(s(9)), choice: promised });
    assert!(bench.stage(&[choice("T3", 1, 20)]).is_err(), "and what is promised");
    bench.promised.clear();
    assert_eq!(bench.stage(&[choice("T3", 1, 20)]), Ok(()));
    bench.tell(terminal("T4"), bad(power(kw(30))));
    let unknown = bench.stage(&[choice("T3", 1, 20)]);
    assert!(matches!(unknown, Err(Violation::NodeUnknown { .. })), "{unknown:?}");
}

#[test]
fn the_checker_reckons_a_return_from_the_account_by_itself() {
    let mut bench = Bench::new();
    let light = |planned, least| {
        let (terminal, round) = (terminal("T3"), round(1));
        Err(Violation::ColdLoad { terminal, round, planned: kw(planned), least: kw(least) })
    };
    assert_eq!(bench.stage(&[choice("T3", 1, 15)]), Ok(()), "10 kW at 150 %");
    assert_eq!(bench.stage(&[choice("T3", 1, 14)]), light(14, 15));
    let class = PriorityClass::try_from(3).ok();
    bench.cold_loads.learn((terminal("T3"), round(1)), class, s(60), 150, (kw(10), kw(25)));
    assert_eq!(bench.stage(&[choice("T3", 1, 15)]), Ok(()), "no rule goes by experience");
    bench.policy.limits[0].cold_load_learn = true;
    assert_eq!(bench.stage(&[choice("T3", 1, 19)]), light(19, 20), "of the rules above, the most careful one");
    bench.sheds.get_mut(&terminal("T3")).unwrap().get_mut(&round(1)).unwrap().cold = kw(30);
    assert_eq!(bench.stage(&[choice("T3", 1, 20)]), light(20, 30), "no less than it drew when it was tripped");
}

#[test]
fn the_checker_takes_what_nobody_knows_as_all_that_the_contract_leaves() {
    let (t1, t3, one) = (terminal("T1"), terminal("T3"), round(1));
    let mut bench = Bench::new();
    bench.sheds.clear();
    let group =
        |bench: &Bench, planned| check_group(&bench.world(), GroupAct::Restore, &[(t3, one, kw(planned))]).remove(0);
    let light =
        |terminal, planned, least| Err(Violation::ColdLoad { terminal, round: one, planned: kw(planned), least });
    // A contract of 30 kW, and no other round; half as much more where it is cold.
    assert_eq!(group(&bench, 44), light(t3, 44, kw(45)));
    bench.policy.limits[0].limit = kw(85);
    assert_eq!(group(&bench, 45), Ok(()));
    // 10 kW behind no switch leave no less: they may be there only now.
    bench.tell(t3, power(kw(31)));
    assert_eq!(group(&bench, 0), light(t3, 0, kw(45)), "a contract that is exceeded leaves itself");
    // 50 kW, and 20 of them behind the other round, which may be cold.
    bench.tell(t1, switch(one, SwitchPosition::Open));
    bench.tell(t1, behind(one, Power::ZERO));
    let of_two = check_group(&bench.world(), GroupAct::Restore, &[(t1, one, kw(54))]).remove(0);
    assert_eq!(of_two, light(t1, 54, kw(55)));
}

fn facts(id: &str, class: u8, curtailed: i64, rounds_kw: &[i32]) -> TerminalFacts {
    let rounds = RoundNo::ALL.into_iter().zip(rounds_kw).map(|(round, power)| RoundFacts {
        round,
        position: Some(SwitchPosition::Closed),
        power: Some(kw(*power)),
        tagged: None,
        under_way: None,
        deaf: false,
        back_for: None,
        interlock: None,
    });
    TerminalFacts {
        terminal: terminal(id),
        class: PriorityClass::try_from(class).unwrap(),
        curtailed: Energy::new(curtailed),
        turns: 0,
        spared: None,
        load: kw(rounds_kw.iter().sum()),
        age: s(0),
        step: None,
        floor: Power::ZERO,
        response: Response::default(),
        doubted: false,
        rounds: rounds.collect(),
    }
}

fn planned(wanted: i32, terminals: &[TerminalFacts]) -> Plan {
    capped(wanted, PassCaps::default(), terminals)
}

fn capped(wanted: i32, pass: PassCaps, terminals: &[TerminalFacts]) -> Plan {
    let rule = LimitRule { pass, ..limit("F", 900) };
    plan(&Task { rule: &rule, pass: 1, load: kw(1_000), wanted: kw(wanted) }, terminals)
}

fn shed(wanted: i32, terminals: &[TerminalFacts]) -> Vec<(String, u8)> {
    named(&planned(wanted, terminals))
}

fn named(plan: &Plan) -> Vec<(String, u8)> {
    plan.shed.iter().map(|choice| (choice.terminal.to_string(), choice.round.get())).collect()
}

#[test]
fn a_round_that_has_hardly_come_back_is_shed_only_where_nothing_else_would_do() {
    let mut back = facts("T1", 5, 0, &[30]);
    back.rounds[0].back_for = Some(s(5));
    let all = [back, facts("T2", 1, 0, &[20]), facts("T3", 1, 900, &[20])];
    assert_eq!(shed(40, &all), rounds(&[("T2", 1), ("T3", 1)]), "though its class is the least important");
    assert_eq!(shed(60, &all), rounds(&[("T2", 1), ("T3", 1), ("T1", 1)]));
    let plan = planned(20, &all);
    let on_for = s(5);
    assert!(plan.spared.contains(&Finding::NotOnLongEnough { terminal: terminal("T1"), round: round(1), on_for }));
}

#[test]
fn the_last_groups_go_first_and_no_more_of_them_than_are_wanted() {
    let all = [facts("T1", 1, 0, &[30]), facts("T2", 5, 0, &[30]), facts("T3", 3, 0, &[30]), facts("T4", 5, 0, &[30])];
    let group = |stage, ids: &[&str]| Group {
        by: node("F"),
        stage,
        last: START.after(s(i64::from(stage))),
        rounds: ids.iter().map(|id| (terminal(id), round(1), START)).collect(),
    };
    let groups = [group(2, &["T1", "T3"]), group(1, &["T2"])];
    let rule = limit("F", 900);
    let task = |wanted| Task { rule: &rule, pass: 1, load: kw(1_000), wanted: kw(wanted) };
    let step_back = |wanted| plan_step_back(&task(wanted), &all, &groups).unwrap();
    let shed = |plan: &Plan| plan.shed.iter().map(|c| (c.terminal.to_string(), c.reason)).collect::<Vec<_>>();
    let (last, before) = (Reason::StepBack { stage: 2 }, Reason::StepBack { stage: 1 });
    let plan = step_back(20);
    assert_eq!(shed(&plan), [("T3".to_owned(), last)], "within a group the least important goes first");
    assert!(plan.spared.contains(&Finding::NotReturnedLast { terminal: terminal("T4"), round: round(1) }));
    assert_eq!(shed(&step_back(60)), [("T3".to_owned(), last), ("T1".to_owned(), last)]);
    let all_of_them = [("T2".to_owned(), before), ("T3".to_owned(), last), ("T1".to_owned(), last)];
    assert_eq!(shed(&step_back(90)), all_of_them);
    assert_eq!(shed(&step_back(500)), all_of_them, "and no other");
    let open = |of: &TerminalFacts| {
        let rounds = of.rounds.iter().map(|round| RoundFacts { position: Some(SwitchPosition::Open), ..*round });
        TerminalFacts { rounds: rounds.collect(), ..of.clone() }
    };
    let all: Vec<TerminalFacts> = all.iter().map(open).collect();
    assert_eq!(plan_step_back(&task(20), &all, &groups), None);
}

#[test]
fn the_checker_knows_by_itself_what_came_back_last() {
    let mut bench = Bench::new();
    bench.policy.limits[1].on_time_min = s(600);
    let again = Choice { reason: Reason::StepBack { stage: 1 }, ..choice("T2", 1, 20) };
    let plan = shedding(15, &[again]);
    let not = Err(Violation::NotReturnedLast { terminal: terminal("T2"), round: round(1) });
    assert_eq!(bench.plan(&plan), not);
    bench.came_back("T2", s(10));
    assert_eq!(bench.plan(&plan), Ok(()), "whatever the least time on");
    bench.came_back("T2", s(60));
    assert_eq!(bench.plan(&plan), not, "too long ago");
    let by_hand = Return { by: Holder::Operator, ..back(None, s(0)) };
    bench.returned.came(terminal("T2"), round(1), by_hand);
    assert_eq!(bench.plan(&plan), not, "nobody's stage brought it back");
}

#[test]
fn the_checker_finds_the_round_that_would_have_done_instead_of_one_that_hardly_came_back() {
    let mut bench = Bench::new();
    bench.policy.limits[1].on_time_min = s(60);
    bench.came_back("T2", s(59));
    let plan = shedding(15, &[choice("T2", 1, 20)]);
    // T1 would do, but has a choice to make between its two rounds: its floor does not let both go.
    assert_eq!(bench.plan(&plan), Ok(()));
    bench.tell(terminal("T1"), power(kw(70)));
    let instead_of = |instead_round| Violation::NotOnLongEnough {
        terminal: terminal("T2"),
        round: round(1),
        on_for: s(59),
        instead: terminal("T1"),
        instead_round: round(instead_round),
    };
    assert_eq!(bench.plan(&plan), Err(instead_of(1)));
    assert_eq!(bench.plan(&shedding(35, &[choice("T1", 1, 20), choice("T2", 1, 20)])), Err(instead_of(2)));
    let all = [choice("T1", 1, 20), choice("T1", 2, 20), choice("T2", 1, 20)];
    assert_eq!(bench.plan(&shedding(45, &all)), Ok(()), "nothing else would do");
    let deaf =
        World { deaf: BTreeSet::from([(terminal("T1"), round(1)), (terminal("T1"), round(2))]), ..bench.world() };
    assert_eq!(check_plan(&deaf, &plan, &bench.policy.limits[1]), Ok(()), "T1 does not respond");
    bench.came_back("T2", s(60));
    assert_eq!(bench.plan(&plan), Ok(()), "it has been back for long enough");
}

#[test]
fn the_checker_finds_who_had_fewer_turns_and_would_have_done() {
    let mut bench = Bench::new();
    bench.tell(terminal("T1"), power(kw(70)));
    let customer = bench.grid.inventory.terminals[&terminal("T2")].customer.unwrap();
    let plan = shedding(15, &[choice("T2", 1, 20)]);
    assert_eq!(bench.plan(&plan), Ok(()), "nobody had a turn yet");
    bench.accounts.entry(customer).or_default().turn(START, 8);
    let out_of_turn = Violation::NotInTurn {
        terminal: terminal("T2"),
        round: round(1),
        turn: 2,
        instead: terminal("T1"),
        instead_round: round(1),
        instead_turn: 1,
    };
    assert_eq!(bench.plan(&plan), Err(out_of_turn));
    assert_eq!(bench.plan(&shedding(15, &[choice("T1", 1, 20)])), Ok(()));
    assert_eq!(bench.plan(&shedding(35, &[choice("T1", 1, 20), choice("T2", 1, 20)])), Ok(()), "turn 2 of either");
    let doubted = World { doubted: BTreeSet::from([terminal("T1")]), ..bench.world() };
    assert_eq!(check_plan(&doubted, &plan, &bench.policy.limits[1]), Ok(()), "T1 failed");
    let gone = World { gone: BTreeSet::from([(terminal("T1"), round(1))]), ..bench.world() };
    assert_eq!(check_plan(&gone, &plan, &bench.policy.limits[1]), Ok(()), "a plan before this one took T1's turn");
    bench.tell(terminal("T1"), behind(round(1), kw(21)));
    bench.tell(terminal("T1"), behind(round(2), kw(14)));
    assert_eq!(bench.plan(&plan), Ok(()), "one would shed more, the other is not enough");
}

fn rounds(of: &[(&str, u8)]) -> Vec<(String, u8)> {
    of.iter().map(|(id, round)| ((*id).to_owned(), *round)).collect()
}

#[test]
fn the_least_important_go_first_and_among_equals_the_least_burdened() {
    let all = [facts("T1", 1, 0, &[10]), facts("T2", 5, 900, &[10]), facts("T3", 5, 100, &[10])];
    assert_eq!(shed(10, &all), rounds(&[("T3", 1)]));
    assert_eq!(shed(20, &all), rounds(&[("T3", 1), ("T2", 1)]));
    assert_eq!(shed(30, &all), rounds(&[("T3", 1), ("T2", 1), ("T1", 1)]));
}

#[test]
fn the_last_one_is_the_one_that_sheds_the_least_too_much() {
    let all = [facts("T1", 3, 0, &[90]), facts("T2", 3, 0, &[40]), facts("T3", 3, 0, &[60])];
    assert_eq!(shed(35, &all), rounds(&[("T2", 1)]));
    assert_eq!(shed(50, &all), rounds(&[("T3", 1)]));
}

#[test]
fn whose_turn_it_is_goes_before_a_fit_that_is_a_little_closer() {
    let of = |id, turns, power| TerminalFacts { turns, ..facts(id, 3, 0, &[power]) };
    let all = [of("T1", 0, 54), of("T2", 1, 50)];
    assert_eq!(shed(50, &all), rounds(&[("T1", 1)]));
    let all = [of("T1", 0, 56), of("T2", 1, 50)];
    assert_eq!(shed(50, &all), rounds(&[("T2", 1)]), "more than a tenth too much");
    let all = [of("T1", 0, 90), of("T2", 2, 50), of("T3", 1, 50)];
    assert_eq!(shed(50, &all), rounds(&[("T3", 1)]), "of two that fit, whose turn it is");
    let all = [facts("T1", 3, 0, &[501]), facts("T2", 3, 900, &[500])];
    assert_eq!(shed(500, &all), rounds(&[("T1", 1)]), "of the same turn, hardly closer");
    let all = [facts("T1", 3, 0, &[505]), facts("T2", 3, 900, &[500])];
    assert_eq!(shed(500, &all), rounds(&[("T2", 1)]), "of the same turn, closer");
}

#[test]
fn nobody_is_shed_twice_before_the_peers_once() {
    let of = |id, turns| TerminalFacts { turns, ..facts(id, 3, 0, &[10, 10]) };
    let all = [of("T1", 2), of("T2", 1), of("T3", 1)];
    assert_eq!(shed(20, &all), rounds(&[("T2", 1), ("T3", 1)]));
    assert_eq!(shed(40, &all), rounds(&[("T2", 1), ("T3", 1), ("T1", 1), ("T2", 2)]));
}

#[test]
fn the_last_ones_of_the_same_turn_make_way_for_those_that_fit_together() {
    let all = [facts("T1", 3, 0, &[30]), facts("T2", 3, 0, &[30]), facts("T3", 3, 0, &[20]), facts("T4", 3, 0, &[15])];
    assert_eq!(shed(35, &all), rounds(&[("T3", 1), ("T4", 1)]));
    assert_eq!(shed(50, &all), rounds(&[("T1", 1), ("T3", 1)]));
}

#[test]
fn a_plan_keeps_to_the_caps_of_a_pass_and_says_who_waits_for_the_next() {
    let all = [facts("T1", 3, 0, &[30]), facts("T2", 3, 0, &[50]), facts("T3", 3, 0, &[20])];
    let plan = capped(100, PassCaps { power_max: Some(kw(60)), rounds_max: None }, &all);
    assert_eq!(named(&plan), rounds(&[("T1", 1), ("T3", 1)]));
    assert_eq!((plan.wanted, plan.expected, plan.outlook.aim), (kw(100), kw(50), kw(60)));
    assert_eq!(plan.spared, [Finding::PassCap { terminal: terminal("T2"), round: round(1) }]);
    let next = "plan 2 from 1 rounds with 50.0 kW, first T2 round 1 (50.0 kW)";
    assert_eq!(plan.outlook.next.to_string(), next);
    let plan = capped(100, PassCaps { power_max: None, rounds_max: Some(1) }, &all);
    assert_eq!(named(&plan), rounds(&[("T1", 1)]));
    let plan = capped(40, PassCaps { power_max: Some(kw(45)), rounds_max: None }, &all);
    assert_eq!((plan.expected, plan.wanted), (kw(30), kw(40)), "50 would do, and is more than the cap");
    let plan = capped(20, PassCaps { power_max: Some(kw(45)), rounds_max: Some(2) }, &all);
    assert_eq!(named(&plan), rounds(&[("T3", 1)]), "caps that are not reached change nothing");
}

#[test]
fn what_a_terminal_did_before_is_what_is_likely() {
    let mut response = Response::default();
    for _ in 0..20 {
        response.count(kw(100), kw(40));
    }
    assert!((395..=410).contains(&response.share) && response.spread < 30, "{response:?}");
    let known = TerminalFacts { response, ..facts("T1", 3, 0, &[100]) };
    let plan = planned(100, std::slice::from_ref(&known));
    assert!((39..=41).contains(&(plan.outlook.likely.get() / 1_000)), "{:?}", plan.outlook);
    let old = TerminalFacts { age: s(600), ..known };
    assert!(planned(100, &[old]).outlook.unsure > plan.outlook.unsure);
    let strange = planned(100, &[facts("T1", 3, 0, &[100])]).outlook;
    assert_eq!((strange.likely, strange.unsure), (kw(100), kw(20)));
    response.count(kw(100), kw(-10));
    response.count(Power::ZERO, kw(10));
    assert!(response.share < 400);
}

#[test]
fn a_plan_is_as_sure_as_the_loads_that_it_sheds_are_steady_until_its_effect_is_measured() {
    let of = |step, age| TerminalFacts { step: Some(step), age, ..facts("T1", 3, 0, &[100]) };
    let unsure = |facts: TerminalFacts| planned(100, &[facts]).outlook.unsure;
    // A tenth as of everybody; half a minute until the effect is looked at.
    assert_eq!(unsure(of(Power::ZERO, s(600))), kw(20), "what never moves is sure however old");
    // 2 kW a minute on average deviate by 2.5: times √0.5 now, and √10.5 ten minutes later.
    assert_eq!(unsure(of(kw(2), s(0))), Power::new(2 * (10_000 + 1_750)));
    assert_eq!(unsure(of(kw(2), s(600))), Power::new(2 * (10_000 + 8_100)));
    assert_eq!(unsure(of(kw(90), s(3_600))), kw(220), "no more than all of it moves");
    let half = TerminalFacts { load: kw(200), ..of(kw(2), s(600)) };
    assert_eq!(unsure(half), Power::new(2 * (10_000 + 4_050)), "a round has its share of the load");
}

#[test]
fn a_plan_says_how_the_burden_lies_and_what_comes_next() {
    let all = [facts("T1", 3, 0, &[10]), facts("T2", 3, 10_000, &[10])];
    let plan = planned(10, &all);
    assert_eq!(plan.outlook.fairness, Fairness { before_permille: 500, after_permille: 0 });
    assert_eq!(plan.outlook.next.to_string(), "plan 2 from 1 rounds with 10.0 kW, first T2 round 1 (10.0 kW)");
    assert_eq!(plan.outlook.customers, 1);
    assert_eq!(planned(20, &all).outlook.next, Next::Operator { why: NoMore::NothingLeft });
    let rule = LimitRule { passes_max: 1, ..limit("F", 900) };
    let last = super::plan::plan(&Task { rule: &rule, pass: 1, load: kw(1_000), wanted: kw(10) }, &all);
    assert_eq!(last.outlook.next, Next::Operator { why: NoMore::LastPass });
}

#[test]
fn what_became_superfluous_is_given_back() {
    let all = [facts("T1", 5, 0, &[10]), facts("T2", 4, 0, &[100])];
    assert_eq!(shed(50, &all), rounds(&[("T2", 1)]));
}

#[test]
fn a_round_that_would_cross_the_floor_makes_way_for_one_that_does_not() {
    let high = TerminalFacts { floor: kw(40), ..facts("T1", 3, 0, &[50, 20]) };
    assert_eq!(shed(20, std::slice::from_ref(&high)), rounds(&[("T1", 2)]));
    let plan = planned(60, &[high]);
    let crossed = Finding::SafetyFloor { terminal: terminal("T1"), round: round(1), left: kw(20), floor: kw(40) };
    assert_eq!((plan.expected, plan.spared), (kw(20), vec![crossed]));
}

#[test]
fn a_terminal_that_claims_more_behind_a_switch_than_it_draws_is_not_believed() {
    let liar = TerminalFacts { load: kw(5), ..facts("T1", 3, 0, &[500]) };
    assert_eq!(shed(20, &[liar]), rounds(&[]));
}

#[test]
fn a_plan_that_wants_more_than_what_is_on_its_way_leaves_is_refused() {
    let mut bench = Bench::new();
    bench.policy = policy(vec![limit("F", 100)]);
    // F has 120 of 100 and aims at 95.
    let plan = |wanted| shedding(wanted, &[choice("T2", 1, 20)]);
    assert_eq!(check_need(&bench.world(), &plan(25)), Ok(()));
    let double = |wanted, needed| Err(Violation::Double { node: node("F"), wanted: kw(wanted), needed: kw(needed) });
    assert_eq!(check_need(&bench.world(), &plan(26)), double(26, 25));
    bench.effects.expect(OrderId(1), terminal("T1"), round(1), -kw(20));
    assert_eq!(check_need(&bench.world(), &plan(20)), double(20, 5), "another rule's trip below is under way");
    assert_eq!(check_need(&bench.world(), &plan(5)), Ok(()));
    bench.tell(terminal("H"), bad(power(kw(120))));
    assert_eq!(check_need(&bench.world(), &plan(5)), Err(Violation::NodeUnknown { node: node("F") }));
}
