//! Trends that fit a screen.

use headroom_rules::model::Timestamp;

use super::TrendPoint;

/// Keeps every value while they fit, and from then on only the extremes of each part of the time.
pub(super) struct Thinned {
    from: i64,
    /// Length of the whole time, ms; above 0.
    length: i128,
    max: usize,
    all: Vec<TrendPoint>,
    /// By part: lowest, highest, first of bad quality. None while all fit.
    parts: Option<Vec<[Option<TrendPoint>; 3]>>,
}

impl Thinned {
    pub(super) fn new(from: Timestamp, to: Timestamp, max: usize) -> Self {
        let length = (i128::from(to.get()) - i128::from(from.get())).max(1);
        Self { from: from.get(), length, max: max.max(3), all: Vec::new(), parts: None }
    }

    pub(super) fn push(&mut self, point: TrendPoint) {
        if self.parts.is_none() && self.all.len() < self.max {
            self.all.push(point);
            return;
        }
        let mut parts = self.parts.take().unwrap_or_else(|| vec![[None; 3]; self.max / 3]);
        for point in self.all.drain(..).chain([point]) {
            let part = (i128::from(point.at.get()) - i128::from(self.from)) * parts.len() as i128 / self.length;
            let Some([lowest, highest, bad]) = usize::try_from(part).ok().and_then(|part| parts.get_mut(part)) else {
                continue;
            };
            if point.doubtful_time || !point.quality.decides() {
                if bad.is_none_or(|bad| point.at < bad.at) {
                    *bad = Some(point);
                }
                continue;
            }
            if lowest.is_none_or(|lowest| point.value < lowest.value) {
                *lowest = Some(point);
            }
            if highest.is_none_or(|highest| point.value > highest.value) {
                *highest = Some(point);
            }
        }
        self.parts = Some(parts);
    }

    pub(super) fn finish(self) -> Vec<TrendPoint> {
        let Some(parts) = self.parts else {
            let mut all = self.all;
            all.sort_by_key(|point| point.at);
            return all;
        };
        let mut points = Vec::with_capacity(self.max);
        for [lowest, highest, bad] in parts {
            // One value that is both lowest and highest is one point.
            let highest = highest.filter(|highest| Some(*highest) != lowest);
            let mut part: Vec<_> = [lowest, highest, bad].into_iter().flatten().collect();
            part.sort_by_key(|point| point.at);
            points.extend(part);
        }
        points
    }
}
