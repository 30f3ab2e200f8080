//! The tasks that own the sockets and the clock.

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;
use headroom_rules::orders::{NotSent, Outcome};
use rand::RngExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep_until, timeout};

use super::asdu::{Command, Object};
use super::budget::Budget;
use super::config::{LinkConfig, StationConfig};
use super::controlled::{self, ConnectionId, Station};
use super::controlling::{Output, Session, State};

const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A link that lasted this long resets the back-off.
const STEADY: Duration = Duration::from_secs(60);
const READ_SIZE: usize = 16 * 1024;
/// Most I frames of a link that wait to be stored before its socket is read again. An honest station stops at its k, 12 by
/// default; one that does not is held by TCP.
const UNDURABLE_MAX: u64 = 256;

/// What a controlling link reports. Awaiting gives back-pressure to that link's socket only.
pub trait LinkHandler: Send + 'static {
    /// All objects decoded from one socket read.
    fn objects(&mut self, objects: &[Object], ack: AckTicket) -> impl Future<Output = ()> + Send;
    /// What became of a command; `ack` where a message of the peer told it.
    fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) -> impl Future<Output = ()> + Send;
    /// Data transfer started (`up`), or the link or an attempt ended.
    fn link(&mut self, up: bool, reason: &str) -> impl Future<Output = ()> + Send;
    /// Bytes that do not parse, or a message of an unknown type.
    fn malformed(&mut self, bytes: &[u8], why: &str);
    /// The command's bytes were written to the socket.
    fn written(&mut self, command: u64);
}

#[derive(Debug, Default)]
struct Acks {
    durable: AtomicU64,
    wake: Notify,
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

async fn refuse<H: LinkHandler>(handler: &mut H, command: Command, why: NotSent) {
    handler.outcome(command.id, Outcome::NotSent { step: command.step, why }, None).await;
}

/// Runs for ever: connects, serves, reconnects with exponential back-off and jitter; ends when `stop` turns true,
/// closing with STOPDT.
pub async fn run_controlling<H: LinkHandler>(
    config: LinkConfig,
    mut commands: mpsc::Receiver<Command>,
    clock: impl Fn() -> Timestamp + Send + 'static,
    mut handler: H,
    mut stop: watch::Receiver<bool>,
) {
    let mut backoff = BACKOFF_MIN;
    let mut open = true;
    // Over all connections: else each new one would bring a new burst.
    let mut budget = Budget::new(config.objects_per_s, config.objects_burst, now());
    loop {
        let dial = timeout(config.timers.t0(), TcpStream::connect(config.address.as_str()));
        tokio::pin!(dial);
        let dialled = loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break None,
                command = commands.recv(), if open => match command {
                    Some(command) => refuse(&mut handler, command, NotSent::NoLink).await,
                    None => open = false,
                },
                result = &mut dial => break Some(result),
            }
        };
        let since = now();
        match dialled {
            None => break,
            Some(Ok(Ok(stream))) => {
                let taking = Taking { handler: &mut handler, budget: &mut budget, acks: Arc::default() };
                let reason = serve(&config, stream, &mut commands, &mut open, &clock, taking, &mut stop).await;
                handler.link(false, &reason).await;
            }
            Some(Ok(Err(error))) => handler.link(false, &format!("connect to {}: {error}", config.address)).await,
            Some(Err(_)) => {
                let t0 = config.timers.t0().as_secs();
                handler.link(false, &format!("connect to {}: no answer within t0 = {t0} s", config.address)).await;
            }
        }
        if *stop.borrow() {
            break;
        }
        if now().duration_since(since) >= STEADY {
            backoff = BACKOFF_MIN;
        }
        let wait = backoff.mul_f64(rand::rng().random_range(0.5..=1.0));
        backoff = (backoff * 2).min(BACKOFF_MAX);
        let until = tokio::time::Instant::now() + wait;
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                command = commands.recv(), if open => match command {
                    Some(command) => refuse(&mut handler, command, NotSent::NoLink).await,
                    None => open = false,
                },
                () = sleep_until(until) => break,
            }
        }
        if *stop.borrow() {
            break;
        }
    }
    commands.close();
    while let Some(command) = commands.recv().await {
        refuse(&mut handler, command, NotSent::Stopping).await;
    }
}

