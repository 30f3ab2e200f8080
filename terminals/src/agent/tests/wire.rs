//! The terminal's functions as a centre sees them: a controlling session and the agent's controlled session joined on
//! virtual time, second by second, with every octet through the codec.

mod broadcasts;
mod restarts;
mod settings;
mod trips;

use std::time::Duration;

use headroom_rules::local_control::Function;
use headroom_rules::orders::Outcome;

use super::*;
use crate::iec104::asdu::element::Qpm;
use crate::iec104::controlling::{Answer, FileAnswer, FileRequest, Output, ParameterValue, Request};
use crate::iec104::{Command, LinkConfig, controlling};

/// The common address of [`agent`].
const ADDRESS: u16 = 9;
const ROUND: RoundNo = RoundNo::ALL[0];

/// The confirmation with P/N = 1, and the cause of an address that nothing stands at.
const REFUSED: u8 = causes::ACTIVATION_CON;
const UNKNOWN: u8 = causes::UNKNOWN_OBJECT;

struct Joined {
    now: Instant,
    /// The centre's clock is so far ahead of the site's, ms.
    ahead: i64,
    centre: controlling::Session,
    station: Session<Agent<Bench>>,
    link: ConnectionId,
    /// What arrived at the centre: object address, value, cause, second of its time.
    objects: Vec<(u32, Value, u8, Option<i64>)>,
    outcomes: Vec<(u64, Outcome)>,
    answers: Vec<(u64, Answer)>,
    files: Vec<FileAnswer>,
    ids: u64,
}

/// The site and the set-up of [`agent`], ten minutes after its start.
fn joined() -> Joined {
    joined_with(agent(false), 0)
}

fn joined_with(agent: Agent<Bench>, ahead_s: i64) -> Joined {
    let now = Instant::now();
    let ahead = ahead_s * 1_000;
    let link = ConnectionId(1);
    let mut joined = Joined {
        now,
        ahead,
        centre: controlling::Session::new(LinkConfig::new("terminal:2404", ADDRESS), now, Timestamp::new(0)),
        station: Session::new(StationConfig::new(ADDRESS), agent, now),
        link,
        objects: Vec::new(),
        outcomes: Vec::new(),
        answers: Vec::new(),
        files: Vec::new(),
        ids: 0,
    };
    joined.connect();
    joined
}

impl Joined {
    fn connect(&mut self) {
        self.link = ConnectionId(self.link.0 + 1);
        self.centre = controlling::Session::new(LinkConfig::new("terminal:2404", ADDRESS), self.now, self.wall());
        assert!(self.station.on_connected(self.now, self.link));
        self.exchange();
        self.seconds(2);
    }

    fn site(&self) -> &Bench {
        self.station.station().site()
    }

    /// The site's second, which is the terminal's as long as the centre's clock is not ahead.
    fn second(&self) -> i64 {
        self.site().now.get() / 1_000
    }

    fn wall(&self) -> Timestamp {
        self.site().now.after(Span::new(self.ahead))
    }

    /// Carries octets both ways until neither end has more.
    fn exchange(&mut self) {
        loop {
            let mut quiet = true;
            while let Some((_, octets)) = self.station.next_output() {
                quiet = false;
                self.centre.on_bytes(self.now, &octets);
            }
            while let Some(output) = self.centre.next_output() {
                quiet = false;
                self.take(output);
            }
            if quiet {
                return;
            }
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Bytes(octets) => self.station.on_bytes(self.now, self.link, &octets),
            Output::Objects { objects, received } => {
                self.objects.extend(objects.iter().map(|object| {
                    let second = object.time.map(|time| time.get() / 1_000);
                    (object.ioa, object.value, object.cause, second)
                }));
                self.centre.durable(self.now, received);
            }
            Output::Outcome { command, outcome, received } => {
                self.outcomes.push((command, outcome));
                received.into_iter().for_each(|received| self.centre.durable(self.now, received));
            }
            Output::Answered { request, answer } => self.answers.push((request, answer)),
            Output::File { result, .. } => self.files.push(result.unwrap()),
            Output::State(_) | Output::Sent(_) => {}
            Output::Malformed { why, .. } => panic!("{why}"),
            Output::Unknown { bytes } => panic!("{bytes:02x?}"),
        }
    }

    fn seconds(&mut self, count: i64) {
        for _ in 0..count {
            self.now += Duration::from_secs(1);
            let site = self.station.station_mut().site_mut();
            site.now = site.now.after(Span::from_s(1));
            let wall = self.wall();
            self.centre.set_wall(wall);
            self.centre.on_deadline(self.now);
            self.station.on_deadline(self.now);
            self.exchange();
        }
    }

