//! What others hold of a running centre: its view, its answers, its health.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headroom_rules::groups::{Group, GroupId};
use headroom_rules::input::{Input, Origin, Request};
use headroom_rules::model::{NodeId, Power, Span, TerminalId};
use headroom_rules::output::{Refusal, Reply};
use headroom_rules::view::{DryRun, NotPlanned, Resumption, TerminalDetail, View};
use headroom_terminals::iec104::access::refusals::Refusals;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::collect::{Collecting, Fetcher};
use super::demand::Demand;
use crate::clock::Clock;
use crate::journal::{Gauge, Health, Position, Submission};
use crate::store::{Backlog, StoreReader};

/// An answer that takes longer than this is given up. The disk syncs in milliseconds where it works at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a copy of the engine reckons takes longer in a large fleet.
const RECKONED_WITHIN: Duration = Duration::from_secs(20);

/// Copies of the engine that are reckoned on at the same time.
const RECKONED_MAX: usize = 2;

/// Turns for what is reckoned on copies of the engine: however many ask, there are few copies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(RECKONED_MAX)))
    }
}

impl Turns {
    /// Waits for one; it ends with the copy.
    async fn take(&self) -> Result<OwnedSemaphorePermit, Unavailable> {
        // Never closed.
        Arc::clone(&self.0).acquire_owned().await.map_err(|_| Unavailable::Stopping)
    }
}

/// A question to the engine's task that the view does not answer.
#[derive(Debug)]
pub enum Question {
    /// A terminal in full; none when it is not in the inventory.
    Terminal(TerminalId, oneshot::Sender<Option<TerminalDetail>>),
    /// A group order with its rounds; none when there is no such, or of long ago.
    Group(GroupId, oneshot::Sender<Option<Group>>),
    /// What resuming automatic control would do; none while it runs.
    Resumption(oneshot::Sender<Option<Resumption>>, OwnedSemaphorePermit),
    /// What the rule of a node would do now under a limit, or under the one in force.
    DryRun(NodeId, Option<Power>, oneshot::Sender<Result<DryRun, NotPlanned>>, OwnedSemaphorePermit),
}

/// Why a request got no answer. Shown to the person as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Nothing of it was done.
    #[error("the journal cannot be written, so nothing was done: {why}")]
    Journal {
        /// What the disk says.
        why: String,
    },
    /// Nothing of it was done.
    #[error("the centre is stopping; nothing was done")]
    Stopping,
    /// It may yet be done: what the journal took before the stop takes effect, at the next start if not in this one.
    #[error("the centre stopped before it answered; it may still take effect: look at the orders before asking again")]
    Unanswered,
    /// It may yet be done.
    #[error("no answer within {} s; it may still take effect: look at the orders before asking again", ANSWER_WITHIN.as_secs())]
    TimedOut,
    /// Nothing was to be done.
    #[error("no answer within {} s; nothing was done", RECKONED_WITHIN.as_secs())]
    NotReckoned,
}

/// A running centre. Cheap to clone; the centre runs on when all handles are gone.
#[derive(Clone, Debug)]
pub struct Handle {
    /// The picture for operators, renewed several times a second while anything changes.
    pub view: watch::Receiver<Arc<View>>,
    /// Into the journal.
    pub submissions: mpsc::Sender<Submission>,
    /// To the engine's task.
    pub questions: mpsc::Sender<Question>,
    /// For those of them that take a copy of the engine.
    pub turns: Turns,
    /// To the terminals, for reading on demand.
    pub demand: Demand,
    /// To the terminals' memories.
    pub fetcher: Fetcher,
    /// How reading these by schedule stands.
    pub collecting: watch::Receiver<Collecting>,
    /// Whether inputs reach the disk.
    pub health: watch::Receiver<Health>,
    /// What the journal is at.
    pub gauge: Arc<Gauge>,
    /// How the store keeps up.
    pub backlog: watch::Receiver<Backlog>,
    /// Everything up to here was applied, if not stored yet.
    pub applied: watch::Receiver<Position>,
    /// Connections of terminals that were turned away.
    pub refusals: Arc<Refusals>,
    /// Connections that were turned away at the northbound door.
    pub refusals_above: Arc<Refusals>,
    /// What is stored.
    pub store: StoreReader,
    /// The supply's time.
    pub clock: Clock,
    /// Where its days begin: its zone's standard time minus UTC.
    pub utc_offset: Span,
}

