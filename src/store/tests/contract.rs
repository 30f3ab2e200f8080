use headroom_rules::input::Input;
use headroom_rules::model::{Energy, PointKind, Power, Quality, Reading, Span, Tariff, Timestamp};
use headroom_rules::orders::{Action, Issuer, Order, OrderId, OrderState};
use headroom_rules::output::{Alarm, AlarmCause, AlarmId, AlarmState, Event, Happening, LoadMinute, Output};

use super::bed::{Bed, T0, entries, entry, power, readings, t, terminal, trend};
use super::paging::pages_give_every_row_once_in_bounded_pages;
use crate::journal::Position;
use crate::store::{
    At, Bucket, Completeness, Entry, Gap, History, Marks, Registers, Resolution, StoreReader, WriteCount,
};

/// Each promise as a test on SQLite, and on each kind of server where `ops/test` runs those.
macro_rules! promises {
    ($($promise:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Bed::sqlite()).await;
            })*
        }
        promises!(on_postgresql "HEADROOM_TEST_POSTGRES_URL" $($promise,)*);
        promises!(on_timescale_apache "HEADROOM_TEST_TIMESCALE_APACHE_URL" $($promise,)*);
        promises!(on_timescale_wasm "HEADROOM_TEST_TIMESCALE_WASM_URL" $($promise,)*);
        promises!(on_timescale "HEADROOM_TEST_TIMESCALE_URL" $($promise,)*);
    };
    ($module:ident $variable:literal $($promise:ident,)*) => {
        mod $module {
            $(#[tokio::test]
            #[ignore = "needs a database: ops/test names one"]
            async fn $promise() {
                super::$promise(super::Bed::server($variable).await).await;
            })*
        }
    };
}

promises! {
    entries_written_again_after_a_crash_are_stored_exactly_once,
    a_failed_write_stores_nothing_of_the_batch_and_can_be_repeated,
    entries_that_begin_behind_a_hole_are_refused,
    quality_source_time_and_arrival_are_kept_and_a_trend_ascends,
    a_clock_that_runs_a_little_ahead_takes_no_value_out_of_the_trend,
    a_reading_of_an_impossible_time_is_kept_marked_and_never_the_last,
    a_store_of_a_newer_version_is_refused,
    tables_are_made_once_by_two_at_once_and_found_by_the_next,
    what_no_column_should_hold_blocks_nobody,
    rollups_have_extremes_with_their_times_mean_and_marks,
    a_late_reading_corrects_its_rollups,
    rollups_go_on_after_a_restart_and_where_a_late_reading_began_one,
    a_long_trend_comes_from_rollups_and_keeps_peaks_and_bad_quality,
    a_peak_is_found_with_its_time_and_not_beyond_the_ends,
    energy_is_what_the_register_rose_in_each_period_and_a_reset_is_said,
    a_node_has_its_curve_its_peak_and_its_time_above_the_limit,
    gaps_are_stretches_without_a_reading_at_the_ends_too,
    a_day_of_a_load_curve_is_counted_by_how_its_quarters_came,
    registers_are_those_of_the_very_midnight_and_a_day_says_whether_it_has_them,
    what_is_old_is_given_up_and_what_came_lately_is_not,
    orders_alarms_and_events_are_filtered_by_time_and_by_whom_they_are_about,
    pages_give_every_row_once_in_bounded_pages,
}

async fn a_day_of_a_load_curve_is_counted_by_how_its_quarters_came(bed: Bed) {
    let mut store = bed.store().await;
    let quarter = |n: i64| t(n * 900_000);
    let told = |position, arrived: Timestamp, cause, quarters: std::ops::RangeInclusive<i64>| {
        let reading = |n| Reading {
            point: PointKind::LoadCurve,
            value: 1,
            quality: Quality::GOOD,
            source_time: Some(quarter(n)),
            cause,
        };
        let readings = quarters.map(reading).collect();
        let input = Input::Readings { at: arrived, terminal: terminal(), readings };
        Entry { position: Position(position), input, outputs: Vec::new() }
    };
    // The fourth was told by a clock that is ahead, and is in the file once more.
    let ahead = told(2, quarter(4).after(-Span::from_s(5)), 3, 4..=4);
    store.write(&[told(1, quarter(1), 3, 1..=1), ahead, told(3, quarter(9), 13, 2..=6)]).await.unwrap();
    let counted = bed.reader().await.completeness(terminal(), t(0), quarter(9), None).await.unwrap();
    let wanted =
        Completeness { expected: 8, read: 2, filled: 4, missing: 2, rate_e4: 7_500, ..Completeness::default() };
    assert_eq!(counted, wanted);
}