/// Where what one connection brings goes.
struct Taking<'a, H> {
    handler: &'a mut H,
    budget: &'a mut Budget,
    acks: Arc<Acks>,
}

/// Serves one connection, and tells why it ended.
async fn serve<H: LinkHandler>(
    config: &LinkConfig,
    mut stream: TcpStream,
    commands: &mut mpsc::Receiver<Command>,
    open: &mut bool,
    clock: &(impl Fn() -> Timestamp + Send + 'static),
    mut taking: Taking<'_, H>,
    stop: &mut watch::Receiver<bool>,
) -> String {
    if let Err(error) = stream.set_nodelay(true) {
        return format!("TCP_NODELAY at {}: {error}", config.address);
    }
    let acks = Arc::clone(&taking.acks);
    let mut session = Session::new(config.clone(), now(), clock());
    let mut buffer = vec![0; READ_SIZE];
    let mut stopping = false;
    loop {
        if let Some(reason) = flush(config, &mut stream, &mut session, &mut taking).await {
            return reason;
        }
        let unstored = session.undurable() > UNDURABLE_MAX;
        let looked_at = now();
        let ready_at = taking.budget.ready_at(looked_at);
        let spent = ready_at > looked_at;
        let held = unstored || spent;
        let deadline = async {
            match session.next_deadline() {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = stopped(stop), if !stopping => {
                stopping = true;
                session.stop(now());
            }
            () = acks.wake.notified() => session.durable(now(), acks.durable.load(Ordering::Acquire)),
            command = commands.recv(), if *open => {
                session.set_wall(clock());
                match command {
                    Some(command) => session.submit(now(), command),
                    None => *open = false,
                }
            }
            () = sleep_until(ready_at.into()), if spent => {}
            read = stream.read(&mut buffer), if !held => {
                session.set_wall(clock());
                match read {
                    Ok(0) => session.close("the peer closed the connection"),
                    Ok(n) => session.on_bytes(now(), buffer.get(..n).unwrap_or(&[])),
                    Err(error) => session.close(&format!("read: {error}")),
                }
            }
            () = deadline => {
                session.set_wall(clock());
                if held {
                    session.not_read(now());
                }
                session.on_deadline(now());
            }
        }
        if held {
            session.not_read(now());
        }
    }
}

/// Writes and reports all that the session has; the reason once it is over.
async fn flush<H: LinkHandler>(
    config: &LinkConfig,
    stream: &mut TcpStream,
    session: &mut Session,
    taking: &mut Taking<'_, H>,
) -> Option<String> {
    let Taking { handler, budget, acks } = taking;
    let mut objects = Vec::new();
    let mut covered = 0;
    let mut ended = None;
    while let Some(output) = session.next_output() {
        match output {
            Output::Bytes(bytes) => {
                // A peer that does not read for t1 would break t1 anyway.
                let written = timeout(config.timers.t1(), stream.write_all(&bytes)).await;
                match written {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => session.close(&format!("write: {error}")),
                    Err(_) => session.close("write: the peer takes no bytes within t1"),
                }
            }
            Output::Sent(command) => handler.written(command),
            Output::Objects { objects: more, received } => {
                budget.take(now(), more.len());
                objects.extend(more);
                covered = received;
            }
            Output::Outcome { command, outcome, received } => {
                report(*handler, &mut objects, covered, acks).await;
                let ack = received.map(|received| AckTicket { acks: Arc::clone(acks), received });
                handler.outcome(command, outcome, ack).await;
            }
            Output::State(State::Started) => handler.link(true, "started").await,
            Output::State(State::Closed { reason }) => ended = Some(reason),
            // Requests and files do not come in here yet: whoever drives a session by itself asks for them.
            Output::Answered { .. } | Output::File { .. } => {}
            Output::State(State::Connected | State::Interrogated | State::Stopped) => {}
            Output::Malformed { bytes, why } => {
                budget.take(now(), 1);
                handler.malformed(&bytes, &why);
            }
            Output::Unknown { bytes } => {
                budget.take(now(), 1);
                handler.malformed(&bytes, "type identification not supported");
            }
        }
    }
    report(*handler, &mut objects, covered, acks).await;
    ended
}

/// Objects go before the outcome that followed them on the wire.
async fn report<H: LinkHandler>(handler: &mut H, objects: &mut Vec<Object>, received: u64, acks: &Arc<Acks>) {
    if !objects.is_empty() {
        handler.objects(objects, AckTicket { acks: Arc::clone(acks), received }).await;
        objects.clear();
    }
}

/// A socket of a controlled station, and what it has not taken yet.
struct Peer {
    stream: TcpStream,
    unwritten: Vec<u8>,
    /// When it last took something.
    took_at: Instant,
}

impl Peer {
    /// Ready to be read, or to take what is unwritten: a peer that does not read is not read either.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let ready =
            if self.unwritten.is_empty() { self.stream.poll_read_ready(cx) } else { self.stream.poll_write_ready(cx) };
        // An error shows at the next attempt.
        ready.map(|_| ())
    }

    /// Writes what it takes now.
    fn write(&mut self, t1: Duration) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match self.stream.try_write(&self.unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.unwritten.drain(..n);
                    self.took_at = now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // A peer that does not read for t1 would break t1 anyway.
                    let late = now() >= self.took_at + t1;
                    return if late { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) };
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Serves one controlled station on a bound listener until `stop`. Connections beyond `connections_max` are closed at
/// once; one that takes no bytes holds up no other.
pub async fn run_controlled<S: Station>(
    listener: TcpListener,
    config: StationConfig,
    station: S,
    mut stop: watch::Receiver<bool>,
) {
    let t1 = config.timers.t1();
    let mut session = controlled::Session::new(config, station, now());
    let mut peers: BTreeMap<ConnectionId, Peer> = BTreeMap::new();
    let mut accepted_so_far = 0;
    let mut buffer = vec![0; READ_SIZE];
    loop {
        while let Some((id, bytes)) = session.next_output() {
            if let Some(peer) = peers.get_mut(&id) {
                if peer.unwritten.is_empty() {
                    peer.took_at = now();
                }
                peer.unwritten.extend_from_slice(&bytes);
            }
        }
        peers.retain(|&id, peer| {
            let written = peer.write(t1).map_err(|error| format!("write: {error}"));
            let reason = session.closed(id).map(str::to_owned).or(written.err());
            if let Some(reason) = &reason {
                tracing::debug!(%reason, "controlled station: link closed");
                session.on_disconnected(id);
            }
            reason.is_none()
        });
        let full = peers.values().filter(|peer| !peer.unwritten.is_empty()).map(|peer| peer.took_at + t1);
        let deadline = full.fold(session.next_deadline(), Instant::min);
        let ready = poll_fn(|cx| {
            let ready = peers.iter().find(|(_, peer)| peer.poll_ready(cx).is_ready());
            ready.map_or(Poll::Pending, |(&id, _)| Poll::Ready(id))
        });
        tokio::select! {
            () = stopped(&mut stop) => return,
            id = ready => if let Some(peer) = peers.get_mut(&id).filter(|peer| peer.unwritten.is_empty()) {
                match peer.stream.try_read(&mut buffer) {
                    Ok(n) if n > 0 => session.on_bytes(now(), id, buffer.get(..n).unwrap_or(&[])),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    _ => {
                        peers.remove(&id);
                        session.on_disconnected(id);
                    }
                }
            },
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    accepted_so_far += 1;
                    let id = ConnectionId(accepted_so_far);
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "controlled station: TCP_NODELAY");
                    }
                    if session.on_connected(now(), id) {
                        peers.insert(id, Peer { stream, unwritten: Vec::new(), took_at: now() });
                    } else {
                        tracing::debug!(%peer, "controlled station: refused, as many links as are allowed are live");
                    }
                }
                Err(error) => {
                    // Out of descriptors, for instance: without a pause this would spin.
                    tracing::warn!(%error, "controlled station: accept failed; trying again in 1 s");
                    tokio::time::sleep(BACKOFF_MIN).await;
                }
            },
            () = sleep_until(deadline.into()) => session.on_deadline(now()),
        }
    }
}
