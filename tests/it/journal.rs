//! `headroom journal`, and a centre on a journal or a store that is damaged.

use std::process::{Command, Output};

use headroom::store::StoreSettings;
use headroom_rules::output::AlarmCause;
use serde_json::Value;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::centre::Site;
use crate::durability::{acknowledged, endless, site_of, stored, stored_once};

fn journal(site: &Site, what: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command.args(["journal", what]).arg(site.data()).args(more).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_looked_into_beside_the_running_centre() {
    let (stations, total) = endless(2).await;
    let site = site_of(&stations);
    let centre = site.start().await;
    acknowledged(&total, 500).await;

    let output = journal(&site, "verify", &[]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert!(text(&output.stdout).ends_with(": whole\n"), "{output:?}");
    let stats = json(&journal(&site, "stats", &["--json"]));
    assert!(stats["readings"].as_u64() >= Some(500) && stats["kinds"]["started"] == 1, "{stats}");
    assert!(stats["first"] == 1 && stats["damaged"].as_array().unwrap().is_empty(), "{stats}");
    let shown = text(&journal(&site, "stats", &[]).stdout);
    assert!(shown.lines().all(|line| line.chars().count() <= 80 || line.contains("/")), "{shown}");
    let dumped = text(&journal(&site, "dump", &["--from", "2", "--to", "4", "--json"]).stdout);
    let lines: Vec<Value> = dumped.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let positions: Vec<_> = lines.iter().map(|line| line["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [2, 3, 4]);
    assert_eq!((&lines[0]["kind"], &lines[1]["kind"]), (&"inventory".into(), &"policy".into()));
    let lines = text(&journal(&site, "dump", &["--from", "1", "--to", "1"]).stdout);
    assert!(lines.trim().starts_with("1  ") && lines.trim().ends_with("started"), "{lines}");

    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let stats = json(&journal(&site, "stats", &["--json"]));
    let saved = &stats["snapshots"][0];
    assert_eq!((&saved["position"], saved["hash"].as_str().unwrap().len()), (&stats["last"], 64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_journal_is_one_line_that_says_which_to_name() {
    let (stations, _) = endless(1).await;
    let site = site_of(&stations);
    let output = journal(&site, "verify", &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.trim().lines().count() == 1 && said.contains("no journal.db there") && said.contains("serve.toml"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_on_a_damaged_journal_serves_keeps_the_file_tells_the_operator_and_goes_on() {
    let (stations, total) = endless(2).await;
    let site = site_of(&stations);
    let centre = site.start().await;
    acknowledged(&total, 300).await;
    centre.stored(300).await;
    centre.program.kill().await;
    // A batch in the middle, in whatever file its page is by now.
    let stats = json(&journal(&site, "stats", &["--json"]));
    let tear = stats["last"].as_u64().unwrap() / 2;
    let file = site.data().join("journal.db");
    let options = SqliteConnectOptions::new().filename(&file);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let damage = "UPDATE batch SET crc = crc + 1 WHERE first = (SELECT max(first) FROM batch WHERE first <= ?)";
    let tear = i64::try_from(tear).unwrap();
    sqlx::query(damage).bind(tear).execute(&mut database).await.unwrap();
    let torn: i64 = sqlx::query_scalar("SELECT max(first) FROM batch WHERE first <= ?")
        .bind(tear)
        .fetch_one(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();

    let output = journal(&site, "verify", &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains(&format!("position {torn}: the batch is damaged: its checksum does not match")), "{said}");

    let centre = site.start().await;
    let alarm = centre
        .until("the alarm", |view| view.alarms.iter().find(|a| a.cause == AlarmCause::JournalDamaged).cloned())
        .await;
    assert!(alarm.detail.contains(&format!("position {torn} on")) && alarm.detail.contains("damaged-1"), "{alarm:?}");
    assert!(site.data().join("damaged-1/journal.db").is_file());
    let (_, health) = centre.get("/api/v1/health").await;
    assert_eq!(health["alarms"][0]["cause"]["cause"], "journal_damaged", "{health}");
    let before = *total.borrow();
    acknowledged(&total, before + 300).await;
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let output = journal(&site, "verify", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let gap = &json(&journal(&site, "stats", &["--json"]))["gaps"][0];
    assert_eq!((gap["first"].as_i64(), gap["kept"].as_str()), (Some(torn), Some("damaged-1")));
    // What comes after has places of its own.
    stored_once(stored(&StoreSettings::default(), &site, &stations).await, &stations);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_centre_whose_store_is_damaged_keeps_the_file_aside_tells_the_operator_and_stores_on() {
    let (stations, total) = endless(2).await;
    let site = site_of(&stations);
    let centre = site.start().await;
    acknowledged(&total, 300).await;
    centre.stored(300).await;
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    // A page that no start looks at and every write needs.
    let file = site.data().join("headroom.db");
    let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&file)).await.unwrap();
    let root = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'reading'");
    let root: i64 = root.fetch_one(&mut database).await.unwrap();
    database.close().await.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let at = usize::try_from(root - 1).unwrap() * 4_096;
    bytes[at..at + 4_096].fill(0xA5);
    std::fs::write(&file, &bytes).unwrap();

    let centre = site.start().await;
    let alarm = centre
        .until("the alarm", |view| view.alarms.iter().find(|a| a.cause == AlarmCause::StoreDamaged).cloned())
        .await;
    assert!(alarm.detail.contains("damaged-1") && alarm.detail.contains("reading (point_id"), "{alarm:?}");
    assert_eq!(std::fs::read(site.data().join("damaged-1/headroom.db")).unwrap(), bytes);
    let before = *total.borrow();
    acknowledged(&total, before + 300).await;
    centre.stored(300).await;
    // From the new file, by readers that had the old one open.
    centre.on_record("store_damaged").await;
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let (_, lost) = stored_once(stored(&StoreSettings::default(), &site, &stations).await, &stations);
    assert!(!lost.is_empty(), "what that page led to is missing, as was told");
}
