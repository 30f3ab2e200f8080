//! Terminals that tell their power no more though their links are up.

use super::fleet::Centre;
use crate::model::{PointKind, Quality, Reading, SwitchPosition};
use crate::output::AlarmCause;
use crate::testing::{good, kw, limit, policy, power, round, site, switch, terminal};

fn stale() -> AlarmCause {
    AlarmCause::PowerStale { terminal: terminal("T1") }
}

/// Two customers; a power is good for a minute.
fn centre() -> Centre {
    let mut centre = Centre::new(policy(vec![limit("F", 1_000)]), &[site("T1", "A1", &[20]), site("T2", "A1", &[20])]);
    centre.run(10);
    centre
}

#[test]
fn a_terminal_that_tells_no_power_though_its_link_is_up_is_an_alarm_until_it_tells_one() {
    let mut centre = centre();
    centre.reports("T1", false);
    centre.run(55);
    assert!(!centre.stands(stale()));
    centre.run(10);
    assert!(centre.stands(stale()));
    assert!(!centre.stands(AlarmCause::PowerStale { terminal: terminal("T2") }), "this one tells");
    let detail = centre.alarm(stale()).unwrap().detail;
    assert!(detail.starts_with("none for ") && detail.ends_with("; its link is up"), "{detail}");
    // Other points say nothing of its power.
    centre.told("T1", vec![switch(round(1), SwitchPosition::Closed)]);
    centre.run(2);
    assert!(centre.stands(stale()));
    centre.told("T1", vec![power(kw(30))]);
    centre.run(1);
    assert!(!centre.stands(stale()));
    centre.run(65);
    assert!(centre.stands(stale()), "and again");
}

#[test]
fn a_terminal_whose_link_is_down_is_not_called_stale_and_one_that_came_up_has_its_time() {
    let mut centre = centre();
    centre.reports("T1", false);
    centre.run(70);
    assert!(centre.stands(stale()));
    centre.link("T1", false);
    centre.run(1);
    assert!(!centre.stands(stale()), "it has the alarm of its link");
    centre.run(200);
    assert!(!centre.stands(stale()));
    centre.link("T1", true);
    centre.run(55);
    assert!(!centre.stands(stale()));
    centre.run(10);
    assert!(centre.stands(stale()));
}

#[test]
fn after_a_start_every_terminal_has_its_time() {
    let mut centre = centre();
    centre.reports("T1", false);
    centre.run(40);
    centre.restart();
    centre.links_up();
    centre.run(55);
    assert!(!centre.stands(stale()));
    centre.run(10);
    assert!(centre.stands(stale()));
}

#[test]
fn a_power_of_bad_quality_is_one_that_was_told() {
    let mut centre = centre();
    centre.reports("T1", false);
    for _ in 0..12 {
        let bad = Reading { quality: Quality::INVALID, ..power(kw(30)) };
        centre.told("T1", vec![bad]);
        centre.run(10);
    }
    assert!(!centre.stands(stale()));
    centre.run(70);
    assert!(centre.stands(stale()));
}

#[test]
fn a_terminal_that_never_told_a_power_is_not_called_stale() {
    let mut centre = Centre::new(policy(vec![]), &[site("T1", "A1", &[20])]);
    centre.head = false;
    centre.set_inventory(&[site("T1", "A1", &[20]), site("T9", "A1", &[20])]);
    centre.run(200);
    assert!(!centre.stands(AlarmCause::PowerStale { terminal: terminal("T9") }));
    centre.told("T9", vec![good(PointKind::CoverOpen, 0)]);
    centre.run(200);
    assert!(!centre.stands(AlarmCause::PowerStale { terminal: terminal("T9") }));
}
