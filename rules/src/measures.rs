//! Agreed measures: what customers do themselves before anybody is tripped. 错峰 shift, 避峰 avoid, 限电 limit; agreed beforehand,
//! asked for by a text, verified by measurement. Their order and why: `ops/decisions/0012-agreed-measures.md`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, DAY_MINUTES};
use crate::model::{CustomerId, DayKind, Energy, NodeId, Power, Span, TerminalId, Timestamp};
use crate::notices::{Delivery, Sending};

/// What a customer does. Ordered: all of the earlier kinds are asked before any of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureKind {
    /// It moves load to another time (错峰).
    Shift,
    /// It stops load during the peak (避峰).
    Avoid,
    /// It keeps below an agreed power (限电).
    Limit,
}

impl MeasureKind {
    /// In the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Shift, Self::Avoid, Self::Limit];

    /// As it is written in files and requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shift => "shift",
            Self::Avoid => "avoid",
            Self::Limit => "limit",
        }
    }
}

impl fmt::Display for MeasureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The hours in which a measure may be in force, by the supply's clocks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// Kinds of day of the rules' calendar; none for every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<DayKind>,
    /// Minutes since midnight, 0..=1439.
    pub from: u16,
    /// Minutes since midnight, after `from`, at most 1440.
    pub to: u16,
}

impl Window {
    /// Every minute of every day.
    pub const ALWAYS: Self = Self { days: Vec::new(), from: 0, to: 1_440 };

    /// Whether it says anything.
    pub fn is_always(&self) -> bool {
        *self == Self::ALWAYS
    }

    /// Whether two windows share a minute of a day.
    pub fn meets(&self, other: &Self) -> bool {
        let share_days =
            self.days.is_empty() || other.days.is_empty() || self.days.iter().any(|day| other.days.contains(day));
        share_days && self.from < other.to && other.from < self.to
    }

    /// When the window that is open at an instant closes; none where none is open. A window that opens again at the minute at
    /// which it closes, the next day, stays open no longer than to midnight for all that: a measure ends by then.
    pub fn closes(&self, calendar: Option<&Calendar>, at: Timestamp) -> Option<Timestamp> {
        if self.is_always() {
            return Some(Timestamp::new(i64::MAX));
        }
        let calendar = calendar?;
        let (day, minute) = calendar.local(at);
        let of_day = self.days.is_empty() || self.days.contains(&calendar.kind_of(day));
        let open = of_day && (i64::from(self.from)..i64::from(self.to)).contains(&minute);
        open.then(|| calendar.instant(day, i64::from(self.to)))
    }
}

impl fmt::Display for Window {
    /// `08:00-12:00 workday, restday`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{}-{}", clock(self.from), clock(self.to))?;
        for (n, day) in self.days.iter().enumerate() {
            write!(f, "{}{day}", if n == 0 { " " } else { ", " })?;
        }
        Ok(())
    }
}

/// One measure as a customer agreed to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// What the customer does.
    pub kind: MeasureKind,
    /// What it takes off; for [`MeasureKind::Limit`] the power below which it keeps. Above zero.
    pub power: Power,
    /// It is asked for at least so long ahead, 0 to 24 h.
    pub notice: Span,
    /// It is in force for so long at most, 1 min to 24 h.
    pub lasts_max: Span,
    /// When it may be in force.
    pub window: Window,
    /// How often in any seven days at most; none for as often as needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_week_max: Option<u16>,
}

impl Agreed {
    /// Longest notice, and longest time in force.
    pub const SPAN_MAX: Span = Span::from_s(DAY_MINUTES * 60);

    /// What it takes off a customer's load, whose safety floor is not crossed; zero where there is nothing to take off.
    pub fn gives(&self, load: Power, floor: Power) -> Power {
        let most = (load - floor).max(Power::ZERO);
        match self.kind {
            MeasureKind::Shift | MeasureKind::Avoid => self.power.min(most),
            MeasureKind::Limit => (load - self.power).max(Power::ZERO).min(most),
        }
    }

    /// What is wrong with it for a customer of this contract and safety floor.
    pub fn check(&self, contract: Power, floor: Power) -> Option<WrongMeasure> {
        let Self { kind, power, .. } = *self;
        match kind {
            MeasureKind::Shift | MeasureKind::Avoid if power > contract - floor => {
                Some(WrongMeasure::TooMuch { power, contract, floor })
            }
            MeasureKind::Limit if power >= contract => Some(WrongMeasure::NoLimit { power, contract }),
            MeasureKind::Limit if power < floor => Some(WrongMeasure::BelowFloor { power, floor }),
            _ => None,
        }
    }
}

/// What is wrong with measures of a customer of this contract and safety floor, by their places.
pub fn wrong(agreed: &[Agreed], contract: Power, floor: Power) -> impl Iterator<Item = (usize, WrongMeasure)> + '_ {
    agreed.iter().enumerate().filter_map(move |(place, it)| {
        let mut before = agreed.iter().take(place).filter(|other| other.kind == it.kind);
        if before.any(|other| other.window.meets(&it.window)) {
            return Some((place, WrongMeasure::Twice));
        }
        // A floor above the contract is told of the customer.
        let why = if floor > contract { None } else { it.check(contract, floor) };
        why.map(|why| (place, why))
    })
}

