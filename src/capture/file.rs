//! The two formats of capture files. Their records are framed here, so that one bad record costs itself where the format
//! permits it; what is in a record is read by `pcap-parser`.

use std::io::{self, Read};

use pcap_parser::pcapng::Block;
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{
    LegacyPcapBlock, PcapError, parse_block_be, parse_block_le, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_frame_modified, parse_pcap_header,
};

use super::error::CaptureError;
use super::moment::Moment;

/// More than any tool captures of one packet (`MAXIMUM_SNAPLEN` of libpcap).
const PACKET_MAX: u32 = 262_144;
/// More than any block needs.
const BLOCK_MAX: u32 = 16 * 1_024 * 1_024;
/// Interfaces of one section that are remembered.
const INTERFACES_MAX: usize = 4_096;
/// Octets of a pcapng section header up to its byte-order magic.
const SECTION_HEAD: usize = 12;
const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const PACKET_BLOCKS: [u32; 3] = [2, 3, 6];
/// Units of time in one second, where a file says nothing else.
const MICROSECONDS: u64 = 1_000_000;

/// A packet, borrowed from the reader's buffer.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    /// From 1.
    pub(super) number: u64,
    pub(super) at: Moment,
    /// LINKTYPE_…
    pub(super) link_type: u16,
    pub(super) octets: &'a [u8],
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Packet(Packet<'a>),
    /// There is a packet, but it cannot be used.
    LeftOut {
        number: u64,
        why: String,
    },
    /// The rest of the file cannot be read.
    Damaged {
        after: u64,
        why: String,
    },
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u16,
    per_second: u64,
    offset_s: i64,
    snap_length: u32,
}

#[derive(Debug)]
enum Format {
    Pcap { big: bool, modified: bool, per_second: u64, link_type: u16 },
    Ng { big: bool, interfaces: Vec<Interface> },
}

/// Reads packets.
#[derive(Debug)]
pub(super) struct CaptureFile<R> {
    input: R,
    format: Format,
    /// The record in hand.
    record: Vec<u8>,
    /// Octets that belong to the next record and were read already.
    ahead: Vec<u8>,
    number: u64,
    /// Octets before the record in hand.
    offset: u64,
    over: bool,
}

/// A record that was not got.
enum Lack {
    End,
    Cut,
    Failed(io::Error),
}

