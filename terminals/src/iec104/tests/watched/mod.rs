//! Both sessions under watch: every call is made through here, and what comes out of it is held against what an observer
//! of the bytes knows. The joined run and the fuzz targets share it; a breach panics with the invariant's name.

pub(crate) mod centre;
pub(crate) mod station;

use crate::iec104::apci::{self, Control, Frame, SEQ_MASK};

/// The numbering of one end of a link, as an observer of its bytes sees it.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    unread: Vec<u8>,
    /// The peer broke the protocol: nothing that follows is looked at, for the link is closed.
    broken: bool,
    /// I frames that came in.
    pub(crate) received: u64,
    /// Of these, acknowledged.
    pub(crate) confirmed: u64,
    /// I frames that went out.
    pub(crate) sent: u64,
    /// Of these, acknowledged by the peer.
    pub(crate) acknowledged: u64,
}

/// What an observer makes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A message, as the n-th of its direction.
    Asdu(Vec<u8>, u64),
    /// Control.
    Control(Control),
}

fn distance(from: u64, to: u16) -> u64 {
    let from = u16::try_from(from & u64::from(SEQ_MASK)).unwrap();
    u64::from(to.wrapping_sub(from) & SEQ_MASK)
}

impl Numbers {
    /// Bytes that are given to the session.
    pub(crate) fn came(&mut self, bytes: &[u8]) -> Vec<Seen> {
        if self.broken {
            return Vec::new();
        }
        self.unread.extend_from_slice(bytes);
        let unread = std::mem::take(&mut self.unread);
        let (mut rest, mut seen) = (unread.as_slice(), Vec::new());
        while let Ok(Some((frame, taken))) = apci::split(rest) {
            rest = &rest[taken..];
            let receive = match frame {
                Frame::U(control) => {
                    seen.push(Seen::Control(control));
                    continue;
                }
                Frame::S { receive } => receive,
                Frame::I { send, receive, asdu } => {
                    self.broken = distance(self.received, send) != 0;
                    if self.broken {
                        return seen;
                    }
                    self.received += 1;
                    seen.push(Seen::Asdu(asdu.to_vec(), self.received));
                    receive
                }
            };
            let newly = distance(self.acknowledged, receive);
            self.broken = newly > self.sent - self.acknowledged;
            if self.broken {
                if matches!(frame, Frame::I { .. }) {
                    seen.pop();
                }
                return seen;
            }
            self.acknowledged += newly;
        }
        self.unread = rest.to_vec();
        seen
    }

    /// Bytes that the session wants written: whole frames, numbered in turn, at most `k` open, nothing acknowledged
    /// beyond the `durable`-th.
    pub(crate) fn went(&mut self, bytes: &[u8], k: u16, durable: u64) -> Vec<Seen> {
        let (mut rest, mut seen) = (bytes, Vec::new());
        while !rest.is_empty() {
            let (frame, taken) = apci::split(rest).expect("what is written is a frame").expect("and a whole one");
            rest = &rest[taken..];
            let receive = match frame {
                Frame::U(control) => {
                    seen.push(Seen::Control(control));
                    continue;
                }
                Frame::S { receive } => receive,
                Frame::I { send, receive, asdu } => {
                    assert_eq!(distance(self.sent, send), 0, "numbers: N(S) {send} after {} I frames", self.sent);
                    self.sent += 1;
                    let open = self.sent - self.acknowledged;
                    assert!(open <= u64::from(k), "k: {open} I frames are unacknowledged");
                    seen.push(Seen::Asdu(asdu.to_vec(), self.sent));
                    receive
                }
            };
            self.confirmed += distance(self.confirmed, receive);
            assert!(self.confirmed <= durable, "durable_before_ack: N(R) {} with {durable} durable", self.confirmed);
        }
        seen
    }
}
