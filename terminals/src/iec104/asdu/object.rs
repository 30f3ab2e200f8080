//! Values of the monitoring direction. Decoding appends to the caller's vector and allocates nothing else; encoding
//! fills the caller's buffer with one message of as many objects as fit.

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};

use super::super::apci::ASDU_MAX;
use super::super::time::{Cp16, Cp24, Cp56, Tagger, TimeBase, Zone};
use super::element::{Bcr, Diq, Element, Oci, Qdp, Qds, Sep, Siq, Spe, Tag, Vti};
use super::types::{self as t, causes};
use super::{ADDRESS_LEN, ADDRESS_MAX, Asdu, HEADER_LEN};

/// A value as the wire carries it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Single point.
    Single(bool),
    /// Double point.
    Double(SwitchPosition),
    /// Step position, -64..=63.
    Step {
        /// Position.
        position: i8,
        /// The equipment moves.
        transient: bool,
    },
    /// 32 bits.
    Bits(u32),
    /// Fraction of full scale, 2^-15.
    Normalized(i16),
    /// Scaled by the point map.
    Scaled(i16),
    /// Short float, finite.
    Float(f32),
    /// Counter reading; its IV is the object's quality.
    Counter(Bcr),
    /// 16 single points of one address.
    Packed {
        /// States, bit 0 first.
        states: u16,
        /// Changes since the last report.
        changed: u16,
    },
    /// An event of protection equipment.
    ProtectionEvent {
        /// 1 = OFF, 2 = ON; 0 and 3 are indeterminate.
        state: u8,
        /// From start to end, ms; none where EI is set or it is no time.
        elapsed_ms: Option<u16>,
    },
    /// Protection started: GS, SL1, SL2, SL3, SIE, SRD in bits 0..=5.
    ProtectionStarts {
        /// Which.
        starts: u8,
        /// Duration of the relay, ms.
        elapsed_ms: Option<u16>,
    },
    /// Protection ordered an output circuit: GC, CL1, CL2, CL3 in bits 0..=3.
    ProtectionTrips {
        /// Which.
        circuits: u8,
        /// Operating time of the relay, ms.
        elapsed_ms: Option<u16>,
    },
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

/// What an element says: value, quality, time.
type Said = (Value, Quality, Option<Timestamp>);

/// EI of QDP and SEP: the elapsed time is not to be used.
const ELAPSED_INVALID: u8 = 0x08;

#[inline]
const fn upper(bits: u8) -> Quality {
    Quality::from_bits(bits & 0xF0)
}

#[inline]
fn single(siq: u8) -> (Value, Quality) {
    (Value::Single(siq & 1 != 0), upper(siq))
}

#[inline]
fn double(diq: u8) -> (Value, Quality) {
    (Value::Double(SwitchPosition::from_value(i64::from(diq & 3))), upper(diq))
}

#[inline]
fn step(vti: u8, qds: u8) -> (Value, Quality) {
    let position = (vti << 1).cast_signed() >> 1;
    (Value::Step { position, transient: vti & 0x80 != 0 }, Quality::from_bits(qds))
}

#[inline]
fn bits(octets: [u8; 4], qds: u8) -> (Value, Quality) {
    (Value::Bits(u32::from_le_bytes(octets)), Quality::from_bits(qds))
}

#[inline]
fn normalized(octets: [u8; 2], qds: u8) -> (Value, Quality) {
    (Value::Normalized(i16::from_le_bytes(octets)), Quality::from_bits(qds))
}

#[inline]
fn scaled(octets: [u8; 2], qds: u8) -> (Value, Quality) {
    (Value::Scaled(i16::from_le_bytes(octets)), Quality::from_bits(qds))
}

/// What is no number is 0 with IV.
#[inline]
fn float(octets: [u8; 4], qds: u8) -> (Value, Quality) {
    let number = f32::from_le_bytes(octets);
    let (number, mark) = if number.is_finite() { (number, Quality::GOOD) } else { (0.0, Quality::INVALID) };
    (Value::Float(number), Quality::from_bits(qds).with(mark))
}

#[inline]
fn counter(octets: [u8; 4], notes: u8) -> (Value, Quality) {
    let bcr = Bcr { total: i32::from_le_bytes(octets), notes: notes & 0x7F };
    (Value::Counter(bcr), Quality::from_bits(notes & 0x80))
}

fn elapsed(qdp: u8, ms: [u8; 2]) -> Option<u16> {
    Cp16(ms).ms().filter(|_| qdp & ELAPSED_INVALID == 0)
}

