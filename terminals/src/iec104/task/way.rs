//! How a link's connections come about.

use std::future::Future;
use std::pin::Pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::wire::{Stream, Wire};
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

/// Dials `host:port`.
#[derive(Clone, Debug)]
pub struct Address(pub String);

impl Dial<Wire> for Address {
    fn dial(&self) -> Dialling<Wire> {
        let Self(address) = self.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(address.as_str()).await.map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| format!("TCP_NODELAY: {error}"))?;
            Ok(Wire::Plain(stream))
        })
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
}

impl Dial<Wire> for TlsAddress {
    fn dial(&self) -> Dialling<Wire> {
        let Self { address, tls } = self.clone();
        Box::pin(async move {
            let Wire::Plain(stream) = Address(address).dial().await? else { return Err("not dialled".to_owned()) };
            tls.handshake(stream).await
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
