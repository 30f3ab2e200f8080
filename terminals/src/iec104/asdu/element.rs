//! Information elements, octet for octet (60870-5-101, 7.2.6): what is decoded here and encoded again is the same octets,
//! reserved bits included. [`super::object`] makes values of them.

use super::super::time::{Cp16, Cp24, Cp56};
use super::types as t;
use super::types::TagKind;

/// An octet of fields.
macro_rules! octets {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub u8);)*
    };
}

octets! {
    /// SIQ: single point (bit 0) with quality (7.2.6.1).
    Siq;
    /// DIQ: double point (bits 0, 1) with quality (7.2.6.2).
    Diq;
    /// QDS: quality (7.2.6.3).
    Qds;
    /// QDP: quality of events of protection equipment, EI in bit 3 (7.2.6.4).
    Qdp;
    /// VTI: step position, transient in bit 7 (7.2.6.5).
    Vti;
    /// SEP: single event of protection equipment, state in bits 0, 1 with QDP (7.2.6.10).
    Sep;
    /// SPE: start events of protection equipment (7.2.6.11).
    Spe;
    /// OCI: output circuit information (7.2.6.12).
    Oci;
    /// SCO: single command (7.2.6.15).
    Sco;
    /// DCO: double command (7.2.6.16).
    Dco;
    /// RCO: regulating step command (7.2.6.17).
    Rco;
    /// COI: cause of initialization, bit 7: after a change of local parameters (7.2.6.21).
    Coi;
    /// QOI: qualifier of interrogation, 20 = station, 21..=36 = groups 1 to 16 (7.2.6.22).
    Qoi;
    /// QCC: request in bits 0..=5 (1..=4 groups, 5 general), freeze in bits 6, 7 (7.2.6.23).
    Qcc;
    /// QPM: qualifier of parameter of measured values (7.2.6.24).
    Qpm;
    /// QPA: qualifier of parameter activation (7.2.6.25).
    Qpa;
    /// QRP: qualifier of reset process (7.2.6.27).
    Qrp;
    /// QOS: qualifier of set-point command, S/E in bit 7 (7.2.6.39).
    Qos;
    /// FRQ: file ready, negative in bit 7 (7.2.6.28).
    Frq;
    /// SRQ: section not ready in bit 7 (7.2.6.29).
    Srq;
    /// SCQ: select, call, deactivate, delete in bits 0..=3 (7.2.6.30).
    Scq;
    /// LSQ: last section or segment (7.2.6.31).
    Lsq;
    /// AFQ: acknowledge file or section, bits 0..=3 (7.2.6.32).
    Afq;
    /// SOF: status of file, LFD in bit 5, FOR in bit 6, FA in bit 7 (7.2.6.38).
    Sof;
}

/// BCR: counter with its notes (7.2.6.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bcr {
    /// The count.
    pub total: i32,
    /// Sequence number (bits 0..=4), CY, CA, IV.
    pub notes: u8,
}

impl Bcr {
    /// A valid count, sequence number 0.
    pub const fn new(total: i32) -> Self {
        Self { total, notes: 0 }
    }

    /// Sequence number, 0..=31.
    pub const fn sequence(self) -> u8 {
        self.notes & 0x1F
    }

    /// CY: the counter passed its end since the reading before.
    pub const fn carry(self) -> bool {
        self.notes & 0x20 != 0
    }

    /// CA: the counter was adjusted since the reading before.
    pub const fn adjusted(self) -> bool {
        self.notes & 0x40 != 0
    }

    /// IV.
    pub const fn invalid(self) -> bool {
        self.notes & 0x80 != 0
    }
}

impl Qcc {
    /// What is asked: 1..=4 for a group, 5 for all.
    pub const fn request(self) -> u8 {
        self.0 & 0x3F
    }

    /// 0 read, 1 freeze, 2 freeze with reset, 3 reset.
    pub const fn freeze(self) -> u8 {
        self.0 >> 6
    }
}

