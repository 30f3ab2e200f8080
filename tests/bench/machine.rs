//! What the machine takes for itself: syncs of its disk, and the time of its processors.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use headroom::journal::Journal;
use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Quality, Reading, Timestamp};

/// Syncs timed at most.
const SYNCS_MAX: usize = 200;
/// A page of SQLite's log with its head, as one small append writes it.
const PAGE: [u8; 4_120] = [0x68; 4_120];
/// Of a second, in /proc: USER_HZ, the same on every Linux.
const CLOCK_TICKS: f64 = 100.0;

/// The median time of a small append, ms.
pub(crate) struct Syncs {
    /// Of a page to a plain file, with fdatasync.
    pub(crate) page_ms: f64,
    /// Of one reading to the journal.
    pub(crate) reading_ms: f64,
}

/// Measures both in `folder`, each for at most `within`.
pub(crate) async fn syncs(folder: &Path, within: Duration) -> Syncs {
    let mut file = File::create(folder.join("page")).unwrap();
    let mut page = Vec::new();
    let began = Instant::now();
    while page.len() < SYNCS_MAX && began.elapsed() < within {
        let begun = Instant::now();
        file.write_all(&PAGE).unwrap();
        file.sync_data().unwrap();
        page.push(begun.elapsed());
    }
    let mut journal = Journal::open(&folder.join("journal-alone")).await.unwrap();
    let mut reading = Vec::new();
    let began = Instant::now();
    while reading.len() < SYNCS_MAX && began.elapsed() < within {
        let power = Reading {
            point: PointKind::ActivePower,
            value: 1_000,
            quality: Quality::GOOD,
            source_time: None,
            cause: 3,
        };
        let input =
            Input::Readings { at: Timestamp::new(0), terminal: "T-0001".parse().unwrap(), readings: vec![power] };
        let begun = Instant::now();
        journal.append(&[input]).await.unwrap();
        reading.push(begun.elapsed());
    }
    Syncs { page_ms: median_ms(page), reading_ms: median_ms(reading) }
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[(times.len() - 1) / 2].as_secs_f64() * 1_000.0
}

/// Processor time of this process, and of its children that have ended, both user's and system's, s; none where there is
/// no /proc.
pub(crate) fn processors_s() -> Option<[f64; 2]> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name before may hold anything, blanks too; the third field comes behind it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: Vec<f64> = fields.split(' ').skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    let [user, system, children_user, children_system] = ticks[..] else { return None };
    Some([(user + system) / CLOCK_TICKS, (children_user + children_system) / CLOCK_TICKS])
}
