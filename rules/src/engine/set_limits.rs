//! Limits that people set below the rating, which is the limit that the rule file gives.

use serde::{Deserialize, Serialize};

use super::Engine;
use super::requests::Granted;
use crate::input::Origin;
use crate::model::{NodeId, Power, Timestamp};
use crate::output::{Happening, Output, Refusal, Reply};

/// Who changed a limit that nobody set: the rule file, a schedule or a target.
const BY_RULES: &str = "the rules";

/// Who last set a limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Setter {
    by: String,
    at: Timestamp,
    limit: Power,
}

impl Engine {
    pub(super) fn set_limit(
        &mut self,
        origin: &Origin,
        node: NodeId,
        limit: Power,
        expected: Option<Power>,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let rule = self.rule_for(origin, node)?;
        let (in_force, rated) = (rule.limit, self.rated(rule));
        if let Some(expected) = expected.filter(|expected| *expected != in_force) {
            let set = self.limit_setters.get(&node).filter(|set| set.limit == in_force);
            let (by, at) = set.map_or_else(|| (BY_RULES.to_owned(), None), |set| (set.by.clone(), Some(set.at)));
            return Err(Refusal::LimitChanged { node, expected, now: in_force, by, at });
        }
        if limit <= Power::ZERO {
            return Err(Refusal::LimitNotPositive { node, limit, rated });
        }
        if limit > rated {
            return Err(Refusal::LimitAboveRating { node, limit, rated });
        }
        let before = self.set_for(node).unwrap_or(rated);
        if limit < before {
            let guaranteed = self.guaranteed_loads().get(&node).copied().unwrap_or_default();
            if limit < guaranteed {
                return Err(Refusal::LimitBelowGuaranteed { node, limit, guaranteed });
            }
        }
        self.bounds_mut(node).set = (limit < rated).then_some(limit);
        if limit != before {
            let by = origin.operator.clone();
            self.limit_setters.insert(node, Setter { by, at: self.now, limit });
        }
        let told = (limit != before).then(|| {
            let by = origin.operator.clone();
            Happening::LimitSet { node, before, after: limit, by }
        });
        self.settle_limit(node, told, out);
        let (object, before, after) = (node.to_string(), before.to_string(), limit.to_string());
        Ok(Granted { reply: Reply::Done, object, before, after })
    }
}
