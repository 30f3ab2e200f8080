//! What people do about agreed measures: ask for one, release or call one off, record that a customer declined.

use super::super::Engine;
use super::super::requests::Granted;
use crate::input::Origin;
use crate::limiting::measures::Occasion;
use crate::measures::{Asked, Measure, MeasureEnding, MeasureId, MeasureKind, MeasureState};
use crate::model::{NodeId, Power, TerminalId, Timestamp};
use crate::output::{Happening, Output, Refusal, Reply};
use crate::policy::LimitRule;

impl Engine {
    /// Asks a customer for what it agreed to, as soon as its notice permits.
    pub(in super::super) fn ask_by_hand(
        &mut self,
        origin: &Origin,
        terminal: TerminalId,
        kind: MeasureKind,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        if !self.grid.inventory.terminals.contains_key(&terminal) {
            return Err(Refusal::UnknownTerminal { terminal });
        }
        self.may_command(origin, terminal)?;
        let agreed: Vec<_> = self.grid.customer(terminal).map_or_else(Vec::new, |(customer, entry)| {
            let of_kind = entry.measures.iter().filter(|agreed| agreed.kind == kind);
            of_kind.map(|agreed| (customer, agreed.clone())).collect()
        });
        let node = self.limited_or_supplying(terminal).ok_or(Refusal::UnknownTerminal { terminal })?;
        let occasion = Occasion {
            at: self.now,
            by: Timestamp::new(i64::MAX),
            load: self.grid.load(node).power().unwrap_or_default(),
            target: Power::ZERO,
        };
        let mut refusal = Refusal::MeasureNotAsked { terminal, kind, why: "its customer agreed to none".to_owned() };
        for (customer, agreed) in agreed {
            match self.may_ask(node, (customer, terminal), &agreed, &occasion) {
                Ok(may) => {
                    let by = origin.operator.clone();
                    let (due, until, gives) = (may.due, may.until, may.gives);
                    let asked = vec![Asked { terminal, kind, power: gives, due }];
                    let load = occasion.load;
                    let told = Happening::MeasuresAsked {
                        node,
                        load,
                        wanted: gives,
                        by: Some(by.clone()),
                        asked,
                        spared: Vec::new(),
                    };
                    self.tell(told, out);
                    let of = (customer, terminal, agreed);
                    let measure = self.begin_measure(node, Some(by), of, (due, until), (may.reference, gives), out);
                    return Ok(Granted {
                        reply: Reply::Measure { measure },
                        object: format!("{terminal} {measure}"),
                        before: String::new(),
                        after: format!("{kind}, {gives} from {due} to {until} at most"),
                    });
                }
                Err(why) => refusal = Refusal::MeasureNotAsked { terminal, kind, why: why.to_string() },
            }
        }
        Err(refusal)
    }

    /// The lowest node above a terminal that a rule limits, or the one that supplies it.
    fn limited_or_supplying(&self, terminal: TerminalId) -> Option<NodeId> {
        let limited = self.limits_above(terminal).map(|rule| rule.node).next();
        limited.or_else(|| self.grid.path(terminal).next())
    }

    /// Ends a measure: called off where it has not begun, else released; or declined, by the customer's word.
    pub(in super::super) fn end_by_hand(
        &mut self,
        origin: &Origin,
        id: MeasureId,
        declined: bool,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let standing = self.measures.open().find(|it| it.id == id).ok_or(Refusal::UnknownMeasure { measure: id })?;
        let Measure { terminal, state, .. } = *standing;
        self.may_command(origin, terminal)?;
        if !declined && let Some(refusal) = self.forbids_release(standing) {
            return Err(refusal);
        }
        let Some(measure) = self.measures.open.remove(&id) else {
            return Err(Refusal::UnknownMeasure { measure: id });
        };
        let before = measure.stage().to_owned();
        let how = match state {
            _ if declined => MeasureEnding::Declined,
            MeasureState::Asked => MeasureEnding::CalledOff,
            _ => MeasureEnding::Released,
        };
        let by = &origin.operator;
        let why = if reason.is_empty() { format!("by {by}") } else { format!("by {by}: {reason}") };
        self.end_measure(measure, how, why, true, out);
        Ok(Granted { reply: Reply::Done, object: format!("{terminal} {id}"), before, after: how.as_str().to_owned() })
    }

    /// The limit that would not be kept if a customer came back, as for a round that is restored.
    fn forbids_release(&self, measure: &Measure) -> Option<Refusal> {
        let Measure { id, terminal, state, .. } = *measure;
        if state == MeasureState::Asked {
            return None;
        }
        let comes = self.returns_with(terminal, measure.held_back());
        self.limits_above(terminal).find_map(|rule| {
            let LimitRule { node, limit, .. } = *rule;
            let load = self.projected_with(node, self.returning_to(node) + comes, &[])?;
            (load > limit).then_some(Refusal::ReleaseOverLimit { terminal, measure: id, node, load, limit })
        })
    }
}
