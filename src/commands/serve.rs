//! `headroom serve`: the centre of a real fleet.

use std::path::Path;

use super::served::Served;
use super::{logging, stop};
use crate::api;
use crate::centre::Parts;
use crate::clock::Clock;
use crate::config::Centre;
use crate::northbound;

/// Runs the centre of a `serve.toml` until the process is told to stop.
///
/// # Errors
/// A sentence for the person who started it, before anything runs or when something could not be flushed at the end.
pub async fn run(file: &Path, accept_clock: bool) -> anyhow::Result<()> {
    logging::to_stderr("info");
    // Before anything starts, so that a signal at any time after finds somebody who listens.
    let asked = stop::asked_to_stop();
    let Centre { serve, fleet, policy, northbound } = Centre::read(file)?;
    let change = format!("as `listen` under [api] in {}", file.display());
    let listener = api::bind(serve.listen, &change).await?;
    // Before anything runs: an address that cannot be had is said at once.
    let northbound = match northbound {
        Some(config) => {
            let entrance = northbound::open(&config).await?;
            Some((config, entrance))
        }
        None => None,
    };
    let parts = Parts {
        data: serve.data,
        fleet,
        fleet_file: serve.fleet,
        policy,
        iec104: serve.iec104,
        transport: serve.transport,
        clock: if accept_clock { Clock::accepted_wall() } else { Clock::wall() },
        store: serve.store,
        journal: serve.journal,
        collection: serve.collection,
    };
    let data = parts.data.clone();
    let served = Served::start(parts, serve.operators, listener).await?;
    let northbound = northbound.map(|(config, entrance)| {
        tracing::info!(listen = %config.listen, points = config.points.len(), "northbound");
        northbound::start(&config, entrance, served.handle())
    });
    tracing::info!(api = %served.address(), data = %data.display(), "serving");
    if let Some(own) = served.own_token() {
        tracing::info!(file = %own.file.display(), "no operator is configured: this token lets one in");
    }
    let by_itself = tokio::select! {
        () = asked => false,
        () = served.ended() => true,
    };
    tracing::info!(by_itself, "stopping");
    if let Some(northbound) = northbound {
        northbound.stop().await;
    }
    let figures = served.stop().await?;
    anyhow::ensure!(
        !by_itself,
        "the centre ended by itself, which is a defect; start it again: nothing acknowledged is lost"
    );
    tracing::info!(readings = figures.readings_stored, position = %figures.stored, "stopped, everything is stored");
    Ok(())
}
