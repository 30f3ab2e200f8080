//! The controlling session under any peer, any application and any passing of time. What is checked stands in `watched`.

#![no_main]

mod peer;
#[allow(dead_code, reason = "the other session's half")]
#[path = "../../src/iec104/tests/watched/mod.rs"]
mod watched;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use headroom_rules::model::Timestamp;
use headroom_rules::orders::{NotSent, Outcome, Step};
use headroom_terminals::iec104;
use iec104::apci::{self, Frame};
use iec104::asdu::element::{Qcc, Qoi, Qpa, Qpm, Qrp};
use iec104::asdu::{Asdu, Command, CommandValue};
use iec104::config::{LinkConfig, RawTimers, Timers};
use iec104::controlling::{FileRequest, Output, ParameterValue, Request};
use iec104::files::FileId;
use libfuzzer_sys::fuzz_target;
use peer::Ack;
use watched::centre::Centre;

#[derive(Arbitrary, Debug)]
struct Case {
    /// Most octets of a read; 0 for all at once.
    piece: u8,
    k: u8,
    w: u8,
    standby: bool,
    timed: bool,
    deeds: Vec<Deed>,
}

#[derive(Arbitrary, Debug)]
enum Deed {
    Raw(Vec<u8>),
    Control(u8),
    Acknowledge(Ack),
    Message {
        shift: u8,
        ack: Ack,
        asdu: Vec<u8>,
    },
    /// Objects of a type.
    Objects {
        ack: Ack,
        type_id: u8,
        cause: u8,
        count: u8,
    },
    /// About a file: what a type 120 to 126 says of it.
    File {
        ack: Ack,
        type_id: u8,
        cause: u8,
        rest: [u8; 16],
    },
    /// Mirrors one of the messages that came last.
    Answer {
        ack: Ack,
        back: u8,
        cause: u8,
        flip: u8,
    },
    Pass(u16),
    Due,
    Submit {
        id: u8,
        value: u8,
        step: u8,
        expires: u16,
    },
    /// The command that was sent last is confirmed.
    Confirm,
    /// The next step of the order that was submitted last.
    Step {
        step: u8,
        expires: u16,
    },
    Request {
        id: u8,
        request: u8,
        qualifier: u8,
    },
    Durable(u8),
    NotRead(u16),
    Transfer(u8),
    Pause,
    Start,
    Stop,
    Close,
}

/// The messages among frames that were written.
fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Ok(Some((frame, taken))) = apci::split(rest) {
        if let Frame::I { asdu, .. } = frame {
            found.push(asdu.to_vec());
        }
        rest = &rest[taken..];
    }
    found
}

struct Run {
    centre: Centre,
    now: Instant,
    piece: usize,
    sent: Vec<Vec<u8>>,
    receipts: VecDeque<u64>,
    last: (u8, u8),
}