/// How a limit rule uses agreed measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureRule {
    /// Whether it asks for any.
    pub asks: bool,
    /// It asks from this share of the limit on, 1..=100 %, for what is above the target.
    pub from_percent: u8,
    /// A breach waits for measures for so long at most, 0 to 2 h; what needs more notice is asked for only ahead of what is
    /// known beforehand.
    pub wait: Span,
}

impl MeasureRule {
    /// Rules of before there were measures ask nobody.
    pub const NONE: Self = Self { asks: false, from_percent: 90, wait: Span::ZERO };

    /// Minutes that a breach waits unless the rules say otherwise.
    pub const WAIT_MIN: i64 = 15;
}

impl Default for MeasureRule {
    fn default() -> Self {
        Self::NONE
    }
}

/// What makes an agreed measure impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum WrongMeasure {
    #[error("{power} off a contract of {contract} would leave less than the safety floor of {floor}")]
    TooMuch { power: Power, contract: Power, floor: Power },
    #[error("to keep below {power} is nothing with a contract of {contract}")]
    NoLimit { power: Power, contract: Power },
    #[error("{power} is below the safety floor of {floor}")]
    BelowFloor { power: Power, floor: Power },
    #[error("the same kind is agreed twice over the same hours")]
    Twice,
}

/// Number of a measure that was asked for, rising from 1 over the whole life of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeasureId(pub u64);

impl fmt::Display for MeasureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "M{}", self.0)
    }
}

/// How far a measure has come that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureState {
    /// Its time has not come.
    Asked,
    /// It should be in force, and has not been judged.
    Due,
    /// Judged: what was agreed is gone.
    Delivered,
    /// Judged: a part of it is.
    Partly,
    /// Judged: as good as nothing is.
    NotDelivered,
    /// Its load could not be seen when it was to be judged; it is counted on no more, and judged when it is seen again.
    Unseen,
}

/// How a measure ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureEnding {
    /// The text did not reach the customer's terminal, as far as anybody knows.
    NotReached,
    /// The customer said no.
    Declined,
    /// It was not wanted any more before its time came, or could not go on.
    CalledOff,
    /// The load leaves room for what it held back.
    Released,
    /// It lasted as long as was agreed, or its window closed.
    Over,
}

impl MeasureEnding {
    /// As it is written in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotReached => "not reached",
            Self::Declined => "declined",
            Self::CalledOff => "called off",
            Self::Released => "released",
            Self::Over => "over",
        }
    }
}

/// When, how and why a measure ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: MeasureEnding,
    /// Why, in a sentence.
    pub why: String,
}

/// A measure that was asked for, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Its number.
    pub id: MeasureId,
    /// For whose limit.
    pub node: NodeId,
    /// Who asked, where it was no rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Who was asked.
    pub customer: CustomerId,
    /// Whose display was written to, and by whose readings it is judged.
    pub terminal: TerminalId,
    /// What was agreed when it was asked for.
    pub agreed: Agreed,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it begins.
    pub due: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// The customer's load that it is measured against: the higher one of those when it was asked for and when it was due.
    pub reference: Power,
    /// What it is to take off.
    pub expected: Power,
    /// What is gone of that, by the newest reading that counts.
    pub gone: Power,
    /// What it held back so far.
    pub energy: Energy,
    /// Until when that is counted.
    pub counted_at: Timestamp,
    /// The text that asked.
    pub told: Sending,
    /// How far it has come.
    pub state: MeasureState,
    /// The text that it is over, where one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Sending>,
    /// How it ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<MeasureEnd>,
}

impl Measure {
    /// Where it stands, in a word or two.
    pub fn stage(&self) -> &'static str {
        if let Some(ended) = &self.ended {
            return ended.how.as_str();
        }
        match (self.state, &self.told.delivery) {
            (MeasureState::Asked, Delivery::Delivered { .. }) => "told",
            (MeasureState::Asked, _) => "asked",
            (MeasureState::Due, _) => "due",
            (MeasureState::Delivered, _) => "delivered",
            (MeasureState::Partly, _) => "partly",
            (MeasureState::NotDelivered, _) => "not delivered",
            (MeasureState::Unseen, _) => "not seen",
        }
    }

    /// What the customer comes back with when it ends: no less than it was found to give, whatever else it draws by now.
    pub fn held_back(&self) -> Power {
        if self.state == MeasureState::Delivered { self.gone.max(self.expected) } else { self.gone }
    }

    /// Whether it was judged, so that what is missing of it is not counted on any more.
    pub const fn is_judged(&self) -> bool {
        !matches!(self.state, MeasureState::Asked | MeasureState::Due)
    }

    /// Whether it gave less than was agreed, as far as anybody can see.
    pub const fn fell_short(&self) -> bool {
        matches!(self.state, MeasureState::Partly | MeasureState::NotDelivered | MeasureState::Unseen)
    }
}

