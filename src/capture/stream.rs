//! One direction of a TCP connection, put together: segments in any order in, octets in their order out.
//!
//! What is missing is waited for, as it may come again: until the receiver acknowledged it all the same, so that the
//! capture lost it and not the network, or until too much waits behind it.

use std::collections::BTreeMap;

use super::moment::Moment;
use super::packet::Segment;

/// Packets of the connection after which what is missing will not come out of order any more …
const SETTLED_AFTER: u64 = 16;
/// … or this long, ns.
const SETTLED_AFTER_NS: u64 = 1_000_000_000;
/// No sender waits longer with a retransmission, ns.
const RETRANSMITTED_WITHIN_NS: u64 = 120_000_000_000;
/// Segments and octets that wait in one direction.
const WAITING_MAX: usize = 256;
const WAITING_OCTETS_MAX: usize = 256 * 1_024;

/// What comes out of a direction.
#[derive(Debug)]
pub(super) enum Flow<'a> {
    /// Octets that a packet brought.
    Octets { packet: u64, at: Moment, octets: &'a [u8] },
    /// Octets are missing before those of packet `before`; `after` is the last packet that was whole.
    Gap { octets: i64, after: u64, before: u64, at: Moment },
    /// The capture began within the stream; its first octets come now.
    Midstream { packet: u64, at: Moment },
}

#[derive(Debug)]
struct Waiting {
    at: Moment,
    octets: Box<[u8]>,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Positions are sequence numbers that do not wrap: their lowest 32 bits are those of the wire.
    reference: Option<i64>,
    /// The position due.
    next: Option<i64>,
    /// The position of the initial sequence number, where a SYN was seen.
    initial: Option<i64>,
    waiting: BTreeMap<(i64, u64), Waiting>,
    waiting_octets: usize,
    /// Packets of the connection so far, and the time, when the wait began.
    since: Option<(u64, Moment)>,
    /// The highest position that the receiver acknowledged.
    acknowledged: Option<i64>,
    fin: Option<i64>,
    last_packet: u64,
    /// Segments of which everything had come already.
    pub(super) repeated: u64,
}

impl Stream {
    fn position(&self, sequence: u32) -> i64 {
        let Some(reference) = self.next.or(self.reference) else { return i64::from(sequence) };
        let low = u32::try_from(reference & 0xFFFF_FFFF).unwrap_or(0);
        reference + i64::from(sequence.wrapping_sub(low).cast_signed())
    }

    /// Whether a SYN with this number opens another connection than the one that this stream is of.
    pub(super) fn is_of_another(&self, sequence: u32) -> bool {
        match self.initial {
            Some(initial) => self.position(sequence) != initial,
            // It may have come out of order, but not when octets of its stream were given out already.
            None => self.next.is_some(),
        }
    }

    /// Whether all up to a FIN came.
    pub(super) fn is_over(&self) -> bool {
        self.fin.zip(self.next).is_some_and(|(fin, next)| next >= fin)
    }

    /// Octets that wait.
    pub(super) const fn waiting_octets(&self) -> usize {
        self.waiting_octets
    }

    /// Whether octets are missing: some wait behind them, or their receiver has acknowledged them.
    pub(super) fn is_behind(&self) -> bool {
        let acknowledged = self.acknowledged.zip(self.next).is_some_and(|(acknowledged, next)| acknowledged > next);
        acknowledged && !self.is_over() || !self.waiting.is_empty()
    }

    /// The packet that waits at the front.
    pub(super) fn first_waiting(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(&(_, packet), _)| packet)
    }

    /// The receiver has everything before this number.
    pub(super) fn on_acknowledged(&mut self, sequence: u32) {
        if self.reference.is_some() {
            let position = self.position(sequence);
            self.acknowledged = Some(self.acknowledged.map_or(position, |before| before.max(position)));
        }
    }

    /// Takes a segment in.
    pub(super) fn on_segment(&mut self, segment: &Segment<'_>, out: &mut dyn FnMut(Flow<'_>)) {
        let mut position = self.position(segment.sequence);
        self.reference.get_or_insert(position);
        if segment.syn {
            self.initial.get_or_insert(position);
            position += 1;
            self.next.get_or_insert(position);
        }
        let length = i64::try_from(segment.payload.len()).unwrap_or(0);
        if segment.fin && !segment.cut {
            self.fin = Some(position + length);
        }
        if length == 0 {
            return;
        }
        if self.next.is_some_and(|next| position + length <= next) {
            self.repeated += 1;
            return;
        }
        let waiting = Waiting { at: segment.at, octets: segment.payload.into() };
        self.waiting_octets += segment.payload.len();
        self.waiting.insert((position, segment.packet), waiting);
        self.deliver(out);
    }

    /// Gives what is due.
    fn deliver(&mut self, out: &mut dyn FnMut(Flow<'_>)) {
        let Some(mut next) = self.next else { return };
        while let Some(entry) = self.waiting.first_entry() {
            let &(position, packet) = entry.key();
            if position > next {
                break;
            }
            let Waiting { at, octets } = entry.remove();
            self.waiting_octets = self.waiting_octets.saturating_sub(octets.len());
            let known = usize::try_from(next - position).unwrap_or(usize::MAX);
            match octets.get(known..).filter(|fresh| !fresh.is_empty()) {
                Some(fresh) => {
                    next += i64::try_from(fresh.len()).unwrap_or(0);
                    self.next = Some(next);
                    self.last_packet = packet;
                    self.since = None;
                    out(Flow::Octets { packet, at, octets: fresh });
                }
                None => self.repeated += 1,
            }
        }
        if self.waiting.is_empty() {
            self.since = None;
        }
    }

    /// Gives up waiting where nothing will come any more. `packets` counts those of the connection, both directions.
    pub(super) fn settle(&mut self, packets: u64, at: Moment, out: &mut dyn FnMut(Flow<'_>)) {
        while !self.waiting.is_empty() {
            let (since, since_at) = *self.since.get_or_insert((packets, at));
            let waited = at.since(since_at);
            let settled = packets.saturating_sub(since) >= SETTLED_AFTER || waited >= SETTLED_AFTER_NS;
            let lost = match (self.next, self.acknowledged) {
                (None, _) => true,
                (Some(next), Some(acknowledged)) => acknowledged > next,
                (Some(_), None) => false,
            };
            let full = self.waiting.len() > WAITING_MAX || self.waiting_octets > WAITING_OCTETS_MAX;
            if !(settled && lost || full || waited >= RETRANSMITTED_WITHIN_NS) {
                break;
            }
            self.skip(out);
        }
    }

    /// Goes on with the first that waits.
    pub(super) fn skip(&mut self, out: &mut dyn FnMut(Flow<'_>)) {
        let Some((&(position, before), waiting)) = self.waiting.first_key_value() else { return };
        let at = waiting.at;
        match self.next.replace(position) {
            Some(next) => out(Flow::Gap { octets: position - next, after: self.last_packet, before, at }),
            None => out(Flow::Midstream { packet: before, at }),
        }
        self.since = None;
        self.deliver(out);
    }

    /// Gives all that waits, with the gaps between.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Flow<'_>)) {
        while !self.waiting.is_empty() {
            self.skip(out);
        }
    }
}
