//! File transfer (60870-5-101, 7.4.11), for both stations and both directions: who has the file is the [`Sender`], who
//! wants it the [`Receiver`]. No I/O, no clock: `on` takes what the peer said, `next` gives what is to be said.
//!
//! ```text
//! Receiver                                    Sender
//!   F_SC select file, or F_SC_NB query log ──>        (left out where the sender offers the file by itself)
//!            <── F_FR file ready, its length          (or that it is not)
//!   F_SC call file ──>
//!            <── F_SR section ready, its length
//!   F_SC call section ──>
//!            <── F_SG segments, F_LS last segment with the section's checksum
//!   F_AF section taken, or not: then it is made ready again
//!            <── F_SR for each further section, then F_LS last section with the file's checksum
//!   F_AF file taken, or not ──>
//! ```
//!
//! **Invariant:** a receiver never holds more octets than it was allowed, and gives a file only when every section's and
//! the file's checksums and lengths are as the sender said.

use std::time::{Duration, Instant};

use headroom_rules::model::Timestamp;

use super::apci::ASDU_MAX;
use super::asdu::element::{Afq, FileName, Frq, Lsq, Scq, Srq};
use super::asdu::types::{self, Layout};
use super::asdu::{Asdu, Element, HEADER_LEN, Object};
use super::error::AsduError;
use super::time::{Cp56, TimeBase, Zone};

/// Octets of a segment at most: what is left of an ASDU after address, name, section and length.
pub const SEGMENT_MAX: usize = ASDU_MAX - HEADER_LEN - 3 - 4;
/// Octets of a file at most: its length travels in 24 bits.
pub const FILE_MAX: usize = 0xFF_FFFF;
/// Octets of a section, unless the file would need more than 255 of them.
pub const SECTION: usize = 16 * 1_024;
/// How long either side waits for the other's next word.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a section is repeated before the transfer is given up.
const REPEATS_MAX: u8 = 3;

/// SCQ, bits 0 to 3 (7.2.6.30).
pub(super) mod scq {
    pub(in super::super) const SELECT_FILE: u8 = 1;
    pub(in super::super) const CALL_FILE: u8 = 2;
    pub(in super::super) const DEACTIVATE_FILE: u8 = 3;
    pub(in super::super) const DELETE_FILE: u8 = 4;
    pub(in super::super) const SELECT_SECTION: u8 = 5;
    pub(in super::super) const CALL_SECTION: u8 = 6;
    pub(in super::super) const DEACTIVATE_SECTION: u8 = 7;
}

/// LSQ (7.2.6.31).
mod lsq {
    pub(super) const FILE: u8 = 1;
    pub(super) const FILE_DEACTIVATED: u8 = 2;
    pub(super) const SECTION: u8 = 3;
    pub(super) const SECTION_DEACTIVATED: u8 = 4;
}

/// AFQ: what in bits 0 to 3, why not in bits 4 to 7 (7.2.6.32).
mod afq {
    pub(super) const FILE: u8 = 1;
    pub(super) const NOT_FILE: u8 = 2;
    pub(super) const SECTION: u8 = 3;
    pub(super) const NOT_SECTION: u8 = 4;
    pub(super) const NO_MEMORY: u8 = 1 << 4;
    pub(super) const CHECKSUM: u8 = 2 << 4;
}

/// FRQ and SRQ: no (7.2.6.28, 7.2.6.29).
pub(super) const NOT_READY: u8 = 0x80;

/// A file of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// Information object address, 1..=16777215.
    pub ioa: u32,
    /// What it is: [`TRANSPARENT`], [`EVENTS`], [`RECORDED_VALUES`], or as the station says.
    pub name: FileName,
}

/// A file whose content only its ends know.
pub const TRANSPARENT: FileName = 1;
/// Sequences of events.
pub const EVENTS: FileName = 3;
/// Sequences of recorded analogue values.
pub const RECORDED_VALUES: FileName = 4;

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Which.
    pub file: FileId,
    /// Octets, 0..=16777215.
    pub length: u32,
    /// When it was made, none where its time is invalid.
    pub created: Option<Timestamp>,
    /// STATUS of SOF, 0..=31.
    pub status: u8,
}

