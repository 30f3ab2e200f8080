//! A past window of a data folder at one node: what was, beside what other rules or another limit would have made of it.
//!
//! The journal is replayed up to the window from the newest snapshot before it, or from the first start that it has; there
//! the engine becomes two ([`WhatIf::within`]). Where the journal does not go back that far, the store's curve of the
//! node's load tells less (`stored`, `curve`). Nothing in the folder is changed, and a centre may run on it meanwhile.

mod curve;
mod stored;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::model::{NodeId, Power, Timestamp};
use serde::Serialize;

use super::course::Course;
use super::what_if::{Change, WhatIf};
use crate::config::{ConfigErrors, rules};
use crate::export::Offset;
use crate::journal::{Inspector, JournalError, Position, Snapshot};
use crate::store::{StoreError, StoreSettings};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The data folder.
    pub folder: PathBuf,
    /// Where.
    pub node: NodeId,
    /// From then on …
    pub from: Timestamp,
    /// … and before then.
    pub to: Timestamp,
    /// Whose clocks errors show times by.
    pub offset: Offset,
    /// By the rules of this file; by those of that time where there is none.
    pub rules: Option<PathBuf>,
    /// With this limit of the node, whatever the rules say.
    pub limit: Option<Power>,
    /// Where the store is.
    pub store: StoreSettings,
}

/// What an answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// All inputs of that time.
    Journal,
    /// The curve of the node's load, the orders, and fleet and rules as they were last.
    Store,
}

/// What was, and what would have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Past {
    /// Where.
    pub node: NodeId,
    /// From then on …
    pub from: Timestamp,
    /// … and before then.
    pub to: Timestamp,
    /// From what it is reckoned.
    pub source: Source,
    /// The limit that was asked about.
    pub limit: Option<Power>,
    /// As it was.
    pub was: Course,
    /// As it would have been.
    pub would_be: Course,
}

/// Why there is no answer. Times are by the clocks of those who asked.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The time ends before it begins.
    #[error("{from} to {to}: wanted a time that ends after it begins")]
    Backwards {
        /// Its beginning.
        from: String,
        /// Its end.
        to: String,
    },
    /// The journal has not all of it.
    #[error("{}: the journal goes from {first} to {last}, and the store has no load of {node} in that time either", folder.display())]
    NotCovered {
        /// Of the journal.
        folder: PathBuf,
        /// Where.
        node: NodeId,
        /// Its first input.
        first: String,
        /// Its last.
        last: String,
    },
    /// There is nothing.
    #[error("{}: the journal is empty", folder.display())]
    Empty {
        /// Of the journal.
        folder: PathBuf,
    },
    /// No such node at that time.
    #[error("node {node} was not in the inventory at {from}")]
    UnknownNode {
        /// Which.
        node: NodeId,
        /// When.
        from: String,
    },
    /// Nothing would be done.
    #[error("{node}: no rule limits it, so there is nothing that would be done; name rules that do with --rules")]
    NoRule {
        /// Which.
        node: NodeId,
    },
    /// Faults of the rules.
    #[error(transparent)]
    Rules(#[from] ConfigErrors),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reckons it.
///
/// # Errors
/// The window is none or not covered, no such node, nothing that limits it, faults of the rules, or a damaged journal.
pub async fn past(asked: &Asked) -> Result<Past, PastError> {
    let Asked { folder, node, from, to, offset, rules: file, limit, .. } = asked;
    let (node, from, to, limit) = (*node, *from, *to, *limit);
    let show = |at| offset.show(at);
    if from >= to {
        return Err(PastError::Backwards { from: show(from), to: show(to) });
    }
    let mut inspector = Inspector::open(folder).await?;
    let (first, last) = inspector.times().await?.ok_or_else(|| PastError::Empty { folder: folder.clone() })?;
    // Before its first input, and where the engine's state of then is not known any more, the store may have something.
    let stands = if from < first || to > last { None } else { state_at(&mut inspector, from).await? };
    let Some((engine, next)) = stands else {
        let not_covered = || {
            let (first, last) = (show(first), show(last));
            PastError::NotCovered { folder: folder.clone(), node, first, last }
        };
        return stored::stored(asked, &mut inspector).await?.ok_or_else(not_covered);
    };
    if !engine.inventory().nodes.contains_key(&node) {
        return Err(PastError::UnknownNode { node, from: show(from) });
    }
    let change = Change { rules: read(file.as_deref(), &engine)?, limit: limit.map(|limit| (node, limit)) };
    let limits = change.rules.as_ref().map_or_else(|| engine.rules().limits, |rules| rules.limits.clone());
    if !limits.iter().any(|rule| rule.node == node) {
        return Err(PastError::NoRule { node });
    }
    let mut what_if = WhatIf::within(change, node, from, *engine);
    inspector
        .dump(next, Position(u64::MAX), |_, input| {
            let within = input.at() < to;
            if within {
                what_if.take(input);
            }
            within
        })
        .await?;
    let [was, would_be] = what_if.end_of_window(to);
    Ok(Past { node, from, to, source: Source::Journal, limit, was, would_be })
}

fn read(file: Option<&Path>, engine: &Engine) -> Result<Option<headroom_rules::policy::Policy>, ConfigErrors> {
    file.map(|file| rules::read(file, Some(engine.inventory()))).transpose()
}

/// The engine as it stood before the first input at or after `from`, and the position of that; none where neither a snapshot
/// nor a start of a centre before it is left.
async fn state_at(inspector: &mut Inspector, from: Timestamp) -> Result<Option<(Box<Engine>, Position)>, JournalError> {
    let mut begin = None;
    for Snapshot { position, state, .. } in inspector.snapshots().await? {
        // A damaged one, or one of a program of before that cannot be understood, is passed over as by a start.
        let Some(engine) = state.ok().and_then(|bytes| serde_json::from_slice::<Engine>(&bytes).ok()) else { continue };
        if engine.now() < from {
            begin = Some((Box::new(engine), position));
            break;
        }
    }
    let (mut engine, after) = begin.unwrap_or_default();
    let mut begun = after > Position::START;
    let mut next = None;
    let mut out = Vec::new();
    inspector
        .dump(after.plus(1), Position(u64::MAX), |position, input| {
            if input.at() >= from {
                next = Some(position);
                return false;
            }
            begun |= matches!(input, Input::Started { .. });
            if begun {
                engine.apply(input, &mut out);
                out.clear();
            }
            true
        })
        .await?;
    Ok(next.filter(|_| begun).map(|next| (engine, next)))
}
