//! The trend of a node's last minutes, and where it leads.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::{Power, Span, Timestamp};
use crate::output::LoadMinute;
use crate::view::Forecast;

const MINUTE: Span = Span::from_s(60);
/// Minutes that a trend is made of.
const MINUTES: usize = 8;
/// Of these, so many have to be known.
const KNOWN_MIN: usize = 6;
/// A minute counts when its load was known for so long of it.
const KNOWN_OF_MINUTE: Span = Span::from_s(45);
/// A trend is clear when over its minutes it rises at least so many times as far as any minute lies off its line. A step
/// rises 1 to 3.3 times as far, noise around a steady load less.
const CLEAR_TIMES: i128 = 4;
/// After a switch of ours has moved, loads show a mixture for so long.
const MIXED: Span = Span::from_s(60);

/// The last minutes of one node, as if all that the centre switched in them had been switched before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Trend {
    /// Beginnings and mean loads.
    minutes: VecDeque<(Timestamp, Power)>,
    /// Minutes that begin before this are left out.
    mixed_until: Timestamp,
    forecast: Option<Forecast>,
}

impl Trend {
    /// A minute is over.
    pub(crate) fn minute(&mut self, minute: &LoadMinute) {
        let LoadMinute { from, mean, known, .. } = *minute;
        if from < self.mixed_until || known < KNOWN_OF_MINUTE {
            return;
        }
        while self.minutes.len() >= MINUTES {
            self.minutes.pop_front();
        }
        self.minutes.push_back((from, mean));
    }

    /// A switch of ours moved: by so much the load is another one from now on.
    pub(crate) fn switched(&mut self, change: Power, now: Timestamp) {
        for (_, load) in &mut self.minutes {
            *load += change;
        }
        self.mixed_until = now.after(MIXED);
        self.forecast = None;
    }

    /// Looks so far ahead from now; gives up the forecast where there is no clear trend upwards.
    pub(crate) fn look_ahead(&mut self, now: Timestamp, ahead: Span) {
        self.forecast = self.line(now, ahead);
    }

    pub(crate) const fn forecast(&self) -> Option<Forecast> {
        self.forecast
    }

    fn line(&self, now: Timestamp, ahead: Span) -> Option<Forecast> {
        let oldest = now.after(-Span::new(MINUTE.get() * (MINUTES as i64 + 1)));
        let recent: Vec<(i128, i128)> = self
            .minutes
            .iter()
            .filter(|(from, _)| *from >= oldest)
            // A mean speaks for the middle of its minute.
            .map(|(from, load)| (i128::from(now.since(*from).get() - MINUTE.get() / 2), i128::from(load.get())))
            .collect();
        let newest = recent.last()?.0;
        if recent.len() < KNOWN_MIN || newest > i128::from(MINUTE.get() * 3 / 2) {
            return None;
        }
        // Least squares, with the age of each minute counted back from now; whole numbers, so that replays compare equal.
        let n = i128::try_from(recent.len()).ok()?;
        let (sum_t, sum_y): (i128, i128) = recent.iter().fold((0, 0), |(t, y), (age, load)| (t - age, y + load));
        let (mut square, mut product) = (0, 0);
        for (age, load) in &recent {
            let from_mean = -age * n - sum_t;
            square += from_mean * from_mean;
            product += from_mean * (load * n - sum_y);
        }
        if square == 0 || product <= 0 {
            return None;
        }
        let at = |t: i128| (sum_y + product * (t * n - sum_t) / square) / n;
        let off = recent.iter().map(|(age, load)| (load - at(-age)).abs()).max()?;
        let rise = at(-newest) - at(-recent.first()?.0);
        let power = |watts: i128| i64::try_from(watts).ok().map(Power::new);
        let (load, off) = (at(i128::from(ahead.get())), if off * CLEAR_TIMES <= rise { off } else { return None });
        let per_minute = product * i128::from(MINUTE.get()) / square;
        Some(Forecast {
            made_at: now,
            at: now.after(ahead),
            load: power(load)?,
            least: power(load - off)?,
            rise_per_minute: power(per_minute)?,
        })
    }
}
