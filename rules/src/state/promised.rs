//! Returns that a stage decided and that go out later: each terminal after a delay of its own, so that a group does not
//! come back in one step.
//!
//! A promise counts as power that is coming from the moment of the stage's decision, at every node above. It is kept when
//! it is due, if it still fits; it is withdrawn when the load leaves no room for it any more (see `step_back`), when
//! automatic control is stopped, and when somebody gives an order for the round.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::grid::Grid;
use crate::model::{NodeId, Power, RoundNo, Span, TerminalId, Timestamp};
use crate::output::Choice;

/// One round's return, decided and not yet ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Promise {
    /// Whose stage it is.
    pub(crate) node: NodeId,
    pub(crate) stage: u16,
    /// Ordered then at the earliest.
    pub(crate) at: Timestamp,
    pub(crate) choice: Choice,
}

/// All promises.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Promised {
    rounds: BTreeMap<TerminalId, BTreeMap<RoundNo, Promise>>,
    /// Another one whenever something else may be promised.
    #[serde(skip)]
    version: u64,
}

impl Promised {
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.rounds.clear();
        self.version += 1;
    }

    pub(crate) fn make(&mut self, promise: Promise) {
        let Choice { terminal, round, .. } = promise.choice;
        self.rounds.entry(terminal).or_default().insert(round, promise);
        self.version += 1;
    }

    /// The round's return is promised no more: it was ordered, or is not to be.
    pub(crate) fn end(&mut self, terminal: TerminalId, round: RoundNo) {
        if let Some(rounds) = self.rounds.get_mut(&terminal) {
            rounds.remove(&round);
            self.version += 1;
            if rounds.is_empty() {
                self.rounds.remove(&terminal);
            }
        }
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Promise) -> bool) {
        if self.rounds.is_empty() {
            return;
        }
        self.version += 1;
        self.rounds.retain(|_, rounds| {
            rounds.retain(|_, promise| keep(promise));
            !rounds.is_empty()
        });
    }

    pub(crate) fn of(&self, terminal: TerminalId, round: RoundNo) -> Option<&Promise> {
        self.rounds.get(&terminal)?.get(&round)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Promise> {
        self.rounds.values().flat_map(BTreeMap::values)
    }

    /// Those that the rule of `node` made.
    pub(crate) fn by(&self, node: NodeId) -> impl Iterator<Item = &Promise> {
        self.all().filter(move |promise| promise.node == node)
    }

    /// Power promised to a node, but for the rounds `except`.
    pub(crate) fn coming_to(&self, grid: &Grid, node: NodeId, except: &[(TerminalId, RoundNo)]) -> Power {
        self.all()
            .map(|promise| promise.choice)
            .filter(|choice| !except.contains(&(choice.terminal, choice.round)))
            .filter(|choice| grid.path(choice.terminal).any(|above| above == node))
            .map(|choice| choice.power)
            .sum()
    }
}

/// How long the return of a round waits, in 0..=`most`: the same for the same trip, and as good as random among terminals.
pub(crate) fn delay(terminal: TerminalId, round: RoundNo, shed_at: Timestamp, most: Span) -> Span {
    let bytes = terminal.as_str().bytes().chain([round.get()]).chain(shed_at.get().to_le_bytes());
    // FNV-1a (Fowler, Noll, Vo), whose low bits alone hardly differ between neighbours: mixed as in MurmurHash3's end.
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = hash ^ (hash >> 33);
    let most = u64::try_from(most.get()).unwrap_or_default();
    // Below 2^63, as `most` is.
    Span::new(i64::try_from(hash % most.saturating_add(1)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START, round, s, terminal};

    #[test]
    fn delays_are_spread_over_the_whole_time_and_always_the_same_for_the_same_trip() {
        let most = s(60);
        let delays: Vec<Span> = (0..600).map(|n| delay(terminal(&format!("T{n}")), round(1), START, most)).collect();
        assert!(delays.iter().all(|delay| *delay >= Span::ZERO && *delay <= most));
        for tenth in 0..10 {
            let within = |delay: &&Span| delay.s() / 6 == tenth;
            let count = delays.iter().filter(within).count();
            assert!((30..=90).contains(&count), "{count} of 600 in tenth {tenth}");
        }
        let of = |id: &str, number, at| delay(terminal(id), round(number), at, most);
        assert_eq!(of("T1", 1, START), of("T1", 1, START));
        let others = [of("T2", 1, START), of("T1", 2, START), of("T1", 1, START.after(s(1)))];
        assert!(others.iter().all(|other| *other != of("T1", 1, START)));
        assert_eq!(delay(terminal("T1"), round(1), START, Span::ZERO), Span::ZERO);
    }
}
