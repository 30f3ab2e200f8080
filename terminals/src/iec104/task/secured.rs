//! A TLS stream that lasts as long as the certificate behind it (IEC 62351-3).

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::TlsStream;

use super::now;
use super::wire::Stream;
use crate::iec104::access::refusals::{Refusal, Refusals};
use crate::iec104::access::tls::Standing;

/// The stream of a link over TLS. Its peer's certificate is looked at while it runs; when it is good no more, reading and
/// writing fail with the reason.
#[derive(Debug)]
pub struct Secured<S> {
    stream: TlsStream<S>,
    standing: Standing,
    next_look: Pin<Box<Sleep>>,
    /// Why it is over.
    over: Option<String>,
    peer: IpAddr,
    refusals: Arc<Refusals>,
}

impl<S: Stream> Secured<S> {
    pub(crate) fn new(stream: TlsStream<S>, standing: Standing, peer: IpAddr, refusals: &Arc<Refusals>) -> Self {
        let mut secured = Self {
            stream,
            standing,
            next_look: Box::pin(sleep(std::time::Duration::ZERO)),
            over: None,
            peer,
            refusals: Arc::clone(refusals),
        };
        secured.look();
        secured
    }

    /// The certificates of the other end, its own first.
    pub(super) fn shown(&self) -> &[CertificateDer<'static>] {
        self.stream.get_ref().1.peer_certificates().unwrap_or_default()
    }

    fn look(&mut self) {
        match self.standing.look(self.shown()) {
            Ok(good_for) => self.next_look.as_mut().reset(Instant::now() + good_for),
            Err(why) => {
                let why = format!("TLS: {why}");
                self.refusals.note(now(), self.peer, Refusal::TlsEnded, &why);
                self.over = Some(why);
            }
        }
    }

    /// Ready when the link is over, pending as long as it may go on.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.over.is_none() {
            ready!(self.next_look.as_mut().poll(cx));
            self.look();
        }
        self.over.clone().map_or(Poll::Pending, |why| Poll::Ready(io::Error::other(why)))
    }
}

impl<S: Stream> AsyncRead for Secured<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.poll_over(cx) {
            Poll::Ready(over) => Poll::Ready(Err(over)),
            Poll::Pending => Pin::new(&mut self.stream).poll_read(cx, buffer),
        }
    }
}

impl<S: Stream> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_over(cx) {
            Poll::Ready(over) => Poll::Ready(Err(over)),
            Poll::Pending => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
