//! Verified by measurement, two minutes after a trip.

use super::fleet::{Centre, Habit};
use crate::orders::{Action, OrderState};
use crate::output::AlarmCause;
use crate::testing::{kw, policy, round, site, terminal};

const TRIP: Action = Action::Trip { round: crate::model::RoundNo::ALL[0] };
const RESTORE: Action = Action::Restore { round: crate::model::RoundNo::ALL[0] };

fn centre() -> Centre {
    Centre::new(policy(vec![]), &[site("T1", "A1", &[20, 20])])
}

#[test]
fn a_trip_whose_power_is_gone_after_two_minutes_is_verified_with_both_figures() {
    let mut centre = centre();
    assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed);
    centre.run(100);
    assert_eq!(centre.last_order("T1").state, OrderState::Confirmed, "not before its time");
    centre.run(30);
    let order = centre.last_order("T1");
    assert_eq!((order.state, order.power_before, order.power_after), (OrderState::Verified, Some(kw(20)), Some(kw(0))));
    assert_eq!(centre.last_order_state("T1"), Some(OrderState::Verified), "the screen says so");
}

#[test]
fn a_trip_that_took_nothing_away_stays_confirmed_says_so_and_is_an_alarm() {
    let mut centre = centre();
    centre.habit("T1", Habit::Welded);
    assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed);
    centre.run(130);
    let order = centre.last_order("T1");
    assert_eq!(order.state, OrderState::Confirmed);
    assert!(order.detail.contains("20.0 kW of 20.0 kW are still drawn"), "{}", order.detail);
    assert!(centre.stands(AlarmCause::NoEffect { terminal: terminal("T1"), round: round(1) }));
    centre.habit("T1", Habit::Obedient);
    centre.run(10);
    assert!(!centre.stands(AlarmCause::NoEffect { terminal: terminal("T1"), round: round(1) }), "it fell silent");
}

#[test]
fn nothing_is_verified_that_was_closed_again_or_is_not_measured() {
    let mut centre = centre();
    assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed);
    let trip = centre.last_order("T1").id;
    assert_eq!(centre.operate("T1", RESTORE), OrderState::Confirmed);
    centre.run(200);
    assert_eq!(centre.order(trip).state, OrderState::Confirmed);
    assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed);
    centre.link("T1", false);
    centre.run(200);
    assert_eq!(centre.last_order("T1").state, OrderState::Confirmed);
}
