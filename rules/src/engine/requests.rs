//! What people ask: selects, executes, cancellations, acknowledgements, limits. Each is answered, and each is in the audit log.

use super::Engine;
use crate::input::{Origin, Request};
use crate::model::{NodeId, Power, RoundNo, SwitchPosition, TerminalId};
use crate::orders::{Action, Issuer, Order, OrderId, OrderState, Wish};
use crate::output::{AlarmId, Audit, Output, Refusal, Reply};
use crate::policy::LimitRule;
use crate::state::cold_load::percent;

/// What the audit log says of a granted request, besides its answer.
pub(super) struct Granted {
    pub(super) reply: Reply,
    pub(super) object: String,
    pub(super) before: String,
    pub(super) after: String,
}

impl Engine {
    pub(super) fn on_request(&mut self, origin: &Origin, request: &Request, out: &mut Vec<Output>) {
        let (action, object, result) = match request {
            Request::Select { terminal, action, qualifier, reason } => {
                let wish = Wish { action: *action, qualifier: *qualifier };
                (
                    format!("select: {wish}{}{reason}", if reason.is_empty() { "" } else { ": " }),
                    terminal.to_string(),
                    self.select(origin, *terminal, wish, reason, out),
                )
            }
            Request::Execute { order } => {
                ("execute".into(), order.to_string(), self.execute_asked(origin, *order, out))
            }
            Request::Cancel { order } => ("cancel".into(), order.to_string(), self.cancel(origin, *order, out)),
            Request::DraftGroup { act, scope, reason, notice_min } => {
                let notice = if *notice_min > 0 { format!(" after {notice_min} min of notice") } else { String::new() };
                (
                    format!(
                        "draw up a group order: {act}{notice}{}{reason}",
                        if reason.is_empty() { "" } else { ": " }
                    ),
                    scope.to_string(),
                    self.draft_group(origin, *act, scope, (reason, *notice_min), out),
                )
            }
            Request::ApproveGroup { group, seen } => {
                ("approve".into(), group.to_string(), self.approve_group(origin, *group, *seen, out))
            }
            Request::ExecuteGroup { group, at_once } => {
                let at_once = at_once.as_deref();
                (
                    at_once.map_or_else(|| "execute".to_owned(), |why| format!("execute at once: {why}")),
                    group.to_string(),
                    self.execute_group(origin, *group, at_once, out),
                )
            }
            Request::CancelGroup { group, reason } => (
                format!("call off{}{reason}", if reason.is_empty() { "" } else { ": " }),
                group.to_string(),
                self.cancel_group(origin, *group, reason, out),
            ),
            Request::SetTag { on, reason } => {
                (format!("tag: {reason}"), on.to_string(), self.hang_tag(origin, *on, reason, out))
            }
            Request::RemoveTag { tag, reason } => (
                format!("take the tag off{}{reason}", if reason.is_empty() { "" } else { ": " }),
                tag.to_string(),
                self.take_tag_off(origin, *tag, reason, out),
            ),
            Request::Dress { on, value, until, reason } => (
                format!("put {} in by hand until {until}: {reason}", on.told(*value)),
                on.to_string(),
                self.dress(origin, (*on, *value), *until, reason, out),
            ),
            Request::Undress { dressing, reason } => (
                format!("take the value by hand off{}{reason}", if reason.is_empty() { "" } else { ": " }),
                dressing.to_string(),
                self.undress(origin, *dressing, reason, out),
            ),
            Request::AcknowledgeAlarm { alarm, comment } => (
                format!("acknowledge{}{comment}", if comment.is_empty() { "" } else { ": " }),
                alarm.to_string(),
                self.acknowledge(origin, *alarm, comment, out),
            ),
            Request::SetLimit { node, limit, expected, reason } => (
                format!("set limit to {limit}{}{reason}", if reason.is_empty() { "" } else { ": " }),
                node.to_string(),
                self.set_limit(origin, *node, *limit, *expected, out),
            ),
            Request::SetTarget { node, reduction, from, to, reason } => (
                format!(
                    "take {reduction} off from {from} to {to}{}{reason}",
                    if reason.is_empty() { "" } else { ": " }
                ),
                node.to_string(),
                self.set_target(origin, *node, *reduction, (*from, *to), reason, out),
            ),
            Request::CancelTarget { target, reason } => (
                format!("cancel the target{}{reason}", if reason.is_empty() { "" } else { ": " }),
                target.to_string(),
                self.cancel_target(origin, *target, out),
            ),
            Request::DecideProposal { proposal, approve, reason } => (
                format!(
                    "{} proposal{}{reason}",
                    if *approve { "approve" } else { "decline" },
                    if reason.is_empty() { "" } else { ": " }
                ),
                proposal.to_string(),
                self.decide_proposal(origin, *proposal, *approve, reason, out),
            ),
            Request::TryAgain { node, reason } => (
                format!("try again{}{reason}", if reason.is_empty() { "" } else { ": " }),
                node.to_string(),
                self.try_again(origin, *node, reason, out),
            ),
            Request::SetParameters { terminal, parameters, reason } => (
                format!("set parameters{}{reason}", if reason.is_empty() { "" } else { ": " }),
                terminal.to_string(),
                self.set_parameters(origin, *terminal, parameters),
            ),
            Request::AskMeasure { terminal, kind, reason } => (
                format!("ask for {kind} as agreed{}{reason}", if reason.is_empty() { "" } else { ": " }),
                terminal.to_string(),
                self.ask_by_hand(origin, *terminal, *kind, out),
            ),
            Request::ReleaseMeasure { measure, reason } => (
                format!("release the measure{}{reason}", if reason.is_empty() { "" } else { ": " }),
                measure.to_string(),
                self.end_by_hand(origin, *measure, false, reason, out),
            ),
            Request::DeclineMeasure { measure, reason } => (
                format!("the customer declined{}{reason}", if reason.is_empty() { "" } else { ": " }),
                measure.to_string(),
                self.end_by_hand(origin, *measure, true, reason, out),
            ),
            Request::StopAutomatic { reason } => (
                format!("stop automatic control{}{reason}", if reason.is_empty() { "" } else { ": " }),
                "automatic control".into(),
                self.stop_automatic(origin, reason, out),
            ),
            Request::ResumeAutomatic { reason } => (
                format!("resume automatic control{}{reason}", if reason.is_empty() { "" } else { ": " }),
                "automatic control".into(),
                self.resume_automatic(origin, reason, out),
            ),
        };
        let (object, before, after, reply) = match result {
            Ok(Granted { reply, object, before, after }) => (object, before, after, Ok(reply)),
            Err(refusal) => (object, String::new(), format!("refused: {refusal}"), Err(refusal)),
        };
        let (who, from) = (origin.operator.clone(), origin.from.clone());
        out.push(Output::Audit(Audit { at: self.now, who, from, action, object, before, after }));
        // What follows from a limit that was set is told before the answer, which comes last.
        self.look_at_loads(out);
        out.push(Output::Reply(reply));
    }