impl Asdu<'_> {
    /// Appends the monitored objects; nothing for other types. A time that is none leaves its object without.
    pub fn objects(&self, base: TimeBase, out: &mut Vec<Object>) {
        let full = |octets: [u8; 7]| Cp56(octets).instant(base.zone);
        let short = |octets: [u8; 3]| Cp24(octets).instant(base);
        let un = |(value, quality): (Value, Quality)| -> Said { (value, quality, None) };
        let at = |(value, quality): (Value, Quality), time: Option<Timestamp>| -> Said { (value, quality, time) };
        // N octets an element, M with its address.
        macro_rules! each {
            ($n:literal $m:literal $octets:pat => $said:expr) => {
                self.each::<$n, $m>(out, |&$octets| $said)
            };
        }
        match self.type_id {
            t::M_SP_NA => each!(1 4 [q] => un(single(q))),
            t::M_SP_TA => each!(4 7 [q, a, b, c] => at(single(q), short([a, b, c]))),
            t::M_SP_TB => each!(8 11 [q, t @ ..] => at(single(q), full(t))),
            t::M_DP_NA => each!(1 4 [q] => un(double(q))),
            t::M_DP_TA => each!(4 7 [q, a, b, c] => at(double(q), short([a, b, c]))),
            t::M_DP_TB => each!(8 11 [q, t @ ..] => at(double(q), full(t))),
            t::M_ST_NA => each!(2 5 [v, q] => un(step(v, q))),
            t::M_ST_TA => each!(5 8 [v, q, a, b, c] => at(step(v, q), short([a, b, c]))),
            t::M_ST_TB => each!(9 12 [v, q, t @ ..] => at(step(v, q), full(t))),
            t::M_BO_NA => each!(5 8 [a, b, c, d, q] => un(bits([a, b, c, d], q))),
            t::M_BO_TA => each!(8 11 [a, b, c, d, q, x, y, z] => at(bits([a, b, c, d], q), short([x, y, z]))),
            t::M_BO_TB => each!(12 15 [a, b, c, d, q, t @ ..] => at(bits([a, b, c, d], q), full(t))),
            t::M_ME_NA => each!(3 6 [a, b, q] => un(normalized([a, b], q))),
            t::M_ME_TA => each!(6 9 [a, b, q, x, y, z] => at(normalized([a, b], q), short([x, y, z]))),
            t::M_ME_TD => each!(10 13 [a, b, q, t @ ..] => at(normalized([a, b], q), full(t))),
            t::M_ME_ND => each!(2 5 [a, b] => un(normalized([a, b], 0))),
            t::M_ME_NB => each!(3 6 [a, b, q] => un(scaled([a, b], q))),
            t::M_ME_TB => each!(6 9 [a, b, q, x, y, z] => at(scaled([a, b], q), short([x, y, z]))),
            t::M_ME_TE => each!(10 13 [a, b, q, t @ ..] => at(scaled([a, b], q), full(t))),
            t::M_ME_NC => each!(5 8 [a, b, c, d, q] => un(float([a, b, c, d], q))),
            t::M_ME_TC => each!(8 11 [a, b, c, d, q, x, y, z] => at(float([a, b, c, d], q), short([x, y, z]))),
            t::M_ME_TF => each!(12 15 [a, b, c, d, q, t @ ..] => at(float([a, b, c, d], q), full(t))),
            t::M_IT_NA => each!(5 8 [a, b, c, d, q] => un(counter([a, b, c, d], q))),
            t::M_IT_TA => each!(8 11 [a, b, c, d, q, x, y, z] => at(counter([a, b, c, d], q), short([x, y, z]))),
            t::M_IT_TB => each!(12 15 [a, b, c, d, q, t @ ..] => at(counter([a, b, c, d], q), full(t))),
            t::M_PS_NA => each!(5 8 [a, b, c, d, q] => un((
                Value::Packed { states: u16::from_le_bytes([a, b]), changed: u16::from_le_bytes([c, d]) },
                Quality::from_bits(q),
            ))),
            t::M_EP_TA..=t::M_EP_TC | t::M_EP_TD..=t::M_EP_TF => self.protection(base, out),
            _ => {}
        }
    }

    /// One loop for each type, without a branch on it inside.
    #[inline]
    fn each<const N: usize, const M: usize>(&self, out: &mut Vec<Object>, read: impl Fn(&[u8; N]) -> Said) {
        const { assert!(M == N + ADDRESS_LEN) };
        let object = |ioa: u32, (value, quality, time): Said| Object {
            common_address: self.common_address,
            ioa,
            value,
            quality,
            time,
            cause: self.cause,
        };
        if self.sequence {
            let Some((&[a, b, c], body)) = self.body.split_first_chunk::<ADDRESS_LEN>() else { return };
            let first = u32::from_le_bytes([a, b, c, 0]);
            out.extend(
                body.as_chunks::<N>().0.iter().zip(first..=ADDRESS_MAX).map(|(octets, ioa)| object(ioa, read(octets))),
            );
        } else {
            out.extend(self.body.as_chunks::<M>().0.iter().filter_map(|chunk| {
                let (&[a, b, c], octets) = chunk.split_first_chunk::<ADDRESS_LEN>()?;
                Some(object(u32::from_le_bytes([a, b, c, 0]), read(octets.first_chunk()?)))
            }));
        }
    }

    /// Events of protection equipment are rare, so they go the long way.
    fn protection(&self, base: TimeBase, out: &mut Vec<Object>) {
        out.extend(self.information().filter_map(|information| {
            let (value, quality) = match information.element {
                Element::ProtectionEvent(Sep(sep), Cp16(ms)) => {
                    (Value::ProtectionEvent { state: sep & 3, elapsed_ms: elapsed(sep, ms) }, upper(sep))
                }
                Element::ProtectionStarts(Spe(starts), Qdp(qdp), Cp16(ms)) => {
                    (Value::ProtectionStarts { starts: starts & 0x3F, elapsed_ms: elapsed(qdp, ms) }, upper(qdp))
                }
                Element::ProtectionTrips(Oci(circuits), Qdp(qdp), Cp16(ms)) => {
                    (Value::ProtectionTrips { circuits: circuits & 0x0F, elapsed_ms: elapsed(qdp, ms) }, upper(qdp))
                }
                _ => return None,
            };
            let time = match information.tag {
                Tag::Full(tag) => tag.instant(base.zone),
                Tag::Short(tag) => tag.instant(base),
                Tag::None => None,
            };
            let (common_address, cause) = (self.common_address, self.cause);
            Some(Object { common_address, ioa: information.ioa, value, quality, time, cause })
        }));
    }
}

