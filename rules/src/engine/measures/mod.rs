//! Agreed measures: what customers were asked to do themselves, and what came of it.
//!
//! Once a tick each measure that stands is followed (here), and every few seconds each rule that asks is looked at: what is to
//! be asked (`asking`), what is to be given back (`releasing`). A reading costs nothing of it. What is asked and still to come
//! is left to the measures by a plan ([`Engine::pending_at`]), for as long as the rule waits.
//!
//! **Invariants:** `expired-never-sent`: a text that asks lives until the measure is due; `stopped-is-stopped`: nothing is asked
//! or released by a rule while automatic control is stopped.

mod asking;
mod by_hand;
mod releasing;

use std::collections::BTreeMap;

use super::Engine;
use crate::measures::{Agreed, Measure, MeasureEnd, MeasureEnding, MeasureId, MeasureKind, MeasureState};
use crate::model::{CustomerId, NodeId, Power, Span, TerminalId, Timestamp};
use crate::notices::{Delivery, MeasureTexts, Sending, on_the_day, text_of};
use crate::output::{Happening, Output};
use crate::policy::LimitRule;
use crate::state::measures::{MeasureBook, Returning, Time};

/// Each rule that asks is looked at so often.
const LOOK_EVERY: Span = Span::from_s(10);
/// A text that asks for what begins at once is not sent later than this, nor one that says that it is over.
const SENT_WITHIN: Span = Span::from_s(60);
/// That it is over is not told later than this.
const RELEASE_WITHIN: Span = Span::from_s(600);
/// What a measure holds back is counted so often: whole watt-hours.
const COUNT_EVERY: Span = Span::from_s(60);
/// What was agreed is there from this share of it on, in %.
const DELIVERED_PERCENT: i64 = 90;
/// Where no rule says when an effect is judged (Q/GDW 1376.1 control records).
const VERIFY_AFTER: Span = Span::from_s(120);
/// And from which share on there is one, in %.
const EFFECT_PERCENT_MIN: u8 = 50;
const WEEK: Span = Span::from_s(7 * 86_400);
/// Whom no text reached is not asked again before.
const REST_NOT_REACHED: Span = Span::from_s(600);
/// Who gave nothing is not asked again before.
const REST_NOT_DELIVERED: Span = Span::from_s(3_600);
/// Who declined is not asked again before.
const REST_DECLINED: Span = Span::from_s(86_400);

/// Whether what is missing of a measure may still come, for all that is known.
fn is_awaited(measure: &Measure) -> bool {
    !measure.is_judged() && !matches!(measure.told.delivery, Delivery::NotReached { .. })
}

impl Engine {
    /// All measures that stand, and the newest of those that are over.
    pub fn measures(&self) -> impl Iterator<Item = &Measure> {
        self.measures.all()
    }

    /// Measures of customers below a node that stand, whoever asked.
    fn measures_below(&self, node: NodeId) -> impl Iterator<Item = &Measure> {
        self.measures.open.values().filter(move |it| self.grid.path(it.terminal).any(|above| above == node))
    }

    /// Power that measures below a node have still to take off, and for which the node's rule waits: those that begin soon
    /// enough after the breach began, less what comes back by then of those that end. None where the load is too high to wait
    /// for anybody.
    pub(super) fn pending_at(&self, rule: &LimitRule, load: Power, waits_since: Option<Timestamp>) -> Power {
        if self.measures.open.is_empty() || rule.notice.is_urgent(load, rule.limit) {
            return Power::ZERO;
        }
        let since = waits_since.unwrap_or(self.now);
        let by = since.after(rule.measures.wait);
        if self.now >= by.after(rule.verify_after) {
            return Power::ZERO;
        }
        self.changes_within(rule.node, self.now.min(by), by).max(Power::ZERO)
    }

    /// What a customer draws, with what is off there by orders counted as if it were on; none where its load is not known. By
    /// this it is measured, so that neither a trip is taken for a measure, nor the return of a round for its end.
    fn drawn_but_for_trips(&self, terminal: TerminalId) -> Option<Power> {
        let load = self.grid.posts.get(&terminal)?.load(self.now, self.grid.age_max).ok()?;
        let off = self.sheds.get(&terminal).into_iter().flat_map(BTreeMap::values);
        Some(load + off.map(|shed| shed.power).sum())
    }

    /// What is gone by a measure, by the customer's load now; none where that is not known.
    fn gone_by(&self, measure: &Measure) -> Option<Power> {
        let drawn = self.drawn_but_for_trips(measure.terminal)?;
        Some((measure.reference - drawn).clamp(Power::ZERO, measure.reference.max(Power::ZERO)))
    }

