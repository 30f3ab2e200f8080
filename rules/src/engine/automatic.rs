//! The one switch above all rules. While automatic control is stopped, no rule trips, restores or goes on with what it began;
//! loads are judged and alarms raised as ever, and people give orders as ever.
//!
//! **Invariant:** `stopped-is-stopped`: from the stop until a person resumes, over restarts too, nothing that a rule wants is
//! selected or executed.

use super::Engine;
use super::limits::Phase;
use super::requests::Granted;
use crate::input::{Input, Origin, Request};
use crate::model::Span;
use crate::orders::{Issuer, OrderId, OrderState};
use crate::output::{AlarmCause, Event, Happening, Output, Refusal, Reply};
use crate::view::{Resumption, Stopped};

/// How far a preview of resuming looks.
const PREVIEW: Span = Span::from_s(60);
/// From one look of it to the next.
const PREVIEW_STEP: Span = Span::from_s(5);

impl Engine {
    /// Since when automatic control is stopped, by whom and why; none while it runs.
    pub const fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    pub(super) fn stop_automatic(
        &mut self,
        origin: &Origin,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        if let Some(Stopped { by, since, .. }) = &self.stopped {
            return Err(Refusal::AutomaticStopped { by: by.clone(), since: *since });
        }
        let by = origin.operator.clone();
        // Before the stop: who was told that a round goes off learns that it does not.
        let why = format!("automatic control was stopped by {by}");
        self.end_announcements(&why, out);
        self.call_off_measures(&why, out);
        self.stopped = Some(Stopped { since: self.now, by: by.clone(), reason: reason.to_owned() });
        let detail = || if reason.is_empty() { format!("by {by}") } else { format!("by {by}: {reason}") };
        self.alarms.raise(AlarmCause::AutomaticStopped, self.now, detail, out);
        let waiting: Vec<OrderId> = self
            .ledger
            .open()
            .filter(|order| matches!(order.issuer, Issuer::Limit { .. }))
            .filter(|order| order.state.awaits_execute())
            .map(|order| order.id)
            .collect();
        let withdrawn = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        self.tell(Happening::AutomaticStopped { by: by.clone(), reason: reason.to_owned(), withdrawn }, out);
        for id in waiting {
            self.withdraw(id, OrderState::Cancelled, format!("automatic control was stopped by {by}"), out);
        }
        self.promised.clear();
        for watch in self.watches.values_mut() {
            // What comes back next is decided when a person has resumed.
            if matches!(watch.phase, Phase::Restoring { .. }) {
                watch.phase = Phase::Watching;
            }
        }
        Ok(switched("running", "stopped"))
    }

    pub(super) fn resume_automatic(
        &mut self,
        origin: &Origin,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        self.may_rule_all(origin, "the resumption of all automatic control")?;
        let Some(Stopped { since, .. }) = self.stopped.take() else { return Err(Refusal::AutomaticRunning) };
        self.alarms.clear(AlarmCause::AutomaticStopped, self.now, out);
        let stopped_for = self.now.since(since);
        let (by, reason) = (origin.operator.clone(), reason.to_owned());
        self.tell(Happening::AutomaticResumed { by, reason, stopped_for }, out);
        let nodes: Vec<_> = self.watches.keys().copied().collect();
        for node in nodes {
            self.watch(node, out);
        }
        Ok(switched("stopped", "running"))
    }

    /// What would follow within a minute if automatic control were resumed now and no load changed: a copy of the engine
    /// does it. None while it runs. Costs a copy of the whole state.
    pub fn resumption(&self) -> Option<Resumption> {
        let stopped = self.stopped.clone()?;
        let mut copy = self.clone();
        // A value that is fresh now decides throughout: the preview asks what the loads of now come to.
        let age_max = self.policy.reading_age_max;
        copy.policy.reading_age_max = age_max + PREVIEW;
        copy.grid.age_max = copy.policy.reading_age_max;
        let mut out = Vec::new();
        let origin = Origin::new("", "");
        copy.apply(&Input::Request { at: self.now, origin, request: resuming() }, &mut out);
        let end = self.now.after(PREVIEW);
        let mut at = self.now.after(PREVIEW_STEP);
        while at <= end {
            copy.apply(&Input::Tick { at }, &mut out);
            at = at.after(PREVIEW_STEP);
        }
        let acts = out.into_iter().filter_map(|output| match output {
            Output::Event(event) if is_an_act(&event) => Some(event),
            _ => None,
        });
        Some(Resumption { stopped, at: self.now, within: PREVIEW, acts: acts.collect() })
    }
}

const fn resuming() -> Request {
    Request::ResumeAutomatic { reason: String::new() }
}

/// Whether an event says what a rule does, or why it cannot.
const fn is_an_act(event: &Event) -> bool {
    matches!(
        event.what,
        Happening::Planned { .. }
            | Happening::Announced { .. }
            | Happening::MeasuresAsked { .. }
            | Happening::MeasureEnded { .. }
            | Happening::PlanRefused { .. }
            | Happening::Futile { .. }
            | Happening::Restoring { .. }
            | Happening::RestoreHeld { .. }
            | Happening::StepBack { .. }
            | Happening::RestoreWaits { .. }
            | Happening::ReturnHeld { .. }
    )
}

fn switched(before: &str, after: &str) -> Granted {
    let object = "automatic control".to_owned();
    Granted { reply: Reply::Done, object, before: before.to_owned(), after: after.to_owned() }
}
