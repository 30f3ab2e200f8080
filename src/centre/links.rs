//! How the terminals' connections come about: dialled with or without TLS, or called by them.

use std::sync::Arc;

use headroom_terminals::iec104::LinkConfig;
use headroom_terminals::iec104::access::refusals::Refusals;
use headroom_terminals::iec104::access::tls::{Identity, Peer};
use headroom_terminals::iec104::task::{
    Address, Called, Caller, Callers, Entrance, TlsAddress, Way, Wire, Work, run_dial_in, run_link,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::acquisition::Acquisition;
use super::error::CentreError;
use crate::clock::Clock;
use crate::config::{DialInSettings, LinkEntry, Reached, Transport};

/// What is ready before anything is dialled: certificates, the socket for calls bound.
pub(super) struct Gate {
    identity: Option<Identity>,
    entrance: Option<Entrance>,
    callers: Callers,
    refusals: Arc<Refusals>,
}

impl Gate {
    pub(super) async fn open(transport: &Transport) -> Result<Self, CentreError> {
        let refusals = Arc::<Refusals>::default();
        let identity = transport.tls.clone();
        let mut entrance = None;
        if let Some(DialInSettings { listen, tls, within, access }) = &transport.dial_in {
            let listener =
                TcpListener::bind(listen).await.map_err(|source| CentreError::DialIn { listen: *listen, source })?;
            let tls = match (tls, &identity) {
                (false, _) => None,
                // Whose certificate it is shows when the terminal registers.
                (true, Some(identity)) => Some(identity.listening(None).map_err(CentreError::Tls)?),
                (true, None) => return Err(CentreError::NoCertificates),
            };
            if let Ok(listen) = listener.local_addr() {
                tracing::info!(%listen, tls = tls.is_some(), "terminals may call");
            }
            let (access, within, refusals) = (access.clone(), *within, Arc::clone(&refusals));
            entrance = Some(Entrance { listener, access, tls, within, refusals });
        }
        Ok(Self { identity, entrance, callers: Callers::default(), refusals })
    }

    /// Counts who was turned away.
    pub(super) fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.refusals)
    }

    /// How one terminal is reached.
    pub(super) fn way(&mut self, entry: &LinkEntry) -> Result<Ways, CentreError> {
        match &entry.reached {
            Reached::Dialled(addresses) => {
                let dialled = addresses.iter().map(|address| self.dialled(address, entry.tls.as_deref()));
                Ok(Ways::Dialled(dialled.collect::<Result<_, _>>()?))
            }
            Reached::Calls(registration) => {
                // Room for the one that comes while the link takes another.
                let (calls, called) = mpsc::channel(1);
                let (name, registration) = (entry.terminal.to_string(), registration.clone());
                let peers = entry.tls.clone().unwrap_or_default();
                self.callers.add(Caller { name, registration, peers, calls }).map_err(CentreError::Alike)?;
                Ok(Ways::Called(vec![Way::Calls(called)]))
            }
        }
    }

    fn dialled(&self, address: &str, peers: Option<&[Peer]>) -> Result<Way<Wire>, CentreError> {
        let address = address.to_owned();
        let Some(peers) = peers else { return Ok(Way::dial(Address(address))) };
        let identity = self.identity.as_ref().ok_or(CentreError::NoCertificates)?;
        let tls = identity.dialling(peers.to_vec()).map_err(CentreError::Tls)?;
        Ok(Way::dial(TlsAddress { address, tls, refusals: Arc::clone(&self.refusals) }))
    }

    /// Takes calls from now on.
    pub(super) fn take_calls(self, links: &mut JoinSet<()>, stop: watch::Receiver<bool>) {
        if let Some(entrance) = self.entrance {
            links.spawn(run_dial_in(entrance, self.callers, stop));
        }
    }
}

/// The ways to one terminal.
pub(super) enum Ways {
    Dialled(Vec<Way<Wire>>),
    Called(Vec<Way<Called>>),
}

impl Ways {
    /// Runs the terminal's link.
    pub(super) fn run(
        self,
        links: &mut JoinSet<()>,
        config: LinkConfig,
        work: Work,
        acquisition: Acquisition,
        stop: watch::Receiver<bool>,
    ) {
        let clock: Clock = acquisition.clock.clone();
        let wall = move || clock.now();
        match self {
            Self::Dialled(ways) => links.spawn(run_link(config, ways, work, wall, acquisition, stop)),
            Self::Called(ways) => links.spawn(run_link(config, ways, work, wall, acquisition, stop)),
        };
    }
}

/// How a terminal is reached, for people.
pub(super) fn described(entry: &LinkEntry) -> String {
    match &entry.reached {
        Reached::Dialled(addresses) => addresses.join(", "),
        Reached::Calls(_) => "calls".to_owned(),
    }
}
