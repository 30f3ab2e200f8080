//! Alarms: one for each cause at most, through the states of ISA-18.2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::output::{Alarm, AlarmCause, AlarmId, AlarmState, Output};

/// All alarms that are not normal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Alarms {
    last: u64,
    live: BTreeMap<AlarmId, Alarm>,
    /// Sorted by cause.
    by_cause: Vec<(AlarmCause, AlarmId)>,
}

impl Alarms {
    fn find(&self, cause: AlarmCause) -> Result<AlarmId, usize> {
        let at = self.by_cause.binary_search_by_key(&cause, |(cause, _)| *cause)?;
        self.by_cause.get(at).map(|(_, id)| *id).ok_or(at)
    }

    /// Goes on with numbers higher by `count`.
    pub(crate) const fn skip_numbers(&mut self, count: u64) {
        self.last = self.last.saturating_add(count);
    }

    /// The cause is there. Nothing new when its alarm stands already.
    pub(crate) fn raise(
        &mut self,
        cause: AlarmCause,
        now: Timestamp,
        detail: impl FnOnce() -> String,
        out: &mut Vec<Output>,
    ) {
        match self.find(cause) {
            Ok(id) => {
                let Some(alarm) = self.live.get_mut(&id) else { return };
                if alarm.state == AlarmState::ReturnedUnacknowledged {
                    // It came again: what was seen before was another one.
                    alarm.state = AlarmState::Unacknowledged;
                    alarm.raised_at = now;
                    alarm.changed_at = now;
                    alarm.detail = detail();
                    out.push(Output::Alarm(alarm.clone()));
                }
            }
            Err(at) => {
                self.last += 1;
                let id = AlarmId(self.last);
                let alarm = Alarm {
                    id,
                    cause,
                    priority: cause.priority(),
                    state: AlarmState::Unacknowledged,
                    raised_at: now,
                    changed_at: now,
                    detail: detail(),
                    acknowledged_by: None,
                    comment: String::new(),
                };
                out.push(Output::Alarm(alarm.clone()));
                self.live.insert(id, alarm);
                self.by_cause.insert(at, (cause, id));
            }
        }
    }

    /// The cause is gone.
    pub(crate) fn clear(&mut self, cause: AlarmCause, now: Timestamp, out: &mut Vec<Output>) {
        let Ok(id) = self.find(cause) else { return };
        let Some(alarm) = self.live.get_mut(&id) else { return };
        let state = match alarm.state {
            AlarmState::Unacknowledged => AlarmState::ReturnedUnacknowledged,
            AlarmState::Acknowledged => AlarmState::Normal,
            AlarmState::ReturnedUnacknowledged | AlarmState::Normal => return,
        };
        self.change(id, state, now, out);
    }

    /// Moves an alarm to `state`; a normal one is forgotten here, the store keeps it.
    fn change(&mut self, id: AlarmId, state: AlarmState, now: Timestamp, out: &mut Vec<Output>) {
        let Some(alarm) = self.live.get_mut(&id) else { return };
        alarm.state = state;
        alarm.changed_at = now;
        out.push(Output::Alarm(alarm.clone()));
        if state == AlarmState::Normal {
            let cause = alarm.cause;
            self.live.remove(&id);
            if let Ok(at) = self.by_cause.binary_search_by_key(&cause, |(cause, _)| *cause) {
                self.by_cause.remove(at);
            }
        }
    }

    /// Somebody has seen it. Gives its state before, or none when there is no such alarm.
    pub(crate) fn acknowledge(
        &mut self,
        id: AlarmId,
        by: &str,
        comment: &str,
        now: Timestamp,
        out: &mut Vec<Output>,
    ) -> Option<AlarmState> {
        let alarm = self.live.get_mut(&id)?;
        let before = alarm.state;
        alarm.acknowledged_by = Some(by.to_owned());
        comment.clone_into(&mut alarm.comment);
        let after = match before {
            AlarmState::ReturnedUnacknowledged | AlarmState::Normal => AlarmState::Normal,
            AlarmState::Unacknowledged | AlarmState::Acknowledged => AlarmState::Acknowledged,
        };
        self.change(id, after, now, out);
        Some(before)
    }

    /// Those about something that is no longer watched are gone.
    pub(crate) fn clear_where(&mut self, gone: impl Fn(AlarmCause) -> bool, now: Timestamp, out: &mut Vec<Output>) {
        let causes: Vec<AlarmCause> =
            self.by_cause.iter().map(|(cause, _)| *cause).filter(|cause| gone(*cause)).collect();
        for cause in causes {
            self.clear(cause, now, out);
        }
    }

    /// The alarms that are not normal, by number.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Alarm> {
        self.live.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause() -> AlarmCause {
        AlarmCause::OverLimit { node: "F1".parse().unwrap() }
    }

    fn state(alarms: &Alarms) -> Option<AlarmState> {
        alarms.live().next().map(|alarm| alarm.state)
    }

    #[test]
    fn an_alarm_that_stands_is_not_raised_twice_and_stays_until_gone_and_seen() {
        let (mut alarms, mut out) = (Alarms::default(), Vec::new());
        for _ in 0..3 {
            alarms.raise(cause(), Timestamp::new(1), String::new, &mut out);
        }
        assert_eq!(out.len(), 1);
        alarms.clear(cause(), Timestamp::new(2), &mut out);
        assert_eq!(state(&alarms), Some(AlarmState::ReturnedUnacknowledged));
        alarms.raise(cause(), Timestamp::new(3), String::new, &mut out);
        assert_eq!(state(&alarms), Some(AlarmState::Unacknowledged));
        assert_eq!(
            alarms.acknowledge(AlarmId(1), "li", "", Timestamp::new(4), &mut out),
            Some(AlarmState::Unacknowledged)
        );
        assert_eq!(state(&alarms), Some(AlarmState::Acknowledged));
        alarms.clear(cause(), Timestamp::new(5), &mut out);
        assert_eq!(state(&alarms), None);
        let Some(Output::Alarm(last)) = out.last() else { panic!("the last change is told") };
        assert_eq!((last.state, last.acknowledged_by.as_deref()), (AlarmState::Normal, Some("li")));
    }

    #[test]
    fn a_gone_alarm_vanishes_when_seen_and_the_next_one_has_a_new_number() {
        let (mut alarms, mut out) = (Alarms::default(), Vec::new());
        alarms.raise(cause(), Timestamp::new(1), String::new, &mut out);
        alarms.clear(cause(), Timestamp::new(2), &mut out);
        alarms.acknowledge(AlarmId(1), "li", "seen", Timestamp::new(3), &mut out);
        assert_eq!(state(&alarms), None);
        assert_eq!(alarms.acknowledge(AlarmId(1), "li", "", Timestamp::new(3), &mut out), None);
        alarms.raise(cause(), Timestamp::new(4), String::new, &mut out);
        assert_eq!(alarms.live().next().unwrap().id, AlarmId(2));
    }
}
