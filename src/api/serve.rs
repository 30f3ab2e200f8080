//! The sockets: bounded in number, and each in time until it is known who calls.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::door::{Door, Entry};
use super::routes::routes;
use super::strangers::{STRANGERS_MAX, Strangers};
use super::view_text::ViewText;
use super::{Api, Operators};
use crate::centre::Handle;

/// Most connections of those who were let in, at the same time; the next ones wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// From the connection, or from the answer before, to the end of a request's headers. Consoles ask twice a second.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Most bytes of a request's first line and headers.
const HEADERS_MAX: usize = 16 * 1024;
/// How long what is in flight at a stop may take.
const FINISH_WITHIN: Duration = Duration::from_secs(2);
/// Pause when the system gives no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Binds the API's address. `change` says where another one is set, as "with --listen".
///
/// # Errors
/// A sentence for the person who started the centre.
pub async fn bind(address: SocketAddr, change: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let port = address.port();
        let sentence = match error.kind() {
            ErrorKind::AddrInUse => format!(
                "the API's address {address} is in use by another process; stop that one (`ss -ltnp 'sport = :{port}'` \
                 shows it) or set another {change}"
            ),
            ErrorKind::AddrNotAvailable => {
                format!("the API's address {address} is none of this machine's; set another {change}")
            }
            _ => format!("the API's address {address} cannot be used: {error}; set another {change}"),
        };
        io::Error::new(error.kind(), sentence)
    })
}

/// Serves the API until `stop` turns true or its sender is gone: nothing more is then accepted, and what is in flight has
/// 2 s to finish. It ends then, whoever is still connected.
pub async fn serve(listener: TcpListener, handle: Handle, operators: Operators, mut stop: watch::Receiver<bool>) {
    let api = Arc::new(Api { handle, completeness: Default::default(), view_text: ViewText::default() });
    let service = TowerToHyperService::new(warp::service(routes(Arc::clone(&api))));
    let door = Arc::new(Door::new(api, operators));
    let strangers = Arc::new(Strangers::default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => {
                // One that was cut had to make room.
                if let Err(error) = ended
                    && !error.is_cancelled()
                {
                    tracing::error!(%error, "a connection of the API ended by a fault of the centre");
                }
            }
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX + STRANGERS_MAX => {
                let (stream, from) = match accepted {
                    Ok(accepted) => accepted,
                    // The caller was gone before it was accepted.
                    Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => continue,
                    Err(error) => {
                        tracing::error!(%error, "the API cannot accept connections");
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let (door, service) = (Arc::clone(&door), service.clone());
                let number = strangers.number();
                let waiting = Arc::clone(&strangers);
                let answer = service_fn(move |request| {
                    let entry = door.enter(from, request);
                    if matches!(entry, Entry::Admitted(_)) {
                        waiting.admit(number);
                    }
                    let service = service.clone();
                    async move {
                        match entry {
                            Entry::Admitted(request) => service.call(request).await,
                            Entry::Answered(answer) => Ok(answer),
                        }
                    }
                });
                let task = connections.spawn(connection(stream, from, answer, stop.clone()));
                strangers.arrive(number, from.ip(), task);
            }
        }
    }
    drop(listener);
    let finished = timeout(FINISH_WITHIN, async { while connections.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!(connections = connections.len(), "connections of the API are cut: not finished in time");
        connections.shutdown().await;
    }
}

async fn connection<S>(stream: TcpStream, from: SocketAddr, service: S, mut stop: watch::Receiver<bool>)
where
    S: HttpService<Incoming, Error = Infallible>,
    S::ResBody: 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // An answer in several segments is not to wait for acknowledgements.
    stream.set_nodelay(true).ok();
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .max_header_size(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection of the API broke off");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stop| *stop).await.ok();
}
