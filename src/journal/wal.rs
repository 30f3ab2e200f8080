//! What SQLite drops of its write-ahead log without a word.
//!
//! It reads the log up to the first frame whose sum does not fit and takes what stands behind for never written. Where
//! the machine lost its power that is right: the frames of a batch whose sync did not end. Where the disk lost a bit it
//! would drop batches that were acknowledged. The log tells the two apart: behind a batch that was being written, whose
//! own end may be there already, whole or not, there is no end of another transaction. Only a fault of the last batch
//! looks the same; then the store's position tells it, where the store had the batch.
//!
//! The format: sqlite.org/fileformat2.html, section 4.

use std::fs;
use std::io;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Of a page, unless the head says otherwise.
const PAGE: usize = 4_096;
/// Sums over words of the lesser end first; with the lowest bit set, of the greater end first.
const MAGIC: u32 = 0x377F_0682;

/// Frames behind the end that SQLite sees.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    /// Frames up to that end.
    pub(super) good: usize,
    /// Frames of this log's time behind it.
    pub(super) frames: usize,
    /// Of these, those that end a transaction.
    pub(super) commits: usize,
}

/// What lies behind the first bad frame of the log at `path`; none where all of it is good or was never finished.
pub(super) fn beyond(path: &Path) -> io::Result<Option<Beyond>> {
    match fs::read(path) {
        Ok(log) => Ok(examine(&log)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn examine(log: &[u8]) -> Option<Beyond> {
    let (header, frames) = log.split_at_checked(HEADER)?;
    let magic = word(header, 0)?;
    let little = magic == MAGIC;
    let mut sum = summed((0, 0), header.get(..24)?, little);
    let mut found = Beyond { good: 0, frames: 0, commits: 0 };
    if magic & !1 != MAGIC || (word(header, 24)?, word(header, 28)?) != sum {
        // With such a head SQLite sees nothing of the log at all.
        found.frames = frames.len() / (FRAME_HEADER + PAGE);
        found.commits = found.frames;
        return (found.frames > 0).then_some(found);
    }
    let page = usize::try_from(word(header, 8)?).ok().filter(|size| (512..=65_536).contains(size))?;
    let salts = header.get(16..24)?;
    let mut ended = false;
    let mut others = false;
    for frame in frames.chunks_exact(FRAME_HEADER + page) {
        let (head, data) = frame.split_at_checked(FRAME_HEADER)?;
        // One of an earlier time: the log begins anew from its start each time it was written back.
        if head.get(8..16)? != salts {
            ended = true;
            continue;
        }
        if !ended {
            sum = summed(summed(sum, head.get(..8)?, little), data, little);
            if (word(head, 16)?, word(head, 20)?) == sum {
                found.good += 1;
                continue;
            }
            ended = true;
        }
        let commits = word(head, 4)? != 0;
        // The first end is that of the batch with the fault: a process that is killed may leave the head of a frame
        // without its page.
        others |= commits && found.commits > 0;
        found.frames += 1;
        found.commits += usize::from(commits);
    }
    others.then_some(found)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn summed((mut one, mut two): (u32, u32), bytes: &[u8], little: bool) -> (u32, u32) {
    let read = if little { u32::from_le_bytes } else { u32::from_be_bytes };
    for pair in bytes.chunks_exact(8) {
        let (Some(&low), Some(&high)) = (pair.first_chunk::<4>(), pair.last_chunk::<4>()) else { break };
        one = one.wrapping_add(read(low)).wrapping_add(two);
        two = two.wrapping_add(read(high)).wrapping_add(one);
    }
    (one, two)
}
