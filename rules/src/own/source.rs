//! What a rule can read, as people write it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, PointKind, RoundNo, RuleId, TerminalId};

/// One value of the supply. A node or terminal that is none is the one that the rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum Source {
    /// `node F03 load`: kW.
    Load {
        /// Whose.
        node: Option<NodeId>,
    },
    /// `node F03 limit`: the limit in force, kW.
    Limit {
        /// Whose.
        node: Option<NodeId>,
    },
    /// `node F03 headroom`: limit minus load, kW.
    Headroom {
        /// Whose.
        node: Option<NodeId>,
    },
    /// `terminal T-0142 voltage A`: a quantity in its unit, or a yes or no: a switch is yes when closed.
    Point {
        /// Whose.
        terminal: Option<TerminalId>,
        /// Which.
        point: PointKind,
    },
    /// `point HALL`: a calculated point, in its unit.
    Calculated {
        /// Which.
        point: RuleId,
    },
}

/// A text that names nothing that a rule could read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "wanted \"node ID load\" (or limit, headroom), \"point ID\" or \"terminal ID POINT\" with a point as \"active power\", \"voltage A\" or \
     \"round 1 switch\"; * for an ID is the node or terminal that the rule is for"
)]
pub struct SourceError;

impl Source {
    /// Whether it is a yes or no, not a quantity.
    pub const fn is_flag(&self) -> bool {
        matches!(self, Self::Point { point, .. } if point.is_state())
    }

    /// The unit that its value is told in; empty for a yes or no.
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Load { .. } | Self::Limit { .. } | Self::Headroom { .. } => "kW",
            Self::Point { point, .. } => point.unit(),
            Self::Calculated { .. } => "",
        }
    }

    /// The node that it names.
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::Load { node } | Self::Limit { node } | Self::Headroom { node } => *node,
            Self::Point { .. } | Self::Calculated { .. } => None,
        }
    }

    /// The terminal that it names.
    pub const fn terminal(&self) -> Option<TerminalId> {
        if let Self::Point { terminal, .. } = self { *terminal } else { None }
    }

    /// Whether it reads the node that the rule is for.
    pub const fn is_of_each_node(&self) -> bool {
        matches!(self, Self::Load { node: None } | Self::Limit { node: None } | Self::Headroom { node: None })
    }

    /// The round that it reads of the terminal that the rule is for.
    pub const fn round_of_each(&self) -> Option<RoundNo> {
        match self {
            Self::Point { terminal: None, point: PointKind::RoundPower(round) | PointKind::RoundPosition(round) } => {
                Some(*round)
            }
            _ => None,
        }
    }

    /// Whether it reads the terminal that the rule is for.
    pub const fn is_of_each_terminal(&self) -> bool {
        matches!(self, Self::Point { terminal: None, .. })
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let mut words = text.split_whitespace();
        let (Some(of), Some(id)) = (words.next(), words.next()) else { return Err(SourceError) };
        let rest = words.collect::<Vec<_>>().join(" ");
        match of {
            "node" => {
                let node = if id == "*" { None } else { Some(id.parse().map_err(|_| SourceError)?) };
                match rest.as_str() {
                    "load" => Ok(Self::Load { node }),
                    "limit" => Ok(Self::Limit { node }),
                    "headroom" => Ok(Self::Headroom { node }),
                    _ => Err(SourceError),
                }
            }
            "terminal" => {
                let terminal = if id == "*" { None } else { Some(id.parse().map_err(|_| SourceError)?) };
                let point = PointKind::from_name(&rest).ok_or(SourceError)?;
                // A record of a quarter or of an act, never what is drawn now.
                let record = matches!(point, PointKind::LoadCurve | PointKind::Control(_));
                if record { Err(SourceError) } else { Ok(Self::Point { terminal, point }) }
            }
            "point" if rest.is_empty() => Ok(Self::Calculated { point: id.parse().map_err(|_| SourceError)? }),
            _ => Err(SourceError),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Id<T>(Option<T>);
        impl<T: fmt::Display> fmt::Display for Id<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match &self.0 {
                    Some(id) => id.fmt(f),
                    None => f.write_str("*"),
                }
            }
        }
        match self {
            Self::Load { node } => write!(f, "node {} load", Id(*node)),
            Self::Limit { node } => write!(f, "node {} limit", Id(*node)),
            Self::Headroom { node } => write!(f, "node {} headroom", Id(*node)),
            Self::Calculated { point } => write!(f, "point {point}"),
            Self::Point { terminal, point } => write!(f, "terminal {} {point}", Id(*terminal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_written() {
        for text in [
            "node F03 load",
            "node * limit",
            "node F03 headroom",
            "terminal T-0142 active power",
            "terminal * round 3 switch",
            "terminal T-1 voltage A",
            "terminal T-1 peak energy",
            "point HALL",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        assert_eq!("terminal T-1 voltage_a".parse::<Source>().unwrap().to_string(), "terminal T-1 voltage A");
        for bad in ["", "node", "node F03", "node F03 weight", "terminal T-1 load curve", "node F/3 load", "x y z"] {
            assert_eq!(bad.parse::<Source>(), Err(SourceError), "{bad}");
        }
    }

    #[test]
    fn states_are_a_yes_or_no_and_all_else_has_a_unit() {
        let source = |text: &str| text.parse::<Source>().unwrap();
        assert!(source("terminal T-1 round 1 switch").is_flag() && source("terminal T-1 cover").is_flag());
        assert_eq!(source("terminal T-1 current B").unit(), "A");
        assert!(!source("node F load").is_flag());
    }
}
