//! Every page of a real SQLite file, damaged one after the other under a running store.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use headroom_rules::model::{PointKind, Quality, Reading};

use super::bed::{power, readings, t, terminal};
use crate::journal::Position;
use crate::store::{Entry, History, Store, StoreReader};

const PAGE: usize = 4_096;
const FILE: &str = "headroom.db";
const ENTRIES: u64 = 60;
const POINTS: [PointKind; 3] = [PointKind::ActivePower, PointKind::ReactivePower, PointKind::ImportEnergy];

/// Fifty readings of each point.
fn entry(position: u64) -> Entry {
    let at = i64::try_from(position).unwrap() * 60_000;
    let reading = |n: i64, point| Reading { point, ..power(Some(t(at + n)), at + n, Quality::GOOD) };
    let all = (0..50).flat_map(|n| POINTS.map(|point| reading(n, point))).collect();
    Entry { outputs: super::bed::entry(position, None, 0, Quality::GOOD).outputs, ..readings(position, t(at), all) }
}

fn damaged_ones(folder: &Path) -> Vec<Vec<u8>> {
    let asides = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    asides.map(|aside| fs::read(aside.join(FILE)).unwrap()).collect()
}

/// Everything that can be asked for; none where something cannot be read.
async fn all(reader: &StoreReader) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let history = History::newest(u32::MAX);
    all.extend(reader.events(&history).await.ok()?.iter().map(|event| format!("{event:?}")));
    all.extend(reader.audit(&history).await.ok()?.iter().map(|audit| format!("{audit:?}")));
    for point in POINTS {
        let stored = reader.readings(terminal(), point, t(i64::MIN / 2), t(i64::MAX / 2)).await.ok()?;
        all.extend(stored.iter().map(|reading| format!("{point:?} {reading:?}")));
        reader.trend(terminal(), point, t(0), t(9_000_000), 20).await.ok()?;
    }
    reader.last_values(None).await.ok()?;
    Some(all)
}

#[tokio::test]
async fn damage_of_any_page_is_kept_aside_told_and_gone_on_from_and_costs_little_more_than_that_page() {
    let original = tempfile::tempdir().unwrap();
    let mut store = Store::open(original.path()).await.unwrap();
    store.write(&(1..=ENTRIES).map(entry).collect::<Vec<_>>()).await.unwrap();
    let whole = all(&StoreReader::open(original.path()).await.unwrap()).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(store.connection()).await.unwrap();
    let pages = fs::read(original.path().join(FILE)).unwrap().len() / PAGE;
    let (mut renewed, mut lost) = (0, Vec::new());
    // All that are different, and some of the many that are alike.
    for page in (0..pages).filter(|page| *page < 24 || page % 6 == 0) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        fs::copy(original.path().join(FILE), &file).unwrap();
        // The first page is looked at when a file is opened, so that one is damaged before.
        let mut store = None;
        if page > 0 {
            store = Some(Store::open(folder.path()).await.unwrap());
        }
        let mut bytes = fs::read(&file).unwrap();
        bytes[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        fs::write(&file, &bytes).unwrap();
        let mut store = match store {
            Some(store) => store,
            None => Store::open(folder.path()).await.unwrap(),
        };
        let reader = StoreReader::open(folder.path()).await.unwrap();
        // Found by whoever comes first: a reader tells the writer, and a write that finds it is tried again.
        let _ = all(&reader).await;
        let more: Vec<_> = (store.position().unwrap().0 + 1..ENTRIES + 2).map(entry).collect();
        for _ in 0..3 {
            let _ = store.write(&more).await;
        }
        assert_eq!(store.position(), Some(Position(ENTRIES + 1)), "page {page}: it goes on");
        let found =
            all(&reader).await.unwrap_or_else(|| panic!("page {page}: the same reader reads all that there is"));
        let gone = whole.difference(&found).count();
        let told = store.told();
        assert_eq!(told.is_some(), !damaged_ones(folder.path()).is_empty(), "page {page}: {told:?}");
        if let Some(told) = told {
            renewed += 1;
            assert!(told.contains("damaged-1"), "page {page}: {told}");
            let missing = told.contains("missing from trends and logs");
            assert!(missing || gone == 0, "page {page}: {gone} lost, {told}");
            assert!(damaged_ones(folder.path())[0][page * PAGE..][..PAGE].iter().all(|byte| *byte == 0xA5));
        } else {
            assert_eq!(gone, 0, "page {page}");
        }
        lost.push(gone);
        let last = format!("{:?}", t((i64::try_from(ENTRIES).unwrap() + 1) * 60_000 + 49));
        assert!(found.iter().any(|row| row.contains(&last)), "page {page}: what came afterwards is there");
    }
    lost.sort_unstable();
    // But for the few pages that tell where all others are: two of the schema, one above the readings.
    assert!(lost[lost.len() - 4] <= 200, "{lost:?}");
    assert!(renewed > lost.len() / 2, "{renewed} of {}", lost.len());
}
