use std::time::Instant;

use headroom_rules::local_control::Remote;

use super::*;
use crate::iec104::apci::{self, Frame};
use crate::iec104::asdu::Bcr;
use crate::iec104::controlled::Session;
use crate::iec104::files::events;
use crate::iec104::time::Zone;
use crate::iec104::{CommandValue, ConnectionId, StationConfig, Value};

const LINK: ConnectionId = ConnectionId(1);

mod wire;

#[derive(Clone)]
struct Bench {
    now: Timestamp,
    sample: Sample,
    pulses: Vec<(u8, bool, i64)>,
    kept: Option<String>,
    /// Texts on the customer's display.
    shown: Vec<String>,
    /// All else that the customer is told, and when.
    told: Vec<(i64, Notice)>,
}

impl Site for Bench {
    fn sample(&mut self) -> Sample {
        let mut sample = self.sample;
        for round in sample.rounds.iter().flatten() {
            sample.power += round.power;
        }
        sample
    }
    fn now(&self) -> Timestamp {
        self.now
    }
    fn pulse(&mut self, round: RoundNo, closed: bool, length: Span) {
        self.pulses.push((round.get(), closed, length.get()));
        self.switch(round, closed);
    }
    fn kept(&mut self) -> Option<String> {
        self.kept.clone()
    }
    fn keep(&mut self, text: &str) {
        self.kept = Some(text.to_owned());
    }
    fn switch(&mut self, round: RoundNo, closed: bool) {
        let (position, power) = if closed { (SwitchPosition::Closed, 20) } else { (SwitchPosition::Open, 0) };
        self.sample.rounds[usize::from(round.get() - 1)] = Some(RoundSample { power: Power::from_kw(power), position });
    }
    fn notify(&mut self, notice: &Notice) {
        if let Notice::Text(text) = notice {
            self.shown.push(text.clone());
        } else {
            self.told.push((self.now.get() / 1_000, notice.clone()));
        }
    }
}

/// 100 kW contract; 20 kW that cannot be switched and two rounds of 20 kW; started at 0, now at 10 min.
fn agent(guaranteed: bool) -> Agent<Bench> {
    let mut sample = Sample {
        power: Power::from_kw(20),
        reactive_var: 0,
        voltage: [Voltage::new(230_000); 3],
        current: [Current::new(60_000); 3],
        energy: Energy::new(5_000),
        rounds: [None; 8],
        cover_open: false,
    };
    let closed = RoundSample { power: Power::from_kw(20), position: SwitchPosition::Closed };
    sample.rounds[0] = Some(closed);
    sample.rounds[1] = Some(closed);
    let config = AgentConfig {
        common_address: 9,
        profile: Profile::standard(),
        contract: Power::from_kw(100),
        guaranteed,
        trip_lock: Span::from_s(300),
        report_every: Span::from_s(60),
        floor: Power::from_kw(30),
        control: Parameters { warning_min: [1; 8], ..Parameters::default() },
    };
    let site =
        Bench { now: Timestamp::new(0), sample, pulses: Vec::new(), kept: None, shown: Vec::new(), told: Vec::new() };
    let mut agent = Agent::new(config, site);
    agent.site_mut().now = Timestamp::new(600_000);
    agent.interrogated(&mut Vec::new());
    agent
}

fn scan(agent: &mut Agent<Bench>) -> Vec<(u32, Value, u8)> {
    let mut out = Vec::new();
    agent.spontaneous(&mut out);
    out.iter().map(|object| (object.ioa, object.value, object.cause)).collect()
}

#[test]
fn a_change_within_the_deadband_is_not_reported_and_creeping_adds_up() {
    let mut agent = agent(false);
    assert_eq!(scan(&mut agent), []);
    agent.site_mut().sample.power = Power::new(20_600);
    assert_eq!(scan(&mut agent), []);
    agent.site_mut().sample.power = Power::new(21_000);
    assert_eq!(scan(&mut agent), [(2001, Value::Float(61.0), 3)]);
    assert_eq!(scan(&mut agent), []);
}

