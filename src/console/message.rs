//! What comes into [`update`](super::update::update) and what goes out of it.

use crossterm::event::{KeyEvent, MouseEvent};
use headroom_rules::groups::{Group, GroupId};
use headroom_rules::input::Request;
use headroom_rules::model::{NodeId, TerminalId, Timestamp};
use headroom_rules::orders::OrderId;
use headroom_rules::output::{AlarmId, Reply};
use headroom_rules::view::{DryRun, Resumption, TerminalDetail, View};
use serde::Deserialize;

use super::node::{Curve, Past};
use crate::api::Day;

/// What the centre says of itself and of whom the token names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct About {
    pub(crate) software: String,
    pub(crate) operator: String,
    #[serde(default)]
    pub(crate) supervisor: bool,
    /// Seconds of the centre's time to one second on the wall.
    pub(crate) time_factor: f64,
}

/// Whether what the centre takes in reaches its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Health {
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    #[serde(default)]
    pub(crate) collecting: Collecting,
}

/// Meter reading by schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Collecting {
    /// Terminals that are being asked.
    pub(crate) under_way: usize,
    /// Stretches of time that wait to be asked for.
    pub(crate) waiting: usize,
    /// The last try that failed.
    pub(crate) last_failure: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum Journal {
    #[default]
    Good,
    /// The centre decides nothing and its time stands still, while its view is answered as ever.
    Failing {
        /// Seconds on the wall when the centre answered.
        since_s: u64,
        error: String,
    },
}

/// What looking back reads; limits are kept without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Store {
    /// Why it takes nothing.
    pub(crate) failing: Option<String>,
    /// Inputs that it lacks.
    #[serde(default)]
    pub(crate) behind: u64,
    /// How long ago the oldest of them came in, while it does not keep up.
    #[serde(default)]
    pub(crate) behind_s: Option<i64>,
}

/// One value of a trend.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(crate) struct TrendPoint {
    /// ms since the epoch.
    pub(crate) t: i64,
    /// In the point's base unit.
    pub(crate) v: f64,
    /// Quality bits.
    pub(crate) q: u8,
}

/// What a request to the centre was for, so that its answer finds its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Select,
    Execute(OrderId),
    Cancel(OrderId),
    Acknowledge(AlarmId),
    SetLimit(NodeId),
    StopAutomatic,
    ResumeAutomatic,
    /// An act of a person, by its name in words.
    Act(&'static str),
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Granted(Reply),
    /// The centre's own sentence.
    Refused(String),
    /// No answer: the centre may have taken it or not.
    Unanswered(String),
}

/// One thing that happened to the console.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// Milliseconds on the wall clock since the console started.
    Clock(u64),
    Key(KeyEvent),
    Mouse(MouseEvent),
    Resize(u16, u16),
    /// The view, and in the same message whether it can be believed: no view is to be live for a moment that is not.
    View(Box<View>, Health),
    Detail(Box<TerminalDetail>),
    Trend(TerminalId, Vec<TrendPoint>),
    About(About),
    /// The view could not be fetched, with why.
    Lost(String),
    /// A terminal's detail or trend could not be fetched, with why.
    DetailLost(TerminalId, String),
    /// A terminal was read, or why not.
    ReadNow(TerminalId, Result<(), String>),
    /// What came of reading a terminal's parameters back, in a sentence.
    Parameters(TerminalId, String),
    /// How complete a day is, by its number; of today without one.
    Completeness(Option<i64>, Result<Day, String>),
    /// A node's past, or why not.
    Curve(Past, Result<Curve, String>),
    /// How many values came from a terminal's memory, or why none.
    Collected(TerminalId, Result<u64, String>),
    Answer(Asked, Answer),
    /// A group order with its rounds, or why not.
    Group(GroupId, Result<Group, String>),
    /// What a node's rule would do under a limit in kW, or under the one in force; or why not.
    DryRun(NodeId, Option<u32>, Result<Box<DryRun>, String>),
    /// What came of sending a terminal its parameters, in a sentence.
    ParametersSent(TerminalId, Result<String, String>),
    /// What resuming automatic control would do; none while it runs.
    Resumption(Result<Option<Resumption>, String>),
}

/// One thing for the runtime to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    FetchAbout,
    FetchView,
    FetchDetail(TerminalId),
    FetchTrend(TerminalId),
    /// Have all its values sent now.
    ReadNow(TerminalId),
    /// Have its parameters sent, and compared with those wanted.
    ReadParameters(TerminalId),
    /// Of a day by its number (since 1970-01-01, in the supply's zone), or of today.
    FetchCompleteness(Option<i64>),
    /// From one time to another.
    FetchCurve(Past, Timestamp, Timestamp),
    /// Have what it remembers from one time to another fetched.
    Collect(TerminalId, Timestamp, Timestamp),
    Ask(Asked, Request),
    FetchGroup(GroupId),
    /// Of a node, under a limit in kW or under the one in force.
    FetchDryRun(NodeId, Option<u32>),
    /// A merge patch on a terminal's parameters, with its reason.
    SetParameters(TerminalId, serde_json::Value, String),
    /// What resuming automatic control would do.
    FetchResumption,
    Quit,
}
