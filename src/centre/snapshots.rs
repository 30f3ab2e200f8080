//! Snapshots of the engine while the centre runs.
//!
//! **Invariant:** no snapshot is saved before everything up to it is stored; so whoever starts from it finds in the
//! journal all that the store lacks (`stored-exactly-once`).

use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::machine::Machine;
use crate::journal::{Control, Position};

/// A snapshot is taken this long after the one before it …
const EVERY: Duration = Duration::from_secs(600);
/// … or after so many inputs.
const INPUTS_MAX: u64 = 200_000;

/// Takes snapshots when they are due and keeps them until the store has caught up.
#[derive(Debug)]
pub(super) struct Snapshots {
    control: mpsc::Sender<Control>,
    last_at: Instant,
    last_position: Position,
    /// Without waiting for its time.
    wanted: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// Being put into bytes on another thread.
    Encoding(Position, oneshot::Receiver<Vec<u8>>),
    /// Waits for the store.
    Waiting(Position, Vec<u8>),
}

impl Snapshots {
    pub(super) fn new(control: mpsc::Sender<Control>, position: Position) -> Self {
        Self { control, last_at: Instant::now(), last_position: position, wanted: false, stage: Stage::Idle }
    }

    /// The next one is due.
    pub(super) const fn want(&mut self) {
        self.wanted = true;
    }

    /// Does what is due; never waits. `machine` stands at `position`, and the store at `stored`.
    pub(super) fn step<M: Machine>(&mut self, machine: &M, position: Position, stored: Position) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle => {
                let inputs = position.0.saturating_sub(self.last_position.0);
                let due = self.wanted || inputs >= INPUTS_MAX || self.last_at.elapsed() >= EVERY;
                if inputs == 0 || !due {
                    return;
                }
                self.wanted = false;
                (self.last_at, self.last_position) = (Instant::now(), position);
                let (send, bytes) = oneshot::channel();
                let machine = machine.clone();
                tokio::task::spawn_blocking(move || match encode(&machine) {
                    // Without a receiver the centre has stopped.
                    Ok(bytes) => drop(send.send(bytes)),
                    Err(error) => tracing::error!(%error, "the engine's state cannot be encoded: no snapshot"),
                });
                Stage::Encoding(position, bytes)
            }
            Stage::Encoding(at, mut bytes) => match bytes.try_recv() {
                Ok(bytes) => Stage::Waiting(at, bytes),
                Err(oneshot::error::TryRecvError::Empty) => Stage::Encoding(at, bytes),
                Err(oneshot::error::TryRecvError::Closed) => Stage::Idle,
            },
            Stage::Waiting(at, bytes) if stored >= at => match self.control.try_send(Control::Snapshot { at, bytes }) {
                Err(TrySendError::Full(Control::Snapshot { at, bytes })) => Stage::Waiting(at, bytes),
                _ => Stage::Idle,
            },
            waiting @ Stage::Waiting(..) => waiting,
        };
    }
}

/// The engine's state as a snapshot holds it.
pub(super) fn encode<M: Machine>(machine: &M) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(machine)
}

/// From a snapshot.
pub(super) fn decode<M: Machine>(bytes: &[u8]) -> Result<M, serde_json::Error> {
    serde_json::from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Counter;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_kept_back_until_the_store_has_everything_up_to_it() {
        let (control, mut controls) = mpsc::channel(1);
        let mut snapshots = Snapshots::new(control, Position::START);
        let machine = Counter::default();
        snapshots.step(&machine, Position(INPUTS_MAX - 1), Position(INPUTS_MAX));
        assert!(matches!(snapshots.stage, Stage::Idle), "not due");
        tokio::time::advance(EVERY).await;
        while !matches!(snapshots.stage, Stage::Waiting(..)) {
            snapshots.step(&machine, Position(10), Position(9));
            std::thread::yield_now();
        }
        snapshots.step(&machine, Position(12), Position(9));
        assert!(controls.try_recv().is_err(), "the store lacks the tenth");
        snapshots.step(&machine, Position(12), Position(10));
        let Ok(Control::Snapshot { at: Position(10), bytes }) = controls.try_recv() else { panic!("no snapshot") };
        assert_eq!(decode::<Counter>(&bytes).unwrap(), machine);
    }
}