    fn select(
        &mut self,
        origin: &Origin,
        terminal: TerminalId,
        wish: Wish,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let action = wish.action;
        let inventory = self.grid.inventory.terminals.get(&terminal).ok_or(Refusal::UnknownTerminal { terminal })?;
        if let Some(round) = action.round()
            && !inventory.rounds.contains_key(&round)
        {
            return Err(Refusal::UnknownRound { terminal, round });
        }
        self.may_command(origin, terminal)?;
        if let Some(refusal) = self.forbids_select(terminal, action) {
            return Err(refusal);
        }
        let position = action.round().and_then(|round| self.grid.position(terminal, round, self.now));
        let issuer = Issuer::Operator { name: origin.operator.clone() };
        let id = self.issue(terminal, wish, issuer, reason.to_owned(), None, out);
        Ok(Granted {
            reply: Reply::Order { order: id },
            object: format!("{terminal} {id}"),
            before: position.map(|position| position.to_string()).unwrap_or_default(),
            after: self.ledger.get(id).map(|order| order.state.to_string()).unwrap_or_default(),
        })
    }

    /// Why a point cannot be selected for an action by a person: no link, another's order, nothing to be done, or
    /// something that forbids it. A restoration may be selected beside a trip that its terminal still announces.
    pub(super) fn forbids_select(&self, terminal: TerminalId, action: Action) -> Option<Refusal> {
        if self.grid.posts.get(&terminal).is_none_or(|post| !post.link_up) {
            return Some(Refusal::LinkDown { terminal });
        }
        let mut announced = false;
        for Order { id, issuer, .. } in self.ledger.holding(terminal, action) {
            if !self.ledger.is_called_off_by(*id, action, self.now) {
                return Some(Refusal::PointBusy { terminal, order: *id, owner: issuer.to_string() });
            }
            announced = true;
        }
        let position = action.round().and_then(|round| self.grid.position(terminal, round, self.now));
        if let (Some(round), Some(position)) = (action.round(), position)
            && action.wanted_position() == Some(position)
            && !announced
        {
            return Some(Refusal::AlreadyThere { terminal, round, position });
        }
        self.forbids(terminal, action)
    }