#[test]
fn active_power_is_reported_when_due_though_nothing_changed() {
    let mut agent = agent(false);
    agent.site_mut().now = Timestamp::new(660_000);
    let mut out = Vec::new();
    agent.spontaneous(&mut out);
    // With its time, M_ME_TF_1, which is not sent with cause 1.
    let told: Vec<_> = out.iter().map(|object| (object.ioa, object.value, object.cause, object.time)).collect();
    assert_eq!(told, [(2001, Value::Float(60.0), 3, Some(Timestamp::new(660_000)))]);
    assert_eq!(scan(&mut agent), []);
}

#[test]
fn a_trip_moves_the_switch_at_execute_only_and_returns_time_tagged() {
    let mut agent = agent(false);
    assert_eq!(
        agent.command(StationCommand::new(6001, CommandValue::Double(false), Step::Select)),
        CommandAnswer::Accepted
    );
    assert_eq!(scan(&mut agent), []);
    assert_eq!(
        agent.command(StationCommand::new(6001, CommandValue::Double(false), Step::Execute)),
        CommandAnswer::Accepted
    );
    let mut out = Vec::new();
    agent.spontaneous(&mut out);
    let position = out.iter().find(|object| object.ioa == 1001).unwrap();
    assert_eq!((position.value, position.cause), (Value::Double(SwitchPosition::Open), 11));
    assert_eq!(position.time, Some(Timestamp::new(600_000)));
}

#[test]
fn a_guaranteed_customer_refuses_every_trip_remote_or_local() {
    let mut agent = agent(true);
    for step in [Step::Select, Step::Execute] {
        assert_eq!(agent.command(StationCommand::new(6001, CommandValue::Double(false), step)), CommandAnswer::Refused);
    }
    assert_eq!(
        agent.command(StationCommand::new(6101, CommandValue::SetFloat(10.0), Step::Execute)),
        CommandAnswer::Accepted
    );
    for s in 600..1_200 {
        agent.site_mut().now = Timestamp::new(s * 1_000);
        scan(&mut agent);
    }
    assert_eq!(agent.site_mut().sample().power, Power::from_kw(60));
}

#[test]
fn the_power_on_lock_refuses_trips_and_permits_restoring() {
    let mut agent = agent(false);
    agent.site_mut().now = Timestamp::new(299_999);
    assert_eq!(
        agent.command(StationCommand::new(6001, CommandValue::Double(false), Step::Execute)),
        CommandAnswer::Refused
    );
    assert_eq!(
        agent.command(StationCommand::new(6001, CommandValue::Double(true), Step::Execute)),
        CommandAnswer::Accepted
    );
}

#[test]
fn a_cap_trips_the_lowest_round_first_and_never_goes_under_the_floor() {
    let mut agent = agent(false);
    assert_eq!(
        agent.command(StationCommand::new(6101, CommandValue::SetFloat(10.0), Step::Execute)),
        CommandAnswer::Accepted
    );
    assert_eq!(scan(&mut agent), [(2101, Value::Float(10.0), 3)]);
    let mut opened = Vec::new();
    for s in 600..1_800 {
        agent.site_mut().now = Timestamp::new(s * 1_000);
        opened.extend(scan(&mut agent).iter().map(|told| told.0).filter(|ioa| (1001..=1008).contains(ioa)));
    }
    // The second trip would leave 20 kW of a floor of 30.
    assert_eq!(opened, [1001]);
}

#[test]
fn a_foreign_address_or_an_unwired_round_is_unknown() {
    let mut agent = agent(false);
    assert_eq!(
        agent.command(StationCommand::new(6003, CommandValue::Double(false), Step::Select)),
        CommandAnswer::UnknownObject
    );
    assert_eq!(
        agent.command(StationCommand::new(7000, CommandValue::Double(false), Step::Select)),
        CommandAnswer::UnknownObject
    );
}

#[test]
fn a_clock_that_was_set_is_what_time_tags_carry() {
    let mut agent = agent(false);
    assert!(agent.set_clock(Timestamp::new(1_000_000)));
    let mut out = Vec::new();
    agent.counters(&mut out);
    assert_eq!(
        out.first().map(|object| (object.time, object.value)),
        Some((Some(Timestamp::new(1_000_000)), Value::Counter(Bcr::new(50))))
    );
}