async fn registers_are_those_of_the_very_midnight_and_a_day_says_whether_it_has_them(bed: Bed) {
    let mut store = bed.store().await;
    let (day, flat) = (|n: i64| t(n * 86_400_000), PointKind::TariffEnergy(Tariff::Flat));
    let read = |point, value, at| Reading { point, value, quality: Quality::GOOD, source_time: Some(at), cause: 13 };
    let readings = vec![
        read(PointKind::ImportEnergy, 10, day(1)),
        read(PointKind::ImportEnergy, 11, day(1).after(Span::new(1))),
        read(flat, 7, day(1)),
        read(flat, 8, day(2).after(-Span::new(1))),
        read(PointKind::ImportEnergy, 30, day(3)),
    ];
    let input = Input::Readings { at: day(4), terminal: terminal(), readings };
    // Of a terminal whose clock is a little ahead, as it may be.
    let ahead = vec![read(PointKind::ImportEnergy, 50, day(5)), read(flat, 9, day(5))];
    let ahead = Input::Readings { at: day(5).after(-Span::from_s(1)), terminal: terminal(), readings: ahead };
    let entries = [(1, input), (2, ahead)];
    let entry = |(position, input)| Entry { position: Position(position), input, outputs: Vec::new() };
    store.write(&entries.map(entry)).await.unwrap();
    let reader = bed.reader().await;
    let found = reader.frozen_registers(terminal(), &[day(1), day(2), day(3), day(5)]).await.unwrap();
    let found: Vec<_> = found
        .into_iter()
        .map(|one| (one.at, one.import.map(|reading| reading.value), one.tariffs.get(&Tariff::Flat).map(|r| r.value)))
        .collect();
    assert_eq!(found, [(day(1), Some(10), Some(7)), (day(3), Some(30), None), (day(5), Some(50), Some(9))]);
    for (n, wanted) in [(1, Registers::Read), (2, Registers::Missing), (5, Registers::Read), (7, Registers::NotYet)] {
        let day = reader.completeness(terminal(), day(n - 1), day(6), Some((flat, day(n)))).await.unwrap();
        assert_eq!(day.registers, Some(wanted), "{n}");
    }
}

async fn entries_written_again_after_a_crash_are_stored_exactly_once(bed: Bed) {
    let mut store = bed.store().await;
    assert_eq!(store.position(), Some(Position(0)));
    store.write(&entries()[..3]).await.unwrap();
    drop(store);
    let mut store = bed.store().await;
    assert_eq!(store.position(), Some(Position(3)));
    let count = store.write(&entries()).await.unwrap();
    assert_eq!((count.readings, count.events, count.skipped), (4, 2, 3));
    assert_eq!(store.write(&entries()).await.unwrap(), WriteCount { skipped: 5, ..WriteCount::default() });
    let reader = bed.reader().await;
    assert_eq!(reader.count_readings().await.unwrap(), 10);
    assert_eq!(reader.position().await.unwrap(), Position(5));
    let events = reader.events(&History::newest(100)).await.unwrap();
    assert_eq!(events.iter().map(|event| event.position.0).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert_eq!((events[0].kind.as_str(), events[0].subject.as_str()), ("link", "T-1"));
    assert_eq!(reader.audit(&History::newest(2)).await.unwrap().len(), 2);
}

async fn a_failed_write_stores_nothing_of_the_batch_and_can_be_repeated(bed: Bed) {
    let mut store = bed.store().await;
    bed.execute("ALTER TABLE audit RENAME TO gone").await;
    let error = store.write(&entries()).await.unwrap_err();
    assert!(error.to_string().contains("cannot store readings and events; "), "{error}");
    let reader = bed.reader().await;
    assert_eq!((reader.count_readings().await.unwrap(), reader.position().await.unwrap()), (0, Position(0)));
    assert_eq!(store.write(&[]).await.unwrap(), WriteCount::default());
    bed.execute("ALTER TABLE gone RENAME TO audit").await;
    assert_eq!(store.write(&entries()).await.unwrap().readings, 10);
    assert_eq!(reader.last_values(None).await.unwrap().len(), 1);
}

async fn entries_that_begin_behind_a_hole_are_refused(bed: Bed) {
    let mut store = bed.store().await;
    store.write(&entries()[..1]).await.unwrap();
    let error = store.write(&entries()[2..]).await.unwrap_err();
    assert!(error.to_string().contains("start the centre again"), "{error}");
    // Where the journal has no more, there is nothing to wait for.
    store.belongs_to(Position(5), Position(2));
    assert_eq!(store.write(&entries()[2..]).await.unwrap().readings, 6);
}

async fn quality_source_time_and_arrival_are_kept_and_a_trend_ascends(bed: Bed) {
    let mut store = bed.store().await;
    let bad = Quality::INVALID.with(Quality::SUBSTITUTED);
    store.write(&[entry(1, None, 5, Quality::GOOD), entry(2, Some(20), -6, bad)]).await.unwrap();
    let reader = bed.reader().await;
    let kept = reader.readings(terminal(), PointKind::ActivePower, t(0), t(10_000)).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|r| (r.source_time, r.arrived_at, r.value, r.quality, r.cause)).collect();
    let early = (Some(t(20)), t(1_002), -6, bad, 3);
    let late = (None, t(1_001), 5, Quality::GOOD, 3);
    assert_eq!(kept, [early, early, late, late]);
    let good = (1_001, 5, Quality::GOOD);
    assert_eq!(trend(&reader, 0, 10_000, 100).await, [(20, -6, bad), (20, -6, bad), good, good]);
    assert_eq!(trend(&reader, 0, 10_000, 3).await, [(20, -6, bad), good], "thinned: peak and bad quality stay");
    assert_eq!(trend(&reader, 21, 1_001, 100).await, []);
    assert_eq!(trend(&reader, 10_000, 0, 100).await, []);
    let last = reader.last_values(Some(terminal())).await.unwrap();
    assert_eq!((last.len(), last[0].point, last[0].reading.value), (1, PointKind::ActivePower, 5));
    assert_eq!(reader.last_values(Some("T-2".parse().unwrap())).await.unwrap(), []);
}

