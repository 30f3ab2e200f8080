//! One terminal's memory of one stretch of time.
//!
//! **Invariant:** a file gives readings of meters only, of times that were asked for and have passed, and no batch is given to
//! the journal before the one ahead of it is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Reading, Span, TerminalId, Timestamp};
use headroom_terminals::agent::CURVE_FILE;
use headroom_terminals::iec104::asdu::causes;
use headroom_terminals::iec104::controlling::{FileAnswer, FileRequest};
use headroom_terminals::iec104::error::AsduError;
use headroom_terminals::iec104::files::{Failure, events};
use headroom_terminals::iec104::task::Ask;
use headroom_terminals::iec104::time::Zone;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::acquisition::readings;
use super::super::demand::{Line, NotAsked};
use super::schedule::{QUARTER_MS, Stretch};
use super::{AHEAD_MAX, ends, midnight};
use crate::clock::Clock;
use crate::journal::Submission;
use crate::store::{StoreError, StoreReader};

/// Readings that go to the journal at a time.
const BATCH: usize = 256;
/// For one file. Each of its words has 30 s; this is for a terminal that always says something and comes to no end.
const FETCH_WITHIN: Duration = Duration::from_secs(600);
/// A day at a time, so that a file is short and a cut costs little.
const PIECE: Span = Span::from_s(86_400);

/// Why a terminal's memory was not, or not wholly, read. Shown to the person as it stands.
#[derive(Debug, thiserror::Error)]
pub enum NotCollected {
    /// No link is configured to it.
    #[error("terminal {0} is not in the inventory")]
    Unknown(TerminalId),
    /// Its point map says that it has no load curve.
    #[error("{0}: its point map has no load_curve, so it has no memory to read")]
    NoCurve(TerminalId),
    /// Its memory is being read.
    #[error("{0}: its memory is being read; try again in a moment")]
    UnderWay(TerminalId),
    /// Nothing was asked.
    #[error("{0} was not asked: {1}")]
    NotAsked(TerminalId, NotAsked),
    /// The transfer came to no good end.
    #[error("{terminal}: its memory was not read")]
    Transfer {
        /// Which.
        terminal: TerminalId,
        /// How it ended.
        source: Failure,
    },
    /// What is stored already cannot be told, and would be stored again.
    #[error("{terminal} was not asked: what is stored of it cannot be read")]
    Store {
        /// Which.
        terminal: TerminalId,
        /// Why.
        source: StoreError,
    },
    /// It sent something else.
    #[error("{terminal}: what it sent is no record of values")]
    Content {
        /// Which.
        terminal: TerminalId,
        /// What is wrong with it.
        source: AsduError,
    },
}

/// Reads terminals' memories. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    lines: Arc<BTreeMap<TerminalId, Line>>,
    submissions: mpsc::Sender<Submission>,
    store: StoreReader,
    clock: Clock,
    /// Being asked. A link carries one file at a time.
    busy: Arc<Mutex<BTreeSet<TerminalId>>>,
}

/// A terminal that is being asked, until this is dropped.
struct Turn<'a> {
    fetcher: &'a Fetcher,
    terminal: TerminalId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.fetcher.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.terminal);
    }
}

impl Fetcher {
    pub(crate) fn new(
        lines: Arc<BTreeMap<TerminalId, Line>>,
        submissions: mpsc::Sender<Submission>,
        store: StoreReader,
        clock: Clock,
    ) -> Self {
        Self { lines, submissions, store, clock, busy: Arc::default() }
    }

    /// Those that have a memory, by their point maps.
    pub fn terminals(&self) -> Vec<TerminalId> {
        self.lines.iter().filter(|(_, line)| has_curve(line)).map(|(&terminal, _)| terminal).collect()
    }

    /// The zone of a terminal's days.
    pub fn zone(&self, terminal: TerminalId) -> Zone {
        self.lines.get(&terminal).map_or(Zone::UTC, |line| line.profile.zone())
    }

    /// Whether it is in the inventory.
    pub fn knows(&self, terminal: TerminalId) -> bool {
        self.lines.contains_key(&terminal)
    }

    /// The register that tells whether those of a midnight are there, where a terminal freezes any.
    pub fn frozen_register(&self, terminal: TerminalId) -> Option<PointKind> {
        let points = self.lines.get(&terminal)?.profile.points();
        points.iter().map(|point| point.kind).find(|kind| matches!(kind, PointKind::TariffEnergy(_)))
    }

    /// Reads what a terminal remembers after `after` up to `to` and the store lacks; what is yet to come is left out. The
    /// values are with the journal when this returns: how many. What came before a failure stays.
    ///
    /// # Errors
    /// When the terminal was not asked, refuses, or gives no whole answer.
    pub async fn fetch(&self, terminal: TerminalId, after: Timestamp, to: Timestamp) -> Result<u64, NotCollected> {
        let line = self.lines.get(&terminal).ok_or(NotCollected::Unknown(terminal))?;
        if !has_curve(line) {
            return Err(NotCollected::NoCurve(terminal));
        }
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(terminal) {
            return Err(NotCollected::UnderWay(terminal));
        }
        let _turn = Turn { fetcher: self, terminal };
        let (mut after, to, mut values) = (after, to.min(self.clock.now()), 0);
        while after < to {
            let end = after.after(PIECE).min(to);
            let octets = read(terminal, line, [after.after(Span::new(1)), end]).await?;
            let readings =
                remembered(line, &octets, after, end).map_err(|source| NotCollected::Content { terminal, source })?;
            let readings = self.lacking(terminal, readings, after, end).await?;
            values += readings.len() as u64;
            for batch in readings.chunks(BATCH) {
                self.journaled(terminal, batch.to_vec()).await?;
            }
            after = end;
        }
        Ok(values)
    }

