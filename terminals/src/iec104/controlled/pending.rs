//! Spontaneous objects from the device's hand until the peer acknowledged them.
//!
//! **Invariant:** they leave in the order in which they came, and only an acknowledgement takes one off, so a link that is
//! lost or superseded loses none: what was under way comes first on the next one.

use std::collections::VecDeque;

use super::super::asdu::{Object, pack_into};
use super::super::time::Zone;

/// The queue. The first `sent` objects are under way.
#[derive(Debug, Default)]
pub(super) struct Pending {
    objects: VecDeque<Object>,
    sent: usize,
    /// APDUs under way, oldest first: count of I frames up to and with it, and its objects.
    under_way: VecDeque<(u64, usize)>,
}

impl Pending {
    pub(super) fn push(&mut self, object: Object) {
        self.objects.push_back(object);
    }

    /// Drops the oldest that are not under way until no more than `most` are left, and says how many.
    pub(super) fn bound(&mut self, most: usize) -> u64 {
        let excess = self.objects.len().saturating_sub(most.max(self.sent));
        self.objects.drain(self.sent..self.sent + excess);
        excess as u64
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.objects.len() > self.sent
    }

    /// Appends one message of the next objects, as many as fit.
    pub(super) fn pack(&mut self, zone: Zone, out: &mut Vec<u8>) -> usize {
        let objects = self.objects.make_contiguous();
        pack_into(objects.get(self.sent..).unwrap_or(&[]), zone, out)
    }

    /// The next `count` objects went out in the APDU with this number.
    pub(super) fn sent(&mut self, apdu: u64, count: usize) {
        self.under_way.push_back((apdu, count));
        self.sent = (self.sent + count).min(self.objects.len());
    }

    /// The peer has all APDUs up to this one.
    pub(super) fn acknowledged(&mut self, apdu: u64) {
        while let Some((_, count)) = self.under_way.pop_front_if(|&mut (sent, _)| sent <= apdu) {
            self.objects.drain(..count.min(self.objects.len()));
            self.sent = self.sent.saturating_sub(count);
        }
    }

    /// The connection is gone: nothing is under way any more.
    pub(super) fn recall(&mut self) {
        self.under_way.clear();
        self.sent = 0;
    }

    /// Forgets what waits with a time.
    pub(super) fn forget_timed(&mut self) {
        let (mut n, sent) = (0, self.sent);
        self.objects.retain(|object| {
            n += 1;
            n <= sent || object.time.is_none()
        });
    }
}
