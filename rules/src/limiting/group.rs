//! The checker's word on a group order: each round by itself and all of them together, derived anew.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Violation, World};
use crate::groups::GroupAct;
use crate::model::{NodeId, PointKind, Power, RoundNo, SwitchPosition, TerminalId};
use crate::policy::LimitRule;

/// A round of a group order, with what it brings back where it is a restoration.
pub(crate) type Wanted = (TerminalId, RoundNo, Power);

/// What each round would break; where nothing, it counts for those after it.
pub(crate) fn check_group(world: &World<'_>, act: GroupAct, wanted: &[Wanted]) -> Vec<Result<(), Violation>> {
    let mut seen = BTreeSet::new();
    let mut gone = BTreeMap::new();
    let mut coming = BTreeMap::new();
    let each = wanted.iter().map(|&(terminal, round, power)| {
        if !seen.insert((terminal, round)) {
            return Err(Violation::Twice { terminal, round });
        }
        let post = world.grid.posts.get(&terminal).ok_or(Violation::LinkDown { terminal })?;
        if post.held(PointKind::Exclusion).is_some_and(|held| held.sure.unwrap_or(held.reading.value) != 0) {
            return Err(Violation::Excluded { terminal });
        }
        match act {
            GroupAct::Trip => world.check_group_trip(terminal, round, &mut gone),
            GroupAct::Restore => world.check_group_return(terminal, round, power, &mut coming),
        }
    });
    each.collect()
}

impl World<'_> {
    fn check_group_trip(
        &self,
        terminal: TerminalId,
        round: RoundNo,
        gone: &mut BTreeMap<TerminalId, Power>,
    ) -> Result<(), Violation> {
        self.check_switch(terminal, round, SwitchPosition::Closed)?;
        let (power, load, floor) = match self.check_supply(terminal, round) {
            Ok(known) => known,
            // Where there is no floor, nothing has to be proved of the load.
            Err(Violation::LoadUnknown { .. }) if self.floor(terminal) == Power::ZERO => return Ok(()),
            Err(violation) => return Err(violation),
        };
        if floor == Power::ZERO {
            return Ok(());
        }
        let power = power.ok_or(Violation::Power { terminal, round, planned: Power::ZERO })?;
        let before = gone.get(&terminal).copied().unwrap_or_default();
        let left = load - before - power;
        if left < floor {
            return Err(Violation::Floor { terminal, left, floor });
        }
        gone.insert(terminal, before + power);
        Ok(())
    }

    fn floor(&self, terminal: TerminalId) -> Power {
        let customer = self.grid.inventory.customer_of(terminal).map_or(Power::ZERO, |(_, it)| it.safety_floor);
        customer.max(self.grid.posts.get(&terminal).map_or(Power::ZERO, |post| post.says_floor()))
    }

    fn check_group_return(
        &self,
        terminal: TerminalId,
        round: RoundNo,
        power: Power,
        coming: &mut BTreeMap<NodeId, Power>,
    ) -> Result<(), Violation> {
        self.check_switch(terminal, round, SwitchPosition::Open)?;
        let least = self.comes_back_with(terminal, round);
        if power < least {
            return Err(Violation::ColdLoad { terminal, round, planned: power, least });
        }
        let above = self.supplied_through(terminal);
        for LimitRule { node, limit, .. } in self.policy.limits.iter().filter(|rule| above.contains(&rule.node)) {
            let load = self.grid.load(*node).power().ok_or(Violation::NodeUnknown { node: *node })?;
            let before = coming.get(node).copied().unwrap_or_default();
            // What a rule promised to the other rounds counts too: they may be left out yet.
            let own = [(terminal, round)];
            let promised = self.promised.coming_to(self.grid, *node, &own);
            let load = load + self.effects.coming_to(self.grid, *node, &own) + promised + before + power;
            if load > *limit {
                return Err(Violation::OverLimit { node: *node, load, limit: *limit });
            }
        }
        for node in above {
            *coming.entry(node).or_default() += power;
        }
        Ok(())
    }
}
