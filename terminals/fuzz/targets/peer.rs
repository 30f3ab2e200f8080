//! The other end of a link, as a fuzzer steers it: sound frames, or wrong ones.

use arbitrary::Arbitrary;
use headroom_terminals::iec104::apci::{self, ASDU_MAX, Control, Frame, SEQ_MASK};
use headroom_terminals::iec104::asdu::types;

use crate::watched::Numbers;

/// What a frame acknowledges.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Ack {
    /// All that was sent.
    All,
    /// So many of it.
    Some(u8),
    /// Nothing new.
    None,
    /// Any number.
    Any(u16),
}

fn wire(count: u64) -> u16 {
    u16::try_from(count & u64::from(SEQ_MASK)).unwrap_or(0)
}

fn number(numbers: &Numbers, ack: Ack) -> u16 {
    wire(match ack {
        Ack::All => numbers.sent,
        Ack::Some(n) => (numbers.acknowledged + u64::from(n)).min(numbers.sent),
        Ack::None => numbers.acknowledged,
        Ack::Any(n) => u64::from(n),
    })
}

fn written(frame: Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    apci::write(frame, &mut out);
    out
}

/// An I frame to the session with these numbers, `shift` frames off.
pub fn message(numbers: &Numbers, shift: u8, ack: Ack, asdu: &[u8]) -> Vec<u8> {
    // Mostly in turn.
    let shift = if shift < 250 { 0 } else { u64::from(shift - 249) };
    let send = wire(numbers.received + shift);
    written(Frame::I { send, receive: number(numbers, ack), asdu: &asdu[..asdu.len().min(ASDU_MAX)] })
}

/// An S frame.
pub fn acknowledgement(numbers: &Numbers, ack: Ack) -> Vec<u8> {
    written(Frame::S { receive: number(numbers, ack) })
}

/// A U frame.
pub fn control(which: u8) -> Vec<u8> {
    let controls =
        [Control::StartAct, Control::StartCon, Control::StopAct, Control::StopCon, Control::TestAct, Control::TestCon];
    written(Frame::U(controls[usize::from(which) % controls.len()]))
}

/// A message about the file of `watched`, with any content of the right size.
pub fn file(type_id: u8, cause: u8, rest: [u8; 16]) -> Vec<u8> {
    let type_id = 120 + type_id % 8;
    let cause = if cause < 240 { 13 } else { cause & 0x3F };
    let mut asdu = vec![type_id, 1, cause, 0, 1, 0, 0x31, 0x75, 0, 1, 0];
    match types::layout(type_id) {
        Some(types::Layout::Fixed(length)) => asdu.extend_from_slice(&rest[..length - 2]),
        _ => {
            let length = rest[1] % 14;
            asdu.extend_from_slice(&[rest[0], length]);
            asdu.extend_from_slice(&rest[2..2 + usize::from(length)]);
        }
    }
    asdu
}
