//! Terminals that have told their power and do not any more, though their links are up: a hung meter looks like a calm one.

use super::Engine;
use crate::model::PointKind;
use crate::output::{AlarmCause, Output};

impl Engine {
    /// Gives up powers that are too old, and calls somebody where the link is not the reason. A link that came up, with the
    /// centre's start too, has the same time for its first power.
    pub(super) fn look_at_silent(&mut self, out: &mut Vec<Output>) {
        let owing = self.grid.expire(self.now);
        let (grid, now) = (&self.grid, self.now);
        let speaks = |cause| match cause {
            AlarmCause::PowerStale { terminal } => {
                grid.posts.get(&terminal).is_none_or(|post| !post.is_silent(now, grid.age_max))
            }
            _ => false,
        };
        self.alarms.clear_where(speaks, now, out);
        for place in owing {
            let Some(terminal) = self.grid.posts.name(place) else { continue };
            let last = self.grid.posts.at(place).and_then(|post| post.held(PointKind::ActivePower));
            let Some(last) = last.map(|held| held.as_of()) else { continue };
            let detail = || format!("none for {}, since {last}; its link is up", now.since(last));
            self.alarms.raise(AlarmCause::PowerStale { terminal }, now, detail, out);
        }
    }
}
