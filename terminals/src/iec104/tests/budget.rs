use std::time::{Duration, Instant};

use crate::iec104::budget::Budget;

const S: Duration = Duration::from_secs(1);

#[test]
fn a_burst_is_free_and_what_is_beyond_waits_at_the_rate() {
    let start = Instant::now();
    let mut budget = Budget::new(2_000, 20_000, start);
    budget.take(start, 20_000);
    assert_eq!(budget.ready_at(start), start, "the burst");
    budget.take(start, 3_000);
    assert_eq!(budget.ready_at(start), start + S * 3 / 2, "overdrawn by 3000 objects");
    let now = start + S;
    assert_eq!(budget.ready_at(now), now + S / 2);
    let now = start + S * 2;
    assert_eq!(budget.ready_at(now), now);
    budget.take(now, 2_000);
    assert_eq!(budget.ready_at(now), now + S / 2, "1000 were free");
}

#[test]
fn an_idle_hour_gives_one_burst_and_no_more() {
    let start = Instant::now();
    let mut budget = Budget::new(100, 200, start);
    let later = start + S * 3_600;
    budget.take(later, 200);
    assert_eq!(budget.ready_at(later), later);
    budget.take(later, 100);
    assert_eq!(budget.ready_at(later), later + S);
}
