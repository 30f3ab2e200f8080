//! A group order's course: drawn up, said by a second person where it is large, executed as one act, each round to its own
//! end.
//!
//! **Invariant:** `second-person`: a group trip above the configured power or number of rounds executes only when two
//! different people with authority over all of it said so, for no more than what they saw. What one person had tripped
//! by smaller ones shortly before counts with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::requests::Granted;
use crate::groups::{Group, GroupAct, GroupId, GroupLine, GroupNotice, GroupScope, GroupState, Member, MemberState};
use crate::input::Origin;
use crate::limiting::group::{Wanted, check_group};
use crate::model::{PointKind, Power, RoundNo, Span, TerminalId, Timestamp};
use crate::notices::{Notice, NoticeId, Sending};
use crate::orders::{Issuer, Order, OrderId};
use crate::output::{Happening, Output, Refusal, Reply};

/// Group orders that are over and still kept, at most, and the rounds that all of these have together.
const KEPT_MAX: usize = 50;
const KEPT_ROUNDS_MAX: usize = 100_000;
const MINUTE: Span = Span::from_s(60);

/// All group orders that are not over, and the newest of those that are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Groups {
    last: u64,
    kept: BTreeMap<GroupId, Group>,
    /// The member that an order is for.
    #[serde(default)]
    places: BTreeMap<OrderId, usize>,
    /// Trips that nobody else was asked about. Snapshots of before they were added up have none.
    #[serde(default)]
    alone: Vec<Alone>,
}

/// What one person had tripped by group orders without a second one, in one minute.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Alone {
    by: String,
    at: Timestamp,
    power: Power,
    rounds: usize,
}

/// Where the text of a number stands among those that called notices off: their numbers rise too, and not everybody got one.
fn called_off_at(told: &[Notice], id: NoticeId) -> Option<usize> {
    let (mut from, mut to) = (0, told.len());
    while from < to {
        let middle = from + (to - from) / 2;
        let rest = told.get(middle..to)?.iter().enumerate();
        let next = rest.filter_map(|(n, it)| Some((middle + n, it.called_off.as_ref()?.id))).next();
        match next {
            Some((at, found)) if found == id => return Some(at),
            Some((at, found)) if found < id => from = at + 1,
            _ => to = middle,
        }
    }
    None
}

impl Groups {
    pub(super) const fn skip_numbers(&mut self, count: u64) {
        self.last = self.last.saturating_add(count);
    }

    pub(super) fn lines(&self) -> impl DoubleEndedIterator<Item = &GroupLine> {
        self.kept.values().map(|group| &group.line)
    }

    pub(super) fn get(&self, group: GroupId) -> Result<&Group, Refusal> {
        self.kept.get(&group).ok_or(Refusal::UnknownGroup { group })
    }

    /// All texts of notices.
    pub(super) fn sendings(&mut self) -> impl Iterator<Item = &mut Sending> {
        let told = self.kept.values_mut().filter_map(|group| group.notice.as_mut()).flat_map(|it| &mut it.told);
        told.flat_map(|notice| std::iter::once(&mut notice.told).chain(&mut notice.called_off))
    }

    /// The text of a number, where a group sent it. Numbers rise with a group's customers, so that thousands of answers at once
    /// do not each look at all texts.
    pub(super) fn sending_mut(&mut self, id: NoticeId) -> Option<&mut Sending> {
        let told = self.kept.values_mut().filter_map(|group| group.notice.as_mut());
        told.filter_map(|notice| {
            if let Ok(at) = notice.told.binary_search_by_key(&id, |it| it.told.id) {
                return Some(&mut notice.told.get_mut(at)?.told);
            }
            let at = called_off_at(&notice.told, id)?;
            notice.told.get_mut(at)?.called_off.as_mut()
        })
        .next()
    }

