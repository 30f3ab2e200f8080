//! Energy control: so much a month, or so much as was bought.

use super::calendar::Local;
use super::record::Measuring;
use super::state::Holder;
use super::{Act, Function, LocalControl, MonthlyEnergy, Prepaid, Purchase, PurchaseMode, Record, Seen};
use crate::model::{Energy, Timestamp};

const fn kwh(kwh: u32) -> Energy {
    Energy::new(kwh as i64 * 1_000)
}

impl MonthlyEnergy {
    /// The cap with its float.
    pub fn cap(&self) -> Energy {
        kwh(self.kwh).percent(100 + i64::from(self.float_percent))
    }

    /// Where the customer is warned.
    pub fn warning(&self) -> Energy {
        self.cap().percent(i64::from(self.warning_percent))
    }
}

impl LocalControl {
    /// Applies a purchase, unless its number was applied before.
    pub(super) fn buy(&mut self, now: Timestamp, purchase: Purchase, acts: &mut Vec<Act>) {
        let Purchase { order, mode, kwh: bought } = purchase;
        if !self.state.first_time(order) {
            return;
        }
        let before = self.state.left;
        let after = match mode {
            PurchaseMode::Append => before + kwh(bought),
            PurchaseMode::Refresh => kwh(bought),
        };
        self.state.left = after;
        if self.parameters.prepaid.is_none_or(|prepaid| after > kwh(prepaid.warning_kwh)) {
            self.state.left_alarmed = false;
        }
        self.revision += 1;
        acts.push(Act::Record(Record::Purchase { at: now, order, mode, before, after }));
    }

    /// Counts what was drawn since the last look. A register that fell was exchanged.
    pub(super) fn count_energy(&mut self, local: Local, seen: &Seen) {
        let drawn = self.state.register.map_or(Energy::ZERO, |before| (seen.energy - before).max(Energy::ZERO));
        self.state.register = Some(seen.energy);
        let month = local.month();
        // A clock that was set back begins no new month.
        if self.state.month.is_none_or(|before| month > before) {
            self.state.month = Some(month);
            self.state.month_used = Energy::ZERO;
            self.state.month_alarmed = false;
            self.revision += 1;
        } else {
            self.state.month_used += drawn;
        }
        if self.parameters.prepaid.is_some() {
            self.state.left -= drawn;
        }
    }

    /// Warns, trips the rounds of energy control one after the other, or lets them go. Whether a round was tripped at this look.
    pub(super) fn look_at_energy(&mut self, seen: &Seen, tripped: bool, acts: &mut Vec<Act>) -> bool {
        let (at, used, left) = (seen.now, self.state.month_used, self.state.left);
        let mut over = None;
        if let Some(monthly) = self.parameters.monthly {
            let (cap, threshold) = (monthly.cap(), monthly.warning());
            if used >= threshold && !self.state.month_alarmed {
                self.state.month_alarmed = true;
                self.revision += 1;
                let function = Function::Monthly;
                acts.push(Act::Record(Record::EnergyAlarm { at, function, energy: used, threshold }));
            }
            over = (used >= cap).then_some(Function::Monthly);
        }
        if let Some(Prepaid { warning_kwh, trip_kwh }) = self.parameters.prepaid {
            let threshold = kwh(warning_kwh);
            if left <= threshold && !self.state.left_alarmed {
                self.state.left_alarmed = true;
                self.revision += 1;
                let function = Function::Prepaid;
                acts.push(Act::Record(Record::EnergyAlarm { at, function, energy: left, threshold }));
            }
            if left <= kwh(trip_kwh) {
                over = Some(Function::Prepaid);
            }
        }
        let Some(function) = over else {
            self.release(Holder::Energy, None, acts);
            return tripped;
        };
        if tripped {
            return true;
        }
        let next = self.parameters.energy_rounds.iter().copied().find(|round| self.permits(seen, *round).is_ok());
        let Some(round) = next else { return false };
        self.trip(seen, round, Holder::Energy, Measuring::new(seen, function, round), acts);
        true
    }
}
