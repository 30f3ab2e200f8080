//! Notices before trips: a rule's plan is announced to its customers first, and looked at anew when the time has come.
//!
//! A plan that was announced is never executed as it was: at its time a new one is made and checked. What was told, whom it
//! reached and who was tripped all the same is kept for each breach.
//!
//! **Invariants:** `expired-never-sent`: a notice lives until the time that it names; `stopped-is-stopped`: nothing is
//! announced while automatic control is stopped.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::limits::Watch;
use crate::groups::GroupId;
use crate::limiting::check::{World, check_plan};
use crate::limiting::measures::check_pending;
use crate::limiting::need::check_need;
use crate::limiting::plan::{Plan, Task, TerminalFacts, plan};
use crate::model::{NodeId, Power, RoundNo, Span, TerminalId, Timestamp};
use crate::notices::{
    Announcement, CALL_OFF_WITHIN, Delivery, Ended, Notice, NoticeId, NoticeRule, Said, Sending, Telling, Unreached,
    Untold,
};
use crate::output::{Finding, Happening, Output};
use crate::policy::LimitRule;
use crate::state::notices::Notices;
use crate::target::LimitAhead;

/// While an announcement waits, a plan is made anew so often, so that those whom it newly chooses are told as well.
const LOOK_EVERY: Span = Span::from_s(60);
/// What was foreseen and has not come is called off so long after it was due.
const CAME_NOT: Span = Span::from_s(600);
/// What a rule may do with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Execute it: no notice is wanted, or the load is urgent.
    AtOnce,
    /// Tell its customers first.
    Announce,
    /// They were told, and the time has come.
    Due,
    /// Plans of this breach were executed: those who were told by then may be tripped, others are told first.
    Again,
}

impl Engine {
    /// All announcements that stand, and the newest of those that are over.
    pub fn announcements(&self) -> impl Iterator<Item = &Announcement> {
        self.notices.all()
    }

    /// Whether a rule's plan waits for its notice, and need not be made yet.
    pub(super) fn waits_for_notice(&self, rule: &LimitRule, load: Power) -> bool {
        rule.notice.is_given()
            && !rule.notice.is_urgent(load, rule.limit)
            && self
                .notices
                .of(rule.node)
                .is_some_and(|it| it.waits && self.now < it.due && self.now.since(it.looked_at) < LOOK_EVERY)
    }

    fn notice_stage(&self, rule: &LimitRule, load: Power) -> Stage {
        if !rule.notice.is_given() || rule.notice.is_urgent(load, rule.limit) {
            return Stage::AtOnce;
        }
        match self.notices.of(rule.node) {
            None => Stage::Announce,
            Some(it) if it.waits && self.now < it.due => Stage::Announce,
            Some(it) if it.waits => Stage::Due,
            Some(_) => Stage::Again,
        }
    }

    /// Spares those whom no notice reached, where the rule says so.
    pub(super) fn spare_unreached(&self, rule: &LimitRule, stage: Stage, facts: &mut [TerminalFacts]) {
        if rule.notice.unreached == Unreached::Trip || stage == Stage::AtOnce {
            return;
        }
        let told = self.notices.of(rule.node);
        for of in facts.iter_mut().filter(|of| of.spared.is_none()) {
            let notice = told.and_then(|told| told.notice(of.terminal));
            let spared = match stage {
                Stage::AtOnce => false,
                Stage::Due => notice.is_none_or(|notice| !notice.is_delivered()),
                Stage::Announce | Stage::Again => notice.is_some_and(|notice| notice.not_reached().is_some()),
            };
            if spared {
                of.spared = Some(Finding::NotReached { terminal: of.terminal });
            }
        }
    }

