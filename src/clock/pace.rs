//! A time that the machine's clock leads, and that goes on whatever is done to that clock.
//!
//! Delays, expiries and ages are differences of this time, and an engine whose time stands still keeps no limit. So it never
//! goes back and never stands: where the machine's clock went back it runs slower until the clock has caught up with it.
//! A step forward is followed at once, as after a suspend or the first answer of a time server, but not one of more than a
//! day: that is a broken clock, and everything that is kept for some days would be given up at once.
//!
//! **Invariant:** of two times told, the later one is not before the earlier one; it is later by at least nine tenths of what
//! passed between them.

use headroom_rules::model::{Span, Timestamp};

const NS_PER_MS: i128 = 1_000_000;
/// Longest step forward that is followed.
const BELIEVED_MAX: i128 = 86_400_000 * NS_PER_MS;
/// From here on a step is told: time servers move a clock by less, little by little.
const STEP_MIN: i128 = 2_000 * NS_PER_MS;

/// All in nanoseconds, so that nothing is lost however often it is asked.
#[derive(Debug)]
pub(super) struct Pace {
    steady: i128,
    wall: i128,
    told: i128,
    stepped: Option<i128>,
}

impl Pace {
    /// Begins with the machine's clock; `steady` is a clock that nobody sets.
    pub(super) const fn new(steady: i128, wall: i128) -> Self {
        Self { steady, wall, told: wall, stepped: None }
    }

    /// The time now.
    pub(super) fn tell(&mut self, steady: i128, wall: i128) -> Timestamp {
        let passed = (steady - self.steady).max(0);
        let step = wall - self.wall - passed;
        if step.abs() >= STEP_MIN {
            *self.stepped.get_or_insert(0) += step;
        }
        let own = self.told + passed;
        self.told = if wall < own {
            wall.max(own - passed / 10)
        } else if wall - own <= BELIEVED_MAX {
            wall
        } else {
            own
        };
        (self.steady, self.wall) = (self.steady.max(steady), wall);
        ms(self.told)
    }

    /// It was this late already: an earlier life of the centre told so.
    pub(super) fn not_before(&mut self, at: Timestamp) {
        self.told = self.told.max(i128::from(at.get()) * NS_PER_MS);
    }

    /// How far it is ahead of the machine's clock, negative when it is behind.
    pub(super) fn ahead(&self) -> Span {
        Span::new(ms(self.told - self.wall).get())
    }

    /// By how much the machine's clock was moved since this was asked last, if it was.
    pub(super) fn take_step(&mut self) -> Option<Span> {
        self.stepped.take().map(|step| Span::new(ms(step).get()))
    }
}

fn ms(ns: i128) -> Timestamp {
    let ms = ns.div_euclid(NS_PER_MS);
    Timestamp::new(i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: i128 = 1_000 * NS_PER_MS;
    const HOUR: i128 = 3_600 * S;

    fn at(ns: i128) -> Timestamp {
        ms(ns)
    }

    #[test]
    fn it_is_the_machines_clock_while_nobody_moves_that() {
        let mut pace = Pace::new(5 * S, 1_000 * S);
        for n in 0..10 {
            // A time server that moves it by a little.
            let wall = 1_000 * S + n * S + n * NS_PER_MS / 2;
            assert_eq!(pace.tell(5 * S + n * S, wall), at(wall));
        }
        assert_eq!((pace.ahead(), pace.take_step()), (Span::ZERO, None));
    }

    #[test]
    fn a_clock_that_went_back_is_waited_for_at_nine_tenths_of_the_pace() {
        let mut pace = Pace::new(0, 10 * HOUR);
        assert_eq!(pace.tell(S, 9 * HOUR + S), at(10 * HOUR + S * 9 / 10));
        assert_eq!(pace.take_step(), Some(Span::from_s(-3_600)));
        assert_eq!((pace.take_step(), pace.ahead().s()), (None, 3_599));
        assert_eq!(pace.tell(5 * HOUR, 14 * HOUR), at(14 * HOUR + HOUR / 2));
        assert_eq!(pace.tell(10 * HOUR, 19 * HOUR), at(19 * HOUR));
        assert_eq!(pace.tell(11 * HOUR, 20 * HOUR), at(20 * HOUR));
    }

    #[test]
    fn a_step_forward_is_followed_up_to_a_day_and_no_farther() {
        let mut pace = Pace::new(0, 0);
        assert_eq!(pace.tell(S, 24 * HOUR + S), at(24 * HOUR + S));
        assert_eq!(pace.take_step(), Some(Span::from_s(86_400)));
        assert_eq!(pace.tell(2 * S, 9_000 * HOUR), at(24 * HOUR + 2 * S));
        assert!(pace.ahead() < Span::from_s(-8_000 * 3_600));
        // Put right again.
        assert_eq!(pace.tell(3 * S, 24 * HOUR + 3 * S), at(24 * HOUR + 3 * S));
        assert_eq!(pace.ahead(), Span::ZERO);
    }

    #[test]
    fn a_start_goes_on_where_the_last_life_was() {
        let mut pace = Pace::new(0, 10 * HOUR);
        pace.not_before(at(11 * HOUR));
        assert_eq!(pace.tell(10 * S, 10 * HOUR + 10 * S), at(11 * HOUR + 9 * S));
        pace.not_before(at(HOUR));
        assert_eq!(pace.ahead(), Span::from_s(3_599));
    }

    proptest! {
        #[test]
        fn it_never_goes_back_nor_stands_whatever_is_done_to_the_machines_clock(
            steps in prop::collection::vec((0..3 * HOUR, -200 * HOUR..200 * HOUR), 1..50),
        ) {
            let (mut steady, mut wall) = (0, 1_000 * HOUR);
            let mut pace = Pace::new(steady, wall);
            let mut before = pace.tell(steady, wall);
            for (passed, moved) in steps {
                steady += passed;
                wall += passed + moved;
                let now = pace.tell(steady, wall);
                let least = ms(passed * 9 / 10).get() - 1;
                prop_assert!(now.since(before).get() >= least, "{before} to {now}, {passed} ns later");
                before = now;
            }
        }
    }
}