    /// What a terminal remembers and the store lacks of a stretch, from the first to the last: quarters, and the
    /// registers of the terminal's midnight.
    pub(super) async fn wanted(
        &self,
        terminal: TerminalId,
        after: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Stretch>, NotCollected> {
        let curve = self.stored(terminal, PointKind::LoadCurve, after, to).await?;
        let mut missing: Vec<Timestamp> = ends(after, to).filter(|end| !curve.contains(end)).collect();
        if let Some((register, midnight)) = self.frozen_register(terminal).zip(midnight(after, to, self.zone(terminal)))
            && !self.stored(terminal, register, after, to).await?.contains(&midnight)
        {
            missing.push(midnight);
        }
        let (first, last) = (missing.iter().min(), missing.iter().max());
        Ok(first.zip(last).map(|(first, last)| Stretch { after: first.after(-Span::new(1)), to: *last }))
    }

    /// What is stored already is left out, so that no value is in the store twice: between the first and the last that are
    /// missing lie some that came.
    async fn lacking(
        &self,
        terminal: TerminalId,
        mut readings: Vec<Reading>,
        after: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Reading>, NotCollected> {
        let mut stored = BTreeMap::new();
        for point in readings.iter().map(|reading| reading.point).collect::<BTreeSet<_>>() {
            stored.insert(point, self.stored(terminal, point, after, to).await?);
        }
        readings.retain(|Reading { point, source_time, .. }| {
            let there = stored.get(point).zip(*source_time).is_some_and(|(stored, at)| stored.contains(&at));
            !there
        });
        Ok(readings)
    }

    /// The source times of a point's readings after `after` up to `to`.
    async fn stored(
        &self,
        terminal: TerminalId,
        point: PointKind,
        after: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeSet<Timestamp>, NotCollected> {
        // What a clock that is ahead told stands at its arrival, a little earlier than its own time.
        let readings = self.store.readings(terminal, point, after.after(-AHEAD_MAX), to.after(Span::new(1))).await;
        let readings = readings.map_err(|source| NotCollected::Store { terminal, source })?;
        Ok(readings.iter().filter_map(|reading| reading.source_time).collect())
    }

    /// Waits until a batch is on disk.
    async fn journaled(&self, terminal: TerminalId, readings: Vec<Reading>) -> Result<(), NotCollected> {
        let (told, durable) = oneshot::channel();
        let tell = move || {
            // Whoever waited may have gone.
            let _ = told.send(());
        };
        let input = Input::Readings { at: self.clock.now(), terminal, readings };
        let submission = Submission { input, durable: Some(Box::new(tell)), reply: None, received: Instant::now() };
        let stopping = || NotCollected::NotAsked(terminal, NotAsked::Stopping);
        self.submissions.send(submission).await.map_err(|_| stopping())?;
        durable.await.map_err(|_| stopping())
    }
}

fn has_curve(line: &Line) -> bool {
    line.profile.points().iter().any(|point| point.kind == PointKind::LoadCurve)
}

/// The octets of the log between two times.
async fn read(terminal: TerminalId, line: &Line, times: [Timestamp; 2]) -> Result<Vec<u8>, NotCollected> {
    let (reply, answer) = oneshot::channel();
    line.asks.try_send(Ask::Files(FileRequest::QueryLog(CURVE_FILE, times), reply)).map_err(|error| {
        let why = match error {
            TrySendError::Full(_) => NotAsked::Busy,
            TrySendError::Closed(_) => NotAsked::Stopping,
        };
        NotCollected::NotAsked(terminal, why)
    })?;
    match timeout(FETCH_WITHIN, answer).await {
        Ok(Ok(Ok(FileAnswer::Read(octets)))) => Ok(octets),
        Ok(Ok(Ok(_))) => Err(NotCollected::Transfer { terminal, source: Failure::Refused }),
        Ok(Ok(Err(source))) => Err(NotCollected::Transfer { terminal, source }),
        Ok(Err(_)) => Err(NotCollected::NotAsked(terminal, NotAsked::Stopping)),
        Err(_) => Err(NotCollected::Transfer { terminal, source: Failure::TimedOut }),
    }
}

/// The readings of a file, as soft terminals write it: in UTC, whatever the zone of the link's tags. A point has one value
/// for the end of each quarter, and midnight is one of these: what else there is, and however often, is not taken.
fn remembered(line: &Line, octets: &[u8], after: Timestamp, to: Timestamp) -> Result<Vec<Reading>, AsduError> {
    let objects = events(octets, Zone::UTC)?;
    let mut readings = readings(&line.profile, line.common_address, &objects, |_| {});
    let mut taken = BTreeSet::new();
    readings.retain_mut(|reading| {
        reading.cause = causes::FILE_TRANSFER;
        let Some(at) = reading.source_time else { return false };
        let asked = after < at && at <= to && at.get().rem_euclid(QUARTER_MS) == 0;
        // A switch's position of yesterday is no news, and must not look like one.
        let metered =
            matches!(reading.point, PointKind::LoadCurve | PointKind::ImportEnergy | PointKind::TariffEnergy(_));
        asked && metered && taken.insert((reading.point, at))
    });
    Ok(readings)
}
