//! What both stations share: sequence numbers, the windows k and w, t1, t2, t3 and test frames (60870-5-104, 5). No I/O.
//!
//! **Invariant** `durable_before_ack`: N(R) never passes what [`Flow::durable`] was told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::apci::{self, Control, Frame, SEQ_MASK};
use super::config::Timers;
use super::error::FlowError;

/// Numbering and supervision of one link. Counts run for ever; the wire carries them modulo 2^15.
#[derive(Debug)]
pub struct Flow {
    timers: Timers,
    sent: u64,
    /// When each unacknowledged I frame was sent, oldest first; its length is what is outstanding.
    sent_at: VecDeque<Instant>,
    received: u64,
    durable: u64,
    acknowledged: u64,
    ack_wanted_since: Option<Instant>,
    heard_at: Instant,
    test_sent: Option<Instant>,
    control_sent: Option<(Control, Instant)>,
    out: Vec<u8>,
}

/// What a frame means to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flowed<'a> {
    /// A message, as the n-th I frame from 1.
    Asdu(&'a [u8], u64),
    /// A start or stop, asked or confirmed.
    Control(Control),
    /// Nothing left to do.
    Done,
}

fn wire(count: u64) -> u16 {
    u16::try_from(count & u64::from(SEQ_MASK)).unwrap_or(0)
}

impl Flow {
    /// A connection that was established at `now`.
    pub fn new(timers: Timers, now: Instant) -> Self {
        Self {
            timers,
            sent: 0,
            sent_at: VecDeque::new(),
            received: 0,
            durable: 0,
            acknowledged: 0,
            ack_wanted_since: None,
            heard_at: now,
            test_sent: None,
            control_sent: None,
            out: Vec::new(),
        }
    }

    /// I frames received so far.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// I frames received that may not be acknowledged yet.
    pub const fn undurable(&self) -> u64 {
        self.received - self.durable
    }

    /// For this time nobody read the socket, where what the peer owes may lie: it has that much more.
    pub fn not_read(&mut self, time: Duration) {
        self.heard_at += time;
        self.sent_at.iter_mut().for_each(|at| *at += time);
        self.test_sent = self.test_sent.map(|at| at + time);
        self.control_sent = self.control_sent.map(|(control, at)| (control, at + time));
    }

    /// I frames sent so far.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// I frames that the peer acknowledged.
    pub fn acknowledged_by_peer(&self) -> u64 {
        self.sent - self.sent_at.len() as u64
    }

    /// Whether another I frame may be sent (k).
    pub fn window_open(&self) -> bool {
        self.sent_at.len() < usize::from(self.timers.k())
    }

    /// Whether every sent I frame is acknowledged.
    pub fn all_acknowledged(&self) -> bool {
        self.sent_at.is_empty()
    }

