//! Values, their quality and age, and the loads that are made of them.

use proptest::prelude::*;

use super::fleet::Centre;
use crate::input::Input;
use crate::model::{NodeId, PointKind, Power, Quality, Reading, SwitchPosition, TerminalId, Timestamp};
use crate::output::{AlarmCause, Happening};
use crate::state::grid::Grid;
use crate::testing::{START, Site, good, inventory, kw, node, policy, power, round, s, site, switch, terminal};
use crate::view::Load;

fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20, 20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])]
}

fn centre() -> Centre {
    Centre::new(policy(vec![]), &sites())
}

fn at(reading: Reading, source_time: Timestamp) -> Reading {
    Reading { source_time: Some(source_time), ..reading }
}

fn shown(centre: &Centre, kind: PointKind) -> Reading {
    let detail = centre.engine.terminal(terminal("T1")).unwrap();
    detail.points.iter().find(|point| point.reading.point == kind).unwrap().reading
}

fn position(centre: &Centre) -> SwitchPosition {
    SwitchPosition::from_value(shown(centre, PointKind::RoundPosition(round(1))).value)
}

#[test]
fn a_node_has_the_load_of_its_head_or_without_one_the_sum_below() {
    let mut centre = centre();
    assert_eq!(centre.node("F").load, Load::Measured { power: kw(110) });
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(80) });
    assert_eq!(centre.node("S").load, Load::Summed { power: kw(110) });
    centre.told("H", vec![Reading { quality: Quality::INVALID, ..power(kw(999)) }]);
    assert_eq!(centre.node("F").load, Load::Unknown, "a sum knows neither losses nor who has no terminal");
    assert_eq!(centre.node("R").load, Load::Unknown);
    centre.told("T1", vec![power(kw(60))]);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(90) });
    centre.told("T1", vec![Reading { quality: Quality::OVERFLOW, ..power(kw(60)) }]);
    centre.told("H", vec![power(kw(130))]);
    assert_eq!(centre.node("R").load, Load::Summed { power: kw(130) });
    assert_eq!(centre.node("A1").load, Load::Unknown);
}

#[test]
fn a_node_below_which_nobody_is_measured_has_no_load_and_takes_none_from_the_sum_above() {
    let mut tree = inventory(&sites());
    tree.terminals.remove(&terminal("H"));
    tree.nodes.get_mut(&node("F")).unwrap().measured_by = None;
    let empty_area = tree.nodes[&node("A1")].clone();
    tree.nodes.insert(node("A9"), empty_area);
    let mut centre = centre();
    centre.apply(Input::Inventory { at: centre.now, inventory: Box::new(tree) });
    assert_eq!(centre.node("A9").load, Load::Unknown);
    assert_eq!(centre.node("F").load, Load::Summed { power: kw(110) });
}

#[test]
fn a_customer_without_a_terminal_makes_the_sum_above_unknown() {
    let mut centre = centre();
    let mut changed = inventory(&sites());
    changed.terminals.remove(&terminal("T3"));
    centre.apply(Input::Inventory { at: centre.now, inventory: Box::new(changed) });
    assert_eq!(centre.node("A2").load, Load::Unknown);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(80) });
}

#[test]
fn quality_kept_to_the_view() {
    let mut centre = centre();
    let reading = Reading { quality: Quality::from_bits(0xF1), cause: 20, ..at(power(kw(7)), START) };
    centre.told("T1", vec![reading]);
    assert_eq!(shown(&centre, PointKind::ActivePower), reading);
    let view = centre.engine.terminal(terminal("T1")).unwrap().summary;
    assert_eq!((view.power, view.quality), (Some(kw(7)), Quality::from_bits(0xF1)));
}

#[test]
fn an_older_buffered_reading_does_not_override_a_newer_one() {
    let mut centre = centre();
    centre.run(200);
    let now = centre.now;
    let ago = |seconds: i64| Timestamp::new(now.get() - seconds * 1_000);
    centre.told("T1", vec![at(switch(round(1), SwitchPosition::Open), ago(10))]);
    centre.told("T1", vec![at(switch(round(1), SwitchPosition::Closed), ago(20))]);
    assert_eq!(position(&centre), SwitchPosition::Open, "by the terminal's own times");
    centre.told("T1", vec![at(switch(round(1), SwitchPosition::Closed), ago(10))]);
    assert_eq!(position(&centre), SwitchPosition::Closed, "of one instant the last word counts");
    // An interrogation carries no times.
    centre.told("T1", vec![switch(round(1), SwitchPosition::Closed)]);
    centre.told("T1", vec![at(switch(round(1), SwitchPosition::Open), ago(100))]);
    assert_eq!(position(&centre), SwitchPosition::Closed, "buffered before the interrogation");
    centre.told("T1", vec![at(switch(round(1), SwitchPosition::Open), ago(5))]);
    assert_eq!(position(&centre), SwitchPosition::Open, "a clock that is a little behind is no buffer");
}

