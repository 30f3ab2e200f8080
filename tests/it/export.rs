//! `headroom export` beside a running centre, and its files read by others.

use std::process::{Command, Output};

use headroom_rules::model::{Quality, Timestamp};
use serde_json::Value;

use crate::centre::{Site, feeders};
use crate::station::{Sample, Station};

/// 2026-01-01, 00:00 UTC.
const T0: i64 = 1_767_225_600_000;

fn export(site: &Site, what: &[&str], out: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command.arg("export").args(what).arg(out).arg("--config").arg(site.file("serve.toml"));
    command.args(["--from", "2026-01-01", "--to", "2100-01-01"]).output().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

/// A centre that runs, with 40 readings of each of two terminals.
async fn running() -> (Vec<Station>, Site, crate::centre::Centre) {
    let stations = vec![Station::start(1).await, Station::start(2).await];
    let addresses: Vec<_> = stations.iter().map(Station::address).collect();
    let site = Site::new(&feeders(&addresses), "w = 1\n");
    let centre = site.start().await;
    for (n, station) in (0..).zip(&stations) {
        for m in 0..40_u16 {
            let quality = if m % 9 == 8 { Quality::INVALID } else { Quality::GOOD };
            station.send(Sample { at: Timestamp::new(T0 + i64::from(m) * 1_500), kw: n * 100 + m, quality });
        }
    }
    centre.stored(80).await;
    (stations, site, centre)
}

#[tokio::test]
async fn readings_are_exported_beside_the_running_centre_to_stdout_and_to_files() {
    let (_stations, site, centre) = running().await;
    let output = export(&site, &["readings", "--terminal", "T-2"], "-");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said.lines().next(), Some("at,terminal,point,value,unit,quality,source_time,received,cause"));
    let at = "2026-01-01T00:00:01.500Z";
    assert!(
        said.lines().nth(2).unwrap().starts_with(&format!("{at},T-2,active_power,101.000,kW,good,{at},")),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1 + 40);
    let told = text(&output.stderr);
    assert!(told.starts_with("-: 40 rows in ") && told.trim_end().ends_with(" rows/s"), "{told}");

    let file = site.file("all.parquet");
    let output = export(&site, &["readings", "--quiet"], file.to_str().unwrap());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(std::fs::read(&file).unwrap().starts_with(b"PAR1"));
    let output = export(&site, &["readings", "--terminal", "T-3"], site.file("none.csv").to_str().unwrap());
    assert_eq!((output.status.code(), text(&output.stderr).lines().count()), (Some(1), 1), "{output:?}");
    assert!(!site.file("none.csv").exists());
    let output = export(&site, &["readings", "--point", "volts"], "-");
    assert!(!output.status.success() && text(&output.stderr).contains("active_power"), "{output:?}");
    assert_eq!(centre.stop("TERM").await.0.code(), Some(0));
}

#[tokio::test]
#[ignore = "needs DuckDB: ops/test installs it"]
async fn duckdb_reads_in_parquet_what_stands_in_csv() {
    let (_stations, site, centre) = running().await;
    let python = std::env::var("HEADROOM_TEST_PYTHON").expect("ops/test names the Python that has duckdb");
    for what in [&["readings"][..], &["rollups", "--every", "1m"], &["events"], &["gaps"]] {
        let output = export(&site, what, "-");
        assert!(output.status.success(), "{output:?}");
        let rows: Vec<_> = csv::Reader::from_reader(&output.stdout[..])
            .deserialize::<std::collections::BTreeMap<String, String>>()
            .map(Result::unwrap)
            .collect();
        let file = site.file(&format!("{}.parquet", what[0]));
        assert!(export(&site, what, file.to_str().unwrap()).status.success());
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/parquet_rows.py");
        let output = Command::new(&python).arg("-B").arg(script).arg(&file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut lines = text(&output.stdout).lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let types = lines.next().unwrap();
        if what[0] == "readings" {
            assert_eq!(rows.len(), 80);
            let wanted = ["TIMESTAMP WITH TIME ZONE", "VARCHAR", "DECIMAL(18,3)", "BIGINT"];
            assert_eq!(["at", "terminal", "value", "cause"].map(|name| types[name].as_str().unwrap()), wanted);
        }
        let found: Vec<_> = lines.collect();
        assert!(!found.is_empty() && found.len() == rows.len(), "{what:?}");
        for (found, row) in found.iter().zip(rows) {
            for (name, wanted) in row {
                let found = found[&name].as_str().unwrap_or_default();
                let found = match types[&name].as_str().unwrap() {
                    kind if kind.starts_with("TIMESTAMP") && !found.is_empty() => {
                        Timestamp::new(found.parse().unwrap()).to_string()
                    }
                    _ => found.to_owned(),
                };
                assert_eq!(found, wanted, "{what:?}: {name}");
            }
        }
    }
    assert_eq!(centre.stop("TERM").await.0.code(), Some(0));
}
