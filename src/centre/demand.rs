//! Reading on demand: an operator wants a terminal's values now, not at its next cycle.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use headroom_rules::model::{PointKind, TerminalId};
use headroom_rules::orders::NotSent;
use headroom_terminals::iec104::asdu::causes;
use headroom_terminals::iec104::controlling::{ALL_COUNTERS, Answer, Request, STATION};
use headroom_terminals::iec104::task::Ask;
use headroom_terminals::profile::Profile;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Whoever waits longer than this may look again by himself: what still comes is taken in as ever.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All but counters, by a general interrogation.
    All,
    /// All counters, without freezing them.
    Counters,
    /// One point.
    Point(PointKind),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all values"),
            Self::Counters => f.write_str("its counters"),
            Self::Point(point) => write!(f, "point {}", point.code()),
        }
    }
}

/// Why nothing, or not all, was read. Shown to the person as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// No link is configured to it.
    #[error("terminal {0} is not in the inventory")]
    Unknown(TerminalId),
    /// Its point map lacks the point.
    #[error("{0}: its point map has no {1}")]
    NoPoint(TerminalId, Wanted),
    /// Nothing was asked.
    #[error("{0} was not asked: {1}")]
    NotAsked(TerminalId, NotAsked),
    /// The terminal says no.
    #[error("{terminal} refuses to read {wanted}: {}", named(*cause))]
    Refused {
        /// Which.
        terminal: TerminalId,
        /// What.
        wanted: Wanted,
        /// Cause of transmission.
        cause: u8,
    },
    /// It says nothing, or breaks off.
    #[error("{0} did not answer; what it still sends is taken in")]
    NoAnswer(TerminalId),
    /// The link ended.
    #[error("{0}: the link was lost while it was read")]
    LinkLost(TerminalId),
}

/// Why a terminal was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// Its link is down.
    #[error("it has no link")]
    NoLink,
    /// As much is under way as one link carries.
    #[error("it is being asked for as much as its link carries; try again in a moment")]
    Busy,
    /// The centre ends.
    #[error("the centre is stopping")]
    Stopping,
}

fn named(cause: u8) -> String {
    causes::name(cause).map_or_else(|| format!("cause {cause}"), |name| format!("{name} (cause {cause})"))
}

/// A terminal's link, as far as questions go.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) profile: Arc<Profile>,
    pub(super) common_address: u16,
}

/// Asks terminals. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Demand(Arc<BTreeMap<TerminalId, Line>>);

impl Demand {
    pub(super) const fn new(lines: Arc<BTreeMap<TerminalId, Line>>) -> Self {
        Self(lines)
    }

    pub(crate) fn lines(&self) -> Arc<BTreeMap<TerminalId, Line>> {
        Arc::clone(&self.0)
    }

    /// Of one terminal, with what it is asked.
    #[cfg(test)]
    pub(crate) fn of(terminal: TerminalId) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(1);
        let line = Line { asks, profile: Arc::new(Profile::standard()), common_address: 1 };
        (Self::new(Arc::new(BTreeMap::from([(terminal, line)]))), asked)
    }

    /// Reads now. What comes goes the way of every reading, and is with the journal when this returns.
    ///
    /// # Errors
    /// When the terminal was not asked, refuses, or gives no answer.
    pub async fn read(&self, terminal: TerminalId, wanted: Wanted) -> Result<(), NotRead> {
        let line = self.0.get(&terminal).ok_or(NotRead::Unknown(terminal))?;
        let request = match wanted {
            Wanted::All => Request::Interrogate(STATION),
            Wanted::Counters => Request::Counters(ALL_COUNTERS),
            Wanted::Point(kind) => {
                let point = line.profile.points().iter().find(|point| point.kind == kind);
                Request::Read { ioa: point.ok_or(NotRead::NoPoint(terminal, wanted))?.ioa }
            }
        };
        let (reply, answer) = oneshot::channel();
        line.asks.try_send(Ask::Request(request, reply)).map_err(|error| {
            NotRead::NotAsked(
                terminal,
                match error {
                    TrySendError::Full(_) => NotAsked::Busy,
                    TrySendError::Closed(_) => NotAsked::Stopping,
                },
            )
        })?;
        match timeout(READ_WITHIN, answer).await {
            Ok(Ok(Answer::Done)) => Ok(()),
            Ok(Ok(Answer::Refused { cause })) => Err(NotRead::Refused { terminal, wanted, cause }),
            Ok(Ok(Answer::LinkLost)) => Err(NotRead::LinkLost(terminal)),
            Ok(Ok(Answer::NotSent(NotSent::Busy))) => Err(NotRead::NotAsked(terminal, NotAsked::Busy)),
            Ok(Ok(Answer::NotSent(NotSent::Stopping))) | Ok(Err(_)) => {
                Err(NotRead::NotAsked(terminal, NotAsked::Stopping))
            }
            Ok(Ok(Answer::NotSent(_))) => Err(NotRead::NotAsked(terminal, NotAsked::NoLink)),
            Ok(Ok(Answer::TimedOut)) | Err(_) => Err(NotRead::NoAnswer(terminal)),
        }
    }
}
