//! Limits that people set below the rating, which is the limit that the rule file gives.

use super::Engine;
use super::requests::Granted;
use crate::input::Origin;
use crate::model::{NodeId, Power};
use crate::output::{Happening, Output, Refusal, Reply};

impl Engine {
    pub(super) fn set_limit(
        &mut self,
        origin: &Origin,
        node: NodeId,
        limit: Power,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        if !self.grid.inventory.nodes.contains_key(&node) {
            return Err(Refusal::UnknownNode { node });
        }
        let rule = self.policy.rule(node).ok_or(Refusal::NoLimitRule { node })?;
        let rated = self.rated(rule);
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
        let told = (limit != before).then(|| {
            let by = origin.operator.clone();
            Happening::LimitSet { node, before, after: limit, by }
        });
        self.settle_limit(node, told, out);
        let (object, before, after) = (node.to_string(), before.to_string(), limit.to_string());
        Ok(Granted { reply: Reply::Done, object, before, after })
    }
}
