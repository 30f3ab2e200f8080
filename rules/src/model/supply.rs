//! The supply tree: region > substation > feeder > transformer area > customer, and the terminals on it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measures::{Agreed, MeasureKind, WrongMeasure, wrong};

use super::{CustomerId, NodeId, Power, RoundNo, Span, TerminalId};

/// What a node of the supply tree is. Ordered from the top down: a node's parent is always of an earlier kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// The utility's area of supply.
    Region,
    /// A substation.
    Substation,
    /// A medium-voltage feeder.
    Feeder,
    /// What one distribution transformer supplies (台区).
    TransformerArea,
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Region => "region",
            Self::Substation => "substation",
            Self::Feeder => "feeder",
            Self::TransformerArea => "transformer area",
        })
    }
}

/// A node of the supply tree above the customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// As people call it.
    pub name: String,
    /// The node that supplies it; none for a region.
    pub parent: Option<NodeId>,
    /// The terminal at its head whose active power is the node's load; while its reading is bad or stale, the load is
    /// unknown. Without one, the load is the sum over what lies below, as far as every part of it is known.
    pub measured_by: Option<TerminalId>,
}

/// How important a customer's supply is: 1 is shed last, 5 first (有序用电 classes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct PriorityClass(u8);

/// A class outside 1..=5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("priority class {0}: wanted 1 (shed last) to 5 (shed first)")]
pub struct PriorityError(u8);

impl PriorityClass {
    /// The class, 1..=5.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for PriorityClass {
    type Error = PriorityError;
    fn try_from(class: u8) -> Result<Self, PriorityError> {
        if (1..=5).contains(&class) { Ok(Self(class)) } else { Err(PriorityError(class)) }
    }
}

impl From<PriorityClass> for u8 {
    fn from(class: PriorityClass) -> Self {
        class.0
    }
}

impl fmt::Display for PriorityClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A customer of the utility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// As people call it.
    pub name: String,
    /// The node that supplies it: a feeder or a transformer area.
    pub supplied_by: NodeId,
    /// The power agreed in the contract.
    pub contract: Power,
    /// Guaranteed supply (保电): never tripped by anybody (`never-shed-protected`).
    pub guaranteed: bool,
    /// No trip may take the customer's load below this (保安负荷).
    pub safety_floor: Power,
    /// How important its supply is.
    pub priority: PriorityClass,
    /// What it agreed to do itself when the centre asks, before anybody is tripped. Inventories of before there were such have
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Agreed>,
}

/// One switchable load group of a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// What hangs on it, as people call it: `lighting`, `furnace 2`.
    pub name: String,
}

/// A two-way load-monitoring terminal. How it is reached stands in the centre's acquisition, not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// The customer it serves; none for one that measures a node.
    pub customer: Option<CustomerId>,
    /// Its rounds; empty for one that only measures.
    pub rounds: BTreeMap<RoundNo, Round>,
    /// How long it warns its customer before it carries out a trip, by its point map. What is known of its parameters says
    /// it better.
    #[serde(default)]
    pub warns_for: Span,
}

/// The whole supply tree. Build it with [`Inventory::check`] or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Regions down to transformer areas.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Who is supplied.
    pub customers: BTreeMap<CustomerId, Customer>,
    /// What measures and switches.
    pub terminals: BTreeMap<TerminalId, Terminal>,
}

/// What makes an inventory contradict itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum SupplyError {
    #[error("node {node}: its parent {parent} is not in the inventory")]
    UnknownParent { node: NodeId, parent: NodeId },
    #[error("node {node}: a {kind} cannot be supplied by {parent}, a {parent_kind}")]
    ParentBelow { node: NodeId, kind: NodeKind, parent: NodeId, parent_kind: NodeKind },
    #[error("node {node}: a {kind} needs a parent")]
    NoParent { node: NodeId, kind: NodeKind },
    #[error("node {node}: measured by {terminal}, which is not in the inventory")]
    UnknownMeasuring { node: NodeId, terminal: TerminalId },
    #[error("node {node}: measured by {terminal}, which serves customer {customer}")]
    MeasuredByCustomer { node: NodeId, terminal: TerminalId, customer: CustomerId },
    #[error("customer {customer}: supplied by {node}, which is not in the inventory")]
    UnknownSupply { customer: CustomerId, node: NodeId },
    #[error("customer {customer}: supplied by {node}, a {kind}: wanted a feeder or a transformer area")]
    SupplyTooHigh { customer: CustomerId, node: NodeId, kind: NodeKind },
    #[error("customer {customer}: the safety floor {floor} is above the contract's {contract}")]
    FloorAboveContract { customer: CustomerId, floor: Power, contract: Power },
    #[error("customer {customer}: {kind}: {why}")]
    Measure { customer: CustomerId, kind: MeasureKind, why: WrongMeasure },
    #[error("terminal {terminal}: serves customer {customer}, who is not in the inventory")]
    UnknownCustomer { terminal: TerminalId, customer: CustomerId },
    #[error("terminal {terminal}: has rounds but no customer whose load they switch")]
    RoundsWithoutCustomer { terminal: TerminalId },
    #[error("terminal {terminal}: customer {customer} is already served by {other}")]
    SecondTerminal { terminal: TerminalId, customer: CustomerId, other: TerminalId },
}