#[test]
fn never_shed_protected_holds_at_the_terminal_too() {
    let mut agent = agent(false);
    let trip = CommandValue::Double(false);
    // 60 kW, a floor of 30, and 20 behind each round.
    for (ioa, wanted) in [(6001, CommandAnswer::Accepted), (6002, CommandAnswer::Refused)] {
        for step in [Step::Select, Step::Execute] {
            assert_eq!(agent.command(StationCommand::new(ioa, trip, step)), wanted, "{ioa}");
        }
    }
    assert_eq!(
        agent.command(StationCommand::new(6002, CommandValue::Double(true), Step::Select)),
        CommandAnswer::Accepted
    );
}

/// The message of the one I frame that the station has to say.
fn answer(session: &mut Session<Agent<Bench>>) -> Vec<u8> {
    let (_, bytes) = session.next_output().unwrap();
    let Ok(Some((Frame::I { asdu, .. }, _))) = apci::split(&bytes) else { panic!("{bytes:02x?}") };
    asdu.to_vec()
}

#[test]
fn a_single_command_is_obeyed_after_its_select() {
    let mut agent = agent(false);
    let map = "points = []\n[[commands.rounds]]\nround = 1\nioa = 7\ntype = \"single\"\n";
    agent.config.profile = Profile::parse(map).unwrap();
    let now = Instant::now();
    let mut session = Session::new(StationConfig::new(9), agent, now);
    session.on_connected(now, LINK);
    session.on_bytes(now, LINK, &[0x68, 4, 0x07, 0, 0, 0]);
    let _ = session.next_output();
    // C_SC_NA_1 (45), activation, address 9, object 7; SCO: S/E = 1 with SCS = 0, then S/E = 0.
    session.on_bytes(now, LINK, &[0x68, 14, 0, 0, 0, 0, 45, 1, 6, 0, 9, 0, 7, 0, 0, 0x80]);
    assert_eq!(answer(&mut session), [45, 1, 7, 0, 9, 0, 7, 0, 0, 0x80]);
    let closed = |session: &Session<Agent<Bench>>| session.station().site().sample.rounds[0].unwrap().position;
    assert_eq!(closed(&session), SwitchPosition::Closed, "a select moves nothing");
    session.on_bytes(now, LINK, &[0x68, 14, 2, 0, 0, 0, 45, 1, 6, 0, 9, 0, 7, 0, 0, 0x00]);
    assert_eq!(answer(&mut session), [45, 1, 7, 0, 9, 0, 7, 0, 0, 0x00]);
    assert_eq!(closed(&session), SwitchPosition::Open);
}

#[test]
fn a_notice_in_the_settings_file_is_shown_each_time_it_comes_changes_no_setting_and_is_not_kept() {
    let mut agent = agent(false);
    let before = agent.read_file(SETTINGS_FILE).unwrap();
    let text = notice_text("停电 from \"22:15\"");
    assert!(agent.write_file(SETTINGS_FILE, text.as_bytes()));
    assert!(agent.write_file(SETTINGS_FILE, text.as_bytes()));
    assert_eq!(agent.site().shown, ["停电 from \"22:15\"", "停电 from \"22:15\""]);
    assert_eq!(agent.read_file(SETTINGS_FILE).unwrap(), before);
    assert!(!agent.write_file(SETTINGS_FILE, b"notice = ''"));
    assert!(!agent.write_file(SETTINGS_FILE, notice_text(&"x".repeat(201)).as_bytes()));
    assert_eq!(agent.site().shown.len(), 2);
}

fn moved(agent: &mut Agent<Bench>, at_s: i64, change: impl FnOnce(&mut Sample)) -> Vec<(u32, Value, u8)> {
    agent.site_mut().now = Timestamp::new(at_s * 1_000);
    change(&mut agent.site_mut().sample);
    scan(agent)
}

