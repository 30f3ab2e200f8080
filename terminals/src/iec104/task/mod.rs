//! The tasks that own the sockets and the clock.
//!
//! Read [`LinkHandler`], then `controlling` (one station over one or several connections) and `asks` (what is asked of it),
//! `way`, `wire` and `secured` (where these come from), `door` and `dial_in` (stations that call), `controlled`.

mod asks;
mod backoff;
mod controlled;
mod controlling;
mod dial_in;
mod door;
mod secured;
mod switchover;
mod way;
mod wire;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use headroom_rules::orders::Outcome;
use tokio::sync::{Notify, watch};

use super::asdu::Object;

pub use asks::{Ask, FileResult, Work};
pub use controlled::{Arrivals, Heartbeat, run_controlled, run_station};
pub use controlling::{run_controlling, run_link};
pub use dial_in::{Alike, Called, Caller, Callers, run_dial_in};
pub use door::Entrance;
pub use secured::Secured;
pub use way::{Address, Call, Dial, Dialling, Registering, TlsAddress, Way};
pub use wire::{Stream, Wire};

/// What a controlling link reports. Awaiting gives back-pressure to that link's socket only.
pub trait LinkHandler: Send + 'static {
    /// All objects decoded from one socket read; none of them are left where they came on an earlier link already.
    fn objects(&mut self, objects: &[Object], ack: AckTicket) -> impl Future<Output = ()> + Send;
    /// What became of a command; `ack` where a message of the peer told it.
    fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) -> impl Future<Output = ()> + Send;
    /// Data transfer started (`up`), or the link or an attempt ended and no other link takes over.
    fn link(&mut self, up: bool, reason: &str) -> impl Future<Output = ()> + Send;
    /// Bytes that do not parse, or a message of an unknown type.
    fn malformed(&mut self, bytes: &[u8], why: &str, what: Malformed);
    /// The command's bytes were written to the socket.
    fn written(&mut self, command: u64);
}

/// What became of bytes that are of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A message that does not parse was skipped.
    Skipped,
    /// A message of an unknown type was skipped.
    UnknownType,
    /// They ended the link.
    Ended,
}

#[derive(Debug)]
struct Acks {
    durable: AtomicU64,
    wake: Arc<Notify>,
}

/// The right to acknowledge what was received up to and with one socket read. Tickets complete in order: completing one
/// completes all that came before it on its link. Dropping acknowledges nothing.
#[derive(Clone, Debug)]
pub struct AckTicket {
    acks: Arc<Acks>,
    received: u64,
}

impl AckTicket {
    /// All that it covers is stored.
    pub fn durable(self) {
        self.acks.durable.fetch_max(self.received, Ordering::AcqRel);
        self.acks.wake.notify_one();
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone can no longer ask for anything but the end.
    let _ = stop.wait_for(|&stop| stop).await;
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
