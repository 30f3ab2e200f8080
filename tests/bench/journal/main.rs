//! What the journal may stand on: the SQLite file it has, `fjall`, and as a bound the same bytes appended to a plain file,
//! each with a sync for every batch.
//!
//! All of them take the same batches of readings, encode and sum them in the journal's own way, and keep them on the same disk.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod bases;
#[path = "../../../rules/benches/measure/mod.rs"]
mod measure;
#[path = "../../../src/journal/record.rs"]
mod record;
mod syncs;

use std::path::Path;
use std::time::{Duration, Instant};

use bases::{Base, Kind};
use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Quality, Reading, Timestamp};
use measure::Report;

/// Inputs of a batch, one reading each: what one link says, what a few do while the disk syncs, and all that fits.
const SIZES: [(&str, usize); 3] = [("small", 1), ("middle", 64), ("large", 1_024)];
/// Batches that are given up at once, as the journal does it.
const FORGET: usize = 256;
/// However slow the disk is.
const APPENDS_MIN: usize = 20;

fn main() {
    if let Some(asked) = syncs::asked() {
        return syncs::append_in(asked);
    }
    let ms = Duration::from_millis;
    let (repetitions, window) = if measure::quick() { (3, ms(350)) } else { (7, ms(2_000)) };
    let mut report = Report::new("journal");
    for (size, inputs) in SIZES {
        for kind in Kind::ALL {
            if let Some(each) = syncs::of_an_append(kind, inputs) {
                report.add(&format!("{size}_{}", kind.name()), "syncs_each", "syncs of an append, by strace", each);
            }
        }
    }
    for _ in 0..repetitions {
        for (size, inputs) in SIZES {
            // The bound first: what the others are held against.
            let raw = measured(Kind::Raw, inputs, window);
            tell(&mut report, size, &raw, &raw);
            for kind in [Kind::Sqlite, Kind::Fjall] {
                tell(&mut report, size, &measured(kind, inputs, window), &raw);
            }
        }
    }
    report.print();
}

/// A batch that begins with the input at `first`.
pub(crate) fn batch(first: u64, inputs: usize) -> Vec<Input> {
    let of = |n: u64| {
        let ms = 1_780_300_800_000 + i64::try_from(n).unwrap();
        // Values that change by a little and times with their milliseconds, as meters send them.
        let value = 1_000_000 + i64::try_from(n.wrapping_mul(2_654_435_761) % 400_000).unwrap();
        let reading = Reading {
            point: PointKind::ActivePower,
            value,
            quality: Quality::GOOD,
            source_time: Some(Timestamp::new(ms - 40)),
            cause: 3,
        };
        let terminal = format!("T-{:04}", n % 2_000).parse().unwrap();
        Input::Readings { at: Timestamp::new(ms), terminal, readings: vec![reading] }
    };
    (first..).take(inputs).map(of).collect()
}

struct Measured {
    kind: Kind,
    append: Appends,
    /// Bytes on disk for each byte of the batches.
    disk: f64,
    read_mb_per_s: f64,
    /// While the oldest are given up, and what the disk then holds for each byte that is kept.
    forgetting: Option<(Appends, f64)>,
}

