use super::*;

const QUARTER: i64 = QUARTER_MS;
/// 2026-11-24, a Tuesday, at midnight.
const MIDNIGHT: i64 = 1_795_478_400_000;

/// A meter that is looked at each 10 s; its register counts watt-seconds / 3600.
struct Bench {
    memory: Memory,
    at: i64,
    ws: i64,
    ended: Vec<i64>,
}

fn bench(offset_minutes: i16, from: i64) -> Bench {
    let memory = Memory::new(Zone { offset_minutes, summer_time: false });
    let mut bench = Bench { memory, at: from, ws: 0, ended: Vec::new() };
    bench.look(0);
    bench
}

impl Bench {
    fn look(&mut self, kw: i32) {
        let energy = Energy::new(self.ws / 3_600);
        let meter = Meter { at: Timestamp::new(self.at), power: Power::from_kw(kw), energy };
        let ended = self.memory.measure(meter, &Tariffs::usual());
        self.ended.extend(ended.map(Timestamp::get));
    }

    /// Draws `kw` for so long.
    fn draw(&mut self, kw: i32, s: i64) {
        self.look(kw);
        for _ in 0..s / 10 {
            self.at += 10_000;
            self.ws += i64::from(kw) * 10_000;
            self.look(kw);
        }
    }

    /// As the terminal does: its clock is put right.
    fn set(&mut self, to: i64) {
        self.memory.clock_set(Span::new(to - self.at), Timestamp::new(to));
        self.at = to;
    }

    /// The curve as minutes after `from`, kW and whether good.
    fn curve(&self, from: i64) -> Vec<(i64, i64, bool)> {
        let curve = self.memory.between(None, None).into_iter().filter(|kept| kept.point == PointKind::LoadCurve);
        curve.map(|kept| ((kept.at.get() - from) / 60_000, kept.value / 1_000, kept.quality == Quality::GOOD)).collect()
    }

    fn of(&self, point: PointKind, at: i64) -> Vec<i64> {
        let at = Some(Timestamp::new(at));
        let kept = self.memory.between(at, at).into_iter().filter(|kept| kept.point == point);
        kept.map(|kept| kept.value).collect()
    }
}

#[test]
fn a_quarter_is_the_mean_of_what_was_drawn_and_has_the_register_at_its_end() {
    let mut bench = bench(0, MIDNIGHT);
    bench.draw(40, 300);
    bench.draw(100, 600);
    bench.draw(7, 900);
    assert_eq!(bench.ended, [MIDNIGHT + QUARTER, MIDNIGHT + 2 * QUARTER]);
    assert_eq!(bench.curve(MIDNIGHT), [(15, 80, true), (30, 7, true)]);
    // 80 kW for a quarter of an hour are 20 kWh.
    assert_eq!(bench.of(PointKind::ImportEnergy, MIDNIGHT + QUARTER), [20_000]);
    assert_eq!(bench.of(PointKind::ImportEnergy, MIDNIGHT + 2 * QUARTER), [21_750]);
}

#[test]
fn a_quarter_that_was_measured_in_part_is_invalid_and_one_whose_end_was_not_seen_is_missing() {
    let mut bench = bench(0, MIDNIGHT + 120_000);
    bench.draw(50, 780);
    assert_eq!(bench.curve(MIDNIGHT), [(15, 50, false)], "powered up within it");
    bench.draw(50, 900);
    // Off from 30:00 to 62:00, a quarter and two ends of others.
    bench.at += 32 * 60_000;
    bench.draw(60, 2 * 900 - 120);
    assert_eq!(bench.curve(MIDNIGHT), [(15, 50, false), (30, 50, true), (75, 60, false), (90, 60, true)]);
    // A gap within a quarter.
    bench.draw(60, 300);
    bench.at += 240_000;
    bench.draw(60, 360);
    assert_eq!(bench.curve(MIDNIGHT).last(), Some(&(105, 60, false)));
}

#[test]
fn a_clock_that_is_put_forward_leaves_quarters_out() {
    let mut bench = bench(0, MIDNIGHT);
    bench.draw(50, 900 + 300);
    bench.set(MIDNIGHT + 4 * QUARTER + 300_000);
    bench.draw(70, 600 + 900);
    assert_eq!(bench.curve(MIDNIGHT), [(15, 50, true), (75, 70, false), (90, 70, true)]);
}

