//! Our controlled station: a device that does what a test wants, and tells what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headroom_rules::model::Timestamp;
use headroom_terminals::iec104::controlled::{Freeze, Parameter};
use headroom_terminals::iec104::files::{FileId, FileInfo};
use headroom_terminals::iec104::{CommandAnswer, Object, Station, StationCommand, StationConfig, run_controlled};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::COMMON_ADDRESS;
use crate::peer::now;
use crate::program::PATIENCE;

/// What the device holds and how it answers.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    pub(crate) objects: Vec<Object>,
    pub(crate) counters: Vec<Object>,
    /// Group 1.
    pub(crate) group: Vec<Object>,
    /// To be reported at the next look.
    pub(crate) changes: Vec<Object>,
    /// By address; others are unknown.
    pub(crate) answers: BTreeMap<u32, CommandAnswer>,
    /// By address and name.
    pub(crate) files: BTreeMap<(u32, u16), Vec<u8>>,
}

/// What it was asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Asked {
    Command(StationCommand),
    Clock(Timestamp),
    Reset(u8),
    Freeze(Option<u8>, Freeze),
    Parameter(u32, Parameter, u8),
}

/// A running station; it ends with the test.
pub(crate) struct Device {
    pub(crate) address: SocketAddr,
    pub(crate) holds: Arc<Mutex<Holds>>,
    asked: mpsc::UnboundedReceiver<Asked>,
    _stop: watch::Sender<bool>,
}

/// With a look at its changes that a test need not wait for.
pub(crate) fn config() -> StationConfig {
    StationConfig { scan: Duration::from_millis(20), ..StationConfig::new(COMMON_ADDRESS) }
}

impl Device {
    pub(crate) async fn start(config: StationConfig, holds: Holds) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let holds = Arc::new(Mutex::new(holds));
        let (tell, asked) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(run_controlled(listener, config, Inside { holds: Arc::clone(&holds), tell }, stopped));
        Self { address, holds, asked, _stop: stop }
    }

    /// Reports these at the next look.
    pub(crate) fn report(&self, objects: impl IntoIterator<Item = Object>) {
        self.holds.lock().unwrap().changes.extend(objects);
    }

    /// What it is asked next.
    pub(crate) async fn asked(&mut self) -> Asked {
        let asked = timeout(PATIENCE, self.asked.recv()).await.expect("never asked anything");
        asked.unwrap()
    }

    /// The command that it is asked next, whatever else comes before.
    pub(crate) async fn command(&mut self) -> StationCommand {
        loop {
            if let Asked::Command(command) = self.asked().await {
                return command;
            }
        }
    }

    /// Commands that nobody has looked at.
    pub(crate) fn unlooked(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).filter(|asked| matches!(asked, Asked::Command(_))).collect()
    }
}

struct Inside {
    holds: Arc<Mutex<Holds>>,
    tell: mpsc::UnboundedSender<Asked>,
}

impl Inside {
    fn tell(&self, asked: Asked) {
        let _ = self.tell.send(asked);
    }
}

impl Station for Inside {
    fn now(&self) -> Timestamp {
        now()
    }
    fn interrogated(&mut self, out: &mut Vec<Object>) {
        out.extend_from_slice(&self.holds.lock().unwrap().objects);
    }
    fn group(&mut self, group: u8, out: &mut Vec<Object>) -> bool {
        out.extend_from_slice(&self.holds.lock().unwrap().group);
        group == 1
    }
    fn counters(&mut self, out: &mut Vec<Object>) {
        out.extend_from_slice(&self.holds.lock().unwrap().counters);
    }
    fn counter_group(&mut self, group: u8, out: &mut Vec<Object>) -> bool {
        self.counters(out);
        group == 1
    }
    fn freeze(&mut self, group: Option<u8>, how: Freeze) -> bool {
        self.tell(Asked::Freeze(group, how));
        true
    }
    fn spontaneous(&mut self, out: &mut Vec<Object>) {
        out.append(&mut self.holds.lock().unwrap().changes);
    }
    fn command(&mut self, command: StationCommand) -> CommandAnswer {
        self.tell(Asked::Command(command));
        let answers = &self.holds.lock().unwrap().answers;
        answers.get(&command.ioa).copied().unwrap_or(CommandAnswer::UnknownObject)
    }
    fn set_clock(&mut self, time: Timestamp) -> bool {
        self.tell(Asked::Clock(time));
        true
    }
    fn reset(&mut self, qualifier: u8) -> bool {
        self.tell(Asked::Reset(qualifier));
        true
    }
    fn parameter(&mut self, ioa: u32, parameter: Parameter, qualifier: u8) -> CommandAnswer {
        self.tell(Asked::Parameter(ioa, parameter, qualifier));
        CommandAnswer::Accepted
    }
    fn files(&mut self, out: &mut Vec<FileInfo>) {
        let files = &self.holds.lock().unwrap().files;
        out.extend(files.iter().map(|(&(ioa, name), data)| FileInfo {
            file: FileId { ioa, name },
            length: u32::try_from(data.len()).unwrap(),
            created: Some(now()),
            status: 0,
        }));
    }
    fn read_file(&mut self, file: FileId) -> Option<Vec<u8>> {
        self.holds.lock().unwrap().files.get(&(file.ioa, file.name)).cloned()
    }
    fn query_log(&mut self, file: FileId, _: Option<Timestamp>, _: Option<Timestamp>) -> Option<Vec<u8>> {
        self.read_file(file)
    }
    fn takes_file(&mut self, _: FileId, _: u32) -> bool {
        true
    }
    fn write_file(&mut self, file: FileId, data: &[u8]) -> bool {
        self.holds.lock().unwrap().files.insert((file.ioa, file.name), data.to_vec());
        true
    }
}
