use proptest::prelude::*;

use super::*;

const MIN: i64 = 60;
const HALF_HOUR: i64 = 1_800;
const HOUR: i64 = 3_600;
/// Monday, 2026-01-05, 00:00 UTC, s.
const MONDAY: i64 = 1_767_571_200;

fn round(number: u8) -> RoundNo {
    RoundNo::try_from(number).unwrap()
}

fn kw(kw: i32) -> Power {
    Power::from_kw(kw)
}

/// 20 kW that cannot be switched and 40 kW behind each of three rounds; a look each 10 s.
struct Bench {
    control: LocalControl,
    now: Timestamp,
    positions: [SwitchPosition; 3],
    behind: Power,
    rest: Power,
    energy: Energy,
    linked: bool,
}

const INSTALLED: Installed =
    Installed { floor: Power::from_kw(30), guaranteed: false, trip_lock: Span::ZERO, zone: Span::ZERO };

impl Bench {
    fn new(installed: Installed, parameters: Parameters) -> Self {
        parameters.check().unwrap();
        let now = Timestamp::new(MONDAY * 1_000);
        Self {
            control: LocalControl::new(installed, parameters, State::default(), now),
            now,
            positions: [SwitchPosition::Closed; 3],
            behind: kw(40),
            rest: kw(20),
            energy: Energy::ZERO,
            linked: true,
        }
    }

    fn seen(&self) -> Seen {
        let mut rounds = [None; 8];
        let mut power = self.rest;
        for (slot, position) in rounds.iter_mut().zip(self.positions) {
            let behind = if position == SwitchPosition::Closed { self.behind } else { Power::ZERO };
            power += behind;
            *slot = Some((position, behind));
        }
        Seen { now: self.now, power, energy: self.energy, rounds, linked: self.linked }
    }

    fn obey(&mut self, acts: &[Act]) {
        for act in acts {
            if let Act::Trip(round) = act {
                self.positions[usize::from(round.get() - 1)] = SwitchPosition::Open;
            }
        }
    }

    /// Looks now and then each 10 s for so long; what was done with its second.
    fn run(&mut self, seconds: i64) -> Vec<(i64, Act)> {
        let (mut log, begin) = (Vec::new(), self.now);
        for s in (0..=seconds).step_by(10) {
            self.now = begin.after(Span::from_s(s));
            let mut acts = Vec::new();
            let seen = self.seen();
            self.control.look(&seen, &mut acts);
            self.energy += seen.power.over(Span::from_s(10));
            self.obey(&acts);
            log.extend(acts.into_iter().map(|act| (s, act)));
        }
        log
    }

    fn set(&mut self, change: impl FnOnce(&mut Parameters)) -> Vec<Act> {
        let mut parameters = self.control.parameters().clone();
        change(&mut parameters);
        let mut acts = Vec::new();
        self.control.set(self.now, parameters, &mut acts).unwrap();
        acts
    }

    fn remote(&mut self, number: u8, half_h: u8, warning_min: u8) -> Result<Vec<Act>, Forbidden> {
        let (mut acts, seen) = (Vec::new(), self.seen());
        self.control.remote_trip(&seen, round(number), Remote { half_h, warning_min }, &mut acts)?;
        self.obey(&acts);
        Ok(acts)
    }
}

fn trips(log: &[(i64, Act)]) -> Vec<(i64, u8)> {
    log.iter().filter_map(|(s, act)| if let Act::Trip(round) = act { Some((*s, round.get())) } else { None }).collect()
}

fn permits(log: &[(i64, Act)]) -> Vec<(i64, u8)> {
    log.iter()
        .filter_map(|(s, act)| if let Act::Permit(round) = act { Some((*s, round.get())) } else { None })
        .collect()
}

fn records(log: &[(i64, Act)]) -> Vec<Record> {
    log.iter().filter_map(|(_, act)| if let Act::Record(record) = act { Some(*record) } else { None }).collect()
}

/// Under a cap of the centre.
fn capped(cap_kw: i32, installed: Installed, parameters: Parameters, seconds: i64) -> Vec<(i64, Act)> {
    let mut bench = Bench::new(installed, parameters);
    bench.control.set_cap(Some(kw(cap_kw)));
    bench.run(seconds)
}

