//! Notices before trips: what customers are told, when, and whom it did not reach.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::groups::GroupId;
use crate::model::{NodeId, Power, RoundNo, Span, TerminalId, Timestamp};
use crate::target::LimitAhead;

/// How a limit rule gives notice before it trips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRule {
    /// From the notice to the trip, 0..=60 min; zero gives none.
    pub before: Span,
    /// What becomes of customers whom no notice reached.
    pub unreached: Unreached,
    /// A load above this share of the limit is shed without waiting, 100..=200 %.
    pub urgent_percent: u16,
}

impl NoticeRule {
    /// Rules of before there were notices give none.
    pub const NONE: Self =
        Self { before: Span::ZERO, unreached: Unreached::Trip, urgent_percent: Self::URGENT_PERCENT };

    /// What is urgent unless the rules say otherwise.
    pub const URGENT_PERCENT: u16 = 110;

    /// Whether there is any notice.
    pub fn is_given(&self) -> bool {
        self.before > Span::ZERO
    }

    /// Whether a load is too high for a limit to wait.
    pub fn is_urgent(&self, load: Power, limit: Power) -> bool {
        load > limit.percent(i64::from(self.urgent_percent))
    }
}

impl Default for NoticeRule {
    fn default() -> Self {
        Self::NONE
    }
}

/// What becomes of customers whom no notice reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreached {
    /// They are tripped all the same, and listed: the limit goes before.
    #[default]
    Trip,
    /// They are spared, unless the load is urgent.
    Spare,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trip => "trip",
            Self::Spare => "spare",
        })
    }
}

/// What customers read. `{node}`, `{rounds}`, `{kw}`, `{time}` and `{minutes}` stand for what they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeTexts {
    /// Before a trip.
    pub trip: String,
    /// Before a limit comes down that is known beforehand. Policies of before there was such a notice have the usual text.
    #[serde(default = "usual_ahead")]
    pub ahead: String,
    /// Before a group order's trip. Policies of before there was such a notice have the usual text.
    #[serde(default = "usual_group")]
    pub group: String,
    /// When it does not come to it.
    pub cancelled: String,
    /// What customers are asked to do. Rules of before there were agreed measures have the usual texts.
    #[serde(default)]
    pub measures: MeasureTexts,
}

fn usual_ahead() -> String {
    "The limit of {node} is lowered: rounds {rounds} ({kw} kW) may be switched off from {time}.".to_owned()
}

fn usual_group() -> String {
    "{node}: rounds {rounds} ({kw} kW) are going to be switched off from {time}.".to_owned()
}

impl Default for NoticeTexts {
    fn default() -> Self {
        Self {
            trip: "{node} is near its limit: rounds {rounds} ({kw} kW) may be switched off from {time}.".to_owned(),
            ahead: usual_ahead(),
            group: usual_group(),
            cancelled: "Called off: nothing is switched off for {node}; the notice for {time} is void.".to_owned(),
            measures: MeasureTexts::default(),
        }
    }
}

/// What customers read of agreed measures. `{node}`, `{kw}`, `{time}`, `{until}` and `{minutes}` stand for what they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureTexts {
    /// Asks to move load to another time.
    pub shift: String,
    /// Asks to stop load during the peak.
    pub avoid: String,
    /// Asks to keep below `{kw}`.
    pub limit: String,
    /// It is over, or not wanted any more.
    pub release: String,
}

impl Default for MeasureTexts {
    fn default() -> Self {
        Self {
            shift: "As agreed for {node}: please move {kw} kW to another time, from {time} to {until} at most."
                .to_owned(),
            avoid: "As agreed for {node}: please stop {kw} kW from {time} to {until} at most.".to_owned(),
            limit: "As agreed for {node}: please keep below {kw} kW from {time} to {until} at most.".to_owned(),
            release: "Thank you: what was agreed for {node} from {time} is over, no kW need be held back.".to_owned(),
        }
    }
}

/// That a notice is void is not told later than this.
pub(crate) const CALL_OFF_WITHIN: Span = Span::from_s(600);

