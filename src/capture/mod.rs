//! Captures of IEC 60870-5-104, as tcpdump and Wireshark write them: packets in, APDUs out, in the order of their streams.
//!
//! Read [`Decoder`], then `file` (pcap and pcapng), `packet` (link, IP and TCP headers), `stream` (one direction put
//! together), `apdus` (a stream cut into APDUs), `watch` (numbering and control procedures) and `links` (who talks to
//! whom). `line` and [`json`] show an APDU, `fields` what is in its objects, [`Summary`] what there was and what was left
//! out.
//!
//! **Invariants:** no octet of a file makes this panic or takes memory without bound; what is left out is named by its
//! packet number, counted as Wireshark does, from 1; the same file gives the same APDUs.

mod apdus;
mod error;
mod fields;
mod file;
pub mod json;
mod line;
mod links;
mod moment;
mod packet;
mod stream;
mod summary;
mod watch;

use std::collections::VecDeque;
use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;

pub use error::CaptureError;
pub use moment::Moment;
pub use summary::{LeftOut, LinkSummary, Summary};

use file::{CaptureFile, Item};
use links::Links;

/// A link: one TCP connection between a controlling and a controlled station.
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// From 1, in the order in which they show their first APDU.
    pub number: u32,
    /// Who opened the connection, the controlling station.
    pub client: SocketAddr,
    /// Who listens, the controlled station.
    pub server: SocketAddr,
}

/// One APDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apdu {
    /// The packet that completed it.
    pub packet: u64,
    /// When that was captured.
    pub at: Moment,
    /// Where.
    pub link: Rc<Link>,
    /// From the controlling station.
    pub from_client: bool,
    /// From 68H on; a whole frame.
    pub octets: Vec<u8>,
    /// What is wrong with it.
    pub faults: Vec<String>,
}

/// Something about a link that is no APDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// At which packet it showed.
    pub packet: u64,
    /// When that was captured.
    pub at: Moment,
    /// Where.
    pub link: Rc<Link>,
    /// In which direction.
    pub from_client: bool,
    /// What.
    pub what: What,
}

/// What a [`Note`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Octets, or packets, that are not there.
    Missing(String),
    /// The connection ended.
    Ended(String),
}

impl What {
    /// As a sentence.
    pub fn text(&self) -> &str {
        match self {
            Self::Missing(text) | Self::Ended(text) => text,
        }
    }
}

/// One thing that a capture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An APDU.
    Apdu(Apdu),
    /// Something else.
    Note(Note),
}

impl Seen {
    fn set_link(&mut self, to: &Rc<Link>) {
        match self {
            Self::Apdu(Apdu { link, .. }) | Self::Note(Note { link, .. }) => *link = Rc::clone(to),
        }
    }
}

/// Reads a capture to its end, or to where it cannot be read any further. [`Self::summary`] says what was left out.
pub struct Decoder<R> {
    file: CaptureFile<R>,
    links: Links,
    seen: VecDeque<Seen>,
    summary: Summary,
    ended: bool,
}

impl<R: Read> Decoder<R> {
    /// Begins with the file's header. Without `ports`, every connection on which sound APDUs are found is a link.
    ///
    /// # Errors
    /// It is no capture.
    pub fn new(input: R, ports: Vec<u16>) -> Result<Self, CaptureError> {
        let file = CaptureFile::open(input)?;
        Ok(Self { file, links: Links::new(ports), seen: VecDeque::new(), summary: Summary::default(), ended: false })
    }

    /// What there was so far; all of it once the iterator has ended.
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    fn step(&mut self) {
        match self.file.next() {
            Some(Item::Packet(packet)) => {
                self.summary.packets += 1;
                match packet::segment(&packet) {
                    Ok(Some(segment)) => self.links.on_segment(&segment, &mut self.seen, &mut self.summary),
                    Ok(None) => self.summary.not_tcp += 1,
                    Err(why) => self.summary.leave_out(packet.number, why),
                }
            }
            Some(Item::LeftOut { number, why }) => {
                self.summary.packets += 1;
                self.summary.leave_out(number, why);
            }
            Some(Item::Damaged { after, why }) => self.summary.damaged = Some(format!("after packet {after}: {why}")),
            None => {
                self.ended = true;
                self.links.finish(&mut self.seen, &mut self.summary);
            }
        }
    }
}

impl<R: Read> Iterator for Decoder<R> {
    type Item = Seen;

    fn next(&mut self) -> Option<Seen> {
        while self.seen.is_empty() && !self.ended {
            self.step();
        }
        self.seen.pop_front()
    }
}