#[test]
fn one_round_is_tripped_after_its_warning_measured_for_two_minutes_and_the_load_averaged_before_the_next() {
    let log = capped(90, INSTALLED, Parameters::default(), 2_000);
    // 60 s of average, 120 s of warning; then 120 s to measure, and the same again.
    assert_eq!(trips(&log), [(180, 1), (480, 2)]);
    let warned: Vec<_> = log.iter().filter(|(_, act)| matches!(act, Act::Warn { .. })).map(|(s, _)| *s).collect();
    assert_eq!(warned, [60, 360]);
    let after = |at: i64, number, before, after| Record::Control {
        at: Timestamp::new((MONDAY + at) * 1_000),
        function: Function::CentreCap,
        round: round(number),
        set_point: Some(kw(90)),
        before: kw(before),
        after: kw(after),
        frozen: None,
    };
    assert_eq!(records(&log), [after(180, 1, 140, 100), after(480, 2, 100, 60)]);
}

#[test]
fn each_round_has_its_own_warning_and_only_enabled_rounds_are_tripped() {
    let warning_min = [2, 5, 0, 0, 0, 0, 0, 0];
    let power_rounds = [round(2), round(3)].into();
    let log = capped(90, INSTALLED, Parameters { warning_min, power_rounds, ..Parameters::default() }, 2_000);
    assert_eq!(trips(&log), [(60 + 300, 2), (360 + 120 + 60, 3)]);
}

#[test]
fn never_shed_protected_no_trip_takes_the_load_below_the_floor_that_is_installed_or_set() {
    // 140, 100, 60: a third trip would leave 20 kW.
    assert_eq!(trips(&capped(10, INSTALLED, Parameters::default(), 5_000)).len(), 2);
    let lower = Installed { floor: kw(20), ..INSTALLED };
    assert_eq!(trips(&capped(10, lower, Parameters::default(), 5_000)).len(), 3);
    let raised = Parameters { floor_kw: 70, ..Parameters::default() };
    assert_eq!(trips(&capped(10, lower, raised, 5_000)).len(), 1);
}

#[test]
fn a_load_below_the_cap_or_without_one_is_left_alone() {
    assert_eq!(capped(141, INSTALLED, Parameters::default(), 5_000), []);
    assert_eq!(capped(0, INSTALLED, Parameters::default(), 5_000), []);
}

#[test]
fn falling_power_takes_the_warning_back_and_closes_nothing() {
    let mut bench = Bench::new(INSTALLED, Parameters::default());
    bench.control.set_cap(Some(kw(90)));
    bench.run(100);
    bench.rest = kw(-60);
    assert_eq!(trips(&bench.run(600)), []);
    bench.rest = kw(20);
    let log = bench.run(300);
    assert_eq!(trips(&log).len(), 1, "{log:?}");
    bench.rest = kw(-60);
    assert_eq!((trips(&bench.run(HOUR)), bench.positions[0]), (vec![], SwitchPosition::Open));
    bench.control.set_cap(None);
    let log = bench.run(600);
    assert_eq!(permits(&log), [(0, 1)]);
    assert_eq!(bench.positions[0], SwitchPosition::Open);
}

#[test]
fn a_trip_orders_warning_and_duration_hold_and_the_record_tells_the_load_before_and_after() {
    let mut bench = Bench::new(INSTALLED, Parameters::default());
    assert!(matches!(bench.remote(2, 3, 5).unwrap()[..], [Act::Warn { function: Function::Remote, .. }]));
    let log = bench.run(2 * HOUR);
    assert_eq!(trips(&log), [(5 * MIN, 2)]);
    assert_eq!(permits(&log), [(5 * MIN + 3 * HALF_HOUR, 2)]);
    let [Record::Control { function: Function::Remote, before, after, set_point: None, .. }] = records(&log)[..] else {
        panic!("{log:?}")
    };
    assert_eq!((before, after), (kw(140), kw(100)));
    assert_eq!(bench.positions[1], SwitchPosition::Open, "permitted is not closed");
}

#[test]
fn a_trip_that_was_announced_is_taken_back_by_its_release() {
    let mut bench = Bench::new(INSTALLED, Parameters::default());
    bench.remote(2, 0, 5).unwrap();
    bench.run(2 * MIN);
    bench.control.remote_release(round(2), &mut Vec::new());
    assert_eq!(trips(&bench.run(HOUR)), []);
}

