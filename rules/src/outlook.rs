//! What a plan says of itself beside its rounds: how sure its power is, how the burden lies, what comes next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measures::{Asked, NotAsked};
use crate::model::{Power, RoundNo, TerminalId};

/// How much of the load is above the limit (有序用电 levels): blue up to 5 % of the load, yellow up to 10, orange up to 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Up to 5 %.
    Blue,
    /// Above 5 and up to 10 %.
    Yellow,
    /// Above 10 and up to 20 %.
    Orange,
    /// Above 20 %.
    Red,
}

impl Level {
    /// The level of a load; none at or below the limit.
    pub fn of(load: Power, limit: Power) -> Option<Self> {
        if load <= limit {
            return None;
        }
        let gap = i128::from((load - limit).get());
        let within = |percent: i128| gap * 100 <= i128::from(load.get()) * percent;
        Some(match () {
            () if within(5) => Self::Blue,
            () if within(10) => Self::Yellow,
            () if within(20) => Self::Orange,
            () => Self::Red,
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
        })
    }
}

/// Beside a plan's rounds. Made with the plan and never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// How far the load is above the limit; none where the plan comes before the load is.
    pub level: Option<Level>,
    /// What this plan goes for: what is wanted, or less where a pass may not take so much.
    pub aim: Power,
    /// Customers that it touches.
    pub customers: u32,
    /// What will go by past experience: each round's power times the share that went at its terminal before.
    pub likely: Power,
    /// In 19 of 20 plans what goes is at most this far from `likely`: from how unevenly the terminals responded before and how
    /// far their loads move by themselves from the reading to the effect's measurement.
    pub unsure: Power,
    /// How the burden lies on the node's customers.
    pub fairness: Fairness,
    /// What customers were asked to do themselves; none where the rule asks nobody, and in plans of before there were measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measures: Option<MeasuresSoFar>,
    /// What follows where this is not enough.
    pub next: Next,
}

/// Agreed measures below a node as a plan finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuresSoFar {
    /// What is gone by those that stand.
    pub gone: Power,
    /// What they have still to give and the plan leaves to them.
    pub pending: Power,
    /// Those that gave less than was agreed.
    pub fell_short: Vec<Asked>,
    /// Agreed, and not asked for now, with why.
    pub spared: Vec<NotAsked>,
}

/// Gini coefficients of the energy curtailed, over the node's customers that may be shed at all: 0 when all went without
/// the same, 1000 ‰ when one bore it all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fairness {
    /// Before the plan, in ‰.
    pub before_permille: u16,
    /// When the plan has lasted for an hour, in ‰.
    pub after_permille: u16,
}

/// What follows where a plan is not enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "next")]
pub enum Next {
    /// Another plan.
    Plan {
        /// Its number.
        pass: u8,
        /// Rounds that it can choose from as things are.
        rounds: u32,
        /// What they have together.
        available: Power,
        /// Whose turn it is, three at most.
        first: Vec<Turn>,
    },
    /// The operator is called.
    Operator {
        /// Why there is no other plan.
        why: NoMore,
    },
}

/// A round whose turn it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The terminal.
    pub terminal: TerminalId,
    /// The round.
    pub round: RoundNo,
    /// What it has.
    pub power: Power,
}

/// Why a rule makes no other plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoMore {
    /// As many plans in a row as the rule permits.
    LastPass,
    /// Nothing is left that may be shed.
    NothingLeft,
}

impl fmt::Display for Fairness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gini = |permille: u16| format!("{}.{:03}", permille / 1_000, permille % 1_000);
        write!(f, "{} before, {} after an hour", gini(self.before_permille), gini(self.after_permille))
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan { pass, rounds, available, first } => {
                write!(f, "plan {pass} from {rounds} rounds with {available}, first ")?;
                for (n, turn) in first.iter().enumerate() {
                    let Turn { terminal, round, power } = turn;
                    write!(f, "{}{terminal} round {round} ({power})", if n == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Operator { why: NoMore::LastPass } => {
                f.write_str("the operator is called: it is the last plan in a row")
            }
            Self::Operator { why: NoMore::NothingLeft } => {
                f.write_str("the operator is called: nothing else may be shed")
            }
        }
    }
}

impl Outlook {
    /// Line by line, as a screen shows it below a plan.
    pub fn lines(&self) -> Vec<String> {
        let Self { level, aim, customers, likely, unsure, fairness, measures, next } = self;
        let level = level.map_or_else(String::new, |level| format!("level {level}, "));
        let mut lines = vec![
            format!("{level}goes for {aim} at {customers} customers"),
            format!("likely to go: {likely} ± {unsure}"),
            format!("fairness (Gini of energy curtailed): {fairness}"),
            format!("if that is not enough: {next}"),
        ];
        if let Some(MeasuresSoFar { gone, pending, fell_short, spared }) = measures {
            lines.push(format!("agreed measures: {gone} gone, {pending} left to them"));
            lines.extend(fell_short.iter().map(|it| format!("fell short: {it}")));
            lines.extend(spared.iter().map(|it| format!("not asked: {it}")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_the_share_of_the_load_that_is_above_the_limit() {
        let level = |load, limit| Level::of(Power::from_kw(load), Power::from_kw(limit));
        assert_eq!(level(1_000, 1_000), None);
        assert_eq!(level(1_000, 999), Some(Level::Blue));
        assert_eq!(level(1_000, 950), Some(Level::Blue));
        assert_eq!(level(1_000, 949), Some(Level::Yellow));
        assert_eq!(level(1_000, 900), Some(Level::Yellow));
        assert_eq!(level(1_000, 899), Some(Level::Orange));
        assert_eq!(level(1_000, 800), Some(Level::Orange));
        assert_eq!(level(1_000, 799), Some(Level::Red));
    }
}
