//! What customers went without by rules, week by week, and how terminals responded to trips.
//!
//! Weeks begin on Monday 00:00 UTC. Those that [`Policy::fairness_weeks`](crate::policy::Policy::fairness_weeks) does not reach
//! back to are forgotten.

use serde::{Deserialize, Serialize};

use crate::model::{Energy, Power, Timestamp};

const DAY_MS: i64 = 86_400_000;
const WEEK_MS: i64 = 7 * DAY_MS;
/// 1970-01-01 was a Thursday.
const MONDAY_MS: i64 = 3 * DAY_MS;
/// The week of what was counted before there were weeks: it becomes that in which it is next looked at.
const UNTOLD: i64 = i64::MIN;

const fn week_of(at: Timestamp) -> i64 {
    at.get().saturating_add(MONDAY_MS).div_euclid(WEEK_MS)
}

pub(crate) const fn begin_of(week: i64) -> Timestamp {
    Timestamp::new(week.saturating_mul(WEEK_MS).saturating_sub(MONDAY_MS))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Week {
    number: i64,
    curtailed: Energy,
    /// Rounds shed, and measures given.
    turns: u32,
    /// What the customer held back by agreed measures; none of it was tripped.
    #[serde(default)]
    given: Energy,
}

/// One customer's, the oldest week first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub(crate) struct Account {
    weeks: Vec<Week>,
}

/// Snapshots of before there were weeks have a sum.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Sum(Energy),
    Weeks { weeks: Vec<Week> },
}

impl From<Kept> for Account {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Sum(curtailed) => {
                Self { weeks: vec![Week { number: UNTOLD, curtailed, turns: 0, given: Energy::ZERO }] }
            }
            Kept::Weeks { weeks } => Self { weeks },
        }
    }
}

impl Account {
    fn week(&mut self, number: i64) -> &mut Week {
        let at = match self.weeks.binary_search_by_key(&number, |week| week.number) {
            Ok(at) => at,
            Err(at) => {
                self.weeks.insert(at, Week { number, curtailed: Energy::ZERO, turns: 0, given: Energy::ZERO });
                at
            }
        };
        // Within bounds: it was found or put there.
        #[allow(clippy::indexing_slicing, reason = "found or inserted above")]
        &mut self.weeks[at]
    }

    /// A round was off from `since` to `now`.
    pub(crate) fn add(&mut self, power: Power, since: Timestamp, now: Timestamp, weeks: u8) {
        self.settle(now, weeks);
        let (current, first) = (week_of(now), oldest(now, weeks));
        for number in week_of(since).max(first)..=current {
            let from = since.max(begin_of(number));
            let to = now.min(begin_of(number + 1));
            self.week(number).curtailed += power.over(to.since(from));
        }
    }

    pub(crate) fn turn(&mut self, now: Timestamp, weeks: u8) {
        self.settle(now, weeks);
        let week = self.week(week_of(now));
        week.turns = week.turns.saturating_add(1);
    }

    /// The customer held so much back by an agreed measure that is over.
    pub(crate) fn give(&mut self, energy: Energy, now: Timestamp, weeks: u8) {
        self.settle(now, weeks);
        self.week(week_of(now)).given += energy;
    }

    /// What the customer held back by agreed measures in the weeks that count.
    pub(crate) fn given(&self, now: Timestamp, weeks: u8) -> Energy {
        let first = oldest(now, weeks);
        self.weeks.iter().filter(|week| week.number >= first).map(|week| week.given).sum()
    }

    /// Lets go of the weeks that count no more.
    fn settle(&mut self, now: Timestamp, weeks: u8) {
        if let Some(Week { number: UNTOLD, curtailed, turns, .. }) = self.weeks.first().copied() {
            self.weeks.remove(0);
            let week = self.week(week_of(now));
            week.curtailed += curtailed;
            week.turns = week.turns.saturating_add(turns);
        }
        let first = oldest(now, weeks);
        self.weeks.retain(|week| week.number >= first);
    }

    /// How often rounds of the customer were shed in the weeks that count.
    pub(crate) fn turns(&self, now: Timestamp, weeks: u8) -> u32 {
        self.total(now, weeks).1
    }

    pub(crate) fn total(&self, now: Timestamp, weeks: u8) -> (Energy, u32) {
        let first = oldest(now, weeks);
        let counts = self.weeks.iter().filter(|week| week.number >= first || week.number == UNTOLD);
        counts.fold((Energy::ZERO, 0), |(energy, turns), week| {
            (energy + week.curtailed, turns.saturating_add(week.turns))
        })
    }
}

/// The oldest week that counts.
pub(crate) fn oldest(now: Timestamp, weeks: u8) -> i64 {
    week_of(now) + 1 - i64::from(weeks.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    /// Monday, 2023-11-20T00:00Z.
    const MONDAY: Timestamp = Timestamp::new(1_700_438_400_000);
    const HOUR: Span = Span::from_s(3_600);

    fn before(span: Span) -> Timestamp {
        Timestamp::new(MONDAY.get() - span.get())
    }

    #[test]
    fn what_is_off_over_the_turn_of_a_week_counts_in_both() {
        let mut account = Account::default();
        account.add(Power::from_kw(6), before(HOUR), MONDAY.after(Span::from_s(7_200)), 8);
        let weeks: Vec<i64> = account.weeks.iter().map(|week| week.curtailed.get()).collect();
        assert_eq!(weeks, [6_000, 12_000]);
        assert_eq!(account.total(MONDAY, 8), (Energy::new(18_000), 0));
        assert_eq!(account.total(MONDAY, 1), (Energy::new(12_000), 0));
    }

    #[test]
    fn weeks_that_are_out_of_reach_are_forgotten() {
        let mut account = Account::default();
        account.turn(MONDAY, 2);
        let next = MONDAY.after(Span::new(WEEK_MS));
        account.turn(next, 2);
        assert_eq!(account.total(next, 2).1, 2);
        let third = next.after(Span::new(WEEK_MS));
        assert_eq!(account.total(third, 2).1, 1);
        account.turn(third, 2);
        assert_eq!(account.weeks.len(), 2);
    }

    #[test]
    fn a_sum_of_before_there_were_weeks_counts_from_when_it_is_found() {
        let mut account: Account = serde_json::from_str("5000").unwrap();
        assert_eq!(account.total(MONDAY, 1), (Energy::new(5_000), 0));
        account.turn(MONDAY, 2);
        let again: Account = serde_json::from_str(&serde_json::to_string(&account).unwrap()).unwrap();
        assert_eq!(again, account);
        assert_eq!(again.total(MONDAY.after(Span::new(WEEK_MS)), 2), (Energy::new(5_000), 1));
        assert_eq!(again.total(MONDAY.after(Span::new(2 * WEEK_MS)), 2), (Energy::ZERO, 0));
    }
}
