//! What users' own rules do besides their alarms: limits, and load taken off a node. Both are bounds of the node's limit, beside
//! what people set and what a schedule gives; the lowest is in force, and the node's limit rule keeps it.
//!
//! **Invariant:** nothing here switches: what a rule wants goes through planner and checker.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::Engine;
use super::super::requests::Granted;
use super::{OwnState, told_by};
use crate::expression::Value;
use crate::input::Origin;
use crate::model::{NodeId, Power, RuleId};
use crate::output::{Happening, Output, Refusal, Reply};
use crate::own::{Act, Proposal, ProposalId, Rule, Subject};
use crate::state::bounds::RuleBound;

/// What rules propose and nobody has decided on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Proposals {
    last: u64,
    open: BTreeMap<ProposalId, Proposal>,
}

impl OwnState {
    /// What rules propose, the oldest first.
    pub(in crate::engine) fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.proposals.open.values()
    }
}

impl Engine {
    /// A rule began: what it does besides its alarm.
    pub(super) fn act(&mut self, rule: &Rule, subject: Subject, inputs: &[Value], out: &mut Vec<Output>) {
        for act in &rule.acts {
            match *act {
                Act::Alarm { .. } => {}
                Act::Limit { node, limit } => {
                    let Some(node) = node.or(subject.node()) else { continue };
                    let bound = RuleBound { rule: rule.id, subject, limit, reduction: None };
                    self.bind_or_tell(node, bound, out);
                }
                Act::Shed { node, power, automatic: true } => {
                    let Some(node) = node.or(subject.node()) else { continue };
                    match self.less(node, power) {
                        Ok(limit) => {
                            let bound = RuleBound { rule: rule.id, subject, limit, reduction: Some(power) };
                            self.bind_or_tell(node, bound, out);
                        }
                        Err(why) => self.tell(Happening::OwnRuleRefused { rule: rule.id, subject, node, why }, out),
                    }
                }
                Act::Shed { node, power, automatic: false } => {
                    let Some(node) = node.or(subject.node()) else { continue };
                    let proposals = &mut self.own.proposals;
                    proposals.last += 1;
                    let id = ProposalId(proposals.last);
                    let text = told_by(rule, inputs);
                    let proposal = Proposal { id, rule: rule.id, subject, node, power, since: self.now, text };
                    proposals.open.insert(id, proposal.clone());
                    self.tell(Happening::Proposed { proposal }, out);
                }
            }
        }
    }

    /// The limit of a node that takes so much off its load of now.
    fn less(&self, node: NodeId, power: Power) -> Result<Power, String> {
        let load = self.grid.load(node).power();
        let load = load.ok_or("its load is not known from good and fresh readings")?;
        let limit = load - power;
        if limit > Power::ZERO {
            Ok(limit)
        } else {
            Err(format!("it draws {load}, not more than the {power} wanted off"))
        }
    }

    fn bind_or_tell(&mut self, node: NodeId, bound: RuleBound, out: &mut Vec<Output>) {
        if let Err(why) = self.bind(node, bound, out) {
            let RuleBound { rule, subject, .. } = bound;
            self.tell(Happening::OwnRuleRefused { rule, subject, node, why }, out);
        }
    }

    /// Makes a rule's bound count, unless it could not be kept.
    fn bind(&mut self, node: NodeId, bound: RuleBound, out: &mut Vec<Output>) -> Result<(), String> {
        if self.policy.rule(node).is_none() || !self.grid.inventory.nodes.contains_key(&node) {
            return Err("no rule limits it".into());
        }
        let guaranteed = self.guaranteed_loads().get(&node).copied().unwrap_or_default();
        if bound.limit < guaranteed {
            return Err(format!("a limit of {} is below the {guaranteed} that may not be shed", bound.limit));
        }
        let bounds = self.bounds_mut(node);
        bounds.rules.retain(|held| {
            (held.rule, held.subject) != (bound.rule, bound.subject)
                || held.reduction.is_some() != bound.reduction.is_some()
        });
        bounds.rules.push(bound);
        self.settle_limit(node, None, out);
        Ok(())
    }