impl Run {
    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Bytes(bytes) => self.sent.extend(messages(&bytes)),
                Output::Objects { received, .. } | Output::Outcome { received: Some(received), .. } => {
                    self.receipts.push_back(received);
                }
                _ => {}
            }
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            let outputs = self.centre.on_bytes(self.now, piece);
            self.take(outputs);
        }
    }

    fn message(&mut self, shift: u8, ack: Ack, asdu: &[u8]) {
        let bytes = peer::message(self.centre.numbers(), shift, ack, asdu);
        self.feed(&bytes);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let wall = Timestamp::new(1_700_000_000_000);
        self.centre.set_wall(wall);
        let outputs = self.centre.on_deadline(self.now);
        self.take(outputs);
    }

    fn due(&mut self) {
        if let Some(next) = self.centre.next_deadline() {
            self.pass(next.saturating_duration_since(self.now));
        }
    }

    fn submit(&mut self, id: u8, value: u8, step: u8, expires: u16) {
        let on = value & 1 == 1;
        let value = match value >> 1 & 7 {
            0 => CommandValue::Single(on),
            1 => CommandValue::Double(on),
            2 => CommandValue::Step(on),
            3 => CommandValue::SetNormalized(i16::from(value)),
            4 => CommandValue::SetScaled(i16::from(value)),
            5 => CommandValue::SetBits(u32::from(value)),
            _ => CommandValue::SetFloat(f32::from(value)),
        };
        let step = [Step::Select, Step::Execute, Step::Cancel, Step::ReadBack][usize::from(step & 3)];
        let expires_in = Duration::from_millis(u64::from(expires));
        // An order has one point; a point is wanted by several orders.
        let (id, ioa) = (u64::from(id & 7), u32::from(id & 3));
        let outputs =
            self.centre.submit(self.now, Command { id, common_address: 1, ioa, value, qualifier: 0, step, expires_in });
        self.take(outputs);
    }

    fn deed(&mut self, deed: Deed) {
        match deed {
            Deed::Raw(bytes) => self.feed(&bytes),
            Deed::Control(which) => self.feed(&peer::control(which)),
            Deed::Acknowledge(ack) => {
                let bytes = peer::acknowledgement(self.centre.numbers(), ack);
                self.feed(&bytes);
            }
            Deed::Message { shift, ack, asdu } => self.message(shift, ack, &asdu),
            Deed::Objects { ack, type_id, cause, count } => {
                let type_id = 1 + type_id % 40;
                let Some(iec104::asdu::types::Layout::Fixed(length)) = iec104::asdu::types::layout(type_id) else {
                    return;
                };
                let count = 1 + count % 8;
                let mut asdu = vec![type_id, count, cause & 0x3F, 0, 1, 0];
                for n in 0..count {
                    asdu.extend_from_slice(&[n, 0, 0]);
                    asdu.resize(asdu.len() + length, n);
                }
                self.message(0, ack, &asdu);
            }
            Deed::File { ack, type_id, cause, rest } => {
                let asdu = peer::file(type_id, cause, rest);
                self.message(0, ack, &asdu);
            }
            Deed::Answer { ack, back, cause, flip } => {
                let at = self.sent.len().checked_sub(1 + usize::from(back % 16));
                let Some(message) = at.and_then(|at| self.sent.get(at)).cloned() else { return };
                let Ok(asdu) = Asdu::parse(&message) else { return };
                let mut answer = asdu.mirrored(cause & 0x3F, cause & 0x40 != 0);
                if flip > 200
                    && let Some(last) = answer.last_mut()
                {
                    *last ^= flip;
                }
                self.message(0, ack, &answer);
            }
            Deed::Pass(ms) => self.pass(Duration::from_millis(u64::from(ms))),
            Deed::Due => self.due(),
            Deed::Submit { id, value, step, expires } => {
                self.last = (id, value);
                self.submit(id, value, step, expires);
            }
            Deed::Step { step, expires } => self.submit(self.last.0, self.last.1, step, expires),
            Deed::Confirm => {
                let is_command = |raw: &&Vec<u8>| matches!(raw.first(), Some(45..=64));
                let Some(mut confirmation) = self.sent.iter().rfind(is_command).cloned() else { return };
                confirmation[2] += 1;
                self.message(0, Ack::All, &confirmation);
            }
            Deed::Request { id, request, qualifier } => {
                let request = match request % 10 {
                    0 => Request::Interrogate(Qoi(qualifier)),
                    1 => Request::Counters(Qcc(qualifier)),
                    2 => Request::Read { ioa: u32::from(qualifier & 7) },
                    3 => Request::Clock,
                    4 => Request::Test,
                    5 => Request::TestTimed(u16::from(qualifier)),
                    6 => Request::Reset(Qrp(qualifier)),
                    7 => Request::Parameter { ioa: 1, value: ParameterValue::Float(1.5), qualifier: Qpm(qualifier) },
                    8 => Request::Parameter { ioa: 1, value: ParameterValue::Scaled(1), qualifier: Qpm(qualifier) },
                    _ => Request::ParameterActivation { ioa: 1, qualifier: Qpa(qualifier) },
                };
                let outputs = self.centre.request(self.now, u64::from(id & 7), request);
                self.take(outputs);
            }
            Deed::Transfer(n) => {
                let file = FileId { ioa: 30_001, name: 1 };
                let wanted = match n & 3 {
                    0 => FileRequest::Directory,
                    1 => FileRequest::QueryLog(file, [Timestamp::new(0); 2]),
                    2 => FileRequest::SendFile(file, vec![n; usize::from(n) * 4]),
                    _ => FileRequest::ReadFile(file),
                };
                let outputs = self.centre.transfer(self.now, u64::from(n), wanted);
                self.take(outputs);
            }
            Deed::Durable(n) => {
                let n = usize::from(n % 16).min(self.receipts.len());
                let last = self.receipts.drain(..n).next_back();
                if let Some(received) = last {
                    let outputs = self.centre.durable(self.now, received);
                    self.take(outputs);
                }
            }
            Deed::NotRead(ms) => {
                let time = Duration::from_millis(u64::from(ms));
                self.now += time;
                self.centre.not_read(time);
            }
            Deed::Pause => {
                let outputs = self.centre.pause(self.now);
                self.take(outputs);
            }
            Deed::Start => {
                let outputs = self.centre.start(self.now);
                self.take(outputs);
            }
            Deed::Stop => {
                let outputs = self.centre.stop(self.now);
                self.take(outputs);
            }
            Deed::Close => {
                let outputs = self.centre.close(self.now);
                self.take(outputs);
            }
        }
    }
}

fuzz_target!(|case: Case| {
    let k = 1 + u16::from(case.k % 16);
    let raw = RawTimers { k, w: 1 + u16::from(case.w) % k, ..RawTimers::default() };
    let mut config = LinkConfig::new("station:2404", 1);
    config.timers = Timers::try_from(raw).expect("in range");
    config.timed_commands = case.timed;
    let now = Instant::now();
    let mut run = Run {
        centre: Centre::new(config, now, Timestamp::new(1_700_000_000_000), case.standby),
        now,
        piece: if case.piece == 0 { usize::MAX } else { usize::from(case.piece) },
        sent: Vec::new(),
        receipts: VecDeque::new(),
        last: (0, 0),
    };
    run.pass(Duration::ZERO);
    for deed in case.deeds {
        run.deed(deed);
    }
    // A silent peer: t1 ends what t3 tests, and every command has its outcome by then.
    for _ in 0..64 {
        run.due();
    }
    let outputs = run.centre.close(run.now);
    run.take(outputs);
    assert_eq!(run.centre.open(), 0);
    let command = Command {
        id: 9,
        common_address: 1,
        ioa: 1,
        value: CommandValue::Single(true),
        qualifier: 0,
        step: Step::Select,
        expires_in: Duration::from_secs(1),
    };
    let refused = Outcome::NotSent { step: Step::Select, why: NotSent::NoLink };
    let outputs = run.centre.submit(run.now, command);
    assert_eq!(outputs, [Output::Outcome { command: 9, outcome: refused, received: None }]);
});