#[test]
fn an_event_between_two_scans_is_told_though_an_interrogation_or_a_read_came_first() {
    let mut agent = agent(false);
    agent.site_mut().sample.cover_open = true;
    agent.site_mut().sample.rounds[1] = Some(RoundSample { power: Power::ZERO, position: SwitchPosition::Open });
    let mut out = Vec::new();
    agent.interrogated(&mut out);
    let cover = out.iter().find(|object| object.value == Value::Single(true)).unwrap().ioa;
    assert_eq!(agent.read(cover).map(|object| object.value), Some(Value::Single(true)));
    let position = (1002, Value::Double(SwitchPosition::Open), 3);
    assert_eq!(scan(&mut agent), [position, (cover, Value::Single(true), 3)]);
    assert_eq!(scan(&mut agent), []);
}

#[test]
fn the_record_holds_positions_cover_cap_and_losses_of_supply_with_their_times() {
    let mut agent = agent(false);
    let open = RoundSample { power: Power::ZERO, position: SwitchPosition::Open };
    moved(&mut agent, 601, |sample| sample.rounds[0] = Some(open));
    moved(&mut agent, 602, |sample| sample.cover_open = true);
    assert_eq!(
        agent.command(StationCommand::new(6101, CommandValue::SetFloat(90.0), Step::Execute)),
        CommandAnswer::Accepted
    );
    moved(&mut agent, 603, |_| {});
    moved(&mut agent, 604, |sample| sample.voltage = [Voltage::ZERO; 3]);
    moved(&mut agent, 605, |sample| sample.voltage = [Voltage::new(230_000); 3]);
    let times = |octets: &[u8]| -> Vec<i64> {
        events(octets, Zone::UTC).unwrap().iter().map(|event| event.time.unwrap().get() / 1_000).collect()
    };
    let file = agent.read_file(EVENT_FILE).unwrap();
    assert_eq!(times(&file), [601, 602, 603, 604, 605]);
    assert_eq!(events(&file, Zone::UTC).unwrap()[0].value, Value::Double(SwitchPosition::Open));
    let at = |s: i64| Some(Timestamp::new(s * 1_000));
    assert_eq!(times(&agent.query_log(EVENT_FILE, at(602), at(604)).unwrap()), [602, 603, 604]);
    assert_eq!(times(&agent.query_log(EVENT_FILE, at(605), None).unwrap()), [605]);
    assert_eq!(agent.query_log(SETTINGS_FILE, None, None), None);
    for s in 0..2_000 {
        moved(&mut agent, 1_000 + s, |sample| sample.cover_open = s % 2 == 0);
    }
    assert_eq!(times(&agent.read_file(EVENT_FILE).unwrap()).len(), 1_024);
    // A file that is cut, or no such file.
    assert!(events(&file[..file.len() - 1], Zone::UTC).is_err() && events(b"cap", Zone::UTC).is_err());
}

#[test]
fn settings_that_the_centre_sent_are_in_force_and_read_back_and_bad_ones_are_not_taken() {
    let mut agent = agent(false);
    let text = b"deadband_percent = 5 # of the contract\nreport_every_s = 300\n[control]\nfloor_kw = 40\n";
    assert!(agent.takes_file(SETTINGS_FILE, 60) && !agent.takes_file(EVENT_FILE, 60));
    assert!(agent.write_file(SETTINGS_FILE, text));
    let read_back = |agent: &mut Agent<Bench>| String::from_utf8(agent.read_file(SETTINGS_FILE).unwrap()).unwrap();
    let in_force = read_back(&mut agent);
    let settings = Settings::usual().with(&in_force).unwrap();
    assert_eq!(
        (settings.deadband_percent, settings.report_every, settings.control.floor_kw),
        (5, Span::from_s(300), 40)
    );
    assert_eq!(settings.text(), in_force, "what is read back can be sent as it is");
    let told = moved(&mut agent, 660, |sample| sample.power += Power::from_kw(4));
    assert_eq!(told, [(5001, Value::Float(3.0), 3), (2102, Value::Float(40.0), 3)], "no load: its deadband is 5 kW");
    assert!(moved(&mut agent, 661, |sample| sample.power += Power::from_kw(1)).contains(&(
        2001,
        Value::Float(65.0),
        3
    )));
    for bad in [
        "",
        "report_every_s = 0",
        "deadband_percent = 51",
        "x = 1",
        "\u{1b}",
        "[control]\nfloor = 1",
        "[control]\nwindow_min = 61",
        "[control.guarantee]\nhalf_h = 49",
    ] {
        assert!(!agent.write_file(SETTINGS_FILE, bad.as_bytes()), "{bad}");
    }
    assert!(!agent.write_file(SETTINGS_FILE, &[0xFF, 0xFE]));
    assert_eq!(read_back(&mut agent), in_force);
    assert!(agent.write_file(SETTINGS_FILE, b"deadband_percent = 6"));
    assert_eq!(read_back(&mut agent), in_force.replace("deadband_percent = 5", "deadband_percent = 6"));
    let mut files = Vec::new();
    agent.files(&mut files);
    let listed = files.iter().find(|info| info.file == SETTINGS_FILE).unwrap();
    assert_eq!(listed.length, u32::try_from(in_force.len()).unwrap());
}

