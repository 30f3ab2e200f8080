use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use headroom_rules::orders::{NotSent, Outcome, Step};
use proptest::prelude::*;

use super::links::Switch;
use crate::iec104::apci::{self, Control, Frame};
use crate::iec104::asdu::{self, Command, CommandValue, types};
use crate::iec104::config::{LinkConfig, RawTimers, StationConfig};
use crate::iec104::controlled::{self, ConnectionId};
use crate::iec104::controlling::{Output, Session, State};
use crate::iec104::time::{Cp56, Zone};

const LINK: ConnectionId = ConnectionId(1);

/// A controlling and a controlled session, joined on virtual time.
struct Joined {
    now: Instant,
    centre: Session,
    station: controlled::Session<Switch>,
    /// Everything but bytes that the centre gave.
    seen: Vec<Output>,
    /// The message of each I frame that the centre sent.
    sent: Vec<Vec<u8>>,
    /// Most octets that the station's bytes are cut to.
    cut: usize,
}

impl Joined {
    fn new(cut: usize) -> Self {
        let now = Instant::now();
        let mut station = controlled::Session::new(StationConfig::new(1), Switch { closed: true, moved: false }, now);
        station.on_connected(now, LINK);
        let centre = Session::new(LinkConfig::new("station:2404", 1), now, Timestamp::new(0));
        let mut joined = Self { now, centre, station, seen: Vec::new(), sent: Vec::new(), cut };
        joined.settle(true);
        joined
    }

