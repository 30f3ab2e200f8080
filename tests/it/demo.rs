//! `headroom demo --headless`: a whole centre on a simulated fleet, told in one JSON object.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use headroom::store::StoreReader;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::program::PATIENCE;

/// All that is said on stdout, which is one JSON object in one line.
async fn demo(data: &Path, more: &[&str], takes: Duration) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command.args(["demo", "--headless", "--data"]).arg(data).args(more).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(takes + PATIENCE, command.output()).await.expect("it ends by itself").unwrap();
    let (said, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert!(report.is_object(), "{report}");
    report
}

/// Readings in the store, and the first and last of the days since the epoch on which they arrived.
async fn stored(data: &Path) -> (u64, i64, i64) {
    let reader = StoreReader::open(data).await.unwrap();
    let rows = crate::centre::arrivals(data).await;
    let day = |at: &i64| at / 86_400_000;
    let (first, last) = (rows.iter().min().map(day).unwrap(), rows.iter().max().map(day).unwrap());
    let count = reader.count_readings().await.unwrap();
    assert_eq!(count, rows.len() as u64);
    (count, first, last)
}

fn number(report: &Value, key: &str) -> u64 {
    report.pointer(key).and_then(Value::as_u64).unwrap_or_else(|| panic!("{key} is no number: {report}"))
}

#[tokio::test]
async fn a_headless_demonstration_limits_and_restores_and_stores_all_that_it_received() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let report = demo(&data, &[], Duration::from_secs(30)).await;
    let figure = |key| number(&report, key);
    for key in ["/orders/issued", "/orders/confirmed", "/orders/failed", "/orders/unknown", "/longest_over_limit_s"] {
        figure(key);
    }
    for key in ["/peak_kw", "/limit_kw", "/reaction_ms/p50", "/reaction_ms/p99"] {
        assert!(report.pointer(key).is_some_and(|value| value.as_f64() > Some(0.0)), "{key}: {report}");
    }
    assert_eq!((figure("/terminals"), figure("/seed"), figure("/links_up")), (200, 1, 200), "{report}");
    assert_eq!(figure("/readings_stored"), figure("/readings_received"), "{report}");
    assert!(figure("/breaches") >= 1 && figure("/rounds_restored") >= 1, "{report}");
    assert!(figure("/orders/confirmed") >= 2 && figure("/orders/issued") >= figure("/orders/confirmed"), "{report}");
    assert_eq!(figure("/protected_shed"), 0, "{report}");
    let (count, first, last) = stored(&data).await;
    assert_eq!(count, figure("/readings_stored"));

    let report = demo(&data, &["--for", "4s"], Duration::from_secs(4)).await;
    assert_eq!(number(&report, "/readings_stored"), number(&report, "/readings_received"), "{report}");
    let (both, still_first, later) = stored(&data).await;
    assert_eq!(both, count + number(&report, "/readings_stored"), "what was there stays there");
    assert!(number(&report, "/readings_stored") > 0, "{report}");
    assert_eq!(still_first, first);
    assert!(later > last, "a later demonstration plays on a later day: {later} after {last}");
}
