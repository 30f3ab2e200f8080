//! What the engine would have done, as lines and as JSON.

use std::fmt;

use headroom_rules::model::Timestamp;
use headroom_rules::output::{Happening, Output};
use serde_json::{Value, json};

use crate::printable::printable;

/// One output of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The capture's time.
    pub at: Timestamp,
    /// What.
    pub output: Output,
}

impl Told {
    /// As one JSON object: what it is, its fields, and the sentence of its line.
    ///
    /// # Errors
    /// None that the types of an output could cause.
    pub fn json(&self) -> serde_json::Result<Value> {
        let (kind, fields) = match &self.output {
            Output::Command(command) => ("command", serde_json::to_value(command)?),
            Output::Tell(telling) => ("notice", serde_json::to_value(telling)?),
            Output::Order(order) => ("order", serde_json::to_value(order)?),
            Output::Alarm(alarm) => ("alarm", serde_json::to_value(alarm)?),
            Output::Event(event) => ("event", serde_json::to_value(event)?),
            Output::Audit(audit) => ("audit", serde_json::to_value(audit)?),
            Output::Load(minute) => ("load", serde_json::to_value(minute)?),
            Output::Calculated(minute) => ("calculated", serde_json::to_value(minute)?),
            Output::Reply(reply) => ("reply", serde_json::to_value(reply)?),
        };
        let sent = matches!(self.output, Output::Command(_) | Output::Tell(_)).then_some(false);
        Ok(json!({ "at": self.at.to_string(), "kind": kind, kind: fields, "sent": sent, "text": self.sentence() }))
    }

    fn sentence(&self) -> String {
        match &self.output {
            Output::Command(command) => {
                let (order, terminal) = (command.order, command.terminal);
                format!("not sent: order {order}: {} of {} at {terminal}", command.step, command.action)
            }
            Output::Tell(telling) => {
                format!("not sent: notice {} to {}: {}", telling.notice, telling.terminal, telling.text)
            }
            Output::Order(order) => {
                let detail = if order.detail.is_empty() { String::new() } else { format!(" ({})", order.detail) };
                format!(
                    "order {} {}{detail}: {} at {}, for the {}: {}",
                    order.id, order.state, order.action, order.terminal, order.issuer, order.reason
                )
            }
            Output::Alarm(alarm) => {
                let priority = format!("{:?}", alarm.priority).to_lowercase();
                format!("alarm {} {}, {priority}: {}: {}", alarm.id, alarm.state, alarm.cause, alarm.detail)
            }
            Output::Event(event) => event.what.to_string(),
            Output::Audit(audit) => format!("{} of {}: {}", audit.action, audit.object, audit.after),
            Output::Load(minute) => format!("{}: {} on average, {} at most", minute.node, minute.mean, minute.max),
            Output::Calculated(minute) => {
                format!("{}: {} on average, {} at most, in thousandths", minute.point, minute.mean, minute.max)
            }
            Output::Reply(Ok(_)) => "granted".to_owned(),
            Output::Reply(Err(refusal)) => refusal.to_string(),
        }
    }
}

impl fmt::Display for Told {
    /// A line; for a plan, a line more for each round that it spares, with the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, printable(&self.sentence()))?;
        if let Output::Event(event) = &self.output
            && let Happening::Planned { node, spared, .. } = &event.what
        {
            for finding in spared {
                write!(f, "\n{} {node}: spared {}", self.at, printable(&finding.to_string()))?;
            }
        }
        Ok(())
    }
}
