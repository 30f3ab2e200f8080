//! Pages give what one question gives.

use std::collections::BTreeSet;

use super::bed::{Bed, t};
use super::life::life;
use crate::store::{Cursor, History, Page, Resolution, StoreError, StoredReading, Window};

/// All rows, in pages that are no larger than they may be, and no more of them than it takes.
async fn all<T>(window: Window, mut ask: impl AsyncFnMut(Cursor) -> Result<Page<T>, StoreError>) -> Vec<T> {
    let mut rows = Vec::new();
    let mut pages = 0;
    let mut next = Some(window.begin());
    while let Some(cursor) = next {
        let page = ask(cursor).await.unwrap();
        assert!(page.rows.len() <= window.page_rows as usize, "{} rows in a page", page.rows.len());
        assert!(
            page.next.is_none() || page.rows.len() == window.page_rows as usize,
            "a page that is not full is the last"
        );
        rows.extend(page.rows);
        next = page.next;
        pages += 1;
    }
    assert_eq!(pages, rows.len() / window.page_rows as usize + 1);
    rows
}

pub(super) async fn pages_give_every_row_once_in_bounded_pages(bed: Bed) {
    let mut store = bed.store().await;
    for batch in life() {
        store.write(&batch).await.unwrap();
    }
    bed.refresh().await;
    let reader = bed.reader().await;
    let points = reader.points().await.unwrap();
    assert_eq!(points.len(), 6);
    let sorted = |mut readings: Vec<StoredReading>| {
        // Whatever has the same two times has no order of its own.
        readings.sort_by_key(|r| (r.at, r.arrived_at, r.value, r.source_time));
        readings
    };
    for page_rows in [1, 2, 3, 7, 10_000] {
        for (from, to) in [(t(-10_000), t(9_000_000)), (t(30_000), t(3_000_001)), (t(30_001), t(30_001))] {
            let window = Window { from, to, page_rows };
            let mut readings = 0;
            for &point in &points {
                let (terminal, kind) = (point.terminal, point.kind);
                let paged = all(window, async |cursor| reader.reading_page(point, window, cursor).await).await;
                assert!(paged.is_sorted_by_key(|reading| reading.at));
                readings += paged.len();
                let whole = reader.readings(terminal, kind, from, to).await.unwrap();
                assert_eq!(sorted(paged), sorted(whole), "{terminal} {kind} by {page_rows}");
                let paged = all(window, async |cursor| reader.set_aside_page(point, window, cursor).await).await;
                assert_eq!(paged, reader.set_aside(terminal, kind, from, to).await.unwrap());
                for every in Resolution::ALL {
                    let ask = async |cursor| reader.bucket_page(point, every, window, cursor).await;
                    assert_eq!(all(window, ask).await, reader.buckets(terminal, kind, every, from, to).await.unwrap());
                }
            }
            if to == t(9_000_000) {
                assert_eq!(readings, 360 + 36 + 2);
            }
            let nodes = reader.loaded_nodes().await.unwrap();
            assert_eq!(nodes.iter().map(|node| node.as_str()).collect::<Vec<_>>(), ["F-1", "F-2"]);
            for node in nodes {
                let ask = async |cursor| reader.load_page(node, Resolution::Minute, window, cursor).await;
                assert_eq!(all(window, ask).await, reader.load_curve(node, from, to, usize::MAX).await.unwrap());
            }
            for about in ["", "T-1", "T-2", "nobody"] {
                let of = (!about.is_empty()).then(|| about.to_owned());
                let history = History { about: of, from, to, limit: 10_000 };
                let orders = all(window, async |cursor| reader.order_page(about, window, cursor).await).await;
                assert!(orders.iter().rev().eq(&reader.orders(&history).await.unwrap()));
                let alarms = all(window, async |cursor| reader.alarm_page(about, window, cursor).await).await;
                assert!(alarms.iter().rev().eq(&reader.alarms(&history).await.unwrap()));
                let events = all(window, async |cursor| reader.event_page(about, window, cursor).await).await;
                assert!(events.iter().rev().eq(&reader.events(&history).await.unwrap()), "{about} by {page_rows}");
            }
            let audit = all(window, async |cursor| reader.audit_page("", window, cursor).await).await;
            let history = History { about: None, from, to, limit: 10_000 };
            assert!(audit.iter().rev().eq(&reader.audit(&history).await.unwrap()));
            let distinct: BTreeSet<_> = audit.iter().map(|entry| &entry.object).collect();
            assert_eq!(distinct.len(), audit.len());
        }
    }
}
