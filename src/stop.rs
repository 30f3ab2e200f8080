//! How a process is told to stop.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves when the process is asked to stop: Ctrl-C, SIGTERM or SIGHUP. The signals are caught from this call on, not
/// from the first poll.
pub(crate) fn asked_to_stop() -> impl Future<Output = ()> + Send {
    let caught = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(|kind| {
        signal(kind)
            .map_err(|error| tracing::warn!(%error, "a signal cannot be caught and will end the process at once"))
    });
    async move {
        let [mut interrupt, mut terminate, mut hangup] = caught.map(Result::ok);
        tokio::select! {
            () = received(&mut interrupt) => {}
            () = received(&mut terminate) => {}
            () = received(&mut hangup) => {}
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
