//! Messages: the ASDU of IEC 60870-5-101, clause 7, in the lengths of 60870-5-104 (cause 2, common address 2, object
//! address 3 octets).

use std::time::Duration;

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use headroom_rules::orders::Step;

use super::apci::ASDU_MAX;
use super::error::AsduError;
use super::time;

/// Type identifications that are spoken here (60870-5-101, 7.2.1).
#[allow(missing_docs)]
pub mod types {
    pub const M_EI_NA: u8 = 70;
    pub const C_SC_NA: u8 = 45;
    pub const C_DC_NA: u8 = 46;
    pub const C_SE_NC: u8 = 50;
    pub const C_SC_TA: u8 = 58;
    pub const C_DC_TA: u8 = 59;
    pub const C_SE_TC: u8 = 63;
    pub const C_IC_NA: u8 = 100;
    pub const C_CI_NA: u8 = 101;
    pub const C_RD_NA: u8 = 102;
    pub const C_CS_NA: u8 = 103;
}

/// Causes of transmission (60870-5-101, 7.2.3).
#[allow(missing_docs)]
pub mod causes {
    pub const SPONTANEOUS: u8 = 3;
    pub const INITIALIZED: u8 = 4;
    pub const REQUEST: u8 = 5;
    pub const ACTIVATION: u8 = 6;
    pub const ACTIVATION_CON: u8 = 7;
    pub const DEACTIVATION: u8 = 8;
    pub const DEACTIVATION_CON: u8 = 9;
    pub const TERMINATION: u8 = 10;
    pub const INTERROGATED: u8 = 20;
    pub const COUNTER_INTERROGATED: u8 = 37;
    pub const UNKNOWN_TYPE: u8 = 44;
    pub const UNKNOWN_CAUSE: u8 = 45;
    pub const UNKNOWN_ADDRESS: u8 = 46;
    pub const UNKNOWN_OBJECT: u8 = 47;
}

/// The common address of all stations of a link.
pub const BROADCAST: u16 = 0xFFFF;
/// Octets before the objects.
const HEADER_LEN: usize = 6;
/// S/E: select in SCO, DCO and QOS.
const SELECT: u8 = 0x80;

/// A value as the wire carries it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Single point.
    Single(bool),
    /// Double point.
    Double(SwitchPosition),
    /// Fraction of full scale, 2^-15.
    Normalized(i16),
    /// Scaled by the point map.
    Scaled(i16),
    /// Short float, finite.
    Float(f32),
    /// Counter reading.
    Counter(i32),
}

/// One information object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// Common address, 1..=65534.
    pub common_address: u16,
    /// Information object address, 0..=16777215.
    pub ioa: u32,
    /// Value.
    pub value: Value,
    /// Quality; IV of a counter is INVALID.
    pub quality: Quality,
    /// The source's time, none where the wire had none or an invalid one.
    pub time: Option<Timestamp>,
    /// Cause of transmission, 1..=63.
    pub cause: u8,
}

/// What a command sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CommandValue {
    /// Single command.
    Single(bool),
    /// Double command, true = ON.
    Double(bool),
    /// Set point, short float.
    SetFloat(f32),
}

/// One step of an order, for one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Command {
    /// The order; outcomes carry it.
    pub id: u64,
    /// Common address.
    pub common_address: u16,
    /// Point.
    pub ioa: u32,
    /// Value.
    pub value: CommandValue,
    /// Step.
    pub step: Step,
    /// Not to be sent when this long has passed since it was submitted.
    pub expires_in: Duration,
}

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

/// A command as it came to the controlled station.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WireCommand {
    /// Point.
    pub ioa: u32,
    /// Value; none where the state is not permitted (DCS 0 and 3) or the number is not finite.
    pub value: Option<CommandValue>,
    /// S/E.
    pub select: bool,
}

/// Octets of one element after its address, none for an unknown type.
const fn element_len(type_id: u8) -> Option<usize> {
    Some(match type_id {
        1 | 3 | 45 | 46 | 70 | 100 | 101 => 1,
        9 | 11 => 3,
        13 | 15 | 50 => 5,
        30 | 31 | 58 | 59 => 8,
        34 | 35 => 10,
        36 | 37 | 63 => 12,
        102 => 0,
        103 => 7,
        _ => return None,
    })
}