async fn a_clock_that_runs_a_little_ahead_takes_no_value_out_of_the_trend(bed: Bed) {
    let mut store = bed.store().await;
    store.write(&[entry(1, Some(200_000), 5, Quality::GOOD)]).await.unwrap();
    let reader = bed.reader().await;
    assert_eq!(trend(&reader, 0, 10_000, 100).await, [(1_001, 5, Quality::GOOD), (1_001, 5, Quality::GOOD)]);
    let last = &reader.last_values(None).await.unwrap()[0].reading;
    assert_eq!((last.source_time, last.arrived_at, last.at), (Some(t(200_000)), t(1_001), t(1_001)));
    let kept = reader.readings(terminal(), PointKind::ActivePower, t(0), t(10_000)).await.unwrap();
    assert_eq!(kept[0].source_time, Some(t(200_000)));
}

async fn a_reading_of_an_impossible_time_is_kept_marked_and_never_the_last(bed: Bed) {
    let mut store = bed.store().await;
    let of = |source: Timestamp, value| power(Some(source), value, Quality::GOOD);
    let (ahead, past, wild) = (t(3_600_000), Timestamp::new(0), Timestamp::new(i64::MAX));
    let entry = readings(1, t(1_000), vec![of(t(500), 5), of(ahead, 999), of(past, -999), of(wild, 1)]);
    let count = store.write(&[entry]).await.unwrap();
    assert_eq!((count.readings, count.set_aside), (4, 3));
    let reader = bed.reader().await;
    assert_eq!(reader.count_readings().await.unwrap(), 4);
    let point = PointKind::ActivePower;
    let aside = reader.set_aside(terminal(), point, t(0), t(10_000)).await.unwrap();
    let aside: Vec<_> = aside.iter().map(|reading| (reading.source_time, reading.at, reading.value)).collect();
    assert_eq!(aside[..2], [(Some(ahead), t(1_000), 999), (Some(past), t(1_000), -999)]);
    assert_eq!(aside.len(), 3);
    let shown = reader.trend(terminal(), point, t(0), t(10_000), 100).await.unwrap();
    let shown: Vec<_> = shown.iter().map(|point| (point.at, point.value, point.doubtful_time)).collect();
    assert_eq!(shown, [(t(500), 5, false), (t(1_000), 999, true), (t(1_000), -999, true), (t(1_000), 1, true)]);
    assert_eq!(reader.last_values(None).await.unwrap()[0].reading.value, 5);
    bed.refresh().await;
    let buckets = reader.buckets(terminal(), point, Resolution::Day, t(-86_400_000), t(86_400_000)).await.unwrap();
    assert_eq!(buckets.iter().map(|bucket| bucket.readings).collect::<Vec<_>>(), [1]);
    assert_eq!(reader.peak(terminal(), point, t(0), t(10_000)).await.unwrap(), Some(At { at: t(500), value: 5 }));
}

