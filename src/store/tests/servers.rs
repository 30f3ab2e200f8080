//! What only servers can do, and can fail at.

use headroom_rules::model::{PointKind, Quality};

use super::bed::{Bed, entries, power, readings, t, terminal, trend};
use crate::journal::Position;
use crate::sentence::sentence;
use crate::store::{Place, Resolution, Server, Store, StoreReader, StoreSettings};

const PLAIN: &str = "HEADROOM_TEST_POSTGRES_URL";
const APACHE: &str = "HEADROOM_TEST_TIMESCALE_APACHE_URL";
const WASM: &str = "HEADROOM_TEST_TIMESCALE_WASM_URL";

fn at(url: &str) -> StoreSettings {
    let server = Server { url: url.parse().unwrap(), password_file: None };
    StoreSettings { place: Place::Server(server), ..StoreSettings::default() }
}

/// Why nothing can be stored there.
async fn refusal(settings: &StoreSettings) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::begin(settings, folder.path()).await.unwrap();
    assert_eq!(store.position(), None);
    sentence(&store.write(&entries()).await.unwrap_err())
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_reason_not_to_begin() {
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = refusal(&at(&format!("postgres://li:s3cret@127.0.0.1:{port}/grid"))).await;
    assert!(
        said.starts_with(&format!("postgres://li@127.0.0.1:{port}/grid: cannot connect; check that the server runs"))
    );
    assert!(!said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn a_password_file_that_is_not_there_is_named() {
    let mut settings = at("postgres://li@127.0.0.1:1/grid");
    if let Place::Server(server) = &mut settings.place {
        server.password_file = Some("/nowhere/password".into());
    }
    let said = refusal(&settings).await;
    assert!(said.contains("password's file /nowhere/password cannot be read; check password_file"), "{said}");
}

#[tokio::test]
#[ignore = "needs a database: ops/test names one"]
async fn a_password_that_is_changed_in_its_file_lets_readers_in_again_without_a_restart() {
    let bed = Bed::server(PLAIN).await;
    drop(bed.store().await);
    bed.execute("DROP ROLE IF EXISTS headroom_test_wu; CREATE ROLE headroom_test_wu LOGIN SUPERUSER PASSWORD 'old'")
        .await;
    let file = bed.folder().join("password");
    std::fs::write(&file, "old\n").unwrap();
    let shown = bed.url().unwrap().shown();
    let (_, place) = shown.split_once('@').unwrap();
    let url = format!("postgres://headroom_test_wu@{place}").parse().unwrap();
    let server = Server { url, password_file: Some(file.clone()) };
    let settings = StoreSettings { place: Place::Server(server), ..StoreSettings::default() };
    let reader = StoreReader::begin(&settings, bed.folder()).await.unwrap();
    reader.position().await.unwrap();

    bed.execute("ALTER ROLE headroom_test_wu PASSWORD 'new'").await;
    std::fs::write(&file, "new\n").unwrap();
    let ended =
        "SELECT pg_terminate_backend(pid, 10000)::text FROM pg_stat_activity WHERE usename = 'headroom_test_wu'";
    assert_eq!(bed.ask(ended).await, ["true"], "its connection was kept, and is over");
    reader.position().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a database: ops/test names one"]
async fn a_wrong_password_and_a_missing_database_are_said_without_the_password() {
    let bed = Bed::server(PLAIN).await;
    bed.execute("DROP ROLE IF EXISTS headroom_test_li; CREATE ROLE headroom_test_li LOGIN PASSWORD 'right'").await;
    let shown = bed.url().unwrap().shown();
    let (_, place) = shown.split_once('@').unwrap();
    let said = refusal(&at(&format!("postgres://headroom_test_li:s3cret@{place}"))).await;
    assert!(said.contains("cannot connect; check the user in the URL and the password"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    let (server, _) = place.rsplit_once('/').unwrap();
    let said = refusal(&at(&format!("postgres://headroom_test_li:right@{server}/headroom_nowhere"))).await;
    assert!(said.contains("create the database, or correct its name"), "{said}");
    let said = refusal(&at(&format!("postgres://headroom_test_li:right@{place}"))).await;
    assert!(said.contains("let this user create tables"), "{said}");
    bed.execute("DROP ROLE headroom_test_li").await;
}

#[tokio::test]
#[ignore = "needs a database: ops/test names one"]
async fn a_database_that_only_reads_is_said_and_taken_again_when_it_writes() {
    let bed = Bed::server(PLAIN).await;
    let name = bed.ask("SELECT current_database()::text").await.remove(0);
    bed.execute(&format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on")).await;
    let mut store = bed.store().await;
    let error = sentence(&store.write(&entries()).await.unwrap_err());
    bed.execute(&format!("BEGIN READ WRITE; ALTER DATABASE \"{name}\" RESET default_transaction_read_only; COMMIT"))
        .await;
    assert!(error.contains("this server only reads"), "{error}");
    assert_eq!(store.write(&entries()).await.unwrap().readings, 10);
}

#[tokio::test]
#[ignore = "needs a database: ops/test names one"]
async fn a_database_has_one_writer_and_the_next_one_when_that_is_gone() {
    let bed = Bed::server(PLAIN).await;
    let mut first = bed.store().await;
    let mut second = bed.store().await;
    let error = second.write(&entries()).await.unwrap_err();
    assert!(error.to_string().contains("another centre writes to this database"), "{error}");
    first.write(&entries()[..2]).await.unwrap();
    // As a crash: the server notices that nobody is there any more.
    bed.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headroom writer'")
        .await;
    let mut tries = 0..1_000;
    while let Err(error) = second.write(&entries()).await {
        assert!(error.to_string().contains("another centre") && tries.next().is_some(), "{error}");
    }
    assert_eq!(second.position(), Some(Position(5)));
    assert_eq!(bed.reader().await.count_readings().await.unwrap(), 10);
    assert!(first.write(&entries()).await.is_err(), "the first one is out");
}

#[tokio::test]
#[ignore = "needs a database: ops/test names one"]
async fn a_writer_whose_session_was_ended_goes_on_where_the_database_stands() {
    let bed = Bed::server(PLAIN).await;
    let mut store = bed.store().await;
    for n in 1..=5 {
        bed.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headroom writer'",
        )
        .await;
        let mut tries = 0..1_000;
        while let Err(error) = store.write(&entries()[..n]).await {
            assert!(tries.next().is_some(), "{error}");
        }
    }
    assert_eq!(bed.reader().await.count_readings().await.unwrap(), 10);
}

/// Tables as they were before there was the extension, then with it.
async fn converted(variable: &str) -> Bed {
    let bed = Bed::bare(variable).await;
    if variable == APACHE {
        bed.execute("DROP EXTENSION IF EXISTS timescaledb CASCADE").await;
    }
    let there = bed.ask("SELECT extname::text FROM pg_extension WHERE extname = 'timescaledb'").await;
    assert!(there.is_empty(), "{variable} has the extension and cannot lose it: start a fresh one for this test");
    let mut store = bed.store().await;
    let hours = |n: i64| t(n * 3_600_000);
    let values = |from, to| (from..to).map(|n| power(Some(hours(n)), n, Quality::GOOD)).collect();
    store.write(&[readings(1, hours(50), values(0, 50))]).await.unwrap();
    drop(store);
    bed.execute("CREATE EXTENSION timescaledb").await;
    let mut store = bed.store().await;
    assert_eq!(store.position(), Some(Position(1)));
    store.write(&[readings(2, hours(60), values(50, 60))]).await.unwrap();
    bed.refresh().await;
    let reader = bed.reader().await;
    assert_eq!(reader.count_readings().await.unwrap(), 60);
    let point = PointKind::ActivePower;
    let days = reader.buckets(terminal(), point, Resolution::Day, t(-86_400_000), hours(100)).await.unwrap();
    // From 08:00 of the first day on.
    assert_eq!(
        days.iter().map(|day| (day.readings, day.mean)).collect::<Vec<_>>(),
        [(16, Some(8)), (24, Some(28)), (20, Some(50))]
    );
    assert_eq!(trend(&reader, 0, 59 * 3_600_000, 1_000).await.len(), 59);
    let tables = bed.ask("SELECT hypertable_name::text FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public' ORDER BY 1");
    assert_eq!(tables.await, ["event", "reading"]);
    bed
}

#[tokio::test]
#[ignore = "needs a database: ops/test names one"]
async fn plain_tables_become_hypertables_when_the_apache_edition_appears() {
    let bed = converted(APACHE).await;
    assert_eq!(bed.aggregates().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs a database: ops/test names one"]
async fn a_fresh_database_gets_columnstore_aggregates_and_policies_when_the_community_edition_appears() {
    let bed = converted(WASM).await;
    assert_eq!(bed.aggregates().await.len(), 4);
    let kept = bed.ask("SELECT count(*)::text FROM rollup").await;
    assert_eq!(kept, ["0"], "what the aggregates have, the program's own rollups gave up");
    // The same names as PostgreSQL's own background jobs have.
    let jobs = "SELECT proc_name || ' ' || coalesce(config::text, '') FROM timescaledb_information.jobs
                WHERE job_id >= 1000 ORDER BY 1";
    let jobs = bed.ask(jobs).await;
    let count = |name: &str| jobs.iter().filter(|job| job.starts_with(name)).count();
    assert_eq!(
        (count("policy_compression"), count("policy_refresh"), count("policy_retention")),
        (1, 4, 6),
        "{jobs:#?}"
    );
}

#[tokio::test]
#[ignore = "needs a database: ops/test names one"]
async fn what_is_compressed_is_found_and_takes_late_readings() {
    let bed = Bed::server(WASM).await;
    let mut store = bed.store().await;
    let second = |n: i64| t(n * 1_000);
    let values = |from: i64, to| (from..to).map(|n| power(Some(second(n)), n % 90, Quality::GOOD)).collect();
    store.write(&[readings(1, second(3_600), values(0, 3_600))]).await.unwrap();
    bed.refresh().await;
    bed.execute("SELECT compress_chunk(chunk) FROM show_chunks('reading'::regclass) AS chunk").await;
    let reader = bed.reader().await;
    let before = trend(&reader, 0, 3_600_000, 600).await;
    assert!(before.len() > 100);
    let late = vec![power(Some(t(500)), 7_777, Quality::GOOD)];
    store.write(&[readings(2, second(3_700), late)]).await.unwrap();
    bed.refresh().await;
    assert!(trend(&reader, 0, 3_600_000, 600).await.contains(&(500, 7_777, Quality::GOOD)));
    let peak = reader.peak(terminal(), PointKind::ActivePower, t(0), t(3_600_000)).await.unwrap().unwrap();
    assert_eq!((peak.at, peak.value), (t(500), 7_777));
}