#[test]
fn rounds_told_to_open_count_as_gone_before_they_show_it() {
    let mut bench = Bench::new(INSTALLED, Parameters::default());
    let seen = bench.seen();
    let mut acts = Vec::new();
    for number in 1..=2 {
        bench.control.remote_trip(&seen, round(number), Remote::default(), &mut acts).unwrap();
    }
    // 140 kW are still measured, and 80 of them are going.
    let third = bench.control.remote_trip(&seen, round(3), Remote::default(), &mut acts);
    assert_eq!(third, Err(Forbidden::Floor { left: kw(20), floor: kw(30) }));
}

fn all_day(cap_kw: u32) -> TimeOfDay {
    TimeOfDay { slots: "1".repeat(48), schemes: [vec![cap_kw], vec![], vec![]], scheme: 1, set_points: [1].into() }
}

#[test]
fn time_of_day_keeps_the_set_point_of_the_half_hour_of_the_scheme_that_are_not_masked() {
    // 1 from 8 to 9, 2 from 9 to 10, 3 from 10 to 11.
    let slots = format!("{}112233{}", "0".repeat(16), "0".repeat(26));
    let schemes = [vec![500, 400, 300], vec![50, 40], vec![]];
    let time_of_day = TimeOfDay { slots, schemes, scheme: 1, set_points: [1, 3].into() };
    let mut bench = Bench::new(INSTALLED, Parameters { time_of_day: Some(time_of_day), ..Parameters::default() });
    let at = |hour: i64, bench: &mut Bench| {
        bench.now = Timestamp::new((MONDAY + hour * HOUR) * 1_000);
        bench.run(0);
        bench.control.cap().map(|(_, cap)| cap)
    };
    let caps: Vec<_> = (7..=11).map(|hour| at(hour, &mut bench)).collect();
    assert_eq!(caps, [None, Some(kw(500)), None, Some(kw(300)), None]);
    bench.set(|it| it.time_of_day.as_mut().unwrap().scheme = 2);
    let caps: Vec<_> = (8..=10).map(|hour| at(hour, &mut bench)).collect();
    assert_eq!(caps, [Some(kw(50)), None, None], "scheme 2 has no third set point");
}

#[test]
fn the_half_hours_are_of_the_terminals_own_zone() {
    let slots = format!("{}1{}", "0".repeat(16), "0".repeat(31));
    let time_of_day = TimeOfDay { slots, ..all_day(50) };
    let parameters = Parameters { time_of_day: Some(time_of_day), ..Parameters::default() };
    let mut bench = Bench::new(Installed { zone: Span::from_s(8 * HOUR), ..INSTALLED }, parameters);
    bench.run(0);
    assert_eq!(bench.control.cap(), Some((Function::TimeOfDay, kw(50))), "midnight in London is eight in Beijing");
}

#[test]
fn a_rest_day_lasts_over_midnight_and_is_of_its_weekdays() {
    let rest_day = RestDay { set_point_kw: 60, start_half_h: 44, half_h: 8, weekdays: [1].into() };
    let mut bench = Bench::new(INSTALLED, Parameters { rest_day: Some(rest_day), ..Parameters::default() });
    let mut capped = Vec::new();
    for hour in 0..7 * 24 {
        bench.now = Timestamp::new((MONDAY + hour * HOUR) * 1_000);
        bench.run(0);
        capped.extend(bench.control.cap().map(|_| hour));
    }
    assert_eq!(capped, [22, 23, 24, 25]);
}

#[test]
fn a_suspension_holds_from_its_first_day_to_its_last() {
    let suspension = Suspension { from: "2026-01-06".into(), to: "2026-01-07".into(), set_point_kw: 60 };
    let mut bench = Bench::new(INSTALLED, Parameters { suspension: Some(suspension), ..Parameters::default() });
    let mut capped = Vec::new();
    for hour in 0..7 * 24 {
        bench.now = Timestamp::new((MONDAY + hour * HOUR) * 1_000);
        bench.run(0);
        capped.extend(bench.control.cap().map(|_| hour));
    }
    assert!(capped.iter().copied().eq(24..72));
}