    fn forget_old(&mut self) {
        let over = self.kept.values().filter(|group| is_over(group.line.state));
        let over: Vec<(GroupId, usize)> = over.map(|group| (group.line.id, group.members.len())).collect();
        let mut rounds: usize = over.iter().map(|(_, rounds)| rounds).sum();
        for (at, (id, of)) in over.iter().enumerate() {
            if over.len() - at <= KEPT_MAX && rounds <= KEPT_ROUNDS_MAX {
                break;
            }
            rounds -= of;
            let orders = self.kept.remove(id).into_iter().flat_map(|group| group.members);
            for order in orders.filter_map(|member| member.order) {
                self.places.remove(&order);
            }
        }
    }

    /// Group orders of a person that are not over.
    fn open_of(&self, operator: &str) -> usize {
        self.lines().filter(|line| line.drafted_by == operator && !is_over(line.state)).count()
    }

    /// Power and rounds that a person had tripped alone within `expiry`.
    fn alone(&self, operator: &str, now: Timestamp, expiry: Span) -> (Power, usize) {
        let of = |alone: &&Alone| alone.by == operator && now.since(alone.at) < expiry;
        self.alone
            .iter()
            .filter(of)
            .fold((Power::ZERO, 0), |(power, rounds), alone| (power + alone.power, rounds.saturating_add(alone.rounds)))
    }

    /// A person trips alone.
    fn trips_alone(&mut self, by: &str, now: Timestamp, expiry: Span, power: Power, rounds: usize) {
        self.alone.retain(|alone| now.since(alone.at) < expiry);
        // One entry for each person and minute, however many orders they are cut into.
        match self.alone.iter_mut().find(|alone| alone.by == by && now.since(alone.at) < MINUTE) {
            Some(alone) => {
                alone.power += power;
                alone.rounds = alone.rounds.saturating_add(rounds);
            }
            None => self.alone.push(Alone { by: by.to_owned(), at: now, power, rounds }),
        }
    }
}

/// The same rounds, each once and in order: a scope is written out in the reason of each of its orders.
fn tidy(scope: &GroupScope) -> GroupScope {
    let mut scope = scope.clone();
    match &mut scope {
        GroupScope::Node { numbers, .. } => {
            numbers.sort_unstable();
            numbers.dedup();
        }
        GroupScope::Rounds { rounds } => {
            rounds.sort_unstable();
            rounds.dedup();
        }
    }
    scope
}

const fn is_over(state: GroupState) -> bool {
    matches!(state, GroupState::Done | GroupState::Cancelled | GroupState::Expired)
}

fn sum(members: &[Member]) -> Power {
    members.iter().filter(|member| member.state != MemberState::LeftOut).map(|member| member.power).sum()
}

impl Engine {
    /// A group order with all its rounds.
    pub fn group(&self, group: GroupId) -> Option<&Group> {
        self.groups.kept.get(&group)
    }

    /// A group order as its next step would find it: before its execute, each round is looked at anew.
    pub fn group_now(&self, group: GroupId) -> Option<Group> {
        let mut group = self.group(group)?.clone();
        if matches!(group.line.state, GroupState::Drafted | GroupState::Approved) {
            group.members = self.looked_at_anew(&group);
            group.count();
        }
        Some(group)
    }