impl Inventory {
    /// Everything that contradicts itself, in order of the ids; empty when the inventory may be used.
    ///
    /// A parent is always of a higher kind than its child, so a tree that passes has no circle.
    pub fn check(&self) -> Vec<SupplyError> {
        let mut errors = Vec::new();
        for (&node, entry) in &self.nodes {
            match entry.parent {
                None if entry.kind == NodeKind::Region => {}
                None => errors.push(SupplyError::NoParent { node, kind: entry.kind }),
                Some(parent) => match self.nodes.get(&parent) {
                    None => errors.push(SupplyError::UnknownParent { node, parent }),
                    Some(above) if above.kind >= entry.kind => errors.push(SupplyError::ParentBelow {
                        node,
                        kind: entry.kind,
                        parent,
                        parent_kind: above.kind,
                    }),
                    Some(_) => {}
                },
            }
            if let Some(terminal) = entry.measured_by {
                match self.terminals.get(&terminal) {
                    None => errors.push(SupplyError::UnknownMeasuring { node, terminal }),
                    Some(Terminal { customer: Some(customer), .. }) => {
                        errors.push(SupplyError::MeasuredByCustomer { node, terminal, customer: *customer });
                    }
                    Some(_) => {}
                }
            }
        }
        for (&customer, entry) in &self.customers {
            match self.nodes.get(&entry.supplied_by) {
                None => errors.push(SupplyError::UnknownSupply { customer, node: entry.supplied_by }),
                Some(node) if node.kind < NodeKind::Feeder => {
                    errors.push(SupplyError::SupplyTooHigh { customer, node: entry.supplied_by, kind: node.kind });
                }
                Some(_) => {}
            }
            if entry.safety_floor > entry.contract {
                errors.push(SupplyError::FloorAboveContract {
                    customer,
                    floor: entry.safety_floor,
                    contract: entry.contract,
                });
            }
        }
        for (&customer, entry) in &self.customers {
            let of = |(place, why): (usize, WrongMeasure)| {
                entry.measures.get(place).map(|it| SupplyError::Measure { customer, kind: it.kind, why })
            };
            errors.extend(wrong(&entry.measures, entry.contract, entry.safety_floor).filter_map(of));
        }
        let mut served = BTreeMap::new();
        for (&terminal, entry) in &self.terminals {
            match entry.customer {
                None if entry.rounds.is_empty() => {}
                None => errors.push(SupplyError::RoundsWithoutCustomer { terminal }),
                Some(customer) if !self.customers.contains_key(&customer) => {
                    errors.push(SupplyError::UnknownCustomer { terminal, customer });
                }
                Some(customer) => {
                    if let Some(other) = served.insert(customer, terminal) {
                        errors.push(SupplyError::SecondTerminal { terminal, customer, other });
                    }
                }
            }
        }
        errors
    }

    /// The customer that a terminal serves.
    pub fn customer_of(&self, terminal: TerminalId) -> Option<(CustomerId, &Customer)> {
        let id = self.terminals.get(&terminal)?.customer?;
        Some((id, self.customers.get(&id)?))
    }

    /// The node and all that supply it, from the node upwards. Ends after four steps at most: kinds only rise.
    pub fn path_up(&self, from: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(from), |node| self.nodes.get(node)?.parent).take(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Inventory {
        let id = |text: &str| text.parse().unwrap();
        let node = |kind, parent: Option<&str>, measured_by: Option<&str>| Node {
            kind,
            name: "n".into(),
            parent: parent.map(|p| p.parse().unwrap()),
            measured_by: measured_by.map(|t| t.parse().unwrap()),
        };
        Inventory {
            nodes: BTreeMap::from([
                (id("R"), node(NodeKind::Region, None, None)),
                (id("S"), node(NodeKind::Substation, Some("R"), None)),
                (id("F"), node(NodeKind::Feeder, Some("S"), Some("H"))),
                (id("A"), node(NodeKind::TransformerArea, Some("F"), None)),
            ]),
            customers: BTreeMap::from([(
                "C".parse().unwrap(),
                Customer {
                    name: "c".into(),
                    supplied_by: id("A"),
                    contract: Power::from_kw(100),
                    guaranteed: false,
                    safety_floor: Power::from_kw(10),
                    priority: PriorityClass::try_from(3).unwrap(),
                    measures: Vec::new(),
                },
            )]),
            terminals: BTreeMap::from([
                ("H".parse().unwrap(), Terminal { customer: None, rounds: BTreeMap::new(), warns_for: Span::ZERO }),
                (
                    "T".parse().unwrap(),
                    Terminal {
                        customer: Some("C".parse().unwrap()),
                        rounds: BTreeMap::from([(RoundNo::ALL[0], Round { name: "r".into() })]),
                        warns_for: Span::ZERO,
                    },
                ),
            ]),
        }
    }

    #[test]
    fn a_sound_tree_passes() {
        assert_eq!(small().check(), []);
    }

    #[test]
    fn a_circle_is_refused() {
        let mut tree = small();
        tree.nodes.get_mut(&"S".parse().unwrap()).unwrap().parent = Some("A".parse().unwrap());
        assert!(matches!(tree.check()[..], [SupplyError::ParentBelow { .. }]));
    }

    #[test]
    fn what_is_named_must_exist() {
        let mut tree = small();
        tree.terminals.clear();
        tree.customers.values_mut().for_each(|c| c.supplied_by = "X".parse().unwrap());
        let errors: Vec<_> = tree.check().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "node F: measured by H, which is not in the inventory",
                "customer C: supplied by X, which is not in the inventory"
            ]
        );
    }
}