impl Object {
    /// The element that carries it.
    #[inline]
    fn element(&self) -> Element<'static> {
        let bits = self.quality.bits();
        let protection = |elapsed_ms: Option<u16>| {
            let qdp = bits & 0xF0 | if elapsed_ms.is_none() { ELAPSED_INVALID } else { 0 };
            (qdp, Cp16::new(elapsed_ms.unwrap_or(0)))
        };
        match self.value {
            Value::Single(on) => Element::Single(Siq(bits & 0xF0 | u8::from(on))),
            Value::Double(position) => Element::Double(Diq(bits & 0xF0 | u8::try_from(position.value()).unwrap_or(3))),
            Value::Step { position, transient } => {
                let vti = position.clamp(-64, 63).cast_unsigned() & 0x7F | if transient { 0x80 } else { 0 };
                Element::Step(Vti(vti), Qds(bits))
            }
            Value::Bits(n) => Element::Bits(n, Qds(bits)),
            Value::Normalized(n) => Element::Normalized(n, Qds(bits)),
            Value::Scaled(n) => Element::Scaled(n, Qds(bits)),
            Value::Float(n) => Element::Float(n, Qds(bits)),
            Value::Counter(Bcr { total, notes }) => Element::Counter(Bcr { total, notes: notes & 0x7F | bits & 0x80 }),
            Value::Packed { states, changed } => Element::Packed { states, changed, qds: Qds(bits) },
            Value::ProtectionEvent { state, elapsed_ms } => {
                let (qdp, ms) = protection(elapsed_ms);
                Element::ProtectionEvent(Sep(qdp | state & 3), ms)
            }
            Value::ProtectionStarts { starts, elapsed_ms } => {
                let (qdp, ms) = protection(elapsed_ms);
                Element::ProtectionStarts(Spe(starts & 0x3F), Qdp(qdp), ms)
            }
            Value::ProtectionTrips { circuits, elapsed_ms } => {
                let (qdp, ms) = protection(elapsed_ms);
                Element::ProtectionTrips(Oci(circuits & 0x0F), Qdp(qdp), ms)
            }
        }
    }

    #[inline]
    fn encode(&self, tagger: &mut Tagger, out: &mut Vec<u8>) {
        self.element().encode(out);
        self.tag(tagger).encode(out);
    }

    /// The tag that its type has: events of protection equipment exist with a time only.
    #[inline]
    fn tag(&self, tagger: &mut Tagger) -> Tag {
        match (self.time, self.value) {
            (_, Value::Packed { .. }) => Tag::None,
            (Some(time), _) => Tag::Full(tagger.tag(time)),
            (None, Value::ProtectionEvent { .. } | Value::ProtectionStarts { .. } | Value::ProtectionTrips { .. }) => {
                Tag::Full(Cp56::INVALID)
            }
            (None, _) => Tag::None,
        }
    }

    /// Every value has one, with a time and without: an object that could not be sent would stand in the way of all
    /// behind it.
    #[inline]
    const fn type_id(&self) -> u8 {
        let (plain, timed) = match self.value {
            Value::Single(_) => (t::M_SP_NA, t::M_SP_TB),
            Value::Double(_) => (t::M_DP_NA, t::M_DP_TB),
            Value::Step { .. } => (t::M_ST_NA, t::M_ST_TB),
            Value::Bits(_) => (t::M_BO_NA, t::M_BO_TB),
            Value::Normalized(_) => (t::M_ME_NA, t::M_ME_TD),
            Value::Scaled(_) => (t::M_ME_NB, t::M_ME_TE),
            Value::Float(_) => (t::M_ME_NC, t::M_ME_TF),
            Value::Counter(_) => (t::M_IT_NA, t::M_IT_TB),
            Value::Packed { .. } => (t::M_PS_NA, t::M_PS_NA),
            Value::ProtectionEvent { .. } => (t::M_EP_TD, t::M_EP_TD),
            Value::ProtectionStarts { .. } => (t::M_EP_TE, t::M_EP_TE),
            Value::ProtectionTrips { .. } => (t::M_EP_TF, t::M_EP_TF),
        };
        if self.time.is_some() { timed } else { plain }
    }
}

