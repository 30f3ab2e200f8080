//! The controlled session under any peers, any device and any passing of time. What is checked stands in `watched`; in the
//! end an honest peer comes, and gets all changes that no other acknowledged.

#![no_main]

mod peer;
#[allow(dead_code, reason = "the other session's half")]
#[path = "../../src/iec104/tests/watched/mod.rs"]
mod watched;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use headroom_rules::model::Timestamp;
use headroom_terminals::iec104;
use iec104::asdu::{self, CommandValue, Value};
use iec104::config::{RawTimers, StationConfig, Timers};
use iec104::controlled::{CommandAnswer, ConnectionId};
use iec104::time::{Cp56, Zone};
use libfuzzer_sys::fuzz_target;
use peer::Ack;
use watched::station::Outstation;

#[derive(Arbitrary, Debug)]
struct Case {
    /// Most octets of a read; 0 for all at once.
    piece: u8,
    k: u8,
    w: u8,
    connections: u8,
    pending: u8,
    direct: bool,
    ages: bool,
    resets: bool,
    deeds: Vec<Deed>,
}

#[derive(Arbitrary, Debug)]
enum Deed {
    Connect(u8),
    Disconnect(u8),
    Raw(u8, Vec<u8>),
    Control(u8, u8),
    Acknowledge(u8, Ack),
    Message {
        id: u8,
        shift: u8,
        ack: Ack,
        asdu: Vec<u8>,
    },
    Command {
        id: u8,
        ack: Ack,
        ioa: u8,
        value: u8,
        select: bool,
        cause: u8,
        originator: u8,
        age_s: u8,
    },
    /// The execute of the command that was sent last, or nearly.
    Execute {
        id: u8,
        change: u8,
    },
    Ask {
        id: u8,
        ack: Ack,
        type_id: u8,
        cause: u8,
        qualifier: u8,
    },
    /// About a file: what a type 120 to 127 says of it.
    File {
        id: u8,
        ack: Ack,
        type_id: u8,
        cause: u8,
        rest: [u8; 16],
    },
    Pass(u16),
    Due,
    Change {
        count: u8,
        timed: bool,
    },
    /// What the device says to commands from now on.
    Will(u8),
    /// What it says of one that waits.
    Says {
        which: u8,
        answer: u8,
        at_scan: bool,
    },
}

const START: Timestamp = Timestamp::new(1_700_000_000_000);

struct Run {
    station: Outstation,
    now: Instant,
    piece: usize,
    changes: u32,
    acknowledged: BTreeSet<u32>,
    command: Vec<u8>,
}

fn answer(n: u8) -> CommandAnswer {
    match n % 5 {
        0 => CommandAnswer::Accepted,
        1 => CommandAnswer::Begun,
        2 => CommandAnswer::Later,
        3 => CommandAnswer::Refused,
        _ => CommandAnswer::UnknownObject,
    }
}

/// Mostly the same one, so that something comes of it.
fn connection(n: u8) -> ConnectionId {
    ConnectionId(match n {
        0..128 => 0,
        128..192 => 1,
        192..224 => 2,
        _ => 3,
    })
}

impl Run {
    fn after(&mut self) {
        for object in std::mem::take(&mut self.station.acknowledged) {
            if let Value::Bits(serial) = object.value {
                self.acknowledged.insert(serial);
            }
        }
        for id in (0..=4).map(ConnectionId) {
            if self.station.closed(id).is_some() {
                self.station.on_disconnected(id);
            }
        }
    }

