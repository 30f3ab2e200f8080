//! What the stations of benchmarks have in common: frames taken in, started and stopped, answers before all else.

use std::time::Instant;

use headroom_terminals::iec104::Timers;
use headroom_terminals::iec104::apci::{self, Control};
use headroom_terminals::iec104::apdu_flow::{Flow, Flowed};
use headroom_terminals::iec104::asdu::Asdu;

/// A station's side of one connection.
pub(crate) struct Wire {
    pub(crate) flow: Flow,
    pub(crate) started: bool,
    /// A stop was asked; it is confirmed when all is acknowledged.
    stopping: bool,
    answers: Vec<Vec<u8>>,
    /// Frames sent that were answers.
    answered: u64,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let flow = Flow::new(Timers::default(), Instant::now());
        Self { flow, started: false, stopping: false, answers: Vec::new(), answered: 0 }
    }

    /// Takes in what was read; `answer` puts what it has to say to a message behind the other answers.
    pub(crate) fn take(&mut self, input: &mut Vec<u8>, mut answer: impl FnMut(&Asdu<'_>, Instant, &mut Vec<Vec<u8>>)) {
        let now = Instant::now();
        let mut taken = 0;
        while let Some((frame, length)) = apci::split(&input[taken..]).unwrap() {
            match self.flow.on_frame(now, frame).unwrap() {
                Flowed::Asdu(raw, count) => {
                    answer(&Asdu::parse(raw).unwrap(), now, &mut self.answers);
                    self.flow.durable(now, count);
                }
                Flowed::Control(Control::StartAct) => {
                    self.started = true;
                    self.flow.control(now, Control::StartCon);
                }
                Flowed::Control(Control::StopAct) => {
                    self.started = false;
                    self.stopping = true;
                    self.flow.acknowledge();
                }
                Flowed::Control(_) | Flowed::Done => {}
            }
            taken += length;
        }
        input.drain(..taken);
    }

    /// Sends as much as the window lets it: answers, then what `next` gives.
    pub(crate) fn send(&mut self, mut next: impl FnMut(Instant) -> Option<Vec<u8>>) {
        let now = Instant::now();
        if self.stopping && self.flow.all_acknowledged() {
            self.stopping = false;
            self.flow.control(now, Control::StopCon);
        }
        while self.started && self.flow.window_open() {
            if !self.answers.is_empty() {
                self.flow.send(now, &self.answers.remove(0));
                self.answered += 1;
            } else if let Some(frame) = next(now) {
                self.flow.send(now, &frame);
            } else {
                break;
            }
        }
    }

    /// Frames that were no answers and are acknowledged. Answers go before them, so of those acknowledged all are among the
    /// first.
    #[allow(dead_code, reason = "not every benchmark counts them")]
    pub(crate) fn acknowledged(&self) -> u64 {
        self.flow.acknowledged_by_peer().saturating_sub(self.answered)
    }
}
