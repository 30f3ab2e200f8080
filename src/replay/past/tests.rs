use headroom_rules::model::{PointKind, Quality, Reading, RoundNo, Span};
use headroom_rules::output::{LoadMinute, Output};
use tempfile::TempDir;

use super::super::what_if::tests::journal;
use super::*;
use crate::journal::Journal;
use crate::store::{Entry, Store};

const START: Timestamp = Timestamp::new(1_700_000_000_000);

fn at(s: i64) -> Timestamp {
    START.after(Span::from_s(s))
}

/// A data folder with ten minutes in which F1 draws 120 kW, 60 of them behind the switch of T1.
async fn folder(limit_kw: i32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Journal::open(folder.path()).await.unwrap();
    for batch in journal(limit_kw).chunks(100) {
        writer.append(batch).await.unwrap();
    }
    writer.close().await;
    folder
}

fn asked(folder: &TempDir, from_s: i64, to_s: i64) -> Asked {
    Asked {
        folder: folder.path().to_owned(),
        node: "F1".parse().unwrap(),
        from: at(from_s),
        to: at(to_s),
        offset: "+08:00".parse().unwrap(),
        rules: None,
        limit: None,
        store: StoreSettings::default(),
    }
}

#[tokio::test]
async fn the_same_rules_come_to_what_was() {
    let folder = folder(100).await;
    let Past { was, would_be, .. } = past(&asked(&folder, 5, 500)).await.unwrap();
    assert_eq!((was.tripped_by_rules, was.customers, was.rounds, was.off_after), (1, 1, 1, 1));
    assert_eq!((was.taken_off, was.peak.unwrap().0), (Power::from_kw(60), Power::from_kw(120)));
    assert!((4_000..12_000).contains(&was.over_ms), "from 5 s on to the trip a little after 10 s: {was:?}");
    assert!((7_900..8_300).contains(&was.curtailed_wh), "60 kW for 8 min and a little: {was:?}");
    assert_eq!((would_be.tripped_by_rules, would_be.taken_off, would_be.customers), (1, Power::from_kw(60), 1));
    assert!((would_be.over_ms - was.over_ms).abs() <= 2_000, "a terminal obeys within a second: {would_be:?}");
}

#[tokio::test]
async fn a_higher_limit_would_have_shed_nothing_and_the_load_would_have_stayed() {
    let folder = folder(100).await;
    let higher = Asked { limit: Some(Power::from_kw(110)), ..asked(&folder, 5, 500) };
    assert_eq!(past(&higher).await.unwrap().would_be.tripped_by_rules, 1);
    let enough = Asked { limit: Some(Power::from_kw(130)), ..asked(&folder, 5, 500) };
    let Past { was, would_be, .. } = past(&enough).await.unwrap();
    assert_eq!((was.tripped_by_rules, was.over_asked_ms), (1, Some(0)));
    assert_eq!((would_be.tripped_by_rules, would_be.curtailed_wh, would_be.over_ms), (0, 0, 0));
    assert_eq!(would_be.limit, Some((Power::from_kw(130), Power::from_kw(130))));
}

#[tokio::test]
async fn a_lower_limit_would_have_shed_what_was_not() {
    let folder = folder(150).await;
    let lower = Asked { limit: Some(Power::from_kw(100)), ..asked(&folder, 100, 500) };
    let Past { was, would_be, .. } = past(&lower).await.unwrap();
    assert_eq!((was.plans, was.over_ms, was.over_asked_ms), (0, 0, Some(400_000)));
    assert_eq!((would_be.plans, would_be.tripped_by_rules, would_be.told.len()), (1, 1, 1));
    assert!(would_be.over_ms < 15_000, "delay and obeying: {would_be:?}");
}

#[tokio::test]
async fn what_was_off_before_counts_from_the_beginning_on() {
    let folder = folder(100).await;
    let Past { was, would_be, .. } = past(&asked(&folder, 200, 500)).await.unwrap();
    for course in [&was, &would_be] {
        assert_eq!((course.tripped_by_rules, course.off_before, course.off_after, course.customers), (0, 1, 1, 1));
        assert_eq!((course.curtailed_wh, course.off_longest_ms, course.over_ms), (5_000, 300_000, 0), "{course:?}");
    }
}

