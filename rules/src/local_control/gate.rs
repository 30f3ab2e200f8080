//! What forbids a trip, whoever wants it (`never-shed-protected`).

use super::{LocalControl, Seen};
use crate::model::{Power, RoundNo, Span};

/// Why a round is not tripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Forbidden {
    /// Supply is guaranteed.
    #[error("supply is guaranteed")]
    Guaranteed,
    /// The terminal was powered up a short while ago.
    #[error("power-on trip lock, {0} more")]
    PowerOn(Span),
    /// The load is, or would be, below the safety floor.
    #[error("{left} would be left of the safety floor of {floor}")]
    Floor {
        /// What the trip would leave.
        left: Power,
        /// The floor.
        floor: Power,
    },
    /// There is no such round, or it is not closed.
    #[error("the round is not closed")]
    NotClosed,
}

impl LocalControl {
    /// Whether no round at all may be tripped now.
    pub fn locked(&self, now: crate::model::Timestamp) -> Option<Forbidden> {
        if self.guaranteed {
            return Some(Forbidden::Guaranteed);
        }
        let lock = self.installed.trip_lock.max(Span::from_s(i64::from(self.parameters.trip_lock_min) * 60));
        let left = lock - now.since(self.powered_at);
        (left > Span::ZERO).then_some(Forbidden::PowerOn(left))
    }

    /// Whether this round may be tripped now. Rounds that were told to open and have not yet shown it count as open.
    ///
    /// # Errors
    /// Why not.
    pub fn permits(&self, seen: &Seen, round: RoundNo) -> Result<(), Forbidden> {
        if let Some(why) = self.locked(seen.now) {
            return Err(why);
        }
        let behind = seen.closed(round).ok_or(Forbidden::NotClosed)?;
        if self.opening.contains_key(&round) {
            return Err(Forbidden::NotClosed);
        }
        let going: Power = self.opening.keys().filter_map(|round| seen.closed(*round)).map(at_least_none).sum();
        let (left, floor) = (seen.power - going - at_least_none(behind), self.floor());
        if left < floor { Err(Forbidden::Floor { left, floor }) } else { Ok(()) }
    }
}

/// A round that feeds in takes nothing away from the load.
fn at_least_none(power: Power) -> Power {
    power.max(Power::ZERO)
}
