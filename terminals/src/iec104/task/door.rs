//! A listening socket that knows whom it lets in.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::now;
use crate::iec104::access::guard::{Access, Guard, Pass};
use crate::iec104::access::refusals::{Refusal, Refusals};
use crate::iec104::access::tls;
use crate::iec104::task::Wire;

/// After an accept that failed, as for want of descriptors: without a pause this would spin.
const PAUSE: Duration = Duration::from_secs(1);

/// A listening socket, with whom it lets in.
pub struct Entrance {
    /// Bound.
    pub listener: TcpListener,
    /// By address and number.
    pub access: Access,
    /// By certificate.
    pub tls: Option<tls::Listening>,
    /// For all that comes before the link: handshake, registration. t0 of the link.
    pub within: Duration,
    /// Where those turned away are counted.
    pub refusals: Arc<Refusals>,
}

impl Entrance {
    /// Lets in everybody, without TLS.
    pub fn open(listener: TcpListener, within: Duration) -> Self {
        Self { listener, access: Access::default(), tls: None, within, refusals: Arc::default() }
    }
}

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) wire: Wire,
    pub(super) peer: SocketAddr,
    pub(super) pass: Pass,
}

/// Why not, for people.
pub(super) type TurnedAway = (Refusal, String);

/// Lets connections in, each by what `admit` makes of it, in tasks of their own: one that is slow holds up no other.
pub(super) struct Door<T, A> {
    listener: TcpListener,
    guard: Guard,
    tls: Option<tls::Listening>,
    within: Duration,
    refusals: Arc<Refusals>,
    admit: A,
    at_the_door: JoinSet<Result<T, (IpAddr, TurnedAway)>>,
}

impl<T, A, F> Door<T, A>
where
    T: Send + 'static,
    A: Fn(Entered) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<T, TurnedAway>> + Send + 'static,
{
    pub(super) fn new(entrance: Entrance, admit: A) -> Self {
        let Entrance { listener, access, tls, within, refusals } = entrance;
        Self { listener, guard: Guard::new(access), tls, within, refusals, admit, at_the_door: JoinSet::new() }
    }

    pub(super) fn refuse(&self, peer: IpAddr, refusal: Refusal, why: &str) {
        self.refusals.note(now(), peer, refusal, why);
    }

    /// The next that is let in. Nothing is lost where this is dropped.
    pub(super) async fn next(&mut self) -> T {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accept(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "accept failed; trying again in 1 s");
                        sleep(PAUSE).await;
                    }
                },
                Some(admitted) = self.at_the_door.join_next() => match admitted {
                    Ok(Ok(admitted)) => return admitted,
                    Ok(Err((peer, (refusal, why)))) => self.refuse(peer, refusal, &why),
                    Err(error) => tracing::warn!(%error, "a connection could not be admitted"),
                },
            }
        }
    }

    fn accept(&mut self, stream: TcpStream, peer: SocketAddr) {
        let pass = match self.guard.enter(peer.ip()) {
            Ok(pass) => pass,
            Err((refusal, why)) => return self.refuse(peer.ip(), refusal, &why),
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY");
        }
        let (tls, admit, within) = (self.tls.clone(), self.admit.clone(), self.within);
        let refusals = Arc::clone(&self.refusals);
        self.at_the_door.spawn(async move {
            let admitting = async {
                let wire = match tls {
                    Some(tls) => {
                        let shaken = tls.handshake(stream, peer.ip(), &refusals).await;
                        Wire::Tls(Box::new(shaken.map_err(|why| (Refusal::Tls, why))?))
                    }
                    None => Wire::Plain(stream),
                };
                admit(Entered { wire, peer, pass }).await
            };
            let late =
                (Refusal::Silent, format!("it was not done with TLS and registration in {} s", within.as_secs()));
            timeout(within, admitting).await.unwrap_or(Err(late)).map_err(|why| (peer.ip(), why))
        });
    }
}
