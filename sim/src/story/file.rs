//! What a story's file says: a scenario's keys, and beside them `[story]`, `[[act]]` and `[[expect]]`.

use headroom_rules::model::{NodeId, Power, RoundNo, Span, TerminalId};
use serde::Deserialize;

use crate::fleet::FleetError;
use crate::scenario::{Scenario, ScenarioError};

/// What is wrong with a story.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum StoryError {
    #[error("no story \"{name}\": wanted a file, or one of {known}", known = Story::NAMES.join(", "))]
    Unknown { name: String },
    #[error("story: not readable")]
    Syntax(#[from] toml::de::Error),
    #[error("story: {0}")]
    Scenario(#[from] ScenarioError),
    #[error("story: {0}")]
    Fleet(#[from] FleetError),
    #[error("story: {key} = \"{text}\": wanted minutes and seconds since the start, as \"4:30\"")]
    Time { key: &'static str, text: String },
    #[error("story: minutes = {0}: wanted 1 to 600")]
    Minutes(u32),
    #[error("story: notice_min = {0}: wanted 0 to 60")]
    Notice(u8),
    #[error("story: act {number}: wanted one of at = \"M:SS\" and when = \"LINE\"")]
    Cue { number: usize },
    #[error("story: act {number}")]
    Act { number: usize, source: toml::de::Error },
    #[error("story: {what} {id} is not in its fleet")]
    NotThere { what: &'static str, id: String },
    #[error("story: an expectation is missing: wanted at least one [[expect]], or it proves nothing")]
    NoExpectation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStory {
    terminals: u32,
    seed: u64,
    minutes: u32,
    #[serde(default)]
    guaranteed: Vec<String>,
    #[serde(default)]
    limits: std::collections::BTreeMap<NodeId, i32>,
    #[serde(default)]
    notice_min: u8,
    over_limit_s_max: Option<u32>,
    off_at_end: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpect {
    line: String,
    from: Option<String>,
    by: Option<String>,
    times: Option<u32>,
}

/// When an act begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cue {
    /// So long after the start.
    At(Span),
    /// When a line was told that fits the pattern.
    When(String),
}

/// Trip or restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switching {
    /// Open it.
    Trip,
    /// Close it.
    Restore,
}

/// What a person or a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are named in full")]
pub enum Act {
    /// A dispatcher selects a round.
    Select { by: String, terminal: TerminalId, action: Switching, round: RoundNo },
    /// A dispatcher executes the last order of a terminal, whoever's it is.
    Execute { by: String, terminal: TerminalId },
    /// A dispatcher withdraws it.
    Cancel { by: String, terminal: TerminalId },
    /// A dispatcher sets a limit, in kW.
    SetLimit { by: String, node: NodeId, kw: i32 },
    /// A dispatcher takes so many kW off a node's load for so many minutes, from now on or after so many more.
    TakeOff {
        by: String,
        node: NodeId,
        kw: i32,
        minutes: i64,
        #[serde(default)]
        after_min: i64,
    },
    /// A dispatcher takes back what is to be taken off a node's load.
    DropTarget { by: String, node: NodeId },
    /// A dispatcher stops all automatic control.
    StopAutomatic { by: String },
    /// A dispatcher lets the rules act again.
    ResumeAutomatic { by: String },
    /// A terminal's link is lost, for so many seconds; for good without.
    CutLink { terminal: TerminalId, for_s: Option<i64> },
    /// A round's switch moves no more and tells what was commanded.
    Lie { terminal: TerminalId, round: RoundNo },
    /// A feeder loses its supply, and its terminals theirs.
    Dark { feeder: NodeId },
    /// It has supply again; its terminals come back one by one within a minute.
    Light { feeder: NodeId },
}

/// What has to come, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// A line, in which `*` stands for anything.
    pub line: String,
    /// Not before.
    pub from: Span,
    /// Not after.
    pub by: Span,
    /// Exactly so often; at least once without.
    pub times: Option<u32>,
}

/// A scenario with a course and an end.
#[derive(Clone, Debug)]
pub struct Story {
    /// What the loads do.
    pub scenario: Scenario,
    /// Terminals of its fleet.
    pub terminals: u32,
    /// Of its fleet.
    pub seed: u64,
    /// How long it goes on.
    pub span: Span,
    /// Terminals whose customers are guaranteed, and nodes all of whose are, beside those that the fleet has.
    pub guaranteed: Vec<String>,
    /// Limits beside or instead of those of the fleet.
    pub limits: Vec<(NodeId, Power)>,
    /// So long before its rules shed anything their customers are told.
    pub notice: Span,
    /// No limited node is above its limit for longer, in all.
    pub over_limit_s_max: Option<u32>,
    /// So many rounds are off at the end.
    pub off_at_end: Option<u32>,
    /// What is done, in the order of the file.
    pub acts: Vec<(Cue, Act)>,
    /// What has to come of it.
    pub expects: Vec<Expect>,
}

impl Story {
    /// The stories that ship.
    pub const NAMES: [&'static str; 8] = [
        "peak-shaving",
        "feeder-overload",
        "lying-terminal",
        "link-lost-before-execute",
        "guaranteed-only",
        "two-dispatchers",
        "dark-feeder",
        "told-before",
    ];

    /// One that ships.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str) -> Result<Self, StoryError> {
        Self::parse(match name {
            "peak-shaving" => include_str!("../../scenarios/stories/peak-shaving.toml"),
            "feeder-overload" => include_str!("../../scenarios/stories/feeder-overload.toml"),
            "lying-terminal" => include_str!("../../scenarios/stories/lying-terminal.toml"),
            "link-lost-before-execute" => include_str!("../../scenarios/stories/link-lost-before-execute.toml"),
            "guaranteed-only" => include_str!("../../scenarios/stories/guaranteed-only.toml"),
            "two-dispatchers" => include_str!("../../scenarios/stories/two-dispatchers.toml"),
            "dark-feeder" => include_str!("../../scenarios/stories/dark-feeder.toml"),
            "told-before" => include_str!("../../scenarios/stories/told-before.toml"),
            _ => return Err(StoryError::Unknown { name: name.to_owned() }),
        })
    }

    /// From TOML.
    ///
    /// # Errors
    /// The file is refused whole for an unknown key or a figure out of range.
    pub fn parse(text: &str) -> Result<Self, StoryError> {
        let mut table: toml::Table = toml::from_str(text)?;
        let mut take = |key: &str| table.remove(key);
        let story = take("story").unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
        let (acts, expects) = (take("act"), take("expect"));
        let scenario = Scenario::parse(&table.to_string())?;
        let raw: RawStory = story.try_into()?;
        if !(1..=600).contains(&raw.minutes) {
            return Err(StoryError::Minutes(raw.minutes));
        }
        if raw.notice_min > 60 {
            return Err(StoryError::Notice(raw.notice_min));
        }
        let span = Span::from_s(i64::from(raw.minutes) * 60);
        let list = |value: Option<toml::Value>| -> Result<Vec<toml::Table>, StoryError> {
            Ok(value.map(toml::Value::try_into).transpose()?.unwrap_or_default())
        };
        let acts = list(acts)?.into_iter().enumerate().map(|(number, act)| self::act(number + 1, act));
        let acts = acts.collect::<Result<_, _>>()?;
        let expects = list(expects)?.into_iter().map(|expect| {
            let RawExpect { line, from, by, times } = expect.try_into()?;
            let from = from.map_or(Ok(Span::ZERO), |text| clock("from", &text))?;
            Ok(Expect { line, from, by: by.map_or(Ok(span), |text| clock("by", &text))?, times })
        });
        let expects = expects.collect::<Result<Vec<_>, StoryError>>()?;
        if expects.is_empty() {
            return Err(StoryError::NoExpectation);
        }
        Ok(Self {
            scenario,
            terminals: raw.terminals,
            seed: raw.seed,
            span,
            guaranteed: raw.guaranteed,
            limits: raw.limits.into_iter().map(|(node, kw)| (node, Power::from_kw(kw))).collect(),
            notice: Span::from_s(i64::from(raw.notice_min) * 60),
            over_limit_s_max: raw.over_limit_s_max,
            off_at_end: raw.off_at_end,
            acts,
            expects,
        })
    }
}

fn act(number: usize, mut act: toml::Table) -> Result<(Cue, Act), StoryError> {
    let text = |value: toml::Value| value.as_str().map(str::to_owned);
    let cue = match (act.remove("at").map(text), act.remove("when").map(text)) {
        (Some(Some(at)), None) => Cue::At(clock("at", &at)?),
        (None, Some(Some(line))) => Cue::When(line),
        _ => return Err(StoryError::Cue { number }),
    };
    let act = act.try_into().map_err(|source| StoryError::Act { number, source })?;
    Ok((cue, act))
}

/// Minutes and seconds.
fn clock(key: &'static str, text: &str) -> Result<Span, StoryError> {
    let parsed = text.split_once(':').and_then(|(minutes, seconds)| {
        let (minutes, seconds): (i64, i64) = (minutes.parse().ok()?, seconds.parse().ok()?);
        ((0..=600).contains(&minutes) && (0..60).contains(&seconds)).then(|| Span::from_s(minutes * 60 + seconds))
    });
    parsed.ok_or_else(|| StoryError::Time { key, text: text.to_owned() })
}