/// A measure that is asked for, as an event tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who.
    pub terminal: TerminalId,
    /// What.
    pub kind: MeasureKind,
    /// How much.
    pub power: Power,
    /// From when.
    pub due: Timestamp,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { terminal, kind, power, due } = self;
        write!(f, "{terminal} {kind} {power} from {due}")
    }
}

/// A customer that agreed to a measure and is not asked for it, with why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotAsked {
    /// Whose terminal.
    pub terminal: TerminalId,
    /// For which measure.
    pub kind: MeasureKind,
    /// Why not.
    pub why: Unasked,
}

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.terminal, self.kind, self.why)
    }
}

/// Why a measure is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
#[allow(missing_docs, reason = "Display says it")]
pub enum Unasked {
    Guaranteed,
    LinkDown,
    ReadingTooOld,
    ReadingBad,
    ReadingFrozen,
    ByHand { node: NodeId },
    Standing { measure: MeasureId },
    Resting { until: Timestamp },
    OutsideWindow { window: Window },
    UsedUp { most: u16 },
    TooLate { notice: Span },
    NothingToGive { load: Power },
    NotNeeded,
}

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guaranteed => f.write_str("supply is guaranteed"),
            Self::LinkDown => f.write_str("the link is down"),
            Self::ReadingTooOld => f.write_str("its reading is too old"),
            Self::ReadingBad => f.write_str("its reading is bad"),
            Self::ReadingFrozen => f.write_str("its reading stands still while a meter beside it moves"),
            Self::ByHand { node } => write!(f, "the load of {node} would not show it, as a value by hand lies between"),
            Self::Standing { measure } => write!(f, "{measure} stands"),
            Self::Resting { until } => write!(f, "not again before {until}"),
            Self::OutsideWindow { window } => write!(f, "outside its window, {window}"),
            Self::UsedUp { most: 1 } => f.write_str("it was asked for once in seven days already"),
            Self::UsedUp { most } => write!(f, "it was asked for {most} times in seven days already"),
            Self::TooLate { notice } => write!(f, "its notice of {notice} is too long"),
            Self::NothingToGive { load } => write!(f, "it draws {load}: nothing to take off"),
            Self::NotNeeded => f.write_str("not needed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{kw, s};

    fn agreed(kind: MeasureKind, power_kw: i32) -> Agreed {
        let window = Window::ALWAYS;
        Agreed { kind, power: kw(power_kw), notice: s(600), lasts_max: s(3_600), window, per_week_max: None }
    }

    #[test]
    fn a_measure_gives_no_more_than_there_is_above_the_safety_floor() {
        assert_eq!(agreed(MeasureKind::Avoid, 30).gives(kw(100), kw(10)), kw(30));
        assert_eq!(agreed(MeasureKind::Avoid, 30).gives(kw(35), kw(10)), kw(25));
        assert_eq!(agreed(MeasureKind::Shift, 30).gives(kw(5), kw(10)), kw(0));
        assert_eq!(agreed(MeasureKind::Limit, 40).gives(kw(100), kw(10)), kw(60));
        assert_eq!(agreed(MeasureKind::Limit, 40).gives(kw(30), kw(10)), kw(0));
    }

    #[test]
    fn a_measure_that_no_customer_could_give_is_wrong() {
        assert_eq!(agreed(MeasureKind::Avoid, 90).check(kw(100), kw(10)), None);
        assert!(matches!(agreed(MeasureKind::Avoid, 91).check(kw(100), kw(10)), Some(WrongMeasure::TooMuch { .. })));
        assert!(matches!(agreed(MeasureKind::Limit, 100).check(kw(100), kw(10)), Some(WrongMeasure::NoLimit { .. })));
        assert!(matches!(agreed(MeasureKind::Limit, 9).check(kw(100), kw(10)), Some(WrongMeasure::BelowFloor { .. })));
    }

    #[test]
    fn a_window_is_open_at_its_hours_on_its_days_by_the_clocks_of_the_supply() {
        let (work, rest): (DayKind, DayKind) = ("workday".parse().unwrap(), "restday".parse().unwrap());
        let calendar =
            Calendar { utc_offset_minutes: 480, week: [work, work, work, work, work, rest, rest], dates: Vec::new() };
        let window = Window { days: vec![work], from: 480, to: 720 };
        // 2026-09-30, a Wednesday.
        let midnight = Timestamp::day_of_date("2026-09-30").unwrap() * 86_400_000;
        let at = |utc_hour: i64| Timestamp::new(midnight + utc_hour * 3_600_000);
        assert_eq!(window.closes(Some(&calendar), at(0)), Some(at(4)), "08:00 at +08:00");
        assert_eq!(window.closes(Some(&calendar), Timestamp::new(at(4).get() - 1)), Some(at(4)));
        assert_eq!(window.closes(Some(&calendar), at(4)), None);
        assert_eq!(window.closes(Some(&calendar), at(3 * 24)), None, "a Saturday");
        assert_eq!(window.closes(None, at(0)), None, "nobody knows by which clocks");
        assert!(Window::ALWAYS.closes(None, at(0)).is_some());
    }
}