#[test]
fn a_clock_that_is_put_back_measures_no_quarter_twice() {
    let mut bench = bench(0, MIDNIGHT);
    bench.draw(50, 2 * 900 + 60);
    // Into the quarter before: its record stays.
    bench.set(MIDNIGHT + QUARTER + 600_000);
    bench.draw(90, 300 + 900);
    assert_eq!(bench.curve(MIDNIGHT), [(15, 50, true), (30, 50, true), (45, 90, true)]);
    assert_eq!(bench.ended.len(), 3);
}

#[test]
fn what_a_clock_that_ran_far_ahead_recorded_is_forgotten_when_it_is_put_right() {
    let mut bench = bench(0, MIDNIGHT);
    bench.draw(50, 900);
    bench.set(MIDNIGHT + 400 * DAY_MS - QUARTER);
    bench.draw(50, 1_800);
    assert_eq!(bench.memory.days.len(), 1);
    bench.set(MIDNIGHT + QUARTER + 60_000);
    bench.draw(20, 840 + 900);
    assert_eq!(bench.curve(MIDNIGHT), [(15, 50, true), (30, 20, false), (45, 20, true)]);
    assert_eq!(bench.memory.days.len(), 0);
}

#[test]
fn a_small_correction_moves_the_border_and_no_energy_is_made_up() {
    let mut bench = bench(0, MIDNIGHT);
    bench.draw(50, 890);
    // Back over the border and over it again.
    bench.draw(50, 20);
    bench.set(MIDNIGHT + 890_000);
    bench.draw(50, 900);
    assert_eq!(bench.curve(MIDNIGHT), [(15, 50, true)]);
    bench.set(bench.at + 30_000);
    bench.draw(50, 850);
    assert_eq!(bench.curve(MIDNIGHT), [(15, 50, true), (30, 50, true)]);
}

#[test]
fn registers_are_frozen_at_midnight_and_on_the_first_of_the_month_of_the_terminals_zone() {
    // Beijing's midnight of December 1 is 16:00 UTC of November 30.
    let december = MIDNIGHT + 6 * DAY_MS + 16 * 3_600_000;
    let mut bench = bench(480, december - DAY_MS - 3_600_000);
    bench.draw(36, 3_600);
    assert_eq!((bench.memory.days.len(), bench.memory.months.len()), (1, 0));
    bench.draw(36, 86_400);
    assert_eq!((bench.memory.days.len(), bench.memory.months.len()), (2, 1));
    let tariff = |tariff| bench.of(PointKind::TariffEnergy(tariff), december);
    // 2 h sharp, 6 peak, 8 flat; in the valley 8 and the hour of the day before.
    let by_tariff = Tariff::ALL.map(tariff);
    assert_eq!(by_tariff, [vec![72_000], vec![216_000], vec![288_000], vec![324_000]]);
    assert_eq!(bench.of(PointKind::ImportEnergy, december), [900_000], "once, though quarter, day and month end");
}

#[test]
fn energy_of_a_gap_goes_to_no_tariff_that_it_cannot_be_told_to_be_of() {
    let mut bench = bench(0, MIDNIGHT + 6 * 3_600_000);
    bench.draw(36, 600);
    // Twenty minutes without a look, all in the valley; then an hour and a half, into the flat hours.
    for s in [1_200, 5_400] {
        bench.at += s * 1_000;
        bench.ws += 36_000 * s;
        bench.look(36);
    }
    let tariffs: Vec<_> = bench.memory.tariffs().map(|(_, energy)| energy.get()).collect();
    assert_eq!(tariffs, [0, 0, 0, 18_000]);
    bench.ws = 0;
    bench.draw(0, 10);
    assert!(bench.memory.tariffs().all(|(_, energy)| energy >= Energy::ZERO), "a meter was exchanged");
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    let mut memory = Memory::new(Zone::UTC);
    let mut at = MIDNIGHT;
    // Each minute for 800 days would take long: only the ends are looked at.
    for _ in 0..800 * 96 {
        for before_end in [60_000, 0] {
            let at = Timestamp::new(at + QUARTER - before_end);
            memory.measure(Meter { at, power: Power::ZERO, energy: Energy::ZERO }, &Tariffs::usual());
        }
        at += QUARTER;
    }
    assert_eq!((memory.quarters.len(), memory.days.len(), memory.months.len()), (60 * 96, 62, 24));
    let newest = Timestamp::new(at);
    assert_eq!(memory.newest(), Some(newest));
    assert_eq!(memory.between(Some(newest), None).len(), 2 + 4);
}