    /// Follows what stands, and looks at each rule that asks.
    pub(super) fn measures_on_tick(&mut self, out: &mut Vec<Output>) {
        if !self.measures.is_idle() {
            self.follow_measures(out);
        }
        if self.stopped().is_some() {
            return;
        }
        let mut due: Vec<NodeId> = self
            .policy
            .limits
            .iter()
            .filter(|rule| rule.measures.asks && self.watches.contains_key(&rule.node))
            .map(|rule| rule.node)
            .filter(|node| self.measures.courses.get(node).is_none_or(|course| course.look_at <= self.now))
            .collect();
        // What is asked for an area counts for the feeder above.
        due.sort_by_key(|node| (std::cmp::Reverse(self.grid.inventory.path_up(*node).count()), *node));
        for node in due {
            self.measures.courses.entry(node).or_default().look_at = self.now.after(LOOK_EVERY);
            self.look_at_measures(node, out);
        }
    }

    fn look_at_measures(&mut self, node: NodeId, out: &mut Vec<Output>) {
        let Some(rule) = self.policy.rule(node) else { return };
        let rule = LimitRule { schedule: None, ..*rule };
        let Some(load) = self.grid.load(node).power() else { return };
        let over = self.watches.get(&node).filter(|watch| watch.over());
        let waits_since = over.and_then(|watch| watch.waits_since());
        self.ask_measures(&rule, load, waits_since, out);
        self.release_measures(&rule, load, out);
    }

    /// Takes each measure as far as it has come.
    fn follow_measures(&mut self, out: &mut Vec<Output>) {
        let ids: Vec<MeasureId> = self.measures.open.keys().copied().collect();
        for id in ids {
            let Some(mut measure) = self.measures.open.remove(&id) else { continue };
            let ending = self.follow(&mut measure, out);
            match ending {
                Some((how, why)) => self.end_measure(measure, how, why, false, out),
                None => drop(self.measures.open.insert(id, measure)),
            }
        }
        self.forget_returning();
    }

    /// Takes a measure as far as it has come; how and why it is over, if it is.
    fn follow(&mut self, measure: &mut Measure, out: &mut Vec<Output>) -> Option<(MeasureEnding, String)> {
        if let Some(why) = self.unfounded(measure) {
            return Some((MeasureEnding::CalledOff, why));
        }
        let rule = self.policy.rule(measure.node);
        let verify_after = rule.map_or(VERIFY_AFTER, |rule| rule.verify_after);
        let effect_percent = rule.map_or(EFFECT_PERCENT_MIN, |rule| rule.effect_percent_min);
        if measure.told.delivery == Delivery::Sent && self.now >= measure.told.expires_at {
            measure.told.delivery = Delivery::NotReached { why: "no answer in time".to_owned() };
        }
        if let (Delivery::NotReached { why }, false) = (&measure.told.delivery, measure.is_judged()) {
            return Some((MeasureEnding::NotReached, why.clone()));
        }
        let terminal = measure.terminal;
        let load = self.grid.posts.get(&terminal).and_then(|post| post.load(self.now, self.grid.age_max).ok());
        if let (MeasureState::Asked, true, Some(load)) = (measure.state, self.now >= measure.due, load) {
            measure.state = MeasureState::Due;
            measure.counted_at = self.now;
            let drawn = self.drawn_but_for_trips(terminal).unwrap_or(load);
            if drawn > measure.reference {
                measure.reference = drawn;
                measure.expected = measure.agreed.gives(load, self.grid.floor(terminal));
            }
        }
        if self.now.since(measure.counted_at) >= COUNT_EVERY {
            self.count_energy(measure);
        }
        if let Some(gone) = self.gone_by(measure) {
            measure.gone = gone;
        }
        let judged_at = measure.due.after(verify_after).min(measure.until);
        let is_to_be_judged = matches!(measure.state, MeasureState::Due | MeasureState::Unseen) && load.is_some();
        if is_to_be_judged && self.now >= judged_at {
            self.judge_measure(measure, effect_percent, out);
        } else if !measure.is_judged() && self.now >= judged_at {
            // It is counted on no more; once its load is seen again it is judged all the same.
            self.note_unseen(measure, out);
        }
        (self.now >= measure.until).then(|| (MeasureEnding::Over, format!("agreed until {}", measure.until)))
    }

    /// Counts what a measure held back since it was last counted.
    fn count_energy(&self, measure: &mut Measure) {
        if measure.state != MeasureState::Asked {
            measure.energy += measure.gone.over(self.now.since(measure.counted_at));
        }
        measure.counted_at = self.now;
    }

