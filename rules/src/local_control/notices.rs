//! What the customer is told that is not about a trip.

use super::calendar::Local;
use super::{Act, LocalControl};

impl LocalControl {
    /// Once in each hour of the mask.
    pub(super) fn remind(&mut self, local: Local, acts: &mut Vec<Act>) {
        if self.parameters.reminder_hours.contains(&local.hour()) && self.state.reminded_hour != Some(local.hours()) {
            self.state.reminded_hour = Some(local.hours());
            acts.push(Act::Remind);
        }
    }
}