struct Appends {
    per_s: f64,
    mb_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Appends that were made to a base.
#[derive(Default)]
struct Appended {
    /// First input of each batch.
    firsts: Vec<u64>,
    /// Of the inputs.
    end: u64,
    /// Of the batches as they are encoded.
    bytes: u64,
    /// Batches that were given up again.
    forgotten: usize,
}

fn measured(kind: Kind, inputs: usize, window: Duration) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let mut base = Base::open(kind, folder.path());
    let mut appended = Appended::default();
    let append = appends(&mut base, &mut appended, inputs, window, None);
    let disk = on_disk(folder.path()) / whole(appended.bytes);
    drop(base);
    let began = Instant::now();
    let mut base = Base::open(kind, folder.path());
    assert_eq!(base.read_back(), appended.end, "{}: all that was appended", kind.name());
    let read_mb_per_s = whole(appended.bytes) / began.elapsed().as_secs_f64() / 1e6;
    // A file that is deleted as a whole costs nothing worth a figure.
    let forgetting = (kind != Kind::Raw).then(|| {
        let keep = appended.firsts.len() / 2;
        let append = appends(&mut base, &mut appended, inputs, window, Some(keep));
        let kept = appended.firsts.len() - appended.forgotten;
        let kept = whole(appended.bytes) * whole(kept as u64) / whole(appended.firsts.len() as u64);
        (append, on_disk(folder.path()) / kept)
    });
    Measured { kind, append, disk, read_mb_per_s, forgetting }
}

/// Appends batch by batch for `window`; with `keep` only about so many stay.
fn appends(base: &mut Base, appended: &mut Appended, inputs: usize, window: Duration, keep: Option<usize>) -> Appends {
    let (before, began) = (appended.bytes, Instant::now());
    let mut took = Vec::new();
    while began.elapsed() < window || took.len() < APPENDS_MIN {
        let first = appended.end + 1;
        let batch = batch(first, inputs);
        appended.firsts.push(first);
        appended.end += inputs as u64;
        appended.bytes += record::encode(&batch).unwrap().len() as u64;
        let begun = Instant::now();
        base.append(first, &batch);
        if keep.is_some_and(|keep| appended.firsts.len() - appended.forgotten > keep + FORGET) {
            let (from, to) = (appended.forgotten, appended.forgotten + FORGET);
            base.forget(&appended.firsts[from..to], appended.firsts[to] - 1);
            appended.forgotten = to;
        }
        took.push(begun.elapsed());
    }
    // The time to make up a batch is nobody's.
    let seconds = took.iter().sum::<Duration>().as_secs_f64();
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1_000.0;
    let mb_per_s = whole(appended.bytes - before) / seconds / 1e6;
    Appends { per_s: whole(took.len() as u64) / seconds, mb_per_s, p50_ms: at(50), p99_ms: at(99) }
}

fn tell(report: &mut Report, size: &str, measured: &Measured, raw: &Measured) {
    let Measured { kind, append, disk, read_mb_per_s, forgetting } = measured;
    let group = &format!("{size}_{}", kind.name());
    let mut add = |key, what, sample| report.add(group, key, what, sample);
    add("appends_per_s", "durable appends/s", append.per_s);
    add("append_to_raw_ratio", "  to the plain file's", append.per_s / raw.append.per_s);
    add("append_mb_per_s", "  MB/s", append.mb_per_s);
    add("append_p50_ms", "one append (p50), ms", append.p50_ms);
    add("append_p99_ms", "  (p99), ms", append.p99_ms);
    add("read_back_mb_per_s", "opened and read back, decoded, MB/s", *read_mb_per_s);
    add("read_back_to_raw_ratio", "  to the plain file's", read_mb_per_s / raw.read_mb_per_s);
    add("disk_ratio", "bytes on disk for a byte of the batches", *disk);
    if let Some((while_forgetting, disk)) = forgetting {
        add(
            "forgetting_ratio",
            "appends/s while the oldest go, to those before",
            while_forgetting.per_s / append.per_s,
        );
        add("forgetting_p99_ms", "  one append (p99), ms", while_forgetting.p99_ms);
        add("forgetting_disk_ratio", "  bytes on disk for a byte that is kept", *disk);
    }
}

/// Of all files in a folder and those below.
fn on_disk(folder: &Path) -> f64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => on_disk(&entry.path()),
            // Files come and go where somebody compacts.
            _ => entry.metadata().map_or(0.0, |file| whole(std::os::unix::fs::MetadataExt::blocks(&file) * 512)),
        })
        .sum()
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn whole(count: u64) -> f64 {
    count as f64
}
