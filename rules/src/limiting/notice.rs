//! The checker's word on notices: nobody is tripped before the time that customers were told, unless the load is urgent.

use super::check::{Violation, World};
use super::plan::Plan;
use crate::model::TerminalId;
use crate::notices::Unreached;
use crate::output::{Choice, Reason};
use crate::policy::LimitRule;

/// Whether a plan may be executed now, as far as its customers had to be told first. What comes back last and goes first
/// again was told when it first went.
///
/// # Errors
/// A customer was not told, or the time that was told has not come.
pub(crate) fn check_notice(world: &World<'_>, plan: &Plan, rule: &LimitRule) -> Result<(), Violation> {
    let node = plan.node;
    if !rule.notice.is_given() {
        return Ok(());
    }
    let load = world.grid.load(node).power().ok_or(Violation::NodeUnknown { node })?;
    if rule.notice.is_urgent(load, rule.limit) {
        return Ok(());
    }
    let standing = world.notices.of(node);
    for choice in &plan.shed {
        let Choice { terminal, round, reason, .. } = *choice;
        if matches!(reason, Reason::StepBack { .. }) {
            continue;
        }
        let Some(standing) = standing else { return Err(Violation::NotAnnounced { terminal, round }) };
        if standing.waits && world.now < standing.due {
            return Err(Violation::BeforeNotice { node, due: standing.due });
        }
        let notice = standing.notices.iter().find(|notice| notice.terminal == terminal);
        if let Some(notice) = notice.filter(|notice| world.now < notice.due) {
            return Err(Violation::BeforeNotice { node, due: notice.due });
        }
        match rule.notice.unreached {
            Unreached::Spare if notice.is_none_or(|notice| !notice.is_delivered()) => {
                return Err(Violation::NotReached { terminal });
            }
            // Of the plan that was announced, some may have made way for others meanwhile; of no other plan.
            Unreached::Trip if notice.is_none() && !standing.waits => {
                return Err(Violation::NotAnnounced { terminal, round });
            }
            Unreached::Spare | Unreached::Trip => {}
        }
    }
    Ok(())
}

/// Whether a rule spares a terminal because no notice has reached it.
pub(super) fn may_be_spared(world: &World<'_>, rule: &LimitRule, terminal: TerminalId) -> bool {
    if !rule.notice.is_given() || rule.notice.unreached == Unreached::Trip {
        return false;
    }
    world.notices.of(rule.node).is_some_and(|standing| match standing.notice(terminal) {
        Some(notice) => !notice.is_delivered(),
        None => standing.waits && world.now >= standing.due,
    })
}