/// Characters that a terminal shows at most.
pub const TEXT_MAX: usize = 200;

/// What the placeholders of a text stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) node: NodeId,
    pub(crate) rounds: &'a [RoundNo],
    pub(crate) power: Power,
    pub(crate) due: Timestamp,
    pub(crate) now: Timestamp,
    /// The supply's clocks minus UTC; none where the rules have no calendar.
    pub(crate) utc_offset_minutes: Option<i16>,
}

impl Said<'_> {
    /// A text as the customer reads it.
    pub(crate) fn fill(&self, text: &str) -> String {
        let rounds: Vec<String> = self.rounds.iter().map(ToString::to_string).collect();
        let minutes = (self.due.since(self.now).s() + 59).div_euclid(60).max(0);
        text_of(
            text,
            &[
                ("{node}", self.node.to_string()),
                ("{rounds}", rounds.join(", ")),
                ("{kw}", (self.power.get() / 1_000).to_string()),
                ("{time}", on_the_clock(self.due, self.utc_offset_minutes)),
                ("{minutes}", minutes.to_string()),
            ],
        )
    }
}

/// A text as a customer reads it: each placeholder replaced by what it stands for.
pub(crate) fn text_of(text: &str, says: &[(&str, String)]) -> String {
    let filled = says.iter().fold(text.to_owned(), |text, (name, what)| text.replace(name, what));
    filled.chars().take(TEXT_MAX).collect()
}

/// `18:05` by the supply's clocks; `18:05Z` where nobody knows them.
pub(crate) fn on_the_clock(at: Timestamp, utc_offset_minutes: Option<i16>) -> String {
    let offset_min = i64::from(utc_offset_minutes.unwrap_or(0));
    let minute = (at.get().div_euclid(60_000) + offset_min).rem_euclid(1_440);
    let zone = if utc_offset_minutes.is_some() { "" } else { "Z" };
    format!("{:02}:{:02}{zone}", minute / 60, minute % 60)
}

/// As [`on_the_clock`], with the month and the day before it where that is not today's.
pub(crate) fn on_the_day(at: Timestamp, today: Timestamp, utc_offset_minutes: Option<i16>) -> String {
    let clock = on_the_clock(at, utc_offset_minutes);
    let local = |at: Timestamp| at.after(Span::from_s(i64::from(utc_offset_minutes.unwrap_or(0)) * 60)).to_string();
    let (of, now) = (local(at), local(today));
    match (of.get(..10), now.get(..10), of.get(5..10)) {
        (Some(of), Some(now), Some(day)) if of != now => format!("{day} {clock}"),
        _ => clock,
    }
}

/// Number of a text that was sent, rising from 1 over the whole life of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeId(pub u64);

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "N{}", self.0)
    }
}

/// A text for a customer's display, for the dispatcher to send now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// Its number.
    pub notice: NoticeId,
    /// To whom.
    pub terminal: TerminalId,
    /// What is shown, [`TEXT_MAX`] characters at most.
    pub text: String,
    /// Not to be sent from here on (`expired-never-sent`).
    pub expires_at: Timestamp,
    /// The group order that it is about; none where a rule tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
}

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "delivery")]
pub enum Delivery {
    /// It is on its way.
    Sent,
    /// The terminal confirmed it.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It did not reach the terminal, as far as anybody knows.
    NotReached {
        /// Why.
        why: String,
    },
}

/// One text on its way or at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Its number.
    pub id: NoticeId,
    /// When it was given to the link.
    pub sent_at: Timestamp,
    /// Not sent from here on.
    pub expires_at: Timestamp,
    /// What became of it.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// What one customer was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Whose display.
    pub terminal: TerminalId,
    /// Rounds that may be tripped.
    pub rounds: Vec<RoundNo>,
    /// What they drew together when it was announced.
    pub power: Power,
    /// Not tripped before, unless it is urgent.
    pub due: Timestamp,
    /// The notice.
    pub told: Sending,
    /// A plan tripped rounds of it since.
    pub tripped: bool,
    /// That it is void, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_off: Option<Sending>,
}

