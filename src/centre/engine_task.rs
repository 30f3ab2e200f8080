//! The task that owns the engine: inputs from the journal go in, and what comes out goes where it belongs.
//!
//! **Invariants:** it waits for inputs alone, never for the store, a link or the journal; no command of a replayed input
//! is dispatched.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headroom_rules::input::Input;
use headroom_rules::model::{Inventory, Timestamp};
use headroom_rules::orders::{Action, Command, Issuer, Step};
use headroom_rules::output::{Alarm, AlarmCause, Output};
use headroom_rules::policy::Policy;
use headroom_rules::view::View;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::dispatch::Dispatcher;
use super::figures::{Origin, Tally};
use super::handle::Question;
use super::machine::{Machine, REACH, apply};
use super::notices::Teller;
use super::recovery::Marks;
use super::snapshots::Snapshots;
use super::storing::{Storing, WriterGone};
use crate::journal::{Committed, Journal, JournalError, Position};
use crate::store::{Backlog, Entry};

/// The picture is renewed at most this often …
const VIEW_EVERY: Duration = Duration::from_millis(200);
/// … and building it takes at most one part in so many of the task's time.
const VIEW_SHARE: u32 = 10;
/// Inputs read from the journal at once.
const REPLAY_CHUNK: usize = 1_024;

/// The engine and the ways out of it.
#[derive(Debug)]
pub(super) struct EngineTask<M> {
    pub(super) machine: M,
    /// Everything up to here was applied.
    pub(super) position: Position,
    pub(super) dispatcher: Dispatcher,
    pub(super) teller: Teller,
    pub(super) storing: Storing,
    pub(super) snapshots: Snapshots,
    pub(super) backlog: watch::Receiver<Backlog>,
    pub(super) tally: Arc<Mutex<Tally>>,
    pub(super) view: watch::Sender<Arc<View>>,
    /// When the next picture may be built, should anything have changed.
    pub(super) view_due: Instant,
    pub(super) changed: bool,
    /// The alarm that the journal cannot be written, which can go no other way than this.
    pub(super) trouble: watch::Receiver<Option<Alarm>>,
}

