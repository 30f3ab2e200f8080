//! What happened, in sentences for operators.

use std::fmt;

use super::Happening;
use crate::dressing::Dressing;
use crate::measures::MeasureState;
use crate::model::RuleId;
use crate::own::{Proposal, Subject};
use crate::tags::Tag;
use crate::target::LimitAhead;

/// A rule, by the one for whom it speaks.
struct Whose(Subject, RuleId);

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(subject, rule) = self;
        match subject {
            Subject::Named => write!(f, "rule {rule}"),
            Subject::Node(node) => write!(f, "{node}: rule {rule}"),
            Subject::Terminal(terminal) => write!(f, "{terminal}: rule {rule}"),
        }
    }
}

struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, item) in self.0.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { ", " })?;
            item.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("centre started"),
            Self::InventoryLoaded { nodes, customers, terminals } => {
                write!(f, "supply tree loaded: {nodes} nodes, {customers} customers, {terminals} terminals")
            }
            Self::PolicyLoaded { limits: 1 } => f.write_str("rules loaded: 1 limit"),
            Self::PolicyLoaded { limits } => write!(f, "rules loaded: {limits} limits"),
            Self::Link { terminal, up: true } => write!(f, "{terminal}: link up"),
            Self::Link { terminal, up: false } => write!(f, "{terminal}: link down"),
            Self::Switch { terminal, round, position } => write!(f, "{terminal}: round {round} is {position}"),
            Self::Cover { terminal, open } => {
                write!(f, "{terminal}: cover {}", if *open { "opened" } else { "closed" })
            }
            Self::Chatters { terminal } => {
                write!(f, "{terminal}: too many changes of switches or cover, the rest of this minute's are not told")
            }
            Self::Breach { node, load, limit } => write!(f, "{node}: {load} is over the limit of {limit}"),
            Self::Foreseen { node, load, forecast, limit } => {
                let off = forecast.load - forecast.least;
                write!(
                    f,
                    "{node}: forecast: {load} rising by {} a minute to {} (\u{b1} {off}) within {}, over the limit of {limit}",
                    forecast.rise_per_minute,
                    forecast.load,
                    forecast.at.since(forecast.made_at)
                )
            }
            Self::BreachOver { node, load, lasted, peak } => {
                write!(f, "{node}: back at {load} after {lasted}, peak {peak}")
            }
            Self::Planned { node, pass, load, wanted, shed, spared, .. } if shed.is_empty() => {
                write!(
                    f,
                    "{node}: plan {pass} at {load}: {wanted} wanted, nothing is left to shed; {} spared",
                    spared.len()
                )
            }
            Self::Planned { node, pass, load, wanted, expected, shed, spared, .. } => write!(
                f,
                "{node}: plan {pass} at {load}: {wanted} wanted, shedding {expected} in {} rounds: {}; {} spared",
                shed.len(),
                Listed(shed),
                spared.len()
            ),
            Self::Announced { node, load, wanted, expected, shed, customers, due, ahead } => {
                write!(f, "{node}: announced at {load}")?;
                if let Some(LimitAhead { at, limit, source, .. }) = ahead {
                    write!(f, ", ahead of the limit of {limit} from {at} ({source})")?;
                }
                write!(
                    f,
                    ": {wanted} wanted, {expected} in {} rounds may be shed from {due}; {customers} {} told now: {}",
                    shed.len(),
                    if *customers == 1 { "customer is" } else { "customers are" },
                    Listed(shed)
                )
            }
            Self::NoticeOver { node, told, untold } if untold.is_empty() => {
                write!(f, "{node}: the notice is over: all {told} customers to be shed were told")
            }
            Self::NoticeOver { node, told, untold } => write!(
                f,
                "{node}: the notice is over: of those to be shed {told} were told, {} not: {}",
                untold.len(),
                Listed(untold)
            ),
            Self::NoticeCut { node, load, limit, percent, untold } if untold.is_empty() => {
                write!(f, "{node}: {load} is over {percent} % of the limit of {limit}: no waiting")
            }
            Self::NoticeCut { node, load, limit, percent, untold } => write!(
                f,
                "{node}: {load} is over {percent} % of the limit of {limit}: no waiting; without notice: {}",
                Listed(untold)
            ),
            Self::NoticeCalledOff { node, customers, why } => {
                let are = if *customers == 1 { "customer is" } else { "customers are" };
                write!(f, "{node}: what was announced is called off, {customers} {are} told: {why}")
            }
            Self::MeasuresAsked { node, load, wanted, by, asked, spared } => {
                write!(f, "{node}: at {load}, {wanted} wanted of agreed measures")?;
                if let Some(by) = by {
                    write!(f, " by {by}")?;
                }
                write!(f, ", asking {}; {} spared", Listed(asked), spared.len())
            }
            Self::MeasureJudged { node, measure, terminal, kind, expected, gone, state } => {
                let how = match state {
                    MeasureState::NotDelivered => "did not give",
                    MeasureState::Partly => "gave in part",
                    MeasureState::Unseen => "was not seen to give",
                    _ => "gave",
                };
                write!(f, "{node}: {terminal} {how} its {kind} ({measure}): {gone} of {expected} gone")
            }
            Self::MeasureEnded { node, measure, terminal, kind, how, why } => {
                write!(f, "{node}: {kind} of {terminal} ({measure}) is {}: {why}", how.as_str())
            }
            Self::PlanRefused { node, violation } => write!(f, "{node}: plan refused by the checker: {violation}"),
            Self::Verified { node, expected, measured, load } => {
                write!(f, "{node}: shed {measured} of {expected} expected, load now {load}")
            }
            Self::NoResponse { terminal, round, expected, measured } => {
                write!(f, "{terminal}: round {round} did not respond: {measured} of {expected} expected")
            }
            Self::Futile { node, passes, load, limit } => {
                let plans = if *passes == 1 { "plan" } else { "plans" };
                write!(f, "{node}: stopped after {passes} {plans}, still {load} of {limit}: operator needed")
            }
            Self::Restoring { node, stage, load, restored, left } => {
                write!(f, "{node}: restoration stage {stage} at {load}: {}; {left} left", Listed(restored))
            }
            Self::RestoreHeld { node, terminal, round, would_be, limit } => {
                write!(f, "{node}: restoration waits: {terminal} round {round} would take it to {would_be} of {limit}")
            }
            Self::StepBack { node, load, limit, again, .. } if !again.is_empty() => {
                write!(f, "{node}: stepping back at {load} of {limit}: shedding again {}", Listed(again))
            }
            Self::StepBack { node, load, coming, limit, withdrawn, .. } => {
                let returns = if *withdrawn == 1 { "return" } else { "returns" };
                write!(
                    f,
                    "{node}: stepping back: {load} and {coming} on its way are over the limit of {limit}: {withdrawn} {returns} withdrawn"
                )
            }
            Self::RestoreBarred { node, terminal, round, interlock } => {
                write!(f, "{node}: restoration waits: {terminal} round {round}: not permitted by interlock {interlock}")
            }
            Self::RestoreWaits { node, above } => write!(f, "{node}: restoration waits: {above} needs what is off"),
            Self::WentDark { node, off: 0 } => write!(f, "{node}: dark: nothing below draws anything"),
            Self::WentDark { node, off } => {
                write!(f, "{node}: dark: nothing below draws anything; what the rule shed stays off ({off})")
            }
            Self::SupplyBack { node, load, dark_for, off: 0 } => {
                write!(f, "{node}: supplied again after {dark_for} at {load}")
            }
            Self::SupplyBack { node, load, dark_for, off } => {
                write!(
                    f,
                    "{node}: supplied again after {dark_for} at {load}; what the rule shed waits until that settles ({off})"
                )
            }
            Self::SupplySettled { node, load, peak, after } => {
                write!(f, "{node}: load settled at {load} after {after}, peak {peak}")
            }
            Self::ReturnHeld { node, hold } => write!(f, "{node}: restoration waits: {hold}"),
            Self::Restored { node, rounds, shed_for } => {
                write!(f, "{node}: all {rounds} rounds restored after {shed_for}")
            }
            Self::LimitSet { node, before, after, by } => {
                write!(f, "{node}: limit set from {before} to {after} by {by}")
            }
            Self::LimitChanged { node, before, after, source, until } => {
                write!(f, "{node}: limit now {after}, before {before} ({source}")?;
                match until {
                    Some(until) => write!(f, ", until {until})"),
                    None => f.write_str(")"),
                }
            }
            Self::LimitBelowGuaranteed { node, limit, guaranteed } => write!(
                f,
                "{node}: the limit of {limit} cannot be kept, guaranteed customers and safety floors draw {guaranteed}"
            ),
            Self::TargetSet { node, target, reduction, from, to, by } => {
                write!(f, "{node}: target {target} by {by}: {reduction} off from {from} to {to}")
            }
            Self::TargetBegun { node, target, baseline, reduction, limit, until } => write!(
                f,
                "{node}: target {target} begins: {reduction} off the baseline of {baseline} is a limit of {limit} until \
                 {until}"
            ),
            Self::TargetEnded { node, target, reduction } => {
                write!(f, "{node}: target {target} of {reduction} is over")
            }
            Self::TargetCancelled { node, target, by } => write!(f, "{node}: target {target} cancelled by {by}"),
            Self::TargetDropped { node, target, why } => write!(f, "{node}: target {target} is dropped: {why}"),
            Self::TriesAgain { node, by, reason } => {
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "{node}: the rule plans anew, by {by}{why}{reason}")
            }
            Self::SetLimitDropped { node, set, rated: Some(rated) } => {
                write!(f, "{node}: the limit of {set} that was set is dropped, the rules give {rated}")
            }
            Self::SetLimitDropped { node, set, rated: None } => {
                write!(f, "{node}: the limit of {set} that was set is dropped, no rule limits the node any more")
            }
            Self::GroupDrafted { group, act, of, rounds, left_out, power, second_person, by } => {
                write!(
                    f,
                    "group order {group} drawn up by {by}: {act} {of}, {rounds} rounds with {power}, {left_out} left out"
                )?;
                f.write_str(if *second_person { "; a second person has to approve it" } else { "" })
            }
            Self::GroupApproved { group, power, by } => write!(f, "group order {group} approved by {by} at {power}"),
            Self::GroupStale { group, approved, power } => {
                write!(f, "group order {group}: approved at {approved}, {power} now: it has to be approved anew")
            }
            Self::GroupExecuted { group, act, rounds, left_out, power, by } => {
                write!(
                    f,
                    "group order {group} executed by {by}: {act} {rounds} rounds with {power}, {left_out} left out"
                )
            }
            Self::GroupAnnounced { group, customers, due } => {
                let are = if *customers == 1 { "customer is" } else { "customers are" };
                write!(f, "group order {group}: {customers} {are} told; it may be executed from {due}")
            }
            Self::GroupNoticeOver { group, told, untold, at_once } => {
                match at_once {
                    Some(why) => {
                        write!(f, "group order {group}: its notice is cut short: {why}; {told} were told in time")?
                    }
                    None => write!(f, "group order {group}: its notice is over; {told} were told")?,
                }
                if untold.is_empty() { Ok(()) } else { write!(f, ", {} not: {}", untold.len(), Listed(untold)) }
            }
            Self::GroupNoticeCalledOff { group, customers } => {
                let are = if *customers == 1 { "customer is" } else { "customers are" };
                write!(f, "group order {group}: {customers} {are} told that nothing comes of it")
            }
            Self::GroupDone { group, confirmed, failed, left_out } => {
                write!(f, "group order {group}: {confirmed} confirmed, {failed} not, {left_out} left out")
            }
            Self::GroupCancelled { group, withdrawn, by, reason } => {
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "group order {group} called off by {by}, {withdrawn} orders withdrawn{why}{reason}")
            }
            Self::GroupExpired { group } => write!(f, "group order {group} was not executed in time"),
            Self::TagHung { tag: Tag { id, on, owner, reason, .. } } => {
                write!(f, "{on}: tagged by {owner} ({id}): {reason}")
            }
            Self::TagTakenOff { tag: Tag { id, on, owner, .. }, by, reason } => {
                write!(f, "{on}: tag {id} taken off by {by}")?;
                if by != owner {
                    write!(f, " in place of {owner}")?;
                }
                write!(f, "{}{reason}", if reason.is_empty() { "" } else { ": " })
            }
            Self::Dressed { dressing: dressing @ Dressing { id, on, owner, reason, until, .. } } => {
                write!(f, "{on}: {} by hand of {owner} ({id}) until {until}: {reason}", dressing.told())
            }
            Self::DressingEnded { dressing: dressing @ Dressing { id, on, owner, .. }, by, reason, beneath } => {
                write!(f, "{on}: {} by hand ({id}) ", dressing.told())?;
                match by {
                    None => f.write_str("came to its end")?,
                    Some(by) if by == owner => write!(f, "taken off by {by}")?,
                    Some(by) => write!(f, "taken off by {by} in place of {owner}")?,
                }
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "{why}{reason}; without it: {beneath}")
            }
            Self::OwnRuleBegan { rule, subject, text } => write!(f, "{}: {text}", Whose(*subject, *rule)),
            Self::OwnRuleEnded { rule, subject, lasted } => {
                write!(f, "{}: over after {lasted}", Whose(*subject, *rule))
            }
            Self::OwnRuleUndecided { rule, subject, why } => {
                write!(f, "{}: decides nothing: {why}", Whose(*subject, *rule))
            }
            Self::OwnRuleRefused { rule, subject, node, why } => {
                write!(f, "{}: wanted less load on {node} and does not get it: {why}", Whose(*subject, *rule))
            }
            Self::Proposed { proposal: Proposal { id, rule, node, power, text, .. } } => {
                write!(f, "{node}: rule {rule} proposes ({id}) to take {power} off: {text}")
            }
            Self::ProposalDecided { proposal: Proposal { id, node, power, .. }, approved, by, reason } => {
                let what = if *approved { "approved" } else { "declined" };
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "{node}: proposal {id} to take {power} off {what} by {by}{why}{reason}")
            }
            Self::ProposalLapsed { proposal: Proposal { id, node, .. } } => {
                write!(f, "{node}: proposal {id} lapsed with its rule's end")
            }
            Self::OwnRuleBroken { rule, fault } => {
                write!(f, "rule {rule}: went wrong and is off until rules are loaded anew: {fault}")
            }
            Self::AutomaticStopped { by, reason, withdrawn } => {
                write!(f, "AUTOMATIC CONTROL STOPPED by {by}{}{reason}", if reason.is_empty() { "" } else { ": " })?;
                match withdrawn {
                    0 => Ok(()),
                    1 => f.write_str("; 1 select withdrawn"),
                    count => write!(f, "; {count} selects withdrawn"),
                }
            }
            Self::AutomaticResumed { by, reason, stopped_for } => {
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "automatic control resumed by {by} after {stopped_for}{why}{reason}")
            }
        }
    }
}
