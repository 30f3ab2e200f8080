//! What is supplied, measured and switched: units, ids, points with quality, and the supply tree.

mod code;
mod point;
mod supply;
mod units;

pub use code::{Code, CodeError, CustomerId, DayKind, NodeId, RuleId, TerminalId};
pub use point::{ControlField, PointKind, Quality, Reading, RoundNo, RoundNoError, SwitchPosition, Tariff};
pub use supply::{Customer, Inventory, Node, NodeKind, PriorityClass, PriorityError, Round, SupplyError, Terminal};
pub(crate) use units::civil_from_days;
pub use units::{Current, Energy, Power, Span, Timestamp, Voltage};
