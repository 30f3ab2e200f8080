//! The staged return.

use proptest::prelude::*;

use super::fleet::{Centre, Habit};
use crate::model::TerminalId;
use crate::orders::{Action, OrderState, Step};
use crate::output::{AlarmCause, Happening};
use crate::policy::LimitRule;
use crate::testing::{Site, kw, limit, node, policy, round, s, site, terminal};
use crate::view::LimitState;

const TRIP: Action = Action::Trip { round: crate::model::RoundNo::ALL[0] };

fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20]).class(5),
        site("T2", "A1", &[20]).class(4),
        site("T3", "A2", &[20]).class(4),
        site("T4", "A2", &[]).base(20),
    ]
}

/// F with three rounds off and room for all of them.
fn shed() -> Centre {
    let mut centre = Centre::new(policy(vec![limit("F", 150)]), &sites());
    centre.base("T4", 100);
    assert!(centre.run_until(100, |centre| centre.off() == 3));
    centre.run(70);
    centre.base("T4", 20);
    centre
}

#[test]
fn restoration_under_limit_counts_cold_load() {
    // 50 kW and three rounds of 20 that come back with 30, under a limit of 150 (aiming at 142.5).
    let mut centre = shed();
    centre.cold_percent = 150;
    centre.cold_s = 60;
    let mut most = kw(0);
    for _ in 0..300 {
        centre.step();
        most = most.max(centre.truth("F"));
    }
    assert_eq!(centre.off(), 0);
    assert!(most <= kw(150), "{most}");
    assert!(centre.count(|event| matches!(event, Happening::Restoring { .. })) >= 2);
}

#[test]
fn a_round_stays_off_for_its_least_time_however_calm_it_is() {
    let rule = LimitRule { off_time_min: s(200), ..limit("F", 150) };
    let mut centre = Centre::new(policy(vec![rule]), &sites());
    centre.base("T4", 100);
    assert!(centre.run_until(100, |centre| centre.off() == 3));
    centre.base("T4", 20);
    centre.run(198);
    assert_eq!(centre.off(), 3);
    assert!(centre.run_until(30, |centre| centre.off() == 2));
}

#[test]
fn of_those_off_for_as_long_the_one_that_went_without_most_comes_back_first() {
    let mut centre = Centre::new(policy(vec![limit("F", 150)]), &sites());
    // T2 and T3 are of one class; T3 has the later name, and went without before.
    let an_hour_ago = centre.engine.now().after(s(-3_600));
    centre.engine.count_curtailed(terminal("T3"), kw(5), an_hour_ago);
    centre.base("T4", 100);
    assert!(centre.run_until(100, |centre| centre.off() == 3));
    centre.base("T4", 80);
    centre.run(60);
    centre.base("T4", 70);
    assert!(centre.run_until(300, |centre| centre.off() == 2));
    assert!(centre.is_closed("T3", round(1)));
}

#[test]
fn a_stage_that_does_not_fit_waits_and_is_told_once() {
    let mut centre = shed();
    centre.base("T4", 85);
    centre.run(300);
    // 115 kW are calm enough, and 30 more are too many.
    assert_eq!(centre.off(), 3);
    assert_eq!(centre.count(|event| matches!(event, Happening::RestoreHeld { .. })), 1);
    centre.base("T4", 20);
    assert!(centre.run_until(300, |centre| centre.off() == 0));
}

#[test]
fn a_link_that_is_down_blocks_its_own_round_only() {
    let mut centre = shed();
    centre.link("T2", false);
    assert!(centre.run_until(300, |centre| centre.is_closed("T1", round(1)) && centre.is_closed("T3", round(1))));
    assert!(!centre.is_closed("T2", round(1)));
    assert_eq!(centre.count(|event| matches!(event, Happening::Restored { .. })), 0);
    centre.link("T2", true);
    assert!(centre.run_until(60, |centre| centre.off() == 0));
    centre.run(30);
    assert_eq!(centre.count(|event| matches!(event, Happening::Restored { rounds: 3, .. })), 1);
}