    /// Takes one frame in.
    ///
    /// # Errors
    /// The peer broke the numbering or the control procedures: close the link.
    pub fn on_frame<'a>(&mut self, now: Instant, frame: Frame<'a>) -> Result<Flowed<'a>, FlowError> {
        self.heard_at = now;
        match frame {
            Frame::I { send, receive, asdu } => {
                let wanted = wire(self.received);
                if send != wanted {
                    return Err(FlowError::Sequence { got: send, wanted });
                }
                let open = self.received - self.acknowledged;
                if open >= u64::from(SEQ_MASK) {
                    return Err(FlowError::Overrun(open));
                }
                self.on_ack(receive)?;
                self.received += 1;
                Ok(Flowed::Asdu(asdu, self.received))
            }
            Frame::S { receive } => self.on_ack(receive).map(|()| Flowed::Done),
            Frame::U(Control::TestAct) => {
                apci::write(Frame::U(Control::TestCon), &mut self.out);
                Ok(Flowed::Done)
            }
            Frame::U(Control::TestCon) => {
                self.test_sent = None;
                Ok(Flowed::Done)
            }
            Frame::U(control @ (Control::StartCon | Control::StopCon)) => {
                let (asked, name) = if control == Control::StartCon {
                    (Control::StartAct, "STARTDT con")
                } else {
                    (Control::StopAct, "STOPDT con")
                };
                if self.control_sent.is_none_or(|(sent, _)| sent != asked) {
                    return Err(FlowError::Unasked(name));
                }
                self.control_sent = None;
                Ok(Flowed::Control(control))
            }
            Frame::U(control @ (Control::StartAct | Control::StopAct)) => Ok(Flowed::Control(control)),
        }
    }

    fn on_ack(&mut self, receive: u16) -> Result<(), FlowError> {
        let oldest = self.acknowledged_by_peer();
        let newly = usize::from(receive.wrapping_sub(wire(oldest)) & SEQ_MASK);
        if newly > self.sent_at.len() {
            return Err(FlowError::AckOfUnsent { got: receive, oldest: wire(oldest), next: wire(self.sent) });
        }
        self.sent_at.drain(..newly);
        Ok(())
    }

    /// The first `received` I frames need not come again: they may be acknowledged now.
    pub fn durable(&mut self, now: Instant, received: u64) {
        let received = received.min(self.received);
        if received <= self.durable {
            return;
        }
        self.durable = received;
        self.ack_wanted_since.get_or_insert(now);
        if self.durable - self.acknowledged >= u64::from(self.timers.w()) {
            self.acknowledge();
        }
    }

    /// Sends an S frame if something durable is not yet acknowledged.
    pub fn acknowledge(&mut self) {
        if self.durable > self.acknowledged {
            let receive = self.number_to_acknowledge();
            apci::write(Frame::S { receive }, &mut self.out);
        }
    }

    fn number_to_acknowledge(&mut self) -> u16 {
        self.acknowledged = self.durable;
        self.ack_wanted_since = None;
        wire(self.acknowledged)
    }

    /// Sends a message; the caller looked at [`Self::window_open`].
    pub fn send(&mut self, now: Instant, asdu: &[u8]) {
        debug_assert!(self.window_open(), "k is a limit of the sender");
        let receive = self.number_to_acknowledge();
        apci::write(Frame::I { send: wire(self.sent), receive, asdu }, &mut self.out);
        self.sent += 1;
        self.sent_at.push_back(now);
    }

    /// Sends a start or a stop; an activation is watched by t1.
    pub fn control(&mut self, now: Instant, control: Control) {
        if matches!(control, Control::StartAct | Control::StopAct) {
            self.control_sent = Some((control, now));
        }
        apci::write(Frame::U(control), &mut self.out);
    }

    /// When [`Self::on_deadline`] is wanted at the latest.
    pub fn next_deadline(&self) -> Instant {
        let t1 = self.timers.t1();
        let idle = self.test_sent.map_or(self.heard_at + self.timers.t3(), |at| at + t1);
        [
            self.sent_at.front().map(|&at| at + t1),
            self.control_sent.map(|(_, at)| at + t1),
            self.ack_wanted_since.map(|at| at + self.timers.t2()),
        ]
        .into_iter()
        .flatten()
        .fold(idle, Instant::min)
    }

    /// Acknowledges (t2), tests (t3) or gives up (t1).
    ///
    /// # Errors
    /// The peer did not answer within t1: close the link.
    pub fn on_deadline(&mut self, now: Instant) -> Result<(), FlowError> {
        let t1 = self.timers.t1();
        let late = |at: Instant| now >= at + t1;
        if self.sent_at.front().copied().is_some_and(late) {
            return Err(FlowError::Unanswered("acknowledgement"));
        }
        if self.test_sent.is_some_and(late) {
            return Err(FlowError::Unanswered("TESTFR con"));
        }
        if let Some((control, _)) = self.control_sent.filter(|&(_, at)| late(at)) {
            let name = if control == Control::StartAct { "STARTDT con" } else { "STOPDT con" };
            return Err(FlowError::Unanswered(name));
        }
        if self.ack_wanted_since.is_some_and(|at| now >= at + self.timers.t2()) {
            self.acknowledge();
        }
        if self.test_sent.is_none() && now >= self.heard_at + self.timers.t3() {
            self.test_sent = Some(now);
            apci::write(Frame::U(Control::TestAct), &mut self.out);
        }
        Ok(())
    }

    /// What is to be written, as one batch.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        (!self.out.is_empty()).then(|| std::mem::take(&mut self.out))
    }
}
