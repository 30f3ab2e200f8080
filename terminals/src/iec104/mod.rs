//! IEC 60870-5-104, both sides.
//!
//! Read `apci` (frames), then `asdu` (messages).

pub mod apci;
pub mod apdu_flow;
pub mod asdu;
pub mod config;
pub mod controlling;
pub mod error;
pub mod time;

pub use asdu::{Command, CommandValue, Object, Value};
pub use config::{LinkConfig, StationConfig, Timers};
