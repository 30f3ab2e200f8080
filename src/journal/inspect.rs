//! A journal as people look at it: read-only, beside a running centre or without one, and of no use to the centre itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use headroom_rules::input::Input;
use headroom_rules::model::Timestamp;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::files::{FILE, WAL_FILE, connect_for_reading, fault};
use super::read::{Gap, check, gaps};
use super::sqlite::{FORMAT, bytes};
use super::{JournalError, Position, Snapshot, snapshot, wal};

/// A journal that is looked into.
#[derive(Debug)]
pub struct Inspector {
    folder: PathBuf,
    file: PathBuf,
    connection: SqliteConnection,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// First position that is concerned; 0 where that cannot be told.
    pub position: Position,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// What there is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// The first position that is kept; none in an empty journal.
    pub first: Option<Position>,
    /// The last one.
    pub last: Option<Position>,
    /// Time of the first input.
    pub from: Option<Timestamp>,
    /// Time of the last one.
    pub to: Option<Timestamp>,
    /// Batches, each synced once.
    pub batches: u64,
    /// Inputs that can be read.
    pub inputs: u64,
    /// Readings in them.
    pub readings: u64,
    /// Inputs by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Bytes of the batches.
    pub batch_bytes: u64,
    /// Bytes of the file that are in use.
    pub used_bytes: u64,
    /// Batches that nobody needs who starts from the older snapshot, and their bytes: what retention may give up.
    pub free_batches: u64,
    /// Their bytes.
    pub free_bytes: u64,
    /// Snapshots, newest first.
    pub snapshots: Vec<SnapshotStats>,
    /// Positions that were lost.
    pub gaps: Vec<Gap>,
    /// What is damaged now.
    pub damaged: Vec<Finding>,
}

/// A snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotStats {
    /// It holds the state after this input.
    pub position: Position,
    /// SHA-256 of that state, as it was saved.
    pub hash: Option<String>,
    /// Its bytes; none when it is damaged.
    pub bytes: Option<usize>,
}

/// What a look goes over: everything in order, the damaged as well.
enum Seen {
    Batch { first: Position, bytes: usize, inputs: Vec<Input> },
    Damaged(Finding),
}

