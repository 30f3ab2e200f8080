//! What is wrong with the centre itself.

use crate::engine::Engine;
use crate::input::Input;
use crate::model::Timestamp;
use crate::orders::{Action, OrderId};
use crate::output::{AlarmCause, AlarmState, Output};
use crate::testing::{policy, round, site};

use super::fleet::Centre;

fn told(engine: &mut Engine, at: i64, cause: AlarmCause, detail: Option<&str>) -> Vec<Output> {
    let mut out = Vec::new();
    let detail = detail.map(str::to_owned);
    engine.apply(&Input::Trouble { at: Timestamp::new(at), cause, detail }, &mut out);
    out
}

#[test]
fn a_trouble_is_an_alarm_until_it_is_over_and_seen() {
    let mut engine = Engine::new();
    let out = told(&mut engine, 1, AlarmCause::JournalFailing, Some("disk full for 42 s"));
    let [Output::Alarm(alarm)] = &out[..] else { panic!("{out:?}") };
    assert_eq!((alarm.detail.as_str(), alarm.state), ("disk full for 42 s", AlarmState::Unacknowledged));
    assert!(told(&mut engine, 2, AlarmCause::JournalFailing, Some("again")).is_empty(), "it stands already");
    told(&mut engine, 3, AlarmCause::JournalFailing, None);
    assert_eq!(engine.view().alarms[0].state, AlarmState::ReturnedUnacknowledged);
}

#[test]
fn numbers_of_orders_and_alarms_that_lost_inputs_may_have_given_are_never_given_again() {
    let mut centre = Centre::new(policy(vec![]), &[site("T1", "A1", &[20])]);
    let before = centre.select("wang", "T1", Action::Trip { round: round(1) }).unwrap();
    let out = told(&mut centre.engine, 1, AlarmCause::JournalDamaged, Some("from position 7 on"));
    let [Output::Alarm(alarm)] = &out[..] else { panic!("{out:?}") };
    assert!(alarm.id.0 > 1_000_000);
    centre.run(120);
    let after = centre.select("wang", "T1", Action::Trip { round: round(1) }).unwrap();
    assert!(after > OrderId(before.0 + 1_000_000), "{before:?} {after:?}");
}
