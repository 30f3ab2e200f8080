//! Headroom's drivers: each turns a protocol into objects and commands, with the same rooms in every driver.
//!
//! Read [`iec104`] (`apci`, `asdu`, then the sessions without I/O, then `task`).

pub mod iec104;