#[test]
fn a_down_float_freezes_the_present_average_keeps_its_share_of_it_and_ends_by_itself() {
    let mut bench = Bench::new(INSTALLED, Parameters::default());
    bench.run(0);
    let float = DownFloat { window_min: 10, percent: -30, freeze_delay_min: 6, half_h: 2, warning_min: [1, 3, 0, 0] };
    bench.set(|it| it.down_float = Some(float));
    let log = bench.run(2 * HOUR);
    // 140 kW frozen after 10 min; a minute of average, a minute of warning. 100 kW are still more than 70 % of 140.
    assert_eq!(trips(&log), [(12 * MIN, 1), (12 * MIN + 2 * MIN + MIN + 3 * MIN, 2)]);
    let record = records(&log)[0];
    let Record::Control { function, set_point, before, after, frozen, .. } = record else { panic!("{record:?}") };
    assert_eq!((function, set_point), (Function::DownFloat, Some(kw(98))));
    assert_eq!((before, after, frozen), (kw(140), kw(100), Some(kw(100))));
    assert_eq!(permits(&log), [(HOUR, 1), (HOUR, 2)]);
    assert_eq!(bench.control.cap(), None);
    // The same words do not begin it anew, others do.
    assert_eq!(bench.set(|_| {}), []);
    bench.run(30 * MIN);
    assert_eq!(bench.control.cap(), None);
    bench.set(|it| it.down_float.as_mut().unwrap().percent = 20);
    bench.run(11 * MIN);
    assert_eq!(bench.control.cap(), Some((Function::DownFloat, kw(72))));
}

#[test]
fn down_float_goes_before_suspension_before_rest_day_before_time_of_day() {
    let parameters = Parameters {
        power_rounds: [].into(),
        time_of_day: Some(all_day(10)),
        rest_day: Some(RestDay { set_point_kw: 20, start_half_h: 0, half_h: 48, weekdays: (1..=7).collect() }),
        suspension: Some(Suspension { from: "2026-01-01".into(), to: "2026-12-31".into(), set_point_kw: 30 }),
        down_float: Some(DownFloat { window_min: 1, percent: 0, freeze_delay_min: 2, half_h: 0, warning_min: [0; 4] }),
        ..Parameters::default()
    };
    let mut bench = Bench::new(INSTALLED, parameters);
    let cap = |bench: &mut Bench| {
        bench.run(2 * MIN);
        bench.control.cap().unwrap()
    };
    assert_eq!(cap(&mut bench), (Function::DownFloat, kw(140)));
    bench.set(|it| it.down_float = None);
    assert_eq!(cap(&mut bench), (Function::Suspension, kw(30)));
    bench.set(|it| it.suspension = None);
    assert_eq!(cap(&mut bench), (Function::RestDay, kw(20)));
    bench.set(|it| it.rest_day = None);
    assert_eq!(cap(&mut bench), (Function::TimeOfDay, kw(10)));
    // What the centre commands now counts where it is lower.
    bench.control.set_cap(Some(kw(15)));
    assert_eq!(cap(&mut bench), (Function::TimeOfDay, kw(10)));
    bench.control.set_cap(Some(kw(5)));
    assert_eq!(cap(&mut bench), (Function::CentreCap, kw(5)));
}

#[test]
fn a_months_energy_warns_trips_its_rounds_and_lets_go_with_the_month() {
    let monthly = MonthlyEnergy { kwh: 200, warning_percent: 50, float_percent: -50 };
    let energy_rounds = [round(1), round(3)].into();
    let mut bench =
        Bench::new(INSTALLED, Parameters { monthly: Some(monthly), energy_rounds, ..Parameters::default() });
    let log = bench.run(HOUR);
    // 100 kWh at 140 kW, and one round at each look.
    let trip_at = 2_580;
    assert!(trips(&log).iter().map(|(s, _)| *s).eq([trip_at, trip_at + 10]), "{log:?}");
    assert!(trips(&log).iter().map(|(_, round)| *round).eq([1, 3]));
    let alarm = records(&log)[0];
    assert!(matches!(alarm, Record::EnergyAlarm { function: Function::Monthly, .. }), "{alarm:?}");
    let functions: Vec<_> = records(&log)[1..]
        .iter()
        .map(|record| if let Record::Control { function, .. } = record { *function } else { panic!("{record:?}") })
        .collect();
    assert_eq!(functions, [Function::Monthly; 2]);
    assert_eq!(permits(&bench.run(HOUR)), []);
    bench.now = Timestamp::new(Timestamp::day_of_date("2026-02-01").unwrap() * 86_400_000);
    assert_eq!(permits(&bench.run(HALF_HOUR)), [(0, 1), (0, 3)]);
    assert_eq!(bench.positions, [SwitchPosition::Open, SwitchPosition::Closed, SwitchPosition::Open]);
}

