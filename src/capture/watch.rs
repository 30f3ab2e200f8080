//! What two stations do wrong, as a third sees it who hears both: numbering, windows, control procedures
//! (IEC 60870-5-104, 5).

use headroom_terminals::iec104::apci::{Control, Frame, SEQ_MASK};

use super::moment::Moment;

/// Most unacknowledged I frames, as the standard has it where stations agree on nothing else (k, 9.6).
const K: u16 = 12;
/// A confirmation is late from here on (t1, 9.6), ns.
const T1_NS: u64 = 15_000_000_000;

/// Whether a sequence number is past another one, rather than before it.
const HALF: u16 = 0x4000;

/// A control function that waits for its confirmation.
#[derive(Clone, Copy, Debug)]
struct Asked {
    packet: u64,
    at: Moment,
    told: bool,
}

/// What one side did.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// N(S) of its next I frame.
    next: Option<u16>,
    /// The oldest N(S) that the other has not acknowledged.
    oldest: Option<u16>,
    /// STARTDT, STOPDT, TESTFR.
    asked: [Option<Asked>; 3],
}

/// Follows one link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// The controlled station's, the controlling station's.
    sides: [Side; 2],
    /// The controlling station started the transfer, and it was confirmed; none where the capture began later.
    started: Option<bool>,
}

const NAMES: [&str; 3] = ["STARTDT", "STOPDT", "TESTFR"];

const fn distance(from: u16, to: u16) -> u16 {
    to.wrapping_sub(from) & SEQ_MASK
}

impl Watch {
    /// A connection of which the beginning was seen.
    pub(super) fn from_start() -> Self {
        let side = Side { next: Some(0), oldest: Some(0), ..Side::default() };
        Self { sides: [side; 2], started: Some(false) }
    }

    /// Frames of this side are missing.
    pub(super) fn on_gap(&mut self, from_client: bool) {
        let [server, client] = &mut self.sides;
        let (own, other) = if from_client { (client, server) } else { (server, client) };
        // The number to come is not known, nor what was acknowledged, started or confirmed meanwhile.
        *own = Side::default();
        other.oldest = None;
        other.asked = [None; 3];
        self.started = None;
    }

    /// What is wrong with a frame. While the other side's stream `is_behind`, as octets of it are waited for, nobody knows
    /// what it sent.
    pub(super) fn on_frame(
        &mut self,
        from_client: bool,
        frame: &Frame<'_>,
        packet: u64,
        at: Moment,
        is_behind: bool,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        let [server, client] = &mut self.sides;
        let (own, other) = if from_client { (client, server) } else { (server, client) };
        if is_behind {
            (other.next, other.oldest) = (None, None);
        }
        for (asked, name) in own.asked.iter_mut().zip(NAMES) {
            if let Some(asked) = asked.as_mut().filter(|asked| !asked.told && at.since(asked.at) > T1_NS) {
                asked.told = true;
                faults.push(format!("{name} act of packet {} is not confirmed within 15 s", asked.packet));
            }
        }
        match *frame {
            Frame::I { send, receive, .. } => {
                if self.started == Some(false) {
                    faults.push("data before STARTDT was confirmed".to_owned());
                    // Once is enough.
                    self.started = None;
                }
                acknowledge(other, receive, &mut faults);
                if let Some(due) = own.next.filter(|&due| due != send) {
                    faults.push(format!("sequence error: N(S) {send}, {due} was due"));
                    // What was outstanding is not known any more.
                    own.oldest = None;
                }
                let next = send.wrapping_add(1) & SEQ_MASK;
                own.next = Some(next);
                if let Some(outstanding) = own.oldest.map(|oldest| distance(oldest, next)).filter(|&n| n > K) {
                    faults.push(format!("{outstanding} I frames unacknowledged, more than k = {K}"));
                }
            }
            Frame::S { receive } => acknowledge(other, receive, &mut faults),
            Frame::U(control) => {
                let (which, confirms) = match control {
                    Control::StartAct => (0, false),
                    Control::StartCon => (0, true),
                    Control::StopAct => (1, false),
                    Control::StopCon => (1, true),
                    Control::TestAct => (2, false),
                    Control::TestCon => (2, true),
                };
                if control == Control::StartCon {
                    self.started = Some(true);
                }
                let (asking, name) = (if confirms { other } else { own }, NAMES.get(which).copied().unwrap_or(""));
                let Some(asked) = asking.asked.get_mut(which) else { return faults };
                if confirms {
                    *asked = None;
                } else if let Some(before) = asked.replace(Asked { packet, at, told: false })
                    && !before.told
                {
                    faults.push(format!("{name} act of packet {} is not confirmed", before.packet));
                }
            }
        }
        faults
    }

    /// What stays without an answer at the end.
    pub(super) fn unanswered(&self) -> Vec<String> {
        let asked = self.sides.iter().flat_map(|side| side.asked.iter().zip(NAMES));
        asked
            .filter_map(|(asked, name)| {
                asked.map(|asked| format!("{name} act of packet {} has no answer", asked.packet))
            })
            .collect()
    }
}

/// N(R) says what the other side's frames came to.
fn acknowledge(sender: &mut Side, receive: u16, faults: &mut Vec<String>) {
    let Some(next) = sender.next else {
        sender.oldest = Some(receive);
        return;
    };
    let fits = match sender.oldest {
        Some(oldest) => distance(oldest, receive) <= distance(oldest, next),
        None => distance(receive, next) < HALF,
    };
    if fits {
        sender.oldest = Some(receive);
    } else if sender.oldest.is_some_and(|oldest| distance(receive, oldest) < HALF) {
        faults.push(format!("N(R) {receive} was acknowledged before, {} was the last", sender.oldest.unwrap_or(0)));
    } else {
        faults.push(format!("N(R) {receive} acknowledges what was not seen to be sent, {next} is the next N(S)"));
    }
}
