//! The terminal's own record of events, which the centre fetches as a file.

use std::collections::VecDeque;

use headroom_rules::model::Timestamp;

use crate::iec104::Object;
use crate::iec104::asdu::pack_into;
use crate::iec104::time::Zone;

/// Most events kept; the oldest goes first.
const EVENTS_MAX: usize = 1_024;

/// Switch positions, cover, cap, losses of supply, each with its time, oldest first.
#[derive(Debug, Default)]
pub(super) struct Record(VecDeque<Object>);

impl Record {
    pub(super) fn push(&mut self, event: Object) {
        if self.0.len() >= EVENTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.0.back().and_then(|event| event.time)
    }

    /// The events between two times as the octets of a file ([`crate::iec104::files::events`]); times are UTC.
    pub(super) fn file(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Vec<u8> {
        let within = |event: &&Object| {
            let after = from.is_none_or(|from| event.time.is_some_and(|time| time >= from));
            after && to.is_none_or(|to| event.time.is_some_and(|time| time <= to))
        };
        let events: Vec<Object> = self.0.iter().filter(within).copied().collect();
        file(&events)
    }
}

/// Objects as the octets of a file.
pub(super) fn file(objects: &[Object]) -> Vec<u8> {
    let (mut octets, mut rest) = (Vec::new(), objects);
    loop {
        let count = pack_into(rest, Zone::UTC, &mut octets);
        match rest.get(count..) {
            Some(after) if count > 0 => rest = after,
            _ => return octets,
        }
    }
}
