//! Notices before group trips: customers are told once nobody else's word is wanted, and the orders may go out when the time is
//! over, or before it with a person's word for that.
//!
//! Nobody is added to a group order once it is drawn up, so whoever is tripped was told, or it is on the list that he was not
//! reached.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use crate::groups::{Group, GroupId, GroupNotice, GroupScope, MemberState};
use crate::model::{NodeId, Power, RoundNo, TerminalId};
use crate::notices::{CALL_OFF_WITHIN, Notice, Untold};
use crate::output::{Happening, Output, Refusal};

impl Engine {
    /// Tells the customers of a group order that gives notice and waits for nobody else's word; once.
    pub(super) fn tell_group(&mut self, id: GroupId, out: &mut Vec<Output>) {
        let Ok(Group { line, notice: Some(GroupNotice { before, due: None, .. }), .. }) = self.groups.get(id) else {
            return;
        };
        let (scope, due) = (line.scope.clone(), self.now.after(*before));
        let mut of = BTreeMap::<TerminalId, (Vec<RoundNo>, Power)>::new();
        for member in self.groups.get(id).into_iter().flat_map(Group::taking_part) {
            let (rounds, power) = of.entry(member.terminal).or_default();
            rounds.push(member.round);
            *power += member.power;
        }
        let mut told = Vec::with_capacity(of.len());
        for (terminal, (mut rounds, power)) in of {
            let Some(node) = self.node_told_of(&scope, terminal) else { continue };
            rounds.sort_unstable();
            let text = self.said(node, &rounds, power, due).fill(&self.policy.notice_texts.group);
            let sending = self.send_text(terminal, text, due, Some(id), out);
            told.push(Notice { terminal, rounds, power, due, told: sending, tripped: false, called_off: None });
        }
        let customers = u32::try_from(told.len()).unwrap_or(u32::MAX);
        let expires_at = due.after(self.policy.groups.expiry);
        self.change_group(id, |group| {
            group.line.expires_at = expires_at;
            if let Some(notice) = &mut group.notice {
                (notice.due, notice.told) = (Some(due), told);
            }
        });
        self.tell(Happening::GroupAnnounced { group: id, customers, due }, out);
    }

    /// The node that a customer reads of.
    fn node_told_of(&self, scope: &GroupScope, terminal: TerminalId) -> Option<NodeId> {
        match scope {
            GroupScope::Node { node, .. } => Some(*node),
            GroupScope::Rounds { .. } => self.grid.customer(terminal).map(|(_, customer)| customer.supplied_by),
        }
    }

    /// Whether the orders of a group may go out as far as its notice goes: its time is over, or somebody says why not to wait.
    pub(super) fn has_given_notice(&self, group: &Group, at_once: Option<&str>) -> Result<(), Refusal> {
        let due = group.notice.as_ref().and_then(|notice| notice.due).filter(|due| self.now < *due);
        match due {
            Some(due) if at_once.is_none_or(|why| why.trim().is_empty()) => {
                Err(Refusal::NoticeRuns { group: group.line.id, due })
            }
            _ => Ok(()),
        }
    }

    /// The orders of a group are about to go out: who of its customers was not told, or not in time.
    pub(super) fn execute_told_group(&mut self, id: GroupId, at_once: Option<&str>, out: &mut Vec<Output>) {
        self.settle_unanswered();
        let now = self.now;
        let Ok(Group { members, notice: Some(notice), .. }) = self.groups.get(id) else { return };
        let goes = members.iter().filter(|member| member.state == MemberState::Waiting);
        let goes: BTreeSet<TerminalId> = goes.map(|member| member.terminal).collect();
        let untold = notice.told.iter().filter(|it| goes.contains(&it.terminal)).filter_map(|it| {
            let why = it.fell_short(now, notice.before)?;
            Some(Untold { terminal: it.terminal, why })
        });
        let untold: Vec<Untold> = untold.collect();
        let told = u32::try_from(goes.len() - untold.len()).unwrap_or(u32::MAX);
        let early = notice.due.is_some_and(|due| now < due);
        let at_once = at_once.filter(|_| early).map(ToOwned::to_owned);
        self.tell(Happening::GroupNoticeOver { group: id, told, untold, at_once }, out);
    }

    /// Customers who were told and are not tripped after all learn so.
    pub(super) fn call_off_group_notice(&mut self, id: GroupId, out: &mut Vec<Output>) {
        let Ok(Group { line, members, notice: Some(notice) }) = self.groups.get(id) else { return };
        let goes = members.iter().filter(
            |member| matches!(member.state, MemberState::Ordered(state) if state.took_effect() || !state.is_final()),
        );
        let goes: BTreeSet<TerminalId> = goes.map(|member| member.terminal).collect();
        let scope = line.scope.clone();
        let void = |it: &&Notice| !goes.contains(&it.terminal) && it.called_off.is_none() && it.not_reached().is_none();
        let void: Vec<Notice> = notice.told.iter().filter(void).cloned().collect();
        let expires_at = self.now.after(CALL_OFF_WITHIN);
        let mut called_off = BTreeMap::new();
        for Notice { terminal, rounds, power, due, .. } in void {
            let Some(node) = self.node_told_of(&scope, terminal) else { continue };
            let text = self.said(node, &rounds, power, due).fill(&self.policy.notice_texts.cancelled);
            called_off.insert(terminal, self.send_text(terminal, text, expires_at, Some(id), out));
        }
        let customers = u32::try_from(called_off.len()).unwrap_or(u32::MAX);
        self.change_group(id, |group| {
            for notice in group.notice.iter_mut().flat_map(|notice| &mut notice.told) {
                notice.tripped = goes.contains(&notice.terminal);
                if let Some(sending) = called_off.remove(&notice.terminal) {
                    notice.called_off = Some(sending);
                }
            }
        });
        if customers > 0 {
            self.tell(Happening::GroupNoticeCalledOff { group: id, customers }, out);
        }
    }
}