    pub(super) fn draft_group(
        &mut self,
        origin: &Origin,
        act: GroupAct,
        scope: &GroupScope,
        (reason, notice_min): (&str, u16),
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        if notice_min > 0 && (act != GroupAct::Trip || notice_min > GroupNotice::MINUTES_MAX) {
            return Err(Refusal::NoSuchNotice { act, minutes: notice_min, most: GroupNotice::MINUTES_MAX });
        }
        let before = Span::from_s(i64::from(notice_min) * 60);
        let notice = (notice_min > 0).then(|| GroupNotice { before, due: None, told: Vec::new() });
        let scope = tidy(scope);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let open = self.groups.open_of(&origin.operator);
        if open >= Group::OPEN_MAX {
            return Err(Refusal::TooManyGroups { open: count(open), most: count(Group::OPEN_MAX) });
        }
        let rounds = self.rounds_of(origin, &scope)?;
        if rounds.len() > Group::ROUNDS_MAX {
            return Err(Refusal::GroupTooLarge { rounds: count(rounds.len()), most: count(Group::ROUNDS_MAX) });
        }
        let mut members: Vec<Member> = rounds
            .into_iter()
            .map(|(terminal, round)| Member {
                terminal,
                round,
                power: Power::ZERO,
                state: MemberState::Waiting,
                order: None,
                why: String::new(),
            })
            .collect();
        self.look_at_members(act, &mut members);
        if members.iter().all(|member| member.state == MemberState::LeftOut) {
            let why = members.first().map_or_else(|| format!("{scope} has none"), |member| member.why.clone());
            return Err(Refusal::GroupEmpty { act, why });
        }
        self.groups.last += 1;
        let id = GroupId(self.groups.last);
        let power = sum(&members);
        let taking_part = members.iter().filter(|member| member.state != MemberState::LeftOut).count();
        let line = GroupLine {
            id,
            act,
            scope,
            reason: reason.to_owned(),
            state: GroupState::Drafted,
            drafted_by: origin.operator.clone(),
            second_person: self.wants_second_person(&origin.operator, act, power, taking_part),
            approved_by: None,
            power,
            drafted_at: self.now,
            changed_at: self.now,
            expires_at: self.now.after(self.policy.groups.expiry),
            rounds: 0,
            left_out: 0,
            confirmed: 0,
            failed: 0,
        };
        let mut group = Group { line, members, notice };
        group.count();
        let GroupLine { ref scope, rounds, left_out, second_person, .. } = group.line;
        let of = scope.to_string();
        self.groups.kept.insert(id, group);
        self.groups.forget_old();
        let (by, rounds) = (origin.operator.clone(), rounds - left_out);
        let object = format!("{of} {id}");
        self.tell(Happening::GroupDrafted { group: id, act, of, rounds, left_out, power, second_person, by }, out);
        if !second_person {
            self.tell_group(id, out);
        }
        Ok(Granted {
            reply: Reply::Group { group: id },
            object,
            before: String::new(),
            after: format!("{}, {rounds} rounds with {power}", GroupState::Drafted),
        })
    }

    /// The rounds of a scope, if the person has authority over all of it.
    fn rounds_of(&self, origin: &Origin, scope: &GroupScope) -> Result<Vec<(TerminalId, RoundNo)>, Refusal> {
        let inventory = &self.grid.inventory;
        match scope {
            GroupScope::Node { node, class, numbers } => {
                if !inventory.nodes.contains_key(node) {
                    return Err(Refusal::UnknownNode { node: *node });
                }
                self.may_rule(origin, *node)?;
                let of_class = |terminal: &TerminalId| {
                    let customer = self.grid.customer(*terminal);
                    customer.is_some_and(|(_, customer)| class.is_none_or(|class| customer.priority == class))
                };
                let of_number = |round: &RoundNo| numbers.is_empty() || numbers.contains(round);
                let terminals = self.grid.terminals_below(*node).filter(of_class);
                Ok(terminals
                    .filter_map(|id| Some((id, inventory.terminals.get(&id)?)))
                    .flat_map(|(id, terminal)| terminal.rounds.keys().map(move |round| (id, *round)))
                    .filter(|(_, round)| of_number(round))
                    .collect())
            }
            GroupScope::Rounds { rounds } => {
                for &(terminal, round) in rounds {
                    let entry = inventory.terminals.get(&terminal).ok_or(Refusal::UnknownTerminal { terminal })?;
                    if !entry.rounds.contains_key(&round) {
                        return Err(Refusal::UnknownRound { terminal, round });
                    }
                    self.may_command(origin, terminal)?;
                }
                Ok(rounds.clone())
            }
        }
    }