    /// Why an action must not be done, whoever wants it (`never-shed-protected`, `restoration-under-limit`). What an order
    /// for the same round will change is not counted against it.
    pub(super) fn forbids(&self, terminal: TerminalId, action: Action) -> Option<Refusal> {
        if let Some(tag) = self.tag_against(terminal, action) {
            return Some(tag.into());
        }
        match action {
            Action::Trip { round } => {
                self.forbids_trip(terminal, round).or_else(|| self.forbidden_by_interlock(terminal, action))
            }
            Action::Restore { round } => {
                self.forbids_restore(terminal, round).or_else(|| self.forbidden_by_interlock(terminal, action))
            }
            Action::SetCap { cap } => {
                let floor = self.grid.floor(terminal);
                if cap == Power::ZERO {
                    None
                } else if self.protected(terminal) {
                    Some(Refusal::Guaranteed { terminal })
                } else if cap < floor {
                    Some(Refusal::CapBelowFloor { cap, floor })
                } else {
                    // The terminal trips whichever round it chooses.
                    let rounds = self.grid.inventory.terminals.get(&terminal).map(|entry| &entry.rounds);
                    let mut trips =
                        rounds.into_iter().flat_map(|rounds| rounds.keys()).map(|&round| Action::Trip { round });
                    trips.find_map(|trip| self.forbidden_by_interlock(terminal, trip))
                }
            }
        }
    }

    fn protected(&self, terminal: TerminalId) -> bool {
        self.grid.guaranteed(terminal) || self.grid.guarantee_at_terminal(terminal)
    }

    fn forbids_trip(&self, terminal: TerminalId, round: RoundNo) -> Option<Refusal> {
        if self.protected(terminal) {
            return Some(Refusal::Guaranteed { terminal });
        }
        let floor = self.grid.floor(terminal);
        if floor == Power::ZERO {
            return None;
        }
        let load = self.grid.posts.get(&terminal).and_then(|post| post.load(self.now, self.grid.age_max).ok());
        let behind = self.grid.round_power(terminal, round, self.now).map(|held| Power::new(held.reading.value));
        // A round that feeds in, or a meter the wrong way round, would raise what seems to be left.
        let (Some(load), Some(behind)) = (load, behind.filter(|behind| *behind >= Power::ZERO)) else {
            return Some(Refusal::FloorNotProvable { terminal, floor });
        };
        let left = load - self.effects.going_at(&self.grid, terminal, Some(round)) - behind;
        (left < floor).then_some(Refusal::SafetyFloor { terminal, left, floor })
    }

