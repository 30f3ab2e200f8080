//! The end of initialization (M_EI, 60870-5-101, 7.4.4): told at the first start and after a reset, until a peer
//! acknowledged it.

use std::time::Instant;

use super::super::asdu::element::Coi;
use super::super::asdu::{Element, Tag, causes, message};
use super::link::Link;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Initialization {
    Due(Coi),
    /// In the APDU with this number.
    UnderWay(Coi, u64),
    Acknowledged,
}

impl Initialization {
    /// Local power switch on (7.2.6.21).
    pub(super) const POWER_ON: Self = Self::Due(Coi(0));
    /// The centre reset the process.
    pub(super) const REMOTE_RESET: Self = Self::Due(Coi(2));

    /// Tells it, if it is due and the window allows.
    pub(super) fn tell(&mut self, now: Instant, link: &mut Link, common_address: u16) {
        if let Self::Due(coi) = *self
            && link.flow.window_open()
            && let Some(message) =
                message(causes::INITIALIZED, common_address, 0, &Element::Initialized(coi), Tag::None)
        {
            link.flow.send(now, &message);
            *self = Self::UnderWay(coi, link.flow.sent());
        }
    }

    pub(super) fn acknowledged(&mut self, apdu: u64) {
        if matches!(*self, Self::UnderWay(_, sent) if sent <= apdu) {
            *self = Self::Acknowledged;
        }
    }

    /// The connection is gone.
    pub(super) fn recall(&mut self) {
        if let Self::UnderWay(coi, _) = *self {
            *self = Self::Due(coi);
        }
    }
}
