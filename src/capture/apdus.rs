//! A stream cut into APDUs. Where that fails, the next segment that begins with a sound APDU is where it goes on: the
//! octets between tell nothing of where an APDU begins.

use headroom_terminals::iec104::apci::{self, Frame};
use headroom_terminals::iec104::asdu::Asdu;
use headroom_terminals::iec104::error::FrameError;

/// The longest APDU.
const APDU_MAX: usize = 255;

/// What a stream falls into.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole frame, from 68H on.
    Apdu(&'a [u8]),
    /// From here on the stream is not of this protocol.
    Broken(FrameError),
    /// It is again, from the segment that comes now on; so many octets were skipped.
    Found { skipped: u64 },
}

/// Cuts one direction.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    buffer: Vec<u8>,
    /// Octets skipped since the stream was lost; none while it is not.
    seeking: Option<u64>,
}

/// Whether a frame is beyond doubt: 68H is `h`, too, and any text has one now and then.
pub(super) fn is_sound(octets: &[u8]) -> bool {
    let Ok(Some((frame, _))) = apci::split(octets) else { return false };
    let Some(&[_, _, _, c2, c3, c4]) = octets.first_chunk::<6>() else { return false };
    match frame {
        Frame::U(_) => [c2, c3, c4] == [0; 3],
        Frame::S { .. } => c2 == 0 && c3 & 1 == 0,
        Frame::I { asdu, .. } => c3 & 1 == 0 && Asdu::parse(asdu).is_ok_and(|asdu| asdu.is_known() && asdu.cause != 0),
    }
}

impl Cutter {
    /// The stream is not known up to here.
    pub(super) fn lose(&mut self) {
        let begun = u64::try_from(self.buffer.len()).unwrap_or(0);
        self.buffer.clear();
        self.seeking = Some(self.seeking.unwrap_or(0) + begun);
    }

    /// Gives up an APDU that is not whole; its octets so far.
    pub(super) fn give_up(&mut self) -> usize {
        let begun = self.buffer.len();
        self.buffer.clear();
        begun
    }

    /// Octets of an APDU that is not whole.
    pub(super) fn unfinished(&self) -> usize {
        self.buffer.len()
    }

    /// Octets that were skipped since the stream was lost.
    pub(super) const fn skipped(&self) -> Option<u64> {
        self.seeking
    }

    /// Takes the octets of one segment.
    pub(super) fn on_octets(&mut self, octets: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        let begun = self.buffer.len();
        self.buffer.extend_from_slice(octets);
        if let Some(skipped) = self.seeking {
            let mut candidate = self.judge();
            if candidate == Candidate::No && begun > 0 {
                // The candidate before this segment was none; the segment itself may be one.
                self.buffer.drain(..begun);
                self.seeking = Some(skipped + u64::try_from(begun).unwrap_or(0));
                candidate = self.judge();
            }
            match candidate {
                Candidate::Perhaps => return,
                Candidate::No => return self.lose(),
                Candidate::Yes => {
                    out(Piece::Found { skipped: self.seeking.take().unwrap_or(0) });
                }
            }
        }
        self.cut(out);
    }

    fn judge(&self) -> Candidate {
        match apci::split(&self.buffer) {
            Ok(Some(_)) if is_sound(&self.buffer) => Candidate::Yes,
            Ok(None) if self.buffer.len() < APDU_MAX => Candidate::Perhaps,
            _ => Candidate::No,
        }
    }

    fn cut(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        let mut rest: &[u8] = &self.buffer;
        let broken = loop {
            match apci::split(rest) {
                Ok(Some((_, length))) => {
                    let Some((apdu, after)) = rest.split_at_checked(length) else { break None };
                    out(Piece::Apdu(apdu));
                    rest = after;
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let used = self.buffer.len() - rest.len();
        self.buffer.drain(..used);
        if let Some(error) = broken {
            out(Piece::Broken(error));
            self.lose();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    Yes,
    No,
    /// Not whole yet.
    Perhaps,
}