async fn a_store_of_a_newer_version_is_refused(bed: Bed) {
    drop(bed.store().await);
    let checksum = if bed.url().is_some() { r"'\x00'" } else { "x'00'" };
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)";
    bed.execute(&format!("{later} VALUES (99990101000000, 'later', true, {checksum}, 0)")).await;
    let error = match bed.open().await {
        Ok(mut store) => {
            assert_eq!(store.position(), None);
            store.write(&entries()).await.unwrap_err()
        }
        Err(error) => error,
    };
    assert!(error.to_string().contains("written by a newer version"), "{error}");
}

async fn tables_are_made_once_by_two_at_once_and_found_by_the_next(bed: Bed) {
    let (one, other) = tokio::join!(bed.open(), bed.open());
    let stores = [one.unwrap(), other.unwrap()];
    assert!(stores.iter().any(|store| store.position() == Some(Position(0))), "{stores:?}");
    drop(stores);
    let mut store = bed.store().await;
    assert_eq!(store.write(&entries()).await.unwrap().readings, 10);
}

async fn what_no_column_should_hold_blocks_nobody(bed: Bed) {
    let mut store = bed.store().await;
    let of = |source, value| power(Some(source), value, Quality::from_bits(0xFF));
    let extremes = [Timestamp::new(i64::MIN), Timestamp::new(i64::MAX), t(0)].map(|source| of(source, i64::MAX));
    let mut entry = readings(1, t(1_000), extremes.to_vec());
    for value in [i64::MAX, i64::MAX, i64::MIN] {
        if let Input::Readings { readings, .. } = &mut entry.input {
            readings.push(power(Some(t(10)), value, Quality::GOOD));
        }
    }
    let what = Happening::PlanRefused { node: "F".parse().unwrap(), violation: "a\0b".into() };
    let event = Event { at: t(0), source_time: Some(Timestamp::new(i64::MIN)), what };
    entry.outputs.push(Output::Event(event));
    store.write(&[entry]).await.unwrap();
    let reader = bed.reader().await;
    bed.refresh().await;
    assert_eq!(reader.count_readings().await.unwrap(), 6);
    let events = reader.events(&History { about: Some("F".into()), ..History::newest(10) }).await.unwrap();
    assert_eq!(events[0].what["violation"], "a\0b");
    let (first, last) = (Timestamp::new(i64::MIN), Timestamp::new(i64::MAX));
    let point = PointKind::ActivePower;
    assert_eq!(reader.peak(terminal(), point, first, last).await.unwrap().unwrap().value, i64::MAX);
    assert!(!reader.trend(terminal(), point, first, last, 10).await.unwrap().is_empty());
    reader.energy(terminal(), first, last, Span::new(1)).await.unwrap();
    reader.energy(terminal(), last, first, Span::new(-1)).await.unwrap();
    reader.gaps(terminal(), point, first, last, Span::new(0)).await.unwrap();
}

/// Minutes 0, 1 and 20: three good values, of which one is highest, and two bad ones.
fn course() -> Vec<Reading> {
    let minute = 60_000;
    vec![
        power(Some(t(1_000)), 100, Quality::GOOD),
        power(Some(t(2_000)), 50, Quality::SUBSTITUTED),
        power(Some(t(minute)), 700, Quality::GOOD),
        power(Some(t(minute + 5)), 9_000, Quality::INVALID),
        power(Some(t(minute + 6)), 9_999, Quality::NOT_TOPICAL.with(Quality::OVERFLOW)),
        power(Some(t(20 * minute)), 301, Quality::GOOD),
    ]
}

