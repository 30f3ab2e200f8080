//! Which cap is in force: down-float > business suspension > plant rest > time of day.

use super::calendar::{Local, weekday};
use super::guarantee::times;
use super::{DownFloat, Function, LocalControl, Parameters, RestDay, Seen, Suspension, TimeOfDay};
use crate::model::{Power, Span, Timestamp};

const HALF_HOUR: Span = Span::from_s(1_800);

fn kw(kw: u32) -> Power {
    Power::from_kw(i32::try_from(kw).unwrap_or(i32::MAX))
}

impl TimeOfDay {
    fn set_point(&self, local: Local) -> Option<Power> {
        let digit = self.slots.as_bytes().get(usize::from(local.half_hour()))?.checked_sub(b'0')?;
        let scheme = self.schemes.get(usize::from(self.scheme.checked_sub(1)?))?;
        let point = scheme.get(usize::from(digit.checked_sub(1)?))?;
        self.set_points.contains(&digit).then(|| kw(*point))
    }
}

impl RestDay {
    fn set_point(&self, local: Local) -> Option<Power> {
        // What began yesterday may last into today.
        let (now, length) = (local.half_hours(), i64::from(self.half_h));
        let within = [local.day() - 1, local.day()].into_iter().any(|day| {
            let begin = day * 48 + i64::from(self.start_half_h);
            self.weekdays.contains(&weekday(day)) && (begin..begin + length).contains(&now)
        });
        within.then(|| kw(self.set_point_kw))
    }
}

impl Suspension {
    fn set_point(&self, local: Local) -> Option<Power> {
        let (from, to) = (Timestamp::day_of_date(&self.from)?, Timestamp::day_of_date(&self.to)?);
        (from..=to).contains(&local.day()).then(|| kw(self.set_point_kw))
    }
}

impl DownFloat {
    pub(super) fn window(&self) -> Span {
        times(Span::from_s(60), self.window_min)
    }
}

impl Parameters {
    /// The cap of the functions with a calendar.
    fn planned_cap(&self, local: Local) -> Option<(Function, Power)> {
        let suspension =
            || self.suspension.as_ref().and_then(|it| it.set_point(local)).map(|cap| (Function::Suspension, cap));
        let rest = || self.rest_day.as_ref().and_then(|it| it.set_point(local)).map(|cap| (Function::RestDay, cap));
        let time =
            || self.time_of_day.as_ref().and_then(|it| it.set_point(local)).map(|cap| (Function::TimeOfDay, cap));
        suspension().or_else(rest).or_else(time)
    }
}

impl LocalControl {
    /// A down-float that was just set begins, one that was taken away ends.
    pub(super) fn begin_down_float(&mut self, now: Timestamp) {
        let float = self.parameters.down_float.as_ref();
        self.state.float_since = float.map(|_| now);
        self.state.float_set_point = None;
        let window = float.map_or(Span::ZERO, DownFloat::window);
        self.present = super::Demand::new(window);
    }

    /// Freezes the average when its window is full; the set point until the float's time is over.
    fn down_float(&mut self, seen: &Seen) -> Option<(Function, Power)> {
        let float = self.parameters.down_float.as_ref()?;
        let since = *self.state.float_since.get_or_insert(seen.now);
        if float.half_h > 0 && seen.now.since(since) >= times(HALF_HOUR, float.half_h) {
            return None;
        }
        if self.state.float_set_point.is_none() {
            self.present.add(seen.now, seen.power);
            let frozen = self.present.average()?;
            self.state.float_set_point = Some(frozen.percent(100 + i64::from(float.percent)));
            self.revision += 1;
        }
        self.state.float_set_point.map(|cap| (Function::DownFloat, cap))
    }

    /// The cap to keep now. The centre's own, a command of now, counts where it is the lower one.
    pub(super) fn cap_of_now(&mut self, local: Local, seen: &Seen) -> Option<(Function, Power)> {
        let planned = self.down_float(seen).or_else(|| self.parameters.planned_cap(local));
        let centre = self.state.centre_cap.map(|cap| (Function::CentreCap, cap));
        match (planned, centre) {
            (Some(planned), Some(centre)) => Some(if centre.1 < planned.1 { centre } else { planned }),
            (planned, centre) => planned.or(centre),
        }
    }
}