impl<M: Machine> EngineTask<M> {
    /// Applies the rest of the journal. What the store has is not sent there again. Gives what operators have to know where it
    /// comes to another state than `marks` say.
    pub(super) async fn replay(
        &mut self,
        journal: &mut Journal,
        stored: Position,
        marks: &Marks,
    ) -> Result<Vec<String>, JournalError> {
        let mut differences = Vec::new();
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).begin(&self.machine.view());
        let mut direct = Vec::new();
        while self.position < journal.last_input() {
            let inputs = journal.read_from(self.position, marks.steps(self.position, REPLAY_CHUNK)).await?;
            self.storing.settle(self.position);
            for (position, input) in inputs {
                let is_stored = position <= stored;
                if !is_stored {
                    self.storing.prepare(&self.machine, self.position);
                }
                let outputs = apply(&mut self.machine, &input, &mut direct);
                direct.clear();
                self.position = position;
                let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
                tally.count(position, &input, &outputs, Origin::Replayed { stored: is_stored });
                drop(tally);
                if !is_stored && self.storing.store(Entry { position, input, outputs }).is_err() {
                    // Its task will be found ended when this one starts.
                    return Ok(differences);
                }
            }
            self.storing.settle(self.position);
            differences.extend(marks.differs(&self.machine, self.position));
            tokio::task::yield_now().await;
        }
        Ok(differences)
    }

    /// Applies what was journaled.
    pub(super) fn take(&mut self, batch: Vec<Committed>) -> Result<(), WriterGone> {
        self.storing.settle(self.position);
        let mut direct = Vec::new();
        let tally = Arc::clone(&self.tally);
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = batch.into_iter();
        for number in 0.. {
            if number % REACH == 0 {
                self.machine.reach_for(batch.as_slice().iter().map(|next| &next.input));
            }
            let Some(Committed { position, input, reply, received }) = batch.next() else { break };
            if matches!(input, Input::Trouble { cause: AlarmCause::JournalDamaged, .. }) {
                // The next start is to need nothing of what may be damaged as well.
                self.snapshots.want();
            }
            self.storing.prepare(&self.machine, self.position);
            let outputs = apply(&mut self.machine, &input, &mut direct);
            self.position = position;
            self.changed = true;
            tally.count(position, &input, &outputs, Origin::Live);
            let mut reply = reply;
            for output in direct.drain(..) {
                match output {
                    Output::Command(command) => {
                        let reacting_to = is_rules_trip(&command, &outputs).then_some(received);
                        self.dispatcher.dispatch(&command, reacting_to);
                    }
                    Output::Tell(telling) => self.teller.tell(telling),
                    Output::Reply(answer) => {
                        if let Some(reply) = reply.take() {
                            // Whoever asked may have given up.
                            let _ = reply.send(answer);
                        }
                    }
                    _ => {}
                }
            }
            self.storing.store(Entry { position, input, outputs })?;
        }
        drop(tally);
        self.storing.settle(self.position);
        self.snapshots.step(&self.machine, self.position, self.backlog.borrow().stored);
        Ok(())
    }

    /// Renews the picture.
    pub(super) fn publish(&mut self) {
        let began = Instant::now();
        let mut view = self.machine.view();
        if let Some(alarm) = &*self.trouble.borrow_and_update() {
            view.alarms.insert(0, alarm.clone());
        }
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).look(&view);
        self.view.send_replace(Arc::new(view));
        self.changed = false;
        self.view_due = Instant::now() + VIEW_EVERY.max(began.elapsed() * VIEW_SHARE);
    }

    /// Runs until the journal ends and everything is with the store's writer; gives the engine back as it is then.
    pub(super) async fn run(
        mut self,
        mut committed: mpsc::Receiver<Vec<Committed>>,
        mut questions: mpsc::Receiver<Question>,
    ) -> (M, Position) {
        let mut asked = true;
        loop {
            tokio::select! {
                batch = committed.recv() => match batch.map(|batch| self.take(batch)) {
                    Some(Ok(())) => {}
                    Some(Err(WriterGone)) => {
                        tracing::error!("the store's writer has ended by itself: the centre stops");
                        break;
                    }
                    None => break,
                },
                question = questions.recv(), if asked => match question {
                    // Whoever asked may have given up.
                    Some(Question::Terminal(id, answer)) => drop(answer.send(self.machine.terminal(id))),
                    Some(Question::Group(id, answer)) => drop(answer.send(self.machine.group(id))),
                    Some(Question::Resumption(answer, turn)) => {
                        // Only the copy is made here: a large fleet's minute takes a while, and inputs are not to wait.
                        let copy = self.machine.clone();
                        tokio::task::spawn_blocking(move || {
                            drop(answer.send(copy.resumption()));
                            drop((copy, turn));
                        });
                    }
                    Some(Question::DryRun(node, limit, answer, turn)) => {
                        let copy = self.machine.clone();
                        tokio::task::spawn_blocking(move || {
                            drop(answer.send(copy.dry_run(node, limit)));
                            drop((copy, turn));
                        });
                    }
                    None => asked = false,
                },
                Ok(()) = self.trouble.changed() => self.changed = true,
                () = sleep_until(self.view_due), if self.changed => self.publish(),
            }
        }
        self.publish();
        let Self { machine, position, storing, .. } = self;
        storing.finish(position).await;
        (machine, position)
    }
}

/// Whether a command is the first step of a trip that a limit rule wants.
fn is_rules_trip(command: &Command, outputs: &[Output]) -> bool {
    let first = command.step == Step::Select && matches!(command.action, Action::Trip { .. });
    let by_rule = |output: &Output| matches!(output, Output::Order(order) if order.id == command.order && matches!(order.issuer, Issuer::Limit { .. }));
    first && outputs.iter().any(by_rule)
}

/// What every start tells the engine before any link is dialled.
pub(crate) fn first_inputs(at: Timestamp, inventory: Inventory, policy: Policy) -> [Input; 3] {
    [
        Input::Started { at },
        Input::Inventory { at, inventory: Box::new(inventory) },
        Input::Policy { at, policy: Box::new(policy) },
    ]
}