async fn rollups_have_extremes_with_their_times_mean_and_marks(bed: Bed) {
    let mut store = bed.store().await;
    store.write(&[readings(1, t(1_300_000), course())]).await.unwrap();
    bed.refresh().await;
    let reader = bed.reader().await;
    let buckets = |resolution| {
        let reader = reader.clone();
        async move {
            let point = PointKind::ActivePower;
            reader.buckets(terminal(), point, resolution, t(0), t(86_400_000)).await.unwrap()
        }
    };
    let minutes = buckets(Resolution::Minute).await;
    let starts: Vec<_> = minutes.iter().map(|bucket| bucket.start).collect();
    assert_eq!(starts, [t(0), t(60_000), t(1_200_000)]);
    let at = |at, value| Some(At { at: t(at), value });
    assert_eq!((minutes[0].mean, minutes[0].low, minutes[0].high), (Some(75), at(2_000, 50), at(1_000, 100)));
    assert_eq!((minutes[1].readings, minutes[1].good, minutes[1].last), (3, 1, at(60_000, 700)));
    let (bad, quality) = minutes[1].bad.unwrap();
    assert_eq!((Some(bad), quality), (at(60_005, 9_000), Quality::INVALID));
    let hours = buckets(Resolution::Hour).await;
    assert_eq!(hours.len(), 1);
    let hour = &hours[0];
    assert_eq!((hour.readings, hour.good, hour.mean), (6, 4, Some(288)), "1151 / 4 is 287.75");
    assert_eq!((hour.low, hour.high), (at(2_000, 50), at(60_000, 700)));
    assert_eq!((hour.first, hour.last), (at(1_000, 100), at(1_200_000, 301)));
    let marks = Marks { invalid: 1, not_topical: 1, substituted: 1, blocked: 0, overflow: 1 };
    assert_eq!((hour.marks, hour.bad.map(|(at, _)| at.value)), (marks, Some(9_000)));
    assert_eq!(buckets(Resolution::Quarter).await.len(), 2);
}

async fn a_late_reading_corrects_its_rollups(bed: Bed) {
    let mut store = bed.store().await;
    store.write(&[readings(1, t(1_300_000), course())]).await.unwrap();
    bed.refresh().await;
    let late = vec![power(Some(t(500)), 10_000, Quality::GOOD), power(Some(t(2_500)), -3, Quality::GOOD)];
    store.write(&[readings(2, t(90_000_000), late)]).await.unwrap();
    bed.refresh().await;
    let reader = bed.reader().await;
    let point = PointKind::ActivePower;
    for resolution in [Resolution::Minute, Resolution::Hour] {
        let buckets = reader.buckets(terminal(), point, resolution, t(0), t(60_000)).await.unwrap();
        let at = |at, value| Some(At { at: t(at), value });
        assert_eq!((buckets[0].low, buckets[0].high), (at(2_500, -3), at(500, 10_000)), "{resolution:?}");
        assert_eq!(buckets[0].first, at(500, 10_000));
    }
    let hour = reader.buckets(terminal(), point, Resolution::Hour, t(0), t(60_000)).await.unwrap();
    assert_eq!(
        (hour[0].readings, hour[0].mean, hour[0].last),
        (8, Some(1_858), Some(At { at: t(1_200_000), value: 301 }))
    );
    assert_eq!(reader.last_values(None).await.unwrap()[0].reading.value, 301, "late is not last");
}

async fn rollups_go_on_after_a_restart_and_where_a_late_reading_began_one(bed: Bed) {
    let minute = |n: i64, value| power(Some(t(n * 60_000)), value, Quality::GOOD);
    let batch = |position, minutes: &[(i64, i64)]| {
        let minutes = minutes.iter().map(|(n, value)| minute(*n, *value)).collect();
        [readings(position, t(3_600_000), minutes)]
    };
    let mut store = bed.store().await;
    store.write(&batch(1, &[(0, 5), (10, -123_456_789_012)])).await.unwrap();
    store.write(&batch(2, &[(5, 7), (10, 3), (20, -1)])).await.unwrap();
    drop(store);
    let mut store = bed.store().await;
    store.write(&batch(3, &[(5, 9), (20, 1), (25, 30_000)])).await.unwrap();
    store.write(&batch(4, &[(15, 4), (25, 30_000), (30, 8)])).await.unwrap();
    bed.refresh().await;
    let reader = bed.reader().await;
    let of = async |resolution| {
        let buckets = reader.buckets(terminal(), PointKind::ActivePower, resolution, t(0), t(3_600_000)).await.unwrap();
        let told = |bucket: &Bucket| (bucket.start.since(t(0)).s() / 60, bucket.readings, bucket.mean);
        buckets.iter().map(told).collect::<Vec<_>>()
    };
    let minutes = [(0, 1, 5), (5, 2, 8), (10, 2, -61_728_394_505), (15, 1, 4), (20, 2, 0), (25, 2, 30_000), (30, 1, 8)];
    assert_eq!(of(Resolution::Minute).await, minutes.map(|(start, count, mean)| (start, count, Some(mean))));
    let quarters = [(0, 5, -24_691_357_798), (15, 5, 12_001), (30, 1, 8)];
    assert_eq!(of(Resolution::Quarter).await, quarters.map(|(start, count, mean)| (start, count, Some(mean))));
}

