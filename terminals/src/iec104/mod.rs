//! IEC 60870-5-104: what a controlled station tells and is told.

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use headroom_rules::orders::Step;

/// A value as the wire types it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Value {
    Single(bool),
    Double(SwitchPosition),
    Normalized(i16),
    Scaled(i16),
    Float(f32),
    Counter(i32),
}

/// One information object.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Object {
    pub common_address: u16,
    pub ioa: u32,
    pub value: Value,
    pub quality: Quality,
    pub time: Option<Timestamp>,
    pub cause: u8,
}

/// What a command wants.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CommandValue {
    Single(bool),
    /// True is ON.
    Double(bool),
    SetFloat(f32),
}

/// What the station says to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CommandAnswer {
    Accepted,
    Refused,
    UnknownObject,
}

/// The process behind a controlled station.
#[allow(missing_docs, reason = "the names say it")]
pub trait Station: Send + 'static {
    fn interrogated(&mut self, out: &mut Vec<Object>);
    fn counters(&mut self, out: &mut Vec<Object>);
    fn spontaneous(&mut self, out: &mut Vec<Object>);
    fn command(&mut self, ioa: u32, value: CommandValue, step: Step) -> CommandAnswer;
    fn set_clock(&mut self, time: Timestamp);
}
