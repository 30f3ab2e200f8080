//! Values by hand: put on and taken off by people, ended by the clock, and what they keep from being decided.

use super::Engine;
use super::requests::Granted;
use crate::dressing::{DressOn, Dressing, DressingId};
use crate::input::Origin;
use crate::model::{NodeId, PointKind, Power, RoundNo, SwitchPosition, TerminalId, Timestamp};
use crate::output::{AlarmCause, Happening, Output, Refusal, Reply};

impl Engine {
    pub(super) fn dress(
        &mut self,
        origin: &Origin,
        (on, value): (DressOn, i64),
        until: Timestamp,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        self.can_be_dressed(on)?;
        self.may_dress(origin, on)?;
        if reason.trim().is_empty() {
            return Err(Refusal::DressingWithoutReason { on: on.to_string() });
        }
        let now = self.now;
        if until <= now || until.since(now) > Dressing::LENGTH_MAX {
            let most = Dressing::LENGTH_MAX;
            return Err(Refusal::DressingTimes { on: on.to_string(), until, now, most });
        }
        self.in_range(on, value)?;
        if let Some(standing) = self.dressings.on(on)
            && standing.owner != origin.operator
            && !origin.authority.supervisor
        {
            let Dressing { id, owner, until, .. } = standing;
            let (on, owner) = (on.to_string(), owner.clone());
            return Err(Refusal::DressedAlready { on, dressing: *id, owner, until: *until });
        }
        let owner = origin.operator.clone();
        let dressing = Dressing { id: DressingId(0), on, value, owner, reason: reason.to_owned(), since: now, until };
        let (before, id) = self.dressings.put_on(dressing.clone());
        self.put_on(on, value);
        let after = format!("{} until {until}", dressing.told());
        self.tell(Happening::Dressed { dressing: Dressing { id, ..dressing } }, out);
        let before = before.map(|before| format!("{} ({} of {})", before.told(), before.id, before.owner));
        let before = before.unwrap_or_else(|| self.told_beneath(on));
        Ok(Granted { reply: Reply::Dressing { dressing: id }, object: format!("{on} {id}"), before, after })
    }

    pub(super) fn undress(
        &mut self,
        origin: &Origin,
        id: DressingId,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let dressing = self.dressings.get(id).ok_or(Refusal::UnknownDressing { dressing: id })?;
        if dressing.owner != origin.operator {
            if !origin.authority.supervisor {
                let (on, owner) = (dressing.on.to_string(), dressing.owner.clone());
                return Err(Refusal::NotDressingOwner { dressing: id, on, owner });
            }
            self.may_dress(origin, dressing.on)?;
        }
        let (object, before) = (format!("{} {id}", dressing.on), dressing.told());
        let on = dressing.on;
        self.end_dressing(id, Some(origin.operator.clone()), reason, out);
        Ok(Granted { reply: Reply::Dressing { dressing: id }, object, before, after: self.told_beneath(on) })
    }

    fn can_be_dressed(&self, on: DressOn) -> Result<(), Refusal> {
        let inventory = &self.grid.inventory;
        if let Some(node) = on.node()
            && !inventory.nodes.contains_key(&node)
        {
            return Err(Refusal::UnknownNode { node });
        }
        let Some(terminal) = on.terminal() else { return Ok(()) };
        let entry = inventory.terminals.get(&terminal).ok_or(Refusal::UnknownTerminal { terminal })?;
        match on.round() {
            Some(round) if !entry.rounds.contains_key(&round) => Err(Refusal::UnknownRound { terminal, round }),
            _ => Ok(()),
        }
    }

    fn may_dress(&self, origin: &Origin, on: DressOn) -> Result<(), Refusal> {
        if let Some(node) = on.node() {
            return self.may_rule(origin, node);
        }
        on.terminal().map_or(Ok(()), |terminal| self.may_command(origin, terminal))
    }

    fn in_range(&self, on: DressOn, value: i64) -> Result<(), Refusal> {
        let out_of_range = |wanted| Err(Refusal::DressingOutOfRange { on: on.to_string(), value, wanted });
        if let DressOn::RoundPosition { .. } = on {
            let ends = [SwitchPosition::Open.value(), SwitchPosition::Closed.value()];
            return if ends.contains(&value) { Ok(()) } else { out_of_range("1 (open) or 2 (closed)".into()) };
        }
        let most = self.grid.power_max(on.terminal());
        if value.unsigned_abs() > most.get().unsigned_abs() {
            return out_of_range(format!("in W, at most {} in either direction", most.get()));
        }
        Ok(())
    }