#[test]
fn what_was_bought_runs_out_and_the_next_purchase_lets_the_rounds_go_once() {
    let prepaid = Prepaid { warning_kwh: 50, trip_kwh: 10 };
    let buy = |order, mode, kwh| move |it: &mut Parameters| it.purchase = Some(Purchase { order, mode, kwh });
    let mut bench = Bench::new(INSTALLED, Parameters { prepaid: Some(prepaid), ..Parameters::default() });
    bench.set(buy(7, PurchaseMode::Append, 100));
    let log = bench.run(2 * HOUR);
    let alarms = records(&log).iter().filter(|record| matches!(record, Record::EnergyAlarm { .. })).count();
    assert_eq!((alarms, trips(&log).len()), (1, 2), "the floor keeps the third: {log:?}");
    let left = bench.control.state().left();
    assert!(left < Energy::new(10_000), "{left}");
    // A known number is not applied again, whatever it says.
    let acts = bench.set(buy(7, PurchaseMode::Append, 500));
    assert_eq!(acts, [Act::Record(Record::ParametersChanged { at: bench.now })]);
    assert_eq!(permits(&bench.run(MIN)), []);
    let before = bench.control.state().left();
    let acts = bench.set(buy(8, PurchaseMode::Append, 500));
    let after = before + Energy::new(500_000);
    let purchase = Record::Purchase { at: bench.now, order: 8, mode: PurchaseMode::Append, before, after };
    assert_eq!(acts[0], Act::Record(purchase));
    assert_eq!(permits(&bench.run(MIN)), [(0, 1), (0, 2)]);
    bench.set(buy(9, PurchaseMode::Refresh, 70));
    assert_eq!(bench.control.state().left(), Energy::new(70_000));
}

#[test]
fn never_shed_protected_a_guarantee_blocks_every_trip_lets_go_what_was_tripped_and_ends_by_itself() {
    let mut bench = Bench::new(INSTALLED, Parameters { time_of_day: Some(all_day(90)), ..Parameters::default() });
    assert_eq!(trips(&bench.run(5 * MIN)), [(180, 1)]);
    bench.set(|it| it.guarantee = Guarantee { on: true, half_h: 2, automatic_after_h: 0 });
    assert_eq!(bench.remote(2, 0, 0), Err(Forbidden::Guaranteed), "from now on, not from the next look");
    let begun = bench.now;
    let log = bench.run(HOUR - 10);
    assert_eq!((trips(&log), permits(&log)), (vec![], vec![(0, 1)]));
    let told = Record::Guarantee { at: begun, on: true, automatic: false };
    assert!(records(&log).contains(&told));
    assert_eq!(trips(&bench.run(10 * MIN)).len(), 1, "it is over after an hour");
}

#[test]
fn a_guarantee_comes_by_itself_when_no_centre_is_heard_and_goes_with_its_voice() {
    let guarantee = Guarantee { on: false, half_h: 0, automatic_after_h: 3 };
    let mut bench = Bench::new(INSTALLED, Parameters { guarantee, ..Parameters::default() });
    bench.run(0);
    bench.linked = false;
    let log = bench.run(4 * HOUR);
    let begun = Timestamp::new((MONDAY + 3 * HOUR) * 1_000);
    assert_eq!(records(&log), [Record::Guarantee { at: begun, on: true, automatic: true }]);
    assert_eq!(bench.remote(1, 0, 0), Err(Forbidden::Guaranteed));
    bench.linked = true;
    bench.run(0);
    assert!(bench.remote(1, 0, 0).is_ok());
}

#[test]
fn after_a_restart_guarantee_holds_and_known_purchases_are_what_they_were() {
    let mut bench = Bench::new(INSTALLED, Parameters { prepaid: Some(Prepaid::default()), ..Parameters::default() });
    bench.run(0);
    bench.set(|it| {
        it.guarantee = Guarantee { on: true, half_h: 2, automatic_after_h: 0 };
        it.purchase = Some(Purchase { order: 3, mode: PurchaseMode::Append, kwh: 5 });
    });
    bench.run(HALF_HOUR);
    let kept = serde_json::to_string(bench.control.state()).unwrap();
    let state: State = serde_json::from_str(&kept).unwrap();
    let parameters = bench.control.parameters().clone();
    let left = bench.control.state().left();
    bench.control = LocalControl::new(INSTALLED, parameters, state, bench.now);
    assert_eq!(bench.remote(1, 0, 0), Err(Forbidden::Guaranteed), "before the first look");
    bench.set(|it| it.purchase = Some(Purchase { order: 3, mode: PurchaseMode::Append, kwh: 50 }));
    assert_eq!(bench.control.state().left(), left);
    bench.run(HALF_HOUR);
    assert!(bench.remote(1, 0, 0).is_ok());
}