fn u32_of(octets: &[u8], at: usize, big: bool) -> u32 {
    let octets = octets.get(at..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
    if big { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
}

impl<R: Read> CaptureFile<R> {
    pub(super) fn open(mut input: R) -> Result<Self, CaptureError> {
        let mut head = Vec::new();
        input.by_ref().take(24).read_to_end(&mut head)?;
        let magic = head.first_chunk::<4>().copied().ok_or(CaptureError::Short(head.len()))?;
        let (format, ahead, offset) = match magic {
            [0x0A, 0x0D, 0x0D, 0x0A] => (Format::Ng { big: false, interfaces: Vec::new() }, head, 0),
            [0xD4, 0xC3, 0xB2, 0xA1]
            | [0x4D, 0x3C, 0xB2, 0xA1]
            | [0xA1, 0xB2, 0xC3, 0xD4]
            | [0xA1, 0xB2, 0x3C, 0x4D]
            | [0x34, 0xCD, 0xB2, 0xA1] => {
                let (_, header) = parse_pcap_header(&head).map_err(|_| CaptureError::Short(head.len()))?;
                let format = Format::Pcap {
                    big: header.is_bigendian(),
                    modified: header.is_modified_format(),
                    per_second: if header.is_nanosecond_precision() { 1_000_000_000 } else { MICROSECONDS },
                    // The upper half may tell the length of a frame check sequence.
                    link_type: u16::try_from(header.network.0 & 0xFFFF).unwrap_or(u16::MAX),
                };
                (format, Vec::new(), 24)
            }
            [0x1F, 0x8B, ..] => return Err(CaptureError::Compressed("gzip")),
            [0x28, 0xB5, 0x2F, 0xFD] => return Err(CaptureError::Compressed("zstd")),
            [0x04, 0x22, 0x4D, 0x18] => return Err(CaptureError::Compressed("lz4")),
            other => return Err(CaptureError::Foreign(super::line::hex(&other))),
        };
        Ok(Self { input, format, record: Vec::new(), ahead, number: 0, offset, over: false })
    }

    /// Reads on until the record has `length` octets.
    fn fill(&mut self, length: usize) -> Result<(), Lack> {
        let begun = !self.record.is_empty();
        let from_ahead = length.saturating_sub(self.record.len()).min(self.ahead.len());
        self.record.extend(self.ahead.drain(..from_ahead));
        let wanted = length.saturating_sub(self.record.len());
        let limit = u64::try_from(wanted).unwrap_or(u64::MAX);
        // Grows with what is there, not with what a length field says.
        let got = self.input.by_ref().take(limit).read_to_end(&mut self.record).map_err(Lack::Failed)?;
        if got == wanted {
            Ok(())
        } else if self.record.is_empty() && !begun {
            Err(Lack::End)
        } else {
            Err(Lack::Cut)
        }
    }

    fn next_record(&mut self) {
        self.offset = self.offset.saturating_add(u64::try_from(self.record.len()).unwrap_or(u64::MAX));
        self.record.clear();
    }

    /// The end of what can be read.
    fn lacking(&mut self, lack: Lack, is_packet: bool) -> Option<Item<'_>> {
        self.over = true;
        match lack {
            Lack::End => None,
            Lack::Cut if is_packet => {
                self.number += 1;
                let octets = self.record.len();
                Some(Item::LeftOut {
                    number: self.number,
                    why: format!("the file ends within it, {octets} octets after its beginning"),
                })
            }
            Lack::Cut => Some(Item::Damaged { after: self.number, why: "the file ends within a block".to_owned() }),
            Lack::Failed(error) => Some(Item::Damaged { after: self.number, why: format!("cannot be read: {error}") }),
        }
    }

    fn damaged(&mut self, what: &str) -> Option<Item<'_>> {
        self.over = true;
        let why = format!("at octet {}: {what}: the rest is not read", self.offset);
        Some(Item::Damaged { after: self.number, why })
    }

    /// The next packet; none at the end.
    pub(super) fn next(&mut self) -> Option<Item<'_>> {
        if self.over {
            return None;
        }
        match self.format {
            Format::Pcap { big, modified, per_second, link_type } => self.pcap(big, modified, per_second, link_type),
            Format::Ng { .. } => self.ng(),
        }
    }

    fn pcap(&mut self, big: bool, modified: bool, per_second: u64, link_type: u16) -> Option<Item<'_>> {
        self.next_record();
        let head = if modified { 24 } else { 16 };
        if let Err(lack) = self.fill(head) {
            return self.lacking(lack, true);
        }
        let captured = u32_of(&self.record, 8, big);
        if captured > PACKET_MAX {
            return self.damaged(&format!("a packet of {captured} octets, more than {PACKET_MAX}"));
        }
        if let Err(lack) = self.fill(head + usize::try_from(captured).unwrap_or(usize::MAX)) {
            return self.lacking(lack, true);
        }
        self.number += 1;
        let number = self.number;
        let parsed = match (modified, big) {
            (true, _) => parse_pcap_frame_modified(&self.record),
            (false, true) => parse_pcap_frame_be(&self.record),
            (false, false) => parse_pcap_frame(&self.record),
        };
        let Ok((_, LegacyPcapBlock { ts_sec, ts_usec, data, .. })) = parsed else {
            return Some(Item::LeftOut { number, why: "its record cannot be read".to_owned() });
        };
        let at = Moment::new(u64::from(ts_sec) * per_second + u64::from(ts_usec), per_second, 0);
        Some(Item::Packet(Packet { number, at, link_type, octets: data }))
    }

    fn ng(&mut self) -> Option<Item<'_>> {
        loop {
            self.next_record();
            if let Err(lack) = self.fill(SECTION_HEAD) {
                return self.lacking(lack, false);
            }
            if u32_of(&self.record, 0, false) == SECTION_HEADER {
                let big = match u32_of(&self.record, 8, false) {
                    0x1A2B_3C4D => false,
                    0x4D3C_2B1A => true,
                    _ => return self.damaged("a section header without its byte-order magic"),
                };
                self.format = Format::Ng { big, interfaces: Vec::new() };
            }
            let Format::Ng { big, .. } = self.format else { return None };
            let (kind, length) = (u32_of(&self.record, 0, big), u32_of(&self.record, 4, big));
            let is_packet = PACKET_BLOCKS.contains(&kind);
            if !(12..=BLOCK_MAX).contains(&length) || !length.is_multiple_of(4) {
                return self.damaged(&format!("a block of {length} octets"));
            }
            if let Err(lack) = self.fill(usize::try_from(length).unwrap_or(usize::MAX)) {
                return self.lacking(lack, is_packet);
            }
            if u32_of(&self.record, self.record.len().saturating_sub(4), big) != length {
                return self.damaged("a block whose two lengths contradict each other");
            }
            if is_packet {
                self.number += 1;
                return Some(self.ng_packet(kind, big));
            }
            self.ng_note(big);
        }
    }

    /// Takes note of an interface; other blocks have nothing of use here.
    fn ng_note(&mut self, big: bool) {
        let parse = if big { parse_block_be } else { parse_block_le };
        let Format::Ng { interfaces, .. } = &mut self.format else { return };
        if let Ok((_, Block::InterfaceDescription(block))) = parse(&self.record)
            && interfaces.len() < INTERFACES_MAX
        {
            // Read here, for the crate knows no powers of two, and reads the offset as little-endian in any case.
            let resolution = block.if_tsresol;
            let exponent = u32::from(resolution & 0x7F);
            let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
            let offset_s = if big { block.if_tsoffset.swap_bytes() } else { block.if_tsoffset };
            interfaces.push(Interface {
                link_type: u16::try_from(block.linktype.0).unwrap_or(u16::MAX),
                per_second: base.checked_pow(exponent).unwrap_or(u64::MAX),
                offset_s,
                snap_length: block.snaplen,
            });
        }
    }

    fn ng_packet(&self, kind: u32, big: bool) -> Item<'_> {
        let number = self.number;
        let left_out = |why: &str| Item::LeftOut { number, why: why.to_owned() };
        if kind == 2 {
            return left_out("it is in a packet block of the obsolete kind");
        }
        let Format::Ng { interfaces, .. } = &self.format else { return left_out("its block cannot be read") };
        let parse = if big { parse_block_be } else { parse_block_le };
        let parsed: Result<_, pcap_parser::nom::Err<PcapError<&[u8]>>> = parse(&self.record);
        match parsed {
            Ok((_, Block::EnhancedPacket(block))) => {
                let interface = usize::try_from(block.if_id).ok().and_then(|n| interfaces.get(n));
                let Some(interface) = interface else { return left_out("its interface is not described before it") };
                let units = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
                let at = Moment::new(units, interface.per_second, interface.offset_s);
                let octets = self.captured(block.packet_data().len());
                Item::Packet(Packet { number, at, link_type: interface.link_type, octets })
            }
            Ok((_, Block::SimplePacket(block))) => {
                let Some(interface) = interfaces.first() else {
                    return left_out("its interface is not described before it");
                };
                let snap = usize::try_from(interface.snap_length).ok().filter(|&snap| snap > 0).unwrap_or(usize::MAX);
                let length = block.packet_data().len().min(snap);
                let octets = self.record.get(12..12 + length).unwrap_or_default();
                // This kind has no time.
                Item::Packet(Packet { number, at: Moment::default(), link_type: interface.link_type, octets })
            }
            _ => left_out("its block cannot be read"),
        }
    }

    /// The packet's octets in an enhanced packet block.
    fn captured(&self, length: usize) -> &[u8] {
        self.record.get(28..28 + length).unwrap_or_default()
    }
}
