//! The controlling station against a station that is played octet by octet.

use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use headroom_rules::orders::{NotSent, Outcome, Step};

use crate::iec104::apci::{self, Control, Frame};
use crate::iec104::asdu::element::{Qcc, Qoi, Qpa, Qpm, Qrp};
use crate::iec104::asdu::{Asdu, Command, CommandValue, causes, types};
use crate::iec104::config::LinkConfig;
use crate::iec104::controlling::{Answer, Output, ParameterValue, Request, Session, State};

/// A session and the numbers of its station.
struct Played {
    now: Instant,
    centre: Session,
    /// I frames that the station sent.
    told: u16,
    /// Messages that the centre sent and nobody looked at.
    asked: Vec<Vec<u8>>,
    /// U frames of the centre.
    controls: Vec<Control>,
    /// N(S) of its last I frame.
    number: Option<u16>,
    seen: Vec<Output>,
}

impl Played {
    fn new(config: LinkConfig) -> Self {
        let now = Instant::now();
        let centre = Session::new(config, now, Timestamp::new(1_769_882_712_000));
        let mut played =
            Self { now, centre, told: 0, asked: Vec::new(), controls: Vec::new(), number: None, seen: Vec::new() };
        played.confirm(Control::StartCon);
        // The clock, the station and its counters.
        for _ in 0..3 {
            let asked = played.asked.remove(0);
            played.reply(&asked, causes::ACTIVATION_CON, false);
            if asked[0] != types::C_CS_NA {
                played.reply(&asked, causes::TERMINATION, false);
            }
        }
        assert!(played.asked.is_empty());
        played.seen.clear();
        played
    }

    fn confirm(&mut self, control: Control) {
        self.drain();
        let mut bytes = Vec::new();
        apci::write(Frame::U(control), &mut bytes);
        self.centre.on_bytes(self.now, &bytes);
        self.drain();
    }

    fn say(&mut self, asdu: &[u8]) {
        let mut bytes = Vec::new();
        let receive = self.number.map_or(0, |number| number + 1);
        apci::write(Frame::I { send: self.told, receive, asdu }, &mut bytes);
        self.told += 1;
        self.centre.on_bytes(self.now, &bytes);
        self.drain();
    }

    fn reply(&mut self, to: &[u8], cause: u8, negative: bool) {
        let reply = Asdu::parse(to).unwrap().mirrored(cause, negative);
        self.say(&reply);
    }

    fn drain(&mut self) {
        while let Some(output) = self.centre.next_output() {
            let Output::Bytes(bytes) = &output else {
                self.seen.push(output);
                continue;
            };
            let mut rest = bytes.as_slice();
            while let Ok(Some((frame, taken))) = apci::split(rest) {
                match frame {
                    Frame::I { asdu, send, .. } => {
                        self.asked.push(asdu.to_vec());
                        self.number = Some(send);
                    }
                    Frame::U(control) => self.controls.push(control),
                    Frame::S { .. } => {}
                }
                rest = &rest[taken..];
            }
        }
    }

    /// Lets time pass, with whatever is due on the way.
    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(due) = self.centre.next_deadline().filter(|&due| due <= until) {
            self.now = due.max(self.now);
            self.centre.on_deadline(self.now);
            self.drain();
            if self.controls.ends_with(&[Control::TestAct]) {
                self.confirm(Control::TestCon);
                self.controls.clear();
            }
        }
        self.now = until;
    }

    fn ask(&mut self, id: u64, request: Request) -> Vec<u8> {
        self.centre.request(self.now, id, request);
        self.drain();
        self.asked.remove(0)
    }

    fn answers(&mut self) -> Vec<(u64, Answer)> {
        let found = self.seen.iter().filter_map(|output| match output {
            Output::Answered { request, answer } => Some((*request, *answer)),
            _ => None,
        });
        let found = found.collect();
        self.seen.clear();
        found
    }

    fn outcomes(&mut self) -> Vec<(u64, Outcome)> {
        let found = self.seen.iter().filter_map(|output| match output {
            Output::Outcome { command, outcome, .. } => Some((*command, *outcome)),
            _ => None,
        });
        let found = found.collect();
        self.seen.clear();
        found
    }

    fn command(&mut self, id: u64, step: Step, on: bool) {
        let (value, expires_in) = (CommandValue::Double(on), Duration::from_secs(60));
        self.centre.submit(self.now, Command { id, common_address: 1, ioa: 10, value, qualifier: 0, step, expires_in });
        self.drain();
    }
}

