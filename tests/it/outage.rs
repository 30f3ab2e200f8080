//! The database goes away under load and comes back: `stored-exactly-once` through kills of the server, of the centre,
//! and a start of the centre without its server.

use serde_json::Value;
use tokio::sync::watch;

use crate::database::{Database, kill, store_is};
use crate::durability::{acknowledged, everything_once};

const LINKS: u16 = 8;
/// Acknowledged while the server is away: more than waits in memory, so that the store is fed from the journal.
const AWAY: u64 = 12_000;
const MORE: u64 = 500;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database that may be killed: ops/test starts one"]
async fn a_database_that_is_killed_under_load_holds_nobody_up_and_lacks_nothing_when_it_is_back() {
    let database = Database::new("headroom_test_outage").await;
    let (stations, total, site) = database.site(LINKS, watch::channel(u64::MAX).1).await;
    let centre = site.start().await;
    acknowledged(&total, MORE).await;
    store_is(&centre, "keeping up", |store| store["readings"].as_u64() > Some(0) && store["failing"].is_null()).await;

    kill(&database.processes()).await;
    let before = *total.borrow();
    acknowledged(&total, before + AWAY).await;
    // The first thing that it says may be what the dying server said, until it is asked again.
    let shut =
        |store: &Value| store["failing"].as_str().is_some_and(|said| said.contains("check that the server runs"));
    let failing = store_is(&centre, "failing, with what to do", shut).await;
    assert!(failing["behind"].as_u64() >= Some(1_000), "{failing}");
    assert!(failing["behind_s"].as_i64() >= Some(0), "{failing}");
    let said = failing["failing"].as_str().unwrap();
    assert!(said.contains("postgres://") && said.contains("check that the server runs"), "{said}");
    assert!(!said.contains(":headroom@"), "without its password: {said}");
    // The picture is not the store's: it goes on.
    let now = centre.view().await.now;
    centre.until("a later picture", |view| (view.now > now).then_some(())).await;

    // And now the centre as well, which has to do without at its start.
    centre.program.kill().await;
    let before = *total.borrow();
    let centre = site.start().await;
    acknowledged(&total, before + MORE).await;
    store_is(&centre, "failing", |store| store["failing"].is_string()).await;

    database.start().await;
    let before = *total.borrow();
    // It catches up while the load goes on.
    let behind = |most: u64| move |store: &Value| store["failing"].is_null() && store["behind"].as_u64() < Some(most);
    store_is(&centre, "keeping up again", behind(3_000)).await;
    acknowledged(&total, before + MORE).await;
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");

    everything_once(&database.settings(), &site, &stations).await;
    eprintln!("{} acknowledged", *total.borrow());
}