    /// Looks at those that are not left out: what they have, and whether anything forbids them now.
    fn look_at_members(&self, act: GroupAct, members: &mut [Member]) {
        for member in members.iter_mut().filter(|member| member.state == MemberState::Waiting) {
            member.power = self.at_most(act, member.terminal, member.round);
            if let Some(refusal) = self.keeps_out(act, member.terminal, member.round) {
                (member.state, member.why) = (MemberState::LeftOut, refusal.to_string());
            }
        }
    }

    /// What a round may take away or bring back: as measured, else all that the contract has.
    fn at_most(&self, act: GroupAct, terminal: TerminalId, round: RoundNo) -> Power {
        if act == GroupAct::Restore {
            return self.comes_back_with(terminal, round);
        }
        let measured = self.grid.round_power(terminal, round, self.now);
        let contract = || self.grid.customer(terminal).map_or(Power::ZERO, |(_, customer)| customer.contract);
        measured.map_or_else(contract, |held| Power::new(held.reading.value)).max(Power::ZERO)
    }

    /// Why a round is no part of a group order.
    fn keeps_out(&self, act: GroupAct, terminal: TerminalId, round: RoundNo) -> Option<Refusal> {
        let Some(entry) = self.grid.inventory.terminals.get(&terminal) else {
            return Some(Refusal::UnknownTerminal { terminal });
        };
        if !entry.rounds.contains_key(&round) {
            return Some(Refusal::UnknownRound { terminal, round });
        }
        if self.excluded(terminal) {
            return Some(Refusal::Excluded { terminal });
        }
        let action = act.action(round);
        if let Some(Order { id, issuer, .. }) = self.ledger.holding(terminal, action).next() {
            return Some(Refusal::PointBusy { terminal, order: *id, owner: issuer.to_string() });
        }
        let refusal = self.forbids_select(terminal, action);
        refusal.or_else(|| self.unprovable(terminal, action))
    }

    /// The terminal's last sure word on whether it takes part in orders to many at once.
    fn excluded(&self, terminal: TerminalId) -> bool {
        let held = self.grid.posts.get(&terminal).and_then(|post| post.held(PointKind::Exclusion));
        held.is_some_and(|held| held.sure.unwrap_or(held.reading.value) != 0)
    }

    /// Whether a trip, with what the same person had tripped alone a short time ago, takes two: a large one is none the
    /// smaller for being cut into pieces.
    fn wants_second_person(&self, by: &str, act: GroupAct, power: Power, rounds: usize) -> bool {
        let rules = &self.policy.groups;
        let (before, rounds_before) = self.groups.alone(by, self.now, rules.expiry);
        let (power, rounds) = (power + before, rounds.saturating_add(rounds_before));
        act == GroupAct::Trip
            && (rules.second_person_above.is_some_and(|most| power > most)
                || rules.second_person_rounds.is_some_and(|most| u32::try_from(rounds).is_ok_and(|n| n > most)))
    }

    /// Whether a person has authority over all that takes part.
    fn may_order_group(&self, origin: &Origin, group: &Group) -> Result<(), Refusal> {
        if let GroupScope::Node { node, .. } = group.line.scope {
            return self.may_rule(origin, node);
        }
        group.taking_part().try_for_each(|member| self.may_command(origin, member.terminal))
    }

    /// As they are now: left out are those that something forbids, and those that were.
    fn looked_at_anew(&self, group: &Group) -> Vec<Member> {
        let mut members = group.members.clone();
        self.look_at_members(group.line.act, &mut members);
        members
    }

