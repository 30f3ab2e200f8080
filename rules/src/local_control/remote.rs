//! Trips that a centre orders, with a warning before and a time after which closing is permitted.

use super::guarantee::times;
use super::record::Measuring;
use super::state::{Announced, Holder};
use super::{Act, Forbidden, Function, LocalControl, Record, Remote, Seen};
use crate::model::{RoundNo, Span};

const HALF_HOUR: Span = Span::from_s(1_800);
const MINUTE: Span = Span::from_s(60);

impl LocalControl {
    /// The centre orders this round tripped: at once, or after a warning.
    ///
    /// # Errors
    /// What forbids it; nothing is tripped or announced then.
    pub fn remote_trip(
        &mut self,
        seen: &Seen,
        round: RoundNo,
        remote: Remote,
        acts: &mut Vec<Act>,
    ) -> Result<(), Forbidden> {
        let Remote { half_h, warning_min } = remote;
        // A round that is open already is held open from now on.
        match self.permits(seen, round) {
            Ok(()) if warning_min > 0 => {
                let trips_at = seen.now.after(times(MINUTE, warning_min));
                self.state.announced.retain(|announced| announced.round != round);
                self.state.announced.push(Announced { round, trips_at, half_h });
                self.revision += 1;
                acts.push(Act::Warn { round, trips_at, function: Function::Remote });
            }
            Ok(()) => self.trip_remotely(seen, round, half_h, acts),
            Err(Forbidden::NotClosed) if seen.round(round).is_some() => self.hold_remotely(seen, round, half_h),
            Err(why) => return Err(why),
        }
        Ok(())
    }

    /// The centre lets go of this round: a trip that was announced is not made, and nothing of the centre's holds it open.
    pub fn remote_release(&mut self, round: RoundNo, acts: &mut Vec<Act>) {
        self.state.announced.retain(|announced| announced.round != round);
        self.state.until.retain(|(held, _)| *held != round);
        self.release(Holder::Remote, Some(round), acts);
        self.revision += 1;
    }

    fn trip_remotely(&mut self, seen: &Seen, round: RoundNo, half_h: u8, acts: &mut Vec<Act>) {
        self.hold_remotely(seen, round, half_h);
        self.trip(seen, round, Holder::Remote, Measuring::new(seen, Function::Remote, round), acts);
    }

    fn hold_remotely(&mut self, seen: &Seen, round: RoundNo, half_h: u8) {
        self.state.hold(round, Holder::Remote);
        self.state.until.retain(|(held, _)| *held != round);
        if half_h > 0 {
            self.state.until.push((round, seen.now.after(times(HALF_HOUR, half_h))));
        }
        self.revision += 1;
    }

    /// Trips what was announced, one at a look, and permits what has been off for long enough. Whether it tripped.
    pub(super) fn remote_due(&mut self, seen: &Seen, acts: &mut Vec<Act>) -> bool {
        let over: Vec<RoundNo> =
            self.state.until.iter().filter(|(_, until)| seen.now >= *until).map(|(round, _)| *round).collect();
        for round in over {
            self.state.until.retain(|(held, _)| *held != round);
            self.release(Holder::Remote, Some(round), acts);
        }
        let due = self.state.announced.iter().position(|announced| seen.now >= announced.trips_at);
        let Some(Announced { round, half_h, .. }) = due.map(|at| self.state.announced.remove(at)) else {
            return false;
        };
        self.revision += 1;
        match self.permits(seen, round) {
            Ok(()) => {
                self.trip_remotely(seen, round, half_h, acts);
                true
            }
            Err(Forbidden::NotClosed) => {
                self.hold_remotely(seen, round, half_h);
                false
            }
            Err(why) => {
                acts.push(Act::Record(Record::NotTripped { at: seen.now, round, why }));
                false
            }
        }
    }
}