impl Inspector {
    /// Opens the journal in `folder`.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or it is of another format.
    pub async fn open(folder: &Path) -> Result<Self, JournalError> {
        let file = folder.join(FILE);
        if !file.is_file() {
            return Err(JournalError::Absent { folder: folder.to_owned() });
        }
        let mut connection = connect_for_reading(&file).await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut connection)
            .await
            .map_err(|source| fault(&file, "read the journal's format", Position::START, source))?;
        match found {
            FORMAT => Ok(Self { folder: folder.to_owned(), file, connection }),
            ..FORMAT => Err(JournalError::Older { file, found, known: FORMAT }),
            _ => Err(JournalError::Newer { file, found, known: FORMAT }),
        }
    }

    /// The times of the first input that is kept and of the last one; none in an empty journal.
    ///
    /// # Errors
    /// When the file cannot be read, or its first or last batch is damaged.
    pub async fn times(&mut self) -> Result<Option<(Timestamp, Timestamp)>, JournalError> {
        let ends: (Option<i64>, Option<i64>) = sqlx::query_as("SELECT min(first), max(first) FROM batch")
            .fetch_one(&mut self.connection)
            .await
            .map_err(|source| fault(&self.file, "look for the journal's ends", Position::START, source))?;
        let (Some(first), Some(last)) = ends else { return Ok(None) };
        let (first, last) = (Position::from_column(first), Position::from_column(last));
        let (mut from, mut to) = (None, None);
        self.dump(first, first, |_, input| from.replace(input.at()).is_none()).await?;
        self.dump(last, Position(u64::MAX), |_, input| {
            to = Some(input.at());
            true
        })
        .await?;
        Ok(from.zip(to))
    }

    /// The snapshots, newest first, the damaged ones too.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn snapshots(&mut self) -> Result<Vec<Snapshot>, JournalError> {
        let loaded = snapshot::load(&mut self.connection).await;
        loaded.map_err(|source| fault(&self.file, "read the snapshots", Position::START, source))
    }

    /// Everything that is damaged, in order; nothing in a whole journal. Gaps on record are no damage.
    ///
    /// # Errors
    /// When the file cannot be read for another reason than damage.
    pub async fn verify(&mut self) -> Result<Vec<Finding>, JournalError> {
        Ok(self.stats().await?.damaged)
    }

    /// What there is, after a look at all of it.
    ///
    /// # Errors
    /// When the file cannot be read for another reason than damage.
    pub async fn stats(&mut self) -> Result<Stats, JournalError> {
        let mut stats = Stats::default();
        let mut sizes = Vec::new();
        self.each(Position::START, |seen| {
            match seen {
                Seen::Damaged(finding) => stats.damaged.push(finding),
                Seen::Batch { first, bytes, inputs } => {
                    stats.first.get_or_insert(first);
                    stats.from = stats.from.or_else(|| inputs.first().map(Input::at));
                    stats.to = inputs.last().map(Input::at).or(stats.to);
                    let last = Position(first.0.saturating_add(inputs.len() as u64).saturating_sub(1));
                    stats.last = Some(last);
                    stats.batches += 1;
                    stats.batch_bytes += bytes as u64;
                    stats.inputs += inputs.len() as u64;
                    sizes.push((last, bytes as u64));
                    for input in &inputs {
                        stats.readings += input.readings() as u64;
                        *stats.kinds.entry(kind(input)).or_default() += 1;
                    }
                }
            }
            true
        })
        .await?;
        self.look_at_snapshots(&mut stats).await?;
        let older = stats.snapshots.get(1).map(|snapshot| snapshot.position);
        // The last batch stays in any case.
        sizes.pop();
        for (_, bytes) in sizes.iter().filter(|(last, _)| older.is_some_and(|older| *last <= older)) {
            stats.free_batches += 1;
            stats.free_bytes += bytes;
        }
        self.look_at_pages(&mut stats).await?;
        let beyond = wal::beyond(&self.folder.join(WAL_FILE));
        if let Ok(Some(beyond)) = beyond {
            let position = stats.last.map_or(Position(1), |last| last.plus(1));
            let what = format!(
                "{WAL_FILE}: frame {} is damaged, and behind it lie {} frames that SQLite does not see",
                beyond.good + 1,
                beyond.frames
            );
            stats.damaged.push(Finding { position, what });
        }
        Ok(stats)
    }

    /// SQLite's own look: pages that no input lies in may be damaged too, and the next append would find them.
    async fn look_at_pages(&mut self, stats: &mut Stats) -> Result<(), JournalError> {
        let query = sqlx::query_scalar::<_, String>("PRAGMA quick_check(20)");
        match query.fetch_all(&mut self.connection).await {
            Ok(said) => {
                let said = said.iter().flat_map(|said| said.lines()).filter(|line| *line != "ok");
                stats.damaged.extend(said.map(|line| Finding { position: Position::START, what: line.to_owned() }));
            }
            Err(source) => stats.damaged.push(self.finding("check the pages", Position::START, source)?),
        }
        Ok(())
    }

    async fn look_at_snapshots(&mut self, stats: &mut Stats) -> Result<(), JournalError> {
        match snapshot::load(&mut self.connection).await {
            Ok(snapshots) => {
                for found in snapshots {
                    let hash = found.hash.map(|hash| hash.to_string());
                    let bytes = found.state.as_ref().ok().map(Vec::len);
                    stats.snapshots.push(SnapshotStats { position: found.position, hash, bytes });
                    if let Err(why) = found.state {
                        let what = format!("the snapshot is damaged: {why}");
                        stats.damaged.push(Finding { position: found.position, what });
                    }
                }
            }
            Err(source) => stats.damaged.push(self.finding("read the snapshots", Position::START, source)?),
        }
        match gaps(&mut self.connection).await {
            Ok(gaps) => stats.gaps = gaps,
            Err(source) => stats.damaged.push(self.finding("read the gaps", Position::START, source)?),
        }
        match bytes(&mut self.connection).await {
            Ok(used) => stats.used_bytes = used,
            Err(source) => stats.damaged.push(self.finding("measure the file", Position::START, source)?),
        }
        Ok(())
    }

    /// Calls `each` with the inputs from `from` to `to` in order, until it says that it wants no more; damage on the way
    /// ends it.
    ///
    /// # Errors
    /// The damage, or that the file cannot be read.
    pub async fn dump(
        &mut self,
        from: Position,
        to: Position,
        mut each: impl FnMut(Position, &Input) -> bool,
    ) -> Result<(), JournalError> {
        let mut damage = None;
        self.each(from, |seen| match seen {
            Seen::Batch { first, inputs, .. } => {
                let wanted = (first.0..).map(Position).zip(&inputs);
                let mut wanted = wanted.filter(|(position, _)| *position >= from);
                wanted.all(|(position, input)| position <= to && each(position, input))
            }
            Seen::Damaged(finding) if finding.position <= to => {
                damage = Some(finding);
                false
            }
            Seen::Damaged(_) => false,
        })
        .await?;
        match damage {
            Some(Finding { position, what }) => {
                Err(JournalError::Damaged { file: self.file.clone(), position, why: what })
            }
            None => Ok(()),
        }
    }

    /// Goes over all batches from the one that holds `from`.
    async fn each(&mut self, from: Position, mut each: impl FnMut(Seen) -> bool) -> Result<(), JournalError> {
        let known = gaps(&mut self.connection).await.unwrap_or_default();
        let mut wanted: Option<Position> = None;
        let query = sqlx::query(
            "SELECT first, count, crc, bytes FROM batch
             WHERE first >= coalesce((SELECT max(first) FROM batch WHERE first <= ?1), 0) ORDER BY first",
        )
        .bind(from.column());
        let mut rows = query.fetch(&mut self.connection);
        loop {
            let row = match rows.try_next().await {
                Ok(None) => return Ok(()),
                Ok(Some(row)) => row,
                Err(source) => {
                    drop(rows);
                    let position = wanted.unwrap_or(from);
                    each(Seen::Damaged(self.finding("read on", position, source)?));
                    return Ok(());
                }
            };
            let first = Position::from_column(row.try_get("first").unwrap_or_default());
            let jumped = known.iter().any(|gap| gap.last.plus(1) == first);
            if let Some(wanted) = wanted.filter(|wanted| *wanted != first && !jumped) {
                let what = format!("the inputs before position {first} are missing");
                if !each(Seen::Damaged(Finding { position: wanted, what })) {
                    return Ok(());
                }
            }
            let bytes = row.try_get::<&[u8], _>("bytes").map_or(0, <[u8]>::len);
            let (seen, count) = match check(&row, first) {
                Ok(inputs) => {
                    let count = inputs.len() as u64;
                    (Seen::Batch { first, bytes, inputs }, count)
                }
                Err(why) => {
                    let count = row.try_get::<i64, _>("count").ok().and_then(|count| u64::try_from(count).ok());
                    let what = format!("the batch is damaged: {why}");
                    (Seen::Damaged(Finding { position: first, what }), count.unwrap_or(1))
                }
            };
            wanted = Some(first.plus(count));
            if !each(seen) {
                return Ok(());
            }
        }
    }

    fn finding(&self, doing: &'static str, position: Position, source: sqlx::Error) -> Result<Finding, JournalError> {
        match fault(&self.file, doing, position, source) {
            JournalError::Damaged { position, why, .. } => Ok(Finding { position, what: why }),
            other => Err(other),
        }
    }
}

/// As people name it.
pub(crate) const fn kind(input: &Input) -> &'static str {
    match input {
        Input::Started { .. } => "started",
        Input::Inventory { .. } => "inventory",
        Input::Policy { .. } => "policy",
        Input::Link { .. } => "link",
        Input::Readings { .. } => "readings",
        Input::Outcome { .. } => "outcome",
        Input::Request { .. } => "request",
        Input::Parameters { .. } => "parameters",
        Input::Told { .. } => "told",
        Input::Trouble { .. } => "trouble",
        Input::Tick { .. } => "tick",
    }
}