/// Appends one message with as many of the first objects as fit, in their order, and says how many, at least one where
/// there is one: neighbours of one type, cause and common address share one. Consecutive addresses of an interrogation or
/// a cycle are sent as a sequence (SQ = 1), which takes three octets less for each.
pub fn pack_into(objects: &[Object], zone: Zone, out: &mut Vec<u8>) -> usize {
    let Some((first, others)) = objects.split_first() else { return 0 };
    let (type_id, mut tagger) = (first.type_id(), Tagger::new(zone));
    let [ca_low, ca_high] = first.common_address.to_le_bytes();
    let [a, b, c, _] = first.ioa.to_le_bytes();
    let vsq_at = out.len() + 1;
    out.extend_from_slice(&[type_id, 1, first.cause & 0x3F, 0, ca_low, ca_high, a, b, c]);
    let from = out.len();
    first.encode(&mut tagger, out);
    // As long as its own octets: no table could say otherwise.
    let length = out.len() - from;
    let room = ASDU_MAX - HEADER_LEN - ADDRESS_LEN - length;
    let alike = |object: &&Object| {
        object.cause == first.cause && object.common_address == first.common_address && object.type_id() == type_id
    };
    let apart_max = (room / (ADDRESS_LEN + length)).min(126);
    let apart = others.iter().take(apart_max).take_while(alike).count();
    let cyclic = matches!(first.cause, causes::PERIODIC | causes::BACKGROUND | causes::INTERROGATED..=41);
    let in_sequence = if cyclic && t::info(type_id).is_some_and(|info| info.sequence) {
        let most = (room / length.max(1)).min(126);
        let addresses = first.ioa.saturating_add(1)..=ADDRESS_MAX;
        others.iter().zip(addresses).take(most).take_while(|(o, ioa)| o.ioa == *ioa && alike(o)).count()
    } else {
        0
    };
    let sequence = in_sequence > 0 && in_sequence >= apart;
    let more = if sequence { in_sequence } else { apart };
    if let Some(vsq) = out.get_mut(vsq_at) {
        *vsq = u8::try_from(1 + more).unwrap_or(127) | if sequence { 0x80 } else { 0 };
    }
    for object in others.iter().take(more) {
        if !sequence {
            let [a, b, c, _] = object.ioa.to_le_bytes();
            out.extend_from_slice(&[a, b, c]);
        }
        object.encode(&mut tagger, out);
    }
    1 + more
}

/// Packs all objects into messages, each with the number of objects in it. For tests and tools; links use [`pack_into`].
pub fn pack(objects: &[Object], zone: Zone) -> Vec<(Vec<u8>, usize)> {
    let mut out = Vec::new();
    let mut rest = objects;
    while !rest.is_empty() {
        let mut message = Vec::new();
        let count = pack_into(rest, zone, &mut message);
        out.push((message, count));
        rest = rest.get(count..).unwrap_or(&[]);
    }
    out
}
