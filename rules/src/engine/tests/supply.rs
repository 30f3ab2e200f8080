//! Power restored to a dark feeder.

use super::fleet::Centre;
use crate::output::Happening;
use crate::policy::{LimitRule, Policy, Substitute};
use crate::restoration::Hold;
use crate::testing::{Site, kw, limit, node, policy, s, site};
use crate::view::Load;

fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20]).class(5),
        site("T2", "A1", &[20]).class(4),
        site("T3", "A2", &[20]).class(4),
        site("T4", "A2", &[]).base(20),
    ]
}

fn rule() -> LimitRule {
    LimitRule { settle: s(60), ..limit("F", 150) }
}

/// F with three rounds off and room for all of them in a moment.
fn shed() -> Centre {
    shed_by(policy(vec![rule()]))
}

fn shed_by(policy: Policy) -> Centre {
    let mut centre = Centre::new(policy, &sites());
    centre.base("T4", 100);
    assert!(centre.run_until(100, |centre| centre.off() == 3));
    centre.run(40);
    centre
}

fn told(centre: &Centre, of: impl Fn(&Happening) -> bool) -> Option<&Happening> {
    centre.events().find(|event| of(event))
}

fn stages(centre: &Centre) -> usize {
    centre.count(|event| matches!(event, Happening::Restoring { .. }))
}

#[test]
fn nothing_returns_to_a_dark_feeder_nor_to_one_whose_load_has_not_settled() {
    let mut centre = shed();
    centre.dark = true;
    centre.run(300);
    let dark = told(&centre, |event| matches!(event, Happening::WentDark { .. }));
    assert!(matches!(dark, Some(Happening::WentDark { off: 3, .. })), "{dark:?}");
    assert_eq!((stages(&centre), centre.off()), (0, 3), "calm as can be, but dark");
    let waits = |hold: fn(&Hold) -> bool| move |event: &Happening| matches!(event, Happening::ReturnHeld { hold: of, .. } if hold(of));
    assert!(told(&centre, waits(|hold| matches!(hold, Hold::Dark { .. }))).is_some());
    // What was never shed comes back cold and cools down.
    centre.dark = false;
    for base in [100, 85, 70, 55, 40, 25] {
        centre.base("T4", base);
        centre.run(20);
    }
    let back = told(&centre, |event| matches!(event, Happening::SupplyBack { .. }));
    assert!(matches!(back, Some(Happening::SupplyBack { dark_for, off: 3, .. }) if *dark_for >= s(295)), "{back:?}");
    assert_eq!(stages(&centre), 0, "its load goes on falling");
    assert!(told(&centre, |event| matches!(event, Happening::SupplySettled { .. })).is_none());
    assert!(centre.run_until(120, |centre| stages(centre) == 1));
    let settled = told(&centre, |event| matches!(event, Happening::SupplySettled { .. }));
    let Some(Happening::SupplySettled { peak, load, after, .. }) = settled else { panic!("it is told") };
    assert!(*peak == kw(130) && *load == kw(55) && *after >= s(140), "{settled:?}");
    assert!(centre.run_until(300, |centre| centre.off() == 0));
}

#[test]
fn links_that_were_all_lost_and_came_back_with_a_load_are_taken_for_a_dark_feeder() {
    let mut centre = shed();
    for id in ["T1", "T2", "T3", "T4", "H"] {
        centre.link(id, false);
    }
    centre.head = false;
    centre.run(200);
    centre.base("T4", 20);
    centre.head = true;
    centre.links_up();
    centre.run(45);
    assert!(told(&centre, |event| matches!(event, Happening::SupplyBack { .. })).is_some());
    assert_eq!(stages(&centre), 0);
    assert!(centre.run_until(120, |centre| stages(centre) == 1));
}