/// Looks each 10 s until then.
fn work(agent: &mut Agent<Bench>, until_s: i64) -> Vec<Object> {
    let mut told = Vec::new();
    while agent.site().now < Timestamp::new(until_s * 1_000) {
        let site = agent.site_mut();
        site.now = site.now.after(Span::from_s(10));
        // 60 kW.
        site.sample.energy += Power::from_kw(60).over(Span::from_s(10));
        agent.spontaneous(&mut told);
    }
    told.retain(|object| matches!(object.ioa, 2201 | 3001..=3014));
    told
}

#[test]
fn the_quarters_values_are_told_when_it_ends_while_a_link_carries_them_and_are_in_the_file_in_any_case() {
    let mut agent = agent(false);
    assert_eq!(work(&mut agent, 1_800), [], "nobody hears");
    agent.carried(true);
    let told = work(&mut agent, 2_700);
    let end = Some(Timestamp::new(2_700_000));
    let what: Vec<_> = told.iter().map(|object| (object.ioa, object.value, object.time, object.cause)).collect();
    // 5 kWh at 10 min and 35 min of 60 kW; the counter's unit is 100 Wh, and each look of 10 s lost two thirds of a Wh.
    assert_eq!(what, [(2201, Value::Float(60.0), end, 3), (3001, Value::Counter(Bcr::new(399)), end, 3)]);
    assert_eq!(agent.read(2201).map(|object| (object.value, object.time)), Some((Value::Float(60.0), end)));

    let listed = |octets: &[u8]| -> Vec<(u32, i64, bool)> {
        let objects = events(octets, Zone::UTC).unwrap();
        objects.iter().map(|o| (o.ioa, o.time.unwrap().get() / 900_000, o.quality.decides())).collect()
    };
    // The first was measured from its tenth minute on.
    let curve = [(2201, 1, false), (2201, 2, true), (2201, 3, true)];
    let registers = [(3001, 1, true), (3001, 2, true), (3001, 3, true)];
    let file = agent.read_file(CURVE_FILE).unwrap();
    assert_eq!(listed(&file), [curve, registers].concat());
    let asked = agent.query_log(CURVE_FILE, Some(Timestamp::new(1_000_000)), Some(Timestamp::new(1_800_000)));
    assert_eq!(listed(&asked.unwrap()), [(2201, 2, true), (3001, 2, true)]);
    let mut files = Vec::new();
    agent.files(&mut files);
    let entry = files.iter().find(|info| info.file == CURVE_FILE).unwrap();
    assert_eq!((entry.length, entry.created), (u32::try_from(file.len()).unwrap(), end));
}

