//! Centre and database are killed under load, one of them or both in the same instant, and brought back in any order.

use headroom::journal::Position;
use headroom::store::StoreReader;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::centre::{Centre, Site};
use crate::database::{Database, kill, store_is};
use crate::durability::{Chance, acknowledged, everything_once};

const LINKS: u16 = 8;
const KILLS: u32 = 200;
/// Acknowledged after the moment of a kill, where nothing was killed.
const GOES_ON: u64 = 300;

#[derive(Clone, Copy, Debug)]
enum Victim {
    Centre,
    Database,
    Both,
}

/// What was killed, and what that met.
#[derive(Debug, Default)]
struct Figures {
    centre: u32,
    database: u32,
    both: u32,
    /// Kills before which the store had taken more since it came back.
    store_moved: u32,
}

/// The store's own word; it may not have its tables yet.
async fn position(database: &Database, site: &Site) -> Option<Position> {
    let reader = StoreReader::begin(&database.settings(), &site.data()).await.unwrap();
    reader.position().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and needs a database that may be killed: ops/test starts one"]
async fn whoever_is_killed_of_centre_and_database_two_hundred_times_all_that_was_acknowledged_is_stored_once() {
    let began = Instant::now();
    let mut chance = Chance::of_the_environment();
    let database = Database::new("headroom_test_kills").await;
    let (most, load) = watch::channel(0);
    let (stations, total, site) = database.site(LINKS, load).await;
    // The load goes on for a while then, but not for as long as anything takes: each start reads all of it again.
    let more = async |count: u64| {
        let before = *total.borrow();
        most.send_replace(before + count + GOES_ON);
        acknowledged(&total, before + count).await;
    };
    let mut figures = Figures::default();
    let mut stored = Position::START;
    let mut centre = site.start().await;
    for _ in 0..KILLS {
        // Else it would hardly ever be killed while something is stored.
        if chance.one_of(&[true, false]) {
            more(1).await;
            let took = |store: &serde_json::Value| store["readings"].as_u64() > Some(0) && store["failing"].is_null();
            store_is(&centre, "taking anything", took).await;
        }
        more(chance.moment()).await;
        let victim = chance.one_of(&[Victim::Centre, Victim::Database, Victim::Both]);
        let mut processes = Vec::new();
        if !matches!(victim, Victim::Centre) {
            processes = database.processes();
        }
        if !matches!(victim, Victim::Database) {
            let at = chance.one_of(&[0, processes.len()]);
            processes.insert(at, centre.program.process());
        }
        kill(&processes).await;
        centre = match victim {
            Victim::Centre => {
                figures.centre += 1;
                restarted(centre, &site).await
            }
            Victim::Database => {
                figures.database += 1;
                more(chance.moment()).await;
                database.start().await;
                centre
            }
            Victim::Both if chance.one_of(&[true, false]) => {
                figures.both += 1;
                database.start().await;
                restarted(centre, &site).await
            }
            Victim::Both => {
                figures.both += 1;
                let centre = restarted(centre, &site).await;
                more(chance.moment()).await;
                database.start().await;
                centre
            }
        };
        let now = position(&database, &site).await.unwrap_or(stored);
        assert!(now >= stored, "the store went back from {stored} to {now}");
        figures.store_moved += u32::from(now > stored);
        stored = now;
    }
    more(2_000).await;
    store_is(&centre, "keeping up", |store| store["failing"].is_null() && store["behind"].as_u64() < Some(3_000)).await;
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");

    let again = everything_once(&database.settings(), &site, &stations).await;
    eprintln!("{figures:?}, {} acknowledged, {again} sent again, {:?}", *total.borrow(), began.elapsed());
    assert!(again > 0, "no kill caught anything on its way: that was no load");
    assert!(figures.store_moved > KILLS / 4, "the store was hardly at work: {figures:?}");
}

/// Of one that was killed.
async fn restarted(mut killed: Centre, site: &Site) -> Centre {
    killed.program.ended().await;
    site.start().await
}
