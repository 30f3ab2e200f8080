//! How the centre is: a word for anybody, figures for operators.

use std::collections::BTreeMap;

use headroom_rules::output::Alarm;
use serde::Serialize;
use warp::http::StatusCode;
use warp::reply::Response;

use super::answer::{json, ok};
use crate::centre::{self, Handle};
use crate::journal::{self, Position};

#[derive(Serialize)]
struct Public {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'static str>,
}

/// For whoever watches the process. The errors' sentences, which name files, are for operators.
///
/// Without its journal a centre does nothing. Without its store it limits on; only looking back has gaps for a while.
pub(super) fn public(handle: &Handle) -> Response {
    let journal = matches!(handle.journal_health(), journal::Health::Failing { .. }).then_some("failing");
    let store = handle.backlog.borrow().failing.is_some().then_some("failing");
    let (code, status) = match (journal, store) {
        (Some(_), _) => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
        (None, Some(_)) => (StatusCode::OK, "degraded"),
        (None, None) => (StatusCode::OK, "ok"),
    };
    json(code, &Public { status, journal, store })
}

#[derive(Serialize)]
struct Health {
    journal: Journal,
    store: Store,
    collecting: Collecting,
    links: Links,
    northbound: Northbound,
    /// Those about the centre itself that stand, or that nobody has seen.
    alarms: Vec<Alarm>,
}

#[derive(Serialize)]
struct Journal {
    state: &'static str,
    since_s: Option<u64>,
    error: Option<String>,
    /// How long the oldest batch has been waiting for the disk, ms; none while none does.
    append_age_ms: Option<u64>,
    /// Of its file, those in use.
    bytes: u64,
}

#[derive(Serialize)]
struct Store {
    stored: Position,
    waiting: usize,
    readings: u64,
    failing: Option<String>,
    /// Inputs that were applied and are not stored, most of them in the journal alone.
    behind: u64,
    /// How long ago the oldest of them came in; none while the store keeps up.
    behind_s: Option<i64>,
}

/// Meter reading from the terminals' memories.
#[derive(Serialize)]
struct Collecting {
    under_way: usize,
    waiting: usize,
    values: u64,
    failed: u64,
    given_up: u64,
    last_failure: Option<String>,
}

#[derive(Serialize)]
struct Links {
    up: usize,
    total: usize,
    /// Connections that were turned away since the start, by reason.
    refused: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Northbound {
    /// As those of the links.
    refused: BTreeMap<&'static str, u64>,
}

/// For operators.
pub(super) fn full(handle: &Handle) -> Response {
    let (state, since_s, error) = match handle.journal_health() {
        journal::Health::Good => ("good", None, None),
        journal::Health::Failing { since, error } => ("failing", Some(since.elapsed().as_secs()), Some(error)),
    };
    let append_age_ms = handle.gauge.append_age().and_then(|age| u64::try_from(age.as_millis()).ok());
    let journal = Journal { state, since_s, error, append_age_ms, bytes: handle.gauge.bytes() };
    let backlog = handle.backlog.borrow().clone();
    let store = Store {
        stored: backlog.stored,
        waiting: backlog.waiting,
        readings: backlog.readings,
        failing: backlog.failing,
        behind: handle.applied.borrow().0.saturating_sub(backlog.stored.0),
        behind_s: backlog.oldest.map(|oldest| handle.clock.now().since(oldest).s().max(0)),
    };
    let centre::Collecting { under_way, waiting, values, failed, given_up, last_failure } =
        handle.collecting.borrow().clone();
    let collecting = Collecting { under_way, waiting, values, failed, given_up, last_failure };
    let view = handle.view();
    let up = view.terminals.iter().filter(|terminal| terminal.link_up).count();
    let links = Links { up, total: view.terminals.len(), refused: handle.refusals.counts() };
    let northbound = Northbound { refused: handle.refusals_above.counts() };
    let alarms = view.alarms.iter().filter(|alarm| alarm.cause.is_of_the_centre()).cloned().collect();
    ok(&Health { journal, store, collecting, links, northbound, alarms })
}
