//! Stations that call: the socket on which they register, and the way their stream takes to the link.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use super::door::{Door, Entered, Entrance, TurnedAway};
use super::way::Call;
use super::wire::Wire;
use super::{now, stopped};
use crate::iec104::access::guard::Pass;
use crate::iec104::access::refusals::Refusal;
use crate::iec104::access::registration::{Found, LENGTH_MAX, Registration, Registry, Stripper};
use crate::iec104::access::tls::{self, Peer};
use crate::iec104::budget::Budget;

/// Octets of one read that is stripped of heartbeats.
const READ_SIZE: usize = 4 * 1024;
/// Heartbeats a second for long, and at once before that: modems send one in some seconds to minutes.
const BEATS_PER_S: u32 = 10;
const BEATS_AT_ONCE: u32 = 100;

/// The stream of a station that registered: what is read are APDUs only.
#[derive(Debug)]
pub struct Called {
    wire: Wire,
    stripper: Stripper,
    /// Stripped, not read yet.
    ready: Vec<u8>,
    beats: Budget,
    _pass: Pass,
}

impl AsyncRead for Called {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { wire, stripper, ready, beats, .. } = self.get_mut();
        while ready.is_empty() {
            let mut room = [const { MaybeUninit::uninit() }; READ_SIZE];
            let mut read = ReadBuf::uninit(&mut room);
            ready!(Pin::new(&mut *wire).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let before = stripper.beats();
            stripper.strip(read.filled(), ready);
            beats.take(now(), usize::try_from(stripper.beats() - before).unwrap_or(usize::MAX));
            if beats.ready_at(now()) > now() {
                let why = format!("it sends more than {BEATS_PER_S} heartbeats a second");
                return Poll::Ready(Err(io::Error::other(why)));
            }
        }
        let taken = ready.len().min(buffer.remaining());
        buffer.put_slice(ready.get(..taken).unwrap_or(&[]));
        if taken == ready.len() {
            // An idle link keeps no buffer.
            *ready = Vec::new();
        } else {
            ready.drain(..taken);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Called {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(cx, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }
}

/// A station that may call.
#[derive(Debug)]
pub struct Caller {
    /// Its name, for people.
    pub name: String,
    /// What it says of itself.
    pub registration: Registration,
    /// Where TLS is asked of it: whose certificate it has to show.
    pub peers: Vec<Peer>,
    /// Where its link waits for it.
    pub calls: mpsc::Sender<Call<Called>>,
}

/// Two stations that could not be told apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{second} registers with octets that begin like those of {first}: wanted ones that begin otherwise")]
pub struct Alike {
    /// Which was first.
    pub first: String,
    /// Which came after.
    pub second: String,
}

/// Everybody who may call.
#[derive(Debug, Default)]
pub struct Callers(Registry<Caller>);

impl Callers {
    /// Adds one, whose registration was checked.
    ///
    /// # Errors
    /// It could not be told from another.
    pub fn add(&mut self, caller: Caller) -> Result<(), Alike> {
        let (packet, second) = (caller.registration.packet.clone(), caller.name.clone());
        self.0.add(packet, caller).map_err(|first| Alike { first: first.name.clone(), second })
    }
}

/// Takes calls until `stop`, each to the link of whom it registers as.
pub async fn run_dial_in(entrance: Entrance, callers: Callers, mut stop: watch::Receiver<bool>) {
    let with_tls = entrance.tls.is_some();
    let callers = Arc::new(callers);
    let mut door = Door::new(entrance, move |entered| register(entered, Arc::clone(&callers), with_tls));
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = door.next() => {}
        }
    }
}

async fn register(entered: Entered, callers: Arc<Callers>, with_tls: bool) -> Result<(), TurnedAway> {
    let Entered { mut wire, peer, pass } = entered;
    let mut first = Vec::with_capacity(LENGTH_MAX);
    let (caller, taken) = loop {
        // Not more than the longest registration, whatever comes.
        match callers.0.look(&first) {
            Found::Registered(caller, taken) => break (caller, taken),
            Found::Unknown => {
                let why = format!("nobody registers with {}", shown(&first));
                return Err((Refusal::Registration, why));
            }
            Found::More => {}
        }
        match wire.read_buf(&mut first).await {
            Ok(0) => return Err((Refusal::Silent, format!("it left before it registered ({})", shown(&first)))),
            Ok(_) => {}
            Err(error) => return Err((Refusal::Silent, format!("read of its registration: {error}"))),
        }
    };
    let Caller { name, registration, peers, calls } = caller;
    if with_tls && !tls::is_one_of(wire.shown(), peers) {
        return Err((Refusal::Tls, format!("it registers as {name}, whose certificate it does not show")));
    }
    if let Err(error) = wire.write_all(&registration.answer).await {
        return Err((Refusal::Silent, format!("the answer to the registration of {name}: {error}")));
    }
    let (mut stripper, mut ready) = (Stripper::new(registration.heartbeat.clone()), Vec::new());
    stripper.strip(first.get(taken..).unwrap_or(&[]), &mut ready);
    let beats = Budget::new(BEATS_PER_S, BEATS_AT_ONCE, now());
    let stream = Called { wire, stripper, ready, beats, _pass: pass };
    calls.try_send(Call { stream, peer: peer.to_string() }).map_err(|error| match error {
        TrySendError::Full(_) => (Refusal::TooSoon, format!("another call of {name} is being taken")),
        TrySendError::Closed(_) => (Refusal::TooSoon, format!("the link of {name} is ending")),
    })
}

/// The first octets, as they are configured.
fn shown(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 32;
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let hex: String = bytes.iter().take(SHOWN_MAX).map(|octet| format!("{octet:02x}")).collect();
    if bytes.len() > SHOWN_MAX { format!("{hex}…") } else { hex }
}
