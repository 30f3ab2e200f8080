//! Type identifications and causes by number and name (60870-5-101, 7.2.1 and 7.2.3).

/// How the objects of a type are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Each element has so many octets.
    Fixed(usize),
    /// One segment of a file, with its own length octet (F_SG_NA_1).
    Segment,
}

/// Which tag of time ends the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    /// None.
    None,
    /// CP24Time2a.
    Short,
    /// CP56Time2a.
    Full,
}

/// A type of the companion standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    /// Type identification, 1..=127.
    pub id: u8,
    /// As in the standard, `M_SP_NA_1`.
    pub name: &'static str,
    /// Size of its objects.
    pub layout: Layout,
    /// Whether SQ = 1 is defined for it.
    pub sequence: bool,
}

macro_rules! types {
    ($($name:ident $id:literal $layout:expr, $sequence:literal;)*) => {
        $(#[allow(missing_docs)] pub const $name: u8 = $id;)*

        /// Every type that is spoken here, in the order of their numbers.
        pub const ALL: &[TypeInfo] = &[
            $(TypeInfo { id: $id, name: concat!(stringify!($name), "_1"), layout: $layout, sequence: $sequence },)*
        ];
    };
}

use Layout::{Fixed, Segment};

types! {
    M_SP_NA 1 Fixed(1), true;
    M_SP_TA 2 Fixed(4), false;
    M_DP_NA 3 Fixed(1), true;
    M_DP_TA 4 Fixed(4), false;
    M_ST_NA 5 Fixed(2), true;
    M_ST_TA 6 Fixed(5), false;
    M_BO_NA 7 Fixed(5), true;
    M_BO_TA 8 Fixed(8), false;
    M_ME_NA 9 Fixed(3), true;
    M_ME_TA 10 Fixed(6), false;
    M_ME_NB 11 Fixed(3), true;
    M_ME_TB 12 Fixed(6), false;
    M_ME_NC 13 Fixed(5), true;
    M_ME_TC 14 Fixed(8), false;
    M_IT_NA 15 Fixed(5), true;
    M_IT_TA 16 Fixed(8), false;
    M_EP_TA 17 Fixed(6), false;
    M_EP_TB 18 Fixed(7), false;
    M_EP_TC 19 Fixed(7), false;
    M_PS_NA 20 Fixed(5), true;
    M_ME_ND 21 Fixed(2), true;
    M_SP_TB 30 Fixed(8), false;
    M_DP_TB 31 Fixed(8), false;
    M_ST_TB 32 Fixed(9), false;
    M_BO_TB 33 Fixed(12), false;
    M_ME_TD 34 Fixed(10), false;
    M_ME_TE 35 Fixed(10), false;
    M_ME_TF 36 Fixed(12), false;
    M_IT_TB 37 Fixed(12), false;
    M_EP_TD 38 Fixed(10), false;
    M_EP_TE 39 Fixed(11), false;
    M_EP_TF 40 Fixed(11), false;
    C_SC_NA 45 Fixed(1), false;
    C_DC_NA 46 Fixed(1), false;
    C_RC_NA 47 Fixed(1), false;
    C_SE_NA 48 Fixed(3), false;
    C_SE_NB 49 Fixed(3), false;
    C_SE_NC 50 Fixed(5), false;
    C_BO_NA 51 Fixed(4), false;
    C_SC_TA 58 Fixed(8), false;
    C_DC_TA 59 Fixed(8), false;
    C_RC_TA 60 Fixed(8), false;
    C_SE_TA 61 Fixed(10), false;
    C_SE_TB 62 Fixed(10), false;
    C_SE_TC 63 Fixed(12), false;
    C_BO_TA 64 Fixed(11), false;
    M_EI_NA 70 Fixed(1), false;
    C_IC_NA 100 Fixed(1), false;
    C_CI_NA 101 Fixed(1), false;
    C_RD_NA 102 Fixed(0), false;
    C_CS_NA 103 Fixed(7), false;
    C_TS_NA 104 Fixed(2), false;
    C_RP_NA 105 Fixed(1), false;
    C_CD_NA 106 Fixed(2), false;
    C_TS_TA 107 Fixed(9), false;
    P_ME_NA 110 Fixed(3), false;
    P_ME_NB 111 Fixed(3), false;
    P_ME_NC 112 Fixed(5), false;
    P_AC_NA 113 Fixed(1), false;
    F_FR_NA 120 Fixed(6), false;
    F_SR_NA 121 Fixed(7), false;
    F_SC_NA 122 Fixed(4), false;
    F_LS_NA 123 Fixed(5), false;
    F_AF_NA 124 Fixed(4), false;
    F_SG_NA 125 Segment, false;
    F_DR_TA 126 Fixed(13), true;
    F_SC_NB 127 Fixed(16), false;
}

/// Octets of one element by type; 255 for an unknown type, 254 for a segment. A table, for the way of every message.
const LENGTHS: [u8; 256] = {
    let mut lengths = [255; 256];
    let mut n = 0;
    while n < ALL.len() {
        #[allow(clippy::cast_possible_truncation, reason = "no element is longer than 16 octets")]
        let length = match ALL[n].layout {
            Fixed(length) => length as u8,
            Segment => 254,
        };
        lengths[ALL[n].id as usize] = length;
        n += 1;
    }
    lengths
};

/// Layout of a type's elements, none for an unknown type.
#[inline]
pub fn layout(type_id: u8) -> Option<Layout> {
    match LENGTHS[usize::from(type_id)] {
        255 => None,
        254 => Some(Segment),
        length => Some(Fixed(usize::from(length))),
    }
}

/// The type, if the companion standard has it.
pub fn info(type_id: u8) -> Option<&'static TypeInfo> {
    ALL.iter().find(|info| info.id == type_id)
}

