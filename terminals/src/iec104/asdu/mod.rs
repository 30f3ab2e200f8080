//! Messages: the ASDU of IEC 60870-5-101, clause 7, in the lengths of 60870-5-104 (cause 2, common address 2, object
//! address 3 octets).
//!
//! Read [`types`] (numbers and names), [`element`] (octets, both directions, nothing lost), then [`object`] (values of the
//! monitoring direction, the way of every reading) and [`mod@command`]. Everything is borrowed from the buffer.

pub mod command;
pub mod element;
pub mod object;
pub mod types;

pub use command::{Command, CommandValue, WireCommand, command};
pub use element::{Bcr, Element, Tag};
pub use object::{Object, Value, pack, pack_into};
pub use types::causes;

use super::error::AsduError;
use types::Layout;

/// The common address of all stations of a link.
pub const BROADCAST: u16 = 0xFFFF;
/// Highest information object address.
pub const ADDRESS_MAX: u32 = 0xFF_FFFF;
/// Octets before the objects.
pub const HEADER_LEN: usize = 6;
/// Octets of an information object address.
const ADDRESS_LEN: usize = 3;

/// A message, borrowed from the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asdu<'a> {
    /// Type identification.
    pub type_id: u8,
    /// SQ: consecutive addresses from one.
    pub sequence: bool,
    /// Number of objects, 0..=127.
    pub count: u8,
    /// Cause, 0..=63.
    pub cause: u8,
    /// P/N.
    pub negative: bool,
    /// T.
    pub test: bool,
    /// Originator address.
    pub originator: u8,
    /// Common address.
    pub common_address: u16,
    /// The objects, as they came.
    pub body: &'a [u8],
}

/// An information object, octet for octet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Information<'a> {
    /// Information object address, 0..=16777215.
    pub ioa: u32,
    /// Its element.
    pub element: Element<'a>,
    /// Its time.
    pub tag: Tag,
}

impl<'a> Asdu<'a> {
    /// Reads the identifier, and checks the size of a known type. An unknown type keeps its bytes.
    ///
    /// # Errors
    /// Too short, the size contradicts the number of objects, or their addresses run past the highest.
    #[inline]
    pub fn parse(raw: &'a [u8]) -> Result<Self, AsduError> {
        let Some((&[type_id, vsq, cot, originator, ca_low, ca_high], body)) = raw.split_first_chunk::<HEADER_LEN>()
        else {
            return Err(AsduError::Short(raw.len()));
        };
        let asdu = Self {
            type_id,
            sequence: vsq & 0x80 != 0,
            count: vsq & 0x7F,
            cause: cot & 0x3F,
            negative: cot & 0x40 != 0,
            test: cot & 0x80 != 0,
            originator,
            common_address: u16::from_le_bytes([ca_low, ca_high]),
            body,
        };
        let count = usize::from(asdu.count);
        let wanted = match types::layout(type_id) {
            None => return Ok(asdu),
            Some(Layout::Fixed(length)) if asdu.sequence => ADDRESS_LEN + count * length,
            Some(Layout::Fixed(length)) => count * (ADDRESS_LEN + length),
            // Name, section and length stand before the octets of the one segment.
            Some(Layout::Segment) => match body.get(ADDRESS_LEN + 3) {
                Some(&length) if count == 1 => ADDRESS_LEN + 4 + usize::from(length),
                _ => 0,
            },
        };
        // No object is without an address.
        if count == 0 || body.is_empty() || wanted != body.len() {
            return Err(AsduError::Size { type_id, count: asdu.count, bytes: body.len() });
        }
        if asdu.sequence && asdu.ioa() + u32::from(asdu.count) - 1 > ADDRESS_MAX {
            return Err(AsduError::Addresses { first: asdu.ioa(), count: asdu.count });
        }
        Ok(asdu)
    }

    /// Whether the type is spoken here.
    pub fn is_known(&self) -> bool {
        types::layout(self.type_id).is_some()
    }

    /// Address and octets of each object; nothing for an unknown type.
    pub fn elements(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let (count, body, sequence) = (u32::from(self.count), self.body, self.sequence);
        let length = match types::layout(self.type_id) {
            Some(Layout::Fixed(length)) => Some(length),
            Some(Layout::Segment) => body.len().checked_sub(ADDRESS_LEN),
            None => None,
        };
        (0..count).map_while(move |n| {
            let length = length?;
            let at = usize::try_from(n).ok()?;
            let (head, from) = if sequence {
                (0, ADDRESS_LEN + at * length)
            } else {
                (at * (ADDRESS_LEN + length), at * (ADDRESS_LEN + length) + ADDRESS_LEN)
            };
            let base = address(body.get(head..)?)?;
            Some((if sequence { base + n } else { base }, body.get(from..from + length)?))
        })
    }

    /// Every object with its element and time, octet for octet; nothing for an unknown type.
    pub fn information(&self) -> impl Iterator<Item = Information<'a>> + use<'a> {
        let type_id = self.type_id;
        self.elements().filter_map(move |(ioa, octets)| {
            let (element, tag) = Element::decode(type_id, octets)?;
            Some(Information { ioa, element, tag })
        })
    }

    /// Address of the first object, 0 where there is none.
    #[inline]
    pub fn ioa(&self) -> u32 {
        address(self.body).unwrap_or(0)
    }

    /// Appends the same message with another cause and P/N.
    pub fn mirror(&self, cause: u8, negative: bool, out: &mut Vec<u8>) {
        let vsq = self.count | if self.sequence { 0x80 } else { 0 };
        let cot = cause & 0x3F | if negative { 0x40 } else { 0 } | if self.test { 0x80 } else { 0 };
        let [ca_low, ca_high] = self.common_address.to_le_bytes();
        out.extend_from_slice(&[self.type_id, vsq, cot, self.originator, ca_low, ca_high]);
        out.extend_from_slice(self.body);
    }

    /// [`Self::mirror`] in a buffer of its own.
    pub fn mirrored(&self, cause: u8, negative: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN + self.body.len());
        self.mirror(cause, negative, &mut out);
        out
    }
}

#[inline]
fn address(body: &[u8]) -> Option<u32> {
    let &[a, b, c] = body.first_chunk::<ADDRESS_LEN>()?;
    Some(u32::from_le_bytes([a, b, c, 0]))
}

/// One message with one object, SQ = 0; none where the standard has no type for the element with such a tag.
pub fn message(cause: u8, common_address: u16, ioa: u32, element: &Element<'_>, tag: Tag) -> Option<Vec<u8>> {
    let ([ca_low, ca_high], [a, b, c, _]) = (common_address.to_le_bytes(), ioa.to_le_bytes());
    let mut out = vec![element.type_id(tag.kind())?, 1, cause, 0, ca_low, ca_high, a, b, c];
    element.encode(&mut out);
    tag.encode(&mut out);
    Some(out)
}
