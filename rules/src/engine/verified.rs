//! Confirmed is what a switch says; verified is what a meter says, two minutes later.

use super::{Engine, Stuck};
use crate::model::{Power, Span, SwitchPosition};
use crate::orders::{Action, Issuer, Order, OrderId, OrderState};
use crate::output::Output;

/// A trip's effect is measured so long after it (Q/GDW 1376.1 control records), unless the rule that wanted it says otherwise.
const VERIFY_AFTER: Span = Span::from_s(120);
/// Less than this share of the power gone is no effect, unless the rule says otherwise.
const EFFECT_PERCENT_MIN: u8 = 50;

impl Engine {
    fn verification(&self, order: &Order) -> (Span, u8) {
        let rule = match order.issuer {
            Issuer::Limit { node } => self.policy.rule(node),
            Issuer::Group { .. } | Issuer::Operator { .. } => None,
        };
        rule.map_or((VERIFY_AFTER, EFFECT_PERCENT_MIN), |rule| (rule.verify_after, rule.effect_percent_min))
    }

    /// A trip is confirmed; where it is known what it had to take away, that is measured yet.
    pub(super) fn verify_later(&mut self, order: &Order) {
        let worth = order.power_before.is_some_and(|power| power > Power::ZERO);
        if worth && matches!(order.action, Action::Trip { .. }) {
            let due = self.now.after(self.verification(order).0);
            self.ledger.await_verification(order.id, due, order.clone());
        }
    }

    pub(super) fn verify_due(&mut self, out: &mut Vec<Output>) {
        for (id, order) in self.ledger.take_due(self.now) {
            self.verify_order(id, order, out);
        }
    }

    fn verify_order(&mut self, id: OrderId, order: Order, out: &mut Vec<Output>) {
        let (Action::Trip { round }, Some(before)) = (order.action, order.power_before) else { return };
        let terminal = order.terminal;
        // Closed again, or on its way: there is nothing to be measured any more.
        if self.grid.position(terminal, round, self.now) != Some(SwitchPosition::Open) {
            return;
        }
        let after = self.grid.round_power(terminal, round, self.now).filter(|held| held.arrived_at >= order.changed_at);
        let least = before.percent(i64::from(self.verification(&order).1));
        let (state, detail, after) = match after.map(|held| Power::new(held.reading.value)) {
            Some(after) if before - after >= least => (OrderState::Verified, String::new(), Some(after)),
            Some(after) => {
                let detail = format!("not verified: {after} of {before} are still drawn behind the open switch");
                (OrderState::Confirmed, detail, Some(after))
            }
            None => {
                let detail = "not verified: the power behind the switch is not known".to_owned();
                (OrderState::Confirmed, detail, order.power_after)
            }
        };
        // A rule looks at its plan's effect by itself.
        if let (Some(after), OrderState::Confirmed, Issuer::Group { .. } | Issuer::Operator { .. }) =
            (after.filter(|after| before - *after < least), state, &order.issuer)
        {
            let stuck = Stuck { position: SwitchPosition::Open, supplied_above: Some(before - least) };
            let told = format!("order {id}: {after} of {before} are still drawn, the switch is open");
            self.did_not_respond(terminal, round, stuck, told, out);
        }
        let order = Order { state, detail, power_after: after, changed_at: self.now, ..order };
        self.ledger.replace_closed(&order);
        self.note_member(&order, out);
        out.push(Output::Order(order));
    }
}