impl<'a> Asdu<'a> {
    /// Reads the identifier, and checks the size of a known type. An unknown type keeps its bytes.
    ///
    /// # Errors
    /// Too short, or the size contradicts the number of objects.
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
        if let Some(len) = element_len(type_id) {
            let count = usize::from(asdu.count);
            let wanted = if asdu.sequence { 3 + count * len } else { count * (3 + len) };
            if count == 0 || wanted != body.len() {
                return Err(AsduError::Size { type_id, count: asdu.count, bytes: body.len() });
            }
        }
        Ok(asdu)
    }

    /// Whether the type is spoken here.
    pub const fn is_known(&self) -> bool {
        element_len(self.type_id).is_some()
    }

    /// Address and element of each object; nothing for an unknown type.
    pub fn elements(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let (len, count, body, sequence) = (element_len(self.type_id), self.count, self.body, self.sequence);
        (0..usize::from(count)).map_while(move |n| {
            let len = len?;
            let (head, offset) = if sequence { (0, 3 + n * len) } else { (n * (3 + len), n * (3 + len) + 3) };
            let base = address(body.get(head..)?)?;
            let ioa = if sequence { base.wrapping_add(u32::try_from(n).ok()?) & 0xFF_FFFF } else { base };
            Some((ioa, body.get(offset..offset + len)?))
        })
    }

    /// Address of the first object, 0 where there is none.
    pub fn ioa(&self) -> u32 {
        address(self.body).unwrap_or(0)
    }

    /// Appends the monitored objects; nothing for other types.
    pub fn objects(&self, out: &mut Vec<Object>) {
        out.extend(self.elements().filter_map(|(ioa, element)| {
            let (value, quality, time) = monitored(self.type_id, element)?;
            Some(Object { common_address: self.common_address, ioa, value, quality, time, cause: self.cause })
        }));
    }

    /// The command of a C_SC, C_DC or C_SE.
    pub fn command(&self) -> Option<WireCommand> {
        let (ioa, element) = self.elements().next()?;
        let (value, qualifier) = match self.type_id {
            types::C_SC_NA | types::C_SC_TA => {
                let &sco = element.first()?;
                (Some(CommandValue::Single(sco & 1 != 0)), sco)
            }
            types::C_DC_NA | types::C_DC_TA => {
                let &dco = element.first()?;
                let value = match dco & 3 {
                    1 => Some(CommandValue::Double(false)),
                    2 => Some(CommandValue::Double(true)),
                    _ => None,
                };
                (value, dco)
            }
            types::C_SE_NC | types::C_SE_TC => {
                let (&float, rest) = element.split_first_chunk::<4>()?;
                let float = f32::from_le_bytes(float);
                (float.is_finite().then_some(CommandValue::SetFloat(float)), *rest.first()?)
            }
            _ => return None,
        };
        Some(WireCommand { ioa, value, select: qualifier & SELECT != 0 })
    }

    /// The same message back, with another cause and P/N.
    pub fn mirrored(&self, cause: u8, negative: bool) -> Vec<u8> {
        let vsq = self.count | if self.sequence { 0x80 } else { 0 };
        let cot = cause & 0x3F | if negative { 0x40 } else { 0 } | if self.test { 0x80 } else { 0 };
        let [ca_low, ca_high] = self.common_address.to_le_bytes();
        let mut out = vec![self.type_id, vsq, cot, self.originator, ca_low, ca_high];
        out.extend_from_slice(self.body);
        out
    }
}

fn address(body: &[u8]) -> Option<u32> {
    let &[a, b, c] = body.first_chunk::<3>()?;
    Some(u32::from_le_bytes([a, b, c, 0]))
}