    pub(super) fn approve_group(
        &mut self,
        origin: &Origin,
        id: GroupId,
        seen: Option<Power>,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let group = self.groups.get(id)?;
        let GroupLine { state, drafted_by, second_person, .. } = &group.line;
        if *state != GroupState::Drafted || self.now >= group.line.expires_at {
            return Err(wrong_state(group, "a draft that has not expired"));
        }
        if *drafted_by == origin.operator {
            return Err(Refusal::SamePerson { group: id, drafted_by: drafted_by.clone() });
        }
        self.may_order_group(origin, group)?;
        if !second_person {
            return Err(Refusal::NoSecondPersonWanted { group: id });
        }
        let members = self.looked_at_anew(group);
        let power = sum(&members);
        if let Some(seen) = seen.filter(|seen| self.has_grown(*seen, power)) {
            return Err(Refusal::GroupGrown { group: id, seen, power });
        }
        let by = origin.operator.clone();
        // Customers who were told already have all of their notice.
        let due = group.notice.as_ref().and_then(|notice| notice.due);
        let expires_at = due.map_or(self.now, |due| due.max(self.now)).after(self.policy.groups.expiry);
        self.change_group(id, |group| {
            group.members = members;
            group.line.power = power;
            group.line.approved_by = Some(by.clone());
            group.line.state = GroupState::Approved;
            group.line.expires_at = expires_at;
        });
        self.tell(Happening::GroupApproved { group: id, power, by }, out);
        self.tell_group(id, out);
        Ok(moved(id, GroupState::Drafted, &format!("{} at {power}", GroupState::Approved)))
    }

    /// Whether a list has more than what was seen of it, by more than is let pass.
    fn has_grown(&self, seen: Power, now: Power) -> bool {
        now > seen.percent(100 + i64::from(self.policy.groups.growth_percent))
    }