#[test]
fn a_record_that_is_being_measured_is_kept_over_a_restart_and_told_once() {
    let mut bench = Bench::new(INSTALLED, Parameters::default());
    bench.remote(1, 0, 0).unwrap();
    let restart = |bench: &mut Bench| {
        let state = serde_json::from_str(&serde_json::to_string(bench.control.state()).unwrap()).unwrap();
        bench.control = LocalControl::new(INSTALLED, Parameters::default(), state, bench.now);
    };
    bench.run(MIN);
    restart(&mut bench);
    assert_eq!(records(&bench.run(50)), []);
    let revision = bench.control.revision();
    let log = records(&bench.run(20));
    let [Record::Control { function: Function::Remote, before, after, .. }] = log[..] else { panic!("{log:?}") };
    assert_eq!((before, after), (kw(140), kw(100)));
    assert!(bench.control.revision() > revision, "a restart is to know that it was told");
    restart(&mut bench);
    assert_eq!(records(&bench.run(300)), []);
    // Two minutes that passed without power: the first measurement after it.
    bench.remote(2, 0, 0).unwrap();
    restart(&mut bench);
    bench.now = bench.now.after(Span::from_s(HOUR));
    assert_eq!(records(&bench.run(0)).len(), 1);
}

#[test]
fn a_clock_that_is_set_shortens_no_lock_and_no_guarantee_and_the_warning_goes_on() {
    let guarantee = Guarantee { on: true, half_h: 1, automatic_after_h: 0 };
    let mut bench = Bench::new(INSTALLED, Parameters { guarantee, trip_lock_min: 5, ..Parameters::default() });
    let set = |bench: &mut Bench, by_s| {
        bench.now = bench.now.after(Span::from_s(by_s));
        bench.control.clock_set(Span::from_s(by_s));
    };
    bench.run(MIN);
    set(&mut bench, 10 * HOUR);
    bench.run(MIN);
    assert_eq!(bench.remote(1, 0, 0), Err(Forbidden::Guaranteed));
    bench.set(|it| it.guarantee.on = false);
    bench.run(0);
    assert_eq!(bench.remote(1, 0, 0), Err(Forbidden::PowerOn(Span::from_s(3 * MIN))));
    bench.run(4 * MIN);
    bench.remote(1, 0, 10).unwrap();
    set(&mut bench, -24 * HOUR);
    assert_eq!(trips(&bench.run(HOUR)), [(10 * MIN, 1)]);
}

#[test]
fn the_power_on_lock_lets_no_trip_through() {
    let parameters = Parameters { trip_lock_min: 10, time_of_day: Some(all_day(90)), ..Parameters::default() };
    let mut bench = Bench::new(INSTALLED, parameters);
    assert_eq!(bench.remote(1, 0, 0), Err(Forbidden::PowerOn(Span::from_s(600))));
    assert_eq!(trips(&bench.run(20 * MIN)), [(780, 1), (1_080, 2)]);
}

#[test]
fn the_customer_is_reminded_once_in_each_hour_of_the_mask_and_shown_a_text_once() {
    let mut bench = Bench::new(INSTALLED, Parameters { reminder_hours: [1, 23].into(), ..Parameters::default() });
    let log = bench.run(48 * HOUR - 10);
    let reminded: Vec<_> = log.iter().filter(|(_, act)| *act == Act::Remind).map(|(s, _)| s / HOUR).collect();
    assert_eq!(reminded, [1, 23, 25, 47]);
    let acts = bench.set(|it| it.message = "支付电费".to_owned());
    assert_eq!(acts[0], Act::Show("支付电费".to_owned()));
    assert_eq!(bench.set(|it| it.exclusion = true).len(), 1);
}