    /// What counts without a value by hand, as people read it.
    fn told_beneath(&self, on: DressOn) -> String {
        let unknown = || "not known".to_owned();
        if let Some(node) = on.node() {
            return self.grid.load(node).power().map_or_else(unknown, |load| load.to_string());
        }
        self.beneath(on).map_or_else(unknown, |value| on.told(value))
    }

    /// What a terminal tells of a point, where that may decide.
    fn beneath(&self, on: DressOn) -> Option<i64> {
        let post = self.grid.posts.get(&on.terminal()?)?;
        Some(post.deciding(on.point()?, self.now, self.grid.age_max)?.reading.value)
    }

    fn put_on(&mut self, on: DressOn, value: i64) {
        match on {
            DressOn::Load { node } => self.grid.dress(node, Some(Power::new(value))),
            DressOn::Power { terminal } => self.grid.substitute(terminal, Some(Power::new(value))),
            DressOn::RoundPower { .. } | DressOn::RoundPosition { .. } => {}
        }
    }

    fn end_dressing(&mut self, id: DressingId, by: Option<String>, reason: &str, out: &mut Vec<Output>) {
        let Some(dressing) = self.dressings.take_off(id) else { return };
        match dressing.on {
            DressOn::Load { node } => self.grid.dress(node, None),
            DressOn::Power { terminal } => self.grid.let_count(terminal, self.now),
            DressOn::RoundPower { .. } | DressOn::RoundPosition { .. } => {}
        }
        let beneath = self.told_beneath(dressing.on);
        self.tell(Happening::DressingEnded { dressing, by, reason: reason.to_owned(), beneath }, out);
    }

    /// Ends what has come to its time. Whoever relied on it is called.
    pub(super) fn dressings_on_tick(&mut self, out: &mut Vec<Output>) {
        if self.dressings.is_empty() {
            return;
        }
        let over: Vec<Dressing> =
            self.dressings.standing().filter(|dressing| dressing.until <= self.now).cloned().collect();
        for dressing in over {
            self.end_dressing(dressing.id, None, "", out);
            let cause = AlarmCause::DressingOver { on: dressing.on };
            let beneath = self.told_beneath(dressing.on);
            let detail = || {
                let Dressing { id, owner, .. } = &dressing;
                format!("{} by hand ({id} of {owner}) came to its time; without it: {beneath}", dressing.told())
            };
            self.alarms.raise(cause, self.now, detail, out);
            self.alarms.clear(cause, self.now, out);
        }
    }

    /// Other nodes and terminals: what is gone takes its values by hand with it, and the others count again.
    pub(super) fn settle_dressings(&mut self, out: &mut Vec<Output>) {
        let standing: Vec<Dressing> = self.dressings.standing().cloned().collect();
        for Dressing { id, on, value, .. } in standing {
            if self.can_be_dressed(on).is_ok() {
                self.put_on(on, value);
            } else {
                self.end_dressing(id, None, "its point was taken out of the inventory", out);
            }
        }
    }

    /// A terminal's point by hand, if it is so.
    pub(super) fn dressed_point(&self, terminal: TerminalId, point: PointKind) -> Option<&Dressing> {
        if self.dressings.is_empty() {
            return None;
        }
        self.dressings.on(DressOn::of_point(terminal, point)?)
    }

    /// A limited node above a terminal into whose load nothing returns by a rule: it would not show it, or stands on what was not
    /// measured (`quality-kept`, `restoration-under-limit`).
    pub(super) fn hidden_at(&self, terminal: TerminalId) -> Option<NodeId> {
        let hidden = |node: &NodeId| {
            self.grid.load(*node).is_substituted()
                && (self.grid.hides(*node, terminal) || self.grid.stands_on_another(*node))
        };
        self.limits_above(terminal).map(|rule| rule.node).find(hidden)
    }

    /// As [`Self::hidden_at`], for a restoration by a rule.
    pub(super) fn hides_return(&self, terminal: TerminalId, round: RoundNo) -> Option<Refusal> {
        self.hidden_at(terminal).map(|node| Refusal::HiddenByHand { terminal, round, node })
    }
}
