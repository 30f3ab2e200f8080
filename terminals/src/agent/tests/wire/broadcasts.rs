//! What is said to all stations at once, common address 65535 (60870-5-101, 7.2.4: C_IC, C_CI, C_CS and C_RP alone).

use super::*;
use crate::iec104::asdu::element::Qrp;
use crate::iec104::tests::controlled::{A, Desk};

/// A terminal with its link up and its initialization told, excluded or not.
fn terminal(excluded: bool) -> Desk<Agent<Bench>> {
    let mut agent = agent(false);
    let settings = format!("[control]\nexclusion = {excluded}\n");
    assert!(agent.write_file(SETTINGS_FILE, settings.as_bytes()));
    let mut desk = Desk::with(StationConfig::new(ADDRESS), agent);
    desk.connect(A);
    desk.say(A, apci::Control::StartAct);
    desk.acknowledge_all(A);
    desk
}

/// The answers, less what is told spontaneously or as a return.
fn answers(desk: &mut Desk<Agent<Bench>>, asdu: &[u8]) -> Vec<Vec<u8>> {
    let said = desk.ask(A, asdu);
    said.into_iter().filter(|what| !matches!(what[2], causes::SPONTANEOUS | causes::RETURN_REMOTE)).collect()
}

/// C_DC, select and execute of round 1 (object 6001), OFF.
const SELECT_TRIP: [u8; 10] = [46, 1, 6, 0, 9, 0, 0x71, 0x17, 0, 0x81];
const TRIP: [u8; 10] = [46, 1, 6, 0, 9, 0, 0x71, 0x17, 0, 0x01];
/// C_RP of the whole process, to all.
const RESET_ALL: [u8; 10] = [105, 1, 6, 0, 0xFF, 0xFF, 0, 0, 0, 1];

/// The same message, with another cause and from the terminal.
fn answered(asdu: &[u8], cause: u8) -> Vec<u8> {
    let mut asdu = asdu.to_vec();
    asdu[2] = cause;
    asdu[4..6].copy_from_slice(&[9, 0]);
    asdu
}

const NEGATIVE: u8 = 0x40;

/// M_EI, COI 2: after a remote reset.
const INITIALIZED: [u8; 10] = [70, 1, 4, 0, 9, 0, 0, 0, 0, 2];

fn position(desk: &Desk<Agent<Bench>>) -> SwitchPosition {
    desk.session.station().site().sample.rounds[0].unwrap().position
}

#[test]
fn a_command_to_all_stations_is_ignored_by_an_excluded_terminal_and_obeyed_by_another() {
    let mut other = terminal(false);
    assert_eq!(answers(&mut other, &RESET_ALL), [answered(&RESET_ALL, 7), INITIALIZED.to_vec()]);
    // As after power-up: its lock runs.
    assert_eq!(answers(&mut other, &SELECT_TRIP), [answered(&SELECT_TRIP, 7 | NEGATIVE)]);

    let mut excluded = terminal(true);
    assert_eq!(answers(&mut excluded, &RESET_ALL), Vec::<Vec<u8>>::new());
    assert_eq!(answers(&mut excluded, &SELECT_TRIP), [answered(&SELECT_TRIP, 7)]);
    assert_eq!(answers(&mut excluded, &TRIP), [answered(&TRIP, 7), answered(&TRIP, 10)]);
    assert_eq!(position(&excluded), SwitchPosition::Open, "a command to it alone is obeyed");
    let mut reset = RESET_ALL;
    reset[4..6].copy_from_slice(&[9, 0]);
    assert_eq!(answers(&mut excluded, &reset), [answered(&RESET_ALL, 7), INITIALIZED.to_vec()], "and so is a reset");
}

#[test]
fn interrogations_and_the_time_to_all_stations_are_taken_by_an_excluded_terminal_and_by_another() {
    for excluded in [false, true] {
        let mut desk = terminal(excluded);
        for asdu in [[100, 1, 6, 0, 0xFF, 0xFF, 0, 0, 0, 20], [101, 1, 6, 0, 0xFF, 0xFF, 0, 0, 0, 5]] {
            let said = answers(&mut desk, &asdu);
            let [first, .., last] = &said[..] else { panic!("{excluded}: {said:02x?}") };
            assert_eq!((first, last), (&answered(&asdu, 7), &answered(&asdu, 10)), "{excluded}");
            assert!(said.len() > 2 && said.iter().all(|what| what[4..6] == [9, 0]), "{excluded}: {said:02x?}");
        }
        // C_CS, 2020-01-02 03:04:05.
        let clock = [103, 1, 6, 0, 0xFF, 0xFF, 0, 0, 0, 0x88, 0x13, 4, 3, 2, 1, 20];
        assert_eq!(answers(&mut desk, &clock), [answered(&clock, 7)]);
        assert_eq!(Station::now(desk.session.station()), Timestamp::new(1_577_934_245_000), "{excluded}");
    }
}

#[test]
fn a_switching_command_to_all_stations_moves_no_switch_whoever_hears_it() {
    for excluded in [false, true] {
        let mut desk = terminal(excluded);
        for mut asdu in [SELECT_TRIP, TRIP] {
            asdu[4..6].copy_from_slice(&[0xFF, 0xFF]);
            let mut unknown = asdu;
            unknown[2] = causes::UNKNOWN_ADDRESS | NEGATIVE;
            assert_eq!(answers(&mut desk, &asdu), [unknown.to_vec()]);
        }
        assert_eq!(position(&desk), SwitchPosition::Closed);
    }
}

#[test]
fn a_reset_forgets_nothing_that_a_restart_would_keep() {
    let mut joined = joined();
    assert_eq!(joined.order(6101, CommandValue::SetFloat(50.0)), TAKEN);
    let tripped_at = joined.second();
    assert_eq!(joined.order(6011, CommandValue::SetScaled(1)), TAKEN);
    joined.seconds(60);
    assert_eq!(joined.ask(Request::Reset(Qrp(1))), Answer::Done);
    joined.until(tripped_at + 120);
    assert_eq!(joined.records(), [remote_record(tripped_at)]);
    assert_eq!(joined.read(2101), Value::Float(50.0));
    joined.until(tripped_at + 1_800);
    assert_eq!(joined.site().told.last(), Some(&(tripped_at + 1_800, Notice::Permitted(ROUND))));
    assert_eq!(joined.ask(Request::Reset(Qrp(3))), Answer::Refused { cause: REFUSED }, "reserved");
}

#[test]
fn a_reset_of_events_that_wait_forgets_those_with_a_time_and_leaves_the_record() {
    let mut joined = joined();
    assert_eq!(joined.ask(Request::Reset(Qrp(2))), Answer::Done);
    assert_eq!(joined.trip(1), TAKEN, "no restart, no lock");
    joined.seconds(125);
    assert_eq!(joined.records().len(), 1);
    assert_eq!(joined.ask(Request::Reset(Qrp(2))), Answer::Done);
    assert_eq!(joined.records().len(), 1);
}