#[test]
fn a_guarantee_is_heard_even_when_it_seems_old() {
    let mut centre = centre();
    centre.run(200);
    centre.told("T1", vec![good(PointKind::SupplyGuarantee, 0)]);
    centre.told("T1", vec![at(good(PointKind::SupplyGuarantee, 1), START)]);
    assert!(centre.engine.terminal(terminal("T1")).unwrap().summary.guaranteed);
}

#[test]
fn a_position_delivered_late_by_a_clock_a_little_ahead_does_not_close_a_switch_again() {
    let mut centre = centre();
    let (now, ahead) = (centre.now, s(5));
    centre.told("T1", vec![at(switch(round(1), SwitchPosition::Open), now.after(ahead))]);
    centre.run(1);
    centre.told("T1", vec![at(switch(round(1), SwitchPosition::Closed), now.after(s(2)))]);
    assert_eq!(position(&centre), SwitchPosition::Open);
}

#[test]
fn a_clock_that_is_ahead_makes_no_value_younger_and_shuts_out_none_that_comes_later() {
    let mut centre = centre();
    centre.reports("T1", false);
    let (now, ahead) = (centre.now, centre.now.after(s(3_600)));
    centre.told("T1", vec![at(power(kw(50)), ahead)]);
    centre.run(61);
    assert_eq!(centre.node("A1").load, Load::Unknown, "it is as old as its arrival");
    centre.told("T1", vec![at(power(kw(40)), now.after(s(61)))]);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(70) }, "the clock was set right");
}

#[test]
fn a_clock_that_is_behind_makes_a_value_as_old_as_it_says() {
    let mut centre = centre();
    centre.run(100);
    centre.reports("T1", false);
    let behind = Timestamp::new(centre.now.get() - 50_000);
    centre.told("T1", vec![at(power(kw(50)), behind)]);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(80) });
    centre.run(11);
    assert_eq!(centre.node("A1").load, Load::Unknown);
}

#[test]
fn a_power_beyond_all_reason_counts_as_bad_and_spoils_no_sum() {
    let mut centre = centre();
    for value in [i64::MAX, i64::MIN, 1_000_000_000_001] {
        centre.told("T1", vec![power(Power::new(value))]);
        assert_eq!(centre.node("A1").load, Load::Unknown);
        centre.told("T1", vec![power(kw(50))]);
        assert_eq!(centre.node("A1").load, Load::Summed { power: kw(80) });
    }
}

#[test]
fn positions_hold_for_as_long_as_the_link_over_which_they_came() {
    let mut centre = centre();
    centre.run(1_000);
    let stale = |centre: &Centre| {
        let detail = centre.engine.terminal(terminal("T1")).unwrap();
        detail.points.iter().find(|p| p.reading.point == PointKind::RoundPosition(round(1))).unwrap().stale
    };
    assert!(!stale(&centre));
    centre.link("T1", false);
    assert!(stale(&centre));
    centre.run(1);
    centre.plants.get_mut(&terminal("T1")).unwrap().link = true;
    centre.apply(Input::Link { at: centre.now, terminal: terminal("T1"), up: true });
    assert!(stale(&centre), "nothing was told over this link yet");
    centre.report(terminal("T1"));
    assert!(!stale(&centre));
}

#[test]
fn of_several_values_of_one_point_in_a_batch_the_last_counts_and_each_end_position_is_told() {
    let mut centre = centre();
    let moves = [SwitchPosition::Open, SwitchPosition::Intermediate, SwitchPosition::Closed, SwitchPosition::Closed];
    let mut batch: Vec<Reading> = moves.map(|to| switch(round(1), to)).to_vec();
    batch.extend([power(kw(1)), power(kw(2))]);
    centre.told("T1", batch);
    assert_eq!(centre.count(|event| matches!(event, Happening::Switch { .. })), 2);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(32) });
}

