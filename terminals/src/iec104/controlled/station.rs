//! What a controlled station asks of the device behind it.

use headroom_rules::model::Timestamp;
use headroom_rules::orders::Step;

use super::super::asdu::{CommandValue, Object};
use super::super::files::{FileId, FileInfo};

/// Names one command from its arrival until it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandToken(pub(super) u64);

/// A step of a command, as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StationCommand {
    /// For an answer that comes later.
    pub token: CommandToken,
    /// Point.
    pub ioa: u32,
    /// Value.
    pub value: CommandValue,
    /// Step.
    pub step: Step,
    /// QU of single, double and step commands, 0..=31; QL of set points, 0..=127.
    pub qualifier: u8,
    /// When it was sent, where it says so.
    pub sent: Option<Timestamp>,
    /// Originator address, 0 where it is not used.
    pub originator: u8,
}

impl StationCommand {
    /// Without qualifier, time and originator.
    pub const fn new(ioa: u32, value: CommandValue, step: Step) -> Self {
        Self { token: CommandToken(0), ioa, value, step, qualifier: 0, sent: None, originator: 0 }
    }
}

/// What the device says to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandAnswer {
    /// Confirmed; an execute is terminated at once.
    Accepted,
    /// Confirmed; its termination follows when the device says [`Self::Accepted`] to the token again.
    Begun,
    /// Not known yet: the device says it by [`Station::answered`], or its owner by [`super::Session::answer`]. After
    /// `StationConfig::answer_timeout` the command is refused.
    Later,
    /// Confirmed with P/N = 1.
    Refused,
    /// No such point: cause 47.
    UnknownObject,
}

/// What is done to counters (FRZ of QCC, 60870-5-101, 7.2.6.23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// Their readings are kept.
    Keep,
    /// Their readings are kept, and they start anew.
    KeepAndReset,
    /// They start anew.
    Reset,
}

/// A parameter that the controlling station sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameter {
    /// P_ME_NA.
    Normalized(i16),
    /// P_ME_NB.
    Scaled(i16),
    /// P_ME_NC, finite.
    Float(f32),
    /// P_AC: true activates, false deactivates.
    Active(bool),
}

/// The device behind a controlled station. Sync, quick, called from the link's task.
pub trait Station: Send + 'static {
    /// The device's clock: what its time tags are of, and what the age of a command is told by.
    fn now(&self) -> Timestamp;
    /// All objects but counters; their cause is set by the session.
    fn interrogated(&mut self, out: &mut Vec<Object>);
    /// The objects of a group, 1..=16; false where there is no such group.
    fn group(&mut self, _group: u8, _out: &mut Vec<Object>) -> bool {
        false
    }
    /// All counters.
    fn counters(&mut self, out: &mut Vec<Object>);
    /// The counters of a group, 1..=4; false where there is no such group.
    fn counter_group(&mut self, _group: u8, _out: &mut Vec<Object>) -> bool {
        false
    }
    /// Freezes or resets the counters of a group, or all of them; false where they cannot be.
    fn freeze(&mut self, _group: Option<u8>, _how: Freeze) -> bool {
        false
    }
    /// One object or counter; none where there is no such address.
    fn read(&mut self, ioa: u32) -> Option<Object> {
        let mut objects = Vec::new();
        self.interrogated(&mut objects);
        self.counters(&mut objects);
        objects.into_iter().find(|object| object.ioa == ioa)
    }
    /// Whether a started connection carries what is spontaneous; told before each call of [`Self::spontaneous`].
    fn carried(&mut self, _by_a_link: bool) {}
    /// What changed since the last call, drained; called at every scan and after each command.
    fn spontaneous(&mut self, out: &mut Vec<Object>);
    /// A step of a command; a select that is accepted here is then held by the session.
    fn command(&mut self, command: StationCommand) -> CommandAnswer;
    /// What became of a command that was answered [`CommandAnswer::Later`] or [`CommandAnswer::Begun`]; asked at every
    /// scan until there is none.
    fn answered(&mut self) -> Option<(CommandToken, CommandAnswer)> {
        None
    }
    /// The centre's time; false where the device keeps its clock by other means, and this one is not taken.
    fn set_clock(&mut self, time: Timestamp) -> bool;
    /// A reset by QRP: 1 of the whole process, 2 of events that wait with their times. False where it cannot be.
    fn reset(&mut self, _qualifier: u8) -> bool {
        false
    }
    /// Whether what is commanded to all stations at once is not for this one. It still answers interrogations and takes the time.
    fn excluded(&self) -> bool {
        false
    }
    /// A parameter with its QPM or QPA. It is answered at once: [`CommandAnswer::Later`] counts as refused.
    fn parameter(&mut self, _ioa: u32, _parameter: Parameter, _qualifier: u8) -> CommandAnswer {
        CommandAnswer::UnknownObject
    }
    /// The directory.
    fn files(&mut self, _out: &mut Vec<FileInfo>) {}
    /// A file whole, none where there is no such file.
    fn read_file(&mut self, _file: FileId) -> Option<Vec<u8>> {
        None
    }
    /// The part of a log between two times, none where there is no such log; a time that is none is open.
    fn query_log(&mut self, _file: FileId, _from: Option<Timestamp>, _to: Option<Timestamp>) -> Option<Vec<u8>> {
        None
    }
    /// Whether a file of so many octets would be taken.
    fn takes_file(&mut self, _file: FileId, _length: u32) -> bool {
        false
    }
    /// Takes a file that arrived whole; false where its content is no good.
    fn write_file(&mut self, _file: FileId, _data: &[u8]) -> bool {
        false
    }
    /// Deletes a file; false where it cannot be.
    fn delete_file(&mut self, _file: FileId) -> bool {
        false
    }
}
