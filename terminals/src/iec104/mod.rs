//! IEC 60870-5-104, both sides.
//!
//! Read `apci` (frames), `inbox` (a stream cut into them), `asdu` (messages), `apdu_flow` (sequence numbers, windows,
//! timers), then `controlling` and `controlled` (the sessions, no I/O), `files` (transfers, for both), `budget` (what a peer
//! may send) and `access` (who may connect). `task` alone owns the sockets and the clock.
//!
//! **Invariants:** `select_before_execute`: an execute is never sent unless the same order's select was confirmed within
//! `select_timeout`. `expired_never_sent`: a command is never sent from its expiry on. `durable_before_ack`: N(R) never
//! passes what the application reported durable.

pub mod access;
pub mod apci;
pub mod apdu_flow;
pub mod asdu;
pub mod budget;
pub mod config;
pub mod controlled;
pub mod controlling;
pub mod error;
pub mod files;
mod inbox;
pub mod task;
pub mod time;

pub use asdu::{Command, CommandValue, Object, Value};
pub use config::{LinkConfig, StationConfig, Timers};
pub use controlled::{CommandAnswer, CommandToken, ConnectionId, Station, StationCommand};
pub use task::{AckTicket, LinkHandler, Malformed, run_controlled, run_controlling};

#[cfg(test)]
pub(crate) mod tests;
