//! The database goes away under load and comes back: `stored-exactly-once` through kills of the server, of the centre,
//! and a start of the centre without its server.

use std::collections::BTreeMap;
use std::path::PathBuf;

use headroom::store::{Place, Server, StoreReader, StoreSettings};
use headroom_rules::model::{PointKind, Timestamp};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::centre::{Centre, LOOK_EVERY, Site, feeders};
use crate::durability::acknowledged;
use crate::program::PATIENCE;
use crate::station::{Sample, Station};

const LINKS: u16 = 8;
/// Acknowledged while the server is away: more than waits in memory, so that the store is fed from the journal.
const AWAY: u64 = 12_000;
const MORE: u64 = 500;

/// The server that `ops/test` started for itself.
struct Database {
    url: String,
    /// With the data folder and a script that starts it.
    folder: PathBuf,
}

impl Database {
    fn new() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see ops/test"));
        let url = variable("HEADROOM_TEST_POSTGRES_URL");
        Self { url, folder: variable("HEADROOM_TEST_POSTGRES_FOLDER").into() }
    }

    async fn kill(&self) {
        let file = self.folder.join("data/postmaster.pid");
        let process = std::fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned();
        let killed = Command::new("kill").args(["-9", &process]).status().await.unwrap();
        assert!(killed.success());
    }

    /// Its own processes may need a moment to notice that they were orphaned, and it does not start before.
    async fn start(&self) {
        let end = Instant::now() + PATIENCE;
        while !Command::new(self.folder.join("start")).status().await.unwrap().success() {
            assert!(Instant::now() < end, "the database does not start: see {}/log", self.folder.display());
            sleep(LOOK_EVERY).await;
        }
    }

    async fn reader(&self, site: &Site) -> StoreReader {
        let server = Server { url: self.url.parse().unwrap(), password_file: None };
        let settings = StoreSettings { place: Place::Server(server), ..StoreSettings::default() };
        StoreReader::begin(&settings, &site.data()).await.unwrap()
    }
}

/// Until the store's part of the health fits.
async fn store_is(centre: &Centre, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let (_, health) = centre.get("/api/v1/health").await;
        if fits(&health["store"]) {
            return health["store"].clone();
        }
        assert!(Instant::now() < end, "the store was never {what}: {health}");
        sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database that may be killed: ops/test starts one"]
async fn a_database_that_is_killed_under_load_holds_nobody_up_and_lacks_nothing_when_it_is_back() {
    let database = Database::new();
    let total = watch::Sender::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let from = Timestamp::new(i64::try_from(now).unwrap() - 86_400_000);
    let mut stations = Vec::new();
    for common_address in 1..=LINKS {
        stations.push(Station::endless(common_address, from, total.clone()).await);
    }
    let addresses: Vec<_> = stations.iter().map(Station::address).collect();
    let site = Site::new(&feeders(&addresses), &format!("[store]\nurl = \"{}\"\n", database.url));
    let centre = site.start().await;
    acknowledged(&total, MORE).await;
    store_is(&centre, "keeping up", |store| store["readings"].as_u64() > Some(0) && store["failing"].is_null()).await;

    database.kill().await;
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

    let reader = database.reader(&site).await;
    let (mut all, mut rows) = (0, 0);
    for (n, station) in (1..).zip(&stations) {
        let terminal = format!("T-{n}").parse().unwrap();
        let (first, last) = (Timestamp::new(i64::MIN), Timestamp::new(i64::MAX));
        let mut stored: BTreeMap<(Timestamp, i64), u32> = BTreeMap::new();
        for reading in reader.readings(terminal, PointKind::ActivePower, first, last).await.unwrap() {
            *stored.entry((reading.source_time.unwrap(), reading.value)).or_default() += 1;
            rows += 1;
        }
        let known = station.known();
        let key = |sample: &Sample| (sample.at, i64::from(sample.kw) * 1_000);
        let lost = known.acknowledged.iter().filter(|sample| !stored.contains_key(&key(sample))).count();
        assert_eq!(lost, 0, "T-{n}: of {} acknowledged", known.acknowledged.len());
        all += known.acknowledged.len();
        for (sample, times) in &known.sent {
            let found = stored.remove(&key(sample)).unwrap_or(0);
            assert!(found <= *times, "T-{n}: {sample:?} was sent {times} times and is stored {found} times");
        }
        assert!(stored.is_empty(), "T-{n}: stored but never sent: {stored:?}");
    }
    eprintln!("{all} acknowledged, {rows} stored");
}