    /// Carries bytes both ways until nothing moves; `answers` false loses what the station says.
    fn settle(&mut self, answers: bool) {
        loop {
            let mut moved = false;
            while let Some(output) = self.centre.next_output() {
                moved = true;
                match output {
                    Output::Bytes(bytes) => {
                        let mut rest = bytes.as_slice();
                        while let Ok(Some((frame, taken))) = apci::split(rest) {
                            if let Frame::I { asdu, .. } = frame {
                                self.sent.push(asdu.to_vec());
                            }
                            rest = &rest[taken..];
                        }
                        self.station.on_bytes(self.now, LINK, &bytes);
                    }
                    Output::Objects { received, .. } => {
                        self.seen.push(output);
                        self.centre.durable(self.now, received);
                    }
                    Output::Outcome { received: Some(received), .. } => {
                        self.seen.push(output);
                        self.centre.durable(self.now, received);
                    }
                    other => self.seen.push(other),
                }
            }
            while let Some((_, bytes)) = self.station.next_output() {
                moved = true;
                if answers {
                    bytes.chunks(self.cut).for_each(|piece| self.centre.on_bytes(self.now, piece));
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn submit(&mut self, id: u64, step: Step, value: bool) {
        self.centre.submit(self.now, command(id, step, value));
    }

    fn outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let found = self.seen.drain(..);
        found
            .filter_map(
                |o| if let Output::Outcome { command, outcome, .. } = o { Some((command, outcome)) } else { None },
            )
            .collect()
    }

    fn commands_sent(&self) -> usize {
        self.sent.iter().filter(|asdu| asdu[0] == types::C_DC_NA).count()
    }
}

fn command(id: u64, step: Step, on: bool) -> Command {
    let (value, expires_in) = (CommandValue::Double(on), Duration::from_secs(60));
    Command { id, common_address: 1, ioa: 10, value, qualifier: 0, step, expires_in }
}

fn not_sent(step: Step, why: NotSent) -> Outcome {
    Outcome::NotSent { step, why }
}

#[test]
fn a_link_starts_sets_the_clock_and_interrogates_even_byte_by_byte() {
    for cut in [1, 7, 4_096] {
        let joined = Joined::new(cut);
        assert_eq!(joined.seen[..2], [Output::State(State::Connected), Output::State(State::Started)]);
        assert!(joined.seen.contains(&Output::State(State::Interrogated)));
        let types: Vec<u8> = joined.sent.iter().map(|asdu| asdu[0]).collect();
        assert_eq!(types[..3], [types::C_CS_NA, types::C_IC_NA, types::C_CI_NA]);
    }
}

#[test]
fn the_clock_is_set_again_and_again_on_a_link_that_stays_up() {
    let mut joined = Joined::new(4_096);
    joined.sent.clear();
    let start = joined.now;
    let mut set = Vec::new();
    while joined.now < start + Duration::from_secs(3 * 3_600) {
        joined.now = joined.centre.next_deadline().unwrap().max(joined.now + Duration::from_millis(1));
        let passed = joined.now - start;
        let wall = Timestamp::new(i64::try_from(passed.as_millis()).unwrap());
        joined.centre.set_wall(wall);
        joined.centre.on_deadline(joined.now);
        joined.station.on_deadline(joined.now);
        joined.settle(true);
        let clocks = joined.sent.drain(..).filter(|asdu| asdu[0] == types::C_CS_NA);
        set.extend(clocks.map(|asdu| {
            assert_eq!(asdu[9..], Cp56::new(wall, Zone::UTC).0, "the time is that of the sending");
            passed.as_secs()
        }));
    }
    assert!(!joined.centre.is_closed());
    assert_eq!(set, [3_600, 7_200, 10_800]);
}

#[test]
fn select_before_execute() {
    let mut joined = Joined::new(4_096);
    joined.submit(1, Step::Execute, false);
    joined.settle(true);
    assert_eq!(joined.outcomes(), [(1, not_sent(Step::Execute, NotSent::NotSelected))]);
    assert_eq!(joined.commands_sent(), 0);

    joined.submit(1, Step::Select, false);
    joined.settle(true);
    // Another order, or another value, does not profit from the select.
    joined.submit(2, Step::Execute, false);
    joined.settle(true);
    assert_eq!(
        joined.outcomes(),
        [(1, Outcome::Confirmed(Step::Select)), (2, not_sent(Step::Execute, NotSent::NotSelected))]
    );
    joined.now += Duration::from_secs(30);
    joined.submit(1, Step::Execute, false);
    joined.settle(true);
    assert_eq!(joined.outcomes(), [(1, not_sent(Step::Execute, NotSent::NotSelected))]);
    assert_eq!(joined.commands_sent(), 1);
}

#[test]
fn select_before_execute_holds_to_the_pulse_that_was_selected() {
    const SHORT: u8 = 1;
    const LONG: u8 = 2;
    for value in [CommandValue::Double(true), CommandValue::Double(false)] {
        let mut joined = Joined::new(4_096);
        let to = |step, qualifier| Command { value, qualifier, ..command(1, step, false) };
        joined.centre.submit(joined.now, to(Step::Select, SHORT));
        joined.settle(true);
        joined.centre.submit(joined.now, to(Step::Execute, LONG));
        joined.settle(true);
        let confirmed = |step| (1, Outcome::Confirmed(step));
        let refused = (1, not_sent(Step::Execute, NotSent::NotSelected));
        assert_eq!(joined.outcomes(), [confirmed(Step::Select), refused]);
        joined.centre.submit(joined.now, to(Step::Select, LONG));
        joined.settle(true);
        joined.centre.submit(joined.now, to(Step::Execute, LONG));
        joined.settle(true);
        let done = [confirmed(Step::Select), confirmed(Step::Execute), (1, Outcome::Terminated)];
        assert_eq!(joined.outcomes(), done, "{value:?}");
    }
}

#[test]
fn a_bitstring_that_has_no_select_is_not_executed_by_one() {
    let mut joined = Joined::new(4_096);
    for step in [Step::Select, Step::Execute] {
        joined.centre.submit(joined.now, Command { value: CommandValue::SetBits(1), ..command(1, step, false) });
        joined.settle(true);
        assert_eq!(joined.outcomes(), [(1, not_sent(step, NotSent::NotSelected))]);
    }
    assert!(joined.sent.iter().all(|asdu| asdu[0] != types::C_BO_NA));
}

#[test]
fn a_selected_execute_is_confirmed_terminated_and_reported() {
    let mut joined = Joined::new(4_096);
    joined.submit(1, Step::Select, false);
    joined.settle(true);
    joined.submit(1, Step::Execute, false);
    joined.settle(true);
    let confirmed = |step| (1, Outcome::Confirmed(step));
    assert_eq!(joined.outcomes(), [confirmed(Step::Select), confirmed(Step::Execute), (1, Outcome::Terminated)]);
    assert!(!joined.station.station().closed);
}

#[test]
fn expired_never_sent() {
    let mut joined = Joined::new(4_096);
    joined.centre.submit(joined.now, Command { expires_in: Duration::ZERO, ..command(1, Step::Select, false) });
    // The window is filled, so that the command waits beyond its expiry.
    for ioa in 100..112 {
        joined.centre.submit(joined.now, Command { ioa, ..command(u64::from(ioa), Step::Select, false) });
    }
    let expires_in = Duration::from_secs(2);
    joined.centre.submit(joined.now, Command { expires_in, ..command(2, Step::Select, false) });
    joined.now += expires_in;
    assert!(joined.centre.next_deadline().unwrap() <= joined.now);
    joined.centre.on_deadline(joined.now);
    joined.settle(true);
    let outcomes = joined.outcomes();
    for id in [1, 2] {
        assert!(outcomes.contains(&(id, not_sent(Step::Select, NotSent::Expired))), "{id} in {outcomes:?}");
    }
    assert_eq!(joined.commands_sent(), 12);
}

#[test]
fn a_second_command_on_a_busy_point_is_refused() {
    let mut joined = Joined::new(4_096);
    joined.submit(1, Step::Select, false);
    joined.submit(2, Step::Select, true);
    joined.settle(true);
    assert_eq!(joined.outcomes(), [(2, not_sent(Step::Select, NotSent::Busy)), (1, Outcome::Confirmed(Step::Select))]);
}

#[test]
fn a_lost_link_tells_sent_from_unsent_and_carries_nothing_over() {
    let mut joined = Joined::new(4_096);
    for ioa in 100..112 {
        joined.centre.submit(joined.now, Command { ioa, ..command(u64::from(ioa), Step::Select, false) });
    }
    joined.submit(1, Step::Select, false);
    joined.centre.close("cable cut");
    joined.settle(false);
    let outcomes = joined.outcomes();
    assert!(outcomes.contains(&(100, Outcome::LinkLost(Step::Select))));
    assert!(outcomes.contains(&(1, not_sent(Step::Select, NotSent::NoLink))));
    assert_eq!(outcomes.len(), 13);
    assert_eq!(joined.centre.next_deadline(), None);
}

#[test]
fn an_unanswered_command_times_out_once_and_is_not_sent_again() {
    let mut joined = Joined::new(4_096);
    joined.submit(1, Step::Select, false);
    joined.settle(false);
    joined.now += Duration::from_secs(10);
    joined.centre.on_deadline(joined.now);
    joined.settle(false);
    assert_eq!(joined.outcomes(), [(1, Outcome::TimedOut(Step::Select))]);
    assert_eq!(joined.commands_sent(), 1);
    // The acknowledgement is missing too: t1 ends the link.
    joined.now += Duration::from_secs(5);
    joined.centre.on_deadline(joined.now);
    assert!(joined.centre.is_closed());
}

#[test]
fn a_read_back_is_confirmed_by_the_end_of_an_interrogation() {
    let mut joined = Joined::new(4_096);
    joined.submit(9, Step::ReadBack, false);
    joined.settle(true);
    assert_eq!(joined.outcomes(), [(9, Outcome::Confirmed(Step::ReadBack))]);
}

fn frame(frame: Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    apci::write(frame, &mut out);
    out
}

/// A controlling session whose start was confirmed, with its first output drained.
fn started(now: Instant) -> Session {
    let mut session = Session::new(LinkConfig::new("station:2404", 1), now, Timestamp::new(0));
    session.on_bytes(now, &frame(Frame::U(Control::StartCon)));
    while session.next_output().is_some() {}
    session
}

/// The N(R) of every frame that waits, in order.
fn acknowledged(session: &mut Session) -> Vec<u16> {
    let mut found = Vec::new();
    while let Some(output) = session.next_output() {
        let Output::Bytes(bytes) = output else { continue };
        let mut rest = bytes.as_slice();
        while let Ok(Some((frame, taken))) = apci::split(rest) {
            if let Frame::S { receive } | Frame::I { receive, .. } = frame {
                found.push(receive);
            }
            rest = &rest[taken..];
        }
    }
    found
}

#[test]
fn durable_before_ack() {
    let start = Instant::now();
    let mut session = started(start);
    let event = [1, 1, 3, 0, 1, 0, 5, 0, 0, 1];
    for send in 0..10 {
        session.on_bytes(start, &frame(Frame::I { send, receive: 0, asdu: &event }));
    }
    assert_eq!(acknowledged(&mut session), []);
    session.on_deadline(start + Duration::from_secs(11));
    // The interrogation that is sent now carries an N(R), too.
    assert_eq!(acknowledged(&mut session), [0], "nothing is durable yet");
    session.durable(start + Duration::from_secs(11), 8);
    assert_eq!(acknowledged(&mut session), [8], "w durable APDUs are acknowledged at once");
    session.durable(start + Duration::from_secs(12), 9);
    assert_eq!(acknowledged(&mut session), []);
    session.on_bytes(start + Duration::from_secs(12), &frame(Frame::S { receive: 1 }));
    session.on_deadline(start + Duration::from_secs(22));
    // t2 after the oldest durable one, alone and with the next interrogation; never 10.
    assert_eq!(acknowledged(&mut session), [9, 9]);
}

#[test]
fn what_becomes_durable_while_the_stop_is_awaited_is_acknowledged_at_once() {
    let now = Instant::now();
    let mut session = started(now);
    let event = [1, 1, 3, 0, 1, 0, 5, 0, 0, 1];
    for send in 0..2 {
        session.on_bytes(now, &frame(Frame::I { send, receive: 0, asdu: &event }));
    }
    session.stop(now);
    assert_eq!(acknowledged(&mut session), []);
    // The station confirms the stop only when all is acknowledged: it must not wait for t2.
    session.durable(now, 1);
    assert_eq!(acknowledged(&mut session), [1]);
    session.on_bytes(now, &frame(Frame::I { send: 2, receive: 0, asdu: &[70, 1, 4, 0, 1, 0, 0, 0, 0, 0] }));
    session.durable(now, 2);
    assert_eq!(acknowledged(&mut session), [3], "a message without objects is durable with those before it");
}

#[test]
fn an_outcome_that_the_station_told_is_durable_before_it_is_acknowledged() {
    let now = Instant::now();
    let mut session = started(now);
    for (id, step) in [(1, Step::Select), (2, Step::ReadBack), (3, Step::ReadBack)] {
        session.submit(now, command(id, step, false));
    }
    // The clock, so that the interrogation goes out; then both end at once.
    for (send, asdu) in
        (0u16..).zip([&[103, 1, 7, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[100, 1, 10, 0, 1, 0, 0, 0, 0, 20]])
    {
        session.on_bytes(now, &frame(Frame::I { send, receive: 0, asdu }));
    }
    let check_back = asdu::command(1, 10, CommandValue::Double(false), 0, true, 7, None);
    session.on_bytes(now, &frame(Frame::I { send: 2, receive: 0, asdu: &check_back }));
    let mut told = Vec::new();
    while let Some(output) = session.next_output() {
        if let Output::Outcome { command, received, .. } = output {
            told.push((command, received));
        }
    }
    assert_eq!(told, [(2, None), (3, Some(2)), (1, Some(3))], "the last of an APDU's outcomes stands for all of them");
    assert_eq!(session.undurable(), 2);
    for (stored, undurable) in [(1, 2), (2, 1), (3, 0)] {
        session.durable(now, stored);
        assert_eq!(session.undurable(), undurable);
    }
}

#[test]
fn what_another_station_of_the_address_ends_is_not_ended() {
    let now = Instant::now();
    let mut session = started(now);
    session.submit(now, command(1, Step::ReadBack, false));
    let answers = [[103, 7, 2], [103, 7, 1], [100, 10, 2], [70, 4, 2], [100, 10, 1]];
    for (send, [type_id, cause, station]) in (0u16..).zip(answers) {
        let mut asdu = vec![type_id, 1, cause, 0, station, 0, 0, 0, 0, 0];
        asdu.resize(if type_id == 103 { 16 } else { 10 }, 0);
        session.on_bytes(now, &frame(Frame::I { send, receive: 0, asdu: &asdu }));
    }
    let mut brought_by = Vec::new();
    while let Some(output) = session.next_output() {
        if let Output::Outcome { received, .. } = output {
            brought_by.push(received);
        }
    }
    assert_eq!(brought_by, [Some(5)]);
}

#[test]
fn data_before_the_start_is_confirmed_closes_the_link() {
    let now = Instant::now();
    let mut session = Session::new(LinkConfig::new("station:2404", 1), now, Timestamp::new(0));
    session.on_bytes(now, &frame(Frame::I { send: 0, receive: 0, asdu: &[1, 1, 3, 0, 1, 0, 5, 0, 0, 1] }));
    assert!(session.is_closed());
    let outputs: Vec<_> = std::iter::from_fn(|| session.next_output()).collect();
    assert!(!outputs.iter().any(|output| matches!(output, Output::Objects { .. })), "{outputs:?}");
    let Some(Output::State(State::Closed { reason })) = outputs.last() else { panic!("{outputs:?}") };
    assert!(reason.contains("before it confirmed the start"), "{reason}");
}

#[test]
fn data_that_closes_the_link_is_not_acknowledged() {
    let now = Instant::now();
    let mut config = LinkConfig::new("station:2404", 1);
    config.timers = RawTimers { w: 1, ..RawTimers::default() }.try_into().unwrap();
    let mut session = Session::new(config, now, Timestamp::new(0));
    session.on_bytes(now, &frame(Frame::I { send: 0, receive: 0, asdu: &[1, 1, 3, 0, 1, 0, 5, 0, 0, 1] }));
    session.durable(now, 1);
    assert!(session.is_closed());
    assert_eq!(acknowledged(&mut session), []);
}

#[test]
fn a_breach_of_the_numbering_closes_the_link() {
    let now = Instant::now();
    let event = [1, 1, 3, 0, 1, 0, 5, 0, 0, 1];
    let breaches = [
        frame(Frame::I { send: 1, receive: 0, asdu: &event }),
        frame(Frame::S { receive: 5 }),
        frame(Frame::U(Control::StopCon)),
        vec![0x69, 0x04],
        vec![0x68, 0x02],
    ];
    for breach in breaches {
        let mut session = started(now);
        session.on_bytes(now, &breach);
        assert!(session.is_closed(), "{breach:02x?}");
    }
}

#[test]
fn an_unknown_type_is_answered_with_cause_44_and_the_link_stays() {
    let now = Instant::now();
    let mut session = controlled::Session::new(StationConfig::new(1), Switch { closed: true, moved: false }, now);
    session.on_connected(now, LINK);
    session.on_bytes(now, LINK, &frame(Frame::U(Control::StartAct)));
    let _ = session.next_output();
    session.on_bytes(now, LINK, &frame(Frame::I { send: 0, receive: 1, asdu: &[200, 1, 6, 0, 1, 0, 9, 9, 9] }));
    let (_, answer) = session.next_output().unwrap();
    assert_eq!(answer[6..], [200, 1, 44 | 0x40, 0, 1, 0, 9, 9, 9]);
    session.on_bytes(now, LINK, &[0x68, 0x0d, 2, 0, 2, 0, 0x66, 0x81, 5, 0, 1, 0, 1, 0, 0]);
    assert_eq!(session.closed(LINK), None);
}

#[test]
fn an_event_that_was_not_acknowledged_comes_again_on_the_next_link() {
    let now = Instant::now();
    let mut session = controlled::Session::new(StationConfig::new(1), Switch { closed: true, moved: true }, now);
    let event = [3, 1, 3, 0, 1, 0, 10, 0, 0, 2];
    let later = now + Duration::from_secs(1);
    let mut times_sent = 0;
    // Lost, acknowledged, then gone.
    for acknowledge in [false, true, true] {
        session.on_connected(later, LINK);
        session.on_bytes(later, LINK, &frame(Frame::U(Control::StartAct)));
        session.on_deadline(later);
        let (_, bytes) = session.next_output().unwrap();
        times_sent += usize::from(bytes.ends_with(&event));
        if acknowledge {
            // M_EI_NA_1, which the lost link did not acknowledge either, and the event.
            session.on_bytes(later, LINK, &frame(Frame::S { receive: if bytes.ends_with(&event) { 2 } else { 0 } }));
        }
        session.on_disconnected(LINK);
    }
    assert_eq!(times_sent, 2);
}

#[test]
fn an_execute_without_a_select_is_refused_by_the_station() {
    let now = Instant::now();
    let mut session = controlled::Session::new(StationConfig::new(1), Switch { closed: true, moved: false }, now);
    session.on_connected(now, LINK);
    session.on_bytes(now, LINK, &frame(Frame::U(Control::StartAct)));
    let _ = session.next_output();
    let execute = asdu::command(1, 10, CommandValue::Double(false), 0, false, 6, None);
    session.on_bytes(now, LINK, &frame(Frame::I { send: 0, receive: 1, asdu: &execute }));
    assert_eq!(session.next_output().unwrap().1[8], 7 | 0x40);
    assert!(session.station().closed);
}

proptest! {
    #[test]
    fn no_bytes_make_a_session_panic(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10),
        asdus in prop::collection::vec(prop::collection::vec(any::<u8>(), 6..40), 0..10),
    ) {
        let now = Instant::now();
        let mut centre = started(now);
        let mut station = controlled::Session::new(StationConfig::new(1), Switch { closed: true, moved: false }, now);
        station.on_connected(now, LINK);
        station.on_bytes(now, LINK, &frame(Frame::U(Control::StartAct)));
        for (send, asdu) in (0u16..).zip(&asdus) {
            let bytes = frame(Frame::I { send, receive: 0, asdu });
            centre.on_bytes(now, &bytes);
            station.on_bytes(now, LINK, &bytes);
        }
        for piece in pieces {
            centre.on_bytes(now, &piece);
            station.on_bytes(now, LINK, &piece);
        }
        while centre.next_output().is_some() {}
    }
}
