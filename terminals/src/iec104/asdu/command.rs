//! Commands of the control direction, both ways.

use std::time::Duration;

use headroom_rules::model::Timestamp;
use headroom_rules::orders::Step;

use super::super::time::{Cp56, Zone};
use super::element::{Dco, Element, Qos, Rco, Sco, Tag};
use super::{Asdu, message};

/// S/E: select in SCO, DCO, RCO and QOS.
const SELECT: u8 = 0x80;

/// What a command sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CommandValue {
    /// Single command.
    Single(bool),
    /// Double command, true = ON.
    Double(bool),
    /// Regulating step, true = higher.
    Step(bool),
    /// Set point, fraction of full scale, 2^-15.
    SetNormalized(i16),
    /// Set point, scaled.
    SetScaled(i16),
    /// Set point, short float.
    SetFloat(f32),
    /// 32 bits; the standard has no select for it.
    SetBits(u32),
}

impl CommandValue {
    /// Whether the standard has a select for it: all but the bitstring.
    pub const fn can_be_selected(self) -> bool {
        !matches!(self, Self::SetBits(_))
    }

    /// Whether it drives an output, so that its qualifier is QU (60870-5-101, 7.2.6.26); of a set point it is QL.
    pub const fn is_switching(self) -> bool {
        matches!(self, Self::Single(_) | Self::Double(_) | Self::Step(_))
    }
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
    /// QU of single, double and step commands, 0..=31; QL of set points, 0..=127. Of select and execute alike.
    pub qualifier: u8,
    /// Step.
    pub step: Step,
    /// Not to be sent when this long has passed since it was submitted.
    pub expires_in: Duration,
}

/// A command as it came to the controlled station.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WireCommand {
    /// Point.
    pub ioa: u32,
    /// Value; none where the state is not permitted (DCS and RCS 0 and 3) or the number is not finite.
    pub value: Option<CommandValue>,
    /// S/E.
    pub select: bool,
    /// QU of SCO, DCO and RCO, 0..=31 (1 short pulse, 2 long pulse, 3 persistent); QL of QOS, 0..=127.
    pub qualifier: u8,
    /// When it was sent, in types with a time.
    pub sent: Option<Cp56>,
}

impl WireCommand {
    /// Whether it carries a time that is too far from `now`, or none at all. Delay supervision (60870-5-5, 6.8).
    pub fn too_old(&self, now: Timestamp, zone: Zone, allowed: Duration) -> bool {
        let Some(sent) = self.sent else { return false };
        let allowed = u64::try_from(allowed.as_millis()).unwrap_or(u64::MAX);
        sent.instant(zone).is_none_or(|sent| now.get().abs_diff(sent.get()) > allowed)
    }
}

impl Asdu<'_> {
    /// The command of a C_SC, C_DC, C_RC, C_SE or C_BO.
    pub fn command(&self) -> Option<WireCommand> {
        let information = self.information().next()?;
        let pair = |octet: u8, of: fn(bool) -> CommandValue| match octet & 3 {
            1 => Some(of(false)),
            2 => Some(of(true)),
            _ => None,
        };
        let (value, select, qualifier) = match information.element {
            Element::SingleCommand(Sco(sco)) => {
                (Some(CommandValue::Single(sco & 1 != 0)), sco & SELECT != 0, sco >> 2 & 0x1F)
            }
            Element::DoubleCommand(Dco(dco)) => (pair(dco, CommandValue::Double), dco & SELECT != 0, dco >> 2 & 0x1F),
            Element::StepCommand(Rco(rco)) => (pair(rco, CommandValue::Step), rco & SELECT != 0, rco >> 2 & 0x1F),
            Element::SetNormalized(n, Qos(qos)) => {
                (Some(CommandValue::SetNormalized(n)), qos & SELECT != 0, qos & 0x7F)
            }
            Element::SetScaled(n, Qos(qos)) => (Some(CommandValue::SetScaled(n)), qos & SELECT != 0, qos & 0x7F),
            Element::SetFloat(n, Qos(qos)) => {
                (n.is_finite().then_some(CommandValue::SetFloat(n)), qos & SELECT != 0, qos & 0x7F)
            }
            Element::SetBits(bits) => (Some(CommandValue::SetBits(bits)), false, 0),
            _ => return None,
        };
        let sent = match information.tag {
            Tag::Full(tag) => Some(tag),
            Tag::None | Tag::Short(_) => None,
        };
        Some(WireCommand { ioa: information.ioa, value, select, qualifier, sent })
    }
}

/// The message of a command with its qualifier (QU 0..=31 in bits 2..6; QL 0..=127); with `sent`, as a type that carries its
/// time.
pub fn command(
    common_address: u16,
    ioa: u32,
    value: CommandValue,
    qualifier: u8,
    select: bool,
    cause: u8,
    sent: Option<Cp56>,
) -> Vec<u8> {
    let se = if select { SELECT } else { 0 };
    let (qu, ql) = ((qualifier & 0x1F) << 2 | se, qualifier & 0x7F | se);
    let pair = |on: bool| if on { 2 } else { 1 } | qu;
    let element = match value {
        CommandValue::Single(on) => Element::SingleCommand(Sco(u8::from(on) | qu)),
        CommandValue::Double(on) => Element::DoubleCommand(Dco(pair(on))),
        CommandValue::Step(higher) => Element::StepCommand(Rco(pair(higher))),
        CommandValue::SetNormalized(n) => Element::SetNormalized(n, Qos(ql)),
        CommandValue::SetScaled(n) => Element::SetScaled(n, Qos(ql)),
        CommandValue::SetFloat(n) => Element::SetFloat(n, Qos(ql)),
        CommandValue::SetBits(bits) => Element::SetBits(bits),
    };
    // Every command has a type with and one without a time.
    message(cause, common_address, ioa, &element, sent.map_or(Tag::None, Tag::Full)).unwrap_or_default()
}
