//! Other people's stacks, as the scripts of `tests/peers` run them, and what they are told.

use std::net::TcpListener;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use headroom_rules::model::Timestamp;
use serde_json::Value;
use tokio::process::Command;

use crate::program::Program;

/// A running script.
pub(crate) struct Peer(Program);

impl Peer {
    pub(crate) fn start(script: &str, arguments: &[String]) -> Self {
        let python = std::env::var("HEADROOM_TEST_PYTHON").expect("ops/test names the Python that has c104");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script);
        let mut command = Command::new(python);
        // -B: no compiled files beside the scripts.
        command.arg("-B").arg(script).args(arguments);
        Self(Program::start(command))
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.0.tell(line).await;
    }

    /// The first line from here on that is JSON and fits.
    pub(crate) async fn line(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.0.line(what, |line| serde_json::from_str(line).ok().filter(|value| fits(value))).await
    }

    /// The next step that it says, which has to be this one, and done.
    pub(crate) async fn step(&mut self, name: &str) -> Value {
        let step = self.line(name, |line| line["step"].is_string()).await;
        if step["step"] != name || step["done"] != true {
            let more = self.line("what it saw", |line| line["frames"].is_array()).await;
            panic!("wanted the step \"{name}\" done, not {step}: {more}");
        }
        step
    }
}

/// For those who cannot say which port they took.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::new(i64::try_from(since_epoch.as_millis()).unwrap())
}
