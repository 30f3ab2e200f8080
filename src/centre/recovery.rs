//! Where a starting centre begins: the newest snapshot that leaves nothing out of the store.
//!
//! A centre starts with what can be read. What stands behind a tear is kept aside and told to the operator: a supply
//! that nobody limits is the greater harm, and all that decides (loads, switches, outcomes of orders) is read anew from the
//! terminals after any start.

use headroom_rules::input::Input;
use headroom_rules::model::Timestamp;
use headroom_rules::output::AlarmCause;

use super::CentreError;
use super::machine::Machine;
use super::snapshots::{decode, encode};
use crate::journal::{Journal, JournalError, Position, Snapshot, StateHash};

/// A start's beginning.
#[derive(Debug)]
pub(super) struct Beginning<M> {
    pub(super) journal: Journal,
    pub(super) machine: M,
    /// Where the machine stands.
    pub(super) position: Position,
    /// Hashes of states after it that a replay has to come to.
    pub(super) marks: Marks,
}

/// States that were saved by this very program, and at which position. One whose snapshot is damaged still tells what it was.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(Position, StateHash)>);

impl Marks {
    fn after(snapshots: &[Snapshot], position: Position) -> Self {
        let later = snapshots.iter().filter(|snapshot| snapshot.position > position && snapshot.of_this_program);
        Self(later.filter_map(|snapshot| Some((snapshot.position, snapshot.hash?))).collect())
    }

    /// Whether a replay may go from `position` by `max` inputs in one go: it stops at a mark to look at the state.
    pub(super) fn steps(&self, position: Position, max: usize) -> usize {
        let next = self.0.iter().map(|(at, _)| at.0).filter(|&at| at > position.0).min();
        next.and_then(|at| usize::try_from(at - position.0).ok()).map_or(max, |steps| steps.min(max))
    }

    /// What is to be told when `machine` at `position` is another state than was saved there.
    pub(super) fn differs<M: Machine>(&self, machine: &M, position: Position) -> Option<String> {
        let (_, saved) = self.0.iter().find(|(at, _)| *at == position)?;
        let state = encode(machine).ok()?;
        let replayed = StateHash::of(&state);
        (replayed != *saved).then(|| {
            format!(
                "the state that the journal gives at position {position} ({replayed}) is not the one that was saved \
                 there ({saved}): a defect; keep the data folder, and compare loads and orders with the field"
            )
        })
    }
}

/// The engine as it was at some position, at or before what is stored; all inputs after it can be read from the journal.
///
/// Where they cannot, the journal is cut before the first that cannot; the gap behind tells it.
pub(super) async fn begin<M: Machine>(mut journal: Journal, stored: Position) -> Result<Beginning<M>, CentreError> {
    loop {
        // The store would take what comes for what it has. A journal that is not there at all is another matter.
        if journal.end() > Position::START {
            let why = format!("the store has everything up to {stored}, but the journal ends at {}", journal.end());
            journal.skip_to(stored, &why).await?;
        }
        let (machine, position, marks) = match choose(&mut journal, stored).await {
            Ok(chosen) => chosen,
            // Not even a beginning: all of it is kept aside, and the engine learns everything anew.
            Err(CentreError::Journal(JournalError::Damaged { position, why, .. })) => {
                journal.cut(position, &why).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        match journal.check(position).await {
            Ok(()) => return Ok(Beginning { journal, machine, position, marks }),
            Err(JournalError::Damaged { position, why, .. }) => journal.cut(position, &why).await?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// A snapshot beyond what is stored is of no use while the inputs up to it are there: the store lacks what followed from
/// them. Such a one exists when the store was removed or restored from a backup.
async fn choose<M: Machine>(journal: &mut Journal, stored: Position) -> Result<(M, Position, Marks), CentreError> {
    let end = journal.end();
    if stored > end {
        return Err(CentreError::StoreAhead { stored, journaled: end });
    }
    let (mut beyond, mut damaged) = (None, None);
    let snapshots = journal.snapshots().await?;
    for Snapshot { position, state, .. } in &snapshots {
        let position = *position;
        if position > end {
            tracing::warn!(%position, journaled = %end, "snapshot of inputs that the journal does not have: passed over");
            continue;
        }
        let state = match state {
            Ok(state) => state,
            Err(why) => {
                tracing::warn!(%position, why, "snapshot is damaged: going on with the one before it");
                damaged = Some(why);
                continue;
            }
        };
        match decode::<M>(state) {
            Ok(machine) if position <= stored => return Ok((machine, position, Marks::after(&snapshots, position))),
            // The oldest of them leaves out the least.
            Ok(machine) => beyond = Some((machine, position)),
            Err(error) => {
                tracing::warn!(%position, %error, "snapshot cannot be understood: going on with the one before it");
            }
        }
    }
    let start = || (M::new(), Position::START, Marks::after(&snapshots, Position::START));
    match journal.read_from(Position::START, 1).await {
        Ok(_) => Ok(start()),
        Err(JournalError::Forgotten { file, wanted, oldest }) => match (beyond, damaged) {
            (Some((machine, position)), _) => {
                tracing::error!(
                    after = %stored,
                    until = %position,
                    "the store lacks what followed from these inputs, and the journal no longer has them: they stay \
                     missing in trends and logs, unless the store is restored from a newer backup"
                );
                Ok((machine, position, Marks::after(&snapshots, position)))
            }
            (None, Some(why)) => {
                let why = format!("no snapshot can be read ({why}), and what lies before {oldest} was given up");
                Err(JournalError::Damaged { file, position: oldest, why }.into())
            }
            // One that another program saved is no damage: that program can go on from it.
            (None, None) => Err(JournalError::Forgotten { file, wanted, oldest }.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Appends what every start tells the engine, `inputs`, and before it what operators have to know of damage; gives what was
/// appended and the position before it. The first append finds damage that nobody reads: that of free pages.
pub(super) async fn begin_anew(
    mut journal: Journal,
    at: Timestamp,
    inputs: Vec<Input>,
) -> Result<(Journal, Position, Vec<Input>), CentreError> {
    let mut first = told(&journal, at);
    first.extend(inputs);
    if let Err(error) = journal.append(&first).await {
        let JournalError::Damaged { why, .. } = error else { return Err(error.into()) };
        first.splice(0..0, journal.renew(&why, at).await?);
        journal.append(&first).await?;
    }
    let before = Position(journal.end().0.saturating_sub(first.len() as u64));
    Ok((journal, before, first))
}

/// What operators have to know of the journal's damage: once, at the start that found it.
pub(super) fn told(journal: &Journal, at: Timestamp) -> Vec<Input> {
    let Some(gap) = journal.gap_at_end() else { return Vec::new() };
    let detail = format!(
        "inputs from position {} on could not be read and are lost to the engine ({}); the damaged file is kept in {}. \
         Switches and loads are being read anew; look through the orders of the time before this start",
        gap.first, gap.why, gap.kept
    );
    Input::told_when_over(at, AlarmCause::JournalDamaged, detail).to_vec()
}
