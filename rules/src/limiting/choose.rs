//! Who is shed: the least important class first, within it whose turn it is, and the last ones so that it is enough and
//! hardly more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::fit::fit;
use crate::model::{Energy, Power, PriorityClass, RoundNo, Span, TerminalId};
use crate::output::{Choice, Finding, Reason};
use crate::policy::PassCaps;

/// What a plan sheds lies at most this share above its aim, where the class that it comes to has rounds that make it so.
const TOO_MUCH_PERCENT: i64 = 10;
/// So little above the aim that no closer fit is looked for: 2 ‰.
const CLOSE_ENOUGH: i64 = 500;
/// Of those chosen by turn, so many of the last ones may make way for others of the same turn.
const GIVEN_BACK_MAX: usize = 16;

/// A round that may be shed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) terminal: TerminalId,
    pub(super) round: RoundNo,
    pub(super) class: PriorityClass,
    /// Others of its terminal did not respond.
    pub(super) doubted: bool,
    /// How often its customer will have been shed, this round included: nobody twice before the peers once.
    pub(super) turn: u32,
    pub(super) curtailed: Energy,
    pub(super) power: Power,
    /// How long it has been back, while that is too short to be shed again unless nothing else would do.
    pub(super) back_for: Option<Span>,
}

impl Candidate {
    const fn by_turn(&self) -> Reason {
        let class = self.class.get();
        match self.back_for {
            Some(on_for) => Reason::NothingElse { class, on_for },
            None => Reason::LeastImportant { class, curtailed_wh: self.curtailed.get() },
        }
    }

    const fn by_fit(&self) -> Reason {
        let class = self.class.get();
        match self.back_for {
            Some(on_for) => Reason::NothingElse { class, on_for },
            None => Reason::BestFit { class },
        }
    }
}

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lot {
    Open,
    Taken(Reason),
    Floor { left: Power, floor: Power },
    Capped,
}

/// Candidates in their order, with what becomes of each.
pub(super) struct Selection {
    candidates: Vec<Candidate>,
    lots: Vec<Lot>,
    /// The order in which they were taken.
    taken: Vec<usize>,
    /// Load left at each terminal, and its floor.
    left: BTreeMap<TerminalId, (Power, Power)>,
    sum: Power,
}

impl Selection {
    pub(super) fn new(mut candidates: Vec<Candidate>, left: BTreeMap<TerminalId, (Power, Power)>) -> Self {
        // What has hardly come back goes last, and before it whoever has failed.
        candidates.sort_by_key(|c| {
            let class = (c.back_for.is_some(), c.doubted, Reverse(c.class));
            (class, c.turn, c.curtailed, c.round, c.terminal)
        });
        let lots = vec![Lot::Open; candidates.len()];
        Self { candidates, lots, taken: Vec::new(), left, sum: Power::ZERO }
    }

    /// Chooses rounds whose power together is at least `wanted`, or all that may be shed where that is less, within what
    /// one pass may take.
    pub(super) fn choose(&mut self, wanted: Power, caps: PassCaps) {
        let most = caps.power_max.filter(|most| *most < wanted);
        if most.is_none() {
            self.by_turn(wanted);
            self.give_back(wanted);
        }
        let too_much = caps.power_max.is_some_and(|most| self.sum > most)
            || caps.rounds_max.is_some_and(|most| self.taken.len() > usize::from(most));
        if most.is_some() || too_much {
            self.fill(wanted, caps);
            self.give_back(wanted);
        }
    }

    /// In their order as far as the caps of a pass go.
    fn fill(&mut self, wanted: Power, caps: PassCaps) {
        for at in std::mem::take(&mut self.taken) {
            self.put_back(at);
        }
        self.lots.fill(Lot::Open);
        for at in 0..self.candidates.len() {
            if self.sum >= wanted {
                break;
            }
            let Some(candidate) = self.candidates.get(at).copied() else { break };
            let full = caps.rounds_max.is_some_and(|most| self.taken.len() >= usize::from(most))
                || caps.power_max.is_some_and(|most| self.sum + candidate.power > most);
            if let Err(lot) = self.floor_kept(&candidate) {
                self.set(at, lot);
            } else if full {
                self.set(at, Lot::Capped);
            } else {
                self.take(at, candidate.by_turn());
            }
        }
    }

    fn by_turn(&mut self, wanted: Power) {
        for at in 0..self.candidates.len() {
            let remaining = wanted - self.sum;
            let Some(candidate) = self.candidates.get(at).copied() else { return };
            if remaining <= Power::ZERO {
                return;
            }
            if let Err(lot) = self.floor_kept(&candidate) {
                self.set(at, lot);
            } else if candidate.power < remaining {
                self.take(at, candidate.by_turn());
            } else {
                self.last_ones(at, &candidate, wanted);
                return;
            }
        }
    }