/// Which file, 60870-5-101, 7.2.6.33: 1 transparent, 2 disturbance data, 3 sequences of events, 4 recorded values.
pub type FileName = u16;

/// One element, without its address and time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element<'a> {
    /// M_SP.
    Single(Siq),
    /// M_DP.
    Double(Diq),
    /// M_ST.
    Step(Vti, Qds),
    /// M_BO.
    Bits(u32, Qds),
    /// M_ME_NA, TA, TD: 2^-15 of full scale.
    Normalized(i16, Qds),
    /// M_ME_NB, TB, TE.
    Scaled(i16, Qds),
    /// M_ME_NC, TC, TF.
    Float(f32, Qds),
    /// M_IT.
    Counter(Bcr),
    /// M_EP_TA, TD.
    ProtectionEvent(Sep, Cp16),
    /// M_EP_TB, TE.
    ProtectionStarts(Spe, Qdp, Cp16),
    /// M_EP_TC, TF.
    ProtectionTrips(Oci, Qdp, Cp16),
    /// M_PS_NA: 16 states and which of them changed.
    Packed {
        /// States, bit 0 first.
        states: u16,
        /// Changes since the last report.
        changed: u16,
        /// Quality of all.
        qds: Qds,
    },
    /// M_ME_ND: normalized without quality.
    Bare(i16),
    /// C_SC.
    SingleCommand(Sco),
    /// C_DC.
    DoubleCommand(Dco),
    /// C_RC.
    StepCommand(Rco),
    /// C_SE_NA, TA.
    SetNormalized(i16, Qos),
    /// C_SE_NB, TB.
    SetScaled(i16, Qos),
    /// C_SE_NC, TC.
    SetFloat(f32, Qos),
    /// C_BO.
    SetBits(u32),
    /// M_EI.
    Initialized(Coi),
    /// C_IC.
    Interrogation(Qoi),
    /// C_CI.
    CounterInterrogation(Qcc),
    /// C_RD.
    Read,
    /// C_CS.
    Clock(Cp56),
    /// C_TS_NA: FBP, 55AAH.
    Test(u16),
    /// C_RP.
    Reset(Qrp),
    /// C_CD.
    Delay(Cp16),
    /// C_TS_TA: a counter; its time is the tag.
    TestTimed(u16),
    /// P_ME_NA.
    ParameterNormalized(i16, Qpm),
    /// P_ME_NB.
    ParameterScaled(i16, Qpm),
    /// P_ME_NC.
    ParameterFloat(f32, Qpm),
    /// P_AC.
    ParameterActivation(Qpa),
    /// F_FR: length in octets, 0..=16777215.
    FileReady(FileName, u32, Frq),
    /// F_SR: section, length in octets.
    SectionReady(FileName, u8, u32, Srq),
    /// F_SC_NA: section.
    FileCall(FileName, u8, Scq),
    /// F_LS: section, checksum.
    FileLast(FileName, u8, Lsq, u8),
    /// F_AF: section.
    FileAck(FileName, u8, Afq),
    /// F_SG: section, octets of the segment.
    FileSegment(FileName, u8, &'a [u8]),
    /// F_DR: length or number of subdirectories, status, creation.
    Directory(FileName, u32, Sof, Cp56),
    /// F_SC_NB: query log, from and to.
    QueryLog(FileName, Cp56, Cp56),
}

/// The time that ends an element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tag {
    /// None.
    #[default]
    None,
    /// Minute and milliseconds.
    Short(Cp24),
    /// Date and time.
    Full(Cp56),
}

/// Which element a type carries, and with which tag.
const fn tag_kind(type_id: u8) -> TagKind {
    match type_id {
        t::M_SP_TA
        | t::M_DP_TA
        | t::M_ST_TA
        | t::M_BO_TA
        | t::M_ME_TA
        | t::M_ME_TB
        | t::M_ME_TC
        | t::M_IT_TA
        | t::M_EP_TA
        | t::M_EP_TB
        | t::M_EP_TC => TagKind::Short,
        t::M_SP_TB..=t::M_EP_TF | t::C_SC_TA..=t::C_BO_TA | t::C_TS_TA => TagKind::Full,
        _ => TagKind::None,
    }
}

