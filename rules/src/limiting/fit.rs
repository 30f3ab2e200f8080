//! The last rounds of a plan: a subset of which the sum is enough and hardly more.

use std::cmp::Reverse;

/// Sums that are told apart below the least that is wanted.
const BUCKETS: usize = 2_048;
/// Items of which sums are made; single ones that are enough by themselves are all looked at.
const ITEMS_MAX: usize = 2_048;

#[derive(Clone, Copy)]
struct Reached {
    sum: i64,
    /// The item that came last, and the bucket of what was there before it; none for nothing.
    last: Option<(usize, usize)>,
}

/// Indices, rising, of items whose sum is at least `least` and above it by as little as is found; the first that is above by
/// at most `tolerance` is taken, and earlier items go before later ones. None where all together are not enough.
///
/// `items` are positive. A dynamic programme over the sums below `least`, of which it keeps the first to come into each of
/// 2048 ranges: bounded work, and nearly exact.
pub(crate) fn fit(least: i64, items: &[i64], tolerance: i64) -> Option<Vec<usize>> {
    let enough = least.saturating_add(tolerance);
    let mut best: Option<(i64, Vec<usize>)> = None;
    let mut take = |sum: i64, chosen: Vec<usize>| {
        if best.as_ref().is_none_or(|(known, _)| sum < *known) {
            best = Some((sum, chosen));
        }
        best.as_ref().is_some_and(|(sum, _)| *sum <= enough)
    };
    // One alone, and anything more beside it would be too much.
    let mut alone: Option<(i64, usize)> = None;
    for (at, &item) in items.iter().enumerate().filter(|(_, item)| **item >= least) {
        if alone.is_none_or(|(best, _)| item < best && best > enough) {
            alone = Some((item, at));
        }
    }
    if alone.is_some_and(|(sum, at)| take(sum, vec![at])) {
        return best.map(|(_, chosen)| chosen);
    }
    let small: Vec<(usize, i64)> =
        items.iter().copied().enumerate().filter(|(_, item)| *item < least).take(ITEMS_MAX).collect();
    if let Some((sum, chosen)) = sums(least, &small, enough)
        && take(sum, chosen)
    {
        return best.map(|(_, chosen)| chosen);
    }
    // Sums of small ones alone are told apart badly. They matter at the end, beside a sum that nearly is enough.
    let mut falling = small;
    falling.sort_by_key(|(at, item)| (Reverse(*item), *at));
    if let Some((sum, chosen)) = sums(least, &falling, enough) {
        take(sum, chosen);
    }
    let mut all = items.iter().fold(0i64, |sum, item| sum.saturating_add(*item));
    if best.is_none() && all >= least {
        let mut chosen: Vec<usize> = (0..items.len()).collect();
        chosen.retain(|at| {
            let Some(&item) = items.get(*at).filter(|item| all - **item >= least) else { return true };
            all -= item;
            false
        });
        best = Some((all, chosen));
    }
    best.map(|(_, chosen)| chosen)
}

/// The least sum of items, each below `least`, that is found to be enough, with their indices.
fn sums(least: i64, items: &[(usize, i64)], enough: i64) -> Option<(i64, Vec<usize>)> {
    let mut best: Option<(i64, usize, usize)> = None;
    let mut reached: Vec<Option<Reached>> = vec![None; BUCKETS];
    if let Some(nothing) = reached.first_mut() {
        *nothing = Some(Reached { sum: 0, last: None });
    }
    let mut used: Vec<usize> = vec![0];
    // Apart, so that an item is added to no sum that has it.
    let mut fresh: Vec<usize> = Vec::new();
    for &(at, item) in items {
        for &bucket in &used {
            let Some(Some(before)) = reached.get(bucket) else { continue };
            let sum = before.sum.saturating_add(item);
            if sum >= least {
                if best.is_none_or(|(best, _, _)| sum < best) {
                    best = Some((sum, at, bucket));
                }
                continue;
            }
            let into = bucket_of(sum, least);
            if let Some(place @ None) = reached.get_mut(into) {
                *place = Some(Reached { sum, last: Some((at, bucket)) });
                fresh.push(into);
            }
        }
        used.append(&mut fresh);
        if best.is_some_and(|(sum, _, _)| sum <= enough) {
            break;
        }
    }
    // What a sum rests on was there before it and is never overwritten.
    let (sum, last, mut bucket) = best?;
    let mut chosen = vec![last];
    while let Some(Some(Reached { last: Some((at, before)), .. })) = reached.get(bucket) {
        chosen.push(*at);
        bucket = *before;
    }
    chosen.sort_unstable();
    Some((sum, chosen))
}

fn bucket_of(sum: i64, least: i64) -> usize {
    let scaled = i128::from(sum) * 2_048 / i128::from(least.max(1));
    usize::try_from(scaled).unwrap_or(0).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(items: &[i64], chosen: &[usize]) -> i64 {
        chosen.iter().map(|at| items[*at]).sum()
    }

    /// Over all subsets.
    fn optimum(least: i64, items: &[i64]) -> Option<i64> {
        let sums = (0u32..1 << items.len()).map(|set| {
            items.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0).map(|(_, item)| item).sum::<i64>()
        });
        sums.filter(|sum| *sum >= least).min()
    }

    #[test]
    fn an_exact_sum_is_found_where_there_is_one() {
        let items = [300, 300, 200, 150];
        assert_eq!(fit(350, &items, 0), Some(vec![2, 3]));
        assert_eq!(fit(950, &items, 0), Some(vec![0, 1, 2, 3]));
        assert_eq!(fit(951, &items, 0), None);
        assert_eq!(fit(50, &[], 0), None);
    }

    #[test]
    fn within_the_tolerance_the_earlier_goes_first() {
        assert_eq!(fit(100, &[101, 100], 1), Some(vec![0]));
        assert_eq!(fit(100, &[102, 100], 1), Some(vec![1]));
    }

    proptest! {
        #[test]
        fn a_fit_is_enough_has_each_item_once_and_is_within_a_part_in_a_hundred_of_the_optimum(
            items in proptest::collection::vec(1..2_000i64, 0..12),
            least in 1..8_000i64,
        ) {
            let found = fit(least, &items, 0);
            prop_assert_eq!(found.is_some(), items.iter().sum::<i64>() >= least);
            if let Some(found) = found {
                prop_assert!(found.is_sorted_by(|a, b| a < b));
                let found = sum(&items, &found);
                let optimum = optimum(least, &items).unwrap();
                prop_assert!(found >= least && found <= optimum + least / 100, "{} of {}", found, optimum);
            }
        }
    }
}