    /// The candidate at `at` would do. Of those whose turn it is as well, the ones that shed the least too much; where that
    /// is a tenth too much, of all in their class.
    fn last_ones(&mut self, at: usize, candidate: &Candidate, wanted: Power) {
        let tolerance = Power::new(wanted.get() / CLOSE_ENOUGH);
        let mut best = (self.sum + candidate.power, vec![at], 0);
        if best.0 > wanted + tolerance {
            let class = |c: &Candidate| (c.back_for.is_some(), c.class, c.doubted);
            let same_class = |c: &Candidate| class(c) == class(candidate);
            let same_turn = |c: &Candidate| same_class(c) && c.turn == candidate.turn;
            self.closer(wanted, tolerance, 0, self.run(at, same_turn), &mut best);
            let back = self.taken.iter().rev().take(GIVEN_BACK_MAX);
            let back = back.take_while(|at| self.candidates.get(**at).is_some_and(same_turn)).count();
            if best.0 > wanted + tolerance && back > 0 {
                self.closer(wanted, tolerance, back, self.run(at, same_turn), &mut best);
            }
            if best.0 > wanted + wanted.percent(TOO_MUCH_PERCENT) {
                let whole = self.run(at, same_class);
                self.closer(wanted, tolerance, 0, whole.clone(), &mut best);
                if best.2 == 0 {
                    self.in_turn(wanted, &whole, &mut best);
                }
            }
        }
        let (_, chosen, back) = best;
        for _ in 0..back {
            if let Some(at) = self.taken.pop() {
                self.put_back(at);
            }
        }
        let next_in_turn = chosen == [at];
        for at in chosen {
            let Some(chosen) = self.candidates.get(at).copied() else { continue };
            self.take(at, if next_in_turn { chosen.by_turn() } else { chosen.by_fit() });
        }
    }

    /// From `at` on, as long as they are alike.
    fn run(&self, at: usize, alike: impl Fn(&Candidate) -> bool) -> Vec<usize> {
        let rest = self.candidates.iter().enumerate().skip(at);
        rest.take_while(|(_, candidate)| alike(candidate)).map(|(at, _)| at).collect()
    }

    /// Looks for a closer fit among `from` and the last `back` that were taken.
    fn closer(
        &self,
        wanted: Power,
        tolerance: Power,
        back: usize,
        from: Vec<usize>,
        best: &mut (Power, Vec<usize>, usize),
    ) {
        let given_back: Vec<usize> = self.taken.iter().rev().take(back).rev().copied().collect();
        let power = |at: &usize| self.candidates.get(*at).map_or(Power::ZERO, |candidate| candidate.power);
        let without: Power = self.sum - given_back.iter().map(power).sum();
        // Several at one terminal: as if all of them were shed.
        let mut beside = BTreeMap::<TerminalId, Power>::new();
        let mut usable = Vec::with_capacity(given_back.len() + from.len());
        usable.extend_from_slice(&given_back);
        for at in from {
            let Some(candidate) = self.candidates.get(at) else { continue };
            let (load, floor) = self.left.get(&candidate.terminal).copied().unwrap_or_default();
            let shed = beside.entry(candidate.terminal).or_default();
            if load - *shed - candidate.power >= floor {
                *shed += candidate.power;
                usable.push(at);
            }
        }
        let items: Vec<i64> = usable.iter().map(|at| power(at).get()).collect();
        let Some(found) = fit((wanted - without).get(), &items, tolerance.get()) else { return };
        let found: Vec<usize> = found.iter().filter_map(|at| usable.get(*at)).copied().collect();
        let sum = without + found.iter().map(power).sum();
        if sum < best.0 {
            *best = (sum, found, back);
        }
    }