/// Why a transfer did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no such file, or the peer does not take it.
    #[error("the peer refused the file")]
    Refused,
    /// The peer ended it.
    #[error("the peer broke the transfer off")]
    Deactivated,
    /// The peer said nothing.
    #[error("no answer within 30 s")]
    TimedOut,
    /// A section or the file was damaged, each time.
    #[error("the checksum or the length was wrong after every repetition")]
    Damaged,
    /// Longer than is taken.
    #[error("the file is longer than is taken")]
    TooLong,
    /// Another transfer is under way on the link.
    #[error("another transfer is under way")]
    Busy,
    /// The link ended.
    #[error("the link was lost")]
    LinkLost,
}

/// The sum of all octets, modulo 256 (7.2.6.37).
pub fn checksum(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |sum, &octet| sum.wrapping_add(octet))
}

/// The events of a file of that name, as a soft terminal writes it: messages of time-tagged objects, one after the other,
/// each with its identifier.
///
/// # Errors
/// What follows the good messages is none, or is cut.
pub fn events(octets: &[u8], zone: Zone) -> Result<Vec<Object>, AsduError> {
    let (mut objects, mut rest) = (Vec::new(), octets);
    while let [type_id, vsq, ..] = *rest {
        let length = match types::layout(type_id) {
            Some(Layout::Fixed(length)) => HEADER_LEN + usize::from(vsq & 0x7F) * (3 + length),
            Some(Layout::Segment) | None => rest.len(),
        };
        let (message, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let asdu = Asdu::parse(message)?;
        let before = objects.len();
        // Its objects carry the whole time: the arrival matters to none.
        asdu.objects(TimeBase { zone, arrival: Timestamp::new(0) }, &mut objects);
        if objects.len() == before {
            return Err(AsduError::Size { type_id, count: asdu.count, bytes: message.len() });
        }
        rest = after;
    }
    if rest.is_empty() { Ok(objects) } else { Err(AsduError::Short(rest.len())) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Announce,
    AwaitFileCall,
    /// False where there is no such section.
    SectionReady(bool),
    AwaitSectionCall,
    /// From this octet of the section on.
    Segments(usize),
    AwaitSectionAck,
    LastSection,
    AwaitFileAck,
    GiveUp(Failure),
    Ended(Result<(), Failure>),
}

/// The station that has the file.
#[derive(Debug)]
pub struct Sender {
    file: FileId,
    data: Vec<u8>,
    section_size: usize,
    segment_size: usize,
    state: Sending,
    /// From 1 on.
    section: u8,
    repeats: u8,
    since: Instant,
}

impl Sender {
    /// Announces a file; what is longer than [`FILE_MAX`] is cut.
    pub fn new(now: Instant, file: FileId, data: Vec<u8>) -> Self {
        Self::with_sizes(now, file, data, SECTION, SEGMENT_MAX)
    }

    /// With sections and segments of other sizes, held to what the standard can number.
    pub fn with_sizes(now: Instant, file: FileId, mut data: Vec<u8>, section: usize, segment: usize) -> Self {
        data.truncate(FILE_MAX);
        Self {
            file,
            section_size: section.max(data.len().div_ceil(255)).max(1),
            segment_size: segment.clamp(1, SEGMENT_MAX),
            data,
            state: Sending::Announce,
            section: 1,
            repeats: 0,
            since: now,
        }
    }

    fn sections(&self) -> usize {
        self.data.len().div_ceil(self.section_size).max(1)
    }

    fn section(&self) -> &[u8] {
        let from = (usize::from(self.section.max(1)) - 1).saturating_mul(self.section_size).min(self.data.len());
        let to = (from + self.section_size).min(self.data.len());
        self.data.get(from..to).unwrap_or(&[])
    }

    fn next(&mut self, now: Instant) -> Option<Element<'_>> {
        let (name, section) = (self.file.name, self.section);
        let octets = self.section().len();
        let length = |octets: usize| u32::try_from(octets).unwrap_or(0);
        let state = self.state;
        self.state = match state {
            Sending::Announce => Sending::AwaitFileCall,
            Sending::SectionReady(_) => Sending::AwaitSectionCall,
            Sending::Segments(at) if at < octets => Sending::Segments((at + self.segment_size).min(octets)),
            Sending::Segments(_) => Sending::AwaitSectionAck,
            Sending::LastSection => Sending::AwaitFileAck,
            Sending::GiveUp(failure) => Sending::Ended(Err(failure)),
            Sending::AwaitFileCall
            | Sending::AwaitSectionCall
            | Sending::AwaitSectionAck
            | Sending::AwaitFileAck
            | Sending::Ended(_) => return None,
        };
        self.since = now;
        Some(match (state, self.state) {
            (Sending::Segments(from), Sending::Segments(to)) => {
                Element::FileSegment(name, section, self.section().get(from..to)?)
            }
            (Sending::Segments(_), _) => Element::FileLast(name, section, Lsq(lsq::SECTION), checksum(self.section())),
            (Sending::SectionReady(true), _) => Element::SectionReady(name, section, length(octets), Srq(0)),
            (Sending::SectionReady(false), _) => Element::SectionReady(name, section, 0, Srq(NOT_READY)),
            (Sending::LastSection, _) => Element::FileLast(name, section, Lsq(lsq::FILE), checksum(&self.data)),
            (Sending::GiveUp(_), _) => Element::FileLast(name, section, Lsq(lsq::FILE_DEACTIVATED), 0),
            _ => Element::FileReady(name, length(self.data.len()), Frq(0)),
        })
    }

    fn on(&mut self, element: &Element<'_>) {
        use Sending::{AwaitFileAck, AwaitFileCall, AwaitSectionAck, AwaitSectionCall, Segments};
        self.state = match (*element, self.state) {
            (Element::FileReady(_, _, Frq(frq)), AwaitFileCall) if frq & NOT_READY != 0 => {
                Sending::Ended(Err(Failure::Refused))
            }
            (Element::FileCall(_, section, Scq(what)), state) => match (what & 0x0F, state) {
                (scq::DEACTIVATE_FILE, _) => Sending::Ended(Err(Failure::Deactivated)),
                (scq::CALL_FILE, AwaitFileCall) => Sending::SectionReady(true),
                (scq::SELECT_SECTION | scq::CALL_SECTION, AwaitSectionCall) => {
                    self.section = section;
                    let known = (1..=self.sections()).contains(&usize::from(section));
                    let call = what & 0x0F == scq::CALL_SECTION;
                    if known && call { Segments(0) } else { Sending::SectionReady(known) }
                }
                (scq::DEACTIVATE_SECTION, Segments(_) | AwaitSectionAck) => AwaitSectionCall,
                _ => return,
            },
            (Element::FileAck(_, section, Afq(what)), state) => match (what & 0x0F, state) {
                (afq::NOT_FILE, _) => Sending::Ended(Err(Failure::Refused)),
                (afq::SECTION, AwaitSectionAck) if section == self.section => {
                    self.repeats = 0;
                    if usize::from(section) < self.sections() {
                        self.section = section.saturating_add(1);
                        Sending::SectionReady(true)
                    } else {
                        Sending::LastSection
                    }
                }
                (afq::NOT_SECTION, AwaitSectionAck) if section == self.section => {
                    self.repeats += 1;
                    let again = self.repeats <= REPEATS_MAX;
                    if again { Sending::SectionReady(true) } else { Sending::GiveUp(Failure::Damaged) }
                }
                (afq::FILE, AwaitFileAck) => Sending::Ended(Ok(())),
                _ => return,
            },
            _ => return,
        };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    Select,
    Query(Cp56, Cp56),
    AwaitFile,
    CallFile,
    AwaitSection,
    CallSection,
    Segments,
    AckSection(bool),
    /// All is here and whole; its owner is to say whether it is taken.
    Arrived,
    AckFile(u8),
    GiveUp(Failure),
    Ended(Result<(), Failure>),
}

/// The station that wants the file.
#[derive(Debug)]
pub struct Receiver {
    file: FileId,
    most: usize,
    state: Receiving,
    data: Vec<u8>,
    /// As the sender said; 0 where it did not.
    length: usize,
    section: u8,
    section_from: usize,
    section_length: usize,
    /// More came than was said.
    overrun: bool,
    repeats: u8,
    since: Instant,
}

impl Receiver {
    fn new(now: Instant, file: FileId, most: usize, state: Receiving) -> Self {
        Self {
            file,
            most: most.min(FILE_MAX),
            state,
            data: Vec::new(),
            length: 0,
            section: 0,
            section_from: 0,
            section_length: 0,
            overrun: false,
            repeats: 0,
            since: now,
        }
    }

    /// Asks for a file of at most `most` octets.
    pub fn select(now: Instant, file: FileId, most: usize) -> Self {
        Self::new(now, file, most, Receiving::Select)
    }

    /// Asks for the part of a log between two times.
    pub fn query(now: Instant, file: FileId, [from, to]: [Cp56; 2], most: usize) -> Self {
        Self::new(now, file, most, Receiving::Query(from, to))
    }

    /// Takes a file that the peer announced with its length.
    pub fn offered(now: Instant, file: FileId, length: u32, most: usize) -> Self {
        let mut receiver = Self::new(now, file, most, Receiving::AwaitFile);
        receiver.on_length(length);
        receiver
    }

    fn on_length(&mut self, length: u32) {
        self.length = usize::try_from(length).unwrap_or(usize::MAX);
        self.state = if self.length > self.most { Receiving::GiveUp(Failure::TooLong) } else { Receiving::CallFile };
    }

    /// The whole file, once it is here: [`Self::accept`] answers for it.
    pub fn arrived(&self) -> Option<&[u8]> {
        (self.state == Receiving::Arrived).then_some(&self.data)
    }

    /// Says whether the file that arrived is taken.
    pub fn accept(&mut self, taken: bool) {
        if self.state == Receiving::Arrived {
            self.state = Receiving::AckFile(if taken { afq::FILE } else { afq::NOT_FILE | afq::NO_MEMORY });
        }
    }

    /// The file, and an empty one here.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.data)
    }

    fn next(&mut self, now: Instant) -> Option<Element<'static>> {
        let (name, section) = (self.file.name, self.section);
        let (element, state) = match self.state {
            Receiving::Select => (Element::FileCall(name, 0, Scq(scq::SELECT_FILE)), Receiving::AwaitFile),
            Receiving::Query(from, to) => (Element::QueryLog(name, from, to), Receiving::AwaitFile),
            Receiving::CallFile => (Element::FileCall(name, 0, Scq(scq::CALL_FILE)), Receiving::AwaitSection),
            Receiving::CallSection => (Element::FileCall(name, section, Scq(scq::CALL_SECTION)), Receiving::Segments),
            Receiving::AckSection(whole) => {
                let what = if whole { afq::SECTION } else { afq::NOT_SECTION | afq::CHECKSUM };
                (Element::FileAck(name, section, Afq(what)), Receiving::AwaitSection)
            }
            Receiving::AckFile(what) => {
                let result = match what {
                    afq::FILE => Ok(()),
                    what if what & afq::CHECKSUM != 0 => Err(Failure::Damaged),
                    _ => Err(Failure::Refused),
                };
                (Element::FileAck(name, section, Afq(what)), Receiving::Ended(result))
            }
            Receiving::GiveUp(failure) => {
                (Element::FileCall(name, 0, Scq(scq::DEACTIVATE_FILE)), Receiving::Ended(Err(failure)))
            }
            Receiving::AwaitFile
            | Receiving::AwaitSection
            | Receiving::Segments
            | Receiving::Arrived
            | Receiving::Ended(_) => return None,
        };
        (self.state, self.since) = (state, now);
        Some(element)
    }

    fn on(&mut self, element: &Element<'_>) {
        match (*element, self.state) {
            (Element::FileReady(_, length, Frq(frq)), Receiving::AwaitFile) => {
                if frq & NOT_READY == 0 {
                    self.on_length(length);
                } else {
                    self.state = Receiving::Ended(Err(Failure::Refused));
                }
            }
            (Element::SectionReady(_, section, length, Srq(srq)), Receiving::AwaitSection) => {
                (self.section, self.section_length) = (section, usize::try_from(length).unwrap_or(usize::MAX));
                (self.section_from, self.overrun) = (self.data.len(), false);
                self.state = if srq & NOT_READY != 0 {
                    Receiving::GiveUp(Failure::Refused)
                } else if self.section_length > self.most - self.data.len() {
                    Receiving::GiveUp(Failure::TooLong)
                } else {
                    Receiving::CallSection
                };
            }
            (Element::FileSegment(_, section, octets), Receiving::Segments) if section == self.section => {
                let room = if self.section_length == 0 { self.most } else { self.section_from + self.section_length };
                if octets.len() <= room.saturating_sub(self.data.len()) {
                    self.data.extend_from_slice(octets);
                } else {
                    self.overrun = true;
                }
            }
            (Element::FileLast(_, section, Lsq(what), sum), state) => match (what, state) {
                (lsq::FILE_DEACTIVATED | lsq::SECTION_DEACTIVATED, _) => {
                    self.state = Receiving::Ended(Err(Failure::Deactivated));
                }
                (lsq::SECTION, Receiving::Segments) if section == self.section => self.on_section(sum),
                (lsq::FILE, Receiving::AwaitSection) => {
                    let whole = checksum(&self.data) == sum && (self.length == 0 || self.length == self.data.len());
                    self.state =
                        if whole { Receiving::Arrived } else { Receiving::AckFile(afq::NOT_FILE | afq::CHECKSUM) };
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn on_section(&mut self, sum: u8) {
        let octets = self.data.get(self.section_from..).unwrap_or(&[]);
        let length_fits = self.section_length == 0 || octets.len() == self.section_length;
        let whole = !self.overrun && length_fits && checksum(octets) == sum;
        self.repeats = if whole { 0 } else { self.repeats + 1 };
        if !whole {
            self.data.truncate(self.section_from);
        }
        self.state =
            if self.repeats > REPEATS_MAX { Receiving::GiveUp(Failure::Damaged) } else { Receiving::AckSection(whole) };
    }
}

/// A transfer under way, whichever side this is.
#[derive(Debug)]
pub enum Transfer {
    /// This station has the file.
    Sending(Sender),
    /// This station wants it.
    Receiving(Receiver),
}

impl Transfer {
    /// Which file.
    pub const fn file(&self) -> FileId {
        match self {
            Self::Sending(sender) => sender.file,
            Self::Receiving(receiver) => receiver.file,
        }
    }

    /// What is to be said now, if anything.
    pub fn next(&mut self, now: Instant) -> Option<Element<'_>> {
        match self {
            Self::Sending(sender) => sender.next(now),
            Self::Receiving(receiver) => receiver.next(now),
        }
    }

    /// The peer said something of this file.
    pub fn on(&mut self, now: Instant, element: &Element<'_>) {
        match self {
            Self::Sending(sender) => {
                sender.since = now;
                sender.on(element);
            }
            Self::Receiving(receiver) => {
                receiver.since = now;
                receiver.on(element);
            }
        }
    }

    /// The peer does not know type, address or object (causes 44 to 47).
    pub const fn on_unknown(&mut self) {
        match self {
            Self::Sending(sender) => sender.state = Sending::Ended(Err(Failure::Refused)),
            Self::Receiving(receiver) => receiver.state = Receiving::Ended(Err(Failure::Refused)),
        }
    }

    /// When the peer's next word is due, if it is the peer's turn.
    pub fn deadline(&self) -> Option<Instant> {
        let (awaits, since) = match self {
            Self::Sending(Sender { state, since, .. }) => (
                matches!(
                    state,
                    Sending::AwaitFileCall
                        | Sending::AwaitSectionCall
                        | Sending::AwaitSectionAck
                        | Sending::AwaitFileAck
                ),
                since,
            ),
            Self::Receiving(Receiver { state, since, .. }) => {
                (matches!(state, Receiving::AwaitFile | Receiving::AwaitSection | Receiving::Segments), since)
            }
        };
        awaits.then(|| *since + TIMEOUT)
    }

    /// Gives up when the peer is late; the peer is told by the next [`Self::next`].
    pub fn on_deadline(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            match self {
                Self::Sending(sender) => sender.state = Sending::GiveUp(Failure::TimedOut),
                Self::Receiving(receiver) => receiver.state = Receiving::GiveUp(Failure::TimedOut),
            }
        }
    }

    /// How it ended, once it did and everything is said.
    pub const fn ended(&self) -> Option<Result<(), Failure>> {
        match self {
            Self::Sending(Sender { state: Sending::Ended(result), .. })
            | Self::Receiving(Receiver { state: Receiving::Ended(result), .. }) => Some(*result),
            _ => None,
        }
    }
}
