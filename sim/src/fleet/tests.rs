use super::*;

fn peak(terminals: u32, seed: u64) -> Fleet {
    Fleet::generate(terminals, seed, Scenario::named("evening-peak").unwrap()).unwrap()
}

#[test]
fn a_fleet_of_any_size_has_a_sound_inventory() {
    for terminals in [2, 3, 19, 20, 49, 50, 200, 1_000] {
        let fleet = peak(terminals, 7);
        assert_eq!(fleet.inventory.check(), [], "{terminals}");
        assert_eq!(fleet.links.len(), terminals as usize);
        assert_eq!(fleet.inventory.terminals.len(), terminals as usize);
        assert!(fleet.policy.limits.iter().all(|rule| fleet.inventory.nodes.contains_key(&rule.node)));
    }
    for terminals in [0, 1, 5_001] {
        let quiet = Scenario::named("quiet").unwrap();
        assert!(matches!(Fleet::generate(terminals, 1, quiet), Err(FleetError::Size(_))));
    }
}

#[test]
fn the_same_seed_gives_the_same_fleet() {
    let (one, two, other) = (peak(100, 5), peak(100, 5), peak(100, 6));
    assert_eq!((&one.inventory, &one.policy), (&two.inventory, &two.policy));
    assert_ne!(one.inventory, other.inventory);
}

/// Minutes at which a feeder's natural load is above its limit, for every feeder.
fn minutes_over(fleet: &Fleet) -> Vec<Vec<i64>> {
    let mut plant = fleet.plant.clone();
    let mut over = vec![Vec::new(); plant.feeders().len()];
    for minute in 0..=30 {
        plant.advance(fleet.plant.start().after(Span::from_s(minute * 60)));
        for ((feeder, rule), over) in plant.feeders().iter().zip(&fleet.policy.limits).zip(&mut over) {
            if feeder.power() > rule.limit {
                over.push(minute);
            }
        }
    }
    over
}

#[test]
fn the_evening_peak_crosses_a_limit_by_minute_four_and_has_fallen_back_by_minute_fourteen() {
    for seed in 0..20 {
        for terminals in [20, 60, 200] {
            let fleet = peak(terminals, seed);
            let over = minutes_over(&fleet);
            let breached: Vec<_> = over.iter().filter(|minutes| !minutes.is_empty()).collect();
            assert!((1..=3).contains(&breached.len()), "{terminals} terminals, seed {seed}: {over:?}");
            for minutes in breached {
                assert!((2..=4).contains(minutes.first().unwrap()), "{terminals}, seed {seed}: {minutes:?}");
                assert!(*minutes.last().unwrap() < 14, "{terminals}, seed {seed}: {minutes:?}");
            }
        }
    }
}

#[test]
fn after_the_peak_all_that_could_be_shed_fits_back_with_cold_load_pick_up() {
    for seed in 0..20 {
        let fleet = peak(50, seed);
        let mut plant = fleet.plant.clone();
        plant.advance(fleet.plant.start().after(Span::from_s(14 * 60)));
        for (feeder, rule) in plant.feeders().iter().zip(&fleet.policy.limits).filter(|(feeder, _)| feeder.peaks) {
            // Shed at most 15 % of the limit; each comes back with half as much again.
            assert!(feeder.power() + rule.limit.percent(8) <= rule.limit, "seed {seed}");
            assert!(feeder.power() <= rule.restore_below(), "seed {seed}");
        }
    }
}

#[test]
fn enough_can_be_shed_without_guaranteed_customers_and_floors() {
    for seed in 0..20 {
        let fleet = peak(20, seed);
        let mut plant = fleet.plant.clone();
        plant.advance(fleet.plant.start().after(Span::from_s(6 * 60)));
        let open = fleet.posts.iter().filter(|post| !post.guaranteed);
        let sheddable: Power = open
            .filter_map(|post| plant.loads().get(post.load?).map(|load| (post, load)))
            .map(|(post, load)| {
                let behind = load.rounds.iter().map(PlantRound::power).sum::<Power>();
                behind.min(load.power() - post.safety_floor)
            })
            .sum();
        assert!(sheddable > plant.feeders()[0].power().percent(20), "seed {seed}");
    }
}

#[test]
fn on_a_quiet_morning_no_limit_is_reached() {
    let fleet = Fleet::generate(100, 3, Scenario::named("quiet").unwrap()).unwrap();
    assert!(minutes_over(&fleet).iter().all(Vec::is_empty));
}
