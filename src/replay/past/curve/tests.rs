use headroom_rules::engine::Engine;
use headroom_rules::orders::{OrderId, OrderState};
use headroom_rules::output::Output;

use super::super::super::what_if::tests::{journal, policy};
use super::*;

fn minute(n: i64) -> Timestamp {
    Timestamp::new(n * MINUTE.get())
}

const fn kw(kw: i32) -> Power {
    Power::from_kw(kw)
}

/// Half an hour at 80 kW, with ten minutes at 120 kW from the fifth on; the limit was 130 kW then. Of the rounds, one of class 5 drew
/// 30 kW last, one of class 3 drew 40 kW.
fn stored(orders: Vec<Order>) -> Stored {
    let candidate = |class: u8, customer: &str, power| Candidate {
        class: PriorityClass::try_from(class).unwrap(),
        customer: customer.parse().unwrap(),
        power,
    };
    let of = |n: i64| {
        let mean = if (5..15).contains(&n) { kw(120) } else { kw(80) };
        let (start, high) = (minute(n), mean + kw(5));
        let (known, over, limit) = (MINUTE, Span::ZERO, Some(kw(130)));
        NodeLoad { start, low: mean, high, high_at: start, mean, last: mean, known, over, limit }
    };
    Stored {
        from: minute(0),
        to: minute(30),
        minutes: (0..30).map(of).collect(),
        orders,
        candidates: vec![candidate(3, "C2", kw(40)), candidate(5, "C1", kw(30))],
        customers: BTreeMap::from([("T1".parse().unwrap(), "C1".parse().unwrap())]),
    }
}

/// As an order of the rule of F1, of 20 kW.
fn order(id: u64, action: Action, at: i64) -> Order {
    let (mut engine, mut out) = (Engine::new(), Vec::new());
    journal(100).iter().for_each(|input| engine.apply(input, &mut out));
    let like = out.into_iter().find_map(|output| if let Output::Order(order) = output { Some(order) } else { None });
    let (id, state, issued_at, power_before) = (OrderId(id), OrderState::Verified, minute(at), Some(kw(20)));
    Order { id, action, state, issued_at, power_before, ..like.unwrap() }
}

#[test]
fn what_is_above_a_lower_limit_goes_after_the_delay_and_is_counted_by_the_least_important_rounds() {
    let [was, would_be] = stored(Vec::new()).reckon(&policy(100).limits[0], Some(kw(100)));
    assert_eq!((was.over_ms, was.over_asked_ms, was.unknown_ms), (0, Some(600_000), 0));
    assert_eq!((was.peak, was.limit, was.rounds), (Some((kw(125), minute(5))), Some((kw(130), kw(130))), 0));
    // 25 kW down to the target of 95 kW from the sixth minute on; the load is never low for an hour.
    assert_eq!((would_be.plans, would_be.taken_off, would_be.off_most), (1, kw(25), kw(25)));
    assert_eq!((would_be.over_ms, would_be.over_longest_ms, would_be.curtailed_wh), (60_000, 60_000, 10_000));
    assert_eq!((would_be.rounds, would_be.customers, would_be.off_after, would_be.futile), (1, 1, 1, 0));
    assert_eq!(would_be.off_longest_ms, 25 * 60_000);
}

#[test]
fn what_rules_had_off_then_is_on_the_load_that_would_have_been() {
    let round = RoundNo::ALL[0];
    let orders = vec![order(1, Action::Trip { round }, 6), order(2, Action::Restore { round }, 12)];
    let [was, would_be] = stored(orders).reckon(&policy(100).limits[0], None);
    assert_eq!((was.tripped_by_rules, was.restored, was.customers, was.off_after), (1, 1, 1, 0));
    assert_eq!((was.taken_off, was.off_most, was.curtailed_wh, was.off_longest_ms), (kw(20), kw(20), 2_000, 360_000));
    // In the sixth minute 140 kW less 25 kW are 115 kW.
    assert_eq!((would_be.plans, would_be.off_most, would_be.rounds, would_be.customers), (2, kw(45), 2, 2));
}

#[test]
fn a_rule_gives_up_where_all_rounds_together_are_too_little() {
    let mut stored = stored(Vec::new());
    stored.candidates.truncate(0);
    let [_, would_be] = stored.reckon(&policy(100).limits[0], None);
    assert_eq!((would_be.plans, would_be.futile, would_be.over_ms, would_be.rounds), (0, 1, 600_000, 0));
}