    pub(super) fn execute_group(
        &mut self,
        origin: &Origin,
        id: GroupId,
        at_once: Option<&str>,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let group = self.groups.get(id)?;
        if !matches!(group.line.state, GroupState::Drafted | GroupState::Approved) || self.now >= group.line.expires_at
        {
            return Err(wrong_state(group, "a draft or an approved one that has not expired"));
        }
        self.is_of_group(origin, group)?;
        self.may_order_group(origin, group)?;
        self.has_given_notice(group, at_once)?;
        let (act, before) = (group.line.act, group.line.state);
        let mut members = self.looked_at_anew(group);
        let power = sum(&members);
        let taking_part = members.iter().filter(|member| member.state != MemberState::LeftOut).count();
        if let Some(by) = group.line.approved_by.clone() {
            let approved = group.line.power;
            if self.has_grown(approved, power) {
                self.change_group(id, |group| {
                    group.line.approved_by = None;
                    group.line.state = GroupState::Drafted;
                });
                self.tell(Happening::GroupStale { group: id, approved, power }, out);
                return Err(Refusal::GroupStale { group: id, approved, power, by });
            }
        } else if group.line.second_person || self.wants_second_person(&origin.operator, act, power, taking_part) {
            let expiry = self.policy.groups.expiry;
            let (alone, rounds_alone) = self.groups.alone(&origin.operator, self.now, expiry);
            let rounds = u32::try_from(taking_part.saturating_add(rounds_alone)).unwrap_or(u32::MAX);
            let power = power + alone;
            self.change_group(id, |group| group.line.second_person = true);
            return Err(if rounds_alone == 0 {
                Refusal::SecondPersonWanted { group: id, power, rounds }
            } else {
                let by = origin.operator.clone();
                Refusal::SecondPersonWantedInAll { group: id, power, rounds, by, within: expiry }
            });
        }
        let alone = group.line.approved_by.is_none() && act == GroupAct::Trip;
        self.hold_to_the_checker(act, &mut members);
        let reason = group_reason(&self.groups.get(id)?.line);
        let expires_at = self.now.after(self.policy.groups.expiry);
        self.change_group(id, |group| {
            group.members = members;
            group.line.power = sum(&group.members);
            group.line.state = GroupState::Executing;
            group.line.expires_at = expires_at;
        });
        let GroupLine { rounds, left_out, power, .. } = self.groups.get(id)?.line;
        let rounds = rounds - left_out;
        let by = origin.operator.clone();
        if alone {
            let rounds = usize::try_from(rounds).unwrap_or(usize::MAX);
            self.groups.trips_alone(&by, self.now, self.policy.groups.expiry, power, rounds);
        }
        self.tell(Happening::GroupExecuted { group: id, act, rounds, left_out, power, by: by.clone() }, out);
        self.execute_told_group(id, at_once, out);
        let taking_part: Vec<(usize, TerminalId, RoundNo, Power)> = self
            .groups
            .get(id)?
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.state == MemberState::Waiting)
            .map(|(at, member)| (at, member.terminal, member.round, member.power))
            .collect();
        for (at, terminal, round, power) in taking_part {
            // Its first word comes before it is known whose order it is.
            self.groups.places.insert(self.ledger.next(), at);
            let issuer = Issuer::Group { group: id, name: by.clone() };
            // What nobody measured is not counted as on its way.
            let measured = act == GroupAct::Restore || self.grid.round_power(terminal, round, self.now).is_some();
            self.issue(terminal, act.action(round), issuer, reason.clone(), measured.then_some(power), out);
        }
        self.call_off_group_notice(id, out);
        self.end_group_if_done(id, out);
        Ok(moved(id, before, &format!("{}, {rounds} rounds with {power}", GroupState::Executing)))
    }

    /// The checker looks at all that take part, derived anew; whatever it finds stays out.
    fn hold_to_the_checker(&self, act: GroupAct, members: &mut [Member]) {
        let taking_part = || (0..).zip(members.iter()).filter(|(_, member)| member.state == MemberState::Waiting);
        let wanted: Vec<Wanted> = taking_part().map(|(_, m)| (m.terminal, m.round, m.power)).collect();
        let places: Vec<usize> = taking_part().map(|(at, _)| at).collect();
        let verdicts = check_group(&self.world(), act, &wanted);
        for (at, verdict) in places.into_iter().zip(verdicts) {
            if let (Some(member), Err(violation)) = (members.get_mut(at), verdict) {
                (member.state, member.why) = (MemberState::LeftOut, violation.to_string());
            }
        }
    }

    pub(super) fn cancel_group(
        &mut self,
        origin: &Origin,
        id: GroupId,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let group = self.groups.get(id)?;
        let before = group.line.state;
        if is_over(before) {
            return Err(wrong_state(group, "one that is not over"));
        }
        if !origin.authority.supervisor {
            self.is_of_group(origin, group)?;
        } else if self.is_of_group(origin, group).is_err() {
            self.may_order_group(origin, group)?;
        }
        let orders = group.members.iter().filter_map(|member| member.order);
        let waits = |order: &OrderId| self.ledger.get_open(*order).is_some_and(|order| order.state.awaits_execute());
        let orders: Vec<OrderId> = orders.filter(waits).collect();
        let withdrawn = u32::try_from(orders.len()).unwrap_or(u32::MAX);
        self.change_group(id, |group| group.line.state = GroupState::Cancelled);
        let by = origin.operator.clone();
        self.tell(Happening::GroupCancelled { group: id, withdrawn, by: by.clone(), reason: reason.to_owned() }, out);
        for order in orders {
            let why = format!("group order {id} was called off by {by}");
            self.withdraw(order, crate::orders::OrderState::Cancelled, why, out);
        }
        self.call_off_group_notice(id, out);
        Ok(moved(id, before, &format!("{}, {withdrawn} orders withdrawn", GroupState::Cancelled)))
    }

    fn is_of_group(&self, origin: &Origin, group: &Group) -> Result<(), Refusal> {
        let GroupLine { id, drafted_by, approved_by, .. } = &group.line;
        if *drafted_by == origin.operator || approved_by.as_ref() == Some(&origin.operator) {
            return Ok(());
        }
        let second = approved_by.as_ref().map(|by| format!(" and {by}")).unwrap_or_default();
        Err(Refusal::NotOfGroup { group: *id, people: format!("{drafted_by}{second}") })
    }

    pub(super) fn change_group(&mut self, id: GroupId, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.kept.get_mut(&id) {
            change(group);
            group.line.changed_at = self.now;
            group.count();
        }
    }

    /// An order of a group is new or changed.
    pub(super) fn note_member(&mut self, order: &Order, out: &mut Vec<Output>) {
        let Issuer::Group { group: id, .. } = order.issuer else { return };
        let (Some(group), Some(at)) = (self.groups.kept.get_mut(&id), self.groups.places.get(&order.id)) else {
            return;
        };
        let Some(member) = group.members.get_mut(*at) else { return };
        member.state = MemberState::Ordered(order.state);
        member.order = Some(order.id);
        order.detail.clone_into(&mut member.why);
        group.line.changed_at = self.now;
        if order.state.is_final() {
            self.end_group_if_done(id, out);
        }
    }

    fn end_group_if_done(&mut self, id: GroupId, out: &mut Vec<Output>) {
        let Some(group) = self.groups.kept.get_mut(&id) else { return };
        group.count();
        let GroupLine { rounds, left_out, confirmed, failed, .. } = group.line;
        if group.line.state != GroupState::Executing || left_out + confirmed + failed < rounds {
            return;
        }
        group.line.state = GroupState::Done;
        self.tell(Happening::GroupDone { group: id, confirmed, failed, left_out }, out);
        self.call_off_group_notice(id, out);
    }

    pub(super) fn groups_on_tick(&mut self, out: &mut Vec<Output>) {
        let waits = |line: &&GroupLine| matches!(line.state, GroupState::Drafted | GroupState::Approved);
        let now: Timestamp = self.now;
        let expired = self.groups.lines().filter(waits).filter(|line| now >= line.expires_at);
        for id in expired.map(|line| line.id).collect::<Vec<_>>() {
            self.change_group(id, |group| group.line.state = GroupState::Expired);
            self.tell(Happening::GroupExpired { group: id }, out);
            self.call_off_group_notice(id, out);
        }
    }
}

