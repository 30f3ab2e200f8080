//! Headroom's drivers and the soft terminal.
//!
//! Read [`profile`] (which point stands at which address), then [`iec104`] (the link).

pub mod iec104;
pub mod profile;
