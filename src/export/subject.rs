//! What can be asked for, and the columns that it has.

use headroom_rules::model::{NodeId, PointKind, RuleId, Span, TerminalId};

use super::{Column, Holds};
use crate::store::Resolution;

/// Which points: of these terminals and kinds, of all where none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Whose.
    pub terminals: Vec<TerminalId>,
    /// Which.
    pub kinds: Vec<PointKind>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Single readings.
    Readings(Points),
    /// Readings whose source time cannot be true, by their arrival.
    SetAside(Points),
    /// What remains of many readings in stretches of time.
    Rollups(Points, Resolution),
    /// Loads of nodes, of all where none is named, in stretches of time.
    Load(Vec<NodeId>, Resolution),
    /// Values of calculated points, of all where none is named, in stretches of time.
    Calculated(Vec<RuleId>, Resolution),
    /// Events about a terminal or node, or all.
    Events(Option<String>),
    /// Orders to a terminal, or all.
    Orders(Option<String>),
    /// Alarms about a terminal or node, or all.
    Alarms(Option<String>),
    /// The audit log, of one person or whole.
    Audit(Option<String>),
    /// Stretches of more than the span without a reading. Points are named by their terminals and kinds, as one that never
    /// told anything has the longest.
    Gaps(Points, Span),
}

macro_rules! columns {
    ($($name:ident: $holds:ident,)*) => {
        &[$(Column { name: stringify!($name), holds: Holds::$holds },)*]
    };
}

impl Subject {
    /// The columns of its table. Powers, energies and so on without a unit in their name have it in the column `unit`.
    pub const fn columns(&self) -> &'static [Column] {
        match self {
            Self::Readings(_) | Self::SetAside(_) => columns! {
                at: Time, terminal: Text, point: Text, value: Thousandths, unit: Text, quality: Text,
                source_time: Time, received: Time, cause: Whole,
            },
            Self::Rollups(..) => columns! {
                start: Time, length_s: Whole, terminal: Text, point: Text, unit: Text, readings: Whole, good: Whole,
                mean: Thousandths, low: Thousandths, low_at: Time, high: Thousandths, high_at: Time,
                first: Thousandths, first_at: Time, last: Thousandths, last_at: Time,
                bad: Thousandths, bad_at: Time, bad_quality: Text,
                invalid: Whole, not_topical: Whole, substituted: Whole, blocked: Whole, overflow: Whole,
            },
            Self::Load(..) => columns! {
                start: Time, length_s: Whole, node: Text, mean_kw: Thousandths, low_kw: Thousandths,
                high_kw: Thousandths, high_at: Time, last_kw: Thousandths, limit_kw: Thousandths,
                known_s: Thousandths, over_s: Thousandths,
            },
            Self::Calculated(..) => columns! {
                start: Time, length_s: Whole, point: Text, mean: Thousandths, low: Thousandths, high: Thousandths,
                high_at: Time, last: Thousandths, known_s: Thousandths,
            },
            Self::Events(_) => columns! {
                at: Time, source_time: Time, event: Text, about: Text, text: Text, position: Whole, fields_json: Text,
            },
            Self::Orders(_) => columns! {
                order: Whole, terminal: Text, action: Text, round: Whole, cap_kw: Thousandths, issuer: Text,
                reason: Text, state: Text, detail: Text, issued_at: Time, changed_at: Time, expires_at: Time,
                power_before_kw: Thousandths, power_after_kw: Thousandths,
            },
            Self::Alarms(_) => columns! {
                alarm: Whole, about: Text, cause: Text, priority: Text, state: Text, raised_at: Time,
                changed_at: Time, detail: Text, acknowledged_by: Text, comment: Text,
            },
            Self::Audit(_) => columns! {
                at: Time, who: Text, from: Text, action: Text, object: Text, before: Text, after: Text,
            },
            Self::Gaps(..) => {
                columns! { terminal: Text, point: Text, after: Time, until: Time, length_s: Thousandths, }
            }
        }
    }
}

/// A kind's name in tables and arguments, as `active_power` or `round_1_switch`.
pub fn point_name(kind: PointKind) -> String {
    kind.to_string().replace(' ', "_").to_ascii_lowercase()
}

/// The kind of a name or a code.
pub fn point_kind(text: &str) -> Option<PointKind> {
    let mut kinds = (0..=u16::from(u8::MAX)).filter_map(PointKind::from_code);
    kinds.find(|kind| kind.code().to_string() == text || point_name(*kind) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_by_its_code() {
        for kind in (0..=u16::from(u8::MAX)).filter_map(PointKind::from_code) {
            assert_eq!(point_kind(&point_name(kind)), Some(kind));
            assert_eq!(point_kind(&kind.code().to_string()), Some(kind));
        }
        assert_eq!(point_kind("round_1_switch"), PointKind::from_code(41));
        assert_eq!(point_kind("active power"), None);
    }
}
