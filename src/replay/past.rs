//! A past window of a data folder at one node: what was, beside what other rules or another limit would have made of it.
//!
//! The journal is replayed up to the window from the newest snapshot before it, or from the first start that it has; there
//! the engine becomes two ([`WhatIf::within`]). Nothing in the folder is changed, and a centre may run on it meanwhile.

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
    #[error("{}: the journal goes from {first} to {last}; wanted a window in that time", folder.display())]
    NotCovered {
        /// Of the journal.
        folder: PathBuf,
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
    /// How the engine stood then is not known any more.
    #[error("{}: the journal has inputs of {from}, but neither a snapshot nor a start of a centre before it; wanted a window from {since} on", folder.display())]
    NoState {
        /// Of the journal.
        folder: PathBuf,
        /// The window's beginning.
        from: String,
        /// From when on the state is known.
        since: String,
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
}

/// Reckons it.
///
/// # Errors
/// The window is none or not covered, no such node, nothing that limits it, faults of the rules, or a damaged journal.
pub async fn past(asked: &Asked) -> Result<Past, PastError> {
    let Asked { folder, node, from, to, offset, rules: file, limit } = asked;
    let (node, from, to, limit) = (*node, *from, *to, *limit);
    let show = |at| offset.show(at);
    if from >= to {
        return Err(PastError::Backwards { from: show(from), to: show(to) });
    }
    let mut inspector = Inspector::open(folder).await?;
    let (first, last) = inspector.times().await?.ok_or_else(|| PastError::Empty { folder: folder.clone() })?;
    if from < first || to > last {
        return Err(PastError::NotCovered { folder: folder.clone(), first: show(first), last: show(last) });
    }
    let known = |since: Option<Timestamp>| PastError::NoState {
        folder: folder.clone(),
        from: show(from),
        since: since.map_or_else(|| "its next start".to_owned(), show),
    };
    let (engine, next) = match state_at(&mut inspector, from).await? {
        Stands::At(engine, next) => (engine, next),
        Stands::KnownFrom(since) => return Err(known(since)),
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
    Ok(Past { node, from, to, limit, was, would_be })
}

fn read(file: Option<&Path>, engine: &Engine) -> Result<Option<headroom_rules::policy::Policy>, ConfigErrors> {
    file.map(|file| rules::read(file, Some(engine.inventory()))).transpose()
}

/// What is known of an instant.
enum Stands {
    /// The engine as it stood, and the first input after.
    At(Box<Engine>, Position),
    /// Nothing, but from then on, if that can be told.
    KnownFrom(Option<Timestamp>),
}

/// The engine as it stood before the first input at or after `from`.
async fn state_at(inspector: &mut Inspector, from: Timestamp) -> Result<Stands, JournalError> {
    let mut known_from = None;
    let mut begin = None;
    for Snapshot { position, state, .. } in inspector.snapshots().await? {
        // A damaged one, or one of a program of before that cannot be understood, is passed over as by a start.
        let Some(engine) = state.ok().and_then(|bytes| serde_json::from_slice::<Engine>(&bytes).ok()) else { continue };
        if engine.now() < from {
            begin = Some((Box::new(engine), position));
            break;
        }
        known_from = Some(engine.now());
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
    Ok(match next {
        Some(next) if begun => Stands::At(engine, next),
        _ => Stands::KnownFrom(known_from),
    })
}

#[cfg(test)]
mod tests;