/// Name of a type, none for an unknown one.
pub fn name(type_id: u8) -> Option<&'static str> {
    info(type_id).map(|info| info.name)
}

/// Causes of transmission.
#[allow(missing_docs)]
pub mod causes {
    pub const PERIODIC: u8 = 1;
    pub const BACKGROUND: u8 = 2;
    pub const SPONTANEOUS: u8 = 3;
    pub const INITIALIZED: u8 = 4;
    pub const REQUEST: u8 = 5;
    pub const ACTIVATION: u8 = 6;
    pub const ACTIVATION_CON: u8 = 7;
    pub const DEACTIVATION: u8 = 8;
    pub const DEACTIVATION_CON: u8 = 9;
    pub const TERMINATION: u8 = 10;
    pub const RETURN_REMOTE: u8 = 11;
    pub const RETURN_LOCAL: u8 = 12;
    pub const FILE_TRANSFER: u8 = 13;
    pub const INTERROGATED: u8 = 20;
    /// Group 1; group n is this plus n - 1, up to 16.
    pub const INTERROGATED_GROUP_1: u8 = 21;
    pub const COUNTER_INTERROGATED: u8 = 37;
    /// Group 1; group n is this plus n - 1, up to 4.
    pub const COUNTER_INTERROGATED_GROUP_1: u8 = 38;
    pub const UNKNOWN_TYPE: u8 = 44;
    pub const UNKNOWN_CAUSE: u8 = 45;
    pub const UNKNOWN_ADDRESS: u8 = 46;
    pub const UNKNOWN_OBJECT: u8 = 47;

    /// What a cause is called, none for a number that is reserved or private.
    pub const fn name(cause: u8) -> Option<&'static str> {
        Some(match cause {
            PERIODIC => "periodic",
            BACKGROUND => "background",
            SPONTANEOUS => "spontaneous",
            INITIALIZED => "initialized",
            REQUEST => "request",
            ACTIVATION => "activation",
            ACTIVATION_CON => "activation confirmation",
            DEACTIVATION => "deactivation",
            DEACTIVATION_CON => "deactivation confirmation",
            TERMINATION => "activation termination",
            RETURN_REMOTE => "return, remote command",
            RETURN_LOCAL => "return, local command",
            FILE_TRANSFER => "file transfer",
            14 => "authentication",
            15 => "session key",
            16 => "user role and update key",
            INTERROGATED => "interrogated by station",
            21 => "interrogated by group 1",
            22 => "interrogated by group 2",
            23 => "interrogated by group 3",
            24 => "interrogated by group 4",
            25 => "interrogated by group 5",
            26 => "interrogated by group 6",
            27 => "interrogated by group 7",
            28 => "interrogated by group 8",
            29 => "interrogated by group 9",
            30 => "interrogated by group 10",
            31 => "interrogated by group 11",
            32 => "interrogated by group 12",
            33 => "interrogated by group 13",
            34 => "interrogated by group 14",
            35 => "interrogated by group 15",
            36 => "interrogated by group 16",
            COUNTER_INTERROGATED => "counters requested, general",
            38 => "counters requested, group 1",
            39 => "counters requested, group 2",
            40 => "counters requested, group 3",
            41 => "counters requested, group 4",
            UNKNOWN_TYPE => "unknown type identification",
            UNKNOWN_CAUSE => "unknown cause of transmission",
            UNKNOWN_ADDRESS => "unknown common address",
            UNKNOWN_OBJECT => "unknown information object address",
            _ => return None,
        })
    }
}
