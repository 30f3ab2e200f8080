//! Where a starting centre begins: the newest snapshot that leaves nothing out of the store.

use super::CentreError;
use super::machine::Machine;
use super::snapshots::decode;
use crate::journal::{Journal, JournalError, Position};

/// The engine as it was at some position, at or before what is stored; the inputs after it are in the journal.
///
/// A snapshot beyond what is stored is of no use while the inputs up to it are there: the store lacks what followed from
/// them. Such a one exists when the store was removed or restored from a backup.
pub(super) async fn begin<M: Machine>(journal: &mut Journal, stored: Position) -> Result<(M, Position), CentreError> {
    let end = journal.end();
    if stored > end {
        return Err(CentreError::StoreAhead { stored, journaled: end });
    }
    let mut beyond = None;
    for (position, bytes) in journal.snapshots().await? {
        if position > end {
            tracing::warn!(%position, journaled = %end, "snapshot of inputs that the journal does not have: passed over");
            continue;
        }
        match decode::<M>(&bytes) {
            Ok(machine) if position <= stored => return Ok((machine, position)),
            // The oldest of them leaves out the least.
            Ok(machine) => beyond = Some((machine, position)),
            Err(error) => {
                tracing::warn!(%position, %error, "snapshot cannot be understood: going on with the one before it");
            }
        }
    }
    match journal.read_from(Position::START, 1).await {
        Ok(_) => Ok((M::new(), Position::START)),
        Err(error @ JournalError::Forgotten { .. }) => match beyond {
            Some((machine, position)) => {
                tracing::error!(
                    after = %stored,
                    until = %position,
                    "the store lacks what followed from these inputs, and the journal no longer has them: they stay \
                     missing in trends and logs, unless the store is restored from a newer backup"
                );
                Ok((machine, position))
            }
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}
