//! Bytes in and out of a stream, without a buffer for each link.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::secured::Secured;

/// Most octets of one read.
const READ_SIZE: usize = 16 * 1024;
/// For the last words of a link that is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// What carries a link.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Hands over what has come, none of it at the end of the stream. The octets stand on the stack: a link that waits keeps
/// no room for them.
pub(super) fn poll_read<S: Stream>(
    stream: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(io::Result<&[u8]>),
) -> Poll<()> {
    let mut room = [const { MaybeUninit::uninit() }; READ_SIZE];
    let mut buffer = ReadBuf::uninit(&mut room);
    Pin::new(stream).poll_read(cx, &mut buffer).map(|read| take(read.map(|()| buffer.filled())))
}

/// Writes all of it. A peer that does not read for `within` (t1) would break t1 anyway.
///
/// # Errors
/// Why the link is over.
pub(super) async fn write<S: Stream>(stream: &mut S, bytes: &[u8], within: Duration) -> Result<(), String> {
    let writing = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match timeout(within, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("write: {error}")),
        Err(_) => Err("write: the peer takes no bytes within t1".to_owned()),
    }
}

/// Ends the stream in order where that can be done soon.
pub(super) async fn farewell<S: Stream>(stream: &mut S) {
    let _ = timeout(FAREWELL, stream.shutdown()).await;
}

/// As [`farewell`], as far as that can be done now: nobody else has to wait.
pub(super) async fn farewell_now<S: Stream>(stream: &mut S) {
    poll_fn(|cx| {
        let _ = Pin::new(&mut *stream).poll_shutdown(cx);
        Poll::Ready(())
    })
    .await;
}

/// The stream of a real link.
#[derive(Debug)]
pub enum Wire {
    /// As it is.
    Plain(TcpStream),
    /// By IEC 62351-3.
    Tls(Box<Secured<TcpStream>>),
}

impl Wire {
    /// The certificates of the other end, its own first; none without TLS.
    pub(super) fn shown(&self) -> &[CertificateDer<'static>] {
        match self {
            Self::Plain(_) => &[],
            Self::Tls(stream) => stream.shown(),
        }
    }
}

macro_rules! carried {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire.get_mut() {
            Wire::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Wire::Tls(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        carried!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        carried!(self, stream => stream.poll_write(cx, bytes))
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self, stream => stream.poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self, stream => stream.poll_shutdown(cx))
    }
}
