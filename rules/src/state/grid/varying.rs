//! How far loads move by themselves from one minute to the next: what a plan's effect may be off by.

use serde::{Deserialize, Serialize};

use super::{Grid, Held, Source};
use crate::model::{PointKind, Power, Span, TerminalId, Timestamp};

/// The mean goes over so many moves, the latest ones weighing most.
const MOVES: i64 = 16;
/// From so many on it is known.
const MOVES_MIN: u8 = 8;
const MINUTE_MS: i64 = 60_000;
/// A switch that moved is no move of the load by itself; changes are counted by the minute, so that may lie two of them back.
const SWITCHED_WITHIN: Span = Span::from_s(120);

/// How far a terminal's power moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Varying {
    /// What it was at the last look, and when.
    last: Option<(Power, Timestamp)>,
    /// Moves in the mean.
    moves: u8,
    /// Mean distance from one minute to the next.
    step: Power,
}

impl Varying {
    /// What it is now. A load that moves at random is √n times as far away after n minutes.
    fn note(&mut self, power: Power, at: Timestamp, switched: bool) {
        let before = self.last.replace((power, at));
        let Some((before, before_at)) = before.filter(|(_, before_at)| at > *before_at && !switched) else { return };
        let hundredths = (i128::from(at.since(before_at).get()) * 10_000 / i128::from(MINUTE_MS)).isqrt().max(1);
        let moved = i128::from((power - before).get()).abs() * 100 / hundredths;
        let moved = i64::try_from(moved).unwrap_or(i64::MAX);
        self.moves = self.moves.saturating_add(1);
        let weight = i64::from(self.moves).min(MOVES);
        self.step += Power::new((moved - self.step.get()) / weight);
    }
}

impl Grid {
    /// Looks, once a minute, how far each power moved since.
    pub(crate) fn look_at_steps(&mut self, now: Timestamp) {
        for post in self.posts.values_mut() {
            let Some(power) = post.counted.filter(|_| post.source == Source::Told) else { continue };
            let Some(at) = post.held(PointKind::ActivePower).map(Held::as_of) else { continue };
            let (since, changes) = post.beside.changes;
            let switched = changes > 0 && now.since(since) < SWITCHED_WITHIN;
            post.beside.varying.note(power, at, switched);
        }
    }

    /// How far a terminal's power moves by itself from one minute to the next, on average; none while that is not known.
    pub(crate) fn step_of(&self, terminal: TerminalId) -> Option<Power> {
        let varying = self.posts.get(&terminal)?.beside.varying;
        (varying.moves >= MOVES_MIN).then_some(varying.step)
    }
}
