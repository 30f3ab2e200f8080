//! One terminal as the engine knows it: what it said last, and which of that may decide.

use serde::{Deserialize, Serialize};

use super::super::places::Place;
use super::due::{Due, Second};
use super::standing_in::Standing;
use super::still::Witness;
use super::varying::Varying;
use crate::model::{NodeId, PointKind, Power, Reading, Span, TerminalId, Timestamp};

/// A change told with a time is older than a value that came without one only if it lies this far back: the clocks of
/// terminals are not ours.
const CLOCK_MARGIN: Span = Span::from_s(60);

/// A terminal's clock may be so far ahead of ours and still tell which of two values is the older one. One that is set back
/// from there is not heard for as long.
const CLOCK_AHEAD: Span = Span::from_s(5);

/// A point's last value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) reading: Reading,
    pub(crate) arrived_at: Timestamp,
    /// The last value that might decide: what a state was before it was reported with bad quality.
    pub(crate) sure: Option<i64>,
}

impl Held {
    pub(super) fn new(reading: Reading, arrived_at: Timestamp) -> Self {
        Self { reading, arrived_at, sure: reading.quality.decides().then_some(reading.value) }
    }

    /// Whether `newer` tells of an earlier time than this value does.
    pub(super) fn outdates(&self, newer: &Reading, now: Timestamp) -> bool {
        match (self.reading.source_time, newer.source_time) {
            // Two times of one clock, as long as that clock was not well ahead of ours: then it may have been set back.
            (Some(old), Some(new)) => new < old && old <= now.after(CLOCK_AHEAD),
            (None, Some(new)) => new.after(CLOCK_MARGIN) < self.arrived_at,
            (_, None) => false,
        }
    }

    /// The instant that the value speaks of. A terminal's clock that runs ahead makes no value younger than its arrival.
    pub(crate) fn as_of(&self) -> Timestamp {
        self.reading.source_time.map_or(self.arrived_at, |source| source.min(self.arrived_at))
    }
}

/// Why a terminal's load may not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Never reported, or too long ago.
    TooOld,
    /// Marked IV, NT or OV, or beyond all reason.
    Bad,
    /// The same for long while a meter beside it says otherwise.
    Frozen,
}

/// Where the power of a terminal comes from, as it counts above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// It told it.
    #[default]
    Told,
    /// A person, whatever it tells.
    ByHand,
    /// It stands in, as what it tells may not decide.
    StandsIn,
}

/// One terminal as the engine knows it. What a reading of its power touches stands in it; all else lies beside, so that
/// a post and its name fill two cache lines.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "super::saved::SavedPost")]
pub(crate) struct Post {
    pub(crate) link_up: bool,
    /// When the link last came up or went down.
    pub(crate) link_since: Timestamp,
    /// Its active power, which comes in cycles.
    pub(super) power: Option<Held>,
    /// Its power as it counts in the sums above.
    pub(super) counted: Option<Power>,
    /// When that is looked at.
    pub(super) due: Second,
    /// Where that comes from.
    pub(super) source: Source,
    /// Minutes in which its power was told anew and was no other.
    pub(super) still: u8,
    /// A meter beside it says that its power is none of now.
    pub(super) frozen: bool,
    /// A power beyond this, in either direction, decides nothing.
    pub(super) power_max: Power,
    /// Of the customer's node.
    pub(super) place: Option<Place<NodeId>>,
    /// Of the first node at whose head it measures.
    pub(super) head: Option<Place<NodeId>>,
    pub(super) beside: Box<Beside>,
}

/// What is seldom wanted of a terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    /// All but active power, sorted by kind; at most 27.
    pub(super) points: Vec<(PointKind, Held)>,
    /// The customer's node.
    pub(super) node: Option<NodeId>,
    /// Nodes at whose head it measures.
    pub(super) heads: Vec<NodeId>,
    /// Of those after the first.
    pub(super) more_heads: Vec<Place<NodeId>>,
    /// Since when changes are counted, and how many there were.
    pub(super) changes: (Timestamp, u16),
    /// How far its power moves by itself.
    pub(super) varying: Varying,
    /// What stands in for its power, and what it last told that counted.
    pub(super) standing: Standing,
    /// What meters beside it said while its power stood still: at the head of the node that it measures, and above.
    pub(super) witnesses: [Witness; 2],
}

impl Post {
    pub(crate) fn held(&self, kind: PointKind) -> Option<&Held> {
        if kind == PointKind::ActivePower {
            return self.power.as_ref();
        }
        let points = &self.beside.points;
        let at = points.binary_search_by_key(&kind, |(kind, _)| *kind).ok()?;
        points.get(at).map(|(_, held)| held)
    }

    /// By kind.
    pub(crate) fn points(&self) -> impl Iterator<Item = &Held> {
        self.power.iter().chain(self.beside.points.iter().map(|(_, held)| held))
    }

    pub(super) fn hold(&mut self, held: Held) -> Option<Held> {
        if held.reading.point == PointKind::ActivePower {
            let before = self.power.and_then(|old| old.sure);
            if held.sure.is_some() && held.sure != before {
                (self.still, self.frozen) = (0, false);
            }
            let sure = held.sure.or(before);
            return self.power.replace(Held { sure, ..held });
        }
        self.hold_beside(held)
    }

    fn hold_beside(&mut self, mut held: Held) -> Option<Held> {
        let points = &mut self.beside.points;
        match points.binary_search_by_key(&held.reading.point, |(kind, _)| *kind) {
            Ok(at) => points.get_mut(at).map(|(_, old)| {
                // What protects and was said in doubt is not unsaid in doubt.
                let protects = matches!(held.reading.point, PointKind::SupplyGuarantee | PointKind::Exclusion);
                let said = Some(old.reading.value).filter(|value| protects && *value != 0).or(old.sure);
                held.sure = held.sure.or(said);
                std::mem::replace(old, held)
            }),
            Err(at) => {
                points.insert(at, (held.reading.point, held));
                None
            }
        }
    }

