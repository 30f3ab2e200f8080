//! A controlled station on its sockets: it listens, or it dials its centre as a modem does.

use std::collections::BTreeMap;
use std::future::{Ready, pending, poll_fn, ready};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::backoff::Backoff;
use super::door::{Door, Entered, Entrance, TurnedAway};
use super::way::{Dial, Dialling};
use super::wire::{self, Stream, Wire};
use super::{now, stopped};
use crate::iec104::access::guard::Pass;
use crate::iec104::access::refusals::Refusal;
use crate::iec104::budget::Budget;
use crate::iec104::config::StationConfig;
use crate::iec104::controlled::{ConnectionId, Session, Station};

/// Octets a second that a connection may send for long while it is not started, and at once before that: test frames and
/// their confirmations are six octets, each t3.
const STOPPED_OCTETS_PER_S: u32 = 60;
const STOPPED_OCTETS_AT_ONCE: u32 = 1_200;

/// Where a station's connections come from.
pub enum Arrivals {
    /// It listens.
    Listen(Entrance),
    /// It dials, and keeps its one link open with heartbeats.
    Dial(Box<dyn Dial<Wire>>, Option<Heartbeat>),
}

/// Octets between APDUs that keep a link through a radio network open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// They do not begin with 68H.
    pub octets: Vec<u8>,
    /// From one to the next.
    pub every: Duration,
}

/// A socket, and what it has not taken yet.
struct Peer<S> {
    stream: S,
    /// Where it came from, none where it was dialled.
    from: Option<IpAddr>,
    _pass: Option<Pass>,
    connected_at: Instant,
    /// Whether it said anything yet.
    heard: bool,
    /// Octets that it may send while it is not started.
    stopped: Budget,
    next_beat: Option<Instant>,
    unwritten: Vec<u8>,
    /// When it last took something.
    took_at: Instant,
}

impl<S: Stream> Peer<S> {
    fn new(stream: S, from: Option<IpAddr>, pass: Option<Pass>, next_beat: Option<Instant>) -> Self {
        let (connected_at, stopped) = (now(), Budget::new(STOPPED_OCTETS_PER_S, STOPPED_OCTETS_AT_ONCE, now()));
        Self {
            stream,
            from,
            _pass: pass,
            connected_at,
            heard: false,
            stopped,
            next_beat,
            unwritten: Vec::new(),
            took_at: connected_at,
        }
    }

    /// When something is due that the session does not know of.
    fn next_deadline(&self, t0: Duration, t1: Duration) -> Option<Instant> {
        let full = (!self.unwritten.is_empty()).then(|| self.took_at + t1);
        let silent = (!self.heard).then(|| self.connected_at + t0);
        [full, silent, self.next_beat].into_iter().flatten().min()
    }

    fn queue(&mut self, bytes: &[u8]) {
        if self.unwritten.is_empty() {
            self.took_at = now();
        }
        self.unwritten.extend_from_slice(bytes);
    }

    /// Writes what it takes now, all of one turn at once.
    fn poll_write(&mut self, cx: &mut Context<'_>, t1: Duration) -> Poll<Result<(), String>> {
        while !self.unwritten.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.unwritten) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err("write: the peer takes no more".to_owned())),
                Poll::Ready(Ok(n)) => {
                    self.unwritten.drain(..n);
                    self.took_at = now();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(format!("write: {error}"))),
                // A peer that does not read for t1 would break t1 anyway.
                Poll::Pending if now() >= self.took_at + t1 => {
                    return Poll::Ready(Err("write: the peer takes no bytes within t1".to_owned()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx).map_err(|error| format!("write: {error}"))
    }
}

/// Why a connection is over; the refusal where it never was of use.
struct Over(Option<Refusal>, String);

impl Over {
    fn because(why: impl Into<String>) -> Self {
        Self(None, why.into())
    }
}

/// Serves one controlled station on a bound listener until `stop`, for everybody who connects. See [`run_station`].
pub async fn run_controlled<S: Station>(
    listener: TcpListener,
    config: StationConfig,
    station: S,
    stop: watch::Receiver<bool>,
) {
    let entrance = Entrance::open(listener, config.timers.t0());
    run_station(Arrivals::Listen(entrance), config, station, stop).await;
}

