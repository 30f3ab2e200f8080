//! The PostgreSQL server that `ops/test` started for itself: it may be killed.
//!
//! A kill takes all of its processes at once. What they had written is with the system, which lives on, so whether the server
//! syncs makes no difference to what is found afterwards. It does not: else each start would sync its whole folder first.

use std::fs;
use std::path::PathBuf;

use headroom::store::{Place, Server, StoreSettings};
use headroom_rules::model::Timestamp;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::centre::{Centre, LOOK_EVERY, Site, feeders};
use crate::durability::endless_from;
use crate::program::PATIENCE;
use crate::station::Station;

/// An empty database on that server.
pub(crate) struct Database {
    url: String,
    /// With the data folder and a script that starts it.
    folder: PathBuf,
}

impl Database {
    /// A database `name`; one that is there is dropped.
    pub(crate) async fn new(name: &str) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see ops/test"));
        let url = variable("HEADROOM_TEST_POSTGRES_URL");
        let mut server = PgConnection::connect(&url).await.unwrap();
        let anew = [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")];
        for statement in
            anew.into_iter().chain(["ALTER SYSTEM SET fsync = off".into(), "SELECT pg_reload_conf()".into()])
        {
            server.execute(AssertSqlSafe(statement)).await.unwrap();
        }
        server.close().await.unwrap();
        let (server, _) = url.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{name}"), folder: variable("HEADROOM_TEST_POSTGRES_FOLDER").into() }
    }

    pub(crate) fn settings(&self) -> StoreSettings {
        let server = Server { url: self.url.parse().unwrap(), password_file: None };
        StoreSettings { place: Place::Server(server), ..StoreSettings::default() }
    }

    /// Stations that go on up to `most`, with samples of the last day, what they have acknowledged together, and the files
    /// of a centre that stores them here.
    pub(crate) async fn site(
        &self,
        links: u16,
        most: watch::Receiver<u64>,
    ) -> (Vec<Station>, watch::Sender<u64>, Site) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let from = Timestamp::new(i64::try_from(now).unwrap() - 86_400_000);
        let (stations, total) = endless_from(links, from, most).await;
        let addresses: Vec<_> = stations.iter().map(Station::address).collect();
        let site = Site::new(&feeders(&addresses), &format!("[store]\nurl = \"{}\"\n", self.url));
        (stations, total, site)
    }

    /// Every process of the server, the first of them first: those that run in its folder.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let data = fs::canonicalize(self.folder.join("data")).unwrap();
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let of_it = processes.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == data));
        let mut of_it: Vec<u32> = of_it.filter_map(|process| process.file_name()?.to_str()?.parse().ok()).collect();
        of_it.sort_unstable();
        of_it
    }

    /// After a kill.
    pub(crate) async fn start(&self) {
        let end = Instant::now() + PATIENCE;
        while !self.processes().is_empty() {
            assert!(Instant::now() < end, "the database survives its death: {:?}", self.processes());
            sleep(LOOK_EVERY).await;
        }
        // As long as nobody has taken note of its end, its number is one of a process, and it would count as running.
        let locks = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let locks = locks.filter(|path| path.extension().is_some_and(|extension| extension == "lock"));
        for lock in locks.chain([self.folder.join("data/postmaster.pid")]) {
            drop(fs::remove_file(lock));
        }
        while !Command::new(self.folder.join("start")).status().await.unwrap().success() {
            assert!(Instant::now() < end, "the database does not start: see {}/log", self.folder.display());
            sleep(LOOK_EVERY).await;
        }
    }
}

/// All of them at once, with no chance to do anything more.
pub(crate) async fn kill(processes: &[u32]) {
    assert!(!processes.is_empty(), "none runs");
    // One of them may have ended by itself since it was seen.
    Command::new("kill").arg("-9").args(processes.iter().map(u32::to_string)).output().await.unwrap();
}

/// Until the store's part of the health fits.
pub(crate) async fn store_is(centre: &Centre, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
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