#[tokio::test]
async fn a_snapshot_before_the_window_stands_for_the_inputs_before_it() {
    let folder = folder(100).await;
    let without = past(&asked(&folder, 200, 500)).await.unwrap();
    let mut writer = Journal::open(folder.path()).await.unwrap();
    let inputs = journal(100);
    let count = inputs.iter().filter(|input| input.at() < at(120)).count();
    let mut engine = Engine::new();
    inputs.iter().take(count).for_each(|input| engine.apply(input, &mut Vec::new()));
    for _ in 0..2 {
        let position = Position(count as u64);
        writer.save_snapshot(position, &serde_json::to_vec(&engine).unwrap()).await.unwrap();
    }
    writer.forget_until(Position(count as u64)).await.unwrap();
    writer.close().await;
    assert_eq!(past(&asked(&folder, 200, 500)).await.unwrap(), without);
    let error = past(&asked(&folder, 118, 500)).await.unwrap_err().to_string();
    assert!(error.contains("the journal goes from 2023-"), "{error}");
}

#[tokio::test]
async fn what_the_journal_has_no_more_is_reckoned_from_the_stores_curve_and_said() {
    let folder = folder(100).await;
    let begin = at(-3_620);
    let minute = |n: i64| LoadMinute {
        node: "F1".parse().unwrap(),
        from: begin.after(Span::from_s(60 * n)),
        min: Power::from_kw(120),
        max: Power::from_kw(120),
        mean: Power::from_kw(120),
        last: Power::from_kw(120),
        known: Span::from_s(60),
        over: Span::from_s(60),
        limit: Some(Power::from_kw(100)),
    };
    let point = PointKind::RoundPower(RoundNo::ALL[0]);
    let reading = Reading { point, value: 60_000, quality: Quality::GOOD, source_time: None, cause: 3 };
    let input = Input::Readings { at: begin, terminal: "T1".parse().unwrap(), readings: vec![reading] };
    let outputs = (0..30).map(|n| Output::Load(minute(n))).collect();
    let mut store = Store::open(folder.path()).await.unwrap();
    store.write(&[Entry { position: Position(1), input, outputs }]).await.unwrap();
    drop(store);
    let (from, to) = (begin, begin.after(Span::from_s(1_800)));
    let asked = Asked { from, to, limit: Some(Power::from_kw(110)), ..asked(&folder, 0, 1) };
    let Past { source, was, would_be, .. } = past(&asked).await.unwrap();
    assert_eq!((source, was.over_ms, was.over_asked_ms), (Source::Store, 1_800_000, Some(1_800_000)));
    assert_eq!((would_be.over_ms, would_be.plans, would_be.rounds, would_be.customers), (60_000, 1, 1, 1));
    // Down to 5 % below 110 kW, for the other 29 minutes.
    assert_eq!((would_be.off_most.get(), would_be.curtailed_wh), (15_500, 7_491));
}

#[tokio::test]
async fn bad_questions_are_refused_with_what_is_wanted() {
    let folder = folder(100).await;
    let path = folder.path().display().to_string();
    let whole = asked(&folder, 100, 200);
    let cases = [
        (
            asked(&folder, 200, 100),
            "2023-11-15T06:16:40.000+08:00 to 2023-11-15T06:15:00.000+08:00: wanted a time that ends after it begins"
                .to_owned(),
        ),
        (
            asked(&folder, 100, 5_000),
            format!(
                "{path}: the journal goes from 2023-11-15T06:13:20.000+08:00 to 2023-11-15T06:23:19.000+08:00, and the store has no load of F1 in that time either"
            ),
        ),
        (
            Asked { node: "F9".parse().unwrap(), ..whole.clone() },
            "node F9 was not in the inventory at 2023-11-15T06:15:00.000+08:00".to_owned(),
        ),
        (
            Asked { node: "S1".parse().unwrap(), ..whole.clone() },
            "S1: no rule limits it, so there is nothing that would be done; name rules that do with --rules".to_owned(),
        ),
    ];
    for (asked, wanted) in cases {
        assert_eq!(past(&asked).await.unwrap_err().to_string(), wanted);
    }
    let nowhere = Asked { folder: folder.path().join("nowhere"), ..whole.clone() };
    assert!(past(&nowhere).await.unwrap_err().to_string().contains("no journal.db there"));
    let rules = folder.path().join("rules.toml");
    std::fs::write(&rules, "[[limit]]\nnode = \"F7\"\nlimit_kw = 10\n").unwrap();
    let error = past(&Asked { rules: Some(rules), ..whole }).await.unwrap_err().to_string();
    assert!(error.contains("rules.toml:2") && error.contains("F7"), "{error}");
}
