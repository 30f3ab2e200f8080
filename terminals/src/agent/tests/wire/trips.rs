//! Remote trips with their terms, and the power-on lock.

use super::*;

/// A set point of one octet: minutes of warning in the upper half, half hours in the lower.
fn terms(warning_min: i16, half_h: i16) -> CommandValue {
    CommandValue::SetScaled(warning_min * 16 + half_h)
}

#[test]
fn a_trip_with_terms_warns_trips_records_both_loads_and_permits_closing_at_its_end() {
    let mut joined = joined();
    joined.told(1001);
    let ordered_at = joined.second();
    assert_eq!(joined.order(6011, terms(5, 1)), TAKEN);
    let trips_at = ordered_at + 300;
    let warning =
        Notice::Warning { round: ROUND, trips_at: Timestamp::new(trips_at * 1_000), function: Function::Remote };
    assert_eq!(joined.site().told, [(ordered_at, warning)]);
    joined.until(trips_at - 1);
    assert_eq!((joined.position(1), joined.told(1001)), (SwitchPosition::Closed, vec![]));
    joined.until(trips_at + 1);
    // The return of what was ordered, five minutes later; seen by the scan after the one that moved the switch.
    let open = Value::Double(SwitchPosition::Open);
    assert_eq!(joined.told(1001), [(open, causes::RETURN_REMOTE, Some(trips_at + 1))]);
    joined.until(trips_at + 119);
    assert_eq!(joined.records(), []);
    joined.until(trips_at + 120);
    assert_eq!(joined.records(), [remote_record(trips_at)]);
    assert_eq!(joined.told(5006), [(Value::Float(60.0), causes::SPONTANEOUS, Some(trips_at))]);
    joined.until(trips_at + 1_799);
    assert_eq!(joined.site().told[1..], [(trips_at, Notice::Tripped(ROUND))]);
    joined.until(trips_at + 1_800);
    assert_eq!(joined.site().told[2..], [(trips_at + 1_800, Notice::Permitted(ROUND))]);
    joined.seconds(600);
    assert_eq!(joined.position(1), SwitchPosition::Open, "permitted, not closed");
    assert_eq!(joined.order(6001, CommandValue::Double(true)), TAKEN);
    assert_eq!(joined.position(1), SwitchPosition::Closed);
    assert_eq!(joined.records(), [remote_record(trips_at)], "one trip, one record");
}

#[test]
fn a_plain_trip_has_the_terms_of_the_parameters() {
    let mut joined = joined();
    assert_eq!(joined.load(7005, ParameterValue::Scaled(2)), Answer::Done);
    assert_eq!(joined.load(7006, ParameterValue::Scaled(3)), Answer::Done);
    let ordered_at = joined.second();
    assert_eq!(joined.trip(1), TAKEN);
    joined.until(ordered_at + 179);
    assert_eq!(joined.position(1), SwitchPosition::Closed);
    joined.until(ordered_at + 180);
    assert_eq!(joined.position(1), SwitchPosition::Open);
    joined.until(ordered_at + 180 + 3_600);
    assert_eq!(joined.site().told.last(), Some(&(ordered_at + 180 + 3_600, Notice::Permitted(ROUND))));
}

#[test]
fn a_restore_during_the_warning_calls_the_trip_off() {
    let mut joined = joined();
    assert_eq!(joined.order(6011, terms(5, 1)), TAKEN);
    joined.seconds(200);
    assert_eq!(joined.order(6001, CommandValue::Double(true)), TAKEN);
    joined.seconds(3_600);
    assert_eq!((joined.position(1), joined.records()), (SwitchPosition::Closed, vec![]));
}

#[test]
fn terms_that_are_no_octet_are_refused_as_out_of_range_and_nothing_is_announced() {
    let mut joined = joined();
    assert_eq!(joined.order(6011, CommandValue::SetScaled(256)), refused(REFUSED));
    assert_eq!(joined.order(6011, CommandValue::SetScaled(-1)), refused(REFUSED));
    // Another type, a round that is not wired, an address of nothing.
    assert_eq!(joined.order(6011, CommandValue::SetFloat(1.0)), refused(UNKNOWN));
    assert_eq!(joined.order(6013, terms(0, 1)), refused(UNKNOWN));
    assert_eq!(joined.order(6019, terms(0, 1)), refused(UNKNOWN));
    joined.seconds(1_200);
    assert_eq!((joined.site().told.len(), joined.position(1)), (0, SwitchPosition::Closed));
}

#[test]
fn the_closed_loop_trips_nothing_in_the_power_on_lock_and_averages_and_warns_anew_after_it() {
    let mut joined = joined();
    assert_eq!(joined.order(6101, CommandValue::SetFloat(50.0)), TAKEN);
    let powered_at = joined.second();
    joined.power_up();
    assert_eq!(joined.read(2101), Value::Float(50.0));
    // Installed: 5 min. Then 1 min of averaging and 1 min of warning.
    joined.until(powered_at + 300 + 115);
    assert_eq!(joined.position(1), SwitchPosition::Closed);
    let warned: Vec<i64> = joined.site().told.iter().map(|told| told.0 - powered_at).collect();
    assert!(matches!(warned[..], [355..=365]), "once, after the lock and the average: {warned:?}");
    joined.until(powered_at + 300 + 125);
    assert_eq!(joined.position(1), SwitchPosition::Open);
}

#[test]
fn a_longer_power_on_lock_of_the_settings_counts_and_a_shorter_one_does_not() {
    for (minutes, lock_s) in [(8, 480), (0, 300)] {
        let mut joined = joined();
        joined
            .send_settings(&format!("[control]\ntrip_lock_min = {minutes}\nwarning_min = [1, 1, 1, 1, 1, 1, 1, 1]\n"));
        assert_eq!(joined.order(6101, CommandValue::SetFloat(50.0)), TAKEN);
        let powered_at = joined.second();
        joined.power_up();
        joined.until(powered_at + lock_s + 115);
        assert_eq!(joined.position(1), SwitchPosition::Closed, "{minutes}");
        joined.until(powered_at + lock_s + 125);
        assert_eq!(joined.position(1), SwitchPosition::Open, "{minutes}");
    }
}

#[test]
fn a_remote_trip_is_refused_in_the_power_on_lock_and_taken_after_it_while_a_restore_is_always_taken() {
    let mut joined = joined();
    let powered_at = joined.second();
    joined.power_up();
    assert_eq!(joined.trip(1), refused(REFUSED));
    assert_eq!(joined.order(6011, terms(0, 1)), refused(REFUSED));
    assert_eq!(joined.order(6001, CommandValue::Double(true)), TAKEN);
    joined.until(powered_at + 299);
    assert_eq!(joined.trip(1), refused(REFUSED));
    joined.until(powered_at + 300);
    assert_eq!(joined.trip(1), TAKEN);
}

#[test]
fn a_trip_whose_warning_ends_in_the_power_on_lock_is_not_made_and_recorded_as_such() {
    let mut joined = joined();
    let ordered_at = joined.second();
    assert_eq!(joined.order(6011, terms(2, 1)), TAKEN);
    joined.until(ordered_at + 30);
    joined.power_up();
    joined.until(ordered_at + 1_200);
    assert_eq!(joined.records(), [(ordered_at + 120, vec![(5_001, 43.0), (5_003, 1.0)])]);
    assert_eq!(joined.position(1), SwitchPosition::Closed);
}