fn played() -> Played {
    Played::new(LinkConfig::new("station:2404", 1))
}

#[test]
fn each_request_is_written_as_the_standard_says() {
    let mut played = played();
    let parameter = |value| Request::Parameter { ioa: 0x0003_0201, value, qualifier: Qpm(1) };
    #[rustfmt::skip]
    let written: &[(Request, &[u8])] = &[
        // Type, one object, cause 6 (5 for a reading), originator 0, common address 1, object, element.
        (Request::Interrogate(Qoi(36)), &[100, 1, 6, 0, 1, 0, 0, 0, 0, 36]),
        (Request::Counters(Qcc(0x45)), &[101, 1, 6, 0, 1, 0, 0, 0, 0, 0x45]), // freeze, all
        (Request::Read { ioa: 0x0003_0201 }, &[102, 1, 5, 0, 1, 0, 1, 2, 3]),
        (Request::Test, &[104, 1, 6, 0, 1, 0, 0, 0, 0, 0xAA, 0x55]),
        (Request::Reset(Qrp(1)), &[105, 1, 6, 0, 1, 0, 0, 0, 0, 1]),
        // 2026-01-31T18:05:12.000Z
        (Request::Clock, &[103, 1, 6, 0, 1, 0, 0, 0, 0, 0xE0, 0x2E, 5, 18, 31, 1, 26]),
        (Request::TestTimed(7), &[107, 1, 6, 0, 1, 0, 0, 0, 0, 7, 0, 0xE0, 0x2E, 5, 18, 31, 1, 26]),
        (parameter(ParameterValue::Normalized(-2)), &[110, 1, 6, 0, 1, 0, 1, 2, 3, 0xFE, 0xFF, 1]),
        (parameter(ParameterValue::Scaled(2)), &[111, 1, 6, 0, 1, 0, 1, 2, 3, 2, 0, 1]),
        (parameter(ParameterValue::Float(1.0)), &[112, 1, 6, 0, 1, 0, 1, 2, 3, 0, 0, 0x80, 0x3F, 1]),
        (Request::ParameterActivation { ioa: 5, qualifier: Qpa(3) }, &[113, 1, 6, 0, 1, 0, 5, 0, 0, 3]),
    ];
    for &(request, bytes) in written {
        assert_eq!(played.ask(1, request), bytes, "{request:?}");
        // Refused, so that the next one has its turn.
        played.reply(bytes, causes::UNKNOWN_TYPE, true);
        assert_eq!(played.answers(), [(1, Answer::Refused { cause: 44 })], "{request:?}");
    }
}

#[test]
fn an_interrogation_of_a_group_ends_with_its_termination() {
    let mut played = played();
    let asked = played.ask(7, Request::Interrogate(Qoi(21)));
    played.reply(&asked, causes::ACTIVATION_CON, false);
    assert_eq!(played.answers(), []);
    played.say(&[1, 1, 21, 0, 1, 0, 5, 0, 0, 1]);
    played.reply(&asked, causes::TERMINATION, false);
    assert!(matches!(&played.seen[0], Output::Objects { objects, .. } if objects[0].cause == 21));
    assert_eq!(played.answers(), [(7, Answer::Done)]);
}

