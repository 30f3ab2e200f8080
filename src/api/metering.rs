//! Meter reading: how complete a day is, and the frozen registers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headroom_rules::model::{Span, TerminalId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;
use warp::http::StatusCode;
use warp::reply::Response;

use super::Api;
use super::answer::{Fault, ok};
use super::looking::DAY_MS;
use super::params::Params;
use super::reading::{Pairs, terminal_id};
use crate::centre::{Handle, midnight};
use crate::store::{Completeness, StoreError};

/// A list of completeness is kept so many times as long as it took to find, so that those who look at it, however many they
/// are, take a small part of what the store can do.
const KEPT_TIMES: u32 = 20;
/// Most lists that are kept, one for each day.
const KEPT_MAX: usize = 8;
/// Most midnights in one answer: a year and a little.
const MIDNIGHTS_MAX: i64 = 400;

/// How complete a day of one terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfTerminal {
    pub(crate) terminal: TerminalId,
    #[serde(flatten)]
    pub(crate) completeness: Completeness,
}

/// How complete a day is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Day {
    /// Its date in the supply's zone.
    pub(crate) day: String,
    pub(crate) begin: Timestamp,
    /// Of all quarters that have ended, how many are there and good, in hundredths of a percent, rounded down; none while
    /// there is none.
    pub(crate) rate_e4: Option<u16>,
    pub(crate) terminals: Vec<OfTerminal>,
}

impl Day {
    fn new(begin: Timestamp, day: String, terminals: Vec<OfTerminal>) -> Self {
        let sum = |of: fn(&Completeness) -> u16| terminals.iter().map(|one| u64::from(of(&one.completeness))).sum();
        let (expected, good): (u64, u64) = (sum(|one| one.expected), sum(|one| one.read + one.late + one.filled));
        let rate_e4 = (good * 10_000).checked_div(expected).and_then(|rate| u16::try_from(rate).ok());
        Self { day, begin, rate_e4, terminals }
    }
}

/// The lists of all terminals that were made last. Who comes while one is being made waits for it.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Vec<Found>>);

#[derive(Debug)]
struct Found {
    day: Arc<Day>,
    at: Instant,
    took: Duration,
}

impl Kept {
    async fn get(&self, handle: &Handle, begin: Timestamp) -> Result<Arc<Day>, StoreError> {
        let mut kept = self.0.lock().await;
        kept.retain(|Found { at, took, .. }| at.elapsed() < took.saturating_mul(KEPT_TIMES));
        if let Some(Found { day, .. }) = kept.iter().find(|found| found.day.begin == begin) {
            return Ok(Arc::clone(day));
        }
        let started = Instant::now();
        let day = Arc::new(of(handle, begin, &handle.fetcher.terminals()).await?);
        if kept.len() >= KEPT_MAX {
            kept.remove(0);
        }
        kept.push(Found { day: Arc::clone(&day), at: Instant::now(), took: started.elapsed() });
        Ok(day)
    }

    /// Something was fetched: whoever asked for that wants to see it.
    pub(super) async fn forget(&self) {
        self.0.lock().await.clear();
    }
}

async fn of(handle: &Handle, begin: Timestamp, wanted: &[TerminalId]) -> Result<Day, StoreError> {
    let mut terminals = Vec::with_capacity(wanted.len());
    for &terminal in wanted {
        let midnight = midnight(begin, begin.after(Span::new(DAY_MS)), handle.fetcher.zone(terminal));
        let frozen = handle.fetcher.frozen_register(terminal).zip(midnight);
        let completeness = handle.store.completeness(terminal, begin, handle.clock.now(), frozen).await?;
        terminals.push(OfTerminal { terminal, completeness });
    }
    Ok(Day::new(begin, begin.after(handle.utc_offset).date(), terminals))
}

/// How complete the load curves and registers of a day are: of all terminals that have a memory, or of one.
pub(super) async fn completeness(api: &Api, pairs: Pairs) -> Result<Response, Fault> {
    let params = Params::parse(pairs, &["day", "terminal"])?;
    let (now, offset) = (api.handle.clock.now(), api.handle.utc_offset);
    let local_day = match params.text("day") {
        None => now.after(offset).get().div_euclid(DAY_MS),
        Some(text) => Timestamp::day_of_date(text)
            .ok_or_else(|| Fault::bad_request(format!("day = \"{text}\": wanted a date, as \"2026-01-31\"")))?,
    };
    let begin = Timestamp::new(local_day.saturating_mul(DAY_MS)).after(-offset);
    Ok(match params.text("terminal").map(|id| known(api, id)).transpose()? {
        None => ok(&*api.completeness.get(&api.handle, begin).await?),
        Some(terminal) => ok(&of(&api.handle, begin, &[terminal]).await?),
    })
}

/// A terminal of the inventory.
fn known(api: &Api, id: &str) -> Result<TerminalId, Fault> {
    let terminal = terminal_id(id)?;
    if api.handle.fetcher.knows(terminal) {
        return Ok(terminal);
    }
    Err(Fault::new(StatusCode::NOT_FOUND, format!("terminal {terminal} is not in the inventory")))
}

/// A terminal's registers as it froze them, at midnight or on the first of the month of its zone.
pub(super) async fn registers(api: &Api, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let terminal = known(api, id)?;
    let params = Params::parse(pairs, &["of", "from", "to"])?;
    let (monthly, days) = match params.text("of") {
        None | Some("day") => (false, 31),
        Some("month") => (true, MIDNIGHTS_MAX),
        Some(other) => return Err(Fault::bad_request(format!("of = \"{other}\": wanted \"day\" or \"month\""))),
    };
    let now = api.handle.clock.now().get();
    let to = params.number("to", now, &(0..=i64::MAX))?;
    let from = params.number("from", to.saturating_sub(days * DAY_MS).max(0), &(0..=i64::MAX))?;
    if from > to || to.saturating_sub(from) / DAY_MS > MIDNIGHTS_MAX {
        let sentence = format!("from = {from}, to = {to}: wanted from before to, and at most {MIDNIGHTS_MAX} days");
        return Err(Fault::bad_request(sentence));
    }
    let offset = Span::from_s(i64::from(api.handle.fetcher.zone(terminal).offset_minutes) * 60);
    let local = |at: i64| at.saturating_add(offset.get());
    let (first, last) = (local(from.saturating_sub(1)).div_euclid(DAY_MS) + 1, local(to).div_euclid(DAY_MS));
    let times: Vec<Timestamp> = (first..=last)
        .map(|day| Timestamp::new(day.saturating_mul(DAY_MS)))
        .filter(|at| !monthly || at.date().ends_with("-01"))
        .map(|at| at.after(-offset))
        .collect();
    let registers = api.handle.store.frozen_registers(terminal, &times).await?;
    Ok(ok(&json!({ "from": from, "to": to, "registers": registers })))
}
