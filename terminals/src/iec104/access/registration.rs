//! Stations behind GPRS dial in: the modem sends a registration packet first, then heartbeats in the same stream as the
//! APDUs (a transparent DTU). No I/O.
//!
//! **Invariant:** a heartbeat is taken out between two APDUs only; not an octet inside of an APDU is touched.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::iec104::apci::START;

/// Octets of a registration packet, a heartbeat or an answer, at most.
pub const LENGTH_MAX: usize = 256;

/// What a station says of itself, and hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// The first octets of its stream, 1..=256, of no other station's and not the beginning of another's.
    pub packet: Vec<u8>,
    /// What it sends between APDUs, to keep its link open; empty where nothing. It does not begin with 68H.
    pub heartbeat: Vec<u8>,
    /// What is sent back to a registration; empty where nothing.
    pub answer: Vec<u8>,
}

/// Registrations that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Nothing to recognize it by, or too much.
    #[error("a registration of {0} octets: wanted 1 to {LENGTH_MAX}")]
    Length(usize),
    /// It could not be told from an APDU.
    #[error("a heartbeat that begins with 68H is an APDU: wanted another one")]
    HeartbeatIsApdu,
    /// More than is sensible.
    #[error("{what} of {octets} octets: wanted at most {LENGTH_MAX}")]
    TooLong {
        /// Which.
        what: &'static str,
        /// How many.
        octets: usize,
    },
}

impl Registration {
    /// Whether it can be used by itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), RegistrationError> {
        if !(1..=LENGTH_MAX).contains(&self.packet.len()) {
            return Err(RegistrationError::Length(self.packet.len()));
        }
        if self.heartbeat.first() == Some(&START) {
            return Err(RegistrationError::HeartbeatIsApdu);
        }
        for (what, octets) in [("a heartbeat", self.heartbeat.len()), ("an answer", self.answer.len())] {
            if octets > LENGTH_MAX {
                return Err(RegistrationError::TooLong { what, octets });
            }
        }
        Ok(())
    }
}

/// Who registers with what.
#[derive(Debug)]
pub struct Registry<T> {
    /// None is the beginning of another.
    packets: BTreeMap<Vec<u8>, T>,
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self { packets: BTreeMap::new() }
    }
}

/// What the first octets of a stream say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a, T> {
    /// It may yet become a registration.
    More,
    /// It is this one's, and took so many octets.
    Registered(&'a T, usize),
    /// Nobody registers with that.
    Unknown,
}

impl<T> Registry<T> {
    /// Adds a registration that was checked.
    ///
    /// # Errors
    /// Whose packet begins like this one, or is the beginning of it: nothing could tell the two apart.
    pub fn add(&mut self, packet: Vec<u8>, who: T) -> Result<(), &T> {
        let begins = |found: &[u8]| found.starts_with(&packet) || packet.starts_with(found);
        // Among packets in order, those that begin alike are neighbours.
        let clash = [self.at_most(&packet), self.at_least(&packet)]
            .into_iter()
            .flatten()
            .find_map(|(found, _)| begins(found).then(|| found.clone()));
        if let Some(clash) = clash {
            return self.packets.get(&clash).map_or(Ok(()), Err);
        }
        self.packets.insert(packet, who);
        Ok(())
    }

    fn at_most(&self, bytes: &[u8]) -> Option<(&Vec<u8>, &T)> {
        self.packets.range::<[u8], _>((Bound::Unbounded, Bound::Included(bytes))).next_back()
    }

    fn at_least(&self, bytes: &[u8]) -> Option<(&Vec<u8>, &T)> {
        self.packets.range::<[u8], _>((Bound::Included(bytes), Bound::Unbounded)).next()
    }

    /// Looks at all that a stream brought so far.
    pub fn look(&self, bytes: &[u8]) -> Found<'_, T> {
        if let Some((packet, who)) = self.at_most(bytes)
            && bytes.starts_with(packet)
        {
            return Found::Registered(who, packet.len());
        }
        match self.at_least(bytes) {
            Some((packet, _)) if packet.starts_with(bytes) => Found::More,
            _ => Found::Unknown,
        }
    }
}

/// Takes heartbeats out of a stream of APDUs.
#[derive(Clone, Debug)]
pub struct Stripper {
    heartbeat: Vec<u8>,
    at: At,
    beats: u64,
}

#[derive(Clone, Copy, Debug)]
enum At {
    /// Between two APDUs, with so many octets of a heartbeat.
    Between(usize),
    /// Before the length of an APDU.
    Length,
    /// So many octets before the end of an APDU.
    Inside(usize),
    /// Neither an APDU nor a heartbeat: whoever reads the rest will find that out.
    Foreign,
}

impl Stripper {
    /// At the beginning of a stream.
    pub const fn new(heartbeat: Vec<u8>) -> Self {
        Self { heartbeat, at: At::Between(0), beats: 0 }
    }

    /// Heartbeats taken out so far.
    pub const fn beats(&self) -> u64 {
        self.beats
    }