    pub(super) fn is_closed(&self, terminal: TerminalId, round: RoundNo) -> bool {
        self.grid.position(terminal, round, self.now) == Some(SwitchPosition::Closed)
    }

    fn forbids_restore(&self, terminal: TerminalId, round: RoundNo) -> Option<Refusal> {
        // A trip is called off that has not come: nothing comes back.
        if self.is_closed(terminal, round) {
            return None;
        }
        let comes = self.comes_back_with(terminal, round);
        self.limits_above(terminal).find_map(|rule| {
            let load = self.projected(rule.node, comes, &[(terminal, round)])?;
            let LimitRule { node, limit, .. } = *rule;
            (load > limit).then(|| match self.had(terminal, round) {
                Some(_) => Refusal::OverLimit { terminal, round, node, load, limit },
                None => Refusal::OverLimitAtMost { terminal, round, most: comes, node, load, limit },
            })
        })
    }

    /// Why a rule must not do it, on top of what [`Self::forbids`] says. A person may restore where a load is not known; a
    /// rule may not.
    pub(super) fn unprovable(&self, terminal: TerminalId, action: Action) -> Option<Refusal> {
        let Action::Restore { round } = action else { return None };
        if let Some(hidden) = self.hides_return(terminal, round) {
            return Some(hidden);
        }
        let unknown = |rule: &&LimitRule| self.grid.load(rule.node).power().is_none();
        let LimitRule { node, limit, .. } = *self.limits_above(terminal).find(unknown)?;
        Some(Refusal::LimitNotProvable { terminal, round, node, limit })
    }