/// Serves one controlled station until `stop`. Connections beyond `connections_max` are closed at once; one that takes
/// no bytes holds up no other.
pub async fn run_station<S: Station>(
    arrivals: Arrivals,
    config: StationConfig,
    station: S,
    mut stop: watch::Receiver<bool>,
) {
    let (t0, t1) = (config.timers.t0(), config.timers.t1());
    let mut arrivals = Source::new(arrivals, t0);
    let mut session = Session::new(config, station, now());
    let mut peers: BTreeMap<ConnectionId, Peer<Wire>> = BTreeMap::new();
    let mut arrived = 0;
    loop {
        while let Some((id, bytes)) = session.next_output() {
            if let Some(peer) = peers.get_mut(&id) {
                peer.queue(&bytes);
            }
        }
        arrivals.beat(&mut peers);
        let ours = peers.values().filter_map(|peer| peer.next_deadline(t0, t1));
        let deadline = ours.fold(session.next_deadline(), Instant::min);
        let linked = !peers.is_empty();
        let mut over = Vec::new();
        let turn = poll_fn(|cx| {
            let mut moved = Poll::Pending;
            for (&id, peer) in &mut peers {
                match poll_peer(&mut session, id, peer, cx, (t0, t1)) {
                    Poll::Ready(Ok(())) => moved = Poll::Ready(()),
                    Poll::Ready(Err(why)) => over.push((id, why)),
                    Poll::Pending => {}
                }
            }
            if over.is_empty() { moved } else { Poll::Ready(()) }
        });
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = turn => {}
            Arrived { wire, from, pass } = arrivals.next(linked) => {
                arrived += 1;
                let id = ConnectionId(arrived);
                if session.on_connected(now(), id) {
                    peers.insert(id, Peer::new(wire, from, pass, arrivals.first_beat()));
                } else if let Some(from) = from {
                    arrivals.refuse(from, Refusal::Links, "the station has as many links as it is allowed");
                }
            },
            () = sleep_until(deadline.into()) => session.on_deadline(now()),
        }
        for (id, Over(refusal, reason)) in over {
            session.on_disconnected(id);
            if let Some(mut peer) = peers.remove(&id) {
                wire::farewell_now(&mut peer.stream).await;
                match (peer.from, refusal) {
                    (Some(from), Some(refusal)) => arrivals.refuse(from, refusal, &reason),
                    _ => tracing::debug!(%reason, "controlled station: link closed"),
                }
                arrivals.over(&reason);
            }
        }
    }
}

/// Writes, then reads where all is written: a peer that does not read is not read either. Why it is over, if it is.
fn poll_peer<T: Station, S: Stream>(
    session: &mut Session<T>,
    id: ConnectionId,
    peer: &mut Peer<S>,
    cx: &mut Context<'_>,
    (t0, t1): (Duration, Duration),
) -> Poll<Result<(), Over>> {
    let written = peer.poll_write(cx, t1).map_err(Over::because);
    if let Some(why) = session.closed(id) {
        return Poll::Ready(Err(Over::because(why)));
    }
    if !matches!(written, Poll::Ready(Ok(()))) {
        return written;
    }
    if !peer.heard && now() >= peer.connected_at + t0 {
        let why = format!("it said nothing within t0 = {} s", t0.as_secs());
        return Poll::Ready(Err(Over(Some(Refusal::Silent), why)));
    }
    let mut result = Ok(());
    let Peer { stream, heard, stopped, .. } = peer;
    let read = wire::poll_read(stream, cx, |read| match read {
        Ok([]) => result = Err(Over::because("the peer closed the connection")),
        Err(error) => result = Err(Over::because(format!("read: {error}"))),
        Ok(bytes) => {
            *heard = true;
            let before = session.is_started(id);
            session.on_bytes(now(), id, bytes);
            if !before && !session.is_started(id) {
                stopped.take(now(), bytes.len());
                if stopped.ready_at(now()) > now() {
                    let why =
                        "it sends more without starting data transfer (STARTDT) than a link in reserve has to say";
                    result = Err(Over(Some(Refusal::TooMuch), why.to_owned()));
                }
            }
        }
    });
    read.map(|()| result)
}

