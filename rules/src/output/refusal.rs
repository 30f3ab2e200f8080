//! Why requests are not granted, in words for people.

use serde::{Deserialize, Serialize};

use super::AlarmId;
use crate::dressing::DressingId;
use crate::groups::{GroupAct, GroupId};
use crate::measures::{MeasureId, MeasureKind};
use crate::model::{NodeId, Power, RoundNo, RuleId, Span, SwitchPosition, TerminalId, Timestamp};
use crate::orders::{Action, OrderId};
use crate::own::ProposalId;
use crate::tags::TagId;
use crate::target::TargetId;

/// Why a request was not granted. Shown to the person as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "refusal")]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Refusal {
    #[error("terminal {terminal} is not in the inventory")]
    UnknownTerminal { terminal: TerminalId },
    #[error("terminal {terminal} has no round {round}")]
    UnknownRound { terminal: TerminalId, round: RoundNo },
    #[error("{node}: its limit rule has not given up, so there is nothing to try again")]
    NotGivenUp { node: NodeId },
    #[error("measure {measure} does not exist, or is over")]
    UnknownMeasure { measure: MeasureId },
    #[error("releasing {measure} of {terminal} would take {node} to {load}, above its limit of {limit}")]
    ReleaseOverLimit { terminal: TerminalId, measure: MeasureId, node: NodeId, load: Power, limit: Power },
    #[error("{terminal}: {kind} is not asked for: {why}; nothing was sent")]
    MeasureNotAsked { terminal: TerminalId, kind: MeasureKind, why: String },
    #[error("order {order} does not exist")]
    UnknownOrder { order: OrderId },
    #[error("alarm {alarm} does not exist, or has been cleared and acknowledged")]
    UnknownAlarm { alarm: AlarmId },
    #[error("{terminal}: {why}; nothing was sent")]
    ParameterOutOfRange { terminal: TerminalId, why: String },
    #[error("{terminal}: the link is down; nothing was sent")]
    LinkDown { terminal: TerminalId },
    #[error("{terminal}: order {order} of {owner} has this point; wait for it or ask {owner} to cancel it")]
    PointBusy { terminal: TerminalId, order: OrderId, owner: String },
    #[error(
        "{on} is tagged by {owner} since {since} ({tag}: {reason}); {owner} or a supervisor has to take the tag off first"
    )]
    Tagged { tag: TagId, on: String, owner: String, reason: String, since: Timestamp },
    #[error("{terminal}: it is excluded from orders to many terminals at once")]
    Excluded { terminal: TerminalId },
    #[error("no round can be ordered to {act}: {why}")]
    GroupEmpty { act: GroupAct, why: String },
    #[error("{rounds} rounds are too many for one group order: wanted at most {most}")]
    GroupTooLarge { rounds: u32, most: u32 },
    #[error("{open} of your group orders are not over yet: wanted at most {most}; execute them or call them off first")]
    TooManyGroups { open: u32, most: u32 },
    #[error("{minutes} min of notice before a group {act} cannot be given: wanted 0 to {most}, and before a trip only")]
    NoSuchNotice { act: GroupAct, minutes: u16, most: u16 },
    #[error(
        "group order {group}: its customers were told {due}, and it is not that late; wait for it, or say why it cannot wait \
         (at_once)"
    )]
    NoticeRuns { group: GroupId, due: Timestamp },
    #[error("group order {group} does not exist, or is of long ago")]
    UnknownGroup { group: GroupId },
    #[error("group order {group} is {state}: wanted {wanted}")]
    GroupState { group: GroupId, state: String, wanted: String },
    #[error("group order {group} was drawn up by {drafted_by}: a second person has to approve it")]
    SamePerson { group: GroupId, drafted_by: String },
    #[error("group order {group} has {power} in {rounds} rounds, so a second person has to approve it first")]
    SecondPersonWanted { group: GroupId, power: Power, rounds: u32 },
    #[error(
        "group order {group} and what {by} had tripped alone within {within} come to {power} in {rounds} rounds, so a second \
         person has to approve it first"
    )]
    SecondPersonWantedInAll { group: GroupId, power: Power, rounds: u32, by: String, within: Span },
    #[error("group order {group} needs no second person: whoever drew it up may execute it")]
    NoSecondPersonWanted { group: GroupId },
    #[error("group order {group} had {approved} when {by} approved it and has {power} now: it has to be approved anew")]
    GroupStale { group: GroupId, approved: Power, power: Power, by: String },
    #[error("group order {group} has {power} now, and you saw {seen}: look at its list again before you approve it")]
    GroupGrown { group: GroupId, seen: Power, power: Power },
    #[error("group order {group} is that of {people}; only they may go on with it")]
    NotOfGroup { group: GroupId, people: String },
    #[error("tag {tag} does not exist, or has been taken off")]
    UnknownTag { tag: TagId },
    #[error("tag {tag} on {on} is {owner}'s; only {owner} or a supervisor may take it off")]
    NotTagOwner { tag: TagId, on: String, owner: String },
    #[error("{on}: a tag needs a reason, for whoever finds it there")]
    TagWithoutReason { on: String },
    #[error("{on} has your tag {tag} already")]
    TaggedAlready { on: String, tag: TagId },
    #[error("value by hand {dressing} does not exist, or has come to its end")]
    UnknownDressing { dressing: DressingId },
    #[error("{on} has {owner}'s value by hand {dressing} until {until}; only {owner} or a supervisor may change it")]
    DressedAlready { on: String, dressing: DressingId, owner: String, until: Timestamp },
    #[error("value by hand {dressing} of {on} is {owner}'s; only {owner} or a supervisor may take it off")]
    NotDressingOwner { dressing: DressingId, on: String, owner: String },
    #[error("{on}: a value by hand needs a reason, for whoever finds it there")]
    DressingWithoutReason { on: String },
    #[error(
        "{on}: a value by hand until {until} cannot be taken (it is {now}); wanted after now and at most {most} ahead"
    )]
    DressingTimes { on: String, until: Timestamp, now: Timestamp, most: Span },
    #[error("{on}: {value} is no value for it; wanted {wanted}")]
    DressingOutOfRange { on: String, value: i64, wanted: String },
    #[error(
        "{terminal}: the load of {node} would not show what round {round} brings back, as a value by hand lies between or \
         not all of that load is measured, so its limit cannot be kept"
    )]
    HiddenByHand { terminal: TerminalId, round: RoundNo, node: NodeId },
    #[error("{object} is outside the area of {operator}, which is {area}")]
    OutsideArea { object: String, operator: String, area: String },
    #[error("{terminal}: its customer's supply is guaranteed and is never tripped")]
    Guaranteed { terminal: TerminalId },
    #[error("{terminal}: the trip would take the load to {left}, below the safety floor of {floor}")]
    SafetyFloor { terminal: TerminalId, left: Power, floor: Power },
    #[error("{terminal}: the load is not known (bad or old reading), so the safety floor of {floor} cannot be kept")]
    FloorNotProvable { terminal: TerminalId, floor: Power },
    #[error("{terminal}: round {round} is {position} already")]
    AlreadyThere { terminal: TerminalId, round: RoundNo, position: SwitchPosition },
    #[error("restoring round {round} of {terminal} would take {node} to {load}, above its limit of {limit}")]
    OverLimit { terminal: TerminalId, round: RoundNo, node: NodeId, load: Power, limit: Power },
    #[error(
        "restoring round {round} of {terminal}: nobody knows what it had; with the {most} that its contract leaves for it, \
         cold, {node} would rise to {load}, above its limit of {limit}"
    )]
    OverLimitAtMost { terminal: TerminalId, round: RoundNo, most: Power, node: NodeId, load: Power, limit: Power },
    #[error(
        "restoring round {round} of {terminal}: the load of {node} is not known, so its limit of {limit} cannot be kept"
    )]
    LimitNotProvable { terminal: TerminalId, round: RoundNo, node: NodeId, limit: Power },
    #[error("{terminal}: {action} is not permitted by interlock {interlock}: {why}")]
    Interlocked { terminal: TerminalId, interlock: RuleId, action: Action, why: String },
    #[error("a cap of {cap} is below the safety floor of {floor}")]
    CapBelowFloor { cap: Power, floor: Power },
    #[error("order {order} is {state}: wanted a selected order")]
    NotSelected { order: OrderId, state: String },
    #[error("order {order} was selected by {owner}; only {owner} may go on with it")]
    NotOwner { order: OrderId, owner: String },
    #[error("node {node} is not in the inventory")]
    UnknownNode { node: NodeId },
    #[error("{node}: no rule limits it, so there is no limit to set; the rule file has to give it one first")]
    NoLimitRule { node: NodeId },
    #[error("{node}: a limit of {limit} cannot be kept; wanted more than 0 and at most its rating of {rated}")]
    LimitNotPositive { node: NodeId, limit: Power, rated: Power },
    #[error(
        "{node}: the limit was {expected} when you looked and is {now} now, set by {by}{}; look again before setting it",
        at.map(|at| format!(" at {at}")).unwrap_or_default()
    )]
    LimitChanged { node: NodeId, expected: Power, now: Power, by: String, at: Option<Timestamp> },
    #[error("{node}: a limit of {limit} is above its rating of {rated}, which only the rule file can change")]
    LimitAboveRating { node: NodeId, limit: Power, rated: Power },
    #[error(
        "{node}: a limit of {limit} is below the {guaranteed} that guaranteed customers and safety floors below it draw \
         now, so it cannot be kept"
    )]
    LimitBelowGuaranteed { node: NodeId, limit: Power, guaranteed: Power },
    #[error("{node}: a reduction of {reduction} takes nothing off; wanted more than 0")]
    TargetNotPositive { node: NodeId, reduction: Power },
    #[error(
        "{node}: a target from {from} to {to} cannot be taken (it is {now}); wanted an end after its beginning and after \
         now, at most 24 hours long and at most 31 days ahead"
    )]
    TargetTimes { node: NodeId, from: Timestamp, to: Timestamp, now: Timestamp },
    #[error("{node}: target {target} from {from} to {to} is in the way; cancel it first, or ask for another time")]
    TargetOverlaps { node: NodeId, target: TargetId, from: Timestamp, to: Timestamp },
    #[error("{node}: as many targets as can be are planned already; cancel one first")]
    TooManyTargets { node: NodeId },
    #[error(
        "{node}: nothing takes {reduction} off; the customers below it who can be switched have contracted {most} above \
         their safety floors"
    )]
    TargetBeyondContracts { node: NodeId, reduction: Power, most: Power },
    #[error("{node}: the load is not known (bad or old readings), so there is no baseline to take anything off")]
    BaselineUnknown { node: NodeId },
    #[error(
        "{node}: {reduction} off the baseline of {baseline} leave a limit of {limit}: {wanted} would have to be shed, and \
         {sheddable} can be"
    )]
    TargetOutOfReach { node: NodeId, reduction: Power, baseline: Power, limit: Power, wanted: Power, sheddable: Power },
    #[error("target {target} does not exist, or is over")]
    UnknownTarget { target: TargetId },
    #[error("proposal {proposal} is not there, or was decided, or its rule has come to its end")]
    UnknownProposal { proposal: ProposalId },
    #[error("{node}: {why}")]
    CannotTakeOff { node: NodeId, why: String },
    #[error("automatic control was stopped by {by} at {since} already")]
    AutomaticStopped { by: String, since: Timestamp },
    #[error("automatic control is running: there is nothing to resume")]
    AutomaticRunning,
}
