//! `headroom serve` as a process, on files of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use headroom_rules::view::View;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, FromRow};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::program::{PATIENCE, Program};

/// Between two looks at something that tells nobody of its change.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A folder with a centre's files.
pub(crate) struct Site {
    folder: TempDir,
}

/// A stored reading.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub(crate) struct Row {
    pub(crate) terminal: String,
    /// The point's code.
    pub(crate) kind: u16,
    pub(crate) source_time: Option<i64>,
    pub(crate) value: i64,
    pub(crate) quality: u8,
    pub(crate) cause: u8,
    /// In the journal, and the place in its input.
    pub(crate) position: i64,
    pub(crate) place: i64,
}

/// One feeder for each address, F-1 and so on, measured by the terminal there, T-1 and so on with the common addresses
/// from 1 up.
pub(crate) fn feeders(addresses: &[SocketAddr]) -> String {
    let mut fleet = String::from("[[node]]\nid = \"R\"\nkind = \"region\"\nname = \"Region\"\n");
    for n in 1..=addresses.len() {
        write!(fleet, "[[node]]\nid = \"F-{n}\"\nkind = \"feeder\"\nname = \"Feeder {n}\"\n").unwrap();
        write!(fleet, "parent = \"R\"\nmeasured_by = \"T-{n}\"\n").unwrap();
    }
    for (n, address) in (1..).zip(addresses) {
        write!(fleet, "[[terminal]]\nid = \"T-{n}\"\naddress = \"{address}\"\ncommon_address = {n}\n").unwrap();
    }
    fleet
}

/// One feeder F-1 with one customer, who has a terminal T-1 with common address `common_address` and one round.
pub(crate) fn customer(address: SocketAddr, common_address: u16) -> String {
    format!(
        "[[node]]\nid = \"R\"\nkind = \"region\"\nname = \"Region\"\n\
         [[node]]\nid = \"F-1\"\nkind = \"feeder\"\nname = \"Feeder 1\"\nparent = \"R\"\n\
         [[customer]]\nid = \"C-1\"\nname = \"Foundry\"\nsupplied_by = \"F-1\"\ncontract_kw = 2000\npriority = 4\n\
         [[terminal]]\nid = \"T-1\"\ncustomer = \"C-1\"\naddress = \"{address}\"\ncommon_address = {common_address}\n\
         rounds = [{{ no = 1, name = \"furnace 2\" }}]\n"
    )
}

impl Site {
    /// With an API on a free port. `iec104` are the lines of that section.
    pub(crate) fn new(fleet: &str, iec104: &str) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        site.write("fleet.toml", fleet);
        site.write("rules.toml", "");
        site.write("serve.toml", &format!("[api]\nlisten = \"127.0.0.1:0\"\n[iec104]\n{iec104}"));
        site
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.file("headroom-data")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
        command.arg("serve").arg("--config").arg(self.file("serve.toml"));
        command
    }

    /// A centre that serves.
    pub(crate) async fn start(&self) -> Centre {
        let mut program = Program::start_logging(self.command());
        let address = |line: &str| {
            let (_, rest) = line.split_once("serving api=")?;
            rest.split(' ').next()?.parse().ok()
        };
        let api: SocketAddr = program.line("where it serves", address).await;
        let token = std::fs::read_to_string(self.data().join("operator.token")).unwrap().trim().to_owned();
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        Centre { program, url: format!("http://{api}"), token, http }
    }

    /// A centre that does not start: the one line that it says, and its exit code is 1.
    pub(crate) async fn refusal(&self) -> String {
        let (status, said) = self.end().await;
        assert_eq!(status.code(), Some(1), "{said:#?}");
        assert_eq!(said.len(), 1, "{said:#?}");
        said[0].clone()
    }

    /// A centre that ends by itself: how, and all that it said.
    pub(crate) async fn end(&self) -> (ExitStatus, Vec<String>) {
        let mut program = Program::start_logging(self.command());
        let (status, said) = program.ended().await;
        (status, said.to_vec())
    }

    /// All stored readings, in the order of the journal.
    pub(crate) async fn readings(&self) -> Vec<Row> {
        readings(&self.data()).await
    }
}

/// All that is stored in a data folder, in the order of the journal.
pub(crate) async fn readings(data: &Path) -> Vec<Row> {
    let mut store = opened(data).await;
    let rows = "SELECT code AS terminal, kind, source_time, value, quality, cause, position, place FROM
                    (SELECT point_id, source_time, value, quality, cause, position, place FROM reading UNION ALL
                     SELECT point_id, source_time, value, quality, cause, position, place FROM set_aside)
                    JOIN point ON point.id = point_id JOIN terminal ON terminal.id = terminal_id
                    ORDER BY position, place";
    let rows = sqlx::query_as(rows).fetch_all(&mut store).await.unwrap();
    store.close().await.unwrap();
    rows
}

/// When each stored reading arrived, ms.
pub(crate) async fn arrivals(data: &Path) -> Vec<i64> {
    let mut store = opened(data).await;
    let arrived = sqlx::query_scalar("SELECT arrived_at FROM reading").fetch_all(&mut store).await.unwrap();
    store.close().await.unwrap();
    arrived
}

async fn opened(data: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(data.join("headroom.db")).read_only(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// A centre that serves; it is killed when the test is over.
pub(crate) struct Centre {
    pub(crate) program: Program,
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Centre {
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.anonymous(Method::GET, path).bearer_auth(&self.token)).await
    }

    pub(crate) async fn post(&self, body: &Value) -> (StatusCode, Value) {
        answer(self.anonymous(Method::POST, "/api/v1/requests").bearer_auth(&self.token).json(body)).await
    }

    pub(crate) async fn view(&self) -> View {
        let (status, view) = self.get("/api/v1/view").await;
        assert_eq!(status, StatusCode::OK, "{view}");
        serde_json::from_value(view).unwrap()
    }

    /// What `find` gives for the first view for which it gives anything.
    pub(crate) async fn until<T>(&self, what: &str, find: impl Fn(&View) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let view = self.view().await;
            if let Some(found) = find(&view) {
                return found;
            }
            assert!(Instant::now() < end, "never seen: {what}; the last view is {view:#?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Until so many readings of this run are stored.
    pub(crate) async fn stored(&self, readings: u64) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (_, health) = self.get("/api/v1/health").await;
            if health["store"]["readings"].as_u64() >= Some(readings) {
                return;
            }
            assert!(Instant::now() < end, "{readings} readings were never stored: {health}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Until the store's alarms say so; what they say.
    pub(crate) async fn on_record(&self, what: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let (_, alarms) = self.get("/api/v1/alarms").await;
            let text = alarms.to_string();
            if text.contains(what) {
                return text;
            }
            assert!(Instant::now() < end, "{what} is not on record: {text}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Asks it to end by a signal; how it ended, and its whole log.
    pub(crate) async fn stop(mut self, signal: &str) -> (ExitStatus, Vec<String>) {
        self.program.signal(signal).await;
        let (status, said) = self.program.ended().await;
        (status, said.to_vec())
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap())
}