#[test]
fn a_reading_ends_with_its_own_value_and_what_it_brought_comes_first() {
    let mut played = played();
    let asked = played.ask(1, Request::Read { ioa: 9 });
    // lib60870-C confirms it too; a value of another object is not the answer.
    played.reply(&asked, causes::ACTIVATION_CON, false);
    played.say(&[13, 1, 5, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(played.answers(), []);
    played.say(&[13, 1, 5, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(
        &played.seen[..],
        [Output::Objects { .. }, Output::Answered { request: 1, answer: Answer::Done }]
    ));
}

#[test]
fn an_unknown_object_is_one_refusal_though_it_is_answered_twice() {
    let mut played = played();
    let first = played.ask(1, Request::Read { ioa: 9 });
    played.centre.request(played.now, 2, Request::Read { ioa: 10 });
    // lib60870-C: a confirmation with P/N = 1 first, then cause 47 with P/N = 0.
    played.reply(&first, causes::ACTIVATION_CON, true);
    played.reply(&first, causes::UNKNOWN_OBJECT, false);
    assert_eq!(
        played.answers(),
        [(1, Answer::Refused { cause: 7 })],
        "the second reply is not that of the next reading"
    );
    played.say(&[1, 1, 5, 0, 1, 0, 10, 0, 0, 1]);
    assert_eq!(played.answers(), [(2, Answer::Done)]);
}

#[test]
fn one_request_runs_at_a_time_and_an_unanswered_one_makes_room() {
    let mut played = played();
    played.centre.request(played.now, 1, Request::Test);
    played.centre.request(played.now, 2, Request::Reset(Qrp(1)));
    played.drain();
    assert_eq!(played.asked.iter().map(|asked| asked[0]).collect::<Vec<_>>(), [types::C_TS_NA]);
    // The station acknowledges and says nothing.
    let number = played.number.unwrap() + 1;
    let mut bytes = Vec::new();
    apci::write(Frame::S { receive: number }, &mut bytes);
    played.centre.on_bytes(played.now, &bytes);
    played.pass(Duration::from_secs(10));
    assert_eq!(played.answers(), [(1, Answer::TimedOut)]);
    assert_eq!(played.asked.last().unwrap()[0], types::C_RP_NA);
    played.centre.close("cable cut");
    played.drain();
    assert_eq!(played.answers(), [(2, Answer::LinkLost)]);
    played.centre.request(played.now, 3, Request::Test);
    played.drain();
    assert_eq!(played.answers(), [(3, Answer::NotSent(NotSent::NoLink))]);
}

#[test]
fn requests_that_wait_are_bounded() {
    let mut played = played();
    for id in 0..5_000 {
        played.centre.request(played.now, id, Request::Test);
    }
    played.drain();
    let busy = played.answers().iter().filter(|(_, answer)| *answer == Answer::NotSent(NotSent::Busy)).count();
    assert_eq!(busy, 5_000 - 1_025, "one runs, 1024 wait");
}

#[test]
fn a_pause_keeps_the_link_and_the_numbers_and_a_start_begins_anew() {
    let mut played = played();
    played.command(1, Step::Select, false);
    let asked = played.asked.remove(0);
    played.reply(&asked, causes::ACTIVATION_CON, false);
    assert_eq!(played.outcomes(), [(1, Outcome::Confirmed(Step::Select))]);
    played.centre.pause(played.now);
    played.drain();
    assert_eq!(played.controls.last(), Some(&Control::StopAct));
    // What comes before the confirmation is still taken.
    played.say(&[1, 1, 3, 0, 1, 0, 5, 0, 0, 1]);
    assert!(matches!(played.seen[..], [Output::Objects { .. }]));
    played.seen.clear();
    played.confirm(Control::StopCon);
    assert_eq!(played.seen, [Output::State(State::Stopped)]);
    played.command(1, Step::Execute, false);
    assert!(played.outcomes().contains(&(1, Outcome::NotSent { step: Step::Execute, why: NotSent::NoLink })));
    let before = played.number.unwrap();
    played.centre.start(played.now);
    played.drain();
    assert_eq!(played.controls.last(), Some(&Control::StartAct));
    played.confirm(Control::StartCon);
    assert_eq!(played.seen, [Output::State(State::Started)]);
    assert_eq!(played.number, Some(before + 1), "the numbers go on");
    assert_eq!(played.asked[0][0], types::C_CS_NA, "clock and interrogations come again");
    // The select of before is not carried over.
    played.command(1, Step::Execute, false);
    assert!(played.outcomes().contains(&(1, Outcome::NotSent { step: Step::Execute, why: NotSent::NotSelected })));
}

#[test]
fn a_link_in_standby_is_tested_and_takes_no_data() {
    let now = Instant::now();
    let mut session = Session::standby(LinkConfig::new("station:2404", 1), now, Timestamp::new(0));
    let outputs = |session: &mut Session| std::iter::from_fn(|| session.next_output()).collect::<Vec<_>>();
    assert_eq!(outputs(&mut session), [Output::State(State::Connected)]);
    let idle = now + Duration::from_secs(20);
    assert_eq!(session.next_deadline(), Some(idle));
    session.on_deadline(idle);
    assert_eq!(outputs(&mut session), [Output::Bytes(vec![0x68, 4, 0x43, 0, 0, 0])]);
    let mut bytes = Vec::new();
    apci::write(Frame::I { send: 0, receive: 0, asdu: &[1, 1, 3, 0, 1, 0, 5, 0, 0, 1] }, &mut bytes);
    session.on_bytes(idle, &bytes);
    assert!(session.is_closed());
}

#[test]
fn a_late_confirmation_is_not_taken_for_that_of_another_order() {
    let mut played = played();
    played.command(1, Step::Select, false);
    let late = played.asked.remove(0);
    let mut bytes = Vec::new();
    apci::write(Frame::S { receive: played.number.unwrap() + 1 }, &mut bytes);
    played.centre.on_bytes(played.now, &bytes);
    played.pass(Duration::from_secs(10));
    assert_eq!(played.outcomes(), [(1, Outcome::TimedOut(Step::Select))]);
    // Its answer may still come: the point is not selected again before, but the select can be withdrawn.
    played.command(2, Step::Select, false);
    assert_eq!(played.outcomes(), [(2, Outcome::NotSent { step: Step::Select, why: NotSent::Busy })]);
    played.reply(&late, causes::ACTIVATION_CON, false);
    assert_eq!(played.outcomes(), []);
    played.command(3, Step::Select, false);
    let asked = played.asked.remove(0);
    played.reply(&asked, causes::ACTIVATION_CON, false);
    assert_eq!(played.outcomes(), [(3, Outcome::Confirmed(Step::Select))]);
}

#[test]
fn a_point_whose_answer_never_came_is_commanded_again_after_a_while() {
    let mut played = played();
    played.command(1, Step::Select, false);
    let mut bytes = Vec::new();
    apci::write(Frame::S { receive: played.number.unwrap() + 1 }, &mut bytes);
    played.centre.on_bytes(played.now, &bytes);
    played.pass(Duration::from_secs(20));
    played.asked.clear();
    played.command(2, Step::Select, true);
    assert_eq!(played.asked.len(), 1);
}

#[test]
fn a_command_can_carry_the_time_of_its_sending() {
    let config = LinkConfig { timed_commands: true, ..LinkConfig::new("station:2404", 1) };
    let mut played = Played::new(config);
    played.command(1, Step::Select, true);
    // C_DC_TA_1; ON, select; 2026-01-31T18:05:12.000Z
    let wanted = [59, 1, 6, 0, 1, 0, 10, 0, 0, 0x82, 0xE0, 0x2E, 5, 18, 31, 1, 26];
    assert_eq!(played.asked, [wanted]);
    played.reply(&wanted, causes::ACTIVATION_CON, false);
    assert_eq!(played.outcomes(), [(1, Outcome::Confirmed(Step::Select))]);
}
