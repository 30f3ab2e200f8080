//! Supply guarantee (保电): while it is in force nothing is tripped, and what was tripped may be closed.

use super::state::Holder;
use super::{Act, Guarantee, LocalControl, Record, Seen};
use crate::model::{Span, Timestamp};

const HALF_HOUR: Span = Span::from_s(1_800);
const HOUR: Span = Span::from_s(3_600);

impl LocalControl {
    pub(super) fn guarantee_set(&mut self, now: Timestamp) -> bool {
        if self.installed.guaranteed {
            return true;
        }
        let Guarantee { on, half_h, .. } = self.parameters.guarantee;
        if !on {
            return false;
        }
        // Set before anybody kept when: from now on.
        let since = *self.state.guarantee_since.get_or_insert(now);
        half_h == 0 || now.since(since) < times(HALF_HOUR, half_h)
    }

    /// After so many hours without the centre, until it is heard again.
    fn guarantee_automatic(&mut self, seen: &Seen) -> bool {
        if seen.linked || self.state.heard_at.is_none_or(|heard| heard > seen.now) {
            self.state.heard_at = Some(seen.now);
        }
        let hours = self.parameters.guarantee.automatic_after_h;
        let heard = self.state.heard_at.unwrap_or(seen.now);
        hours > 0 && seen.now.since(heard) >= times(HOUR, hours)
    }

    pub(super) fn look_at_guarantee(&mut self, seen: &Seen, acts: &mut Vec<Act>) {
        let automatic = self.guarantee_automatic(seen);
        let set = self.guarantee_set(seen.now);
        let on = set || automatic;
        self.guaranteed = on;
        self.state.automatic_guarantee = automatic && !set;
        if on {
            for holder in [Holder::Remote, Holder::Power, Holder::Energy] {
                self.release(holder, None, acts);
            }
            self.state.until.clear();
        }
        if on != std::mem::replace(&mut self.guarantee_told, on) {
            self.revision += 1;
            self.capping.restart();
            acts.push(Act::Record(Record::Guarantee { at: seen.now, on, automatic: self.state.automatic_guarantee }));
        }
    }
}

pub(super) const fn times(span: Span, count: u8) -> Span {
    Span::new(span.get() * count as i64)
}