#[test]
fn values_out_of_their_range_are_named_and_change_nothing() {
    let mut bench = Bench::new(INSTALLED, Parameters::default());
    let mut refused = |change: fn(&mut Parameters)| {
        let mut parameters = Parameters::default();
        change(&mut parameters);
        let mut acts = Vec::new();
        let error = bench.control.set(bench.now, parameters, &mut acts).unwrap_err();
        assert_eq!((acts.len(), bench.control.parameters()), (0, &Parameters::default()));
        error.to_string()
    };
    assert_eq!(refused(|it| it.window_min = 61), "window_min = 61: wanted 1 to 60 min");
    assert_eq!(refused(|it| it.warning_min[7] = 16), "warning_min = 16: wanted 0 to 15 min for each of eight rounds");
    assert_eq!(refused(|it| it.trip_lock_min = 4), "trip_lock_min = 4: wanted 0, or 5 to 10 min");
    assert_eq!(refused(|it| it.remote.half_h = 16), "remote.half_h = 16: wanted 0 to 15 half hours");
    assert!(refused(|it| it.message = "a\u{1b}[2J".into()).contains("none of them control codes"));
    let bad_slots = |it: &mut Parameters| it.time_of_day = Some(TimeOfDay { slots: "9".repeat(48), ..all_day(1) });
    assert!(refused(bad_slots).starts_with("time_of_day.slots = 999"));
    let back = |it: &mut Parameters| {
        it.suspension = Some(Suspension { from: "2026-02-01".into(), to: "2026-01-31".into(), set_point_kw: 1 });
    };
    assert!(refused(back).starts_with("suspension.to = 2026-01-31: wanted"));
    assert!(refused(|it| it.prepaid = Some(Prepaid { warning_kwh: 1, trip_kwh: 2 })).starts_with("prepaid.trip_kwh"));
}

#[test]
fn every_parameter_has_a_line_of_its_own() {
    let all = Parameters {
        time_of_day: Some(TimeOfDay::default()),
        rest_day: Some(RestDay::default()),
        suspension: Some(Suspension::default()),
        down_float: Some(DownFloat::default()),
        monthly: Some(MonthlyEnergy::default()),
        prepaid: Some(Prepaid::default()),
        purchase: Some(Purchase::default()),
        ..Parameters::default()
    };
    let keys: std::collections::BTreeSet<_> = all.entries().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), all.entries().len());
    // Each leaf of its JSON, but that a scheme is one line.
    let json = serde_json::to_value(&all).unwrap();
    let leaves: usize =
        json.as_object().unwrap().values().map(|it| it.as_object().map_or(1, |table| table.len())).sum();
    assert_eq!(keys.len(), leaves + 2);
}

#[test]
fn a_trip_orders_octet_is_the_standards() {
    assert_eq!(Remote::from_octet(0x53), Remote { warning_min: 5, half_h: 3 });
    assert!((0..=255).all(|octet| Remote::from_octet(octet).octet() == Some(octet)));
    assert_eq!(Remote { half_h: 16, warning_min: 0 }.octet(), None);
}

