//! What users' rules see: values that may decide, or why they may not.

use std::fmt;

use super::super::Engine;
use crate::expression::Value;
use crate::model::{NodeId, PointKind, SwitchPosition, TerminalId};
use crate::own::{Source, Subject};

/// Why a value decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Missing {
    /// Its node or terminal is not in the inventory.
    NotThere,
    /// It never came.
    NeverTold,
    /// It is bad, or beyond all reason.
    Bad,
    /// It is the same for long though a meter beside it says otherwise.
    Frozen,
    /// It is too old, or of before the link.
    TooOld,
    /// A switch is at neither end.
    Moving,
    /// The node's load is not all measured: a value by hand, or one that stands in, is in it.
    ByHand,
    /// The node's load is not to be told from good and fresh readings.
    LoadUnknown,
    /// No rule limits the node.
    NoLimit,
    /// A calculated point is not known.
    NotReckoned,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotThere => "is not in the inventory",
            Self::NeverTold => "was never told",
            Self::Bad => "is of bad quality",
            Self::Frozen => "is frozen",
            Self::TooOld => "is too old",
            Self::Moving => "is at neither end",
            Self::LoadUnknown => "is not known from good and fresh readings",
            Self::ByHand => "is not all measured: a value by hand, or one that stands in, is in it",
            Self::NotReckoned => "is not known",
            Self::NoLimit => "is not there: no rule limits the node",
        })
    }
}

impl Engine {
    /// A value as a rule sees it.
    pub(in crate::engine) fn value_of(&self, source: &Source, subject: Subject) -> Result<Value, Missing> {
        let of_node = |node: &Option<NodeId>| node.or(subject.node()).ok_or(Missing::NotThere);
        match source {
            Source::Load { node } => self.load_of(of_node(node)?),
            Source::Limit { node } => self.limit_of(of_node(node)?),
            Source::Headroom { node } => {
                let node = of_node(node)?;
                match (self.limit_of(node)?, self.load_of(node)?) {
                    (Value::Number(limit), Value::Number(load)) => Ok(Value::Number(limit.saturating_sub(load))),
                    _ => Err(Missing::LoadUnknown),
                }
            }
            Source::Calculated { point } => self.calculated(*point),
            Source::Point { terminal, point } => {
                self.point_of(terminal.or(subject.terminal()).ok_or(Missing::NotThere)?, *point)
            }
        }
    }

    /// A value as an interlock sees it: what is measured alone.
    pub(in crate::engine) fn measured_value_of(&self, source: &Source, subject: Subject) -> Result<Value, Missing> {
        match source {
            Source::Load { node } | Source::Headroom { node } => {
                let node = node.or(subject.node()).ok_or(Missing::NotThere)?;
                if self.grid.load(node).is_substituted() {
                    return Err(Missing::ByHand);
                }
                self.value_of(source, subject)
            }
            Source::Point { terminal, point } => {
                self.told_of(terminal.or(subject.terminal()).ok_or(Missing::NotThere)?, *point)
            }
            Source::Limit { .. } | Source::Calculated { .. } => self.value_of(source, subject),
        }
    }

    fn load_of(&self, node: NodeId) -> Result<Value, Missing> {
        if !self.grid.inventory.nodes.contains_key(&node) {
            return Err(Missing::NotThere);
        }
        self.grid.load(node).power().map(|load| Value::Number(load.get())).ok_or(Missing::LoadUnknown)
    }

    fn limit_of(&self, node: NodeId) -> Result<Value, Missing> {
        if !self.grid.inventory.nodes.contains_key(&node) {
            return Err(Missing::NotThere);
        }
        self.policy.rule(node).map(|rule| Value::Number(rule.limit.get())).ok_or(Missing::NoLimit)
    }

    fn point_of(&self, terminal: TerminalId, point: PointKind) -> Result<Value, Missing> {
        match self.dressed_point(terminal, point) {
            Some(dressing) => valued(point, dressing.value),
            None => self.told_of(terminal, point),
        }
    }

    fn told_of(&self, terminal: TerminalId, point: PointKind) -> Result<Value, Missing> {
        let post = self.grid.posts.get(&terminal).ok_or(Missing::NotThere)?;
        let held = post.held(point).ok_or(Missing::NeverTold)?;
        if post.is_stale(held, self.now, self.grid.age_max) {
            return Err(Missing::TooOld);
        }
        if point == PointKind::ActivePower && post.is_frozen() {
            return Err(Missing::Frozen);
        }
        let value = post.deciding(point, self.now, self.grid.age_max).ok_or(Missing::Bad)?.reading.value;
        valued(point, value)
    }
}

fn valued(point: PointKind, value: i64) -> Result<Value, Missing> {
    match point {
        PointKind::RoundPosition(_) => match SwitchPosition::from_value(value) {
            SwitchPosition::Closed => Ok(Value::Flag(true)),
            SwitchPosition::Open => Ok(Value::Flag(false)),
            SwitchPosition::Intermediate | SwitchPosition::Indeterminate => Err(Missing::Moving),
        },
        point if point.is_state() => Ok(Value::Flag(value != 0)),
        _ => Ok(Value::Number(value)),
    }
}