/// Takes octets off the front.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(head)
    }
    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[octet]| octet)
    }
    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_le_bytes)
    }
    fn u24(&mut self) -> Option<u32> {
        self.take().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    fn f32(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }
    fn cp16(&mut self) -> Option<Cp16> {
        self.take().map(Cp16)
    }
    fn cp56(&mut self) -> Option<Cp56> {
        self.take().map(Cp56)
    }
}

impl<'a> Element<'a> {
    /// One element of a type and its tag; none for an unknown type or another number of octets than the type has.
    pub fn decode(type_id: u8, octets: &'a [u8]) -> Option<(Self, Tag)> {
        let mut o = Octets(octets);
        let element = match type_id {
            t::M_SP_NA | t::M_SP_TA | t::M_SP_TB => Self::Single(Siq(o.u8()?)),
            t::M_DP_NA | t::M_DP_TA | t::M_DP_TB => Self::Double(Diq(o.u8()?)),
            t::M_ST_NA | t::M_ST_TA | t::M_ST_TB => Self::Step(Vti(o.u8()?), Qds(o.u8()?)),
            t::M_BO_NA | t::M_BO_TA | t::M_BO_TB => Self::Bits(o.u32()?, Qds(o.u8()?)),
            t::M_ME_NA | t::M_ME_TA | t::M_ME_TD => Self::Normalized(o.i16()?, Qds(o.u8()?)),
            t::M_ME_NB | t::M_ME_TB | t::M_ME_TE => Self::Scaled(o.i16()?, Qds(o.u8()?)),
            t::M_ME_NC | t::M_ME_TC | t::M_ME_TF => Self::Float(o.f32()?, Qds(o.u8()?)),
            t::M_IT_NA | t::M_IT_TA | t::M_IT_TB => {
                let total = o.take().map(i32::from_le_bytes)?;
                Self::Counter(Bcr { total, notes: o.u8()? })
            }
            t::M_EP_TA | t::M_EP_TD => Self::ProtectionEvent(Sep(o.u8()?), o.cp16()?),
            t::M_EP_TB | t::M_EP_TE => Self::ProtectionStarts(Spe(o.u8()?), Qdp(o.u8()?), o.cp16()?),
            t::M_EP_TC | t::M_EP_TF => Self::ProtectionTrips(Oci(o.u8()?), Qdp(o.u8()?), o.cp16()?),
            t::M_PS_NA => Self::Packed { states: o.u16()?, changed: o.u16()?, qds: Qds(o.u8()?) },
            t::M_ME_ND => Self::Bare(o.i16()?),
            t::C_SC_NA | t::C_SC_TA => Self::SingleCommand(Sco(o.u8()?)),
            t::C_DC_NA | t::C_DC_TA => Self::DoubleCommand(Dco(o.u8()?)),
            t::C_RC_NA | t::C_RC_TA => Self::StepCommand(Rco(o.u8()?)),
            t::C_SE_NA | t::C_SE_TA => Self::SetNormalized(o.i16()?, Qos(o.u8()?)),
            t::C_SE_NB | t::C_SE_TB => Self::SetScaled(o.i16()?, Qos(o.u8()?)),
            t::C_SE_NC | t::C_SE_TC => Self::SetFloat(o.f32()?, Qos(o.u8()?)),
            t::C_BO_NA | t::C_BO_TA => Self::SetBits(o.u32()?),
            t::M_EI_NA => Self::Initialized(Coi(o.u8()?)),
            t::C_IC_NA => Self::Interrogation(Qoi(o.u8()?)),
            t::C_CI_NA => Self::CounterInterrogation(Qcc(o.u8()?)),
            t::C_RD_NA => Self::Read,
            t::C_CS_NA => Self::Clock(o.cp56()?),
            t::C_TS_NA => Self::Test(o.u16()?),
            t::C_RP_NA => Self::Reset(Qrp(o.u8()?)),
            t::C_CD_NA => Self::Delay(o.cp16()?),
            t::C_TS_TA => Self::TestTimed(o.u16()?),
            t::P_ME_NA => Self::ParameterNormalized(o.i16()?, Qpm(o.u8()?)),
            t::P_ME_NB => Self::ParameterScaled(o.i16()?, Qpm(o.u8()?)),
            t::P_ME_NC => Self::ParameterFloat(o.f32()?, Qpm(o.u8()?)),
            t::P_AC_NA => Self::ParameterActivation(Qpa(o.u8()?)),
            t::F_FR_NA => Self::FileReady(o.u16()?, o.u24()?, Frq(o.u8()?)),
            t::F_SR_NA => Self::SectionReady(o.u16()?, o.u8()?, o.u24()?, Srq(o.u8()?)),
            t::F_SC_NA => Self::FileCall(o.u16()?, o.u8()?, Scq(o.u8()?)),
            t::F_LS_NA => Self::FileLast(o.u16()?, o.u8()?, Lsq(o.u8()?), o.u8()?),
            t::F_AF_NA => Self::FileAck(o.u16()?, o.u8()?, Afq(o.u8()?)),
            t::F_SG_NA => {
                let (name, section, length) = (o.u16()?, o.u8()?, o.u8()?);
                let (segment, rest) = o.0.split_at_checked(usize::from(length))?;
                o.0 = rest;
                Self::FileSegment(name, section, segment)
            }
            t::F_DR_TA => Self::Directory(o.u16()?, o.u24()?, Sof(o.u8()?), o.cp56()?),
            t::F_SC_NB => Self::QueryLog(o.u16()?, o.cp56()?, o.cp56()?),
            _ => return None,
        };
        let tag = match tag_kind(type_id) {
            TagKind::None => Tag::None,
            TagKind::Short => Tag::Short(Cp24(o.take()?)),
            TagKind::Full => Tag::Full(o.cp56()?),
        };
        o.0.is_empty().then_some((element, tag))
    }