#[test]
fn a_counter_interrogation_tells_the_registers_by_tariff_of_the_periods_that_were_set() {
    let mut agent = agent(false);
    let sharp_then_valley = format!("report_every_s = 60\ndeadband_percent = 1\ntariffs = \"1{}\"\n", "4".repeat(47));
    assert!(agent.write_file(SETTINGS_FILE, sharp_then_valley.as_bytes()));
    work(&mut agent, 3_600);
    let mut counters = Vec::new();
    agent.counters(&mut counters);
    let read: Vec<_> = counters.iter().map(|object| (object.ioa, object.value)).collect();
    let kwh = |tenths| Value::Counter(Bcr::new(tenths));
    // 20 min until half past midnight, then 30.
    assert_eq!(read, [(3001, kwh(548)), (3011, kwh(198)), (3012, kwh(0)), (3013, kwh(0)), (3014, kwh(299))]);
    for bad in ["1", &"5".repeat(48), &"4".repeat(49)] {
        let text = format!("report_every_s = 60\ndeadband_percent = 1\ntariffs = \"{bad}\"\n");
        assert!(!agent.write_file(SETTINGS_FILE, text.as_bytes()), "{bad}");
    }
}

#[test]
fn a_pulse_drives_the_output_for_as_long_as_the_settings_say_and_a_persistent_one_stays() {
    let mut agent = agent(false);
    let order = |on: bool, qualifier, step| StationCommand {
        qualifier,
        ..StationCommand::new(6001, CommandValue::Double(on), step)
    };
    assert!(agent.write_file(SETTINGS_FILE, b"long_ms = 2500\n"));
    for (s, (on, qualifier)) in [700, 800, 900, 1_000].into_iter().zip([(false, 1), (true, 2), (false, 3), (true, 0)]) {
        moved(&mut agent, s, |_| {});
        for step in [Step::Select, Step::Execute] {
            assert_eq!(agent.command(order(on, qualifier, step)), CommandAnswer::Accepted);
        }
    }
    assert_eq!(agent.site().pulses, [(1, false, 200), (1, true, 2_500)]);
    // Reserved by the standard.
    assert_eq!(agent.command(order(false, 4, Step::Select)), CommandAnswer::Refused);
    for bad in ["short_ms = 9", "long_ms = 60001"] {
        assert!(!agent.write_file(SETTINGS_FILE, bad.as_bytes()), "{bad}");
    }
}

#[test]
fn the_pulse_of_a_trip_that_is_announced_comes_when_the_warning_is_over() {
    let mut agent = agent(false);
    let parameters = Parameters { remote: Remote { half_h: 0, warning_min: 5 }, ..Parameters::default() };
    assert!(agent.set_parameters(parameters));
    let order =
        StationCommand { qualifier: 2, ..StationCommand::new(6001, CommandValue::Double(false), Step::Execute) };
    assert_eq!(agent.command(order), CommandAnswer::Accepted);
    for s in (600..910).step_by(10) {
        assert_eq!(agent.site().pulses, [], "{s}");
        moved(&mut agent, s, |_| {});
    }
    assert_eq!(agent.site().pulses, [(1, false, 1_000)]);
}

#[test]
fn a_record_that_is_being_measured_at_a_restart_is_told_once_after_it() {
    let mut agent = agent(false);
    let trip = StationCommand::new(6001, CommandValue::Double(false), Step::Execute);
    assert_eq!(agent.command(trip), CommandAnswer::Accepted);
    moved(&mut agent, 601, |_| {});
    let restarted = |agent: Agent<Bench>| {
        let Agent { config, site, .. } = agent;
        Agent::new(config, site)
    };
    let mut agent = restarted(agent);
    let records = |told: &[(u32, Value, u8)]| -> Vec<(u32, Value)> {
        told.iter().filter(|told| (5001..=5010).contains(&told.0)).map(|told| (told.0, told.1)).collect()
    };
    assert_eq!(records(&moved(&mut agent, 719, |_| {})), []);
    let told = moved(&mut agent, 720, |_| {});
    // Remote control, by the centre, round 1, from 60 kW to 40.
    let wanted = [(5001, 5.0), (5002, 1.0), (5003, 1.0), (5006, 60.0), (5007, 40.0)];
    assert_eq!(records(&told), wanted.map(|(ioa, value)| (ioa, Value::Float(value))));
    let mut agent = restarted(agent);
    assert_eq!(records(&moved(&mut agent, 1_000, |_| {})), [], "told before");
}