#[test]
fn a_change_behind_a_spell_of_bad_quality_is_told() {
    let mut centre = centre();
    let bad = |reading: Reading| Reading { quality: Quality::NOT_TOPICAL, ..reading };
    centre.told("T1", vec![bad(switch(round(1), SwitchPosition::Open)), switch(round(1), SwitchPosition::Open)]);
    assert_eq!(centre.count(|event| matches!(event, Happening::Switch { .. })), 1);
    let cover = |value| good(PointKind::CoverOpen, value);
    centre.told("T1", vec![cover(0), bad(cover(1)), cover(1), bad(cover(0)), cover(1)]);
    assert_eq!(centre.count(|event| matches!(event, Happening::Cover { .. })), 1);
    assert!(centre.stands(AlarmCause::CoverOpen { terminal: terminal("T1") }));
    centre.told("T1", vec![cover(0)]);
    assert!(!centre.stands(AlarmCause::CoverOpen { terminal: terminal("T1") }));
}

#[test]
fn a_link_that_is_down_for_a_minute_is_an_alarm_until_it_is_up() {
    let down = AlarmCause::LinkDown { terminal: terminal("T1") };
    let mut centre = centre();
    centre.link("T1", false);
    centre.run(59);
    assert!(!centre.stands(down));
    centre.run(1);
    assert!(centre.stands(down));
    centre.link("T1", true);
    assert!(!centre.stands(down));
    centre.apply(Input::Link { at: centre.now, terminal: terminal("X"), up: false });
    centre.told("X", vec![power(kw(1))]);
    centre.run(100);
    assert_eq!(centre.alarm(AlarmCause::LinkDown { terminal: terminal("X") }), None);
}

#[test]
fn a_terminal_that_leaves_takes_its_alarms_along() {
    let mut centre = centre();
    centre.link("T3", false);
    centre.run(61);
    let down = AlarmCause::LinkDown { terminal: terminal("T3") };
    assert!(centre.stands(down));
    centre.set_inventory(&sites()[..2]);
    assert!(!centre.stands(down));
}

#[derive(Clone, Debug)]
enum Change {
    Reading { of: usize, value: i64, quality: u8, ago_s: Option<i64> },
    Wait(i64),
    Link { of: usize, up: bool },
    Inventory(usize),
}

fn any_change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![8 => -100_000..200_000i64, 1 => any::<i64>()];
    let ago = proptest::option::of(-100..100i64);
    prop_oneof![
        8 => (0..4usize, value, prop_oneof![3 => Just(0u8), 1 => any::<u8>()], ago)
            .prop_map(|(of, value, quality, ago_s)| Change::Reading { of, value, quality, ago_s }),
        2 => (0..90i64).prop_map(Change::Wait),
        1 => (0..4usize, any::<bool>()).prop_map(|(of, up)| Change::Link { of, up }),
        1 => (0..4usize).prop_map(Change::Inventory),
    ]
}

fn empty() -> Grid {
    let mut grid = Grid::default();
    grid.age_max = s(60);
    grid
}

fn take(grid: &mut Grid, terminal: TerminalId, reading: Reading, now: Timestamp) {
    if let Some(place) = grid.posts.place(&terminal) {
        grid.take(place, reading, now);
    }
}