impl Handle {
    /// The newest picture.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Whether inputs reach the disk; a disk that gives no answer counts as one that refuses.
    pub fn journal_health(&self) -> Health {
        self.gauge.judge(self.health.borrow().clone())
    }

    /// A terminal in full; none when it is not in the inventory.
    ///
    /// # Errors
    /// When the engine gives no answer in time.
    pub async fn terminal(&self, terminal: TerminalId) -> Result<Option<TerminalDetail>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.questions.send(Question::Terminal(terminal, answer)).await.map_err(|_| Unavailable::Stopping)?;
            answered.await.map_err(|_| Unavailable::Stopping)
        };
        timeout(ANSWER_WITHIN, asking).await.unwrap_or(Err(Unavailable::TimedOut))
    }

    /// A group order with its rounds; none when there is no such, or of long ago.
    ///
    /// # Errors
    /// When the engine gives no answer in time.
    pub async fn group(&self, group: GroupId) -> Result<Option<Group>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.questions.send(Question::Group(group, answer)).await.map_err(|_| Unavailable::Stopping)?;
            answered.await.map_err(|_| Unavailable::Stopping)
        };
        timeout(ANSWER_WITHIN, asking).await.unwrap_or(Err(Unavailable::TimedOut))
    }

    /// What resuming automatic control would do, reckoned on a copy of the engine; none while it runs.
    ///
    /// # Errors
    /// When the engine gives no answer in time.
    pub async fn resumption(&self) -> Result<Option<Resumption>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            let turn = self.turns.take().await?;
            self.questions.send(Question::Resumption(answer, turn)).await.map_err(|_| Unavailable::Stopping)?;
            answered.await.map_err(|_| Unavailable::Stopping)
        };
        timeout(RECKONED_WITHIN, asking).await.unwrap_or(Err(Unavailable::NotReckoned))
    }

    /// What the rule of a node would do now under a limit, or under the one in force, reckoned on a copy of the engine.
    ///
    /// # Errors
    /// The outer error when the engine gives no answer in time, the inner one when there is nothing to reckon with.
    pub async fn dry_run(&self, node: NodeId, limit: Option<Power>) -> Result<Result<DryRun, NotPlanned>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            let turn = self.turns.take().await?;
            self.questions
                .send(Question::DryRun(node, limit, answer, turn))
                .await
                .map_err(|_| Unavailable::Stopping)?;
            answered.await.map_err(|_| Unavailable::Stopping)
        };
        timeout(RECKONED_WITHIN, asking).await.unwrap_or(Err(Unavailable::NotReckoned))
    }

    /// Puts a person's request through the journal to the engine.
    ///
    /// # Errors
    /// The outer error when the centre cannot take it, the inner one when the engine refuses it.
    pub async fn request(&self, origin: Origin, request: Request) -> Result<Result<Reply, Refusal>, Unavailable> {
        if let Health::Failing { error, .. } = self.journal_health() {
            return Err(Unavailable::Journal { why: error });
        }
        let (reply, replied) = oneshot::channel();
        let submission = Submission {
            input: Input::Request { at: self.clock.now(), origin, request },
            durable: None,
            reply: Some(reply),
            received: Instant::now(),
        };
        let asking = async {
            self.submissions.send(submission).await.map_err(|_| Unavailable::Stopping)?;
            replied.await.map_err(|_| Unavailable::Unanswered)
        };
        timeout(ANSWER_WITHIN, asking).await.unwrap_or(Err(Unavailable::TimedOut))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn of_those_who_ask_for_a_copy_of_the_engine_few_have_one_at_a_time() {
        let turns = Turns::default();
        let mut taken = Vec::new();
        for _ in 0..RECKONED_MAX {
            taken.push(turns.take().now_or_never().expect("there is room").unwrap());
        }
        assert!(turns.take().now_or_never().is_none());
        taken.pop();
        assert!(turns.take().now_or_never().is_some());
    }
}
