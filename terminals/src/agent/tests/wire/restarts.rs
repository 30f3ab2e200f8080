//! What a terminal keeps over a loss of its own supply (`state_file`).

use super::*;

impl Joined {
    /// The terminal loses its supply and powers up again at once, with what it kept; its clock is the site's again.
    pub(super) fn power_up(&mut self) {
        self.power_up_after(0);
    }

    /// Likewise, off for so long.
    fn power_up_after(&mut self, off_s: i64) {
        self.pass(off_s);
        self.restart();
        self.connect();
    }

    /// Likewise at once, and for so long nobody dials.
    fn power_up_alone(&mut self, alone_s: i64) {
        self.restart();
        for _ in 0..alone_s {
            self.pass(1);
            self.station.on_deadline(self.now);
            assert_eq!(self.station.next_output(), None);
        }
        self.connect();
    }

    fn pass(&mut self, seconds: i64) {
        self.now += Duration::from_secs(seconds.unsigned_abs());
        let site = self.station.station_mut().site_mut();
        site.now = site.now.after(Span::from_s(seconds));
    }

    fn restart(&mut self) {
        let Agent { config, site, .. } = self.station.station();
        let agent = Agent::new(config.clone(), site.clone());
        self.station = Session::new(StationConfig::new(ADDRESS), agent, self.now);
    }
}

/// No warning.
const HALF_AN_HOUR: CommandValue = CommandValue::SetScaled(1);

#[test]
fn a_trip_with_a_term_ends_when_it_would_have_though_the_terminal_restarted_twice() {
    let mut joined = joined();
    let tripped_at = joined.second();
    assert_eq!(joined.order(6011, HALF_AN_HOUR), TAKEN);
    joined.until(tripped_at + 600);
    joined.power_up_after(300);
    joined.until(tripped_at + 1_000);
    joined.power_up();
    joined.until(tripped_at + 1_799);
    assert_eq!(joined.site().told, [(tripped_at, Notice::Tripped(ROUND))]);
    joined.until(tripped_at + 1_800);
    assert_eq!(joined.site().told[1..], [(tripped_at + 1_800, Notice::Permitted(ROUND))]);
}

#[test]
fn a_term_that_ended_while_the_terminal_was_off_is_permitted_at_its_first_look() {
    let mut joined = joined();
    let tripped_at = joined.second();
    assert_eq!(joined.order(6011, HALF_AN_HOUR), TAKEN);
    joined.until(tripped_at + 600);
    joined.power_up_after(7_200);
    let (at, told) = joined.site().told.last().unwrap();
    assert_eq!(told, &Notice::Permitted(ROUND));
    assert!((tripped_at + 7_800..=tripped_at + 7_802).contains(at), "{at}");
}

#[test]
fn times_that_are_kept_are_of_the_clock_that_the_centre_set_also_before_it_sets_it_again() {
    // The site's own clock is an hour behind, or ahead.
    for ahead_s in [3_600, -3_600] {
        let mut joined = joined_with(agent(false), ahead_s);
        let tripped_at = joined.second();
        assert_eq!(joined.order(6011, HALF_AN_HOUR), TAKEN);
        joined.until(tripped_at + 600);
        joined.power_up_alone(600);
        joined.until(tripped_at + 1_799);
        assert_eq!(joined.site().told, [(tripped_at, Notice::Tripped(ROUND))], "{ahead_s}");
        joined.until(tripped_at + 1_800);
        assert_eq!(joined.site().told[1..], [(tripped_at + 1_800, Notice::Permitted(ROUND))], "{ahead_s}");
    }
}

#[test]
fn a_guarantee_goes_on_over_a_restart_and_ends_when_it_would_have() {
    let mut joined = joined();
    let set_at = joined.second();
    // Two half hours.
    assert_eq!(joined.load(7003, ParameterValue::Scaled(2)), Answer::Done);
    joined.until(set_at + 1_200);
    joined.power_up_after(60);
    assert_eq!(joined.read(4002), Value::Single(true));
    assert_eq!(joined.read(7003), Value::Float(2.0));
    // Long after the power-on lock.
    joined.until(set_at + 3_599);
    assert_eq!(joined.trip(1), refused(REFUSED));
    joined.told(4002);
    joined.until(set_at + 3_601);
    assert_eq!(joined.told(4002), [(Value::Single(false), causes::SPONTANEOUS, Some(set_at + 3_600))]);
    assert_eq!(joined.records().last(), Some(&(set_at + 3_600, vec![(5_001, 42.0)])));
    assert_eq!(joined.trip(1), TAKEN);
}

#[test]
fn a_record_is_measured_and_told_once_though_the_terminal_restarted_within_its_two_minutes() {
    let mut joined = joined();
    let tripped_at = joined.second();
    assert_eq!(joined.trip(1), TAKEN);
    joined.until(tripped_at + 60);
    joined.power_up();
    joined.until(tripped_at + 119);
    assert_eq!(joined.records(), []);
    joined.until(tripped_at + 120);
    assert_eq!(joined.records(), [remote_record(tripped_at)]);
    assert_eq!(joined.told(5007), [(Value::Float(40.0), causes::SPONTANEOUS, Some(tripped_at))]);
    joined.power_up();
    joined.seconds(300);
    assert_eq!(joined.told(5007), []);
}

#[test]
fn a_record_and_a_guarantee_are_kept_before_the_centre_sets_the_clock_again() {
    let mut joined = joined_with(agent(false), 3_600);
    let at = joined.second();
    assert_eq!(joined.order(6011, HALF_AN_HOUR), TAKEN);
    joined.until(at + 30);
    joined.power_up_alone(60);
    joined.until(at + 121);
    // The terminal's time is the centre's.
    assert_eq!(joined.records(), [remote_record(at + 3_600)]);
    // A guarantee frees what was tripped, and holds over the next restart.
    let guaranteed_at = joined.second();
    assert_eq!(joined.load(7003, ParameterValue::Scaled(1)), Answer::Done);
    joined.seconds(1);
    assert_eq!(joined.site().told.last().map(|told| &told.1), Some(&Notice::Permitted(ROUND)));
    joined.power_up_alone(600);
    joined.until(guaranteed_at + 1_799);
    assert_eq!(joined.read(4002), Value::Single(true));
    joined.until(guaranteed_at + 1_800);
    assert_eq!(joined.read(4002), Value::Single(false));
}
