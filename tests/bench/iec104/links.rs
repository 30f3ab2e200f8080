//! Both stations of our own, joined over TCP on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use headroom_rules::model::{Quality, Timestamp};
use headroom_rules::orders::Outcome;
use headroom_terminals::iec104::task::{Address, Way, Wire, run_link};
use headroom_terminals::iec104::{
    AckTicket, Command, CommandAnswer, LinkConfig, LinkHandler, Malformed, Object, Station, StationCommand,
    StationConfig, Value, run_controlled,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Objects that a station has ready at each look.
const READY: u32 = 4_096;
/// 2026-01-31T18:05:12Z.
pub(crate) const WHEN: Timestamp = Timestamp::new(1_769_882_712_000);

/// A station that always has something to tell: one short float with a time an APDU, for no two neighbours share a
/// cause.
pub(crate) struct Pump;

impl Station for Pump {
    fn now(&self) -> Timestamp {
        WHEN
    }
    fn interrogated(&mut self, _: &mut Vec<Object>) {}
    fn counters(&mut self, _: &mut Vec<Object>) {}
    fn spontaneous(&mut self, out: &mut Vec<Object>) {
        out.extend((0..READY).map(|n| Object {
            common_address: 1,
            ioa: 2_001,
            value: Value::Float(f32::from(u16::try_from(n % 50).unwrap())),
            quality: Quality::GOOD,
            time: Some(WHEN),
            cause: if n % 2 == 0 { 1 } else { 3 },
        }));
    }
    fn command(&mut self, _: StationCommand) -> CommandAnswer {
        CommandAnswer::Refused
    }
    fn set_clock(&mut self, _: Timestamp) -> bool {
        true
    }
}

/// Counts, and acknowledges at once.
pub(crate) struct AtOnce(pub(crate) Arc<AtomicU64>);

impl LinkHandler for AtOnce {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        self.0.fetch_add(u64::try_from(objects.len()).unwrap(), Ordering::Relaxed);
        ack.durable();
    }
    async fn outcome(&mut self, _: u64, _: Outcome, ack: Option<AckTicket>) {
        ack.into_iter().for_each(AckTicket::durable);
    }
    async fn link(&mut self, _: bool, _: &str) {}
    fn malformed(&mut self, bytes: &[u8], why: &str, _: Malformed) {
        panic!("{why}: {bytes:02x?}");
    }
    fn written(&mut self, _: u64) {}
}

/// As fast as it goes: no bound on what a station may send.
pub(crate) fn unbounded(address: SocketAddr) -> LinkConfig {
    LinkConfig { objects_per_s: 100_000_000, objects_burst: 100_000_000, ..LinkConfig::new(address.to_string(), 1) }
}

/// Running links; they end when told.
pub(crate) struct Links {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    _commands: Vec<mpsc::Sender<Command>>,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Vec::new(), _commands: Vec::new() }
    }

    /// A pumping station on a port of its own.
    pub(crate) async fn pump(&mut self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = StationConfig { scan: Duration::from_millis(1), ..StationConfig::new(1) };
        self.tasks.push(tokio::spawn(run_controlled(listener, config, Pump, self.stop.subscribe())));
        address
    }

    /// A controlling station to it.
    pub(crate) fn dial<H: LinkHandler>(&mut self, config: LinkConfig, handler: H) {
        self.over(Way::dial(Address(config.address.clone())), config, handler);
    }

    /// A controlling station by way of `way`.
    pub(crate) fn over<H: LinkHandler>(&mut self, way: Way<Wire>, config: LinkConfig, handler: H) {
        let (commands, orders) = mpsc::channel(1);
        self._commands.push(commands);
        self.tasks.push(tokio::spawn(run_link(config, vec![way], orders, || WHEN, handler, self.stop.subscribe())));
    }

    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}