    /// The type that carries this element with such a tag; none where the standard has no such type.
    pub const fn type_id(&self, tag: TagKind) -> Option<u8> {
        let (plain, short, full) = match self {
            Self::Single(_) => (t::M_SP_NA, t::M_SP_TA, t::M_SP_TB),
            Self::Double(_) => (t::M_DP_NA, t::M_DP_TA, t::M_DP_TB),
            Self::Step(..) => (t::M_ST_NA, t::M_ST_TA, t::M_ST_TB),
            Self::Bits(..) => (t::M_BO_NA, t::M_BO_TA, t::M_BO_TB),
            Self::Normalized(..) => (t::M_ME_NA, t::M_ME_TA, t::M_ME_TD),
            Self::Scaled(..) => (t::M_ME_NB, t::M_ME_TB, t::M_ME_TE),
            Self::Float(..) => (t::M_ME_NC, t::M_ME_TC, t::M_ME_TF),
            Self::Counter(_) => (t::M_IT_NA, t::M_IT_TA, t::M_IT_TB),
            Self::ProtectionEvent(..) => (0, t::M_EP_TA, t::M_EP_TD),
            Self::ProtectionStarts(..) => (0, t::M_EP_TB, t::M_EP_TE),
            Self::ProtectionTrips(..) => (0, t::M_EP_TC, t::M_EP_TF),
            Self::SingleCommand(_) => (t::C_SC_NA, 0, t::C_SC_TA),
            Self::DoubleCommand(_) => (t::C_DC_NA, 0, t::C_DC_TA),
            Self::StepCommand(_) => (t::C_RC_NA, 0, t::C_RC_TA),
            Self::SetNormalized(..) => (t::C_SE_NA, 0, t::C_SE_TA),
            Self::SetScaled(..) => (t::C_SE_NB, 0, t::C_SE_TB),
            Self::SetFloat(..) => (t::C_SE_NC, 0, t::C_SE_TC),
            Self::SetBits(_) => (t::C_BO_NA, 0, t::C_BO_TA),
            Self::TestTimed(_) => (0, 0, t::C_TS_TA),
            Self::Packed { .. } => (t::M_PS_NA, 0, 0),
            Self::Bare(_) => (t::M_ME_ND, 0, 0),
            Self::Initialized(_) => (t::M_EI_NA, 0, 0),
            Self::Interrogation(_) => (t::C_IC_NA, 0, 0),
            Self::CounterInterrogation(_) => (t::C_CI_NA, 0, 0),
            Self::Read => (t::C_RD_NA, 0, 0),
            Self::Clock(_) => (t::C_CS_NA, 0, 0),
            Self::Test(_) => (t::C_TS_NA, 0, 0),
            Self::Reset(_) => (t::C_RP_NA, 0, 0),
            Self::Delay(_) => (t::C_CD_NA, 0, 0),
            Self::ParameterNormalized(..) => (t::P_ME_NA, 0, 0),
            Self::ParameterScaled(..) => (t::P_ME_NB, 0, 0),
            Self::ParameterFloat(..) => (t::P_ME_NC, 0, 0),
            Self::ParameterActivation(_) => (t::P_AC_NA, 0, 0),
            Self::FileReady(..) => (t::F_FR_NA, 0, 0),
            Self::SectionReady(..) => (t::F_SR_NA, 0, 0),
            Self::FileCall(..) => (t::F_SC_NA, 0, 0),
            Self::FileLast(..) => (t::F_LS_NA, 0, 0),
            Self::FileAck(..) => (t::F_AF_NA, 0, 0),
            Self::FileSegment(..) => (t::F_SG_NA, 0, 0),
            Self::Directory(..) => (t::F_DR_TA, 0, 0),
            Self::QueryLog(..) => (t::F_SC_NB, 0, 0),
        };
        let id = match tag {
            TagKind::None => plain,
            TagKind::Short => short,
            TagKind::Full => full,
        };
        if id == 0 { None } else { Some(id) }
    }