fn monitored(type_id: u8, element: &[u8]) -> Option<(Value, Quality, Option<Timestamp>)> {
    let (value, quality, rest) = match type_id {
        1 | 30 => {
            let (&siq, rest) = element.split_first()?;
            (Value::Single(siq & 1 != 0), Quality::from_bits(siq & 0xF0), rest)
        }
        3 | 31 => {
            let (&diq, rest) = element.split_first()?;
            (Value::Double(SwitchPosition::from_value(i64::from(diq & 3))), Quality::from_bits(diq & 0xF0), rest)
        }
        9 | 11 | 34 | 35 => {
            let (&[low, high, qds], rest) = element.split_first_chunk::<3>()?;
            let number = i16::from_le_bytes([low, high]);
            let value = if matches!(type_id, 9 | 34) { Value::Normalized(number) } else { Value::Scaled(number) };
            (value, Quality::from_bits(qds), rest)
        }
        13 | 36 => {
            let (&[a, b, c, d, qds], rest) = element.split_first_chunk::<5>()?;
            let (number, quality) = (f32::from_le_bytes([a, b, c, d]), Quality::from_bits(qds));
            if number.is_finite() {
                (Value::Float(number), quality, rest)
            } else {
                (Value::Float(0.0), quality.with(Quality::INVALID), rest)
            }
        }
        15 | 37 => {
            let (&[a, b, c, d, flags], rest) = element.split_first_chunk::<5>()?;
            (Value::Counter(i32::from_le_bytes([a, b, c, d])), Quality::from_bits(flags & 0x80), rest)
        }
        _ => return None,
    };
    Some((value, quality, rest.first_chunk::<7>().and_then(|&raw| time::decode(raw))))
}

/// One message with one object.
pub fn message(type_id: u8, cause: u8, common_address: u16, ioa: u32, element: &[u8]) -> Vec<u8> {
    let ([ca_low, ca_high], [a, b, c, _]) = (common_address.to_le_bytes(), ioa.to_le_bytes());
    let mut out = vec![type_id, 1, cause, 0, ca_low, ca_high, a, b, c];
    out.extend_from_slice(element);
    out
}

/// The message of a command, untimed.
pub fn command(common_address: u16, ioa: u32, value: CommandValue, select: bool, cause: u8) -> Vec<u8> {
    let se = if select { SELECT } else { 0 };
    match value {
        CommandValue::Single(on) => message(types::C_SC_NA, cause, common_address, ioa, &[u8::from(on) | se]),
        CommandValue::Double(on) => message(types::C_DC_NA, cause, common_address, ioa, &[if on { 2 } else { 1 } | se]),
        CommandValue::SetFloat(number) => {
            let [a, b, c, d] = number.to_le_bytes();
            message(types::C_SE_NC, cause, common_address, ioa, &[a, b, c, d, se])
        }
    }
}

/// Type identification of an object, and its element.
fn encode(object: &Object) -> (u8, Vec<u8>) {
    let bits = object.quality.bits();
    let (plain, timed, mut element) = match object.value {
        Value::Single(on) => (1, 30, vec![bits & 0xF0 | u8::from(on)]),
        Value::Double(position) => (3, 31, vec![bits & 0xF0 | u8::try_from(position.value()).unwrap_or(3)]),
        Value::Normalized(n) => (9, 34, [&n.to_le_bytes()[..], &[bits]].concat()),
        Value::Scaled(n) => (11, 35, [&n.to_le_bytes()[..], &[bits]].concat()),
        Value::Float(n) => (13, 36, [&n.to_le_bytes()[..], &[bits]].concat()),
        Value::Counter(n) => (15, 37, [&n.to_le_bytes()[..], &[bits & 0x80]].concat()),
    };
    if object.time.is_some() {
        element.extend_from_slice(&time::encode(object.time));
        (timed, element)
    } else {
        (plain, element)
    }
}

/// Packs as many objects as fit into each message (SQ = 0), in their order; neighbours of one type, cause and common
/// address share one. Each message comes with the number of objects in it.
pub fn pack(objects: &[Object]) -> Vec<(Vec<u8>, usize)> {
    let mut out: Vec<(Vec<u8>, usize)> = Vec::new();
    let mut open = None;
    for object in objects {
        let (type_id, element) = encode(object);
        let key = (type_id, object.cause, object.common_address);
        if let Some((asdu, count)) = out.last_mut()
            && open == Some(key)
            && *count < 127
            && asdu.len() + 3 + element.len() <= ASDU_MAX
        {
            let [a, b, c, _] = object.ioa.to_le_bytes();
            asdu.extend_from_slice(&[a, b, c]);
            asdu.extend_from_slice(&element);
            *count += 1;
            if let Some(vsq) = asdu.get_mut(1) {
                *vsq += 1;
            }
        } else {
            open = Some(key);
            out.push((message(type_id, object.cause, object.common_address, object.ioa, &element), 1));
        }
    }
    out
}