#[test]
fn a_restoration_that_fails_is_an_alarm_and_is_tried_again_later() {
    for habit in [Habit::Stuck, Habit::RefusesExecute, Habit::RefusesSelect, Habit::Deaf] {
        let no_effect = AlarmCause::NoEffect { terminal: terminal("T3"), round: round(1) };
        let mut centre = shed();
        centre.habit("T3", habit);
        assert!(centre.run_until(400, |centre| centre.stands(no_effect)), "{habit:?}");
        assert!(centre.run_until(200, |centre| centre.off() == 1), "{habit:?}: the others come back");
        centre.habit("T3", Habit::Obedient);
        assert!(centre.run_until(400, |centre| centre.off() == 0), "{habit:?}");
        assert!(!centre.stands(no_effect));
        centre.run(30);
        assert_eq!(centre.state("F"), LimitState::Normal);
    }
}

#[test]
fn a_restoration_of_unknown_fate_keeps_its_room() {
    let mut centre = shed();
    centre.habit("T3", Habit::Lost { moved: true });
    centre.base("T4", 52);
    // 82 kW, and 30 more for T3, whose reading nobody hears: T2 fits beside it (142), T1 does not.
    assert!(centre.run_until(300, |centre| centre.is_closed("T3", round(1))));
    centre.cold_percent = 150;
    centre.cold_s = 1_000;
    let mut most = kw(0);
    for _ in 0..200 {
        centre.step();
        most = most.max(centre.truth("F"));
    }
    assert!(most <= kw(150), "{most}");
    assert_eq!(centre.last_order_state("T3"), Some(OrderState::Unknown));
}

#[test]
fn a_customer_who_closes_late_finds_the_room_that_was_kept() {
    let mut centre = shed();
    centre.base("T4", 40);
    centre.cold_percent = 150;
    centre.cold_s = 1_000;
    centre.habit("T3", Habit::Stuck);
    assert!(centre.run_until(400, |centre| centre.last_order_state("T3") == Some(OrderState::Failed)));
    centre.run(100);
    centre.move_switch(terminal("T3"), round(1), true);
    for _ in 0..300 {
        centre.step();
        assert!(centre.truth("F") <= kw(150));
    }
}

#[test]
fn a_rule_does_not_restore_into_a_limit_that_it_cannot_see() {
    let mut centre = shed();
    assert!(centre.run_until(200, |centre| centre.state("F") == LimitState::Restoring));
    // Selected, but then F's load is lost: its head is silent, and so is T4.
    let off = centre.off();
    centre.told(
        "H",
        vec![crate::model::Reading { quality: crate::model::Quality::INVALID, ..crate::testing::power(kw(1)) }],
    );
    centre.head = false;
    centre.told(
        "T4",
        vec![crate::model::Reading { quality: crate::model::Quality::INVALID, ..crate::testing::power(kw(1)) }],
    );
    centre.reports("T4", false);
    centre.run(100);
    assert_eq!(centre.off(), off);
}

#[test]
fn what_an_operator_tripped_before_is_left_to_the_operator() {
    let mut centre = Centre::new(policy(vec![limit("F", 150)]), &sites());
    assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed);
    centre.base("T4", 110);
    centre.run(100);
    assert_eq!(centre.off(), 3);
    centre.base("T4", 20);
    centre.run(400);
    assert_eq!(centre.off(), 1);
    assert!(!centre.is_closed("T1", round(1)));
}

#[test]
fn a_new_breach_during_restoration_sheds_again_and_leaves_no_round_behind() {
    let mut centre = shed();
    assert!(centre.run_until(200, |centre| centre.off() == 2));
    centre.base("T4", 110);
    assert!(centre.run_until(100, |centre| centre.off() == 3));
    centre.run(70);
    centre.base("T4", 20);
    assert!(centre.run_until(400, |centre| centre.off() == 0));
    centre.run(30);
    assert_eq!(centre.state("F"), LimitState::Normal);
}

#[test]
fn a_round_closed_by_hand_is_no_longer_shed() {
    let mut centre = shed();
    for id in ["T1", "T2", "T3"] {
        centre.move_switch(terminal(id), round(1), true);
    }
    centre.run(5);
    assert_eq!(centre.state("F"), LimitState::Normal);
    centre.run(300);
    let restores = |centre: &Centre| centre.count(|event| matches!(event, Happening::Restoring { .. }));
    assert_eq!(restores(&centre), 0);
}