    /// A measure whose effect nobody sees when it should be there.
    fn note_unseen(&mut self, measure: &mut Measure, out: &mut Vec<Output>) {
        let Measure { id, customer, terminal, node, expected, gone, .. } = *measure;
        if measure.state == MeasureState::Asked {
            measure.counted_at = self.now;
        }
        measure.state = MeasureState::Unseen;
        if let Some(time) = self.measures.time_mut(customer, id) {
            time.failed = true;
        }
        let kind = measure.agreed.kind;
        let told = Happening::MeasureJudged { node, measure: id, terminal, kind, expected, gone, state: measure.state };
        self.tell(told, out);
    }

    fn judge_measure(&mut self, measure: &mut Measure, effect_percent: u8, out: &mut Vec<Output>) {
        let Measure { id, customer, terminal, node, expected, gone, .. } = *measure;
        measure.state = if gone >= expected.percent(DELIVERED_PERCENT) {
            MeasureState::Delivered
        } else if gone >= expected.percent(i64::from(effect_percent)) {
            MeasureState::Partly
        } else {
            MeasureState::NotDelivered
        };
        let failed = measure.state == MeasureState::NotDelivered;
        if let Some(time) = self.measures.time_mut(customer, id) {
            time.failed = failed;
        }
        if !failed {
            // Who gave has had a turn: among peers it is shed after those who gave nothing.
            self.count_turn(terminal);
        }
        let kind = measure.agreed.kind;
        let told = Happening::MeasureJudged { node, measure: id, terminal, kind, expected, gone, state: measure.state };
        self.tell(told, out);
    }

    /// Why a measure cannot go on: what it rests on is there no more.
    fn unfounded(&self, measure: &Measure) -> Option<String> {
        let Measure { node, customer, terminal, agreed, by, .. } = measure;
        let asks = |rule: &LimitRule| rule.measures.asks || by.is_some();
        if by.is_none() && !self.policy.rule(*node).is_some_and(asks) {
            return Some("the rule that asked is there no more".to_owned());
        }
        let entry = self.grid.customer(*terminal).filter(|(id, _)| id == customer);
        let Some((_, entry)) = entry else { return Some("the customer is there no more".to_owned()) };
        if !self.grid.path(*terminal).any(|above| above == *node) {
            return Some(format!("the customer is not below {node} any more"));
        }
        if entry.guaranteed || self.grid.guarantee_at_terminal(*terminal) {
            return Some("its supply is guaranteed".to_owned());
        }
        if !entry.measures.contains(agreed) {
            return Some("it is not agreed any more".to_owned());
        }
        None
    }

    /// Ends a measure that was taken out of the open ones, and tells the customer where that is news.
    fn end_measure(
        &mut self,
        mut measure: Measure,
        how: MeasureEnding,
        why: String,
        by_hand: bool,
        out: &mut Vec<Output>,
    ) {
        self.count_energy(&mut measure);
        let Measure { id, node, customer, terminal, energy, ref agreed, .. } = measure;
        let kind = agreed.kind;
        let load = self.grid.posts.get(&terminal).and_then(|post| post.load(self.now, self.grid.age_max).ok());
        let on_time_min = self.policy.rule(node).map(|rule| rule.on_time_min).unwrap_or_default();
        let rest = match how {
            MeasureEnding::NotReached => REST_NOT_REACHED,
            MeasureEnding::Declined => REST_DECLINED,
            _ if matches!(measure.state, MeasureState::NotDelivered | MeasureState::Unseen) => REST_NOT_DELIVERED,
            MeasureEnding::CalledOff | MeasureEnding::Released | MeasureEnding::Over => on_time_min,
        };
        let began = measure.state != MeasureState::Asked;
        let rest_until = self.now.after(rest);
        let in_vain = matches!(how, MeasureEnding::NotReached | MeasureEnding::Declined);
        if let Some(time) = self.measures.time_mut(customer, id) {
            time.counts = began && !in_vain;
            time.rest_until = rest_until;
            // Whom no text reaches comes after those who can be asked.
            time.failed |= how == MeasureEnding::NotReached;
            if in_vain || time.failed {
                time.unasked_until = rest_until;
            }
        }
        self.count_given(customer, energy);
        let held_back = measure.held_back();
        if let Some(from) = load.filter(|_| began && held_back > Power::ZERO) {
            let power = self.returns_with(terminal, held_back);
            self.measures.returning.insert(terminal, Returning { since: self.now, from, power });
        }
        // How long it lasts at most was told with it, and whoever declined knows.
        let is_news = matches!(how, MeasureEnding::CalledOff | MeasureEnding::Released | MeasureEnding::NotReached);
        if is_news && (by_hand || self.stopped().is_none()) && self.grid.posts.contains_key(&terminal) {
            let text = self.said_of(&self.policy.notice_texts.measures.release, &measure);
            let expires_at = self.now.after(RELEASE_WITHIN);
            measure.released = Some(self.send_text(terminal, text, expires_at, None, out));
        }
        measure.ended = Some(MeasureEnd { at: self.now, how, why: why.clone() });
        self.measures.past.push_front(measure);
        self.measures.past.truncate(MeasureBook::KEPT);
        self.tell(Happening::MeasureEnded { node, measure: id, terminal, kind, how, why }, out);
    }

