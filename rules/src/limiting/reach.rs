//! How far shedding reaches: what could be taken off at most.

use super::plan::{RoundFacts, TerminalFacts};
use crate::model::{Power, SwitchPosition};

/// Power behind all rounds that a plan may choose from, at each terminal at most what its safety floor leaves.
pub(crate) fn sheddable(terminals: &[TerminalFacts]) -> Power {
    let candidate = |round: &&RoundFacts| {
        round.under_way.is_none() && !round.deaf && round.position == Some(SwitchPosition::Closed)
    };
    let at = |terminal: &TerminalFacts| {
        let behind = terminal.rounds.iter().filter(candidate).filter_map(|round| round.power);
        let behind: Power = behind.filter(|power| *power > Power::ZERO).sum();
        behind.min(terminal.load - terminal.floor).max(Power::ZERO)
    };
    terminals.iter().filter(|terminal| terminal.spared.is_none()).map(at).sum()
}