fn group_reason(line: &GroupLine) -> String {
    let GroupLine { id, act, scope, reason, drafted_by, approved_by, .. } = line;
    let second = approved_by.as_ref().map(|by| format!(", approved by {by}")).unwrap_or_default();
    let why = if reason.is_empty() { "" } else { ": " };
    format!("{id}: {act} {scope}, drawn up by {drafted_by}{second}{why}{reason}")
}

fn wrong_state(group: &Group, wanted: &str) -> Refusal {
    let GroupLine { id, state, .. } = group.line;
    Refusal::GroupState { group: id, state: state.to_string(), wanted: wanted.to_owned() }
}

fn moved(group: GroupId, before: GroupState, after: &str) -> Granted {
    let (object, before, after) = (format!("group order {group}"), before.to_string(), after.to_owned());
    Granted { reply: Reply::Group { group }, object, before, after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::notices::Delivery;
    use crate::testing::{START, kw, terminal};

    fn sending(id: u64) -> Sending {
        Sending { id: NoticeId(id), sent_at: START, expires_at: Timestamp::default(), delivery: Delivery::Sent }
    }

    #[test]
    fn each_text_that_called_off_is_found_whoever_got_none() {
        for pattern in 0_u32..1 << 7 {
            let mut last = 7;
            let told: Vec<Notice> = (0..7)
                .map(|n| {
                    let called_off = (pattern >> n & 1 == 1).then(|| {
                        last += 3;
                        sending(last)
                    });
                    let told = sending(n + 1);
                    let terminal = terminal(&format!("T{n}"));
                    Notice { terminal, rounds: vec![], power: kw(1), due: START, told, tripped: false, called_off }
                })
                .collect();
            for id in 0..40 {
                let wanted = told.iter().position(|it| it.called_off.as_ref().is_some_and(|it| it.id == NoticeId(id)));
                assert_eq!(called_off_at(&told, NoticeId(id)), wanted, "{id} in {pattern:b}");
            }
        }
    }
}