    /// Has a power looked at when it may be too old, and then when that is an alarm, unless it is looked at anyhow by then.
    pub(super) fn await_age(&mut self, age_max: Span, place: Place<TerminalId>, ages: &mut Due) {
        let Some(held) = self.power else { return };
        let told = self.counted.filter(|_| self.source != Source::StandsIn);
        let from = match (told, self.speaks_since()) {
            (Some(_), _) => held.as_of(),
            (None, Some(since)) => since,
            (None, None) => return,
        };
        let due = Second::of(from.after(age_max));
        if due < self.due {
            self.due = due;
            ages.add(due, place);
        }
    }

    /// A terminal that has told its power and whose link is up is to tell it again within the age of this: its last power,
    /// or its link where that came up later.
    fn speaks_since(&self) -> Option<Timestamp> {
        self.power.filter(|_| self.link_up).map(|held| held.as_of().max(self.link_since))
    }

    /// Whether it owes its power though its link is up.
    pub(crate) fn is_silent(&self, now: Timestamp, age_max: Span) -> bool {
        self.speaks_since().is_some_and(|since| now.since(since) > age_max)
    }

    /// Something of each part that a reading touches.
    pub(crate) fn touch(&self) -> (bool, Option<i64>, Power) {
        (self.link_up, self.power.map(|held| held.reading.value), self.power_max)
    }

    /// The customer's node.
    pub(crate) fn node(&self) -> Option<NodeId> {
        self.beside.node
    }

    /// One more change of a switch or the cover; how many there were in this minute.
    pub(crate) fn count_change(&mut self, now: Timestamp) -> u16 {
        let changes = &mut self.beside.changes;
        if now.since(changes.0) >= Span::from_s(60) {
            *changes = (now, 0);
        }
        changes.1 = changes.1.saturating_add(1);
        changes.1
    }

    /// Whether a value may decide but for its age.
    fn is_credible(&self, reading: &Reading) -> bool {
        let power = matches!(reading.point, PointKind::ActivePower | PointKind::RoundPower(_));
        reading.quality.decides() && (!power || reading.value.unsigned_abs() <= self.power_max.get().unsigned_abs())
    }

    /// Whether its power counts above otherwise than it told: by hand, or by what stands in.
    pub(super) fn is_substituted(&self) -> bool {
        self.source != Source::Told
    }

    /// Whether its power is the same for long while a meter beside it says otherwise.
    pub(crate) const fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Its load, where that is told as good and decides nothing all the same, and up to where one would.
    pub(crate) fn beyond(&self) -> Option<(Power, Power)> {
        let reading = &self.held(PointKind::ActivePower)?.reading;
        let beyond = reading.quality.decides() && !self.is_credible(reading);
        beyond.then(|| (Power::new(reading.value), self.power_max))
    }

    /// Nodes at whose head it measures.
    pub(crate) fn heads(&self) -> &[NodeId] {
        &self.beside.heads
    }

    /// Whether a value is too old to decide. Active power comes in cycles and has an age. Everything else comes on
    /// change and by interrogation: it holds for as long as the link over which it came.
    pub(crate) fn is_stale(&self, held: &Held, now: Timestamp, age_max: Span) -> bool {
        match held.reading.point {
            PointKind::ActivePower => now.since(held.as_of()) > age_max,
            _ => !self.link_up || held.arrived_at < self.link_since,
        }
    }

    /// A value that may decide.
    pub(crate) fn deciding(&self, kind: PointKind, now: Timestamp, age_max: Span) -> Option<&Held> {
        let held = self.held(kind).filter(|held| self.is_credible(&held.reading) && !self.is_stale(held, now, age_max));
        held.filter(|_| !(self.frozen && kind == PointKind::ActivePower))
    }

    /// Whether the terminal says that it blocks trips. Its last word counts whatever its age, and a value of bad quality
    /// sets the guarantee but never lifts it: doubt protects.
    pub(crate) fn says_guaranteed(&self) -> bool {
        let held = self.held(PointKind::SupplyGuarantee);
        held.is_some_and(|held| held.reading.value != 0 || held.sure.is_some_and(|sure| sure != 0))
    }

    /// Whether it says that orders to many are not for it. Doubt keeps it out, as with a guarantee.
    pub(crate) fn says_excluded(&self) -> bool {
        let held = self.held(PointKind::Exclusion);
        held.is_some_and(|held| held.reading.value != 0 || held.sure.is_some_and(|sure| sure != 0))
    }

    /// The safety floor that it last said with good quality, whatever the age: doubt protects.
    pub(crate) fn says_floor(&self) -> Power {
        let sure = self.held(PointKind::SafetyFloor).and_then(|held| held.sure);
        Power::new(sure.unwrap_or(0).max(0))
    }

    /// The terminal's load, where it may decide: what it told. Where a person says that it is less, that protects its safety floor;
    /// nothing that was not measured proves one.
    pub(crate) fn load(&self, now: Timestamp, age_max: Span) -> Result<Power, Unusable> {
        let held = self.held(PointKind::ActivePower).ok_or(Unusable::TooOld)?;
        if self.is_stale(held, now, age_max) {
            Err(Unusable::TooOld)
        } else if self.frozen {
            Err(Unusable::Frozen)
        } else if self.is_credible(&held.reading) {
            let told = Power::new(held.reading.value);
            if self.source == Source::ByHand {
                self.counted.map(|counted| told.min(counted)).ok_or(Unusable::Bad)
            } else {
                Ok(told)
            }
        } else {
            Err(Unusable::Bad)
        }
    }
}