    /// NOF of an element of file transfer.
    pub const fn file_name(&self) -> Option<FileName> {
        match *self {
            Self::FileReady(name, ..)
            | Self::SectionReady(name, ..)
            | Self::FileCall(name, ..)
            | Self::FileLast(name, ..)
            | Self::FileAck(name, ..)
            | Self::FileSegment(name, ..)
            | Self::Directory(name, ..)
            | Self::QueryLog(name, ..) => Some(name),
            _ => None,
        }
    }

    /// Appends the element's octets. A segment is cut to 255 octets, a length to 24 bits.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        let u24 = |n: u32| {
            let [a, b, c, _] = n.to_le_bytes();
            [a, b, c]
        };
        match *self {
            Self::Single(Siq(o))
            | Self::Double(Diq(o))
            | Self::SingleCommand(Sco(o))
            | Self::DoubleCommand(Dco(o))
            | Self::StepCommand(Rco(o))
            | Self::Initialized(Coi(o))
            | Self::Interrogation(Qoi(o))
            | Self::CounterInterrogation(Qcc(o))
            | Self::Reset(Qrp(o))
            | Self::ParameterActivation(Qpa(o)) => out.push(o),
            Self::Step(Vti(v), Qds(q)) => out.extend_from_slice(&[v, q]),
            Self::Bits(n, Qds(q)) => five(out, n.to_le_bytes(), q),
            Self::Normalized(n, Qds(q))
            | Self::Scaled(n, Qds(q))
            | Self::SetNormalized(n, Qos(q))
            | Self::SetScaled(n, Qos(q))
            | Self::ParameterNormalized(n, Qpm(q))
            | Self::ParameterScaled(n, Qpm(q)) => {
                let [a, b] = n.to_le_bytes();
                out.extend_from_slice(&[a, b, q]);
            }
            Self::Float(n, Qds(q)) | Self::SetFloat(n, Qos(q)) | Self::ParameterFloat(n, Qpm(q)) => {
                five(out, n.to_le_bytes(), q);
            }
            Self::Counter(Bcr { total, notes }) => five(out, total.to_le_bytes(), notes),
            Self::ProtectionEvent(Sep(s), Cp16([a, b])) => out.extend_from_slice(&[s, a, b]),
            Self::ProtectionStarts(Spe(s), Qdp(q), Cp16([a, b]))
            | Self::ProtectionTrips(Oci(s), Qdp(q), Cp16([a, b])) => out.extend_from_slice(&[s, q, a, b]),
            Self::Packed { states, changed, qds } => {
                let ([a, b], [c, d]) = (states.to_le_bytes(), changed.to_le_bytes());
                five(out, [a, b, c, d], qds.0);
            }
            Self::Bare(n) => out.extend_from_slice(&n.to_le_bytes()),
            Self::SetBits(n) => out.extend_from_slice(&n.to_le_bytes()),
            Self::Read => {}
            Self::Clock(Cp56(time)) => out.extend_from_slice(&time),
            Self::Test(n) | Self::TestTimed(n) => out.extend_from_slice(&n.to_le_bytes()),
            Self::Delay(Cp16(ms)) => out.extend_from_slice(&ms),
            Self::FileReady(name, length, Frq(q)) => {
                let ([n, m], [a, b, c]) = (name.to_le_bytes(), u24(length));
                out.extend_from_slice(&[n, m, a, b, c, q]);
            }
            Self::SectionReady(name, section, length, Srq(q)) => {
                let ([n, m], [a, b, c]) = (name.to_le_bytes(), u24(length));
                out.extend_from_slice(&[n, m, section, a, b, c, q]);
            }
            Self::FileCall(name, section, Scq(q)) | Self::FileAck(name, section, Afq(q)) => {
                let [n, m] = name.to_le_bytes();
                out.extend_from_slice(&[n, m, section, q]);
            }
            Self::FileLast(name, section, Lsq(q), checksum) => {
                let [n, m] = name.to_le_bytes();
                out.extend_from_slice(&[n, m, section, q, checksum]);
            }
            Self::FileSegment(name, section, segment) => {
                let length = u8::try_from(segment.len()).unwrap_or(u8::MAX);
                let [n, m] = name.to_le_bytes();
                out.extend_from_slice(&[n, m, section, length]);
                out.extend_from_slice(segment.get(..usize::from(length)).unwrap_or(segment));
            }
            Self::Directory(name, length, Sof(status), Cp56(time)) => {
                let ([n, m], [a, b, c]) = (name.to_le_bytes(), u24(length));
                out.extend_from_slice(&[n, m, a, b, c, status]);
                out.extend_from_slice(&time);
            }
            Self::QueryLog(name, Cp56(from), Cp56(to)) => {
                out.extend_from_slice(&name.to_le_bytes());
                out.extend_from_slice(&from);
                out.extend_from_slice(&to);
            }
        }
    }
}

#[inline]
fn five(out: &mut Vec<u8>, [a, b, c, d]: [u8; 4], last: u8) {
    out.extend_from_slice(&[a, b, c, d, last]);
}

impl Tag {
    /// Which.
    pub const fn kind(self) -> TagKind {
        match self {
            Self::None => TagKind::None,
            Self::Short(_) => TagKind::Short,
            Self::Full(_) => TagKind::Full,
        }
    }

    /// Appends its octets.
    #[inline]
    pub fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Short(Cp24(octets)) => out.extend_from_slice(&octets),
            Self::Full(Cp56(octets)) => out.extend_from_slice(&octets),
        }
    }
}