#[test]
fn a_switch_that_bounces_stays_with_the_rule_that_tripped_it_and_comes_back_like_the_others() {
    let mut centre = shed();
    let bounce = |centre: &mut Centre, between_s| {
        centre.move_switch(terminal("T1"), round(1), true);
        centre.run(between_s);
        centre.move_switch(terminal("T1"), round(1), false);
    };
    bounce(&mut centre, 0);
    // Over a restart of the engine as well.
    centre.move_switch(terminal("T1"), round(1), true);
    let text = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str(&text).unwrap();
    centre.move_switch(terminal("T1"), round(1), false);
    assert_eq!(centre.off(), 3);
    centre.base("T4", 20);
    assert!(centre.run_until(300, |centre| centre.off() == 0), "nobody else would have closed it");
    assert!(!centre.engine.terminal(terminal("T1")).unwrap().summary.rounds[0].held_by_operator);

    // What somebody closed, and later opened, is his.
    let mut centre = shed();
    bounce(&mut centre, 6);
    centre.base("T4", 20);
    centre.run(300);
    assert_eq!(centre.off(), 1);
}

#[test]
fn an_area_inside_a_feeder_is_restored_within_both() {
    let rules = vec![limit("A1", 75), limit("F", 150)];
    let mut centre = Centre::new(policy(rules), &sites());
    centre.cold_percent = 150;
    centre.base("T4", 110);
    assert!(centre.run_until(100, |centre| centre.off() == 3));
    centre.run(70);
    centre.base("T4", 20);
    for _ in 0..400 {
        centre.step();
        assert!(centre.truth("A1") <= kw(75) && centre.truth("F") <= kw(150));
    }
    assert_eq!(centre.off(), 0);
}

fn any_habit() -> impl Strategy<Value = Habit> {
    prop_oneof![
        6 => Just(Habit::Obedient),
        1 => Just(Habit::RefusesSelect),
        1 => Just(Habit::RefusesExecute),
        1 => Just(Habit::Stuck),
        1 => Just(Habit::Deaf),
        1 => Just(Habit::Mute),
        1 => any::<bool>().prop_map(|moved| Habit::Lost { moved }),
        2 => (1..200i64).prop_map(Habit::Slow),
    ]
}

#[derive(Clone, Debug)]
struct Member {
    rounds: Vec<i32>,
    class: u8,
    first_area: bool,
    habit: Habit,
    /// The link is down from one second to another.
    down: (usize, usize),
}

fn any_member() -> impl Strategy<Value = Member> {
    let down = (0..600usize, 0..200usize).prop_map(|(from, length)| (from, from + length));
    (proptest::collection::vec(5..30i32, 1..4), 1..=5u8, any::<bool>(), any_habit(), down)
        .prop_map(|(rounds, class, first_area, habit, down)| Member { rounds, class, first_area, habit, down })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn restoration_under_limit_holds_for_nested_limits_cold_load_and_terminals_that_fall_short(
        members in proptest::collection::vec(any_member(), 1..6),
        share in 55..100i64,
        area_share in 55..100i64,
        cold in 100..=150i64,
        cold_s in 10..300i64,
        rest in -60..10i32,
        spread_s in 0..=20i64,
    ) {
        let sites: Vec<Site> = members
            .iter()
            .enumerate()
            .map(|(n, member)| site(&format!("T{n}"), if member.first_area { "A1" } else { "A2" }, &member.rounds).class(member.class))
            .collect();
        let mut sites = sites;
        sites.push(site("T9", "A2", &[]));
        let mut centre = Centre::new(policy(vec![]), &sites);
        let rule = |of: &str, percent: i64, centre: &Centre| {
            let limit_w = centre.truth(of).percent(percent).max(kw(5));
            LimitRule { limit: limit_w, restore_below_percent: 95, restore_spread: s(spread_s), ..limit(of, 1) }
        };
        let rules = vec![rule("A1", area_share, &centre), rule("F", share, &centre)];
        let limits = [("A1", rules[0].limit), ("F", rules[1].limit)];
        centre.set_policy(policy(rules));
        centre.run(150);
        // From here on nothing but restoration brings load.
        centre.cold_percent = cold;
        centre.cold_s = cold_s;
        for (member, site) in members.iter().zip(&sites) {
            centre.habit(site.terminal.as_str(), member.habit);
        }
        centre.base("T9", rest);
        let mut before = limits.map(|(of, _)| centre.truth(of));
        for second in 0..600 {
            for (member, site) in members.iter().zip(&sites) {
                let id: TerminalId = site.terminal;
                if second == member.down.0 {
                    centre.link(id.as_str(), false);
                } else if second == member.down.1 {
                    centre.link(id.as_str(), true);
                }
            }
            centre.step();
            for ((of, limit), before) in limits.iter().zip(&mut before) {
                let load = centre.truth(of);
                prop_assert!(load <= *limit || load <= *before, "{of} rose from {before} to {load} of {limit}");
                *before = load;
            }
        }
        // The checker is the second to see it, not the first.
        prop_assert_eq!(centre.count(|event| matches!(event, Happening::PlanRefused { .. })), 0);
    }
}