async fn a_long_trend_comes_from_rollups_and_keeps_peaks_and_bad_quality(bed: Bed) {
    let mut store = bed.store().await;
    let of = |n: i64| power(Some(t(n * 30_000)), n % 17, Quality::GOOD);
    let mut day: Vec<Reading> = (0..2_880).map(of).collect();
    day[1_000].value = 5_000;
    day[2_000].value = -5_000;
    day[2_500].quality = Quality::INVALID;
    store.write(&[readings(1, t(86_400_000), day)]).await.unwrap();
    bed.refresh().await;
    let reader = bed.reader().await;
    // 96 quarters of an hour are enough for 32 parts.
    let shown = trend(&reader, 0, 86_400_000, 96).await;
    assert!(shown.len() <= 96 && shown.is_sorted_by_key(|point| point.0), "{shown:?}");
    for wanted in [
        (30_000_000, 5_000, Quality::GOOD),
        (60_000_000, -5_000, Quality::GOOD),
        (75_000_000, 2_500 % 17, Quality::INVALID),
    ] {
        assert!(shown.contains(&wanted), "{wanted:?} in {shown:?}");
    }
    // Rollups have it still when the readings are gone.
    bed.execute("DELETE FROM reading").await;
    assert_eq!(trend(&reader, 0, 86_400_000, 96).await, shown);
}

async fn a_peak_is_found_with_its_time_and_not_beyond_the_ends(bed: Bed) {
    let mut store = bed.store().await;
    let hour = 3_600_000;
    let mut values: Vec<Reading> = (0..48).map(|n| power(Some(t(n * hour + 59_999)), n, Quality::GOOD)).collect();
    values.push(power(Some(t(30 * hour + 1)), 1_000, Quality::OVERFLOW));
    values.push(power(Some(t(47 * hour + 120_000)), 500, Quality::GOOD));
    store.write(&[readings(1, t(48 * hour), values)]).await.unwrap();
    bed.refresh().await;
    let reader = bed.reader().await;
    let peak = |from, to| {
        let reader: StoreReader = reader.clone();
        async move { reader.peak(terminal(), PointKind::ActivePower, t(from), t(to)).await.unwrap() }
    };
    assert_eq!(peak(0, 48 * hour).await, Some(At { at: t(47 * hour + 120_000), value: 500 }));
    assert_eq!(peak(-hour, 47 * hour + 120_000).await, Some(At { at: t(47 * hour + 59_999), value: 47 }));
    assert_eq!(peak(0, 10 * hour + 59_999).await, Some(At { at: t(9 * hour + 59_999), value: 9 }));
    assert_eq!(peak(50 * hour, 60 * hour).await, None);
}

async fn energy_is_what_the_register_rose_in_each_period_and_a_reset_is_said(bed: Bed) {
    let mut store = bed.store().await;
    let hour = 3_600_000;
    let of = |at: i64, value| Reading {
        point: PointKind::ImportEnergy,
        value,
        quality: Quality::GOOD,
        source_time: Some(t(at)),
        cause: 37,
    };
    // Each quarter: 100 Wh in the first hour, 200 Wh in the second; then the meter is changed; then nothing.
    let mut register = vec![of(-60_000, 10_000)];
    register.extend((1..=4).map(|n| of(n * hour / 4 - 1, 10_000 + 100 * n)));
    register.extend((1..=4).map(|n| of(hour + n * hour / 4 - 1, 10_400 + 200 * n)));
    register.extend([of(2 * hour + 5, 3), of(2 * hour + 10, 53)]);
    store.write(&[readings(1, t(5 * hour), register)]).await.unwrap();
    bed.refresh().await;
    let reader = bed.reader().await;
    let energy = reader.energy(terminal(), t(0), t(4 * hour), Span::new(hour)).await.unwrap();
    let told: Vec<_> = energy.iter().map(|period| (period.from, period.wh, period.reset)).collect();
    assert_eq!(
        told,
        [
            (t(0), Some(400), false),
            (t(hour), Some(800), false),
            (t(2 * hour), Some(50), true),
            (t(3 * hour), None, false)
        ]
    );
    let whole = reader.energy(terminal(), t(0), t(2 * hour), Span::new(2 * hour)).await.unwrap();
    assert_eq!(whole[0].wh, Some(1_200));
}

