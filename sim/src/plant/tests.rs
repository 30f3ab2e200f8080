use super::*;

fn plant(stuck: bool) -> Plant {
    let load = |seed: u64| {
        let rounds = vec![PlantRound::new(0.3, Span::from_s(2), stuck), PlantRound::new(0.2, Span::from_s(2), false)];
        Load::new(0, LoadType::ThreeShift, Power::from_kw(500), 0.3, rounds, seed)
    };
    let feeders = vec![Feeder::new(false, Power::from_kw(1_000))];
    Plant::new(Scenario::named("quiet").unwrap(), vec![load(1), load(2)], feeders)
}

fn run(plant: &mut Plant, seconds: i64) -> Vec<Power> {
    (0..seconds)
        .map(|_| {
            plant.advance(plant.now().after(Plant::STEP));
            plant.feeders()[0].power()
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_loads() {
    let (mut one, mut two) = (plant(false), plant(false));
    let course = run(&mut one, 600);
    assert_eq!(course, run(&mut two, 600));
    assert!(course.iter().any(|power| *power != course[0]));
    assert_ne!(one.loads()[0].power(), one.loads()[1].power());
}

#[test]
fn energy_is_the_integral_of_power() {
    let mut plant = plant(false);
    let sum: i64 = run(&mut plant, 3_600).iter().map(|power| power.get()).sum();
    assert_eq!(plant.feeders()[0].energy(), Energy::new(sum / 3_600));
}

#[test]
fn tripping_a_round_lowers_the_feeder_by_the_round_and_its_losses() {
    let (mut left, mut tripped) = (plant(false), plant(false));
    tripped.switch(0, RoundNo::ALL[0], false);
    run(&mut tripped, 1);
    assert_eq!(tripped.loads()[0].rounds[0].position(), SwitchPosition::Intermediate);
    run(&mut tripped, 19);
    run(&mut left, 20);
    assert_eq!(tripped.loads()[0].rounds[0].position(), SwitchPosition::Open);
    assert_eq!(tripped.loads()[0].rounds[0].power(), Power::ZERO);
    let (before, after) = (&left.feeders()[0], &tripped.feeders()[0]);
    let expected = left.loads()[0].rounds[0].power() + before.losses() - after.losses();
    assert!((before.power() - after.power() - expected).get().abs() <= 3);
    assert!(before.losses() > after.losses());
}

#[test]
fn a_restored_round_draws_more_at_first_and_the_surplus_decays() {
    let (mut left, mut restored) = (plant(false), plant(false));
    restored.switch(0, RoundNo::ALL[0], false);
    run(&mut restored, 600);
    restored.switch(0, RoundNo::ALL[0], true);
    run(&mut restored, 10);
    run(&mut left, 610);
    let ratio =
        |a: &Plant, b: &Plant| a.loads()[0].rounds[0].power().get() * 100 / b.loads()[0].rounds[0].power().get();
    assert!((140..=150).contains(&ratio(&restored, &left)));
    run(&mut restored, 1_800);
    run(&mut left, 1_800);
    assert_eq!(ratio(&restored, &left), 100);
}

#[test]
fn a_stuck_switch_stays_closed() {
    let mut plant = plant(true);
    plant.switch(0, RoundNo::ALL[0], false);
    run(&mut plant, 60);
    assert_eq!(plant.loads()[0].rounds[0].position(), SwitchPosition::Closed);
    assert!(plant.loads()[0].rounds[0].power() > Power::ZERO);
}
