//! When the process is asked to end.

use std::future::Future;
use std::time::Duration;

/// How long links may take to end before the process ends without them.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);

/// Resolves on SIGINT (Ctrl-C), SIGTERM (a service manager) or SIGHUP (the terminal is gone). From the call on, not only
/// while it is awaited, none of them ends the process by itself.
///
/// A signal that cannot be watched keeps its usual effect, which is to end the process.
#[cfg(unix)]
pub(super) fn asked_to_stop() -> impl Future<Output = ()> + Send {
    use std::task::Poll;

    use tokio::signal::unix::{SignalKind, signal};

    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let mut watched: Vec<_> = kinds
        .into_iter()
        .filter_map(|kind| {
            signal(kind).inspect_err(|error| tracing::warn!(%error, ?kind, "stop: a signal cannot be watched")).ok()
        })
        .collect();
    std::future::poll_fn(move |context| {
        // None is ready, so each was polled and wakes the task.
        let asked = watched.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if asked { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// Resolves on Ctrl-C, once awaited.
#[cfg(not(unix))]
pub(super) fn asked_to_stop() -> impl Future<Output = ()> + Send {
    async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "stop: Ctrl-C cannot be watched");
            std::future::pending::<()>().await;
        }
    }
}
