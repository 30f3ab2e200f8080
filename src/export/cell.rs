//! What a table is made of.

use headroom_rules::model::{PointKind, Power, Timestamp};

/// What a column holds. Any value may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// An instant.
    Time,
    /// A whole number.
    Whole,
    /// A number with three decimals.
    Thousandths,
}

/// A column of a table, with the unit at the end of its name where it always has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
}

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing.
    Missing,
    /// Text.
    Text(&'a str),
    /// An instant.
    Time(Timestamp),
    /// A whole number, also in a column of thousandths.
    Whole(i64),
    /// So many thousandths.
    Thousandths(i64),
}

impl<'a> Cell<'a> {
    /// A time, where there is one.
    pub fn time_if_any(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Missing, Self::Time)
    }

    /// A text, missing when it is empty.
    pub const fn text_if_any(text: &'a str) -> Self {
        if text.is_empty() { Self::Missing } else { Self::Text(text) }
    }

    /// A point's value, in the unit that operators read.
    pub const fn value(kind: PointKind, value: i64) -> Self {
        if kind.is_state() { Self::Whole(value) } else { Self::Thousandths(value) }
    }

    /// A power in kW, where there is one.
    pub fn kw(power: Option<Power>) -> Self {
        power.map_or(Self::Missing, |power| Self::Thousandths(power.get()))
    }
}