    /// Automatic control is about to be stopped: what has not begun is called off.
    pub(super) fn call_off_measures(&mut self, why: &str, out: &mut Vec<Output>) {
        let waiting = self.measures.open.values().filter(|it| it.state == MeasureState::Asked && it.by.is_none());
        let waiting: Vec<MeasureId> = waiting.map(|it| it.id).collect();
        for id in waiting {
            if let Some(measure) = self.measures.open.remove(&id) {
                self.end_measure(measure, MeasureEnding::CalledOff, why.to_owned(), false, out);
            }
        }
    }

    /// A text as the customer of a measure reads it.
    fn said_of(&self, text: &str, measure: &Measure) -> String {
        let offset = self.policy.calendar.as_ref().map(|calendar| calendar.utc_offset_minutes);
        // Nobody is asked to go below its safety floor.
        let power = match measure.agreed.kind {
            MeasureKind::Shift | MeasureKind::Avoid => measure.expected,
            MeasureKind::Limit => measure.agreed.power.max(self.grid.floor(measure.terminal)),
        };
        let minutes = (measure.due.since(self.now).s() + 59).div_euclid(60).max(0);
        text_of(
            text,
            &[
                ("{node}", measure.node.to_string()),
                ("{kw}", (power.get() / 1_000).to_string()),
                ("{time}", on_the_day(measure.due, self.now, offset)),
                ("{until}", on_the_day(measure.until, self.now, offset)),
                ("{minutes}", minutes.to_string()),
            ],
        )
    }

    fn text_for(texts: &MeasureTexts, kind: MeasureKind) -> &str {
        match kind {
            MeasureKind::Shift => &texts.shift,
            MeasureKind::Avoid => &texts.avoid,
            MeasureKind::Limit => &texts.limit,
        }
    }

    /// Notes a measure and asks for it.
    fn begin_measure(
        &mut self,
        node: NodeId,
        by: Option<String>,
        (customer, terminal, agreed): (CustomerId, TerminalId, Agreed),
        (due, until): (Timestamp, Timestamp),
        (reference, expected): (Power, Power),
        out: &mut Vec<Output>,
    ) -> MeasureId {
        self.measures.last += 1;
        let id = MeasureId(self.measures.last);
        let expires_at = due.max(self.now.after(SENT_WITHIN));
        let unsent = Sending { id: Default::default(), sent_at: self.now, expires_at, delivery: Delivery::Sent };
        let kind = agreed.kind;
        let mut measure = Measure {
            id,
            node,
            by,
            customer,
            terminal,
            agreed,
            asked_at: self.now,
            due,
            until,
            reference,
            expected,
            gone: Power::ZERO,
            energy: Default::default(),
            counted_at: self.now,
            told: unsent,
            state: MeasureState::Asked,
            released: None,
            ended: None,
        };
        let text = self.said_of(Self::text_for(&self.policy.notice_texts.measures, kind), &measure);
        measure.told = self.send_text(terminal, text, expires_at, None, out);
        let oldest = Timestamp::new(self.now.get() - WEEK.get() * i64::from(self.policy.fairness_weeks.max(1)));
        let times = self.measures.times.entry(customer).or_default();
        times.retain(|time| time.due >= oldest && (time.counts || time.rest_until > self.now));
        let (rest_until, unasked_until) = (self.now, self.now);
        times.push(Time { measure: id, kind, due, counts: true, failed: false, rest_until, unasked_until });
        self.measures.open.insert(id, measure);
        id
    }

    /// Lets go of what belongs to customers that are there no more.
    pub(super) fn forget_measures(&mut self) {
        let customers = &self.grid.inventory.customers;
        self.measures.times.retain(|customer, _| customers.contains_key(customer));
        let watches = &self.watches;
        self.measures.courses.retain(|node, _| watches.contains_key(node));
    }
}
