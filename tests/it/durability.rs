//! `durable-before-ack` and `stored-exactly-once` against a process that is killed.

use std::collections::{BTreeMap, BTreeSet};

use headroom_rules::model::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::centre::{Site, feeders};
use crate::program::PATIENCE;
use crate::station::{Sample, Station};

const LINKS: u16 = 8;
/// After so many acknowledgements since its start the centre is killed: with the very first one, and ever deeper in the
/// flow.
const KILLED_AFTER: [u64; 5] = [1, 50, 700, 3_000, 8_000];
/// And after so many more it may end by itself.
const ENDS_AFTER: u64 = 800;

async fn acknowledged(total: &watch::Sender<u64>, count: u64) {
    let mut seen = total.subscribe();
    let reached = timeout(PATIENCE, seen.wait_for(|total| *total >= count)).await;
    reached.unwrap_or_else(|_| panic!("{count} acknowledgements never came, only {}", *total.borrow())).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_that_is_killed_again_and_again_under_load_has_all_that_it_acknowledged() {
    let total = watch::Sender::new(0);
    // Of this century, as the wire's times are.
    let from = Timestamp::new(1_780_300_800_000);
    let mut stations = Vec::new();
    for common_address in 1..=LINKS {
        stations.push(Station::endless(common_address, from, total.clone()).await);
    }
    let addresses: Vec<_> = stations.iter().map(Station::address).collect();
    let site = Site::new(&feeders(&addresses), "");
    for more in KILLED_AFTER {
        let before = *total.borrow();
        let centre = site.start().await;
        acknowledged(&total, before + more).await;
        centre.program.kill().await;
    }
    let before = *total.borrow();
    let centre = site.start().await;
    acknowledged(&total, before + ENDS_AFTER).await;
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");

    let rows = site.readings().await;
    let places: BTreeSet<_> = rows.iter().map(|row| (row.position, row.place)).collect();
    assert_eq!(places.len(), rows.len(), "a place of the journal is in the store once");
    let mut stored: BTreeMap<_, u32> = BTreeMap::new();
    for row in &rows {
        *stored.entry((row.terminal.clone(), row.source_time.unwrap(), row.value)).or_default() += 1;
    }
    let (mut all, mut again, mut lost) = (0, 0, Vec::new());
    for (n, station) in (1..).zip(&stations) {
        let known = station.known();
        let key = |sample: &Sample| (format!("T-{n}"), sample.at.get(), i64::from(sample.kw) * 1_000);
        lost.extend(known.acknowledged.iter().map(key).filter(|key| !stored.contains_key(key)));
        all += known.acknowledged.len();
        for (sample, times) in &known.sent {
            // Sent again means that it may be there again, and nothing else does.
            let found = stored.remove(&key(sample)).unwrap_or(0);
            assert!(found <= *times, "T-{n}: {sample:?} was sent {times} times and is stored {found} times");
            again += times - 1;
        }
        assert!(known.links > 1, "T-{n} was never reached again");
    }
    assert!(
        lost.is_empty(),
        "of {all} acknowledged, {} are lost, the first: {:?}",
        lost.len(),
        &lost[..lost.len().min(5)]
    );
    assert!(stored.is_empty(), "stored but never sent: {stored:?}");
    assert!(again > 0, "no kill caught anything on its way: that was no load");
    eprintln!("{all} acknowledged, {again} sent again, {} stored", rows.len());
}