/// What may happen between two looks.
#[derive(Clone, Debug)]
enum Event {
    Load { behind: i32, rest: i32 },
    Close(u8),
    Set(Box<Parameters>),
    Cap(i32),
    Remote { round: u8, half_h: u8, warning_min: u8 },
    Release(u8),
    Link(bool),
    Restart,
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let caps = (0..200_u32, 0..4_u8, any::<bool>(), 0..200_u32, any::<bool>(), -79..=79_i8);
    let guarantee = (any::<bool>(), 0..3_u8, 0..2_u8);
    let energy = (any::<bool>(), 1..60_u32, any::<bool>(), 0..20_u32, 0..4_u32);
    (0..80_u32, 1..5_u8, 0..3_u8, caps, guarantee, energy).prop_map(
        |(floor_kw, window_min, warning, caps, guarantee, energy)| {
            let (cap, scheme, resting, rest_kw, floating, percent) = caps;
            let (on, half_h, automatic_after_h) = guarantee;
            let (monthly, month_kwh, prepaid, bought, order) = energy;
            Parameters {
                floor_kw,
                window_min,
                warning_min: [warning; 8],
                trip_lock_min: if floor_kw % 3 == 0 { 5 } else { 0 },
                guarantee: Guarantee { on: on && half_h > 0, half_h, automatic_after_h },
                time_of_day: Some(TimeOfDay { scheme, ..all_day(cap) }),
                rest_day: resting.then(|| RestDay {
                    set_point_kw: rest_kw,
                    start_half_h: 0,
                    half_h: 48,
                    weekdays: (1..=7).collect(),
                }),
                down_float: floating.then_some(DownFloat {
                    window_min,
                    percent,
                    freeze_delay_min: 3,
                    half_h: 1,
                    warning_min: [warning; 4],
                }),
                monthly: monthly.then_some(MonthlyEnergy { kwh: month_kwh, warning_percent: 80, float_percent: 0 }),
                prepaid: prepaid.then_some(Prepaid { warning_kwh: 9, trip_kwh: 3 }),
                purchase: (order > 0).then_some(Purchase { order, mode: PurchaseMode::Append, kwh: bought }),
                ..Parameters::default()
            }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..60, -20..150).prop_map(|(behind, rest)| Event::Load { behind, rest }),
        3 => (0..3_u8).prop_map(Event::Close),
        3 => parameters().prop_map(|it| Event::Set(Box::new(it))),
        1 => (-10..150).prop_map(Event::Cap),
        2 => (1..=3_u8, 0..3_u8, 0..4_u8).prop_map(|(round, half_h, warning_min)| Event::Remote { round, half_h, warning_min }),
        1 => (1..=3_u8).prop_map(Event::Release),
        1 => any::<bool>().prop_map(Event::Link),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_protection_holds_one_look_trips_one_round_and_a_purchase_is_applied_once(
        events in proptest::collection::vec((event(), 0..90_i64), 1..30),
    ) {
        let mut bench = Bench::new(INSTALLED, Parameters::default());
        let mut applied = std::collections::BTreeSet::new();
        let mut powered = bench.now;
        for (event, looks) in events {
            let mut acts = Vec::new();
            let mut given = Ok(());
            match event {
                Event::Load { behind, rest } => (bench.behind, bench.rest) = (kw(behind), kw(rest)),
                // By hand: control has no act that could.
                Event::Close(at) => bench.positions[usize::from(at)] = SwitchPosition::Closed,
                Event::Set(parameters) => bench.control.set(bench.now, *parameters, &mut acts).unwrap(),
                Event::Cap(cap) => bench.control.set_cap(Some(kw(cap))),
                Event::Remote { round: number, half_h, warning_min } => {
                    let seen = bench.seen();
                    given = bench.control.remote_trip(&seen, round(number), Remote { half_h, warning_min }, &mut acts);
                }
                Event::Release(number) => bench.control.remote_release(round(number), &mut acts),
                Event::Link(linked) => bench.linked = linked,
                Event::Restart => {
                    let kept = serde_json::to_string(bench.control.state()).unwrap();
                    let parameters = bench.control.parameters().clone();
                    bench.control = LocalControl::new(INSTALLED, parameters, serde_json::from_str(&kept).unwrap(), bench.now);
                    powered = bench.now;
                }
            }
            prop_assert!(given.is_ok() || acts.is_empty());
            for look in 0..=looks {
                if look > 0 {
                    bench.now = bench.now.after(Span::from_s(20));
                    bench.control.look(&bench.seen(), &mut acts);
                }
                let tripped: Vec<_> = acts.iter().filter_map(|act| if let Act::Trip(round) = act { Some(*round) } else { None }).collect();
                prop_assert!(tripped.len() <= 1, "{acts:?}");
                for round in tripped {
                    let seen = bench.seen();
                    let lock = i64::from(bench.control.parameters().trip_lock_min) * MIN;
                    prop_assert!(bench.now.since(powered) >= Span::from_s(lock));
                    prop_assert!(!bench.control.guaranteed());
                    let behind = seen.closed(round).unwrap().max(Power::ZERO);
                    prop_assert!(seen.power - behind >= bench.control.floor(), "{} - {behind}", seen.power);
                }
                for act in &acts {
                    if let Act::Record(Record::Purchase { order, .. }) = act {
                        prop_assert!(applied.insert(*order), "order {order} twice");
                    }
                    if let Act::Permit(round) = act {
                        prop_assert!(!bench.control.held(*round));
                    }
                }
                let positions = bench.positions;
                bench.obey(&acts);
                for (before, after) in positions.iter().zip(bench.positions) {
                    prop_assert!(*before == SwitchPosition::Closed || after == *before);
                }
                let drawn = bench.seen().power.over(Span::from_s(20));
                bench.energy += drawn.max(Energy::ZERO);
                acts.clear();
            }
        }
    }
}