#[test]
fn restoration_after_a_restart_goes_on() {
    let mut centre = shed();
    assert!(centre.run_until(200, |centre| centre.state("F") == LimitState::Restoring));
    centre.run(2);
    centre.restart();
    centre.run(5);
    centre.links_up();
    assert!(centre.run_until(300, |centre| centre.off() == 0));
    centre.run(30);
    assert!(centre.events().any(|event| matches!(event, Happening::Restored { .. })));
    assert_eq!(centre.node("F").id, node("F"));
    assert!(centre.now.since(crate::testing::START) > s(0));
}

#[test]
fn however_much_headroom_there_is_a_stage_brings_a_quarter_of_what_is_off() {
    let sites: Vec<Site> = (1..=9).map(|n| site(&format!("T{n}"), "A1", &[10])).collect();
    let mut centre = Centre::new(policy(vec![limit("F", 100)]), &sites);
    assert!(centre.run_until(100, |centre| centre.off() == 9));
    centre.set_policy(policy(vec![limit("F", 1_000)]));
    assert!(centre.run_until(900, |centre| centre.off() == 0));
    let stages = centre.events().filter_map(|event| match event {
        Happening::Restoring { restored, .. } => Some(restored.len()),
        _ => None,
    });
    assert_eq!(stages.collect::<Vec<_>>(), [3, 3, 3], "nine in groups of a quarter, rounded up");
}

#[test]
fn a_round_whose_customer_moved_elsewhere_while_it_was_tripped_is_the_operators() {
    let mut centre = Centre::new(policy(vec![limit("A1", 55)]), &sites());
    assert!(centre.run_until(60, |centre| !centre.commands(Step::Execute).is_empty()));
    let tripped = centre.commands(Step::Execute)[0].terminal;
    let moved =
        sites().into_iter().map(|site| if site.terminal == tripped { Site { area: node("A2"), ..site } } else { site });
    centre.set_inventory(&moved.collect::<Vec<_>>());
    centre.base("T1", 0);
    centre.base("T2", 0);
    centre.run(600);
    // Its rule does not reach there any more, and does not try for ever what the checker refuses.
    assert_eq!(centre.count(|event| matches!(event, Happening::PlanRefused { .. })), 0);
    assert_eq!((centre.state("A1"), centre.is_closed(&tripped.to_string(), round(1))), (LimitState::Normal, false));
}

#[test]
fn links_that_come_and_go_do_not_push_out_the_plan() {
    let mut centre = shed();
    for _ in 0..300 {
        centre.link("T4", false);
        centre.link("T4", true);
    }
    let view = centre.engine.view();
    assert_eq!(view.events.len(), crate::view::View::EVENTS_MAX);
    assert!(view.events.iter().any(|event| matches!(event.what, Happening::Planned { .. })));
    assert!(matches!(view.events.first().map(|event| &event.what), Some(Happening::Link { up: true, .. })));
}