async fn a_node_has_its_curve_its_peak_and_its_time_above_the_limit(bed: Bed) {
    let mut store = bed.store().await;
    let minute = 60_000;
    let node = "F-1".parse().unwrap();
    let of = |n: i64, known_s, over_s| LoadMinute {
        node,
        from: t(n * minute),
        min: Power::from_kw(90),
        max: Power::from_kw(if n == 70 { 500 } else { 110 }),
        mean: Power::from_kw(100),
        last: Power::from_kw(105),
        known: Span::from_s(known_s),
        over: Span::from_s(over_s),
        limit: (n != 119).then_some(Power::from_kw(400)),
    };
    let mut outputs: Vec<Output> =
        (0..120).filter(|n| *n != 30).map(|n| Output::Load(of(n, 60, i64::from(n == 70) * 20))).collect();
    // A minute that a restart cut in two, in one batch and in the next.
    outputs.push(Output::Load(of(120, 10, 0)));
    outputs.push(Output::Load(of(120, 20, 5)));
    let tick = |position, outputs| Entry { position: Position(position), input: Input::Tick { at: t(0) }, outputs };
    let written = store.write(&[tick(1, outputs)]).await.unwrap();
    assert_eq!(written.loads, 121);
    store
        .write(&[tick(2, vec![Output::Load(LoadMinute { max: Power::from_kw(130), ..of(120, 15, 0) })])])
        .await
        .unwrap();
    let reader = bed.reader().await;
    let curve = reader.load_curve(node, t(0), t(121 * minute), 100).await.unwrap();
    assert_eq!((curve.len(), curve[0].start, curve[0].known), (120, t(0), Span::from_s(60)));
    assert_eq!((curve[118].limit, curve[30].start), (None, t(31 * minute)), "limit in force, and what was not known");
    let cut = curve[119];
    assert_eq!(
        (cut.start, cut.known, cut.over, cut.high),
        (t(120 * minute), Span::from_s(45), Span::from_s(5), Power::from_kw(130))
    );
    let hours = reader.load_curve(node, t(0), t(180 * minute), 3).await.unwrap();
    assert_eq!(hours.iter().map(|hour| hour.start).collect::<Vec<_>>(), [t(0), t(60 * minute), t(120 * minute)]);
    assert_eq!(
        (hours[1].high, hours[1].high_at, hours[1].over),
        (Power::from_kw(500), t(70 * minute), Span::from_s(20))
    );
    assert_eq!((hours[1].mean, hours[0].known), (Power::from_kw(100), Span::from_s(59 * 60)));
    let summary = reader.load_summary(node, t(0), t(121 * minute)).await.unwrap();
    assert_eq!(summary.peak, Some((Power::from_kw(500), t(70 * minute))));
    assert_eq!((summary.known, summary.over), (Span::from_s(119 * 60 + 45), Span::from_s(25)));
    assert_eq!(summary.energy, Energy::new(199_583), "100 kW over 7185 s, each piece rounded down");
    let part = reader.load_summary(node, t(60 * minute), t(70 * minute + 1)).await.unwrap();
    assert_eq!(
        (part.known, part.over),
        (Span::from_s(11 * 60), Span::from_s(20)),
        "the minute that begins in it counts"
    );
    let nobody = reader.load_summary("F-2".parse().unwrap(), t(0), t(minute)).await.unwrap();
    assert_eq!((nobody.peak, nobody.known), (None, Span::new(0)));
}

async fn gaps_are_stretches_without_a_reading_at_the_ends_too(bed: Bed) {
    let mut store = bed.store().await;
    let at = |s: i64| power(Some(t(s * 1_000)), 1, Quality::GOOD);
    store.write(&[readings(1, t(600_000), [60, 65, 70, 200, 205].map(at).to_vec())]).await.unwrap();
    let reader = bed.reader().await;
    let point = PointKind::ActivePower;
    let gaps = reader.gaps(terminal(), point, t(0), t(600_000), Span::from_s(15)).await.unwrap();
    let gap = |after: i64, until: i64| Gap { after: t(after * 1_000), until: t(until * 1_000) };
    assert_eq!(gaps, [gap(0, 60), gap(70, 200), gap(205, 600)]);
    let all = reader.gaps("T-9".parse().unwrap(), point, t(0), t(600_000), Span::from_s(15)).await.unwrap();
    assert_eq!(all, [gap(0, 600)], "a terminal that never told anything");
}