fn loads(grid: &Grid) -> Vec<(NodeId, Load)> {
    grid.inventory.nodes.keys().map(|id| (*id, grid.load(*id))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn loads_kept_up_with_each_reading_equal_loads_summed_anew(
        changes in proptest::collection::vec(any_change(), 1..80),
    ) {
        let ids: Vec<TerminalId> = ["T1", "T2", "T3", "H"].map(terminal).to_vec();
        let mut grid = empty();
        let mut now = START;
        grid.set_inventory(inventory(&sites()), now);
        for change in changes {
            match change {
                Change::Reading { of, value, quality, ago_s } => {
                    let source_time = ago_s.map(|ago| Timestamp::new(now.get() - ago * 1_000));
                    let quality = Quality::from_bits(quality);
                    let reading = Reading { quality, source_time, ..good(PointKind::ActivePower, value) };
                    take(&mut grid, ids[of], reading, now);
                }
                Change::Wait(seconds) => now = now.after(s(seconds)),
                Change::Link { of, up } => {
                    if let Some(post) = grid.posts.get_mut(&ids[of]) {
                        post.link_up = up;
                    }
                }
                Change::Inventory(count) => grid.set_inventory(inventory(&sites()[..count.min(3)]), now),
            }
            grid.expire(now);
            let mut anew = grid.clone();
            anew.rebuild(now);
            prop_assert_eq!(loads(&grid), loads(&anew));
            let mut dirty = Vec::new();
            grid.take_dirty(&mut dirty);
        }
    }

    #[test]
    fn each_node_whose_load_changed_is_looked_at(
        changes in proptest::collection::vec(any_change(), 1..40),
    ) {
        let ids: Vec<TerminalId> = ["T1", "T2", "T3", "H"].map(terminal).to_vec();
        let mut grid = empty();
        grid.set_inventory(inventory(&sites()), START);
        let mut dirty = Vec::new();
        for change in changes {
            grid.take_dirty(&mut dirty);
            dirty.clear();
            let before = loads(&grid);
            if let Change::Reading { of, value, quality, .. } = change {
                let quality = Quality::from_bits(quality);
                take(&mut grid, ids[of], Reading { quality, ..good(PointKind::ActivePower, value) }, START);
            }
            let after = loads(&grid);
            grid.take_dirty(&mut dirty);
            for (old, new) in before.iter().zip(&after) {
                prop_assert!(old == new || dirty.iter().any(|place| grid.node_at(*place).unwrap().0 == new.0), "{} changed unseen", new.0);
            }
        }
    }
}

#[test]
fn nodes_have_the_order_of_the_tree_whatever_their_names() {
    let mut tree = inventory(&sites());
    let area = tree.nodes.remove(&node("A2")).unwrap();
    tree.nodes.insert(node("ZZ"), area);
    for customer in tree.customers.values_mut().filter(|customer| customer.supplied_by == node("A2")) {
        customer.supplied_by = node("ZZ");
    }
    let mut grid = empty();
    grid.set_inventory(tree, START);
    for id in ["T1", "T2", "T3"] {
        take(&mut grid, terminal(id), power(kw(10)), START);
    }
    take(&mut grid, terminal("H"), power(kw(31)), START);
    grid.rebuild(START);
    assert_eq!(grid.load(node("ZZ")), Load::Summed { power: kw(10) });
    assert_eq!(grid.load(node("R")), Load::Summed { power: kw(31) });
}

#[test]
fn a_load_speaks_for_a_terminal_as_of_the_uppermost_meter_between_them() {
    let mut grid = empty();
    grid.set_inventory(inventory(&sites()), START);
    let later = START.after(s(10));
    for id in ["T1", "T2", "T3"] {
        take(&mut grid, terminal(id), power(kw(10)), later);
    }
    take(&mut grid, terminal("H"), power(kw(31)), START);
    assert_eq!(grid.load_as_of(node("A1"), terminal("T1")), Some(later));
    assert_eq!(grid.load_as_of(node("F"), terminal("T1")), Some(START));
    assert_eq!(grid.load_as_of(node("S"), terminal("T1")), Some(START), "its sum is made of the feeder's meter");
}

#[test]
fn a_power_that_no_connection_carries_decides_nothing() {
    let mut centre = centre();
    for wrong in [kw(900_000_000), -kw(500_000)] {
        centre.told("T1", vec![power(wrong)]);
        assert_eq!(centre.node("A1").load, Load::Unknown, "{wrong}");
    }
    let contract = centre.engine.grid.customer(terminal("T1")).unwrap().1.contract;
    centre.told("T1", vec![power(contract.percent(300))]);
    assert!(matches!(centre.node("A1").load, Load::Summed { .. }));
}

#[test]
fn a_terminal_that_chatters_is_told_once_a_minute_and_pushes_nothing_out() {
    let mut centre = centre();
    let started = |centre: &Centre| {
        centre.engine.view().events.iter().any(|event| matches!(event.what, Happening::InventoryLoaded { .. }))
    };
    let cover = |value| good(PointKind::CoverOpen, value);
    for n in 0..1_000 {
        centre.told("T1", vec![cover((n + 1) % 2)]);
    }
    assert_eq!(centre.count(|event| matches!(event, Happening::Cover { .. })), 60);
    assert_eq!(centre.count(|event| matches!(event, Happening::Chatters { .. })), 1);
    assert!(started(&centre));
    centre.run(61);
    centre.told("T1", vec![cover(1), cover(0)]);
    assert!(centre.count(|event| matches!(event, Happening::Cover { .. })) > 60);
}

#[test]
fn a_post_and_its_name_fill_two_cache_lines() {
    assert!(
        size_of::<TerminalId>() + size_of::<crate::state::grid::Post>() <= 128,
        "what a reading does not touch goes beside"
    );
}