    /// Of a whole class, a closer fit was found. Whoever had fewer turns goes instead of one who had more, where that is enough
    /// as well and sheds no more.
    fn in_turn(&self, wanted: Power, whole: &[usize], best: &mut (Power, Vec<usize>, usize)) {
        let of = |at: usize| self.candidates.get(at);
        let (sum, mut chosen) = (&mut best.0, std::mem::take(&mut best.1));
        let mut beside = BTreeMap::<TerminalId, Power>::new();
        for candidate in chosen.iter().filter_map(|at| of(*at)) {
            *beside.entry(candidate.terminal).or_default() += candidate.power;
        }
        let mut free = BTreeMap::<u32, BTreeSet<(Power, usize)>>::new();
        let taken: BTreeSet<usize> = chosen.iter().copied().collect();
        for at in whole.iter().filter(|at| !taken.contains(at)) {
            let Some(candidate) = of(*at) else { continue };
            free.entry(candidate.turn).or_default().insert((candidate.power, *at));
        }
        // Each exchange brings the number of turns down.
        let mut exchanged = true;
        while exchanged {
            exchanged = false;
            for place in chosen.iter_mut().rev() {
                let Some(with) = of(*place) else { continue };
                let least = wanted - (*sum - with.power);
                if least > with.power {
                    continue;
                }
                let fits = |at: usize| {
                    of(at).is_some_and(|other| {
                        let (load, floor) = self.left.get(&other.terminal).copied().unwrap_or_default();
                        let own = if other.terminal == with.terminal { with.power } else { Power::ZERO };
                        let shed = beside.get(&other.terminal).copied().unwrap_or_default() - own;
                        load - shed - other.power >= floor
                    })
                };
                let earlier = free.range(..with.turn).find_map(|(turn, of_turn)| {
                    let enough = of_turn.range((least, 0)..=(with.power, usize::MAX));
                    enough.map(|(power, at)| (*turn, *power, *at)).find(|(.., at)| fits(*at))
                });
                let Some((turn, power, at)) = earlier else { continue };
                if let Some(of_turn) = free.get_mut(&turn) {
                    of_turn.remove(&(power, at));
                }
                free.entry(with.turn).or_default().insert((with.power, *place));
                *beside.entry(with.terminal).or_default() -= with.power;
                if let Some(other) = of(at) {
                    *beside.entry(other.terminal).or_default() += power;
                }
                *sum = *sum - with.power + power;
                *place = at;
                exchanged = true;
            }
        }
        best.1 = chosen;
    }

    /// What came first may have become superfluous by what came last; the more important ones are given back first.
    fn give_back(&mut self, wanted: Power) {
        let mut order = std::mem::take(&mut self.taken);
        order.sort_unstable();
        for at in order.iter().rev() {
            if self.candidates.get(*at).is_some_and(|candidate| self.sum - candidate.power >= wanted) {
                self.put_back(*at);
            }
        }
        order.retain(|at| matches!(self.lots.get(*at), Some(Lot::Taken(_))));
        self.taken = order;
    }

    fn take(&mut self, at: usize, reason: Reason) {
        let Some(&Candidate { terminal, power, .. }) = self.candidates.get(at) else { return };
        self.set(at, Lot::Taken(reason));
        self.taken.push(at);
        self.sum += power;
        if let Some((load, _)) = self.left.get_mut(&terminal) {
            *load -= power;
        }
    }

    /// The caller takes it out of `taken`.
    fn put_back(&mut self, at: usize) {
        let Some(&Candidate { terminal, power, .. }) = self.candidates.get(at) else { return };
        self.set(at, Lot::Open);
        self.sum -= power;
        if let Some((load, _)) = self.left.get_mut(&terminal) {
            *load += power;
        }
    }

    fn set(&mut self, at: usize, lot: Lot) {
        if let Some(place) = self.lots.get_mut(at) {
            *place = lot;
        }
    }

    fn floor_kept(&self, candidate: &Candidate) -> Result<(), Lot> {
        let (load, floor) = self.left.get(&candidate.terminal).copied().unwrap_or_default();
        let left = load - candidate.power;
        if left < floor { Err(Lot::Floor { left, floor }) } else { Ok(()) }
    }

    /// What is shed, in the order of turns.
    pub(super) fn shed(&self) -> Vec<Choice> {
        let chosen = self.candidates.iter().zip(&self.lots).filter_map(|(candidate, lot)| {
            let Candidate { terminal, round, power, .. } = *candidate;
            let Lot::Taken(reason) = *lot else { return None };
            Some(Choice { terminal, round, power, reason })
        });
        chosen.collect()
    }

    /// Why each of the others is not.
    pub(super) fn spared(&self) -> impl Iterator<Item = Finding> + '_ {
        self.candidates.iter().zip(&self.lots).filter_map(|(candidate, lot)| {
            let Candidate { terminal, round, back_for, doubted, .. } = *candidate;
            match (*lot, back_for) {
                (Lot::Taken(_), _) => None,
                (Lot::Open, None) if doubted => Some(Finding::OtherDidNotRespond { terminal, round }),
                (Lot::Open, Some(on_for)) => Some(Finding::NotOnLongEnough { terminal, round, on_for }),
                (Lot::Open, None) => Some(Finding::NotNeeded { terminal, round }),
                (Lot::Floor { left, floor }, _) => Some(Finding::SafetyFloor { terminal, round, left, floor }),
                (Lot::Capped, _) => Some(Finding::PassCap { terminal, round }),
            }
        })
    }

    /// Those whom another plan could shed beside what this one does, in the order of turns.
    pub(super) fn remaining(&self) -> impl Iterator<Item = &Candidate> + '_ {
        let free = self.candidates.iter().zip(&self.lots).filter(|(_, lot)| matches!(lot, Lot::Open | Lot::Capped));
        free.map(|(candidate, _)| candidate).filter(|candidate| self.floor_kept(candidate).is_ok())
    }
}