impl Notice {
    /// Whether the terminal confirmed it.
    pub const fn is_delivered(&self) -> bool {
        matches!(self.told.delivery, Delivery::Delivered { .. })
    }

    /// Why its customer was not told in time of a trip that comes now, where that is so.
    pub(crate) fn fell_short(&self, now: Timestamp, before: Span) -> Option<String> {
        match &self.told.delivery {
            Delivery::NotReached { why } => Some(why.clone()),
            Delivery::Sent => Some("the terminal has not confirmed it yet".to_owned()),
            Delivery::Delivered { .. } if now < self.due => {
                Some(format!("told {} before instead of {before}", now.since(self.told.sent_at)))
            }
            Delivery::Delivered { .. } => None,
        }
    }

    /// Why it did not reach the terminal, where it did not.
    pub fn not_reached(&self) -> Option<&str> {
        match &self.told.delivery {
            Delivery::NotReached { why } => Some(why),
            Delivery::Sent | Delivery::Delivered { .. } => None,
        }
    }
}

/// All that customers below a node were told for one breach, or one that was foreseen, or a limit that is known to come down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Whose limit.
    pub node: NodeId,
    /// When it began.
    pub since: Timestamp,
    /// What is announced is looked at anew then.
    pub due: Timestamp,
    /// A plan is announced and not executed yet.
    pub waits: bool,
    /// When a plan was last made for it.
    pub looked_at: Timestamp,
    /// There was a breach meanwhile.
    pub in_breach: bool,
    /// The limit for which it was announced before it came into force, where it was that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<LimitAhead>,
    /// In the order in which they were told.
    pub notices: Vec<Notice>,
    /// Customers tripped without notice: nobody told them, or not in time.
    pub without_notice: Vec<TerminalId>,
    /// How it ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// How an announcement ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why, in a sentence.
    pub why: String,
}

impl Announcement {
    /// Whether it waits for a limit that is not in force yet.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        self.waits && self.ahead.is_some_and(|ahead| now < ahead.at)
    }

    /// The notice of a terminal.
    pub fn notice(&self, terminal: TerminalId) -> Option<&Notice> {
        self.notices.iter().find(|notice| notice.terminal == terminal)
    }

    /// How many terminals confirmed their notice.
    pub fn told(&self) -> usize {
        self.notices.iter().filter(|notice| notice.is_delivered()).count()
    }

    /// Whom it did not reach, and why.
    pub fn not_reached(&self) -> impl Iterator<Item = Untold> + '_ {
        self.notices
            .iter()
            .filter_map(|notice| Some(Untold { terminal: notice.terminal, why: notice.not_reached()?.to_owned() }))
    }
}

/// A customer whom no notice reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// Whose display.
    pub terminal: TerminalId,
    /// Why.
    pub why: String,
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.terminal, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START, kw, node, round, s};

    fn said(rounds: &[RoundNo], utc_offset_minutes: Option<i16>) -> Said<'_> {
        // 22:13:20Z and five minutes.
        Said { node: node("F"), rounds, power: kw(70), due: START.after(s(300)), now: START, utc_offset_minutes }
    }

    #[test]
    fn a_text_says_where_what_and_when_by_the_clock_of_the_supply() {
        let rounds = [round(1), round(3)];
        let text = "{node}: {rounds}, {kw} kW, {time}, in {minutes} min";
        assert_eq!(said(&rounds, Some(480)).fill(text), "F: 1, 3, 70 kW, 06:18, in 5 min");
        assert_eq!(said(&rounds, None).fill("{time}"), "22:18Z");
    }

    #[test]
    fn a_text_is_never_longer_than_a_display() {
        assert_eq!(said(&[], None).fill(&"停电".repeat(200)).chars().count(), TEXT_MAX);
    }

    #[test]
    fn only_a_load_above_the_urgent_share_of_the_limit_is_urgent() {
        assert!(!NoticeRule::NONE.is_urgent(kw(110), kw(100)));
        assert!(NoticeRule::NONE.is_urgent(kw(111), kw(100)));
    }
}
