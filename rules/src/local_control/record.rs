//! What control reports (DOMAIN: remote control 5, power control 6, energy control 7, energy purchase 19, energy-control alarm
//! 23, parameters changed 3).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Act, LocalControl, MEASURED_AFTER, PurchaseMode, Seen};
use crate::model::{Energy, Power, RoundNo, Span, Timestamp};

/// A control function. The number of [`Function::code`] stays the same for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// A trip that the centre ordered.
    Remote,
    /// The centre's own cap, a set-point command.
    CentreCap,
    /// Down-float of present power.
    DownFloat,
    /// Business suspension.
    Suspension,
    /// Plant rest day.
    RestDay,
    /// Time of day.
    TimeOfDay,
    /// Monthly energy.
    Monthly,
    /// Prepaid energy.
    Prepaid,
}

impl Function {
    /// 1..=8.
    pub const fn code(self) -> u8 {
        match self {
            Self::Remote => 1,
            Self::CentreCap => 2,
            Self::DownFloat => 3,
            Self::Suspension => 4,
            Self::RestDay => 5,
            Self::TimeOfDay => 6,
            Self::Monthly => 7,
            Self::Prepaid => 8,
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Remote => "remote control",
            Self::CentreCap => "the centre's cap",
            Self::DownFloat => "down-float",
            Self::Suspension => "business suspension",
            Self::RestDay => "plant rest day",
            Self::TimeOfDay => "time of day",
            Self::Monthly => "monthly energy",
            Self::Prepaid => "prepaid energy",
        })
    }
}

/// One record. Times are when it happened, not when it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// A round was tripped; told when the load after it was measured.
    Control {
        /// When it was tripped.
        at: Timestamp,
        /// By what.
        function: Function,
        /// Which.
        round: RoundNo,
        /// The set point that was kept; none for remote and energy control.
        set_point: Option<Power>,
        /// Total load at the trip.
        before: Power,
        /// Total load 2 min later.
        after: Power,
        /// Total load after the freeze delay of a down-float.
        frozen: Option<Power>,
    },
    /// A threshold of energy control was reached.
    EnergyAlarm {
        /// When.
        at: Timestamp,
        /// Monthly or prepaid.
        function: Function,
        /// Used this month, or left of what was bought.
        energy: Energy,
        /// The threshold.
        threshold: Energy,
    },
    /// A purchase was applied.
    Purchase {
        /// When.
        at: Timestamp,
        /// Its order number.
        order: u32,
        /// Append or refresh.
        mode: PurchaseMode,
        /// What was left before.
        before: Energy,
        /// What is left now.
        after: Energy,
    },
    /// Supply guarantee began or ended.
    Guarantee {
        /// When.
        at: Timestamp,
        /// Whether it is in force.
        on: bool,
        /// Because no centre was heard for long.
        automatic: bool,
    },
    /// A trip that was announced was not made.
    NotTripped {
        /// When.
        at: Timestamp,
        /// Which.
        round: RoundNo,
        /// Why not.
        why: super::Forbidden,
    },
    /// Parameters were changed.
    ParametersChanged {
        /// When.
        at: Timestamp,
    },
}

impl Record {
    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Control { at, .. }
            | Self::EnergyAlarm { at, .. }
            | Self::Purchase { at, .. }
            | Self::Guarantee { at, .. }
            | Self::NotTripped { at, .. }
            | Self::ParametersChanged { at } => *at,
        }
    }
}

/// A trip whose effect is still to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Measuring {
    pub(super) at: Timestamp,
    pub(super) function: Function,
    pub(super) round: RoundNo,
    pub(super) set_point: Option<Power>,
    pub(super) before: Power,
    pub(super) after: Option<Power>,
    /// Where the total is to be frozen once more, after this.
    pub(super) freeze_after: Option<Span>,
}

impl Measuring {
    pub(super) const fn new(seen: &Seen, function: Function, round: RoundNo) -> Self {
        Self { at: seen.now, function, round, set_point: None, before: seen.power, after: None, freeze_after: None }
    }
}

impl LocalControl {
    /// Completes the records whose time has come. One whose time came while there was no power is completed with the first
    /// measurement after it.
    pub(super) fn measure(&mut self, seen: &Seen, acts: &mut Vec<Act>) {
        let before = acts.len();
        self.state.measuring.retain_mut(|trip| {
            let since = seen.now.since(trip.at);
            if since >= MEASURED_AFTER && trip.after.is_none() {
                trip.after = Some(seen.power);
            }
            let Some(after) = trip.after else { return true };
            if trip.freeze_after.is_some_and(|delay| since < delay) {
                return true;
            }
            let Measuring { at, function, round, set_point, before, freeze_after, .. } = *trip;
            let frozen = freeze_after.map(|_| seen.power);
            acts.push(Act::Record(Record::Control { at, function, round, set_point, before, after, frozen }));
            false
        });
        // Told once, also over a restart.
        self.revision += u64::from(acts.len() > before);
    }
}
