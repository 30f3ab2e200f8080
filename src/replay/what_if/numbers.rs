//! Numbers of what people asked for: the second engine gives others, and a request of the journal that names one means the
//! thing, not the number.

use std::collections::{BTreeMap, BTreeSet};

use headroom_rules::dressing::DressingId;
use headroom_rules::engine::Engine;
use headroom_rules::groups::GroupId;
use headroom_rules::input::Request;
use headroom_rules::model::{NodeId, RuleId};
use headroom_rules::orders::OrderId;
use headroom_rules::output::{Happening, Output, Reply};
use headroom_rules::own::{Proposal, ProposalId, Subject};
use headroom_rules::tags::TagId;
use headroom_rules::target::TargetId;

/// Numbers of one kind of thing.
#[derive(Clone, Debug)]
struct Pairs<T> {
    /// What was there when the two engines were one.
    both: BTreeSet<T>,
    there: BTreeMap<T, T>,
}

impl<T: Copy + Ord> Default for Pairs<T> {
    fn default() -> Self {
        Self { both: BTreeSet::new(), there: BTreeMap::new() }
    }
}

impl<T: Copy + Ord> Pairs<T> {
    fn of(both: impl IntoIterator<Item = T>) -> Self {
        Self { both: both.into_iter().collect(), there: BTreeMap::new() }
    }

    /// The second engine's number; none where it has no such thing.
    fn there(&self, here: T) -> Option<T> {
        self.there.get(&here).copied().or_else(|| self.both.contains(&here).then_some(here))
    }
}

/// What a proposal is about, whatever its number.
type Proposed = (RuleId, Subject, NodeId);

const fn proposed(proposal: &Proposal) -> Proposed {
    (proposal.rule, proposal.subject, proposal.node)
}

/// The second engine's numbers for those of the journal.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    orders: Pairs<OrderId>,
    groups: Pairs<GroupId>,
    targets: Pairs<TargetId>,
    tags: Pairs<TagId>,
    dressings: Pairs<DressingId>,
    /// Nobody asks for proposals: they are told apart by what they are about.
    proposed_here: BTreeMap<ProposalId, Proposed>,
    proposed_there: BTreeMap<Proposed, ProposalId>,
}

impl Numbers {
    /// Of two engines that are one up to here.
    pub(super) fn of(engine: &Engine) -> Self {
        let view = engine.view();
        Self {
            orders: Pairs::default(),
            groups: Pairs::of(view.groups.iter().map(|group| group.id)),
            targets: Pairs::of(view.targets.iter().map(|target| target.id)),
            tags: Pairs::of(view.tags.iter().map(|tag| tag.id)),
            dressings: Pairs::of(view.dressings.iter().map(|dressing| dressing.id)),
            proposed_here: view.proposals.iter().map(|it| (it.id, proposed(it))).collect(),
            proposed_there: view.proposals.iter().map(|it| (proposed(it), it.id)).collect(),
        }
    }

    /// What the journal's engine proposed.
    pub(super) fn note_here(&mut self, out: &[Output]) {
        self.proposed_here.extend(proposals(out).map(|proposal| (proposal.id, proposed(proposal))));
    }

    /// What the second engine proposed.
    pub(super) fn note_there(&mut self, out: &[Output]) {
        self.proposed_there.extend(proposals(out).map(|proposal| (proposed(proposal), proposal.id)));
    }

    /// What both made of one request.
    pub(super) fn pair(&mut self, here: Option<Reply>, there: Option<Reply>) {
        match (here, there) {
            (Some(Reply::Order { order: here }), Some(Reply::Order { order: there })) => {
                self.orders.there.insert(here, there);
            }
            (Some(Reply::Group { group: here }), Some(Reply::Group { group: there })) => {
                self.groups.there.insert(here, there);
            }
            (Some(Reply::Target { target: here }), Some(Reply::Target { target: there })) => {
                self.targets.there.insert(here, there);
            }
            (Some(Reply::Tag { tag: here }), Some(Reply::Tag { tag: there })) => {
                self.tags.there.insert(here, there);
            }
            (Some(Reply::Dressing { dressing: here }), Some(Reply::Dressing { dressing: there })) => {
                self.dressings.there.insert(here, there);
            }
            _ => {}
        }
    }

    /// A request of the journal as the second engine is asked; none where what it is about is not there. Orders below
    /// `apart_from` are those of both.
    pub(super) fn there(&self, request: &Request, apart_from: OrderId) -> Option<Request> {
        let mut there = request.clone();
        match &mut there {
            Request::Execute { order } | Request::Cancel { order } if *order >= apart_from => {
                *order = self.orders.there(*order)?;
            }
            Request::ApproveGroup { group, .. }
            | Request::ExecuteGroup { group, .. }
            | Request::CancelGroup { group, .. } => *group = self.groups.there(*group)?,
            Request::CancelTarget { target, .. } => *target = self.targets.there(*target)?,
            Request::RemoveTag { tag, .. } => *tag = self.tags.there(*tag)?,
            Request::Undress { dressing, .. } => *dressing = self.dressings.there(*dressing)?,
            Request::DecideProposal { proposal, .. } => {
                *proposal = *self.proposed_there.get(self.proposed_here.get(proposal)?)?;
            }
            // Alarms have other numbers there, and nobody knows who would have seen them.
            Request::AcknowledgeAlarm { .. } => return None,
            _ => {}
        }
        Some(there)
    }
}

fn proposals(out: &[Output]) -> impl Iterator<Item = &Proposal> {
    out.iter().filter_map(|output| match output {
        Output::Event(event) => match &event.what {
            Happening::Proposed { proposal } => Some(proposal),
            _ => None,
        },
        _ => None,
    })
}

/// What a request was answered with, where it was granted.
pub(super) fn granted(out: &[Output]) -> Option<Reply> {
    out.iter().find_map(|output| match output {
        Output::Reply(Ok(reply)) => Some(*reply),
        _ => None,
    })
}