/// A connection, and where it came from unless it was dialled.
struct Arrived {
    wire: Wire,
    from: Option<IpAddr>,
    pass: Option<Pass>,
}

type Admit = fn(Entered) -> Ready<Result<Entered, TurnedAway>>;

enum Source {
    Listen(Door<Entered, Admit>),
    Dial(Box<Dialler>),
}

/// A station that dials has one connection.
struct Dialler {
    dial: Box<dyn Dial<Wire>>,
    t0: Duration,
    heartbeat: Option<Heartbeat>,
    backoff: Backoff,
    /// When to dial next.
    at: Instant,
    dialling: Option<Dialling<Wire>>,
    since: Instant,
    /// Whether the last failure is in the log.
    told: bool,
}

impl Source {
    fn new(arrivals: Arrivals, t0: Duration) -> Self {
        match arrivals {
            Arrivals::Listen(entrance) => Self::Listen(Door::new(entrance, |entered| ready(Ok(entered)))),
            Arrivals::Dial(dial, heartbeat) => Self::Dial(Box::new(Dialler {
                dial,
                t0,
                heartbeat,
                backoff: Backoff::default(),
                at: now(),
                dialling: None,
                since: now(),
                told: false,
            })),
        }
    }

    async fn next(&mut self, linked: bool) -> Arrived {
        match self {
            Self::Listen(door) => {
                let Entered { wire, peer, pass } = door.next().await;
                Arrived { wire, from: Some(SocketAddr::ip(&peer)), pass: Some(pass) }
            }
            Self::Dial(_) if linked => pending().await,
            Self::Dial(dialler) => Arrived { wire: dialler.next().await, from: None, pass: None },
        }
    }

    fn refuse(&self, peer: IpAddr, refusal: Refusal, why: &str) {
        if let Self::Listen(door) = self {
            door.refuse(peer, refusal, why);
        }
    }

    fn over(&mut self, reason: &str) {
        if let Self::Dial(dialler) = self {
            dialler.over(dialler.since, reason);
        }
    }

    fn first_beat(&self) -> Option<Instant> {
        match self {
            Self::Dial(dialler) => dialler.heartbeat.as_ref().map(|heartbeat| now() + heartbeat.every),
            Self::Listen(_) => None,
        }
    }

    /// Heartbeats go behind whole APDUs.
    fn beat(&self, peers: &mut BTreeMap<ConnectionId, Peer<Wire>>) {
        let Self::Dial(dialler) = self else { return };
        let Some(Heartbeat { octets, every }) = &dialler.heartbeat else { return };
        for peer in peers.values_mut().filter(|peer| peer.next_beat.is_some_and(|at| at <= now())) {
            peer.queue(octets);
            peer.next_beat = Some(now() + *every);
        }
    }
}

impl Dialler {
    async fn next(&mut self) -> Wire {
        loop {
            let Some(dialling) = &mut self.dialling else {
                sleep_until(self.at.into()).await;
                let (t0, dialling) = (self.t0, self.dial.dial());
                self.since = now();
                self.dialling = Some(Box::pin(async move {
                    let late = |_| format!("no answer within t0 = {} s", t0.as_secs());
                    timeout(t0, dialling).await.map_err(late).flatten()
                }));
                continue;
            };
            let dialled = dialling.await;
            self.dialling = None;
            match dialled {
                Ok(wire) => {
                    self.told = false;
                    return wire;
                }
                Err(why) => self.over(self.since, &why),
            }
        }
    }

    fn over(&mut self, since: Instant, reason: &str) {
        let address = self.dial.address();
        if std::mem::replace(&mut self.told, true) {
            tracing::debug!(address, reason, "no link to the centre");
        } else {
            tracing::warn!(address, reason, "no link to the centre; dialling again until there is one");
        }
        self.at = self.backoff.ended(since, now(), rand::rng().random_range(0.5..=1.0));
    }
}
