//! Parameters of measured values and the set point of the cap.

use super::*;

#[test]
fn a_parameter_of_a_measured_value_is_set_and_read_back_by_object_and_by_file() {
    let mut joined = joined();
    assert_eq!(joined.read(7001), Value::Float(0.0));
    assert_eq!(joined.load(7001, ParameterValue::Scaled(45)), Answer::Done);
    assert_eq!(joined.read(7001), Value::Float(45.0));
    assert_eq!(joined.read(2102), Value::Float(45.0), "the floor in force");
    let settings = joined.settings();
    assert!(settings.contains("floor_kw = 45\n"), "{settings}");
    assert_eq!(joined.load(7002, ParameterValue::Float(5.0)), Answer::Done);
    assert_eq!(joined.read(7002), Value::Float(5.0));
    // What was set is in force: 60 kW less the 20 of a round are below it.
    assert_eq!(joined.trip(1), refused(REFUSED));
    assert_eq!(joined.load(7001, ParameterValue::Scaled(0)), Answer::Done);
    assert_eq!(joined.read(2102), Value::Float(30.0), "what is installed stays");
    assert_eq!(joined.trip(1), TAKEN);
}

#[test]
fn a_parameter_is_refused_where_there_is_none_out_of_its_range_and_as_another_type_and_changes_nothing() {
    let mut joined = joined();
    let before = joined.settings();
    let scaled = ParameterValue::Scaled;
    for (ioa, value, cause) in [
        // A measured value, a command, nothing.
        (2001, scaled(5), UNKNOWN),
        (6101, scaled(5), UNKNOWN),
        (7999, scaled(5), UNKNOWN),
        (7001, scaled(-1), REFUSED),
        (7002, scaled(0), REFUSED),
        (7002, scaled(61), REFUSED),
        (7002, ParameterValue::Float(1.5), REFUSED),
        (7002, ParameterValue::Normalized(1), REFUSED),
        (7003, scaled(49), REFUSED),
        (7004, scaled(2), REFUSED),
        (7005, scaled(16), REFUSED),
        (7006, scaled(16), REFUSED),
        // No table of the time of day was set.
        (7007, scaled(1), REFUSED),
    ] {
        assert_eq!(joined.load(ioa, value), Answer::Refused { cause }, "{ioa} {value:?}");
    }
    assert_eq!(joined.settings(), before);
}

/// As [`joined`], with the cap as a scaled set point.
fn joined_with_scaled_cap() -> Joined {
    let mut agent = agent(false);
    let standard = include_str!("../../../../profiles/standard.toml");
    let float = "cap = { ioa = 6101, scale = 1000.0 }";
    assert!(standard.contains(float));
    let map = standard.replace(float, "cap = { ioa = 6101, scale = 1000.0, type = \"scaled\" }");
    agent.config.profile = Profile::parse(&map).unwrap();
    joined_with(agent, 0)
}

#[test]
fn a_scaled_set_point_of_the_cap_is_taken_after_its_select_told_and_held_by_the_closed_loop() {
    let mut joined = joined_with_scaled_cap();
    joined.told(2101);
    let set_at = joined.second();
    assert_eq!(joined.order(6101, CommandValue::SetScaled(50)), TAKEN);
    assert_eq!(joined.told(2101), [(Value::Float(50.0), causes::SPONTANEOUS, Some(set_at))]);
    // Averaged over 1 min, warned for 1 min.
    joined.until(set_at + 115);
    assert_eq!((joined.position(1), joined.position(2)), (SwitchPosition::Closed, SwitchPosition::Closed));
    joined.until(set_at + 125);
    let [(_, cause, Some(seen_at))] = joined.told(1001)[..] else { panic!("{:?}", joined.objects) };
    assert_eq!(cause, causes::SPONTANEOUS, "nobody ordered this switch to move");
    joined.until(set_at + 1_800);
    assert_eq!(joined.position(2), SwitchPosition::Closed, "40 kW are below the cap");
    let fields = [(5_001, 6.0), (5_002, 2.0), (5_003, 1.0), (5_005, 50.0), (5_006, 60.0), (5_007, 40.0)];
    // The scan after the one that moved the switch sees it.
    assert_eq!(joined.records(), [(seen_at - 1, fields.to_vec())]);
    assert_eq!(joined.order(6101, CommandValue::SetScaled(0)), TAKEN, "0 lifts it");
    joined.seconds(1);
    assert_eq!(joined.read(2101), Value::Float(0.0));
    assert_eq!(joined.site().told.last().map(|told| &told.1), Some(&Notice::Permitted(ROUND)));
    assert_eq!(joined.position(1), SwitchPosition::Open, "permitted, not closed");
}

#[test]
fn a_set_point_of_the_cap_is_refused_out_of_its_range_and_as_another_type_and_the_cap_stays() {
    let mut joined = joined_with_scaled_cap();
    assert_eq!(joined.order(6101, CommandValue::SetScaled(90)), TAKEN);
    assert_eq!(joined.order(6101, CommandValue::SetScaled(-1)), refused(REFUSED));
    assert_eq!(joined.order(6101, CommandValue::SetFloat(50.0)), refused(UNKNOWN));
    assert_eq!(joined.order(6102, CommandValue::SetScaled(50)), refused(UNKNOWN));
    assert_eq!(joined.read(2101), Value::Float(90.0));
    // A select alone sets nothing.
    let id = joined.next_id();
    let selected = joined.submit(id, 6101, CommandValue::SetScaled(50), Step::Select);
    assert_eq!(selected, [Outcome::Confirmed(Step::Select)]);
    joined.seconds(60);
    assert_eq!(joined.read(2101), Value::Float(90.0));
}

#[test]
fn a_cap_that_no_power_can_be_is_refused_as_out_of_range_not_as_unknown() {
    let mut joined = joined();
    assert_eq!(joined.order(6101, CommandValue::SetFloat(1.0e30)), refused(REFUSED));
    assert_eq!(joined.order(6101, CommandValue::SetFloat(-1.0)), refused(REFUSED));
    assert_eq!(joined.read(2101), Value::Float(0.0));
}