    /// Until the site's clock shows this second.
    fn until(&mut self, second: i64) {
        self.seconds(second - self.second());
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn submit(&mut self, id: u64, ioa: u32, value: CommandValue, step: Step) -> Vec<Outcome> {
        let expires_in = Duration::from_secs(60);
        let command = Command { id, common_address: ADDRESS, ioa, value, qualifier: 0, step, expires_in };
        let before = self.outcomes.len();
        self.centre.submit(self.now, command);
        self.exchange();
        self.outcomes.drain(before..).map(|(_, outcome)| outcome).collect()
    }

    /// Select and, where that is confirmed, execute.
    fn order(&mut self, ioa: u32, value: CommandValue) -> Vec<Outcome> {
        let id = self.next_id();
        let mut outcomes = self.submit(id, ioa, value, Step::Select);
        if outcomes == [Outcome::Confirmed(Step::Select)] {
            outcomes.extend(self.submit(id, ioa, value, Step::Execute));
        }
        outcomes
    }

    fn trip(&mut self, round: u32) -> Vec<Outcome> {
        self.order(6000 + round, CommandValue::Double(false))
    }

    /// Once what the link asks by itself has ended: one procedure at a time.
    fn ask(&mut self, request: Request) -> Answer {
        let id = self.next_id();
        self.centre.request(self.now, id, request);
        self.exchange();
        let (of, answer) = self.answers.pop().unwrap();
        assert_eq!(of, id);
        answer
    }

    /// P_ME with the kind "threshold" (KPA 1).
    fn load(&mut self, ioa: u32, value: ParameterValue) -> Answer {
        self.ask(Request::Parameter { ioa, value, qualifier: Qpm(1) })
    }

    fn read(&mut self, ioa: u32) -> Value {
        assert_eq!(self.ask(Request::Read { ioa }), Answer::Done);
        let &(read, value, cause, _) = self.objects.last().unwrap();
        assert_eq!((read, cause), (ioa, causes::REQUEST));
        value
    }

    fn file(&mut self, file: FileId) -> Vec<u8> {
        let id = self.next_id();
        self.centre.transfer(self.now, id, FileRequest::ReadFile(file));
        self.exchange();
        let Some(FileAnswer::Read(octets)) = self.files.pop() else { panic!("{file:?}") };
        octets
    }

    fn send_settings(&mut self, text: &str) {
        let id = self.next_id();
        self.centre.transfer(self.now, id, FileRequest::SendFile(SETTINGS_FILE, text.as_bytes().to_vec()));
        self.exchange();
        assert_eq!(self.files.pop(), Some(FileAnswer::Sent));
    }

    fn settings(&mut self) -> String {
        String::from_utf8(self.file(SETTINGS_FILE)).unwrap()
    }

    /// The records of control in the record of events: the second of each, and its fields as the map numbers them.
    fn records(&mut self) -> Vec<(i64, Vec<(u32, f32)>)> {
        let mut records: Vec<(i64, Vec<(u32, f32)>)> = Vec::new();
        for object in events(&self.file(EVENT_FILE), Zone::UTC).unwrap() {
            let Value::Float(value) = object.value else { continue };
            let at = object.time.unwrap().get() / 1_000;
            match (object.ioa, records.last_mut()) {
                (5_001, _) => records.push((at, vec![(object.ioa, value)])),
                (5_002..=5_010, Some((last, fields))) if *last == at => fields.push((object.ioa, value)),
                (5_002..=5_010, _) => panic!("a field without its record: {object:?}"),
                _ => {}
            }
        }
        // Parameters changed.
        records.retain(|(_, fields)| fields[0] != (5_001, 3.0));
        records
    }

    fn position(&self, round: usize) -> SwitchPosition {
        self.site().sample.rounds[round - 1].unwrap().position
    }

    /// Told by its own since the last call.
    fn told(&mut self, ioa: u32) -> Vec<(Value, u8, Option<i64>)> {
        let told = self.objects.iter().filter(|object| object.0 == ioa && matches!(object.2, 3 | 11));
        let told = told.map(|&(_, value, cause, second)| (value, cause, second)).collect();
        self.objects.clear();
        told
    }
}

/// What an order comes to that is taken: select, execute and its end.
const TAKEN: [Outcome; 3] = [Outcome::Confirmed(Step::Select), Outcome::Confirmed(Step::Execute), Outcome::Terminated];

fn refused(cause: u8) -> [Outcome; 1] {
    [Outcome::Refused { step: Step::Select, cause }]
}

/// A remote trip's record of round 1, from 60 kW to 40: event 5, function 1.
fn remote_record(at: i64) -> (i64, Vec<(u32, f32)>) {
    (at, vec![(5_001, 5.0), (5_002, 1.0), (5_003, 1.0), (5_006, 60.0), (5_007, 40.0)])
}