    /// A plan among those who may be tripped as things stand with their notices, and what may be done with it.
    pub(super) fn plan_with_notice(&mut self, task: &Task<'_>, watch: &Watch) -> (Stage, Plan) {
        let rule = task.rule;
        let stage = self.notice_stage(rule, task.load);
        if stage == Stage::AtOnce {
            return (stage, plan(task, &self.facts(rule.node, &watch.deaf)));
        }
        self.settle_unanswered();
        let among = |engine: &Self, stage| {
            let mut facts = engine.facts(rule.node, &watch.deaf);
            engine.spare_unreached(rule, stage, &mut facts);
            plan(task, &facts)
        };
        let first = among(self, stage);
        if stage == Stage::Due && rule.notice.unreached == Unreached::Spare && first.shed.is_empty() {
            // Nobody was reached who could be shed: others are told.
            if let Some(standing) = self.notices.standing.get_mut(&rule.node) {
                standing.waits = false;
            }
            return (Stage::Again, among(self, Stage::Again));
        }
        (stage, first)
    }

    /// Has a plan checked that is not to be executed yet, and announces it. Whether the rule has to wait now; not where
    /// there is nothing to wait for.
    pub(super) fn announce_if_sound(
        &mut self,
        rule: &LimitRule,
        watch: &Watch,
        plan: &Plan,
        out: &mut Vec<Output>,
    ) -> bool {
        let node = rule.node;
        let waits = self.notices.standing.get_mut(&node).is_some_and(|standing| {
            standing.looked_at = self.now;
            standing.waits
        });
        if plan.shed.is_empty() {
            return waits;
        }
        let world = World { deaf: watch.deaf.clone(), waits_since: watch.waits_since(), ..self.world() };
        let checked = check_plan(&world, plan, rule).and_then(|()| check_need(&world, plan));
        match checked.and_then(|()| check_pending(&world, plan, rule)) {
            Ok(()) => {
                self.announce(rule, watch.in_breach(), plan, None, out);
                true
            }
            // Where nothing was announced yet, the checker says so of the plan itself.
            Err(violation) if waits => {
                self.tell(Happening::PlanRefused { node, violation: violation.to_string() }, out);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether everybody whom a plan trips was told in time.
    pub(super) fn all_told(&self, plan: &Plan) -> bool {
        let told = self.notices.of(plan.node);
        plan.shed.iter().all(|choice| {
            told.and_then(|told| told.notice(choice.terminal)).is_some_and(|notice| notice.due <= self.now)
        })
    }

    /// Tells the customers of a plan that has been checked, those who have been told already excepted.
    pub(super) fn announce(
        &mut self,
        rule: &LimitRule,
        in_breach: bool,
        plan: &Plan,
        ahead: Option<LimitAhead>,
        out: &mut Vec<Output>,
    ) {
        let LimitRule { node, notice: NoticeRule { before, .. }, .. } = *rule;
        let mut of = BTreeMap::<TerminalId, (Vec<RoundNo>, Power)>::new();
        for choice in &plan.shed {
            let (rounds, power) = of.entry(choice.terminal).or_default();
            rounds.push(choice.round);
            *power += choice.power;
        }
        let mut standing = self.notices.standing.remove(&node).unwrap_or_else(|| Announcement {
            node,
            since: self.now,
            due: self.now.after(before),
            waits: false,
            looked_at: self.now,
            in_breach,
            ahead,
            notices: Vec::new(),
            without_notice: Vec::new(),
            ended: None,
        });
        if !standing.waits {
            let told_in_time = self.now.after(before);
            (standing.waits, standing.due) = (true, ahead.map_or(told_in_time, |ahead| ahead.at.max(told_in_time)));
        }
        standing.looked_at = self.now;
        let due = standing.due;
        let mut customers = 0_u32;
        for (terminal, (mut rounds, power)) in of {
            if standing.notice(terminal).is_some_and(|notice| notice.called_off.is_none()) {
                continue;
            }
            rounds.sort_unstable();
            let texts = &self.policy.notice_texts;
            let text = if ahead.is_some() { &texts.ahead } else { &texts.trip };
            let said = self.said(node, &rounds, power, due).fill(text);
            let told = self.send_text(terminal, said, due, None, out);
            standing.notices.retain(|notice| notice.terminal != terminal);
            standing.notices.push(Notice { terminal, rounds, power, due, told, tripped: false, called_off: None });
            customers = customers.saturating_add(1);
        }
        self.notices.standing.insert(node, standing);
        if customers > 0 {
            let Plan { load, wanted, expected, ref shed, .. } = *plan;
            let shed = shed.clone();
            self.tell(Happening::Announced { node, load, wanted, expected, shed, customers, due, ahead }, out);
        }
    }

    pub(super) fn said<'a>(&self, node: NodeId, rounds: &'a [RoundNo], power: Power, due: Timestamp) -> Said<'a> {
        let utc_offset_minutes = self.policy.calendar.as_ref().map(|calendar| calendar.utc_offset_minutes);
        Said { node, rounds, power, due, now: self.now, utc_offset_minutes }
    }

    /// Sends a text to a customer's display, if there is a link.
    pub(super) fn send_text(
        &mut self,
        terminal: TerminalId,
        text: String,
        expires_at: Timestamp,
        group: Option<GroupId>,
        out: &mut Vec<Output>,
    ) -> Sending {
        self.notices.last += 1;
        let id = NoticeId(self.notices.last);
        let linked = self.grid.posts.get(&terminal).is_some_and(|post| post.link_up);
        let delivery = if linked {
            out.push(Output::Tell(Telling { notice: id, terminal, text, expires_at, group }));
            Delivery::Sent
        } else {
            Delivery::NotReached { why: "the link is down".to_owned() }
        };
        Sending { id, sent_at: self.now, expires_at, delivery }
    }

    /// What became of a text. Whom it did not reach in time it may reach late; what was delivered stays so.
    pub(super) fn on_told(&mut self, notice: NoticeId, failed: Option<&str>) {
        let now = self.now;
        let mut all = self.notices.sendings().chain(self.measures.sendings());
        let of_others = || all.find(|sending| sending.id == notice);
        let Some(sending) = self.groups.sending_mut(notice).or_else(of_others) else { return };
        match (failed, &sending.delivery) {
            (_, Delivery::Delivered { .. }) => {}
            (None, _) => sending.delivery = Delivery::Delivered { at: now },
            (Some(why), Delivery::Sent) => sending.delivery = Delivery::NotReached { why: why.to_owned() },
            (Some(_), Delivery::NotReached { .. }) => {}
        }
    }

    /// A plan is about to be executed: who of its customers was not told, or not in time.
    pub(super) fn execute_announced(
        &mut self,
        rule: &LimitRule,
        plan: &Plan,
        stage: Stage,
        load: Power,
        out: &mut Vec<Output>,
    ) {
        if !rule.notice.is_given() {
            return;
        }
        let (node, limit, now) = (rule.node, rule.limit, self.now);
        self.settle_unanswered();
        let tripped: BTreeSet<TerminalId> = plan.shed.iter().map(|choice| choice.terminal).collect();
        let standing = self.notices.standing.entry(node).or_insert_with(|| Announcement {
            node,
            since: now,
            due: now,
            waits: false,
            looked_at: now,
            in_breach: true,
            ahead: None,
            notices: Vec::new(),
            without_notice: Vec::new(),
            ended: None,
        });
        let mut untold = Vec::new();
        for &terminal in &tripped {
            let why = match standing.notices.iter_mut().find(|notice| notice.terminal == terminal) {
                Some(notice) => {
                    notice.tripped = true;
                    notice.fell_short(now, rule.notice.before)
                }
                None if stage == Stage::AtOnce => Some("there was no time".to_owned()),
                None => Some("chosen after the notice".to_owned()),
            };
            if let Some(why) = why {
                untold.push(Untold { terminal, why });
                if !standing.without_notice.contains(&terminal) {
                    standing.without_notice.push(terminal);
                }
            }
        }
        let told = u32::try_from(tripped.len() - untold.len()).unwrap_or(u32::MAX);
        // One who has had all of the time was not cut short, however high the load is.
        let waited = standing.waits && now >= standing.due;
        standing.waits = false;
        if stage == Stage::AtOnce && !waited {
            self.tell(Happening::NoticeCut { node, load, limit, percent: rule.notice.urgent_percent, untold }, out);
        } else {
            self.tell(Happening::NoticeOver { node, told, untold }, out);
        }
    }

    /// Texts whose time has passed without an answer.
    pub(super) fn settle_unanswered(&mut self) {
        let now = self.now;
        let unanswered = |sending: &&mut Sending| sending.delivery == Delivery::Sent && now >= sending.expires_at;
        for sending in self.notices.sendings().chain(self.groups.sendings()).filter(unanswered) {
            sending.delivery = Delivery::NotReached { why: "no answer in time".to_owned() };
        }
    }

    /// Calls off what is announced at a node once its breach is over, or what was foreseen does not come.
    pub(super) fn judge_notice(&mut self, rule: &LimitRule, watch: &Watch, out: &mut Vec<Output>) {
        let Some(standing) = self.notices.standing.get_mut(&rule.node) else { return };
        if watch.in_breach() {
            standing.in_breach = true;
            return;
        }
        if standing.is_ahead(self.now) {
            // A breach of the limit before it is over; what is to come is looked at each minute.
            standing.in_breach = false;
            return;
        }
        let why = if standing.in_breach {
            "the load is back below the limit"
        } else if standing.ahead.is_some() && !watch.warned {
            "the load is below the limit that came into force"
        } else if !watch.warned {
            "what was foreseen does not come"
        } else if self.now >= standing.due.after(CAME_NOT) {
            "what was foreseen has not come"
        } else {
            return;
        };
        self.end_announcement(rule.node, why, out);
    }

    /// Ends an announcement: those who were told and not tripped learn that it is void.
    pub(super) fn end_announcement(&mut self, node: NodeId, why: &str, out: &mut Vec<Output>) {
        let Some(mut standing) = self.notices.standing.remove(&node) else { return };
        self.settle_unanswered();
        let mut customers = 0_u32;
        let expires_at = self.now.after(CALL_OFF_WITHIN);
        for notice in &mut standing.notices {
            if notice.tripped || notice.called_off.is_some() || notice.not_reached().is_some() {
                continue;
            }
            let said = self.said(node, &notice.rounds, notice.power, notice.due);
            let said = said.fill(&self.policy.notice_texts.cancelled);
            notice.called_off = Some(self.send_text(notice.terminal, said, expires_at, None, out));
            customers = customers.saturating_add(1);
        }
        standing.waits = false;
        standing.ended = Some(Ended { at: self.now, why: why.to_owned() });
        self.notices.past.push_front(standing);
        self.notices.past.truncate(Notices::KEPT);
        if customers > 0 {
            self.tell(Happening::NoticeCalledOff { node, customers, why: why.to_owned() }, out);
        }
    }

    /// Ends all announcements: no rule will do what was announced.
    pub(super) fn end_announcements(&mut self, why: &str, out: &mut Vec<Output>) {
        let nodes: Vec<NodeId> = self.notices.standing.keys().copied().collect();
        for node in nodes {
            self.end_announcement(node, why, out);
        }
    }

    /// Ends what is announced by rules that are there no more or give no notice any more.
    pub(super) fn settle_notices(&mut self, out: &mut Vec<Output>) {
        let stands = |node: &NodeId| {
            self.watches.contains_key(node) && self.policy.rule(*node).is_some_and(|rule| rule.notice.is_given())
        };
        let gone: Vec<NodeId> = self.notices.standing.keys().filter(|node| !stands(node)).copied().collect();
        for node in gone {
            self.end_announcement(node, "the rule that announced it is there no more", out);
        }
    }

    /// The centre was stopped: what was on its way then has no answer any more.
    pub(super) fn interrupt_notices(&mut self) {
        let unanswered = |sending: &&mut Sending| sending.delivery == Delivery::Sent;
        let all = self.notices.sendings().chain(self.groups.sendings());
        for sending in all.chain(self.measures.sendings()).filter(unanswered) {
            sending.delivery = Delivery::NotReached { why: "the centre was stopped before an answer came".to_owned() };
        }
    }

    pub(super) fn notices_on_tick(&mut self, out: &mut Vec<Output>) {
        self.settle_unanswered();
        self.tell_ahead(out);
    }
}
