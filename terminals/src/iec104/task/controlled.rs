//! A controlled station on its sockets.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::backoff::BACKOFF_MIN;
use super::wire::{self, Stream, Wire};
use super::{now, stopped};
use crate::iec104::config::StationConfig;
use crate::iec104::controlled::{ConnectionId, Session, Station};

/// A socket, and what it has not taken yet.
struct Peer<S> {
    stream: S,
    unwritten: Vec<u8>,
    /// When it last took something.
    took_at: Instant,
}

impl<S: Stream> Peer<S> {
    fn new(stream: S) -> Self {
        Self { stream, unwritten: Vec::new(), took_at: now() }
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

/// Serves one controlled station on a bound listener until `stop`. Connections beyond `connections_max` are closed at
/// once; one that takes no bytes holds up no other.
pub async fn run_controlled<S: Station>(
    listener: TcpListener,
    config: StationConfig,
    station: S,
    mut stop: watch::Receiver<bool>,
) {
    let t1 = config.timers.t1();
    let mut session = Session::new(config, station, now());
    let mut peers: BTreeMap<ConnectionId, Peer<Wire>> = BTreeMap::new();
    let mut accepted_so_far = 0;
    loop {
        while let Some((id, bytes)) = session.next_output() {
            if let Some(peer) = peers.get_mut(&id) {
                peer.queue(&bytes);
            }
        }
        let full = peers.values().filter(|peer| !peer.unwritten.is_empty()).map(|peer| peer.took_at + t1);
        let deadline = full.fold(session.next_deadline(), Instant::min);
        let turn = poll_fn(|cx| {
            let mut moved = Poll::Pending;
            peers.retain(|&id, peer| {
                let reason = poll_peer(&mut session, id, peer, cx, t1, &mut moved);
                if let Some(reason) = &reason {
                    tracing::debug!(%reason, "controlled station: link closed");
                    session.on_disconnected(id);
                    moved = Poll::Ready(());
                }
                reason.is_none()
            });
            moved
        });
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = turn => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    accepted_so_far += 1;
                    let id = ConnectionId(accepted_so_far);
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "controlled station: TCP_NODELAY");
                    }
                    if session.on_connected(now(), id) {
                        peers.insert(id, Peer::new(Wire::Plain(stream)));
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

/// Writes, then reads where all is written: a peer that does not read is not read either. Why it is over, if it is.
fn poll_peer<T: Station, S: Stream>(
    session: &mut Session<T>,
    id: ConnectionId,
    peer: &mut Peer<S>,
    cx: &mut Context<'_>,
    t1: Duration,
    moved: &mut Poll<()>,
) -> Option<String> {
    let written = peer.poll_write(cx, t1);
    let mut over = session.closed(id).map(str::to_owned);
    match written {
        Poll::Ready(Err(why)) => over = over.or(Some(why)),
        Poll::Ready(Ok(())) if over.is_none() => {
            let read = wire::poll_read(&mut peer.stream, cx, |read| match read {
                Ok([]) => over = Some("the peer closed the connection".to_owned()),
                Err(error) => over = Some(format!("read: {error}")),
                Ok(bytes) => session.on_bytes(now(), id, bytes),
            });
            if read.is_ready() {
                *moved = Poll::Ready(());
            }
        }
        _ => {}
    }
    over
}