    /// Appends what is left of `bytes`, the next of the stream in any pieces.
    pub fn strip(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((&first, rest)) = bytes.split_first() {
            match self.at {
                At::Between(matched) if self.heartbeat.get(matched) == Some(&first) => {
                    self.at = At::Between(matched + 1);
                    if matched + 1 == self.heartbeat.len() {
                        self.at = At::Between(0);
                        self.beats += 1;
                    }
                }
                At::Between(0) if first == START => {
                    out.push(first);
                    self.at = At::Length;
                }
                At::Between(matched) => {
                    out.extend_from_slice(self.heartbeat.get(..matched).unwrap_or(&[]));
                    out.push(first);
                    self.at = At::Foreign;
                }
                At::Length => {
                    out.push(first);
                    self.at = if first == 0 { At::Between(0) } else { At::Inside(usize::from(first)) };
                }
                At::Inside(left) => {
                    let taken = left.min(bytes.len());
                    let (apdu, after) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
                    out.extend_from_slice(apdu);
                    self.at = if taken == left { At::Between(0) } else { At::Inside(left - taken) };
                    bytes = after;
                    continue;
                }
                At::Foreign => {
                    out.extend_from_slice(bytes);
                    return;
                }
            }
            bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn registry(packets: &[&str]) -> Registry<usize> {
        let mut registry = Registry::default();
        for (n, packet) in packets.iter().enumerate() {
            registry.add(packet.as_bytes().to_vec(), n).unwrap();
        }
        registry
    }

    #[test]
    fn a_registration_is_found_as_soon_as_it_is_whole_and_not_before() {
        let registry = registry(&["DTU-0001", "DTU-0002", "A", "Z9"]);
        assert_eq!(registry.look(b""), Found::More);
        assert_eq!(registry.look(b"DTU-000"), Found::More);
        assert_eq!(registry.look(b"DTU-0002h\x04"), Found::Registered(&1, 8));
        assert_eq!(registry.look(b"Abc"), Found::Registered(&2, 1));
        assert_eq!(registry.look(b"DTU-0003"), Found::Unknown);
        assert_eq!(registry.look(b"Z8"), Found::Unknown);
        assert_eq!(registry.look(b"zz"), Found::Unknown);
        assert_eq!(Registry::<u8>::default().look(b"x"), Found::Unknown);
    }

    #[test]
    fn a_registration_that_begins_like_another_is_refused_with_whose_that_is() {
        for (first, second) in [("DTU-1", "DTU-12"), ("DTU-12", "DTU-1"), ("DTU-1", "DTU-1")] {
            let mut registry = registry(&["A", first, "Z"]);
            assert_eq!(registry.add(second.as_bytes().to_vec(), 9), Err(&1), "{first} {second}");
        }
    }

    #[test]
    fn registrations_that_nothing_can_recognize_are_refused() {
        let good = Registration { packet: vec![1], heartbeat: vec![0xFE], answer: vec![] };
        assert_eq!(good.check(), Ok(()));
        let empty = Registration { packet: vec![], ..good.clone() };
        assert_eq!(empty.check(), Err(RegistrationError::Length(0)));
        let apdu = Registration { heartbeat: vec![0x68, 4], ..good.clone() };
        assert_eq!(apdu.check(), Err(RegistrationError::HeartbeatIsApdu));
        let long = Registration { answer: vec![0; 257], ..good };
        assert_eq!(long.check(), Err(RegistrationError::TooLong { what: "an answer", octets: 257 }));
    }

    #[test]
    fn what_is_neither_a_heartbeat_nor_an_apdu_is_left_for_the_session_to_refuse() {
        let mut out = Vec::new();
        Stripper::new(b"PING".to_vec()).strip(b"PIxx", &mut out);
        assert_eq!(out, b"PIxx");
        assert!(crate::iec104::apci::split(&out).is_err());
    }

    proptest! {
        #[test]
        fn any_split_of_registration_heartbeats_and_frames_gives_the_same_frames(
            heartbeat in prop::collection::vec(any::<u8>(), 1..6).prop_filter("68H", |h| h[0] != START),
            pieces in prop::collection::vec(prop_oneof![
                Just(None),
                prop::collection::vec(any::<u8>(), 4..=253).prop_map(Some),
            ], 0..12),
            cuts in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let packet = b"DTU-0007".to_vec();
            let mut registry = Registry::default();
            registry.add(packet.clone(), 7).unwrap();
            let (mut stream, mut frames, mut beats) = (packet, Vec::new(), 0);
            for piece in &pieces {
                match piece {
                    None => {
                        stream.extend_from_slice(&heartbeat);
                        beats += 1;
                    }
                    // The body may well hold the heartbeat.
                    Some(body) => {
                        let mut frame = vec![START, u8::try_from(body.len()).unwrap()];
                        frame.extend_from_slice(body);
                        stream.extend_from_slice(&frame);
                        frames.extend_from_slice(&frame);
                    }
                }
            }
            let (mut first, mut stripper, mut out) = (Some(Vec::new()), Stripper::new(heartbeat), Vec::new());
            let (mut rest, mut cuts) = (stream.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                rest = after;
                let Some(mut bytes) = first.take() else {
                    stripper.strip(piece, &mut out);
                    continue;
                };
                bytes.extend_from_slice(piece);
                match registry.look(&bytes) {
                    Found::Registered(&7, taken) => stripper.strip(&bytes[taken..], &mut out),
                    Found::More => first = Some(bytes),
                    found => panic!("{found:?}"),
                }
            }
            prop_assert_eq!(out, frames);
            prop_assert_eq!(stripper.beats(), beats);
        }
    }
}