    /// A rule ended: limits are what they are without it, and what it proposed lapses.
    pub(super) fn give_back(&mut self, rule: RuleId, subject: Subject, out: &mut Vec<Output>) {
        let is = |bound: &RuleBound| (bound.rule, bound.subject) == (rule, subject);
        let bound = self.bounds.iter().filter(|(_, bounds)| bounds.rules.iter().any(is));
        let nodes: Vec<NodeId> = bound.map(|(node, _)| *node).collect();
        for node in nodes {
            self.bounds_mut(node).rules.retain(|bound| !is(bound));
            self.settle_limit(node, None, out);
        }
        let of_rule = |proposal: &&Proposal| (proposal.rule, proposal.subject) == (rule, subject);
        let lapsed: Vec<Proposal> = self.own.proposals().filter(of_rule).cloned().collect();
        for proposal in lapsed {
            self.own.proposals.open.remove(&proposal.id);
            self.tell(Happening::ProposalLapsed { proposal }, out);
        }
    }

    /// Rules were loaded: what one that stands wants is what it says now.
    pub(super) fn settle_acts(&mut self, out: &mut Vec<Output>) {
        let rules = self.policy.own.rules.clone();
        let wants = |bound: &RuleBound, at: NodeId| {
            let rule = rules.iter().find(|rule| rule.id == bound.rule);
            rule.is_some_and(|rule| {
                rule.acts.iter().any(|act| match *act {
                    Act::Alarm { .. } => false,
                    Act::Limit { node, limit } => {
                        node.or(bound.subject.node()) == Some(at) && bound.reduction.is_none() && limit == bound.limit
                    }
                    Act::Shed { node, power, .. } => {
                        node.or(bound.subject.node()) == Some(at) && bound.reduction == Some(power)
                    }
                })
            })
        };
        let bound = self.bounds.iter().filter(|(node, bounds)| bounds.rules.iter().any(|bound| !wants(bound, **node)));
        let changed: Vec<NodeId> = bound.map(|(node, _)| *node).collect();
        for node in changed {
            let mut others = Vec::new();
            self.bounds_mut(node).rules.retain(|bound| {
                let wanted = wants(bound, node);
                if !wanted {
                    others.push((bound.rule, bound.subject));
                }
                wanted
            });
            self.settle_limit(node, None, out);
            // One that says something else now does so at the next look.
            for (rule, subject) in others {
                let standings = self.own.rules.get_mut(&rule).into_iter().flatten();
                standings.filter(|standing| standing.subject == subject).for_each(|standing| standing.acted = false);
            }
        }
    }

    /// A person says whether what a rule proposes is done.
    pub(in crate::engine) fn decide_proposal(
        &mut self,
        origin: &Origin,
        id: ProposalId,
        approve: bool,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let proposal = self.own.proposals.open.get(&id).ok_or(Refusal::UnknownProposal { proposal: id })?.clone();
        let Proposal { rule, subject, node, power, .. } = proposal;
        self.may_rule(origin, node)?;
        if approve {
            let bound = self.less(node, power);
            let bound = bound.map(|limit| RuleBound { rule, subject, limit, reduction: Some(power) });
            bound.and_then(|bound| self.bind(node, bound, out)).map_err(|why| Refusal::CannotTakeOff { node, why })?;
        }
        self.own.proposals.open.remove(&id);
        let (by, reason) = (origin.operator.clone(), reason.to_owned());
        self.tell(Happening::ProposalDecided { proposal, approved: approve, by, reason }, out);
        let after = if approve { "approved" } else { "declined" };
        Ok(Granted {
            reply: Reply::Done,
            object: format!("{node} {id}"),
            before: "proposed".into(),
            after: after.into(),
        })
    }
}