    fn feed(&mut self, id: ConnectionId, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            self.station.on_bytes(self.now, id, piece);
            self.after();
        }
    }

    fn message(&mut self, id: u8, shift: u8, ack: Ack, asdu: &[u8]) {
        let id = connection(id);
        let Some(numbers) = self.station.numbers(id) else { return };
        let bytes = peer::message(numbers, shift, ack, asdu);
        self.feed(id, &bytes);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.station.on_deadline(self.now);
        self.after();
    }

    fn due(&mut self) {
        let next = self.station.next_deadline();
        self.pass(next.saturating_duration_since(self.now));
    }

    fn deed(&mut self, deed: Deed, resets: bool) {
        match deed {
            Deed::Connect(id) => {
                self.station.on_connected(self.now, connection(id));
            }
            Deed::Disconnect(id) => self.station.on_disconnected(connection(id)),
            Deed::Raw(id, bytes) => self.feed(connection(id), &bytes),
            Deed::Control(id, which) => self.feed(connection(id), &peer::control(which)),
            Deed::Acknowledge(id, ack) => {
                let id = connection(id);
                let Some(numbers) = self.station.numbers(id) else { return };
                let bytes = peer::acknowledgement(numbers, ack);
                self.feed(id, &bytes);
            }
            Deed::Message { id, shift, ack, asdu } => self.message(id, shift, ack, &asdu),
            Deed::Command { id, ack, ioa, value, select, cause, originator, age_s } => {
                let on = value & 1 == 1;
                let qualifier = value >> 4;
                let value = match value >> 1 & 7 {
                    0 => CommandValue::Single(on),
                    1 => CommandValue::Double(on),
                    2 => CommandValue::Step(on),
                    3 => CommandValue::SetNormalized(1),
                    4 => CommandValue::SetScaled(2),
                    5 => CommandValue::SetBits(3),
                    _ => CommandValue::SetFloat(4.0),
                };
                let sent = (age_s > 0).then(|| {
                    let age = i64::from(age_s - 1) * 1_000;
                    Cp56::new(Timestamp::new(START.get() - age), Zone::UTC)
                });
                let cause = [6, 6, 6, 8][usize::from(cause & 3)];
                let ioa = 8 + u32::from(ioa & 3);
                let mut command = asdu::command(1, ioa, value, 0, select, cause, sent);
                command[3] = originator & 1;
                if qualifier & 3 == 1
                    && sent.is_none()
                    && let Some(last) = command.last_mut()
                {
                    *last ^= qualifier << 2 & 0x3C;
                }
                self.command.clone_from(&command);
                self.message(id, 0, ack, &command);
            }
            Deed::Execute { id, change } => {
                let mut execute = self.command.clone();
                let Some(at) = execute.len().checked_sub(if execute.first() >= Some(&58) { 8 } else { 1 }) else {
                    return;
                };
                execute[2] = 6;
                execute[at] &= 0x7F;
                match change {
                    250.. => execute[at] ^= 0x04,
                    240.. => execute[3] ^= 1,
                    _ => {}
                }
                self.message(id, 0, Ack::All, &execute);
            }
            Deed::Ask { id, ack, type_id, cause, qualifier } => {
                let types = [100, 101, 102, 103, 104, 105, 107, 110, 111, 112, 113, 120, 124, 200];
                let type_id = types[usize::from(type_id) % types.len()];
                let length = match iec104::asdu::types::layout(type_id) {
                    Some(iec104::asdu::types::Layout::Fixed(length)) => length,
                    _ => 3,
                };
                let ioa = if matches!(type_id, 102 | 110..=113) { 30 } else { 0 };
                let mut asdu = vec![type_id, 1, cause & 0x3F, 0, 1, 0, ioa, 0, 0];
                asdu.resize(9 + length, qualifier);
                self.message(id, 0, ack, &asdu);
            }
            Deed::File { id, ack, type_id, cause, rest } => {
                let asdu = peer::file(type_id, cause, rest);
                self.message(id, 0, ack, &asdu);
            }
            Deed::Pass(ms) => self.pass(Duration::from_millis(u64::from(ms))),
            Deed::Due => self.due(),
            Deed::Change { count, timed } => {
                for n in 0..=count & 63 {
                    // A reset forgets what has a time, which would be missed in the end.
                    let time = (timed && !resets).then_some(START);
                    self.station.change(100 + u32::from(n & 3), Value::Bits(self.changes), time);
                    self.changes += 1;
                }
            }
            Deed::Will(n) => self.station.device().answer = Some(answer(n)),
            Deed::Says { which, answer: n, at_scan } => {
                let device = self.station.device();
                if device.open.is_empty() {
                    return;
                }
                let command = device.open.remove(usize::from(which) % device.open.len());
                if at_scan {
                    device.later.push_back((command.token, answer(n)));
                } else {
                    self.station.answer(self.now, command.token, answer(n));
                    self.after();
                }
            }
        }
    }

    /// What an honest peer gets, after which nothing is owed.
    fn honest(&mut self) {
        for id in (0..4).map(ConnectionId) {
            self.station.on_disconnected(id);
        }
        let id = ConnectionId(4);
        assert!(self.station.on_connected(self.now, id), "bounded: a place that was left is free");
        let before = self.acknowledged.clone();
        self.piece = usize::MAX;
        self.feed(id, &peer::control(0));
        let mut idle = 0;
        while idle < 3 {
            let numbers = self.station.numbers(id).expect("liveness: an honest peer is not thrown out");
            idle = if numbers.sent == numbers.acknowledged { idle + 1 } else { 0 };
            let bytes = peer::acknowledgement(numbers, Ack::All);
            self.feed(id, &bytes);
            self.feed(id, &peer::control(5));
            self.pass(Duration::from_secs(1));
        }
        let missing = u64::from(self.changes) - self.acknowledged.len() as u64;
        let dropped = self.station.dropped();
        assert!(missing <= dropped, "nothing_lost: {missing} of {}, {dropped} dropped, {before:?}", self.changes);
    }
}

fuzz_target!(|case: Case| {
    let k = 1 + u16::from(case.k % 16);
    let raw = RawTimers { k, w: 1 + u16::from(case.w) % k, ..RawTimers::default() };
    let mut config = StationConfig::new(1);
    config.timers = Timers::try_from(raw).expect("in range");
    config.require_select = !case.direct;
    config.connections_max = 1 + usize::from(case.connections % 3);
    config.pending_max = if case.pending < 128 { 4_096 } else { usize::from(case.pending - 127) };
    config.command_age_max = case.ages.then(|| Duration::from_secs(30));
    let now = Instant::now();
    let mut run = Run {
        station: Outstation::new(config, now),
        now,
        piece: if case.piece == 0 { usize::MAX } else { usize::from(case.piece) },
        changes: 0,
        acknowledged: BTreeSet::new(),
        command: Vec::new(),
    };
    run.station.device().resets = case.resets;
    for deed in case.deeds {
        run.deed(deed, case.resets);
    }
    run.honest();
});
