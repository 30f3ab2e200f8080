//! Headroom's drivers, each of which turns a protocol into objects and commands, and the soft terminal.
//!
//! Read [`profile`] (which point stands at which address), [`iec104`] (`apci`, `asdu`, then the sessions without I/O,
//! then `task`), then [`agent`] (the terminal).

pub mod agent;
pub mod iec104;
pub mod profile;