#[test]
fn last_values_that_stand_in_hide_no_dark_feeder_and_earn_it_no_calm() {
    let last = Policy { substitute: Substitute::Last, substitute_max: s(900), ..policy(vec![rule()]) };
    let mut centre = shed_by(last);
    centre.base("T4", 20);
    centre.run(2);
    for id in ["T1", "T2", "T3", "T4", "H"] {
        centre.link(id, false);
        if id != "H" {
            centre.reports(id, false);
        }
    }
    centre.head = false;
    centre.run(300);
    assert!(matches!(centre.node("F").load, Load::Substituted { power } if power == kw(50)));
    centre.head = true;
    for id in ["T1", "T2", "T3", "T4"] {
        centre.reports(id, true);
    }
    centre.links_up();
    centre.run(55);
    assert!(told(&centre, |event| matches!(event, Happening::WentDark { off: 3, .. })).is_some());
    let back = told(&centre, |event| matches!(event, Happening::SupplyBack { .. }));
    assert!(matches!(back, Some(Happening::SupplyBack { dark_for, .. }) if *dark_for >= s(235)), "{back:?}");
    assert_eq!(stages(&centre), 0);
    assert!(centre.run_until(120, |centre| stages(centre) == 1));
}

#[test]
fn one_link_that_held_through_says_that_it_was_not_dark() {
    let mut centre = shed();
    for id in ["T1", "T2", "T4", "H"] {
        centre.link(id, false);
    }
    centre.head = false;
    centre.run(200);
    centre.base("T4", 20);
    centre.head = true;
    for id in ["T1", "T2", "T4", "H"] {
        centre.link(id, true);
    }
    centre.run(20);
    assert!(told(&centre, |event| matches!(event, Happening::SupplyBack { .. })).is_none());
}

#[test]
fn a_restart_of_the_centre_is_no_dark_feeder() {
    let mut centre = shed();
    centre.base("T4", 20);
    centre.restart();
    centre.run(5);
    centre.links_up();
    assert!(centre.run_until(300, |centre| centre.off() == 0));
    assert!(
        told(&centre, |event| matches!(event, Happening::SupplyBack { .. } | Happening::WentDark { .. })).is_none()
    );
}

#[test]
fn a_node_that_draws_nothing_because_all_of_it_was_shed_is_not_dark() {
    let sites = [site("T1", "A1", &[20]).base(0), site("T2", "A1", &[20]).base(0)];
    let mut centre = Centre::new(policy(vec![LimitRule { settle: s(60), ..limit("F", 15) }]), &sites);
    assert!(centre.run_until(100, |centre| centre.off() == 2));
    assert_eq!(centre.truth("F"), kw(0));
    centre.run(60);
    centre.set_policy(policy(vec![LimitRule { settle: s(60), ..limit("F", 150) }]));
    assert!(centre.run_until(200, |centre| centre.off() == 0));
    assert!(told(&centre, |event| matches!(event, Happening::WentDark { .. })).is_none());
}

#[test]
fn a_load_that_fades_over_hours_is_the_night_and_not_a_dark_feeder() {
    let mut centre = Centre::new(policy(vec![LimitRule { settle: s(60), ..limit("F", 1_000) }]), &sites());
    centre.base("T4", 200);
    centre.run(5);
    for base in [0, -30, -60, -80] {
        centre.base("T4", base);
        centre.run(400);
    }
    assert!(told(&centre, |event| matches!(event, Happening::WentDark { .. })).is_none());
}

#[test]
fn an_area_below_a_dark_feeder_waits_too_and_a_load_that_never_settles_holds_it_for_so_long_only() {
    let area = LimitRule { settle: s(0), ..limit("A1", 45) };
    let mut centre = Centre::new(policy(vec![area, rule()]), &sites());
    assert!(centre.run_until(100, |centre| centre.off() > 0), "A1 draws 60 of 45");
    centre.run(70);
    centre.dark = true;
    centre.run(120);
    centre.dark = false;
    let off = centre.off();
    centre.set_policy(policy(vec![LimitRule { settle: s(0), ..limit("A1", 200) }, rule()]));
    for n in 0..17 {
        centre.base("T4", if n % 2 == 0 { 10 } else { 40 });
        centre.run(20);
        assert_eq!(centre.off(), off, "F's load goes up and down");
    }
    for n in 0..10 {
        centre.base("T4", if n % 2 == 0 { 10 } else { 40 });
        centre.run(20);
    }
    assert!(centre.off() < off);
    assert_eq!(centre.node("F").id, node("F"));
}
