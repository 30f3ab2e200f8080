//! A disk that is full: a real one, of a few megabytes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use headroom::store::StoreSettings;
use headroom_rules::output::AlarmCause;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::centre::{Centre, LOOK_EVERY};
use crate::durability::{acknowledged, endless, everything_once, site_of};
use crate::program::PATIENCE;

const LINKS: u16 = 4;

/// A file system of its own; gone with the test.
struct Disk(PathBuf);

impl Disk {
    fn at(path: &Path) -> Self {
        fs::create_dir(path).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "headroom-test"]).arg(path).status();
        assert!(mount.unwrap().success(), "this test mounts a tmpfs: run it as root, or under `unshare -rm`");
        Self(path.to_owned())
    }

    /// Leaves no byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            if file.write(&vec![0x68; size]).is_err() {
                size /= 2;
            }
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the centre may be ending.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

async fn until_the_journal_is(centre: &Centre, state: &str) -> serde_json::Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let (status, health) = centre.get("/api/v1/health").await;
        assert_eq!(status, StatusCode::OK, "screens stay alive: {health}");
        if health["journal"]["state"] == state {
            return health;
        }
        assert!(Instant::now() < end, "the journal never was {state}: {health}");
        sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a tmpfs, as root: ops/test runs it"]
async fn a_full_disk_stops_acknowledgement_and_nothing_else_and_when_there_is_room_all_goes_on() {
    let (stations, total) = endless(LINKS).await;
    let site = site_of(&stations);
    let disk = Disk::at(&site.data());
    let centre = site.start().await;
    acknowledged(&total, 200).await;

    let filler = disk.fill();
    let health = until_the_journal_is(&centre, "failing").await;
    let error = health["journal"]["error"].as_str().unwrap();
    assert!(error.contains("journal.db") && error.contains("full"), "{health}");
    assert!(health["journal"]["append_age_ms"].as_u64().is_some(), "{health}");
    let alarm = centre
        .until("the alarm", |view| view.alarms.iter().find(|a| a.cause == AlarmCause::JournalFailing).cloned())
        .await;
    assert!(alarm.detail.contains("full"), "{alarm:?}");
    let healthz = centre.anonymous(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(healthz.status(), StatusCode::SERVICE_UNAVAILABLE);
    // What was on the way is through by now, and from here on nothing is acknowledged.
    let stands = *total.borrow();
    let before = health["journal"]["since_s"].as_u64().unwrap();
    while centre.get("/api/v1/health").await.1["journal"]["since_s"].as_u64().unwrap() < before + 2 {
        sleep(LOOK_EVERY).await;
    }
    assert_eq!(*total.borrow(), stands, "acknowledged while the disk is full");
    let limit = json!({ "request": "set_limit", "node": "F-1", "limit": 1_000, "reason": "" });
    let (status, refused) = centre.post(&limit).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refused}");
    assert!(refused.to_string().contains("nothing was done"), "{refused}");

    fs::remove_file(filler).unwrap();
    until_the_journal_is(&centre, "good").await;
    acknowledged(&total, stands + 500).await;
    let told = centre.on_record("journal_failing").await;
    assert!(told.contains("full"), "{told}");
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    everything_once(&StoreSettings::default(), &site, &stations).await;
    drop(disk);
}