async fn what_is_old_is_given_up_and_what_came_lately_is_not(bed: Bed) {
    let day = 86_400_000;
    let mut store = bed.store().await;
    let of = |at| vec![power(Some(t(at)), at, Quality::GOOD), power(Some(Timestamp::new(0)), at, Quality::GOOD)];
    store.write(&[readings(1, t(0), of(0)), readings(2, t(3 * day), of(3 * day))]).await.unwrap();
    assert_eq!(store.forget(t(400 * day)).await.unwrap(), 0, "nothing is older than 400 days");
    let gone = store.forget(t(402 * day)).await.unwrap();
    let reader = bed.reader().await;
    let point = PointKind::ActivePower;
    let aside = reader.set_aside(terminal(), point, t(-day), t(9 * day)).await.unwrap();
    assert_eq!(aside.iter().map(|reading| reading.arrived_at).collect::<Vec<_>>(), [t(3 * day)]);
    if bed.aggregates().await.is_empty() {
        // A hypertable gives up whole chunks and does not count.
        assert!((1..=2).contains(&gone), "{gone}");
        let kept = reader.readings(terminal(), point, t(-day), t(9 * day)).await.unwrap();
        assert_eq!(kept.iter().map(|reading| reading.at).collect::<Vec<_>>(), [t(3 * day)]);
    }
    let days = reader.buckets(terminal(), point, Resolution::Day, t(-day), t(9 * day)).await.unwrap();
    assert_eq!(days.len(), 2, "rollups stay for longer");
}

async fn orders_alarms_and_events_are_filtered_by_time_and_by_whom_they_are_about(bed: Bed) {
    let mut store = bed.store().await;
    let order = |id: u64, at: i64, state| {
        Output::Order(Order {
            id: OrderId(id),
            terminal: format!("T-{}", id % 2).parse().unwrap(),
            action: Action::Trip { round: 1.try_into().unwrap() },
            qualifier: None,
            issuer: Issuer::Operator { name: "wang".into() },
            reason: String::new(),
            state,
            detail: String::new(),
            issued_at: t(at),
            changed_at: t(at),
            expires_at: t(at + 1),
            power_before: None,
            power_after: None,
        })
    };
    let alarm = |id, cause: AlarmCause, state| {
        Output::Alarm(Alarm {
            id: AlarmId(id),
            cause,
            priority: cause.priority(),
            state,
            raised_at: t(10),
            changed_at: t(20),
            detail: String::new(),
            acknowledged_by: None,
            comment: String::new(),
        })
    };
    let link = |at, terminal: &str| {
        let what = Happening::Link { terminal: terminal.parse().unwrap(), up: true };
        Output::Event(Event { at: t(at), source_time: None, what })
    };
    let down = AlarmCause::LinkDown { terminal: "T-1".parse().unwrap() };
    let over = AlarmCause::OverLimit { node: "F".parse().unwrap() };
    let mut outputs: Vec<Output> = (1..=6).map(|id| order(id, 100 * id as i64, OrderState::Selecting)).collect();
    // The same one twice in a batch: its newest state is stored.
    outputs.push(order(6, 600, OrderState::Confirmed));
    outputs.push(alarm(1, down, AlarmState::Unacknowledged));
    outputs.push(alarm(2, over, AlarmState::Unacknowledged));
    outputs.extend([link(1, "T-1"), link(2, "T-0"), link(3, "T-1")]);
    let tick = |position, outputs| Entry { position: Position(position), input: Input::Tick { at: t(0) }, outputs };
    store.write(&[tick(1, outputs)]).await.unwrap();
    store.write(&[tick(2, vec![alarm(1, down, AlarmState::Acknowledged)])]).await.unwrap();
    let reader = bed.reader().await;
    let about = |about: &str| History { about: Some(about.into()), ..History::newest(100) };
    let ids = |orders: Vec<Order>| orders.into_iter().map(|order| order.id.0).collect::<Vec<_>>();
    assert_eq!(ids(reader.orders(&about("T-1")).await.unwrap()), [5, 3, 1]);
    let between = History { from: t(200), to: t(500), ..History::newest(2) };
    assert_eq!(ids(reader.orders(&between).await.unwrap()), [4, 3]);
    assert_eq!(reader.order(OrderId(6)).await.unwrap().unwrap().state, OrderState::Confirmed);
    assert_eq!(reader.order(OrderId(7)).await.unwrap(), None);
    let alarms = reader.alarms(&about("T-1")).await.unwrap();
    assert_eq!((alarms.len(), alarms[0].state), (1, AlarmState::Acknowledged));
    assert_eq!(reader.alarms(&History::newest(10)).await.unwrap().len(), 2);
    let events = reader.events(&History { from: t(2), ..about("T-1") }).await.unwrap();
    assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [t(3)]);
    assert_eq!(T0, t(0).get());
}
