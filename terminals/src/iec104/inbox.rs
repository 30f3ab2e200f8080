//! A stream cut into APDUs, for both stations. No I/O.
//!
//! What came is read where it stands. Only the beginning of an APDU that a read ended in is kept, and its end is put to it:
//! never more than one APDU is copied, and a link that waits keeps no more room than that.

use super::apci::{self, APDU_MAX, Frame};
use super::error::FrameError;

/// The beginning of an APDU whose end has not come.
#[derive(Debug, Default)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    /// Hands over each whole APDU with its octets for as long as `take` wants more; what it does not want is dropped.
    /// An error comes last, with up to 255 octets from where it is.
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(Result<Frame<'_>, FrameError>, &[u8]) -> bool,
    ) {
        let begun = self.0.len();
        if begun > 0 {
            self.0.extend_from_slice(up_to(bytes, APDU_MAX.saturating_sub(begun)));
            let more = match apci::split(&self.0) {
                Ok(None) => return,
                Ok(Some((frame, taken))) => {
                    bytes = bytes.get(taken.saturating_sub(begun)..).unwrap_or(&[]);
                    take(Ok(frame), up_to(&self.0, taken))
                }
                Err(error) => {
                    take(Err(error), &self.0);
                    false
                }
            };
            self.0.clear();
            if !more {
                return;
            }
        }
        loop {
            match apci::split(bytes) {
                Ok(None) => return self.0.extend_from_slice(bytes),
                Ok(Some((frame, taken))) => {
                    let (apdu, after) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
                    bytes = after;
                    if !take(Ok(frame), apdu) {
                        return;
                    }
                }
                Err(error) => {
                    take(Err(error), up_to(bytes, APDU_MAX));
                    return;
                }
            }
        }
    }

    /// Octets that wait for the rest of theirs, and the room that is kept for them.
    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.0.len(), self.0.capacity())
    }
}

fn up_to(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}