    /// The limits that a terminal's load counts against, from its node upwards.
    pub(super) fn limits_above(&self, terminal: TerminalId) -> impl Iterator<Item = &LimitRule> + '_ {
        self.grid.path(terminal).filter_map(|node| self.policy.rule(node))
    }

    /// The load of a node with what is coming or promised there, what customers come back with after measures that ended or end
    /// soon, and `more`, which the rounds `anew` bring; none where its load is not known.
    pub(super) fn projected(&self, node: NodeId, more: Power, anew: &[(TerminalId, RoundNo)]) -> Option<Power> {
        self.projected_with(node, more + self.returning_to(node) + self.returning_soon_to(node), anew)
    }

    /// The load of a node with what is coming or promised there and `more`.
    pub(super) fn projected_with(&self, node: NodeId, more: Power, anew: &[(TerminalId, RoundNo)]) -> Option<Power> {
        let promised = self.promised.coming_to(&self.grid, node, anew);
        Some(self.grid.load(node).power()? + self.effects.coming_to(&self.grid, node, anew) + promised + more)
    }

    /// Power with which a round comes back, cold-load pick-up included; never less than it drew when it was tripped. Where
    /// nobody knows what it had, the most that it can be.
    pub(super) fn comes_back_with(&self, terminal: TerminalId, round: RoundNo) -> Power {
        let shed = self.sheds.get(&terminal).and_then(|rounds| rounds.get(&round));
        let power = self.had(terminal, round).unwrap_or_else(|| self.left_by_contract(terminal, round));
        self.cold(terminal, round, power).max(shed.map(|shed| shed.cold).unwrap_or_default())
    }

    /// What a round had when it was tripped, where that was known.
    fn had(&self, terminal: TerminalId, round: RoundNo) -> Option<Power> {
        let shed = self.sheds.get(&terminal)?.get(&round)?;
        (shed.power > Power::ZERO).then_some(shed.power)
    }

    fn cold(&self, terminal: TerminalId, round: RoundNo, power: Power) -> Power {
        power.percent(i64::from(self.cold_percent(terminal, round)))
    }

    fn cold_percent(&self, terminal: TerminalId, round: RoundNo) -> u16 {
        percent(self.limits_above(terminal), self.cold_load(terminal, round))
    }

    /// The most that can be behind a round of which nothing is known: what the contract leaves beside the terminal's other
    /// rounds, as far as these are known. What is drawn behind no switch leaves no less: it may be high only now. A contract
    /// that is exceeded bounds nothing less than itself.
    fn left_by_contract(&self, terminal: TerminalId, round: RoundNo) -> Power {
        let contract = self.grid.customer(terminal).map_or(Power::ZERO, |(_, customer)| customer.contract);
        let rounds = self.grid.inventory.terminals.get(&terminal).map(|entry| &entry.rounds);
        let others = rounds.into_iter().flat_map(|rounds| rounds.keys()).filter(|other| **other != round);
        let beside = |other: RoundNo| {
            let measured = self.grid.round_power(terminal, other, self.now).map(|held| Power::new(held.reading.value));
            let known = measured.max(self.had(terminal, other)).unwrap_or_default().max(Power::ZERO);
            // It may be cold itself just now.
            Power::new(known.get().saturating_mul(100) / i64::from(self.cold_percent(terminal, other)).max(100))
        };
        let beside: Power = others.map(|&other| beside(other)).sum();
        let load = self.grid.posts.get(&terminal).and_then(|post| post.load(self.now, self.grid.age_max).ok());
        let exceeded = load.is_some_and(|load| load > contract) || beside >= contract;
        if exceeded { contract } else { contract - beside }
    }

    /// The order, if it is this operator's and in one of `states`.
    fn own(&self, origin: &Origin, id: OrderId, states: &[OrderState]) -> Result<&Order, Refusal> {
        let order = self.ledger.get(id).ok_or(Refusal::UnknownOrder { order: id })?;
        match &order.issuer {
            Issuer::Operator { name } if *name == origin.operator => {}
            owner => return Err(Refusal::NotOwner { order: id, owner: owner.to_string() }),
        }
        if states.contains(&order.state) {
            Ok(order)
        } else {
            Err(Refusal::NotSelected { order: id, state: order.state.to_string() })
        }
    }

    fn execute_asked(&mut self, origin: &Origin, id: OrderId, out: &mut Vec<Output>) -> Result<Granted, Refusal> {
        let Order { terminal, action, .. } = *self.own(origin, id, &[OrderState::Selected])?;
        self.may_command(origin, terminal)?;
        if let Some(refusal) = self.forbids(terminal, action) {
            self.withdraw(id, OrderState::Refused, refusal.to_string(), out);
            return Err(refusal);
        }
        self.execute(id, out);
        let after = self.ledger.get(id).map(|order| order.state);
        let after = after.filter(|state| *state == OrderState::Executing).ok_or_else(|| Refusal::NotSelected {
            order: id,
            state: after.map(|state| state.to_string()).unwrap_or_default(),
        })?;
        Ok(Granted {
            reply: Reply::Order { order: id },
            object: format!("{terminal} {id}"),
            before: OrderState::Selected.to_string(),
            after: after.to_string(),
        })
    }

    fn cancel(&mut self, origin: &Origin, id: OrderId, out: &mut Vec<Output>) -> Result<Granted, Refusal> {
        let order = self.own(origin, id, &[OrderState::Approved, OrderState::Selecting, OrderState::Selected])?;
        let (terminal, before) = (order.terminal, order.state.to_string());
        self.withdraw(id, OrderState::Cancelled, format!("by {}", origin.operator), out);
        Ok(Granted {
            reply: Reply::Order { order: id },
            object: format!("{terminal} {id}"),
            before,
            after: OrderState::Cancelled.to_string(),
        })
    }

    fn acknowledge(
        &mut self,
        origin: &Origin,
        alarm: AlarmId,
        comment: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let before = self.alarms.acknowledge(alarm, &origin.operator, comment, self.now, out);
        let before = before.ok_or(Refusal::UnknownAlarm { alarm })?;
        let after = self.alarms.live().find(|live| live.id == alarm);
        Ok(Granted {
            reply: Reply::Done,
            object: alarm.to_string(),
            before: before.to_string(),
            after: after.map_or_else(|| "normal".to_owned(), |alarm| alarm.state.to_string()),
        })
    }
}
