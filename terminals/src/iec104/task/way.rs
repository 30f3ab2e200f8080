//! How a link's connections come about.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::now;
use super::wire::{Stream, Wire};
use crate::iec104::access::refusals::{NOBODY, Refusal, Refusals};
use crate::iec104::access::tls;

/// An attempt to connect: the stream, or why there is none.
pub type Dialling<S> = Pin<Box<dyn Future<Output = Result<S, String>> + Send>>;

/// Connects to one address.
pub trait Dial<S>: Send + 'static {
    /// Begins an attempt; it is given up after t0.
    fn dial(&self) -> Dialling<S>;
    /// Whom it dials, for people.
    fn address(&self) -> &str;
}

/// A connection that a station began.
#[derive(Debug)]
pub struct Call<S> {
    /// What carries it.
    pub stream: S,
    /// Where it comes from, for people.
    pub peer: String,
}

/// Where connections to a station come from.
pub enum Way<S> {
    /// We dial, again and again.
    Dial(Box<dyn Dial<S>>),
    /// The station calls; each call takes the place of the one before.
    Calls(mpsc::Receiver<Call<S>>),
}

impl<S: Stream> Way<S> {
    /// We dial.
    pub fn dial(dial: impl Dial<S>) -> Self {
        Self::Dial(Box::new(dial))
    }
}

async fn connect(address: &str) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| format!("TCP_NODELAY: {error}"))?;
    Ok(stream)
}

/// Dials `host:port`.
#[derive(Clone, Debug)]
pub struct Address(pub String);

impl Dial<Wire> for Address {
    fn dial(&self) -> Dialling<Wire> {
        let Self(address) = self.clone();
        Box::pin(async move { connect(&address).await.map(Wire::Plain) })
    }
    fn address(&self) -> &str {
        &self.0
    }
}

/// Dials an address, then shakes hands.
#[derive(Clone)]
pub struct TlsAddress {
    /// `host:port`.
    pub address: String,
    /// With whose certificate.
    pub tls: tls::Dialling,
    /// Where handshakes that fail are counted.
    pub refusals: Arc<Refusals>,
}

impl Dial<Wire> for TlsAddress {
    fn dial(&self) -> Dialling<Wire> {
        let Self { address, tls, refusals } = self.clone();
        Box::pin(async move {
            let stream = connect(&address).await?;
            let peer = stream.peer_addr().map_or(NOBODY, |peer| peer.ip());
            let shaken = tls.handshake(stream, peer, &refusals).await;
            shaken
                .map(|secured| Wire::Tls(Box::new(secured)))
                .inspect_err(|why| refusals.note(now(), peer, Refusal::TlsDialled, why))
        })
    }
    fn address(&self) -> &str {
        &self.address
    }
}

/// Registers on each connection, as a modem does before it carries APDUs.
pub struct Registering {
    /// Whom it dials.
    pub dial: Box<dyn Dial<Wire>>,
    /// What it says first.
    pub packet: Vec<u8>,
    /// What has to come back before anything else; nothing where empty.
    pub answer: Vec<u8>,
}

impl Dial<Wire> for Registering {
    fn dial(&self) -> Dialling<Wire> {
        let (dialling, packet, answer) = (self.dial.dial(), self.packet.clone(), self.answer.clone());
        Box::pin(async move {
            let mut wire = dialling.await?;
            let mut came = vec![0; answer.len()];
            let registering = async {
                wire.write_all(&packet).await?;
                wire.flush().await?;
                wire.read_exact(&mut came).await
            };
            registering.await.map_err(|error| format!("registration: {error}"))?;
            if came == answer { Ok(wire) } else { Err("registration: it was not answered as configured".to_owned()) }
        })
    }
    fn address(&self) -> &str {
        self.dial.address()
    }
}
