//! What is supplied, measured and switched: units, ids, points with quality, and the supply tree.

mod code;
mod point;
mod supply;
mod units;

pub use code::{Code, CodeError, CustomerId, DayKind, NodeId, RuleId, TerminalId};
pub use point::{PointKind, Quality, Reading, RoundNo, RoundNoError, SwitchPosition, Tariff};
pub use supply::{Customer, Inventory, Node, NodeKind, PriorityClass, PriorityError, Round, SupplyError, Terminal};
pub use units::{Current, Energy, Power, Span, Timestamp, Voltage};
